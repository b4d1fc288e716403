"""What an Asterisk's gateway does when nobody orders anything, and what agents who are at no desk may ask for."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest

from dialer.daemon.clock import SystemClock
from dialer.daemon.logs import make_logger
from dialer.domain.commands import BridgeCall, HandOverCall, PlaceCall, PlayMessage, SeatAgent, UnseatAgent
from dialer.domain.events import BridgeFailed, CallBridged, CallClassified, CallReleased, CallRinging, MessageBegan
from dialer.gateways.asterisk.adapter import AsteriskGateway
from dialer.gateways.asterisk.dialing import NO_ORDER
from dialer.gateways.asterisk.settings import AgentSettings, AsteriskSettings, DetectorSettings
from dialer.gateways.broker import Address
from dialer.gateways.mqtt import MqttGateway, Trunk
from dialer.gateways.serving import Serving
from tests.integration.asterisk_desk import WAIT_S, Line, at_work, connected, order
from tests.servers.asterisk import Asterisk
from tests.servers.ear import Ear
from tests.servers.mosquitto import Mosquitto

THRESHOLD_S = 1.0
MESSAGE_HZ, AGENT_HZ = 440, 900


def complete(switch: Asterisk, call_id: int, last_digits: str, *, has_detector: bool = False) -> PlaceCall:
    """An order as an engine gives it: with what is due to a person for whom no other comes."""
    message = str(switch.sounds / "abandon.wav")
    placed = order(call_id, last_digits, has_detector=has_detector)
    return replace(placed, message=message, threshold_s=THRESHOLD_S)


async def hears_the_message(switch: Asterisk, ear: Ear) -> None:
    """Hold what the one person heard to the message, whole: 1.5 s of its tone, and that soon after the threshold."""
    (story,) = await switch.told()
    answered_at, over_at = story.at("answer"), story.at("bye")
    assert answered_at is not None and over_at is not None
    assert ear.tones(story.port, answered_at, over_at, (MESSAGE_HZ, AGENT_HZ))[MESSAGE_HZ] >= 70
    began_at = ear.first(story.port, answered_at, over_at, MESSAGE_HZ)
    assert began_at is not None and began_at - answered_at >= THRESHOLD_S


async def test_who_waits_and_nobody_orders_anything_hears_the_message(asterisk: Asterisk) -> None:
    """The gateway plays it by itself after the threshold and hangs up; a late order to do so is harmless."""
    ear = Ear(asterisk.people_ip)
    asterisk.play_people(ear.address)
    async with at_work(asterisk.settings()) as line:
        line.send(complete(asterisk, 1, "110"))
        await line.hears(MessageBegan, 1)
        line.send(PlayMessage(call_id=1, message=str(asterisk.sounds / "agent.wav")))
        released = await line.hears(CallReleased, 1)
        assert (released.by, released.cause) == ("engine", "message played")
        assert len(line.said(MessageBegan)) == 1
    ear.close()
    await hears_the_message(asterisk, ear)


async def test_a_machine_and_a_campaign_without_a_message_are_hung_up(asterisk: Asterisk) -> None:
    """Without an order a machine is not kept on the line, nor a person whom nothing can be told."""
    asterisk.play_people()
    async with at_work(asterisk.settings(detector=DetectorSettings())) as line:
        line.send(complete(asterisk, 1, "310", has_detector=True), replace(complete(asterisk, 2, "110"), message=None))
        for call_id in (1, 2):
            released = await line.hears(CallReleased, call_id)
            assert (released.by, released.cause) == ("engine", NO_ORDER)
        assert line.said(MessageBegan) == []


async def test_an_order_in_time_is_what_counts(asterisk: Asterisk) -> None:
    """While an agent's telephone rings there is no message, however long; after it, if nothing else is ordered."""
    asterisk.play_people()
    asterisk.play_agents()
    agents = AgentSettings(ring_timeout_s=THRESHOLD_S + 1.0)
    async with at_work(asterisk.settings(agents=agents)) as line:
        line.send(complete(asterisk, 1, "110"), complete(asterisk, 2, "111"))
        for call_id, agent_id in ((1, "away1"), (2, "agent1")):
            await line.hears(CallClassified, call_id)
            line.send(BridgeCall(call_id=call_id, agent_id=agent_id))
        await line.hears(BridgeFailed, 1)
        assert line.said(MessageBegan) == []
        await line.hears(MessageBegan, 1)
        await line.hears(CallBridged, 2)
        await line.hears(CallReleased, 2)
        assert line.said(MessageBegan, 2) == []


