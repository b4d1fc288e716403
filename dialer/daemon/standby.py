"""Waiting until this daemon may dial, and noticing when it may not any more.

One rule governs this module: on a database that several daemons share, none dials without the lease of its engine. On a
database file the lock of the state folder says it all.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any, TypeVar

from dialer.config.settings import Settings
from dialer.daemon import systemd
from dialer.daemon.control import KeysRequest, RefusedRequest, Request, StatusRequest, listen, serve
from dialer.daemon.draining import StopRequests
from dialer.daemon.health import Health, Phase
from dialer.daemon.heartbeat import beat_every_s, tell_progress
from dialer.daemon.logs import Logger
from dialer.daemon.people import holder, refuse_without_daemon
from dialer.errors import ControlError
from dialer.storage.ownership import Engine, Lease
from dialer.storage.ownership_keeper import Keeper
from dialer.storage.postgres import PostgresDatabase
from dialer.storage.store import Store

T = TypeVar("T")
Hear = Callable[[str | None], None]
"""Told of what another process announced on the database; None: something may have been missed."""


Signals = AbstractContextManager[None]


class Ownership:
    """This daemon's right to dial, of which there is no doubt: nobody else can have the database."""

    def may_send(self) -> bool:
        """Say whether orders may leave at this instant."""
        return True

    async def watch(self, hear: Hear) -> None:
        """Pass on what is announced, until cancelled; raise LeaseLost when another daemon has taken over."""
        await asyncio.Event().wait()


class LeasedOwnership(Ownership):
    """This daemon's right to dial as long as it has the lease of its engine."""

    def __init__(self, address: str, name: str, log: Logger) -> None:
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
                await _first(told, self._ended)
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


@asynccontextmanager
async def owning(
    settings: Settings, store: Store, stops: StopRequests, health: Health, log: Logger, signals: Signals
) -> AsyncIterator[Ownership | None]:
    """Wait for the right to dial and have it for as long as this lasts; None when the end was asked for before.

    `signals` routes signals while it waits.
    """
    if not isinstance(store.database, PostgresDatabase):
        yield Ownership()
        return
    ownership = LeasedOwnership(store.database.address, settings.engine, log)
    ownership.start()
    try:
        with signals:
            lease = await _lease(ownership, settings, store, stops, health, log)
        health.phase = Phase.STARTING
        if lease is None:
            yield None
            return
        store.own(lease)
        yield ownership
    finally:
        ownership.stop()


async def _lease(
    ownership: LeasedOwnership, settings: Settings, store: Store, stops: StopRequests, health: Health, log: Logger
) -> Lease | None:
    """Give the lease, as soon as nobody else has it; stand by until then."""
    began = time.monotonic()
    stopped = asyncio.ensure_future(stops.first())
    seen = asyncio.ensure_future(ownership.is_other_seen.wait())
    standing_by: asyncio.Task[None] | None = None
    try:
        await _first(ownership.owned, stopped, seen)
        if not ownership.owned.done() and not stopped.done():
            standing_by = asyncio.ensure_future(_stand_by(ownership, settings, store, health, log))
            await _first(ownership.owned, stopped, standing_by)
            if standing_by.done():
                await standing_by
        if not ownership.owned.done():
            log.info("stopped", was="standby")
            return None
        lease = await ownership.owned
        waited_s = round(time.monotonic() - began, 3)
        log.info("lease taken", engine=lease.name, engine_id=lease.engine_id, token=lease.token, waited_s=waited_s)
        return lease
    finally:
        stopped.cancel()
        seen.cancel()
        if standing_by is not None:
            standing_by.cancel()
            await asyncio.wait([standing_by])


async def _first(*waits: asyncio.Future[Any]) -> None:
    """Wait for the first of some."""
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)


async def _stand_by(ownership: LeasedOwnership, settings: Settings, store: Store, health: Health, log: Logger) -> None:
    """Say that this daemon stands by, to whoever asks, until cancelled."""
    assert ownership.other is not None
    engine, since = ownership.other, time.monotonic()

    async def answer(request: Request, who: str) -> dict[str, Any]:
        other = ownership.other or engine
        match request:
            case StatusRequest():
                for_s = round(time.monotonic() - since, 1)
                return {"now": time.time(), "standby": {"engine": other.name, "holder": other.holder, "for_s": for_s}}
            case KeysRequest():
                return {"key": store.renew_keys()}
            case RefusedRequest():
                return {"numbers": refuse_without_daemon(store, request, who, time.time())}
            case _:
                raise ControlError(f"this daemon stands by for engine {other.name!r}: ask the one at {other.holder}")

    health.phase = Phase.STANDBY
    log.info("standing by", engine=engine.name, holder=engine.holder)
    systemd.notify("READY=1", f"STATUS=standby: engine {engine.name} is dialed for by {engine.holder}")
    pulse = asyncio.ensure_future(_live(health))
    try:
        await serve(listen(settings.control_socket), answer)
    finally:
        pulse.cancel()


async def _live(health: Health) -> None:
    """Feed systemd's watchdog: a standby that answers does all that it has to."""
    while True:
        tell_progress(health)
        await asyncio.sleep(beat_every_s())
