"""Commands about registers of people who must not be called: bring copies in, list them, look a number up."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dialer.cli.consent import NumberArgument, instant_text, read_number, tell_daemon
from dialer.cli.leads import CONFIG, ConfigOption, JsonOption

if TYPE_CHECKING:
    from dialer.domain.law import Law, RegistryRule
    from dialer.storage.registries import KeptCopy

registry_app = typer.Typer(help="Bring do-not-call registers in, list them, look a number up.", no_args_is_help=True)


@registry_app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="The file as received: one number per line, or .csv; also as .gz.")],
    registry: Annotated[str, typer.Option("--registry", metavar="ID", help="Which register, such as kr-donotcall.")],
    received_at: Annotated[
        str, typer.Option("--received-at", metavar="T", help="When it was received, such as 2026-03-02T09:00+09:00.")
    ],
    version: Annotated[
        str | None, typer.Option("--version", metavar="V", help="Its own version; absent: day and digest.")
    ] = None,
    count: Annotated[int | None, typer.Option("--count", metavar="N", help="How many numbers it has to hold.")] = None,
    column: Annotated[
        str | None, typer.Option("--column", metavar="HEADING", help="The heading over the numbers of a .csv.")
    ] = None,
    accept_smaller: Annotated[
        str, typer.Option("--accept-smaller", metavar="REASON", help="Why it has far fewer numbers than before; kept.")
    ] = "",
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Take a register's file into use, whole or not at all; its numbers are kept as hashes only.

    A file that is cut, holds anything but numbers, or is far smaller than the one before is refused, and the copy that
    is in use stays.
    """
    import time

    from dialer.cli.access import checked_reason, os_user
    from dialer.config.settings import load_settings
    from dialer.daemon.control import RegistryRequest
    from dialer.daemon.registries import Arrival, import_registry
    from dialer.daemon.stores import open_store

    settings, law = load_settings(config), _law(config)
    arrival = Arrival(
        registry=_as_asked_for(law, registry),
        received_at=_instant(received_at),
        who=os_user(),
        version=version,
        count=count,
        column=column,
        smaller_because=checked_reason(accept_smaller, "--accept-smaller") if accept_smaller else "",
    )
    with open_store(settings) as store:
        report = import_registry(file.absolute(), arrival, store, time.time())
    if not report.is_unchanged:
        tell_daemon(settings, RegistryRequest())
    if as_json:
        _print_json(report)
        return
    if report.is_unchanged:
        print(f"{file}: unchanged, it is {report.registry} {report.version} already")
        return
    before = "the first copy" if report.before is None else f"{report.before:,} before"
    print(f"{file} -> {report.registry} {report.version}")
    print(f"  numbers   {report.numbers:,} in {report.lines:,} lines ({before})")
    print(f"  received  {instant_text(report.received_at)}")
    print(f"  SHA-256   {report.digest}")
    _print_rules(law, report.registry)


