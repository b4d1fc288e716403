"""Taking people out of the journal: their numbers become keyed hashes, their names and what was noted of them go.

One rule governs this module: an entry stays what it was in every other respect, of the same types and at the same
place, so that the journal can still be read and replayed. An entry is read and written in one transaction, a few at a
time.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from dialer.storage.database import Connection, Database
from dialer.storage.rows import ENTRY
from dialer.storage.vault import Vault

READ = 1_000  # entries read at once
WRITE = 100  # entries written in one transaction

_MARK = re.compile(rb'"(?:lead_id|call_id)":(\d+)|"(\+\d+)"')
_NEXT = "SELECT seq, entry FROM journal WHERE seq > ? ORDER BY seq LIMIT ?"
_ONE = "SELECT entry FROM journal WHERE seq = ?"
_REWRITE = "UPDATE journal SET entry = ? WHERE seq = ?"
_BLANK: Mapping[str, Any] = {
    "name": "",
    "segment": "",
    "zone": None,
    "jurisdiction": None,
    "external_id": "",
    "source": "",
    "contact_hours": [],
    "fields": {},
}
"""What a lead says of a person beside the numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """By what the journal names people of one seller: leads, calls, and numbers with what stands in for each."""

    seller: str
    lead_ids: frozenset[int]
    call_ids: frozenset[int]
    numbers: Mapping[str, str]

    def is_named_in(self, line: bytes) -> bool:
        """Whether an entry may name one of them: a look at its bytes, made for millions."""
        for found in _MARK.finditer(line):
            if found[1] is None:
                if found[2].decode() in self.numbers:
                    return True
            elif int(found[1]) in self.lead_ids or int(found[1]) in self.call_ids:
                return True
        return False


def never_mind() -> None:
    """Be called between two steps, and let the work go on."""


def forget_in_journal(
    database: Database,
    connection: Connection,
    vault: Vault,
    forgotten: Forgotten,
    tick: Callable[[], None] = never_mind,
) -> int:
    """Take people out of every entry; give how many entries were changed. The connection is in no transaction.

    `tick` is called every so many entries and may raise, to stop.
    """
    changed = 0
    batch: list[int] = []
    for seq in _candidates(connection, vault, forgotten, tick):
        batch.append(seq)
        if len(batch) == WRITE:
            changed += _rewrite(database, connection, vault, forgotten, batch)
            batch = []
    return changed + _rewrite(database, connection, vault, forgotten, batch)


def _candidates(connection: Connection, vault: Vault, forgotten: Forgotten, tick: Callable[[], None]) -> Iterator[int]:
    last = 0
    while found := connection.execute(_NEXT, (last, READ)).fetchall():
        tick()
        last = found[-1][0]
        for seq, entry in found:
            if forgotten.is_named_in(vault.open(entry, ENTRY)):
                yield seq


def _rewrite(database: Database, connection: Connection, vault: Vault, forgotten: Forgotten, seqs: list[int]) -> int:
    changed = 0
    if seqs:
        with database.transaction(connection):
            for seq in seqs:
                found = connection.execute(f"{_ONE}{connection.for_update}", (seq,)).fetchone()
                if found is None:  # it was let go meanwhile
                    continue
                line = vault.open(found[0], ENTRY)
                clean = forget(line, forgotten)
                if clean != line:
                    connection.execute(_REWRITE, (vault.seal(clean, ENTRY), seq))
                    changed += 1
    return changed


def forget(line: bytes, forgotten: Forgotten) -> bytes:
    """Give an entry without the people."""
    return msgspec.json.encode(_without(msgspec.json.decode(line), forgotten, is_theirs=False))


def _without(value: Any, forgotten: Forgotten, *, is_theirs: bool) -> Any:
    """Give a value of an entry without the people. Only within what is theirs does a number stand for them."""
    if isinstance(value, str):
        return forgotten.numbers.get(value, value) if is_theirs else value
    if isinstance(value, list):
        return [_without(each, forgotten, is_theirs=is_theirs) for each in value]
    if not isinstance(value, dict):
        return value
    is_theirs = is_theirs or _is_theirs(value, forgotten)
    clean = {key: _without(each, forgotten, is_theirs=is_theirs) for key, each in value.items()}
    if value.get("lead_id") in forgotten.lead_ids and "numbers" in value:
        clean.update({key: blank for key, blank in _BLANK.items() if key in clean})
        if isinstance(clean.get("callback"), dict):
            clean["callback"]["note"] = ""
    if value.get("call_id") in forgotten.call_ids and "note" in value:
        clean["note"] = ""
    return clean


def _is_theirs(value: dict[str, Any], forgotten: Forgotten) -> bool:
    """Whether an object is of one of the leads, or a refusal told to their seller."""
    if "lead_id" in value:
        return value["lead_id"] in forgotten.lead_ids
    return value.get("seller") == forgotten.seller and "numbers" in value
