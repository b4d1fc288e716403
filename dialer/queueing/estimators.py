"""Recency-weighted estimates of answer probability, ring time, talk time and wrap-up time.

The model is that of `dialer.queueing.times`.

Answer probabilities follow `dialer.queueing.proportions`, ring times `dialer.queueing.rings`, talk and wrap-up
`dialer.queueing.hazards`; this module gives them their priors and their clock.

One rule governs this module: what was observed counts at once where that is cheap (probabilities), and within seconds
where a table has to be rebuilt (times).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from dialer.queueing.errors import OutOfDomain
from dialer.queueing.hazards import DurationLearner
from dialer.queueing.proportions import ChangingProportions, DecayedBeta
from dialer.queueing.rings import RingLearner
from dialer.queueing.times import RING_GRID_S, TALK_GRID_S, Times

Floats = npt.NDArray[np.float64]

_LEVELS: Floats = (np.arange(64) + 0.5) / 64


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
    p_return: float = 0.98
    returns: float = 50.0
    dials: float = 20.0
    times: float = 8.0  # pseudo-observations behind each of the four time distributions


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """How many observations the learner remembers: the weight of one decays by 1 - 1/n with each that follows."""

    dials: float = 1000.0
    rings: float = 150.0
    times: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Estimates:
    """What is believed at `built_at`, immutable: probabilities, and the tables of times last built."""

    built_at: float
    observed_at: float | None  # the last dial resolved, None before the first
    dials: int  # dials resolved so far, the prior not counted
    p_live: float  # mean of the predictive distribution of the campaign's answer probability
    p_nodes: tuple[tuple[float, float], ...]  # (p, weight): quadrature of that distribution, mean `p_live`
    p_by_group: Mapping[str, float]
    p_live_if_answered: float
    p_return: float  # an agent whose wrap-up ends becomes ready, rather than leaving unannounced
    changed_at: float | None  # the last change of the answer probability that was detected
    times: Times

    def p_of(self, group: str) -> float:
        """Give the answer probability of a group of dials; the campaign's, where nothing is known of the group."""
        return self.p_by_group.get(group, self.p_live)

    @property
    def mean_ring_s(self) -> float:
        """Mean time to the live answer, in seconds."""
        return self.times.mean_live_s

    @property
    def mean_line_s(self) -> float:
        """Mean time to any resolution, in seconds."""
        return self.p_live * self.times.mean_live_s + (1.0 - self.p_live) * self.times.mean_other_s

    @property
    def mean_talk_s(self) -> float:
        """Mean conversation, in seconds."""
        return self.times.mean_talk_s

    @property
    def mean_wrap_s(self) -> float:
        """Mean wrap-up, a rest after it included, in seconds."""
        return self.times.mean_wrap_s

    @property
    def mean_handle_s(self) -> float:
        """Talk plus wrap-up, in seconds."""
        return self.mean_talk_s + self.mean_wrap_s


