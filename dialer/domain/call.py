"""The life of a call: one table of states, and the pure step that applies it.

A call is the telephone leg of an attempt, from `PlaceCall` to release. News from the switch may come late, twice or in
the wrong order, so every (state, news) pair has a row; what the engine itself decides has rows only where it is legal.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from dialer.domain.outcome import Outcome
from dialer.domain.policy import ClockStart
from dialer.domain.records import Attempt
from dialer.errors import IllegalTransition


class CallState(StrEnum):
    """Where a call stands."""

    PLACED = "placed"
    RINGING = "ringing"
    ANSWERED = "answered"  # picked up; person or machine is not known yet
    QUEUED = "queued"  # a live answer waiting for an agent
    BRIDGING = "bridging"  # an agent is being joined
    CONNECTED = "connected"
    MESSAGE = "message"  # the abandonment message plays
    ENDING = "ending"  # the hang-up is ordered, not yet confirmed
    OVER = "over"


class CallInput(StrEnum):
    """What moves a call. The first nine are news from the switch, the others the engine's own decisions."""

    RINGING = "ringing"
    ANSWERED = "answered"
    LIVE = "live"
    MACHINE = "machine"
    FAILED = "failed"
    BRIDGED = "bridged"
    BRIDGE_FAILED = "bridge_failed"
    MESSAGE_BEGAN = "message_began"
    RELEASED = "released"
    MATCHED = "matched"  # an agent was found
    GIVEN_UP = "given_up"  # the threshold passed without an agent, and a message is to be played
    HUNG_UP = "hung_up"  # the engine orders the end
    SILENCE = "silence"  # the switch said nothing for too long


NEWS = tuple(list(CallInput)[:9])
"""What the switch may say in any state."""

_S, _I = CallState, CallInput

