"""Rules, rulesets and standings as values, for tests: each builder fills in what a test does not care about."""

from collections.abc import Mapping, Sequence
from typing import Any

from dialer.domain.law import (
    AbandonmentRule,
    AttemptRule,
    CallerIdRule,
    ConsentRule,
    CooldownAfter,
    CooldownRule,
    CountedPer,
    Force,
    Grade,
    HoursRule,
    Law,
    NamedTimeRule,
    Override,
    RedialRule,
    RegistryRule,
    RingRule,
    Rule,
    Ruleset,
    Span,
    VoiceRule,
    Week,
)
from dialer.domain.policy import ClockStart, Window
from dialer.domain.standing import Consent, PastAttempt, RegistryCopy, Standing

DAY_S = 86400
ALL_DAY: Week = (((0, DAY_S),),) * 7
OPEN_CODES = ("GB", "KR", "JP", "US")

_KIND_OF: dict[type[Rule], str] = {
    HoursRule: "hours",
    ConsentRule: "consents",
    RegistryRule: "registries",
    AttemptRule: "attempts",
    CooldownRule: "cooldowns",
    RedialRule: "redials",
    RingRule: "rings",
    VoiceRule: "voices",
    AbandonmentRule: "abandonments",
    CallerIdRule: "caller_ids",
    NamedTimeRule: "named_times",
}
KINDS = tuple(_KIND_OF.values())


def week(*spans: tuple[float, float]) -> Week:
    """The same spans, in hours, on all days."""
    return (tuple((int(start * 3600), int(end * 3600)) for start, end in spans),) * 7


