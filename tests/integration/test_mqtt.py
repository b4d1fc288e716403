"""A daemon that dials through a gateway process and a real broker: what it does in peace."""

import json
import re
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import yaml
from paho.mqtt.client import MQTTMessage

from tests.architecture.tree import ROOT
from tests.integration.daemon_process import DIALER
from tests.integration.mqtt_floor import Process, prepare, process
from tests.servers.mosquitto import Mosquitto
from tests.servers.mqtt_client import mqtt_client


def wait_finished(daemon: Process, calls: int) -> None:
    """Wait until so many attempts are over."""
    for _ in range(calls):
        daemon.wait_log("attempt")


def attempts(folder: Path) -> list[dict[str, object]]:
    """Every attempt on record, oldest first."""
    with sqlite3.connect(folder / "state" / "dialer.db") as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM attempts ORDER BY call_id")]


def hold_to_contract(messages: list[MQTTMessage]) -> dict[str, int]:
    """Hold what was sent to docs/asyncapi.yaml: topic, payload, properties. Give how many there were of each kind."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "docs" / "asyncapi.yaml").read_text(encoding="utf-8"))
    channels = [
        (re.compile(re.sub(r"\{\w+\}", "[^/]+", each["address"])), each) for each in document["channels"].values()
    ]
    kinds = {message["name"]: name for name, message in document["components"]["messages"].items()}
    found: dict[str, int] = {}
    for message in messages:
        payload = json.loads(message.payload)
        name = kinds[payload["type"]]
        (channel,) = [each for pattern, each in channels if pattern.fullmatch(message.topic)]
        assert name in channel["messages"], (message.topic, name)
        schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        jsonschema.validate(payload, schema)
        assert payload.keys() <= document["components"]["schemas"][name]["properties"].keys()
        found[name] = found.get(name, 0) + 1
        if name == "AgentCommand":
            continue  # sent by the test
        assert message.properties.ContentType == "application/json"
        assert message.qos == 1
        if message.topic.endswith("/commands"):
            assert message.properties.MessageExpiryInterval > 0
        if message.topic.endswith(("/commands", "/events")) and payload.get("call_id") is not None:
            trace = dict(message.properties.UserProperty)["trace"]
            assert trace.startswith("survey/")
            assert trace.endswith(f"/{payload['call_id']}")
    return found


def test_a_campaign_is_dialed_through_a_gateway_process(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Calls go out through the broker, answers are joined to the gateway's agents, and what they say is on record."""
    config = prepare(tmp_path, mosquitto.port, people=12, p_live=1.0)
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
    assert len(made) >= 12
    assert {attempt["disposition"] for attempt in made if attempt["outcome"] == "connected"} == {"done"}


