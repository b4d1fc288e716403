"""The Asterisk gateway against a real Asterisk, one thing at a time: SIPp plays people and agents."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest

from dialer.domain.commands import BridgeCall, HangUp, PlayMessage
from dialer.domain.events import (
    AgentLoggedIn,
    AgentLoggedOut,
    AgentPauseRequested,
    AgentReadied,
    BridgeFailed,
    CallAnswered,
    CallBridged,
    CallClassified,
    CallFailed,
    CallReleased,
    CallRinging,
)
from dialer.domain.living import LivingState
from dialer.domain.outcome import Outcome
from dialer.errors import ConfigError
from dialer.gateways.asterisk.adapter import HANDLED
from dialer.gateways.asterisk.ari import QUIET, AriDenied
from dialer.gateways.asterisk.settings import AgentSettings, DeskSettings, DetectorSettings, RecordingSettings
from tests.integration.asterisk_desk import at_work, order
from tests.servers.asterisk import Asterisk, new_asterisk
from tests.servers.people import stories


@pytest.fixture(scope="module")
def switch() -> Iterator[Asterisk]:
    """A switch with people and agents, for all tests of this file; each ends what it began."""
    for each in new_asterisk():
        each.play_people()
        each.play_agents()
        yield each


@pytest.fixture(autouse=True)
async def no_legs(switch: Asterisk) -> AsyncIterator[None]:
    """End what a test left up."""
    yield
    for each in switch.channels():
        switch.hang_up(each)
    await switch.silence()


async def test_it_reports_each_kind_of_call(switch: Asterisk) -> None:
    """Ringing, answer, and each way to fail are told apart, with the cause that the network gave."""
    async with at_work(switch.settings()) as line:
        kinds = {1: "110", 4: "410", 5: "511", 6: "610", 7: "710", 8: "810", 9: "910"}
        line.send(*(order(call_id, digits) for call_id, digits in kinds.items()))
        line.send(order(10, "510", ring_timeout_s=1.0), order(11, "010", ring_timeout_s=1.0))
        for call_id in (4, 5, 6, 7, 8, 10, 11):
            await line.hears(CallFailed, call_id)
        for call_id in (1, 9):
            await line.hears(CallAnswered, call_id)
            assert line.said(CallRinging, call_id)
            assert not (await line.hears(CallClassified, call_id)).is_machine
        found = {event.call_id: (event.outcome, event.cause) for event in line.said(CallFailed)}
    assert found == {
        4: (Outcome.BUSY, "Q.850 17, SIP 486"),
        5: (Outcome.NO_ANSWER, "Q.850 19, SIP 480"),
        6: (Outcome.INVALID, "Q.850 1, SIP 404"),
        7: (Outcome.REJECTED, "Q.850 21, SIP 603"),
        8: (Outcome.CONGESTION, "Q.850 34, SIP 503"),
        10: (Outcome.NO_ANSWER, "Q.850 19, SIP 480"),
        11: (Outcome.CONGESTION, "no reply from the carrier"),
    }


async def test_a_call_whose_number_begins_that_of_another_is_dialed(switch: Asterisk) -> None:
    """Asterisk takes a new channel for one that is up when only the beginning of the other's id is the same."""
    async with at_work(switch.settings()) as line:
        await line.live(25, "119")
        await line.live(2, "119")
        assert {call.call_id for call in (await line.gateway.living({})).calls} == {2, 25}


async def test_a_channel_that_another_has_already_is_not_waited_for(switch: Asterisk) -> None:
    """A refusal for a channel that is not this call's is an end, and not a promise of news."""
    async with at_work(switch.settings()) as line:
        away = "endpoint=PJSIP/away1&context=dialer-agents&extension=login&priority=1"
        switch.ask("POST", f"channels?{away}&channelId=dialer-call-3.x")
        line.send(order(3, "119"))
        assert (await line.hears(CallFailed, 3)).outcome is Outcome.CONGESTION


