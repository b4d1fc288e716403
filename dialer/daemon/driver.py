"""The asyncio driver: the only task that touches the engine.

The rule is journal, then act: a batch of events and all that they caused is committed before any order leaves for the
gateway. At one instant outside events come before timers, and among themselves in order of arrival; an adapter's
instant reply waits in the queue like all other news. A refusal that is handled before a call has left keeps it here.

While the disk is full nothing can be committed, so no order leaves and the engine hears nothing: calls that are up go
on, their news waits in the queue with the instants of its arrival, and the batch at hand is tried again.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from dialer.daemon.clock import DaemonClock
from dialer.domain.commands import (
    BlockPerson,
    BridgeCall,
    ClaimLeads,
    Command,
    HangUp,
    OfferPreview,
    PlaceCall,
    PlayMessage,
    RecordAttempt,
)
from dialer.domain.events import CallFailed, CallReleased, EarlierRunFound, Event, LeadsClaimed
from dialer.domain.living import LivingState
from dialer.domain.outcome import Outcome
from dialer.engine.engine import Engine
from dialer.engine.status import EngineStatus
from dialer.errors import DialerError, DiskFull, LeaseLost
from dialer.ports import Gateway
from dialer.storage.codec import Entry

QUEUE_MAX = 100_000
BATCH_MAX = 500  # entries in one commit
ROUNDS_MAX = 64
LATE_S = 30.0
"""A call whose verdict is older than this when it could leave does not leave: it may not be allowed any more."""
AGAIN_MIN_S = 0.5
AGAIN_MAX_S = 5.0
"""How long to wait before a full disk is tried again: at first, and at most."""


class QueueOverflow(DialerError):
    """More news waits for the engine than it can ever catch up with; the process ends rather than lose any of it."""

    exit_code = 71


class Ledger(Protocol):
    """Leads, records and journal, written together."""

    def commit_batch(self, entries: Iterable[Entry]) -> None:
        """Append journal entries and apply their commands, in order; all of it is durable on return, or none."""

    def claim(self, campaign: str, count: int, now: float) -> LeadsClaimed:
        """Claim up to `count` due leads in selection order."""


TOO_LATE = "never sent: it could not be committed in time"

Observer = Callable[[Entry], None]
"""Told of each journal entry after it is durable; for logs and figures. Must not raise and cannot change anything."""


Kept = Callable[[], None]
"""Called in the loop once an event, and what it caused, is durable. Must not raise."""


@dataclass(slots=True)
class _Waiting:
    """An event in the queue, with the instant at which it arrived."""

    event: Event
    at: float
    kept: Kept | None = None
    done: asyncio.Future[None] | None = None


class Driver:
    """Feeds events and deadlines to the engine and carries out what it orders."""

    def __init__(
        self,
        engine: Engine,
        ledger: Ledger,
        gateway: Gateway,
        clock: DaemonClock,
        *,
        next_seq: int = 1,
        observers: Iterable[Observer] = (),
        queue_max: int = QUEUE_MAX,
        on_blocked: Callable[[str | None], None] = lambda reason: None,
        may_send: Callable[[], bool] = lambda: True,
    ) -> None:
        self._engine = engine
        self._ledger = ledger
        self._gateway = gateway
        self._clock = clock
        self._seq = next_seq
        self._observers = tuple(observers)
        self._queue_max = queue_max
        self._queue: deque[_Waiting] = deque()
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._armed_at: float | None = None
        self._is_timer_due = False
        self._handled_at = clock.now()
        self._calls: dict[int, None] = {}
        self._settling: list[asyncio.Future[None]] = []
        self._keeping: list[Kept] = []
        self._stopped: BaseException | None = None
        self._unkept: list[Entry] = []  # handled, and not durable yet
        self._unclaimed: list[ClaimLeads] = []  # ordered, and not carried out yet
        self._blocked: str | None = None
        self._again_s = AGAIN_MIN_S
        self._on_blocked = on_blocked
        self._may_send = may_send

    # ---------------------------------------------------------------- for adapters, control and status
    def post(self, event: Event, kept: Kept | None = None) -> None:
        """Queue an event; it counts as arrived now. Never enters the engine. Raises QueueOverflow when nothing fits."""
        self._push(event, kept, None)

    async def settle(self, event: Event) -> None:
        """Queue an event and return when it and what it caused are durable. Cancelled when the driver ends first."""
        done = asyncio.get_running_loop().create_future()
        self._push(event, None, done)
        await done

    def status(self) -> EngineStatus:
        """Give the engine's state as it stands after the last batch."""
        return self._engine.status(max(self._clock.now(), self._handled_at))

    def refusal(self, campaign: str, action: str) -> str | None:
        """Say why the engine would refuse an operator's action now, or None."""
        return self._engine.refusal(campaign, action)

    def live_calls(self) -> int:
        """Count the calls in flight, as the engine sees them."""
        return self._engine.live_calls()

    @property
    def blocked(self) -> str | None:
        """Why nothing can be committed now, so that nothing starts; None while all is well."""
        return self._blocked

    def order_hang_ups(self, reason: str) -> int:
        """Tell the gateway to end every call in flight; what comes of it reaches the engine like all other news."""
        for call_id in self._calls:
            self._gateway.send(HangUp(call_id=call_id, reason=reason))
        return len(self._calls)

    def declare_over(self, cause: str) -> int:
        """Take every call in flight as released: its gateway was told to hang up and never said that it did."""
        calls = tuple(self._calls)
        for call_id in calls:
            self.post(CallReleased(call_id=call_id, by="engine", cause=cause))
        return len(calls)

    # ---------------------------------------------------------------------------------------- the loop
    async def run(self) -> None:
        """Work until cancelled. An error of the engine or the store ends it: nothing can be trusted after that."""
        try:
            while True:
                await self._turn()
                self._work()
        except BaseException as error:
            self._refuse_waiting(error)
            raise
        finally:
            self._disarm()
            self._clock.hold("driver", None)

    async def _turn(self) -> None:
        """Sleep until there is news or the deadline comes; with work left, only let the others have a turn."""
        if self._blocked is not None:
            self._disarm()
            self._clock.hold("driver", None)
            await asyncio.sleep(self._again_s)
            return
        if self._queue:
            await asyncio.sleep(0)
            return
        self._arm()
        await self._wake.wait()
        self._wake.clear()

    def _work(self) -> None:
        """Handle all that is queued, else the deadline that the timer announced.

        The queue is emptied before the loop turns again: adapters get every order of this instant before they report.
        Only a queue that feeds itself for `ROUNDS_MAX` batches (a million leads outside their hours) is left for the
        next turn, so that control and call news are not kept waiting. The clock is held at its instant meanwhile.
        """
        if self._blocked is not None and not self._try_again():
            return
        if self._is_timer_due and not self._queue:
            self._is_timer_due = False
            self._act(self._handle_deadline())
        for _ in range(ROUNDS_MAX):
            if not self._queue or self._blocked is not None:
                return
            self._act(self._handle_queued())

    def _handle_queued(self) -> list[Entry]:
        """Handle what has arrived, up to a full batch or an entry that claims leads: a claim needs the rest kept."""
        entries: list[Entry] = []
        while self._queue and len(entries) < BATCH_MAX:
            waiting = self._queue.popleft()
            if waiting.done is not None:
                self._settling.append(waiting.done)
            if waiting.kept is not None:
                self._keeping.append(waiting.kept)
            self._handled_at = max(self._handled_at, waiting.at)
            if isinstance(waiting.event, EarlierRunFound):
                self._calls |= dict.fromkeys(_up(waiting.event))
            entry = self._entry(waiting.event, self._engine.handle(waiting.event, self._handled_at))
            entries.append(entry)
            if any(isinstance(command, ClaimLeads) for command in entry.commands):
                break
        return entries

    def _handle_deadline(self) -> list[Entry]:
        self._handled_at = max(self._handled_at, self._clock.now())
        deadline = self._engine.next_deadline()
        if deadline is None or deadline > self._handled_at:
            return []
        return [self._entry(None, self._engine.handle_timer(self._handled_at))]

    def _entry(self, event: Event | None, commands: list[Command]) -> Entry:
        entry = Entry(seq=self._seq, at=self._handled_at, event=event, commands=tuple(commands))
        self._seq += 1
        return entry

    def _try_again(self) -> bool:
        """Commit and claim what a full disk did not let in; say whether it does now."""
        self._blocked = None
        self._act(self._unkept)
        while self._unclaimed and self._blocked is None:
            order = self._unclaimed.pop(0)
            self._claim(order)
        if self._blocked is None:
            self._again_s = AGAIN_MIN_S
            self._on_blocked(None)
        return self._blocked is None

    def _block(self, error: DiskFull) -> None:
        """Stop until there is room; the first failure is told, those after it only make the wait longer."""
        if self._again_s == AGAIN_MIN_S:
            self._on_blocked(str(error))
        self._blocked = str(error)
        self._again_s = min(self._again_s * 2.0, AGAIN_MAX_S)

    def _act(self, entries: list[Entry]) -> None:
        """Make the entries durable, then claim, then let the orders out, then tell who waits or watches."""
        if not entries:
            return
        try:
            self._ledger.commit_batch(entries)
        except DiskFull as error:
            self._unkept = entries
            self._block(error)
            return
        self._unkept = []
        if not self._may_send():
            raise LeaseLost("another daemon may own these campaigns by now: no order leaves, start again as standby")
        withheld = _refused_meanwhile(entries)
        for entry in entries:
            for command in entry.commands:
                if isinstance(command, PlaceCall) and command.call_id in withheld:
                    self._withhold(command, "refused before the call left")
                elif isinstance(command, PlaceCall) and self._clock.now() - entry.at > LATE_S:
                    self._withhold(command, TOO_LATE)
                else:
                    self._carry_out(command)
        for done in self._settling:
            if not done.done():
                done.set_result(None)
        self._settling.clear()
        for kept in self._keeping:
            kept()
        self._keeping.clear()
        for entry in entries:
            for observe in self._observers:
                observe(entry)

    def _withhold(self, order: PlaceCall, why: str) -> None:
        """Tell the engine that a call it ordered never left."""
        never = CallFailed(call_id=order.call_id, outcome=Outcome.CANCELLED, cause=why)
        self._queue.append(_Waiting(never, self._handled_at))

    def _carry_out(self, command: Command) -> None:
        match command:
            case ClaimLeads():
                self._claim(command)
            case PlaceCall(call_id=call_id):
                self._calls[call_id] = None
                self._gateway.send(command)
            case RecordAttempt(attempt=attempt) if attempt.released_at is not None:
                self._calls.pop(attempt.call_id, None)
            case BridgeCall() | PlayMessage() | HangUp() | OfferPreview():
                self._gateway.send(command)
            case _:
                pass  # a record: the ledger has it

    def _claim(self, order: ClaimLeads) -> None:
        try:
            claimed = self._ledger.claim(order.campaign, order.count, self._handled_at)
        except DiskFull as error:
            self._unclaimed.append(order)
            self._block(error)
        else:
            self._queue.append(_Waiting(claimed, self._handled_at))

    # -------------------------------------------------------------------------------- queue and timer
    def _push(self, event: Event, kept: Kept | None, done: asyncio.Future[None] | None) -> None:
        if self._stopped is not None:
            raise QueueOverflow(f"the driver has ended ({self._stopped!r}): {type(event).__name__} has no taker")
        if len(self._queue) >= self._queue_max:
            raise QueueOverflow(
                f"{len(self._queue)} events wait for the engine: expected at most {self._queue_max}. "
                "The machine is too slow for this floor, or an adapter repeats itself"
            )
        self._queue.append(_Waiting(event, self._clock.now(), kept, done))
        if self._blocked is None:
            self._clock.hold("driver", self._queue[0].at)
        self._wake.set()

    def _arm(self) -> None:
        """Re-read the deadline and arm the one timer for it; let the clock run up to what comes next."""
        at = self._engine.next_deadline()
        self._clock.hold("driver", at)
        if at == self._armed_at and not self._is_timer_due:
            return
        self._disarm()
        if at is not None:
            self._armed_at = at
            self._timer = self._clock.call_at(at, self._announce)

    def _announce(self) -> None:
        self._timer = self._armed_at = None
        self._is_timer_due = True
        self._wake.set()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._armed_at = None
        self._is_timer_due = False

    def _refuse_waiting(self, error: BaseException) -> None:
        """Tell everybody who waits in `settle` that nothing came of it."""
        self._stopped = error
        unsettled = self._settling + [waiting.done for waiting in self._queue if waiting.done is not None]
        for done in unsettled:
            done.cancel()


def _up(found: EarlierRunFound) -> list[int]:
    """Give the calls of an earlier run that the gateway has up."""
    up = [each.living for each in found.calls if each.living is not None]
    return [call.call_id for call in up if call.state is not LivingState.NEVER]


def _refused_meanwhile(entries: Iterable[Entry]) -> set[int]:
    """Give the calls ordered in a batch to numbers that a refusal in the same batch names, of the same seller."""
    commands = [command for entry in entries for command in entry.commands]
    blocked = {
        (command.seller, number)
        for command in commands
        if isinstance(command, BlockPerson)
        for number in command.numbers
    }
    if not blocked:
        return set()
    attempts = [command.attempt for command in commands if isinstance(command, RecordAttempt)]
    return {attempt.call_id for attempt in attempts if (attempt.seller, attempt.number) in blocked}
