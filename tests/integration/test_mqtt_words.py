"""What an agent says of a call after the daemon that made it is gone."""

import sqlite3
from pathlib import Path

from tests.integration.mqtt_floor import prepare, process
from tests.servers.mosquitto import Mosquitto
from tests.servers.mqtt_client import mqtt_client


def test_a_refusal_after_another_word_and_a_kill_keeps_the_person_from_being_called(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """The agent said "done", the daemon was killed, and then the agent says that the person wants no more calls."""
    config = prepare(tmp_path, mosquitto.port, people=5, agents=0, p_live=1.0)
    with (tmp_path / "campaigns" / "survey.toml").open("a", encoding="utf-8") as file:
        file.write('refused = { do_not_call = "seller", final = true }\n')
    state, commands = "dialer/v1/agents/ana/state", "dialer/v1/agents/ana/commands"
    with (
        process("gateway", "loopback", "--config", tmp_path / "north.toml"),
        mqtt_client(mosquitto.port, "dialer/v1/#") as desk,
    ):

        def say(number: int, **said: object) -> None:
            desk.publish(commands, {"type": "agent_command", "v": 1, "id": str(number), "said": said})

        with process("run", "--config", config) as daemon:
            daemon.wait_log("ready")
            say(1, type="log_in", groups=["floor"])
            say(2, type="ready")
            call_id = desk.wait(state, lambda agent: agent["state"] == "wrap_up")["call"]["call_id"]
            say(3, type="dispose", call_id=call_id, disposition="done")
            say(4, type="pause", reason="lunch")
            say(5, type="ready")
            desk.wait(state, lambda agent: agent["state"] == "paused" and agent["reason"] == "lunch")
            daemon.kill()
        with process("run", "--config", config) as daemon:
            assert daemon.wait_log("earlier run taken over")["connects_without_word"] == 0
            daemon.wait_log("ready")
            say(6, type="dispose", call_id=call_id, disposition="refused")
            say(7, type="log_out")
            desk.wait(state, lambda agent: agent["state"] == "logged_out")
            assert daemon.stop() == 0
    with sqlite3.connect(tmp_path / "state" / "dialer.db") as connection:
        [disposition] = connection.execute("SELECT disposition FROM attempts WHERE call_id = ?", (call_id,)).fetchone()
        blocked = connection.execute("SELECT reason, who FROM blocked").fetchall()
    assert (disposition, blocked) == ("done", [("refused", "ana")])
