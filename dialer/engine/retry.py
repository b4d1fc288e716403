"""What becomes of a lead after an attempt: which number next, when, or never again.

The rules, in order:
1. A number that the network or the agent calls invalid is not tried again.
2. A lead that has had `attempts_max` attempts is finished.
3. When another number of the lead has been tried fewer times than the one just dialed, it is due after `next_after_s`;
   not so when the person may have answered (unknown, abandoned): the number did not fail.
4. Else the outcome's retry rule decides; each use counts against its `times`. No rule: the lead is finished.
5. A retry on another day never falls into the local hour of the attempt before, unless the hours leave no other.
"""

from dataclasses import replace

from dialer.compliance.gate import places
from dialer.compliance.hours import is_zone, local_hour, opening
from dialer.domain.lead import UNTIL_DUE, Callback, Lead, LeadState, PhoneNumber
from dialer.domain.outcome import Outcome
from dialer.domain.policy import CampaignPolicy, DispositionPolicy, MissedCallback, NumberOrder

_HOUR_S = 3600.0
_NOT_REACHED_AFTER_S = 300.0  # no line, or our own emergency stop, says nothing of the person: no rule is needed

_MAYBE_ANSWERED = (Outcome.UNKNOWN, Outcome.ABANDONED, Outcome.ABANDONED_BY_CALLEE)


def callable_numbers(lead: Lead, policy: CampaignPolicy) -> list[int]:
    """Give the indexes of the numbers that may still be tried, the next to try first.

    Fewest attempts first, then the policy's order; a number at `attempts_each` or known invalid is left out.
    """
    order = policy.numbers.order

    def kind_rank(number: PhoneNumber) -> int:
        if order is NumberOrder.LISTED:
            return 0
        is_mobile = number.kind in ("mobile", "fixed_or_mobile")
        return int(is_mobile != (order is NumberOrder.MOBILE_FIRST))

    ranked = [
        (number.attempts, kind_rank(number), index)
        for index, number in enumerate(lead.numbers)
        if not number.is_invalid and number.attempts < policy.numbers.attempts_each
    ]
    return [index for _, _, index in sorted(ranked)]


def placed(lead: Lead, index: int, now: float) -> Lead:
    """Count an attempt on number `index`, at the instant of placing it."""
    number = lead.numbers[index]
    number = replace(number, attempts=number.attempts + 1, last_attempt_at=now)
    return replace(lead, numbers=_with(lead, index, number), attempts=lead.attempts + 1, last_attempt_at=now)


def after_outcome(lead: Lead, index: int, outcome: Outcome, policy: CampaignPolicy, now: float) -> Lead:
    """Give the lead as it stands after an attempt that no agent disposed of."""
    lead = replace(lead, last_outcome=str(outcome))
    if outcome is Outcome.INVALID:
        lead = _number_invalid(lead, index)
    if lead.attempts >= policy.retry.attempts_max:
        return finished(lead, "attempts_max")
    numbers = callable_numbers(lead, policy)
    if not numbers:
        return finished(lead, "no_number_left")
    has_fresh_number = lead.numbers[numbers[0]].attempts < lead.numbers[index].attempts
    if (has_fresh_number and outcome not in _MAYBE_ANSWERED) or lead.numbers[index].is_invalid:
        return _due(lead, numbers[0], now + policy.numbers.next_after_s, policy)
    rule = policy.retry.rules.get(outcome)
    if rule is None and outcome in (Outcome.CONGESTION, Outcome.CANCELLED):
        return _due(lead, numbers[0], now + _NOT_REACHED_AFTER_S, policy)
    if rule is None:
        return finished(lead, str(outcome))
    used = lead.tries.get(outcome, 0)
    if used >= rule.times:
        return finished(lead, f"{outcome}_times")
    lead = replace(lead, tries={**lead.tries, str(outcome): used + 1})
    return _due(lead, numbers[0], now + rule.after_s, policy)


