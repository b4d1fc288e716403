"""The hours of a campaign, of the rules and of the people who named a time, each asked once until it changes.

One rule governs: consent widens a rule's hours and nothing else: not the campaign's own, not a time that the person
named, not a holiday.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dialer.compliance.case import Case, Today, earliest, finding
from dialer.compliance.consent import Grant, consents_of, described
from dialer.compliance.dates import wall_clocks
from dialer.compliance.hours import (
    Opening,
    Schedule,
    always,
    is_zone,
    opening_of,
    schedule_of,
    tidy,
    tidy_week,
    widened,
)
from dialer.domain.law import Force, Grade, HoursRule, Law, NamedTimeRule, Span
from dialer.domain.policy import CampaignPolicy
from dialer.domain.standing import Consent
from dialer.domain.verdict import Finding, Inputs

_ASK_AGAIN_S = 86400.0  # of an answer that names no end: nothing opens within two weeks
_KEPT = 8192  # answers; more are asked for only by lists of very many kinds of places
_Key = tuple[object, ...]

NAMED_TIME = NamedTimeRule(
    rule_id="named_time", force=Force.HOUSE, grade=Grade.PRIMARY, source="the times that the person named"
)
"""Asked where no rule says that a person's own word binds: it is kept all the same."""


@dataclass(frozen=True, slots=True)
class _Answer:
    asked_at: float
    opening: Opening


class Openings:
    """Answers for one campaign under one law."""

    def __init__(self, policy: CampaignPolicy, law: Law) -> None:
        self._law = law
        self._schedules: dict[_Key, Schedule] = {("campaign",): Schedule(week=tidy_week(policy.hours.week))}
        self._answers: dict[tuple[_Key, tuple[str, ...]], _Answer] = {}
        self._clocks: dict[tuple[str, ...], tuple[float, Inputs]] = {}
        self._open: dict[tuple[_Key, tuple[str, ...]], tuple[float, float, float, Finding]] = {}
        self._hours: dict[tuple[_Key, tuple[int, ...]], str] = {}

    def of_campaign(self, zones: tuple[str, ...], today: Today, now: float) -> tuple[Opening, Inputs]:
        """Tell whether the campaign's own hours are open in all zones, and by what."""
        key: _Key = ("campaign",)
        inputs = (*self.where(zones, now), ("campaign_hours", self._hours_of(key, today.days)))
        return self._ask(key, zones, now), inputs

    def check(self, rule: HoursRule, zones: tuple[str, ...], case: Case) -> Finding:
        """Ask a rule on hours, and where it says no, whether the person agreed to other hours."""
        key: _Key = (rule.rule_id, rule.since, rule.until)
        minute = case.now // 60.0
        last = self._open.get((key, zones))
        if last is not None and last[0] == minute and last[1] <= case.now < last[2]:
            return last[3]  # most of a minute's calls are to places that were asked about in it
        if key not in self._schedules:
            self._schedules[key] = schedule_of(rule, self._law)
        inputs = (*self.where(zones, case.now), ("hours", self._hours_of(key, case.today.days)))
        if rule.calendar:
            is_one = any(day in self._schedules[key].holidays for day in case.today.days)
            inputs = (*inputs, ("holidays", f"{rule.calendar}, today is one" if is_one else rule.calendar))
        plain = self._ask(key, zones, case.now)
        if plain.is_open and plain.until_at is not None:
            found = finding(rule, True, inputs, plain.until_at)
            if len(self._open) >= _KEPT:
                self._open.clear()
            self._open[key, zones] = (minute, case.now, plain.until_at, found)
            return found
        if plain.is_open or not rule.widened_by:
            return finding(rule, plain.is_open, inputs, plain.until_at)
        is_night = rule.widened_by == "night"
        name = "night_consent" if is_night else "consent_to_hours"
        grant = consents_of(case, _is_of_night if is_night else _is_of_hours)
        if not grant.is_given:
            return finding(rule, False, (*inputs, (name, grant.why)), earliest(plain.until_at, grant.grows_at))
        wide = self._ask(self._widened(key, grant, is_night), zones, case.now)
        next_at = earliest(wide.until_at, grant.shrinks_at if wide.is_open else grant.grows_at)
        return finding(rule, wide.is_open, (*inputs, (name, described(grant)[0][1])), next_at)

    def check_named(self, zones: tuple[str, ...], case: Case) -> Iterable[Finding]:
        """Keep to the times that the person named, whether or not a rule says so."""
        spans = case.lead.contact_hours
        return self._check_named(spans, zones, case) if spans else case.today.unnamed

    def _check_named(self, spans: tuple[Span, ...], zones: tuple[str, ...], case: Case) -> Iterator[Finding]:
        key: _Key = ("named", spans)
        if key not in self._schedules:
            self._schedules[key] = Schedule(week=(tidy(spans),) * 7)
        found = self._ask(key, zones, case.now)
        inputs = (*self.where(zones, case.now), ("named", written(spans)))
        for rule in case.today.rules.named_times or (NAMED_TIME,):
            yield finding(rule, found.is_open, inputs, found.until_at)

    def where(self, zones: tuple[str, ...], now: float) -> Inputs:
        """Write the zones, and what the clocks on their walls show."""
        minute = now // 60.0
        known = self._clocks.get(zones)
        if known is None or known[0] != minute:
            if len(self._clocks) >= _KEPT:
                self._clocks.clear()
            clocks = wall_clocks([name for name in zones if is_zone(name)], now)
            known = self._clocks[zones] = (minute, (("zones", " ".join(zones)), ("local", clocks)))
        return known[1]

    def _hours_of(self, key: _Key, days: tuple[int, ...]) -> str:
        """Write what is open on these days."""
        text = self._hours.get((key, days))
        if text is None:
            if len(self._hours) >= _KEPT:
                self._hours.clear()
            schedule = self._schedules[key]
            text = " or ".join(dict.fromkeys(written(schedule.on(day)) for day in days))
            self._hours[key, days] = text
        return text

    def _widened(self, key: _Key, grant: Grant, is_night: bool) -> _Key:
        """Give the key of a rule's schedule as wide as consents make it."""
        spans = () if is_night else tidy(span for each in grant.consents for span in each.hours)
        wide: _Key = (*key, is_night, spans)
        if wide not in self._schedules:
            plain = self._schedules[key]
            self._schedules[wide] = always(plain) if is_night else widened(plain, spans)
        return wide

    def _ask(self, key: _Key, zones: tuple[str, ...], now: float) -> Opening:
        answer = self._answers.get((key, zones))
        if answer is not None:
            until_at = answer.opening.until_at
            if answer.asked_at <= now < (answer.asked_at + _ASK_AGAIN_S if until_at is None else until_at):
                return answer.opening
        if len(self._answers) >= _KEPT:
            self._answers.clear()
        found = opening_of([self._schedules[key]], zones, now)
        self._answers[key, zones] = _Answer(asked_at=now, opening=found)
        return found


def _is_of_night(consent: Consent) -> str:
    return "" if consent.is_night else "none for the night"


def _is_of_hours(consent: Consent) -> str:
    return "" if consent.hours else "none for other hours"


def written(spans: Iterable[Span]) -> str:
    """Write spans of a day as clocks show them."""
    edges = (tuple(f"{at // 3600:02d}:{at // 60 % 60:02d}" for at in span) for span in spans)
    return ", ".join(f"{start}-{end}" for start, end in edges) or "closed"
