"""What every reader of a lead list hands over: headings, and rows with their place in the file.

A file that is not a list at all is refused as a whole with a `ListError`; a single bad row never is.
"""

import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from dialer.errors import ListError

MAX_CELLS = 2_000  # in one row; a wider table is not a list of people
LOSSLESS_FLOAT = 2.0**53  # from here on a float no longer holds every whole number


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One record. `line` is where it starts in the file (a sheet's row, a Parquet record), counted from 1."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How the bytes of a list were read as text; `how` says on which evidence, `is_sure` whether it leaves no doubt."""

    name: str
    how: str
    is_sure: bool


@dataclass(slots=True, kw_only=True)
class RowSource:
    """An open list. `rows` may be walked once; `share_read` tells how much of the file is behind, from 0 to 1."""

    path: Path
    format: str  # csv | xlsx | jsonl | parquet
    headings: tuple[str, ...]
    rows: Iterator[Row]
    share_read: Callable[[], float]
    encoding: Encoding | None = None  # None: the format says itself how text is kept
    detail: str = ""  # the delimiter, the sheet
    close: Callable[[], None] = field(default=lambda: None)

    def __enter__(self) -> "RowSource":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def refuse(path: Path, found: str, remedy: str, line: int | None = None) -> ListError:
    """Build the error for a list that cannot be read: where, what was found, what to do."""
    place = f"{path}:{line}" if line is not None else f"{path}"
    return ListError(f"{place}: {found}; {remedy}. Nothing was loaded.")


def check_width(path: Path, cells: int, line: int) -> None:
    """Refuse a row with more cells than a list of people can have."""
    if cells > MAX_CELLS:
        raise refuse(path, f"{cells} cells in one row, at most {MAX_CELLS} are read", "is this a list of people?", line)


def text_of(value: object) -> str:
    """Write a typed cell as text: whole floats without their `.0`, dates in ISO 8601, lists joined with `; `."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < LOSSLESS_FLOAT else repr(value)
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return "; ".join(text_of(item) for item in value)
    if isinstance(value, dict):
        return msgspec.json.encode(value).decode()
    if isinstance(value, bytes):
        return value.hex()
    return str(value)
