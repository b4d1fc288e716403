"""Whatever bytes a list holds, the answer is a report that adds up or one clear error."""

import csv
import io
import tempfile
import zipfile
from pathlib import Path

import openpyxl
import pyarrow
import pyarrow.parquet
from hypothesis import given
from hypothesis import strategies as st

from dialer.daemon.imports import ImportReport, import_list
from dialer.domain.lead import Lead
from dialer.errors import ListError
from dialer.leads.numbers import mask, read_numbers
from dialer.storage.memory import MemoryStore
from tests.unit.leads.campaigns import campaign

HEADINGS = ["name", "phone", "phone2"]
PIECES = st.sampled_from(
    [
        "010-0123-4567",
        "02-0001-1234",
        "０１０",
        "+82",
        "(0)",
        "10",
        "E+9",
        "1.0",
        "내선 3",
        "ext",
        "/",
        ",",
        ";",
        "\n",
        " ",
        "-",
        '"',
        "a",
    ]
)
CELLS = st.lists(PIECES, max_size=6).map("".join) | st.text(max_size=12)
ROWS = st.lists(st.lists(CELLS, max_size=5), max_size=12)


def imported(name: str, content: bytes) -> tuple[ImportReport | None, list[Lead]]:
    """Import bytes under a name; None: the list was refused as a whole. Nothing else may happen."""
    store = MemoryStore()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            report = import_list(path, campaign(), store, 0.0)
        except ListError as error:
            assert str(path) in str(error)
            assert list(store.leads("try-out")) == []
            assert [entry.name for entry in Path(folder).iterdir()] == [name]
            return None, []
        assert report.rows == report.loaded + report.merged + report.rejected > 0
        assert sum(report.reasons.values()) == report.rejected
        leads = list(store.leads("try-out"))
        assert len(leads) == report.loaded
        again = import_list(path, campaign(), store, 1.0)
        assert (again.loaded, again.rejected) == (0, report.rejected)
        assert again.unchanged == again.merged == report.loaded + report.merged
        assert list(store.leads("try-out")) == leads
        numbers = [number.e164 for lead in leads for number in lead.numbers]
        assert len(numbers) == len(set(numbers))
        assert all(number.zones for lead in leads for number in lead.numbers)
        return report, leads


def seeds() -> dict[str, bytes]:
    """One good list per format, to be damaged."""
    rows = [HEADINGS] + [[f"고객{n}", f"010-0000-{n:04}", ""] for n in range(5)]
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    workbook, parquet = io.BytesIO(), io.BytesIO()
    book.save(workbook)
    table = pyarrow.table({heading: [row[at] for row in rows[1:]] for at, heading in enumerate(HEADINGS)})
    pyarrow.parquet.write_table(table, parquet)
    line = '{"name": "고객", "phone": "010-0000-0001", "phone2": null}\n'
    return {
        "list.csv": text.getvalue().encode(),
        "list.jsonl": line.encode() * 3,
        "list.xlsx": workbook.getvalue(),
        "list.parquet": parquet.getvalue(),
    }


SEEDS = seeds()
DAMAGE = st.lists(st.tuples(st.integers(0, 10_000), st.binary(max_size=4), st.integers(0, 6)), max_size=4)


def damaged(content: bytes, damage: list[tuple[int, bytes, int]]) -> bytes:
    """Replace some bytes at some places by others, more or fewer."""
    for place, new, gone in damage:
        at = place % (len(content) + 1)
        content = content[:at] + new + content[at + gone :]
    return content


@given(st.sampled_from(sorted(SEEDS)), st.binary(max_size=400))
def test_arbitrary_bytes_never_crash_the_readers(name: str, content: bytes) -> None:
    """Noise under any name is refused with an error, or is a list."""
    imported(name, content)


@given(st.sampled_from(sorted(SEEDS)), DAMAGE)
def test_damaged_lists_never_crash_the_readers(name: str, damage: list[tuple[int, bytes, int]]) -> None:
    """A good list with bytes changed, lost or added: an error, or a report that adds up."""
    imported(name, damaged(SEEDS[name], damage))


@given(DAMAGE)
def test_damaged_sheets_never_crash_the_reader(damage: list[tuple[int, bytes, int]]) -> None:
    """Damage inside the workbook's parts, under checksums that fit."""
    with zipfile.ZipFile(io.BytesIO(SEEDS["list.xlsx"])) as archive:
        parts = {part.filename: archive.read(part) for part in archive.infolist()}
    for name in ("xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/workbook.xml", "xl/styles.xml"):
        if name in parts:
            parts[name] = damaged(parts[name], damage)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    imported("list.xlsx", content.getvalue())


@given(ROWS, st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]), st.sampled_from([",", ";", "\t"]))
def test_every_row_ends_loaded_merged_or_rejected(rows: list[list[str]], encoding: str, delimiter: str) -> None:
    """Any table under the right headings: no row is lost, a second import changes nothing, no number is held twice."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(HEADINGS)
    writer.writerows([cell.replace("\0", "") for cell in row] for row in rows)
    report, _ = imported("list.csv", text.getvalue().encode(encoding, errors="replace"))
    filled = sum(any(cell.replace("\0", "").strip() for cell in row) for row in rows)
    assert (report.rows if report else 0) == filled


@given(CELLS, st.sampled_from(["KR", "JP", "US", "GB", "ID"]))
def test_a_cell_gives_numbers_or_says_why_not(cell: str, region: str) -> None:
    """Numbers come out in E.164 with zones, read back as themselves, and are masked; else there is a fault."""
    numbers, faults = read_numbers(cell, region)
    for number in numbers:
        assert number.e164.removeprefix("+").isdigit()
        assert number.zones == tuple(sorted(set(number.zones)))
        assert read_numbers(number.e164, region) == ([number], [])
        assert number.e164 not in mask(number.e164)
    if any(char.isascii() and char.isdigit() for char in cell):
        assert numbers or faults


@given(st.integers(1, 10**12), st.integers(0, 14))
def test_scientific_notation_never_invents_digits(value: int, places: int) -> None:
    """A number shown with some decimal places is either read exactly or refused."""
    numbers, _ = read_numbers(f"{float(value):.{places}E}", "KR")
    plain, _ = read_numbers(str(value), "KR")
    if numbers:
        assert [number.e164 for number in numbers] == [number.e164 for number in plain]
