"""Checking an exported evidence file, on the file alone: no configuration, no database, no keys.

One rule governs this module: a line counts only as the exact bytes that an export writes. Each is read, built anew from
what was read and from what the lines before it ask for, and compared; so no byte of it can differ unseen.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import BinaryIO

import msgspec

from dialer.errors import EvidenceError
from dialer.storage.evidence import GENESIS, link
from dialer.storage.evidence_file import (
    FORMAT,
    EndLine,
    EntryLine,
    Head,
    HeadLine,
    HiddenLine,
    Line,
    TextLine,
    encode_line,
    texts_of,
)

LINE_MAX = 64 * 1024 * 1024
SEQ_MAX = 1 << 62

_LINE: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)
_HEAD: msgspec.json.Decoder[Head] = msgspec.json.Decoder(Head)


class _Peek(msgspec.Struct):
    """What a check looks at in a body."""

    at: float
    kind: str
    law: str | None = None


_PEEK: msgspec.json.Decoder[_Peek] = msgspec.json.Decoder(_Peek)


@dataclass(slots=True, kw_only=True)
class Checked:
    """What a whole file holds. `from_at`, `to_at`: the earliest and the latest instant of a body that is there."""

    head: Head
    count: int = 0
    hidden: int = 0
    hash: str = ""
    from_at: float | None = None
    to_at: float | None = None
    kinds: Counter[str] = field(default_factory=Counter)
    laws: set[str] = field(default_factory=set)  # the SHA-256 of each law's entry
    lawless: int = 0  # verdicts that went by another law than the last in the log
    found: dict[str, int] = field(default_factory=dict)  # wanted hash -> number of its entry


class _Fault(Exception):
    """What is wrong with the line at hand."""


def check(file: BinaryIO, name: str, heads: Collection[str] = ()) -> Checked:
    """Check a file from its first byte to its last; raise EvidenceError that names the first line that is wrong.

    `heads` are hashes noted elsewhere: each must be that of an entry of the file, or the one before the first.
    """
    checker = _Checker(heads)
    number = 0
    try:
        for line in _lines(file):
            number += 1
            checker.take(line)
        number += 1
        result = checker.end()
    except _Fault as fault:
        raise EvidenceError(f"{name}: line {number}: {fault}") from fault
    for head in heads:
        if head not in result.found:
            raise EvidenceError(
                f"{name}: the hash {head} that was noted elsewhere is that of no entry in this file, which is whole in "
                "itself: it is of another span, or its entries were all made anew"
            )
    return result


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(LINE_MAX):
        yield line


class _Checker:
    """Goes through the lines of one file."""

    def __init__(self, heads: Collection[str]) -> None:
        self._heads = frozenset(heads)
        self._all = sha256()
        self._result: Checked | None = None
        self._is_over = False
        self._seq = 0
        self._before = GENESIS
        self._texts: list[str] = []  # that have to come next
        self._known: set[str] = set()

    def take(self, data: bytes) -> None:
        """Check the next line."""
        if self._is_over:
            raise _Fault("expected the end of the file after the line `end`, found more")
        line = _parse(data)
        result = self._result
        if result is None:
            if not isinstance(line, HeadLine):
                raise _Fault(f"expected the line `head`, found {_named(line)}")
            self._take_head(line)
        elif self._texts or isinstance(line, TextLine):
            self._take_text(line)
        else:
            match line:
                case EntryLine(body=body):
                    self._link(result, line.seq, line.hash, sha256(body).digest())
                    self._look_at(result, bytes(body))
                case HiddenLine():
                    if result.head.campaign is None:
                        raise _Fault("the body of the entry is left out, but the file is of all campaigns")
                    self._link(result, line.seq, line.hash, _bytes(line.sha256))
                    result.hidden += 1
                case EndLine():
                    self._take_end(result, line)
                case _:
                    raise _Fault(f"expected an entry or the line `end`, found {_named(line)}")
        if encode_line(line) != data:
            raise _Fault("the line is not written as an export writes it: a byte was added, left out or changed")
        self._all.update(data)

    def end(self) -> Checked:
        """Say what the file holds, at its end."""
        if self._result is None or not self._is_over:
            raise _Fault("the file ends before its line `end`: it was cut")
        return self._result

    def _take_head(self, line: HeadLine) -> None:
        if sha256(line.head).hexdigest() != line.sha256:
            raise _Fault("the head was changed: its SHA-256 is another")
        try:
            head = _HEAD.decode(line.head)
        except msgspec.MsgspecError as error:
            raise _Fault(f"the head does not say what a head says: {error}") from error
        if head.format != FORMAT:
            raise _Fault(f"expected the format {FORMAT!r}, found {head.format!r}")
        self._seq = head.first - 1
        self._before = _bytes(head.before)
        if not 0 <= self._seq < SEQ_MAX or (self._seq == 0) != (self._before == GENESIS):
            raise _Fault("the number of the first entry and the hash before it do not fit together")
        self._result = Checked(head=head, hash=head.before)
        if head.before in self._heads:
            self._result.found[head.before] = self._seq
        if bytes(head.law) != b"null":
            self._take_law(self._result, bytes(head.law))

    def _take_law(self, result: Checked, law: bytes) -> None:
        """Remember a law, and ask for those of its texts that have not come yet."""
        try:
            texts = texts_of(law)
        except msgspec.MsgspecError as error:
            raise _Fault(f"the law does not say what a law says: {error}") from error
        result.laws.add(sha256(law).hexdigest())
        self._texts = [text for text in texts if text not in self._known]

    def _take_text(self, line: Line) -> None:
        if not isinstance(line, TextLine):
            raise _Fault(f"expected the rules with the SHA-256 {self._texts[0]}, found {_named(line)}")
        if not self._texts or line.sha256 != self._texts[0]:
            asked = self._texts[0] if self._texts else "none"
            raise _Fault(f"expected rules with the SHA-256 {asked}, found {line.sha256}")
        if sha256(line.text).hexdigest() != line.sha256:
            raise _Fault("the rules were changed: their SHA-256 is another")
        self._known.add(self._texts.pop(0))

    def _link(self, result: Checked, seq: int, hash_: str, digest: bytes) -> None:
        """Check that an entry is the next one."""
        expected = self._seq + 1
        if seq != expected:
            what = "entries are missing or were moved" if seq > expected else "an entry was repeated or moved"
            raise _Fault(f"expected entry {expected}, found entry {seq}: {what}")
        self._before = link(self._before, seq, digest)
        if self._before.hex() != hash_:
            raise _Fault(f"entry {seq} was changed, or one before it was: its hash is another")
        self._seq = seq
        result.count += 1
        result.hash = hash_
        if hash_ in self._heads:
            result.found[hash_] = seq

    def _look_at(self, result: Checked, body: bytes) -> None:
        """Count what an entry says."""
        try:
            peek = _PEEK.decode(body)
        except msgspec.MsgspecError as error:
            raise _Fault(f"entry {self._seq} does not say what an entry says: {error}") from error
        result.kinds[peek.kind] += 1
        result.from_at = peek.at if result.from_at is None else min(result.from_at, peek.at)
        result.to_at = peek.at if result.to_at is None else max(result.to_at, peek.at)
        if peek.kind == "law":
            self._take_law(result, body)
        elif peek.law is not None and peek.law not in result.laws:
            raise _Fault(f"entry {self._seq} went by a law that is not in the file before it, or that was changed")
        elif peek.kind == "verdict" and peek.law is None:
            result.lawless += 1

    def _take_end(self, result: Checked, line: EndLine) -> None:
        for what, expected, found in (
            ("entries", result.count, line.count),
            ("the last hash", result.hash, line.hash),
            ("the SHA-256 of all lines before", self._all.hexdigest(), line.sha256),
        ):
            if expected != found:
                raise _Fault(f"{what}: counted {expected}, but the line `end` says {found}")
        self._is_over = True


def _parse(data: bytes) -> Line:
    if not data.endswith(b"\n"):
        raise _Fault("the line has no end: the file was cut, or the line is too long")
    try:
        return _LINE.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _Fault(f"expected a line of an evidence file, found something else ({error})") from error


def _named(line: Line) -> str:
    return f"the line `{line.__struct_config__.tag}`"


def _bytes(text: str) -> bytes:
    """Read a SHA-256."""
    try:
        value = bytes.fromhex(text)
    except ValueError as error:
        raise _Fault(f"expected a SHA-256, found {text!r}") from error
    if len(value) != 32 or value.hex() != text:
        raise _Fault(f"expected a SHA-256 in 64 small hexadecimal digits, found {text!r}")
    return value
