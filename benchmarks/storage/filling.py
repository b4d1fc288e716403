"""A database of millions of leads and a day of attempts, written by hand in the store's own form.

One rule governs this module: a row is what the store would have written. So many are sealed one by one that the law
finds nobody called too often; the others are theirs again, with another id, rank and key.
"""

import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice

from benchmarks.storage.setting import NAME, SELLER
from dialer.domain.lead import Lead, PhoneNumber
from dialer.domain.outcome import Outcome
from dialer.domain.records import Attempt
from dialer.engine.hopper import order_key
from dialer.storage import rows
from dialer.storage.database import Connection
from dialer.storage.store import Store


def next_noon(at: float) -> float:
    """Give noon of the next Tuesday: every calling hour is open then."""
    day = datetime.fromtimestamp(at, UTC).replace(hour=12, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return (day + timedelta(days=(1 - day.weekday()) % 7)).timestamp()


NOW = next_noon(time.time())
DAY_S = 86_400.0
ATTEMPTS = 20_000  # of today, one for each of the first leads
SEALED = 50_000  # leads that are sealed one by one, behind those that were called
_RANKS = 10_000_000
_STEP = 7_654_321  # has no factor in common with it: ranks are spread evenly
_ORDER = ("callback", "priority desc", "attempts asc", "shuffle")
_COLUMNS = rows.LEAD_COLUMNS
# Numbers of a fixed width, in the SQL that both databases know.
_RANK = f"(leads.lead_id + ?) * {_STEP} % {_RANKS}"
_CHANGED = {
    "lead_id": "leads.lead_id + ?",
    "shuffle": _RANK,
    "order_key": f"? || substr(CAST(10000000000 + {_RANK} AS TEXT), 2) || '|'"
    " || substr(CAST(1000000000000 + leads.lead_id + ? AS TEXT), 2)",
}
_AGAIN = f"""INSERT INTO leads ({", ".join(_COLUMNS)})
    SELECT {", ".join(_CHANGED.get(name, f"leads.{name}") for name in _COLUMNS)} FROM leads
    WHERE lead_id > ? AND lead_id <= ?"""


def number_of(rank: int) -> str:
    """A number that is nobody's, and is taken for a British one here: Britain keeps a thousand for fiction only."""
    return f"+82100{rank % 10_000_000:07d}"


def attempts_of(leads: int) -> int:
    """How many of so many leads were called today."""
    return min(ATTEMPTS, leads // 2)


def lead_of(rank: int, *, was_called: bool) -> Lead:
    """A lead as an import leaves it, or called today and due tomorrow."""
    number = PhoneNumber(
        e164=number_of(rank), kind="mobile", region="GB", zones=("Europe/London",), jurisdictions=("GB",)
    )
    lead = Lead(lead_id=rank, campaign=NAME, numbers=(number,), shuffle=rank * _STEP % _RANKS, name="Nobody")
    return lead if not was_called else replace(lead, attempts=1, due_at=NOW + DAY_S, last_outcome="no_answer")


def fill(store: Store, leads: int) -> None:
    """Fill the tables of a store that knows its campaign."""
    called = attempts_of(leads)
    sealed = min(called + SEALED, leads)
    whole = store.database.transaction  # in parts: a log of gigabytes would be written twice
    with closing(store.database.open_writer(store.vault)) as connection, _unsorted(connection):
        with whole(connection):
            connection.load("leads", _COLUMNS, _leads(store, called, sealed))
        for first in range(sealed, leads, SEALED):
            with whole(connection):
                _repeat(connection, called, first, min(SEALED, leads - first))
        numbers = _numbers(store, leads, sealed)
        while part := list(islice(numbers, SEALED)):
            with whole(connection):
                connection.load("lead_numbers", ("number_index", "campaign", "lead_id"), part)
        with whole(connection):
            connection.load("attempts", rows.ATTEMPT_COLUMNS, _attempts(store, called))
            connection.execute("UPDATE campaigns SET open_leads = ? WHERE name = ?", (leads, NAME))
            counters = [(leads + 1, "next_lead_id"), (called + 1, "next_call_id")]
            connection.executemany("UPDATE meta SET value = ? WHERE key = ?", counters)


@contextmanager
def _unsorted(connection: Connection) -> Iterator[None]:
    """Run a block with the indexes of the leads away, and make them at its end: that takes a fifth of the time."""
    is_sqlite = connection.for_update == ""
    if is_sqlite:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -262144")
        made = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'leads' AND sql IS NOT NULL"
    else:
        connection.execute("SET synchronous_commit = off")
        connection.execute("SET maintenance_work_mem = '256MB'")
        made = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'leads' AND indexdef LIKE '% WHERE %'"
    indexes = connection.execute(made).fetchall()
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}")
    yield
    for _, sql in indexes:
        connection.execute(sql)
    # On the disk before anything is measured: a daemon at work has no gigabytes behind it that are still to be written.
    for statement in ("ANALYZE", "PRAGMA wal_checkpoint(TRUNCATE)") if is_sqlite else ("VACUUM ANALYZE", "CHECKPOINT"):
        connection.execute(statement)
    os.sync()


def _leads(store: Store, called: int, sealed: int) -> Iterator[rows.Row]:
    for rank in range(1, sealed + 1):
        lead = lead_of(rank, was_called=rank <= called)
        values = rows.engine_values(lead, order_key(lead, _ORDER), store.vault)
        yield (rank, NAME, *values, *rows.list_values(lead, store.vault))


def _repeat(connection: Connection, called: int, first: int, count: int) -> None:
    """Write as many leads again as if they were others, with ids from `first` + 1 on."""
    by = first - called
    beginning = order_key(lead_of(called + 1, was_called=False), _ORDER)[: -len("|0000000000|000000000000") + 1]
    values = {"lead_id": (by,), "shuffle": (by,), "order_key": (beginning, by, by)}
    given = [value for name in _COLUMNS for value in values.get(name, ())]
    connection.execute(_AGAIN, (*given, called, called + count))


def _numbers(store: Store, leads: int, sealed: int) -> Iterator[tuple[bytes, str, int]]:
    """Who has which number: nobody finds those that repeat others, but they are in the way as in any list."""
    index = store.vault.index
    known = sorted((index(number_of(rank)), NAME, rank) for rank in range(1, sealed + 1))
    yield from known
    step = (1 << 64) // max(1, leads)
    for rank in range(sealed + 1, leads + 1):
        yield ((rank * step).to_bytes(8, "big") + b"repeated", NAME, rank)


def _attempts(store: Store, attempts: int) -> Iterator[rows.Row]:
    """Calls of the last hours, nobody answered, one in ten connected."""
    for call_id in range(1, attempts + 1):
        placed_at = NOW - 60.0 - 6 * 3600.0 * (1 - call_id / attempts)
        is_live = call_id % 10 == 0
        yield rows.attempt_values(
            Attempt(
                call_id=call_id,
                campaign=NAME,
                lead_id=call_id,
                number=number_of(call_id),
                mode="predictive",
                placed_at=placed_at,
                answered_at=placed_at + 8.0 if is_live else None,
                greeting_end_at=placed_at + 8.0 if is_live else None,
                bridged_at=placed_at + 9.0 if is_live else None,
                released_at=placed_at + 20.0,
                agent_id="a1" if is_live else None,
                is_live=is_live,
                outcome=Outcome.CONNECTED if is_live else Outcome.NO_ANSWER,
                disposition="done" if is_live else None,
                seller=SELLER,
                subject="survey",
            ),
            store.vault,
        )
