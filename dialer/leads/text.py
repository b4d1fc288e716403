"""Text files: in which encoding, and line by line with limits.

Order of evidence: `[list] encoding`, a byte order mark, strict UTF-8 over the whole file, then four legacy encodings
that lists still come in: there the campaign's own headings decide, else a statistical guess, which the report says.
"""

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import charset_normalizer

from dialer.leads.columns import fold
from dialer.leads.source import Encoding, refuse

MAX_LINE = 1_048_576  # characters in one line, and in one record with embedded newlines
CHUNK = 1_048_576
HEAD = 65_536
LEGACY = ("cp949", "cp932", "euc_jp", "cp1252")
DELIMITERS = (",", ";", "\t")
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def detect(path: Path, configured: str | None, wanted: Sequence[str]) -> Encoding:
    """Find the encoding of a text file.

    `configured` is the campaign's `[list] encoding`, `wanted` the campaign's headings. Raises `ListError` when no
    candidate fits every byte, or when the file holds NUL bytes, which no text does.
    """
    if configured is not None:
        return _configured(path, configured)
    with path.open("rb") as file:
        head = file.read(HEAD)
        for mark, name in BYTE_ORDER_MARKS:
            if head.startswith(mark):
                return Encoding(name=name, how="byte order mark", is_sure=True)
        if _fits(file, "utf-8"):
            return Encoding(name="utf-8", how="every byte is UTF-8", is_sure=True)
        _refuse_nul(path, file)
        fitting = [name for name in LEGACY if _fits(file, name)]
        sample = _foreign_lines(file)
    if not fitting:
        raise refuse(
            path,
            f"the bytes are neither UTF-8 nor any of {', '.join(LEGACY)}",
            'save the list as UTF-8, or name its encoding under [list], such as encoding = "big5"',
        )
    return _choose(path, fitting, head, sample, wanted)


def _configured(path: Path, name: str) -> Encoding:
    """Take the encoding that the campaign names; a UTF-8 byte order mark is never part of the text."""
    try:
        codec = codecs.lookup(name)
        "".encode(name)
    except LookupError:
        raise refuse(path, f"[list] encoding = {name!r} is not a text encoding", "name one such as cp949") from None
    plain = "utf-8-sig" if codec.name == "utf-8" else codec.name
    return Encoding(name=plain, how="set by the campaign", is_sure=True)


def _fits(file: BinaryIO, name: str) -> bool:
    """Whether every byte of the file can be read in this encoding; memory stays bounded."""
    decoder = codecs.getincrementaldecoder(name)("strict")
    file.seek(0)
    try:
        while chunk := file.read(CHUNK):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _refuse_nul(path: Path, file: BinaryIO) -> None:
    """Refuse a binary file early, with the line of its first NUL byte."""
    file.seek(0)
    lines = 1
    while chunk := file.read(CHUNK):
        at = chunk.find(b"\0")
        if at >= 0:
            raise nul_found(path, lines + chunk.count(b"\n", 0, at))
        lines += chunk.count(b"\n")


def nul_found(path: Path, line: int) -> Exception:
    """Build the error for a NUL in what should be text."""
    return refuse(path, "a NUL byte, which no text list holds", "export the list again as CSV in UTF-8", line)


def _foreign_lines(file: BinaryIO) -> bytes:
    """Collect up to 64 KiB of the lines that are not plain ASCII: only they tell encodings apart."""
    file.seek(0)
    kept: list[bytes] = []
    size = 0
    while size < HEAD and (line := file.readline(HEAD)):
        if not line.isascii():
            kept.append(line)
            size += len(line)
    return b"".join(kept)


def _choose(path: Path, fitting: Sequence[str], head: bytes, sample: bytes, wanted: Sequence[str]) -> Encoding:
    """Pick among encodings that all fit: by the campaign's headings, else by statistics."""
    foreign = {fold(heading) for heading in wanted if not heading.isascii()}
    for name in fitting:
        record = head.decode(name, errors="replace")
        if any(foreign & {fold(cell) for cell in first_record(record, sign)} for sign in DELIMITERS):
            return Encoding(name=name, how="the campaign's headings read right in it", is_sure=True)
    if len(fitting) == 1:
        return Encoding(name=fitting[0], how=f"the only one of {', '.join(LEGACY)} that fits every byte", is_sure=False)
    best = charset_normalizer.from_bytes(sample, cp_isolation=list(fitting)).best()
    if best is None:
        raise refuse(
            path,
            f"{' and '.join(fitting)} fit every byte, and nothing tells which is right",
            f'name the right one under [list], such as encoding = "{fitting[0]}"',
        )
    lines = sample.count(b"\n")
    how = (
        f"a guess from {lines} lines, disorder {best.percent_chaos:.0f} %, "
        f"resemblance to a language {best.percent_coherence:.0f} %; also possible: "
        f"{', '.join(name for name in fitting if name != best.encoding)}"
    )
    return Encoding(name=best.encoding, how=how, is_sure=False)


def first_record(text: str, delimiter: str) -> list[str]:
    """Read the first record that is not blank; empty when there is none or it cannot be read."""
    try:
        reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter)
        return next((cells for cells in reader if any(cell.strip() for cell in cells)), [])
    except csv.Error:
        return []


class Lines(Iterator[str]):
    """The lines of a text file, each checked before it is handed on.

    `number` is the last line read. `end_record()` tells that a record is complete: a record, too, may only be so long,
    and a file that ends within one has a quote that nobody closed.
    """

    def __init__(self, path: Path, encoding: str) -> None:
        self.path = path
        self.number = 0
        self._encoding = encoding
        self._size = path.stat().st_size
        self._bytes = path.open("rb")
        self._file = io.TextIOWrapper(self._bytes, encoding=encoding, errors="strict", newline="")
        self._record = 0
        self._record_line = 1

    def __next__(self) -> str:
        try:
            line = self._file.readline(MAX_LINE + 1)
        except UnicodeError as error:
            raise refuse(
                self.path,
                f"bytes that are not {self._encoding} soon after this line ({error})",
                "name the right encoding under [list], or save the list as UTF-8",
                self.number + 1,
            ) from None
        if not line:
            self._refuse_open_quote()
            raise StopIteration
        self.number += 1
        self._record += len(line)
        if self._record > MAX_LINE:
            found = f"a line or quoted record of more than {MAX_LINE:,} characters starts here"
            raise refuse(self.path, found, "is this a list, and are its quotes closed?", self._record_line)
        if "\0" in line:
            raise nul_found(self.path, self.number)
        return line

    def _refuse_open_quote(self) -> None:
        if self._record:
            found = "the file ends inside a quoted cell of the record that starts here"
            raise refuse(self.path, found, "close the quote", self._record_line)

    def end_record(self) -> None:
        """Start counting anew."""
        self._record = 0
        self._record_line = self.number + 1

    def share_read(self) -> float:
        """Tell how much of the file has been read, from 0 to 1."""
        return min(1.0, self._bytes.tell() / self._size) if self._size else 1.0

    def close(self) -> None:
        """Close the file."""
        self._file.close()
