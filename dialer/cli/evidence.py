"""`dialer evidence`: take the evidence out, check such a file anywhere, note the head, let go what is too old."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dialer.cli.report import FromOption, ToOption, ZoneOption

if TYPE_CHECKING:
    from dialer.storage.evidence_check import Checked
    from dialer.storage.reading import Records

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration file; every key is in config.example.toml.")
]
ReasonOption = Annotated[str, typer.Option("--reason", "-r", help="Why; kept in the evidence.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
CONFIG = Path("config.toml")

evidence_app = typer.Typer(
    help="Take out and check the log of verdicts, calls and views. See docs/evidence.md.", no_args_is_help=True
)


@evidence_app.command("export")
def export_evidence(
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    reason: ReasonOption,
    from_: FromOption = None,
    to: ToOption = None,
    zone: ZoneOption = "UTC",
    campaign: Annotated[
        str | None,
        typer.Option("--campaign", metavar="NAME", help="Write only this campaign's entries whole, others as hashes."),
    ] = None,
    config: ConfigOption = CONFIG,
) -> None:
    """Write the evidence of a span as a file that stands alone; it names nobody.

    That it was taken out, by whom and why, is itself kept in the evidence. `dialer evidence verify` checks the file.
    """
    import sys

    from dialer.cli.access import checked_reason, record_deed, written_whole
    from dialer.cli.report import read_span
    from dialer.config.settings import load_settings
    from dialer.daemon.stores import open_records
    from dialer.storage.evidence_file import Wanted

    checked_reason(reason, "evidence export")
    span = read_span(from_, to, zone)
    settings = load_settings(config)
    with open_records(settings) as store:
        seller = None if campaign is None else _seller_of(store, campaign)
    details = {"from": from_ or "", "to": to or "", "zone": zone, "output": str(output.absolute())}
    record_deed(settings, "export", "evidence", reason, campaign=campaign, seller=seller, details=details)
    wanted = Wanted(since=span.from_at, until=span.to_at, campaign=campaign, seller=seller)
    with open_records(settings) as store, written_whole(output) as out:
        written = store.export_evidence(out, wanted)
    print(f"{written.count:,} entries written to {output}\nlast hash {written.hash}", file=sys.stderr)


@evidence_app.command("verify")
def verify_evidence(
    file: Annotated[Path, typer.Argument(help="A file that `dialer evidence export` wrote.")],
    head: Annotated[
        list[str] | None,
        typer.Option(
            "--head", metavar="HASH", help="A hash noted elsewhere that must be in the file; may be repeated."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check an exported file from its first byte to its last; needs neither configuration nor database.

    Any change, gap or move is found, and the first line that is wrong is named; the exit code is then 8.
    """
    from dialer.errors import UsageError
    from dialer.storage.evidence_check import check

    heads = [each.strip().lower() for each in head or ()]
    for each in heads:
        if len(each) != 64 or not all(character in "0123456789abcdef" for character in each):
            raise UsageError(f"--head {each}: expected a hash of 64 hexadecimal digits, as `dialer evidence head` says")
    try:
        with file.open("rb") as stream:
            found = check(stream, str(file), heads)
    except OSError as error:
        raise UsageError(f"{file}: it cannot be read ({error.strerror})") from error
    if as_json:
        _print_json(found)
    else:
        print("\n".join(_lines_of(file, found, heads)))


@evidence_app.command("head")
def evidence_head(config: ConfigOption = CONFIG) -> None:
    """Print number and hash of the last entry: note them where nobody who can change the database can change them."""
    from dialer.config.settings import load_settings
    from dialer.daemon.stores import open_records

    with open_records(load_settings(config)) as store:
        seq, hash_ = store.evidence_head()
    print(f"{seq} {hash_}")


