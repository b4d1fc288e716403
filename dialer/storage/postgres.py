"""A database on a PostgreSQL server: opening it, and saying clearly why that fails.

One rule governs this module: what the server complains of leaves as a `StorageError` that names the database and what
to do. What can be tried again as it is, a lost connection first of all, leaves as `DatabaseLost`.
"""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import conninfo

from dialer.errors import DatabaseLost, DiskFull, StorageError
from dialer.storage.database import Connection
from dialer.storage.postgres_connection import PostgresConnection, Raw, adapted, lock_number
from dialer.storage.proofs import check_keys, introduce
from dialer.storage.upgrade import Way, upgrade
from dialer.storage.vault import Vault
from dialer.storage.versions import OLDEST, SCHEMA_VERSION, found_version, note_version, refuse_version

_WAYS: dict[str, Any] = {
    "client_encoding": "UTF8",
    "connect_timeout": 5,
    "application_name": "dialer",
    # A server that is cut off is noticed within seconds, not hours.
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}
"""How to connect, unless the address says otherwise."""
_ANSWER_S = 5.0
# What is committed is on the disk, whatever the server does for others; and nobody waits for ever, least of all for
# a process that was stopped in the middle of a transaction.
_SETTINGS = """SET jit = off; SET temp_buffers = '64MB';
    SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '10s';
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"""
_READ_ONLY = "SET default_transaction_read_only = on; SET idle_in_transaction_session_timeout = '10min'"
_SCHEMA_LOCK = "schema"

_LOST = ("08", "57P", "40001", "40P01", "25P03", "25P04", "55P03", "53300")
"""Codes, or their beginnings, of what passes: no connection, a server that ends or begins, deadlocks and waits."""
_HINTS = (
    ("42501", "the user lacks a right: make the user the owner of the database, or grant it all on its schema"),
    ("25006", "the server takes no changes: it is a standby, or set to read only; name the one that does"),
    ("53200", "the server has no memory left: give it more, or see what uses it"),
)
_REFUSALS = (
    ("authentication failed", "the password or the user is wrong: see PGPASSWORD, PGPASSFILE or passfile= for it"),
    ("no password supplied", "the server wants a password: give it in PGPASSWORD, or in a file named by PGPASSFILE"),
    ("no pg_hba.conf entry", "the server lets this user or machine not in: see its pg_hba.conf"),
    (r'role ".*" does not exist', "there is no such user: see `createuser`"),
    (
        r'database ".*" does not exist',
        "there is no such database: make it with `createdb --encoding=UTF8 --template=template0`",
    ),
    ("permission denied for database", "the user may not connect to it: grant it CONNECT"),
)
"""How a server, or the way to it, refuses a connection until a person changes something; there are no codes yet."""


