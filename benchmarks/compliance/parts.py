"""What is measured, part by part, each beside its yardstick."""

import hashlib
import random
import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.compliance import setting
from benchmarks.compliance.setting import DAY_S, NOW, REGISTRY
from dialer.compliance.gate import Gate, Known
from dialer.config.rulesets import load_law
from dialer.domain.lead import Lead, PhoneNumber
from dialer.domain.standing import Consent, PastAttempt, RegistryCopy, Standing

MIB = 1024.0**2
DIALER = Path(sys.executable).parent / "dialer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A figure, its bar (None: only told), and the yardstick beside it."""

    what: str
    value: float
    unit: str
    bar: float | None
    yardstick: str

    @property
    def is_reached(self) -> bool:
        """Whether the bar was reached."""
        return self.bar is None or self.value <= self.bar


def verdicts(config: Path, times: int) -> list[Row]:
    """Ask one warm gate about Korean leads with a consent, a register and earlier attempts."""
    law = load_law(around=NOW)
    policy = setting.policy_of(config)
    gate = Gate(policy, law)
    copy = RegistryCopy(registry=REGISTRY, version="1", digest="", received_at=NOW - DAY_S, numbers=10_000_000)
    known = Known(registries={REGISTRY: copy})
    leads = [_lead(rank) for rank in range(1000)]
    for lead in leads:
        gate.decide(lead, lead.numbers[0], NOW, known)

    def ask(rank: int) -> None:
        lead = leads[rank % len(leads)]
        gate.decide(lead, lead.numbers[0], NOW + rank * 1e-3, known)

    return _in_microseconds("one verdict, warm cache", ask, times, 100.0)


def register(config: Path, numbers: int) -> list[Row]:
    """Bring in a register by the command, in a process of its own."""
    path = config.parent / "register.txt"
    setting.write_register(path, numbers)
    began = time.perf_counter()
    with path.open("rb") as file:
        for line in file:
            hashlib.blake2b(line, digest_size=8)
    yard_s = time.perf_counter() - began
    words = ("registry", "import", str(path), "--registry", REGISTRY, "--received-at", _instant(time.time() - DAY_S))
    took_s = command(config, *words).wall_s
    path.unlink()
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024.0 / MIB
    said = f"reading its lines and hashing each: {yard_s:.1f} s"
    what = f"import of a register of {numbers:,} numbers"
    return [
        Row(what=what, value=took_s, unit="s", bar=120.0, yardstick=said),
        Row(what=f"{what}, peak memory", value=peak, unit="MiB", bar=1024.0, yardstick=""),
    ]


def lookups(config: Path, times: int) -> list[Row]:
    """Look numbers up, half of which are on the register."""
    dice = random.Random(1)
    with setting.open_store(config) as store:
        copy = store.copies_in_use()[0]
        numbers = [setting.korean(dice.randrange(10_000_000)) for _ in range(5000)]
        numbers += [f"+81900{dice.randrange(10_000_000):07d}" for _ in range(5000)]
        dice.shuffle(numbers)
        store.is_listed(copy, numbers[0])

        def look(rank: int) -> None:
            store.is_listed(copy, numbers[rank % len(numbers)])

        return _in_microseconds("look-up in the register", look, times, 50.0)


def why_not(config: Path, leads: int) -> list[Row]:
    """Count a list by reason, with the command: from the start of the process to its end."""
    with closing(sqlite3.connect(config.parent / "state" / "dialer.db")) as connection:
        began = time.perf_counter()
        connection.execute("SELECT count(*), sum(length(numbers)) FROM leads").fetchone()
        yard_s = time.perf_counter() - began
    runs = [command(config, "why-not", setting.NAME, "--at", _instant(NOW)) for _ in range(3)]
    said = f"one pass over the table in SQLite: {yard_s:.2f} s"
    what = f"why-not over {leads:,} leads"
    return [
        Row(what=what, value=min(run.cpu_s for run in runs), unit="s", bar=5.0, yardstick=said),
        Row(what=f"{what}, by the wall", value=min(run.wall_s for run in runs), unit="s", bar=None, yardstick=said),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a process took, from its start to its end."""

    wall_s: float
    cpu_s: float


def command(config: Path, *words: str) -> Run:
    """Run a command of the command line to its end."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([DIALER, *words, "--config", config], check=True, stdout=subprocess.DEVNULL)
    wall_s, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Run(wall_s=wall_s, cpu_s=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def _in_microseconds(what: str, work: Callable[[int], None], times: int, bar: float) -> list[Row]:
    """Judge the 99th percentile by CPU time: the wall's grows with whatever else the machine has to do."""
    yard, found = percentiles(_loop, times), percentiles(work, times)
    said = f"a plain loop: p50 {yard.p50:.0f}, p99 {yard.p99:.0f}, wall p99 {yard.wall_p99:.0f} us"
    return [
        Row(what=f"{what}, p50", value=found.p50, unit="us", bar=None, yardstick=said),
        Row(what=f"{what}, p99", value=found.p99, unit="us", bar=bar, yardstick=said),
        Row(what=f"{what}, p99 by the wall", value=found.wall_p99, unit="us", bar=None, yardstick=said),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    """What calls took, in microseconds: of this thread's CPU time, and of the wall's."""

    p50: float
    p99: float
    wall_p99: float


def percentiles(work: Callable[[int], None], times: int) -> Percentiles:
    """Time each of so many calls."""
    cpu: list[int] = []
    wall: list[int] = []
    clock, wall_clock = time.thread_time_ns, time.perf_counter_ns
    for rank in range(times):
        wall_began, began = wall_clock(), clock()
        work(rank)
        cpu.append(clock() - began)
        wall.append(wall_clock() - wall_began)
    cpu.sort()
    wall.sort()
    at = int(times * 0.99)
    return Percentiles(p50=cpu[times // 2] / 1000.0, p99=cpu[at] / 1000.0, wall_p99=wall[at] / 1000.0)


def _instant(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _loop(_: int) -> None:
    """Fill a table with five hundred pairs: about as long as a verdict, and disturbed as much."""
    table: dict[int, tuple[int, int]] = {}
    for key in range(500):
        table[key] = (key, key)


def _lead(rank: int) -> Lead:
    """A Korean customer who agreed by day, and was called twice."""
    e164 = setting.korean(rank)
    number = PhoneNumber(e164=e164, kind="mobile", region="KR", zones=("Asia/Seoul",), jurisdictions=("KR",))
    consent = Consent(
        number=e164,
        seller=setting.SELLER,
        purposes=("telemarketing",),
        obtained_at=NOW - 100.0 * DAY_S,
        method="web form",
        source="order form",
        text_hash="0" * 64,
    )
    past = tuple(
        PastAttempt(call_id=call_id, number=e164, subject="telemarketing", at=NOW - call_id * 2.0 * DAY_S)
        for call_id in (2, 1)
    )
    standing = Standing(as_of_at=NOW, consents=(consent,), past=past)
    return Lead(lead_id=rank + 1, campaign=setting.NAME, numbers=(number,), shuffle=rank, standing=standing)
