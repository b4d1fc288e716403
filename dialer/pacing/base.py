"""What a pacer may see, what it answers, and the limits that hold for every pacing mode.

One rule governs this module: a pacer is a function of the floor it is handed. Whatever it wants, `constrain` cuts it to
the lines, the calls per second and the leads there are, and names the one that bound.
"""

from dataclasses import dataclass, replace
from typing import Protocol

from dialer.queueing.estimators import Estimates


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
    `leads`, `no_agents`, `budget`, `guard`, `estimates`, `infeasible`. `runner_up` is the bound that would come next,
    with the calls it would allow. `terms` are the numbers behind the answer in a fixed order.
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
    (limited_by, calls), runner_up = sorted(bounds, key=lambda bound: bound[1])[:2]
    return replace(decision, calls=calls, limited_by=limited_by, runner_up=runner_up)
