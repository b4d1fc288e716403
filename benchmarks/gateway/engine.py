"""Engine, SQLite, Mosquitto and loopback gateways under load, each a process of its own on this machine.

Two in three people pick up nothing; who does is joined to an agent. Measured after a warm-up: new calls per second, how
old news is when it is durable, how long an answer waits for its order to join, and the CPU time of each part per call.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.servers.mosquitto import Mosquitto

RATE = 200.0
LAG_BAR_MS = 250.0
BRIDGE_BAR_MS = 20.0
AT_BAR = 10.0  # calls per second at which the order to join is held to its bar
WARM_UP_S = 20.0
GATEWAYS = ("north", "south")
_TICKS = os.sysconf("SC_CLK_TCK")
_WORLD = """
[network]
lines = 4000
setup_s = { family = "uniform", low = 0.3, high = 0.7 }
[answers]
p_live = 0.25
ring_s = { family = "uniform", low = 1.0, high = 5.0 }
p_machine = 0.15
machine_after_s = 3.0
p_busy = 0.2
busy_after_s = 1.0
p_rejected = 0.2
rejected_after_s = 2.0
[detection]
human_after_s = 0.3
[talk]
talk_s = { family = "uniform", low = 2.0, high = 6.0 }
wrap_up_s = 1.0
[agents]
login_after_s = 0.1
login_every_s = 0.0
bridge_s = 0.05
"""
_CAMPAIGN = """
name = "bench"
seller = "Example"
purpose = "survey"
jurisdiction = "GB"
[list]
columns = { number = "phone" }
[pacing]
mode = "progressive"
detector = false
[abandonment]
starts_at = "answer"
time_zone = "Europe/London"
[agents]
groups = ["team"]
[dispositions]
done = { final = true, success = true }
"""
_GATEWAY = """
name = "{name}"
lines = 2000
[log]
format = "json"
[broker]
port = {port}
[loopback]
world = "world.toml"
agents = {agents}
campaigns = ["bench.toml"]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One run. CPU is in milliseconds per call placed; times are in milliseconds."""

    rate: float
    seconds: float
    calls: int
    connects: int
    lags: list[float]
    waits: list[float]
    cpu: dict[str, float]
    reasons: list[str]  # why each campaign dialed as it did, at the end

    @property
    def calls_per_second(self) -> float:
        """New calls a second."""
        return self.calls / self.seconds


def quantile(values: list[float], share: float) -> float:
    """Give a quantile of sorted values."""
    return values[min(int(share * len(values)), len(values) - 1)] if values else float("nan")


def measure(rate: float, for_s: float, *, warm_up_s: float = WARM_UP_S) -> Result:
    """Run everything at a rate for so many seconds after the warm-up."""
    agents = max(80, round(rate * 2.4))
    with _parts(agents) as (folder, port, pids):
        words = [str(folder), str(port), ",".join(GATEWAYS), str(rate), str(warm_up_s), str(for_s)]
        command = [sys.executable, "-m", "benchmarks.gateway.engine_side", *words]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as engine:
            assert engine.stdout is not None
            assert json.loads(engine.stdout.readline()) == {"measuring": True}
            before = {name: _cpu_s(pid) for name, pid in pids.items()}
            found: dict[str, Any] = json.loads(engine.stdout.readline())
            used = {name: _cpu_s(pid) - before[name] for name, pid in pids.items()}
    if found["dropped"]:
        raise RuntimeError(f"expected no message to be dropped, found {found['dropped']}")
    cpu = {"engine": found["cpu_s"], "broker": used.pop("broker"), "gateways": sum(used.values())}
    return Result(
        rate=rate,
        seconds=found["seconds"],
        calls=found["calls"],
        connects=found["connects"],
        lags=[1000.0 * each for each in found["lags"]],
        waits=[1000.0 * each for each in found["waits"]],
        cpu={name: 1000.0 * each / max(found["calls"], 1) for name, each in cpu.items()},
        reasons=found["reasons"],
    )


@contextmanager
def _parts(agents: int) -> Iterator[tuple[Path, int, dict[str, int]]]:
    """A broker and gateways that are ready, and their processes; the agents are at the first."""
    folder = Path(tempfile.mkdtemp(prefix="dialer-bench-"))
    broker = Mosquitto(folder)
    started: list[subprocess.Popen[str]] = []
    try:
        broker.start()
        (folder / "world.toml").write_text(_WORLD, encoding="utf-8")
        (folder / "bench.toml").write_text(_CAMPAIGN, encoding="utf-8")
        pids = {"broker": broker.pid}
        for rank, name in enumerate(GATEWAYS):
            text = _GATEWAY.format(name=name, port=broker.port, agents=0 if rank else agents)
            (folder / f"{name}.toml").write_text(text, encoding="utf-8")
            dialer = Path(sys.executable).parent / "dialer"
            gateway = subprocess.Popen(
                [dialer, "gateway", "loopback", "--config", str(folder / f"{name}.toml")],
                stderr=subprocess.PIPE,
                text=True,
            )
            started.append(gateway)
            pids[name] = gateway.pid
            assert gateway.stderr is not None
            line = gateway.stderr.readline()
            if "broker connected" not in line:
                raise RuntimeError(f"gateway {name}: expected it to connect, found {line}{gateway.stderr.read()}")
        yield folder, broker.port, pids
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.communicate(timeout=30)
        broker.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _cpu_s(pid: int) -> float:
    """Give the CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def show(results: list[Result], console: Console) -> bool:
    """Print the table; say whether the bars are met."""
    table = Table(title=f"engine, SQLite, Mosquitto, {len(GATEWAYS)} loopback gateways; load {os.getloadavg()[0]:.1f}")
    columns = ("asked", "calls/s", "s", "connects", "news p50", "p99", "answer to order p50", "p99")
    for column in (*columns, "CPU ms per call: engine", "broker", "gateways"):
        table.add_column(column, justify="right")
    for each in results:
        times = (quantile(each.lags, 0.5), quantile(each.lags, 0.99))
        times += (quantile(each.waits, 0.5), quantile(each.waits, 0.99))
        table.add_row(
            f"{each.rate:g}",
            f"{each.calls_per_second:.1f}",
            f"{each.seconds:.0f}",
            f"{each.connects:,}",
            *(f"{value:.1f} ms" for value in times),
            *(f"{each.cpu[name]:.2f}" for name in ("engine", "broker", "gateways")),
        )
    console.print(table)
    is_met = True
    for each in results:
        lag, wait = quantile(each.lags, 0.99), quantile(each.waits, 0.99)
        found = [(f"at {each.rate:g} calls/s: news p99 {lag:.0f} ms, bar {LAG_BAR_MS:g} ms", lag <= LAG_BAR_MS)]
        if each.rate <= AT_BAR:
            found.append((f"answer to order p99 {wait:.1f} ms, bar {BRIDGE_BAR_MS:g} ms", wait <= BRIDGE_BAR_MS))
        else:
            found.append((f"{each.calls_per_second:.1f} calls/s", each.calls_per_second >= 0.98 * each.rate))
        for text, is_so in found:
            console.print(f"{text}: {'met' if is_so else 'MISSED'}")
            is_met = is_met and is_so
        if each.calls_per_second < 0.9 * each.rate:
            console.print(f"what held the calls back at the end: {each.reasons[0]}")
    return is_met


def main(seconds: float = 60.0, rate: float = RATE) -> None:
    """Run it at the rate of the bar for answers, then at the rate of the bar for load."""
    show([measure(AT_BAR, min(seconds, 60.0)), measure(rate, seconds)], Console(width=160))
