"""Shadow mode: another pacing policy runs beside a campaign, on a twin of its floor, and says what it would have done.

The real campaign's news become courses that the twin's virtual calls follow; the agents present are the same.

One rule governs: nothing here is read by anything that decides. The only command given is the report, and the engine
keeps no deadline for it: the twin catches up at each event of the campaign.
"""

from dataclasses import dataclass, field, replace

from dialer.domain.agent import Agent, AgentState
from dialer.domain.call import Call, CallState
from dialer.domain.commands import RecordShadow
from dialer.domain.outcome import Outcome
from dialer.domain.policy import CampaignPolicy, ShadowPolicy
from dialer.domain.records import ShadowReport
from dialer.engine.campaign import Campaign, Counts, new_campaign
from dialer.engine.state import State
from dialer.pacing.base import Floor
from dialer.pacing.bucket import Bucket
from dialer.pacing.shadow import Course, Courses, Figures
from dialer.pacing.twin import Conditions, Twin

STARTS_AFTER = 20
"""Dials that have to be resolved before the twin starts; the governor asks for as many."""
TELL_EVERY_S = 900.0

_WORK = (AgentState.TALKING, AgentState.WRAP_UP)
_JOINING = (AgentState.READY, AgentState.RESERVED)


@dataclass(slots=True, kw_only=True)
class Shadow:
    """What is kept of a campaign's shadow. The instants are of its campaign's events."""

    policy: CampaignPolicy
    shadow: ShadowPolicy
    floor: Floor | None = None  # as the real pacer saw it last
    twin: Twin | None = None  # None: warming up
    since_at: float | None = None
    real: Figures = field(default_factory=Figures)
    dials: Courses = field(default_factory=Courses)
    conversations: Courses = field(default_factory=Courses)
    placed: dict[int, Course] = field(default_factory=dict)  # by call id, until resolved
    joined: dict[int, Course] = field(default_factory=dict)  # by call id, until the wrap-up is over
    resolved: int = 0
    counted: tuple[int, int, int, int] = (0, 0, 0, 0)  # of the real counts, at the last look
    staff: dict[str, None] = field(default_factory=dict)  # agents who were on both floors
    busy: int = 0  # of the staff, at the last look
    idle: int = 0
    looked_at: float = 0.0
    told_at: float = 0.0
    is_dialing: bool = False


def on_placed(campaign: Campaign, call_id: int, now: float) -> None:
    """Begin the course of a real call."""
    shadow = campaign.shadow
    if shadow is not None:
        _catch_up(shadow, now)
        course = shadow.placed[call_id] = Course(now)
        shadow.dials.add(course)


def on_step(campaign: Campaign, before: Call, call: Call, now: float) -> None:
    """Learn from a change of a real call."""
    shadow = campaign.shadow
    if shadow is None:
        return
    course = shadow.placed.get(call.call_id)
    if course is not None:
        if call.attempt.is_live:
            _resolve(shadow, call, "live", now, (now if call.deadline_at is None else call.deadline_at) - now)
        elif call.attempt.outcome is not None:
            _resolve(shadow, call, "machine" if call.attempt.outcome is Outcome.MACHINE else "ended", now)
        elif call.state is CallState.ANSWERED and before.state is not CallState.ANSWERED:
            course.learn("answered", now)
    if call.state is CallState.CONNECTED and before.state is not CallState.CONNECTED:
        _catch_up(shadow, now)
        talk = shadow.joined[call.call_id] = Course(before.since_at)
        talk.learn("joined", now)
        shadow.conversations.add(talk)
    elif call.state is CallState.OVER and call.call_id in shadow.joined:
        shadow.joined[call.call_id].learn("talked", now)


def on_wrapped_up(state: State, agent: Agent, now: float) -> None:
    """Learn from the end of a real wrap-up; `agent` is as it was before."""
    shadow = None if agent.campaign is None else state.campaigns[agent.campaign].shadow
    if shadow is not None and agent.call_id in shadow.joined:
        shadow.joined.pop(agent.call_id).learn("wrapped up", now)


def show(campaign: Campaign, floor: Floor) -> None:
    """Let the shadow see what the real pacer sees."""
    if campaign.shadow is not None:
        campaign.shadow.floor = floor


def follow(state: State, campaign: Campaign, now: float) -> None:
    """Bring the twin to `now`, put it into the conditions of now, and report when it is time."""
    policy = campaign.policy
    if policy.pacing.shadow is None:
        campaign.shadow = None
        return
    shadow = campaign.shadow
    if shadow is None or _basis(shadow.policy) != _basis(policy):
        shadow = campaign.shadow = Shadow(policy=policy, shadow=policy.pacing.shadow, looked_at=now, told_at=now)
    shadow.policy = policy
    is_dialing = campaign.is_dialing and not state.is_draining
    if shadow.twin is None:
        _start(state, campaign, shadow, now)
    if shadow.twin is not None:
        shadow.twin.advance(now)
        _watch(state, campaign, shadow, now)
        before = shadow.twin.conditions
        after = shadow.twin.conditions = _conditions(state, campaign, shadow, before.floor, now)
        # Most real events change nothing for the twin, which has looked at its own instants up to now.
        if _attend(state, campaign, shadow, shadow.twin, now) or _limits(before) != _limits(after):
            shadow.twin.settle(now)
        if now - shadow.told_at >= TELL_EVERY_S or (shadow.is_dialing and not is_dialing):
            shadow.told_at = now
            state.out.append(RecordShadow(report=report(campaign, shadow)))
    shadow.is_dialing = is_dialing


