"""The simulator's driver: the engine and a world on a virtual clock that jumps from one instant to the next.

The order is the daemon's: outside events before timers at one instant, events in order of arrival, a store's answer
queued like all other news. Agents are on a break while the campaign's hours are closed: closed hours are no idle hours.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from dialer.compliance.hours import opening, zone
from dialer.domain.commands import BridgeCall, ClaimLeads, HangUp, OfferPreview, PlaceCall, PlayMessage
from dialer.domain.events import CampaignLoaded, Event, LawLoaded
from dialer.domain.policy import CampaignPolicy
from dialer.domain.records import BudgetSnapshot
from dialer.engine.campaign import Campaign, new_campaign
from dialer.engine.engine import Engine
from dialer.errors import UsageError
from dialer.simulator.law import no_law
from dialer.simulator.scenario import Scenario
from dialer.simulator.supply import EndlessLeads
from dialer.simulator.world import World
from dialer.storage.codec import encode_entry
from dialer.storage.memory import MemoryStore

REFERENCE_DAY = (2025, 6, 2)
"""A Monday: every run begins at the campaign's first opening on or after it, in the campaign's own time zone."""

_ORDERS = (PlaceCall, BridgeCall, PlayMessage, HangUp, OfferPreview)

JournalSink = Callable[[bytes], None]
"""Takes one line of the journal, without its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """When a run begins and ends, and the spans in between in which the campaign may not call."""

    start_at: float
    end_at: float
    closed: tuple[tuple[float, float], ...]


def plan_shift(policy: CampaignPolicy, hours: float) -> Shift:
    """Lay out `hours` of open campaign time; raise UsageError when the campaign never opens."""
    zones = (policy.abandonment.time_zone,)
    at = datetime(*REFERENCE_DAY, tzinfo=zone(zones[0])).timestamp()
    left_s, start_at, closed_from_at = hours * 3600.0, None, at
    closed: list[tuple[float, float]] = []
    while True:
        span = opening(policy.hours, zones, at)
        if span.until_at is None:
            raise UsageError(f"campaign {policy.name}: expected calling hours of which some are open, found none")
        if not span.is_open:
            at = span.until_at
            continue
        if start_at is None:
            start_at = at
        elif at > closed_from_at:
            closed.append((closed_from_at, at))
        if span.until_at - at >= left_s:
            return Shift(start_at=start_at, end_at=at + left_s, closed=tuple(closed))
        left_s -= span.until_at - at
        at = closed_from_at = span.until_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a run leaves behind: the records, and how much the engine had to do."""

    shift: Shift
    store: MemoryStore
    world: World
    events: int
    timers: int


class Driver:
    """One run of one campaign in one world."""

    def __init__(
        self,
        policy: CampaignPolicy,
        scenario: Scenario,
        *,
        agents: int,
        hours: float,
        seed: int,
        journal: JournalSink | None = None,
        equip: Callable[[CampaignPolicy, BudgetSnapshot | None], Campaign] = new_campaign,
    ) -> None:
        self._shift = plan_shift(policy, hours)
        self._store = MemoryStore()
        self._leads = EndlessLeads(self._store, policy, numbers=scenario.people.numbers)
        self._world = World(
            scenario,
            [policy],
            seed=seed,
            start_at=self._shift.start_at,
            agents=agents,
            agent_groups=policy.agents.groups,
        )
        for from_at, to_at in self._shift.closed:
            self._world.agents.close(from_at, to_at)
        network = scenario.network
        self._engine = Engine(
            lines=network.lines, calls_per_second=network.calls_per_second, ends_at=self._shift.end_at, equip=equip
        )
        self._journal = journal
        self._queue: deque[Event] = deque([LawLoaded(law=no_law(policy.jurisdiction)), CampaignLoaded(policy=policy)])
        self._events = self._timers = 0

    def run(self) -> Run:
        """Run to the end of the shift; calls that are still up then stay unfinished."""
        now, end_at = self._shift.start_at, self._shift.end_at
        world, engine, queue = self._world, self._engine, self._queue
        while True:
            while queue:
                self._handle(queue.popleft(), now)
            news_at, deadline = world.next_at(), engine.next_deadline()
            if news_at is not None and (deadline is None or news_at <= deadline):
                if news_at >= end_at:
                    break
                now = max(now, news_at)
                queue.extend(world.advance(now))
            elif deadline is not None and deadline < end_at:
                now = max(now, deadline)
                self._handle(None, now)
            else:
                break
        return Run(shift=self._shift, store=self._store, world=world, events=self._events, timers=self._timers)

    def _handle(self, event: Event | None, now: float) -> None:
        """Let the engine handle an event, or a deadline that passed, and carry out what it orders."""
        if event is None:
            self._timers += 1
            commands = self._engine.handle_timer(now)
        else:
            self._events += 1
            commands = self._engine.handle(event, now)
        if self._journal is not None:
            self._journal(encode_entry(self._events + self._timers, now, event, commands))
        if not commands:
            return
        self._leads.apply(commands)
        for command in commands:
            if isinstance(command, _ORDERS):
                self._world.submit(command, now)
            elif isinstance(command, ClaimLeads):
                self._queue.append(self._leads.claim(command.campaign, command.count, now))
