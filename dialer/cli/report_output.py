"""Writing a report: a table to read, CSV, JSON, or Parquet.

One rule governs this module: rows stream, so that a report of millions of attempts fits; only a table is cut short, and
says so.
"""

import csv
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from dialer.cli.report import ReportFormat
from dialer.cli.report_legal import LEGAL, print_legal
from dialer.cli.report_rows import CHANGE_COLUMNS, Cell, Row, Span, formulas_of
from dialer.cli.tables import console_for, parts, table_of, without
from dialer.errors import UsageError
from dialer.leads.export import inert

if TYPE_CHECKING:
    from rich.console import Console

TABLE_ROWS_MAX = 200
_BATCH = 10_000

AGENT_TABLE = (
    "occupancy",
    "utilisation",
    "connects_per_agent_hour",
    "handle_mean",
    "wait_mean",
    "wait_p50",
    "wait_p90",
    "wait_p99",
    "talk_time",
    "wrap_up_time",
    "waiting_time",
    "pause_time",
)
ATTEMPT_TABLE = (
    "placed_at",
    "call_id",
    "campaign",
    "lead_id",
    "number",
    "outcome",
    "answered_at",
    "bridged_at",
    "released_at",
    "agent_id",
    "disposition",
)
ATTEMPT_EXPENDABLE = ("campaign", "lead_id", "bridged_at", "released_at", "answered_at", "agent_id", "call_id")
CHANGE_EXPENDABLE = ("digest", "before", "after", "who", "campaign")
DIGEST_LENGTH = 12  # in tables
_FOLDED_WIDTH = 24  # what a column of sentences keeps before another column is left out for it
ABANDONMENT_NOTES = (
    "late = connects after the threshold, counted in the rate",
    "unknown = calls of which the switch never said what became; possible abandonments, not in the rate",
    "by callee = people who hung up while waiting, before the threshold; live answers, no abandonments",
    "unclassified = hung up before it was known whether a person; not in the rate",
    "cut short = calls that the dialer took back before an answer (outcome cancelled); not in the rate",
)


def span_text(span: Span) -> str:
    """Say what span a report covers."""
    zone = span.zone.key
    if span.from_at == float("-inf") and span.to_at == float("inf"):
        return f"everything recorded; times in {zone}"
    start = "the beginning" if span.from_at == float("-inf") else f"{span.instant(span.from_at):%Y-%m-%d %H:%M:%S}"
    end = "now" if span.to_at == float("inf") else f"{span.instant(span.to_at):%Y-%m-%d %H:%M:%S}"
    return f"from {start} up to, not including, {end}; times in {zone}"


def write(
    report: str,
    rows: Iterator[Row],
    columns: Mapping[str, str],
    span: Span,
    form: ReportFormat,
    path: Path | None,
    *,
    by_law: Iterable[Row] | None = None,
) -> int:
    """Write a report to a file or to standard output; return the number of rows.

    `by_law`: what each law counts, below a table and beside the rows of JSON; the other formats hold one table each.
    """
    counted = _Counted(rows)
    if form is ReportFormat.PARQUET:
        if path is None:
            raise UsageError("--format parquet: expected --output FILE, standard output cannot hold it")
        with _replacing(path) as part:
            _write_parquet(counted, columns, part)
        return counted.count
    writers: dict[ReportFormat, Callable[[TextIO], None]] = {
        ReportFormat.CSV: lambda out: _write_csv(counted, columns, out),
        ReportFormat.JSON: lambda out: _write_json(report, counted, span, out, by_law),
        ReportFormat.TABLE: lambda out: _write_table(report, counted, span, out, by_law),
    }
    if path is None:
        writers[form](sys.stdout)
        return counted.count
    # A spreadsheet takes a CSV for UTF-8 only if it begins with this mark.
    encoding = "utf-8-sig" if form is ReportFormat.CSV else "utf-8"
    with _replacing(path) as part, open(part, "w", encoding=encoding, newline="") as out:
        writers[form](out)
    return counted.count


class _Counted:
    """Rows on their way, counted."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            self.count += 1
            yield row


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Write beside the file and put it in place when all is written, readable by its owner only."""
    if path.is_dir():
        raise UsageError(f"--output {path}: expected a file, found a folder")
    part = path.with_name(f"{path.name}.part")
    if path.exists() and not path.is_file():
        yield path  # a pipe or a device: nothing takes its place
        return
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        try:
            yield part
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"--output {path}: cannot be written ({error.strerror})") from error


def _write_csv(rows: Iterable[Row], columns: Mapping[str, str], out: TextIO) -> None:
    """Write CSV whose text cells no spreadsheet takes for a formula."""
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_csv_cell(row[name]) for name in columns])


