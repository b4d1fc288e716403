"""A store that becomes slow, stalls, goes away and returns: dialing slows down, memory does not grow, nothing is lost.

A real database behind an adapter that takes its time on the loop's virtual clock, in front of it the writer's thread.
"""

import asyncio
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import pytest

from dialer.daemon.clock import SystemClock
from dialer.daemon.driver import AHEAD_MAX, Driver
from dialer.domain.commands import DeskCommand, GatewayCommand, PlaceCall, RecordDecision
from dialer.domain.events import CampaignLoaded, LawLoaded, LeadsImported, StoreLagged
from dialer.domain.lag import Lag
from dialer.domain.lead import Lead
from dialer.domain.policy import CampaignPolicy
from dialer.engine.engine import Engine
from dialer.gateways.loopback import LoopbackGateway
from dialer.pacing.explain import explain
from dialer.simulator.scenario import load_world
from dialer.simulator.world import World
from dialer.storage.codec import Entry
from dialer.storage.sqlite import SqliteDatabase
from dialer.storage.store import Store
from tests.laws import open_law
from tests.parity import virtual
from tests.parity.floor import START_AT, policy
from tests.recovery.slow import SlowLedger, await_writer, nobodys_number
from tests.vaults import make_vault

AGENTS, LEADS = 24, 4000
SLOW_AT, STALLED_AT, WELL_AT, END_AT = 900.0, 1200.0, 1320.0, 1800.0
"""In seconds from the start: 0.25 s for each commit and claim, then 3 s, then none again."""


def campaign() -> CampaignPolicy:
    """A campaign whose target leaves room below its cap of 3 %."""
    made = policy()
    return replace(made, abandonment=replace(made.abandonment, target_rate=0.01))


class Gateway(LoopbackGateway):
    """The loopback gateway, which keeps when each order left."""

    def __init__(self, world: World, clock: SystemClock) -> None:
        super().__init__(world, clock)
        self.placed: list[tuple[float, PlaceCall]] = []
        self._now = clock.now

    def send(self, command: GatewayCommand | DeskCommand) -> None:
        if isinstance(command, PlaceCall):
            self.placed.append((self._now() - START_AT, command))
        super().send(command)