@evidence_app.command("trim")
def trim_evidence(
    reason: ReasonOption,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and change nothing.")] = False,
    config: ConfigOption = CONFIG,
) -> None:
    """Let go of evidence that is older than any rule in force wants kept, never of less than five years.

    The hash before the first entry that is left stays, so that exports still prove what follows.
    """
    import time

    from dialer.cli.access import checked_reason, os_user
    from dialer.config.rulesets import load_law
    from dialer.config.settings import load_settings
    from dialer.daemon.stores import open_store
    from dialer.storage.evidence_trim import longest_keep_days

    checked_reason(reason, "evidence trim")
    settings = load_settings(config)
    now = time.time()
    keep_days = longest_keep_days(load_law(settings.rules, around=now))
    with open_store(settings) as store:
        trim = store.planned_trim(now, keep_days)
        if not dry_run:
            store.trim_evidence(trim, at=now, who=os_user(), reason=checked_reason(reason, "evidence trim"))
            store.purge_retained(now)
    would = "would go" if dry_run else "gone"
    print(f"{trim.count:,} entries from before {_instant(trim.before_at)} UTC {would}; {keep_days} days are kept")


@evidence_app.command("show-number")
def show_number(
    subject: Annotated[str, typer.Argument(help="The keyed hash by which the evidence names a number.")],
    seller: Annotated[str, typer.Option("--seller", metavar="NAME", help="Whose calls they were.")],
    reason: ReasonOption,
    config: ConfigOption = CONFIG,
) -> None:
    """Show the number behind a hash, of a person who was erased but whose calls a law wants proved. Needs full view."""
    from dialer.cli.access import require_full_view
    from dialer.config.settings import load_settings
    from dialer.daemon.stores import open_records
    from dialer.errors import UsageError

    settings = load_settings(config)
    require_full_view(settings, "retained number", reason, seller=seller, details={"subject": subject})
    with open_records(settings) as store:
        found = store.retained(seller, subject)
    if found is None:
        raise UsageError(f"{subject}: nothing is retained of this number for {seller}")
    print(f"{found.number}\nretained until {_instant(found.until_at)} UTC: {found.reason}")


def _seller_of(store: "Records", campaign: str) -> str:
    from dialer.errors import UsageError

    policy = store.policy(campaign)
    if policy is None:
        known = ", ".join(store.campaigns()) or "none"
        raise UsageError(f"--campaign {campaign}: no such campaign in the database; there: {known}")
    return policy.seller


def _lines_of(file: Path, found: "Checked", heads: list[str]) -> list[str]:
    """Say what a whole file holds."""
    head = found.head
    last = head.first + found.count - 1
    of = "all campaigns" if head.campaign is None else f"the campaign {head.campaign}, others as hashes"
    lines = [
        f"{file}: whole: {found.count:,} entries ({head.first} to {last}) of {of}, written by dialer {head.dialer}"
    ]
    if found.from_at is not None and found.to_at is not None:
        lines.append(f"  from      {_instant(found.from_at)} UTC to {_instant(found.to_at)} UTC")
    for kind, count in sorted(found.kinds.items()):
        lines.append(f"  {kind:<12}{count:,}")
    if found.hidden:
        lines.append(f"  {'hidden':<12}{found.hidden:,}")
    if found.lawless:
        lines.append(f"  {found.lawless:,} verdicts went by another law than the last one in the log")
    lines += [f"  before    {head.before}", f"  last hash {found.hash}"]
    for each in heads:
        lines.append(f"  the hash noted elsewhere is that of entry {found.found[each]}")
    if not heads:
        lines.append(
            "Compare the last hash with one that was noted elsewhere: `--head HASH`. Without that, the file may"
        )
        lines.append("be whole and yet made anew by whoever holds the database.")
    return lines


def _print_json(found: "Checked") -> None:
    import msgspec

    value = {
        "first": found.head.first,
        "count": found.count,
        "hidden": found.hidden,
        "campaign": found.head.campaign,
        "dialer": found.head.dialer,
        "before": found.head.before,
        "hash": found.hash,
        "from_at": found.from_at,
        "to_at": found.to_at,
        "kinds": dict(found.kinds),
        "verdicts_by_other_law": found.lawless,
        "heads": found.found,
    }
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def _instant(at: float) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}"
