"""Bringing a database of an earlier version up to this one's tables, in place.

One rule governs this module: a step runs inside the transaction that its caller began and adds only what follows from
what is there, so that a crash leaves the old database, and every record still says what it said.
"""

import sqlite3
from collections.abc import Callable
from typing import Any

import msgspec

from dialer.errors import StorageError
from dialer.storage.upgrade_to_3 import seal_what_is_personal
from dialer.storage.vault import Vault

_CHUNK = 1000  # rows rewritten at once: a table may hold millions


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

    Version 1 kept neither: `allowed` becomes the calls started, and there is no runner-up.
    """
    # The defaults are for a daemon of version 1 that still runs: it goes on writing its own columns.
    connection.execute("ALTER TABLE decisions ADD COLUMN allowed INTEGER NOT NULL DEFAULT 0")
    connection.execute("ALTER TABLE decisions ADD COLUMN runner_up VARCHAR NOT NULL DEFAULT ''")
    connection.execute("ALTER TABLE decisions ADD COLUMN runner_up_calls INTEGER NOT NULL DEFAULT 0")
    connection.execute("UPDATE decisions SET allowed = calls")
    last_seq = -1
    mark = b'{"type":"RecordDecision",'
    while found := connection.execute(
        "SELECT seq, entry FROM journal WHERE seq > ? AND instr(entry, ?) ORDER BY seq LIMIT ?",
        (last_seq, mark, _CHUNK),
    ).fetchall():
        last_seq = found[-1][0]
        changed = [(_entry_2(seq, entry), seq) for seq, entry in found]
        connection.executemany("UPDATE journal SET entry = ? WHERE seq = ?", changed)


def _entry_2(seq: int, line: bytes) -> bytes:
    """Give a journal entry of version 1 as version 2 would have written it; what is no decision keeps its bytes."""
    try:
        entry: dict[str, msgspec.Raw] = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
        commands = msgspec.json.decode(entry["commands"], type=list[msgspec.Raw])
        entry["commands"] = msgspec.Raw(msgspec.json.encode([_command_2(command) for command in commands]))
    except (msgspec.MsgspecError, LookupError) as error:
        raise StorageError(
            f"journal entry {seq}: expected one entry of schema version 1, found something else ({error}): restore a "
            "backup, or name another path"
        ) from error
    return msgspec.json.encode(entry)


def _command_2(raw: msgspec.Raw) -> msgspec.Raw:
    command: dict[str, Any] = msgspec.json.decode(raw)
    if command["type"] != "RecordDecision":
        return raw
    decision: dict[str, Any] = {}
    for name, value in command["decision"].items():  # the order of the fields is part of the format
        decision[name] = value
        if name == "wanted":
            decision["allowed"] = command["decision"]["calls"]
        if name == "limited_by":
            decision |= {"runner_up": "", "runner_up_calls": 0}
    return msgspec.Raw(msgspec.json.encode(command | {"decision": decision}))


STEPS: dict[int, Callable[[sqlite3.Connection, Vault], None]] = {1: _name_the_runner_up, 2: seal_what_is_personal}
"""What leads from each version to the next."""
