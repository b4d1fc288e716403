"""Random laws, people and pasts, and random ways to make a law stricter."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from dialer.compliance.gate import Gate, Known
from dialer.domain.law import (
    HOUSE,
    ConsentException,
    CooldownAfter,
    CountedPer,
    HoursRule,
    Law,
    Rule,
    Ruleset,
    Week,
)
from dialer.domain.lead import Lead, PhoneNumber
from dialer.domain.policy import CampaignPolicy, CompliancePolicy, HoursPolicy
from dialer.domain.standing import Consent, PastAttempt, Relationship
from dialer.domain.verdict import Verdict
from tests import laws
from tests.properties.floor import policy

DAY_S = 86400.0
HOUR_S = 3600.0
START = 1793415600.0  # 2026-10-31 07:00 UTC: the night on which New York falls back, a week after London
DAY_0 = int(START // DAY_S) + 719163
NUMBERS = ("+12125550100", "+12125550101")
CODES = ("KR", "US", "US-FL", "US-TX", "DE", "EU")
ZONES = ("Asia/Seoul", "America/New_York", "America/Chicago", "Asia/Kathmandu", "Australia/Lord_Howe", "Europe/London")
REGISTERS = ("a", "b")
EXCEPTIONS = ("consent", "existing_customer", "contract", "press")
_DAY, _EVENING = laws.spans((8, 21)), laws.spans((13, 18), (20, 24))
_WEEKS: tuple[Week, ...] = (
    laws.ALL_DAY,
    laws.ALL_DAY,
    laws.week((8, 21)),
    laws.week((9, 12.5), (13, 20)),
    (*laws.week((0, 24))[:5], _DAY, ()),
    (_DAY, _EVENING, (), _DAY, _EVENING, *laws.week((0, 24))[:2]),
)
_CAMPAIGN = (laws.ALL_DAY, laws.ALL_DAY, laws.ALL_DAY, laws.week((9, 20)))


@dataclass(frozen=True, kw_only=True)
class Question:
    """Everything that the gate is asked with."""

    law: Law
    policy: CampaignPolicy
    lead: Lead
    known: Known
    now: float

    @property
    def number(self) -> PhoneNumber:
        """The number asked about."""
        return self.lead.numbers[0]

    def ask(self, **changes: Any) -> Verdict:
        """Ask a gate that remembers nothing."""
        changed = replace(self, **changes)
        return Gate(changed.policy, changed.law).decide(changed.lead, changed.number, changed.now, changed.known)

    def later(self, at: float) -> "Question":
        """Ask at another instant, with what is known of the person just then."""
        assert self.lead.standing is not None
        return replace(self, now=at, lead=replace(self.lead, standing=replace(self.lead.standing, as_of_at=at)))


def weeks() -> st.SearchStrategy[Week]:
    """A week of which most is open."""
    return st.sampled_from(_WEEKS)


def exceptions() -> st.SearchStrategy[tuple[ConsentException, ...]]:
    """None, or some."""
    one = st.builds(ConsentException, name=st.sampled_from(EXCEPTIONS), months=st.sampled_from([None, 1, 6]))
    return st.lists(one, max_size=2).map(tuple)


@st.composite
def rules(draw: st.DrawFn, rule_id: str) -> Rule:
    """One rule of any kind that a gate asks, for most purposes and days."""
    since = draw(st.sampled_from([None, None, None, DAY_0, DAY_0 + 1]))
    facts: dict[str, Any] = {
        "rule_id": rule_id,
        "purposes": draw(st.sampled_from([(), ("survey",), ("debt",)])),
        "since": since,
        "until": draw(st.sampled_from([None, None, None, DAY_0 + 1, DAY_0 + 2])),
    }
    return draw(st.sampled_from(_BUILDERS))(draw, facts)


def _hours(draw: st.DrawFn, facts: dict[str, Any]) -> Rule:
    eve = st.sampled_from([None, laws.spans((9, 12)), laws.spans((0, 24))])
    calendar, widened_by = st.sampled_from(["", "", "c", "unknown"]), st.sampled_from(["", "night", "hours"])
    return laws.hours_rule(draw(weeks()), calendar=draw(calendar), eve=draw(eve), widened_by=draw(widened_by), **facts)


def _consent(draw: st.DrawFn, facts: dict[str, Any]) -> Rule:
    needs = st.sampled_from([(), ("text",), ("source", "written"), ("recipient",)])
    return laws.consent_rule(
        is_opt_in=draw(st.booleans()),
        exceptions=draw(exceptions()),
        needs=draw(needs),
        reconfirm_years=draw(st.sampled_from([None, 1, 2])),
        **facts,
    )


def _registry(draw: st.DrawFn, facts: dict[str, Any]) -> Rule:
    days = st.sampled_from([None, 1, 15, 31])
    return laws.registry_rule(
        draw(st.sampled_from(REGISTERS)), max_age_days=draw(days), exempt_by=draw(exceptions()), **facts
    )


def _attempts(draw: st.DrawFn, facts: dict[str, Any]) -> Rule:
    window_s, per = st.sampled_from([None, HOUR_S, DAY_S]), st.sampled_from(CountedPer)
    return laws.attempt_rule(draw(st.integers(1, 4)), draw(window_s), draw(per), **facts)


def _cooldown(draw: st.DrawFn, facts: dict[str, Any]) -> Rule:
    return laws.cooldown_rule(
        draw(st.sampled_from([None, HOUR_S, DAY_S])), draw(st.sampled_from(CooldownAfter)), **facts
    )


def _redial(draw: st.DrawFn, facts: dict[str, Any]) -> Rule:
    wait_s = draw(st.sampled_from([HOUR_S, 3 * DAY_S]))
    waived, needed = draw(st.booleans()), draw(st.booleans())
    return laws.redial_rule(wait_s, is_waived_by_agent=waived, is_agent_needed=needed, **facts)


def _ring(draw: st.DrawFn, facts: dict[str, Any]) -> Rule:
    return laws.ring_rule(draw(st.sampled_from([15.0, 22.0, 30.0])), **facts)


def _voice(draw: st.DrawFn, facts: dict[str, Any]) -> Rule:
    return laws.voice_rule(*draw(st.sampled_from([(), ("human",), ("human", "recorded")])), **facts)


def _abandonment(draw: st.DrawFn, facts: dict[str, Any]) -> Rule:
    return laws.abandonment_rule(draw(st.sampled_from([None, 0.03, 0.02])), **facts)


def _caller_id(draw: st.DrawFn, facts: dict[str, Any]) -> Rule:
    return laws.caller_id_rule(is_required=draw(st.booleans()), **facts)


def _named_time(draw: st.DrawFn, facts: dict[str, Any]) -> Rule:
    return laws.named_time_rule(**facts)


_Builder = Callable[[st.DrawFn, dict[str, Any]], Rule]
_BUILDERS: tuple[_Builder, ...] = (_hours, _hours, _consent, _registry, _attempts, _cooldown, _redial, _ring, _voice)
_BUILDERS += (_abandonment, _caller_id, _named_time)


@st.composite
def rulesets(draw: st.DrawFn, code: str, origin: str = "built in", most: int = 2) -> Ruleset:
    """A few rules of one place; the member state is under the union."""
    made = [draw(rules(f"{code}.{origin}.{index}")) for index in range(draw(st.integers(0, most)))]
    return laws.ruleset(code, *made, origin=origin, parents=("EU",) if code == "DE" else ())


@st.composite
def any_law(draw: st.DrawFn, *, has_house: bool = False) -> Law:
    """A law of every place, with or without a house that stands in."""
    made = [draw(rulesets(code)) for code in (*CODES, HOUSE)[: len(CODES) + has_house]]
    holidays = draw(st.sets(st.integers(DAY_0 - 1, DAY_0 + 3), max_size=2))
    return laws.law(*made, holidays={"c": sorted(holidays)}, years=(2025, 2027))


@st.composite
def consents(draw: st.DrawFn, now: float) -> Consent:
    """A consent that holds, more often than not."""
    ends = st.sampled_from([None, None, None, now - DAY_S, now + HOUR_S])
    return laws.consent(
        draw(st.sampled_from(NUMBERS)),
        now + draw(st.sampled_from([-900 * DAY_S, -365 * DAY_S, -30 * DAY_S, -HOUR_S, HOUR_S])),
        text_hash=draw(st.sampled_from(["", "0" * 64])),
        is_written=draw(st.booleans()),
        is_night=draw(st.booleans()),
        hours=draw(st.sampled_from([(), laws.spans((0, 9)), laws.spans((20, 24))])),
        expires_at=draw(ends),
        revoked_at=draw(ends),
        confirmed_at=draw(ends),
    )


@st.composite
def attempts(draw: st.DrawFn, now: float, call_id: int) -> PastAttempt:
    """An attempt of the last days."""
    hours = draw(st.sampled_from([0.1, 0.9, 5.0, 23.5, 24.0, 71.0]))
    is_abandoned, is_conversation = draw(st.sampled_from([(False, False), (True, False), (False, True)]))
    return laws.past(
        call_id,
        draw(st.sampled_from(NUMBERS)),
        now - hours * HOUR_S,
        subject=draw(st.sampled_from(["survey", "a loan", ""])),
        is_abandoned=is_abandoned,
        is_conversation=is_conversation,
        is_refusal=is_conversation and draw(st.booleans()),
    )


@st.composite
def questions(draw: st.DrawFn, *, has_house: bool = False, jurisdictions: tuple[str, ...] | None = None) -> Question:
    """A lead of whom something is known, somewhere, at some minute of two days."""
    now = START + draw(st.integers(0, 48 * 12)) * 300.0
    where = draw(st.lists(st.sampled_from(CODES), min_size=1, max_size=2, unique=True))
    zones = draw(st.lists(st.sampled_from(ZONES), min_size=1, max_size=2, unique=True))
    past = sorted((draw(attempts(now, each)) for each in range(draw(st.integers(0, 3)))), key=lambda each: each.at)
    standing = laws.standing(
        now - draw(st.sampled_from([0.0, HOUR_S, 20 * HOUR_S])),
        consents=draw(st.lists(consents(now), max_size=2)),
        past=past,
        listed=draw(st.sampled_from([(), (), (("a", NUMBERS[0]),)])),
    )
    number = PhoneNumber(
        e164=NUMBERS[0],
        kind="mobile",
        region="US",
        zones=tuple(zones),
        jurisdictions=tuple(where) if jurisdictions is None else jurisdictions,
    )
    lead = Lead(
        lead_id=1,
        campaign="survey",
        numbers=(number, replace(number, e164=NUMBERS[1])),
        shuffle=1,
        contact_hours=draw(st.sampled_from([(), (), laws.spans((8, 20))])),
        relationship=draw(st.sampled_from([Relationship(), Relationship(bought_at=now - 40 * DAY_S)])),
        standing=standing,
    )
    claimed = draw(st.sampled_from([(), ("existing_customer", "contract")]))
    voice = draw(st.sampled_from(["human", "human", "recorded"]))
    declared = CompliancePolicy(subject="survey", voice=voice, exceptions=claimed)
    campaign = replace(
        policy(),
        hours=HoursPolicy(week=draw(st.sampled_from(_CAMPAIGN))),
        compliance=declared,
        caller_id="+12125550199",
    )
    copies = {each: laws.copy_of(each, now - draw(st.sampled_from([0.9, 14.9, 20.0])) * DAY_S) for each in REGISTERS}
    recent = tuple(draw(st.lists(attempts(now, 1), max_size=1)))
    known = Known(registries=copies, recent=recent)
    return Question(law=draw(any_law(has_house=has_house)), policy=campaign, lead=lead, known=known, now=now)


def with_rule(law: Law, code: str, old: Rule | None, new: Rule) -> Law:
    """Put a rule in another's place, or (None) beside the others of a ruleset."""
    made: list[Ruleset] = []
    for each in law.rulesets:
        if old is None and each.code == code and each.origin == "built in":
            kept = [rule for kind in laws.KINDS for rule in getattr(each, kind)]
            made.append(laws.ruleset(code, *kept, new, parents=each.parents, origin=each.origin))
        elif old is not None:
            kept = [new if rule is old else rule for kind in laws.KINDS for rule in getattr(each, kind)]
            made.append(laws.ruleset(each.code, *kept, parents=each.parents, origin=each.origin))
        else:
            made.append(each)
    return replace(law, rulesets=tuple(made))


def shorter(rule: HoursRule, weekday: int, cut: tuple[int, int]) -> HoursRule:
    """Cut a span out of one day of the week."""
    kept = []
    for start, end in rule.week[weekday]:
        kept += [(start, min(end, cut[0])), (max(start, cut[1]), end)]
    day = tuple((start, end) for start, end in kept if start < end)
    return replace(rule, week=(*rule.week[:weekday], day, *rule.week[weekday + 1 :]))
