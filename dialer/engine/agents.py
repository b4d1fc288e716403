"""Agents: their wishes, their states, and their way back to ready.

One rule governs: every change of state goes through `change`, which keeps the span that ended and arms what the
new state needs.
"""

from dataclasses import replace

from dialer.domain.agent import Agent, AgentInput, AgentState, step
from dialer.domain.call import CallState
from dialer.domain.commands import RecordAgentSpan, SeatAgent, UnseatAgent
from dialer.domain.events import AgentLoggedIn, AgentLoggedOut, AgentPauseRequested, AgentReadied
from dialer.domain.records import AgentSpan
from dialer.engine import dispositions, shadowing
from dialer.engine.campaign import Campaign
from dialer.engine.state import State
from dialer.pacing.rest import add_span, rest_s

_EXPECTING = (CallState.PLACED, CallState.RINGING, CallState.ANSWERED, CallState.QUEUED)

AgentWish = AgentLoggedIn | AgentReadied | AgentPauseRequested | AgentLoggedOut


def on_wish(state: State, event: AgentWish, now: float) -> Agent:
    """Apply what an agent asks for; give the agent as it stands afterwards. Who never logged in has no wishes."""
    agent = state.agents.get(event.agent_id)
    match event:
        case AgentLoggedIn():
            if agent is None or agent.state is AgentState.LOGGED_OUT:
                since_at = now if agent is None else agent.since_at
                agent = Agent(agent_id=event.agent_id, groups=event.groups, since_at=since_at)
                state.agents[event.agent_id] = agent
                state.work[event.agent_id] = [(now, now)]
            agent = change(state, agent, AgentInput.LOGGED_IN, now, reason="login")
            return _returned(state, agent, now)
        case _ if agent is None:
            return Agent(agent_id=event.agent_id, groups=())
        case AgentReadied():
            return change(state, agent, AgentInput.READIED, now)
        case AgentPauseRequested():
            return change(state, agent, AgentInput.PAUSED, now, reason=event.reason)
        case AgentLoggedOut():
            return change(state, agent, AgentInput.LOGGED_OUT, now)


def _returned(state: State, agent: Agent, now: float) -> Agent:
    """Give an agent who came back the call that is still up for them since an earlier run."""
    call_id = state.returning.pop(agent.agent_id, None)
    call = None if call_id is None else state.calls.get(call_id)
    if call is None or call.state is not CallState.CONNECTED or agent.state is not AgentState.PAUSED:
        return agent
    agent = assign(state, agent, state.campaigns[call.campaign])
    return change(state, agent, AgentInput.CONNECTED, now, call_id=call_id)


def change(
    state: State, agent: Agent, given: AgentInput, now: float, *, reason: str = "", call_id: int | None = None
) -> Agent:
    """Apply an input to an agent, keep the span that ended, and arm what the new state needs."""
    before = agent
    agent = step(before, given, now, reason=reason, call_id=call_id)
    state.agents[agent.agent_id] = agent
    if agent != before:
        state.touched[agent.agent_id] = None
    if agent.state is before.state:
        return agent
    if before.state is AgentState.LOGGED_OUT:
        state.out.append(SeatAgent(agent_id=agent.agent_id))
    else:
        _keep_span(state, before, now)
    if before.state is AgentState.WRAP_UP:
        if before.owed is None and before.campaign is not None:  # who announced it is not counted on any more
            state.campaigns[before.campaign].learner.observe_return(agent.state is AgentState.READY, now)
        shadowing.on_wrapped_up(state, before, now)
        state.timers.cancel(("wrap_up", agent.agent_id))
        if before.call_id is not None:
            dispositions.on_wrap_up_over(state, before.call_id, now)
    if agent.state is AgentState.WRAP_UP:
        limit_s = state.campaigns[agent.campaign].policy.agents.wrap_up_max_s if agent.campaign else 0.0
        state.timers.set(("wrap_up", agent.agent_id), now + limit_s)
    elif agent.state is AgentState.READY:
        agent = _readied(state, agent, before, now)
    elif agent.state in (AgentState.PAUSED, AgentState.LOGGED_OUT):
        agent = assign(state, agent, None)
    if agent.state is AgentState.LOGGED_OUT:
        state.out.append(UnseatAgent(agent_id=agent.agent_id))
    return agent


