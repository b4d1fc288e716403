"""The asyncio driver: the only task that touches the engine.

The rule is journal, then act: a batch of events and all that they caused is committed before any of its orders leaves.
A thread writes, so the loop never waits for a disk: meanwhile the engine hears what happens further, a few batches
ahead at most; then news waits in the queue, which is bounded, with the instants of its arrival. At one instant outside
events come before timers, and among themselves in order of arrival; an adapter's instant reply waits in the queue like
all other news. On a clock that can be stopped, time stands still while a batch is on its way to the disk and the engine
is not ahead: that is why the simulator and the daemon on virtual time write the same journal.

While the disk is full or the database lost nothing can be committed, so no order leaves and the engine hears nothing:
calls that are up go on, their news waits, and the batch at hand is tried again. Where the store is merely slow, the
engine is told how slow, and dials less.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import inf
from typing import TypeVar

from dialer.daemon.clock import DaemonClock
from dialer.daemon.lag import LagMeter
from dialer.daemon.outgoing import Outgoing
from dialer.daemon.writer import Claimed, Failed, Kept, Ledger, Report, Stuck, Writer
from dialer.domain.commands import ClaimLeads, Command
from dialer.domain.events import CallReleased, Event, StoreLagged
from dialer.engine.engine import Engine
from dialer.engine.status import EngineStatus
from dialer.errors import DatabaseLost, DialerError, DiskFull
from dialer.ports import Gateway
from dialer.storage.codec import Entry

T = TypeVar("T")

QUEUE_MAX = 100_000
BATCH_MAX = 50  # entries handed over at once: as long as one is handled, no order leaves that became durable meanwhile
AHEAD_MAX = 4  # batches that may be on their way to the disk
AGAIN_MIN_S = 0.5
AGAIN_MAX_S = 5.0
"""How long to wait before a full disk or a lost database is tried again: at first, and at most."""


class QueueOverflow(DialerError):
    """More news waits for the engine than it can ever catch up with; the process ends rather than lose any of it."""

    exit_code = 71


Observer = Callable[[Entry], None]
"""Told of each journal entry after it is durable; for logs and figures. Must not raise and cannot change anything."""
OnKept = Callable[[], None]
"""Called in the loop once an event, and what it caused, is durable. Must not raise."""


@dataclass(slots=True)
class _Waiting:
    """An event in the queue, with the instant at which it arrived, and who wants to know that it is durable.

    Without an event it is a pulse.
    """

    event: Event | None
    at: float
    on_kept: OnKept | None = None
    done: asyncio.Future[None] | None = None


@dataclass(slots=True)
class _Batch:
    """Entries on their way to the disk since an instant, and the events of which somebody wants to know."""

    since_at: float = inf
    entries: list[Entry] = field(default_factory=list)
    asked: list[_Waiting] = field(default_factory=list)


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
        self._writer = Writer(ledger, self._hear)
        self._outgoing = Outgoing(gateway, may_send)
        self._clock = clock
        self._seq = next_seq
        self._observers = tuple(observers)
        self._queue_max = queue_max
        self._queue: deque[_Waiting] = deque()
        self._ahead: deque[_Batch] = deque()  # handed over, and not durable yet
        self._claims = 0  # handed over, and not answered yet
        self._reports: deque[Report] = deque()
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._armed_at: float | None = None
        self._is_timer_due = False
        self._handled_at = clock.now()
        self._stopped: BaseException | None = None
        self._blocked: str | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._again_s = AGAIN_MIN_S
        self._on_blocked = on_blocked
        self._meter = LagMeter()
        self._told = self._meter.lag
        self._unblocked_at = -inf
        self._calming: asyncio.TimerHandle | None = None

    # ---------------------------------------------------------------- for adapters, control and status
    def post(self, event: Event, on_kept: OnKept | None = None) -> None:
        """Queue an event; it counts as arrived now. Never enters the engine. Raises QueueOverflow when nothing fits."""
        self._push(event, on_kept, None)

    async def settle(self, event: Event) -> None:
        """Queue an event and return when it and what it caused are durable. Cancelled when the driver ends first."""
        done = asyncio.get_running_loop().create_future()
        self._push(event, None, done)
        await done

    async def pulse(self) -> None:
        """Return once what was queued before is handled and durable; while blocked, once a further try has failed.

        For whoever watches over the driver: a loop that does not turn, an engine that hangs and a commit that never
        returns let it wait for ever.
        """
        done = asyncio.get_running_loop().create_future()
        self._push(None, None, done)
        await done

    async def write(self, work: Callable[[], T]) -> T:
        """Run a function in the thread that owns the ledger, between commits; give what it gives, raise its error."""
        return await self._writer.carry_out(work)

    def status(self) -> EngineStatus:
        """Give the engine's state as it stands after the last event that was handled."""
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

    @property
    def is_writing(self) -> bool:
        """Something is on its way to the disk, and will arrive or fail without anybody doing anything more."""
        return self._writer.is_at_work

    @property
    def queued(self) -> int:
        """How many events wait for the engine."""
        return len(self._queue)

    @property
    def ahead(self) -> int:
        """How many batches the engine is ahead of the disk."""
        return len(self._ahead)

    @property
    def lag_s(self) -> float:
        """How long the last order waited, from the arrival of its cause until it left."""
        return self._meter.lag_s

    def order_hang_ups(self, reason: str) -> int:
        """Tell the gateway to end every call in flight; what comes of it reaches the engine like all other news."""
        return self._outgoing.hang_up_all(reason)

    def declare_over(self, cause: str) -> int:
        """Take every call in flight as released: its gateway was told to hang up and never said that it did."""
        calls = self._outgoing.calls
        for call_id in calls:
            self.post(CallReleased(call_id=call_id, by="engine", cause=cause))
        return len(calls)

    # ---------------------------------------------------------------------------------------- the loop
    async def run(self) -> None:
        """Work until cancelled. An error of the engine or the store ends it: nothing can be trusted after that.

        What was handed over by then is still written, as far as there is room.
        """
        self._writer.start()
        try:
            while True:
                self._work()
                await self._turn()
        except BaseException as error:
            self._refuse_waiting(error)
            raise
        finally:
            self._disarm()
            for timer in (self._retry, self._calming):
                if timer is not None:
                    timer.cancel()
            self._clock.hold("driver", None)
            self._clock.go_on()
            await self._writer.finish()

    async def _turn(self) -> None:
        """Sleep until there is news, the deadline comes or the disk answers; with work left, give others a turn."""
        if self._blocked is not None:
            self._disarm()
            self._clock.hold("driver", None)
        elif self._has_room and self._queue:
            await asyncio.sleep(0)
            return
        elif self._has_room:
            self._arm()
        await self._wake.wait()
        self._wake.clear()

    def _work(self) -> None:
        """Let out what became durable, then handle a batch of what is queued, else the deadline that was announced.

        On a clock that can be stopped the adapters get every order of an instant before they report: its timers wait
        until the queue is empty and everything durable.
        """
        is_quiet = not self._reports and not self._queue
        while self._reports:
            self._land(self._reports.popleft())
        if self._blocked is None and self._has_room:
            self._tell_lag()
            batch = self._handle_queued()
            # Where instants can tie, an order that has just left may be answered before the deadline.
            if self._is_timer_due and not self._queue and (is_quiet or not self._clock.can_stop):
                self._is_timer_due = False
                batch.entries += self._handle_deadline()
                batch.since_at = min(batch.since_at, self._handled_at)
            self._hand_over(batch)
        if self._blocked is None and (self._ahead or self._claims):
            self._clock.stop()
        else:
            self._clock.go_on()

    @property
    def _has_room(self) -> bool:
        """The engine may hear more: it is not too far ahead of the disk."""
        if self._clock.can_stop:
            return not self._ahead and not self._claims
        return len(self._ahead) < AHEAD_MAX

    def _handle_queued(self) -> _Batch:
        """Handle what has arrived, up to a full batch or an entry that claims leads: a claim needs the rest kept."""
        batch = _Batch()
        while self._queue and len(batch.entries) < BATCH_MAX:
            waiting = self._queue.popleft()
            if waiting.done is not None or waiting.on_kept is not None:
                batch.asked.append(waiting)
            if waiting.event is None:
                continue
            self._handled_at = max(self._handled_at, waiting.at)
            batch.since_at = min(batch.since_at, waiting.at)
            entry = self._entry(waiting.event, self._engine.handle(waiting.event, self._handled_at))
            batch.entries.append(entry)
            if any(isinstance(command, ClaimLeads) for command in entry.commands):
                break
        return batch

    def _handle_deadline(self) -> list[Entry]:
        self._handled_at = max(self._handled_at, self._clock.now())
        deadline = self._engine.next_deadline()
        if deadline is None or deadline > self._handled_at:
            return []
        return [self._entry(None, self._engine.handle_timer(self._handled_at))]

    def _entry(self, event: Event | None, commands: list[Command]) -> Entry:
        entry = Entry(seq=self._seq, at=self._handled_at, event=event, commands=tuple(commands))
        self._seq += 1
        self._outgoing.note(entry)
        return entry

    # ------------------------------------------------------------------------------- to the disk and back
    def _hand_over(self, batch: _Batch) -> None:
        """Have a batch made durable, and its claims carried out behind it."""
        if not batch.entries and not batch.asked:
            return
        self._ahead.append(batch)
        self._writer.commit(batch.entries)
        for entry in batch.entries:
            for command in entry.commands:
                if isinstance(command, ClaimLeads):
                    self._claims += 1
                    self._writer.claim(command, self._handled_at)

    def _hear(self, report: Report) -> None:
        self._reports.append(report)
        self._wake.set()

    def _land(self, report: Report) -> None:
        match report:
            case Stuck(error=error):
                self._block(error)
                return
            case Failed(error=error):
                raise error
            case Claimed(answer=answer):
                self._claims -= 1
                self._queue.append(_Waiting(answer, self._now()))
            case Kept(batches=batches):
                self._let_out([self._ahead.popleft() for _ in range(batches)])
        if self._blocked is not None:
            self._blocked = None
            self._unblocked_at = self._now()
            self._again_s = AGAIN_MIN_S
            self._on_blocked(None)

    def _let_out(self, batches: list[_Batch]) -> None:
        """Send the orders of what is durable, then tell who waits or watches."""
        entries = [entry for batch in batches for entry in batch.entries]
        now = self._now()
        since_at = min(batch.since_at for batch in batches)
        if self._blocked is None and since_at < inf:  # not for a pulse alone
            self._meter.heed(self._waited_s(since_at, now), now)
        for never in self._outgoing.let_out(entries, now) if entries else ():
            self._queue.append(_Waiting(never, now))
        for batch in batches:
            for asked in batch.asked:
                if asked.done is not None and not asked.done.done():
                    asked.done.set_result(None)
                if asked.on_kept is not None:
                    asked.on_kept()
        for entry in entries:
            for observe in self._observers:
                observe(entry)

    def _block(self, error: DiskFull | DatabaseLost) -> None:
        """Stop until there is room; the first failure is told, those after it only make the wait longer."""
        if self._blocked is None:
            self._on_blocked(str(error))
        self._blocked = str(error)
        for waiting in (*(asked for batch in self._ahead for asked in batch.asked), *self._queue):
            if waiting.event is None and waiting.done is not None and not waiting.done.done():
                waiting.done.set_result(None)
        self._retry = asyncio.get_running_loop().call_later(self._again_s, self._writer.again)
        self._again_s = min(self._again_s * 2.0, AGAIN_MAX_S)

    # --------------------------------------------------------------------------------------------- lag
    def _waited_s(self, since_at: float, now: float) -> float:
        """Give what a batch has waited; waiting for room, or for a database that is gone, has a word of its own."""
        return now - max(since_at, self._unblocked_at)

    def _tell_lag(self) -> None:
        """Tell the engine when the lag has changed, ahead of what waits; a lag wants to be looked at again."""
        now = self._now()
        waited_s = self._waited_s(self._ahead[0].since_at, now) if self._ahead else 0.0
        if waited_s > self._meter.lag_s:
            self._meter.heed(waited_s, now)
        self._meter.calm(now)
        if self._meter.lag is not self._told:
            self._told = self._meter.lag
            told = StoreLagged(lag=self._meter.lag, lag_s=self._meter.lag_s)
            self._queue.appendleft(_Waiting(told, self._handled_at))
        at = self._meter.calm_at()
        if self._calming is not None:
            self._calming.cancel()
        self._calming = None if at is None else self._clock.call_at(at, self._wake.set)

    # -------------------------------------------------------------------------------- queue and timer
    def _now(self) -> float:
        return max(self._clock.now(), self._handled_at)

    def _push(self, event: Event | None, on_kept: OnKept | None, done: asyncio.Future[None] | None) -> None:
        if self._stopped is not None:
            raise QueueOverflow(f"the driver has ended ({self._stopped!r}): {type(event).__name__} has no taker")
        if len(self._queue) >= self._queue_max:
            raise QueueOverflow(
                f"{len(self._queue)} events wait for the engine: expected at most {self._queue_max}. "
                "The machine is too slow for this floor, or an adapter repeats itself"
            )
        self._queue.append(_Waiting(event, self._clock.now(), on_kept, done))
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
        asked = [waiting for batch in self._ahead for waiting in batch.asked]
        for waiting in (*asked, *self._queue):
            if waiting.done is not None:
                waiting.done.cancel()
