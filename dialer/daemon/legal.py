"""Abandonment by the rules of the places that were called: which attempts each rule counts, and of whom together.

One rule governs this module: an attempt counts under every abandonment rule of every place where its person may be, and
under no other, so that calls to one country do not thin out the rate of another. Places are those that the gate asks
about; where the lead is gone, it is the campaign's own.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from dialer.compliance.abandonment import LegalWindow, is_counted, legal_counts
from dialer.compliance.applying import applying, codes_of, holds
from dialer.compliance.hours import local_day
from dialer.domain.law import AbandonmentRule, Law
from dialer.domain.policy import AbandonmentUnit, CampaignPolicy
from dialer.domain.records import Attempt
from dialer.storage.reading import Records

DAY_S = 86400.0
LONGEST_WINDOW_S = 31 * DAY_S
ROLLING_S = 30 * DAY_S
LONGEST_RING_S = 3600.0
"""A call answered in a window was placed at most this long before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalCount:
    """One window of one rule, for a campaign or for all of a seller's that the rule counts together.

    `ruleset` is the code of the rule's jurisdiction, `name` that of the unit, `zone` that of the window's days.
    """

    unit: AbandonmentUnit
    name: str
    ruleset: str
    rule: AbandonmentRule
    zone: str
    window: LegalWindow

    @property
    def is_over_cap(self) -> bool | None:
        """Whether the rate, estimate included, is above the rule's cap; None where there is no rate or no cap."""
        rate = self.window.counted.rate
        return None if rate is None or self.rule.cap_rate is None else rate.mean > self.rule.cap_rate


@dataclass(slots=True, kw_only=True)
class _Unit:
    """Attempts that one rule counts together, with the campaigns that made them."""

    rule: AbandonmentRule
    zone: str
    attempts: list[Attempt] = field(default_factory=list)
    campaigns: dict[str, None] = field(default_factory=dict)


def legal_windows(store: Records, law: Law, campaign: str | None, from_at: float, to_at: float) -> Iterator[LegalCount]:
    """Count each window that shares an instant with the span, whole, for one campaign or for all.

    A rule that counts a seller's campaigns together counts all of them, also where one campaign is asked for.
    """
    policies = {name: policy for name in store.campaigns() if (policy := store.policy(name)) is not None}
    chosen = policies if campaign is None else {campaign: policies[campaign]}
    sellers = {policy.seller for policy in chosen.values()}
    codes = {rule.rule_id: ruleset.code for ruleset in law.rulesets for rule in ruleset.abandonments}
    units: dict[tuple[str, AbandonmentUnit, str, str], _Unit] = {}
    for name, policy in policies.items():
        if policy.seller in sellers:
            _sort_attempts(_Sorter(store, law, policy), name in chosen, from_at, to_at, units)
    for (_, kind, name, _), unit in units.items():
        if not any(each in chosen for each in unit.campaigns):
            continue
        firsts = [at for each in unit.campaigns if (at := store.first_live_at(each)) is not None]
        checks = {each: check for each in unit.campaigns if (check := policies[each].abandonment.machine_check)}
        for window in legal_counts(
            unit.attempts, unit.rule, tz=ZoneInfo(unit.zone), first_live_at=min(firsts, default=None), checks=checks
        ):
            if window.to_at > from_at and window.from_at < to_at:
                code = codes[unit.rule.rule_id]
                yield LegalCount(unit=kind, name=name, ruleset=code, rule=unit.rule, zone=unit.zone, window=window)


class _Sorter:
    """Finds the rules under which one campaign's attempts count."""

    def __init__(self, store: Records, law: Law, policy: CampaignPolicy) -> None:
        self.store, self.law, self.policy = store, law, policy
        self._places = {
            lead.lead_id: tuple(codes_of(lead, number, policy) for number in lead.numbers)
            for lead in store.called_leads(policy.name)
        }
        self._rules: dict[tuple[str, ...], tuple[AbandonmentRule, ...]] = {}

    def rules_of(self, attempt: Attempt) -> Iterator[AbandonmentRule]:
        """Give the rules that count an attempt, those that count alike once."""
        places = self._places.get(attempt.lead_id, ())
        is_known = attempt.number_rank < len(places)
        codes = places[attempt.number_rank] if is_known else (self.policy.jurisdiction,)
        rules = self._rules.get(codes)
        if rules is None:
            found = applying(self.law, codes, self.policy.purpose, self.policy.compliance.audience)
            rules = self._rules[codes] = tuple(_distinct(found.abandonments))
        for rule in rules:
            if (rule.since, rule.until) == (None, None) or holds(rule, [self._day_of(attempt)]):
                yield rule

    def _day_of(self, attempt: Attempt) -> int:
        at = attempt.placed_at if attempt.answered_at is None else attempt.answered_at
        return local_day(self.policy.abandonment.time_zone, at)


def _sort_attempts(
    sorter: _Sorter,
    is_chosen: bool,
    from_at: float,
    to_at: float,
    units: dict[tuple[str, AbandonmentUnit, str, str], _Unit],
) -> None:
    """Put each attempt of a campaign under the rules that count it; of one not chosen, only what counts per seller."""
    policy, zone = sorter.policy, sorter.policy.abandonment.time_zone
    since_at = from_at - LONGEST_WINDOW_S - ROLLING_S - LONGEST_RING_S
    for attempt in sorter.store.attempts(policy.name, since_at, to_at + LONGEST_WINDOW_S):
        if not is_counted(attempt):
            continue
        for rule in sorter.rules_of(attempt):
            is_seller = rule.unit is AbandonmentUnit.SELLER
            if not is_chosen and not is_seller:
                continue
            key = (rule.rule_id, rule.unit, policy.seller if is_seller else policy.name, zone)
            unit = units.setdefault(key, _Unit(rule=rule, zone=zone))
            unit.attempts.append(attempt)
            unit.campaigns[policy.name] = None


def _distinct(rules: Iterable[AbandonmentRule]) -> Iterator[AbandonmentRule]:
    """Leave out rules without a cap that count as another one with a cap does: they are about the message."""
    rules = tuple(rules)

    def way(rule: AbandonmentRule) -> tuple[object, ...]:
        return rule.windows[:1], rule.threshold_s, rule.starts_at, rule.unit

    capped = [way(rule) for rule in rules if rule.cap_rate is not None]
    return (rule for rule in rules if rule.cap_rate is not None or way(rule) not in capped)
