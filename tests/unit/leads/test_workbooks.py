"""Excel workbooks, JSON lines and Parquet: what is read, and which hostile files are refused."""

import datetime
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import openpyxl
import pyarrow
import pyarrow.parquet
import pytest

from dialer.domain.policy import ListPolicy
from dialer.errors import ListError
from dialer.leads.excel import MAX_UNPACKED
from dialer.leads.reader import read_rows

Cells = tuple[str, ...]


def cells_of(path: Path) -> tuple[Cells, list[tuple[int, Cells]]]:
    with read_rows(path, ListPolicy()) as source:
        return source.headings, [(row.line, row.cells) for row in source.rows]


def workbook(path: Path, rows: list[list[object]]) -> Path:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


def with_part(path: Path, source: Path, name: str, data: bytes) -> Path:
    """Copy a workbook with one part replaced."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.infolist():
            new.writestr(part.filename, data if part.filename == name else old.read(part))
    return path


def test_workbook_cells_become_text(tmp_path: Path) -> None:
    """Whole floats lose their `.0`, dates become ISO 8601, rows keep the sheet's numbers, blank rows vanish."""
    day = datetime.datetime(2026, 3, 1)
    path = workbook(tmp_path / "list.xlsx", [["id", "phone", "day"], [], [1, 1001234567.0, day], [2.5, "010", True]])
    headings, rows = cells_of(path)
    assert headings == ("id", "phone", "day")
    assert rows == [(3, ("1", "1001234567", "2026-03-01")), (4, ("2.5", "010", "true"))]


def test_a_zip_bomb_is_refused_by_its_directory(tmp_path: Path) -> None:
    """A workbook that states gigabytes is refused before a byte is unpacked."""
    path = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        chunk = b"0" * (MAX_UNPACKED // 4)
        for at in range(5):
            archive.writestr(f"xl/worksheets/sheet{at}.xml", chunk)
    assert path.stat().st_size < 2_000_000
    with pytest.raises(ListError, match=r"the workbook unpacks to .* bytes, at most"):
        read_rows(path, ListPolicy())


def test_a_directory_that_lies_is_refused(tmp_path: Path) -> None:
    """A part that unpacks to more than its directory entry states is refused at the first byte too many."""
    good = workbook(tmp_path / "good.xlsx", [["phone"], ["010-0123-4567"]])
    path = with_part(tmp_path / "lie.xlsx", good, "xl/worksheets/sheet1.xml", b"<x>" + b" " * 1_000_000)
    data = path.read_bytes()
    stated = (1_000_003).to_bytes(4, "little")
    assert data.count(stated) == 2
    path.write_bytes(data.replace(stated, (100).to_bytes(4, "little")))
    with pytest.raises(ListError, match="unpacks to more than the 100 bytes"):
        read_rows(path, ListPolicy())


def test_one_far_cell_does_not_fill_the_memory(tmp_path: Path) -> None:
    """A sheet of two cells that spans seventeen billion is refused."""
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active["A1"] = "phone"
    book.active["XFD1048576"] = "far"
    book.save(tmp_path / "far.xlsx")
    with pytest.raises(ListError, match=r"spans 1,048,576 x 16,384 cells"):
        read_rows(tmp_path / "far.xlsx", ListPolicy())


@pytest.mark.parametrize("content", [b"no zip", b"PK\3\4 broken", b"PK\5\6" + bytes(18)])
def test_what_is_no_workbook_is_refused(tmp_path: Path, content: bytes) -> None:
    """Text, a torn zip, an empty zip."""
    path = tmp_path / "list.xlsx"
    path.write_bytes(content)
    with pytest.raises(ListError, match=r"list\.xlsx: not readable as an Excel workbook"):
        read_rows(path, ListPolicy())


def test_a_password_is_spoken_of(tmp_path: Path) -> None:
    """Workbooks with a password have another format, and say so."""
    path = tmp_path / "list.xlsx"
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
    with pytest.raises(ListError, match=r"an old \.xls workbook or one with a password"):
        read_rows(path, ListPolicy())


def test_json_lines_have_all_keys_of_the_file(tmp_path: Path) -> None:
    """Keys may come late; numbers, lists and nulls become text; blank lines are passed over."""
    lines = [{"name": "a", "phone": 1001234567}, {}, {"phone": ["010-0123-4567", "02-0001-1234"], "vip": True}]
    path = tmp_path / "list.jsonl"
    path.write_text("\n\n".join(json.dumps(line) for line in lines))
    headings, rows = cells_of(path)
    assert headings == ("name", "phone", "vip")
    assert rows == [(1, ("a", "1001234567", "")), (3, ("", "", "")), (5, ("", "010-0123-4567; 02-0001-1234", "true"))]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"phone": "1"}\n{"phone": ', r"list\.jsonl:2: not JSON"),
        ('{"phone": "1"}\n[1]', r"list\.jsonl:2: expected a JSON object, found list"),
        ("[" * 100_000, r"list\.jsonl:1: not JSON"),
        ('{"a": "\\u0000"}', r"list\.jsonl:1: a NUL character"),
        ("{}", r"no object with a key"),
        ("name,phone\na,b", r"list\.jsonl:1: not JSON"),
    ],
)
def test_broken_json_lines_are_refused_with_the_line(tmp_path: Path, content: str, message: str) -> None:
    """Torn, nested without end, not objects: the line is named."""
    path = tmp_path / "list.jsonl"
    path.write_text(content)
    with pytest.raises(ListError, match=message), read_rows(path, ListPolicy()) as source:
        list(source.rows)


def test_parquet_cells_become_text(tmp_path: Path) -> None:
    """Integers, floats, lists, dates and nulls; the record's number is its line."""
    table = pyarrow.table(
        {"phone": [1001234567.0, None], "more": [["02-0001-1234"], []], "day": [datetime.date(2026, 3, 1), None]}
    )
    path = tmp_path / "list.parquet"
    pyarrow.parquet.write_table(table, path)
    headings, rows = cells_of(path)
    assert headings == ("phone", "more", "day")
    assert rows == [(1, ("1001234567", "02-0001-1234", "2026-03-01")), (2, ("", "", ""))]


def test_a_torn_parquet_file_is_refused(tmp_path: Path) -> None:
    """Half a file is no list."""
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"phone": ["010-0123-4567"] * 100}), buffer)
    path = tmp_path / "list.parquet"
    path.write_bytes(buffer.getvalue()[:-40])
    with pytest.raises(ListError, match=r"list\.parquet: not readable as Parquet"):
        read_rows(path, ListPolicy())


def test_other_formats_cost_no_import_of_arrow() -> None:
    """Reading code that meets no Parquet list loads neither pyarrow nor numpy."""
    program = "import sys, dialer.leads.reader, dialer.leads.export; print({'pyarrow', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
