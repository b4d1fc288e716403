"""How far the journal had come is told beside the database: one that has less is not taken for the one of before."""

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from dialer.daemon.bookmark import NAME, Bookmark, forget
from dialer.domain.commands import PlaceCall
from dialer.errors import DatabaseUnfit
from dialer.storage.codec import Entry
from dialer.storage.database import Database
from dialer.storage.sqlite import SqliteDatabase
from dialer.storage.store import Store
from tests.servers.databases import by_hand
from tests.unit.storage.builders import VAULT


def entries(seqs: Iterable[int]) -> list[Entry]:
    """Entries of nothing."""
    return [Entry(seq=seq, at=1000.0, event=None, commands=()) for seq in seqs]


def order_to_dial(call_id: int) -> PlaceCall:
    """An order to dial somebody."""
    return PlaceCall(
        call_id=call_id,
        campaign="spring",
        lead_id=1,
        number="+447700900001",
        ring_timeout_s=22.0,
        caller_id=None,
        agent_id=None,
    )


def come_to(store: Store, folder: Path, seqs: Iterable[int]) -> None:
    """Keep entries and hear of them, as a daemon that ends then."""
    kept = entries(seqs)
    store.commit_batch(kept)
    with closing(Bookmark(folder, store.database, "main")) as bookmark:
        for entry in kept:
            bookmark.hear(entry)


def test_a_database_that_goes_on_is_the_one_of_before(any_database: Database, tmp_path: Path) -> None:
    """Also when the bookmark is some entries behind, or there is none yet."""
    with closing(Store(any_database, VAULT)) as store:
        Bookmark(tmp_path, any_database, "main").compare(store)
        come_to(store, tmp_path, range(1, 4))
        store.commit_batch(entries(range(4, 6)))
        bookmark = Bookmark(tmp_path, any_database, "main")
        bookmark.look_for_file()
        bookmark.compare(store)


def test_a_database_that_lost_its_journal_is_refused(any_database: Database, tmp_path: Path) -> None:
    """Until somebody says that it is meant; for another engine, and another database, the bookmark says nothing."""
    with closing(Store(any_database, VAULT)) as store:
        come_to(store, tmp_path, range(1, 4))
        with by_hand(any_database) as connection:
            connection.execute("DELETE FROM journal")
        with pytest.raises(DatabaseUnfit, match=r"ends without any entry, and had come to entry 3: .*bookmark\.json"):
            Bookmark(tmp_path, any_database, "main").compare(store)
        Bookmark(tmp_path, any_database, "south").compare(store)
        Bookmark(tmp_path, SqliteDatabase(tmp_path / "other.db"), "main").compare(store)
        forget(tmp_path)
        Bookmark(tmp_path, any_database, "main").compare(store)


def test_runs_and_calls_are_numbered_on_where_the_database_was_put_back(any_database: Database, tmp_path: Path) -> None:
    """A gateway that lived through it obeys no older run and dials no call again, so no number comes a second time."""
    runs, calls = [], []
    for following, call_id in ((1, 1), (40, 30), (7, 5), (7, 5), (90, 80)):
        with closing(Bookmark(tmp_path, any_database, "main")) as bookmark:
            runs.append(bookmark.begin_run(following))
            calls.append(bookmark.next_call(call_id))
            bookmark.hear(Entry(seq=following, at=1000.0, event=None, commands=(order_to_dial(calls[-1]),)))
        forget(tmp_path)
    assert (runs, calls) == ([1, 40, 41, 42, 90], [1, 30, 31, 32, 80])


def test_only_a_server_may_lack_the_last_moments(any_database: Database, tmp_path: Path) -> None:
    """A fail-over may cost them, and daemons go on; a file has lost nothing unless somebody put it back."""
    with closing(Store(any_database, VAULT)) as store:
        come_to(store, tmp_path, range(1, 4))
        with by_hand(any_database) as connection:
            connection.execute("DELETE FROM journal WHERE seq = 3")
        bookmark = Bookmark(tmp_path, any_database, "main")
        if any_database.shared_at is not None:
            bookmark.compare(store)
            return
        with pytest.raises(DatabaseUnfit, match="ends at entry 2, and had come to entry 3"):
            bookmark.compare(store)


def test_a_bookmark_that_cannot_be_read_or_written_stops_nobody(tmp_path: Path) -> None:
    """Cut short by the power, or in a folder that takes nothing: it is no part of what has to be kept."""
    database = SqliteDatabase(tmp_path / "dialer.db")
    (tmp_path / NAME).write_bytes(b'{"entry": 12, "data')
    with closing(Store(database, VAULT)) as store:
        Bookmark(tmp_path, database, "main").compare(store)
        come_to(store, tmp_path / "absent", range(1, 4))
    assert (tmp_path / NAME).stat().st_size < 20