async def test_a_gateway_that_starts_anew_does_not_let_people_wait_for_an_engine(asterisk: Asterisk) -> None:
    """What is due to a person goes with the channel: the next life of the gateway plays the message."""
    ear = Ear(asterisk.people_ip)
    asterisk.play_people(ear.address)
    async with at_work(asterisk.settings()) as line:
        line.send(complete(asterisk, 1, "110"))
        await line.hears(CallClassified, 1)
        await asterisk.reaches("channels/dialer-call-1./variable?variable=DIALER_STATE", "classified_at")
    async with at_work(asterisk.settings()) as line:
        await line.hears(MessageBegan, 1)
        assert (await line.hears(CallReleased, 1)).cause == "message played"
    ear.close()
    await hears_the_message(asterisk, ear)


# ------------------------------------------------------------------------------------------ behind a broker
@asynccontextmanager
async def served(settings: AsteriskSettings, port: int) -> AsyncIterator[None]:
    """A gateway's process, behind a broker, until the block ends."""
    clock = SystemClock()
    log = make_logger("warning", "json", clock)
    adapter = AsteriskGateway(settings, clock.now, log, lines=20, calls_per_second=10.0)
    address = Address(host="127.0.0.1", port=port)
    serving = Serving(adapter, address, clock, log, name="west", kind="asterisk", lines=20)
    side = asyncio.ensure_future(serving.run())
    try:
        yield
        assert not side.done(), side
    finally:
        side.cancel()
        await asyncio.wait([side])


@asynccontextmanager
async def engine(port: int, token: int) -> AsyncIterator[Line]:
    """An engine's side, until the block ends; its orders bear this token."""
    clock = SystemClock()
    log = make_logger("warning", "json", clock)
    trunks = [Trunk(name="west", lines=20, calls_per_second=10.0)]
    address = Address(host="127.0.0.1", port=port)
    async with connected(MqttGateway(trunks, address, clock, log, engine="main", token=token)) as line:
        yield line


async def test_an_engine_that_died_leaves_nobody_in_silence(asterisk: Asterisk, mosquitto: Mosquitto) -> None:
    """Who picks up then hears the message; the next engine is told, as news, that it was played."""
    ear = Ear(asterisk.people_ip)
    asterisk.play_people(ear.address)
    async with served(asterisk.settings(), mosquitto.port):
        async with engine(mosquitto.port, 1) as line:
            placed_at = time.time()
            line.send(complete(asterisk, 1, "180"))
            await line.hears(CallRinging, 1)
        await asterisk.hears(ear, MESSAGE_HZ)
        await asterisk.silence()
        async with engine(mosquitto.port, 2) as line:
            assert (await line.gateway.living({1: placed_at})).calls == ()
            began, released = await line.hears(MessageBegan, 1), await line.hears(CallReleased, 1)
            assert began.at is not None and (released.by, released.cause) == ("engine", "message played")
    ear.close()
    await hears_the_message(asterisk, ear)


async def test_a_broker_that_died_leaves_nobody_in_silence(asterisk: Asterisk, mosquitto: Mosquitto) -> None:
    """The engine hears of the message when the broker is back."""
    ear = Ear(asterisk.people_ip)
    asterisk.play_people(ear.address)
    async with served(asterisk.settings(), mosquitto.port), engine(mosquitto.port, 1) as line:
        line.send(complete(asterisk, 1, "180"))
        await line.hears(CallRinging, 1)
        mosquitto.kill()
        await asterisk.hears(ear, MESSAGE_HZ)
        await asyncio.to_thread(mosquitto.start)
        await line.hears(MessageBegan, 1)
        assert (await line.hears(CallReleased, 1)).cause == "message played"
    ear.close()
    await hears_the_message(asterisk, ear)


