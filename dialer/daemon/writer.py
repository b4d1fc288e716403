"""The one thread that writes: it stands in front of a synchronous ledger, so that the event loop waits for no disk.

One rule governs this module: batches become durable in the order in which they were handed over, and all that wait go
into one commit. A claim is carried out behind the batches that were there before it, one between two commits, so that
no live answer waits for more than one of them. What a full disk or a lost database did not let in stays at hand just as
it was, and holds up all that follows, until somebody says `again`.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar, cast

from dialer.domain.commands import ClaimLeads
from dialer.domain.events import LeadsClaimed
from dialer.errors import DatabaseLost, DiskFull
from dialer.storage.codec import Entry

T = TypeVar("T")


class Ledger(Protocol):
    """Leads, records and journal, written together; used by one thread at a time."""

    def commit_batch(self, entries: Iterable[Entry]) -> None:
        """Append journal entries and apply their commands, in order; all of it is durable on return, or none.

        Entries that are there already, as after an answer that was lost, change nothing.
        """

    def claim(self, campaign: str, count: int, now: float) -> LeadsClaimed:
        """Claim up to `count` due leads in selection order."""


@dataclass(frozen=True, slots=True)
class Kept:
    """So many more batches are durable, the oldest first."""

    batches: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """The answer to the oldest claim."""

    answer: LeadsClaimed


@dataclass(frozen=True, slots=True)
class Stuck:
    """What is at hand did not get in, and can be tried again."""

    error: DiskFull | DatabaseLost


@dataclass(frozen=True, slots=True)
class Failed:
    """The store or this thread broke: nothing more is written."""

    error: BaseException


Report = Kept | Claimed | Stuck | Failed


@dataclass(frozen=True, slots=True)
class _Job:
    """A piece of work behind so many batches; `parts` are the orders that it carries out."""

    work: Callable[[], Report | None]
    behind: int = 0
    parts: int = 1


class Writer:
    """The thread, from `start` to `finish`. `hear` is called in the loop for each report."""

    def __init__(self, ledger: Ledger, hear: Callable[[Report], None]) -> None:
        self._ledger = ledger
        self._hear = hear
        self._condition = threading.Condition()
        self._batches: deque[list[Entry]] = deque()
        self._others: deque[_Job] = deque()
        self._given = self._kept = 0  # batches, ever
        self._is_others_turn = False
        self._at_hand: _Job | None = None  # what did not get in
        self._is_tried_again = self._is_ending = False
        self._outstanding = 0  # orders without an answer, as the loop sees it
        self._is_stuck = False  # the same

    @property
    def is_at_work(self) -> bool:
        """A report, or the end that was asked for, will come without anybody doing anything more."""
        return self._is_ending or (self._outstanding > 0 and not self._is_stuck)

    def start(self) -> None:
        """Begin, in the running loop."""
        self._loop = asyncio.get_running_loop()
        self._ended = self._loop.create_future()
        # A daemon: a disk that never answers must not keep the process from its end.
        threading.Thread(target=self._run, name="writer", daemon=True).start()

    async def finish(self) -> None:
        """Write what is there, unless it is stuck, and end."""
        with self._condition:
            self._is_ending = True
            self._condition.notify()
        await self._ended

    # ------------------------------------------------------------------------------ from the loop
    def commit(self, entries: list[Entry]) -> None:
        """Take a batch."""
        with self._condition:
            self._batches.append(entries)
            self._given += 1
            self._outstanding += 1
            self._condition.notify()

    def claim(self, order: ClaimLeads, now: float) -> None:
        """Take an order to claim."""
        self._add(lambda: Claimed(self._ledger.claim(order.campaign, order.count, now)))

    async def carry_out(self, work: Callable[[], T]) -> T:
        """Run a function in the thread, behind the batches taken so far; give what it gives, raise what it raises."""
        answer: asyncio.Future[T] = self._loop.create_future()

        def settle(value: T | None, error: Exception | None) -> None:
            if answer.done():
                return
            if error is None:
                answer.set_result(cast(T, value))
            else:
                answer.set_exception(error)

        def carry() -> None:
            try:
                value = work()
            except Exception as error:
                self._say(settle, None, error)
            else:
                self._say(settle, value, None)

        self._add(carry)
        return await answer

    def again(self) -> None:
        """Try what is stuck once more."""
        with self._condition:
            self._is_stuck = False
            self._is_tried_again = True
            self._condition.notify()

    def _add(self, work: Callable[[], Report | None]) -> None:
        with self._condition:
            self._others.append(_Job(work, self._given))
            self._outstanding += 1
            self._condition.notify()

    def _land(self, parts: int, report: Report | None) -> None:
        """Take what the thread says, in the loop."""
        self._outstanding -= parts
        self._is_stuck = isinstance(report, Stuck)
        if report is not None:
            self._hear(report)

    # ---------------------------------------------------------------------------------- the thread
    def _run(self) -> None:
        try:
            while (job := self._next()) is not None:
                self._do(job)
        except BaseException as error:
            self._say(self._land, 0, Failed(error))
        self._say(self._end)

    def _say(self, take: Callable[..., None], *values: object) -> None:
        try:
            self._loop.call_soon_threadsafe(take, *values)
        except RuntimeError:  # the loop was closed without waiting for this thread
            if not self._loop.is_closed():
                raise

    def _end(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)

    def _do(self, job: _Job) -> None:
        try:
            report = job.work()
        except (DiskFull, DatabaseLost) as error:
            with self._condition:
                self._at_hand, self._is_tried_again = job, False
            self._say(self._land, 0, Stuck(error))
        else:
            self._say(self._land, job.parts, report)

    def _next(self) -> _Job | None:
        """Wait for the next piece of work; None at the end."""
        with self._condition:
            while (job := self._take()) is None and not self._is_ending:
                self._condition.wait()
            return job

    def _take(self) -> _Job | None:
        """Give what is to be done now, if anything."""
        if self._at_hand is not None:
            if not self._is_tried_again:
                return None
            job, self._at_hand = self._at_hand, None
            return job
        is_free = bool(self._others) and self._others[0].behind <= self._kept
        if is_free and (self._is_others_turn or not self._batches):
            self._is_others_turn = False
            return self._others.popleft()
        if not self._batches:
            return None
        self._is_others_turn = True
        return self._group()

    def _group(self) -> _Job:
        """Put all batches that wait into one commit; once put together it stays so, however often it is tried."""
        batches = len(self._batches)
        entries = [entry for batch in self._batches for entry in batch]
        self._batches.clear()

        def work() -> Report:
            self._ledger.commit_batch(entries)
            self._kept += batches
            return Kept(batches)

        return _Job(work, parts=batches)
