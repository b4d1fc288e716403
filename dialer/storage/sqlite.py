"""An SQLite database: opening it, and saying clearly why that fails.

One rule governs this module: what SQLite complains of leaves as a `StorageError` that names the file and what to do.
"""

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

from dialer.errors import DatabaseUnfit, DiskFull, StorageError
from dialer.storage.database import Connection
from dialer.storage.proofs import check_keys, introduce
from dialer.storage.sqlite_log import PAGES_MAX, LogEmptier
from dialer.storage.upgrade import Way, upgrade
from dialer.storage.upgrade_to_3 import PLAIN_TEXT_LEFT
from dialer.storage.vault import Vault
from dialer.storage.versions import OLDEST, SCHEMA_VERSION, found_version, note_version, refuse_version

BUSY_TIMEOUT_MS = 5000
_SCRUBS = 100
_EMPTIED_BY_ANOTHER = (1, -1, -1)  # what SQLite says when another connection is emptying the log: it waits for none

_HINTS = (
    ("not a database", "it is no SQLite database: name another path"),
    ("malformed", "the file is damaged: restore a backup"),
    ("readonly", "it cannot be written: check the owner and mode of the file and its folder"),
    ("unable to open", "it cannot be opened: check the owner and mode of the file and its folder, and its disk's room"),
    ("locked", f"another process kept it locked for {BUSY_TIMEOUT_MS / 1000:g} s: see what else uses it"),
)
_NO_ROOM = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)  # in the file or its log; in the log's index


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into StorageErrors about `path`."""
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) in _NO_ROOM:
            raise DiskFull(f"database {path}: the disk is full: make room ({error})") from error
        hint = next((hint for words, hint in _HINTS if words in str(error)), "see SQLite's message")
        raise StorageError(f"database {path}: {hint} ({error})") from error


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """Run a block as one transaction of a connection."""
    assert isinstance(connection, sqlite3.Connection)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A full disk or a failed write has ended the transaction already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


class SqliteConnection(sqlite3.Connection):
    """A connection as `dialer.storage.database` wants it: one writer at a time needs no locks of its own."""

    for_update = ""
    skip_claimed = ""
    has_many_writers = False
    _emptier: LogEmptier | None = None

    def empty_log_beside(self, path: Path) -> None:
        """Have the log emptied by a thread, from the first time on that this is asked for: commits do no longer."""
        if self._emptier is None:
            self.execute(f"PRAGMA wal_autocheckpoint = {PAGES_MAX}")
            self._emptier = LogEmptier(lambda: open_file(path))
        self._emptier.wake()

    def close(self) -> None:
        """Let go of the file."""
        if self._emptier is not None:
            self._emptier.close()
        super().close()

    def hold(self, name: str) -> None:
        """Do nothing: BEGIN IMMEDIATE keeps every other writer out."""

    def limit_waits(self, seconds: float) -> None:
        """Do nothing: a disk that never answers keeps the whole thread."""

    def tell(self, words: str) -> None:
        """Do nothing: no other daemon works on this file."""

    def stream(self, sql: str, parameters: Sequence[Any] = (), /) -> sqlite3.Cursor:
        """Run a SELECT; SQLite gives the rows of each a few at a time."""
        return self.execute(sql, parameters)

    def load(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Add rows, as fast as it goes."""
        marks = ", ".join("?" * len(columns))
        self.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)

    def upsert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Add rows, each in the place of the one that has the same first column."""
        changes = ", ".join(f"{name} = excluded.{name}" for name in columns[1:])
        marks = ", ".join("?" * len(columns))
        self.executemany(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"
            f" ON CONFLICT ({columns[0]}) DO UPDATE SET {changes}",
            rows,
        )

    def change(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Change some columns of rows that are there; the first column says of which."""
        changes = ", ".join(f"{name} = ?" for name in columns[1:])
        sql = f"UPDATE {table} SET {changes} WHERE {columns[0]} = ?"
        self.executemany(sql, [(*row[1:], row[0]) for row in rows])

    def make_private(self, name: str, like: str, columns: Sequence[str]) -> None:
        """Make an empty table for this connection alone, in the temporary file that SQLite removes by itself."""
        # What is written there goes into indexes at random: with little room each of their pages is written many times.
        for setting in ("temp.journal_mode = OFF", "temp.cache_size = -65536", "main.cache_size = -65536"):
            self.execute(f"PRAGMA {setting}")
        kinds = {row[1]: row[2] for row in self.execute(f"PRAGMA table_info({like})")}
        made = ", ".join(f"{column} {kinds[column]}" for column in columns)
        ending = "" if kinds[columns[0]] == "INTEGER" else "WITHOUT ROWID"
        self.execute(f"CREATE TEMPORARY TABLE {name} ({made}, PRIMARY KEY ({columns[0]})) {ending}")

    @contextmanager
    def glance(self) -> Iterator[None]:
        """Run a block of look-ups: each for itself costs twice the time, and too many in one keep the log from being
        emptied."""
        self.execute("BEGIN")
        try:
            yield
        finally:
            self.execute("COMMIT")

    def grown(self, *tables: str) -> None:
        """Do nothing: each statement says by its form which index it wants."""

    def has_table(self, name: str) -> bool:
        """Say whether there is a table of this name."""
        found = self.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (name,)).fetchone()
        return found is not None

    def among(self, column: str, values: Sequence[Any]) -> tuple[str, Sequence[Any]]:
        """Give the condition that a column has one of some values; SQLite takes 32,766 in a statement."""
        return f"{column} IN ({', '.join('?' * len(values))})", values

    def contains(self, column: str) -> str:
        """Give the condition that a column has the value of one `?` in it."""
        return f"instr({column}, ?) > 0"

    def shut(self, table: str) -> None:
        """Do nothing: nobody else is in a transaction that writes."""

    def scrub(self) -> None:
        """Move what the write-ahead log holds into the database, as far as nobody reads it: it has the old pages."""
        # Who writes waits meanwhile: much less long than a writer's patience, even beside somebody who reads for hours.
        self.execute("PRAGMA busy_timeout = 500")
        for _ in range(_SCRUBS):
            if self.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() != _EMPTIED_BY_ANOTHER:
                break
            time.sleep(0.02)  # a pass of the daemon's takes about as long
        self.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")


