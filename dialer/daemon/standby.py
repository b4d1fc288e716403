"""Waiting until this daemon may dial, and noticing when it may not any more.

One rule governs this module: on a database that several daemons share, none dials without the lease of its engine. On a
database file the lock of the state folder says it all.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any

from dialer.config.settings import Settings
from dialer.daemon import systemd
from dialer.daemon.control import EndRequest, KeysRequest, RefusedRequest, Request, StatusRequest, listen, serve
from dialer.daemon.draining import StopRequests
from dialer.daemon.files import Files
from dialer.daemon.health import Health, Phase
from dialer.daemon.heartbeat import beat_every_s, tell_progress
from dialer.daemon.logs import Logger
from dialer.daemon.ownership import LeasedOwnership, Ownership, first
from dialer.daemon.people import refuse_without_daemon
from dialer.errors import ControlError, KeysError
from dialer.storage.ownership import Lease
from dialer.storage.store import Store

Signals = AbstractContextManager[None]


@asynccontextmanager
async def owning(
    settings: Settings,
    store: Store,
    stops: StopRequests,
    health: Health,
    log: Logger,
    signals: Signals,
    *,
    files: Files,
) -> AsyncIterator[Ownership | None]:
    """Wait for the right to dial and have it for as long as this lasts; None when the end was asked for before.

    `signals` routes signals while it waits.
    """
    if store.database.shared_at is None:
        yield Ownership()
        return
    ownership = LeasedOwnership(store.database.shared_at, settings.engine, log)
    ownership.start()
    try:
        with signals:
            lease = await _lease(ownership, settings, store, stops, health, log, files)
        health.phase = Phase.STARTING
        if lease is None:
            yield None
            return
        if ownership.other is not None:
            _look_again(store, log)
        store.own(lease)
        yield ownership
    finally:
        ownership.stop()


def _look_again(store: Store, log: Logger) -> None:
    """See what may have changed while this daemon stood by: the keyring, and the version of the database."""
    try:
        store.renew_keys()
    except KeysError as error:
        log.warning("keyring not read again", reason=str(error))
    store.database.open_reader(store.vault).close()


async def _lease(
    ownership: LeasedOwnership,
    settings: Settings,
    store: Store,
    stops: StopRequests,
    health: Health,
    log: Logger,
    files: Files,
) -> Lease | None:
    """Give the lease, as soon as nobody else has it; stand by until then."""
    began = time.monotonic()
    stopped = asyncio.ensure_future(stops.first())
    seen = asyncio.ensure_future(ownership.is_other_seen.wait())
    standing_by: asyncio.Task[None] | None = None
    try:
        await first(ownership.owned, stopped, seen)
        if not ownership.owned.done() and not stopped.done():
            standing_by = asyncio.ensure_future(_stand_by(ownership, settings, store, stops, health, log, files))
            await first(ownership.owned, stopped, standing_by)
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


async def _stand_by(
    ownership: LeasedOwnership,
    settings: Settings,
    store: Store,
    stops: StopRequests,
    health: Health,
    log: Logger,
    files: Files,
) -> None:
    """Say that this daemon stands by, to whoever asks, until cancelled."""
    assert ownership.other is not None
    engine, since = ownership.other, time.monotonic()

    async def answer(request: Request, who: str) -> dict[str, Any]:
        other = ownership.other or engine
        match request:
            case StatusRequest():
                for_s = round(time.monotonic() - since, 1)
                standby = {"engine": other.name, "holder": other.holder, "for_s": for_s, "fault": files.fault}
                return {"now": time.time(), "standby": standby}
            case KeysRequest():
                return {"key": store.renew_keys()}
            case EndRequest(reason=reason):
                stops.ask(reason)
                return {}
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
