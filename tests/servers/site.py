"""A whole site on this machine: a broker, an Asterisk with SIPp's people and agents, a gateway process and a daemon.

One rule governs this module: everything is as an operator would start it, by configuration files and commands. Only the
hours are left open, by a ruleset of the site's own, for nobody who is called exists.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from math import inf
from pathlib import Path
from typing import Any

from dialer.config.settings import load_settings
from dialer.daemon.stores import open_store
from dialer.domain.records import Attempt
from tests.servers.asterisk import SECRET, USER, Asterisk
from tests.servers.hours import HOURS, OPEN
from tests.servers.mosquitto import Mosquitto
from tests.servers.people import stories

DIALER = Path(sys.executable).parent / "dialer"
_END_S = 40.0
_AWAIT_S = 60.0

GATEWAY = """
name = "west"
lines = {lines}
[log]
format = "json"
[broker]
port = {port}
[asterisk]
url = "http://{ip}:8088"
user = "{user}"
lost_message = "{message}"
[agents]
call_again_s = 0.5
ring_timeout_s = 5
[agents.desks]
{desks}
"""

CONFIG = """
state_dir = "state"
campaigns_dir = "campaigns"
drain_timeout_s = 10
[log]
format = "json"
{gateways}
[compliance]
rules = ["open.toml"]
"""

BEHIND = """
[broker]
port = {port}
[gateways.west]
lines = {lines}
calls_per_second = 10
"""

INSIDE = """
[gateway]
lines = {lines}
asterisk = "gateway.toml"
"""

CAMPAIGN = """
name = "survey"
seller = "Example Research"
purpose = "survey"
jurisdiction = "GB"
caller_id = "+442079460000"
[list]
files = ["people.csv"]
columns = {{ number = "phone", name = "name" }}
[pacing]
mode = "power"
ratio = 1.5
ring_timeout_s = 15
detector = false
[abandonment]
starts_at = "answer"
time_zone = "Europe/London"
message = "{message}"
message_says = ["seller_name", "purpose", "free_opt_out_number", "no_sales"]
{hours}
[agents]
groups = ["floor"]
wrap_up_max_s = 1
[dispositions]
done = {{ final = true, success = true }}
"""


class Site:
    """The folder of a site and what runs in it."""

    def __init__(
        self, folder: Path, people: Sequence[str], *, agents: int, lines: int, has_broker: bool = True
    ) -> None:
        self.folder = folder
        self.people = people
        self.agents = agents
        self.lines = lines
        self.has_broker = has_broker
        self.broker = Mosquitto(self._made("broker"))
        self.switch = Asterisk(self._made("asterisk"), agents=agents)
        self.gateway: subprocess.Popen[bytes] | None = None
        self.daemon: subprocess.Popen[bytes] | None = None
        self.resumed_s: list[float] = []  # from each part's new start to the next call

    def _made(self, name: str) -> Path:
        path = self.folder / name
        path.mkdir()
        return path

    def start(self) -> None:
        """Start everything; return when the daemon is at work."""
        if self.has_broker:
            self.broker.start()
        self.switch.prepare()
        self.switch.start()
        self.switch.play_people()
        self.switch.play_agents()
        self._write()
        if self.has_broker:
            self.start_gateway()
        self.start_daemon()

    def _write(self) -> None:
        message = self.switch.sounds / "abandon.wav"
        desks = "\n".join(f'agent{rank} = ["floor"]' for rank in range(1, self.agents + 1))
        port = self.broker.port
        texts = {
            "gateway.toml": GATEWAY.format(
                lines=self.lines, port=port, ip=self.switch.ip, user=USER, message=message, desks=desks
            ),
            "config.toml": CONFIG.format(
                gateways=(BEHIND if self.has_broker else INSIDE).format(port=port, lines=self.lines)
            ),
            "open.toml": OPEN,
            "campaigns/survey.toml": CAMPAIGN.format(message=message, hours=HOURS),
            "campaigns/people.csv": "name,phone\n"
            + "".join(f"Person {rank},+447700900{digits}\n" for rank, digits in enumerate(self.people)),
        }
        self._made("campaigns")
        for name, text in texts.items():
            (self.folder / name).write_text(text, encoding="utf-8")

    def start_gateway(self) -> None:
        """Start the gateway's process."""
        self.gateway = self._dialer("gateway.log", "gateway", "asterisk", "--config", "gateway.toml")

    def start_daemon(self) -> None:
        """Start the daemon, and return when it answers."""
        self.daemon = self._dialer("daemon.log", "run", "--config", "config.toml")
        until = time.monotonic() + _END_S
        while self.ask("status", "--json") is None:
            assert time.monotonic() < until and self.daemon.poll() is None, self.log("daemon.log")[-3000:]

    def _dialer(self, log: str, *args: str) -> subprocess.Popen[bytes]:
        with (self.folder / log).open("ab") as out:
            return subprocess.Popen(
                ["setpriv", "--pdeathsig=KILL", str(DIALER), *args],
                cwd=self.folder,
                env={**os.environ, "DIALER_ARI_PASSWORD": SECRET},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )

    def ask(self, *args: str) -> Any:
        """Give what a command answers in JSON, or None when it cannot."""
        said = subprocess.run(
            [DIALER, *args, "--config", "config.toml"],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return json.loads(said.stdout) if said.returncode == 0 else None

    def text_of(self, *args: str) -> str:
        """Give what a command prints."""
        said = subprocess.run(
            [DIALER, *args, "--config", "config.toml"],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            timeout=60,
            check=True,
        )
        return said.stdout

    def campaign(self) -> dict[str, Any]:
        """Give how the campaign stands."""
        answer = self.ask("campaign", "list", "--json")
        assert answer is not None, self.log("daemon.log")[-3000:]
        found: dict[str, Any] = answer[0]
        return found

    def attempts(self) -> list[Attempt]:
        """Give every attempt in the database; the daemon has ended."""
        store = open_store(load_settings(self.folder / "config.toml"))
        try:
            return list(store.attempts(None, 0.0, inf))
        finally:
            store.close()

    # ------------------------------------------------------------------------------------------- breaking
    def dialed(self) -> int:
        """Give how many calls came to the far end."""
        log = self.switch.people_log
        return len(stories(log)) if log.exists() else 0

    def await_dials(self, count: int) -> None:
        """Wait until so many calls came to the far end."""
        self._await(lambda: self.dialed() >= count, f"{count} calls")

    def await_end(self) -> None:
        """Wait until nobody is to be called now, and no call is up."""
        self._await(self._is_over, "the end of all calls")

    def _is_over(self) -> bool:
        now = self.campaign()
        is_due = now["open_leads"] and (now["next_due_at"] is None or now["next_due_at"] <= time.time())
        return not is_due and not now["hopper"] and not sum(now["calls"].values())

    def _await(self, is_so: Callable[[], bool], what: str) -> None:
        assert self.daemon is not None
        until = time.monotonic() + _AWAIT_S
        while not is_so():
            with suppress(subprocess.TimeoutExpired):
                self.daemon.wait(timeout=0.02)  # the daemon's end would be an end of waiting, too
            assert self.daemon.poll() is None and time.monotonic() < until, (
                f"{what} did not come; the daemon: {self.log('daemon.log')[-3000:]}"
            )

    def _resume(self, before: int, since: float) -> None:
        self.await_dials(before + 1)
        self.resumed_s.append(time.monotonic() - since)

    def kill_gateway(self) -> None:
        """Kill the gateway's process with calls up, start it again, and wait for the next call."""
        assert self.gateway is not None
        self.gateway.kill()
        self.gateway.wait(timeout=_END_S)
        before, since = self.dialed(), time.monotonic()
        self.start_gateway()
        self._resume(before, since)

    def kill_daemon(self) -> None:
        """Kill the daemon with calls up, start it again, and wait for the next call."""
        assert self.daemon is not None
        self.daemon.kill()
        self.daemon.wait(timeout=_END_S)
        before = self.dialed()
        self.start_daemon()
        self._resume(before, time.monotonic())

    def kill_switch(self) -> None:
        """Kill Asterisk with calls up, start it again, and wait for the next call."""
        self.switch.kill()
        before, since = self.dialed(), time.monotonic()
        self.switch.start()
        self._resume(before, since)

    def kill_broker(self) -> None:
        """Kill the broker, start it again, and wait for the next call."""
        self.broker.kill()
        before, since = self.dialed(), time.monotonic()
        self.broker.start()
        self._resume(before, since)

    def log(self, name: str) -> str:
        """What a process wrote."""
        return (self.folder / name).read_text(encoding="utf-8", errors="replace")

    def stop(self) -> None:
        """End daemon and gateway in order."""
        for each in (self.daemon, self.gateway):
            if each is not None and each.poll() is None:
                each.send_signal(signal.SIGTERM)
                each.wait(timeout=_END_S)

    def end(self) -> None:
        """End all that runs, however it stands."""
        for each in (self.daemon, self.gateway):
            if each is not None and each.poll() is None:
                each.kill()
                each.wait(timeout=_END_S)
        self.switch.end()
        self.broker.stop()


@contextmanager
def site_of(people: Sequence[str], *, agents: int, lines: int, has_broker: bool = True) -> Iterator[Site]:
    """Give a site that runs, and take it away afterwards. Without a broker the daemon holds the gateway."""
    folder = Path(tempfile.mkdtemp(prefix="dialer-site-"))
    site = Site(folder, people, agents=agents, lines=lines, has_broker=has_broker)
    try:
        site.start()
        yield site
    finally:
        site.end()
        shutil.rmtree(folder, ignore_errors=True)
