"""What was so at an instant, from what is kept: how often a number had been tried, and what the gate had said of it.

One rule governs this module: it is about one number at a time and finds it by its keyed hash.
"""

from dataclasses import dataclass
from hashlib import sha256

import msgspec

from dialer.storage.database import Connection
from dialer.storage.evidence_bodies import LawBody, VerdictBody

_TRIED = "SELECT count(*), max(placed_at) FROM attempts WHERE number_index = ? AND placed_at <= ? AND campaign = ?"
_VERDICTS = """SELECT body FROM evidence WHERE at {} ? AND at {} ? AND kind = 'verdict' AND {{holds}}
    ORDER BY at {}, seq {}"""
_BEFORE = _VERDICTS.format("<=", ">=", "DESC", "DESC")
_AFTER = _VERDICTS.format(">", "<=", "ASC", "ASC")
_LAWS = "SELECT body FROM evidence WHERE kind = 'law' ORDER BY seq DESC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """How often a campaign had tried a number, and when last (None: never)."""

    attempts: int
    last_at: float | None


def tried_by(connection: Connection, campaign: str, number_index: bytes, at: float) -> Tried:
    """Count a campaign's attempts on a number up to an instant."""
    attempts, last_at = connection.execute(_TRIED, (number_index, at, campaign)).fetchone()
    return Tried(attempts=attempts, last_at=last_at)


def verdicts_near(
    connection: Connection, campaign: str, number_index: bytes, at: float, within_s: float
) -> tuple[VerdictBody | None, VerdictBody | None]:
    """Give what a campaign's gate last said of a number by an instant, and what it said next; within so long.

    `law_digest` is filled in where they name the entry of their law.
    """
    subject = number_index.hex().encode()

    def first(query: str, end_at: float) -> VerdictBody | None:
        query = query.format(holds=connection.contains("body"))
        for (body,) in connection.execute(query, (at, end_at, subject)):
            found = msgspec.json.decode(body, type=VerdictBody)
            if found.subject.encode() == subject and found.campaign == campaign:
                found.law_digest = found.law_digest or _law_of(connection, found.law)
                return found
        return None

    return first(_BEFORE, at - within_s), first(_AFTER, at + within_s)


def _law_of(connection: Connection, entry: str) -> str:
    """Give the digest of the law whose entry has a body with this SHA-256."""
    for (body,) in connection.execute(_LAWS):
        if sha256(body).hexdigest() == entry:
            return msgspec.json.decode(body, type=LawBody).digest
    return ""
