"""Bringing a database of an earlier version up to this one's tables, in place.

One rule governs this module: a step runs inside the transaction that its caller began and adds only what follows from
what is there, so that a crash leaves the old database, and every record still says what it said.
"""

import sqlite3
from collections.abc import Callable

from dialer.storage.upgrade_to_3 import seal_what_is_personal
from dialer.storage.vault import Vault


def upgrade(connection: sqlite3.Connection, from_version: int, vault: Vault) -> None:
    """Take every step from `from_version` up to the newest; the caller looked that there is one.

    Whole tables and indexes that are new need no step.
    """
    # SQLModel takes half a second to import and is needed nowhere else.
    from dialer.storage.schema import sqlite_statements

    for version in range(from_version, max(STEPS) + 1):
        STEPS[version](connection, vault)
    for statement in sqlite_statements():
        connection.execute(statement)
    connection.execute("UPDATE meta SET value = ? WHERE key = 'schema_version'", (max(STEPS) + 1,))


def _name_the_runner_up(connection: sqlite3.Connection, _: Vault) -> None:
    """1 -> 2: decisions say what the limits left of what was wanted, and what would have bound next.

    Version 1 kept neither: `allowed` becomes the calls started, and there is no runner-up. The journal stays as it was
    written: `dialer.storage.upcasters` reads it.
    """
    # The defaults are for a daemon of version 1 that still runs: it goes on writing its own columns.
    connection.execute("ALTER TABLE decisions ADD COLUMN allowed INTEGER NOT NULL DEFAULT 0")
    connection.execute("ALTER TABLE decisions ADD COLUMN runner_up VARCHAR NOT NULL DEFAULT ''")
    connection.execute("ALTER TABLE decisions ADD COLUMN runner_up_calls INTEGER NOT NULL DEFAULT 0")
    connection.execute("UPDATE decisions SET allowed = calls")


STEPS: dict[int, Callable[[sqlite3.Connection, Vault], None]] = {1: _name_the_runner_up, 2: seal_what_is_personal}
"""What leads from each version to the next."""
