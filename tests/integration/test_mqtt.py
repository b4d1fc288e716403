"""A daemon that dials through a gateway process and a real broker: what it does in peace."""

import json
import sqlite3
import subprocess
from pathlib import Path

from tests.integration.daemon_process import DIALER
from tests.integration.mqtt_floor import Process, prepare, process
from tests.servers.mosquitto import Mosquitto


def wait_finished(daemon: Process, calls: int) -> None:
    """Wait until so many attempts are over."""
    for _ in range(calls):
        daemon.wait_log("attempt")


def attempts(folder: Path) -> list[dict[str, object]]:
    """Every attempt on record, oldest first."""
    with sqlite3.connect(folder / "state" / "dialer.db") as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM attempts ORDER BY call_id")]


def test_a_campaign_is_dialed_through_a_gateway_process(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Calls go out through the broker, answers are joined to the gateway's agents, and what they say is on record."""
    config = prepare(tmp_path, mosquitto.port, people=12)
    with process("gateway", "loopback", "--config", tmp_path / "north.toml") as gateway:
        gateway.wait_log("broker connected")
        with process("run", "--config", config) as daemon:
            daemon.wait_log("gateway present", gateway="north")
            wait_finished(daemon, 12)
            said = subprocess.run(
                [DIALER, "status", "--config", config, "--json"], capture_output=True, text=True, check=True
            )
            assert json.loads(said.stdout)["status"]["lines"] == 20
            assert daemon.stop() == 0
        assert gateway.stop() == 0
    made = attempts(tmp_path)
    outcomes = {attempt["outcome"] for attempt in made}
    assert len(made) >= 12
    assert outcomes == {"connected", "no_answer"} or "connected" in outcomes
    assert {attempt["disposition"] for attempt in made if attempt["outcome"] == "connected"} == {"done"}
