"""The clock of an abandonment, and what is kept of a call."""

import pytest

from dialer.domain import call as calls
from dialer.domain.call import Call, CallInput, CallState, Fact
from dialer.domain.outcome import Outcome
from dialer.domain.policy import ClockStart
from dialer.domain.records import Attempt

ATTEMPT = Attempt(call_id=1, campaign="c", lead_id=1, number="+447700900001", mode="power", placed_at=0.0)
NEW = Call(call_id=1, campaign="c", lead_id=1, state=CallState.PLACED, since_at=0.0, attempt=ATTEMPT)


def after(*steps: tuple[float, Fact], starts_at: ClockStart = ClockStart.ANSWER) -> Call:
    """The call after these facts, with a threshold of two seconds."""
    call = NEW
    for now, fact in steps:
        call = calls.step(call, fact, now, starts_at=starts_at, threshold_s=2.0)
    return call


def live(start: float | None = None, end: float | None = None) -> Fact:
    """The detector heard a person."""
    return Fact(input=CallInput.LIVE, greeting_start_at=start, greeting_end_at=end)


ANSWERED = (10.0, Fact(input=CallInput.ANSWERED))
MATCHED = Fact(input=CallInput.MATCHED, agent_id="a")
BRIDGED = Fact(input=CallInput.BRIDGED, agent_id="a")


@pytest.mark.parametrize(
    ("starts_at", "deadline_at"),
    [(ClockStart.ANSWER, 12.0), (ClockStart.GREETING_START, 12.5), (ClockStart.GREETING_END, 13.5)],
)
def test_the_threshold_runs_from_the_policys_instant(starts_at: ClockStart, deadline_at: float) -> None:
    """Answer, first word, or last word of the greeting."""
    assert after(ANSWERED, (12.0, live(10.5, 11.5)), starts_at=starts_at).deadline_at == deadline_at


@pytest.mark.parametrize("starts_at", list(ClockStart))
def test_an_instant_that_was_not_measured_falls_back_to_the_answer(starts_at: ClockStart) -> None:
    """That is earlier, and so stricter."""
    assert after(ANSWERED, (12.0, live()), starts_at=starts_at).deadline_at == 12.0


def test_who_waited_and_is_not_known_of_any_more_was_abandoned() -> None:
    """A gateway that lost a call cannot say that the person hung up in time."""
    lost = Fact(input=CallInput.RELEASED, by="unknown")
    assert after(ANSWERED, (10.0, live()), (10.5, lost)).attempt.outcome is Outcome.ABANDONED


def test_late_news_of_an_answer_counts_from_the_answer() -> None:
    """What was under way for a while says when it was; an instant before the call or yet to come is not believed."""
    measured = Fact(input=CallInput.ANSWERED, at=8.0)
    late = after((10.0, measured), (10.5, live()), starts_at=ClockStart.ANSWER)
    assert (late.attempt.answered_at, late.deadline_at) == (8.0, 10.0)
    for claimed, taken in ((-1.0, late.attempt.placed_at), (99.0, 10.0)):
        at = after((10.0, Fact(input=CallInput.ANSWERED, at=claimed))).attempt.answered_at
        assert at == taken


def test_a_greeting_cannot_end_after_it_was_reported() -> None:
    """A switch that reports an instant to come does not buy the person a longer wait."""
    assert after(ANSWERED, (11.0, live(10.0, 9e9)), starts_at=ClockStart.GREETING_END).deadline_at == 13.0


def test_a_late_connect_counts_as_abandoned() -> None:
    """An agent on the line after the threshold is a connect and an abandonment, from the threshold's end."""
    late = after(ANSWERED, (10.0, live()), (11.0, MATCHED), (12.1, BRIDGED)).attempt
    assert (late.is_late_connect, late.is_abandoned, late.abandoned_at) == (True, True, 12.0)
    in_time = after(ANSWERED, (10.0, live()), (11.0, MATCHED), (12.0, BRIDGED)).attempt
    assert (in_time.is_late_connect, in_time.is_abandoned) == (False, False)


def test_an_abandonment_keeps_its_first_instant() -> None:
    """A call given up after its threshold was abandoned when the threshold passed, not when it was hung up."""
    waiting = after(ANSWERED, (10.0, live()), (11.0, MATCHED))
    marked = calls.abandoned(waiting, 12.0)
    ended = calls.step(marked, Fact(input=CallInput.SILENCE), 21.0, starts_at=ClockStart.ANSWER, threshold_s=2.0)
    assert (ended.attempt.abandoned_at, ended.attempt.outcome) == (12.0, Outcome.ABANDONED)


def test_who_hangs_up_while_waiting_is_told_apart_by_the_threshold() -> None:
    """Before it: abandoned by the callee. After it: abandoned."""
    gone = Fact(input=CallInput.RELEASED, by="callee")
    assert after(ANSWERED, (10.0, live()), (11.9, gone)).attempt.outcome is Outcome.ABANDONED_BY_CALLEE
    assert after(ANSWERED, (10.0, live()), (12.1, gone)).attempt.outcome is Outcome.ABANDONED


def test_a_lost_answer_is_unknown() -> None:
    """A release without an answer, and without a failure, says nothing."""
    ended = after((1.0, Fact(input=CallInput.RINGING)), (9.0, Fact(input=CallInput.RELEASED)))
    assert ended.attempt.outcome is Outcome.UNKNOWN
