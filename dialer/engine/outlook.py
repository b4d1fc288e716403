"""When a campaign will dial, and what becomes of its abandonment budget if it goes on as it does.

One rule governs this module: the calling hours are those of the place that closes last today; a campaign that dials
several places dials to the end of the last one's day.
"""

from functools import lru_cache

from dialer.compliance.hours import opening
from dialer.domain.policy import CampaignPolicy, HoursPolicy
from dialer.pacing.budget import AbandonmentBudget
from dialer.pacing.forecast import Forecast, forecast

_Spans = tuple[tuple[float, float], ...]


def outlook(
    policy: CampaignPolicy, budget: AbandonmentBudget, zones: tuple[str, ...] | None, now: float
) -> Forecast | None:
    """Foresee the budget's window; None without a pace. `zones`: of the place that closes last (None: not known)."""
    zones = (policy.abandonment.time_zone,) if zones is None else zones
    return forecast(budget, now, dialing_spans(policy.hours, zones, now, budget.span(now)[1]))


def dialing_spans(hours: HoursPolicy, zones: tuple[str, ...], now: float, until_at: float) -> _Spans:
    """Give the open spans from `now` on that begin before `until_at`."""
    first = opening(hours, zones, now)
    if first.until_at is None:
        return ()
    later = _later(hours, zones, first.until_at, until_at)
    return ((now, first.until_at), *later) if first.is_open else later


@lru_cache(maxsize=256)  # the same for the whole day, and a month has many
def _later(hours: HoursPolicy, zones: tuple[str, ...], at: float, until_at: float) -> _Spans:
    spans: list[tuple[float, float]] = []
    while at < until_at:
        next_one = opening(hours, zones, at)
        if next_one.until_at is None:
            break
        if next_one.is_open:
            spans.append((at, next_one.until_at))
        at = next_one.until_at
    return tuple(spans)