def report(campaign: Campaign, shadow: Shadow) -> ShadowReport:
    """Put both floors side by side, as of the campaign's last event."""
    twin, at = Figures() if shadow.twin is None else shadow.twin.figures, shadow.looked_at
    return ShadowReport(
        campaign=campaign.name,
        at=at,
        since_at=shadow.since_at,
        mode=shadow.policy.pacing.mode,
        shadow=shadow.shadow.name,
        resolved=shadow.resolved,
        real=shadow.real.all(),
        twin=twin.all(),
        real_hour=shadow.real.last_hour(at),
        twin_hour=twin.last_hour(at),
    )


def _catch_up(shadow: Shadow, now: float) -> None:
    """Let the twin live up to the beginning of a course, so that no virtual call begins before the real one."""
    if shadow.twin is not None:
        shadow.twin.advance(now)


def _resolve(shadow: Shadow, call: Call, what: str, now: float, left_s: float = 0.0) -> None:
    shadow.placed.pop(call.call_id).learn(what, now, left_s)
    shadow.resolved += 1


def _basis(policy: CampaignPolicy) -> tuple[object, ...]:
    """Give what the figures rest on: under another policy they begin anew."""
    return (policy.pacing, policy.abandonment, policy.agents)


def _start(state: State, campaign: Campaign, shadow: Shadow, now: float) -> None:
    """Start the twin, with the budget as it stands, once there is something to live on."""
    if shadow.floor is None or shadow.resolved < STARTS_AFTER or not len(shadow.conversations):
        return
    pacing = replace(campaign.policy.pacing, mode=shadow.shadow.mode, ratio=shadow.shadow.ratio, shadow=None)
    as_if = new_campaign(replace(campaign.policy, pacing=pacing), campaign.budget.snapshot())
    check = campaign.policy.abandonment.machine_check
    shadow.twin = Twin(
        pacer=as_if.pacer,
        governor=as_if.governor,
        regulator=as_if.regulator,
        budget=as_if.budget,
        bucket=Bucket(rate=state.bucket.rate),
        rules=campaign.policy.agents,
        p_person=None if check is None else check[0] / check[1],
        conditions=_conditions(state, campaign, shadow, shadow.floor, now),
        dials=shadow.dials,
        conversations=shadow.conversations,
        moved_at=now,
    )
    shadow.since_at = shadow.looked_at = shadow.told_at = now
    shadow.counted = _counted(campaign.counts)


def _conditions(state: State, campaign: Campaign, shadow: Shadow, floor: Floor, now: float) -> Conditions:
    lines = state.lines - (len(state.calls) - len(campaign.calls))
    if campaign.policy.pacing.lines is not None:
        lines = min(lines, campaign.policy.pacing.lines)
    return Conditions(
        floor=replace(shadow.floor or floor, leads=len(campaign.hopper)),
        lines=lines,
        is_dialing=campaign.is_dialing and not state.is_draining,
        closes_at=min(campaign.gate.closes_at(now), state.ends_at),
        open_leads=campaign.open_leads,
    )


def _watch(state: State, campaign: Campaign, shadow: Shadow, now: float) -> None:
    """Add what the real floor did since the last look."""
    tally = shadow.real.at(now)
    passed_s, counted = max(0.0, now - shadow.looked_at), _counted(campaign.counts)
    dials, live, connects, abandoned = (new - old for new, old in zip(counted, shadow.counted, strict=True))
    tally.dials += dials
    tally.live += live
    tally.connects += connects
    tally.abandoned += abandoned
    tally.busy_s += shadow.busy * passed_s
    tally.idle_s += shadow.idle * passed_s
    shadow.looked_at, shadow.counted = now, counted


def _limits(conditions: Conditions) -> tuple[bool, bool, int]:
    return conditions.is_dialing, conditions.floor.leads > 0, conditions.lines


def _attend(state: State, campaign: Campaign, shadow: Shadow, twin: Twin, now: float) -> bool:
    """Let the twin have the agents of the real floor, each from the first moment without a conversation on.

    Give whether any came, left or announced a departure.
    """
    present: dict[str, bool] = {}
    busy = idle = 0
    for agent_id in campaign.agents:
        agent = state.agents[agent_id]
        if agent.state in _JOINING:
            shadow.staff[agent_id] = None
        if agent_id in shadow.staff:
            present[agent_id] = agent.owed is not None
            is_busy = agent.state in _WORK
            busy += is_busy
            idle += not is_busy
    shadow.busy, shadow.idle = busy, idle
    return twin.attend(present, state.work, now)


def _counted(counts: Counts) -> tuple[int, int, int, int]:
    return counts.dials, counts.live, counts.connects, counts.abandoned
