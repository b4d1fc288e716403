"""What an operator does to a campaign: load, start, pause, resume, drain, stop, callbacks-only, emergency-stop.

Every change is kept with who made it, why, and the digest of the campaign file in force. A refused one is kept too.
"""

from dataclasses import replace

from dialer.compliance.gate import Gate
from dialer.domain.agent import AgentInput, AgentState
from dialer.domain.commands import RecordChange
from dialer.domain.events import (
    CampaignControlled,
    CampaignLoaded,
    LawEvent,
    LawLoaded,
    LinesChanged,
    PersonRefused,
    StandingsChanged,
)
from dialer.domain.outcome import Outcome
from dialer.domain.policy import CampaignPolicy
from dialer.domain.records import CampaignChange
from dialer.engine import agents, calls, dialing, leads, recovery, retry, standing
from dialer.engine.campaign import ACTIONS, Campaign, CampaignState, new_campaign, new_regulator
from dialer.engine.state import State
from dialer.pacing.budget import AbandonmentBudget


def refusal(state: State, name: str, action: str) -> str | None:
    """Say why an action would be refused now, or None when it would be carried out."""
    campaign = state.campaigns.get(name)
    if campaign is None:
        known = ", ".join(sorted(state.campaigns)) or "none"
        return f"no campaign is named {name!r}; loaded: {known}"
    legal = sorted(act for before, act in ACTIONS if before is campaign.state)
    if campaign.is_dialing and not campaign.is_callbacks_only:
        legal.remove("resume")  # nothing is held back
    if action in legal:
        return None
    return f"{action!r} makes no sense while the campaign is {campaign.state}; possible now: {', '.join(legal)}"


def on_loaded(state: State, event: CampaignLoaded, now: float) -> Campaign:
    """Set up a campaign, or put a changed file into force: for every decision from now on."""
    policy = event.policy
    campaign = state.campaigns.get(policy.name)
    if campaign is None:
        campaign = state.campaigns[policy.name] = state.equip(policy, event.spent)
        campaign.gate = Gate(policy, state.law)
        _share_budgets(state)
        _record(state, campaign, now, "load", "", "campaign file", "dialer")
        return campaign
    if policy == campaign.policy:
        return campaign
    before = campaign.policy
    fresh = state.equip(policy, None)
    campaign.policy, campaign.gate = policy, Gate(policy, state.law)
    campaign.hopper.reorder(policy.list.order)
    if before.seller != policy.seller:  # what is known of the people in hand is what they said to another
        withdraw_offers(state, campaign, now)
        on_law_event(state, StandingsChanged(reason="another seller"), now)
    if _rules_of(before) != _rules_of(policy):
        leads.renew(state, campaign, now, is_rule_change=True)
    if (before.pacing, before.abandonment) != (policy.pacing, policy.abandonment):
        base = 0.0 if campaign.regulator is None else campaign.regulator.base
        campaign.pacer, campaign.governor = fresh.pacer, fresh.governor
        campaign.regulator = new_regulator(policy, base)
        campaign.budget.hold_to(policy.abandonment.cap_rate, policy.abandonment.machine_check)
    window, zone = policy.abandonment.window, policy.abandonment.time_zone
    if (before.abandonment.window, before.abandonment.time_zone) != (window, zone):
        # What was spent stays spent: by storage's word on the new window, else by the counts at hand.
        spent = event.spent or replace(campaign.budget.snapshot(), opens_at=now)
        campaign.budget = new_campaign(policy, spent).budget
    _share_budgets(state)
    _record(state, campaign, now, "reload", campaign.state, "campaign file changed", "dialer")
    return campaign


def on_lines_changed(state: State, event: LinesChanged, now: float) -> None:
    """Take more or fewer lines into use; what was saved up of the old rate is not spent at the new one."""
    state.lines = max(event.lines, 0)
    if event.calls_per_second > 0.0:
        state.bucket.allowed(now)
        state.bucket.rate = event.calls_per_second
        state.bucket.tokens = min(state.bucket.tokens, max(1.0, event.calls_per_second))


def _rules_of(policy: CampaignPolicy) -> tuple[object, ...]:
    """Give what the gate goes by in a campaign's file."""
    return (
        *(policy.purpose, policy.jurisdiction, policy.caller_id, policy.pacing.ring_timeout_s, policy.hours),
        *(policy.retry, policy.numbers, policy.compliance, policy.abandonment),
    )


