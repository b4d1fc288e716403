"""A daemon, a broker and loopback gateways, each a process of its own, for the tests of what happens between them."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.daemon_process import DIALER, write_campaign
from tests.servers.hours import HOURS, OPEN

CONFIG = """
state_dir = "state"
campaigns_dir = "campaigns"
drain_timeout_s = 5
[log]
format = "json"
level = "debug"
[compliance]
rules = ["open.toml"]
[broker]
port = {port}
{broker}
"""
TRUNK = """
[gateways.{name}]
lines = {lines}
calls_per_second = {rate}
"""
GATEWAY = """
name = "{name}"
lines = {lines}
[log]
format = "json"
level = "debug"
[broker]
port = {port}
{broker}
[loopback]
seed = {seed}
agents = {agents}
world = "quick.toml"
campaigns = ["campaigns/survey.toml"]
"""
QUICK = """
[network]
setup_s = 0.1
[answers]
p_live = {p_live}
ring_s = {ring_s}
[talk]
talk_s = {talk_s}
wrap_up_s = 0.3
[agents]
login_after_s = 0.1
login_every_s = 0.0
bridge_s = 0.05
"""


def prepare(
    folder: Path,
    port: int,
    *,
    people: int = 60,
    gateways: tuple[str, ...] = ("north",),
    lines: int = 20,
    rate: float = 20.0,
    agents: int = 4,
    p_live: float = 0.5,
    ring_s: float = 0.5,
    talk_s: float = 1.0,
    ports: dict[str, int] | None = None,
) -> Path:
    """Write everything that a daemon and its gateways need; the first gateway has the agents. Give config.toml.

    `ports` are where single parts reach the broker, by name: "engine" or a gateway's.
    """
    places = ports or {}
    (folder / "campaigns").mkdir()
    write_campaign(folder, "survey", hours=HOURS)
    (folder / "open.toml").write_text(OPEN, encoding="utf-8")
    rows = "".join(f"Person {rank},07700 {900_000 + rank}\n" for rank in range(people))
    (folder / "campaigns" / "list.csv").write_text("name,phone\n" + rows, encoding="utf-8")
    (folder / "quick.toml").write_text(QUICK.format(p_live=p_live, ring_s=ring_s, talk_s=talk_s), encoding="utf-8")
    text = CONFIG.format(port=places.get("engine", port), broker="")
    text += "".join(TRUNK.format(name=name, lines=lines, rate=rate) for name in gateways)
    (folder / "config.toml").write_text(text, encoding="utf-8")
    for rank, name in enumerate(gateways):
        own = GATEWAY.format(
            name=name,
            lines=lines,
            port=places.get(name, port),
            broker="",
            seed=rank + 1,
            agents=0 if rank else agents,
        )
        (folder / f"{name}.toml").write_text(own, encoding="utf-8")
    return folder / "config.toml"


class Process:
    """A dialer process with its log, a JSON object a line."""

    def __init__(self, *words: str | Path) -> None:
        self.log: list[dict[str, object]] = []
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig=KILL", str(DIALER), *map(str, words)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ},
        )

    def wait_log(self, event: str, **fields: object) -> dict[str, object]:
        """Read the log up to the next line of an event that has these fields."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            entry = json.loads(line) if line.startswith("{") else {"event": line.rstrip()}
            self.log.append(entry)
            if entry["event"] == event and fields.items() <= entry.items():
                return entry
        raise AssertionError(f"the log ended before {event!r}: {self.log[-10:]}")

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to end; give its exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        assert self.process.stderr is not None
        if self.process.stderr.closed:
            return self.process.wait(60)
        if self.process.poll() is None:
            self.process.send_signal(how)
        for line in self.process.stderr:
            if line.startswith("{"):
                self.log.append(json.loads(line))
        code = self.process.wait(60)
        self.process.stderr.close()
        return code


@contextmanager
def process(*words: str | Path) -> Iterator[Process]:
    """A process that does not outlive the test."""
    made = Process(*words)
    try:
        yield made
    finally:
        if made.process.stderr is not None and not made.process.stderr.closed:
            made.kill()
