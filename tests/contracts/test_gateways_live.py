"""What every gateway promises, in real time: in this process, behind a broker, and whichever else is added.

A way to a gateway is an async context that gives one whose telephones answer at once. To hold another kind of gateway
to the suite, add its way to `WAYS`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dialer.daemon.clock import SystemClock
from dialer.daemon.logs import make_logger
from dialer.domain.commands import BridgeCall, DeskCommand, GatewayCommand, HangUp, PlaceCall, PlayMessage
from dialer.domain.events import CallAnswered, CallBridged, CallClassified, CallEvent, CallFailed, CallReleased, Event
from dialer.domain.living import Living, LivingState
from dialer.gateways.broker import Address
from dialer.gateways.loopback import LoopbackGateway
from dialer.gateways.mqtt import MqttGateway, Trunk
from dialer.gateways.serving import Serving
from dialer.ports import Gateway
from dialer.simulator.scenario import load_world
from dialer.simulator.world import World
from tests.parity.floor import policy
from tests.servers.mosquitto import Mosquitto

PATIENCE_S = 20.0
WORLD = """
[network]
setup_s = 0.02
message_s = 0.2
[answers]
p_live = 1.0
ring_s = 0.05
[person]
patience_s = 60.0
[detection]
human_after_s = 0.02
[agents]
login_after_s = 3600.0
bridge_s = 0.02
[talk]
talk_s = 60.0
"""


@dataclass(slots=True)
class Floor:
    """A gateway at work, and what it said."""

    gateway: Gateway
    news: list[Event] = field(default_factory=list)
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, event: Event, kept: Callable[[], None] | None = None) -> None:
        self.news.append(event)
        if kept is not None:
            kept()
        self._more.set()

    def send(self, *commands: GatewayCommand | DeskCommand) -> None:
        """Give orders; none is answered within the call."""
        for command in commands:
            before = len(self.news)
            self.gateway.send(command)
            assert len(self.news) == before

    def said(self, kind: type) -> list[int]:
        """The calls of which something was said."""
        return [event.call_id for event in self.news if isinstance(event, kind) and isinstance(event, CallEvent)]

    async def wait(self, kind: type, call_id: int) -> None:
        """Wait until something is said of a call."""
        await self.until(lambda: call_id in self.said(kind))

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until what was said makes something so."""
        async with asyncio.timeout(PATIENCE_S):
            while not is_so():
                self._more.clear()
                await self._more.wait()


def network(folder: Path, clock: SystemClock) -> World:
    """Telephones at which everybody answers at once and stays."""
    (folder / "world.toml").write_text(WORLD, encoding="utf-8")
    scenario = load_world(str(folder / "world.toml"))
    return World(scenario, [policy()], seed=1, start_at=clock.now(), is_open=True)


@asynccontextmanager
async def running(gateway: Gateway) -> AsyncIterator[Floor]:
    """A gateway that works until the end."""
    floor = Floor(gateway)
    work = asyncio.ensure_future(gateway.run(floor.hear))
    await asyncio.sleep(0)
    try:
        yield floor
    finally:
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work


@asynccontextmanager
async def in_process(folder: Path, broker: Mosquitto) -> AsyncIterator[Floor]:
    """The loopback gateway itself."""
    clock = SystemClock()
    async with running(LoopbackGateway(network(folder, clock), clock)) as floor:
        yield floor


@asynccontextmanager
async def over_mqtt(folder: Path, broker: Mosquitto) -> AsyncIterator[Floor]:
    """The loopback gateway behind a broker."""
    clock = SystemClock()
    inner = LoopbackGateway(network(folder, clock), clock)
    async with served(inner, broker, clock, folder) as floor:
        yield floor


@asynccontextmanager
async def served(inner: Gateway, broker: Mosquitto, clock: SystemClock, folder: Path) -> AsyncIterator[Floor]:
    """Any gateway behind a broker, and the engine's side of it."""
    address = Address(host="127.0.0.1", port=broker.port)
    name = folder.name[:60]  # tests share the broker
    with (folder / "log").open("w", encoding="utf-8") as out:
        log = make_logger("info", "json", stream=out)
        serving = Serving(inner, address, clock, log, name=name, kind="loopback", lines=50)
        side = asyncio.ensure_future(serving.run())
        trunks = [Trunk(name=name, lines=50, calls_per_second=1000.0)]
        engine = MqttGateway(trunks, address, clock, log, engine=name, token=1)
        try:
            async with running(engine) as floor:
                await engine.living({})
                yield floor
        finally:
            side.cancel()
            with suppress(asyncio.CancelledError):
                await side


Way = Callable[[Path, Mosquitto], AbstractAsyncContextManager[Floor]]
WAYS: list[Way] = [in_process, over_mqtt]
every_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)


def order(call_id: int, *, agent_id: str | None = None) -> PlaceCall:
    """An order to dial."""
    return PlaceCall(
        call_id=call_id,
        campaign="survey",
        lead_id=call_id,
        number=f"+447700{900_000 + call_id}",
        ring_timeout_s=20.0,
        caller_id=None,
        agent_id=agent_id,
    )


