"""The broker set up as docs/mqtt.md says, inside Debian's own configuration, and a gateway made of its example."""

import grp
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dialer.config.asterisk_file import PASSWORD_VARIABLE
from tests.architecture.tree import ROOT
from tests.integration.mqtt_floor import process
from tests.servers.certificates import make_certificates
from tests.servers.mosquitto import Mosquitto, programs, set_passwords
from tests.servers.mqtt_client import mqtt_client

EXAMPLE = ROOT / "deploy" / "asterisk" / "gateway.example.toml"
USERS = ("engine-main", "gateway-north", "wallboard")


def mosquittos_user() -> tuple[str, str]:
    """A user and group for the broker to be: nobody, where that can be had."""
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    return user.pw_name, grp.getgrgid(user.pw_gid).gr_name


def steps() -> list[str]:
    """The commands of the page that put the broker's files in place."""
    page = (ROOT / "docs" / "mqtt.md").read_text(encoding="utf-8")
    block = re.search(r"```sh\n(sudo apt-get install.*?)```", page, flags=re.DOTALL)
    assert block is not None
    return [
        line.removeprefix("sudo ") for line in block[1].splitlines() if re.match("sudo (cp|install|chown|chmod) ", line)
    ]


@pytest.fixture
def installed() -> Iterator[Mosquitto]:
    """Debian's mosquitto.conf and what the page's steps add to it; folders and user are the test's."""
    user, group = mosquittos_user()
    folder = Path(tempfile.mkdtemp(prefix="dialer-mqtt-"))
    folder.chmod(0o755)
    for name in ("etc/conf.d", "etc/certs", "lib", "logs"):
        (folder / name).mkdir(parents=True)
    for name in ("lib", "logs"):
        shutil.chown(folder / name, user, group)
    make_certificates(folder)

    def here(text: str) -> str:
        for path, own in (("/etc/mosquitto", "etc"), ("/var/lib/mosquitto", "lib"), ("/var/log/mosquitto", "logs")):
            text = text.replace(path, str(folder / own))
        return text

    set_passwords(folder / "etc" / "dialer.passwd", [(name, f"{name}-secret") for name in USERS])
    for step in steps():
        line = here(step).replace("deploy/", f"{ROOT}/deploy/")
        line = line.replace("-o mosquitto", f"-o {user}").replace("-g mosquitto", f"-g {group}")
        subprocess.run(line.replace("mosquitto: ", f"{user}: "), shell=True, check=True, cwd=folder)
    example = folder / "etc" / "conf.d" / "dialer.conf"
    text = here(example.read_text(encoding="utf-8")).replace("listener 8883", "listener {port} 127.0.0.1")
    broker = Mosquitto(folder)
    example.write_text(text.format(port=broker.port), encoding="utf-8")
    debians = Path(programs()[-1]) / "etc" / "mosquitto" / "mosquitto.conf"
    broker.settings = here(debians.read_text(encoding="utf-8")) + f"\nuser {user}\n"
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()
        shutil.rmtree(folder, ignore_errors=True)


def test_the_broker_starts_without_a_warning_and_the_copied_gateway_comes_in(
    installed: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside Debian's own settings; the gateway's example needs no more than its commented broker keys."""
    monkeypatch.setenv(PASSWORD_VARIABLE, "any")
    (tmp_path / "broker.password").write_text("gateway-north-secret\n", encoding="utf-8")
    (tmp_path / "broker.password").chmod(0o600)
    shutil.copy(installed.folder / "ca.crt", tmp_path / "ca.pem")
    text = re.sub(r"(?m)^# ((?:user|password_file|ca_file) = )", r"\1", EXAMPLE.read_text(encoding="utf-8"), count=3)
    text = text.replace("/etc/dialer/", "").replace("port = 1883", f"port = {installed.port}").replace(":8088", ":1")
    config = tmp_path / "north.toml"
    config.write_text(text.replace('format = "auto"', 'format = "json"'), encoding="utf-8")
    with (
        process("gateway", "asterisk", "--config", config) as gateway,
        mqtt_client(
            installed.port,
            "dialer/v1/gateways/+/state",
            user="wallboard",
            password="wallboard-secret",
            ca_file=installed.folder / "ca.crt",
        ) as board,
    ):
        gateway.wait_log("broker connected")
        assert board.wait("dialer/v1/gateways/north/state", lambda state: state["status"] == "online")
        assert gateway.stop() == 0
    assert not any(line["event"] in ("subscription refused", "broker refuses") for line in gateway.log)
    log = (installed.folder / "logs" / "mosquitto.log").read_text(encoding="utf-8")
    assert "gateway-north" in log
    for text in (log, installed.log()):
        assert "warning" not in text.lower()
        assert "denied" not in text.lower()
