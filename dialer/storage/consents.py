"""Consents in an SQLite database: what was agreed to, and what became of it since.

One rule governs this module: a consent is added and confirmed, and a "no" stays. No import takes a revocation back, and
none changes what a record says but for a later date of confirmation. Every statement names the seller: whose consent it
is, or who is named in it as a recipient.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from dialer.domain.law import Span
from dialer.domain.standing import Consent
from dialer.storage.codec import dumps
from dialer.storage.database import Connection, Cursor
from dialer.storage.evidence import record
from dialer.storage.evidence_bodies import RefusalBody
from dialer.storage.vault import INDEX_BYTES, Vault

PLACE = b"consents.number"

COLUMNS = (
    "seller",
    "number_index",
    "number",
    "purposes",
    "recipients",
    "obtained_at",
    "method",
    "source",
    "text_hash",
    "is_written",
    "is_night",
    "hours",
    "expires_at",
    "confirmed_at",
    "revoked_at",
)
_KEPT = ("revoked_by", "reason", "recorded_at", "recorded_from")
_NAMES = ", ".join(COLUMNS)
_KEY = "seller, number_index, purposes, is_night, obtained_at"
_SAME = " AND ".join(f"kept.{name} = gathered.{name}" for name in _KEY.split(", "))

_TYPES = dict.fromkeys(COLUMNS, "TEXT NOT NULL") | {
    "number_index": "BYTEA NOT NULL",
    "number": "BYTEA NOT NULL",
    "is_written": "BOOLEAN NOT NULL",
    "is_night": "BOOLEAN NOT NULL",
    "obtained_at": "DOUBLE PRECISION NOT NULL",
    "expires_at": "DOUBLE PRECISION",
    "confirmed_at": "DOUBLE PRECISION",
    "revoked_at": "DOUBLE PRECISION",
}
GATHERING = f"""CREATE TEMPORARY TABLE gathered_consents
    ({", ".join(f"{name} {kind}" for name, kind in _TYPES.items())}, PRIMARY KEY ({_KEY}))"""
"""Makes the table in which consents wait for the end of an import; it goes with the connection."""
_GATHER = f"""INSERT INTO gathered_consents AS kept ({_NAMES}) VALUES ({", ".join("?" * len(COLUMNS))})
    ON CONFLICT ({_KEY}) DO UPDATE SET
    confirmed_at = CASE WHEN excluded.confirmed_at > coalesce(kept.confirmed_at, -9e99) THEN excluded.confirmed_at
        ELSE kept.confirmed_at END,
    revoked_at = CASE WHEN excluded.revoked_at < coalesce(kept.revoked_at, 9e99) THEN excluded.revoked_at
        ELSE kept.revoked_at END"""
_LATER = f"""FROM gathered_consents AS gathered WHERE {_SAME}
    AND gathered.confirmed_at > coalesce(kept.confirmed_at, -9e99)"""
_EVENT = "INSERT INTO consent_events (consent_id, kind, at, recorded_at, who, reason)"
_NOTE_LATER = f"""{_EVENT} SELECT kept.consent_id, 'confirmed', gathered.confirmed_at, ?, ?, ''
    FROM gathered_consents AS gathered JOIN consents AS kept ON {_SAME}
    WHERE gathered.confirmed_at > coalesce(kept.confirmed_at, -9e99)"""
_CONFIRM = f"UPDATE consents AS kept SET confirmed_at = gathered.confirmed_at {_LATER}"
_LAST = "SELECT coalesce(max(consent_id), 0) FROM consents"
# Without WHERE the conflict would be taken for a join's condition.
_ADD = f"""INSERT INTO consents ({_NAMES}, {", ".join(_KEPT)})
    SELECT {_NAMES.replace("revoked_at", "NULL")}, '', '', ?, ? FROM gathered_consents WHERE true
    ON CONFLICT ({_KEY}) DO NOTHING"""
_NOTE_NEW = f"""{_EVENT} SELECT consent_id, 'recorded', obtained_at, ?, ?, recorded_from
    FROM consents WHERE consent_id > ?"""
_NOTE_NEW_CONFIRMED = f"""{_EVENT} SELECT consent_id, 'confirmed', confirmed_at, ?, ?, ''
    FROM consents WHERE consent_id > ? AND confirmed_at IS NOT NULL"""
_REVOKED = """SELECT seller, number_index, min(revoked_at) FROM gathered_consents WHERE revoked_at IS NOT NULL
    GROUP BY seller, number_index ORDER BY seller, number_index"""
_COUNT = "SELECT count(*) FROM gathered_consents"

_NOTE_REVOKED = f"{_EVENT} VALUES (?, 'revoked', ?, ?, ?, ?)"
_REVOKE = """UPDATE consents SET revoked_at = CASE WHEN obtained_at > ? THEN obtained_at ELSE ? END, revoked_by = ?,
    reason = ? WHERE seller = ? AND number_index = ? AND revoked_at IS NULL RETURNING consent_id"""
_BLOCK = """INSERT INTO blocked (seller, number_index, reason, at, who) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (seller, number_index) DO NOTHING"""
_FORGET = """DELETE FROM gathered_consents WHERE EXISTS (SELECT 1 FROM blocked
    WHERE blocked.seller = gathered_consents.seller AND blocked.number_index = gathered_consents.number_index
    AND blocked.reason = 'erased')"""
_KEYS_OF = """SELECT leads.number_keys FROM lead_numbers JOIN leads USING (lead_id)
    JOIN campaigns ON campaigns.name = leads.campaign WHERE lead_numbers.number_index = ? AND campaigns.seller = ?"""

# `number_index` first: the planner must not walk all of a seller's consents.
_OF_NUMBERS = f"""SELECT consent_id, {_NAMES}, {", ".join(_KEPT)} FROM consents
    WHERE %s AND (seller = ? OR %s)
    ORDER BY obtained_at, consent_id"""
_OF_SELLER = f"""SELECT consent_id, {_NAMES}, {", ".join(_KEPT)} FROM consents
    WHERE seller = ? AND revoked_at IS NULL AND length(number) > 0 ORDER BY consent_id"""
_CONFIRMED_BY = "SELECT max(at) FROM consent_events WHERE consent_id = ? AND kind = 'confirmed' AND at <= ?"

_TEXTS: msgspec.json.Decoder[tuple[str, ...]] = msgspec.json.Decoder(tuple[str, ...])
_HOURS: msgspec.json.Decoder[tuple[Span, ...]] = msgspec.json.Decoder(tuple[Span, ...])


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptConsent:
    """A consent, how it came to be recorded, and who ended it."""

    consent: Consent
    revoked_by: str
    reason: str
    recorded_at: float
    recorded_from: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentTally:
    """What became of the consents of an import; `revoked` counts those ended by it, wherever they were recorded."""

    new: int = 0
    confirmed: int = 0
    unchanged: int = 0
    revoked: int = 0


class ConsentImport:
    """Consents on their way into a database; see `Store.importing_consents`, which owns the transaction."""

    def __init__(self, connection: Connection, vault: Vault) -> None:
        self.tally = ConsentTally()
        self.key_id = vault.key_id
        self._connection = connection
        self._vault = vault
        connection.execute(GATHERING)

    def add(self, consents: Iterable[Consent]) -> None:
        """Add consents; nothing of them is kept before `finish`."""
        gather(self._connection, self._vault, consents)

    def finish(self, source: str, who: str, now: float) -> None:
        """Move everything to its place, within a transaction; refusals are in the evidence, too."""
        self.tally = keep_gathered(self._connection, source, who, now)
        refused: dict[str, list[str]] = {}
        for seller, index, _ in self._connection.execute(_REVOKED).fetchall():
            indexes = person_of(self._connection, seller, index)
            refused.setdefault(seller, []).extend(each.hex() for each in indexes)
        for seller, subjects in refused.items():
            reason = f"consent revoked in {source}"
            subjects = list(dict.fromkeys(subjects))
            body = RefusalBody(at=now, seller=seller, subjects=tuple(subjects), reason=reason, who=who)
            record(self._connection, self._vault, body)


def gather(connection: Connection, vault: Vault, consents: Iterable[Consent]) -> None:
    """Keep consents until the end of an import. The same one twice is one, as last confirmed and first revoked."""
    connection.executemany(_GATHER, [_values(consent, vault) for consent in consents])


def keep_gathered(connection: Connection, source: str, who: str, now: float) -> ConsentTally:
    """Move what was gathered to its place, within a transaction: new ones, later confirmations, revocations.

    A number whose consent was revoked is on its seller's "do not call" list from then on, with the person's others.
    Nothing is kept of a person who asked the seller to be erased.
    """
    total = connection.execute(_COUNT).fetchone()[0]
    if not total:
        return ConsentTally()
    connection.hold("consents")  # new ones are known by their numbers, which two imports would share
    connection.execute(_FORGET)
    connection.execute(_NOTE_LATER, (now, who))
    confirmed = connection.execute(_CONFIRM).rowcount
    last = connection.execute(_LAST).fetchone()[0]
    new = connection.execute(_ADD, (now, source)).rowcount
    connection.execute(_NOTE_NEW, (now, who, last))
    connection.execute(_NOTE_NEW_CONFIRMED, (now, who, last))
    revoked = 0
    for seller, index, revoked_at in connection.execute(_REVOKED).fetchall():
        indexes = person_of(connection, seller, index)
        revoked += revoke(connection, seller, indexes, revoked_at, who=who, reason=f"revoked in {source}", now=now)
        reason = f"consent revoked in {source}"
        connection.executemany(_BLOCK, [(seller, each, reason, revoked_at, who) for each in indexes])
    return ConsentTally(new=new, confirmed=confirmed, unchanged=total - new - confirmed, revoked=revoked)


def person_of(connection: Connection, seller: str, index: bytes) -> list[bytes]:
    """Give a number's keyed hash, and those of the person's others, as far as the seller's own lists tell."""
    indexes = {index: None}
    for (keys,) in connection.execute(_KEYS_OF, (index, seller)):
        indexes.update({keys[at : at + INDEX_BYTES]: None for at in range(0, len(keys), INDEX_BYTES)})
    return list(indexes)


