"""The agent's word on a connect: it may come during the call, in wrap-up, late, or never.

One rule governs: a lead without a word is finished, and a word that comes late still counts, above all a "do not call".
"""

from dataclasses import replace

from dialer.domain.agent import AgentState
from dialer.domain.commands import KeepWord
from dialer.domain.events import CallDisposed
from dialer.domain.lead import Callback, Lead, LeadState
from dialer.domain.policy import DispositionPolicy
from dialer.domain.records import Attempt
from dialer.engine import leads, retry, standing
from dialer.engine.campaign import Campaign
from dialer.engine.state import State, Undisposed

_UNDISPOSED_MAX = 10_000  # the oldest is forgotten beyond; its lead was finished long ago


def await_word(state: State, campaign: Campaign, undisposed: Undisposed, now: float) -> None:
    """Wait for the word on a connect that is over, or apply the one that was said during the call."""
    call_id = undisposed.attempt.call_id
    if len(state.undisposed) >= _UNDISPOSED_MAX:
        del state.undisposed[next(iter(state.undisposed))]
    state.undisposed[call_id] = undisposed
    early = state.early.pop(call_id, None)
    if early is not None:
        on_disposed(state, early, now)
    elif not _is_wrapping_up(state, undisposed.attempt):
        on_wrap_up_over(state, call_id, now)


def _is_wrapping_up(state: State, attempt: Attempt) -> bool:
    agent = state.agents.get(attempt.agent_id or "")
    return agent is not None and agent.state is AgentState.WRAP_UP and agent.call_id == attempt.call_id


def on_disposed(state: State, event: CallDisposed, now: float) -> Campaign | None:
    """Apply the agent's word; give the campaign concerned.

    A second word on the same call changes nothing, except that a "do not call" is always kept.
    """
    if event.call_id in state.calls:
        _keep_early(state, event, now)
        return None
    undisposed = state.undisposed.get(event.call_id)
    if undisposed is None:
        return None
    campaign = state.campaigns[undisposed.attempt.campaign]
    disposition = _meaning(campaign, event.disposition)
    if undisposed.has_word:
        if disposition.is_do_not_call:
            _block(state, campaign, undisposed.dialed.lead, disposition, event.agent_id, now)
        return campaign
    state.undisposed[event.call_id] = replace(undisposed, has_word=True)
    _keep(state, campaign, undisposed, disposition, now)
    lead, index = undisposed.dialed.lead, undisposed.dialed.index
    callback = None
    if disposition.is_schedule and event.callback_at is not None:
        agent_id = event.agent_id if event.is_personal else None
        callback = Callback(at=event.callback_at, agent_id=agent_id, note=event.note)
    if disposition.is_do_not_call:
        _block(state, campaign, lead, disposition, event.agent_id, now)
    lead = retry.after_disposition(lead, index, disposition, campaign.policy, now, callback)
    if undisposed.is_settled and lead.state is LeadState.PENDING:
        campaign.open_leads += 1
        leads.revive(campaign)
    if undisposed.is_settled and lead.state is LeadState.FINISHED:
        state.save(lead, campaign)
    else:
        leads.settle(state, campaign, lead)
    return campaign


def _keep_early(state: State, event: CallDisposed, now: float) -> None:
    """Keep a word said during the call until its end; the last one counts, but a "do not call" acts now and stays."""
    call = state.calls[event.call_id]
    campaign = state.campaigns[call.campaign]
    disposition = _meaning(campaign, event.disposition)
    if disposition.is_do_not_call:
        _block(state, campaign, state.dialed[event.call_id].lead, disposition, event.agent_id, now)
    before = state.early.get(event.call_id)
    if before is None or not _meaning(campaign, before.disposition).is_do_not_call:
        state.early[event.call_id] = event
        state.out.append(KeepWord(word=event))


def _meaning(campaign: Campaign, name: str) -> DispositionPolicy:
    """Give what a word means. One that the campaign does not know ends the lead: nobody is called on a guess."""
    unknown = DispositionPolicy(name=name, is_final=True, is_right_party=False)
    return campaign.policy.dispositions.get(name, unknown)


def on_wrap_up_over(state: State, call_id: int, now: float) -> None:
    """Finish the lead of a connect on which the agent said nothing."""
    undisposed = state.undisposed.get(call_id)
    if undisposed is None or undisposed.has_word or undisposed.is_settled:
        return
    state.undisposed[call_id] = replace(undisposed, is_settled=True)
    campaign = state.campaigns[undisposed.attempt.campaign]
    leads.settle(state, campaign, retry.finished(undisposed.dialed.lead, "undisposed"))


def _block(
    state: State, campaign: Campaign, lead: Lead, disposition: DispositionPolicy, agent_id: str, now: float
) -> None:
    numbers = tuple(number.e164 for number in lead.numbers)
    standing.block(state, campaign.policy.seller, numbers, disposition.name, agent_id, now)


def _keep(state: State, campaign: Campaign, undisposed: Undisposed, disposition: DispositionPolicy, now: float) -> None:
    attempt = replace(
        undisposed.attempt,
        disposition=disposition.name,
        disposed_at=now,
        is_success=disposition.is_success,
        is_right_party=disposition.is_right_party and not disposition.is_machine,
        is_refusal=disposition.is_refusal or disposition.is_do_not_call,
    )
    if disposition.is_machine and attempt.is_live:
        # No person answered, so nobody could be abandoned either.
        counted = 0 if undisposed.is_earlier else 1
        campaign.counts.live -= counted
        campaign.counts.machines += counted
        campaign.counts.connects -= counted
        campaign.budget.retract_live(now)
        if attempt.is_abandoned:
            campaign.counts.abandoned -= counted
            campaign.budget.retract_abandoned(now)
        attempt = replace(attempt, is_live=False, is_abandoned=False, abandoned_at=None)
    standing.note(state, attempt)
    state.record(attempt)
