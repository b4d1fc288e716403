"""What a pacer may see of a campaign: its agents and calls at this instant, and what was learned of them.

One rule governs: this is the hot path, asked several times a second over every agent and call.
"""

from math import floor

from dialer.domain.agent import AgentState
from dialer.domain.call import CallState
from dialer.engine.campaign import Campaign
from dialer.engine.state import State
from dialer.pacing.base import Floor, Totals
from dialer.queueing.estimators import Estimates

_AWAY_S = 10.0  # half of all people have answered by then
_GRAIN_S = 0.25  # finer steps of the threshold would only make the pacer rebuild its tables
# A member of an enumeration costs more to find than all else that is asked of an agent or a call.
_READY, _TALKING, _RESERVED = AgentState.READY, AgentState.TALKING, AgentState.RESERVED
_PLACED, _RINGING, _ANSWERED = CallState.PLACED, CallState.RINGING, CallState.ANSWERED


def look(state: State, campaign: Campaign, now: float) -> Floor:
    """Show the pacer what it may see of the campaign."""
    ready, busy, talking, wrapping, departing, away = _agents(state, campaign, now)
    # The ages of all, also of those who will not come back: what they do tells how long the others will take.
    estimates = campaign.learner.snapshot(now, talking + departing[0], wrapping + departing[1] + away)
    unanswered, p_unanswered, answered = _calls(state, campaign, estimates, now)
    lines_free = state.lines - len(state.calls)
    if campaign.policy.pacing.lines is not None:
        lines_free = min(lines_free, campaign.policy.pacing.lines - len(campaign.calls))
    if now < campaign.refused_until_at:
        lines_free = 0
    p_next = None
    if estimates.p_by_group and len(campaign.hopper):
        p_next = estimates.p_of(campaign.hopper.first().segment)
    counts = campaign.counts
    return Floor(
        now=now,
        ready=ready,
        talking_ages=tuple(talking),
        wrap_ages=tuple(wrapping),
        unanswered_ages=tuple(unanswered),
        answered=answered,
        queued=len(campaign.queue),
        agents=ready + busy,
        lines_free=lines_free,
        calls_allowed=state.bucket.allowed(now),
        leads=len(campaign.hopper),
        # An agent is in time until the threshold has passed from the clock's start, which is later than the answer.
        threshold_s=campaign.policy.abandonment.threshold_s + floor(campaign.clock_delay_s / _GRAIN_S) * _GRAIN_S,
        estimates=estimates,
        p_unanswered=tuple(p_unanswered),
        p_next=p_next,
        departing=len(departing[0]) + len(departing[1]),
        totals=Totals(
            dials=counts.dials,
            finished=counts.finished,
            live=counts.live,
            machines=counts.machines,
            connects=counts.connects,
            abandoned=counts.abandoned,
        ),
    )


def _agents(
    state: State, campaign: Campaign, now: float
) -> tuple[int, int, list[float], list[float], tuple[list[float], list[float]], list[float]]:
    """Give how many are ready and busy, and the ages of talk and wrap-up: of all, of who leaves, and of long rests.

    A rest to keep the occupancy limit is no wrap-up about to end: the engine itself has set when it will.
    """
    away_s = max(_AWAY_S, campaign.policy.agents.min_gap_s)
    away: list[float] = []
    ready = busy = 0
    stay: tuple[list[float], list[float]] = ([], [])
    leave: tuple[list[float], list[float]] = ([], [])
    for agent in map(state.agents.__getitem__, campaign.agents):
        at = agent.state
        if at is _READY and agent.rests_until_at <= now:
            ready += 1
            continue
        busy += 1
        kind = stay if agent.owed is None else leave
        if at is _TALKING:
            kind[0].append(now - agent.since_at)
        elif at is _READY and agent.owed is None and agent.rests_until_at - now > away_s:
            away.append(now - agent.released_at)
        elif at is not _RESERVED:  # in wrap-up, or resting after it
            kind[1].append(now - agent.released_at)
    return ready, busy, *stay, leave, away


def _calls(state: State, campaign: Campaign, estimates: Estimates, now: float) -> tuple[list[float], list[float], int]:
    """Give the ages of calls without a reserved agent, how likely each is answered, and how many are picked up."""
    unanswered: list[float] = []
    p_unanswered: list[float] = []
    answered = 0
    has_groups = bool(estimates.p_by_group)
    for call in map(state.calls.__getitem__, campaign.calls):
        at = call.state
        if at is _RINGING or at is _PLACED:
            attempt = call.attempt
            if attempt.is_reserved:
                continue
            unanswered.append(now - attempt.placed_at)
            if has_groups:
                p_unanswered.append(estimates.p_of(state.dialed[call.call_id].lead.segment))
        elif at is _ANSWERED and not call.attempt.is_reserved:
            answered += 1
    return unanswered, p_unanswered, answered