def revoke(
    connection: Connection,
    seller: str,
    indexes: Iterable[bytes],
    at: float,
    *,
    who: str,
    reason: str,
    now: float | None = None,
) -> int:
    """End every consent that these numbers gave the seller; give how many there were."""
    known_at = at if now is None else now
    revoked = 0
    for index in indexes:
        ended = connection.execute(_REVOKE, (at, at, who, reason, seller, index)).fetchall()
        connection.executemany(_NOTE_REVOKED, [(consent_id, at, known_at, who, reason) for (consent_id,) in ended])
        revoked += len(ended)
    return revoked


def consents_of(
    connection: Connection, seller: str, numbers: Mapping[bytes, str], at: float | None = None
) -> list[KeptConsent]:
    """Give the consents of numbers, by their keyed hashes, to a seller or naming it as a recipient, oldest first.

    With `at` a confirmation that came later is not in them, but the one before it. What else came later says so itself.
    """
    if not numbers:
        return []
    return read_consents(connection, ask_consents(connection, seller, list(numbers)), numbers, at)


def ask_consents(connection: Connection, seller: str, numbers: Sequence[bytes]) -> Cursor:
    """Ask for the consents of numbers; `read_consents` reads them."""
    where, values = connection.among("number_index", numbers)
    sql = _OF_NUMBERS % (where, connection.contains("recipients"))
    return connection.execute(sql, (*values, seller, dumps(seller).decode()))