def _facts(rule_id: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    return {"rule_id": rule_id, "force": Force.LAW, "grade": Grade.PRIMARY, "source": "a test", **changes}


def hours_rule(week: Week, rule_id: str = "XX.hours", **changes: Any) -> HoursRule:
    """When a person may be called."""
    return HoursRule(week=week, **_facts(rule_id, changes))


def consent_rule(rule_id: str = "XX.consent", *, is_opt_in: bool = True, **changes: Any) -> ConsentRule:
    """A consent that is needed, of whatever form."""
    return ConsentRule(is_opt_in=is_opt_in, **_facts(rule_id, changes))


def registry_rule(registry: str = "xx-dnc", rule_id: str = "XX.registry", **changes: Any) -> RegistryRule:
    """A register whose copy may be thirty days old."""
    return RegistryRule(registry=registry, **{"name": "a register", "max_age_days": 30, **_facts(rule_id, changes)})


def attempt_rule(
    most: int,
    window_s: float | None = float(DAY_S),
    per: CountedPer = CountedPer.PERSON,
    rule_id: str = "XX.attempts",
    **changes: Any,
) -> AttemptRule:
    """A cap on attempts."""
    return AttemptRule(most=most, window_s=window_s, per=per, **_facts(rule_id, changes))


def cooldown_rule(
    wait_s: float | None, after: CooldownAfter = CooldownAfter.REFUSAL, rule_id: str = "XX.cooldown", **changes: Any
) -> CooldownRule:
    """A wait after a refusal."""
    return CooldownRule(after=after, wait_s=wait_s, **_facts(rule_id, changes))


def redial_rule(
    wait_s: float = 3.0 * DAY_S,
    rule_id: str = "XX.redial",
    *,
    is_waived_by_agent: bool = True,
    is_agent_needed: bool = False,
    **changes: Any,
) -> RedialRule:
    """Three days after an abandonment, unless an agent is reserved."""
    facts = _facts(rule_id, changes)
    return RedialRule(wait_s=wait_s, is_waived_by_agent=is_waived_by_agent, is_agent_needed=is_agent_needed, **facts)


def ring_rule(min_ring_s: float, rule_id: str = "XX.ring", **changes: Any) -> RingRule:
    """The least time that a call rings."""
    return RingRule(min_ring_s=min_ring_s, **_facts(rule_id, changes))


def voice_rule(*free: str, rule_id: str = "XX.voice", **changes: Any) -> VoiceRule:
    """The voices that need no consent in writing."""
    return VoiceRule(free=free, **_facts(rule_id, changes))


def abandonment_rule(cap_rate: float | None = 0.03, rule_id: str = "XX.abandonment", **changes: Any) -> AbandonmentRule:
    """Three per cent of a day, two seconds from the end of the greeting."""
    facts = {"windows": (Window.DAY,), "threshold_s": 2.0, "starts_at": ClockStart.GREETING_END}
    return AbandonmentRule(cap_rate=cap_rate, **{**facts, **_facts(rule_id, changes)})


def caller_id_rule(rule_id: str = "XX.caller_id", *, is_required: bool = True, **changes: Any) -> CallerIdRule:
    """A number that is shown."""
    return CallerIdRule(is_required=is_required, **_facts(rule_id, changes))


def named_time_rule(rule_id: str = "XX.named_time", **changes: Any) -> NamedTimeRule:
    """The person's own word on when to call."""
    return NamedTimeRule(**_facts(rule_id, changes))


def ruleset(code: str, *rules: Rule, **changes: Any) -> Ruleset:
    """A jurisdiction with these rules, each under its kind."""
    kinds: dict[str, tuple[Rule, ...]] = {}
    for rule in rules:
        kind = _KIND_OF[type(rule)]
        kinds[kind] = (*kinds.get(kind, ()), rule)
    facts: dict[str, Any] = {"name": code, "version": "1", "dated": "2026-01-01", "digest": f"digest of {code}"}
    return Ruleset(code=code, **{**facts, **kinds, **changes})


def law(
    *rulesets: Ruleset,
    holidays: Mapping[str, Sequence[int]] | None = None,
    years: tuple[int, int] = (2020, 2035),
    overrides: tuple[Override, ...] = (),
) -> Law:
    """These rulesets and no others; `holidays` are ordinals of days, by calendar."""
    days = {name: tuple(sorted(each)) for name, each in (holidays or {}).items()}
    return Law(rulesets=rulesets, overrides=overrides, holidays=days, holiday_years=years, digest="digest of the law")


def override(rule_id: str) -> Override:
    """An operator leaves a rule out."""
    return Override(rule_id=rule_id, reason="because", approved_by="an officer", origin="rules/house.toml")


def open_law(*codes: str) -> Law:
    """Let everything be called at any time of any day, without consent, register or cap, in these jurisdictions."""
    return law(*(ruleset(code, hours_rule(ALL_DAY, f"{code}.hours")) for code in codes or OPEN_CODES))


def standing(
    as_of_at: float,
    *,
    consents: Sequence[Consent] = (),
    past: Sequence[PastAttempt] = (),
    listed: Sequence[tuple[str, str]] = (),
    blocked_at: float | None = None,
) -> Standing:
    """What is known of a person: nothing, unless the test says more."""
    return Standing(
        as_of_at=as_of_at, consents=tuple(consents), past=tuple(past), listed=tuple(listed), blocked_at=blocked_at
    )


def consent(number: str, obtained_at: float, **changes: Any) -> Consent:
    """A consent with everything that a rule may ask for, of `tests.properties.floor`'s seller and purpose."""
    facts: dict[str, Any] = {
        "seller": "Example Seller",
        "purposes": ("survey",),
        "method": "web form",
        "source": "sign-up form",
        "text_hash": "0" * 64,
        "is_written": True,
    }
    return Consent(number=number, obtained_at=obtained_at, **{**facts, **changes})


def past(call_id: int, number: str, at: float, **changes: Any) -> PastAttempt:
    """An earlier attempt that came to nothing."""
    return PastAttempt(call_id=call_id, number=number, at=at, **{"subject": "survey", **changes})


def copy_of(registry: str, received_at: float) -> RegistryCopy:
    """The copy of a register in use."""
    return RegistryCopy(registry=registry, version="1", digest="digest", received_at=received_at, numbers=1000)


def spans(*hours: tuple[float, float]) -> tuple[Span, ...]:
    """Spans of a day, in hours."""
    return tuple((int(start * 3600), int(end * 3600)) for start, end in hours)