@dataclass
class Floor:
    """A daemon's driver with a gateway, a world and a slow store, on virtual time that nobody stops."""

    store: Store
    entries: list[Entry] = field(default_factory=list)
    said: list[str | None] = field(default_factory=list)
    queued_max: int = 0
    ahead_max: int = 0

    def begin(self, group: asyncio.TaskGroup) -> None:
        """Start everything in the running loop."""
        loop = asyncio.get_running_loop()
        self.clock = SystemClock(loop.time)
        self.ledger = SlowLedger(self.store)
        world = World(
            load_world("realistic"), [campaign()], seed=5, start_at=START_AT, agents=AGENTS, agent_groups=("floor",)
        )
        self.gateway = Gateway(world, self.clock)
        self.driver = Driver(
            Engine(lines=100, calls_per_second=20.0),
            self.ledger,
            self.gateway,
            self.clock,
            observers=(self._see,),
            on_blocked=self.said.append,
        )
        await_writer(self.driver, self.ledger)
        self.driver.post(LawLoaded(law=open_law()))
        self.driver.post(CampaignLoaded(policy=campaign()))
        self.driver.post(LeadsImported(campaign="survey"))
        self.tasks = [group.create_task(self.driver.run()), group.create_task(self.gateway.run(self.driver.post))]

    def _see(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.queued_max = max(self.queued_max, self.driver.queued)
        self.ahead_max = max(self.ahead_max, self.driver.ahead)

    async def until(self, after_s: float) -> None:
        """Let it work until so long after the start."""
        await self.clock.sleep_until(START_AT + after_s)

    def end(self) -> None:
        for task in self.tasks:
            task.cancel()

    def decisions(self, from_s: float, to_s: float) -> list[RecordDecision]:
        """The decisions kept in a span."""
        commands = [command for entry in self.entries for command in entry.commands]
        found = [command for command in commands if isinstance(command, RecordDecision)]
        return [each for each in found if from_s <= each.decision.at - START_AT < to_s]

    def check_journal(self) -> None:
        """What was told is what is on disk, in order, without a gap."""
        kept = list(self.store.entries())
        assert [entry.seq for entry in kept] == list(range(1, len(kept) + 1))
        assert all(before.at <= after.at for before, after in pairwise(kept))
        assert [entry.seq for entry in self.entries] == [entry.seq for entry in kept[: len(self.entries)]]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A database with a list."""
    made = Store(SqliteDatabase(tmp_path / "dialer.db"), make_vault())
    with made.importing(campaign(), "leads.csv", "0" * 64, START_AT) as session:
        for rank in range(LEADS):
            session.add(Lead(lead_id=0, campaign="survey", numbers=(nobodys_number(rank),), shuffle=rank))
    return made


def test_a_slow_store_slows_dialing_down_and_no_queue_grows(store: Store) -> None:
    """Commits of 0.25 s: reserved calls only; of 3 s: no call; then all as before. The cap holds, queues stay short."""
    floor = Floor(store)

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            floor.begin(group)
            await floor.until(SLOW_AT)
            assert floor.driver.lag_s < 0.1 and floor.driver.status().store_lag == Lag.NONE
            floor.ledger.delay_s = 0.25
            await floor.until(STALLED_AT)
            assert floor.driver.status().store_lag == Lag.SLOW
            floor.ledger.delay_s = 3.0
            await floor.until(WELL_AT)
            assert floor.driver.status().store_lag == Lag.STALLED
            assert floor.driver.status().campaigns[0].last_decision.limited_by == "store_stalled"  # type: ignore[union-attr]
            floor.ledger.delay_s = 0.0
            await floor.until(END_AT)
            assert floor.driver.status().store_lag == Lag.NONE
            floor.end()

    virtual.run(run(), START_AT)
    floor.check_journal()
    reserved = {each.call_id: each.is_reserved for each in store.attempts(None, 0.0, 1e12)}
    placed = [(at, reserved[order.call_id]) for at, order in floor.gateway.placed]
    assert [is_held for at, is_held in placed if SLOW_AT - 300.0 < at < SLOW_AT].count(False) > 20
    assert all(is_held for at, is_held in placed if SLOW_AT + 4.0 < at < STALLED_AT)
    assert len([at for at, _ in placed if SLOW_AT + 4.0 < at < STALLED_AT]) > 20
    assert not [at for at, _ in placed if STALLED_AT + 10.0 < at < WELL_AT]
    assert [is_held for at, is_held in placed if at > WELL_AT + 40.0].count(False) > 20
    told = [entry.event.lag for entry in floor.entries if isinstance(entry.event, StoreLagged)]
    assert told == [Lag.SLOW, Lag.STALLED, Lag.SLOW, Lag.NONE]
    slow = [each.decision for each in floor.decisions(SLOW_AT, STALLED_AT) if each.decision.limited_by == "store_slow"]
    assert slow and "the store is slow: 0." in explain(slow[0])
    assert floor.queued_max < 100 and floor.ahead_max <= AHEAD_MAX
    found = list(store.attempts(None, 0.0, 1e12))
    late = [each.answered_at - START_AT for each in found if each.is_abandoned and each.answered_at is not None]
    assert not [at for at in late if SLOW_AT + 10.0 < at < STALLED_AT or STALLED_AT + 20.0 < at < WELL_AT]
    assert sum(each.is_abandoned for each in found) <= 0.03 * sum(each.is_live for each in found)


def test_a_database_that_is_gone_for_ten_seconds_stops_dialing_and_loses_nothing(store: Store) -> None:
    """It is said once, no order leaves meanwhile, what happened is kept with its instants, and dialing goes on."""
    floor = Floor(store)

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            floor.begin(group)
            await floor.until(300.0)
            floor.ledger.is_gone = True
            await floor.until(310.0)
            assert floor.driver.blocked == "database: nobody answers"
            floor.ledger.is_gone = False
            await floor.until(420.0)
            floor.end()

    virtual.run(run(), START_AT)
    floor.check_journal()
    assert floor.said == ["database: nobody answers", None]
    at = [after_s for after_s, _ in floor.gateway.placed]
    assert not [each for each in at if 300.5 < each < 310.0] and [each for each in at if 310.0 <= each < 330.0]
    assert [entry for entry in floor.entries if 301.0 < entry.at - START_AT < 309.0]
    assert not [entry for entry in floor.entries if isinstance(entry.event, StoreLagged)]
