"""What a start makes of the calls and agents that an earlier run left behind.

One rule governs: a call that is up goes on from where its gateway says it is, with the instants at which it got there,
as if the news had only been late; what nobody knows is counted against us. So a call of unknown fate counts as a live
answer that found no agent, and its lead is dialed again only by the campaign's retry rule for `unknown`.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from dialer.domain import call as calls_domain
from dialer.domain.agent import AgentInput, AgentState, from_record
from dialer.domain.call import Call, CallInput, CallState, Fact
from dialer.domain.commands import HangUp, RecordAgent, RecordAgentSpan, SeatAgent
from dialer.domain.events import EarlierRunFound, FoundCall, FoundConnect
from dialer.domain.lead import LeadState
from dialer.domain.living import LivingCall, LivingState
from dialer.domain.outcome import Outcome
from dialer.domain.policy import CampaignPolicy
from dialer.domain.records import AgentRecord, AgentSpan, Attempt
from dialer.engine import agents, calls, dispositions
from dialer.engine.campaign import Campaign
from dialer.engine.state import Dialed, State, Undisposed

NEVER_SENT = "never sent: the dialer stopped before the order left"
FATE_UNKNOWN = "the dialer stopped meanwhile"
NO_AGENT_LEFT = "no agent is left for it after a restart"

_PICKED_UP = (LivingState.ANSWERED, LivingState.BRIDGED, LivingState.MESSAGE)


def certainty(attempt: Attempt) -> str:
    """Say how much is known of an attempt's fate: `open`, `never sent`, `unknown` (sent) or `resolved`."""
    if attempt.released_at is None:
        return "open"
    if attempt.outcome is Outcome.CANCELLED and attempt.cause.startswith("never sent"):
        return "never sent"
    if attempt.outcome is Outcome.UNKNOWN or attempt.released_by == "unknown":
        return "unknown"
    return "resolved"


def on_found(state: State, event: EarlierRunFound, now: float) -> None:
    """Take over agents, calls and connects of an earlier run; end what nobody is left for."""
    for record in event.agents:
        if event.present is None or record.agent_id in event.present:
            _take_agent(state, record, now)
        else:
            _leave_out(state, record, event.stopped_at)
    holders = {each.call_id: each.agent_id for each in event.agents if each.agent_id in state.agents}
    for found in event.calls:
        _adopt(state, found, holders.get(found.attempt.call_id), now)
    for connect in event.connects:
        _await_word(state, connect)
    for found in event.calls:
        _settle(state, found, now)
    for record in event.agents:
        if record.agent_id in state.agents:
            _let_go(state, record.agent_id, now)
    for connect in event.connects:
        _end_wait(state, connect, now)
    for call_id in event.strangers:
        state.out.append(HangUp(call_id=call_id, reason="no attempt of ours is on this line"))


# ----------------------------------------------------------------------------------------------- agents
def _take_agent(state: State, record: AgentRecord, now: float) -> None:
    """Let an agent go on where they were: nobody has to log in again."""
    agent = from_record(record)
    state.agents[agent.agent_id] = agent
    state.out.append(SeatAgent(agent_id=agent.agent_id))
    state.work[agent.agent_id] = [(now, now)]
    campaign = None if record.campaign is None else state.campaigns.get(record.campaign)
    if agent.is_busy and campaign is not None:
        agent = agents.assign(state, agent, campaign)
    if agent.state is AgentState.WRAP_UP:
        limit_s = 0.0 if campaign is None else campaign.policy.agents.wrap_up_max_s
        state.timers.set(("wrap_up", agent.agent_id), max(now, agent.since_at + limit_s))


def _leave_out(state: State, record: AgentRecord, stopped_at: float) -> None:
    """Log out an agent who is not at the desk any more: they were there when the earlier run was last heard of."""
    span = AgentSpan(
        agent_id=record.agent_id,
        campaign=record.campaign,
        state=record.state,
        reason=record.reason,
        from_at=record.since_at,
        to_at=max(record.since_at, stopped_at),
        call_id=record.call_id,
    )
    gone = replace(record, state=AgentState.LOGGED_OUT, campaign=None, call_id=None, owed=None, owed_reason="")
    state.out += [RecordAgentSpan(span=span), RecordAgent(agent=gone)]


