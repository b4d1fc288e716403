"""`dialer why-not`: what stands between the leads that are left and their calls, counted by reason.

One rule governs this module: the parts of the first line add up to the leads that are left.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dialer.cli.leads import CONFIG, ConfigOption, JsonOption
from dialer.cli.why import NOT_ADVICE, campaign_policy, iso, law_at

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from dialer.daemon.reasons import Listed, Part, Survey
    from dialer.domain.law import Law


def why_not(
    campaign: Annotated[str, typer.Argument(metavar="CAMPAIGN", help="The campaign's name.")],
    at: Annotated[
        str | None, typer.Option("--at", metavar="WHEN", help="An instant: 2026-11-27T21:30. Absent: now.")
    ] = None,
    zone: Annotated[
        str, typer.Option("--zone", metavar="ZONE", help="Time zone of the instant given and of those shown.")
    ] = "UTC",
    reason: Annotated[
        str | None,
        typer.Option("--reason", metavar="REASON", help="Also list the leads: hours, consent, ... or a rule's id."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many leads to list.")] = 20,
    as_json: JsonOption = False,
    config: ConfigOption = CONFIG,
) -> None:
    """Count the leads that are left by what stands against a call: dialable now, later, or refused by which rule.

    Each lead is counted once. The list is as it stands now; with --at, the rules are asked about that instant.
    """
    import time

    from dialer.cli.report import read_instant, read_zone
    from dialer.config.settings import load_settings
    from dialer.daemon.reasons import Survey
    from dialer.daemon.stores import open_records

    shown_in = read_zone(zone)
    instant = time.time() if at is None else read_instant("--at", at, shown_in, is_end=False)
    settings = load_settings(config)
    policy = campaign_policy(settings, campaign)
    law = law_at(settings, instant)
    with open_records(settings) as store:
        survey = Survey(store, policy, law, instant)
        parts = survey.parts()
        _check_reason(reason, parts)
        listed = [] if reason is None else list(survey.leads(reason, limit))
    if as_json:
        _print_object(campaign, survey, parts, listed, law, shown_in)
        return
    print(sentence(campaign, survey.left, parts, instant, shown_in))
    _print_parts(parts, law, instant, shown_in)
    if reason is not None:
        _print_leads(listed, reason, sum(part.leads for part in parts if reason in (part.reason, part.rule)), shown_in)
    if survey.census.finished:
        ended = sorted(survey.census.finished.items(), key=lambda each: (-each[1], each[0]))
        print(f"finished: {', '.join(f'{count:,} {name}' for name, count in ended)}")
    print(f"All times are those of {shown_in}. {NOT_ADVICE}")


def sentence(campaign: str, left: int, parts: "Sequence[Part]", at: float, zone: "ZoneInfo") -> str:
    """Say what the leads left are made of; the numbers add up."""
    from dialer.daemon.reasons import WORDS

    said: list[str] = []
    for reason, words in WORDS.items():
        mine = [part for part in parts if part.reason is reason]
        nexts = [part.next_at for part in mine if part.next_at is not None]
        if mine:
            until = f" (next {clock(min(nexts), at, zone)})" if nexts else ""
            said.append(f"{sum(part.leads for part in mine):,} {words}{until}")
    return f"{campaign}: {left:,} left" + (f" = {', '.join(said)}" if said else "")


def clock(at: float, near_at: float, zone: "ZoneInfo") -> str:
    """Write an instant as the time of day, with the date when it is of another day."""
    moment, today = datetime.fromtimestamp(at, zone), datetime.fromtimestamp(near_at, zone).date()
    if moment.date() == today:
        return f"{moment:%H:%M}"
    year = "" if moment.year == today.year else f" {moment.year}"
    return f"{moment:%a} {moment.day} {moment:%b}{year} {moment:%H:%M}"


def _check_reason(reason: str | None, parts: "Sequence[Part]") -> None:
    from dialer.daemon.reasons import WORDS
    from dialer.errors import UsageError

    if reason is None or reason in WORDS or any(reason == part.rule for part in parts):
        return
    rules = ", ".join(part.rule for part in parts if part.rule) or "no rule refuses any"
    raise UsageError(f"--reason {reason}: expected one of {', '.join(WORDS)}, or a rule that refuses now: {rules}")


def _print_parts(parts: "Sequence[Part]", law: "Law", at: float, zone: "ZoneInfo") -> None:
    import sys

    from dialer.cli.tables import console_for, table_of

    if not parts:
        return
    facts = [_rule_facts(part.rule, law) for part in parts]
    columns = {
        "leads": [f"{part.leads:,}" for part in parts],
        "reason": [str(part.reason) for part in parts],
        "rule": [part.rule or "-" for part in parts],
        "applied as": [fact[0] for fact in facts],
        "next": ["-" if part.next_at is None else clock(part.next_at, at, zone) for part in parts],
        "source": [fact[1] for fact in facts],
    }
    table = table_of(columns, left=("reason", "rule", "applied as", "next", "source"), folded=("source",))
    console_for(sys.stdout).print(table)


def _rule_facts(rule_id: str, law: "Law") -> tuple[str, str]:
    """Give what a rule is applied as, and its source."""
    from dialer.config.rulesets import rules_of
    from dialer.domain.law import Force, Grade

    if not rule_id:
        return "", ""
    for ruleset in law.rulesets:
        for _, rule in rules_of(ruleset):
            if rule.rule_id == rule_id:
                is_marked = rule.grade is Grade.UNVERIFIED and rule.force is not Force.HOUSE
                return f"house (unverified {rule.force})" if is_marked else str(rule.applied_force), rule.source
    return "house", "the campaign file"


def _print_leads(listed: "Sequence[Listed]", reason: str, leads: int, zone: "ZoneInfo") -> None:
    import sys

    from dialer.cli.tables import console_for, table_of
    from dialer.leads.numbers import mask

    if not listed:
        print(f"{reason}: no lead")
        return
    columns = {
        "lead": [str(each.lead.lead_id) for each in listed],
        "numbers": [" ".join(mask(number.e164) for number in each.lead.numbers) for each in listed],
        "segment": [each.lead.segment or "-" for each in listed],
        "rule": [each.answer.rule or "-" for each in listed],
        "due": [_due(each.lead.due_at, zone) for each in listed],
        "next": ["-" if each.answer.next_at is None else _due(each.answer.next_at, zone) for each in listed],
    }
    console = console_for(sys.stdout)
    console.print(table_of(columns, left=("numbers", "segment", "rule"), folded=("numbers", "segment")))
    if len(listed) < leads:
        console.print(f"{len(listed):,} of {leads:,}; --limit shows more", soft_wrap=True)


def _due(at: float, zone: "ZoneInfo") -> str:
    return f"{datetime.fromtimestamp(at, zone):%Y-%m-%d %H:%M:%S}" if at > 0.0 else "-"


def _print_object(
    campaign: str,
    survey: "Survey",
    parts: "Sequence[Part]",
    listed: "Sequence[Listed]",
    law: "Law",
    zone: "ZoneInfo",
) -> None:
    import msgspec

    from dialer.leads.numbers import mask

    name = str(zone)
    value: dict[str, Any] = {
        "campaign": campaign,
        "at": iso(survey.at, name),
        "law": law.digest,
        "left": survey.left,
        "parts": [
            {
                "reason": str(part.reason),
                "rule": part.rule or None,
                "leads": part.leads,
                "next_at": iso(part.next_at, name),
            }
            for part in parts
        ],
        "finished": dict(survey.census.finished),
        "leads": [
            {
                "lead_id": each.lead.lead_id,
                "numbers": [mask(number.e164) for number in each.lead.numbers],
                "segment": each.lead.segment,
                "reason": str(each.answer.reason),
                "rule": each.answer.rule or None,
                "next_at": iso(each.answer.next_at, name),
            }
            for each in listed
        ],
    }
    print(msgspec.json.format(msgspec.json.encode(value)).decode())