def on_law_event(state: State, event: LawEvent, now: float) -> None:
    """Take in what changes who may be called; all leads in hand are looked up anew, but for one person's refusal."""
    standing.on_law_event(state, event, now)
    if isinstance(event, PersonRefused):
        return
    for campaign in state.campaigns.values():
        if isinstance(event, LawLoaded):
            campaign.gate = Gate(campaign.policy, state.law)
        leads.renew(state, campaign, now, is_rule_change=isinstance(event, LawLoaded))


def _share_budgets(state: State) -> None:
    """Let campaigns whose abandonments the law counts together answer for each other."""
    groups: dict[tuple[str, ...], list[AbandonmentBudget]] = {}
    for campaign in state.campaigns.values():
        groups.setdefault(recovery.counts_with(campaign.policy), []).append(campaign.budget)
    for group in groups.values():
        for budget in group:
            budget.count_with(group)


def on_controlled(state: State, event: CampaignControlled, now: float) -> Campaign | None:
    """Carry out an operator's action; a refused one changes nothing but is kept with the reason of the refusal."""
    campaign = state.campaigns.get(event.campaign)
    if campaign is None:
        return None
    before = campaign.state
    why = refusal(state, event.campaign, event.action)
    if why is not None:
        _record(state, campaign, now, event.action, before, f"refused: {why}; asked: {event.reason}", event.who)
        return campaign
    campaign.state = ACTIONS[before, event.action]
    if event.action != "pause" and before is not CampaignState.PAUSED:
        campaign.is_callbacks_only = event.action == "callbacks-only"
    if event.action == "callbacks-only":
        leads.release(state, campaign)
        leads.on_due(state, campaign, now)
    if campaign.is_dialing:
        campaign.is_exhausted = False
    else:
        state.timers.cancel(("pace", campaign.name))
        withdraw_offers(state, campaign, now)
    if campaign.state in (CampaignState.STOPPED, CampaignState.DRAINING):
        leads.release(state, campaign)
    if event.action == "emergency-stop":
        _cut_short(state, campaign, now)
    _record(state, campaign, now, event.action, before, event.reason, event.who)
    settle_drain(state, campaign, now)
    return campaign


def drain_all(state: State, now: float, reason: str) -> None:
    """Let nothing new start in any campaign; what lives finishes."""
    state.is_draining = True
    for campaign in state.campaigns.values():
        withdraw_offers(state, campaign, now)
        leads.release(state, campaign)
        _record(state, campaign, now, "shutdown", campaign.state, reason, "dialer")


def settle_drain(state: State, campaign: Campaign, now: float) -> None:
    """Stop a draining campaign whose last call is over."""
    if campaign.state is CampaignState.DRAINING and not campaign.calls:
        campaign.state = CampaignState.STOPPED
        _record(state, campaign, now, "drained", CampaignState.DRAINING, "last call over", "dialer")


def withdraw_offers(state: State, campaign: Campaign, now: float) -> None:
    """Take back the leads shown to agents; the agents are ready again."""
    for agent_id in [each for each, offer in state.offers.items() if offer.campaign == campaign.name]:
        lead = state.offers[agent_id].lead
        dialing.withdraw_offer(state, agent_id)
        state.save(retry.pending(lead, lead.due_at), campaign)
        if state.agents[agent_id].state is AgentState.RESERVED:
            agents.change(state, state.agents[agent_id], AgentInput.FREED, now)


def _cut_short(state: State, campaign: Campaign, now: float) -> None:
    for call_id in tuple(campaign.calls):
        call = state.calls[call_id]
        if call.is_unanswered:
            campaign.counts.cut_short += 1
            calls.hang_up(state, call, "emergency stop", Outcome.CANCELLED, now)


def _record(state: State, campaign: Campaign, now: float, action: str, before: str, reason: str, who: str) -> None:
    change = CampaignChange(
        campaign=campaign.name,
        at=now,
        action=action,
        before=before,
        after=campaign.state,
        reason=reason,
        who=who,
        digest=campaign.policy.digest,
    )
    state.out.append(RecordChange(change=change))
