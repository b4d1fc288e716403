"""A store that takes its time on the loop's virtual clock, in the writer's thread; or that is gone for a while."""

import asyncio
import threading
from collections.abc import Iterable

from dialer.daemon.driver import Driver
from dialer.domain.events import LeadsClaimed
from dialer.domain.lead import PhoneNumber
from dialer.errors import DatabaseLost
from dialer.storage.codec import Entry
from dialer.storage.store import Store
from tests.parity import virtual


def nobodys_number(rank: int) -> PhoneNumber:
    """A number in an area that does not exist."""
    return PhoneNumber(e164=f"+44000{rank:07d}", kind="mobile", region="GB", zones=("Europe/London",))


class SlowLedger:
    """A store that takes `delay_s` of virtual time for each thing it does, or refuses; for the writer's thread."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.delay_s = 0.0
        self.is_gone = False
        self.is_asleep = False
        self._loop = asyncio.get_running_loop()

    def commit_batch(self, entries: Iterable[Entry]) -> None:
        self._take_time()
        self.store.commit_batch(entries)

    def claim(self, campaign: str, count: int, now: float) -> LeadsClaimed:
        self._take_time()
        return self.store.claim(campaign, count, now)

    def _take_time(self) -> None:
        if self.is_gone:
            raise DatabaseLost("database: nobody answers")
        if self.delay_s:
            woken = threading.Event()
            self._loop.call_soon_threadsafe(self._fall_asleep, woken)
            woken.wait()

    def _fall_asleep(self, woken: threading.Event) -> None:
        self.is_asleep = True
        self._loop.call_later(self.delay_s, self._wake, woken)

    def _wake(self, woken: threading.Event) -> None:
        self.is_asleep = False
        woken.set()


def await_writer(driver: Driver, ledger: SlowLedger) -> None:
    """Let virtual time stand still while the writer really works, and pass while it only takes its time."""
    virtual.await_thread(lambda: driver.is_writing and not ledger.is_asleep)
