"""How long calls ring, agents talk and wrap up: lookup tables, and what an age says of the time still to come.

Model: a dial is a live answer with probability p; its time to a live answer, or to any other resolution, is drawn from
one of two distributions. An agent talks, then wraps up, independently. Times are seconds, p is a probability.

One rule governs this module: every conditional probability is conditioned on what is known, the elapsed age.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

RING_STEP_S = 0.5
RING_HORIZON_S = 120.0
TALK_STEP_S = 1.0
TALK_HORIZON_S = 3600.0
RING_GRID_S: Floats = np.linspace(0.0, RING_HORIZON_S, round(RING_HORIZON_S / RING_STEP_S) + 1)
TALK_GRID_S: Floats = np.linspace(0.0, TALK_HORIZON_S, round(TALK_HORIZON_S / TALK_STEP_S) + 1)
_TINY = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Times:
    """What is believed of the times since `built_at`, as lookup tables; rebuilt seldom: that takes milliseconds.

    `live_cdf` and `other_cdf` are sampled every `RING_STEP_S` from 0 to `RING_HORIZON_S`; `talk_cdf` and `wrap_cdf`
    every `TALK_STEP_S` from 0 to `TALK_HORIZON_S`. Beyond its last sample a distribution is taken as flat.
    """

    built_at: float
    live_cdf: Floats  # from PlaceCall to the live answer
    other_cdf: Floats  # from PlaceCall to any other resolution
    talk_cdf: Floats
    wrap_cdf: Floats
    mean_live_s: float
    mean_other_s: float
    mean_talk_s: float
    mean_wrap_s: float

    def ring_quantiles(self, count: int) -> Floats:
        """Give the times to a live answer at the midpoints of `count` equal slices of probability, ascending."""
        levels = (np.arange(count) + 0.5) / count * self.live_cdf[-1]
        # np.interp needs an increasing abscissa: flat stretches are given a slope too small to matter.
        return np.asarray(np.interp(levels, self.live_cdf + _TINY * RING_GRID_S, RING_GRID_S), dtype=np.float64)

    def live_within(self, p_live: npt.ArrayLike, ages: npt.ArrayLike, horizons: npt.ArrayLike) -> Floats:
        """Give P(live answer within h | unanswered at age a), shape (ages, horizons).

        p (F(a+h) - F(a)) / (p (1 - F(a)) + (1-p) (1 - G(a))), F the live and G the other CDF; 0 where nothing is left.
        `p_live` is the probability of a live answer at age 0: one for all ages, or one for each.
        """
        p = np.asarray(p_live, dtype=np.float64)[..., None]
        age = np.asarray(ages, dtype=np.float64)[:, None]
        horizon = np.asarray(horizons, dtype=np.float64)[None, :]
        before = _sample(self.live_cdf, age, RING_STEP_S)
        gained = p * (_sample(self.live_cdf, age + horizon, RING_STEP_S) - before)
        left = p * (1.0 - before) + (1.0 - p) * (1.0 - _sample(self.other_cdf, age, RING_STEP_S))
        return _ratio(gained, left)

    def p_free_from_wrap(self, ages: npt.ArrayLike, horizons: npt.ArrayLike) -> Floats:
        """Give P(wrap-up ends within h | in wrap-up for a), shape (ages, horizons)."""
        age = np.asarray(ages, dtype=np.float64)[:, None]
        horizon = np.asarray(horizons, dtype=np.float64)[None, :]
        before = _sample(self.wrap_cdf, age, TALK_STEP_S)
        return _ratio(_sample(self.wrap_cdf, age + horizon, TALK_STEP_S) - before, 1.0 - before)

    def p_free_from_talk(self, ages: npt.ArrayLike, horizons: npt.ArrayLike) -> Floats:
        """Give P(talk and the wrap-up after it end within h | talking for a), shape (ages, horizons).

        Sum over steps u of P(talk ends in [u, u+step) after a | T > a) * P(wrap-up <= h - u - step/2). Ages are
        rounded to the step; the error of the midpoint rule is of second order in it.
        """
        horizon = np.asarray(horizons, dtype=np.float64)
        steps = int(np.ceil(horizon.max() / TALK_STEP_S))
        offsets = np.arange(steps) * TALK_STEP_S
        # The last step of each horizon may be cut short: weight it by the share that lies before the horizon.
        share = np.clip((horizon[:, None] - offsets[None, :]) / TALK_STEP_S, 0.0, 1.0)
        midpoint = np.maximum(horizon[:, None] - offsets[None, :] - 0.5 * share * TALK_STEP_S, 0.0)
        weight = share * _sample(self.wrap_cdf, midpoint, TALK_STEP_S)
        padded = np.concatenate([self.talk_cdf, np.full(steps, self.talk_cdf[-1])])
        ended = np.lib.stride_tricks.sliding_window_view(np.diff(padded), steps)
        last = len(self.talk_cdf) - 1
        rows = np.minimum(np.rint(np.asarray(ages, dtype=np.float64) / TALK_STEP_S).astype(np.int64), last)
        return _ratio(ended[rows] @ weight.T, 1.0 - self.talk_cdf[rows][:, None])


def _sample(cdf: Floats, times: Floats, step_s: float) -> Floats:
    """Read a tabulated CDF at `times` by linear interpolation; flat beyond its last sample."""
    position = np.minimum(times / step_s, float(len(cdf) - 1))
    low = np.minimum(position.astype(np.int64), len(cdf) - 2)
    return np.asarray(cdf[low] + (position - low) * (cdf[low + 1] - cdf[low]), dtype=np.float64)


def _ratio(part: Floats, whole: Floats) -> Floats:
    """Divide, with 0 where nothing is left to divide by, and rounding kept inside [0, 1]."""
    whole = np.broadcast_to(whole, part.shape)
    quotient = np.divide(part, whole, out=np.zeros_like(part), where=whole > _TINY)
    return np.clip(quotient, 0.0, 1.0)
