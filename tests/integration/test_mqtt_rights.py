"""The broker as `deploy/mosquitto/` sets it up: encrypted, with users, and everybody in their place."""

import shutil
import socket
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT
from tests.integration.mqtt_floor import prepare, process
from tests.servers.certificates import make_certificates
from tests.servers.mosquitto import Mosquitto, set_passwords
from tests.servers.mqtt_client import MqttClient, mqtt_client

EXAMPLE = ROOT / "deploy" / "mosquitto"
PASSWORDS = {name: f"{name}-secret" for name in ("engine-main", "gateway-north", "wallboard", "ana", "gateway-south")}
NOT_ALLOWED = 135
COMMANDS = "dialer/v1/gateways/north/commands"


@pytest.fixture
def guarded() -> Iterator[Mosquitto]:
    """The example's broker, its paths in a folder of the test's; a second, open door for looking on is on `port`."""
    folder = Path(tempfile.mkdtemp(prefix="dialer-mqtt-"))
    make_certificates(folder)
    set_passwords(folder / "dialer.passwd", list(PASSWORDS.items()))
    shutil.copy(EXAMPLE / "dialer.acl", folder)
    (folder / "dialer.acl").chmod(0o600)
    settings = (
        (EXAMPLE / "dialer.conf").read_text(encoding="utf-8").replace("listener 8883", "listener {port} 127.0.0.1")
    )
    for path in ("/etc/mosquitto/certs", "/etc/mosquitto", "/var/lib/mosquitto"):
        settings = settings.replace(path, str(folder))
    broker = Mosquitto(folder, settings + f"\npersistence_location {folder}/\nlog_dest stderr\nuser root\n")
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()
        shutil.rmtree(folder, ignore_errors=True)


def client(
    broker: Mosquitto, user: str, *topics: str, password: str | None = None
) -> AbstractContextManager[MqttClient]:
    """A client over the encrypted door."""
    return mqtt_client(
        broker.port, *topics, user=user, password=password or PASSWORDS[user], ca_file=broker.folder / "ca.crt"
    )


def test_everybody_stays_in_their_place(guarded: Mosquitto) -> None:
    """An agent's page can order no call and speak for nobody else; a gateway sees only its own topics."""
    events, state = "dialer/v1/gateways/north/events", "dialer/v1/gateways/north/state"
    with client(guarded, "ana", "dialer/v1/#", "dialer/v1/agents/ana/state") as ana:
        assert ana.publish(COMMANDS, b"{}") == NOT_ALLOWED
        assert ana.publish("dialer/v1/agents/bob/commands", b"{}") == NOT_ALLOWED
        assert ana.publish("dialer/v1/agents/ana/state", b"{}") == NOT_ALLOWED
        assert ana.publish("dialer/v1/agents/ana/commands", b"{}") != NOT_ALLOWED
        with client(guarded, "gateway-south", COMMANDS, events) as south, client(guarded, "engine-main") as engine:
            assert south.publish(events, b"{}") == NOT_ALLOWED
            assert south.publish(state, b"{}") == NOT_ALLOWED
            assert south.publish(COMMANDS, b"{}") == NOT_ALLOWED
            with client(guarded, "gateway-north", COMMANDS) as north:
                assert engine.publish(COMMANDS, {"to": "north"}) != NOT_ALLOWED
                assert north.wait(COMMANDS) == {"to": "north"}
                assert north.publish(COMMANDS, b"{}") == NOT_ALLOWED
            assert engine.publish("dialer/v1/agents/ana/state", {"to": "ana"}) != NOT_ALLOWED
            assert ana.wait("dialer/v1/agents/ana/state") == {"to": "ana"}
            assert [message.topic for message in south.heard] == []
        assert {message.topic for message in ana.heard} == {"dialer/v1/agents/ana/state"}


def test_nobody_comes_in_without_name_or_in_the_clear(guarded: Mosquitto) -> None:
    """A wrong password is refused, none is refused, and who does not encrypt is not heard."""
    with client(guarded, "ana", "dialer/v1/#", password="guess") as ana:
        assert ana.is_refused
    context = ssl.create_default_context(cafile=str(guarded.folder / "ca.crt"))
    with (
        socket.create_connection(("127.0.0.1", guarded.port)) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as sealed,
    ):
        assert sealed.version() in ("TLSv1.2", "TLSv1.3")
    with socket.create_connection(("127.0.0.1", guarded.port)) as plain:
        plain.sendall(b"\x10\x0c\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x00")
        heard = b""
        with suppress(ConnectionResetError):
            heard = plain.recv(16)
        assert heard[:1] != b"\x20"


def test_engine_and_gateway_work_with_these_rights(guarded: Mosquitto, tmp_path: Path) -> None:
    """The rights of the example are enough: a campaign is dialed over the encrypted broker, passwords out of files."""
    for user in ("engine-main", "gateway-north"):
        path = tmp_path / f"{user}.password"
        path.write_text(PASSWORDS[user] + "\n", encoding="utf-8")
        path.chmod(0o600)
    shutil.copy(guarded.folder / "ca.crt", tmp_path)
    config = prepare(tmp_path, guarded.port, people=3, p_live=1.0, agents=2)
    for file, user in ((config, "engine-main"), (tmp_path / "north.toml", "gateway-north")):
        sealed = f'[broker]\nuser = "{user}"\npassword_file = "{user}.password"\nca_file = "ca.crt"'
        file.write_text(file.read_text(encoding="utf-8").replace("[broker]", sealed), encoding="utf-8")
    with (
        process("gateway", "loopback", "--config", tmp_path / "north.toml") as gateway,
        process("run", "--config", config) as daemon,
    ):
        daemon.wait_log("attempt", outcome="connected")
        assert daemon.stop() == 0
        assert gateway.stop() == 0
    assert not any("secret" in str(line) for line in (*daemon.log, *gateway.log))
    assert "denied" not in guarded.log()
