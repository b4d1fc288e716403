"""`dialer person`: give a person everything that is held on them, or erase it, for one seller."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dialer.cli.consent import NumberArgument, SellerOption
from dialer.cli.leads import CONFIG, ConfigOption, JsonOption

if TYPE_CHECKING:
    from dialer.config.settings import Settings
    from dialer.storage.erasure import Erased, Erasure
    from dialer.storage.reading import Records

ReasonOption = Annotated[str, typer.Option("--reason", "-r", help="Why; kept in the evidence.")]

GIVEN_BACK_S = 3.0
"""How long a daemon on another machine has to give the person's leads back."""

person_app = typer.Typer(
    help="Give a person what is held on them, or erase it, for one seller. See docs/evidence.md.", no_args_is_help=True
)


@person_app.command("export")
def export_person(
    number: NumberArgument,
    seller: SellerOption,
    reason: ReasonOption,
    output: Annotated[Path, typer.Option("--output", "-o", help="The JSON file to write.")],
    config: ConfigOption = CONFIG,
) -> None:
    """Write everything that is held on a person for a seller, with whole numbers. Needs full view.

    Leads, calls, agents' notes, consents, refusals, registers that list a number, verdicts, and who looked at it.
    """
    import sys

    import msgspec

    from dialer.cli.access import require_full_view, written_whole
    from dialer.cli.consent import read_number
    from dialer.config.settings import load_settings
    from dialer.daemon.people import numbers_of
    from dialer.daemon.stores import open_records

    settings = load_settings(config)
    e164 = read_number(number)
    with open_records(settings) as store:
        _check_seller(store, seller)
        numbers = numbers_of(store, seller, e164)
    details = {"output": str(output.absolute())}
    require_full_view(settings, "person", reason, kind="export", seller=seller, numbers=numbers, details=details)
    with open_records(settings) as store, written_whole(output) as out:
        held = _held(store, seller, e164, numbers)
        out.write(msgspec.json.format(msgspec.json.encode(_dated(held)), indent=2) + b"\n")
    counts = ", ".join(f"{len(held[name]):,} {name}" for name in ("leads", "attempts", "consents", "verdicts"))
    print(f"{counts} written to {output}", file=sys.stderr)


