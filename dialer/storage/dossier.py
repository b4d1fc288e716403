"""What is held on one person for one seller: calls and entries of the evidence, found by the person's numbers.

One rule governs this module: every query names the seller. What another seller knows of a number is not looked at.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from typing import Any

import msgspec

from dialer.domain.records import Attempt
from dialer.storage import rows
from dialer.storage.reading import Records

_ATTEMPTS = f"""SELECT {", ".join(rows.ATTEMPT_COLUMNS)} FROM attempts WHERE number_index = ? AND campaign IN
    (SELECT name FROM campaigns WHERE seller = ?) ORDER BY placed_at, call_id"""
_BLOCKED = "SELECT reason, at, who FROM blocked WHERE seller = ? AND number_index = ?"
_EVIDENCE = "SELECT seq, body FROM evidence WHERE kind <> 'trimmed' AND (%s) ORDER BY seq"
_DEEDS = "SELECT seq, body FROM evidence WHERE kind = 'export' ORDER BY seq"

_JOURNAL = "SELECT seq, at, entry FROM journal WHERE seq > ? ORDER BY seq LIMIT 1000"


def attempts_of(store: Records, seller: str, numbers: Sequence[str]) -> list[Attempt]:
    """Give every call of a seller's campaigns to these numbers, by instant."""
    found: list[Attempt] = []
    for number in numbers:
        for row in _rows(store, _ATTEMPTS, store.vault.index(number), seller):
            found.append(rows.to_attempt(row, store.vault))
    return sorted(found, key=lambda attempt: (attempt.placed_at, attempt.call_id))


def notes_of(store: Records, calls: Collection[int]) -> Iterator[dict[str, object]]:
    """Give what agents noted of these calls: once a promise is kept, the journal alone knows."""
    last = 0
    while found := _rows(store, _JOURNAL, last):
        last = found[-1][0]
        for _, at, entry in found:
            line = store.vault.open(entry, rows.ENTRY)
            event = msgspec.json.decode(line)["event"] if b'"CallDisposed"' in line else None
            if event and event["type"] == "CallDisposed" and event["call_id"] in calls and event.get("note"):
                yield {"at": at, **{name: event[name] for name in ("call_id", "agent_id", "disposition", "note")}}


def refusals_of(store: Records, seller: str, numbers: Sequence[str]) -> list[dict[str, object]]:
    """Give what the seller's "do not call" list has of these numbers."""
    found: list[dict[str, object]] = []
    for number in numbers:
        for reason, at, who in _rows(store, _BLOCKED, seller, store.vault.index(number)):
            found.append({"number": number, "reason": reason, "at": at, "who": who})
    return found


def evidence_of(store: Records, seller: str, numbers: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Give the seller's entries of the evidence that name one of these numbers, by its hash."""
    subjects = [store.vault.index(number).hex().encode() for number in numbers]
    with store.database.explained(), closing(store.database.open_reader(store.vault)) as connection:
        condition = " OR ".join(connection.contains("body") for _ in subjects)
        found = connection.execute(_EVIDENCE % condition, subjects).fetchall()
    for seq, body in found:
        said: dict[str, Any] = msgspec.json.decode(body)
        if said.get("seller") == seller:
            yield {"seq": seq, **said}


def exports_of(store: Records, campaigns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Give the exports of whole lists of these campaigns, in which the person was."""
    for seq, body in _rows(store, _DEEDS):
        said: dict[str, Any] = msgspec.json.decode(body)
        if said.get("campaign") in campaigns and not said.get("subjects"):
            yield {"seq": seq, **said}


def _rows(store: Records, sql: str, *parameters: object) -> list[Any]:
    with store.database.explained(), closing(store.database.open_reader(store.vault)) as connection:
        return connection.execute(sql, parameters).fetchall()
