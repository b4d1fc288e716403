"""The instants at which an answer of the gate may turn, as the rules of a law put them.

One rule governs this module: it is wide. A limit too many parts two leads that are alike; a limit too few would give
one the other's answer. Calendar years and months are taken with a margin in which an instant counts as itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dialer.domain.law import CooldownAfter, Law, Rule
from dialer.domain.policy import CampaignPolicy

_DAY_S = 86_400.0
_YEAR_D = 365.25
_SLACK_D = 4.0  # calendar years and months are so far from their mean length, time zones counted in


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of a law for a campaign's calls, seen from the instant `at`."""

    at: float
    windows_s: tuple[float, ...]  # how far back an attempt counts
    is_by_day: bool  # some rule counts attempts since midnight
    for_good: tuple[CooldownAfter, ...]  # what some rule never forgets
    consent: tuple[tuple[float, float], ...]  # between these it depends on the calendar whether a consent still holds
    business: tuple[tuple[float, float], ...]  # or whether an earlier sale or inquiry still counts


def limits_of(policy: CampaignPolicy, law: Law, at: float) -> Limits:
    """Gather the limits of every rule that may apply to a campaign's calls, wherever they go."""

    def holds(rule: Rule) -> bool:
        return (not rule.purposes or policy.purpose in rule.purposes) and (
            not rule.audiences or policy.compliance.audience in rule.audiences
        )

    attempts = [rule for ruleset in law.rulesets for rule in ruleset.attempts if holds(rule)]
    cooldowns = [rule for ruleset in law.rulesets for rule in ruleset.cooldowns if holds(rule)]
    redials = [rule for ruleset in law.rulesets for rule in ruleset.redials if holds(rule)]
    consents = [rule for ruleset in law.rulesets for rule in ruleset.consents if holds(rule)]
    registries = [rule for ruleset in law.rulesets for rule in ruleset.registries if holds(rule)]
    windows = {rule.window_s for rule in attempts} | {rule.wait_s for rule in cooldowns}
    windows |= {rule.wait_s for rule in redials}
    years = {rule.reconfirm_years for rule in consents if rule.reconfirm_years is not None}
    exceptions = [each for rule in consents for each in rule.exceptions]
    exceptions += [each for rule in registries for each in rule.exempt_by]
    months = {each.months for each in exceptions if each.months is not None}
    return Limits(
        at=at,
        windows_s=tuple(sorted(each for each in windows if each is not None)),
        is_by_day=any(rule.window_s is None for rule in attempts),
        for_good=tuple(sorted({rule.after for rule in cooldowns if rule.wait_s is None})),
        consent=tuple(_unsure(at, _YEAR_D * each) for each in sorted(years)),
        business=tuple(_unsure(at, _YEAR_D / 12.0 * each) for each in sorted(months)),
    )


def _unsure(at: float, days: float) -> tuple[float, float]:
    return at - (days + _SLACK_D) * _DAY_S, at - (days - _SLACK_D) * _DAY_S


def side_of(at: float | None, limits: Limits, unsure: Sequence[tuple[float, float]]) -> tuple[float, ...]:
    """Say on which side of each limit an instant lies; between its ends, the instant itself."""
    if at is None:
        return ()
    sides = [0.0 if at < low else 1.0 if at > high else at for low, high in unsure]
    return (*sides, 1.0 if at > limits.at else 0.0)