async def test_the_far_end_sees_the_caller_id(switch: Asterisk) -> None:
    """The number that the campaign shows is the one in the call."""
    async with at_work(switch.settings()) as line:
        await line.live(1, "117")
    (story,) = (each for each in stories(switch.people_log) if each.number == "+447700900117")
    assert story.caller_id == "+15555550100"


async def test_an_order_that_comes_twice_dials_once(switch: Asterisk) -> None:
    """The same call is not placed again, neither while it is up nor once it is over."""
    async with at_work(switch.settings()) as line:
        line.send(order(1, "410"), order(1, "410"))
        await line.hears(CallFailed, 1)
        line.send(order(1, "110"), order(2, "410"))
        await line.hears(CallFailed, 2)
        assert line.ends() == [1, 2]


async def test_hanging_up_is_harmless_at_any_time(switch: Asterisk) -> None:
    """Before the ringing, while it rings, after the answer, twice, and of a call that never was: one end each."""
    hang_up = [HangUp(call_id=call_id, reason="test") for call_id in range(4)]
    async with at_work(switch.settings()) as line:
        line.send(hang_up[0], order(1, "110"), hang_up[1], hang_up[1])
        assert (await line.hears(CallFailed, 1)).cause == "test"
        line.send(order(2, "510"))
        await line.hears(CallRinging, 2)
        line.send(hang_up[2])
        assert (await line.hears(CallFailed, 2)).outcome is Outcome.NO_ANSWER
        await line.live(3, "110")
        line.send(hang_up[3], hang_up[3])
        released = await line.hears(CallReleased, 3)
        assert (released.by, released.cause) == ("engine", "test")
        line.send(*hang_up, order(4, "410"))
        await line.hears(CallFailed, 4)
        assert line.ends() == [1, 2, 3, 4]


async def test_the_detector_tells_people_from_machines(switch: Asterisk) -> None:
    """A word and silence is a person, with the end of the greeting; a long greeting is a machine."""
    async with at_work(switch.settings(detector=DetectorSettings())) as line:
        line.send(order(1, "110", has_detector=True), order(3, "310", has_detector=True), order(2, "111"))
        person, machine = await line.hears(CallClassified, 1), await line.hears(CallClassified, 3)
        at_once = await line.hears(CallClassified, 2)
        kept = (await line.gateway.living({})).calls
    assert (person.is_machine, machine.is_machine, at_once.is_machine) == (False, True, False)
    assert person.greeting_end_at is not None
    answered_at = next(call.answered_at for call in kept if call.call_id == 1)
    assert answered_at is not None and 0.5 < person.greeting_end_at - answered_at < 1.5


async def test_a_detector_that_is_not_sure_takes_it_for_a_person(switch: Asterisk) -> None:
    """Who picks up and says nothing is a person once the detector's time is over."""
    detector = DetectorSettings(initial_silence_ms=4000, total_analysis_ms=1000)
    async with at_work(switch.settings(detector=detector)) as line:
        line.send(order(1, "199", has_detector=True))
        classified = await line.hears(CallClassified, 1)
        assert not classified.is_machine and classified.greeting_end_at is None
        assert await asyncio.to_thread(switch.variable, "dialer-call-1.", "AMDSTATUS") == "NOTSURE"


async def test_who_hangs_up_on_the_detector_is_a_callee_who_left(switch: Asterisk) -> None:
    """An answer that ends before the detector spoke has no word of it, and was ended by the callee."""
    async with at_work(switch.settings(detector=DetectorSettings())) as line:
        line.send(order(2, "211", has_detector=True))
        assert (await line.hears(CallReleased, 2)).by == "callee"
        assert line.said(CallClassified, 2) == []


