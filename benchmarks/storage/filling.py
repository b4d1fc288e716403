"""A database of millions of leads and a day of attempts, written by hand in the store's own form.

One rule governs this module: a row is what the store would have written, but all share one name and one rank on the
list, and none is found by its number.
"""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from benchmarks.storage.setting import NAME, SELLER
from dialer.domain.lead import Lead, PhoneNumber
from dialer.domain.outcome import Outcome
from dialer.domain.records import Attempt
from dialer.engine.hopper import order_key
from dialer.storage import rows
from dialer.storage.store import Store
from dialer.storage.writing import insert


def next_noon(at: float) -> float:
    """Give noon of the next Tuesday: every calling hour is open then."""
    day = datetime.fromtimestamp(at, UTC).replace(hour=12, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return (day + timedelta(days=(1 - day.weekday()) % 7)).timestamp()


NOW = next_noon(time.time())
DAY_S = 86_400.0
ATTEMPTS = 20_000  # of today, one for each of the first leads
CHUNK = 10_000
_ORDER = ("callback", "priority desc", "attempts asc", "shuffle")


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
    lead = Lead(lead_id=rank, campaign=NAME, numbers=(number,), shuffle=rank * 7_654_321 % 10_000_000, name="Nobody")
    return lead if not was_called else replace(lead, attempts=1, due_at=NOW + DAY_S, last_outcome="no_answer")


def fill(store: Store, leads: int) -> None:
    """Fill the tables of a store that knows its campaign."""
    with closing(store.database.open_writer(store.vault)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -262144")
        connection.execute("BEGIN")
        connection.executemany(insert("leads", rows.LEAD_COLUMNS), _leads(store, leads))
        connection.executemany(insert("attempts", rows.ATTEMPT_COLUMNS), _attempts(store, attempts_of(leads)))
        connection.execute("UPDATE campaigns SET open_leads = ? WHERE name = ?", (leads, NAME))
        counters = [(leads + 1, "next_lead_id"), (attempts_of(leads) + 1, "next_call_id")]
        connection.executemany("UPDATE meta SET value = ? WHERE key = ?", counters)
        connection.execute("COMMIT")
        connection.execute("ANALYZE")


def _leads(store: Store, leads: int) -> Iterator[rows.Row]:
    key_at = 2 + rows.ENGINE_COLUMNS.index("order_key")
    numbers_at = 2 + rows.ENGINE_COLUMNS.index("numbers")
    listed_at = 2 + len(rows.ENGINE_COLUMNS)
    lead = lead_of(1, was_called=False)
    same: rows.Row = (1, NAME, *rows.engine_values(lead, "", store.vault), *rows.list_values(lead, store.vault))
    for rank in range(1, leads + 1):
        was_called = rank <= attempts_of(leads)
        lead = lead_of(rank, was_called=was_called)
        key = order_key(lead, _ORDER)
        if was_called:
            yield (rank, NAME, *rows.engine_values(lead, key, store.vault), *same[listed_at:])
        else:
            numbers = rows.number_values(lead.numbers, store.vault)
            yield (rank, *same[1:key_at], key, *same[key_at + 1 : numbers_at], *numbers, *same[listed_at:])


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
