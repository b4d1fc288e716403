"""Calls from the order to dial to the release: one step per piece of news, and what follows from each change.

One rule governs: a call changes state only in `apply`, and everything that hangs on the change (agents, budget,
learning, deadlines) is done there, so nothing is counted twice.
"""

from dataclasses import replace

from dialer.domain import call as calls
from dialer.domain.agent import Agent, AgentInput, AgentState
from dialer.domain.call import Call, CallInput, CallState, Fact
from dialer.domain.commands import BridgeCall, HandOverCall, HangUp, PlaceCall, PlayMessage
from dialer.domain.events import (
    BridgeFailed,
    CallAnswered,
    CallBridged,
    CallClassified,
    CallEvent,
    CallFailed,
    CallReleased,
    CallRinging,
    HandOverRequested,
    MessageBegan,
)
from dialer.domain.outcome import Outcome
from dialer.domain.policy import CampaignPolicy
from dialer.domain.records import Attempt
from dialer.engine import agents, dispositions, leads, learning, retry, shadowing, standing
from dialer.engine.campaign import Campaign, Resolution
from dialer.engine.leads import Dialable
from dialer.engine.state import Dialed, State, Undisposed

SETUP_MAX_S = 45.0  # beyond the ring timeout; a switch that has said nothing by then will not
CLASSIFY_MAX_S = 8.0
BRIDGE_MAX_S = 10.0
TALK_MAX_S = 4 * 3600.0  # a switch that lost the end of a call must not cost an agent for the rest of the day
MESSAGE_MAX_S = 90.0
END_MAX_S = 15.0
REFUSALS_IN_ROW = 5  # calls refused for want of a line, none of which rang, until the engine holds back
REFUSED_MIN_S = 0.5
REFUSED_MAX_S = 10.0
_DELAYS_REMEMBERED = 200


def place(state: State, campaign: Campaign, dialable: Dialable, agent: Agent | None, now: float) -> None:
    """Start an attempt. `agent` is reserved for it; None lets any agent take the answer."""
    policy = campaign.policy
    lead = retry.placed(dialable.lead, dialable.index, now)
    number = lead.numbers[dialable.index].e164
    call_id = state.next_call_id
    state.next_call_id += 1
    attempt = Attempt(
        call_id=call_id,
        campaign=campaign.name,
        lead_id=lead.lead_id,
        number=number,
        mode=policy.pacing.mode,
        placed_at=now,
        is_reserved=agent is not None,
        rule=dialable.verdict.rule,
        number_rank=dialable.index,
        attempt_rank=lead.attempts,
        seller=policy.seller,
        subject=policy.compliance.subject,
    )
    agent_id = None
    if agent is not None:
        agent_id = agent.agent_id
        agent = agents.assign(state, agent, campaign)
        if agent.state is AgentState.READY:
            agents.change(state, agent, AgentInput.RESERVED, now, call_id=call_id)
        else:
            state.agents[agent_id] = replace(agent, call_id=call_id)
            state.touched[agent_id] = None
    state.calls[call_id] = Call(
        call_id=call_id,
        campaign=campaign.name,
        lead_id=lead.lead_id,
        state=CallState.PLACED,
        since_at=now,
        attempt=attempt,
        agent_id=agent_id,
    )
    state.dialed[call_id] = Dialed(lead=lead, index=dialable.index)
    campaign.calls[call_id] = None
    learning.placed(campaign, call_id)
    campaign.counts.dials += 1
    standing.on_placed(state, attempt, lead)
    shadowing.on_placed(campaign, call_id, now)
    state.timers.set(("call", call_id), now + policy.pacing.ring_timeout_s + SETUP_MAX_S)
    state.save(lead, campaign)
    state.record(attempt)
    state.out.append(_order(attempt, policy, agent_id))