async def test_what_is_no_number_or_name_never_becomes_a_part_of_an_address(switch: Asterisk) -> None:
    """Numbers, caller IDs and agents that could lead elsewhere are refused; a campaign's name stays in its folder."""
    evil = "+15555550100@evil.example"
    recording = RecordingSettings(folder=switch.folder / "recordings", from_answer=True)
    async with at_work(switch.settings(recording=recording)) as line:
        good = order(1, "110")
        line.send(replace(good, call_id=2, number=evil), replace(good, call_id=3, caller_id='"x" <sip:evil>'))
        for call_id in (2, 3):
            assert (await line.hears(CallFailed, call_id)).cause == "not a telephone number"
        line.send(replace(good, campaign="../x.wav,b,touch /tmp/owned"))
        await line.hears(CallClassified, 1)
        line.send(BridgeCall(call_id=1, agent_id="agent1/sip:1@evil.example"))
        assert (await line.hears(BridgeFailed, 1)).cause == "no agent can have this name"
        path = await asyncio.to_thread(switch.variable, "dialer-call-1.", "DIALER_RECORD")
        assert path == str(switch.folder / "recordings" / "other" / "1.wav")


async def test_a_nailed_up_leg_serves_one_call_after_the_other(switch: Asterisk) -> None:
    """The telephone is rung once; between calls the agent hears music, in calls the person alone."""
    settings = switch.settings(agents=AgentSettings(is_nailed_up=True))
    async with at_work(settings) as line:
        for call_id in (1, 2):
            await line.live(call_id, "110")
            line.send(BridgeCall(call_id=call_id, agent_id="agent1"))
            await line.hears(CallBridged, call_id)
            assert sum(each.startswith("dialer-leg-agent1") for each in switch.channels()) == 1
            (call,) = (each for each in (await line.gateway.living({})).calls if each.call_id == call_id)
            assert (call.state, call.agent_id) == (LivingState.BRIDGED, "agent1")
            line.send(HangUp(call_id=call_id, reason="done"))
            assert (await line.hears(CallReleased, call_id)).by == "engine"


async def test_a_leg_on_demand_ends_with_the_call(switch: Asterisk) -> None:
    """The telephone is rung for the call, and let go after it."""
    async with at_work(switch.settings(agents=AgentSettings(is_nailed_up=False))) as line:
        await line.live(1, "110")
        line.send(BridgeCall(call_id=1, agent_id="agent2"))
        await line.hears(CallBridged, 1)
        line.send(HangUp(call_id=1, reason="done"))
        await line.hears(CallReleased, 1)
        await switch.silence()


async def test_an_agent_who_refuses_or_does_not_pick_up_leaves_the_person_waiting(switch: Asterisk) -> None:
    """The engine is told why, may choose another agent for the same call, and no leg keeps ringing."""
    async with at_work(switch.settings(agents=AgentSettings(ring_timeout_s=1.0))) as line:
        await line.live(1, "110")
        line.send(BridgeCall(call_id=1, agent_id="busy1"))
        assert "pick up" in (await line.hears(BridgeFailed, 1)).cause
        line.send(BridgeCall(call_id=1, agent_id="nobody"))
        assert "cannot be called" in (await line.hears(BridgeFailed, 1, count=2)).cause
        line.send(BridgeCall(call_id=1, agent_id="away1"))
        assert "pick up" in (await line.hears(BridgeFailed, 1, count=3)).cause
        line.send(BridgeCall(call_id=1, agent_id="agent3"))
        assert (await line.hears(CallBridged, 1)).agent_id == "agent3"
        assert line.ends() == []


async def test_a_person_who_leaves_while_the_agent_is_rung_stops_the_ringing(switch: Asterisk) -> None:
    """The agent's telephone does not ring on for nobody."""
    async with at_work(switch.settings(agents=AgentSettings(ring_timeout_s=10.0, is_nailed_up=False))) as line:
        await line.live(2, "210")
        line.send(BridgeCall(call_id=2, agent_id="away1"))
        assert (await line.hears(CallReleased, 2)).by == "callee"
        await switch.silence()
        assert line.said(BridgeFailed) == []


