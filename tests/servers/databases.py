"""An empty database of each kind that the dialer keeps its records in, for tests that hold for both."""

from pathlib import Path

import pytest

from dialer.storage.database import Database
from dialer.storage.postgres import PostgresDatabase
from dialer.storage.sqlite import SqliteDatabase


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
