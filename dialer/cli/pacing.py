"""`dialer pacing`: why so many calls were started, what bound them, and how long the budget lasts; from what was kept.

One rule governs this module: it reads the records and needs no daemon. What no decision covers is said to be uncovered.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dialer.errors import UsageError

if TYPE_CHECKING:
    from datetime import tzinfo

    from dialer.domain.policy import CampaignPolicy
    from dialer.domain.records import Attempt, PacingDecision
    from dialer.pacing.budget import AbandonmentBudget
    from dialer.pacing.forecast import Forecast
    from dialer.pacing.limits import Limits
    from dialer.pacing.staffing import Staffing
    from dialer.storage.reading import Records

CampaignArgument = Annotated[str, typer.Argument(metavar="CAMPAIGN", help="The campaign's name.")]
AtOption = Annotated[
    str | None,
    typer.Option("--at", metavar="WHEN", help="An instant: 2026-03-10T14:03:12. Absent: the last decision's."),
]
FromOption = Annotated[
    str | None,
    typer.Option("--from", metavar="WHEN", help="First instant: 2026-03-10 or 2026-03-10T09:30. Absent: the first."),
]
ToOption = Annotated[
    str | None,
    typer.Option("--to", metavar="WHEN", help="A date is counted in, an instant is not. Absent: the last decision."),
]
ZoneOption = Annotated[
    str, typer.Option("--zone", metavar="ZONE", help="Time zone of the instants given and of those shown.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration file; every key is in config.example.toml.")
]
CONFIG = Path("config.toml")
_NEVER = "no decision was kept yet: the campaign has not dialed, or only in preview mode, where the agents decide"
_NO_PACE = "no forecast: the hour before holds too few live answers, or fewer than ten minutes of them"
_REFUSED = (
    "the people taken for machines reach the cap alone, so that no call is made until the window closes or a reload"
)
_NO_DIALING = "no forecast: the people taken for machines reach the cap alone, and no call is made"
_LOOK_BACK_S = 7200.0  # a call that was answered in the last hour was placed at most so long ago
_HOUR_S = 3600.0
_DAY_S = 86400.0
_CONVERSATIONS_MIN = 10  # for a mean handle time


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gap:
    """What is known of an instant at which no decision stood: the sentence, and the instants of its neighbours."""

    sentence: str
    before_at: float | None = None
    after_at: float | None = None


pacing_app = typer.Typer(
    help="Explain the pacing that was recorded, and foresee the abandonment budget. See docs/pacing.md.",
    no_args_is_help=True,
)


@pacing_app.command("explain")
def explain_pacing(
    campaign: CampaignArgument,
    at: AtOption = None,
    zone: ZoneOption = "UTC",
    as_json: JsonOption = False,
    config: ConfigOption = CONFIG,
) -> None:
    """Say in a sentence, and with its inputs, why so many calls were started at an instant."""
    from dialer.cli.report import read_instant, read_zone

    shown_in = read_zone(zone)
    asked_at = float("inf") if at is None else read_instant("--at", at, shown_in, is_end=False)
    with _records(config) as store:
        _policy(store, campaign)
        decision, gap = _standing(store, campaign, asked_at, shown_in)
    if as_json:
        _print_json(_gap_object(gap, shown_in) if decision is None else _decision_object(decision, shown_in))
    elif decision is None:
        print(gap.sentence)
    else:
        _print_decision(decision, shown_in)


@pacing_app.command("limits")
def limits(
    campaign: CampaignArgument,
    from_: FromOption = None,
    to: ToOption = None,
    zone: ZoneOption = "UTC",
    as_json: JsonOption = False,
    config: ConfigOption = CONFIG,
) -> None:
    """Add up the minutes for which each constraint was the binding one."""
    import time

    from dialer.cli.report import read_span
    from dialer.pacing.limits import LOOK_BACK_S, binding_times

    span = read_span(from_, to, zone)
    with _records(config) as store:
        _policy(store, campaign)
        last = store.last_decision(campaign)
        # What is still to come is no time in which nothing was dialed; a simulated clock may be ahead of the wall's.
        now = max(time.time(), float("-inf") if last is None else last.at)
        to_at = span.to_at if span.to_at == float("inf") else min(span.to_at, now)
        found = binding_times(store.decisions(campaign, span.from_at - LOOK_BACK_S, to_at), span.from_at, to_at)
    if as_json:
        _print_json(_limits_object(campaign, found, span.zone))
    elif found is None:
        print(f"{campaign}: no decision was kept {'yet' if last is None else 'in this span'}")
    else:
        _print_limits(campaign, found, span.zone)


@pacing_app.command("forecast")
def forecast_budget(
    campaign: CampaignArgument,
    at: AtOption = None,
    zone: ZoneOption = "UTC",
    as_json: JsonOption = False,
    config: ConfigOption = CONFIG,
) -> None:
    """Say when the abandonment budget is spent at the pace of the last hour, and what the team can take."""
    from dialer.cli.report import read_instant, read_zone

    shown_in = read_zone(zone)
    with _records(config) as store:
        policy, last = _policy(store, campaign), store.last_decision(campaign)
        now = None if last is None else last.at
        if at is not None:
            now = read_instant("--at", at, shown_in, is_end=False)
            last = store.last_decision(campaign, now)
        is_refused = last is not None and last.limited_by == "infeasible"
        found = None if now is None or is_refused else _foresee(store, policy, now)
        team = None if now is None else _staffing(store, policy, now)
    sentence = _NEVER if now is None else f"{_instant(now, shown_in)}: {_NO_DIALING if is_refused else _NO_PACE}"
    if found is not None:
        sentence = f"{_instant(found.at, shown_in)}: {forecast_text(found, shown_in)}"
    if as_json:
        _print_json({"campaign": campaign, "sentence": sentence, "forecast": _plain(found), "staffing": _plain(team)})
        return
    print(sentence)
    if found is not None:
        _print_pace(found, shown_in)
    if team is not None:
        print(staffing_text(team))


def _print_pace(found: "Forecast", zone: "tzinfo") -> None:
    pace, ends = found.pace, _clock(found.dialing_ends_at, found.at, zone)
    print(f"pace: {pace.abandoned:.4g} abandoned of {pace.live:.4g} live answers in {pace.for_s / 60.0:.0f} minutes")
    print(f"expected by the end: {found.abandoned:.0f} of {found.live:.0f} live answers, dialing until {ends}")


def forecast_text(found: "Forecast", zone: "tzinfo") -> str:
    """Say a forecast in a sentence; instants without a date are of the day on which it was made."""
    closes = _clock(found.closes_at, found.at, zone)
    rate = f"{found.rate:.1%} ({found.low:.1%}-{found.high:.1%} at {found.level:.0%})"
    if found.spent_at is None:
        return (
            f"at this pace the budget of {found.budget} is not spent before the window closes at {closes} with {rate}"
        )
    spent = (
        "is spent already" if found.spent_at <= found.at else f"is spent at {_clock(found.spent_at, found.at, zone)}"
    )
    return f"at this pace the budget of {found.budget} {spent}; the window closes at {closes} with {rate}"


def staffing_text(team: "Staffing") -> str:
    """Say a team's rates in a sentence."""
    return (
        f"{team.agents} agents at {team.handle_s:.0f} s a call: an even rate that never looks at the floor meets the"
        f" target at {team.first_per_hour:.0f} live answers an hour (Erlang A); above {team.ceiling_per_hour:.0f} the"
        " cap is broken however calls are paced"
    )


