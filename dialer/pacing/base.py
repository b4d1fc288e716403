"""What a pacer may see, what it answers, and the limits that hold for every pacing mode.

One rule governs this module: a pacer is a function of the floor it is handed. Whatever it wants, `constrain` cuts it to
the lines, the calls per second and the leads there are, and names the one that bound. A floor that contradicts itself
is shown to no pacer: `ask` then answers reserved calls at most, and says why.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import inf
from operator import itemgetter
from typing import Protocol

import numpy as np

from dialer.queueing.estimators import Estimates
from dialer.queueing.times import Times

_ROUNDING = 1e-9
_CALLS = itemgetter(1)  # of a bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What a campaign has counted since the engine started; it never falls."""

    dials: int = 0
    finished: int = 0  # calls that are over
    live: int = 0  # live answers
    machines: int = 0
    connects: int = 0
    abandoned: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """The agents and calls of one campaign at one instant.

    Ages are in seconds and need no order. A call that holds a reserved agent appears nowhere here except through
    `agents`: it can neither be abandoned nor serve another caller.
    """

    now: float
    ready: int  # agents ready, not reserved
    talking_ages: tuple[float, ...]  # seconds since the connect; agents with an announced departure are left out
    wrap_ages: tuple[float, ...]  # seconds since the release; agents with an announced departure are left out
    unanswered_ages: tuple[float, ...]  # seconds since PlaceCall: in flight, not answered, no reserved agent
    answered: int  # picked up, not yet known live or machine, no reserved agent
    queued: int  # live answers waiting for an agent
    agents: int  # logged in and not paused: ready + reserved + talking + wrap-up
    lines_free: int
    calls_allowed: int  # calls-per-second tokens left now
    leads: int  # leads that can be dialed now, of which the list may hold many more
    threshold_s: float  # grace of the abandonment policy
    estimates: Estimates | None  # None: nothing measured
    p_unanswered: tuple[float, ...] = ()  # p_live of each call of unanswered_ages; empty: the estimates' own for all
    p_next: float | None = None  # p_live of the lead that would be dialed next; None: the estimates' own
    departing: int = (
        0  # busy agents whose pause or log-out is announced; they are in neither talking_ages nor wrap_ages
    )
    totals: Totals = Totals()


@dataclass(frozen=True, slots=True, kw_only=True)
class DialDecision:
    """How many calls to start now, and why.

    `limited_by` is `wanted` when nothing cut the pacer's own answer; else what did: `lines`, `calls_per_second`,
    `leads`, `no_agents`, `budget`, `guard`, `estimates`, `infeasible`, `store_slow`, `store_stalled`, `floor`.
    `runner_up` is the bound that would come next, with the calls it would allow. `terms` are the numbers behind the
    answer in a fixed order.
    """

    calls: int
    reserve: bool  # each call must hold a reserved agent
    limited_by: str
    wanted: int
    runner_up: tuple[str, int] | None = None
    terms: tuple[tuple[str, float], ...] = ()


class Pacer(Protocol):
    """One pacing mode."""

    @property
    def looks_every_s(self) -> float | None:
        """How often it must be asked while nothing happens, in seconds; None: only after events."""
        ...

    def decide(self, floor: Floor) -> DialDecision:
        """Answer how many calls this mode would start now, before lines, leads and governor have their say."""
        ...


def ask(pacer: Pacer, floor: Floor) -> DialDecision:
    """Give the pacer's answer, cut to the limits of every mode.

    Where the floor contradicts itself, the answer is one call per ready agent, who is reserved for it, as far as the
    counts can be read so; the fault is the name of its one term.
    """
    why = fault(floor)
    if why is None:
        return constrain(pacer.decide(floor), floor)
    in_flight = len(floor.unanswered_ages) + max(floor.answered, 0)
    calls = max(0, min(floor.ready, floor.agents) - max(floor.queued, 0) - in_flight)
    return constrain(DialDecision(calls=calls, reserve=True, limited_by="floor", wanted=0, terms=((why, 1.0),)), floor)


