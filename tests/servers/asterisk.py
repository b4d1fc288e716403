"""An Asterisk for tests with a telephone network around it: people and agents played by SIPp, on loopback only.

One rule governs this module: the switch is as in production. Its configuration is that of `deploy/asterisk/`; only
addresses, names and far ends are the test's. Every switch has a loopback address of its own, so all use the same ports.
"""

import asyncio
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from dialer.gateways.asterisk.settings import AgentSettings, AsteriskSettings
from tests.servers.ear import Ear
from tests.servers.people import Story, stories

ROOT = Path(__file__).parents[2]
SCENARIOS = Path(__file__).parent / "sipp"
USER, SECRET = "dialer", "dialer-secret"
_SCRIPT = ROOT / "scripts" / "asterisk.sh"
_START_S = 20.0
_COUNT = itertools.count()


def cache() -> Path:
    """Give the folder with Asterisk and SIPp, unpacked when they are not there yet."""
    said = subprocess.run(
        [_SCRIPT, "install"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, text=True, timeout=280
    )
    return Path(said.stdout.strip())


def loopback_address(net: int) -> str:
    """Give a loopback address that no other process of this run uses, in 127.`net`.0.0/16."""
    high, low = divmod((os.getpid() * 211 + next(_COUNT)) % 64_000 + 256, 256)
    return f"127.{net}.{high}.{low}"


@dataclass(slots=True)
class Asterisk:
    """A switch that can be killed, stopped, frozen and started again, as a machine would."""

    folder: Path
    agents: int = 30
    ip: str = field(default_factory=lambda: loopback_address(16))
    people_ip: str = field(default_factory=lambda: loopback_address(17))
    agents_ip: str = field(default_factory=lambda: loopback_address(18))
    _cache: Path = Path()
    _process: subprocess.Popen[bytes] | None = None
    _sipp: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def prepare(self) -> None:
        """Write its configuration."""
        self._cache = cache()
        settings = {
            "IP": self.ip,
            "CARRIER": f"{self.people_ip}:5060",
            "AGENT_HOST": f"{self.agents_ip}:5060",
            "AGENTS": self.agents,
        }
        pairs = [f"{key}={value}" for key, value in settings.items()]
        subprocess.run([_SCRIPT, "instance", self._cache, self.folder, *pairs], check=True, stdin=subprocess.DEVNULL)
        with (self.folder / "etc" / "pjsip_agents.conf").open("a", encoding="utf-8") as file:
            for name in ("busy1", "away1", "press2", "press3", "press4"):  # as `sipp/agents.xml` plays them
                file.write(f"[{name}](agent)\naors = {name}\n[{name}]\ntype = aor\n")
                file.write(f"contact = sip:{name}@{self.agents_ip}:5060\n")

    def start(self) -> None:
        """Start it, and return when its REST interface answers."""
        for each in ("asterisk.ctl", "asterisk.pid"):
            (self.folder / "run" / each).unlink(missing_ok=True)
        with (self.folder / "log" / "stdout").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._run("asterisk"), "asterisk", "-f", "-C", str(self.folder / "etc" / "asterisk.conf")],
                cwd=self.folder / "spool",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        until = time.monotonic() + _START_S
        while True:
            try:
                self.ask("GET", "asterisk/info")
                return
            except OSError:
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(timeout=0.05)
                is_over = self._process.poll() is not None or time.monotonic() > until
                assert not is_over, f"Asterisk did not start: {self.log()[-3000:]}"

    def _run(self, which: str) -> list[str]:
        return ["setpriv", "--pdeathsig=KILL", str(ROOT / "scripts" / "debian.sh"), "run", str(self._cache / which)]

    def kill(self) -> None:
        """End it as a power cut would, with every call."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(timeout=30)
        self._process = None

    def freeze(self) -> None:
        """Let it take connections and answer nothing, until `thaw`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        """End it and the far ends around it."""
        for each in self._sipp:
            each.kill()
            each.wait(timeout=30)
        if self._process is not None:
            self.kill()

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    @property
    def far_ends(self) -> list[int]:
        """The processes that play people and agents."""
        return [each.pid for each in self._sipp]

    def ask(self, method: str, path: str) -> Any:
        """Ask its REST interface, beside the gateway."""
        request = urllib.request.Request(f"http://{self.ip}:8088/ari/{path}", method=method)
        request.add_header("Authorization", "Basic " + b64encode(f"{USER}:{SECRET}".encode()).decode())
        with urllib.request.urlopen(request, timeout=5.0) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def channels(self) -> list[str]:
        """Give the names of all channels that are up."""
        return [each["id"] for each in self.ask("GET", "channels")]

    def hang_up(self, channel: str) -> None:
        """End a channel, beside the gateway."""
        with suppress(urllib.error.HTTPError):
            self.ask("DELETE", f"channels/{channel}")

    async def silence(self, but: str = "nothing") -> None:
        """Wait until no channel is up, but those whose name begins so."""
        async with asyncio.timeout(_START_S):
            while any(not each.startswith(but) for each in self.channels()):
                await asyncio.sleep(0)

    async def told(self) -> list[Story]:
        """Give what became of everybody who was called, once each of the calls is over for them as well.

        The switch forgets a call before the far end has read its BYE.
        """
        async with asyncio.timeout(_START_S):
            found = stories(self.people_log)
            while not all(each.is_over for each in found):
                await asyncio.sleep(0)
                found = stories(self.people_log)
        return found

    async def reaches(self, path: str, text: str) -> None:
        """Wait until the answer to a question holds a text."""
        async with asyncio.timeout(_START_S):
            while text not in json.dumps(await asyncio.to_thread(self.ask, "GET", path)):
                await asyncio.sleep(0)

    async def hears(self, ear: Ear, hertz: int) -> None:
        """Wait until the first person to be called has heard a tone."""
        async with asyncio.timeout(_START_S):
            while not any(ear.first(each.port, 0.0, time.time(), hertz) for each in stories(self.people_log)):
                await asyncio.sleep(0)

    def api(self, part: str) -> Any:
        """Give the interface's own description of a part of itself."""
        return json.loads((self._cache / f"asterisk/usr/share/asterisk/rest-api/{part}.json").read_text())

    def variable(self, channel: str, name: str) -> str:
        """Give a variable of a channel."""
        return str(self.ask("GET", f"channels/{channel}/variable?variable={name}")["value"])

    def bridge(self, name: str) -> list[str]:
        """Give the channels of a bridge."""
        found: list[str] = self.ask("GET", f"bridges/{name}")["channels"]
        return found

    def console(self, command: str) -> str:
        """Give what its console says."""
        said = subprocess.run(
            [_SCRIPT, "cli", self.folder, command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=30,
        )
        return said.stdout

    def log(self) -> str:
        """What it wrote."""
        texts = [self.folder / "log" / "stdout", self.folder / "log" / "full"]
        return "\n".join(each.read_text(encoding="utf-8", errors="replace") for each in texts if each.exists())

    @property
    def sounds(self) -> Path:
        """The folder of its messages and of what the far ends say."""
        return self.folder / "sounds"

    @property
    def people_log(self) -> Path:
        """What people did, line by line, as `people.xml` says."""
        return self.folder / "people.log"

    def settings(self, **changes: Any) -> AsteriskSettings:
        """Give what a gateway needs to use it."""
        given = {
            "url": f"http://{self.ip}:8088",
            "user": USER,
            "password": SECRET,
            "lost_message": self.sounds / "abandon.wav",
            "agents": AgentSettings(ring_timeout_s=3.0),
        }
        return AsteriskSettings(**{**given, **changes})

    # ------------------------------------------------------------------------------------------ far ends
    def play_people(self, ear: tuple[str, int] | None = None) -> None:
        """Let SIPp play everybody who can be called; `ear` is where they listen."""
        ip, port = ear or (self.people_ip, 9)
        keys = ["-key", "ear_ip", ip, "-key", "ear_port", str(port), "-trace_logs", "-log_file", str(self.people_log)]
        self._play("people.xml", self.people_ip, keys)

    def play_agents(self) -> None:
        """Let SIPp play the telephones of all agents."""
        self._play("agents.xml", self.agents_ip, [])

    def _play(self, scenario: str, ip: str, more: list[str]) -> None:
        command = [*self._run("sipp"), "sipp", "-sf", str(SCENARIOS / scenario), *more, "-i", ip, "-p", "5060"]
        command += ["-mi", ip, "-mp", "20000", "-nostdin", "-watchdog_interval", "0", f"{self.ip}:5060"]
        with (self.folder / f"{scenario}.out").open("ab") as out:
            far_end = subprocess.Popen(command, cwd=self.sounds, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        self._sipp.append(far_end)
        until = time.monotonic() + _START_S
        while not _is_bound(ip, 5060):  # what comes before would be sent again half a second later
            with suppress(subprocess.TimeoutExpired):
                far_end.wait(timeout=0.02)
            said = (self.folder / f"{scenario}.out").read_text(errors="replace")
            assert far_end.poll() is None and time.monotonic() < until, f"SIPp did not start: {said[-3000:]}"


def _is_bound(ip: str, port: int) -> bool:
    """Whether a process of this machine takes datagrams there."""
    address = f"{int.from_bytes(ip_address(ip).packed, 'little'):08X}:{port:04X} "
    return address in Path("/proc/net/udp").read_text(encoding="ascii")


def new_asterisk() -> Iterator[Asterisk]:
    """Give a switch with people and agents around it; all of it ends afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="dialer-asterisk-"))
    switch = Asterisk(folder)
    try:
        switch.prepare()
        switch.start()
        yield switch
    finally:
        switch.end()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def asterisk() -> Iterator[Asterisk]:
    """A switch for one test alone, without far ends until they are asked to play."""
    yield from new_asterisk()