def _order(attempt: Attempt, policy: CampaignPolicy, agent_id: str | None) -> PlaceCall:
    return PlaceCall(
        call_id=attempt.call_id,
        campaign=attempt.campaign,
        lead_id=attempt.lead_id,
        number=attempt.number,
        ring_timeout_s=policy.pacing.ring_timeout_s,
        caller_id=policy.caller_id,
        agent_id=agent_id,
        has_detector=policy.pacing.has_detector,
        message=policy.abandonment.message,
        threshold_s=policy.abandonment.threshold_s,
    )


def adopt(state: State, campaign: Campaign, before: Call, call: Call, dialed: Dialed, now: float) -> None:
    """Take over a call of an earlier run: `before` as it was kept, `call` as it is; what it went through is counted."""
    call_id, known, counts = call.call_id, before.attempt, campaign.counts
    state.calls[call_id] = call
    state.dialed[call_id] = dialed
    campaign.calls[call_id] = None
    counts.dials += 1
    counts.answers += known.answered_at is not None
    counts.live += known.is_live
    counts.abandoned += known.is_abandoned
    counts.connects += call.attempt.bridged_at is not None
    standing.on_placed(state, call.attempt, dialed.lead)
    _learn(campaign, before, call, dialed.lead.segment, now)
    if call.attempt.is_abandoned and not known.is_abandoned:
        _count_abandoned(campaign, now)
    if call.state is CallState.QUEUED:
        _wait_in_line(state, campaign, call_id)
    if call.attempt != known:
        state.record(call.attempt)
    patience_s = campaign.policy.pacing.ring_timeout_s + SETUP_MAX_S
    state.timers.set(("call", call_id), max(now, call.attempt.placed_at + patience_s))
    _arm(state, call)


def go_on(state: State, campaign: Campaign, call: Call, now: float) -> None:
    """Give the orders that an adopted call needs where it is; an order given before is harmless."""
    agent = None if call.agent_id is None else state.agents.get(call.agent_id)
    is_held = agent is not None and agent.call_id == call.call_id and agent.state is AgentState.RESERVED
    match call.state:
        case CallState.QUEUED if call.deadline_at is not None and call.deadline_at <= now:
            on_deadline(state, call.call_id, now)
        case CallState.QUEUED if agent is not None and is_held:
            _join(state, call, agent, now)
        case CallState.BRIDGING if agent is not None and agent.state is AgentState.READY:
            agents.change(state, agent, AgentInput.RESERVED, now, call_id=call.call_id)
        case CallState.CONNECTED:
            _take_back(state, campaign, call, agent, now)
        case CallState.MESSAGE:
            state.out.append(PlayMessage(call_id=call.call_id, message=campaign.policy.abandonment.message or ""))
        case CallState.ENDING:
            state.out.append(HangUp(call_id=call.call_id, reason="ended before the restart"))
            _free_agent(state, call, now)
        case _:
            pass


def _take_back(state: State, campaign: Campaign, call: Call, agent: Agent | None, now: float) -> None:
    """Let the agent of a conversation of an earlier run talk on, now or when they come back."""
    if agent is None:
        state.returning[call.agent_id or ""] = call.call_id
        return
    if agent.state is AgentState.READY:
        agent = agents.change(state, agent, AgentInput.RESERVED, now, call_id=call.call_id)
    if agent.state in (AgentState.RESERVED, AgentState.PAUSED):
        agent = agents.assign(state, agent, campaign)
        agents.change(state, agent, AgentInput.CONNECTED, now, call_id=call.call_id)


def abandon(state: State, campaign: Campaign, call: Call, now: float) -> Call:
    """Count a live answer as abandoned, once; give the call."""
    if not call.attempt.is_abandoned:
        call = state.calls[call.call_id] = calls.abandoned(call, now)
        _count_abandoned(campaign, now)
    return call