def fault(floor: Floor) -> str | None:
    """Say in what a floor contradicts itself or the nature of its values; None for a floor that may be true.

    Costs some 5 us for 100 agents and 300 calls: a sum finds what is not a number, a minimum what is negative, and the
    tables of times, which live for seconds, are looked at once.
    """
    if min(floor.ready, floor.answered, floor.queued, floor.agents, floor.departing) < 0:
        return "a count is negative"
    busy = len(floor.talking_ages) + len(floor.wrap_ages) + floor.departing
    if floor.ready + busy > floor.agents:
        return f"{floor.ready} ready and {busy} busy of {floor.agents} agents"
    for name, ages in (
        ("talking", floor.talking_ages),
        ("wrap-up", floor.wrap_ages),
        ("unanswered", floor.unanswered_ages),
    ):
        if ages and not (min(ages) >= 0.0 and sum(ages) < inf):
            return f"an age of {name} is negative or not finite"
    if not 0.0 <= floor.threshold_s < inf:
        return f"the threshold is {floor.threshold_s} s"
    if floor.p_unanswered and not (
        len(floor.p_unanswered) == len(floor.unanswered_ages)
        and min(floor.p_unanswered) >= 0.0
        and max(floor.p_unanswered) <= 1.0
        and sum(floor.p_unanswered) < inf
    ):
        return "the answer probabilities of the calls in flight are not one probability for each"
    if floor.p_next is not None and not 0.0 <= floor.p_next <= 1.0:
        return f"the answer probability of the next call is {floor.p_next}"
    return None if floor.estimates is None else _fault_of_estimates(floor.estimates)


def _fault_of_estimates(estimates: Estimates) -> str | None:
    for name, p in (
        ("p_live", estimates.p_live),
        ("p_live_if_answered", estimates.p_live_if_answered),
        ("p_return", estimates.p_return),
    ):
        if not 0.0 <= p <= 1.0:
            return f"{name} is estimated as {p}"
    for p, weight in estimates.p_nodes:
        if not (0.0 <= p <= 1.0 and 0.0 <= weight < inf):
            return "the distribution of p_live is none"
    if estimates.p_live == 0.0:
        return "p_live is estimated as 0"
    return _fault_of_times(estimates.times)


@lru_cache(maxsize=64)
def _fault_of_times(times: Times) -> str | None:
    """Say what is wrong with tables of times; they compare by identity, so each is looked at once."""
    for name in ("live_cdf", "other_cdf", "talk_cdf", "wrap_cdf"):
        cdf = getattr(times, name)
        # A comparison with NaN is false: no more is needed to find one.
        if not (
            len(cdf) and np.all(cdf >= 0.0) and np.all(cdf <= 1.0 + _ROUNDING) and np.all(np.diff(cdf) >= -_ROUNDING)
        ):
            return f"{name} is not a distribution"
    for name in ("mean_live_s", "mean_other_s", "mean_talk_s", "mean_wrap_s"):
        if not 0.0 <= getattr(times, name) < inf:
            return f"{name} is {getattr(times, name)}"
    return None


def constrain(decision: DialDecision, floor: Floor) -> DialDecision:
    """Cut `decision` to lines, calls per second and leads; name the tightest (in this order when they tie)."""
    bounds = [(decision.limited_by, decision.calls)]
    if decision.runner_up is not None:
        bounds.append(decision.runner_up)
    bounds += [
        ("lines", max(floor.lines_free, 0)),
        ("calls_per_second", max(floor.calls_allowed, 0)),
        ("leads", max(floor.leads, 0)),
    ]
    # The sort is stable: of equal bounds the first stays first, the pacer's own before all others.
    bounds.sort(key=_CALLS)
    (limited_by, calls), runner_up = bounds[0], bounds[1]
    return DialDecision(
        calls=calls,
        reserve=decision.reserve,
        limited_by=limited_by,
        wanted=decision.wanted,
        runner_up=runner_up,
        terms=decision.terms,
    )