class PostgresDatabase:
    """A database of a PostgreSQL server; `folder` is where the files lie that belong to it."""

    def __init__(self, address: str, folder: Path) -> None:
        self.address = checked(address)
        self.folder = folder

    @property
    def name(self) -> str:
        """Its address; there is no password in it."""
        return self.address

    def require(self) -> None:
        """Raise StorageError where nothing is in it yet."""
        self.open_any().close()

    @property
    def shared_at(self) -> str | None:
        """The address at which other daemons reach it."""
        return self.address

    def has_sealed(self) -> bool:
        """Say whether there is a database with sealed values."""
        with self.explained(), closing(PostgresConnection(self._connect)) as connection:
            return connection.has_table("keys")

    def open_reader(self, vault: Vault) -> PostgresConnection:
        """Open an existing database for reading only."""
        with self.explained():
            connection = self.open_any()
            try:
                refuse_version(found_version(connection, self.name), self.name)
                check_keys(connection, vault, self.name)
            except BaseException:
                connection.close()
                raise
        return connection

    def open_writer(self, vault: Vault) -> PostgresConnection:
        """Open it for writing; make its tables, or bring them up to this version, first."""
        with self.explained():
            connection = PostgresConnection(self._connect)
            try:
                if self._is_old(connection):
                    upgrade(self.name, vault, self._upgrading())
                with connection.block("BEGIN"):
                    self._check_or_create(connection, vault)
            except BaseException:
                connection.close()
                raise
        return connection

    def open_any(self) -> PostgresConnection:
        """Open it to look at only, whatever version it is of; raise StorageError when there is nothing in it."""
        with self.explained():
            connection = PostgresConnection(self._connect_to_read)
            if not connection.has_table("meta"):
                connection.close()
                raise StorageError(
                    f"database {self.name}: it is empty yet; the daemon fills it, or `dialer leads import`"
                )
        return connection

    def transaction(self, connection: Connection) -> AbstractContextManager[None]:
        """Run a block as one transaction of a connection."""
        assert isinstance(connection, PostgresConnection)
        return connection.block("BEGIN")

    def quick_transaction(self, connection: Connection) -> AbstractContextManager[None]:
        """Run a block as one transaction whose statements do not wait for each other."""
        assert isinstance(connection, PostgresConnection)
        return connection.block("BEGIN", is_piped=True)

    def snapshot(self, connection: Connection) -> AbstractContextManager[None]:
        """Run a block that only reads on one state of the database."""
        assert isinstance(connection, PostgresConnection)
        return connection.block("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn PostgreSQL's errors into StorageErrors about this database."""
        try:
            yield
        except psycopg.Error as error:
            raise self._explain(error) from error

    # ------------------------------------------------------------------------------------ connecting
    def _connect(self) -> Raw:
        ways = _WAYS | conninfo.conninfo_to_dict(self.address)
        raw: Raw = adapted(Raw.connect(autocommit=True, **ways))
        raw.answer_s = _ANSWER_S
        raw.execute(_SETTINGS.encode())
        raw.answer_s = None
        return raw

    def _connect_to_read(self) -> Raw:
        raw = self._connect()
        raw.execute(_READ_ONLY.encode())
        return raw

    def _connect_to_upgrade(self) -> Raw:
        raw = self._connect()
        raw.autocommit = False
        raw.execute(b"SET idle_in_transaction_session_timeout = 0")
        return raw

    # ---------------------------------------------------------------------------------------- tables
    def _upgrading(self) -> Way:
        return Way(
            url="postgresql+psycopg://",
            connect=self._connect_to_upgrade,
            begin=f"SELECT pg_advisory_xact_lock({lock_number(_SCHEMA_LOCK)})",
            wrap=lambda driver: PostgresConnection(lambda: driver),
        )

    def _is_old(self, connection: PostgresConnection) -> bool:
        if not connection.has_table("meta"):
            return False
        return OLDEST <= found_version(connection, self.name) < SCHEMA_VERSION

    def _check_or_create(self, connection: PostgresConnection, vault: Vault) -> None:
        """Make the tables in an empty database; else accept only this version's. Of two at once one waits."""
        connection.hold(_SCHEMA_LOCK)
        if connection.has_table("meta"):
            refuse_version(found_version(connection, self.name), self.name)
            check_keys(connection, vault, self.name)
        else:
            self._create(connection)
        note_version(connection, SCHEMA_VERSION)
        introduce(connection, vault)

    def _create(self, connection: PostgresConnection) -> None:
        # SQLModel takes half a second to import and is needed nowhere else.
        from dialer.storage.schema import postgresql_statements

        encoding = str(next(iter(connection.execute("SHOW server_encoding")))[0])
        if encoding != "UTF8":
            raise StorageError(
                f"database {self.name}: expected the encoding UTF8, found {encoding}: make another with "
                "`createdb --encoding=UTF8 --template=template0`"
            )
        for statement in postgresql_statements():
            connection.execute(statement)
        meta = [("schema_version", SCHEMA_VERSION), ("next_lead_id", 1), ("next_call_id", 1)]
        connection.executemany("INSERT INTO meta (key, value) VALUES (?, ?)", meta)

    # ---------------------------------------------------------------------------------------- errors
    def _explain(self, error: psycopg.Error) -> StorageError:
        code = error.sqlstate
        if code == "53100":
            return DiskFull(f"database {self.name}: the server's disk is full: make room ({_said(error)})")
        if code is not None and code.startswith(_LOST):
            return DatabaseLost(f"database {self.name}: {_said(error)}; it can be tried again")
        if code is None and isinstance(error, psycopg.OperationalError):
            hint = next((hint for pattern, hint in _REFUSALS if re.search(pattern, str(error))), None)
            if hint is not None:
                return StorageError(f"database {self.name}: {hint} ({_said(error)})")
            return DatabaseLost(
                f"database {self.name}: no connection to the server: see whether it runs, and the address "
                f"({_said(error)})"
            )
        hint = next((hint for known, hint in _HINTS if known == code), "see PostgreSQL's message")
        return StorageError(f"database {self.name}: {hint} ({_said(error)})")


def checked(address: str) -> str:
    """Give an address back; raise StorageError for one that names no database, or that holds a password."""
    what = "expected an address such as postgresql://dialer@db.example:5432/dialer"
    try:
        parts = conninfo.conninfo_to_dict(address)
    except psycopg.ProgrammingError:
        # Not what was found: it may hold a password.
        raise StorageError(f"database: {what}, found something that PostgreSQL cannot read") from None
    if "password" in parts or "sslpassword" in parts:
        raise StorageError(
            "database: expected an address without a password, found one with: give it in the environment variable "
            "PGPASSWORD, or in a file for the user's eyes alone that PGPASSFILE or ?passfile= names"
        )
    if not address.startswith(("postgresql://", "postgres://")) or not parts.get("dbname"):
        raise StorageError(f"database: {what}, found {address!r}")
    return address


def _said(error: psycopg.Error) -> str:
    """Give the first line of what the server said; what follows it may quote values."""
    words = error.diag.message_primary or str(error).strip()
    return words.split("\n")[0]
