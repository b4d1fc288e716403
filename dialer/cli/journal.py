"""`dialer journal`: take entries out, check the journal from end to end, let go what is too old to be needed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dialer.cli.report import ZoneOption

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dialer.storage.journal import Verified

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration file; every key is in config.example.toml.")
]
ReasonOption = Annotated[str, typer.Option("--reason", "-r", help="Why; kept in the evidence.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
CONFIG = Path("config.toml")

journal_app = typer.Typer(
    help="Take out, check and trim the journal of all that happened. See docs/storage.md.", no_args_is_help=True
)


@journal_app.command("export")
def export_journal(
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    reason: ReasonOption,
    from_seq: Annotated[
        int | None, typer.Option("--from-seq", min=1, help="Number of the first entry; the first there is if absent.")
    ] = None,
    to_seq: Annotated[
        int | None, typer.Option("--to-seq", min=1, help="Number of the last entry; the last there is if absent.")
    ] = None,
    unmasked: Annotated[
        bool, typer.Option("--unmasked", help="Write whole numbers and names; needs full view (privacy.full_view).")
    ] = False,
    config: ConfigOption = CONFIG,
) -> None:
    """Write entries as JSON lines, in today's form whatever version wrote them. Who they are of is masked.

    That they were taken out, by whom and why, is kept in the evidence before anything is written.
    """
    import sys

    from dialer.cli.access import checked_reason, record_deed, require_full_view, written_whole
    from dialer.cli.journal_lines import masked_line, whole_line
    from dialer.config.settings import load_settings
    from dialer.daemon.stores import open_records
    from dialer.errors import UsageError
    from dialer.storage import journal

    what = "journal export"
    checked_reason(reason, what)
    settings = load_settings(config)
    with open_records(settings) as store:
        first, last = journal.span(store)
    first, last = max(first, from_seq or first), last if to_seq is None else min(last, to_seq)
    if from_seq is not None and to_seq is not None and from_seq > to_seq:
        raise UsageError(
            f"--from-seq {from_seq} --to-seq {to_seq}: expected a span, found its end before its beginning"
        )
    details: dict[str, str | int] = {
        "first": first,
        "last": last,
        "output": str(output.absolute()),
        "numbers": "whole" if unmasked else "masked",
    }
    if unmasked:
        require_full_view(settings, "journal", reason, kind="export", details=details)
    else:
        record_deed(settings, "export", "journal", reason, details=details)
    line_of = whole_line if unmasked else masked_line
    count = 0
    with open_records(settings) as store, written_whole(output) as out:
        for entry in journal.entries_between(store, first, last):
            out.write(line_of(entry) + b"\n")
            count += 1
    print(f"{count:,} entries written to {output}", file=sys.stderr)


@journal_app.command("verify")
def verify_journal(config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """Check the journal from its first entry to its last; the exit code is 8 when something is wrong.

    Numbers have no gap and instants never run back, each entry can be read, each order to dial has its attempt, and the
    next numbers of calls and leads are above all that are in use. A daemon may run beside it.
    """
    from dialer.config.settings import load_settings
    from dialer.daemon.stores import open_records
    from dialer.errors import EvidenceError
    from dialer.storage import journal

    settings = load_settings(config)
    with open_records(settings) as store:
        found = {name: journal.verify(store, engine_id) for engine_id, name in journal.engines(store).items()}
    if as_json:
        _print_json(found)
    else:
        for name, each in found.items():
            _print_verified(each, f" of engine {name}" if len(found) > 1 else "")
    fault_count = sum(each.fault_count for each in found.values())
    if fault_count:
        raise EvidenceError(
            f"journal of {settings.database}: {fault_count:,} faults: keep a copy of the database as it is, then "
            "restore a backup"
        )


@journal_app.command("trim")
def trim_journal(
    before: Annotated[
        str, typer.Option("--before", metavar="WHEN", help="Let go what is older: 2026-03-10 or 2026-03-10T09:30.")
    ],
    reason: ReasonOption,
    zone: ZoneOption = "UTC",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and change nothing.")] = False,
    config: ConfigOption = CONFIG,
) -> None:
    """Let go of old entries; attempts, decisions and evidence stay, and numbers go on. A daemon may run beside it.

    What a call without an end needs stays, and so does the last entry. An entry that cannot be read stops it.
    """
    import time

    from dialer.cli.access import checked_reason, os_user
    from dialer.cli.report import read_instant, read_zone
    from dialer.config.settings import load_settings
    from dialer.daemon.stores import open_store
    from dialer.storage import journal

    reason = checked_reason(reason, "journal trim")
    before_at = read_instant("--before", before, read_zone(zone), is_end=False)
    settings = load_settings(config)
    would = "would go" if dry_run else "gone"
    with open_store(settings) as store:
        engines = journal.engines(store)
        for engine_id, name in engines.items():
            plan = journal.plan_trim(store, before_at, engine_id)
            if not dry_run:
                journal.trim(store, plan, at=time.time(), who=os_user(), reason=reason)
            of = f" of engine {name}" if len(engines) > 1 else ""
            left = f"the first one left is {plan.last + 1}"
            print(f"{plan.count:,} entries{of} from before {_instant(before_at)} UTC {would}; {left}")
            if plan.held_at is not None and plan.held_at < before_at:
                print(f"A call of {_instant(plan.held_at)} UTC has no end yet: what is of that instant or later stays")


def _print_verified(found: "Verified", of: str) -> None:
    from dialer.storage.ownership import engine_of, first_number

    state = "whole" if not found.fault_count else "not whole"
    span = f"{found.entries:,} entries ({found.first} to {found.last})"
    print(f"journal{of}: {state}: {span}, {found.calls:,} calls ordered")
    if found.trimmed >= first_number(engine_of(found.trimmed + 1)):
        print(f"  up to entry {found.trimmed} it was trimmed")
    if found.from_at is not None and found.to_at is not None:
        print(f"  from {_instant(found.from_at)} UTC to {_instant(found.to_at)} UTC")
    for kind, count in sorted(found.kinds.items()):
        print(f"  {kind:<20}{count:>12,}")
    for fault in found.faults:
        print(f"  wrong: {fault}")
    if found.fault_count > len(found.faults):
        print(f"  and {found.fault_count - len(found.faults):,} more")


def _print_json(found: "Mapping[str, Verified]") -> None:
    """Print one journal as it is, several by the names of their engines."""
    import msgspec

    shown = {"engines": found} if len(found) > 1 else next(iter(found.values()))
    print(msgspec.json.format(msgspec.json.encode(shown), indent=2).decode())


def _instant(at: float) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}"