def fact_of(event: CallEvent) -> Fact:
    """Translate news from the switch into the input of a call."""
    match event:
        case CallRinging():
            return Fact(input=CallInput.RINGING)
        case CallAnswered():
            return Fact(input=CallInput.ANSWERED, at=event.at)
        case CallClassified(is_machine=True):
            return Fact(input=CallInput.MACHINE)
        case CallClassified():
            return Fact(
                input=CallInput.LIVE,
                greeting_start_at=event.greeting_start_at,
                greeting_end_at=event.greeting_end_at,
            )
        case CallFailed():
            return Fact(input=CallInput.FAILED, outcome=event.outcome, cause=event.cause)
        case CallBridged():
            return Fact(input=CallInput.BRIDGED, agent_id=event.agent_id)
        case BridgeFailed():
            return Fact(input=CallInput.BRIDGE_FAILED, agent_id=event.agent_id, cause=event.cause)
        case MessageBegan():
            return Fact(input=CallInput.MESSAGE_BEGAN, at=event.at)
        case CallReleased():
            return Fact(input=CallInput.RELEASED, by=event.by, cause=event.cause)


def on_news(state: State, event: CallEvent, now: float) -> Campaign | None:
    """Apply news from the switch; give the campaign concerned. News of a call that is over changes nothing."""
    call = state.calls.get(event.call_id)
    if call is None:
        return None
    fact = fact_of(event)
    if fact.agent_id is not None and fact.agent_id != call.agent_id:
        return None  # about an agent whose bridge was given up already
    apply(state, call, fact, now)
    return state.campaigns[call.campaign]


def on_hand_over(state: State, event: HandOverRequested) -> Campaign | None:
    """Let a supervisor be fetched, if the one who asks talks on the call; give its campaign."""
    call = state.calls.get(event.call_id)
    if call is None or call.state is not CallState.CONNECTED or call.agent_id != event.agent_id:
        return None
    state.out.append(HandOverCall(call_id=call.call_id))
    return state.campaigns[call.campaign]


def on_deadline(state: State, call_id: int, now: float) -> Campaign:
    """Act on a call whose threshold or whose patience with the switch has run out."""
    call = state.calls[call_id]
    campaign = state.campaigns[call.campaign]
    has_waited = call.deadline_at is not None and now >= call.deadline_at
    if call.state is CallState.QUEUED and has_waited:
        message = campaign.policy.abandonment.message
        apply(state, call, Fact(input=CallInput.HUNG_UP if message is None else CallInput.GIVEN_UP), now)
    elif call.state is CallState.BRIDGING and has_waited and not call.attempt.is_abandoned:
        late = calls.abandoned(call, now)
        state.calls[call_id] = late
        state.record(late.attempt)
        _count_abandoned(campaign, now)
        _arm(state, late)
    else:
        apply(state, call, Fact(input=CallInput.SILENCE), now)
    return campaign


def apply(state: State, before: Call, fact: Fact, now: float) -> None:
    """Step a call and do all that hangs on the change."""
    campaign = state.campaigns[before.campaign]
    policy = campaign.policy.abandonment
    call = calls.step(before, fact, now, starts_at=policy.starts_at, threshold_s=policy.threshold_s)
    if call is before:
        return
    state.calls[call.call_id] = call
    _learn(campaign, before, call, state.dialed[call.call_id].lead.segment, now)
    shadowing.on_step(campaign, before, call, now)
    if call.attempt.is_abandoned and not before.attempt.is_abandoned:
        _count_abandoned(campaign, now)
    if before.state is CallState.QUEUED:
        campaign.queue.remove(call.call_id)
    _arm(state, call)
    match call.state:
        case CallState.QUEUED:
            if before.state is not CallState.BRIDGING:
                state.record(call.attempt)  # a live answer is a fact of the law, whatever becomes of it
            _queue(state, campaign, before, call, fact, now)
        case CallState.BRIDGING:
            state.out.append(BridgeCall(call_id=call.call_id, agent_id=call.agent_id or ""))
        case CallState.CONNECTED:
            campaign.counts.connects += 1
            state.record(call.attempt)
            agents.change(state, state.agents[call.agent_id or ""], AgentInput.CONNECTED, now)
        case CallState.MESSAGE:
            state.record(call.attempt)
            if fact.input is not CallInput.MESSAGE_BEGAN:
                state.out.append(PlayMessage(call_id=call.call_id, message=policy.message or ""))
            _free_agent(state, call, now)
        case CallState.ENDING:
            if call.attempt.is_abandoned and not before.attempt.is_abandoned:
                state.record(call.attempt)  # whatever becomes of the hang-up
            reason = fact.cause or fact.input
            state.out.append(HangUp(call_id=call.call_id, reason=reason))
            _free_agent(state, call, now, is_missed=before.state is CallState.BRIDGING)
        case CallState.OVER:
            _finish(state, campaign, before, call, now)


