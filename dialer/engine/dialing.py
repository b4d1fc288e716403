"""The pacing step: look at the floor, ask pacer and governor, start the calls.

One rule governs: every `PlaceCall` leaves from here, with an allowing verdict of that instant.
"""

from dialer.domain.agent import Agent, AgentInput
from dialer.domain.commands import OfferPreview, RecordDecision
from dialer.domain.events import PreviewAccepted, PreviewSkipped
from dialer.domain.lag import Lag
from dialer.domain.policy import PacingMode
from dialer.domain.records import PacingDecision
from dialer.engine import agents, calls, leads, retry, shadowing, standing
from dialer.engine.campaign import Campaign
from dialer.engine.leads import Dialable
from dialer.engine.sight import look
from dialer.engine.state import Offer, State
from dialer.pacing.base import DialDecision
from dialer.pacing.pace import decide

LINES_AGAIN_S = 1.0
"""How soon to look again when no line was free: another campaign may free one."""
KEEP_EVERY_S = 10.0
"""A decision that differs from the one before in nothing but its terms is kept this often."""

_YIELD_S = 1e-3
_SKIPPED_AFTER_S = 900.0
_NOT_TAKEN_AFTER_S = 300.0


def pace(state: State, campaign: Campaign, now: float) -> None:
    """Start as many calls as pacer, governor and limits allow now."""
    if state.is_draining or not campaign.is_dialing:
        return
    leads.refill(state, campaign, now)
    if not campaign.agents or not len(campaign.hopper):
        return
    is_shown = campaign.policy.pacing.mode is PacingMode.PREVIEW and state.lag is not Lag.STALLED
    if is_shown and not _is_infeasible(campaign, now):
        _offer(state, campaign, now)
        return
    floor = look(state, campaign, now)
    shadowing.show(campaign, floor)
    decision = decide(
        floor,
        campaign.pacer,
        campaign.regulator,
        campaign.governor,
        campaign.budget,
        now,
        dialing_ends_at=min(campaign.gate.closes_at(now), state.ends_at),
        open_leads=campaign.open_leads,
        lag=state.lag,
        lag_s=state.lag_s,
    )
    started = _start(state, campaign, decision, now)
    _keep_decision(state, campaign, decision, started, now)
    if campaign.pacer.looks_every_s is not None:
        state.timers.set(("pace", campaign.name), now + campaign.pacer.looks_every_s)
    if decision.limited_by == "calls_per_second":
        # Who got calls steps back behind those who got none.
        yields_s = _YIELD_S if started else 0.0
        state.timers.set(("pace", campaign.name), state.bucket.next_at(now) + yields_s)
    elif decision.limited_by == "lines":
        state.timers.set(("pace", campaign.name), now + LINES_AGAIN_S)
    elif decision.limited_by == "infeasible":  # until the window rolls, or a reload brings another check
        state.timers.set(("pace", campaign.name), max(campaign.budget.span(now)[1], now + LINES_AGAIN_S))
    leads.refill(state, campaign, now)


def _start(state: State, campaign: Campaign, decision: DialDecision, now: float) -> int:
    free = agents.available(state, campaign, now) if decision.calls else []
    started = 0
    while started < decision.calls:
        dialable = leads.next_dialable(state, campaign, now)
        if dialable is None:
            return started
        agent: Agent | None = None
        if dialable.agent_id is not None:
            agent = state.agents[dialable.agent_id]
            free = [each for each in free if each.agent_id != dialable.agent_id]
        elif free and (decision.reserve or dialable.verdict.needs_agent):
            agent = free.pop(0)
        elif decision.reserve:
            campaign.hopper.push(dialable.lead)
            return started
        elif dialable.verdict.needs_agent:
            leads.await_free_agent(state, campaign, dialable.lead, now)
            continue
        state.bucket.take()
        calls.place(state, campaign, dialable, agent, now)
        started += 1
    return started


def _keep_decision(state: State, campaign: Campaign, decision: DialDecision, started: int, now: float) -> None:
    """Keep a decision that started calls, or was bound by something else than the last one kept, or is due again."""
    last = campaign.last_decision
    limited_by = decision.limited_by if started == decision.calls else "leads"
    if not started and last is not None and last.limited_by == limited_by and now - last.at < KEEP_EVERY_S:
        return
    runner_up, runner_up_calls = decision.runner_up or ("", 0)
    kept = PacingDecision(
        campaign=campaign.name,
        at=now,
        mode=campaign.policy.pacing.mode,
        calls=started,
        wanted=decision.wanted,
        allowed=decision.calls,
        limited_by=limited_by,
        runner_up=runner_up,
        runner_up_calls=runner_up_calls,
        is_reserved=decision.reserve,
        terms=decision.terms,
    )
    state.out.append(RecordDecision(decision=kept))
    campaign.last_decision = kept


