"""Orders on their way out: from the engine's word, over the commit, to the gateway.

One rule governs this module: what is not allowed any more when its commit returns does not leave. A call is kept here
when its verdict is old by then, when the person refused meanwhile, or when it was to be hung up again; the engine is
told that it never left.
"""

from collections.abc import Callable, Iterable

from dialer.domain.commands import (
    BlockPerson,
    BridgeCall,
    HandOverCall,
    HangUp,
    OfferPreview,
    PlaceCall,
    PlayMessage,
    RecordAttempt,
    SeatAgent,
    UnseatAgent,
)
from dialer.domain.events import CallFailed, EarlierRunFound
from dialer.domain.living import LivingState
from dialer.domain.outcome import Outcome
from dialer.errors import LeaseLost
from dialer.ports import Gateway
from dialer.storage.codec import Entry

LATE_S = 30.0
"""A call whose verdict is older than this when it could leave does not leave: it may not be allowed any more."""
TOO_LATE = "never sent: it could not be committed in time"
REFUSED = "refused before the call left"
RETRACTED = "hung up before the call left"


class Outgoing:
    """Lets orders out to the gateway and knows which calls left and are not over.

    `may_send` is asked before: no order leaves a daemon that may not be the owner any more.
    """

    def __init__(self, gateway: Gateway, may_send: Callable[[], bool]) -> None:
        self._gateway = gateway
        self._may_send = may_send
        self._calls: dict[int, None] = {}  # that left, or that an earlier run had up
        self._never_left: dict[int, None] = {}
        self._refused: dict[tuple[str, str], int] = {}  # (seller, number) -> the entry that said so, until it is kept
        self._hung_up: dict[int, int] = {}  # call id -> the entry that ordered it, until it is kept

    @property
    def calls(self) -> tuple[int, ...]:
        """The calls that the gateway may have up."""
        return tuple(self._calls)

    def note(self, entry: Entry) -> None:
        """Take in what was handled and is not durable yet: it may forbid what was ordered before and has not left."""
        if isinstance(entry.event, EarlierRunFound):
            self._calls |= dict.fromkeys(_up(entry.event))
        for command in entry.commands:
            match command:
                case BlockPerson(seller=seller, numbers=numbers):
                    self._refused |= {(seller, number): entry.seq for number in numbers}
                case HangUp(call_id=call_id):
                    self._hung_up[call_id] = entry.seq

    def let_out(self, entries: Iterable[Entry], now: float) -> list[CallFailed]:
        """Send the orders of entries that are durable, in order; give the calls that were kept here instead."""
        entries = list(entries)
        if not self._may_send():
            raise LeaseLost("another daemon may own these campaigns by now: no order leaves, start again as standby")
        forbidden = self._forbidden(entries)
        kept: list[CallFailed] = []
        for entry in entries:
            for command in entry.commands:
                match command:
                    case PlaceCall(call_id=call_id):
                        why = TOO_LATE if now - entry.at > LATE_S else forbidden.get(call_id)
                        if why is None:
                            self._calls[call_id] = None
                            self._gateway.send(command)
                        else:
                            self._never_left[call_id] = None
                            kept.append(CallFailed(call_id=call_id, outcome=Outcome.CANCELLED, cause=why))
                    case HangUp(call_id=call_id) if call_id in self._never_left:
                        pass
                    case BridgeCall() | PlayMessage() | HangUp() | HandOverCall():
                        self._gateway.send(command)
                    case SeatAgent() | UnseatAgent() | OfferPreview():
                        self._gateway.send(command)
                    case RecordAttempt(attempt=attempt) if attempt.released_at is not None:
                        self._calls.pop(attempt.call_id, None)
                        self._never_left.pop(attempt.call_id, None)
        self._forget(entries[-1].seq)
        return kept

    def hang_up_all(self, reason: str) -> int:
        """Tell the gateway to end every call that it may have up."""
        for call_id in self._calls:
            self._gateway.send(HangUp(call_id=call_id, reason=reason))
        return len(self._calls)

    def _forbidden(self, entries: list[Entry]) -> dict[int, str]:
        """Give the calls ordered in these entries that something handled since forbids, and why."""
        if not self._refused and not self._hung_up:
            return {}
        forbidden: dict[int, str] = {}
        for entry in entries:
            for command in entry.commands:
                if isinstance(command, RecordAttempt):
                    attempt = command.attempt
                    if (attempt.seller, attempt.number) in self._refused:
                        forbidden[attempt.call_id] = REFUSED
                elif isinstance(command, PlaceCall) and command.call_id in self._hung_up:
                    forbidden.setdefault(command.call_id, RETRACTED)
        return forbidden

    def _forget(self, seq: int) -> None:
        """Forget what forbids nothing any more: whatever was ordered before it has left, or was kept here."""
        if self._refused:
            self._refused = {person: at for person, at in self._refused.items() if at > seq}
        if self._hung_up:
            self._hung_up = {call_id: at for call_id, at in self._hung_up.items() if at > seq}


def _up(found: EarlierRunFound) -> list[int]:
    """Give the calls of an earlier run that the gateway has up."""
    up = [each.living for each in found.calls if each.living is not None]
    return [call.call_id for call in up if call.state is not LivingState.NEVER]
