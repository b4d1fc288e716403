"""Letting go of people when their campaign's word on retention says so, and of what no law wants kept any longer.

One rule governs this module: it never keeps a call waiting. The work is done in a thread of its own, in small
transactions; when the daemon ends it stops at the next step, and the next run goes on.
"""

import asyncio
import threading
from collections.abc import Callable

from structlog.typing import FilteringBoundLogger

from dialer.daemon.clock import DaemonClock
from dialer.domain.law import Law
from dialer.errors import DialerError
from dialer.storage.erasure import Erased, erase_due
from dialer.storage.evidence_trim import DAY_S, longest_keep_days
from dialer.storage.store import Store


class _Stopped(Exception):
    """The daemon ends."""


async def erase_daily(law: Callable[[], Law], store: Store, clock: DaemonClock, log: FilteringBoundLogger) -> None:
    """Erase what is due now and once a day, until cancelled. Trouble is logged and tried again the next day."""
    while True:
        try:
            erased = await _in_thread(store, clock.now(), longest_keep_days(law()))
        except DialerError as error:
            log.error("retention failed", error=str(error), again="in a day")
        else:
            if erased.leads:
                log.info("retention", erased_leads=erased.leads, retained_numbers=erased.retained)
        await clock.sleep_until(clock.now() + DAY_S)


async def _in_thread(store: Store, now: float, keep_days: int) -> Erased:
    stopping = threading.Event()

    def tick() -> None:
        if stopping.is_set():
            raise _Stopped

    def work() -> Erased:
        # A connection belongs to one thread.
        with Store(store.database, store.vault) as own:
            try:
                return erase_due(own, now, keep_days, tick)
            except _Stopped:
                return Erased()

    try:
        return await asyncio.to_thread(work)
    finally:
        stopping.set()