@registry_app.command("list")
def list_(
    is_all: Annotated[bool, typer.Option("--all", help="Earlier copies, too.")] = False,
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """List the registers' copies in use: how old each is and until when it is good by the rules that ask for it."""
    import time

    from dialer.config.settings import load_settings
    from dialer.daemon.stores import open_records

    law = _law(config)
    with open_records(load_settings(config)) as store:
        copies = store.kept_copies() if is_all else store.copies_in_use()
        used = {(kept.copy.registry, kept.copy.version) for kept in store.copies_in_use()}
    rows = [_row(kept, law, time.time(), used) for kept in copies]
    if as_json:
        _print_json(rows)
    else:
        _print_copies(rows)


@registry_app.command("check")
def check(number: NumberArgument, config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """Say whether a number is on a register, for each copy in use."""
    from dialer.config.settings import load_settings
    from dialer.daemon.stores import open_records
    from dialer.leads.numbers import mask

    e164 = read_number(number)
    with open_records(load_settings(config)) as store:
        found = {kept.copy: store.is_listed(kept, e164) for kept in store.copies_in_use()}
    if as_json:
        rows = [{"registry": c.registry, "version": c.version, "is_listed": listed} for c, listed in found.items()]
        _print_json({"number": mask(e164), "registries": rows})
        return
    print(f"{mask(e164)}" + ("" if found else ": no register was imported"))
    for copy, listed in found.items():
        print(f"  {copy.registry} {copy.version}: {'LISTED' if listed else 'not listed'}")


def _instant(text: str) -> float:
    """Read an instant with its offset; a day alone is its beginning in UTC."""
    from dialer.errors import UsageError
    from dialer.leads.consents import read_instant

    at = read_instant(text)
    if at is None:
        raise UsageError(f"--received-at {text}: expected an instant such as 2026-03-02T09:00+09:00, or a day")
    return at


def _law(config: Path) -> "Law":
    import time

    from dialer.config.rulesets import load_law
    from dialer.config.settings import load_settings

    return load_law(load_settings(config).rules, around=time.time())


def _rules(law: "Law", registry: str) -> "list[RegistryRule]":
    return [rule for ruleset in law.rulesets for rule in ruleset.registries if rule.registry == registry]


def _as_asked_for(law: "Law", registry: str) -> str:
    """Write a register's id as the rules that ask for it do."""
    known = {rule.registry.casefold(): rule.registry for ruleset in law.rulesets for rule in ruleset.registries}
    return known.get(registry.casefold(), registry)


def _print_rules(law: "Law", registry: str) -> None:
    """Say which rules ask for a register; that none does is worth a warning, since its name may be misspelt."""
    rules = _rules(law, registry)
    if rules:
        print(f"  asked for by {', '.join(rule.rule_id for rule in rules)}")
        return
    known = {rule.registry for ruleset in law.rulesets for rule in ruleset.registries}
    print(f"  << no rule asks for {registry}: rules ask for {', '.join(sorted(known)) or 'none'}")


def _row(kept: "KeptCopy", law: "Law", now: float, used: set[tuple[str, str]]) -> dict[str, Any]:
    """Describe a copy."""
    from dialer.daemon.registries import DAY_S, good_until

    copy = kept.copy
    end = good_until(law, copy)
    return {
        "registry": copy.registry,
        "version": copy.version,
        "is_in_use": (copy.registry, copy.version) in used,
        "numbers": copy.numbers,
        "received_at": instant_text(copy.received_at),
        "imported_at": instant_text(kept.imported_at),
        "who": kept.who,
        "digest": copy.digest,
        "age_days": round((now - copy.received_at) / DAY_S, 1),
        "good_until": None if end is None else instant_text(end[0]),
        "days_left": None if end is None else round((end[0] - now) / DAY_S, 1),
        "rule": None if end is None else end[1].rule_id,
    }


def state_text(row: dict[str, Any]) -> str:
    """Say how a copy stands."""
    from dialer.daemon.registries import WARN_DAYS

    left = row["days_left"]
    if not row["is_in_use"]:
        return "replaced"
    if left is None:
        return "in use"
    if left <= 0:
        return "STALE: calls that need it are not made"
    return f"expires in {left:g} days" if left <= WARN_DAYS else "in use"


def _print_json(value: Any) -> None:
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(value)).decode())


def _print_copies(rows: list[dict[str, Any]]) -> None:
    import sys

    from dialer.cli.tables import console_for, table_of, without

    if not rows:
        print("no register was imported")
        return
    console = console_for(sys.stdout)
    columns = {
        "registry": [row["registry"] for row in rows],
        "version": [row["version"] for row in rows],
        "numbers": [f"{row['numbers']:,}" for row in rows],
        "received": [row["received_at"] for row in rows],
        "age": [f"{row['age_days']:g} d" for row in rows],
        "good until": [row["good_until"] or "no limit" for row in rows],
        "by": [row["rule"] or "-" for row in rows],
        "state": [state_text(row) for row in rows],
    }
    kept, left_out = without(columns, ("by", "version", "age"), console.width)
    left = ("registry", "version", "received", "good until", "by", "state")
    console.print(table_of(kept, left=left))
    if left_out:
        console.print(f"left out for want of width: {', '.join(left_out)}; --json has them")
