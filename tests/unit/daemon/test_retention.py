"""The daemon lets go of people once a day, beside its other work."""

import asyncio
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dialer.daemon.clock import ScaledClock
from dialer.daemon.logs import make_logger
from dialer.daemon.retention import erase_daily
from dialer.domain.commands import SaveLead
from dialer.domain.lead import LeadState
from dialer.domain.policy import EraseAfter, RetentionPolicy
from dialer.storage.database import Database
from dialer.storage.sqlite import SqliteDatabase
from dialer.storage.store import Store
from tests.laws import open_law
from tests.unit.storage.builders import VAULT, make_lead, make_policy

MARCH = 1773144000.0  # 2026-03-10 12:00 UTC
DAY = 86_400.0


def finished(database: Database, days: int) -> Store:
    """A database with one lead that was called on 10 March, and whose campaign keeps people for so many days."""
    policy = make_policy(retention=RetentionPolicy(erase_after=EraseAfter.DAYS, days=days))
    store = Store(database, VAULT)
    with store.importing(policy, "list.csv", "", MARCH) as session:
        session.add(make_lead(7, name="Jane Placeholder"))
    [lead] = store.leads(policy.name)
    done = replace(lead, state=LeadState.FINISHED, reason="sale", last_attempt_at=MARCH)
    store.apply([SaveLead(lead=done, order_key="k")])
    return store


async def work_until(store: Store, start_at: float, is_done: Callable[[float], bool], out: io.StringIO) -> None:
    """Let the daemon's part work, at a speed of a day in a tenth of a second, until `is_done` of the instant."""
    clock = ScaledClock(speed=10 * DAY, start_at=start_at)
    log = make_logger("info", "json", clock, stream=out)
    work = asyncio.ensure_future(erase_daily(open_law, store, clock, log))
    while not is_done(clock.now()) and clock.now() < start_at + 1000 * DAY:
        await clock.sleep_until(clock.now() + DAY)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)


def people(store: Store) -> list[tuple[str, str]]:
    """The names in the database, and the reasons of their leads."""
    return [(lead.name, lead.reason) for lead in store.leads("spring")]


def test_people_are_let_go_when_their_time_has_come(any_database: Database) -> None:
    """Not before; then without being asked, with a line in the log that names nobody."""
    out = io.StringIO()
    with finished(any_database, 300) as store:
        asyncio.run(work_until(store, MARCH, lambda now: now > MARCH + 2 * DAY, out))
        assert people(store) == [("Jane Placeholder", "sale")]
        asyncio.run(work_until(store, MARCH + 299 * DAY, lambda _: "retention" in out.getvalue(), out))
        assert people(store) == [("", "erased")]
    [line] = [json.loads(text) for text in out.getvalue().splitlines()]
    assert (line["event"], line["erased_leads"]) == ("retention", 1)


def test_trouble_is_logged_and_no_end(tmp_path: Path) -> None:
    """A database that cannot be opened now may be there tomorrow."""
    out = io.StringIO()
    with finished(SqliteDatabase(tmp_path / "dialer.db"), 30) as store:
        path = tmp_path / "dialer.db"
        path.rename(tmp_path / "away.db")
        path.mkdir()
        asyncio.run(work_until(store, MARCH + 40 * DAY, lambda _: bool(out.getvalue()), out))
    line = json.loads(out.getvalue().splitlines()[0])
    assert (line["event"], line["level"], line["again"]) == ("retention failed", "error", "in a day")
