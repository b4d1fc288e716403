"""The stores that one contract holds for."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dialer.storage.memory import MemoryStore
from dialer.storage.store import Store
from tests.servers.databases import a_database
from tests.unit.storage.builders import VAULT
from tests.unit.storage.people import AnyStore


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyStore]:
    """An empty store of each kind."""
    if request.param == "memory":
        yield MemoryStore()
        return
    with closing(Store(a_database(request, tmp_path), VAULT)) as made:
        yield made