class Learner:
    """Learn one campaign's probabilities and times from what its calls and agents did.

    `snapshot` may be called at every decision: probabilities are those of now, and the tables of times are rebuilt
    only when `REBUILD_S` have passed, or `REBUILD_MIN_S` while a tenth of all dials is new.
    """

    REBUILD_S = 20.0
    REBUILD_MIN_S = 5.0

    def __init__(self, prior: Prior | None = None, memory: Memory | None = None) -> None:
        prior = Prior() if prior is None else prior
        memory = Memory() if memory is None else memory
        self._live = ChangingProportions(p=prior.p_live, worth=prior.dials, memory=memory.dials)
        answered = prior.dials / 2
        self._live_if_answered = DecayedBeta(
            prior.p_live_if_answered * answered, (1.0 - prior.p_live_if_answered) * answered, memory.dials
        )
        self._return = DecayedBeta(prior.p_return * prior.returns, (1.0 - prior.p_return) * prior.returns, memory.times)
        ring_live, ring_other, talk, wrap = (quantile(_LEVELS) for quantile in _prior_quantiles(prior))
        self._rings = RingLearner(ring_live, ring_other, worth=prior.times, memory=memory.rings)
        self._talk, self._wrap = (
            DurationLearner(values, worth=prior.times, memory=memory.times) for values in (talk, wrap)
        )
        self._dials = 0
        self._observed = 0
        self._observed_at: float | None = None
        self._changed_at: float | None = None
        self._built_observed = -1
        self._built_dials = 0
        self._times_observed = 0
        self._times: Times | None = None
        self._estimates: Estimates | None = None

    def observe_dial_resolved(self, is_live: bool, after_s: float, now: float, group: str = "") -> None:
        """Learn that a dial became a live answer, or anything else, `after_s` seconds after its PlaceCall."""
        self._rings.observe(is_live, _duration(after_s, "ring time"))
        if self._live.observe(is_live, group):
            self._changed_at = now
        self._dials += 1
        self._observed += 1
        self._observed_at = now

    def observe_classified(self, is_live: bool, now: float) -> None:
        """Learn that an answer turned out to be a person, or a machine."""
        self._live_if_answered.observe(is_live)
        self._observed += 1

    def observe_talk(self, talk_s: float, now: float) -> None:
        """Learn the length of a conversation, from connect to release."""
        self._talk.observe(_duration(talk_s, "talk time"), now)
        self._observed += 1

    def observe_wrap(self, wrap_s: float, now: float) -> None:
        """Learn the length of a wrap-up, from release until the agent can take a call: a rest after it included."""
        self._wrap.observe(_duration(wrap_s, "wrap-up time"), now)
        self._observed += 1

    def observe_return(self, is_ready: bool, now: float) -> None:
        """Learn that an agent whose wrap-up ended became ready, or left without having announced it."""
        self._return.observe(is_ready)
        self._observed += 1

    def snapshot(self, now: float, talking_ages: Sequence[float] = (), wrap_ages: Sequence[float] = ()) -> Estimates:
        """Give the estimates at `now`; the same object while nothing was observed.

        The ages, in seconds, are those of *all* conversations and wrap-ups underway: with one left out, what has ended
        would pass for all there was, and durations would seem shorter than they are.
        """
        times = self._times_at(now, talking_ages, wrap_ages)
        last = self._estimates
        if last is not None and last.times is times and self._observed == self._built_observed:
            return last
        self._built_observed = self._observed
        # Only a dial that was resolved changes the probabilities of answers.
        same = last if last is not None and last.dials == self._dials else None
        self._estimates = Estimates(
            built_at=now,
            observed_at=self._observed_at,
            dials=self._dials,
            p_live=self._live.mean,
            p_nodes=self._live.nodes() if same is None else same.p_nodes,
            p_by_group=MappingProxyType(self._live.by_group()) if same is None else same.p_by_group,
            p_live_if_answered=self._live_if_answered.mean,
            p_return=self._return.mean,
            changed_at=self._changed_at,
            times=times,
        )
        return self._estimates

    def _times_at(self, now: float, talking_ages: Sequence[float], wrap_ages: Sequence[float]) -> Times:
        times = self._times
        if times is not None:
            elapsed = now - times.built_at
            grown = self._dials - self._built_dials > 0.1 * self._dials
            wait_s = self.REBUILD_MIN_S if grown else self.REBUILD_S
            # What is underway tells something new with every second.
            is_new = self._observed != self._times_observed or talking_ages or wrap_ages
            if not is_new or elapsed < wait_s:
                return times
        live, other = self._rings.fit()
        talk, wrap = self._talk.fit(now, talking_ages), self._wrap.fit(now, wrap_ages)
        self._times_observed, self._built_dials = self._observed, self._dials
        self._times = Times(
            built_at=now,
            live_cdf=live.cdf(RING_GRID_S),
            other_cdf=other.cdf(RING_GRID_S),
            talk_cdf=talk.cdf(TALK_GRID_S),
            wrap_cdf=wrap.cdf(TALK_GRID_S),
            mean_live_s=live.mean_s,
            mean_other_s=other.mean_s,
            mean_talk_s=talk.mean_s,
            mean_wrap_s=wrap.mean_s,
        )
        return self._times


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
