"""What is measured, one function for each part, on either database.

One rule governs this module: each figure stands beside a yardstick of the same run, the same done by hand. On a busy
machine both fall.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.storage import filling
from benchmarks.storage.claiming import filled
from benchmarks.storage.grounds import BATCH, Ground
from benchmarks.storage.results import Result, quantile
from benchmarks.storage.setting import NAME, SELLER, open_store, policy_of, write_list
from dialer.daemon import pauses
from dialer.daemon.driver import AHEAD_MAX
from dialer.daemon.writer import Failed, Kept, Report, Stuck, Writer
from dialer.domain.commands import Command, PlaceCall, RecordAttempt
from dialer.domain.events import CallRinging
from dialer.domain.records import Attempt
from dialer.storage.codec import Entry
from dialer.storage.store import Store


def _run(script: str, *arguments: object) -> dict[str, Any]:
    """Run a function in a process of its own: the words are its module, its name and what it is called with."""
    program = f"import sys; from {script} import main; main(*sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        env={"PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{script}: {done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


# -------------------------------------------------------------------------------------------- import
def measure_import(ground: Ground, folder: Path, rows: int) -> list[Result]:
    """Import a list of so many rows in a process of its own."""
    config = ground.new(folder / "import")
    path = folder / "list.csv"
    write_list(path, rows)
    found = _run("benchmarks.storage.importing", config, path)
    took, cpu = found["took_s"], found["cpu_s"]
    return [
        Result(
            name="import",
            value=rows / took,
            unit="rows/s",
            bar=25_000,
            yardstick=rows / ground.write(config),
            note=f"{cpu / rows * 1e6:.0f} us of processor time a row, {cpu / took:.1f} processors at work",
        ),
        Result(
            name="import, peak memory",
            value=(found["peak_kib"] + 2 * found["helper_kib"]) / 1024,
            unit="MiB",
            bar=500,
            is_most=True,
            note="with two helpers as large as the largest",
        ),
    ]


# ------------------------------------------------------------------------------------------- journal
def entries(first: int, count: int) -> Iterator[Entry]:
    """What a floor writes: of three entries one orders a call with its attempt, the others are news of calls."""
    for seq in range(first, first + count):
        at = 1_773_144_000.0 + seq / 1000
        if seq % 3:
            yield Entry(seq=seq, at=at, event=CallRinging(call_id=seq // 3 + 1), commands=())
        else:
            yield Entry(seq=seq, at=at, event=None, commands=_order(seq // 3 + 1, at))


def _order(call_id: int, at: float) -> tuple[Command, ...]:
    number = filling.number_of(call_id)
    attempt = Attempt(
        call_id=call_id, campaign=NAME, lead_id=call_id, number=number, mode="predictive", placed_at=at, seller=SELLER
    )
    order = PlaceCall(
        call_id=call_id,
        campaign=NAME,
        lead_id=call_id,
        number=number,
        ring_timeout_s=22.0,
        caller_id=None,
        agent_id=None,
    )
    return (RecordAttempt(attempt=attempt), order)


def measure_journal(ground: Ground, folder: Path, count: int) -> list[Result]:
    """Commit entries in batches, as the daemon does: some are under way at once, and what waits becomes one commit."""
    config = ground.new(folder / "journal")
    batches = [list(entries(first, BATCH)) for first in range(1, count, BATCH)]
    with open_store(config) as store:
        store.register(policy_of(config))
        pauses.avoid()
        took, waits = asyncio.run(_committed(store, batches))
        size = int(next(store._rows("SELECT avg(length(entry)) FROM journal"))[0])
    done = len(batches) * BATCH
    by_hand = done / ground.append(config, len(batches), size)
    note = f"{BATCH} events each, {AHEAD_MAX} under way"
    return [
        Result(name="journal", value=done / took, unit="events/s", bar=5_000, yardstick=by_hand),
        Result(name="journal, commit p50", value=quantile(waits, 0.5), unit="ms", note=note),
        Result(name="journal, commit p99", value=quantile(waits, 0.99), unit="ms", bar=50, is_most=True),
    ]


async def _committed(store: Store, batches: list[list[Entry]]) -> tuple[float, list[float]]:
    """Hand batches over; give the seconds for all, and the milliseconds for each until it is on the disk."""
    waits: list[float] = []
    handed: deque[float] = deque()
    errors: list[BaseException] = []
    heard = asyncio.Event()

    def hear(report: Report) -> None:
        match report:
            case Kept(batches=kept):
                waits.extend((time.perf_counter() - handed.popleft()) * 1000 for _ in range(kept))
            case Failed(error=error) | Stuck(error=error):
                errors.append(error)
        heard.set()

    writer = Writer(store, hear)
    writer.start()
    began = time.perf_counter()
    for batch in batches:
        while len(handed) >= AHEAD_MAX and not errors:
            heard.clear()
            await heard.wait()
        if errors:
            raise errors[0]
        handed.append(time.perf_counter())
        writer.commit(batch)
    await writer.finish()
    return time.perf_counter() - began, waits


# ------------------------------------------------------------------------------------- restart, daemon
def measure_restart(ground: Ground, folder: Path, leads: int, seconds: float) -> list[Result]:
    """Start on a filled database, in a process of its own, until the first order to dial is durable; then go on."""
    config = filled(ground, folder, leads)
    found = _run("benchmarks.storage.restarting", config, seconds)
    called = filling.attempts_of(leads)
    return [
        Result(
            name=f"restart to first dial, {leads:,} leads, {called:,} attempts of today",
            value=found["first_s"],
            unit="s",
            bar=5,
            is_most=True,
            yardstick=ground.read(config),
            note=f"{found['first_cpu_s']:.1f} s of processor time",
        ),
        Result(
            name=f"running daemon with {leads:,} leads, peak memory",
            value=found["peak_kib"] / 1024,
            unit="MiB",
            bar=500,
            is_most=True,
            note=f"after {found['calls']} calls",
        ),
    ]
