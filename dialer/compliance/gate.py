"""May this number of this lead be called now? Asked for every call, at the instant of placing it, in every pacing mode.

One rule governs: the first refusal wins, and whatever is not known refuses. A refusal says when to ask again.

The order of the questions is published: what is known of the person (`standing`), the seller's own "do not call", the
number, the campaign's own caps, whose law applies, the campaign's hours, and then of the rules that apply: hours, named
times, registers, consents, caps on attempts, waits after a conversation or refusal, the next call after an abandonment,
ringing, voices, abandonment, the number shown.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from math import inf

from dialer.compliance.applying import Applying, applying, codes_of, in_force
from dialer.compliance.attempts import check_attempts, check_no_waits, check_waits
from dialer.compliance.case import GOOD_FOR_S, Case, Known, Today, earliest, finding, past_of
from dialer.compliance.consent import check_consents, check_voices
from dialer.compliance.declarations import check_abandonments, check_caller_ids, check_rings
from dialer.compliance.hours import is_zone, local_day, midnight_at
from dialer.compliance.openings import Openings
from dialer.compliance.registry import check_registries
from dialer.domain.law import Force, Grade, Law
from dialer.domain.lead import Lead, PhoneNumber
from dialer.domain.policy import CampaignPolicy
from dialer.domain.standing import Standing
from dialer.domain.verdict import Finding, Inputs, Verdict

__all__ = ["Gate", "Known", "Verdict", "places"]

_STEPS = 200  # of looking for the next instant that allows a call; two a day are the most that hours need
_OF_WORD = ("consents", "registries", "voices")
_KEPT = 8192  # places; more are met only by lists of very many kinds of them
_Place = tuple[tuple[str, ...], tuple[str, ...]]  # jurisdictions, zones


def places(lead: Lead, number: PhoneNumber) -> tuple[str, ...]:
    """Give every time zone in which the person may be: the list's own word and all that the number allows."""
    if lead.zone is None or lead.zone in number.zones:
        return number.zones
    return (lead.zone, *number.zones)