def read_consents(
    connection: Connection, found: Cursor, numbers: Mapping[bytes, str], at: float | None
) -> list[KeptConsent]:
    """Read the consents that were asked for: see `consents_of`."""
    kept = [_to_kept(row, numbers[row[2]]) for row in found.fetchall()]
    return kept if at is None else [_as_of(connection, each, at) for each in kept]


def standing_consents(connection: Connection, seller: str, vault: Vault) -> Iterator[KeptConsent]:
    """Give every consent of a seller that nobody revoked, numbers opened; those of erased people have none."""
    for row in connection.stream(_OF_SELLER, (seller,)):
        yield _to_kept(row, vault.open(row[3], PLACE).decode())


def _as_of(connection: Connection, kept: KeptConsent, at: float) -> KeptConsent:
    consent = kept.consent
    if consent.confirmed_at is not None and consent.confirmed_at > at:
        before = connection.execute(_CONFIRMED_BY, (consent.consent_id, at)).fetchone()[0]
        kept = replace(kept, consent=replace(consent, confirmed_at=before))
    return kept


def _values(consent: Consent, vault: Vault) -> tuple[Any, ...]:
    """Give the values of COLUMNS. Purposes are sorted: they are part of what tells one consent from another."""
    return (
        consent.seller,
        vault.index(consent.number),
        vault.seal(consent.number.encode(), PLACE),
        _text(sorted(set(consent.purposes))),
        _text(consent.recipients),
        consent.obtained_at,
        consent.method,
        consent.source,
        consent.text_hash,
        consent.is_written,
        consent.is_night,
        _text(consent.hours),
        consent.expires_at,
        consent.confirmed_at,
        consent.revoked_at,
    )


def _text(value: Sequence[object]) -> str:
    return dumps(value).decode()


def _to_kept(row: Sequence[Any], number: str) -> KeptConsent:
    """Read a row of consent_id, COLUMNS and _KEPT."""
    consent_id, seller, _, _, purposes, recipients, obtained_at, method, source, text_hash, written, night = row[:12]
    hours, expires_at, confirmed_at, revoked_at, revoked_by, reason, recorded_at, recorded_from = row[12:]
    consent = Consent(
        number=number,
        seller=seller,
        purposes=_TEXTS.decode(purposes),
        obtained_at=obtained_at,
        method=method,
        source=source,
        text_hash=text_hash,
        recipients=_TEXTS.decode(recipients),
        is_written=bool(written),
        is_night=bool(night),
        hours=_HOURS.decode(hours),
        expires_at=expires_at,
        confirmed_at=confirmed_at,
        revoked_at=revoked_at,
        consent_id=consent_id,
    )
    return KeptConsent(
        consent=consent, revoked_by=revoked_by, reason=reason, recorded_at=recorded_at, recorded_from=recorded_from
    )
