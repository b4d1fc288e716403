"""How fast the daemon's driver runs on a real database, and how long a live answer waits for its agent.

A gateway in this process answers each order after a moment, agents say their word at once: what is measured is engine,
driver, writer and SQLite with full sync, on the machine's own clock. Open runs place calls at a steady rate; the closed
one goes round as fast as it can. Bar: a live answer's order to bridge leaves within 20 ms (p99) on an idle disk.
"""

import argparse
import asyncio
import platform
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.engine import policy
from dialer.daemon.clock import SystemClock
from dialer.daemon.driver import Driver
from dialer.domain.commands import BridgeCall, DeskCommand, GatewayCommand, HangUp, PlaceCall
from dialer.domain.events import (
    AgentLoggedIn,
    AgentReadied,
    CallAnswered,
    CallBridged,
    CallClassified,
    CallDisposed,
    CallReleased,
    CallRinging,
    CampaignLoaded,
    LawLoaded,
    LeadsImported,
)
from dialer.domain.lead import Lead, PhoneNumber
from dialer.domain.living import Living
from dialer.domain.policy import CampaignPolicy, PacingMode
from dialer.engine.engine import Engine
from dialer.ports import Sink
from dialer.simulator.law import no_law
from dialer.storage.codec import Entry
from dialer.storage.keyring import open_vault
from dialer.storage.sqlite import SqliteDatabase
from dialer.storage.store import Store

BAR_S = 0.020
AT_BAR = 10.0  # calls per second: the rate of the end-to-end bar
WARM_UP_S = 2.0


