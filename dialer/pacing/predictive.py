"""Predictive pacing: the engine chooses how many calls to start, also for agents about to come free.

One rule governs this module: dial one more number iff the probability that *that* call would be abandoned is at most
`psi`. For a candidate dialed now and answered after ring time h,

    A(h) = ready - queued + sum over busy agents  Bernoulli(P(free by h + threshold | elapsed))
    C(h) = sum over calls in flight               Bernoulli(P(live answer by h | age))
    P(served) = mean over h of P(A(h) - C(h) >= 1)

with h at five quantiles of the time to a live answer. Admitted candidates join C at age 0. The distribution of A - C is
exact (`dialer.queueing.distributions`) for every team size: it is one Poisson-binomial, because the lines that are
*not* answered count like agents that come free.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from dialer.pacing.base import DialDecision, Floor
from dialer.pacing.manual import progressive
from dialer.queueing.distributions import binomials, poisson_binomial
from dialer.queueing.errors import OutOfDomain
from dialer.queueing.estimators import Estimates

Floats = npt.NDArray[np.float64]

QUANTILES = 5
_CHUNK = 64  # candidates examined at once
_TALK_ROWS = 1801  # ages 0..1800 s by the second
_WRAP_ROWS = 601  # ages 0..600 s by the second
_RING_ROWS = 241  # ages 0..120 s by the half second
_WRAP_AT = _TALK_ROWS
_RING_AT = _WRAP_AT + _WRAP_ROWS
_ANSWERED_AT = _RING_AT + _RING_ROWS
# Risks closer than the rounding of the transform are equal; without it psi = 0 would refuse a certain service.
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Tables:
    """What one set of estimates says at the five ring times: one row per kind and age, one column per ring time."""

    estimates: Estimates
    threshold_s: float
    agent_rows: Floats  # the first of `rows`, which say P(free)
    rows: Floats  # P(free) for agents, P(not a live answer) for calls
    candidates: Floats  # [k, q * _CHUNK + j] = P(j of k candidates are live answers by h_q) / QUANTILES
    chunk: Floats  # [q, j] = P(j of _CHUNK candidates are live answers by h_q)


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
            return self._answer(floor, 0, 1.0, "no_agents")
        tables = self._tables
        if tables is None or tables.estimates is not estimates or tables.threshold_s != floor.threshold_s:
            tables = self._tables = _build(estimates, floor.threshold_s, tables)
        calls, risk = _admit(floor, tables, self.psi + _ROUNDING)
        return self._answer(floor, calls, risk, "wanted")

    def _answer(self, floor: Floor, calls: int, risk: float, limited_by: str) -> DialDecision:
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
                ("busy", float(len(floor.talking_ages) + len(floor.wrap_ages))),
                ("in_flight", float(len(floor.unanswered_ages) + floor.answered)),
                ("p_live", floor.estimates.p_live if floor.estimates else 0.0),
            ),
        )


def _admit(floor: Floor, tables: _Tables, psi: float) -> tuple[int, float]:
    """Count the candidates whose risk is at most `psi`, and give the risk of the first that is refused."""
    picked = [min(int(age + 0.5), _TALK_ROWS - 1) for age in floor.talking_ages]
    picked += [_WRAP_AT + min(int(age + 0.5), _WRAP_ROWS - 1) for age in floor.wrap_ages]
    picked += [_RING_AT + min(int(2.0 * age + 0.5), _RING_ROWS - 1) for age in floor.unanswered_ages]
    picked += [_ANSWERED_AT] * floor.answered
    in_flight = len(floor.unanswered_ages) + floor.answered
    # The j-th candidate before this one that is answered takes one more agent: served iff successes >= needed + j.
    needed = 1 + in_flight + floor.queued - floor.ready
    tail = _tail(tables.rows[picked], needed)
    admitted = 0
    while True:
        risk = 1.0 - tables.candidates[0] @ tail[:, :_CHUNK].ravel()
        if risk > psi:
            return admitted, float(risk)
        risks = 1.0 - tables.candidates @ tail[:, :_CHUNK].ravel()
        refused = risks > psi
        if refused.any():
            first = int(refused.argmax())
            return admitted + first, float(risks[first])
        admitted += _CHUNK
        tail = _shift(tail, tables.chunk)


def _tail(p: Floats, needed: int) -> Floats:
    """Give P(successes >= needed + j) at each ring time, shape (QUANTILES, j); j covers a chunk past the last count."""
    trials = len(p)
    width = max(trials + 1 - needed, 1) + _CHUNK
    tail = np.zeros((QUANTILES, width))
    sure = min(max(1 - needed, 0), width)  # nothing needed: certain
    tail[:, :sure] = 1.0
    if trials and needed <= trials:
        reached = poisson_binomial(p)[:, ::-1].cumsum(axis=1)[:, ::-1]  # P(successes >= 0..n)
        first = max(needed, 1)
        tail[:, sure : sure + trials + 1 - first] = reached[:, first:]
    return tail


def _shift(tail: Floats, chunk: Floats) -> Floats:
    """Give the tail after a whole chunk of candidates was admitted."""
    width = tail.shape[1]
    shifted = np.zeros_like(tail)
    for live in range(_CHUNK + 1):
        shifted[:, : width - live] += chunk[:, live : live + 1] * tail[:, live:]
    return shifted


def _build(estimates: Estimates, threshold_s: float, last: _Tables | None) -> _Tables:
    times = estimates.times
    ring_times = times.ring_quantiles(QUANTILES)
    free_by = ring_times + threshold_s
    counts = binomials(_CHUNK, times.live_within(estimates.p_live, [0.0], ring_times)[0])
    if last is not None and last.estimates.times is times and last.threshold_s == threshold_s:
        agent_rows = last.agent_rows
    else:
        agent_rows = np.concatenate(
            [
                times.p_free_from_talk(np.arange(_TALK_ROWS), free_by),
                times.p_free_from_wrap(np.arange(_WRAP_ROWS), free_by),
            ]
        )
    rows = np.concatenate(
        [
            agent_rows,
            1.0 - times.live_within(estimates.p_live, np.arange(_RING_ROWS) * 0.5, ring_times),
            np.full((1, QUANTILES), 1.0 - estimates.p_live_if_answered),
        ]
    )
    return _Tables(
        estimates=estimates,
        threshold_s=threshold_s,
        agent_rows=agent_rows,
        rows=rows,
        candidates=np.ascontiguousarray(counts[:_CHUNK, :, :_CHUNK]).reshape(_CHUNK, -1) / QUANTILES,
        chunk=np.ascontiguousarray(counts[_CHUNK]),
    )