TABLE: dict[tuple[CallState, CallInput], CallState] = {
    (_S.PLACED, _I.RINGING): _S.RINGING,
    (_S.PLACED, _I.ANSWERED): _S.ANSWERED,  # no ringing was reported: common with early answers
    (_S.PLACED, _I.LIVE): _S.QUEUED,  # the detector overtook the answer
    (_S.PLACED, _I.MACHINE): _S.ENDING,
    (_S.PLACED, _I.FAILED): _S.OVER,
    (_S.PLACED, _I.BRIDGED): _S.PLACED,  # never ordered: ignored
    (_S.PLACED, _I.BRIDGE_FAILED): _S.PLACED,  # never ordered: ignored
    (_S.PLACED, _I.MESSAGE_BEGAN): _S.PLACED,  # an answer goes before: ignored
    (_S.PLACED, _I.RELEASED): _S.OVER,  # the answer, if there was one, was lost
    (_S.PLACED, _I.HUNG_UP): _S.ENDING,
    (_S.PLACED, _I.SILENCE): _S.ENDING,
    (_S.RINGING, _I.RINGING): _S.RINGING,  # duplicate
    (_S.RINGING, _I.ANSWERED): _S.ANSWERED,
    (_S.RINGING, _I.LIVE): _S.QUEUED,  # the detector overtook the answer
    (_S.RINGING, _I.MACHINE): _S.ENDING,
    (_S.RINGING, _I.FAILED): _S.OVER,
    (_S.RINGING, _I.BRIDGED): _S.RINGING,  # never ordered: ignored
    (_S.RINGING, _I.BRIDGE_FAILED): _S.RINGING,  # never ordered: ignored
    (_S.RINGING, _I.MESSAGE_BEGAN): _S.RINGING,  # an answer goes before: ignored
    (_S.RINGING, _I.RELEASED): _S.OVER,  # the answer, if there was one, was lost
    (_S.RINGING, _I.HUNG_UP): _S.ENDING,
    (_S.RINGING, _I.SILENCE): _S.ENDING,
    (_S.ANSWERED, _I.RINGING): _S.ANSWERED,  # late
    (_S.ANSWERED, _I.ANSWERED): _S.ANSWERED,  # duplicate
    (_S.ANSWERED, _I.LIVE): _S.QUEUED,
    (_S.ANSWERED, _I.MACHINE): _S.ENDING,
    (_S.ANSWERED, _I.FAILED): _S.OVER,  # the network dropped an answered call
    (_S.ANSWERED, _I.BRIDGED): _S.ANSWERED,  # never ordered: ignored
    (_S.ANSWERED, _I.BRIDGE_FAILED): _S.ANSWERED,  # never ordered: ignored
    (
        _S.ANSWERED,
        _I.MESSAGE_BEGAN,
    ): _S.ANSWERED,  # only a person is played to, of whom the detector's word says so: ignored
    (_S.ANSWERED, _I.RELEASED): _S.OVER,
    (_S.ANSWERED, _I.HUNG_UP): _S.ENDING,
    (_S.ANSWERED, _I.SILENCE): _S.QUEUED,  # the detector is mute: not sure counts as a person
    (_S.QUEUED, _I.RINGING): _S.QUEUED,  # late
    (_S.QUEUED, _I.ANSWERED): _S.QUEUED,  # late, or duplicate
    (_S.QUEUED, _I.LIVE): _S.QUEUED,  # duplicate
    (_S.QUEUED, _I.MACHINE): _S.QUEUED,  # the detector changed its mind: a person once is a person
    (_S.QUEUED, _I.FAILED): _S.OVER,
    (_S.QUEUED, _I.BRIDGED): _S.QUEUED,  # an earlier bridge was given up already
    (_S.QUEUED, _I.BRIDGE_FAILED): _S.QUEUED,  # duplicate
    (_S.QUEUED, _I.MESSAGE_BEGAN): _S.MESSAGE,  # the gateway had no order in time
    (_S.QUEUED, _I.RELEASED): _S.OVER,  # the person hung up while waiting
    (_S.QUEUED, _I.MATCHED): _S.BRIDGING,
    (_S.QUEUED, _I.GIVEN_UP): _S.MESSAGE,
    (_S.QUEUED, _I.HUNG_UP): _S.ENDING,
    (_S.BRIDGING, _I.RINGING): _S.BRIDGING,  # late
    (_S.BRIDGING, _I.ANSWERED): _S.BRIDGING,  # late, or duplicate
    (_S.BRIDGING, _I.LIVE): _S.BRIDGING,  # duplicate
    (_S.BRIDGING, _I.MACHINE): _S.BRIDGING,  # the detector changed its mind: the agent will say
    (_S.BRIDGING, _I.FAILED): _S.OVER,
    (_S.BRIDGING, _I.BRIDGED): _S.CONNECTED,
    (_S.BRIDGING, _I.BRIDGE_FAILED): _S.QUEUED,
    (_S.BRIDGING, _I.MESSAGE_BEGAN): _S.MESSAGE,  # the order to join crossed with it
    (_S.BRIDGING, _I.RELEASED): _S.OVER,
    (_S.BRIDGING, _I.HUNG_UP): _S.ENDING,
    (_S.BRIDGING, _I.SILENCE): _S.ENDING,
    (_S.CONNECTED, _I.RINGING): _S.CONNECTED,  # late
    (_S.CONNECTED, _I.ANSWERED): _S.CONNECTED,  # late, or duplicate
    (_S.CONNECTED, _I.LIVE): _S.CONNECTED,  # duplicate
    (_S.CONNECTED, _I.MACHINE): _S.CONNECTED,  # the agent will say
    (_S.CONNECTED, _I.FAILED): _S.OVER,
    (_S.CONNECTED, _I.BRIDGED): _S.CONNECTED,  # duplicate
    (_S.CONNECTED, _I.BRIDGE_FAILED): _S.CONNECTED,  # contradicts what was reported: the release will tell
    (_S.CONNECTED, _I.MESSAGE_BEGAN): _S.CONNECTED,  # contradicts what was reported: the release will tell
    (_S.CONNECTED, _I.RELEASED): _S.OVER,
    (_S.CONNECTED, _I.HUNG_UP): _S.ENDING,
    (_S.CONNECTED, _I.SILENCE): _S.ENDING,  # the end was lost
    (_S.MESSAGE, _I.RINGING): _S.MESSAGE,  # late
    (_S.MESSAGE, _I.ANSWERED): _S.MESSAGE,  # late, or duplicate
    (_S.MESSAGE, _I.LIVE): _S.MESSAGE,  # duplicate
    (_S.MESSAGE, _I.MACHINE): _S.MESSAGE,  # too late to be of use
    (_S.MESSAGE, _I.FAILED): _S.OVER,
    (_S.MESSAGE, _I.BRIDGED): _S.MESSAGE,  # an earlier bridge was given up already
    (_S.MESSAGE, _I.BRIDGE_FAILED): _S.MESSAGE,  # late
    (_S.MESSAGE, _I.MESSAGE_BEGAN): _S.MESSAGE,  # ordered, too, or duplicate
    (_S.MESSAGE, _I.RELEASED): _S.OVER,
    (_S.MESSAGE, _I.HUNG_UP): _S.ENDING,
    (_S.MESSAGE, _I.SILENCE): _S.ENDING,
    (_S.ENDING, _I.RINGING): _S.ENDING,  # crossed with the hang-up
    (_S.ENDING, _I.ANSWERED): _S.ENDING,  # crossed with the hang-up: picked up as it ended
    (_S.ENDING, _I.LIVE): _S.ENDING,  # crossed with the hang-up
    (_S.ENDING, _I.MACHINE): _S.ENDING,  # crossed with the hang-up
    (_S.ENDING, _I.FAILED): _S.OVER,
    (_S.ENDING, _I.BRIDGED): _S.ENDING,  # crossed with the hang-up
    (_S.ENDING, _I.BRIDGE_FAILED): _S.ENDING,  # crossed with the hang-up
    (_S.ENDING, _I.MESSAGE_BEGAN): _S.ENDING,  # crossed with the hang-up
    (_S.ENDING, _I.RELEASED): _S.OVER,
    (_S.ENDING, _I.HUNG_UP): _S.ENDING,
    (_S.ENDING, _I.SILENCE): _S.OVER,
    **{(_S.OVER, news): _S.OVER for news in NEWS},  # late, or duplicate: the attempt is settled
}
"""(state, input) -> state. A missing row is illegal."""

