"""An empty database of each kind that the dialer keeps its records in, for tests that hold for both."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

import pytest

from dialer.storage.database import Connection, Database
from dialer.storage.postgres import PostgresDatabase
from dialer.storage.postgres_connection import PostgresConnection
from dialer.storage.sqlite import SqliteDatabase, open_file


@pytest.fixture(params=["sqlite", "postgres"])
def any_database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """An empty database, on SQLite and on PostgreSQL; its registers' files lie in the test's folder."""
    return a_database(request, tmp_path)


def a_database(request: pytest.FixtureRequest, folder: Path) -> Database:
    """An empty database of the kind that a fixture's parameter names."""
    if request.param == "sqlite":
        return SqliteDatabase(folder / "dialer.db")
    assert request.param == "postgres"
    return PostgresDatabase(request.getfixturevalue("postgres_address"), folder)


@pytest.fixture(params=["sqlite", "postgres"])
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Database]:
    """Makes empty databases of a kind, for a test that works through many examples, one after the other."""
    folders = (tmp_path / f"example-{number}" for number in count(1))
    if request.param == "sqlite":
        return lambda: SqliteDatabase(next(folders) / "dialer.db")
    address: str = request.getfixturevalue("postgres_address")

    def make() -> Database:
        database = PostgresDatabase(address, next(folders))
        _empty(database)
        return database

    return make


def _empty(database: PostgresDatabase) -> None:
    """Leave of a database what a new one has: tables cost far more to make than rows to delete."""
    with by_hand(database) as connection, database.transaction(connection):
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema").fetchall()
        for (table,) in tables:
            if table not in ("alembic_version", "meta"):
                connection.execute(f"DELETE FROM {table}")
        if tables:
            connection.execute("DELETE FROM meta WHERE key NOT IN ('schema_version', 'next_lead_id', 'next_call_id')")
            connection.execute("UPDATE meta SET value = 1 WHERE key <> 'schema_version'")


@pytest.fixture(params=["sqlite", "postgres"])
def database_line(request: pytest.FixtureRequest) -> str:
    """The line of a configuration that names an empty database: none for a file in the state folder."""
    return "" if request.param == "sqlite" else f'database = "{request.getfixturevalue("postgres_address")}"\n'


@contextmanager
def by_hand(database: Database) -> Iterator[Connection]:
    """A plain connection to a database, for looking at it and changing it behind the dialer's back."""
    if isinstance(database, SqliteDatabase):
        with closing(open_file(database.path)) as file:
            yield file
        return
    assert isinstance(database, PostgresDatabase)
    with closing(PostgresConnection(database._connect)) as server:
        yield server
