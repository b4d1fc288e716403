"""The driver on a clock that nobody stops: it hears on while the thread writes, and lets nothing out early."""

import asyncio
import threading
from collections.abc import Iterable

import pytest

from dialer.daemon.clock import SystemClock
from dialer.daemon.driver import AHEAD_MAX, Driver
from dialer.daemon.outgoing import REFUSED, RETRACTED
from dialer.domain.commands import HangUp, PlaceCall
from dialer.domain.events import (
    AgentLoggedIn,
    AgentReadied,
    CampaignControlled,
    CampaignLoaded,
    LawLoaded,
    LeadsClaimed,
    PersonRefused,
)
from dialer.domain.outcome import Outcome
from dialer.domain.policy import PacingMode
from dialer.errors import DatabaseLost
from dialer.storage.codec import Entry
from dialer.storage.memory import MemoryStore
from tests.laws import open_law
from tests.parity import virtual
from tests.parity.floor import START_AT, filled_store, new_engine, policy
from tests.unit.daemon.test_driver import Wire


class Held:
    """A store in memory whose commits wait, in the writer's thread, until the test lets them go."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.batches: list[list[Entry]] = []
        self.tried: list[list[int]] = []
        self.did: list[str] = []
        self.threads: set[int] = set()
        self.fault: Exception | None = None
        self.is_waiting = False
        self._loop = asyncio.get_running_loop()
        self._gate = threading.Event()
        self._gate.set()

    def hold(self) -> None:
        """Let the next commits wait."""
        self._gate.clear()

    def let_go(self) -> None:
        """Let them go on."""
        self.is_waiting = False
        self._gate.set()

    def commit_batch(self, entries: Iterable[Entry]) -> None:
        self.threads.add(threading.get_ident())
        if not self._gate.is_set():
            self._loop.call_soon_threadsafe(self._note_waiting)
            self._gate.wait()
        batch = list(entries)
        self.tried.append([entry.seq for entry in batch])
        if self.fault is not None:
            raise self.fault
        self.batches.append(batch)
        self.did.append("commit")
        self.store.commit_batch(batch)

    def claim(self, campaign: str, count: int, now: float) -> LeadsClaimed:
        self.did.append("claim")
        return self.store.claim(campaign, count, now)

    def _note_waiting(self) -> None:
        self.is_waiting = not self._gate.is_set()


def set_up() -> tuple[Driver, Held, Wire, SystemClock]:
    """A driver of a progressive campaign; must be called inside a running loop."""
    campaign = policy(mode=PacingMode.PROGRESSIVE)
    store = filled_store([campaign], 40)
    ledger, wire = Held(store), Wire(store)
    clock = SystemClock(asyncio.get_running_loop().time)
    driver = Driver(new_engine(), ledger, wire, clock)
    virtual.await_thread(lambda: driver.is_writing and not ledger.is_waiting)
    driver.post(LawLoaded(law=open_law()))
    driver.post(CampaignLoaded(policy=campaign))
    return driver, ledger, wire, clock


def places(wire: Wire) -> list[int]:
    """The calls that left."""
    return [order.call_id for order, _ in wire.orders if isinstance(order, PlaceCall)]


async def rest(driver: Driver) -> None:
    """Let everything that waits be handled, claims and their answers too."""
    for _ in range(4):
        await driver.pulse()


def test_the_engine_hears_on_while_a_commit_is_under_way() -> None:
    """Nothing leaves before its commit; what is handled meanwhile goes into one commit together; orders keep order."""

    async def run() -> None:
        driver, ledger, wire, clock = set_up()
        running = asyncio.ensure_future(driver.run())
        for name in ("a1", "a2", "a3"):
            await driver.settle(AgentLoggedIn(agent_id=name, groups=("floor",)))
        await rest(driver)
        ledger.hold()
        for rank, name in enumerate(("a1", "a2", "a3"), start=1):
            driver.post(AgentReadied(agent_id=name))
            await clock.sleep_until(START_AT + 0.3 * rank)  # all of it before the engine hears of a lag
        assert driver.live_calls() == 3 and places(wire) == []
        assert driver.ahead == 3
        before = len(ledger.batches)
        ledger.let_go()
        await driver.settle(AgentReadied(agent_id="a3"))
        first, second = ledger.batches[before : before + 2]
        assert len(first) == 1 and len(second) >= 2
        assert places(wire) == sorted(places(wire)) and len(places(wire)) == 3
        for order, next_seq in wire.orders:
            [seq] = [entry.seq for entry in ledger.store.entries() if order in entry.commands]
            assert seq < next_seq
        assert threading.get_ident() not in ledger.threads and len(ledger.threads) == 1
        running.cancel()

    virtual.run(run(), START_AT)


def test_the_engine_is_a_few_batches_ahead_at_most() -> None:
    """Then news waits in the queue, with the instants of its arrival."""

    async def run() -> None:
        driver, ledger, _, clock = set_up()
        running = asyncio.ensure_future(driver.run())
        await driver.settle(AgentLoggedIn(agent_id="a0", groups=("elsewhere",)))
        await rest(driver)
        ledger.hold()
        for rank in range(1, 21):
            driver.post(AgentLoggedIn(agent_id=f"a{rank}", groups=("elsewhere",)))
            await clock.sleep_until(START_AT + rank)
        assert (driver.ahead, driver.queued) == (AHEAD_MAX, 20 - AHEAD_MAX)
        ledger.let_go()
        await driver.pulse()
        arrived = [entry.at for entry in ledger.store.entries() if isinstance(entry.event, AgentLoggedIn)]
        assert arrived == [START_AT, *(START_AT + rank for rank in range(20))]
        assert max(map(len, ledger.batches)) == 20 - AHEAD_MAX
        running.cancel()

    virtual.run(run(), START_AT)


@pytest.mark.parametrize("why", [REFUSED, RETRACTED])
def test_what_was_forbidden_while_a_commit_was_under_way_does_not_leave(why: str) -> None:
    """A call ordered in one batch is kept here by a refusal, or an emergency stop, that a later batch holds."""

    async def run() -> None:
        driver, ledger, wire, clock = set_up()
        running = asyncio.ensure_future(driver.run())
        await driver.settle(AgentLoggedIn(agent_id="a1", groups=("floor",)))
        await rest(driver)
        ledger.hold()
        driver.post(AgentReadied(agent_id="a1"))
        await clock.sleep_until(START_AT + 1.0)
        if why == REFUSED:
            numbers = tuple(number.e164 for lead in ledger.store.leads("survey") for number in lead.numbers)
            driver.post(PersonRefused(seller="Seller", numbers=numbers, reason="letter", who="officer"))
        else:
            driver.post(CampaignControlled(campaign="survey", action="emergency-stop", reason="no", who="operator"))
        await clock.sleep_until(START_AT + 2.0)
        assert driver.ahead == 2
        ledger.let_go()
        await rest(driver)
        assert places(wire) == [] and not [order for order, _ in wire.orders if isinstance(order, HangUp)]
        [attempt] = ledger.store.attempts("survey", 0.0, START_AT + 3600.0)
        assert attempt.outcome is Outcome.CANCELLED and driver.live_calls() == 0
        assert not ledger.store.open_attempts()
        running.cancel()

    virtual.run(run(), START_AT)


def test_a_claim_comes_behind_the_commits_that_it_needs() -> None:
    """And one at a time between commits."""

    async def run() -> None:
        driver, ledger, _, _ = set_up()
        running = asyncio.ensure_future(driver.run())
        await driver.settle(AgentLoggedIn(agent_id="a1", groups=("floor",)))
        await driver.pulse()
        assert ledger.did[:2] == ["commit", "claim"]
        running.cancel()

    virtual.run(run(), START_AT)


def test_what_is_to_be_done_between_commits_is_done_in_the_writers_thread() -> None:
    """What it gives comes back, and so does what it raises, a full disk as well: only batches wait for room."""

    async def run() -> None:
        driver, ledger, _, _ = set_up()
        running = asyncio.ensure_future(driver.run())
        await driver.pulse()
        assert await driver.write(threading.get_ident) in ledger.threads

        def fail() -> None:
            raise DatabaseLost("database: nobody answers")

        with pytest.raises(DatabaseLost):
            await driver.write(fail)
        assert driver.blocked is None
        running.cancel()

    virtual.run(run(), START_AT)


def test_a_lost_database_is_waited_for_and_the_same_batch_tried_again() -> None:
    """Its entries stay together, however many come behind: half of a batch that was kept could not be told apart."""

    async def run() -> None:
        driver, ledger, wire, clock = set_up()
        running = asyncio.ensure_future(driver.run())
        await driver.settle(AgentLoggedIn(agent_id="a1", groups=("floor",)))
        await rest(driver)
        before = len(ledger.tried)
        ledger.fault = DatabaseLost("database: nobody answers")
        driver.post(AgentReadied(agent_id="a1"))
        await clock.sleep_until(START_AT + 4.0)
        assert driver.blocked == "database: nobody answers" and places(wire) == []
        driver.post(AgentLoggedIn(agent_id="a2", groups=("floor",)))
        ledger.fault = None
        await driver.pulse()
        assert driver.blocked is None and len(places(wire)) == 1
        first, *_, last = ledger.tried[before:-1]
        assert len(ledger.tried[before:]) > 3 and first == last != []
        running.cancel()

    virtual.run(run(), START_AT)


def test_the_end_waits_for_the_writer() -> None:
    """What was handed over when the driver is cancelled is durable when it has ended."""

    async def run() -> None:
        driver, ledger, wire, clock = set_up()
        running = asyncio.ensure_future(driver.run())
        await driver.settle(AgentLoggedIn(agent_id="a1", groups=("floor",)))
        await rest(driver)
        ledger.hold()
        driver.post(AgentReadied(agent_id="a1"))
        await clock.sleep_until(START_AT + 1.0)
        running.cancel()
        await clock.sleep_until(START_AT + 2.0)
        assert not running.done()
        ledger.let_go()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert places(wire) == [] and len(ledger.store.open_attempts()) == 1

    virtual.run(run(), START_AT)
