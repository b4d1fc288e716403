"""The step from schema version 2 to 3: numbers, names and the journal are sealed, numbers are found by keyed hash.

One rule governs this module: it speaks of the tables as they were in versions 2 and 3, whatever later versions make of
them. It runs inside its caller's transaction; the plain text that stays behind in the file's free pages and in the
write-ahead log is the caller's to remove, and `PLAIN_TEXT_LEFT` says so until it is done.
"""

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from dialer.domain.lead import Callback, Lead
from dialer.engine.hopper import order_key
from dialer.errors import StorageError
from dialer.storage.vault import Vault

PLAIN_TEXT_LEFT = "plain_text_left"
"""The key in `meta` that says that the file still has to be freed of what was in it before it was sealed."""
_CHUNK = 1000  # rows rewritten at once: a table may hold millions

_Row = tuple[Any, ...]

_TABLES = (
    "DROP INDEX leads_ready",
    "DROP INDEX leads_waiting",
    "DROP INDEX leads_claimed",
    "DROP INDEX lead_numbers_e164",
    "ALTER TABLE leads RENAME TO leads_2",
    "ALTER TABLE lead_numbers RENAME TO lead_numbers_2",
    "ALTER TABLE blocked RENAME TO blocked_2",
    "ALTER TABLE attempts RENAME TO attempts_2",
    "DROP INDEX attempts_placed_at",
    "DROP INDEX attempts_campaign_placed_at",
    "DROP INDEX attempts_open",
    "DROP INDEX attempts_live",
    """CREATE TABLE leads (
        lead_id INTEGER NOT NULL, campaign VARCHAR NOT NULL, place INTEGER NOT NULL, order_key VARCHAR NOT NULL,
        due_at FLOAT NOT NULL, reason VARCHAR NOT NULL, attempts INTEGER NOT NULL, tries VARCHAR NOT NULL,
        last_attempt_at FLOAT, last_outcome VARCHAR NOT NULL, callback BLOB, numbers BLOB NOT NULL,
        number_count INTEGER NOT NULL, number_keys BLOB NOT NULL, number_facts VARCHAR NOT NULL,
        shuffle INTEGER NOT NULL, name BLOB NOT NULL, segment VARCHAR NOT NULL,
        priority INTEGER NOT NULL, zone VARCHAR, external_id BLOB NOT NULL, fields BLOB NOT NULL,
        jurisdiction VARCHAR, source VARCHAR NOT NULL, contact_hours VARCHAR NOT NULL, relationship VARCHAR NOT NULL,
        PRIMARY KEY (lead_id))""",
    """CREATE TABLE lead_numbers (
        number_index BLOB NOT NULL, campaign VARCHAR NOT NULL, lead_id INTEGER NOT NULL,
        PRIMARY KEY (number_index, campaign)) WITHOUT ROWID""",
    """CREATE TABLE blocked (
        seller VARCHAR NOT NULL, number_index BLOB NOT NULL, reason VARCHAR NOT NULL, at FLOAT NOT NULL,
        who VARCHAR NOT NULL, PRIMARY KEY (seller, number_index)) WITHOUT ROWID""",
    """CREATE TABLE attempts (
        call_id INTEGER NOT NULL, campaign VARCHAR NOT NULL, lead_id INTEGER NOT NULL, number BLOB NOT NULL,
        mode VARCHAR NOT NULL, placed_at FLOAT NOT NULL, ringing_at FLOAT, answered_at FLOAT, classified_at FLOAT,
        greeting_start_at FLOAT, greeting_end_at FLOAT, abandoned_at FLOAT, bridged_at FLOAT, released_at FLOAT,
        disposed_at FLOAT, agent_id VARCHAR, is_reserved BOOLEAN NOT NULL, is_live BOOLEAN NOT NULL,
        is_abandoned BOOLEAN NOT NULL, is_late_connect BOOLEAN NOT NULL, outcome VARCHAR, disposition VARCHAR,
        is_success BOOLEAN NOT NULL, is_right_party BOOLEAN NOT NULL, released_by VARCHAR NOT NULL,
        cause VARCHAR NOT NULL, rule VARCHAR NOT NULL, number_rank INTEGER NOT NULL, attempt_rank INTEGER NOT NULL,
        seller VARCHAR NOT NULL, subject VARCHAR NOT NULL, message_at FLOAT, is_refusal BOOLEAN NOT NULL,
        number_index BLOB NOT NULL, PRIMARY KEY (call_id))""",
)
_KEPT_OF_ATTEMPTS = """call_id, campaign, lead_id, mode, placed_at, ringing_at, answered_at, classified_at,
    greeting_start_at, greeting_end_at, abandoned_at, bridged_at, released_at, disposed_at, agent_id, is_reserved,
    is_live, is_abandoned, is_late_connect, outcome, disposition, is_success, is_right_party, released_by, cause, rule,
    number_rank, attempt_rank"""
_KEPT_OF_LEADS = """lead_id, campaign, place, due_at, reason, attempts, tries, last_attempt_at, last_outcome,
    number_count, segment, priority, zone"""
_DROPPED = ("leads_2", "lead_numbers_2", "blocked_2", "attempts_2")


