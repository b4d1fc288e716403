"""A gate and a lead for tests of single rules: everything is open unless a test says otherwise."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from dialer.compliance.gate import Gate, Known
from dialer.domain.law import Law, Rule
from dialer.domain.lead import Lead, PhoneNumber
from dialer.domain.policy import CampaignPolicy, CompliancePolicy, HoursPolicy
from dialer.domain.standing import Standing
from dialer.domain.verdict import Finding, Verdict
from tests import laws
from tests.properties.floor import policy

NUMBER = "+821000000001"  # no Korean exchange begins with 0
SECOND = "+821000000002"
DAY_S = 86400.0


def at(*when: int, zone: str = "Asia/Seoul", fold: int = 0) -> float:
    """An instant by a wall clock."""
    return datetime(*when, tzinfo=ZoneInfo(zone), fold=fold).timestamp()  # type: ignore[arg-type,misc]


NOW = at(2026, 11, 23, 14)  # a Monday


def number(e164: str = NUMBER, region: str = "KR", *zones: str, **changes: Any) -> PhoneNumber:
    """A number in Seoul, or elsewhere."""
    facts: dict[str, Any] = {"kind": "mobile", "zones": zones or ("Asia/Seoul",), **changes}
    return PhoneNumber(e164=e164, region=region, **facts)


def person(*numbers: PhoneNumber, **changes: Any) -> Lead:
    """A person of whom nothing is known, as of just now."""
    facts: dict[str, Any] = {"standing": laws.standing(NOW), **changes}
    return Lead(lead_id=1, campaign="survey", numbers=numbers or (number(),), shuffle=1, **facts)


def campaign(**changes: Any) -> CampaignPolicy:
    """A campaign that would call round the clock, about the survey."""
    facts: dict[str, Any] = {"compliance": CompliancePolicy(subject="survey"), "hours": HoursPolicy(week=laws.ALL_DAY)}
    return replace(policy(), **{**facts, **changes})


def declared(**changes: Any) -> CampaignPolicy:
    """A campaign that declares something about its calls."""
    return campaign(compliance=replace(CompliancePolicy(subject="survey"), **changes))


def korea(*rules: Rule, **facts: Any) -> Law:
    """A law of Korea alone, with these rules."""
    return laws.law(laws.ruleset("KR", *rules), **facts)


def ask(
    law: Law,
    *,
    now: float = NOW,
    lead: Lead | None = None,
    policy: CampaignPolicy | None = None,
    known: Known | None = None,
    **standing: Any,
) -> Verdict:
    """Ask about the first number of a lead, at an instant, with what is known of the person just then."""
    lead = fresh(lead or person(), now, **standing)
    return Gate(policy or campaign(), law).decide(lead, lead.numbers[0], now, known or Known())


def fresh(lead: Lead, now: float, **facts: Any) -> Lead:
    """The lead with its standing of this instant."""
    if not facts and lead.standing is not None:
        return replace(lead, standing=replace(lead.standing, as_of_at=now))
    return replace(lead, standing=laws.standing(now, **facts))


def trace(
    law: Law,
    lead: Lead | None = None,
    now: float = NOW,
    policy: CampaignPolicy | None = None,
    known: Known | None = None,
) -> list[Finding]:
    """Every finding on the first number of a lead."""
    lead = fresh(lead or person(), now)
    return list(Gate(policy or campaign(), law).findings(lead, lead.numbers[0], now, known or Known()))


def of_rule(found: list[Finding], rule_id: str) -> Finding:
    """The one finding of a rule."""
    matching = [each for each in found if each.rule == rule_id]
    assert len(matching) == 1, [each.rule for each in found]
    return matching[0]


def outcome(verdict: Verdict) -> tuple[bool, str, float | None]:
    """What a test compares."""
    return verdict.allowed, verdict.rule, verdict.next_at


__all__ = ["DAY_S", "NOW", "NUMBER", "SECOND", "Standing", "ask", "at", "campaign", "declared", "fresh", "korea"]
__all__ += ["number", "of_rule", "outcome", "person", "trace"]
