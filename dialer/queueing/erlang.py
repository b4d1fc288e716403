"""Erlang's B, C and A: M/M/c/c, M/M/c and M/M/c+M.

Model: Poisson arrivals, exponential handle times, `agents` alike, first come first served; in Erlang A each waiting
caller leaves after an exponential patience. `load` is offered traffic in Erlangs: arrival rate times mean handle time.
Times share one unit. Every function is a recursion or a series of positive terms, safe for 10,000 agents and more.

Sources: A. K. Erlang (1917); R. B. Cooper, Introduction to Queueing Theory, 2nd edition 1981 (B and C, the recursion);
C. Palm (1957) and A. Mandelbaum, S. Zeltyn, Service engineering in action: the Palm/Erlang-A queue (2007) (A).
"""

from dataclasses import dataclass
from math import exp, expm1, inf, isfinite, log, sqrt

import numpy as np

from dialer.queueing.errors import OutOfDomain

_TERMS_MAX = 10_000_000
_LOAD_STEPS = 40


def erlang_b(agents: int, load: float) -> float:
    """Give P(all agents busy) when nobody waits (M/M/c/c).

    B(0) = 1, B(c) = a B(c-1) / (c + a B(c-1)): Cooper 1981, chapter 3; each step loses less than one rounding.
    """
    _check(agents, load, least=0)
    blocked = 1.0
    for count in range(1, agents + 1):
        blocked = load * blocked / (count + load * blocked)
    return blocked


def erlang_c(agents: int, load: float) -> float:
    """Give P(an arrival waits) when everybody waits (M/M/c), load < agents.

    C = B / (1 - (a/c) (1 - B)): Cooper 1981, chapter 3.
    """
    _check(agents, load, least=1)
    if load >= agents:
        raise OutOfDomain(
            f"Erlang C: expected load < agents, found load {load:g} with {agents} agents; the queue would"
            " grow for ever: use Erlang A, whose callers give up"
        )
    blocked = erlang_b(agents, load)
    return blocked / (1.0 - load / agents * (1.0 - blocked))


def erlang_c_p_wait_over(agents: int, load: float, handle_s: float, wait_s: float) -> float:
    """Give P(wait > wait_s) in M/M/c: C exp(-(c - a) t / H), Cooper 1981, chapter 3."""
    return erlang_c(agents, load) * exp(-(agents - load) * wait_s / handle_s)


