"""Commands about consents: bring records in, show them, take a revocation down, tell who must be asked again."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dialer.cli.leads import CONFIG, ConfigOption, JsonOption

if TYPE_CHECKING:
    from dialer.config.settings import Settings
    from dialer.daemon.control import Request
    from dialer.domain.law import Law
    from dialer.storage.consents import KeptConsent

SellerOption = Annotated[str, typer.Option("--seller", metavar="NAME", help="The seller as campaign files name it.")]
NumberArgument = Annotated[str, typer.Argument(metavar="NUMBER", help="The number, with + and country code.")]

consent_app = typer.Typer(
    help="Bring records of consent in, show them, revoke, tell who must be asked again.", no_args_is_help=True
)


@consent_app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="The records: .csv, .tsv, .xlsx, .jsonl or .parquet.")],
    seller: SellerOption,
    country: Annotated[
        str | None, typer.Option("--country", metavar="CODE", help="Of numbers without a country code, such as KR.")
    ] = None,
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Import consents given to a seller: all rows of the file or, when one is wrong, none.

    Columns are number, purposes, obtained_at and method, and as there are source, text or text_hash, recipients, night,
    written, hours, expires_at, confirmed_at, revoked_at. Importing a file again changes nothing.
    """
    import time

    from dialer.cli.access import os_user
    from dialer.daemon.consents import import_consents
    from dialer.daemon.control import StandingsRequest
    from dialer.daemon.stores import open_store

    settings = _settings(config, seller)
    with open_store(settings) as store:
        report = import_consents(file.absolute(), seller, store, time.time(), who=os_user(), country=_country(country))
    tally = report.tally
    if tally.new or tally.confirmed or tally.revoked:
        tell_daemon(settings, StandingsRequest(reason=f"consents of {file.name}"[:1000]))
    if as_json:
        _print_json(report)
        return
    print(f"{file} -> {seller}: {report.rows:,} consents")
    print(f"  new        {tally.new:,}")
    print(f"  confirmed  {tally.confirmed:,} that were here, with a later date")
    print(f"  unchanged  {tally.unchanged:,}")
    if tally.revoked:
        print(f"  revoked    {tally.revoked:,}; their numbers are on the do-not-call list of {seller}")


@consent_app.command("show")
def show(
    number: NumberArgument, seller: SellerOption, config: ConfigOption = CONFIG, as_json: JsonOption = False
) -> None:
    """Show what a number agreed to, for a seller, with the date by which to ask again; instants in UTC."""
    import time

    from dialer.daemon.stores import open_records

    settings = _settings(config, seller)
    e164 = read_number(number)
    with open_records(settings) as store:
        kept = store.consents(seller, e164)
        is_blocked = store.is_blocked(seller, e164)
    records = _records(kept, _law(settings, time.time()), time.time())
    if as_json:
        from dialer.leads.numbers import mask

        _print_json({"number": mask(e164), "seller": seller, "is_do_not_call": is_blocked, "consents": records})
    else:
        _print_consents(e164, seller, is_blocked, records)


