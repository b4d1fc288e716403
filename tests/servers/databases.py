"""An empty database of each kind that the dialer keeps its records in, for tests that hold for both."""

from pathlib import Path

import pytest

from dialer.storage.database import Database
from dialer.storage.postgres import PostgresDatabase
from dialer.storage.sqlite import SqliteDatabase


@pytest.fixture(params=["sqlite", "postgres"])
def any_database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """An empty database, on SQLite and on PostgreSQL; its registers' files lie in the test's folder."""
    if request.param == "sqlite":
        return SqliteDatabase(tmp_path / "dialer.db")
    return PostgresDatabase(request.getfixturevalue("postgres_address"), tmp_path)