def _keep_span(state: State, before: Agent, now: float) -> None:
    if before.is_busy and before.state is not AgentState.RESERVED:
        add_span(state.work[before.agent_id], before.since_at, now)
    span = AgentSpan(
        agent_id=before.agent_id,
        campaign=before.campaign,
        state=before.state,
        reason=before.reason,
        from_at=before.since_at,
        to_at=now,
        call_id=before.call_id,
    )
    state.out.append(RecordAgentSpan(span=span))


def _readied(state: State, agent: Agent, before: Agent, now: float) -> Agent:
    agent = assign(state, agent, _campaign_for(state, agent))
    if before.state is not AgentState.WRAP_UP or before.campaign is None:
        return agent
    campaign = state.campaigns[before.campaign]  # whose call it was, wherever the agent works next
    policy = campaign.policy.agents
    resting_s = rest_s(state.work[agent.agent_id], policy, now)
    campaign.learner.observe_wrap(max(now - before.since_at, 0.0) + resting_s, now)
    if resting_s > 0.0:
        agent = replace(agent, rests_until_at=now + resting_s)
        state.agents[agent.agent_id] = agent
        state.timers.set(("rest", agent.agent_id), now + resting_s)
    return agent


def assign(state: State, agent: Agent, campaign: Campaign | None) -> Agent:
    """Let an agent work for a campaign, or for none. An agent counts for one campaign at a time."""
    name = None if campaign is None else campaign.name
    if agent.campaign != name:
        if agent.campaign is not None:
            state.campaigns[agent.campaign].agents.pop(agent.agent_id, None)
        agent = replace(agent, campaign=name)
        state.agents[agent.agent_id] = agent
        if name is not None:
            state.joined[name] = None
    if campaign is not None:
        campaign.agents[agent.agent_id] = None
    return agent


def _campaign_for(state: State, agent: Agent) -> Campaign | None:
    """Choose the campaign that an agent who is ready works for: of those dialing that have leads, the fewest agents.

    Ties go to the campaign that the agent is with, then by name. Without any, the agent stays where they are, and also
    while a campaign that has nothing more to dial has calls in flight that may need them.
    """
    current = state.campaigns.get(agent.campaign) if agent.campaign is not None else None
    if current is not None and not any(group in agent.groups for group in current.policy.agents.groups):
        current = None
    if current is not None and has_run_dry(current) and _expects_answers(state, current):
        return current
    own = [
        campaign
        for campaign in state.campaigns.values()
        if campaign.is_dialing and any(group in agent.groups for group in campaign.policy.agents.groups)
    ]
    with_leads = [campaign for campaign in own if len(campaign.hopper) or campaign.queue] or own
    if not with_leads:
        return current
    return min(
        with_leads,
        key=lambda campaign: (
            len(campaign.agents) - (agent.agent_id in campaign.agents),
            campaign.name != agent.campaign,
            campaign.name,
        ),
    )


def has_run_dry(campaign: Campaign) -> bool:
    """Nothing is left to dial now, so that its agents may go elsewhere."""
    return not campaign.is_dialing or (campaign.is_exhausted and not len(campaign.hopper))


def _expects_answers(state: State, campaign: Campaign) -> bool:
    """A call is in flight that holds no agent and may still need one."""
    calls = map(state.calls.__getitem__, campaign.calls)
    return any(not call.attempt.is_reserved and call.state in _EXPECTING for call in calls)


def is_available(agent: Agent, now: float) -> bool:
    """Ready, rested and not reserved."""
    return agent.state is AgentState.READY and agent.rests_until_at <= now


def available(state: State, campaign: Campaign, now: float) -> list[Agent]:
    """Give the campaign's agents who may take a call now, the longest ready first."""
    ready = [agent for agent in map(state.agents.__getitem__, campaign.agents) if is_available(agent, now)]
    ready.sort(key=lambda agent: agent.ready_since_at)
    return ready


def reassign(state: State, agent: Agent) -> Agent:
    """Let an agent who is ready choose the campaign again."""
    return assign(state, agent, _campaign_for(state, agent))
