"""`dialer status` names each gateway: there or lost, since when, its lines and its calls."""

import json
from pathlib import Path

from dialer.daemon.control import StatusRequest, ask
from tests.integration.daemon_process import dialer
from tests.integration.mqtt_floor import prepare, process
from tests.servers.mosquitto import Mosquitto


def test_a_silent_gateway_is_named_with_its_calls(shared_mosquitto: Mosquitto, tmp_path: Path) -> None:
    """One that was never there, one that dials, and the same one killed: for people, and with --json for machines."""
    config = prepare(tmp_path, shared_mosquitto.port, gateways=("north", "south"), p_live=1.0, talk_s=600.0)
    socket = tmp_path / "state" / "dialer.sock"
    with process("run", "--config", config) as daemon:
        with process("gateway", "loopback", "--config", tmp_path / "north.toml") as north:
            daemon.wait_log("gateway present", gateway="north")
            daemon.wait_log("call", step="bridged")
            shown = json.loads(dialer("status", "--config", config, "--json").stdout)
            by_name = {each["name"]: each for each in shown["gateways"]}
            assert by_name["north"]["lost"] is None
            assert by_name["north"]["calls"] >= 1
            assert by_name["north"]["since_at"] <= shown["now"]
            assert (by_name["south"]["lost"], by_name["south"]["since_at"]) == ("its answer is awaited", None)
            north.kill()
        daemon.wait_log("gateway lost", gateway="north")
        (lost, _) = ask(socket, StatusRequest())["gateways"]
        assert lost["lost"] == "its answer is awaited"
        assert lost["since_at"] > by_name["north"]["since_at"]
        said = dialer("status", "--config", config).stdout
        assert "gateway north: lost since " in said
        assert "calls of unknown fate" in said
        assert "gateway south: never there, its answer is awaited" in said
