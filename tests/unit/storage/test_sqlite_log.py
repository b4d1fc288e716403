"""The thread that empties an SQLite database's log beside its writer."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event

import pytest

from dialer.storage.sqlite_log import LogEmptier

PATIENCE_S = 60.0
ROWS = 2_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with an empty table, and nobody who empties its log at a commit."""
    path = tmp_path / "log.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE filler (body BLOB)")
    return path


@contextmanager
def writer(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection whose commits only append to the log."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        yield connection


def fill(connection: sqlite3.Connection) -> None:
    """Write so many pages that the file has to grow for them."""
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO filler VALUES (?)", [(bytes(3_000),)] * ROWS)
    connection.execute("COMMIT")


def wait_for_size(path: Path, size: int) -> None:
    """Wait until the file is so large."""
    until = time.monotonic() + PATIENCE_S
    while path.stat().st_size < size:
        assert time.monotonic() < until, f"still {path.stat().st_size} bytes, expected {size}"


def test_what_was_written_comes_into_the_file_beside_its_writer(path: Path) -> None:
    """Commits leave the file as it is; the thread moves their pages, and the log begins anew instead of growing."""
    log = path.with_name(path.name + "-wal")
    with writer(path) as connection:
        fill(connection)
        assert path.stat().st_size < ROWS * 3_000
        emptier = LogEmptier(lambda: sqlite3.connect(path), every_s=0.0)
        emptier.wake()
        wait_for_size(path, ROWS * 3_000)
        emptier.close()
        size = log.stat().st_size
        connection.execute("UPDATE filler SET body = x'00' WHERE rowid = 1")
        assert log.stat().st_size == size


def test_a_commit_does_not_wait_for_the_thread(path: Path) -> None:
    """A writer commits whatever the thread waits for: here, that its file can be opened at all."""
    may_open = Event()

    def connect() -> sqlite3.Connection:
        assert may_open.wait(PATIENCE_S)
        return sqlite3.connect(path)

    with writer(path) as connection:
        emptier = LogEmptier(connect, every_s=0.0)
        emptier.wake()
        fill(connection)
        may_open.set()
        wait_for_size(path, ROWS * 3_000)
        emptier.close()


def test_it_ends_where_the_file_cannot_be_opened(tmp_path: Path) -> None:
    """A thread that cannot open the file ends, and who wakes or closes it hears nothing: the log keeps everything."""
    emptier = LogEmptier(lambda: sqlite3.connect(tmp_path / "no folder" / "log.db"), every_s=0.0)
    emptier.wake()
    emptier.close()
