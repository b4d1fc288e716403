"""What is measured on: a database of either kind, and the same work done on it by hand.

One rule governs this module: by hand means with as few statements as can be, on the same tables and indexes, with the
same sync; nothing is parsed, sealed, opened or judged.
"""

import os
import random
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psycopg

from benchmarks.storage.results import quantile
from benchmarks.storage.setting import KOREAN, NAME, make_folder
from dialer.config.settings import load_settings
from tests.servers.postgres import PostgresServer

BATCH = 50  # journal entries that the driver commits at once on a busy floor
_TABLES = ("leads", "lead_numbers")
_CLAIM = """UPDATE leads SET place = 2 WHERE lead_id IN
    (SELECT lead_id FROM leads WHERE campaign = {mark} AND place = 0 ORDER BY order_key LIMIT {mark}{lock})
    RETURNING *"""
_READ = (
    "SELECT * FROM attempts WHERE campaign = {mark} AND placed_at > 0",
    "SELECT * FROM leads WHERE campaign = {mark} AND place = 0 LIMIT 100",
)


class Ground(Protocol):
    """A kind of database."""

    title: str

    def new(self, folder: Path, campaign: str = KOREAN, start_at: float | None = None) -> Path:
        """Make a folder with a campaign and an empty database; give the configuration's path."""

    def write(self, config: Path) -> float:
        """Write the rows that an import made, as they are, into empty tables; give the seconds."""

    def append(self, config: Path, batches: int, size: int) -> float:
        """Write batches of blobs, each batch durable before the next; give the seconds."""

    def claim(self, config: Path, claims: int, count: int) -> float:
        """Claim with one statement each; give the 99th percentile in milliseconds."""

    def read(self, config: Path) -> float:
        """Read the day's attempts and the first leads with one statement each; give the seconds."""


def _claims(run: Any, claims: int) -> float:
    waits: list[float] = []
    for _ in range(claims):
        at = time.perf_counter()
        run()
        waits.append((time.perf_counter() - at) * 1000)
    return quantile(waits, 0.99)


def _blobs(size: int, batches: int) -> Iterator[list[tuple[int, float, bytes]]]:
    blob = random.Random(1).randbytes(size)
    for batch in range(batches):
        yield [(batch * BATCH + rank, 1.0, blob) for rank in range(BATCH)]


class SqliteGround:
    """A file."""

    title = f"SQLite {sqlite3.sqlite_version}"

    def new(self, folder: Path, campaign: str = KOREAN, start_at: float | None = None) -> Path:
        """Make a folder with a campaign; the database is made when it is opened."""
        return make_folder(folder, campaign, start_at)

    def write(self, config: Path) -> float:
        """Write with executemany into another file."""
        with closing(self._open(_file(config))) as source, closing(self._open(config.with_name("hand.db"))) as target:
            made = "SELECT sql FROM sqlite_master WHERE tbl_name IN (?, ?) AND sql IS NOT NULL"
            for (sql,) in source.execute(made, _TABLES).fetchall():
                target.execute(sql)
            began = time.perf_counter()
            target.execute("BEGIN")
            for table in _TABLES:
                rows = source.execute(f"SELECT * FROM {table}")
                target.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows.description))})", rows)
            target.execute("COMMIT")
            return time.perf_counter() - began

    def append(self, config: Path, batches: int, size: int) -> float:
        """Write with executemany into another file."""
        with closing(self._open(config.with_name("hand.db"))) as target:
            target.execute("CREATE TABLE journal (seq INTEGER PRIMARY KEY, at FLOAT, entry BLOB)")
            began = time.perf_counter()
            for lines in _blobs(size, batches):
                target.execute("BEGIN IMMEDIATE")
                target.executemany("INSERT INTO journal VALUES (?, ?, ?)", lines)
                target.execute("COMMIT")
            return time.perf_counter() - began

    def claim(self, config: Path, claims: int, count: int) -> float:
        """Claim by the index."""
        sql = _CLAIM.format(mark="?", lock="")
        with closing(self._open(_file(config))) as connection:

            def run() -> None:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(sql, (NAME, count)).fetchall()
                connection.execute("COMMIT")

            return _claims(run, claims)

    def read(self, config: Path) -> float:
        """Read twice."""
        with closing(self._open(_file(config))) as connection:
            began = time.perf_counter()
            for sql in _READ:
                connection.execute(sql.format(mark="?"), (NAME,)).fetchall()
            return time.perf_counter() - began

    @staticmethod
    def _open(path: Path) -> sqlite3.Connection:
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        return connection


