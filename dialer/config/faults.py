"""What is wrong in a configuration file, and where.

One rule governs this module: a fault tells place, key, expected, found and what to do, to people and machines alike.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from dialer.config.locate import KeyPath
from dialer.errors import ConfigError

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_FOUND_CHARACTERS = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault. `line` and `column` count from 1; None where the file as a whole, or the line as a whole, is meant."""

    file: str
    line: int | None
    column: int | None = None
    key: str
    expected: str
    found: str
    hint: str = ""

    def __str__(self) -> str:
        """One line: place, key, expected, found, hint."""
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        key = f"{self.key}: " if self.key else ""
        hint = f"; {self.hint}" if self.hint else ""
        return f"{place}: {key}expected {self.expected}, found {self.found}{hint}"


class ConfigFaults(ConfigError):
    """Every fault of one or several files; the message has one line for each."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        lines = [str(fault) for fault in self.faults]
        if len(lines) > 1:
            lines.insert(0, f"{len(lines)} faults")
        super().__init__("\n".join(lines))


def shown(path: Path) -> str:
    """Give a path as people like to read it: relative to the working directory when it is inside, and printable."""
    try:
        text = str(path.relative_to(Path.cwd()))
    except ValueError:
        text = str(path)
    return text if text.isprintable() else quoted(text)


def key_text(path: KeyPath) -> str:
    """Write a key path as TOML does: a.b."c d"[0]."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _BARE_KEY.fullmatch(part) else quoted(part))
    return text


def quoted(text: str) -> str:
    """Quote a string on one line; what a terminal cannot show is escaped, what is too long is cut."""
    if len(text) > _FOUND_CHARACTERS:
        text = text[:_FOUND_CHARACTERS] + "..."
    return json.dumps(text, ensure_ascii=not text.isprintable())


def value_text(value: object) -> str:
    """Name a TOML value in a message."""
    match value:
        case str():
            return quoted(value)
        case bool():
            return "true" if value else "false"
        case dict():
            return "a table"
        case list():
            return "an array" if value else "an empty array"
        case int() if abs(value) >= 1 << 63:
            return "an integer beyond 64 bits"
    return str(value)


def nearest(word: str, known: Sequence[str]) -> str | None:
    """Give the known word most like `word`, the first of several alike; None when none is known."""
    if not known:
        return None
    return max(known, key=lambda candidate: likeness(word, candidate))


def likeness(left: str, right: str) -> float:
    """Give how alike two words are, from 0 to 1, whatever their case and their dashes."""
    left, right = (word[:_FOUND_CHARACTERS].lower().replace("-", "_") for word in (left, right))
    return SequenceMatcher(a=left, b=right, autojunk=False).ratio()
