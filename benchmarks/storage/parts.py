"""What is measured, one function for each part. All take a store's makers, so that another database can be put in.

One rule governs this module: each figure stands beside a yardstick of the same run, the same rows written by hand with
`executemany` or read with one statement. On a busy machine both fall.
"""

import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.storage import filling
from benchmarks.storage.setting import BRITISH, NAME, SELLER, make_folder, open_store, policy_of, write_list
from dialer.domain.commands import Command, PlaceCall, RecordAttempt, SaveLead
from dialer.domain.events import CallRinging
from dialer.domain.lead import Lead, LeadState
from dialer.domain.outcome import Outcome
from dialer.domain.records import Attempt
from dialer.engine.hopper import order_key
from dialer.storage.codec import Entry
from dialer.storage.store import Store

BATCH = 50  # entries that the driver commits at once on a busy floor
CLAIM = 100  # leads
UPDATES = 2 * CLAIM  # calls updated between two claims, as in a second


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A figure, its bar, and the yardstick. `is_most`: the bar is the most that it may be, not the least."""

    name: str
    value: float
    unit: str
    bar: float | None = None
    is_most: bool = False
    yardstick: float | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        """Say whether it holds."""
        if self.bar is None:
            return ""
        return "holds" if (self.value <= self.bar if self.is_most else self.value >= self.bar) else "short"


def quantile(values: list[float], share: float) -> float:
    """Give the value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


# -------------------------------------------------------------------------------------------- import
_IMPORT = """
import resource, sys, time
from pathlib import Path
from benchmarks.storage.setting import open_store, policy_of
from dialer.daemon.imports import import_list

def main():
    config, path = Path(sys.argv[1]), Path(sys.argv[2])
    policy = policy_of(config)
    with open_store(config) as store:
        began = time.perf_counter()
        report = import_list(path, policy, store, time.time())
        took = time.perf_counter() - began
    assert report.loaded + report.merged == report.rows, report.reasons
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    helper = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(took, peak, helper)

if __name__ == "__main__":
    main()
"""


def measure_import(folder: Path, rows: int) -> list[Result]:
    """Import a list of so many rows in a process of its own."""
    config = make_folder(folder / "import")
    path = folder / "list.csv"
    write_list(path, rows)
    script = folder / "import.py"
    script.write_text(_IMPORT, encoding="utf-8")
    command = [sys.executable, script, config, path]
    done = subprocess.run(command, env={"PYTHONPATH": ":".join(sys.path)}, capture_output=True, text=True, check=True)
    took, peak, helper = map(float, done.stdout.split())
    by_hand = rows / _by_hand(config, folder / "by-hand.db")
    # Two helpers at most are counted: the largest of them twice.
    memory = (peak + 2 * helper) / 1024
    return [
        Result(name="import", value=rows / took, unit="rows/s", bar=25_000, yardstick=by_hand),
        Result(name="import, peak memory", value=memory, unit="MiB", bar=500, is_most=True, note="with two helpers"),
    ]


def _by_hand(config: Path, path: Path) -> float:
    """Write the rows that the import made, as they are, into the same tables of an empty database."""
    with closing(sqlite3.connect(config.parent / "state" / "dialer.db")) as source:
        made = [
            sql
            for (sql,) in source.execute("SELECT sql FROM sqlite_master WHERE tbl_name IN ('leads', 'lead_numbers')")
        ]
        began = time.perf_counter()
        with closing(sqlite3.connect(path, isolation_level=None)) as target:
            target.execute("PRAGMA journal_mode = WAL")
            target.execute("PRAGMA synchronous = FULL")
            for sql in made:
                if sql is not None:
                    target.execute(sql)
            target.execute("BEGIN")
            for table in ("leads", "lead_numbers"):
                rows = source.execute(f"SELECT * FROM {table}")
                marks = ", ".join("?" * len(rows.description))
                target.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
            target.execute("COMMIT")
        return time.perf_counter() - began


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


def measure_journal(folder: Path, count: int) -> list[Result]:
    """Commit entries in the driver's batches, each batch durable before the next."""
    config = make_folder(folder / "journal")
    waits: list[float] = []
    with open_store(config) as store:
        store.register(policy_of(config))
        batches = [list(entries(first, BATCH)) for first in range(1, count, BATCH)]
        began = time.perf_counter()
        for batch in batches:
            at = time.perf_counter()
            store.commit_batch(batch)
            waits.append((time.perf_counter() - at) * 1000)
        took = time.perf_counter() - began
        size = next(store._rows("SELECT cast(avg(length(entry)) AS INTEGER) FROM journal"))[0]
    by_hand = _appended_by_hand(folder / "journal-by-hand.db", len(batches), size)
    done = len(batches) * BATCH
    return [
        Result(name="journal", value=done / took, unit="events/s", bar=5_000, yardstick=done / by_hand),
        Result(name="journal, commit p50", value=quantile(waits, 0.5), unit="ms", note=f"{BATCH} events each"),
        Result(name="journal, commit p99", value=quantile(waits, 0.99), unit="ms", bar=50, is_most=True),
    ]