def seal_what_is_personal(connection: sqlite3.Connection, vault: Vault) -> None:
    """2 -> 3: seal and hash, and give each lead a rank that tells nothing of its number.

    Version 2 kept of an attempt neither the seller nor the subject: they are the campaign's, as it is now. Nor did it
    keep when a number was blocked, or by whom: at instant 0, by nobody.
    """
    for statement in _TABLES:
        connection.execute(statement)
    _seal_leads(connection, vault)
    _seal_attempts(connection, vault)
    _change(
        connection,
        "SELECT campaign, e164, lead_id FROM lead_numbers_2",
        "INSERT INTO lead_numbers (campaign, number_index, lead_id) VALUES (?, ?, ?)",
        lambda row: (row[0], vault.index(row[1]), row[2]),
    )
    _change(
        connection,
        "SELECT seller, e164, reason FROM blocked_2",
        "INSERT INTO blocked (seller, number_index, reason, at, who) VALUES (?, ?, ?, 0.0, '')",
        lambda row: (row[0], vault.index(row[1]), row[2]),
    )
    _seal_journal(connection, vault)
    for table in _DROPPED:
        connection.execute(f"DROP TABLE {table}")
    connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, 1)", (PLAIN_TEXT_LEFT,))


def _change(connection: sqlite3.Connection, read: str, write: str, change: Callable[[_Row], _Row]) -> None:
    """Bring the rows of one table into another, changed, in chunks."""
    for rows in _chunks(connection.execute(read)):
        connection.executemany(write, [change(row) for row in rows])


def _chunks(cursor: sqlite3.Cursor) -> Iterator[list[_Row]]:
    while rows := cursor.fetchmany(_CHUNK):
        yield rows


def _policies(connection: sqlite3.Connection) -> dict[str, dict[str, Any]]:
    found = connection.execute("SELECT name, policy FROM campaigns").fetchall()
    return {name: msgspec.json.decode(policy, type=dict[str, Any]) for name, policy in found}


def _seal_leads(connection: sqlite3.Connection, vault: Vault) -> None:
    """Bring every lead over; its key in the published order follows its new rank."""
    orders = {name: tuple(policy["list"]["order"]) for name, policy in _policies(connection).items()}
    kept = len(_KEPT_OF_LEADS.split(","))
    places = ", ".join("?" * (kept + 10))
    columns = (
        f"{_KEPT_OF_LEADS}, order_key, shuffle, numbers, number_keys, number_facts, name, external_id, fields,"
        " callback, jurisdiction"
    )

    def sealed(text: str, place: bytes) -> bytes:
        return vault.seal(text.encode(), place) if text else b""

    def change(row: _Row) -> _Row:
        lead_id, campaign, numbers, name, external_id, fields, callback = row[0], row[1], *row[kept:]
        read = _numbers(lead_id, numbers)
        rank = vault.rank(campaign, read[0]["e164"])
        lead = Lead(
            lead_id=lead_id,
            campaign=campaign,
            numbers=(),
            shuffle=rank,
            due_at=row[3],
            attempts=row[5],
            segment=row[10],
            priority=row[11],
            callback=None if callback is None else msgspec.json.decode(callback, type=Callback),
        )
        return (
            *row[:kept],
            order_key(lead, orders[campaign]),
            rank,
            sealed(numbers, b"leads.numbers"),
            b"".join([vault.index(number["e164"]) for number in read]),
            msgspec.json.encode([_facts(number) for number in read]).decode(),
            sealed(name, b"leads.name"),
            sealed(external_id, b"leads.external_id"),
            sealed("" if fields == "{}" else fields, b"leads.fields"),
            None if callback is None else sealed(callback, b"leads.callback"),
            None,
        )

    _change(
        connection,
        f"SELECT {_KEPT_OF_LEADS}, numbers, name, external_id, fields, callback FROM leads_2",
        f"INSERT INTO leads ({columns}, source, contact_hours, relationship) VALUES ({places}, '', '', '')",
        change,
    )


def _numbers(lead_id: int, column: str) -> list[dict[str, Any]]:
    try:
        numbers: list[dict[str, Any]] = msgspec.json.decode(column)
        for number in numbers:
            _facts(number)
        numbers[0]["e164"].encode()
    except (msgspec.MsgspecError, LookupError, TypeError, AttributeError) as error:
        raise StorageError(
            f"lead {lead_id}: expected its numbers as schema version 2 keeps them, found something else: restore a "
            "backup, or name another path"
        ) from error
    return numbers


def _facts(number: dict[str, Any]) -> tuple[Any, ...]:
    """Give what of a number tells of nobody; version 2 knew no jurisdictions."""
    names = ("kind", "region", "zones")
    return (*(number[name] for name in names), [], number["attempts"], number["is_invalid"])


def _seal_attempts(connection: sqlite3.Connection, vault: Vault) -> None:
    """Bring every attempt over, with the seller and the purpose of its campaign."""
    named = {name: (policy["seller"], policy["purpose"]) for name, policy in _policies(connection).items()}
    places = ", ".join("?" * (len(_KEPT_OF_ATTEMPTS.split(",")) + 4))

    def change(row: _Row) -> _Row:
        *kept, number = row
        return (
            *kept,
            *named.get(row[1], ("", "")),
            vault.seal(number.encode(), b"attempts.number"),
            vault.index(number),
        )

    _change(
        connection,
        f"SELECT {_KEPT_OF_ATTEMPTS}, number FROM attempts_2",
        f"INSERT INTO attempts ({_KEPT_OF_ATTEMPTS}, seller, subject, number, number_index, is_refusal)"
        f" VALUES ({places}, 0)",
        change,
    )


def _seal_journal(connection: sqlite3.Connection, vault: Vault) -> None:
    """Seal every entry where it is."""
    last_seq = -1
    while found := connection.execute(
        "SELECT seq, entry FROM journal WHERE seq > ? ORDER BY seq LIMIT ?", (last_seq, _CHUNK)
    ).fetchall():
        last_seq = found[-1][0]
        sealed = [(vault.seal(entry, b"journal.entry"), seq) for seq, entry in found]
        connection.executemany("UPDATE journal SET entry = ? WHERE seq = ?", sealed)