def _file(config: Path) -> Path:
    return config.parent / "state" / "dialer.db"


@dataclass(frozen=True, slots=True)
class PostgresGround:
    """A server of its own."""

    server: PostgresServer

    @property
    def title(self) -> str:
        """The server's version."""
        with self._open("postgres") as connection:
            return f"PostgreSQL {connection.info.server_version // 10_000}"

    def new(self, folder: Path, campaign: str = KOREAN, start_at: float | None = None) -> Path:
        """Make a folder with a campaign and a database of the server."""
        return make_folder(folder, campaign, start_at, database=self.server.new_database())

    def write(self, config: Path) -> float:
        """Write with COPY into other tables of the same database."""
        with self._open(_address(config)) as source, self._open(_address(config)) as target:
            for table in _TABLES:
                target.execute(f"CREATE TABLE hand_{table} (LIKE {table} INCLUDING ALL)")
            began = time.perf_counter()
            with target.transaction(), source.transaction():
                for table in _TABLES:
                    with (
                        source.cursor().copy(f"COPY {table} TO STDOUT (FORMAT BINARY)") as rows,
                        target.cursor().copy(f"COPY hand_{table} FROM STDIN (FORMAT BINARY)") as into,
                    ):
                        for part in rows:
                            into.write(part)
            return time.perf_counter() - began

    def append(self, config: Path, batches: int, size: int) -> float:
        """Write with COPY into a table of the same database."""
        with self._open(_address(config)) as target:
            target.execute("CREATE TABLE hand_journal (seq bigint PRIMARY KEY, at float, entry bytea)")
            began = time.perf_counter()
            for lines in _blobs(size, batches):
                with target.transaction(), target.cursor().copy("COPY hand_journal FROM STDIN") as into:
                    for line in lines:
                        into.write_row(line)
            return time.perf_counter() - began

    def claim(self, config: Path, claims: int, count: int) -> float:
        """Claim by the index, passing over what others claim."""
        sql = _CLAIM.format(mark="%s", lock=" FOR UPDATE SKIP LOCKED")
        with self._open(_address(config)) as connection:
            return _claims(lambda: connection.execute(sql, (NAME, count)).fetchall(), claims)

    def read(self, config: Path) -> float:
        """Read twice."""
        with self._open(_address(config)) as connection:
            began = time.perf_counter()
            for sql in _READ:
                connection.execute(sql.format(mark="%s"), (NAME,)).fetchall()
            return time.perf_counter() - began

    def _open(self, name: str) -> psycopg.Connection[tuple[Any, ...]]:
        address = name if name.startswith("postgresql:") else self.server.address(name)
        return psycopg.connect(address, autocommit=True)


def _address(config: Path) -> str:
    address = load_settings(config).database
    if not isinstance(address, str):
        raise TypeError(f"{config}: expected the address of a server")
    return address


@contextmanager
def grounds(names: Sequence[str]) -> Iterator[list[Ground]]:
    """Give the kinds of databases that were asked for; a server runs as long as it is needed."""
    if "postgres" not in names:
        yield [SqliteGround()]
        return
    folder = Path(tempfile.mkdtemp(prefix="dialer-pg-"))
    quarter = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4  # of the memory, as its manual advises
    server = PostgresServer(folder, settings={"shared_buffers": f"{quarter >> 20}MB", "max_wal_size": "4GB"})
    try:
        server.make()
        server.start()
        yield [SqliteGround() if name == "sqlite" else PostgresGround(server) for name in names]
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
