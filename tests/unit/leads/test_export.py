"""Leads written out."""

import csv
import io
import json
from pathlib import Path

import pyarrow.parquet
import pytest

from dialer.domain.lead import Callback, Lead, LeadState
from dialer.leads.export import inert, records, write_csv, write_jsonl, write_parquet
from dialer.leads.numbers import read_numbers

LEAD = Lead(
    lead_id=7,
    campaign="try-out",
    numbers=(read_numbers("010-0123-4567", "KR")[0][0], read_numbers("02-0001-1234", "KR")[0][0]),
    shuffle=1,
    name="=HYPERLINK(1)",
    fields={"note": "@now"},
    state=LeadState.FINISHED,
    reason="refused",
    due_at=1_772_323_200.0,
    callback=Callback(at=1_772_323_260.0),
)


def test_numbers_are_masked_unless_wanted() -> None:
    """The same lead, with and without."""
    [masked] = records([LEAD], is_masked=True)
    [full] = records([LEAD], is_masked=False)
    assert masked["numbers"] == "+82-10-****-4567; +82-2-****-1234"
    assert full["numbers"] == "+821001234567; +82200011234"
    assert "1001234567" not in str(masked)
    assert (masked["name"], masked["fields"]) == ("=****", '{"note":"****"}')
    assert (full["name"], full["fields"]) == ("=HYPERLINK(1)", '{"note":"@now"}')


def test_a_spreadsheet_runs_nothing_from_a_csv() -> None:
    """Cells that start like formulas get an apostrophe, also in full-width; numbers of ours stay as they are."""
    out = io.StringIO()
    assert write_csv(records([LEAD], is_masked=False), out) == 1
    [row] = csv.DictReader(io.StringIO(out.getvalue()))
    assert row["name"] == "'=HYPERLINK(1)"
    assert row["numbers"].startswith("+8210")
    assert row["due_at"] == "2026-03-01T00:00:00+00:00"
    assert row["callback_at"] == "2026-03-01T00:01:00+00:00"


@pytest.mark.parametrize("cell", ["=1", "+1", "-1", "@A1", "\t=1", "\r=1", "＝1", "＋1"])
def test_every_start_of_a_formula_is_disarmed(cell: str) -> None:
    """Equals, plus, minus, at, tab and carriage return."""
    assert inert(cell) == f"'{cell}"
    assert inert("plain = text") == "plain = text"
    assert inert(-5) == -5


def test_json_lines_and_parquet_hold_the_same(tmp_path: Path) -> None:
    """The three formats differ in writing only."""
    out = io.StringIO()
    assert write_jsonl(records([LEAD, LEAD], is_masked=True), out) == 2
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert write_parquet(records([LEAD, LEAD], is_masked=True), tmp_path / "out.parquet") == 2
    assert pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pylist() == lines
    assert lines[0]["name"] == "=****"