def _csv_cell(cell: Cell) -> str | int | float:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, datetime):
        return cell.isoformat(timespec="milliseconds")
    return inert(cell) if isinstance(cell, str) else cell


def _write_json(report: str, rows: Iterable[Row], span: Span, out: TextIO, by_law: Iterable[Row] | None = None) -> None:
    """Write one JSON object: the report's name, its span and its rows. A bound not given is null."""
    import msgspec

    def text(value: object) -> str:
        return msgspec.json.encode(value).decode()

    start = None if span.from_at == float("-inf") else span.instant(span.from_at)
    end = None if span.to_at == float("inf") else span.instant(span.to_at)
    head = {"report": report, "from": start, "to": end, "zone": span.zone.key}
    out.write(text(head)[:-1])
    for name, part in (("rows", rows), (LEGAL, by_law)):
        if part is not None:
            out.write(f',"{name}":[')
            for index, row in enumerate(part):
                out.write((",\n" if index else "\n") + text(row))
            out.write("]")
    out.write("}\n")


def _write_parquet(rows: Iterable[Row], columns: Mapping[str, str], path: Path) -> None:
    """Write Parquet in batches; instants are UTC with microseconds."""
    import pyarrow
    import pyarrow.parquet

    kinds = {
        "text": pyarrow.string(),
        "int": pyarrow.int64(),
        "float": pyarrow.float64(),
        "bool": pyarrow.bool_(),
        "instant": pyarrow.timestamp("us", tz="UTC"),
    }
    schema = pyarrow.schema([(name, kinds[kind]) for name, kind in columns.items()])
    rest = iter(rows)
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        while batch := list(islice(rest, _BATCH)):
            writer.write_table(pyarrow.Table.from_pylist(batch, schema=schema))


# ------------------------------------------------------------------------------------- tables
def _write_table(
    report: str, rows: Iterable[Row], span: Span, out: TextIO, by_law: Iterable[Row] | None = None
) -> None:
    console = console_for(out)
    console.print(f"{report}: {span_text(span)}", soft_wrap=True)
    found = iter(rows)
    first = next(found, None)
    if first is None:
        console.print("nothing was recorded in this span: 0 rows", soft_wrap=True)
        return
    all_rows = chain([first], found)
    match report:
        case "campaign":
            _campaign_tables(console, list(all_rows))
        case "agents":
            _agent_table(console, list(all_rows))
        case "abandonment":
            _abandonment_table(console, list(all_rows))
            print_legal(console, list(by_law or ()))
        case "as_the_law_counts":
            print_legal(console, list(all_rows))
        case "changes":
            _change_table(console, all_rows)
        case _:
            _attempt_table(console, all_rows)


def _campaign_tables(console: "Console", rows: list[Row]) -> None:
    for campaign in dict.fromkeys(row["campaign"] for row in rows):
        own = [row for row in rows if row["campaign"] == campaign]
        columns = {
            "figure": [str(row["figure"]) for row in own],
            "value": [shown_figure(row) for row in own],
            "of": [_fraction(row) for row in own],
            "formula": [str(row["formula"]) for row in own],
        }
        console.print(table_of(columns, left=("figure", "formula"), folded=("formula",), title=str(campaign)))


def _agent_table(console: "Console", rows: list[Row]) -> None:
    by_agent: dict[str, dict[str, Row]] = {}
    for row in rows:
        by_agent.setdefault(str(row["agent"]), {})[str(row["figure"])] = row
    columns = {"agent": list(by_agent)} | {
        _heading(name): [shown_figure(figures[name]) for figures in by_agent.values()] for name in AGENT_TABLE
    }
    for part in parts(columns, "agent", console.width):
        console.print(table_of(part, left=("agent",)))
    formulas = formulas_of(rows)
    for name in ("conversations", *AGENT_TABLE):
        console.print(f"{name} = {formulas[name]}", soft_wrap=True)


