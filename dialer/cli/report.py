"""`dialer report`: what was recorded in a span of time, with the formula beside every figure."""

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dialer.errors import UsageError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from dialer.cli.report_rows import Row, Span
    from dialer.storage.reading import Records


class ReportFormat(StrEnum):
    """What a report is written as."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


FromOption = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="WHEN", help="First instant: 2026-03-10 or 2026-03-10T09:30. Absent: the beginning."
    ),
]
ToOption = Annotated[
    str | None,
    typer.Option("--to", metavar="WHEN", help="A date is counted in, an instant is not. Absent: up to now."),
]
ZoneOption = Annotated[
    str, typer.Option("--zone", metavar="ZONE", help="Time zone of --from, --to and of the times shown.")
]
CampaignOption = Annotated[
    str | None, typer.Option("--campaign", metavar="NAME", help="This campaign only; all if absent.")
]
FormatOption = Annotated[ReportFormat, typer.Option("--format", help="What to write; parquet needs --output.")]
OutputOption = Annotated[Path | None, typer.Option("--output", "-o", help="Where to; standard output if absent.")]
ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration file; every key is in config.example.toml.")
]
CONFIG = Path("config.toml")
YEARS = range(1971, 9990)
"""Of instants: what comes before and after them has to be an instant, too."""

Rows = Callable[["Records", str | None, "Span"], Iterator["Row"]]

report_app = typer.Typer(
    help="Report what was recorded, with the formula beside every figure. See docs/reports.md.", no_args_is_help=True
)


@report_app.command("campaign")
def report_campaign(
    from_: FromOption = None,
    to: ToOption = None,
    campaign: CampaignOption = None,
    zone: ZoneOption = "UTC",
    form: FormatOption = ReportFormat.TABLE,
    output: OutputOption = None,
    config: ConfigOption = CONFIG,
) -> None:
    """Dials, answers, connects, abandonment, occupancy and waits of each campaign."""
    from dialer.cli import report_rows

    span = read_span(from_, to, zone)
    _write("campaign", report_rows.campaign_rows, report_rows.CAMPAIGN_COLUMNS, campaign, span, form, output, config)


@report_app.command("agents")
def report_agents(
    from_: FromOption = None,
    to: ToOption = None,
    campaign: CampaignOption = None,
    zone: ZoneOption = "UTC",
    form: FormatOption = ReportFormat.TABLE,
    output: OutputOption = None,
    config: ConfigOption = CONFIG,
) -> None:
    """Each agent's time by state, occupancy, handle time and waits."""
    from dialer.cli import report_rows

    span = read_span(from_, to, zone)
    _write("agents", report_rows.agent_rows, report_rows.AGENT_COLUMNS, campaign, span, form, output, config)


@report_app.command("abandonment")
def report_abandonment(
    from_: FromOption = None,
    to: ToOption = None,
    campaign: CampaignOption = None,
    zone: ZoneOption = "UTC",
    legal: Annotated[bool, typer.Option("--legal", help="Only what each law counts.")] = False,
    form: FormatOption = ReportFormat.TABLE,
    output: OutputOption = None,
    config: ConfigOption = CONFIG,
) -> None:
    """Abandonment by the window of each campaign, and as each law that applies to the numbers called counts it.

    Every window that shares an instant with the span is counted as a whole. --legal gives the laws' counts alone, in
    any format; without it they are below the table, and in JSON.
    """
    import time

    from dialer.cli import report_legal, report_output, report_rows
    from dialer.config.rulesets import load_law
    from dialer.config.settings import load_settings
    from dialer.daemon.stores import open_records

    span = read_span(from_, to, zone)
    settings = load_settings(config)
    law = load_law(settings.rules, around=time.time())
    with open_records(settings) as store:
        by_law = report_legal.legal_rows(store, law, campaign, span)
        if legal:
            name, rows, columns, more = report_legal.LEGAL, by_law, report_legal.LEGAL_COLUMNS, None
        else:
            rows, columns = report_rows.abandonment_rows(store, campaign, span), report_rows.ABANDONMENT_COLUMNS
            name, more = "abandonment", by_law
        count = report_output.write(name, rows, columns, span, form, output, by_law=more)
    _say_count("abandonment", count, span, form, output)


