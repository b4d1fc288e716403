"""Leads between the store and the dial: claiming, the gate, promised callbacks, and giving back.

One rule governs: a lead taken from the hopper is dialed, offered, given back with an instant, or finished; never lost.
"""

from dataclasses import dataclass
from math import inf

from dialer.domain.agent import AgentState
from dialer.domain.commands import ClaimLeads, RecordVerdict, WakeLeads
from dialer.domain.events import LeadsClaimed
from dialer.domain.lead import Lead, LeadState, PhoneNumber
from dialer.domain.records import VerdictRecord
from dialer.domain.verdict import Verdict
from dialer.engine import retry, standing
from dialer.engine.campaign import Campaign, CampaignState
from dialer.engine.state import State

_HOPPER_MIN = 20
_HOPPER_PER_AGENT = 4
_CLAIM_MAX = 1000  # a list of a million leads, all outside their hours, is put off in large steps
_PERSONAL_POLL_S = 30.0
_CALLBACKS_POLL_S = 30.0
_BACKLOG_POLL_S = 1.0  # more has come due than joins the order with one claim
_IN_FLIGHT_POLL_S = 60.0
_PUT_OFF_S = 86_400.0
"""How soon a lead is looked at again that a rule refuses without an instant: only new facts can change that."""

FINAL_RULES = ("do_not_call", "number_invalid", "attempts_max", "attempts_each", "no_number_left")
"""Refusals without an instant that end a lead; after all others it waits for what it lacks: a consent, a registry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialable:
    """A lead that may be dialed now: which number, by which verdict, and the promised agent if there is one."""

    lead: Lead
    index: int
    verdict: Verdict
    agent_id: str | None


def refill(state: State, campaign: Campaign, now: float) -> None:
    """Ask the store for leads when the hopper runs low and the store may have some."""
    if campaign.is_claiming or not campaign.is_dialing or state.is_draining or campaign.is_callbacks_only:
        return
    size = _size(campaign)
    if len(campaign.hopper) > size // 2:
        return
    if campaign.is_exhausted and (campaign.next_due_at is None or now < campaign.next_due_at):
        return
    claim(state, campaign, _room(campaign))


def _size(campaign: Campaign) -> int:
    """Give how many leads the hopper is meant to hold."""
    return _HOPPER_MIN + _HOPPER_PER_AGENT * len(campaign.agents)


def _room(campaign: Campaign) -> int:
    """Give how many more leads the hopper takes: twice as many after each claim of which none could be dialed."""
    return min((_size(campaign) - len(campaign.hopper)) << min(campaign.dry_claims, 10), _CLAIM_MAX)


def claim(state: State, campaign: Campaign, count: int) -> None:
    """Order the store to hand over up to `count` due leads."""
    campaign.is_claiming = True
    state.out.append(ClaimLeads(campaign=campaign.name, count=count))


def on_claimed(state: State, campaign: Campaign, event: LeadsClaimed, now: float) -> None:
    """Take over the leads that the store handed out: promised calls, and others as far as there is room."""
    is_open = campaign.is_claiming and not campaign.is_claim_outdated and campaign.is_dialing and not state.is_draining
    room = 0 if campaign.is_callbacks_only else _room(campaign)
    campaign.is_claiming = campaign.is_claim_outdated = False
    campaign.has_asked = True
    campaign.dry_claims += 1
    campaign.open_leads = event.open_leads
    campaign.next_due_at = event.next_due_at
    for lead in event.leads:
        if is_open and (lead.callback is not None or room > 0):
            campaign.hopper.push(lead)
            room -= 1
        else:
            state.save(retry.pending(lead, lead.due_at), campaign)
    campaign.is_exhausted = not event.leads or (campaign.is_callbacks_only and not len(campaign.hopper))
    if campaign.is_count_outdated and campaign.is_exhausted and event.next_due_at is None:
        state.timers.set_earlier(("claim", campaign.name), now + _BACKLOG_POLL_S)  # else it would never be completed
    campaign.is_count_outdated = False
    if event.next_due_at is not None and not event.leads:
        state.timers.set(("claim", campaign.name), event.next_due_at)
    elif event.next_due_at is not None:  # what comes due meanwhile may be a promised call
        poll_s = _CALLBACKS_POLL_S if now < event.next_due_at else _BACKLOG_POLL_S
        state.timers.set_earlier(("claim", campaign.name), max(event.next_due_at, now + poll_s))
    complete(campaign)


def wake(state: State, campaign: Campaign, due_at: float) -> None:
    """Note that a lead of the campaign becomes due at `due_at`."""
    if campaign.next_due_at is None or due_at < campaign.next_due_at:
        campaign.next_due_at = due_at
    state.timers.set_earlier(("claim", campaign.name), due_at)


def on_due(state: State, campaign: Campaign, now: float) -> None:
    """Ask the store again: a lead has come due."""
    campaign.is_exhausted = False
    if campaign.is_callbacks_only and campaign.is_dialing:
        state.timers.set(("claim", campaign.name), now + _CALLBACKS_POLL_S)
    if campaign.is_dialing and not campaign.is_claiming and not state.is_draining:
        claim(state, campaign, _HOPPER_MIN)


def release(state: State, campaign: Campaign) -> None:
    """Give all leads in hand back to the store."""
    for lead in campaign.hopper.take_all():
        state.save(retry.pending(lead, lead.due_at), campaign)
    campaign.is_exhausted = False


def renew(state: State, campaign: Campaign, now: float, *, is_rule_change: bool = False) -> None:
    """Give back all leads in hand, and those on their way, and ask again: what is known, or ruled, has changed."""
    campaign.is_claim_outdated = campaign.is_claiming
    state.out.append(WakeLeads(campaign=campaign.name, at=now, is_rule_change=is_rule_change))
    release(state, campaign)
    wake(state, campaign, now)


def settle(state: State, campaign: Campaign, lead: Lead) -> None:
    """Keep a lead that is done with for now: due again later, or finished."""
    state.save(lead, campaign)
    if lead.state is LeadState.FINISHED:
        campaign.is_count_outdated = campaign.is_claiming
        campaign.open_leads = max(0, campaign.open_leads - 1)
        complete(campaign)
    else:
        wake(state, campaign, lead.due_at)


def complete(campaign: Campaign) -> None:
    """Mark the campaign as completed when no lead is open and no call is in flight."""
    is_done = campaign.has_asked and not campaign.open_leads and not campaign.calls and not len(campaign.hopper)
    if campaign.is_dialing and is_done and not campaign.is_claiming:
        campaign.state = CampaignState.COMPLETED


def revive(campaign: Campaign) -> None:
    """Let a completed campaign dial again: it has an open lead after all."""
    campaign.is_exhausted = False
    if campaign.state is CampaignState.COMPLETED:
        campaign.state = CampaignState.RUNNING


def next_dialable(state: State, campaign: Campaign, now: float) -> Dialable | None:
    """Take the first lead that may be dialed now; those before it are given back or finished. None: there is none."""
    found = None
    while found is None and len(campaign.hopper):
        found = _examine(state, campaign, campaign.hopper.pop(), now)
    return found


def _examine(state: State, campaign: Campaign, lead: Lead, now: float) -> Dialable | None:
    """Say whether a lead may be dialed now; settle it when not."""
    agent_id = None if lead.callback is None else lead.callback.agent_id
    if agent_id is not None and not _is_free(state, agent_id, now):
        _await_agent(state, campaign, lead, now)
        return None
    if standing.is_in_flight(state, campaign.policy.seller, lead):
        settle(state, campaign, retry.pending(lead, now + _IN_FLIGHT_POLL_S))
        return None
    verdict, index = judge(state, campaign, lead, now)
    if verdict.allowed and lead.callback is None:
        at = retry.other_hour(lead, lead.numbers[index], now, campaign.policy)
        if at > now:  # it came due at another hour and had to wait for a free line or agent until now
            settle(state, campaign, retry.pending(lead, at))
            return None
    if verdict.allowed:
        campaign.dry_claims = 0
        return Dialable(lead=lead, index=index, verdict=verdict, agent_id=agent_id)
    campaign.counts.refused += 1
    refuse(state, campaign, lead, verdict, now)
    return None


def judge(state: State, campaign: Campaign, lead: Lead, now: float) -> tuple[Verdict, int]:
    """Ask the gate about each of the lead's numbers, the next to try first; every answer is kept as evidence.

    Gives the first verdict that allows with its number's index; else the refusal that may change soonest.
    """
    known, asked = standing.known(state, campaign.policy.seller, lead), standing.up_to_date(state, lead)
    best: tuple[Verdict, int] | None = None
    for index in retry.callable_numbers(lead, campaign.policy):
        verdict = campaign.gate.decide(asked, lead.numbers[index], now, known)
        _record(state, campaign, lead, lead.numbers[index], verdict, now)
        if verdict.allowed:
            return verdict, index
        if best is None or _asks_at(verdict) < _asks_at(best[0]):
            best = (verdict, index)
    return best or (Verdict(allowed=False, rule="no_number_left", inputs=(), next_at=None), 0)


def _record(state: State, campaign: Campaign, lead: Lead, number: PhoneNumber, verdict: Verdict, now: float) -> None:
    record = VerdictRecord(
        campaign=campaign.name,
        seller=campaign.policy.seller,
        lead_id=lead.lead_id,
        number=number.e164,
        at=now,
        verdict=verdict,
        policy_digest=campaign.policy.digest,
        law_digest=state.law.digest,
        registries=tuple((copy.registry, copy.version) for copy in state.registries.values()),
    )
    state.out.append(RecordVerdict(record=record))


def _asks_at(verdict: Verdict) -> float:
    return inf if verdict.next_at is None else verdict.next_at


def refuse(state: State, campaign: Campaign, lead: Lead, verdict: Verdict, now: float) -> None:
    """Give back a lead that the gate did not allow: until the verdict may change, or for good."""
    if campaign.gate.waits_for_word(verdict.rule):  # a word may come before the instant that the rule names
        at = min(now + _PUT_OFF_S, _asks_at(verdict))
        settle(state, campaign, retry.put_off(lead, at, verdict.rule))
    elif verdict.next_at is not None:
        settle(state, campaign, retry.put_off_until(lead, verdict.next_at, verdict.rule))
    elif verdict.rule in FINAL_RULES:
        settle(state, campaign, retry.finished(lead, verdict.rule))
    else:
        settle(state, campaign, retry.put_off(lead, now + _PUT_OFF_S, verdict.rule))


def await_free_agent(state: State, campaign: Campaign, lead: Lead, now: float) -> None:
    """Put off a lead that may be dialed only with an agent reserved, while no agent is free."""
    settle(state, campaign, retry.pending(lead, now + _PERSONAL_POLL_S))


def _is_free(state: State, agent_id: str, now: float) -> bool:
    agent = state.agents.get(agent_id)
    return agent is not None and agent.state is AgentState.READY and agent.rests_until_at <= now


def _await_agent(state: State, campaign: Campaign, lead: Lead, now: float) -> None:
    """Put a personal callback off until its agent is free, or apply the policy for a missed one."""
    callback = lead.callback
    if callback is None:
        raise ValueError(f"lead {lead.lead_id} has no callback to wait for")
    last_at = callback.at + campaign.policy.callbacks.wait_s
    if now >= last_at:
        settle(state, campaign, retry.missed_callback(lead, campaign.policy, now))
    else:
        settle(state, campaign, retry.pending(lead, min(last_at, now + _PERSONAL_POLL_S)))