async def test_two_agents_or_two_calls_are_never_joined(switch: Asterisk) -> None:
    """A busy agent is refused, and so is a second agent on a call."""
    async with at_work(switch.settings()) as line:
        await line.live(1, "110")
        await line.live(2, "111")
        line.send(BridgeCall(call_id=1, agent_id="agent1"), BridgeCall(call_id=2, agent_id="agent1"))
        assert (await line.hears(BridgeFailed, 2)).cause == "the agent is on another call"
        await line.hears(CallBridged, 1)
        line.send(BridgeCall(call_id=1, agent_id="agent2"), BridgeCall(call_id=9, agent_id="agent2"))
        assert (await line.hears(BridgeFailed, 1)).cause == "another agent is on the call"
        assert (await line.hears(BridgeFailed, 9)).cause == "the call is over"


async def test_a_call_that_ends_as_it_is_joined_makes_no_agent_miss_it(switch: Asterisk) -> None:
    """The person is gone before the agent is there: the end says so, and nothing else is said of the agent."""
    desks = (DeskSettings(agent_id="agent1", groups=("floor",)),)
    async with at_work(switch.settings(agents=AgentSettings(desks=desks, call_again_s=30.0))) as line:
        await line.hears(AgentLoggedIn)
        for call_id in range(1, 6):
            await line.live(call_id, "101")
            await asyncio.to_thread(switch.hang_up, f"dialer-call-{call_id}.")
            line.send(BridgeCall(call_id=call_id, agent_id="agent1"))
            await line.hears(CallReleased, call_id)
        await line.live(6, "101")
        line.send(BridgeCall(call_id=6, agent_id="agent1"))
        await line.hears(CallBridged, 6)
        said = [
            (type(event), event.call_id) for _, event in line.news if isinstance(event, BridgeFailed | CallReleased)
        ]
        for kind, call_id in said:
            if kind is BridgeFailed:  # only of a call whose end was told before
                assert said.index((CallReleased, call_id)) < said.index((BridgeFailed, call_id))


async def test_the_message_ends_the_call(switch: Asterisk) -> None:
    """It plays to its end, then the gateway hangs up; one that cannot be played hangs up at once and says so."""
    async with at_work(switch.settings()) as line:
        await line.live(1, "110")
        ordered_at = time.time()
        line.send(PlayMessage(call_id=1, message=str(switch.sounds / "abandon.wav")))
        released = await line.hears(CallReleased, 1)
        assert (released.by, released.cause) == ("engine", "message played")
        assert time.time() - ordered_at >= 1.4
        await line.live(2, "110")
        line.send(PlayMessage(call_id=2, message="/nowhere/sorry.wav"))
        assert (await line.hears(CallReleased, 2)).cause == "the message could not be played"


async def test_desks_log_in_and_out_with_their_telephones(switch: Asterisk) -> None:
    """Who picks up is logged in and ready; who hangs up is logged out, and so is the talk over."""
    desks = (DeskSettings(agent_id="agent1", groups=("floor",)), DeskSettings(agent_id="away1", groups=("floor",)))
    settings = switch.settings(agents=AgentSettings(desks=desks, call_again_s=30.0, ring_timeout_s=1.0))
    async with at_work(settings) as line:
        assert (await line.hears(AgentLoggedIn)).groups == ("floor",)
        await line.hears(AgentReadied)
        assert (await line.gateway.living({})).agents == ("agent1",)
        await line.live(1, "110")
        line.send(BridgeCall(call_id=1, agent_id="agent1"))
        await line.hears(CallBridged, 1)
        (leg,) = (each for each in switch.channels() if each.startswith("dialer-leg-agent1"))
        switch.hang_up(leg)
        assert (await line.hears(CallReleased, 1)).by == "agent"
        await line.hears(AgentLoggedOut)
        assert (await line.gateway.living({})).agents == ()