_UNANSWERED = (CallState.PLACED, CallState.RINGING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call in flight, with the attempt that will be kept of it.

    `waits_from_at` is the instant from which the threshold of an abandonment runs. `agent_id` is the agent on the line,
    or the one who is reserved for this call (`attempt.is_reserved`).
    """

    call_id: int
    campaign: str
    lead_id: int
    state: CallState
    since_at: float
    attempt: Attempt
    agent_id: str | None = None
    waits_from_at: float | None = None
    deadline_at: float | None = None  # end of the threshold

    @property
    def is_unanswered(self) -> bool:
        """Nobody has picked up yet."""
        return self.state in _UNANSWERED


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """An input with what came along with it."""

    input: CallInput
    outcome: Outcome | None = None
    cause: str = ""
    by: str = ""
    agent_id: str | None = None
    greeting_start_at: float | None = None
    greeting_end_at: float | None = None
    at: float | None = None  # when it was, if that was measured and may be past


def wait_start(attempt: Attempt, starts_at: ClockStart, now: float) -> float:
    """Give the instant from which a live answer counts as waiting.

    An instant that the switch did not measure falls back to the answer, which is earlier and so stricter; one that is
    yet to come cannot have been measured, and is taken as `now`.
    """
    answered_at = attempt.answered_at if attempt.answered_at is not None else now
    match starts_at:
        case ClockStart.ANSWER:
            start = None
        case ClockStart.GREETING_START:
            start = attempt.greeting_start_at
        case ClockStart.GREETING_END:
            start = attempt.greeting_end_at
    return answered_at if start is None else min(start, now)


def step(call: Call, fact: Fact, now: float, *, starts_at: ClockStart, threshold_s: float) -> Call:
    """Apply one input; raise IllegalTransition when the table has no row. `call` itself is left as it is."""
    after = TABLE.get((call.state, fact.input))
    if after is None:
        raise IllegalTransition(f"call {call.call_id}: {fact.input} is not legal in state {call.state}")
    if after is call.state:
        return call
    match after:
        case CallState.RINGING:
            return replace(call, state=after, since_at=now, attempt=replace(call.attempt, ringing_at=now))
        case CallState.ANSWERED:
            return replace(
                call, state=after, since_at=now, attempt=replace(call.attempt, answered_at=_at(call, fact, now))
            )
        case CallState.QUEUED:
            return _queued(call, fact, now, starts_at, threshold_s)
        case CallState.BRIDGING:
            return replace(call, state=after, since_at=now, agent_id=fact.agent_id)
        case CallState.CONNECTED:
            return _connected(call, now)
        case CallState.MESSAGE | CallState.ENDING:
            return _given_up(call, after, fact, now)
        case _:
            return _over(call, fact, now)


def _at(call: Call, fact: Fact, now: float) -> float:
    """Give the instant of what happened; late news must not make a wait look shorter than it was."""
    return now if fact.at is None else max(call.attempt.placed_at, min(fact.at, now))


def _queued(call: Call, fact: Fact, now: float, starts_at: ClockStart, threshold_s: float) -> Call:
    if call.state is CallState.BRIDGING:
        return replace(call, state=CallState.QUEUED, since_at=now, agent_id=None)
    attempt = call.attempt
    attempt = replace(
        attempt,
        answered_at=now if attempt.answered_at is None else attempt.answered_at,
        classified_at=now,
        greeting_start_at=fact.greeting_start_at,
        greeting_end_at=fact.greeting_end_at,
        is_live=True,
    )
    waits_from_at = wait_start(attempt, starts_at, now)
    return replace(
        call,
        state=CallState.QUEUED,
        since_at=now,
        attempt=attempt,
        waits_from_at=waits_from_at,
        deadline_at=waits_from_at + threshold_s,
    )


def _connected(call: Call, now: float) -> Call:
    is_late = call.deadline_at is not None and now > call.deadline_at
    attempt = replace(
        call.attempt,
        bridged_at=now,
        agent_id=call.agent_id,
        is_late_connect=is_late,
        is_abandoned=call.attempt.is_abandoned or is_late,
        abandoned_at=call.deadline_at if is_late else call.attempt.abandoned_at,
    )
    return replace(call, state=CallState.CONNECTED, since_at=now, attempt=attempt)


def abandoned(call: Call, now: float) -> Call:
    """Mark a live answer as abandoned: its threshold has passed without an agent on the line."""
    return replace(call, attempt=replace(call.attempt, is_abandoned=True, abandoned_at=now))


def _given_up(call: Call, state: CallState, fact: Fact, now: float) -> Call:
    attempt = call.attempt
    if fact.input is CallInput.MACHINE:
        attempt = replace(
            attempt,
            answered_at=now if attempt.answered_at is None else attempt.answered_at,
            classified_at=now,
            outcome=Outcome.MACHINE,
        )
    elif call.state in (CallState.QUEUED, CallState.BRIDGING):
        at = _at(call, fact, now)
        abandoned_at = at if attempt.abandoned_at is None else attempt.abandoned_at
        message_at = at if state is CallState.MESSAGE else attempt.message_at
        attempt = replace(
            attempt, is_abandoned=True, abandoned_at=abandoned_at, message_at=message_at, outcome=Outcome.ABANDONED
        )
    elif call.state is CallState.CONNECTED:
        attempt = replace(attempt, outcome=Outcome.CONNECTED)
    elif call.state is not CallState.MESSAGE:
        attempt = replace(attempt, outcome=fact.outcome or Outcome.UNKNOWN)
    return replace(call, state=state, since_at=now, attempt=attempt, deadline_at=None)


def _over(call: Call, fact: Fact, now: float) -> Call:
    outcome, is_abandoned = call.attempt.outcome, call.attempt.is_abandoned
    if call.state in _UNANSWERED:
        outcome = fact.outcome if fact.input is CallInput.FAILED else Outcome.UNKNOWN
    elif call.state is CallState.ANSWERED:
        # Picked up and gone before the detector spoke: nobody can say that it was a person who waited too long.
        outcome = Outcome.ABANDONED_BY_CALLEE
    elif call.state in (CallState.QUEUED, CallState.BRIDGING):
        # What became of a person who waited, and of whom nobody knows any more, is counted against us.
        is_late = call.deadline_at is not None and now >= call.deadline_at
        is_abandoned = is_abandoned or is_late or fact.by == "unknown"
        outcome = Outcome.ABANDONED if is_abandoned else Outcome.ABANDONED_BY_CALLEE
    elif call.state is CallState.CONNECTED:
        outcome = Outcome.CONNECTED
    attempt = replace(
        call.attempt,
        released_at=now,
        outcome=outcome or Outcome.UNKNOWN,
        is_abandoned=is_abandoned,
        abandoned_at=now if is_abandoned and call.attempt.abandoned_at is None else call.attempt.abandoned_at,
        released_by=fact.by or ("network" if fact.input is CallInput.FAILED else ""),
        cause=fact.cause,
    )
    return replace(call, state=CallState.OVER, since_at=now, attempt=attempt, deadline_at=None)
