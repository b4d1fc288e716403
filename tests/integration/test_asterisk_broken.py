"""What becomes of calls when a part breaks: Asterisk killed or frozen, the gateway killed, another one in its place."""

import asyncio
import time

import pytest

from dialer.domain.commands import BridgeCall, HangUp, PlayMessage
from dialer.domain.events import (
    AgentLoggedIn,
    AgentLoggedOut,
    CallAnswered,
    CallBridged,
    CallFailed,
    CallReleased,
    CallRinging,
    LinesChanged,
)
from dialer.domain.living import LivingState
from dialer.domain.outcome import Outcome
from dialer.gateways.asterisk.adapter import ApplicationTaken
from dialer.gateways.asterisk.settings import AgentSettings, DeskSettings
from tests.integration.asterisk_desk import Line, at_work, order
from tests.servers.asterisk import Asterisk
from tests.servers.ear import Ear
from tests.servers.people import stories

RESUMED_S = 10.0
"""Within this time after the part is back, calls are dialed again."""


async def dials_again(line: Line, call_id: int, since: float) -> None:
    """Hold the gateway to its promise."""
    line.send(order(call_id, "410"))
    assert (await line.hears(CallFailed, call_id)).outcome is Outcome.BUSY
    assert time.monotonic() - since < RESUMED_S


async def test_asterisk_killed_with_calls_up(asterisk: Asterisk) -> None:
    """Its calls are over, of unknown fate; nothing is dialed while it is away; agents and dialing come back with it."""
    asterisk.play_people()
    asterisk.play_agents()
    desks = (DeskSettings(agent_id="agent1", groups=("floor",)),)
    settings = asterisk.settings(agents=AgentSettings(desks=desks, call_again_s=0.3))
    async with at_work(settings) as line:
        await line.hears(AgentLoggedIn)
        await line.live(1, "110")
        line.send(BridgeCall(call_id=1, agent_id="agent1"), order(2, "510"), order(3, "110"))
        await line.hears(CallBridged, 1)
        await line.hears(CallRinging, 2)
        asterisk.kill()
        assert (await line.hears(LinesChanged, count=2)).lines == 0
        line.send(order(4, "110"))
        failed = await line.hears(CallFailed, 4)
        assert (failed.outcome, failed.cause) == (Outcome.CANCELLED, "never sent: no connection to Asterisk")
        back_at = time.monotonic()
        await asyncio.to_thread(asterisk.start)
        assert (await line.hears(LinesChanged, count=3)).lines > 0
        for call_id in (1, 2, 3):
            assert (await line.hears(CallReleased, call_id)).by == "network"
        await line.hears(AgentLoggedOut)
        await line.hears(AgentLoggedIn, count=2)
        await dials_again(line, 5, back_at)
        assert sorted(line.ends()) == [1, 2, 3, 4, 5]
    assert [story.number[-3:] for story in stories(asterisk.people_log)].count("110") == 2  # nobody was called twice


async def test_asterisk_that_says_nothing_is_given_up_and_taken_back(asterisk: Asterisk) -> None:
    """A frozen switch, like a dead cable, takes its lines away; once it answers again, its calls are still ours."""
    asterisk.play_people()
    async with at_work(asterisk.settings()) as line:
        await line.live(1, "110")
        asterisk.freeze()
        assert (await line.hears(LinesChanged, count=2)).lines == 0
        thawed_at = time.monotonic()
        asterisk.thaw()
        assert (await line.hears(LinesChanged, count=3)).lines > 0
        await dials_again(line, 2, thawed_at)
        assert [call.call_id for call in (await line.gateway.living({})).calls] in ([1], [])
        await line.hears(CallReleased, 1)


