"""The line of every key in a TOML text, which the standard library's parser does not tell.

One rule governs this module: it reads only text that `tomllib` has accepted, so it checks nothing.
"""

import re
from bisect import bisect_right
from collections.abc import Mapping

KeyPath = tuple[str | int, ...]
"""Where a value is: keys of tables, and indexes of arrays."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_SCALAR = re.compile(r"[^,\]}\n#]*")
_BASIC = re.compile(r'"(?:[^"\\]|\\.)*"')
_LITERAL = re.compile(r"'[^']*'")
# A multi-line string may end in up to two quotes of its own before the closing three.
_MULTI_BASIC = re.compile(r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})', re.DOTALL)
_MULTI_LITERAL = re.compile(r"'''.*?'''(?:'{0,2})", re.DOTALL)
_ESCAPE = re.compile(r'\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(["\\bfnrt]))')
_SHORT_ESCAPES = {'"': '"', "\\": "\\", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def locate(text: str) -> Mapping[KeyPath, int]:
    """Give the line, from 1, on which each table, key and array item of valid TOML begins; the root is line 1."""
    return _Scanner(text.replace("\r\n", "\n")).scan()


class _Scanner:
    """Walks the text once, noting where each path begins."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._lines: dict[KeyPath, int] = {(): 1}
        self._array_lengths: dict[KeyPath, int] = {}

    def scan(self) -> Mapping[KeyPath, int]:
        """Read tables and keys to the end of the text."""
        table: KeyPath = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_BLANK)
        return self._lines

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:  # only text that tomllib refuses gets here
            raise ValueError(f"not TOML at line {self._line()}")
        self._at = match.end()
        return match.group()

    def _line(self) -> int:
        return bisect_right(self._line_starts, self._at)

    def _note(self, path: KeyPath, line: int) -> None:
        """Keep the first line on which a path is seen, and that of the tables which it implies."""
        for length in range(1, len(path) + 1):
            self._lines.setdefault(path[:length], line)

    def _header(self) -> KeyPath:
        """Read [table] or [[array of tables]]; the latter's path ends in the index of its newest item."""
        line = self._line()
        is_array = self._text.startswith("[[", self._at)
        self._at += 2 if is_array else 1
        keys = self._keys()
        self._at += 2 if is_array else 1
        path: KeyPath = ()
        for key in keys[:-1]:
            path = self._newest((*path, key))
        path = (*path, keys[-1])
        if is_array:
            self._array_lengths[path] = self._array_lengths.get(path, 0) + 1
            path = self._newest(path)
        self._note(path, line)
        # A table that was only implied so far begins at its own header.
        self._lines[path] = line
        return path

    def _newest(self, path: KeyPath) -> KeyPath:
        """Step into the newest item of an array of tables; any other path stays."""
        length = self._array_lengths.get(path, 0)
        return (*path, length - 1) if length else path

    def _keys(self) -> list[str]:
        """Read a dotted key and the blanks around it."""
        keys: list[str] = []
        while True:
            self._skip(_SPACE)
            match self._text[self._at]:
                case '"':
                    keys.append(_ESCAPE.sub(_unescape, self._skip(_BASIC)[1:-1]))
                case "'":
                    keys.append(self._skip(_LITERAL)[1:-1])
                case _:
                    keys.append(self._skip(_BARE_KEY))
            self._skip(_SPACE)
            if not self._text.startswith(".", self._at):
                return keys
            self._at += 1

    def _pair(self, table: KeyPath) -> None:
        """Read key = value inside `table`."""
        line = self._line()
        path = (*table, *self._keys())
        self._at += 1  # the equals sign
        self._note(path, line)
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        self._skip(_SPACE)
        text, at = self._text, self._at
        if text.startswith('"""', at):
            self._skip(_MULTI_BASIC)
        elif text.startswith("'''", at):
            self._skip(_MULTI_LITERAL)
        elif text.startswith('"', at):
            self._skip(_BASIC)
        elif text.startswith("'", at):
            self._skip(_LITERAL)
        elif text.startswith("[", at):
            self._array(path)
        elif text.startswith("{", at):
            self._inline_table(path)
        else:
            self._skip(_SCALAR)

    def _array(self, path: KeyPath) -> None:
        self._at += 1
        index = 0
        self._skip(_BLANK)
        while not self._text.startswith("]", self._at):
            item = (*path, index)
            self._note(item, self._line())
            self._value(item)
            index += 1
            self._skip(_BLANK)
            if self._text.startswith(",", self._at):
                self._at += 1
                self._skip(_BLANK)
        self._at += 1

    def _inline_table(self, path: KeyPath) -> None:
        self._at += 1
        self._skip(_BLANK)
        while not self._text.startswith("}", self._at):
            self._pair(path)
            self._skip(_BLANK)
            if self._text.startswith(",", self._at):
                self._at += 1
                self._skip(_BLANK)
        self._at += 1


def _unescape(match: re.Match[str]) -> str:
    short, long, single = match.group(1), match.group(2), match.group(3)
    return _SHORT_ESCAPES[single] if single else chr(int(short or long, 16))
