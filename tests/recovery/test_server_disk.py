"""The disk of a PostgreSQL server is full: it is said, what was kept stays, and with room the same goes on."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from dialer.domain.commands import RecordAttempt
from dialer.errors import DiskFull
from dialer.storage.codec import Entry
from dialer.storage.postgres import PostgresDatabase
from dialer.storage.store import Store
from tests.recovery.test_processes import fill_up, small_disk
from tests.servers.postgres import PostgresServer
from tests.unit.storage.builders import VAULT, make_attempt

BATCH = 200
BATCHES_MAX = 500


@pytest.fixture
def disk(own_postgres: PostgresServer) -> Iterator[Path]:
    """A small disk, on which a server keeps one database, and nothing else: its write-ahead log has room."""
    folder = own_postgres.folder / "disk"
    with small_disk(folder, "24m"):
        owner = own_postgres.folder.stat()
        os.chown(folder, owner.st_uid, owner.st_gid)
        yield folder
        own_postgres.stop()


def batch(first: int) -> list[Entry]:
    """Entries with a call each."""
    return [
        Entry(seq=seq, at=float(seq), event=None, commands=(RecordAttempt(attempt=make_attempt(seq, float(seq))),))
        for seq in range(first, first + BATCH)
    ]


def test_a_full_disk_of_the_server_is_told_and_room_lets_the_same_batch_in(
    own_postgres: PostgresServer, disk: Path, tmp_path: Path
) -> None:
    """The batch that found no room is tried again as it is; what was durable before is there, and once."""
    with psycopg.connect(own_postgres.address("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE TABLESPACE small LOCATION '{disk}'")
        connection.execute("CREATE DATABASE small TEMPLATE template0 TABLESPACE small")
    with closing(Store(PostgresDatabase(own_postgres.address("small"), tmp_path), VAULT)) as store:
        store.commit_batch(batch(1))
        fill_up(disk / "filler")
        kept = 1
        with pytest.raises(DiskFull, match="the server's disk is full: make room"):
            for kept in range(1, BATCHES_MAX):
                store.commit_batch(batch(1 + kept * BATCH))
        assert store.next_seq() == 1 + kept * BATCH
        with pytest.raises(DiskFull):
            store.commit_batch(batch(1 + kept * BATCH))
        (disk / "filler").unlink()
        store.commit_batch(batch(1 + kept * BATCH))
        assert [entry.seq for entry in store.entries()] == list(range(1, 1 + (kept + 1) * BATCH))
        assert store.next_call_id() == 1 + (kept + 1) * BATCH
