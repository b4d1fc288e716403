"""Commands about leads: bring lists in, write leads out, look one up."""

import contextlib
import sys
from collections.abc import Generator, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from dialer.config.settings import Settings
    from dialer.daemon.imports import ImportReport, Progress
    from dialer.domain.lead import Lead
    from dialer.domain.policy import CampaignPolicy
    from dialer.storage.reading import Records

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration file; every key is in config.example.toml.")
]
CampaignOption = Annotated[str, typer.Option("--campaign", metavar="NAME", help="The campaign's name.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
UnmaskedOption = Annotated[
    bool, typer.Option("--unmasked", help="Whole names and numbers; needs full view (privacy.full_view) and --reason.")
]
ReasonOption = Annotated[str, typer.Option("--reason", "-r", help="Why whole numbers are needed; kept as evidence.")]
CONFIG = Path("config.toml")

leads_app = typer.Typer(help="Bring lead lists in, write leads out, look one up.", no_args_is_help=True)


class Format(StrEnum):
    """What an export is written as."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


@leads_app.command("import")
def import_leads(
    file: Annotated[Path, typer.Argument(help="The list: .csv, .tsv, .xlsx, .jsonl or .parquet.")],
    campaign: CampaignOption,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and report, but load nothing.")] = False,
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Import a list: every row ends loaded, merged or rejected.

    Rejected rows go to FILE.rejects.csv, with line, reason and the original row.

    Importing the same file twice changes nothing. A file that is no list is refused as a whole.
    """
    import time

    from dialer.daemon import pauses
    from dialer.daemon.imports import import_list
    from dialer.daemon.stores import open_store

    settings = _settings(config)
    policy = _policy(settings, campaign)
    pauses.avoid()  # a row leaves no cycles, and is many objects to look through: a fifth of this process's time
    with open_store(settings) as store, _progress(file) as progress:
        report = import_list(file.absolute(), policy, store, time.time(), is_dry_run=dry_run, progress=progress)
    if not dry_run and report.loaded + report.merged > report.unchanged:
        _tell_daemon(settings, campaign)
    if not dry_run and (report.consents or report.merged > report.unchanged):
        _tell_of_people(settings, file)
    if as_json:
        _print_json(report)
    else:
        _print_report(report)


@leads_app.command("export")
def export_leads(
    campaign: CampaignOption,
    form: Annotated[Format, typer.Option("--format", help="What to write.")] = Format.CSV,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where to; standard output if absent.")] = None,
    unmasked: UnmaskedOption = False,
    reason: ReasonOption = "",
    config: ConfigOption = CONFIG,
) -> None:
    """Write a campaign's leads with their state. Who they are is masked, but for users with full view and a reason."""
    from dialer.daemon.stores import open_records
    from dialer.errors import UsageError
    from dialer.leads import export

    _check_reason(unmasked, reason)
    if form is Format.PARQUET and output is None:
        raise UsageError("--format parquet: expected --output FILE, standard output cannot hold it")
    settings = _settings(config)
    policy = _policy(settings, campaign)
    with open_records(settings) as store, contextlib.closing(_leads(store, campaign)) as leads:
        if unmasked:
            where = str(output.absolute()) if output is not None else "standard output"
            _require_full_view(settings, policy, "export", "leads", reason, details={"output": where})
        try:
            rows = export.records(leads, is_masked=not unmasked)
            with _output(output, form) as out:
                match form:
                    case Format.PARQUET:
                        count = export.write_parquet(rows, out)
                    case Format.CSV:
                        count = export.write_csv(rows, out)
                    case Format.JSONL:
                        count = export.write_jsonl(rows, out)
        except (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError) as error:
            raise UsageError(f"--output {output}: cannot be written ({error.strerror})") from error
    if output is not None:
        print(f"{count:,} leads of {campaign} written to {output}", file=sys.stderr)


@leads_app.command("show")
def show_lead(
    which: Annotated[str, typer.Argument(metavar="LEAD_ID|NUMBER", help="A lead's id, or one of its numbers.")],
    campaign: CampaignOption,
    unmasked: UnmaskedOption = False,
    reason: ReasonOption = "",
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Show one lead: state, numbers, attempts, when it is due; instants in UTC.

    Name, numbers and further fields are masked, but for users with full view and a reason.
    """
    from dialer.daemon.stores import open_records
    from dialer.leads.export import records, shown_fields

    _check_reason(unmasked, reason)
    settings = _settings(config)
    policy = _policy(settings, campaign)
    with open_records(settings) as store:
        lead = _find(store, policy, which)
    if unmasked:
        numbers = [number.e164 for number in lead.numbers]
        details: dict[str, str | int] = {"lead_id": lead.lead_id}
        _require_full_view(settings, policy, "view", "lead", reason, numbers=numbers, details=details)
    if as_json:
        record = next(records([lead], is_masked=not unmasked))
        fields = shown_fields(lead, is_masked=not unmasked)
        _print_json({**record, "numbers": _number_rows(lead, is_masked=not unmasked), "fields": fields})
    else:
        _print_lead(lead, is_masked=not unmasked)


def _settings(config: Path) -> "Settings":
    from dialer.config.settings import load_settings

    return load_settings(config)


def _policy(settings: "Settings", name: str) -> "CampaignPolicy":
    """Find a campaign among the campaign files, which must all be valid."""
    from dialer.config.campaign import load_campaigns
    from dialer.errors import UsageError

    policies = {policy.name: policy for policy in load_campaigns(sorted(settings.campaigns_dir.glob("*.toml")))}
    if name not in policies:
        known = ", ".join(policies) or "none"
        raise UsageError(f"--campaign {name}: no such campaign in {settings.campaigns_dir}; there: {known}")
    return policies[name]


def _tell_daemon(settings: "Settings", campaign: str) -> None:
    """Let a running daemon know at once; without one the leads are found when it starts."""
    from dialer.daemon.control import ImportedRequest, ask
    from dialer.errors import ControlError

    if settings.control_socket.exists():
        try:
            ask(settings.control_socket, ImportedRequest(name=campaign))
        except ControlError as error:
            print(f"The daemon was not told of the new leads: {error}", file=sys.stderr)


def _tell_of_people(settings: "Settings", file: Path) -> None:
    """Let a running daemon look people up anew, whose leads it may have in hand."""
    from dialer.cli.consent import tell_daemon
    from dialer.daemon.control import StandingsRequest

    tell_daemon(settings, StandingsRequest(reason=f"people of {file.name}"[:1000]))


@contextlib.contextmanager
def _progress(file: Path) -> Iterator["Progress"]:
    """Show a bar on a terminal, and a plain line per tenth of the file elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        said = [0]

        def say(rows: int, share: float) -> None:
            if int(share * 10) > said[0]:
                said[0] = int(share * 10)
                print(f"{file.name}: {rows:,} rows, {share:.0%}", file=sys.stderr)

        yield say
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[rows]:,} rows"))
    with Progress(*columns, TimeElapsedColumn(), console=console) as bar:
        task = bar.add_task(file.name, total=1.0, rows=0)
        yield lambda rows, share: bar.update(task, completed=share, rows=rows)


@contextlib.contextmanager
def _output(path: Path | None, form: Format) -> Iterator[Any]:
    """Open the file of an export, readable by its owner only; a CSV starts with the mark that spreadsheets look for."""
    if path is None:
        yield sys.stdout
        return
    from io import TextIOWrapper

    from dialer.cli.access import written_whole

    with written_whole(path) as out:
        if form is Format.PARQUET:
            yield out
            return
        text = TextIOWrapper(out, encoding="utf-8-sig" if form is Format.CSV else "utf-8", newline="")
        yield text
        text.flush()
        text.detach()


def _leads(store: "Records", campaign: str) -> Generator["Lead", None, None]:
    """Stream a campaign's leads; closing it lets go of the database although nobody read to the end."""
    yield from store.leads(campaign)


def _check_reason(unmasked: bool, reason: str) -> None:
    from dialer.errors import UsageError

    if unmasked and not reason.strip():
        raise UsageError("--unmasked: expected --reason TEXT that says why full numbers are needed, found none")
    if reason and not unmasked:
        raise UsageError("--reason goes with --unmasked only: what is masked needs none")


def _require_full_view(
    settings: "Settings", policy: "CampaignPolicy", kind: str, what: str, reason: str, **more: Any
) -> None:
    """Let a user see whole numbers of a campaign, recorded before a single one is shown; AccessRefused for others."""
    from dialer.cli.access import require_full_view

    require_full_view(settings, what, reason, kind=kind, campaign=policy.name, seller=policy.seller, **more)
    print("Whole numbers: recorded in the evidence", file=sys.stderr)


def _find(store: "Records", policy: "CampaignPolicy", which: str) -> "Lead":
    """Find a lead of a campaign by id, else by number."""
    from dialer.errors import UsageError
    from dialer.leads.numbers import mask, read_numbers

    if which.isascii() and which.isdigit() and len(which) < 19:
        lead = store.lead(int(which))
        if lead is not None and lead.campaign == policy.name:
            return lead
    numbers, _ = read_numbers(which, policy.jurisdiction)
    for number in numbers:
        found = store.find_number(number.e164, policy.name)
        if found:
            return found[0]
    shown = ", ".join(mask(number.e164) for number in numbers) or f"{len(which)} characters"
    raise UsageError(f"{shown}: expected the id or a number of a lead of {policy.name}, found no such lead")


def _number_rows(lead: "Lead", *, is_masked: bool) -> list[dict[str, Any]]:
    """Describe a lead's numbers."""
    from dialer.leads.numbers import mask

    return [
        {
            "number": mask(number.e164) if is_masked else number.e164,
            "kind": number.kind,
            "region": number.region,
            "zones": list(number.zones),
            "attempts": number.attempts,
            "is_invalid": number.is_invalid,
        }
        for number in lead.numbers
    ]


def _print_json(value: Any) -> None:
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(value)).decode())