class SqliteDatabase:
    """A database in one file."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def name(self) -> str:
        """Its path."""
        return str(self.path)

    @property
    def folder(self) -> Path:
        """The folder that the file is in."""
        return self.path.parent

    def require(self) -> None:
        """Raise StorageError where there is no such file yet."""
        if not self.path.exists():
            raise StorageError(
                f"database {self.name}: there is none yet; the daemon makes it, or `dialer leads import`"
            )

    @property
    def shared_at(self) -> str | None:
        """Give None: a file is for one daemon alone."""
        return None

    def has_sealed(self) -> bool:
        """Say whether there is a database with sealed values at the path."""
        if not self.path.is_file():
            return False
        with explained(self.path), closing(open_file(self.path)) as connection:
            return connection.has_table("keys")

    def open_reader(self, vault: Vault) -> SqliteConnection:
        """Open an existing database for reading only."""
        return _open_reader(self.path, vault)

    def open_writer(self, vault: Vault) -> SqliteConnection:
        """Open it for writing, making it and its folder, for this user alone, where they do not exist."""
        return _open_writer(self.path, vault)

    def transaction(self, connection: Connection) -> AbstractContextManager[None]:
        """Run a block as one transaction of a connection."""
        return transaction(connection)

    @contextmanager
    def quick_transaction(self, connection: Connection) -> Iterator[None]:
        """The same, for whoever waits at the end of many: nothing is done then but to append to the log."""
        assert isinstance(connection, SqliteConnection)
        with transaction(connection):
            yield
        connection.empty_log_beside(self.path)

    @contextmanager
    def snapshot(self, connection: Connection) -> Iterator[None]:
        """Run a block that only reads on one state of the database."""
        connection.execute("BEGIN")
        try:
            yield
        finally:
            connection.execute("COMMIT")

    def explained(self) -> AbstractContextManager[None]:
        """Turn SQLite's errors into StorageErrors about this file."""
        return explained(self.path)