def after_disposition(
    lead: Lead,
    index: int,
    disposition: DispositionPolicy,
    policy: CampaignPolicy,
    now: float,
    callback: Callback | None,
) -> Lead:
    """Give the lead as it stands after the agent's word."""
    lead = replace(lead, callback=None, last_outcome=disposition.name)
    if disposition.is_do_not_call:
        return finished(lead, "do_not_call")
    if disposition.is_number_invalid:
        lead = _number_invalid(lead, index)
    if disposition.is_final:
        return finished(lead, disposition.name)
    if disposition.is_number_invalid:
        numbers = callable_numbers(lead, policy)
        if not numbers or lead.attempts >= policy.retry.attempts_max:
            return finished(lead, disposition.name)
        return _due(lead, numbers[0], now + policy.numbers.next_after_s, policy)
    if callback is not None:
        return replace(lead, state=LeadState.PENDING, reason="", due_at=callback.at, callback=callback)
    if disposition.is_machine:
        return after_outcome(lead, index, Outcome.MACHINE, policy, now)
    if disposition.retry_after_s is None:
        return finished(lead, disposition.name)
    numbers = callable_numbers(lead, policy)
    if not numbers or lead.attempts >= policy.retry.attempts_max:
        return finished(lead, disposition.name)
    return _due(lead, numbers[0], now + disposition.retry_after_s, policy)


def missed_callback(lead: Lead, policy: CampaignPolicy, now: float) -> Lead:
    """Give the lead whose promised agent was not there in time, by the campaign's policy."""
    callback = lead.callback
    if callback is None:
        raise ValueError(f"lead {lead.lead_id} has no callback that could be missed")
    match policy.callbacks.missed:
        case MissedCallback.ANY_AGENT:
            return replace(lead, state=LeadState.PENDING, due_at=now, callback=replace(callback, agent_id=None))
        case MissedCallback.RETRY:
            at = now + policy.callbacks.retry_after_s
            return replace(lead, state=LeadState.PENDING, due_at=at, callback=replace(callback, at=at))
        case MissedCallback.DROP:
            return finished(replace(lead, callback=None), "callback_missed")


def finished(lead: Lead, reason: str) -> Lead:
    """Give the lead as never called again by this campaign."""
    return replace(lead, state=LeadState.FINISHED, reason=reason)


def pending(lead: Lead, due_at: float) -> Lead:
    """Give the lead as callable from `due_at` on."""
    return replace(lead, state=LeadState.PENDING, due_at=due_at, reason="")


def put_off(lead: Lead, due_at: float, rule: str) -> Lead:
    """Give the lead as waiting for what a rule lacks; it is looked at again at `due_at`, or when it is woken."""
    return replace(lead, state=LeadState.PENDING, due_at=due_at, reason=rule)


def put_off_until(lead: Lead, due_at: float, rule: str) -> Lead:
    """Give the lead as refused by a rule until `due_at`; it is looked at earlier if the rules change."""
    return replace(lead, state=LeadState.PENDING, due_at=due_at, reason=f"{UNTIL_DUE}{rule}")


def _with(lead: Lead, index: int, number: PhoneNumber) -> tuple[PhoneNumber, ...]:
    return (*lead.numbers[:index], number, *lead.numbers[index + 1 :])


def _number_invalid(lead: Lead, index: int) -> Lead:
    return replace(lead, numbers=_with(lead, index, replace(lead.numbers[index], is_invalid=True)))


def _due(lead: Lead, index: int, due_at: float, policy: CampaignPolicy) -> Lead:
    """Make the lead due, moved out of the local hour of the last attempt when it falls on another day."""
    due_at = other_hour(lead, lead.numbers[index], due_at, policy)
    return replace(lead, state=LeadState.PENDING, reason="", due_at=due_at, callback=None)


def other_hour(lead: Lead, number: PhoneNumber, due_at: float, policy: CampaignPolicy) -> float:
    """Give the first instant from `due_at` on that is not in the local hour of the last attempt on another day.

    It is `due_at` itself where the policy does not ask for it, where there was no attempt, or where no other hour is.
    """
    zones, last_at = places(lead, number), lead.last_attempt_at
    if not policy.retry.is_hour_varied or last_at is None:
        return due_at
    if not zones or not all(map(is_zone, zones)):
        return due_at  # nobody knows the hour there, and the gate will not allow the call
    last_day, last_hour = local_hour(zones[0], last_at)
    at = due_at
    for _ in range(48):
        hours = opening(policy.hours, zones, at)
        if not hours.is_open:
            if hours.until_at is None:
                return due_at
            at = hours.until_at
        day, hour = local_hour(zones[0], at)
        if day == last_day or hour != last_hour:
            return at
        at = at - at % _HOUR_S + _HOUR_S
    return due_at