@dataclass
class Answering:
    """A gateway and its people: everybody answers after `answer_s`, talks for `talk_s`, and the agent says a word."""

    answer_s: float
    talk_s: float
    answered_at: dict[int, float] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)
    calls: int = 0

    async def run(self, sink: Sink) -> None:
        """Report until cancelled; what happens after that, nobody hears."""
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        try:
            await asyncio.Event().wait()
        finally:
            self._sink = lambda event, kept=None: None

    def send(self, command: GatewayCommand | DeskCommand) -> None:
        """Do what an order says, a moment later."""
        match command:
            case PlaceCall(call_id=call_id):
                self._loop.call_soon(self._sink, CallRinging(call_id=call_id))
                self._loop.call_later(self.answer_s, self._answer, call_id)
            case BridgeCall(call_id=call_id, agent_id=agent_id):
                self.waits.append(time.perf_counter() - self.answered_at.pop(call_id))
                self.calls += 1
                self._loop.call_soon(self._sink, CallBridged(call_id=call_id, agent_id=agent_id))
                self._loop.call_later(self.talk_s, self._end, call_id, agent_id)
            case HangUp(call_id=call_id):
                self._loop.call_soon(self._sink, CallReleased(call_id=call_id, by="engine"))
            case _:
                pass

    async def living(self, asked: Mapping[int, float]) -> Living:
        """Nothing is left of an earlier run."""
        return Living(calls=(), never=tuple(asked), agents=None)

    def _answer(self, call_id: int) -> None:
        self._sink(CallAnswered(call_id=call_id))
        self.answered_at[call_id] = time.perf_counter()
        self._sink(CallClassified(call_id=call_id, is_machine=False))

    def _end(self, call_id: int, agent_id: str) -> None:
        self._sink(CallReleased(call_id=call_id, by="callee"))
        self._sink(CallDisposed(call_id=call_id, agent_id=agent_id, disposition="done"))
        self._sink(AgentReadied(agent_id=agent_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run did after its warm-up."""

    calls: float  # connects per second
    events: float  # journal entries per second
    cpu: float  # share of one core
    p50_s: float  # from a live answer to the order to bridge
    p99_s: float
    worst_s: float


def filled(folder: Path, leads: int) -> tuple[Store, CampaignPolicy]:
    """A database with a list."""
    database = SqliteDatabase(folder / "dialer.db")
    store = Store(database, open_vault(folder / "keys.json", database))
    campaign = policy()
    campaign = replace(campaign, pacing=replace(campaign.pacing, mode=PacingMode.PROGRESSIVE))
    with store.importing(campaign, "bench.csv", "0" * 64, time.time()) as session:
        for rank in range(leads):
            number = PhoneNumber(e164=f"+44000{rank:07d}", kind="mobile", region="GB", zones=("Europe/London",))
            session.add(Lead(lead_id=0, campaign=campaign.name, numbers=(number,), shuffle=rank))
    return store, campaign


async def drive(folder: Path, *, agents: int, calls_per_second: float, for_s: float, talk_s: float) -> Run:
    """Let a floor work for a while."""
    store, campaign = filled(folder, int(for_s + WARM_UP_S + 5) * int(min(calls_per_second, 1000.0)) + 1000)
    entries = 0

    def count(_: Entry) -> None:
        nonlocal entries
        entries += 1

    gateway = Answering(answer_s=0.2 if talk_s else 0.0, talk_s=talk_s)
    driver = Driver(
        Engine(lines=2 * agents, calls_per_second=calls_per_second),
        store,
        gateway,
        SystemClock(),
        observers=(count,),
    )
    driver.post(LawLoaded(law=no_law(campaign.jurisdiction)))
    driver.post(CampaignLoaded(policy=campaign))
    driver.post(LeadsImported(campaign=campaign.name))
    tasks = [asyncio.ensure_future(gateway.run(driver.post)), asyncio.ensure_future(driver.run())]
    await asyncio.sleep(0.1)
    for rank in range(agents):
        driver.post(AgentLoggedIn(agent_id=f"agent-{rank}", groups=campaign.agents.groups))
        driver.post(AgentReadied(agent_id=f"agent-{rank}"))
    await asyncio.sleep(WARM_UP_S)
    gateway.waits.clear()
    gateway.calls, before = 0, entries
    began, began_cpu = time.perf_counter(), time.process_time()
    await asyncio.sleep(for_s)
    took, cpu, seen = time.perf_counter() - began, time.process_time() - began_cpu, entries - before
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    store.close()
    waits = sorted(gateway.waits)
    return Run(
        calls=gateway.calls / took,
        events=seen / took,
        cpu=cpu / took,
        p50_s=waits[len(waits) // 2],
        p99_s=waits[min(int(len(waits) * 0.99), len(waits) - 1)],
        worst_s=waits[-1],
    )


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.driving", description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0, help="of each run")
    asked = parser.parse_args(words)
    table = Table(title=f"driver, writer and SQLite with full sync, Python {platform.python_version()}, one process")
    for heading in ("run", "calls / s", "events / s", "CPU", "answer to bridge: p50", "p99", "worst"):
        table.add_column(heading, justify="right")
    runs: dict[str, Run] = {}
    for name, agents, rate, talk_s in (
        (f"{AT_BAR:.0f} calls/s", 40, AT_BAR, 2.0),
        ("100 calls/s", 400, 100.0, 2.0),
        ("200 calls/s", 800, 200.0, 2.0),
        ("as fast as it goes", 200, 1e6, 0.0),
    ):
        with tempfile.TemporaryDirectory(prefix="dialer-bench-") as folder:
            run = asyncio.run(
                drive(Path(folder), agents=agents, calls_per_second=rate, for_s=asked.seconds, talk_s=talk_s)
            )
        runs[name] = run
        times = [f"{1000.0 * each:.1f} ms" for each in (run.p50_s, run.p99_s, run.worst_s)]
        table.add_row(name, f"{run.calls:,.0f}", f"{run.events:,.0f}", f"{run.cpu:.0%}", *times)
    console = Console()
    console.print(table)
    at_bar = runs[f"{AT_BAR:.0f} calls/s"].p99_s
    console.print(
        f"bar: p99 <= {1000.0 * BAR_S:.0f} ms from a live answer to the order to bridge at {AT_BAR:.0f} calls/s: "
        f"{'reached' if at_bar <= BAR_S else 'missed'} ({1000.0 * at_bar:.1f} ms)"
    )


if __name__ == "__main__":
    main()