@report_app.command("attempts")
def report_attempts(
    from_: FromOption = None,
    to: ToOption = None,
    campaign: CampaignOption = None,
    zone: ZoneOption = "UTC",
    form: FormatOption = ReportFormat.TABLE,
    output: OutputOption = None,
    config: ConfigOption = CONFIG,
) -> None:
    """Every attempt placed in the span, with every instant that was kept; numbers are masked."""
    from dialer.cli import report_rows

    span = read_span(from_, to, zone)
    _write("attempts", report_rows.attempt_rows, report_rows.ATTEMPT_COLUMNS, campaign, span, form, output, config)


@report_app.command("changes")
def report_changes(
    from_: FromOption = None,
    to: ToOption = None,
    campaign: CampaignOption = None,
    zone: ZoneOption = "UTC",
    form: FormatOption = ReportFormat.TABLE,
    output: OutputOption = None,
    config: ConfigOption = CONFIG,
) -> None:
    """Every change of a campaign in the span: what was done, by whom and why."""
    from dialer.cli import report_rows

    span = read_span(from_, to, zone)
    _write("changes", report_rows.change_rows, report_rows.CHANGE_COLUMNS, campaign, span, form, output, config)


def _write(
    report: str,
    rows: Rows,
    columns: Mapping[str, str],
    campaign: str | None,
    span: "Span",
    form: ReportFormat,
    output: Path | None,
    config: Path,
) -> None:
    """Read the database that the configuration names, and write one report of it."""
    from dialer.cli.report_output import write
    from dialer.config.settings import load_settings
    from dialer.daemon.stores import open_records

    with open_records(load_settings(config)) as store:
        count = write(report, rows(store, campaign, span), columns, span, form, output)
    _say_count(report, count, span, form, output)


def _say_count(report: str, count: int, span: "Span", form: ReportFormat, output: Path | None) -> None:
    """Say on standard error what a file, or output that a program reads, does not say itself."""
    import sys

    from dialer.cli.report_output import span_text

    if count == 0 and (form is not ReportFormat.TABLE or output is not None):
        print(f"report {report}: 0 rows: nothing was recorded; span: {span_text(span)}", file=sys.stderr)
    if output is not None:
        print(f"report {report}: {count:,} rows written to {output}", file=sys.stderr)


def read_span(from_text: str | None, to_text: str | None, zone_text: str) -> "Span":
    """Read --from, --to and --zone; raise UsageError for what is no instant, no zone or no span.

    An instant without an offset is local to the zone. A date stands for its midnight; as --to for the midnight after.
    """
    from dialer.cli.report_rows import Span

    zone = read_zone(zone_text)
    from_at = float("-inf") if from_text is None else read_instant("--from", from_text, zone, is_end=False)
    to_at = float("inf") if to_text is None else read_instant("--to", to_text, zone, is_end=True)
    if from_at >= to_at:
        raise UsageError(
            f"--from {from_text} --to {to_text}: expected a span, found its end at or before its beginning"
        )
    return Span(from_at=from_at, to_at=to_at, zone=zone)


def read_zone(text: str) -> "ZoneInfo":
    """Read --zone; raise UsageError for what is no time zone."""
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(text)
    except (LookupError, ValueError, OSError) as error:
        raise UsageError(f"--zone {text}: expected a time zone such as Asia/Seoul, found none of this name") from error


def read_instant(option: str, text: str, zone: "ZoneInfo", *, is_end: bool) -> float:
    """Read a date or an instant; a date stands for its midnight, as the end of a span for the midnight after."""
    from datetime import date, datetime, time, timedelta

    try:
        try:
            day = date.fromisoformat(text)
        except ValueError:
            instant = datetime.fromisoformat(text)
            instant = instant if instant.tzinfo is not None else instant.replace(tzinfo=zone)
        else:
            instant = datetime.combine(day + timedelta(days=is_end), time(), zone)
        if instant.year not in YEARS:
            raise ValueError(f"year {instant.year}")
        return instant.timestamp()
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{option} {text}: expected a date or an instant such as 2026-03-10T09:30") from error
