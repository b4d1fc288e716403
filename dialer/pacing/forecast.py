"""When an abandonment budget is spent if everything goes on at the pace of the last hour.

Model: live answers come at the last hour's rate while dialing goes on; abandonments are a Poisson process whose
exposure is the live answers. With a abandonments among l live answers seen and Jeffreys' prior, the abandonments per
live answer are Gamma(a + 1/2, l), and the abandonments X among n further live answers are negative binomial:

    P(X <= k) = I_{l / (l + n)}(a + 1/2, k + 1)          I: the regularised incomplete beta function

Source: A. Gelman et al., Bayesian Data Analysis, 3rd edition (2013), section 2.6. The interval is of the rate given the
expected number of live answers; that this number may be missed, and that the pacer steers, is not in it.

One rule governs this module: a pace that a handful of answers suggests is no pace, and gives no forecast.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor

from scipy.special import betainc

from dialer.pacing.budget import AbandonmentBudget

LEVEL = 0.95
LIVE_MIN = 10
PACE_MIN_S = 600.0

Spans = Sequence[tuple[float, float]]
"""When dialing goes on: half-open, in order, not overlapping."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Live answers and abandonments counted over the `for_s` seconds up to now."""

    for_s: float
    live: float
    abandoned: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What becomes of a window at the pace of the last hour.

    `live` and `abandoned` are those expected by the window's end, `budget` what the cap allows of `live`. `spent_at` is
    the instant at which so many abandonments have happened; None: not before the window closes. `rate`, with its
    interval `low` to `high` of `level`, is that of the closed window.
    """

    at: float
    budget: int
    spent_at: float | None
    closes_at: float
    dialing_ends_at: float
    live: float
    abandoned: float
    rate: float
    low: float
    high: float
    level: float
    pace: Pace


def pace_of(budget: AbandonmentBudget, now: float) -> Pace | None:
    """Give the pace of the last hour; None when it holds too little to speak of one.

    The hour is cut to the minutes from its first live answer on: a campaign that opened ten minutes ago has the pace of
    ten minutes.
    """
    live, abandoned = budget.last_hour(now)
    begun_at = budget.hour_begins_at(now)
    if begun_at is None or live < LIVE_MIN or now - begun_at < PACE_MIN_S:
        return None
    return Pace(for_s=now - begun_at, live=live, abandoned=min(abandoned, live))


def forecast(budget: AbandonmentBudget, now: float, dialing: Spans) -> Forecast | None:
    """Foresee the window that holds `now`; None without a pace. `dialing`: when calls go out, as far as is known."""
    pace = pace_of(budget, now)
    if pace is None:
        return None
    closes_at = budget.span(now)[1]
    ahead = [(max(from_at, now), min(to_at, closes_at)) for from_at, to_at in dialing]
    ahead = [(from_at, to_at) for from_at, to_at in ahead if from_at < to_at]
    live, abandoned = budget.weighed(now)
    to_come = pace.live / pace.for_s * sum(to_at - from_at for from_at, to_at in ahead)
    live_at_end = live + to_come
    abandoned_at_end = abandoned + pace.abandoned / pace.live * to_come
    allowed = floor(budget.cap_rate * live_at_end + 1e-9)
    low, high = abandonments_to_come(pace, to_come)
    return Forecast(
        at=now,
        budget=allowed,
        spent_at=_spent_at(allowed - abandoned, pace, ahead, now) if abandoned_at_end > allowed else None,
        closes_at=closes_at,
        dialing_ends_at=ahead[-1][1] if ahead else now,
        live=live_at_end,
        abandoned=abandoned_at_end,
        rate=_share(abandoned_at_end, live_at_end),
        low=_share(abandoned + low, live_at_end),
        high=_share(abandoned + high, live_at_end),
        level=LEVEL,
        pace=pace,
    )


def abandonments_to_come(pace: Pace, live_to_come: float) -> tuple[int, int]:
    """Give the two-sided predictive interval of the abandonments among `live_to_come` further live answers."""
    if live_to_come <= 0.0:
        return 0, 0
    shape, share = pace.abandoned + 0.5, pace.live / (pace.live + live_to_come)
    tail = (1.0 - LEVEL) / 2.0
    return _quantile(shape, share, tail), _quantile(shape, share, 1.0 - tail)


def _quantile(shape: float, share: float, p: float) -> int:
    """Give the smallest k with P(X <= k) >= p."""
    high = 1
    while betainc(shape, high + 1.0, share) < p:
        high *= 2
    low = -1
    while high - low > 1:
        middle = (low + high) // 2
        if betainc(shape, middle + 1.0, share) < p:
            low = middle
        else:
            high = middle
    return high


def _spent_at(left: float, pace: Pace, ahead: Spans, now: float) -> float:
    """Give the instant at which `left` more abandonments have happened; they do happen before the last span ends."""
    if left <= 0:
        return now
    left_s = left * pace.for_s / pace.abandoned
    for from_at, to_at in ahead:
        if left_s <= to_at - from_at:
            return from_at + left_s
        left_s -= to_at - from_at
    return ahead[-1][1]


def _share(abandoned: float, live: float) -> float:
    return min(abandoned / live, 1.0) if live > 0.0 else 0.0
