"""Recency-weighted estimates of answer probability, ring time, talk time and wrap-up time.

Model: a dial is a live answer with probability p; its time to a live answer, or to any other resolution, is drawn from
one of two distributions. An agent talks, then wraps up, independently. Times are seconds, p is a probability.

Each distribution is an `EmpiricalDistribution`: knots of equal weight through the last observations, whose weights
decay exponentially by count, plus prior pseudo-observations that never expire. The reason for keeping the prior is
robustness: a call older than every call seen must not be predicted to end at once. Talk and wrap-up have an exponential
tail; ring times are bounded by the largest seen, because a line that outlives its time-out will not be answered.
Source of the shape: the partly empirical, partly exponential fit of Bratley, Fox and Schrage, A Guide to Simulation,
2nd edition, 1987.

One rule governs this module: every conditional probability is conditioned on what is known, the elapsed age.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from dialer.queueing.errors import OutOfDomain

Floats = npt.NDArray[np.float64]

RING_STEP_S = 0.5
RING_HORIZON_S = 120.0
TALK_STEP_S = 1.0
TALK_HORIZON_S = 3600.0
RING_GRID_S: Floats = np.linspace(0.0, RING_HORIZON_S, round(RING_HORIZON_S / RING_STEP_S) + 1)
TALK_GRID_S: Floats = np.linspace(0.0, TALK_HORIZON_S, round(TALK_HORIZON_S / TALK_STEP_S) + 1)
_KNOTS = 24
_TINY = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """What is believed before the first call, and how many observations that belief is worth."""

    p_live: float = 0.25
    p_live_if_answered: float = 0.5
    ring_mean_s: float = 10.0  # from PlaceCall to the live answer, setup included
    ring_sigma: float = 0.5  # standard deviation of the logarithm
    no_answer_s: float = 25.0  # when an unanswered call is given up
    talk_mean_s: float = 150.0
    talk_shape: float = 2.0  # log-logistic shape; pacing on real calls fits 1.95
    wrap_mean_s: float = 30.0
    wrap_sigma: float = 0.6
    dials: float = 20.0
    times: float = 8.0  # pseudo-observations behind each of the four time distributions


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """How many observations the learner remembers: the weight of one decays by 1 - 1/n with each that follows."""

    dials: float = 1000.0
    times: float = 400.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Estimates:
    """What is believed at `built_at`, as lookup tables; immutable.

    `live_cdf` and `other_cdf` are sampled every `RING_STEP_S` from 0 to `RING_HORIZON_S`; `talk_cdf` and `wrap_cdf`
    every `TALK_STEP_S` from 0 to `TALK_HORIZON_S`. Beyond its last sample a distribution is taken as flat.
    """

    built_at: float
    observed_at: float | None  # the last dial resolved, None before the first
    dials: int  # dials resolved so far, the prior not counted
    p_live: float
    p_live_if_answered: float
    live_cdf: Floats
    other_cdf: Floats
    talk_cdf: Floats
    wrap_cdf: Floats
    mean_ring_s: float  # to the live answer
    mean_line_s: float  # to any resolution
    mean_talk_s: float
    mean_wrap_s: float

    @property
    def mean_handle_s(self) -> float:
        """Talk plus wrap-up, in seconds."""
        return self.mean_talk_s + self.mean_wrap_s

    def ring_quantiles(self, count: int) -> Floats:
        """Give the times to a live answer at the midpoints of `count` equal slices of probability, ascending."""
        levels = (np.arange(count) + 0.5) / count * self.live_cdf[-1]
        # np.interp needs an increasing abscissa: flat stretches are given a slope too small to matter.
        return np.asarray(np.interp(levels, self.live_cdf + _TINY * RING_GRID_S, RING_GRID_S), dtype=np.float64)

    def p_live_within(self, ages: npt.ArrayLike, horizons: npt.ArrayLike) -> Floats:
        """Give P(live answer within h | unanswered at age a), shape (ages, horizons).

        p (F(a+h) - F(a)) / (p (1 - F(a)) + (1-p) (1 - G(a))), F the live and G the other CDF; 0 where nothing is left.
        """
        age = np.asarray(ages, dtype=np.float64)[:, None]
        horizon = np.asarray(horizons, dtype=np.float64)[None, :]
        before = _sample(self.live_cdf, age, RING_STEP_S)
        gained = self.p_live * (_sample(self.live_cdf, age + horizon, RING_STEP_S) - before)
        left = self.p_live * (1.0 - before) + (1.0 - self.p_live) * (1.0 - _sample(self.other_cdf, age, RING_STEP_S))
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


class EmpiricalDistribution:
    """A distribution learned from its last observations; see the module's model."""

    def __init__(
        self, prior_quantile: Callable[[Floats], Floats], *, weight: float, memory: float, is_bounded: bool
    ) -> None:
        levels = (np.arange(64) + 0.5) / 64
        self._prior = prior_quantile(levels)
        self._prior_weight = np.full(64, weight / 64)
        self._decay = 1.0 - 1.0 / memory
        self._is_bounded = is_bounded
        # Weights older than this are below 2 % of the newest: nothing is lost by dropping them.
        self._seen: deque[float] = deque(maxlen=int(4 * memory))

    def observe(self, value: float) -> None:
        """Add one observation in seconds."""
        self._seen.append(value)

    def fit(self) -> "FittedDistribution":
        """Fit the knots to prior and observations."""
        count = len(self._seen)
        weights = np.concatenate([self._prior_weight, self._decay ** np.arange(count - 1, -1, -1, dtype=np.float64)])
        values = np.concatenate([self._prior, np.fromiter(self._seen, dtype=np.float64, count=count)])
        order = np.argsort(values, kind="stable")
        values, weights = values[order], weights[order]
        reached = np.cumsum(weights) - 0.5 * weights
        total = float(weights.sum())
        inner = np.interp(np.arange(1, _KNOTS) / _KNOTS * total, reached, values)
        beyond = values > inner[-1]
        excess = float(np.dot(values[beyond] - inner[-1], weights[beyond]) / total * _KNOTS) if beyond.any() else 0.0
        first, levels = min(float(values[0]), float(inner[0])), np.linspace(0.0, 1.0, _KNOTS + 1)
        return FittedDistribution(
            knots=np.concatenate([[first], inner, values[-1:]] if self._is_bounded else [[first], inner]),
            levels=levels if self._is_bounded else levels[:-1],
            tail_mean_s=max(excess, 1e-3),
            mean_s=float(np.dot(values, weights) / total),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FittedDistribution:
    """Knots of a CDF, linear between them, exponential with mean `tail_mean_s` beyond the last if that is below 1."""

    knots: Floats
    levels: Floats
    tail_mean_s: float
    mean_s: float

    def cdf(self, times: Floats) -> Floats:
        """Give P(T <= t) for each of `times`, same shape."""
        # Equal knots are a jump of the CDF; the slope keeps the abscissa increasing, the error is far below a step.
        knots = self.knots + 1e-9 * np.arange(len(self.knots))
        body = np.interp(times, knots, self.levels, left=0.0)
        top = float(self.levels[-1])
        tail = 1.0 - (1.0 - top) * np.exp(-np.maximum(times - knots[-1], 0.0) / self.tail_mean_s)
        return np.asarray(np.where(times > knots[-1], tail, body), dtype=np.float64)


@dataclass(slots=True)
class _Proportion:
    """A beta posterior whose observations decay by count while its prior stays."""

    prior_hits: float
    prior_misses: float
    memory: float
    hits: float = 0.0
    misses: float = 0.0

    def observe(self, hit: bool) -> None:
        """Add one observation; the weight of every earlier one decays by 1 - 1/memory."""
        decay = 1.0 - 1.0 / self.memory
        self.hits = self.hits * decay + hit
        self.misses = self.misses * decay + (not hit)

    @property
    def mean(self) -> float:
        """The posterior mean: hits over all, the prior's pseudo-observations included."""
        hits = self.prior_hits + self.hits
        return hits / (hits + self.prior_misses + self.misses)


class Learner:
    """Learn one campaign's probabilities and times from what its calls and agents did.

    `snapshot` may be called at every decision: it rebuilds the tables only when something was observed since, and
    `REBUILD_S` have passed or a tenth of all dials is new (then at most once per `REBUILD_MIN_S`).
    """

    REBUILD_S = 20.0
    REBUILD_MIN_S = 5.0

    def __init__(self, prior: Prior | None = None, memory: Memory | None = None) -> None:
        prior = Prior() if prior is None else prior
        memory = Memory() if memory is None else memory
        self._live = _Proportion(prior.p_live * prior.dials, (1.0 - prior.p_live) * prior.dials, memory.dials)
        answered = prior.dials / 2
        self._live_if_answered = _Proportion(
            prior.p_live_if_answered * answered, (1.0 - prior.p_live_if_answered) * answered, memory.dials
        )
        self._ring_live, self._ring_other, self._talk, self._wrap = (
            EmpiricalDistribution(quantile, weight=prior.times, memory=memory.times, is_bounded=is_bounded)
            for quantile, is_bounded in zip(_prior_quantiles(prior), (True, True, False, False), strict=True)
        )
        self._dials = 0
        self._observed = 0
        self._observed_at: float | None = None
        self._built_observed = -1
        self._built_dials = 0
        self._estimates: Estimates | None = None

    def observe_dial_resolved(self, is_live: bool, after_s: float, now: float) -> None:
        """Learn that a dial became a live answer, or anything else, `after_s` seconds after its PlaceCall."""
        (self._ring_live if is_live else self._ring_other).observe(_duration(after_s, "ring time"))
        self._live.observe(is_live)
        self._dials += 1
        self._observed += 1
        self._observed_at = now

    def observe_classified(self, is_live: bool, now: float) -> None:
        """Learn that an answer turned out to be a person, or a machine."""
        self._live_if_answered.observe(is_live)
        self._observed += 1

    def observe_talk(self, talk_s: float, now: float) -> None:
        """Learn the length of a conversation, from connect to release."""
        self._talk.observe(_duration(talk_s, "talk time"))
        self._observed += 1

    def observe_wrap(self, wrap_s: float, now: float) -> None:
        """Learn the length of a wrap-up, from release until the agent can take a call: a rest after it included."""
        self._wrap.observe(_duration(wrap_s, "wrap-up time"))
        self._observed += 1

    def snapshot(self, now: float) -> Estimates:
        """Give the estimates at `now`; the same object until they are rebuilt."""
        last = self._estimates
        if last is not None:
            elapsed = now - last.built_at
            grown = self._dials - self._built_dials > 0.1 * self._dials
            if self._observed == self._built_observed or elapsed < (self.REBUILD_MIN_S if grown else self.REBUILD_S):
                return last
        self._estimates = self._build(now)
        self._built_observed, self._built_dials = self._observed, self._dials
        return self._estimates

    def _build(self, now: float) -> Estimates:
        live, other, talk, wrap = (each.fit() for each in (self._ring_live, self._ring_other, self._talk, self._wrap))
        p_live = self._live.mean
        return Estimates(
            built_at=now,
            observed_at=self._observed_at,
            dials=self._dials,
            p_live=p_live,
            p_live_if_answered=self._live_if_answered.mean,
            live_cdf=live.cdf(RING_GRID_S),
            other_cdf=other.cdf(RING_GRID_S),
            talk_cdf=talk.cdf(TALK_GRID_S),
            wrap_cdf=wrap.cdf(TALK_GRID_S),
            mean_ring_s=live.mean_s,
            mean_line_s=p_live * live.mean_s + (1.0 - p_live) * other.mean_s,
            mean_talk_s=talk.mean_s,
            mean_wrap_s=wrap.mean_s,
        )


def _prior_quantiles(prior: Prior) -> tuple[Callable[[Floats], Floats], ...]:
    """Give the prior quantile functions of ring to live answer, ring to any other end, talk and wrap-up."""

    def lognormal(mean_s: float, sigma: float) -> Callable[[Floats], Floats]:
        return lambda u: np.asarray(mean_s * np.exp(sigma * ndtri(u) - 0.5 * sigma * sigma), dtype=np.float64)

    def ring_live(u: Floats) -> Floats:
        return np.minimum(lognormal(prior.ring_mean_s, prior.ring_sigma)(u), prior.no_answer_s)

    def ring_other(u: Floats) -> Floats:
        # A tenth fails at once, 4 in 10 are machines spread over the ring, half run into the time-out.
        return np.interp(u, [0.0, 0.1, 0.5, 1.0], [1.0, 4.0, prior.no_answer_s, prior.no_answer_s])

    def talk(u: Floats) -> Floats:
        # Log-logistic: scale * (u / (1-u))^(1/shape), mean = scale * (pi/shape) / sin(pi/shape).
        angle = np.pi / prior.talk_shape
        scale = prior.talk_mean_s * np.sin(angle) / angle
        return np.asarray(scale * (u / (1.0 - u)) ** (1.0 / prior.talk_shape), dtype=np.float64)

    return ring_live, ring_other, talk, lognormal(prior.wrap_mean_s, prior.wrap_sigma)


def _duration(value: float, name: str) -> float:
    if not value >= 0.0:
        raise OutOfDomain(f"{name}: expected seconds >= 0, found {value!r}; the clock of its source ran backwards")
    return value


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
