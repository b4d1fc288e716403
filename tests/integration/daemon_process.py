"""A daemon as a process of its own, in a temporary folder, for the tests of signals, the socket and systemd."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

DIALER = Path(sys.executable).parent / "dialer"

CONFIG = """
state_dir = "state"
campaigns_dir = "campaigns"
drain_timeout_s = {drain_timeout_s}
[log]
format = "json"
[loopback]
agents = 4
speed = {speed}
start_at = 2026-03-10T12:00:00Z
{loopback}
"""

# Everybody answers at once and talks for ten minutes.
TALKATIVE = """
[network]
setup_s = 0.1
[answers]
p_live = 1.0
ring_s = 0.1
[talk]
talk_s = 600.0
"""

CAMPAIGN = """
name = "{name}"
seller = "Example"
purpose = "survey"
jurisdiction = "GB"
caller_id = "+442079460000"
[list]
files = ["list.csv"]
columns = {{ number = ["phone"], name = "name" }}
[pacing]
mode = "{mode}"
detector = false
[abandonment]
starts_at = "answer"
time_zone = "Europe/London"
message = "sorry.wav"
message_says = ["seller_name", "purpose", "free_opt_out_number", "no_sales"]
{hours}
[agents]
groups = ["floor"]
[retry]
no_answer = {{ after = "1h", times = 3 }}
[dispositions]
done = {{ final = true, success = true }}
"""

HOURS = """
[hours]
weekdays = ["09:00-20:00"]
"""


def prepare(
    folder: Path, *, speed: float = 60.0, drain_timeout_s: float = 20.0, loopback: str = "", top: str = ""
) -> Path:
    """Write a configuration, one campaign and its list; give the configuration's path. `top` comes first in it."""
    (folder / "campaigns").mkdir()
    write_campaign(folder, "survey")
    (folder / "talkative.toml").write_text(TALKATIVE, encoding="utf-8")
    rows = "".join(f"Person {rank},07700 {900_000 + rank}\n" for rank in range(200))
    (folder / "campaigns" / "list.csv").write_text("name,phone\n" + rows, encoding="utf-8")
    config = folder / "config.toml"
    text = CONFIG.format(speed=speed, drain_timeout_s=drain_timeout_s, loopback=loopback)
    config.write_text(top + text, encoding="utf-8")
    return config


def write_campaign(folder: Path, name: str, *, mode: str = "progressive", hours: str = HOURS) -> Path:
    """Write a campaign file that British law lets call, and the message that it names."""
    (folder / "campaigns" / "sorry.wav").touch()
    path = folder / "campaigns" / f"{name}.toml"
    path.write_text(CAMPAIGN.format(name=name, mode=mode, hours=hours), encoding="utf-8")
    return path


def dialer(*arguments: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the command line to its end."""
    command = [str(DIALER), *map(str, arguments)]
    env = {**os.environ, **environ}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=env)


class Daemon:
    """A running daemon, its log and what it told systemd."""

    def __init__(self, config: Path) -> None:
        self.config = config
        self._notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notices.bind(str(config.parent / "notify"))
        self.process = subprocess.Popen(
            [str(DIALER), "run", "--config", str(config)],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "NOTIFY_SOCKET": str(config.parent / "notify")},
        )
        self.log: list[dict[str, object]] = []

    def wait_notice(self, word: str, within_s: float = 60.0) -> str:
        """Wait until systemd would have been told a word; raise TimeoutError when it is told nothing for so long."""
        self._notices.settimeout(within_s)
        while True:
            notice = self._notices.recv(4096).decode()
            if word in notice:
                return notice

    def wait_log(self, event: str) -> dict[str, object]:
        """Read the log up to the next line of an event."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            entry = json.loads(line)
            self.log.append(entry)
            if entry["event"] == event:
                return entry
        raise AssertionError(f"the log ended before {event!r}: {self.log[-5:]}")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def wait_end(self) -> int:
        """Read the log to its end; give the exit code."""
        assert self.process.stderr is not None
        self.log += [json.loads(line) for line in self.process.stderr if line.startswith("{")]
        return self.process.wait(60)

    def close(self) -> None:
        """End the process if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(60)
        if self.process.stderr is not None:
            self.process.stderr.close()
        self._notices.close()


@contextmanager
def running(config: Path) -> Iterator[Daemon]:
    """Run a daemon that is ready."""
    daemon = Daemon(config)
    try:
        daemon.wait_log("ready")
        daemon.wait_notice("READY=1")
        yield daemon
    finally:
        with suppress(ProcessLookupError):
            daemon.close()
