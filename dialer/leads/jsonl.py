"""JSON lines: one flat object per line. Keys may come and go; the headings are all keys of the file, in order."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from dialer.leads.source import Row, RowSource, check_width, refuse, text_of
from dialer.leads.text import Lines, detect

REMEDY = 'every line must be one object such as {"phone": "..."}'


def read_jsonl(path: Path, encoding: str | None, wanted: Sequence[str]) -> RowSource:
    """Open a list of JSON objects. Reads it twice: first to check every line and gather the keys."""
    found = detect(path, encoding, wanted)
    keys: dict[str, None] = {}
    survey = Lines(path, found.name)
    try:
        for line, record in _objects(path, survey):
            keys.update(dict.fromkeys(record))
            check_width(path, len(keys), line)
    finally:
        survey.close()
    if not keys:
        raise refuse(path, "no object with a key", REMEDY)
    lines = Lines(path, found.name)
    return RowSource(
        path=path,
        format="jsonl",
        headings=tuple(keys),
        rows=_rows(path, lines, tuple(keys)),
        share_read=lines.share_read,
        encoding=found,
        close=lines.close,
    )


def _objects(path: Path, lines: Lines) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield each object with its line; blank lines are passed over."""
    for text in lines:
        lines.end_record()
        if not text.strip("\ufeff \t\r\n"):
            continue
        try:
            record = msgspec.json.decode(text.strip("\ufeff \t\r\n"))
        except (msgspec.DecodeError, RecursionError, ValueError) as error:
            raise refuse(path, f"not JSON ({error})", REMEDY, lines.number) from None
        if not isinstance(record, dict):
            raise refuse(path, f"expected a JSON object, found {type(record).__name__}", REMEDY, lines.number)
        yield lines.number, record


def _rows(path: Path, lines: Lines, keys: tuple[str, ...]) -> Iterator[Row]:
    """Yield each object as cells in the order of the headings."""
    for line, record in _objects(path, lines):
        cells = tuple(text_of(record.get(key)) for key in keys)
        if any("\0" in cell for cell in cells):
            raise refuse(path, "a NUL character, which no text list holds", "remove it", line)
        yield Row(line=line, cells=cells)