def _print_lead(lead: "Lead", *, is_masked: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from dialer.leads.export import records, shown_fields

    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in next(records([lead], is_masked=is_masked)).items():
        if key not in ("numbers", "regions", "fields"):
            text = _in_words(value) if key.endswith("_at") else str(value)
            table.add_row(key, Text(text or "-"))
    for key, text in shown_fields(lead, is_masked=is_masked).items():
        table.add_row(key, Text(text))
    for number in _number_rows(lead, is_masked=is_masked):
        attempts = f"attempts: {number['attempts']}" + (", invalid" if number["is_invalid"] else "")
        places = ", ".join(number["zones"])
        table.add_row("number", Text(f"{number['number']}  {attempts}"))
        table.add_row("", Text(f"{number['kind'].replace('_', ' ')}, {number['region']}, {places}"))
    Console(soft_wrap=True).print(table)


def _in_words(instant: str | int) -> str:
    """Write an ISO instant in UTC for people, with its zone."""
    return str(instant).replace("T", " ").replace("+00:00", " UTC")


def _print_report(report: "ImportReport") -> None:
    """Say in a few lines what became of a list."""
    lines = [f"{report.path} -> {report.campaign}" + (" (dry run: nothing was loaded)" if report.is_dry_run else "")]
    lines.append(f"  format    {report.format}" + (f", {report.detail}" if report.detail else ""))
    if report.encoding is not None:
        doubt = "" if report.encoding.is_sure else "  << look at the names before you dial"
        lines.append(f"  encoding  {report.encoding.name} ({report.encoding.how}){doubt}")
    used = ", ".join(f"{name} = {' + '.join(headings)}" for name, headings in report.columns.items() if headings)
    lines.append(f"  columns   {used}; {report.unused_columns} not used")
    if report.absent_columns:
        lines.append(f"            not in this file: {', '.join(report.absent_columns)}")
    lines.append(f"  rows      {report.rows:,} in {report.elapsed_s:.1f} s")
    lines.append(f"  loaded    {report.loaded:,}")
    lines.append(f"  merged    {report.merged:,} (of which {report.unchanged:,} told nothing new)")
    lines.append(f"  rejected  {report.rejected:,}{_reasons(report.reasons)}")
    if report.consents:
        lines.append(f"  consents  {report.consents:,} told of by these rows")
    if report.lost_numbers:
        total = sum(report.lost_numbers.values())
        lines.append(f"  numbers   {total:,} dropped from rows with another one{_reasons(report.lost_numbers)}")
    if report.rejects_path is not None:
        lines.append(f"  rejects   {report.rejects_path}")
    print("\n".join(lines))


def _reasons(reasons: Any) -> str:
    """List reason codes with their counts, most frequent first."""
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return f": {', '.join(f'{reason} {count:,}' for reason, count in ordered)}" if ordered else ""