@consent_app.command("revoke")
def revoke(
    number: NumberArgument,
    seller: SellerOption,
    reason: Annotated[str, typer.Option("--reason", "-r", help="What the person said, and how; kept.")],
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """End every consent of a person, for good: nobody of the seller calls any number of this person again.

    A running daemon acts on it at once, on leads that are about to be dialed, too.
    """
    from dialer.cli.access import checked_reason

    settings = _settings(config, seller)
    e164 = read_number(number)
    reason = checked_reason(reason, "consent revoke")
    numbers = refuse_person(settings, seller, e164, reason)
    if as_json:
        _print_json({"seller": seller, "numbers": numbers})
    else:
        print(f"{seller}: {numbers:,} numbers of this person are on the do-not-call list, and no consent holds")


@consent_app.command("due")
def due(
    seller: SellerOption,
    within: Annotated[str, typer.Option("--within", metavar="TIME", help="How far to look ahead, such as 30d.")] = (
        "30d"
    ),
    rules: Annotated[Path | None, typer.Option("--rules", metavar="FILE", help="A ruleset file to go by, too.")] = None,
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """List who must be asked again by when, where a rule wants consent confirmed; overdue ones first."""
    import time

    from dialer.daemon.consents import confirmer, due_consents
    from dialer.daemon.stores import open_records
    from dialer.leads.numbers import mask

    settings = _settings(config, seller)
    now = time.time()
    confirm = confirmer(_law(settings, now, rules), now)
    with open_records(settings) as store:
        found = list(due_consents(store, seller, confirm, now + _seconds(within), now))
    found.sort(key=lambda each: (each.again.by_at, each.consent.consent_id))
    rows = [
        {
            "by": _day(each.again.by_at, each.again.zone),
            "is_overdue": each.again.by_at <= now,
            "number": mask(each.consent.number),
            "purposes": list(each.consent.purposes),
            "obtained": _day(each.consent.obtained_at, each.again.zone),
            "confirmed": _day(each.consent.confirmed_at, each.again.zone) if each.consent.confirmed_at else None,
            "every_years": each.again.years,
            "leads": list(each.lead_ids),
        }
        for each in found
    ]
    if as_json:
        _print_json(rows)
    else:
        _print_due(seller, within, rows)


# ----------------------------------------------------------------------------------------- shared parts
def tell_daemon(settings: "Settings", request: "Request") -> None:
    """Let a running daemon know; without one there is nobody to tell."""
    import sys

    from dialer.daemon.control import ask
    from dialer.errors import ControlError

    if settings.control_socket.exists():
        try:
            ask(settings.control_socket, request)
        except ControlError as error:
            print(f"The daemon was not told: {error}", file=sys.stderr)


def read_number(text: str) -> str:
    """Read one number that stands on the command line, in E.164."""
    from dialer.errors import UsageError
    from dialer.leads.numbers import read_numbers

    numbers, _ = read_numbers(text, "ZZ", "UTC")
    if len(numbers) != 1:
        raise UsageError("NUMBER: expected one telephone number with + and country code, found none that is in use")
    return numbers[0].e164


def instant_text(at: float | None) -> str:
    """Write an instant for people, in UTC."""
    from datetime import UTC, datetime

    return "" if at is None else f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"


def _settings(config: Path, seller: str) -> "Settings":
    """Read the configuration, and see that the seller is one of the campaigns'."""
    from dialer.config.campaign import load_campaigns
    from dialer.config.settings import load_settings
    from dialer.errors import UsageError

    settings = load_settings(config)
    sellers = {policy.seller for policy in load_campaigns(sorted(settings.campaigns_dir.glob("*.toml")))}
    if seller not in sellers:
        known = ", ".join(sorted(sellers)) or "none"
        raise UsageError(f"--seller {seller}: no campaign in {settings.campaigns_dir} is its; there: {known}")
    return settings


def _country(text: str | None) -> str | None:
    from dialer.errors import UsageError
    from dialer.leads.registers import country_of

    if text is not None and (len(text) != 2 or country_of(text) is None):
        raise UsageError(f"--country {text}: expected a country's code of two letters, such as KR")
    return text


def refuse_person(settings: "Settings", seller: str, e164: str, reason: str) -> int:
    """Let nobody of the seller call this person again: by the running daemon, else without one; count the numbers."""
    from dialer.daemon.control import RefusedRequest, ask, is_listening

    if is_listening(settings.control_socket):
        answer = ask(settings.control_socket, RefusedRequest(seller=seller, number=e164, reason=reason))
        return int(answer["numbers"])
    return _refuse(settings, seller, e164, reason)


def _refuse(settings: "Settings", seller: str, e164: str, reason: str) -> int:
    """Take a refusal down without a daemon, while none can start; it is in journal and evidence as with one."""
    import time

    from dialer.cli.access import os_user
    from dialer.daemon.control import RefusedRequest
    from dialer.daemon.lock import only_daemon
    from dialer.daemon.people import refuse_without_daemon
    from dialer.daemon.stores import open_store

    refused = RefusedRequest(seller=seller, number=e164, reason=reason)
    with only_daemon(settings.state_dir), open_store(settings) as store:
        return refuse_without_daemon(store, refused, os_user(), time.time())


def _law(settings: "Settings", now: float, extra: Path | None = None) -> "Law":
    from dialer.config.rulesets import load_law

    return load_law(settings.rules if extra is None else (*settings.rules, extra), around=now)


def _seconds(text: str) -> float:
    """Read a span such as 30d, 12h or 4w."""
    import re

    from dialer.errors import UsageError

    found = re.fullmatch(r"(\d{1,4})\s*([hdw])", text.strip())
    if found is None:
        raise UsageError(f"--within {text}: expected a span such as 30d, 4w or 12h")
    return int(found[1]) * {"h": 3600.0, "d": 86_400.0, "w": 604_800.0}[found[2]]


def _day(at: float, zone: str) -> str:
    """Write the day of an instant where the person is."""
    from datetime import datetime
    from zoneinfo import ZoneInfo

    return f"{datetime.fromtimestamp(at, ZoneInfo(zone)):%Y-%m-%d}"


def _records(kept: "list[KeptConsent]", law: "Law", now: float) -> list[dict[str, Any]]:
    """Describe consents for people and machines, without the number."""
    from dialer.daemon.consents import confirmer

    confirm = confirmer(law, now)
    records: list[dict[str, Any]] = []
    for each in kept:
        consent = each.consent
        again = confirm(consent)
        records.append(
            {
                "consent": consent.consent_id,
                "given_to": consent.seller,
                "purposes": list(consent.purposes),
                "is_night": consent.is_night,
                "hours": [f"{_clock(start)}-{_clock(end)}" for start, end in consent.hours],
                "recipients": list(consent.recipients),
                "obtained_at": instant_text(consent.obtained_at),
                "method": consent.method,
                "source": consent.source,
                "text_hash": consent.text_hash,
                "is_written": consent.is_written,
                "confirmed_at": instant_text(consent.confirmed_at),
                "confirm_by": "" if again is None else f"{_day(again.by_at, again.zone)} {again.zone}",
                "expires_at": instant_text(consent.expires_at),
                "revoked_at": instant_text(consent.revoked_at),
                "revoked_by": each.revoked_by,
                "reason": each.reason,
                "recorded_at": instant_text(each.recorded_at),
                "recorded_from": each.recorded_from,
            }
        )
    return records


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds % 3600 // 60:02}"


def _print_json(value: Any) -> None:
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(value)).decode())