def test_an_agent_works_over_the_broker(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """A desk of somebody else's making logs in, takes a call, hears whose, hands it over, says its word, and goes."""
    config = prepare(tmp_path, mosquitto.port, people=5, agents=0, p_live=1.0)
    state, commands = "dialer/v1/agents/ana/state", "dialer/v1/agents/ana/commands"
    with (
        process("gateway", "loopback", "--config", tmp_path / "north.toml"),
        process("run", "--config", config) as daemon,
        mqtt_client(mosquitto.port, "dialer/v1/#") as desk,
    ):
        daemon.wait_log("ready")

        def say(number: int, **said: object) -> None:
            desk.publish(commands, {"type": "agent_command", "v": 1, "id": str(number), "said": said})

        say(1, type="log_in", groups=["floor"])
        assert desk.wait(state)["state"] == "paused"
        say(2, type="ready")
        talking = desk.wait(state, lambda agent: agent["state"] == "talking")
        say(7, type="hand_over", call_id=talking["call"]["call_id"])
        wrapping = desk.wait(state, lambda agent: agent["state"] == "wrap_up")
        assert wrapping["call"] == talking["call"]
        assert talking["call"]["campaign"] == "survey"
        call_id = talking["call"]["call_id"]
        for _ in range(2):
            say(3, type="dispose", call_id=call_id, disposition="done")
        say(4, type="pause", reason="lunch")
        say(5, type="ready")  # the wrap-up is over, and the break that was asked for begins
        assert desk.wait(state, lambda agent: agent["state"] == "paused")["reason"] == "lunch"
        campaign = desk.wait("dialer/v1/campaigns/survey/state", lambda shown: shown["counts"]["connects"] == 1)
        assert campaign["state"] == "running"
        say(6, type="log_out")
        desk.wait(state, lambda agent: agent["state"] == "logged_out")
        assert daemon.stop() == 0
    (made,) = (each for each in attempts(tmp_path) if each["call_id"] == call_id)
    assert (made["disposition"], made["released_by"], made["cause"]) == ("done", "agent", "handed over to a supervisor")
    found = hold_to_contract(desk.heard)
    assert found["AgentCommand"] == 8
    everyday = {"Place", "Bridge", "Tell", "Ping", "Ringing", "Answered", "Classified", "Bridged", "Released"}
    assert {"Seat", "HandOverCall", "Unseat"} <= found.keys()
    assert everyday | {"Snapshot", "Pong", "GatewayState", "EngineState", "CampaignState", "AgentState"} <= found.keys()


def settled(folder: Path) -> list[dict[str, object]]:
    """Every attempt on record; none is open, and no lead was dialed again before the call before was over."""
    made = attempts(folder)
    assert [attempt["call_id"] for attempt in made if attempt["released_at"] is None] == []
    over: dict[object, float] = {}
    for attempt in made:
        assert float(str(attempt["placed_at"])) >= over.get(attempt["lead_id"], 0.0)
        over[attempt["lead_id"]] = float(str(attempt["released_at"]))
    return made


def test_a_gateway_process_that_is_killed_is_dialed_over_again(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Its calls are of unknown fate, nobody is called for them again at once, and dialing goes on by itself."""
    config = prepare(tmp_path, mosquitto.port, people=60, p_live=1.0, talk_s=3.0)
    gateway = Process("gateway", "loopback", "--config", tmp_path / "north.toml")
    try:
        with process("run", "--config", config) as daemon:
            daemon.wait_log("call", step="bridged")
            gateway.kill()
            daemon.wait_log("gateway lost", gateway="north")
            with process("gateway", "loopback", "--config", tmp_path / "north.toml") as again:
                daemon.wait_log("gateway present", gateway="north")
                daemon.wait_log("call", step="bridged")
                assert daemon.stop() == 0
                assert again.stop() == 0
    finally:
        gateway.kill()
    made = settled(tmp_path)
    unknown = [attempt for attempt in made if "unknown" in (attempt["outcome"], attempt["released_by"])]
    assert 1 <= len(unknown) <= 4
    assert len({attempt["lead_id"] for attempt in made}) == len(made)


def test_an_engine_that_is_killed_takes_up_its_calls_again(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Calls that are up go on, what ended meanwhile is told once more, and nobody is called twice."""
    config = prepare(tmp_path, mosquitto.port, people=60, p_live=1.0, talk_s=3.0)
    with process("gateway", "loopback", "--config", tmp_path / "north.toml") as gateway:
        with process("run", "--config", config) as daemon:
            for _ in range(6):
                daemon.wait_log("call", step="bridged")
            daemon.kill()
        left = [attempt["call_id"] for attempt in attempts(tmp_path) if attempt["released_at"] is None]
        assert left
        with process("run", "--config", config) as daemon:
            taken = daemon.wait_log("earlier run taken over")
            assert taken["fate_unknown"] == 0
            daemon.wait_log("call", step="placed")
            assert daemon.stop() == 0
        assert gateway.stop() == 0
    made = settled(tmp_path)
    outcomes = {attempt["outcome"] for attempt in made if attempt["call_id"] in left}
    assert "connected" in outcomes
    assert outcomes <= {"connected", "abandoned", "cancelled"}  # who waited meanwhile, and who still rang
    assert len({attempt["lead_id"] for attempt in made}) == len(made)
