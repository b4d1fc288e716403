"""What every gateway promises, held by a real Asterisk: in the same process, and behind a real broker."""

import time
from collections.abc import AsyncIterator, Iterator

import pytest

from dialer.daemon.clock import SystemClock
from dialer.domain.commands import HangUp
from dialer.domain.events import (
    AgentLoggedIn,
    CallAnswered,
    CallClassified,
    CallFailed,
    CallReleased,
    CallRinging,
)
from dialer.domain.living import LivingState
from dialer.gateways.asterisk.settings import AgentSettings, DeskSettings
from tests.integration.asterisk_desk import Line, at_work, connected, order
from tests.integration.asterisk_floor import Behind
from tests.servers.asterisk import Asterisk, new_asterisk
from tests.servers.mosquitto import Mosquitto


@pytest.fixture(scope="module")
def switch() -> Iterator[Asterisk]:
    """A switch with people and agents, for all tests of this file."""
    for each in new_asterisk():
        each.play_people()
        each.play_agents()
        yield each


@pytest.fixture(params=["asterisk", "asterisk behind a broker"])
async def line(request: pytest.FixtureRequest, switch: Asterisk, mosquitto: Mosquitto) -> AsyncIterator[Line]:
    """A gateway that is connected, with one agent at a desk."""
    desks = (DeskSettings(agent_id="agent1", groups=("floor",)),)
    settings = switch.settings(agents=AgentSettings(desks=desks, call_again_s=0.3))
    if request.param == "asterisk":
        async with at_work(settings) as each:
            yield each
    else:
        async with connected(Behind(settings, SystemClock(), mosquitto.port)) as each:
            yield each
    for channel in switch.channels():
        switch.hang_up(channel)
    await switch.silence()


async def test_sending_never_answers_within_the_call(line: Line) -> None:
    """However quick an answer is, the sink hears of it only after `send` has returned."""
    before = len(line.news)
    line.send(order(1, "410"), HangUp(call_id=1, reason="test"), HangUp(call_id=99, reason="test"))
    assert len(line.news) == before
    await line.hears(CallFailed, 1)


async def test_every_call_ends_once(line: Line) -> None:
    """Each placed call is reported over exactly once, in the order of its life, whether by itself or when hung up."""
    digits = [f"{kind}{rank}{rank}" for kind in "1245679" for rank in (1, 2)]
    line.send(*(order(call_id, each, ring_timeout_s=2.0) for call_id, each in enumerate(digits, start=1)))
    for call_id, each in enumerate(digits, start=1):
        if each[0] in "19":
            await line.hears(CallClassified, call_id)
            line.send(HangUp(call_id=call_id, reason="test"), HangUp(call_id=call_id, reason="test"))
            await line.hears(CallReleased, call_id)
        elif each[0] == "2":
            await line.hears(CallReleased, call_id)
        else:
            await line.hears(CallFailed, call_id)
    assert sorted(line.ends()) == list(range(1, len(digits) + 1))
    ranks = {CallRinging: 0, CallAnswered: 1, CallClassified: 2, CallFailed: 3, CallReleased: 3}
    for call_id in range(1, len(digits) + 1):
        life = [ranks[type(event)] for _, event in line.news if getattr(event, "call_id", None) == call_id]
        assert life == sorted(set(life)), (call_id, life)


async def test_it_says_what_lives(line: Line) -> None:
    """Every call that is up is named with its state and instants, and nothing that is over is."""
    line.send(order(1, "110"), order(2, "510", ring_timeout_s=20.0), order(3, "410"))
    await line.hears(CallClassified, 1)
    await line.hears(CallRinging, 2)
    await line.hears(CallFailed, 3)
    calls = {call.call_id: call for call in (await line.gateway.living({})).calls}
    assert {call_id: call.state for call_id, call in calls.items()} == {
        1: LivingState.ANSWERED,
        2: LivingState.RINGING,
    }
    first = calls[1]
    assert first.ringing_at is not None and first.answered_at is not None and first.classified_at is not None
    assert first.ringing_at <= first.answered_at <= first.classified_at <= time.time()


async def test_it_names_orders_that_never_came_and_only_those(line: Line) -> None:
    """An order of its own time that it did not get never came; of what was before its time it says nothing."""
    line.send(order(1, "410"))
    await line.hears(CallFailed, 1)
    asked = {1: time.time(), 2: time.time() + 1.0, 3: time.time() - 60.0}
    found = (await line.gateway.living(asked)).calls
    assert [(call.call_id, call.state) for call in found] == [(2, LivingState.NEVER)]


async def test_it_says_who_is_at_a_desk(line: Line) -> None:
    """Who picked up the desk's telephone is there, with the groups, and ready."""
    await line.hears(AgentLoggedIn)
    found = await line.gateway.living({})
    assert found.agents == ("agent1",)
    assert [(desk.groups, desk.is_ready) for desk in found.desks if desk.agent_id == "agent1"] in (
        [],
        [(("floor",), True)],
    )