def _open_writer(path: Path, vault: Vault) -> SqliteConnection:
    _refuse_folder(path)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"database {path}: its folder cannot be made ({error.strerror})") from error
    _make_private(path)
    with explained(path):
        connection = _connect(path)
        try:
            if _is_old(connection, path):
                upgrade(str(path), vault, _upgrading(path))
            _check_or_create(connection, path, vault)
            _scrub(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def open_file(path: Path) -> SqliteConnection:
    """Connect to a file, whatever it is."""
    # Used by one thread at a time, as every connection here, but not by one for ever: see dialer.daemon.writer.
    return sqlite3.connect(
        path,
        timeout=BUSY_TIMEOUT_MS / 1000,
        isolation_level=None,
        check_same_thread=False,
        factory=SqliteConnection,
    )


def _connect(path: Path) -> SqliteConnection:
    """Connect for writing."""
    connection = open_file(path)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")  # what is erased is gone from the file's pages, too
    except BaseException:
        connection.close()
        raise
    return connection


def _upgrading(path: Path) -> Way:
    # Of its own accord SQLAlchemy begins nothing that a statement about tables would not end.
    return Way(url="sqlite://", connect=lambda: _connect(path), begin="BEGIN IMMEDIATE", wrap=lambda driver: driver)


def _is_old(connection: SqliteConnection, path: Path) -> bool:
    """Say whether there are tables of an earlier version, which can be brought up to date."""
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
        return False
    return OLDEST <= found_version(connection, str(path)) < SCHEMA_VERSION


def _open_reader(path: Path, vault: Vault) -> SqliteConnection:
    _refuse_folder(path)
    SqliteDatabase(path).require()
    with explained(path):
        connection = open_file(path)
        try:
            # Not mode=ro: the first reader after a clean shutdown has to make the WAL's index.
            connection.execute("PRAGMA query_only = ON")
            refuse_version(found_version(connection, str(path)), str(path))
            check_keys(connection, vault, str(path))
        except BaseException:
            connection.close()
            raise
    return connection


def _refuse_folder(path: Path) -> None:
    if path.is_dir():
        raise DatabaseUnfit(f"database {path}: expected a file, found a folder: name a file in it, such as dialer.db")


def _make_private(path: Path) -> None:
    """Make the file, readable by this user alone, if there is none; SQLite gives its WAL and index the same mode."""
    # O_EXCL: closing a file that is there already would drop the locks of this process's other connections to it.
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise StorageError(
            f"database {path}: it cannot be made ({error.strerror}): check the owner and mode of its folder"
        ) from error


def _check_or_create(connection: SqliteConnection, path: Path, vault: Vault) -> None:
    """Create the tables in an empty database; else accept only this version's."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
            _create(connection)
        else:
            refuse_version(found_version(connection, str(path)), str(path))
            check_keys(connection, vault, str(path))
        note_version(connection, SCHEMA_VERSION)
        introduce(connection, vault)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _scrub(connection: SqliteConnection, path: Path) -> None:
    """Take what an upgrade left behind in plain text out of the file: free pages, and the write-ahead log."""
    if connection.execute("SELECT 1 FROM meta WHERE key = ? AND value <> 0", (PLAIN_TEXT_LEFT,)).fetchone() is None:
        return
    connection.execute("VACUUM")
    is_busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    if is_busy:
        raise StorageError(
            f"database {path}: it is brought up to date, but another process still reads it as it was, in plain text: "
            "end that process, then start again"
        )
    connection.execute("DELETE FROM meta WHERE key = ?", (PLAIN_TEXT_LEFT,))


def _create(connection: SqliteConnection) -> None:
    # SQLModel takes half a second to import and is needed nowhere else.
    from dialer.storage.schema import sqlite_statements

    for statement in sqlite_statements():
        connection.execute(statement)
    meta = [("schema_version", SCHEMA_VERSION), ("next_lead_id", 1), ("next_call_id", 1)]
    connection.executemany("INSERT INTO meta (key, value) VALUES (?, ?)", meta)