def _let_go(state: State, agent_id: str, now: float) -> None:
    """Free an agent whose call or offer did not outlive the earlier run."""
    agent = state.agents[agent_id]
    call = None if agent.call_id is None else state.calls.get(agent.call_id)
    if call is not None and call.agent_id == agent_id:
        return
    if agent.state is AgentState.RESERVED:
        agents.change(state, agent, AgentInput.FREED, now)
    elif agent.state is AgentState.TALKING:
        agents.change(state, agent, AgentInput.RELEASED, now)


# ------------------------------------------------------------------------------------------------ calls
def _adopt(state: State, found: FoundCall, holder: str | None, now: float) -> None:
    """Take an attempt without an end among the calls in flight, where the gateway says that it is."""
    attempt, campaign = found.attempt, state.campaigns[found.attempt.campaign]
    before = _as_kept(attempt, campaign.policy, holder, now)
    call = before
    if found.living is not None:
        call = _heard(before, found.living, campaign.policy, state, now)
    if found.word is not None:
        state.early[attempt.call_id] = found.word
    calls.adopt(state, campaign, before, call, Dialed(lead=found.lead, index=attempt.number_rank), now)


def _as_kept(attempt: Attempt, policy: CampaignPolicy, holder: str | None, now: float) -> Call:
    """Give a call as its attempt was kept last; `holder` is the agent who was reserved for it or talked on it."""
    abandonment = policy.abandonment
    waits_from_at = deadline_at = None
    state, since_at = CallState.PLACED, attempt.placed_at
    if attempt.answered_at is not None:
        state, since_at = CallState.ANSWERED, attempt.answered_at
    elif attempt.ringing_at is not None:
        state, since_at = CallState.RINGING, attempt.ringing_at
    if attempt.is_live and attempt.classified_at is not None:
        state, since_at = CallState.QUEUED, attempt.classified_at
        waits_from_at = calls_domain.wait_start(attempt, abandonment.starts_at, since_at)
        deadline_at = waits_from_at + abandonment.threshold_s
    if attempt.bridged_at is not None:
        state, since_at, holder = CallState.CONNECTED, attempt.bridged_at, attempt.agent_id
    elif attempt.message_at is not None:
        state, since_at, deadline_at = CallState.MESSAGE, attempt.message_at, None
    elif attempt.outcome is not None:  # it is known what it was, and the hang-up was ordered
        state, since_at, deadline_at = CallState.ENDING, now, None
    return Call(
        call_id=attempt.call_id,
        campaign=attempt.campaign,
        lead_id=attempt.lead_id,
        state=state,
        since_at=since_at,
        attempt=attempt,
        agent_id=holder,
        waits_from_at=waits_from_at,
        deadline_at=deadline_at,
    )


def _heard(call: Call, living: LivingCall, policy: CampaignPolicy, state: State, now: float) -> Call:
    """Give the call after the news that was missed."""
    abandonment = policy.abandonment
    for fact, at in _missed(call, living, state, now):
        call = calls_domain.step(call, fact, at, starts_at=abandonment.starts_at, threshold_s=abandonment.threshold_s)
    return call