# --------------------------------------------------------------------------------- agents who are at no desk
@pytest.mark.parametrize("is_behind", [False, True], ids=["in process", "behind a broker"])
async def test_an_agent_s_telephone_rings_at_login_and_is_let_go_at_logout(
    asterisk: Asterisk, mosquitto: Mosquitto, is_behind: bool
) -> None:
    """The leg is up before the first call, is called again when it is lost, and ends with the log-out."""
    asterisk.play_people()
    asterisk.play_agents()
    settings = asterisk.settings(agents=AgentSettings(call_again_s=0.1, ring_timeout_s=3.0))
    async with way(settings, mosquitto.port, is_behind) as line:
        line.send(SeatAgent(agent_id="agent1"), SeatAgent(agent_id="agent1"))
        await asterisk.reaches("bridges", "dialer-leg-agent1")
        (leg,) = asterisk.channels()
        await asyncio.to_thread(asterisk.hang_up, leg)
        async with asyncio.timeout(WAIT_S):
            while await asyncio.to_thread(asterisk.channels) in ([leg], []):
                await asyncio.sleep(0)
        await asterisk.reaches("bridges", "dialer-leg-agent1")
        await line.live(1, "110")
        line.send(BridgeCall(call_id=1, agent_id="agent1"))
        await line.hears(CallBridged, 1)
        assert sum(each.startswith("dialer-leg") for each in asterisk.channels()) == 1
        await line.hears(CallReleased, 1)
        line.send(UnseatAgent(agent_id="agent1"))
        await asterisk.silence()


async def test_an_agent_s_telephone_rings_again_when_asterisk_or_the_gateway_is_back(
    asterisk: Asterisk, mosquitto: Mosquitto
) -> None:
    """Whoever is logged in has a leg again without a word: after a restart of the switch, and of the gateway."""
    asterisk.play_agents()
    settings = asterisk.settings(agents=AgentSettings(ring_timeout_s=3.0))
    async with AsyncExitStack() as first, engine_of(settings, mosquitto.port, first) as line:
        line.send(SeatAgent(agent_id="agent1"))
        await asterisk.reaches("bridges", "dialer-leg-agent1")
        asterisk.kill()
        await asyncio.to_thread(asterisk.start)
        await asterisk.reaches("bridges", "dialer-leg-agent1")
        await first.aclose()
        for leg in asterisk.channels():
            asterisk.hang_up(leg)
        await asterisk.silence()
        async with served(settings, mosquitto.port):
            await asterisk.reaches("bridges", "dialer-leg-agent1")


@asynccontextmanager
async def engine_of(settings: AsteriskSettings, port: int, gateway: AsyncExitStack) -> AsyncIterator[Line]:
    """An engine's side, and a gateway that ends with a stack of its own."""
    await gateway.enter_async_context(served(settings, port))
    async with engine(port, 1) as line:
        yield line


@pytest.mark.parametrize("is_behind", [False, True], ids=["in process", "behind a broker"])
async def test_a_call_is_handed_over_by_a_word(asterisk: Asterisk, mosquitto: Mosquitto, is_behind: bool) -> None:
    """The supervisor takes the agent's place as by the key; for a call without an agent nobody is rung."""
    asterisk.play_people()
    asterisk.play_agents()
    settings = asterisk.settings(agents=AgentSettings(supervisor="PJSIP/agent9", ring_timeout_s=3.0))
    async with way(settings, mosquitto.port, is_behind) as line:
        line.send(HandOverCall(call_id=7))
        await line.live(1, "101")
        line.send(HandOverCall(call_id=1), BridgeCall(call_id=1, agent_id="agent1"))
        await line.hears(CallBridged, 1)
        assert "dialer-handover-1." not in asterisk.channels()
        line.send(HandOverCall(call_id=1))
        released = await line.hears(CallReleased, 1)
        assert (released.by, released.cause) == ("agent", "handed over to a supervisor")
        assert sorted(asterisk.bridge("dialer-handover-1.")) == ["dialer-call-1.", "dialer-handover-1."]


@asynccontextmanager
async def way(settings: AsteriskSettings, port: int, is_behind: bool) -> AsyncIterator[Line]:
    """The gateway in this process, or behind a broker."""
    if is_behind:
        async with served(settings, port), engine(port, 1) as line:
            yield line
    else:
        async with at_work(settings) as line:
            yield line