async def test_keys_pause_end_and_hand_over(switch: Asterisk) -> None:
    """*2 asks for a pause, *3 ends the call, and *4 hands it to the supervisor, who is then alone with the person."""
    names = ("press2", "press3", "press4")
    desks = tuple(DeskSettings(agent_id=name, groups=("floor",)) for name in names)
    agents = AgentSettings(desks=desks, call_again_s=30.0, supervisor="PJSIP/agent9")
    async with at_work(switch.settings(agents=agents)) as line:
        await line.hears(AgentLoggedIn, count=3)
        line.send(*(order(call_id, "101") for call_id in (3, 4)))
        for call_id in (3, 4):
            await line.hears(CallClassified, call_id)
            line.send(BridgeCall(call_id=call_id, agent_id=f"press{call_id}"))
        assert (await line.hears(AgentPauseRequested)).agent_id == "press2"
        ended, handed = await line.hears(CallReleased, 3), await line.hears(CallReleased, 4)
        assert (ended.by, ended.cause) == ("agent", "the agent ended the call")
        assert (handed.by, handed.cause) == ("agent", "handed over to a supervisor")
        assert len(line.said(CallBridged)) == 2
        assert sorted(switch.bridge("dialer-handover-4.")) == ["dialer-call-4.", "dialer-handover-4."]
        assert [desk.is_ready for desk in (await line.gateway.living({})).desks] == [False, True, True]
        switch.hang_up("dialer-handover-4.")
        await switch.silence(but="dialer-leg")
        assert len(line.said(CallReleased)) == 2


async def test_a_recording_holds_who_spoke(switch: Asterisk) -> None:
    """What is recorded is what policy says, in the folder and under the campaign that it names."""
    folder = switch.folder / "recordings"
    recording = RecordingSettings(folder=folder, campaigns=frozenset({"survey"}))
    async with at_work(switch.settings(recording=recording)) as line:
        await line.live(1, "110")
        line.send(BridgeCall(call_id=1, agent_id="agent1"))
        await line.hears(CallBridged, 1)
        await line.hears(CallReleased, 1)
        await switch.silence(but="dialer-leg")
    path = folder / "survey" / "1.wav"
    assert path.stat().st_size > 16_000


async def test_a_wrong_password_or_trunk_ends_the_run_with_what_to_do(switch: Asterisk) -> None:
    """It is no use to try again, so the gateway ends and says which file to look at."""
    for settings, error in (
        (switch.settings(password="wrong"), AriDenied),
        (switch.settings(trunk="nowhere"), ConfigError),
    ):
        with pytest.raises(error, match=r"gateway\.toml"):
            async with at_work(settings):
                pass


@pytest.mark.parametrize("path", ["channels", "bridges", "playbacks", "applications", "asterisk"])
def test_this_asterisk_has_every_request_that_is_made(switch: Asterisk, path: str) -> None:
    """The interface's own description, served by the switch, names each path and method that the gateway uses."""
    described = switch.api(path)
    offered = {(operation["httpMethod"], api["path"]) for api in described["apis"] for operation in api["operations"]}
    assert {each for each in USED if each[1].startswith(f"/{path}")} <= offered


USED = {
    ("POST", "/channels"),
    ("GET", "/channels"),
    ("GET", "/asterisk/info"),
    ("DELETE", "/channels/{channelId}"),
    ("GET", "/channels/{channelId}/variable"),
    ("POST", "/channels/{channelId}/variable"),
    ("POST", "/channels/{channelId}/moh"),
    ("DELETE", "/channels/{channelId}/moh"),
    ("POST", "/channels/{channelId}/play/{playbackId}"),
    ("GET", "/bridges"),
    ("POST", "/bridges/{bridgeId}"),
    ("DELETE", "/bridges/{bridgeId}"),
    ("POST", "/bridges/{bridgeId}/addChannel"),
    ("POST", "/bridges/{bridgeId}/removeChannel"),
    ("POST", "/bridges/{bridgeId}/moh"),
    ("DELETE", "/bridges/{bridgeId}/moh"),
    ("GET", "/playbacks/{playbackId}"),
    ("PUT", "/applications/{applicationName}/eventFilter"),
    ("POST", "/applications/{applicationName}/subscription"),
}


def test_this_asterisk_has_every_event_that_is_read(switch: Asterisk) -> None:
    """Events that the gateway acts on, and those that it asks to be spared, are all of this version."""
    models = switch.api("events")["models"]
    assert {*HANDLED, *QUIET} <= set(models)