@every_way
async def test_a_call_goes_its_way_in_order(way: Way, tmp_path: Path, shared_mosquitto: Mosquitto) -> None:
    """Answered, classified, joined, and over when it is hung up: each once, and in this order."""
    async with way(tmp_path, shared_mosquitto) as floor:
        floor.send(order(1))
        await floor.wait(CallClassified, 1)
        floor.send(BridgeCall(call_id=1, agent_id="ana"))
        await floor.wait(CallBridged, 1)
        floor.send(HangUp(call_id=1, reason="test"))
        await floor.wait(CallReleased, 1)
        told = [type(event) for event in floor.news if isinstance(event, CallEvent)]
        assert told[-4:] == [CallAnswered, CallClassified, CallBridged, CallReleased]
        assert len(told) == len(set(told))


@every_way
async def test_orders_twice_and_for_nobody_are_harmless(way: Way, tmp_path: Path, shared_mosquitto: Mosquitto) -> None:
    """The same call is dialed once, and ends once, whatever is ordered again; an unknown call brings no error."""
    async with way(tmp_path, shared_mosquitto) as floor:
        floor.send(HangUp(call_id=99, reason="test"), order(1), order(1))
        await floor.wait(CallAnswered, 1)
        floor.send(HangUp(call_id=1, reason="test"), HangUp(call_id=1, reason="test"))
        await floor.wait(CallReleased, 1)
        floor.send(order(2), HangUp(call_id=2, reason="test"))
        await floor.wait(CallFailed, 2)
        assert floor.said(CallAnswered) == [1]
        assert floor.said(CallReleased) == [1]


@every_way
async def test_the_message_ends_the_call(way: Way, tmp_path: Path, shared_mosquitto: Mosquitto) -> None:
    """It is played once the person is there, and the engine is told of the end as its own doing."""
    async with way(tmp_path, shared_mosquitto) as floor:
        floor.send(order(1))
        await floor.wait(CallClassified, 1)
        floor.send(PlayMessage(call_id=1, message="sorry.wav"))
        await floor.wait(CallReleased, 1)
        assert [event.by for event in floor.news if isinstance(event, CallReleased)] == ["engine"]


@every_way
async def test_it_says_what_is_up_and_what_never_came(way: Way, tmp_path: Path, shared_mosquitto: Mosquitto) -> None:
    """Each call that is up, its instants in order; an order that it did not get never came; the rest it leaves out."""
    async with way(tmp_path, shared_mosquitto) as floor:
        now = SystemClock().now()
        floor.send(order(1), order(2))
        await floor.wait(CallClassified, 1)
        await floor.wait(CallClassified, 2)
        floor.send(BridgeCall(call_id=2, agent_id="ana"))
        await floor.wait(CallBridged, 2)
        living: Living = await floor.gateway.living({1: now, 2: now, 3: now, 4: now - 7200.0})
        found = {call.call_id: call for call in living.calls}
        assert {call_id: call.state for call_id, call in found.items()} == {
            1: LivingState.ANSWERED,
            2: LivingState.BRIDGED,
            3: LivingState.NEVER,
        }
        assert found[2].agent_id == "ana"
        for call in (found[1], found[2]):
            instants = [call.ringing_at, call.answered_at, call.classified_at]
            measured = [at for at in instants if at is not None]
            assert measured == sorted(measured)
            assert all(abs(at - now) < PATIENCE_S for at in measured)


@every_way
async def test_many_calls_end_once_each(way: Way, tmp_path: Path, shared_mosquitto: Mosquitto) -> None:
    """Forty at a time, hung up at whatever moment: forty ends."""
    async with way(tmp_path, shared_mosquitto) as floor:
        calls = range(1, 41)
        floor.send(*(order(call_id) for call_id in calls))
        await floor.wait(CallAnswered, 20)
        floor.send(*(HangUp(call_id=call_id, reason="test") for call_id in calls))
        await floor.until(lambda: len(floor.said(CallFailed) + floor.said(CallReleased)) >= len(calls))
        assert sorted(floor.said(CallFailed) + floor.said(CallReleased)) == list(calls)


async def test_two_engines_share_a_gateway(tmp_path: Path, shared_mosquitto: Mosquitto) -> None:
    """Neither sees nor ends the other's calls, and each has tokens of its own."""
    clock = SystemClock()
    inner = LoopbackGateway(network(tmp_path, clock), clock)
    address = Address(host="127.0.0.1", port=shared_mosquitto.port)
    name = tmp_path.name[:60]
    async with served(inner, shared_mosquitto, clock, tmp_path) as first:
        first.send(order(1))
        await first.wait(CallClassified, 1)
        with (tmp_path / "other").open("w", encoding="utf-8") as out:
            log = make_logger("info", "json", stream=out)
            trunks = [Trunk(name=name, lines=50, calls_per_second=1000.0)]
            other = MqttGateway(
                trunks, address, clock, log, engine="other", token=0, owns=lambda call_id: call_id > 1000
            )
            async with running(other) as second:
                assert (await other.living({})).calls == ()
                assert not other.drops.counts
                second.send(order(1001))
                await second.wait(CallClassified, 1001)
                assert [call.call_id for call in (await first.gateway.living({})).calls] == [1]
                second.send(HangUp(call_id=1001, reason="test"))
                await second.wait(CallReleased, 1001)
        first.send(HangUp(call_id=1, reason="test"))
        await first.wait(CallReleased, 1)
        assert first.said(CallReleased) == [1]
        assert first.said(CallAnswered) == [1]