# ------------------------------------------------------------------------------------- reading
def _records(config: Path) -> "Records":
    from dialer.config.settings import load_settings
    from dialer.daemon.stores import open_records

    return open_records(load_settings(config))


def _policy(store: "Records", campaign: str) -> "CampaignPolicy":
    policy = store.policy(campaign)
    if policy is None:
        there = ", ".join(store.campaigns()) or "none"
        raise UsageError(f"no campaign {campaign!r} in {store.database.name}: expected one of {there}")
    return policy


def _standing(store: "Records", campaign: str, at: float, zone: "tzinfo") -> "tuple[PacingDecision | None, _Gap]":
    """Give the decision that stood at an instant (infinite: the last), and, if none did, what is known of the gap."""
    from dialer.pacing.explain import holds_s

    decision = store.last_decision(campaign, at)
    if decision is None and at == float("inf"):
        return None, _Gap(sentence=_NEVER)
    changes = list(store.changes(campaign, at - 30.0 * _DAY_S, at))
    stop = changes[-1] if changes and changes[-1].after != "running" else None
    if decision is not None and (
        at == float("inf") or (at - decision.at <= holds_s(decision) and (stop is None or stop.at <= decision.at))
    ):
        return decision, _Gap(sentence="")
    next_at = store.next_decision_at(campaign, at)
    before = "none was taken before" if decision is None else f"the last one before is of {_instant(decision.at, zone)}"
    after = "none after" if next_at is None else f"the next of {_instant(next_at, zone)}"
    why = "its hours were closed, no agent or lead was there, or no daemon ran"
    if decision is not None and decision.limited_by == "infeasible":
        why = _REFUSED
    if stop is not None:
        why = f"it was {stop.after} since {_instant(stop.at, zone)} ({stop.reason})"
    sentence = f"{_instant(at, zone)}: no decision stood then: {before}, {after}; {why}"
    return None, _Gap(sentence=sentence, before_at=None if decision is None else decision.at, after_at=next_at)


