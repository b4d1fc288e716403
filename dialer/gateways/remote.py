"""One gateway behind the broker, as the engine's side knows it: is it there, what is up at it, how its clock goes.

One rule governs this module: a gateway is there when it answers, and its calls are where it says. While it does not
answer nothing is dialed over it, and nothing is concluded about its calls.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from dialer.domain.events import CallEvent, CallFailed, CallReleased
from dialer.domain.living import LivingCall, LivingState
from dialer.domain.outcome import Outcome
from dialer.gateways import contract
from dialer.gateways.sequence import Sequence
from dialer.gateways.translating import event_of, living_of, missed
from dialer.pacing.bucket import Bucket

LOST_S = 4.0
"""A gateway that has not answered a ping for so long is lost."""
ASK_EVERY_S = 30.0
UNHEARD_S = 13.0
"""How long nothing may be heard of a call after its order, until the gateway is asked: the broker may have lost it."""
ASK_AGAIN_S = 5.0
_SAMPLES = 60

FATE_UNKNOWN = "the gateway knows nothing of it any more"
NEVER_CAME = "never sent: the order did not reach the gateway"


@dataclass(slots=True)
class Question:
    """What a gateway was asked, and the parts of the answer so far."""

    request: str
    asked: Mapping[int, float]
    at: float
    parts: dict[int, contract.Snapshot] = field(default_factory=dict)

    def answer(self, snapshot: contract.Snapshot) -> contract.Snapshot | None:
        """Take a part of the answer; give the whole once it is complete."""
        self.parts[snapshot.part] = snapshot
        if len(self.parts) < snapshot.parts:
            return None
        parts = list(self.parts.values())
        return contract.Snapshot(
            v=contract.VERSION,
            epoch=snapshot.epoch,
            seq=snapshot.seq,
            at=snapshot.at,
            request=snapshot.request,
            part=0,
            parts=1,
            up=tuple(each for part in parts for each in part.up),
            ended=tuple(each for part in parts for each in part.ended),
            never=tuple(each for part in parts for each in part.never),
            desks=snapshot.desks,
        )


@dataclass(slots=True)
class Remote:
    """What is known of one gateway. Instants are the engine's, but for those that `ahead_s` is to be taken from."""

    name: str
    lines_max: int
    bucket: Bucket
    sequence: Sequence = field(default_factory=Sequence)
    lines_there: int = 1 << 30  # as its own state says
    is_present: bool = False
    answered_at: float | None = None  # the last ping
    lost_at: float | None = None  # None: it is there, or was not yet
    present_at: float | None = None  # since when it is there, if it is
    ahead_s: float = 0.0
    round_trip_s: float | None = None
    calls: dict[int, float] = field(default_factory=dict)  # up there as far as is known, and when ordered
    unheard: dict[int, float] = field(default_factory=dict)  # of which nothing was heard yet
    question: Question | None = None
    asked_at: float = 0.0
    settled_epoch: int | None = None  # the life whose calls and desks are known
    _trips: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=_SAMPLES))

    @property
    def lines(self) -> int:
        """How many calls may be up over this gateway now."""
        return min(self.lines_max, self.lines_there) if self.is_present else 0

    @property
    def lines_free(self) -> int:
        """How many more calls may be started over it."""
        return self.lines - len(self.calls)

    def pong(self, pong: contract.Pong, now: float) -> float:
        """Take the answer to a ping: the quickest of the last ones tells best how far the clocks are apart.

        Gives how long it took.
        """
        trip_s = max(0.0, now - pong.ping_at)
        self.round_trip_s = trip_s
        self.answered_at = now
        self._trips.append((trip_s, pong.at - (pong.ping_at + trip_s / 2.0)))
        self.ahead_s = min(self._trips)[1]
        return trip_s

    def is_silent(self, now: float) -> bool:
        """Whether it has not answered for too long."""
        return self.answered_at is None or now - self.answered_at > LOST_S

    def wants_asking(self, now: float) -> bool:
        """Whether to ask it now what is up."""
        if self.question is not None and now - self.question.at < ASK_AGAIN_S:
            return False
        if not self.is_present or self.question is not None or self.sequence.has_gap:
            return True
        if self.calls and now - self.asked_at > ASK_EVERY_S:
            return True
        first = next(iter(self.unheard.values()), None)
        return first is not None and now - first > UNHEARD_S and now - self.asked_at > ASK_AGAIN_S

    def place(self, call_id: int, now: float) -> None:
        """Note a call that is ordered over it."""
        self.bucket.take()
        self.calls[call_id] = self.unheard[call_id] = now

    def heard(self, call_id: int, *, is_over: bool) -> None:
        """Note that there was news of a call."""
        self.unheard.pop(call_id, None)
        if is_over:
            self.calls.pop(call_id, None)

    def settled(self, question: Question, whole: contract.Snapshot) -> tuple[list[CallEvent], list[int]]:
        """Give what the answer tells of the calls asked about, and the calls up there that are not known here."""
        events: list[CallEvent] = []
        up = {each.call_id: each for each in whole.up}
        ended = {each.call_id: each for each in whole.ended}
        for call_id in question.asked:
            if call_id not in self.calls:
                continue  # its end was heard meanwhile
            if call_id in up:
                events += missed(living_of(up[call_id], self.ahead_s))
            elif call_id in ended:
                events += [event_of(news, self.ahead_s) for news in ended[call_id].news]
            elif call_id in whole.never:
                events.append(CallFailed(call_id=call_id, outcome=Outcome.CANCELLED, cause=NEVER_CAME))
            else:
                events.append(CallReleased(call_id=call_id, by="unknown", cause=FATE_UNKNOWN))
        for event in events:
            self.heard(event.call_id, is_over=isinstance(event, CallFailed | CallReleased))
        return events, [call_id for call_id in up if call_id not in self.calls]


def merged(answers: list[tuple[Remote, contract.Snapshot]], *, is_whole: bool) -> list[LivingCall]:
    """Put the answers of several gateways together; only what all say never came, never came."""
    calls = [living_of(each, remote.ahead_s) for remote, answer in answers for each in answer.up]
    never = [set(answer.never) for _, answer in answers]
    if is_whole and never:
        calls += [LivingCall(call_id=call_id, state=LivingState.NEVER) for call_id in sorted(set.intersection(*never))]
    return calls
