"""CSV in all its dialects: comma, semicolon or tab, quoted cells with newlines, any encoding of `text`."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from dialer.leads.columns import fold
from dialer.leads.source import Row, RowSource, check_width, refuse
from dialer.leads.text import DELIMITERS, HEAD, Lines, detect, first_record

NAMES = {",": "comma", ";": "semicolon", "\t": "tab"}


def read_csv(path: Path, encoding: str | None, wanted: Sequence[str]) -> RowSource:
    """Open a delimited list. `wanted`: the campaign's headings, which help to tell encoding and delimiter."""
    found = detect(path, encoding, wanted)
    delimiter = _delimiter(path, found.name, wanted)
    lines = Lines(path, found.name)
    try:
        rows = _records(path, lines, delimiter)
        heading = next((row for row in rows if any(cell.strip() for cell in row.cells)), None)
        if heading is None:
            raise refuse(path, "no line with text", "the first line must hold the headings")
    except BaseException:
        lines.close()
        raise
    return RowSource(
        path=path,
        format="csv",
        headings=heading.cells,
        rows=rows,
        share_read=lines.share_read,
        encoding=found,
        detail=f"{NAMES[delimiter]}-separated",
        close=lines.close,
    )


def _delimiter(path: Path, encoding: str, wanted: Sequence[str]) -> str:
    """Pick the delimiter that shows most of the campaign's headings, then the one that gives most columns."""
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        text = file.read(HEAD)
    known = {fold(heading) for heading in wanted}

    def score(delimiter: str) -> tuple[int, int]:
        cells = first_record(text, delimiter)
        return len(known & {fold(cell) for cell in cells}), len(cells)

    return max(DELIMITERS, key=score)  # the first of equals: the comma


def _records(path: Path, lines: Lines, delimiter: str) -> Iterator[Row]:
    """Yield every record that has cells at all."""
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        line = lines.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise refuse(path, f"not readable as CSV ({error})", "is a quote left open near here?", line) from None
        lines.end_record()
        check_width(path, len(cells), line)
        if cells:
            yield Row(line=line, cells=tuple(cells))