def _abandonment_table(console: "Console", rows: list[Row]) -> None:
    rate = ["-" if row["rate"] is None else _percent(row["rate"]) for row in rows]
    columns = {
        "campaign": [str(row["campaign"]) for row in rows],
        "from": [_minute(row["from"]) for row in rows],
        "to": [_minute(row["to"]) for row in rows],
        "rate": [shown + (" OVER CAP" if row["is_over_cap"] else "") for shown, row in zip(rate, rows, strict=True)],
        "of": [f"{row['abandonments']} / {row['live_answers']}" for row in rows],
        "cap": [_percent(row["cap_rate"]) for row in rows],
        "late": [str(row["late_connects"]) for row in rows],
        "unknown": [str(row["unknown_fates"]) for row in rows],
        "by callee": [str(row["abandoned_by_callee"]) for row in rows],
        "unclassified": [str(row["hung_up_unclassified"]) for row in rows],
        "cut short": [str(row["rings_cut_short"]) for row in rows],
        "worst hour": [_worst(row, "worst_hour") for row in rows],
    }
    if any(row["worst_day_from"] is not None for row in rows):
        columns["worst day"] = [_worst(row, "worst_day") for row in rows]
    key = "campaign"
    if len(set(columns[key])) < len(rows):  # a row of the second part needs both to be told apart
        key = "window"
        spans = zip(columns.pop("campaign"), columns.pop("from"), columns.pop("to"), strict=True)
        columns = {key: [f"{campaign}\n{start}\n{end}" for campaign, start, end in spans], **columns}
    for part in parts(columns, key, console.width):
        console.print(table_of(part, left=(key,)))
    for campaign, formula in {str(row["campaign"]): str(row["formula"]) for row in rows}.items():
        console.print(f"{campaign}: rate = {formula}", soft_wrap=True)
    for line in ABANDONMENT_NOTES:
        console.print(line, soft_wrap=True)


def _attempt_table(console: "Console", rows: Iterator[Row]) -> None:
    left = ("campaign", "number", "outcome", "agent id", "disposition")
    _long_table(console, rows, ATTEMPT_TABLE, ATTEMPT_EXPENDABLE, left)


def _change_table(console: "Console", rows: Iterator[Row]) -> None:
    shortened = ({**row, "digest": str(row["digest"])[:DIGEST_LENGTH]} for row in rows)
    _long_table(console, shortened, tuple(CHANGE_COLUMNS), CHANGE_EXPENDABLE, tuple(CHANGE_COLUMNS), ("reason",))


def _long_table(
    console: "Console",
    rows: Iterator[Row],
    names: Sequence[str],
    expendable: Sequence[str],
    left: Sequence[str],
    folded: Sequence[str] = (),
) -> None:
    """Print the first rows, the columns that fit, and what is not shown; `folded` columns share what is left."""
    shown = list(islice(rows, TABLE_ROWS_MAX))
    columns = {_heading(name): ["" if row[name] is None else _instant(row[name]) for row in shown] for name in names}
    narrowest = columns | {name: [cell[:_FOLDED_WIDTH] for cell in columns[name]] for name in folded}
    kept, left_out = without(narrowest, [_heading(name) for name in expendable], console.width)
    console.print(table_of({name: columns[name] for name in kept}, left=left, folded=folded))
    if left_out:
        console.print(f"left out for want of width: {', '.join(left_out)}", soft_wrap=True)
    more = sum(1 for _ in rows)
    if more:
        console.print(f"and {more:,} more: --format csv, json or parquet has all of them", soft_wrap=True)


def _heading(name: str) -> str:
    return name.replace("_", " ")


def shown_figure(row: Row) -> str:
    """Write a figure's value for people; a dash where there is none."""
    value, unit = row["value"], row["unit"]
    if not isinstance(value, int | float):
        return "-"
    match unit:
        case "count":
            return f"{value:,.0f}"
        case "share":
            return _percent(value)
        case "s":
            return f"{value:,.1f} s"
        case "per_hour":
            return f"{value:,.2f} /h"
        case _:
            return f"{value:,.2f}"


def _fraction(row: Row) -> str:
    """Write numerator and denominator for people."""
    fraction = (row["numerator"], row["denominator"])
    if None in fraction:
        return ""
    return " / ".join(_number(part) for part in fraction if isinstance(part, int | float))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000.0 else f"{value:,.2f}".removesuffix(".00")


def _percent(share: Cell) -> str:
    return f"{share:.2%}" if isinstance(share, int | float) else "-"


def _instant(cell: Cell) -> str:
    return f"{cell:%Y-%m-%d %H:%M:%S}" if isinstance(cell, datetime) else str(cell)


def _minute(cell: Cell) -> str:
    return f"{cell:%Y-%m-%d %H:%M}" if isinstance(cell, datetime) else str(cell)


def _worst(row: Row, name: str) -> str:
    start, live, abandoned = (row[f"{name}_{part}"] for part in ("from", "live_answers", "abandonments"))
    if not isinstance(live, int) or not isinstance(abandoned, int):
        return "-"
    shown = f"{start:%m-%d %H:%M}" if name == "worst_hour" and isinstance(start, datetime) else _instant(start)[:10]
    return f"{shown} {_percent(abandoned / live)} ({abandoned} / {live})"
