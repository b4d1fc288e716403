"""The daemon's driver: journal before orders, a bounded queue, and an end when something breaks."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace

import pytest

from dialer.daemon.clock import DaemonClock, ScaledClock
from dialer.daemon.driver import BATCH_MAX, Driver, QueueOverflow
from dialer.daemon.outgoing import TOO_LATE
from dialer.domain.commands import DeskCommand, GatewayCommand, PlaceCall
from dialer.domain.events import (
    AgentLoggedIn,
    AgentReadied,
    CampaignLoaded,
    DrainRequested,
    LawLoaded,
    LeadsClaimed,
    LeadsImported,
    PersonRefused,
)
from dialer.domain.outcome import Outcome
from dialer.domain.policy import HoursPolicy, PacingMode
from dialer.errors import DiskFull, LeaseLost, StorageError
from dialer.ports import Sink
from dialer.storage.codec import Entry
from dialer.storage.memory import MemoryStore
from tests.laws import open_law
from tests.parity import virtual
from tests.parity.floor import START_AT, filled_store, new_engine, policy


class Ledger:
    """A store in memory that says how often it was written to; the disk may be full from some write on."""

    def __init__(self, store: MemoryStore, full_from: int = 1_000_000) -> None:
        self.store = store
        self.commits = 0
        self._full_from = full_from

    def commit_batch(self, entries: Iterable[Entry]) -> None:
        self.commits += 1
        if self.commits >= self._full_from:
            raise StorageError("database: the disk is full")
        self.store.commit_batch(entries)

    def claim(self, campaign: str, count: int, now: float) -> LeadsClaimed:
        return self.store.claim(campaign, count, now)


class EndlessLedger(Ledger):
    """Keeps nothing, and answers every claim with a lead that is closed for good, saying that there are more."""

    def __init__(self, store: MemoryStore, campaign: str) -> None:
        super().__init__(store)
        self.claims = 0
        self._lead = next(iter(store.leads(campaign)))

    def commit_batch(self, entries: Iterable[Entry]) -> None:
        self.commits += 1

    def claim(self, campaign: str, count: int, now: float) -> LeadsClaimed:
        self.claims += 1
        closed = replace(self._lead, lead_id=self.claims)
        return LeadsClaimed(campaign=campaign, leads=(closed,), next_due_at=None, open_leads=10)


class Wire:
    """A gateway that keeps the orders it gets for calls, each with the journal's length at that moment."""

    def __init__(self, store: MemoryStore) -> None:
        self.orders: list[tuple[GatewayCommand, int]] = []
        self._store = store

    async def run(self, sink: Sink) -> None:
        await asyncio.Event().wait()

    def send(self, command: GatewayCommand | DeskCommand) -> None:
        if not isinstance(command, DeskCommand):
            self.orders.append((command, self._store.next_seq()))


def new_driver(*, full_from: int = 1_000_000, queue_max: int = 1000) -> tuple[Driver, Ledger, Wire]:
    """A driver of a progressive campaign with leads; must be called inside a running loop."""
    campaign = policy(mode=PacingMode.PROGRESSIVE)
    ledger = Ledger(filled_store([campaign], 20), full_from)
    wire = Wire(ledger.store)
    clock = ScaledClock(speed=1.0, start_at=START_AT)
    driver = Driver(new_engine(), ledger, wire, clock, queue_max=queue_max)
    virtual.await_thread(lambda: driver.is_writing)
    driver.post(LawLoaded(law=open_law()))
    driver.post(CampaignLoaded(policy=campaign))
    return driver, ledger, wire


def test_an_order_leaves_only_after_its_entry_is_kept() -> None:
    """When a PlaceCall reaches the gateway, the journal already holds the entry that ordered it."""

    async def run() -> None:
        driver, ledger, wire = new_driver()
        running = asyncio.ensure_future(driver.run())
        await driver.settle(AgentLoggedIn(agent_id="a1", groups=("floor",)))
        await driver.settle(AgentReadied(agent_id="a1"))
        running.cancel()
        [(order, next_seq)] = wire.orders
        assert isinstance(order, PlaceCall)
        kept = [entry for entry in ledger.store.entries() if order in entry.commands]
        assert [entry.seq < next_seq for entry in kept] == [True]

    virtual.run(run(), START_AT)


def test_a_refusal_overtakes_a_call_that_has_not_left() -> None:
    """Decided and refused in one batch: the call is not placed, and its attempt ends as cancelled."""

    async def run() -> None:
        driver, ledger, wire = new_driver()
        running = asyncio.ensure_future(driver.run())
        await driver.settle(AgentLoggedIn(agent_id="a1", groups=("floor",)))
        driver.post(AgentReadied(agent_id="a1"))
        numbers = tuple(number.e164 for lead in ledger.store.leads("survey") for number in lead.numbers)
        await driver.settle(PersonRefused(seller="Seller", numbers=numbers, reason="letter", who="officer"))
        await driver.settle(AgentReadied(agent_id="a1"))
        running.cancel()
        [attempt] = ledger.store.attempts("survey", 0.0, START_AT + 3600.0)
        assert (attempt.outcome, attempt.cause) == (Outcome.CANCELLED, "refused before the call left")
        assert not [order for order, _ in wire.orders if isinstance(order, PlaceCall)]
        assert driver.live_calls() == 0

    virtual.run(run(), START_AT)


