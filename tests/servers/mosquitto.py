"""A Mosquitto broker for tests: in a folder of its own, on a free loopback port, ended with the test.

One rule governs this module: the broker is as in production. It keeps sessions and retained messages on disk, and its
limits are those of `deploy/mosquitto/`; only its address and its users are the test's.
"""

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_START_S = 20.0

SETTINGS = """
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
autosave_interval 1
max_queued_messages 100000
max_inflight_messages 1000
max_packet_size 1048576
set_tcp_nodelay true
log_dest stderr
user root
"""


def free_port() -> int:
    """Give a loopback port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def programs() -> list[str]:
    """Give what to put before the name of one of Mosquitto's programs, unpacked when it is not there yet."""
    said = subprocess.run(
        [_ROOT / "scripts" / "mosquitto.sh"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        timeout=280,
    )
    return [str(_ROOT / "scripts" / "debian.sh"), "run", said.stdout.strip()]


@dataclass(slots=True)
class Mosquitto:
    """A broker that can be killed, stopped, frozen and started again, as a machine would."""

    folder: Path
    settings: str = SETTINGS
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return when it takes connections."""
        config = self.folder / "mosquitto.conf"
        config.write_text(self.settings.format(port=self.port, folder=self.folder), encoding="utf-8")
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig=KILL", *programs(), "mosquitto", "-c", str(config)],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        until = time.monotonic() + _START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=2.0).close()
                return
            except OSError:
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(timeout=0.02)
                is_over = self._process.poll() is not None or time.monotonic() > until
                assert not is_over, f"Mosquitto did not start: {self.log()[-2000:]}"

    def kill(self) -> None:
        """End it as a power cut would: what it had not saved yet is gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order; it saves sessions, queues and retained messages."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
        self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """Let it take connections and answer nothing, until `thaw`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def reload(self) -> None:
        """Let it read its users and rights again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=60)
            self._process = None

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    def log(self) -> str:
        """What it wrote."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")


def set_passwords(path: Path, users: Sequence[tuple[str, str]]) -> None:
    """Write a password file with Mosquitto's own program."""
    path.touch(mode=0o600)
    for user, password in users:
        subprocess.run([*programs(), "mosquitto_passwd", "-b", str(path), user, password], check=True)


def own_broker(settings: str = SETTINGS, prepare: Callable[[Path], None] | None = None) -> Iterator[Mosquitto]:
    """Start a broker with settings of its own, in a folder with what `prepare` puts there; for a fixture."""
    folder = Path(tempfile.mkdtemp(prefix="dialer-mqtt-"))
    if prepare is not None:
        prepare(folder)
    broker = Mosquitto(folder, settings)
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def shared_mosquitto() -> Iterator[Mosquitto]:
    """The broker that tests of this process share, each under topics of its own; never kill this one."""
    yield from own_broker()


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    """A broker for one test alone, to be killed, frozen and started again."""
    yield from own_broker()
