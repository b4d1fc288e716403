"""Excel workbooks (.xlsx), first sheet. What the file would unpack to is checked before it is unpacked into memory.

A workbook is a zip; a few kilobytes can claim gigabytes. Three guards: the sizes in the zip directory, the sizes that
really come out (directories lie), and the rectangle that the cells of a sheet span (one far cell makes it huge).
"""

import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook

from dialer.leads.source import Row, RowSource, check_width, refuse, text_of

MAX_PARTS = 2_000
MAX_UNPACKED = 256 * 1024 * 1024  # bytes, all parts together
MAX_AREA = 10_000_000  # cells in the rectangle that a sheet spans, about 300 MB in memory
CHUNK = 262_144
CELL = re.compile(rb"""\br\s*=\s*["']([A-Za-z]{0,3})([0-9]{1,10})["']""")
UTF16 = (b"\xff\xfe", b"\xfe\xff")  # no program writes sheets so, and CELL would find nothing in them
OVERLAP = 64  # bytes kept from one chunk to the next, so that no reference is cut in two
LOCAL_HEADER = 30
REMEDY = "save the list as CSV in UTF-8, or split it"


def read_xlsx(path: Path) -> RowSource:
    """Open the first sheet of a workbook; `Row.line` is the sheet's own row number."""
    _check_zip(path)
    try:
        workbook = CalamineWorkbook.from_path(str(path))
        if not workbook.sheet_names:
            raise refuse(path, "a workbook without a sheet", "put the list on the first sheet")
        sheet = workbook.get_sheet_by_index(0)
        table = _rows(path, sheet)
    except (CalamineError, OSError, ValueError) as error:
        raise refuse(path, f"not readable as an Excel workbook ({error})", "save it again as .xlsx or CSV") from None
    heading = next(table, None)
    if heading is None:
        raise refuse(path, f"sheet {sheet.name!r} is empty", "put the list on the first sheet")
    at = [heading.line]

    def rows() -> Iterator[Row]:
        for row in table:
            at[0] = row.line
            yield row

    height = max(1, sheet.total_height)
    others = len(workbook.sheet_names) - 1
    return RowSource(
        path=path,
        format="xlsx",
        headings=heading.cells,
        rows=rows(),
        share_read=lambda: min(1.0, at[0] / height),
        detail=f"sheet {sheet.name!r}" + (f", {others} other sheets not read" if others else ""),
        close=workbook.close,
    )


def _rows(path: Path, sheet: CalamineSheet) -> Iterator[Row]:
    """Yield every row that has text, headings first."""
    for line, cells in enumerate(sheet.iter_rows(), start=1):
        check_width(path, len(cells), line)
        row = Row(line=line, cells=tuple(text_of(cell) for cell in cells))
        if any(cell.strip() for cell in row.cells):
            yield row


def _check_zip(path: Path) -> None:
    """Refuse a file that is no zip, that unpacks to too much, or whose sheets span too much."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            declared = sum(part.file_size for part in parts)
            if len(parts) > MAX_PARTS:
                raise refuse(path, f"{len(parts)} parts in the workbook, at most {MAX_PARTS} are read", REMEDY)
            if declared > MAX_UNPACKED:
                found = f"the workbook unpacks to {declared:,} bytes, at most {MAX_UNPACKED:,} are read"
                raise refuse(path, found, REMEDY)
            for part in parts:
                _check_part(path, part)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError) as error:
        raise refuse(path, f"not readable as an Excel workbook ({error})", "save it again as .xlsx or CSV") from None


def _check_part(path: Path, part: zipfile.ZipInfo) -> None:
    """Unpack one part in pieces, keeping none; compare its real size, and the area of a sheet, with the limits."""
    is_sheet = part.filename.lower().endswith(".xml") and "sheets/" in part.filename.lower()
    size, rows, columns = 0, 0, 0
    tail = b""
    for piece in _unpack(path, part):
        size += len(piece)
        if size > part.file_size:
            found = f"{part.filename} unpacks to more than the {part.file_size:,} bytes that the directory states"
            raise refuse(path, found, "the file is damaged or hostile; export the list again")
        if is_sheet:
            if size == len(piece) and piece[:2] in UTF16:
                raise refuse(path, f"{part.filename} is written in an unusual way", "save it again as .xlsx or CSV")
            for letters, number in set(CELL.findall(tail + piece)):
                rows = max(rows, int(number))
                columns = max(columns, _column(letters))
            tail = piece[-OVERLAP:]
    if rows * columns > MAX_AREA:
        raise refuse(path, f"{part.filename} spans {rows:,} x {columns:,} cells, at most {MAX_AREA:,} are read", REMEDY)


def _column(letters: bytes) -> int:
    """Turn a column's letters into its number: A is 1, AA is 27."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number


def _unpack(path: Path, part: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield the unpacked bytes of a part in bounded pieces, whatever size the directory states."""
    if part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise refuse(path, f"{part.filename} is packed in an unusual way", "save it again as .xlsx or CSV")
    with path.open("rb") as file:
        file.seek(part.header_offset)
        header = file.read(LOCAL_HEADER)
        if len(header) < LOCAL_HEADER or not header.startswith(b"PK\3\4"):
            raise refuse(path, f"{part.filename} is not where the directory says", "export the list again")
        file.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), 1)
        left = part.compress_size
        inflate = zlib.decompressobj(-zlib.MAX_WBITS) if part.compress_type == zipfile.ZIP_DEFLATED else None
        while left > 0 and (packed := file.read(min(CHUNK, left))):
            left -= len(packed)
            if inflate is None:
                yield packed
                continue
            while packed and not inflate.eof:
                yield inflate.decompress(packed, CHUNK)
                packed = inflate.unconsumed_tail