def test_a_refusal_of_another_seller_stops_no_call() -> None:
    """Sellers are kept apart in this, too."""

    async def run() -> None:
        driver, ledger, wire = new_driver()
        running = asyncio.ensure_future(driver.run())
        await driver.settle(AgentLoggedIn(agent_id="a1", groups=("floor",)))
        driver.post(AgentReadied(agent_id="a1"))
        numbers = tuple(number.e164 for lead in ledger.store.leads("survey") for number in lead.numbers)
        await driver.settle(PersonRefused(seller="Another", numbers=numbers, reason="letter", who="officer"))
        running.cancel()
        assert len([order for order, _ in wire.orders if isinstance(order, PlaceCall)]) == 1

    virtual.run(run(), START_AT)


def test_what_waits_together_is_kept_together() -> None:
    """Events that arrived at once, up to the first that claims leads, need one commit."""

    async def run() -> None:
        driver, ledger, _ = new_driver()
        running = asyncio.ensure_future(driver.run())
        await driver.settle(DrainRequested(reason="quiet"))
        before = ledger.commits
        for rank in range(BATCH_MAX - 1):
            driver.post(AgentLoggedIn(agent_id=f"a{rank}", groups=("elsewhere",)))
        await driver.settle(AgentLoggedIn(agent_id="last", groups=("elsewhere",)))
        running.cancel()
        assert ledger.commits == before + 1

    virtual.run(run(), START_AT)


def test_a_store_that_fails_ends_the_driver_and_no_order_leaves() -> None:
    """The error is raised, who waits for an event is told, nothing is sent, and later events are refused."""

    async def run() -> None:
        driver, _, wire = new_driver(full_from=1)
        running = asyncio.ensure_future(driver.run())
        with pytest.raises(asyncio.CancelledError):
            await driver.settle(AgentLoggedIn(agent_id="a1", groups=("floor",)))
        with pytest.raises(StorageError, match="disk is full"):
            await running
        assert wire.orders == []
        with pytest.raises(QueueOverflow, match="has ended"):
            driver.post(AgentReadied(agent_id="a1"))

    virtual.run(run(), START_AT)


def test_who_posts_is_told_once_the_event_is_kept() -> None:
    """Not before: an adapter acknowledges a message only when the journal holds what it said."""

    async def run() -> None:
        driver, ledger, _ = new_driver()
        told: list[int] = []
        running = asyncio.ensure_future(driver.run())
        driver.post(AgentLoggedIn(agent_id="a1", groups=("floor",)), lambda: told.append(ledger.store.next_seq()))
        assert told == []
        await driver.settle(AgentReadied(agent_id="a1"))
        running.cancel()
        [kept] = [entry for entry in ledger.store.entries() if isinstance(entry.event, AgentLoggedIn)]
        assert len(told) == 1 and told[0] > kept.seq

    virtual.run(run(), START_AT)


def test_no_order_leaves_a_daemon_that_may_have_lost_its_lease() -> None:
    """What was committed stays, nothing is sent, and the driver ends."""

    async def run() -> None:
        campaign = policy(mode=PacingMode.PROGRESSIVE)
        store = filled_store([campaign], 20)
        wire, is_owner = Wire(store), [True]
        clock = ScaledClock(speed=1.0, start_at=START_AT)
        driver = Driver(new_engine(), Ledger(store), wire, clock, may_send=lambda: is_owner[0])
        virtual.await_thread(lambda: driver.is_writing)
        driver.post(LawLoaded(law=open_law()))
        driver.post(CampaignLoaded(policy=campaign))
        running = asyncio.ensure_future(driver.run())
        await driver.settle(AgentLoggedIn(agent_id="a1", groups=("floor",)))
        is_owner[0] = False
        driver.post(AgentReadied(agent_id="a1"))
        with pytest.raises(LeaseLost):
            await running
        assert wire.orders == [] and len(list(store.attempts(None, 0.0, 1e12))) == 1

    virtual.run(run(), START_AT)


