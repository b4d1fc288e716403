"""Predictive pacing: the engine chooses how many calls to start, also for agents about to come free.

One rule governs this module: dial one more number iff the probability that *that* call would be abandoned, should a
person answer it, is at most `psi`. For a candidate dialed now and answered after ring time h,

    A(h) = ready - queued + sum over busy agents  Bernoulli(P(free by h + threshold | elapsed) * P(returns to ready))
    C(h) = sum over calls in flight               Bernoulli(P(live answer by h | age))
    P(served) = mean over h and p of P(A(h) - C(h) >= 1)

with h at five quantiles of the time to a live answer, and p at the nodes of what is believed of the answer probability:
where it is uncertain, one p too low for one call is too low for all, so that answers come together, and the rule slows
down by itself. A node weighs as much as it makes the candidate's answer likely. Admitted candidates join C at age 0.
The distribution of A - C is one Poisson-binomial, because the lines that are *not* answered count like agents that come
free; `dialer.queueing.distributions` counts it exactly for teams of every usual size.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from dialer.pacing.base import DialDecision, Floor
from dialer.pacing.manual import progressive
from dialer.queueing.distributions import poisson_binomial_tail
from dialer.queueing.errors import OutOfDomain
from dialer.queueing.estimators import Estimates
from dialer.queueing.times import RING_GRID_S, RING_STEP_S, Times

Floats = npt.NDArray[np.float64]

QUANTILES = 5
_AHEAD = 16  # candidates examined at a time
_TALK_ROWS = 1801  # ages 0..1800 s by the second
_WRAP_ROWS = 601  # ages 0..600 s by the second
_P_MAX = 0.999
# Risks closer than the rounding of the transform are equal; without it psi = 0 would refuse a certain service.
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Tables:
    """What one set of times says at the five ring times h: one row per age, one column per h."""

    times: Times
    threshold_s: float
    free: Floats  # P(free by h + threshold): talking by the second, then in wrap-up by the second
    gained: Floats  # F(age + h) - F(age), F the distribution of the time to a live answer, by the half second
    left: Floats  # 1 - F(age), shape (ages, 1)
    left_other: Floats  # 1 - G(age), G of the time to any other end, shape (ages, 1)


class PredictivePacer:
    """The rule above. `psi` is the price of an abandonment; the regulator moves it between decisions."""

    looks_every_s: ClassVar[float] = 0.5  # ringing lines and conversations grow older

    __slots__ = ("_tables", "psi")

    def __init__(self, psi: float) -> None:
        if not 0.0 <= psi < 1.0:
            raise OutOfDomain(f"psi: expected a probability in [0, 1), found {psi!r}")
        self.psi = psi
        self._tables: _Tables | None = None

    def decide(self, floor: Floor) -> DialDecision:
        """Answer how many candidates the rule admits now; progressive when there are no estimates."""
        estimates = floor.estimates
        if estimates is None:
            return progressive(floor, limited_by="estimates", wanted=0)
        agents_free_at_most = floor.ready - floor.queued + len(floor.talking_ages) + len(floor.wrap_ages)
        if agents_free_at_most <= 0:
            return self._answer(floor, estimates, 0, 1.0, "no_agents")
        calls, risk = _admit(floor, estimates, self._tables_of(estimates, floor), self.psi + _ROUNDING)
        return self._answer(floor, estimates, calls, risk, "wanted")

    def p_short(self, floor: Floor, calls: int, spare: int) -> float:
        """Give P(more than `spare` people find no agent) of those waiting, of the calls in flight and of `calls` more.

        At the worst of the ring times: P(C(h) - A(h) > spare). Answers that come together are abandoned together, which
        a probability per answer does not show.
        """
        estimates = floor.estimates
        in_flight = len(floor.unanswered_ages) + calls
        most = floor.queued + floor.answered + in_flight
        if estimates is None:
            return 0.0
        # A floor far from its limit is not counted: beyond six standard deviations of the answers nothing is left.
        mean = max(estimates.p_nodes[-1][0], *floor.p_unanswered, floor.p_next or 0.0) * in_flight
        if spare >= min(most, floor.queued + floor.answered + mean + 6.0 * sqrt(mean) + 6.0):
            return 0.0
        tables = self._tables_of(estimates, floor)
        scale, weights = _nodes(estimates)
        p_answers = _answers(floor, estimates, tables, scale)
        new = np.broadcast_to(1.0 - p_answers, (calls, len(p_answers)))
        trials = np.concatenate([_trials(floor, estimates, tables, scale), new])
        enough = poisson_binomial_tail(trials, most - floor.ready - spare, 1)
        return float((1.0 - enough.reshape(QUANTILES, -1) @ weights).max())

    def _tables_of(self, estimates: Estimates, floor: Floor) -> _Tables:
        tables = self._tables
        if tables is None or tables.times is not estimates.times or tables.threshold_s != floor.threshold_s:
            tables = self._tables = _build(estimates.times, floor.threshold_s)
        return tables

    def _answer(self, floor: Floor, estimates: Estimates, calls: int, risk: float, limited_by: str) -> DialDecision:
        return DialDecision(
            calls=calls,
            reserve=False,
            limited_by=limited_by,
            wanted=calls,
            terms=(
                ("psi", self.psi),
                ("risk_of_next", risk),
                ("ready", float(floor.ready)),
                ("queued", float(floor.queued)),
                ("talking", float(len(floor.talking_ages))),
                ("wrap_up", float(len(floor.wrap_ages))),
                ("departing", float(floor.departing)),
                ("in_flight", float(len(floor.unanswered_ages) + floor.answered)),
                ("p_live", estimates.p_live),
                ("p_live_low", estimates.p_nodes[0][0]),
                ("p_live_high", estimates.p_nodes[-1][0]),
                ("p_next", estimates.p_live if floor.p_next is None else floor.p_next),
            ),
        )


def _admit(floor: Floor, estimates: Estimates, tables: _Tables, psi: float) -> tuple[int, float]:
    """Count the candidates whose risk is at most `psi`, and give the risk of the next one.

    The count ends `_AHEAD` beyond what lines, calls per second and leads leave: more could not be started anyhow.
    """
    scale, node_weights = _nodes(estimates)
    # Weight of each (h, node): the candidate is one that is answered, which is likelier where p is high.
    weights = np.tile(node_weights * scale / QUANTILES, QUANTILES)
    weights /= weights.sum()
    p_answers = _answers(floor, estimates, tables, scale)
    trials = _trials(floor, estimates, tables, scale)
    # The j-th candidate before this one that is answered takes one more agent: served iff successes >= needed + j.
    needed = 1 + len(floor.unanswered_ages) + floor.answered + floor.queued - floor.ready

    def risks(admitted: int, count: int) -> Iterator[float]:
        """Give the risks of the `count` candidates that follow the first `admitted`."""
        counted = np.broadcast_to(1.0 - p_answers, (admitted, len(p_answers)))
        tail = poisson_binomial_tail(np.concatenate([trials, counted]), needed + admitted, count)
        for _ in range(count):
            yield 1.0 - float(weights @ tail[:, 0])
            tail = tail[:, :-1] + p_answers[:, None] * (tail[:, 1:] - tail[:, :-1])

    for admitted, risk in enumerate(risks(0, _AHEAD)):
        if risk > psi:
            return admitted, risk
    low = _AHEAD
    most = low + max(0, min(floor.lines_free, floor.calls_allowed, floor.leads))
    last_risk = next(risks(most, 1))
    if last_risk <= psi:
        return most, last_risk
    # The risk grows from each candidate to the next, and an idle floor may take hundreds: halve, do not walk.
    high = most
    while high - low > _AHEAD:
        middle = (low + high) // 2
        low, high = (low, middle) if next(risks(middle, 1)) > psi else (middle + 1, high)
    for admitted, risk in enumerate(risks(low, high - low), low):
        if risk > psi:
            return admitted, risk
    return high, next(risks(high, 1))


def _nodes(estimates: Estimates) -> tuple[Floats, Floats]:
    """Give the nodes of p over its mean, and their weights."""
    nodes = np.array(estimates.p_nodes)
    return nodes[:, 0] / estimates.p_live, nodes[:, 1]


def _answers(floor: Floor, estimates: Estimates, tables: _Tables, scale: Floats) -> Floats:
    """Give P(live answer within h) = p F(h) of a call placed now, for each (h, node)."""
    p_next = estimates.p_live if floor.p_next is None else floor.p_next
    return np.asarray((tables.gained[0][:, None] * np.minimum(p_next * scale, _P_MAX)[None, :]).ravel())


def _trials(floor: Floor, estimates: Estimates, tables: _Tables, scale: Floats) -> Floats:
    """Give P(success) of each agent (comes free) and call (is no live answer), shape (trials, QUANTILES * nodes)."""
    nodes = len(scale)
    talking = _nearest(floor.talking_ages, 1.0, _TALK_ROWS)
    wrapping = _TALK_ROWS + _nearest(floor.wrap_ages, 1.0, _WRAP_ROWS)
    free = tables.free[np.concatenate([talking, wrapping])] * estimates.p_return
    parts = [free if nodes == 1 else np.repeat(free, nodes, axis=1)]
    if floor.unanswered_ages:
        picked = _nearest(floor.unanswered_ages, RING_STEP_S, len(RING_GRID_S))
        p = np.full(len(picked), estimates.p_live) if not floor.p_unanswered else np.array(floor.p_unanswered)
        p = np.minimum(p[:, None] * scale[None, :], _P_MAX)
        left = p * tables.left[picked] + (1.0 - p) * tables.left_other[picked]
        gained = p[:, None, :] * tables.gained[picked][:, :, None]
        answered = np.divide(gained, left[:, None, :], out=np.zeros_like(gained), where=left[:, None, :] > 0.0)
        parts.append(1.0 - answered.reshape(len(picked), -1))
    if floor.answered:
        parts.append(np.full((floor.answered, QUANTILES * nodes), 1.0 - estimates.p_live_if_answered))
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


def _nearest(ages: tuple[float, ...], step_s: float, rows: int) -> npt.NDArray[np.int64]:
    """Give the row of a table by `step_s` that lies nearest to each age, the last one for all beyond."""
    positions = np.array(ages, dtype=np.float64) / step_s + 0.5
    return np.minimum(positions, rows - 1.0).astype(np.int64)


def _build(times: Times, threshold_s: float) -> _Tables:
    ring_times = times.ring_quantiles(QUANTILES)
    free_by = ring_times + threshold_s
    reached = np.interp(RING_GRID_S[:, None] + ring_times[None, :], RING_GRID_S, times.live_cdf)
    return _Tables(
        times=times,
        threshold_s=threshold_s,
        free=np.concatenate(
            [
                times.p_free_from_talk(np.arange(_TALK_ROWS), free_by),
                times.p_free_from_wrap(np.arange(_WRAP_ROWS), free_by),
            ]
        ),
        gained=reached - times.live_cdf[:, None],
        left=1.0 - times.live_cdf[:, None],
        left_other=1.0 - times.other_cdf[:, None],
    )
