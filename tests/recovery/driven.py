"""The scripted half day again, driven by the daemon's own driver, writer and threshold on virtual time.

One rule governs this module: what dies is the whole daemon. Its driver, its thread, its gateway and all news on its way
are gone; the world and the desks are not, and a desk sends again what nobody told it was kept.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from dialer.daemon.clock import ScaledClock
from dialer.daemon.driver import Driver
from dialer.daemon.earlier import EarlierRun, Threshold
from dialer.daemon.logs import make_logger
from dialer.domain.commands import DeskCommand, GatewayCommand, PlaceCall
from dialer.domain.events import (
    CampaignLoaded,
    DrainRequested,
    Event,
    LawLoaded,
    LeadsClaimed,
    LeadsImported,
    PersonRefused,
)
from dialer.domain.living import Living
from dialer.engine.engine import Engine
from dialer.engine.recovery import spent
from dialer.gateways.loopback import LoopbackGateway
from dialer.storage.codec import Entry
from dialer.storage.database import Database
from dialer.storage.store import Store
from tests.laws import open_law
from tests.parity import virtual
from tests.parity.floor import START_AT
from tests.recovery.shift import DESK_EVENTS, DRAIN_S, LINES, SHIFT_S, Kill, Shift, check_all, fill, policies
from tests.vaults import make_vault


class Killed(Exception):
    """The daemon is no more."""


class MortalLedger:
    """A store that dies with the daemon: once batch `kill.seq` is durable, or at what comes after its orders left."""

    def __init__(self, store: Store, kill: Kill | None, batches: int) -> None:
        self.batches = batches
        self._store = store
        self._kill = kill

    def commit_batch(self, entries: Iterable[Entry]) -> None:
        self._die_after_orders()
        self._store.commit_batch(entries)
        self.batches += 1
        if self._kill is not None and not self._kill.has_acted and self.batches == self._kill.seq:
            raise Killed

    def claim(self, campaign: str, count: int, now: float) -> LeadsClaimed:
        self._die_after_orders()
        return self._store.claim(campaign, count, now)

    def _die_after_orders(self) -> None:
        if self._kill is not None and self._kill.has_acted and self.batches == self._kill.seq:
            raise Killed


class Watched:
    """The world, of which the orders that arrive are checked."""

    def __init__(self, shift: "DrivenShift") -> None:
        self._shift = shift

    def submit(self, command: GatewayCommand | DeskCommand, now: float) -> None:
        self._shift.now = now
        if isinstance(command, PlaceCall):
            self._shift._check_order(command)
        self._shift.world.submit(command, now)

    def next_at(self) -> float | None:
        return self._shift.world.next_at()

    def advance(self, now: float) -> list[Event]:
        self._shift.now = now
        events = self._shift.world.advance(now)
        self._shift.truth.hear(events, now)
        return events

    def living(self, asked: Mapping[int, float]) -> Living:
        return self._shift.world.living(asked)


class DrivenShift(Shift):
    """The half day; `kill.seq` counts batches here. Its run is `live`, inside a virtual loop."""

    driver: Driver
    clock: ScaledClock

    def __init__(self, database: Database, log: Path, kill: Kill | None = None) -> None:
        self._log_path = log
        self._unkept: dict[int, Event] = {}  # news of desks that nobody confirmed, by order
        self._told = 0
        self._mourned: dict[str, str] = {}
        self.batches = 0
        super().__init__(database, kill)

    def _start(self) -> None:
        """Nothing yet: a life begins in the loop."""

    async def live(self) -> "DrivenShift":
        """Live to the end of the day, with one death in it."""
        virtual.await_thread(self._is_writing)
        first = list(self.queue)
        self.queue.clear()
        if await self._life(first, self.kill):
            self._lose_everything()
            again = list(self.undelivered)
            self.undelivered.clear()
            assert not await self._life(again, None)
        return self

    def _is_writing(self) -> bool:
        return not self._driving.done() and self.driver.is_writing

    async def _life(self, first: list[Event], kill: Kill | None) -> bool:
        """Start a daemon, as the service does, and let it run to the evening; say whether it was killed."""
        self.store = Store(self.database, make_vault())
        self.store.release_claims()
        earlier = EarlierRun(self.store, self.now)
        self.engine = Engine(lines=LINES, calls_per_second=2.0, next_call_id=self.store.next_call_id())
        self.clock = ScaledClock(speed=1.0, start_at=self.now)
        self.clock.hold("start", self.now)
        self._ledger = MortalLedger(self.store, kill, 0)
        gateway = LoopbackGateway(Watched(self), self.clock)
        self.driver = Driver(
            self.engine,
            self._ledger,
            gateway,
            self.clock,
            next_seq=self.store.next_seq(),
            observers=(lambda entry: self._note_agents(kill),),
        )
        self.driver.post(LawLoaded(law=open_law()))
        for campaign in policies():
            attempts = self.store.attempts(campaign.name, 0.0, self.now + 1.0)
            self.driver.post(CampaignLoaded(policy=campaign, spent=spent(attempts, campaign, self._first_live_at())))
            self.driver.post(LeadsImported(campaign=campaign.name))
        with self._log_path.open("a", encoding="utf-8") as out:
            threshold = Threshold(earlier, self.driver, make_logger("warning", "json", self.clock, stream=out))
            self._driving = asyncio.ensure_future(self.driver.run())
            reporting = asyncio.ensure_future(gateway.run(lambda event, kept=None: self._hear(threshold, event, kept)))
            day = asyncio.ensure_future(
                self._day(threshold, gateway, first, is_second=kill is None and bool(self._mourned))
            )
            try:
                await asyncio.wait([self._driving, reporting, day], return_when=asyncio.FIRST_COMPLETED)
                if self._driving.done():
                    assert isinstance(self._driving.exception(), Killed), self._driving.exception()
                    return True
                await (day if day.done() else reporting)
                return False
            finally:
                for task in (day, reporting, self._driving):
                    task.cancel()
                await asyncio.wait([day, reporting, self._driving])
                self.now = max(self.now, self.clock.now())
                self.batches = self._ledger.batches

    async def _day(
        self, threshold: Threshold, gateway: LoopbackGateway, first: list[Event], *, is_second: bool
    ) -> None:
        await asyncio.sleep(0)
        await threshold.take_over(gateway)
        await self.driver.pulse()
        if is_second:
            self._check_agents(self._mourned)
        self.clock.hold("start", None)
        for event in first:
            self._post_desk(self.driver.post, event)
        if not self.is_evening:
            await self.clock.sleep_until(START_AT + SHIFT_S)
            self.is_evening = True
        await self.driver.settle(DrainRequested(reason="evening"))
        await self.clock.sleep_until(self.clock.now() + DRAIN_S)
        await self.driver.pulse()

    def _hear(self, threshold: Threshold, event: Event, kept: Callable[[], None] | None) -> None:
        assert kept is None
        self._post_desk(threshold.hear, event)

    def _post_desk(self, post: Callable[..., None], event: Event) -> None:
        """Hand news on; a desk keeps its own until it is told that it is durable."""
        if not isinstance(event, (*DESK_EVENTS, PersonRefused)):
            post(event)
            return
        self._told += 1
        order = self._told
        self._unkept[order] = event
        post(event, lambda: self._unkept.pop(order, None))

    def _note_agents(self, kill: Kill | None) -> None:
        if kill is not None and kill.has_acted and self._ledger.batches == kill.seq:
            self._mourned = self._agents()

    def _agents(self) -> dict[str, str]:
        return {each.agent_id: each.state for each in self.engine.status(self.now).agents}

    def _lose_everything(self) -> None:
        """Take down what was committed; let the world go on without a daemon."""
        assert self.kill is not None
        if not self.kill.has_acted:
            self._mourned = self._agents()
        self._note_what_is_committed()
        self.store.close()
        self.undelivered += self._unkept.values()
        self._unkept.clear()
        until_at = self.now + self.kill.outage_s
        while (at := self.world.next_at()) is not None and at <= until_at:
            self.now = max(self.now, at)
            events = self.world.advance(self.now)
            self.truth.hear(events, self.now)
            self.undelivered += [event for event in events if isinstance(event, DESK_EVENTS)]
        self.now = max(self.now, until_at)


def driven(database: Database, log: Path, kill: Kill | None = None) -> int:
    """Run the day under the real driver, with a kill in it, and check all that must hold; give its last batch."""
    fill(database)
    shift = DrivenShift(database, log, kill)
    try:
        virtual.run(shift.live(), START_AT)
        check_all(shift)
        return shift.batches
    finally:
        shift.close()
