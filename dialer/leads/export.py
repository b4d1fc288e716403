"""Leads, written out as CSV, JSON lines or Parquet. Who they are is masked unless the caller decided otherwise.

A cell of a CSV that a spreadsheet would run as a formula gets an apostrophe in front, which spreadsheets do not show.
"""

import csv
import datetime
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, TextIO

import msgspec

from dialer.domain.lead import Lead
from dialer.leads.numbers import mask

Record = dict[str, str | int]
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


def records(leads: Iterable[Lead], *, is_masked: bool) -> Iterator[Record]:
    """Turn leads into flat records, all with the same keys; several numbers are joined with `; `."""
    for lead in leads:
        shown = [mask(number.e164) if is_masked else number.e164 for number in lead.numbers]
        yield {
            "lead_id": lead.lead_id,
            "external_id": lead.external_id,
            "name": mask_name(lead.name) if is_masked else lead.name,
            "numbers": "; ".join(shown),
            "regions": "; ".join(number.region for number in lead.numbers),
            "segment": lead.segment,
            "priority": lead.priority,
            "zone": lead.zone or "",
            "state": lead.state.value,
            "reason": lead.reason,
            "attempts": lead.attempts,
            "last_outcome": lead.last_outcome,
            "last_attempt_at": _instant(lead.last_attempt_at),
            "due_at": _instant(lead.due_at or None),
            "callback_at": _instant(lead.callback.at if lead.callback is not None else None),
            "fields": msgspec.json.encode(shown_fields(lead, is_masked=is_masked)).decode() if lead.fields else "",
        }


def mask_name(name: str) -> str:
    """Hide a name behind its first letter; none stays none."""
    return f"{name.strip()[:1]}****" if name.strip() else ""


def shown_fields(lead: Lead, *, is_masked: bool) -> dict[str, str]:
    """Give a lead's further fields; masked, only whether there is anything in them."""
    return {key: "****" if is_masked and text else text for key, text in lead.fields.items()}


def _instant(at: float | None) -> str:
    """Write an instant in ISO 8601 and UTC; blank when there is none."""
    return "" if at is None else datetime.datetime.fromtimestamp(at, datetime.UTC).isoformat(timespec="seconds")


def inert(cell: str | int) -> str | int:
    """Make sure that a spreadsheet takes a cell as text."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) else cell


def write_csv(rows: Iterable[Record], out: TextIO) -> int:
    """Write records as CSV with headings; return their number. `numbers` is our own text and starts with a plus."""
    writer = csv.writer(out, lineterminator="\r\n")
    count = 0
    for row in rows:
        if count == 0:
            writer.writerow(row)
        writer.writerow(cell if key == "numbers" else inert(cell) for key, cell in row.items())
        count += 1
    return count


def write_jsonl(rows: Iterable[Record], out: TextIO) -> int:
    """Write records as JSON lines; return their number."""
    count = 0
    for row in rows:
        out.write(msgspec.json.encode(row).decode() + "\n")
        count += 1
    return count


def write_parquet(rows: Iterable[Record], out: BinaryIO | Path) -> int:
    """Write records as one Parquet file; return their number."""
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.Table.from_pylist(list(rows))
    pyarrow.parquet.write_table(table, out)
    return int(table.num_rows)
