"""The pulse that feeds the watchdog: it comes when the driver does its work, and not otherwise."""

import asyncio
import socket
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from dialer.daemon.clock import SystemClock
from dialer.daemon.driver import Driver
from dialer.daemon.health import Health
from dialer.daemon.heartbeat import Reading, beat, feed_watchdog
from dialer.domain.events import CampaignLoaded, LawLoaded, LeadsClaimed
from dialer.errors import DiskFull
from dialer.storage.codec import Entry
from dialer.storage.memory import MemoryStore
from tests.laws import open_law
from tests.parity.floor import filled_store, new_engine, policy
from tests.unit.daemon.test_driver import Ledger, Wire


class SlowLedger(Ledger):
    """Its commits return when the test says so."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self.returns = threading.Event()
        self.returns.set()

    def commit_batch(self, entries: Iterable[Entry]) -> None:
        assert self.returns.wait(60.0)
        super().commit_batch(entries)


class FullLedger(Ledger):
    """A full disk: every commit fails, and says so."""

    def commit_batch(self, entries: Iterable[Entry]) -> None:
        self.commits += 1
        raise DiskFull("no room")


def new_driver(ledger: Ledger) -> Driver:
    """A driver with a campaign; must be called inside a running loop."""
    driver = Driver(new_engine(), ledger, Wire(ledger.store), SystemClock())
    driver.post(LawLoaded(law=open_law()))
    driver.post(CampaignLoaded(policy=policy()))
    return driver


@pytest.fixture
def notices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """What systemd would hear, in a process that it watches."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "60000")  # a beat each 20 ms
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        yield listener


async def heard(notices: socket.socket) -> bytes:
    """Wait for the next notice."""
    return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(notices, 1000), 30.0)


def silent(notices: socket.socket) -> bool:
    """Say whether nothing more was said."""
    try:
        notices.recv(1000)
    except BlockingIOError:
        return True
    return False


async def test_a_pulse_comes_behind_what_was_queued() -> None:
    """When it is back, everything posted before it is durable; of itself it leaves nothing."""
    ledger = Ledger(filled_store([policy()], 5))
    driver = new_driver(ledger)
    running = asyncio.ensure_future(driver.run())
    await driver.pulse()
    kept = [type(entry.event) for entry in ledger.store.entries()]
    assert kept[:2] == [LawLoaded, CampaignLoaded]
    for _ in range(5):
        await driver.pulse()
    later = list(ledger.store.entries())[len(kept) :]
    assert all(isinstance(entry.event, LeadsClaimed) or entry.commands for entry in later)
    running.cancel()


async def test_a_commit_that_does_not_return_stops_the_beat(notices: socket.socket) -> None:
    """The watchdog is fed while commits return, and starves while one hangs."""
    ledger = SlowLedger(filled_store([policy()], 5))
    driver, health = new_driver(ledger), Health()
    running = [asyncio.ensure_future(driver.run()), asyncio.ensure_future(beat(driver, health))]
    assert await heard(notices) == b"WATCHDOG=1"
    assert await heard(notices) == b"WATCHDOG=1"
    ledger.returns.clear()
    stuck = asyncio.ensure_future(driver.pulse())
    await asyncio.wait([stuck], timeout=0.3)
    assert not stuck.done()
    while not silent(notices):
        pass
    await asyncio.wait([stuck], timeout=0.2)
    assert silent(notices)
    ledger.returns.set()
    assert await heard(notices) == b"WATCHDOG=1"
    for each in running:
        each.cancel()


async def test_a_full_disk_is_no_standstill(notices: socket.socket) -> None:
    """While the daemon is blocked each try that comes back is a beat: it is not ended for what it says itself."""
    driver, health = new_driver(FullLedger(filled_store([policy()], 5))), Health()
    running = [asyncio.ensure_future(driver.run()), asyncio.ensure_future(beat(driver, health))]
    for _ in range(3):
        assert await heard(notices) == b"WATCHDOG=1"
    assert driver.blocked is not None
    assert health.is_live
    for each in running:
        each.cancel()


async def test_a_driver_that_does_not_run_gives_no_pulse(notices: socket.socket) -> None:
    """A loop that turns is not enough."""
    driver, health = new_driver(Ledger(filled_store([policy()], 5))), Health()
    beating = asyncio.ensure_future(beat(driver, health))
    await asyncio.wait([beating], timeout=0.2)
    assert silent(notices)
    beating.cancel()


async def test_work_that_does_not_grow_feeds_nobody(notices: socket.socket) -> None:
    """A gateway's watchdog is fed when more was done since the last look, and starves when nothing was."""
    turns = 0
    feeding = asyncio.ensure_future(feed_watchdog(lambda: turns))
    assert await heard(notices) == b"WATCHDOG=1"
    await asyncio.wait([feeding], timeout=0.2)
    assert silent(notices)
    turns += 1
    assert await heard(notices) == b"WATCHDOG=1"
    feeding.cancel()


def test_a_start_that_reads_asks_for_more_time(notices: socket.socket) -> None:
    """Rows that were read are progress; it is told at most once a second."""
    at = 100.0
    read = Reading(Health(), lambda: at)
    for rows in (250, 500, 750):
        read(rows, rows / 1000)
    assert notices.recv(1000) == b"WATCHDOG=1"
    assert notices.recv(1000) == b"EXTEND_TIMEOUT_USEC=120000000\nSTATUS=reading a list: 250 rows, 25%"
    assert silent(notices)
    at = 101.0
    read(1000, 1.0)
    assert notices.recv(1000) == b"WATCHDOG=1"