class Crammed(Ledger):
    """A store on a disk that has no room for a while."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self.is_full = False
        self.has_claims = True

    def commit_batch(self, entries: Iterable[Entry]) -> None:
        if self.is_full:
            raise DiskFull("database: the disk is full")
        super().commit_batch(entries)

    def claim(self, campaign: str, count: int, now: float) -> LeadsClaimed:
        if self.is_full or not self.has_claims:
            raise DiskFull("database: the disk is full")
        return super().claim(campaign, count, now)


def crammed_driver() -> tuple[Driver, Crammed, Wire, list[str | None], DaemonClock]:
    """A driver on such a store, what it says of it, and its clock."""
    campaign = policy(mode=PacingMode.PROGRESSIVE)
    ledger = Crammed(filled_store([campaign], 20))
    wire, said = Wire(ledger.store), list[str | None]()
    clock = ScaledClock(speed=1.0, start_at=START_AT)
    driver = Driver(new_engine(), ledger, wire, clock, on_blocked=said.append)
    virtual.await_thread(lambda: driver.is_writing)
    driver.post(LawLoaded(law=open_law()))
    driver.post(CampaignLoaded(policy=campaign))
    return driver, ledger, wire, said, clock


def test_a_full_disk_stops_dialing_and_loses_nothing() -> None:
    """No order leaves, news waits with the instants of its arrival, it is said once; with room all of it is kept."""

    async def run() -> None:
        driver, ledger, wire, said, clock = crammed_driver()
        running = asyncio.ensure_future(driver.run())
        await driver.settle(AgentLoggedIn(agent_id="a1", groups=("floor",)))
        ledger.is_full = True
        driver.post(AgentReadied(agent_id="a1"))
        await clock.sleep_until(START_AT + 5.0)
        driver.post(AgentLoggedIn(agent_id="a2", groups=("floor",)))
        await clock.sleep_until(START_AT + 8.0)
        assert (driver.blocked, wire.orders) == ("database: the disk is full", [])
        ledger.is_full = False
        await driver.settle(AgentReadied(agent_id="a2"))
        assert (driver.blocked, said) == (None, ["database: the disk is full", None])
        assert [type(order) for order, _ in wire.orders] == [PlaceCall, PlaceCall]
        arrived = {
            entry.event.agent_id: entry.at for entry in ledger.store.entries() if isinstance(entry.event, AgentLoggedIn)
        }
        assert arrived == {"a1": START_AT, "a2": START_AT + 5.0}
        running.cancel()

    virtual.run(run(), START_AT)


def test_a_call_that_waited_too_long_for_room_does_not_leave() -> None:
    """Its verdict is of another time: nobody is called on it, and the attempt says so."""

    async def run() -> None:
        driver, ledger, wire, _, clock = crammed_driver()
        running = asyncio.ensure_future(driver.run())
        await driver.settle(AgentLoggedIn(agent_id="a1", groups=("floor",)))
        ledger.is_full = True
        driver.post(AgentReadied(agent_id="a1"))
        await clock.sleep_until(START_AT + 60.0)
        ledger.is_full = False
        await clock.sleep_until(START_AT + 70.0)
        [never, *_] = ledger.store.attempts(None, 0.0, 1e12)
        assert (never.outcome, never.cause) == (Outcome.CANCELLED, TOO_LATE)
        left = [order.call_id for order, _ in wire.orders if isinstance(order, PlaceCall)]
        assert never.call_id not in left and left
        running.cancel()

    virtual.run(run(), START_AT)


def test_a_claim_waits_for_room_as_a_batch_does() -> None:
    """The order is carried out once there is some."""

    async def run() -> None:
        driver, ledger, wire, said, clock = crammed_driver()
        ledger.has_claims = False
        running = asyncio.ensure_future(driver.run())
        driver.post(AgentLoggedIn(agent_id="a1", groups=("floor",)))
        driver.post(AgentReadied(agent_id="a1"))
        await clock.sleep_until(START_AT + 3.0)
        assert said == ["database: the disk is full"] and wire.orders == []
        ledger.has_claims = True
        await clock.sleep_until(START_AT + 15.0)
        assert said[-1] is None and len(wire.orders) == 1
        running.cancel()

    virtual.run(run(), START_AT)


def test_the_queue_is_bounded() -> None:
    """More news than the bound is an error that says so; nothing is dropped in silence."""

    async def run() -> None:
        driver, _, _ = new_driver(queue_max=10)
        with pytest.raises(QueueOverflow, match="expected at most 10"):
            for rank in range(11):
                driver.post(AgentReadied(agent_id=f"a{rank}"))

    virtual.run(run(), START_AT)


def test_work_that_feeds_itself_leaves_others_their_turn() -> None:
    """A queue that never runs empty at one instant (a huge list outside its hours) does not freeze the daemon."""

    async def run() -> None:
        campaign = replace(policy(mode=PacingMode.PROGRESSIVE), hours=HoursPolicy(week=((),) * 7))
        ledger = EndlessLedger(filled_store([campaign], 1), campaign.name)
        driver = Driver(new_engine(), ledger, Wire(ledger.store), ScaledClock(speed=1.0, start_at=START_AT))
        virtual.await_thread(lambda: driver.is_writing)
        driver.post(LawLoaded(law=open_law()))
        driver.post(CampaignLoaded(policy=campaign))
        driver.post(LeadsImported(campaign=campaign.name))
        running = asyncio.ensure_future(driver.run())
        await driver.settle(AgentLoggedIn(agent_id="a1", groups=("floor",)))
        await driver.settle(AgentReadied(agent_id="a1"))
        turns, goal = 0, ledger.claims + 100
        while ledger.claims < goal:
            await asyncio.sleep(0)
            turns += 1
        assert turns > 50
        running.cancel()

    virtual.run(run(), START_AT)
