"""From a person's answer to the agent's voice in their ear: engine, Mosquitto, Asterisk 22 and SIPp on this machine.

The first instant is SIPp's own, when it sends its 200 OK; the last is that of the first packet with the agent's tone at
the person's address. Between them lie the switch, the gateway, the broker twice, the engine with its journal in memory,
and a frame of 20 ms. Nobody waits for an agent: there are enough. Bar: 150 ms in 99 of 100 calls, at 10 calls a second.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from dialer.domain.policy import PacingMode, PacingPolicy
from dialer.domain.records import Attempt
from tests.integration.asterisk_floor import AGENT_HZ, Behind, attempts_of, campaign_run, desk_settings, policy
from tests.servers.asterisk import Asterisk
from tests.servers.ear import Ear
from tests.servers.mosquitto import Mosquitto
from tests.servers.people import Story, stories

BAR_MS = 150.0
RATE = 10.0
SEATS = 40
RANGES = ("+441134960", "+441144960", "+441154960", "+441164960", "+441174960", "+441214960", "+442079460")
"""Numbers kept for fiction, a thousand to each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What one call's way took, in milliseconds."""

    heard: float  # from the answer until the engine had it
    joined: float  # from there until the engine knew the two to be joined
    voice: float  # from the answer until the agent was heard


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The ways of all calls that were joined, and what each part used of the processor, in ms per call."""

    ways: list[Way]
    cpu_ms: dict[str, float]


def people(calls: int) -> list[str]:
    """Give people who pick up within a second and hang up 0.8 s later."""
    digits = [f"2{ring}{odd}" for ring in range(10) for odd in (1, 3, 5, 7, 9)]
    return [f"{head}{each}" for head in RANGES for each in digits][:calls]


@contextmanager
def _servers() -> Iterator[tuple[Asterisk, Mosquitto, Ear]]:
    folder = Path(tempfile.mkdtemp(prefix="dialer-bench-"))
    (folder / "broker").mkdir()
    switch, broker = Asterisk(folder / "asterisk", agents=SEATS), Mosquitto(folder / "broker")
    ear = Ear(switch.people_ip)
    try:
        broker.start()
        switch.folder.mkdir()
        switch.prepare()
        switch.start()
        switch.play_people(ear.address)
        switch.play_agents()
        yield switch, broker, ear
    finally:
        ear.close()
        switch.end()
        broker.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _used_s(pids: Iterable[int]) -> float:
    """Give the processor time that processes have used."""
    fields = [Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2].split() for pid in pids]
    return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")


def measure(calls: int = 300) -> Measured:
    """Make so many calls at 10 a second."""
    with _servers() as (switch, broker, ear):
        pacing = PacingPolicy(mode=PacingMode.POWER, ratio=1.0, ring_timeout_s=5.0, has_detector=False)
        campaign = replace(policy(switch), pacing=pacing)
        settings = replace(desk_settings(switch, SEATS), detector=None)
        parts = {
            "engine, driver, both sides of the contract (Python)": [os.getpid()],
            "Mosquitto": [broker.pid],
            "Asterisk": [switch.pid],
            "SIPp, people and agents": switch.far_ends,
        }
        before = {name: _used_s(pids) for name, pids in parts.items()}
        store = asyncio.run(
            campaign_run(
                campaign,
                people(calls),
                lambda clock: Behind(settings, clock, broker.port),
                calls_per_second=RATE,
            )
        )
        cpu_ms = {name: 1000.0 * (_used_s(pids) - before[name]) / calls for name, pids in parts.items()}
        told = {story.number: story for story in stories(switch.people_log)}
        ways = [_way(each, told[each.number], ear) for each in attempts_of(store) if each.bridged_at is not None]
    return Measured(ways=[way for way in ways if way is not None], cpu_ms=cpu_ms)


def _way(attempt: Attempt, story: Story, ear: Ear) -> Way | None:
    answered_at, over_at = story.at("answer"), story.at("hangup", "bye")
    if answered_at is None or over_at is None or attempt.answered_at is None or attempt.bridged_at is None:
        return None
    heard_at = ear.first(story.port, answered_at, over_at + 0.2, AGENT_HZ)
    if heard_at is None:
        return None
    return Way(
        heard=1000.0 * (attempt.answered_at - answered_at),
        joined=1000.0 * (attempt.bridged_at - attempt.answered_at),
        voice=1000.0 * (heard_at - answered_at),
    )


def show(measured: Measured, console: Console) -> bool:
    """Print the tables; say whether the bar is met."""
    ways = measured.ways
    table = Table(title=f"{len(ways)} calls at {RATE:g} a second, load {os.getloadavg()[0]:.1f}; milliseconds")
    for column in ("", "p50", "p95", "p99", "most"):
        table.add_column(column, justify="left" if not column else "right")
    for name, values in (
        ("answer to engine", [way.heard for way in ways]),
        ("engine to joined, and back", [way.joined for way in ways]),
        ("answer to the agent's voice", [way.voice for way in ways]),
    ):
        spread = np.percentile(values, [50, 95, 99, 100])
        table.add_row(name, *(f"{value:.1f}" for value in spread))
    console.print(table)
    cost = Table(title="processor time per call, milliseconds; half a second of ringing, one of talk")
    cost.add_column("")
    cost.add_column("ms", justify="right")
    for name, cpu_ms in measured.cpu_ms.items():
        cost.add_row(name, f"{cpu_ms:.1f}")
    console.print(cost)
    worst = float(np.percentile([way.voice for way in ways], 99))
    console.print(f"answer to voice p99 {worst:.0f} ms, bar {BAR_MS:g} ms: {'met' if worst <= BAR_MS else 'MISSED'}")
    return worst <= BAR_MS


def main() -> None:
    """Run it."""
    show(measure(), Console())


if __name__ == "__main__":
    main()
