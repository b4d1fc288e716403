"""Whose law applies to a call, and which of its rules.

One rule governs: every place where the person may be has its say, and so have all rulesets of a place, its parents and
the house where a place has no rule of a kind. An operator's own file adds rules and takes none away; only an override
does, and the house does not stand in for a rule that was overridden.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace

from dialer.domain.law import (
    HOUSE,
    RULE_KINDS,
    AbandonmentRule,
    AttemptRule,
    CallerIdRule,
    ConsentRule,
    CooldownRule,
    HoursRule,
    Law,
    NamedTimeRule,
    RedialRule,
    RegistryRule,
    RingRule,
    Rule,
    Ruleset,
    VoiceRule,
)
from dialer.domain.lead import Lead, PhoneNumber
from dialer.domain.policy import CampaignPolicy

BUILT_IN = "built in"
_NOT_CHECKED = ("records", "duties")  # no call is refused by them, so none is asked about them


@dataclass(frozen=True, slots=True, kw_only=True)
class Applying:
    """The rules that apply to the calls of one purpose and audience in some places, each once, in a fixed order.

    `missing` are the places of which no ruleset is known; `rulesets` names those that were found.
    """

    missing: tuple[str, ...] = ()
    rulesets: tuple[str, ...] = ()
    hours: tuple[HoursRule, ...] = ()
    consents: tuple[ConsentRule, ...] = ()
    registries: tuple[RegistryRule, ...] = ()
    attempts: tuple[AttemptRule, ...] = ()
    cooldowns: tuple[CooldownRule, ...] = ()
    redials: tuple[RedialRule, ...] = ()
    rings: tuple[RingRule, ...] = ()
    voices: tuple[VoiceRule, ...] = ()
    abandonments: tuple[AbandonmentRule, ...] = ()
    caller_ids: tuple[CallerIdRule, ...] = ()
    named_times: tuple[NamedTimeRule, ...] = ()

    def rules(self) -> Iterator[Rule]:
        """Give every rule."""
        for kind in CHECKED_KINDS:
            yield from getattr(self, kind)


CHECKED_KINDS = tuple(kind for kind in RULE_KINDS if kind not in _NOT_CHECKED)


def codes_of(lead: Lead, number: PhoneNumber, policy: CampaignPolicy) -> tuple[str, ...]:
    """Give every place whose law applies to a call, each once: those of the number and that of the known address."""
    codes = number.jurisdictions or ((number.region,) if number.region else ())
    if lead.jurisdiction and lead.jurisdiction not in codes:
        codes = (*codes, lead.jurisdiction)
    return codes or (policy.jurisdiction,)


def resolve(law: Law, codes: Iterable[str]) -> tuple[list[tuple[Ruleset, ...]], tuple[str, ...]]:
    """Give the rulesets of each place in turn, parents included, and the codes of which nothing is known.

    A country whose states have rulesets of their own, named without a state, stands for itself and each of its states.
    """
    places: list[tuple[Ruleset, ...]] = []
    missing: list[str] = []
    for code in dict.fromkeys(codes):
        states = [] if "-" in code else [each.code for each in law.rulesets if each.code.startswith(f"{code}-")]
        for place in dict.fromkeys([code, *states]):
            chain = _chain(law, place, ())
            if chain is None:
                missing.append(place)
            else:
                places.append(chain)
    return places, tuple(missing)


def _chain(law: Law, code: str, seen: tuple[str, ...]) -> tuple[Ruleset, ...] | None:
    """Give the rulesets of one place, its country's and its parents' (None: of one of these nothing is known)."""
    found = [each for each in law.rulesets if each.code == code or code in each.regions]
    above = [parent for each in found for parent in each.parents]
    if "-" in code:
        above.insert(0, code.partition("-")[0])
    if not found and not above:
        return None  # of a country; a state that has no ruleset is under its country's alone
    rulesets = list(found)
    for parent in dict.fromkeys(above):
        if parent in seen:
            continue
        more = _chain(law, parent, (*seen, code))
        if more is None:
            return None
        rulesets += [each for each in more if each not in rulesets]
    return tuple(rulesets)


def applying(law: Law, codes: Sequence[str], purpose: str, audience: str) -> Applying:
    """Find the rules for calls of a purpose to an audience in these places."""
    places, missing = resolve(law, codes)
    left_out = {override.rule_id for override in law.overrides}
    house = [each for each in law.rulesets if each.code == HOUSE]
    names: dict[str, None] = {}
    kinds: dict[str, dict[Rule, None]] = {kind: {} for kind in CHECKED_KINDS}
    for place in places:
        names.update(dict.fromkeys(f"{each.code} {each.version}" for each in place))
        for kind, rules in kinds.items():
            own = [rule for each in place for rule in _matching(each, kind, purpose, audience)]
            known = [r for e in place if e.origin == BUILT_IN for r in _matching(e, kind, purpose, audience)]
            for each in house:
                stand_ins = _matching(each, kind, purpose, audience)
                own += _filling(stand_ins, known) if each.origin == BUILT_IN else stand_ins
            rules.update(dict.fromkeys(rule for rule in own if rule.rule_id not in left_out))
    found = {kind: tuple(rules) for kind, rules in kinds.items()}
    return Applying(missing=missing, rulesets=tuple(names), **found)  # type: ignore[arg-type]


def _matching(ruleset: Ruleset, kind: str, purpose: str, audience: str) -> list[Rule]:
    rules: tuple[Rule, ...] = getattr(ruleset, kind)
    return [
        rule
        for rule in rules
        if (not rule.purposes or purpose in rule.purposes) and (not rule.audiences or audience in rule.audiences)
    ]


def _filling(stand_ins: list[Rule], known: list[Rule]) -> list[Rule]:
    """Cut stand-ins down to the days on which no known rule holds."""
    gaps: list[tuple[int | None, int | None]] = [(None, None)]
    for rule in known:
        gaps = [gap for each in gaps for gap in _without(each, rule.since, rule.until)]
    return [cut for rule in stand_ins for gap in gaps if (cut := _within(rule, gap)) is not None]


def _without(
    gap: tuple[int | None, int | None], since: int | None, until: int | None
) -> Iterator[tuple[int | None, int | None]]:
    """Give what is left of a gap (first day, first day after) beside the days from `since` to before `until`."""
    start, end = gap
    if since is not None and (start is None or start < since):
        yield start, since if end is None else min(end, since)
    if until is not None and (end is None or until < end):
        yield until if start is None else max(start, until), end


def _within(rule: Rule, gap: tuple[int | None, int | None]) -> Rule | None:
    """Give a rule that holds only in a gap; None when it never does."""
    since = max((day for day in (rule.since, gap[0]) if day is not None), default=None)
    until = min((day for day in (rule.until, gap[1]) if day is not None), default=None)
    if since is not None and until is not None and since >= until:
        return None
    return rule if (since, until) == (rule.since, rule.until) else replace(rule, since=since, until=until)


def in_force(rules: Applying, days: Sequence[int]) -> Applying:
    """Keep the rules that hold on one of these days. Hours stay: they know their days themselves."""
    kept = {
        each.name: tuple(rule for rule in getattr(rules, each.name) if holds(rule, days))
        for each in fields(rules)
        if each.name in CHECKED_KINDS and each.name != "hours"
    }
    return replace(rules, **kept)


def holds(rule: Rule, days: Sequence[int]) -> bool:
    """Say whether a rule holds on one of these days."""
    return any((rule.since is None or day >= rule.since) and (rule.until is None or day < rule.until) for day in days)
