"""May this number of this lead be called now? Asked for every call, at the instant of placing it, in every pacing mode.

One rule governs: the first refusal wins, and whatever is not known refuses. A refusal says when to ask again.
"""

from dataclasses import dataclass
from math import inf

from dialer.compliance.hours import Opening, opening
from dialer.domain.lead import Lead, PhoneNumber
from dialer.domain.policy import CampaignPolicy

_ASK_AGAIN_S = 86400.0  # of an answer that names no end: nothing opens within two weeks


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The gate's answer for one number at one instant.

    `rule` is the rule that refused, or `allowed`; `inputs` are what it looked at; `next_at` is the next instant at
    which the answer may change (None: it will not change by itself).
    """

    allowed: bool
    rule: str
    inputs: tuple[tuple[str, str], ...]
    next_at: float | None


def places(lead: Lead, number: PhoneNumber) -> tuple[str, ...]:
    """Give every time zone in which the person may be: the list's own word and all that the number allows."""
    if lead.zone is None or lead.zone in number.zones:
        return number.zones
    return (lead.zone, *number.zones)


class Gate:
    """Decides for one campaign. Opening hours are cached until the instant at which they change."""

    def __init__(self, policy: CampaignPolicy) -> None:
        self._policy = policy
        self._openings: dict[tuple[str, ...], tuple[float, Opening]] = {}

    def decide(self, lead: Lead, number: PhoneNumber, now: float, *, is_blocked: bool) -> Verdict:
        """Tell whether `number` may be dialed at `now`. `is_blocked`: the person told this seller not to call again."""
        policy = self._policy
        if is_blocked:
            return Verdict(allowed=False, rule="do_not_call", inputs=(("seller", policy.seller),), next_at=None)
        if number.is_invalid:
            return Verdict(allowed=False, rule="number_invalid", inputs=(), next_at=None)
        if lead.attempts >= policy.retry.attempts_max:
            return _spent("attempts_max", lead.attempts, policy.retry.attempts_max)
        if number.attempts >= policy.numbers.attempts_each:
            return _spent("attempts_each", number.attempts, policy.numbers.attempts_each)
        zones = places(lead, number)
        hours = self._opening(zones, now)
        inputs = (("zones", " ".join(zones)),)
        if not hours.is_open:
            return Verdict(allowed=False, rule="calling_hours", inputs=inputs, next_at=hours.until_at)
        return Verdict(allowed=True, rule="allowed", inputs=inputs, next_at=hours.until_at)

    def closes_at(self, now: float) -> float:
        """Give the instant by which the last of the places asked about so far closes; infinity when none is open."""
        ends = [known.until_at for _, known in self._openings.values() if known.is_open and known.until_at is not None]
        return max((end for end in ends if end > now), default=inf)

    def open_last(self, now: float) -> tuple[str, ...] | None:
        """Give the zones of the place, of those asked about so far, that closes last; None when none is open."""
        ends = {
            zones: known.until_at
            for zones, (_, known) in self._openings.items()
            if known.is_open and known.until_at is not None and known.until_at > now
        }
        return max(ends, key=lambda zones: ends[zones], default=None)

    def _opening(self, zones: tuple[str, ...], now: float) -> Opening:
        if zones in self._openings:
            asked_at, known = self._openings[zones]
            if asked_at <= now < (asked_at + _ASK_AGAIN_S if known.until_at is None else known.until_at):
                return known
        known = opening(self._policy.hours, zones, now)
        self._openings[zones] = (now, known)
        return known


def _spent(rule: str, attempts: int, limit: int) -> Verdict:
    """Refuse for good: a cap on attempts is reached."""
    inputs = (("attempts", str(attempts)), (rule, str(limit)))
    return Verdict(allowed=False, rule=rule, inputs=inputs, next_at=None)