def _appended_by_hand(path: Path, batches: int, size: int) -> float:
    """Write as many batches of blobs of the same size, full sync."""
    blob = random.Random(1).randbytes(size)
    with closing(sqlite3.connect(path, isolation_level=None)) as target:
        target.execute("PRAGMA journal_mode = WAL")
        target.execute("PRAGMA synchronous = FULL")
        target.execute("CREATE TABLE journal (seq INTEGER PRIMARY KEY, at FLOAT, entry BLOB)")
        began = time.perf_counter()
        for batch in range(batches):
            target.execute("BEGIN IMMEDIATE")
            lines = [(batch * BATCH + rank, 1.0, blob) for rank in range(BATCH)]
            target.executemany("INSERT INTO journal VALUES (?, ?, ?)", lines)
            target.execute("COMMIT")
        return time.perf_counter() - began


# -------------------------------------------------------------------------------------- claim, restart
def measure_claims(folder: Path, leads: int, claims: int) -> list[Result]:
    """Claim due leads while calls are updated; the one store does both in turn, as the daemon's driver does."""
    config = filled(folder, leads)
    waits: list[float] = []
    with open_store(config) as store:
        policy = policy_of(config)
        store.register(policy)
        for rank in range(claims):
            at = time.perf_counter()
            claimed = store.claim(NAME, CLAIM, filling.NOW)
            waits.append((time.perf_counter() - at) * 1000)
            _call(store, claimed.leads, policy.list.order, filling.NOW + rank)
        by_hand = _claimed_by_hand(config.parent / "state" / "dialer.db", claims)
    name = f"claim of {CLAIM} at {leads:,} leads"
    return [
        Result(name=f"{name}, p50", value=quantile(waits, 0.5), unit="ms"),
        Result(
            name=f"{name}, p99", value=quantile(waits, 0.99), unit="ms", bar=20, is_most=True, yardstick=by_hand,
            note=f"{UPDATES} calls updated before the next",
        ),
    ]  # fmt: skip


def _call(store: Store, leads: Sequence[Lead], order: tuple[str, ...], now: float) -> None:
    """Update each lead's call twice, as in a busy second: placed, and over without an answer."""
    first = store.next_call_id()
    calls = [
        Attempt(
            call_id=first + rank,
            campaign=NAME,
            lead_id=lead.lead_id,
            number=lead.numbers[0].e164,
            mode="predictive",
            placed_at=now,
            seller=SELLER,
        )
        for rank, lead in enumerate(leads)
    ]
    store.apply([RecordAttempt(attempt=call) for call in calls])
    commands: list[Command] = []
    for call, lead in zip(calls, leads, strict=True):
        later = replace(lead, state=LeadState.PENDING, due_at=now + 3600.0, attempts=lead.attempts + 1, standing=None)
        commands += [
            RecordAttempt(attempt=replace(call, released_at=now + 20.0, outcome=Outcome.NO_ANSWER)),
            SaveLead(lead=later, order_key=order_key(later, order)),
        ]
    store.apply(commands)


def _claimed_by_hand(path: Path, claims: int) -> float:
    """The 99th percentile of one statement that claims by the index and opens nothing."""
    waits: list[float] = []
    sql = (
        "UPDATE leads SET place = 2 WHERE lead_id IN"
        " (SELECT lead_id FROM leads WHERE campaign = ? AND place = 0 ORDER BY order_key LIMIT ?) RETURNING *"
    )
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        for _ in range(claims):
            at = time.perf_counter()
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(sql, (NAME, CLAIM)).fetchall()
            connection.execute("COMMIT")
            waits.append((time.perf_counter() - at) * 1000)
    return quantile(waits, 0.99)


def filled(folder: Path, leads: int) -> Path:
    """Give a configuration whose database has so many leads and a day's attempts; it is filled once."""
    config = folder / f"filled-{leads}" / "config.toml"
    if not config.exists():
        config = make_folder(config.parent, BRITISH, filling.NOW)
        with open_store(config) as store:
            store.register(policy_of(config))
            filling.fill(store, leads)
    return config


_RESTART = """
import sys, time
from pathlib import Path
began = time.perf_counter()
from benchmarks.storage.restarting import restart
print(restart(Path(sys.argv[1])) - began)
"""


def measure_restart(folder: Path, leads: int) -> list[Result]:
    """Start on a filled database, in a process of its own, until the first order to dial is durable."""
    config = filled(folder, leads)
    command = [sys.executable, "-c", _RESTART, config]
    done = subprocess.run(command, env={"PYTHONPATH": ":".join(sys.path)}, capture_output=True, text=True, check=True)
    by_hand = _read_by_hand(config.parent / "state" / "dialer.db")
    name = f"restart to first dial, {leads:,} leads, {filling.attempts_of(leads):,} attempts of today"
    return [Result(name=name, value=float(done.stdout), unit="s", bar=5, is_most=True, yardstick=by_hand)]


def _read_by_hand(path: Path) -> float:
    """Read the day's attempts and the first leads with one statement each."""
    with closing(sqlite3.connect(path)) as connection:
        began = time.perf_counter()
        connection.execute("SELECT * FROM attempts WHERE campaign = ? AND placed_at > 0", (NAME,)).fetchall()
        connection.execute("SELECT * FROM leads WHERE campaign = ? AND place = 0 LIMIT 100", (NAME,)).fetchall()
        return time.perf_counter() - began