@person_app.command("erase")
def erase_person(
    number: NumberArgument,
    seller: SellerOption,
    reason: ReasonOption,
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Erase a person for a seller: names, numbers, fields and notes, wherever they are kept. Needs full view.

    The number stays on the seller's "do not call" list as a keyed hash, so that no list brings the person back. What a
    law wants kept to prove calls stays apart and is gone when its day has come.
    """
    import time

    from dialer.cli.access import checked_reason, os_user, require_right
    from dialer.cli.consent import read_number, refuse_person
    from dialer.config.settings import load_settings
    from dialer.daemon.stores import open_records, open_store
    from dialer.storage import erasure

    settings = load_settings(config)
    e164 = read_number(number)
    reason = checked_reason(reason, "person erase")
    require_right(settings, "person erase")
    with open_records(settings) as store:
        _check_seller(store, seller)
    refuse_person(settings, seller, e164, "erased")
    _take_from_daemon(settings)
    now = time.time()
    with open_store(settings) as store:
        wanted = _erasure(settings, store, seller, e164, now)
        erased = erasure.erase_person(store, wanted, at=now, who=os_user(), reason=reason)
    if as_json:
        import msgspec

        print(msgspec.json.encode(erased).decode())
    else:
        print("\n".join(_lines_of(erased, seller, wanted.keep_days)))


def _check_seller(store: "Records", seller: str) -> None:
    from dialer.errors import UsageError

    policies = [store.policy(campaign) for campaign in store.campaigns()]
    sellers = sorted({policy.seller for policy in policies if policy is not None})
    if seller not in sellers:
        raise UsageError(
            f"--seller {seller}: no campaign in the database is its; there: {', '.join(sellers) or 'none'}"
        )


# ------------------------------------------------------------------------------------------- export
def _held(store: "Records", seller: str, e164: str, numbers: tuple[str, ...]) -> dict[str, Any]:
    """Gather what is held on a person."""
    import time

    import msgspec

    import dialer
    from dialer.storage import dossier

    now = time.time()
    leads = store.leads_of(seller, e164)
    evidence = list(dossier.evidence_of(store, seller, numbers))
    attempts = dossier.attempts_of(store, seller, numbers)
    exports = list(dossier.exports_of(store, [lead.campaign for lead in leads]))
    listed = {each for lead in leads for each in store.standing_at(lead, seller, now).listed}
    deeds = ("view", "export", "erasure")
    return {
        "written_at": now,
        "dialer": dialer.__version__,
        "seller": seller,
        "numbers": list(numbers),
        "leads": [msgspec.to_builtins(lead) for lead in leads],
        "attempts": [msgspec.to_builtins(attempt) for attempt in attempts],
        "notes": list(dossier.notes_of(store, {attempt.call_id for attempt in attempts})),
        "consents": [msgspec.to_builtins(kept) for each in numbers for kept in store.consents(seller, each)],
        "do_not_call": dossier.refusals_of(store, seller, numbers),
        "registers": [{"registry": registry, "number": each} for registry, each in sorted(listed)],
        "verdicts": [each for each in evidence if each["kind"] == "verdict"],
        "views": [each for each in evidence if each["kind"] in deeds] + exports,
    }


def _dated(value: Any, name: str = "") -> Any:
    """Write instants as people read them: ISO 8601, in UTC."""
    from datetime import UTC, datetime

    if isinstance(value, dict):
        return {key: _dated(each, key) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_dated(each) for each in value]
    if isinstance(value, float) and (name == "at" or name.endswith("_at")):
        return datetime.fromtimestamp(value, UTC).isoformat(timespec="milliseconds")
    return value


# -------------------------------------------------------------------------------------------- erase
def _take_from_daemon(settings: "Settings") -> None:
    """Let a running daemon give back the leads that it has in hand: those of the person come back finished."""
    from dialer.daemon.control import StandingsRequest, ask, is_listening

    if is_listening(settings.control_socket):
        ask(settings.control_socket, StandingsRequest(reason="a person is erased"))


def _erasure(settings: "Settings", store: "Records", seller: str, e164: str, now: float) -> "Erasure":
    """Say who is to be erased; raise ControlError while the person is on a call."""
    import time

    from dialer.config.rulesets import load_law
    from dialer.daemon.control import is_listening
    from dialer.daemon.people import numbers_of
    from dialer.domain.lead import LeadState
    from dialer.errors import ControlError
    from dialer.storage.doctor import Doctor
    from dialer.storage.erasure import Erasure
    from dialer.storage.evidence_trim import longest_keep_days

    has_daemon = is_listening(settings.control_socket)
    dialed = Doctor(store.database, store.vault).dialed()  # by daemons elsewhere: they give leads back when they hear
    until = time.monotonic() + (GIVEN_BACK_S if dialed else 0.0)
    while True:
        leads = store.leads_of(seller, e164)
        in_hand = [
            each for each in leads if each.state is LeadState.CLAIMED and (has_daemon or each.campaign in dialed)
        ]
        if not in_hand or time.monotonic() > until:
            break
        time.sleep(0.1)
    ids = {lead.lead_id for lead in leads}
    if in_hand or any(attempt.lead_id in ids for attempt in store.open_attempts()):
        raise ControlError(
            "the person is on a call, or a call to the person has no end yet: nobody calls again, but nothing was "
            "erased; erase again once the call is over (without a daemon: start it, it settles such calls)"
        )
    return Erasure(
        seller=seller,
        leads=tuple(leads),
        numbers=numbers_of(store, seller, e164),
        keep_days=longest_keep_days(load_law(settings.rules, around=now)),
    )


def _lines_of(erased: "Erased", seller: str, keep_days: int) -> list[str]:
    """Say what was erased, and what stays."""
    lines = [
        f"erased for {seller}: {erased.leads:,} leads, the numbers of {erased.attempts:,} calls and of "
        f"{erased.consents:,} consents, {erased.journal_entries:,} entries of the journal",
        f'stays: keyed hashes on the "do not call" list of {seller}, so that no list brings the person back',
    ]
    if erased.retained:
        lines.append(
            f"stays: {erased.retained:,} numbers, apart, for {keep_days} days from the last call, to prove the calls: "
            "`dialer evidence show-number`"
        )
    return lines
