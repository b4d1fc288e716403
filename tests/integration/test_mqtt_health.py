"""What health and metrics are told of gateways behind a broker: lost and back, and how long they take to answer."""

from math import inf
from pathlib import Path

from dialer.daemon.health import Health, Phase
from tests.integration.mqtt_rig import rig
from tests.servers.mosquitto import Mosquitto


async def test_a_lost_gateway_is_told_and_the_last_one_ends_readiness(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """With one gateway left the daemon is ready; without a broker it is not, and says so; back again, it is."""
    async with rig(mosquitto.port, tmp_path, gateways=2) as floor:
        health = Health()
        health.phase, health.gateways = Phase.RUNNING, floor.gateway.standings
        await floor.until(lambda: {name for name, _ in floor.trips} == {"g0", "g1"})
        assert all(0.0 <= trip_s < 10.0 for _, trip_s in floor.trips)
        there = {each.name: each for each in floor.gateway.standings()}
        assert ([each.lost for each in there.values()], health.reasons()) == ([None, None], [])
        await floor.kill_gateway("g1")
        await floor.until(lambda: floor.gateway.standings()[1].lost is not None)
        assert (floor.gateway.standings()[1].since_at or 0.0) > (there["g1"].since_at or inf)
        assert health.reasons() == []
        mosquitto.kill()
        await floor.until(lambda: health.reasons() != [])
        assert health.reasons()[0].startswith("gateway lost: g0: ")
        mosquitto.start()
        await floor.until(lambda: health.reasons() == [])


async def test_a_gateway_is_at_work_with_and_without_a_broker(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """What feeds its watchdog grows while its state is acknowledged, and while it looks for a broker that is away."""
    async with rig(mosquitto.port, tmp_path) as floor:
        serving = floor.places["g0"].serving
        await floor.until(lambda: serving.turns > 3)
        mosquitto.kill()
        before = serving.turns
        await floor.until(lambda: serving.turns > before + 2)
        mosquitto.start()
        before = serving.turns
        await floor.until(lambda: serving.turns > before + 5)