def _missed(call: Call, living: LivingCall, state: State, now: float) -> Iterator[tuple[Fact, float]]:
    """Give the news that was missed, each with its instant: one that nobody measured is the earliest it can have been.

    Early is strict: whoever may have waited too long counts as having done so.
    """
    if call.state is CallState.ENDING:
        return
    placed_at, is_waiting = call.attempt.placed_at, call.attempt.is_live
    if living.state is LivingState.RINGING:
        yield Fact(input=CallInput.RINGING), _instant(living.ringing_at, now, now)
    if living.state not in _PICKED_UP or call.attempt.bridged_at is not None:
        return
    answered_at = call.attempt.answered_at or _instant(living.answered_at, placed_at, now)
    if not is_waiting:
        yield Fact(input=CallInput.ANSWERED), answered_at
        classified_at = max(answered_at, _instant(living.classified_at, answered_at, now))
        if living.is_machine is True and living.state is LivingState.ANSWERED:
            yield Fact(input=CallInput.MACHINE), classified_at
            return
        if living.is_machine is None and living.state is LivingState.ANSWERED:
            return
        heard: dict[str, Any] = {
            "greeting_start_at": living.greeting_start_at,
            "greeting_end_at": living.greeting_end_at,
        }
        yield Fact(input=CallInput.LIVE, **heard), classified_at
    if living.state is LivingState.MESSAGE and call.attempt.message_at is None:
        yield Fact(input=CallInput.GIVEN_UP), now
    elif living.state is LivingState.BRIDGED or (living.agent_id in state.agents):
        bridged_at = _instant(living.bridged_at, now, now)
        if call.state is not CallState.MESSAGE:
            yield Fact(input=CallInput.MATCHED, agent_id=living.agent_id), bridged_at
            if living.state is LivingState.BRIDGED:
                yield Fact(input=CallInput.BRIDGED, agent_id=living.agent_id), bridged_at


def _instant(measured_at: float | None, else_at: float, now: float) -> float:
    return min(now, else_at if measured_at is None else measured_at)


def _settle(state: State, found: FoundCall, now: float) -> None:
    """Go on with a call that is up, and end one that is not, or that nobody is left for."""
    call = state.calls[found.attempt.call_id]
    campaign = state.campaigns[call.campaign]
    if found.living is None:
        _lose(state, campaign, call, now)
    elif found.living.state is LivingState.NEVER:
        never = Fact(input=CallInput.FAILED, outcome=Outcome.CANCELLED, cause=NEVER_SENT)
        calls.apply(state, call, never, now)
    elif call.is_unanswered and not _has_owner(state, campaign, call):
        calls.hang_up(state, call, NO_AGENT_LEFT, Outcome.CANCELLED, now)
    else:
        calls.go_on(state, campaign, call, now)


def _lose(state: State, campaign: Campaign, call: Call, now: float) -> None:
    """End a call of which the gateway knows nothing, by what was known of it last.

    With an agent on the line it was a connect. A live answer without one was abandoned.
    """
    if call.attempt.is_live and call.attempt.bridged_at is None:
        call = calls.abandon(state, campaign, call, now)
    calls.apply(state, call, Fact(input=CallInput.RELEASED, by="unknown", cause=FATE_UNKNOWN), now)


def _has_owner(state: State, campaign: Campaign, call: Call) -> bool:
    """Whether somebody is there to take the answer: the agent who is reserved for it, or any of the campaign's."""
    if call.attempt.is_reserved:
        agent = None if call.agent_id is None else state.agents.get(call.agent_id)
        return agent is not None and agent.call_id == call.call_id
    groups = campaign.policy.agents.groups
    return any(
        agent.state not in (AgentState.LOGGED_OUT, AgentState.PAUSED) and any(group in agent.groups for group in groups)
        for agent in state.agents.values()
    )


# --------------------------------------------------------------------------------------------- connects
def _await_word(state: State, connect: FoundConnect) -> None:
    attempt = connect.attempt
    state.undisposed[attempt.call_id] = Undisposed(
        attempt=attempt,
        dialed=Dialed(lead=connect.lead, index=attempt.number_rank),
        has_word=attempt.disposition is not None,
        is_settled=connect.lead.state is not LeadState.CLAIMED,
        is_earlier=True,
    )


def _end_wait(state: State, connect: FoundConnect, now: float) -> None:
    """Finish the lead of a connect whose agent is not in wrap-up any more; the word may still come."""
    agent = state.agents.get(connect.attempt.agent_id or "")
    if agent is None or agent.state is not AgentState.WRAP_UP or agent.call_id != connect.attempt.call_id:
        dispositions.on_wrap_up_over(state, connect.attempt.call_id, now)