def _foresee(store: "Records", policy: "CampaignPolicy", now: float) -> "Forecast | None":
    """Count the budget of the window as it stood at `now`, by the engine's own rules, and foresee it."""
    from dialer.engine.campaign import new_campaign
    from dialer.engine.outlook import outlook
    from dialer.engine.recovery import counts_with, spent
    from dialer.engine.windows import window_of

    known = (store.policy(name) for name in store.campaigns())
    group = [each for each in known if each is not None and counts_with(each) == counts_with(policy)]
    firsts = [at for each in group if (at := store.first_live_at(each.name)) is not None]
    first_live_at = min(firsts, default=None)
    opens_at = window_of(policy.abandonment, now, first_live_at)[0]
    budgets: list[AbandonmentBudget] = []
    for each in group:
        attempts = store.attempts(each.name, min(opens_at, now - 3600.0) - _LOOK_BACK_S, now)
        seen = spent((_as_known(attempt, now) for attempt in attempts), each, first_live_at)
        budgets.append(new_campaign(each, seen).budget)
    own = next(budget for each, budget in zip(group, budgets, strict=True) if each.name == policy.name)
    own.count_with(budgets)
    return outlook(policy, own, _open_last(store, policy, now), now)


def _staffing(store: "Records", policy: "CampaignPolicy", now: float) -> "Staffing | None":
    """Give the rates of the team of the last hour; None where it had too few conversations."""
    from dialer.engine.kpi import work_time
    from dialer.pacing.staffing import staffing

    known = [span for span in store.agent_spans(policy.name, now - _HOUR_S, now) if span.to_at <= now]
    work = work_time(known, now - _HOUR_S, now)
    if work.conversations < _CONVERSATIONS_MIN:
        return None
    # A span is kept when it ends: the team is counted between the first and the last that is known.
    from_at = max(now - _HOUR_S, min(span.from_at for span in known))
    agents = max(1, round(work.staffed_s / (max(span.to_at for span in known) - from_at)))
    return staffing(agents, work.work_s / work.conversations, policy.abandonment)


def _as_known(attempt: "Attempt", now: float) -> "Attempt":
    """Take back what was not known of an attempt at `now`."""
    from dataclasses import replace

    if (attempt.released_at or now) > now and attempt.outcome is not None:
        attempt = replace(attempt, outcome=None)
    if (attempt.classified_at or attempt.placed_at) > now:
        return replace(attempt, is_live=False, is_abandoned=False)
    if (attempt.abandoned_at or attempt.placed_at) > now:
        return replace(attempt, is_abandoned=False)
    return attempt


def _open_last(store: "Records", policy: "CampaignPolicy", now: float) -> tuple[str, ...] | None:
    """Give the zones of the place that closes last, of those called in the last hour; None when none is open."""
    from dialer.compliance.gate import places
    from dialer.compliance.hours import opening

    called = {attempt.lead_id: attempt.number for attempt in store.attempts(policy.name, now - 3600.0, now)}
    zones: dict[tuple[str, ...], None] = {}
    for lead_id, e164 in called.items():
        lead = store.lead(lead_id)
        numbers = () if lead is None else lead.numbers
        zones |= {places(lead, number): None for number in numbers if lead is not None and number.e164 == e164}
    ends = {each: found.until_at for each in zones if (found := opening(policy.hours, each, now)).is_open}
    return max(ends, key=lambda each: ends[each] or 0.0, default=None)


