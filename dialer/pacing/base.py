"""What a pacer may see, what it answers, and the limits that hold for every pacing mode.

One rule governs this module: a pacer is a function of the floor it is handed. Whatever it wants, `constrain` cuts it to
the lines, the calls per second and the leads there are, and names the one that bound.
"""

from dataclasses import dataclass, replace
from typing import Protocol

from dialer.queueing.estimators import Estimates


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


@dataclass(frozen=True, slots=True, kw_only=True)
class DialDecision:
    """How many calls to start now, and why.

    `limited_by` is `wanted` when nothing cut the pacer's own answer; else what did: `lines`, `calls_per_second`,
    `leads`, `no_agents`, `budget`, `guard`, `estimates`. `terms` are the numbers behind it in a fixed order.
    """

    calls: int
    reserve: bool  # each call must hold a reserved agent
    limited_by: str
    wanted: int
    terms: tuple[tuple[str, float], ...] = ()


class Pacer(Protocol):
    """One pacing mode."""

    def decide(self, floor: Floor) -> DialDecision:
        """Answer how many calls this mode would start now, before lines, leads and governor have their say."""
        ...


def constrain(decision: DialDecision, floor: Floor) -> DialDecision:
    """Cut `decision` to lines, calls per second and leads; name the tightest (in this order when they tie)."""
    calls, limited_by = decision.calls, decision.limited_by
    for limit, name in (
        (floor.lines_free, "lines"),
        (floor.calls_allowed, "calls_per_second"),
        (floor.leads, "leads"),
    ):
        if limit < calls:
            calls, limited_by = max(limit, 0), name
    if calls == decision.calls:
        return decision
    return replace(decision, calls=calls, limited_by=limited_by)
