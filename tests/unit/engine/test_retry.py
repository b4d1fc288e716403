"""What becomes of a lead after an attempt, rule by rule."""

from dataclasses import replace

import pytest

from dialer.compliance.hours import local_hour
from dialer.domain.lead import Callback, Lead, LeadState, PhoneNumber
from dialer.domain.outcome import Outcome
from dialer.domain.policy import (
    CampaignPolicy,
    DispositionPolicy,
    HoursPolicy,
    NumberOrder,
    NumbersPolicy,
    RetryPolicy,
    RetryRule,
)
from dialer.engine import retry
from tests.unit.engine.rig import AT, Rig, lead, policy

DAY_S = 86400.0
RULES = {Outcome.NO_ANSWER: RetryRule(after_s=3600.0, times=2), Outcome.MACHINE: RetryRule(after_s=DAY_S, times=9)}


def rules(**changes: object) -> CampaignPolicy:
    """A campaign with a rule for no answer and for machines."""
    made = RetryPolicy(rules=RULES, attempts_max=5)
    return replace(policy(), retry=replace(made, **changes), numbers=NumbersPolicy(attempts_each=5))  # type: ignore[arg-type]


def tried(known: Lead, index: int = 0) -> Lead:
    """The lead after an attempt now."""
    return retry.placed(known, index, AT)


def test_an_attempt_counts_when_it_is_placed() -> None:
    """Lead and number are counted before anybody knows what comes of it."""
    known = tried(lead(1, numbers=2), 1)
    assert (known.attempts, [each.attempts for each in known.numbers], known.last_attempt_at) == (1, [0, 1], AT)


def test_the_outcomes_rule_says_when() -> None:
    """No answer: again after an hour, at most twice."""
    known = lead(1)
    for used in (1, 2):
        known = retry.after_outcome(tried(known), 0, Outcome.NO_ANSWER, rules(), AT)
        assert (known.state, known.due_at, known.tries) == (LeadState.PENDING, AT + 3600.0, {"no_answer": used})
    known = retry.after_outcome(tried(known), 0, Outcome.NO_ANSWER, rules(), AT)
    assert (known.state, known.reason) == (LeadState.FINISHED, "no_answer_times")


def test_no_rule_ends_the_lead() -> None:
    """An outcome that the campaign has no rule for is the last one."""
    known = retry.after_outcome(tried(lead(1)), 0, Outcome.BUSY, rules(), AT)
    assert (known.state, known.reason) == (LeadState.FINISHED, "busy")


def test_attempts_max_ends_the_lead() -> None:
    """The cap on all attempts stands above every rule."""
    known = retry.after_outcome(tried(lead(1, numbers=2)), 0, Outcome.NO_ANSWER, rules(attempts_max=1), AT)
    assert (known.state, known.reason) == (LeadState.FINISHED, "attempts_max")


def test_another_number_comes_before_a_retry() -> None:
    """A number tried less often is due after ten minutes, and uses up no retry."""
    known = retry.after_outcome(tried(lead(1, numbers=2)), 0, Outcome.BUSY, rules(), AT)
    assert (known.due_at, known.tries) == (AT + 600.0, {})
    assert retry.callable_numbers(known, rules()) == [1, 0]


@pytest.mark.parametrize("outcome", [Outcome.UNKNOWN, Outcome.ABANDONED, Outcome.ABANDONED_BY_CALLEE])
def test_who_may_have_answered_is_not_tried_on_another_number(outcome: Outcome) -> None:
    """The number did not fail: without a rule of its own such an outcome ends the lead, whatever numbers are left."""
    known = retry.after_outcome(tried(lead(1, numbers=2)), 0, outcome, rules(), AT)
    assert (known.state, known.reason) == (LeadState.FINISHED, str(outcome))


@pytest.mark.parametrize("outcome", [Outcome.CONGESTION, Outcome.CANCELLED])
def test_what_says_nothing_of_the_person_needs_no_rule(outcome: Outcome) -> None:
    """No line, or our own emergency stop: soon again."""
    known = retry.after_outcome(tried(lead(1)), 0, outcome, rules(), AT)
    assert (known.state, known.due_at) == (LeadState.PENDING, AT + 300.0)


def test_an_invalid_number_is_never_tried_again() -> None:
    """The other number is left; without one the lead is finished."""
    known = retry.after_outcome(tried(lead(1, numbers=2)), 0, Outcome.INVALID, rules(), AT)
    assert known.numbers[0].is_invalid and retry.callable_numbers(known, rules()) == [1]
    known = retry.after_outcome(tried(lead(1)), 0, Outcome.INVALID, rules(), AT)
    assert (known.state, known.reason) == (LeadState.FINISHED, "no_number_left")