def _print_consents(e164: str, seller: str, is_blocked: bool, records: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from dialer.leads.numbers import mask

    print(f"{mask(e164)} and {seller}: {len(records)} consents" + (", DO NOT CALL" if is_blocked else ""))
    console = Console(soft_wrap=True)
    for record in records:
        table = Table(show_header=False, box=None, pad_edge=False)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for key, value in record.items():
            text = ", ".join(value) if isinstance(value, list) else value
            text = ("no", "yes")[text] if isinstance(text, bool) else str(text)
            if text:
                table.add_row(key, Text(text))
        console.print()
        console.print(table)


def _print_due(seller: str, within: str, rows: list[dict[str, Any]]) -> None:
    import sys

    from dialer.cli.tables import console_for, table_of

    if not rows:
        print(f"{seller}: nobody has to be asked again within {within}")
        return
    columns = {
        "by": [row["by"] + (" overdue" if row["is_overdue"] else "") for row in rows],
        "number": [row["number"] for row in rows],
        "purposes": [", ".join(row["purposes"]) for row in rows],
        "obtained": [row["obtained"] for row in rows],
        "confirmed": [row["confirmed"] or "-" for row in rows],
        "leads": [", ".join(map(str, row["leads"])) or "-" for row in rows],
    }
    console_for(sys.stdout).print(table_of(columns, left=tuple(columns), folded=("leads", "purposes")))
