"""What breaks between engine, broker and gateways: no double call, no lost result, and dialing goes on by itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.mqtt_rig import Rig, rig
from tests.servers.mosquitto import SETTINGS, Mosquitto, own_broker

RESUMED_S = 10.0
LINES = 12  # of each gateway
SMALL = SETTINGS.replace("max_queued_messages 100000", "max_queued_messages 4").replace(
    "max_inflight_messages 1000", "max_inflight_messages 4"
)


@pytest.fixture
def small_mosquitto() -> Iterator[Mosquitto]:
    """A broker that holds next to nothing for a client that does not keep up."""
    yield from own_broker(SMALL)


def lines(floor: Rig) -> int:
    """How many lines the engine counts on."""
    return floor.engine.status(floor.clock.now()).lines


async def test_several_gateways_share_the_calls(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Calls go where lines are free, and each gateway keeps to its own number of lines."""
    async with rig(mosquitto.port, tmp_path, gateways=3, lines=2) as floor:
        await floor.more_calls(20)
        await floor.finish()
        assert all(len(place.witness.placed) >= 2 for place in floor.places.values())
        floor.check()


async def test_the_broker_is_killed_and_started_again(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """What it had not saved is gone with it; engine and gateway tell each other again."""
    async with rig(mosquitto.port, tmp_path) as floor:
        await floor.more_calls(10)
        mosquitto.kill()
        await floor.until(lambda: lines(floor) == 0)
        mosquitto.start()
        assert await floor.more_calls(3, RESUMED_S) < RESUMED_S
        await floor.more_calls(10)
        await floor.finish()
        floor.check()


async def test_the_broker_ends_in_order_and_starts_again(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """What waits in it is there again, and comes once."""
    async with rig(mosquitto.port, tmp_path) as floor:
        await floor.more_calls(10)
        mosquitto.stop()
        mosquitto.start()
        assert await floor.more_calls(3, RESUMED_S) < RESUMED_S
        await floor.finish()
        floor.check()


@pytest.mark.parametrize("whose", ["engine", "gateway"])
async def test_a_connection_that_swallows_everything_is_given_up(
    mosquitto: Mosquitto, tmp_path: Path, whose: str
) -> None:
    """Nobody closes it and nothing comes through: it is noticed by what is not acknowledged, and made anew."""
    async with rig(mosquitto.port, tmp_path) as floor:
        await floor.more_calls(10)
        wire = floor.engine_wire if whose == "engine" else floor.places["g0"].wire
        wire.is_black_hole = True
        took_s = await floor.until(lambda: lines(floor) == 0)
        wire.is_black_hole = False
        took_s += await floor.more_calls(3, RESUMED_S)
        assert took_s < RESUMED_S
        await floor.finish()
        floor.check()


async def test_messages_come_twice_and_out_of_order(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Both ways, orders and news: each is applied once, and nothing is lost by it."""
    async with rig(mosquitto.port, tmp_path) as floor:
        for wire in (floor.engine_wire, floor.places["g0"].wire):
            wire.p_twice, wire.p_late = 0.3, 0.3
        await floor.more_calls(40)
        remote = floor.gateway.remotes["g0"]
        assert remote.sequence.duplicates > 10
        await floor.finish()
        floor.check()


async def test_everything_comes_two_seconds_late(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Dialing goes on, and what is said of a wait counts the way: nobody waited for less than they did."""
    async with rig(mosquitto.port, tmp_path) as floor:
        await floor.more_calls(3)
        floor.engine_wire.delay_s = 1.0
        floor.places["g0"].wire.delay_s = 1.0
        await floor.more_calls(8)
        await floor.finish()
        floor.check()
        round_trip_s = floor.gateway.remotes["g0"].round_trip_s
        assert round_trip_s is not None
        assert round_trip_s > 3.9


async def test_the_broker_has_no_room(small_mosquitto: Mosquitto, tmp_path: Path) -> None:
    """What it threw away while the engine was cut off is noticed by its number, asked for, and told again."""
    async with rig(small_mosquitto.port, tmp_path) as floor:
        await floor.more_calls(10)
        floor.engine_wire.is_black_hole = True
        await floor.until(lambda: lines(floor) == 0)
        floor.engine_wire.is_black_hole = False
        assert await floor.more_calls(3, RESUMED_S) < RESUMED_S
        await floor.finish()
        floor.check()


async def test_a_gateway_is_killed_with_calls_up(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Its calls are of unknown fate, those of the other go on, and its agents come back with it."""
    async with rig(mosquitto.port, tmp_path, gateways=2) as floor:
        await floor.more_calls(10)
        await floor.kill_gateway("g0")
        await floor.until(lambda: lines(floor) == LINES)
        await floor.start_gateway("g0")
        assert await floor.more_calls(3, RESUMED_S) < RESUMED_S
        await floor.finish()
        floor.check(unknown_max=LINES)  # what was up, and what was ordered until it was missed