@pytest.mark.parametrize(
    ("order", "first"), [(NumberOrder.LISTED, 0), (NumberOrder.MOBILE_FIRST, 1), (NumberOrder.FIXED_FIRST, 0)]
)
def test_the_policy_orders_the_numbers(order: NumberOrder, first: int) -> None:
    """Among numbers tried equally often the policy's kind comes first; spent ones are left out."""
    made = lead(1, numbers=3)
    kinds = zip(made.numbers, ("fixed", "mobile", "fixed"), strict=True)
    known = replace(made, numbers=tuple(replace(number, kind=kind) for number, kind in kinds))
    campaign = replace(policy(), numbers=NumbersPolicy(order=order, attempts_each=1))
    assert retry.callable_numbers(known, campaign)[0] == first
    assert first not in retry.callable_numbers(tried(known, first), campaign)


def test_a_retry_on_another_day_falls_into_another_hour() -> None:
    """Nobody is called at the same hour each day."""
    known = retry.after_outcome(tried(lead(1)), 0, Outcome.MACHINE, rules(), AT)
    assert local_hour("Europe/London", known.due_at)[0] == local_hour("Europe/London", AT)[0] + 1
    assert local_hour("Europe/London", known.due_at)[1] == local_hour("Europe/London", AT)[1] + 1
    fixed = retry.after_outcome(tried(lead(1)), 0, Outcome.MACHINE, rules(is_hour_varied=False), AT)
    assert fixed.due_at == AT + DAY_S


def test_the_hour_is_varied_in_a_half_hour_zone() -> None:
    """The hour is that of the wall clock, in Kolkata as in London."""
    known = retry.after_outcome(tried(lead(1, zone="Asia/Kolkata")), 0, Outcome.MACHINE, rules(), AT)
    assert local_hour("Asia/Kolkata", known.due_at)[1] != local_hour("Asia/Kolkata", AT)[1]


def test_hours_that_leave_no_other_keep_the_retry() -> None:
    """A campaign of one hour a day calls in that hour again."""
    one_hour = replace(rules(), hours=HoursPolicy(week=(((9 * 3600, 10 * 3600),),) * 7))
    known = retry.after_outcome(tried(lead(1)), 0, Outcome.MACHINE, one_hour, AT)
    assert (known.state, known.due_at) == (LeadState.PENDING, AT + DAY_S)


@pytest.mark.parametrize("zones", [(), ("Mars/Olympus",)])
def test_a_number_without_a_place_is_no_crash(zones: tuple[str, ...]) -> None:
    """The next number's zone is not known: when to try is anybody's guess, and the gate will refuse it."""
    known = lead(1, numbers=2)
    second = PhoneNumber(e164="+447700900999", kind="mobile", region="GB", zones=zones)
    known = replace(known, numbers=(known.numbers[0], second))
    after = retry.after_outcome(tried(known), 0, Outcome.BUSY, rules(), AT)
    assert after.due_at == AT + 600.0


def test_a_missed_promise_ends_with_any_other_attempt() -> None:
    """A retry is not a callback any more: it waits for nobody in particular."""
    promised = replace(lead(1), callback=Callback(at=AT, agent_id="a"))
    assert retry.after_outcome(tried(promised), 0, Outcome.NO_ANSWER, rules(), AT).callback is None


def test_a_lead_that_waited_into_its_old_hour_is_put_off() -> None:
    """Due at another hour but kept waiting into yesterday's, a lead is not dialed; after an attempt today it may be."""
    rig = Rig()
    waited = replace(lead(1), attempts=1, last_attempt_at=rig.now - 86400.0 + 600.0, due_at=rig.now - 7200.0)
    today = replace(lead(2), attempts=1, last_attempt_at=rig.now - 600.0)
    rig.load_leads(policy(), [waited, today])
    rig.log_in("a", "b")
    assert [call.lead_id for call in rig.placed()] == [2]
    assert rig.lead(1).due_at == 1767607200.0  # ten o'clock
    rig.wait(1900.0)
    assert 1 in [call.lead_id for call in rig.placed()]


def test_a_final_wrong_number_ends_the_lead() -> None:
    """`final` beside an invalid number ends the lead; without it the other numbers are tried."""
    two = retry.placed(lead(1, numbers=2), 0, AT)
    wrong = DispositionPolicy(name="wrong", is_number_invalid=True)
    again = retry.after_disposition(two, 0, wrong, policy(), AT, None)
    assert again.state is LeadState.PENDING and again.numbers[0].is_invalid
    ended = retry.after_disposition(two, 0, replace(wrong, is_final=True), policy(), AT, None)
    assert ended.state is LeadState.FINISHED and ended.reason == "wrong" and ended.numbers[0].is_invalid