class Gate:
    """Decides for one campaign under one law. Hours are cached until they change, rules until midnight."""

    def __init__(self, policy: CampaignPolicy, law: Law) -> None:
        self._policy = policy
        self._law = law
        self._openings = Openings(policy, law)
        self._own_findings: dict[tuple[bool, bool, int, int], tuple[Finding, ...]] = {}
        self._rules: dict[tuple[str, ...], Applying] = {}
        self._todays: dict[_Place, Today] = {}
        self._ends: dict[_Place, float] = {}  # until when a place that was found open is so
        self._worded = {
            each.rule_id for ruleset in law.rulesets for kind in _OF_WORD for each in getattr(ruleset, kind)
        }

    def decide(self, lead: Lead, number: PhoneNumber, now: float, known: Known) -> Verdict:
        """Tell whether `number` may be dialed at `now`: the first refusal, or that nothing refuses."""
        inputs: list[tuple[str, str]] = []
        next_at: float | None = None
        needs_agent = False
        for each in self._findings(lead, number, now, known, is_live=True):
            if not each.allowed:
                return Verdict(allowed=False, rule=each.rule, inputs=each.inputs, next_at=each.next_at)
            inputs += each.inputs
            if each.next_at is not None and (next_at is None or each.next_at < next_at):
                next_at = each.next_at
            needs_agent = needs_agent or each.needs_agent
        return Verdict(
            allowed=True, rule="allowed", inputs=tuple(dict.fromkeys(inputs)), next_at=next_at, needs_agent=needs_agent
        )

    def findings(self, lead: Lead, number: PhoneNumber, now: float, known: Known) -> Iterator[Finding]:
        """Give what every rule says, in the published order, also after a refusal."""
        return self._findings(lead, number, now, known)

    def next_allowed_at(self, lead: Lead, number: PhoneNumber, now: float, known: Known) -> float | None:
        """Give the first instant from `now` on at which nothing refuses, by what is known now (None: none is in sight).

        What is known of the person is taken to stay as it is and to be fresh; where nothing is known, ask again `now`.
        """
        if lead.standing is None:
            return now
        at = now
        for _ in range(_STEPS):
            refusals = [each for each in self._findings(lead, number, at, known, is_fresh=True) if not each.allowed]
            if not refusals:
                return at
            waits = [inf if each.next_at is None else each.next_at for each in refusals]
            if max(waits) == inf:
                return None
            at = max(waits)
        return None

    def waits_for_word(self, rule: str) -> bool:
        """Say whether a refusal by this rule may end at any moment, with a consent or a copy of a register."""
        return rule in self._worded

    def closes_at(self, now: float) -> float:
        """Give the instant by which the last of the places asked about so far closes; infinity when none is open."""
        return max((end for end in self._ends.values() if end > now), default=inf)

    def open_last(self, now: float) -> tuple[str, ...] | None:
        """Give the zones of the place, of those asked about so far, that closes last; None when none is open."""
        ends = {place: end for place, end in self._ends.items() if end > now}
        return max(ends, key=lambda place: ends[place])[1] if ends else None

    def _findings(
        self,
        lead: Lead,
        number: PhoneNumber,
        now: float,
        known: Known,
        *,
        is_live: bool = False,
        is_fresh: bool = False,
    ) -> Iterator[Finding]:
        """Ask everything in order. `is_live`: remember what is open; `is_fresh`: do not ask how old the standing is."""
        standing = lead.standing
        if not is_fresh:
            yield _check_standing(standing, now, known)
        standing = standing or Standing(as_of_at=now)
        yield from self._check_campaign(lead, number, standing.blocked_at is not None or known.blocked_at is not None)
        codes, zones = codes_of(lead, number, self._policy), places(lead, number)
        today = self._today(codes, zones, now)
        yield today.places
        ours, inputs = self._openings.of_campaign(zones, today, now)
        yield _own("calling_hours", ours.is_open, inputs, ours.until_at)
        past = past_of(standing, known, now)
        case = Case(
            policy=self._policy,
            lead=lead,
            number=number,
            now=now,
            known=known,
            standing=standing,
            today=today,
            past=past,
        )
        ends = [ours.until_at if ours.is_open else None]
        for rule in today.rules.hours:
            found = self._openings.check(rule, zones, case)
            ends.append(found.next_at if found.allowed else None)
            yield found
        if is_live:  # whoever decides comes here only when every hour is open
            self._remember((codes, zones), earliest(*ends) or inf, now)
        if today.lapses_at is None:
            yield from self._check_rules(case, zones)
        else:
            yield from (_lapsing(found, today.lapses_at) for found in self._check_rules(case, zones))

    def _check_rules(self, case: Case, zones: tuple[str, ...]) -> Iterator[Finding]:
        """Ask the rules of every kind but hours."""
        yield from self._openings.check_named(zones, case)
        yield from check_registries(case)
        yield from check_consents(case)
        yield from check_attempts(case)
        yield from check_waits(case)
        yield from case.today.rings
        yield from check_voices(case)
        yield from case.today.declared

    def _check_campaign(self, lead: Lead, number: PhoneNumber, is_blocked: bool) -> tuple[Finding, ...]:
        """Ask what has nothing to do with any law but the seller's word."""
        key = (is_blocked, number.is_invalid, lead.attempts, number.attempts)
        found = self._own_findings.get(key)
        if found is None:
            policy = self._policy
            found = self._own_findings[key] = (
                _own("do_not_call", not is_blocked, (("seller", policy.seller),)),
                _own("number_invalid", not number.is_invalid, ()),
                _cap("attempts_max", lead.attempts, policy.retry.attempts_max),
                _cap("attempts_each", number.attempts, policy.numbers.attempts_each),
            )
        return found

    def _today(self, codes: tuple[str, ...], zones: tuple[str, ...], now: float) -> Today:
        today = self._todays.get((codes, zones))
        if today is None or not today.from_at <= now < today.until_at:
            if len(self._todays) >= _KEPT:
                self._todays.clear()
            today = self._todays[codes, zones] = self._new_today(codes, zones, now)
        return today

    def _new_today(self, codes: tuple[str, ...], zones: tuple[str, ...], now: float) -> Today:
        policy = self._policy
        if codes not in self._rules:
            audience = policy.compliance.audience
            self._rules[codes] = applying(self._law, codes, policy.purpose, audience)
        rules = self._rules[codes]
        known_zones = tuple(name for name in zones if is_zone(name)) or ("UTC",)
        days = tuple(local_day(name, now) for name in known_zones)
        here = zip(known_zones, days, strict=True)
        spans = tuple((midnight_at(name, day), midnight_at(name, day + 1)) for name, day in here)
        begins = [_first_after(now, rule.since, known_zones) for rule in rules.rules()]
        lapses = [_first_after(now, rule.until, known_zones) for rule in rules.rules()]
        rules = in_force(rules, days)
        begins_at, lapses_at = earliest(*begins), earliest(*lapses)
        return Today(
            zones=known_zones,
            days=days,
            spans=spans,
            rules=rules,
            places=_check_places(codes, rules, earliest(begins_at, lapses_at)),
            unnamed=tuple(finding(rule, True, (("named", "none"),)) for rule in rules.named_times),
            waits=tuple(check_no_waits(rules)),
            rings=tuple(check_rings(policy, rules)),
            declared=(*check_abandonments(policy, rules), *check_caller_ids(policy, rules)),
            reconfirm_years=min(
                (each.reconfirm_years for each in rules.consents if each.reconfirm_years), default=None
            ),
            lapses_at=lapses_at,
            from_at=now,
            until_at=min(end_at for _, end_at in spans),
        )

    def _remember(self, place: _Place, end_at: float, now: float) -> None:
        if place not in self._ends and len(self._ends) >= _KEPT:
            self._ends = {each: end for each, end in self._ends.items() if end > now}
        self._ends[place] = end_at