async def test_a_gateway_that_starts_anew_adopts_what_is_up(asterisk: Asterisk) -> None:
    """Calls and agents are found where they were, with their instants; they end as ever, and none is dialed again."""
    asterisk.play_people()
    asterisk.play_agents()
    desks = (DeskSettings(agent_id="agent1", groups=("floor",)),)
    settings = asterisk.settings(agents=AgentSettings(desks=desks, call_again_s=0.3))
    async with at_work(settings) as line:
        await line.hears(AgentLoggedIn)
        for call_id in (1, 2, 3):
            await line.live(call_id, "110")
        line.send(BridgeCall(call_id=1, agent_id="agent1"), order(4, "510", ring_timeout_s=20.0))
        await line.hears(CallBridged, 1)
        line.send(PlayMessage(call_id=3, message=str(asterisk.sounds / "agent.wav")))
        await line.hears(CallRinging, 4)
        await asterisk.reaches("channels/dialer-call-3./variable?variable=DIALER_STATE", "is_message")
        before = {call.call_id: call for call in (await line.gateway.living({})).calls}
    async with at_work(settings) as line:
        found = await line.gateway.living({2: time.time() - 60.0, 99: time.time() - 60.0})
        after = {call.call_id: call for call in found.calls}
        assert {call_id: call.state for call_id, call in after.items()} == {
            1: LivingState.BRIDGED,
            2: LivingState.ANSWERED,
            3: LivingState.MESSAGE,
            4: LivingState.RINGING,
        }
        assert after[1].agent_id == "agent1"
        assert [after[each].answered_at for each in (1, 2)] == [before[each].answered_at for each in (1, 2)]
        assert found.agents == ("agent1",)
        assert (await line.hears(CallReleased, 3)).cause == "message played"
        line.send(order(2, "110"), HangUp(call_id=2, reason="test"), HangUp(call_id=4, reason="test"))
        assert (await line.hears(CallReleased, 2)).by == "engine"
        assert (await line.hears(CallFailed, 4)).cause == "test"
        await line.hears(CallReleased, 1)
        line.send(order(5, "110"))
        await line.hears(CallAnswered, 5)
        line.send(BridgeCall(call_id=5, agent_id="agent1"))
        await line.hears(CallBridged, 5)
    assert len(stories(asterisk.people_log)) == 5


async def test_who_picks_up_while_the_gateway_is_away_hears_the_message(asterisk: Asterisk) -> None:
    """Nobody is cut off without a word: the switch itself plays the message and hangs up."""
    ear = Ear(asterisk.people_ip)
    asterisk.play_people(ear.address)
    async with at_work(asterisk.settings()) as line:
        line.send(order(1, "180"))
        await line.hears(CallRinging, 1)
    await asterisk.silence()
    (story,) = await asterisk.told()
    answered_at, over_at = story.at("answer"), story.at("bye")
    assert answered_at is not None and over_at is not None
    assert ear.tones(story.port, answered_at, over_at, (440, 900))[440] >= 70
    ear.close()
    async with at_work(asterisk.settings()) as line:
        assert (await line.gateway.living({1: time.time() - 60.0})).calls == ()


async def test_a_person_who_waits_hears_a_tone_where_asked_and_then_the_agent_alone(asterisk: Asterisk) -> None:
    """The comfort tone begins with the answer, and ends before the agent is heard."""
    ear = Ear(asterisk.people_ip)
    asterisk.play_people(ear.address)
    asterisk.play_agents()
    async with at_work(asterisk.settings(comfort_class="dialer-comfort")) as line:
        await line.live(1, "110")
        await asterisk.hears(ear, 400)
        line.send(BridgeCall(call_id=1, agent_id="agent1"))
        await line.hears(CallBridged, 1)
        bridged_at = time.time()
        await line.hears(CallReleased, 1)
    ear.close()
    (story,) = await asterisk.told()
    over_at = story.at("hangup")
    assert over_at is not None
    heard = ear.tones(story.port, bridged_at + 0.1, over_at, (400, 900))
    assert heard[900] > 100 and heard[400] == 0


async def test_orders_of_its_own_time_that_it_never_got_are_named_and_refused(asterisk: Asterisk) -> None:
    """Of an order that should have come and did not it says so, and does not carry it out when it comes after all."""
    asterisk.play_people()
    async with at_work(asterisk.settings()) as line:
        found = await line.gateway.living({7: time.time() + 1.0, 8: time.time() - 60.0})
        assert [(call.call_id, call.state) for call in found.calls] == [(7, LivingState.NEVER)]
        line.send(order(7, "110"))
        assert (await line.hears(CallFailed, 7)).outcome is Outcome.CONGESTION
    assert not asterisk.people_log.exists() or stories(asterisk.people_log) == []


async def test_a_second_gateway_for_the_same_application_ends_the_first(asterisk: Asterisk) -> None:
    """Two would fight for every call: the one that was replaced ends with an error that says so."""
    with pytest.raises(ApplicationTaken, match="another program"):
        async with at_work(asterisk.settings()) as first, at_work(asterisk.settings()):
            await first.ended()
