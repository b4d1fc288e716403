"""What a law wants kept of a person who was erased: the number, apart from all else, and until when.

One rule governs this module: a row says to whom, of which seller, the calls in the evidence were, and nothing more; it
is read for a stated reason only, and it goes when its day has come.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from dialer.storage.database import Connection
from dialer.storage.vault import INDEX_BYTES, Vault

PLACE = b"retained.number"

_KEEP = """INSERT INTO retained (seller, number_index, number, until_at, reason) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (seller, number_index) DO UPDATE SET until_at =
    CASE WHEN excluded.until_at > retained.until_at THEN excluded.until_at ELSE retained.until_at END"""
_FIND = "SELECT number, until_at, reason FROM retained WHERE seller = ? AND number_index = ?"
_PURGE = "DELETE FROM retained WHERE until_at <= ?"
_DROP_CONSENTS = """DELETE FROM consents WHERE length(number) = 0 AND NOT EXISTS (SELECT 1 FROM retained
    WHERE retained.seller = consents.seller AND retained.number_index = consents.number_index)"""
_DROP_CONSENT_EVENTS = """DELETE FROM consent_events WHERE NOT EXISTS (SELECT 1 FROM consents
    WHERE consents.consent_id = consent_events.consent_id)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retained:
    """A number that is kept until `until_at`, and why."""

    number: str
    until_at: float
    reason: str


def keep(connection: Connection, vault: Vault, seller: str, numbers: Iterable[tuple[str, float]], reason: str) -> int:
    """Keep numbers, each until its instant; give how many."""
    rows = [
        (seller, vault.index(number), vault.seal(number.encode(), PLACE), until_at, reason)
        for number, until_at in numbers
    ]
    connection.executemany(_KEEP, rows)
    return len(rows)


def find(connection: Connection, vault: Vault, seller: str, subject: str) -> Retained | None:
    """Give what is kept of a number, by the keyed hash in hexadecimal that the evidence names it by."""
    try:
        index = bytes.fromhex(subject)
    except ValueError:
        return None
    found = connection.execute(_FIND, (seller, index)).fetchone() if len(index) == INDEX_BYTES else None
    if found is None:
        return None
    return Retained(number=vault.open(found[0], PLACE).decode(), until_at=found[1], reason=found[2])


def purge(connection: Connection, now: float) -> int:
    """Let go what need not be kept any longer, proofs of consents included; give how many numbers that was."""
    count = connection.execute(_PURGE, (now,)).rowcount
    if connection.execute(_DROP_CONSENTS).rowcount:
        connection.execute(_DROP_CONSENT_EVENTS)
    return count
