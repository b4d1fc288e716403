"""The instants at which an answer of the gate may turn, as the rules of a law put them.

One rule governs this module: it is wide. A limit too many parts two leads that are alike; a limit too few would give
one the other's answer. Calendar years and months are taken with a margin in which only instants of one quarter of an
hour are alike.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from dialer.compliance.applying import applying
from dialer.compliance.hours import is_zone, zone
from dialer.domain.law import CooldownAfter, CountedPer, Law, Rule
from dialer.domain.policy import CampaignPolicy
from dialer.domain.standing import PAST_DAYS

_DAY_S = 86_400.0
_YEAR_D = 365.25
# So far are calendar years, and months, from their mean length: a right ends with the beginning of its last day.
_SLACK_YEARS_D, _SLACK_MONTHS_D = 2.0, 4.0
QUARTER_S = 900.0
"""Every zone's clock is a multiple of it away from UTC: its instants are of one local day."""

ABOUT_SUBJECT, ABANDONED, CONVERSATION, REFUSAL = 1, 2, 4, 8
"""What an earlier attempt was, as bits of one number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of dates for a campaign's calls, seen from the instant `at`.

    Between the ends of one of `consent` it depends on the calendar whether a consent still holds; of `business`,
    whether an earlier sale or inquiry still counts.
    """

    at: float
    consent: tuple[tuple[float, float], ...]
    business: tuple[tuple[float, float], ...]


def limits_of(policy: CampaignPolicy, law: Law, at: float) -> Limits:
    """Gather the limits of every rule that may apply to a campaign's calls, wherever they go."""

    def holds(rule: Rule) -> bool:
        return (not rule.purposes or policy.purpose in rule.purposes) and (
            not rule.audiences or policy.compliance.audience in rule.audiences
        )

    consents = [rule for ruleset in law.rulesets for rule in ruleset.consents if holds(rule)]
    registries = [rule for ruleset in law.rulesets for rule in ruleset.registries if holds(rule)]
    years = {rule.reconfirm_years for rule in consents if rule.reconfirm_years is not None}
    exceptions = [each for rule in consents for each in rule.exceptions]
    exceptions += [each for rule in registries for each in rule.exempt_by]
    months = {each.months for each in exceptions if each.months is not None}
    return Limits(
        at=at,
        consent=tuple(_unsure(at, _YEAR_D * each, _SLACK_YEARS_D) for each in sorted(years)),
        business=tuple(_unsure(at, _YEAR_D / 12.0 * each, _SLACK_MONTHS_D) for each in sorted(months)),
    )


def _unsure(at: float, days: float, slack: float) -> tuple[float, float]:
    return at - (days + slack) * _DAY_S, at - (days - slack) * _DAY_S


def side_of(at: float | None, limits: Limits, unsure: Sequence[tuple[float, float]]) -> tuple[float, ...]:
    """Say on which side of each limit an instant lies; between its ends, in which quarter of an hour it is."""
    if at is None:
        return ()
    sides = [0.0 if at < low else 1.0 if at > high else at // QUARTER_S for low, high in unsure]
    return (*sides, 1.0 if at > limits.at else 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What is remembered of earlier attempts where some rules apply: `edges`, the instants before which one no longer
    counts, ascending; `flags`, which of its bits are asked for; `for_good`, those of them that are never forgotten."""

    edges: tuple[float, ...]
    flags: int
    for_good: int
    is_per_number: bool

    @property
    def from_at(self) -> float:
        """The instant of the oldest attempt that is counted."""
        return min(self.edges, default=float("inf"))


FORGETFUL = Memory(edges=(), flags=0, for_good=0, is_per_number=False)
"""Where nothing is asked of earlier attempts."""


def memory_of(
    policy: CampaignPolicy, law: Law, codes: Iterable[tuple[str, ...]], zones: Iterable[str], at: float
) -> Memory:
    """Say what is remembered for calls to any of these jurisdictions, in any of these zones."""
    audience = policy.compliance.audience
    places = [applying(law, each, policy.purpose, audience) for each in codes]
    attempts = [rule for place in places for rule in place.attempts]
    cooldowns = [rule for place in places for rule in place.cooldowns]
    redials = [rule for place in places for rule in place.redials]
    edges = {at - rule.window_s for rule in attempts if rule.window_s is not None}
    edges |= {at - rule.wait_s for rule in cooldowns if rule.wait_s is not None}
    edges |= {at - rule.wait_s for rule in redials}
    if any(rule.window_s is None for rule in attempts):
        edges |= {_midnight(name, at) for name in zones if is_zone(name)} | {_midnight("UTC", at)}
    flags = ABANDONED | CONVERSATION if redials else 0
    if cooldowns or any(rule.per is CountedPer.SUBJECT for rule in attempts):
        flags |= ABOUT_SUBJECT
    for rule in cooldowns:
        flags |= CONVERSATION if rule.after is CooldownAfter.CONVERSATION else REFUSAL
    for_good = {rule.after for rule in cooldowns if rule.wait_s is None}
    if CooldownAfter.CONVERSATION in for_good:
        edges.add(at - PAST_DAYS * _DAY_S)  # a standing goes back no further
    return Memory(
        edges=tuple(sorted(edges)),
        flags=flags,
        for_good=REFUSAL if CooldownAfter.REFUSAL in for_good else 0,
        is_per_number=any(rule.per is CountedPer.NUMBER for rule in attempts),
    )


def _midnight(name: str, at: float) -> float:
    local = datetime.fromtimestamp(at, zone(name))
    return local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0).timestamp()
