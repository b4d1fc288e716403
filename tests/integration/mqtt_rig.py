"""An engine and gateways in one process, with a real broker between them and a wire to each that can be made bad.

One rule governs this module: a witness stands at each gateway's telephone network. What it saw is the truth that the
engine's records are held to.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from dialer.daemon.clock import SystemClock
from dialer.daemon.driver import Driver
from dialer.daemon.logs import make_logger
from dialer.domain.commands import DeskCommand, GatewayCommand, PlaceCall
from dialer.domain.events import (
    AgentLoggedIn,
    AgentReadied,
    CallBridged,
    CallFailed,
    CallReleased,
    CampaignLoaded,
    DrainRequested,
    Event,
    LawLoaded,
    LeadsImported,
)
from dialer.domain.living import Living
from dialer.domain.outcome import Outcome
from dialer.domain.policy import CampaignPolicy, PacingMode
from dialer.engine.engine import Engine
from dialer.gateways.broker import Address
from dialer.gateways.loopback import LoopbackGateway
from dialer.gateways.mqtt import MqttGateway, Trunk
from dialer.gateways.serving import Serving
from dialer.ports import Network
from dialer.simulator.scenario import load_world
from dialer.simulator.world import World
from dialer.storage.memory import MemoryStore
from tests.laws import open_law
from tests.parity.floor import filled_store, policy
from tests.servers.wire import Wire

WORLD = """
[network]
setup_s = 0.05
message_s = 0.5
[answers]
p_live = 0.7
ring_s = { family = "uniform", low = 0.1, high = 0.6 }
p_busy = 0.2
busy_after_s = 0.2
p_rejected = 0.1
rejected_after_s = 0.3
[detection]
human_after_s = 0.05
[person]
patience_s = 6.0
[talk]
talk_s = { family = "uniform", low = 0.5, high = 1.5 }
wrap_up_s = 0.2
[agents]
login_after_s = 0.1
login_every_s = 0.0
bridge_s = 0.05
"""
PATIENCE_S = 60.0
TICK_S = 0.02


@dataclass(slots=True)
class Witness:
    """A network that another lives in: passes everything on and keeps what happened at the telephones."""

    network: Network
    placed: dict[int, str] = field(default_factory=dict)
    up: dict[str, int] = field(default_factory=dict)  # number -> call
    ends: dict[int, Event] = field(default_factory=dict)
    bridged: set[int] = field(default_factory=set)
    doubles: list[int] = field(default_factory=list)

    def submit(self, command: GatewayCommand | DeskCommand, now: float) -> None:
        if isinstance(command, PlaceCall):
            if command.call_id in self.placed or command.number in self.up:
                self.doubles.append(command.call_id)
            self.placed[command.call_id] = command.number
            self.up[command.number] = command.call_id
        self.network.submit(command, now)

    def next_at(self) -> float | None:
        return self.network.next_at()

    def living(self, asked: Mapping[int, float]) -> Living:
        return self.network.living(asked)

    def advance(self, now: float) -> list[Event]:
        news = self.network.advance(now)
        for event in news:
            if isinstance(event, CallFailed | CallReleased):
                self.ends[event.call_id] = event
                self.up.pop(self.placed.get(event.call_id, ""), None)
            elif isinstance(event, CallBridged):
                self.bridged.add(event.call_id)
        return news


@dataclass(slots=True)
class Place:
    """A gateway in its place: its process, its network, and its wire to the broker."""

    name: str
    wire: Wire
    witness: Witness
    serving: Serving
    task: asyncio.Task[None]


def campaign() -> CampaignPolicy:
    """A campaign that may call at any hour, and tries nobody again for long."""
    made = policy(mode=PacingMode.PROGRESSIVE)
    return replace(made, agents=replace(made.agents, wrap_up_max_s=2.0))


class Rig:
    """Everything at once. `port` is the broker's."""

    def __init__(self, port: int, folder: Path, *, leads: int, gateways: int, lines: int, agents: int) -> None:
        self.port = port
        self.policy = campaign()
        self.store: MemoryStore = filled_store([self.policy], leads)
        self.clock = SystemClock()
        (folder / "world.toml").write_text(WORLD, encoding="utf-8")
        self._scenario = load_world(str(folder / "world.toml"))
        self._out = (folder / "log").open("a", encoding="utf-8")
        self.log = make_logger("info", "json", stream=self._out)
        self._lines = lines
        self._agents = agents
        self.names = [f"g{rank}" for rank in range(gateways)]
        self.places: dict[str, Place] = {}
        self.wires: dict[str, Wire] = {}
        self.earlier: list[Witness] = []
        self.trips: list[tuple[str, float]] = []  # a gateway's name, and how long it took to answer
        self.engine_wire = Wire(port)
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Start the gateways, then the engine."""
        await self.engine_wire.open()
        for name in self.names:
            await self.start_gateway(name)
        trunks = [Trunk(name=name, lines=self._lines, calls_per_second=50.0) for name in self.names]
        self.gateway = MqttGateway(
            trunks,
            Address(host="127.0.0.1", port=self.engine_wire.port),
            self.clock,
            self.log,
            engine="main",
            token=1,
            on_trip=lambda name, trip_s: self.trips.append((name, trip_s)),
        )
        self.engine = Engine(lines=self._lines * len(trunks), calls_per_second=50.0 * len(trunks))
        self.driver = Driver(self.engine, self.store, self.gateway, self.clock)
        self.driver.post(LawLoaded(law=open_law()))
        self.driver.post(CampaignLoaded(policy=self.policy))
        self.driver.post(LeadsImported(campaign=self.policy.name))
        self._tasks = [
            asyncio.ensure_future(self.driver.run()),
            asyncio.ensure_future(self.gateway.run(self.driver.post)),
        ]
        await asyncio.sleep(0)
        living = await self.gateway.living({})
        for desk in living.desks:
            self.log_in(desk.agent_id, desk.groups)

    def log_in(self, agent_id: str, groups: tuple[str, ...]) -> None:
        """Log an agent in as the daemon's start does."""
        self.driver.post(AgentLoggedIn(agent_id=agent_id, groups=groups))
        self.driver.post(AgentReadied(agent_id=agent_id))

    async def start_gateway(self, name: str) -> None:
        """Start a gateway's process; its agents are at the first one."""
        wire = self.wires.get(name)
        if wire is None:
            wire = self.wires[name] = Wire(self.port)
            await wire.open()
        rank = self.names.index(name)
        world = World(
            self._scenario,
            [self.policy],
            seed=rank,
            start_at=self.clock.now(),
            agents=0 if rank else self._agents,
            agent_groups=("floor",),
            is_open=True,
        )
        witness = Witness(world)
        serving = Serving(
            LoopbackGateway(witness, self.clock),
            Address(host="127.0.0.1", port=wire.port),
            self.clock,
            self.log,
            name=name,
            kind="loopback",
            lines=self._lines,
        )
        self.places[name] = Place(name, wire, witness, serving, asyncio.ensure_future(serving.run()))
        await asyncio.wait_for(serving.ready.wait(), PATIENCE_S)

    async def kill_gateway(self, name: str) -> None:
        """End a gateway as a power cut would: nobody is told, and its calls are gone."""
        place = self.places.pop(name)
        self.earlier.append(place.witness)
        place.wire.is_black_hole = True
        place.task.cancel()
        await asyncio.wait([place.task])
        place.wire.cut()
        place.wire.is_black_hole = False

    async def close(self) -> None:
        """End everything."""
        tasks = [*self._tasks, *(place.task for place in self.places.values())]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for wire in (self.engine_wire, *self.wires.values()):
            await wire.close()
        self._out.close()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task

    # ------------------------------------------------------------------------------------------ looking on
    @property
    def placed(self) -> int:
        """How many calls left a gateway so far."""
        return sum(len(each.placed) for each in self.witnesses)

    @property
    def witnesses(self) -> list[Witness]:
        """Everybody who saw telephones."""
        return [*self.earlier, *(place.witness for place in self.places.values())]

    async def until(self, is_so: Callable[[], bool], patience_s: float = PATIENCE_S) -> float:
        """Wait until something is so; give how many seconds that took."""
        began_at = self.clock.now()
        while not is_so():
            for task in (*self._tasks, *(place.task for place in self.places.values())):
                if task.done():
                    await task
            waited_s = self.clock.now() - began_at
            assert waited_s < patience_s, f"{patience_s} s are over: {self.engine.status(self.clock.now())}"
            await self.clock.sleep_until(self.clock.now() + TICK_S)
        return self.clock.now() - began_at

    async def more_calls(self, count: int, patience_s: float = PATIENCE_S) -> float:
        """Wait until so many more calls were placed; give how many seconds that took."""
        before = self.placed
        return await self.until(lambda: self.placed >= before + count, patience_s)

    async def finish(self) -> None:
        """Let the campaign call nobody more and every call end."""
        await self.driver.settle(DrainRequested(reason="the test ends"))
        await self.until(lambda: self.engine.live_calls() == 0)
        await self.driver.pulse()  # what the last calls left is durable

    def check(self, *, unknown_max: int = 0) -> None:
        """Hold the records to what the witnesses saw: nobody was called twice, and no result was lost."""
        attempts = {each.call_id: each for each in self.store.attempts(None, 0.0, self.clock.now() + 1e6)}
        ends: dict[int, Event] = {}
        bridged: set[int] = set()
        placed: dict[int, str] = {}
        for witness in self.witnesses:
            assert witness.doubles == []
            assert placed.keys().isdisjoint(witness.placed)
            placed |= witness.placed
            ends |= witness.ends
            bridged |= witness.bridged
        assert placed.keys() <= attempts.keys()
        unknown = [each.call_id for each in attempts.values() if each.outcome is Outcome.UNKNOWN]
        assert len(unknown) <= unknown_max, f"of unknown fate: {unknown}"
        for call_id, attempt in attempts.items():
            if call_id in unknown or attempt.released_by == "unknown":
                continue
            end = ends.get(call_id)
            if call_id not in placed:
                assert attempt.outcome is Outcome.CANCELLED, attempt
            elif isinstance(end, CallFailed):
                assert attempt.outcome in (end.outcome, Outcome.CANCELLED), (attempt, end)
            elif call_id in bridged:
                assert attempt.outcome in (Outcome.CONNECTED, Outcome.ABANDONED), attempt
            else:
                assert attempt.outcome is not Outcome.CONNECTED, attempt
        again: dict[int, float] = {}
        for attempt in sorted(attempts.values(), key=lambda each: each.placed_at):
            assert attempt.placed_at >= again.get(attempt.lead_id, 0.0), f"lead {attempt.lead_id} was dialed twice"
            again[attempt.lead_id] = attempt.released_at or 0.0


@asynccontextmanager
async def rig(
    port: int, folder: Path, *, leads: int = 300, gateways: int = 1, lines: int = 12, agents: int = 6
) -> AsyncIterator[Rig]:
    """A rig that runs."""
    made = Rig(port, folder, leads=leads, gateways=gateways, lines=lines, agents=agents)
    try:
        await made.open()
        yield made
    finally:
        await made.close()