def _offer(state: State, campaign: Campaign, now: float) -> None:
    """Show each ready agent a lead."""
    free = agents.available(state, campaign, now)
    while free:
        dialable = leads.next_dialable(state, campaign, now)
        if dialable is None:
            return
        agent = free[0] if dialable.agent_id is None else state.agents[dialable.agent_id]
        free = [each for each in free if each.agent_id != agent.agent_id]
        agent = agents.assign(state, agent, campaign)
        agents.change(state, agent, AgentInput.RESERVED, now)
        state.offers[agent.agent_id] = Offer(campaign=campaign.name, lead=dialable.lead)
        expires_at = now + campaign.policy.pacing.preview_timeout_s
        state.timers.set(("offer", agent.agent_id), expires_at)
        state.out.append(
            OfferPreview(
                agent_id=agent.agent_id,
                campaign=campaign.name,
                lead_id=dialable.lead.lead_id,
                expires_at=expires_at,
            )
        )


def on_preview(state: State, event: PreviewAccepted | PreviewSkipped, now: float) -> Campaign | None:
    """Dial the offered lead, or give it back; give the campaign. An answer to an offer that is gone changes nothing."""
    offer = state.offers.get(event.agent_id)
    if offer is None or offer.lead.lead_id != event.lead_id:
        return None
    campaign = withdraw_offer(state, event.agent_id)
    agent = state.agents[event.agent_id]
    if isinstance(event, PreviewSkipped):
        leads.settle(state, campaign, retry.pending(offer.lead, now + _SKIPPED_AFTER_S))
        agents.change(state, agent, AgentInput.FREED, now)
        return campaign
    is_open = campaign.is_dialing and not state.is_draining and not _is_infeasible(campaign, now)
    is_open = is_open and state.lag is not Lag.STALLED
    is_on_call = standing.is_in_flight(state, campaign.policy.seller, offer.lead)
    if not is_open or is_on_call or not _has_line(state, campaign, now):
        leads.settle(state, campaign, retry.pending(offer.lead, now + LINES_AGAIN_S))
        agents.change(state, agent, AgentInput.FREED, now)
        return campaign
    verdict, index = leads.judge(state, campaign, offer.lead, now)
    if not verdict.allowed:
        campaign.counts.refused += 1
        leads.refuse(state, campaign, offer.lead, verdict, now)
        agents.change(state, agent, AgentInput.FREED, now)
        return campaign
    state.bucket.take()
    dialable = Dialable(lead=offer.lead, index=index, verdict=verdict, agent_id=agent.agent_id)
    calls.place(state, campaign, dialable, agent, now)
    return campaign


def on_offer_expired(state: State, agent_id: str, now: float) -> Campaign:
    """Give back a lead whose offer nobody took; the agent seems to be away and is paused."""
    lead = state.offers[agent_id].lead
    campaign = withdraw_offer(state, agent_id)
    leads.settle(state, campaign, retry.pending(lead, now + _NOT_TAKEN_AFTER_S))
    agents.change(state, state.agents[agent_id], AgentInput.MISSED, now, reason="offer not taken")
    return campaign


def on_left(state: State, agent_id: str, now: float) -> None:
    """Keep the lead shown to an agent who asked to leave for another; nobody is being rung, so they may go at once."""
    lead = state.offers[agent_id].lead
    withdraw_offer(state, agent_id).hopper.push(lead)
    agents.change(state, state.agents[agent_id], AgentInput.FREED, now)


def withdraw_offer(state: State, agent_id: str) -> Campaign:
    """Forget an offer; the caller settles its lead and its agent."""
    state.timers.cancel(("offer", agent_id))
    return state.campaigns[state.offers.pop(agent_id).campaign]


def _has_line(state: State, campaign: Campaign, now: float) -> bool:
    floor = look(state, campaign, now)
    return floor.lines_free > 0 and floor.calls_allowed > 0


def _is_infeasible(campaign: Campaign, now: float) -> bool:
    return campaign.governor is not None and campaign.budget.infeasible(now) is not None