# ------------------------------------------------------------------------------------ printing
def _print_json(value: object) -> None:
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def _print_decision(decision: "PacingDecision", zone: "tzinfo") -> None:
    import sys

    from dialer.cli.tables import console_for, table_of
    from dialer.pacing.explain import TERMS, explain, term_text

    console = console_for(sys.stdout)
    console.print(f"{_instant(decision.at, zone)}: {explain(decision)}", soft_wrap=True)
    columns = {
        "input": [name for name, _ in decision.terms],
        "value": [term_text(name, value) for name, value in decision.terms],
        "meaning": [TERMS.get(name, "") for name, _ in decision.terms],
    }
    if decision.terms:
        console.print(table_of(columns, left=("input", "meaning"), folded=("meaning",)))


def _decision_object(decision: "PacingDecision", zone: "tzinfo") -> dict[str, Any]:
    from dialer.pacing.explain import explain
    from dialer.storage.codec import terms_to_plain

    terms = {str(name): value for name, value in terms_to_plain(decision.terms)}
    plain = _plain(decision) | {"terms": terms}
    return {"instant": _iso(decision.at, zone), "sentence": explain(decision), "decision": plain}


def _print_limits(campaign: str, found: "Limits", zone: "tzinfo") -> None:
    import sys

    from dialer.cli.tables import console_for, table_of
    from dialer.pacing.explain import limit_text

    console = console_for(sys.stdout)
    from_text, to_text = _instant(found.from_at, zone), _instant(found.to_at, zone)
    console.print(f"{campaign}: from {from_text} up to {to_text}", soft_wrap=True)
    whole_s = found.to_at - found.from_at
    times = [*(each.for_s for each in found.binding), found.idle_s]
    columns = {
        "binding": [*(limit_text(each.limited_by) for each in found.binding), "not dialing"],
        "minutes": [f"{for_s / 60.0:,.1f}" for for_s in times],
        "share": [f"{for_s / whole_s:.1%}" if whole_s else "-" for for_s in times],
        "decisions": [*(f"{each.decisions:,}" for each in found.binding), ""],
        "calls": [*(f"{each.calls:,}" for each in found.binding), ""],
        "missing": [*(f"{each.missing:.2f}" for each in found.binding), ""],
    }
    console.print(table_of(columns, left=("binding",)))
    console.print("missing = calls wanted and not made, on average over those minutes", soft_wrap=True)


def _gap_object(gap: _Gap, zone: "tzinfo") -> dict[str, Any]:
    before_at = None if gap.before_at is None else _iso(gap.before_at, zone)
    after_at = None if gap.after_at is None else _iso(gap.after_at, zone)
    return {"instant": None, "sentence": gap.sentence, "decision": None, "before": before_at, "after": after_at}


def _limits_object(campaign: str, found: "Limits | None", zone: "tzinfo") -> dict[str, Any]:
    if found is None:
        return {"campaign": campaign, "from": None, "to": None, "binding": [], "not_dialing_minutes": None}
    return {
        "campaign": campaign,
        "from": _iso(found.from_at, zone),
        "to": _iso(found.to_at, zone),
        "binding": [
            {
                "limited_by": each.limited_by,
                "minutes": each.for_s / 60.0,
                "decisions": each.decisions,
                "calls": each.calls,
                "missing": each.missing,
            }
            for each in found.binding
        ],
        "not_dialing_minutes": found.idle_s / 60.0,
    }


def _plain(value: object) -> Any:
    import msgspec

    return msgspec.to_builtins(value)


def _instant(at: float, zone: "tzinfo") -> str:
    from datetime import datetime

    return f"{datetime.fromtimestamp(at, zone):%Y-%m-%d %H:%M:%S}"


def _iso(at: float, zone: "tzinfo") -> str:
    from datetime import datetime

    return datetime.fromtimestamp(at, zone).isoformat(timespec="milliseconds")


def _clock(at: float, now: float, zone: "tzinfo") -> str:
    """Write an instant as the time of the day of `now`, midnight at its end as 24:00, or with its date."""
    from datetime import datetime, timedelta

    moment, today = datetime.fromtimestamp(at, zone), datetime.fromtimestamp(now, zone).date()
    if moment.date() == today:
        return f"{moment:%H:%M}"
    if moment.date() == today + timedelta(days=1) and (moment.hour, moment.minute, moment.second) == (0, 0, 0):
        return "24:00"
    return f"{moment:%Y-%m-%d %H:%M}"
