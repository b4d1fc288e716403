"""This daemon's right to dial: on a database file beyond doubt, on a shared database as long as it has the lease.

One rule governs this module: what the lease's own thread hears is brought into the event loop, where all else happens.
"""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from dialer.daemon.logs import Logger
from dialer.daemon.people import holder
from dialer.storage.ownership import Engine, Lease

T = TypeVar("T")
Hear = Callable[[str | None], None]
"""Told of what another process announced on the database; None: something may have been missed."""


class Ownership:
    """This daemon's right to dial, of which there is no doubt: nobody else can have the database."""

    has_stood_by = False
    """Another daemon dialed when this one was ready to."""

    def may_send(self) -> bool:
        """Say whether orders may leave at this instant."""
        return True

    async def watch(self, hear: Hear) -> None:
        """Pass on what is announced, until cancelled; raise LeaseLost when another daemon has taken over."""
        await asyncio.Event().wait()


class LeasedOwnership(Ownership):
    """This daemon's right to dial as long as it has the lease of its engine."""

    def __init__(self, address: str, name: str, log: Logger) -> None:
        # psycopg takes a while to import, and most machines do without.
        from dialer.storage.ownership_keeper import Keeper

        loop = asyncio.get_running_loop()

        def soon(act: Callable[[T], None]) -> Callable[[T], None]:
            def call(value: T) -> None:
                loop.call_soon_threadsafe(act, value)

            return call

        self._log = log
        self.owned: asyncio.Future[Lease] = loop.create_future()
        self._ended: asyncio.Future[None] = loop.create_future()
        self.other: Engine | None = None
        self.is_other_seen = asyncio.Event()
        self._told: asyncio.Queue[str | None] = asyncio.Queue()
        self._keeper = Keeper(
            address,
            name,
            holder(),
            on_owner=soon(self._take),
            on_standby=soon(self._see),
            on_told=soon(self._told.put_nowait),
            on_trouble=soon(self._tell_trouble),
            on_end=soon(self._end),
        )

    def start(self) -> None:
        """Begin to ask for the lease."""
        self._keeper.start()

    def stop(self) -> None:
        """Give the lease back, so that a standby takes over at once."""
        self._keeper.stop()

    def may_send(self) -> bool:
        """Say whether the lease is ours for certain at this instant."""
        return self._keeper.may_send()

    async def watch(self, hear: Hear) -> None:
        """Pass on what is announced, until cancelled; raise LeaseLost when another daemon has taken over."""
        while True:
            told = asyncio.ensure_future(self._told.get())
            try:
                await first(told, self._ended)
                if self._ended.done():
                    await self._ended
                hear(await told)
            finally:
                told.cancel()

    def _take(self, lease: Lease) -> None:
        if not self.owned.done():
            self.owned.set_result(lease)

    def _see(self, other: Engine) -> None:
        self.other = other
        self.has_stood_by = True
        self.is_other_seen.set()

    def _tell_trouble(self, why: str | None) -> None:
        if why is None:
            self._log.warning("lease renewed again")
        else:
            self._log.error("lease cannot be renewed", reason=why)

    def _end(self, error: BaseException) -> None:
        for waiting in (self.owned, self._ended):
            if not waiting.done():
                waiting.set_exception(error)
                waiting.exception()  # whoever waits is told; nobody has to


async def first(*waits: asyncio.Future[Any]) -> None:
    """Wait for the first of some."""
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