def match_queue(state: State, campaign: Campaign, now: float) -> None:
    """Join waiting live answers to the campaign's available agents: the longest waiting to the longest ready."""
    if not campaign.queue:
        return
    free = agents.available(state, campaign, now)
    for call_id, agent in zip(tuple(campaign.queue), free, strict=False):
        _join(state, state.calls[call_id], agent, now)


def hang_up(state: State, call: Call, reason: str, outcome: Outcome | None, now: float) -> None:
    """End a call by the engine's own decision."""
    apply(state, call, Fact(input=CallInput.HUNG_UP, outcome=outcome, cause=reason), now)


def _join(state: State, call: Call, agent: Agent, now: float) -> None:
    if agent.state is AgentState.READY:
        agents.change(state, agent, AgentInput.RESERVED, now, call_id=call.call_id)
    apply(state, call, Fact(input=CallInput.MATCHED, agent_id=agent.agent_id), now)


def _queue(state: State, campaign: Campaign, before: Call, call: Call, fact: Fact, now: float) -> None:
    campaign.queue.append(call.call_id)
    if before.state is CallState.BRIDGING:
        _free_agent(state, before, now, is_missed=True)
        _sort_line(state, campaign)
        match_queue(state, campaign, now)
        return
    reserved = state.agents.get(call.agent_id) if call.agent_id is not None else None
    if reserved is not None and reserved.state is AgentState.RESERVED and reserved.call_id == call.call_id:
        _join(state, call, reserved, now)
    else:
        match_queue(state, campaign, now)


def _wait_in_line(state: State, campaign: Campaign, call_id: int) -> None:
    campaign.queue.append(call_id)
    _sort_line(state, campaign)


def _sort_line(state: State, campaign: Campaign) -> None:
    campaign.queue.sort(key=lambda call_id: state.calls[call_id].deadline_at or 0.0)


def _free_agent(state: State, call: Call, now: float, *, is_missed: bool = False) -> None:
    """Let go of the agent who was reserved for a call that will not be connected."""
    agent = state.agents.get(call.agent_id) if call.agent_id is not None else None
    if agent is None or agent.call_id != call.call_id or agent.state is not AgentState.RESERVED:
        return
    if is_missed:
        agents.change(state, agent, AgentInput.MISSED, now, reason="missed a call")
    else:
        agents.change(state, agent, AgentInput.FREED, now)


def _arm(state: State, call: Call) -> None:
    """Set the call's one deadline: the end of the threshold, or of the patience with the switch."""
    patience_s = {
        CallState.ANSWERED: CLASSIFY_MAX_S,
        CallState.BRIDGING: BRIDGE_MAX_S,
        CallState.CONNECTED: TALK_MAX_S,
        CallState.MESSAGE: MESSAGE_MAX_S,
        CallState.ENDING: END_MAX_S,
    }.get(call.state)
    key = ("call", call.call_id)
    if call.state is CallState.OVER:
        state.timers.cancel(key)
        return
    at = None if patience_s is None else call.since_at + patience_s
    if call.state is CallState.QUEUED:
        at = call.deadline_at
    elif call.state is CallState.BRIDGING and not call.attempt.is_abandoned and call.deadline_at is not None:
        at = min(call.since_at + BRIDGE_MAX_S, call.deadline_at)
    if at is not None:
        state.timers.set(key, at)