def _first_after(now: float, day: int | None, zones: tuple[str, ...]) -> float | None:
    """Give the first instant after `now` at which a day begins in one of the zones."""
    if day is None:
        return None
    return earliest(*(at for name in zones if (at := midnight_at(name, day)) > now))


def _lapsing(found: Finding, lapses_at: float | None) -> Finding:
    """Let a refusal be asked again when a rule ceases to hold."""
    if found.allowed or lapses_at is None or (found.next_at is not None and found.next_at <= lapses_at):
        return found
    return replace(found, next_at=lapses_at)


@lru_cache(maxsize=4096)
def _own(rule: str, allowed: bool, inputs: Inputs, next_at: float | None = None) -> Finding:
    """Say what a check found that rests on no rule of any ruleset."""
    return Finding(
        rule=rule,
        allowed=allowed,
        inputs=inputs,
        next_at=next_at,
        force=Force.HOUSE,
        grade=Grade.PRIMARY,
        source="the campaign file",
    )


def _cap(rule: str, attempts: int, limit: int) -> Finding:
    """Compare with one of the campaign's own caps; one that is reached stays so."""
    return _own(rule, attempts < limit, ((f"{rule}_made", str(attempts)), (rule, str(limit))))


def _check_standing(standing: Standing | None, now: float, known: Known) -> Finding:
    """Say whether what storage told of the person is good enough to judge by."""
    if standing is None:
        return _own("standing", False, (("standing", "not known"),), now)
    if standing.as_of_at < known.changed_at:
        return _own("standing", False, (("standing", "out of date"),), now)
    next_at = standing.as_of_at + GOOD_FOR_S
    if now >= next_at:
        return _own("standing", False, (("standing", "older than a day"),), now)
    for attempts in (standing.past, known.recent):
        for each in attempts:
            if now < each.at < next_at:  # it is dated ahead, and counts when that has come
                next_at = each.at
    return _own("standing", True, (), next_at)


def _check_places(codes: tuple[str, ...], rules: Applying, turns_at: float | None) -> Finding:
    """Refuse where the law is not known. At `turns_at` another rule begins to hold there, or one ceases to."""
    where = ("jurisdictions", " ".join(codes))
    if rules.missing:
        return _own("no_ruleset", False, (where, ("no_ruleset", " ".join(rules.missing))))
    return _own("jurisdiction", True, (where, ("rulesets", ", ".join(rules.rulesets))), turns_at)