def erlang_c_mean_wait(agents: int, load: float, handle_s: float) -> float:
    """Give the mean wait of all arrivals in M/M/c: C H / (c - a), Cooper 1981, chapter 3."""
    return erlang_c(agents, load) * handle_s / (agents - load)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErlangA:
    """The steady state of M/M/c+M: `agents`, offered `load`, mean `handle_s`, mean `patience_s`.

    With s = c * patience / handle, y = load * patience / handle and f(y) = sum over k of prod_{i<=k} y / (s + i), the
    probability of exactly c in the system is p_c = B / (1 + B (f - 1)); the other figures follow (Mandelbaum and Zeltyn
    2007, section 4, where f is written with the incomplete gamma function).
    """

    agents: int
    load: float
    handle_s: float
    patience_s: float

    def __post_init__(self) -> None:
        _check(self.agents, self.load, least=1)
        if not (0.0 < self.handle_s < inf and 0.0 < self.patience_s < inf):
            raise OutOfDomain(
                f"Erlang A: expected positive finite times, found handle {self.handle_s!r}, patience"
                f" {self.patience_s!r}; callers who never give up are Erlang C"
            )

    @property
    def p_wait(self) -> float:
        """P(an arrival finds all agents busy)."""
        log_full, log_sum, _ = self._full()
        return exp(log_full + log_sum)

    @property
    def p_abandon(self) -> float:
        """P(an arrival leaves before an agent is free): (mean queue / patience) / arrival rate."""
        if self.load == 0.0:
            return 0.0
        log_full, _, log_weighted = self._full()
        return exp(log_full + log_weighted) * self.handle_s / (self.patience_s * self.load)

    @property
    def mean_wait_s(self) -> float:
        """Mean wait of all arrivals, those who leave included: P(abandon) * patience."""
        return self.p_abandon * self.patience_s

    @property
    def occupancy(self) -> float:
        """Share of the agents' time spent handling: load * (1 - P(abandon)) / agents."""
        return self.load * (1.0 - self.p_abandon) / self.agents

    def p_offered_wait_over(self, wait_s: float) -> float:
        """P(a caller of endless patience would wait longer than `wait_s`), wait_s >= 0.

        P(V > t) / P(V > 0) = exp(-s t/patience + y (1 - e)) f(y e) / f(y) with e = exp(-t/patience).
        """
        shape, mean = self._shape_mean()
        log_full, _, _ = self._full()
        spent = -expm1(-wait_s / self.patience_s)
        log_later, _ = _log_series(shape, mean * (1.0 - spent))
        return exp(log_full - shape * wait_s / self.patience_s + mean * spent + log_later)

    def p_wait_over(self, wait_s: float) -> float:
        """P(a caller waits longer than `wait_s`, served or not afterwards)."""
        return self.p_offered_wait_over(wait_s) * exp(-wait_s / self.patience_s)

    def _shape_mean(self) -> tuple[float, float]:
        scale = self.patience_s / self.handle_s
        return self.agents * scale, self.load * scale

    def _full(self) -> tuple[float, float, float]:
        """Give log p_c, log f and log of the sum of k times the k-th term of f."""
        blocked = erlang_b(self.agents, self.load)
        log_sum, log_weighted = _log_series(*self._shape_mean())
        if blocked == 0.0:
            return -inf, log_sum, log_weighted
        # 1 + B (f - 1) = (1 - B) + B f, a sum of positive terms.
        log_rest = log(1.0 - blocked) if blocked < 1.0 else -inf
        return log(blocked) - float(np.logaddexp(log_rest, log(blocked) + log_sum)), log_sum, log_weighted


def offered_load(agents: int, handle_s: float, patience_s: float, p_abandon: float) -> float:
    """Give the largest load in Erlangs at which the share of callers who give up is at most `p_abandon` (< 1).

    By halving, to 1e-12 of the team: the share rises with the load. Times in seconds; a patience of 0 s is Erlang B.
    """

    def share(load: float) -> float:
        if patience_s == 0.0:
            return erlang_b(agents, load)
        return ErlangA(agents=agents, load=load, handle_s=handle_s, patience_s=patience_s).p_abandon

    if p_abandon == 0.0:
        return 0.0  # any load loses somebody, if too seldom for a float
    # Agents serve at most one Erlang each, so at least 1 - agents / load give up: above this load it is too many.
    low, high = 0.0, agents / (1.0 - p_abandon)
    for _ in range(_LOAD_STEPS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if share(middle) <= p_abandon else (low, middle)
    return low


def _log_series(shape: float, mean: float) -> tuple[float, float]:
    """Give the logarithms of sum t_k and of sum k t_k, t_k = prod_{i=1..k} mean / (shape + i), k from 0."""
    if mean == 0.0:
        return 0.0, -inf
    # Past its mode max(mean - shape, 0) the terms fall at least as fast as a normal density of variance
    # max(mean, shape): 14 standard deviations leave less than 1e-40.
    count = int(max(mean - shape, 0.0) + 14.0 * sqrt(max(mean, shape)) + 100.0)
    if count > _TERMS_MAX:
        raise OutOfDomain(
            f"Erlang A: the series needs {count} terms, at most {_TERMS_MAX} are summed; with patience this long use"
            " Erlang C"
        )
    index = np.arange(1, count + 1)
    logs = np.cumsum(np.log(mean) - np.log(shape + index))
    peak = max(0.0, float(logs.max()))
    terms = np.exp(logs - peak)
    return peak + log(exp(-peak) + float(terms.sum())), peak + log(float((index * terms).sum()))


def _check(agents: int, load: float, *, least: int) -> None:
    if agents < least:
        raise OutOfDomain(f"agents: expected at least {least}, found {agents}")
    if not (isfinite(load) and load >= 0.0):
        raise OutOfDomain(f"load: expected Erlangs >= 0, found {load!r}")