def _learn(campaign: Campaign, before: Call, call: Call, segment: str, now: float) -> None:
    attempt, counts = call.attempt, campaign.counts
    if attempt.ringing_at is not None and before.attempt.ringing_at is None:
        campaign.refusals = 0
    if attempt.answered_at is not None and before.attempt.answered_at is None:
        counts.answers += 1
    if attempt.is_live and not before.attempt.is_live:
        counts.live += 1
        campaign.budget.record_live(now)
        if campaign.regulator is not None:
            campaign.regulator.record_live()
        answered_at = now if attempt.answered_at is None else attempt.answered_at
        ring_s = max(answered_at - attempt.placed_at, 0.0)
        told = Resolution(is_live=True, after_s=ring_s, at=answered_at, segment=segment)
        learning.resolved(campaign, attempt.call_id, told)
        campaign.learner.observe_classified(True, now)
        delay_s = max(0.0, (call.waits_from_at or answered_at) - answered_at)
        campaign.clock_delay_s += (delay_s - campaign.clock_delay_s) / max(1, min(counts.live, _DELAYS_REMEMBERED))
        return
    if attempt.outcome is None or before.attempt.outcome is not None or attempt.is_live:
        return
    if attempt.outcome in (Outcome.CONGESTION, Outcome.CANCELLED):  # they say nothing about people
        if attempt.outcome is Outcome.CONGESTION:
            _hold_back(campaign, now)
        return
    campaign.refusals = 0
    if attempt.outcome is Outcome.MACHINE:
        counts.machines += 1
        campaign.learner.observe_classified(False, now)
        campaign.budget.record_machine(now)
        check = campaign.policy.abandonment.machine_check
        if campaign.regulator is not None and check is not None:
            campaign.regulator.record_estimated(check[0] / check[1])
    told = Resolution(is_live=False, after_s=max(now - attempt.placed_at, 0.0), at=now, segment=segment)
    learning.resolved(campaign, attempt.call_id, told)


def _hold_back(campaign: Campaign, now: float) -> None:
    """Wait after refusals in a row, each time longer: calls tried at once again would use up the leads' attempts."""
    campaign.refusals += 1
    if campaign.refusals >= REFUSALS_IN_ROW:
        doubled = min(campaign.refusals - REFUSALS_IN_ROW, 10)
        campaign.refused_until_at = now + min(REFUSED_MIN_S * 2.0**doubled, REFUSED_MAX_S)


def _count_abandoned(campaign: Campaign, now: float) -> None:
    campaign.counts.abandoned += 1
    campaign.budget.record_abandoned(now)
    if campaign.regulator is not None:
        campaign.regulator.record_abandoned()


def _finish(state: State, campaign: Campaign, before: Call, call: Call, now: float) -> None:
    """Settle a call that is over: agent, records, counters, lead."""
    attempt = call.attempt
    del state.calls[call.call_id]
    del campaign.calls[call.call_id]
    learning.over(campaign, call.call_id)
    campaign.counts.finished += 1
    dialed = state.dialed.pop(call.call_id)
    standing.on_over(state, attempt)
    state.record(attempt)
    if attempt.outcome is Outcome.ABANDONED_BY_CALLEE:
        campaign.counts.abandoned_by_callee += 1
    if attempt.outcome is Outcome.UNKNOWN:
        # Nobody can say that no person picked up: it counts as a live answer that found no agent.
        campaign.counts.unknown += 1
        campaign.budget.record_live(now)
        campaign.budget.record_abandoned(now)
    agent = state.agents.get(call.agent_id) if call.agent_id is not None else None
    if agent is not None and agent.state is AgentState.TALKING and agent.call_id == call.call_id:
        if attempt.bridged_at is not None and attempt.released_by != "unknown":
            campaign.learner.observe_talk(max(now - attempt.bridged_at, 0.0), now)
        agents.change(state, agent, AgentInput.RELEASED, now)
    else:
        _free_agent(state, call, now)
    if attempt.bridged_at is not None:
        dispositions.await_word(state, campaign, Undisposed(attempt=attempt, dialed=dialed), now)
        return
    state.early.pop(call.call_id, None)
    outcome = attempt.outcome or Outcome.UNKNOWN
    lead = retry.after_outcome(dialed.lead, dialed.index, outcome, campaign.policy, now)
    leads.settle(state, campaign, lead)
