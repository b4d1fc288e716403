"""What an SQLite database knows of people, put together for the rules: see `dialer.domain.standing`.

One rule governs this module: a claim of many leads costs a few statements, not a few per lead, and each of them names
the seller. Numbers are found by their keyed hashes; none is opened. A person is a lead and whoever of the seller's
other campaigns shares a number with it: calls to any number of such a lead count, too.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from math import inf
from typing import Any, NamedTuple

from dialer.domain.outcome import Outcome
from dialer.domain.records import Attempt
from dialer.domain.standing import PAST_DAYS, Consent, PastAttempt, Standing
from dialer.storage.consents import ask_consents, read_consents
from dialer.storage.database import Connection, Cursor
from dialer.storage.registries import KeptCopy, Shelf, in_use, listed
from dialer.storage.vault import INDEX_BYTES, Vault

PAST_S = PAST_DAYS * 86_400.0
_NUMBERS_AT_ONCE = 10_000  # SQLite takes 32,766 values in a statement

_PAST = """SELECT number_index, lead_id, call_id, subject, placed_at, is_abandoned, abandoned_at, outcome, is_live,
    bridged_at, is_refusal, disposed_at FROM attempts
    WHERE {numbers} AND (placed_at >= ? OR is_refusal OR is_abandoned) AND placed_at <= ?
    AND seller = ?"""
_SHARING = """SELECT number_index, lead_id FROM lead_numbers JOIN campaigns ON campaigns.name = lead_numbers.campaign
    WHERE {numbers} AND seller = ?"""
_HOLDERS = "SELECT lead_id, campaign, number_keys FROM leads WHERE {leads} AND number_count > 1"
_BLOCKED = "SELECT number_index, at FROM blocked WHERE {numbers} AND seller = ? AND at <= ?"


class Person(NamedTuple):
    """Whose standing is asked for: a lead, and its numbers by their keyed hashes."""

    lead_id: int
    campaign: str
    numbers: dict[bytes, str]


@dataclass(frozen=True, slots=True)
class _Holder:
    """A lead with several numbers, by their keyed hashes."""

    lead_id: int
    campaign: str
    keys: tuple[bytes, ...]


@dataclass(slots=True)
class _Known:
    """What is known of one number; `past` with the leads that were called."""

    consents: list[Consent] = field(default_factory=list)
    past: list[tuple[int, PastAttempt]] = field(default_factory=list)
    holders: list[_Holder] = field(default_factory=list)
    listed: list[tuple[str, str]] = field(default_factory=list)
    blocked_at: float | None = None


class Asked(NamedTuple):
    """What was asked of some numbers; the answers are read when they are wanted."""

    numbers: Sequence[bytes]
    past: Cursor
    sharing: Cursor
    copies: Iterator[KeptCopy]
    consents: Cursor


class Standings:
    """Puts standings together from a connection's tables and the registers' files."""

    def __init__(self, vault: Vault, shelf: Shelf) -> None:
        self._vault = vault
        self._shelf = shelf

    def ask(
        self, connection: Connection, numbers: Iterable[bytes], seller: str, at: float, *, is_claim: bool = False
    ) -> list[Asked]:
        """Ask what is known of numbers, for `of` to read; what is done meanwhile costs nothing on a server.

        For a claim every copy that is here is in use, whatever the clock said of the process that imported it.
        """
        return [self._ask(connection, part, seller, at, inf if is_claim else at) for part in _chunks(numbers)]

    def of(
        self,
        connection: Connection,
        people: Sequence[Person],
        seller: str,
        at: float,
        *,
        claimed: Sequence[Asked] | None = None,
    ) -> list[Standing]:
        """Give the standing of each person with a seller, as it was or is at an instant.

        `claimed` is what was asked of the numbers when the people's leads were claimed.
        """
        numbers = {key: e164 for person in people for key, e164 in person.numbers.items()}
        known = {number: _Known() for number in numbers.values()}
        # What was claimed is as it says; whoever asks later may know less of a lead than the store.
        alone = {person.lead_id for person in people if claimed is not None and len(person.numbers) == 1}
        for asked in self.ask(connection, numbers, seller, at) if claimed is None else claimed:
            own = {key: numbers[key] for key in asked.numbers}
            self._know(connection, known, asked, own, at, alone)
            if claimed is None:  # nobody calls a claimed lead with a number that is blocked
                _know_blocked(connection, known, own, seller, at)
        foreign = _read_foreign(connection, known, numbers, seller, at)
        return [_standing(person, known, foreign, at) for person in people]

    def _ask(self, connection: Connection, numbers: Sequence[bytes], seller: str, at: float, copies_at: float) -> Asked:
        where, values = connection.among("number_index", numbers)
        return Asked(
            numbers,
            past=connection.execute(_PAST.format(numbers=where), (*values, at - PAST_S, at, seller)),
            sharing=connection.execute(_SHARING.format(numbers=where), (*values, seller)),
            copies=in_use(connection, copies_at),
            consents=ask_consents(connection, seller, numbers),
        )

    def _know(
        self,
        connection: Connection,
        known: Mapping[str, _Known],
        asked: Asked,
        numbers: Mapping[bytes, str],
        at: float,
        alone: Container[int],
    ) -> None:
        """Add what there is of some numbers; leads that are `alone` with their one number share none."""
        for kept in read_consents(connection, asked.consents, numbers, at):
            known[kept.consent.number].consents.append(kept.consent)
        for row in asked.past:
            number = numbers[row[0]]
            known[number].past.append((row[1], _to_past(row, number, at)))
        sharing = [(numbers[key], lead_id) for key, lead_id in asked.sharing if lead_id not in alone]
        _add_holders(connection, known, sharing)
        for registry, number in listed(self._shelf, asked.copies, numbers):
            known[number].listed.append((registry, number))


def _add_holders(connection: Connection, known: Mapping[str, _Known], sharing: Sequence[tuple[str, int]]) -> None:
    """Add the leads with several numbers among those that have a number."""
    if not sharing:
        return
    where, values = connection.among("lead_id", sorted({lead_id for _, lead_id in sharing}))
    holders = {
        lead_id: _Holder(lead_id, campaign, number_keys(keys))
        for lead_id, campaign, keys in connection.execute(_HOLDERS.format(leads=where), values)
    }
    for number, lead_id in sharing:
        if lead_id in holders:
            known[number].holders.append(holders[lead_id])


def number_keys(column: bytes) -> tuple[bytes, ...]:
    """Read the column `number_keys`: the keyed hashes of a lead's numbers, in their order."""
    return tuple([column[place : place + INDEX_BYTES] for place in range(0, len(column), INDEX_BYTES)])


def _know_blocked(
    connection: Connection, known: Mapping[str, _Known], numbers: Mapping[bytes, str], seller: str, at: float
) -> None:
    """Add since when some numbers are blocked."""
    where, values = connection.among("number_index", list(numbers))
    for number_index, blocked_at in connection.execute(_BLOCKED.format(numbers=where), (*values, seller, at)):
        known[numbers[number_index]].blocked_at = blocked_at


def past_attempt(attempt: Attempt, at: float) -> PastAttempt:
    """Give an attempt as far as rules count it, as it stood at an instant."""
    return PastAttempt(
        call_id=attempt.call_id,
        number=attempt.number,
        subject=attempt.subject,
        at=attempt.placed_at,
        is_abandoned=attempt.outcome is Outcome.UNKNOWN or (attempt.is_abandoned and _was(attempt.abandoned_at, at)),
        is_conversation=attempt.is_live and attempt.bridged_at is not None and attempt.bridged_at <= at,
        is_refusal=attempt.is_refusal and _was(attempt.disposed_at, at),
    )


def _to_past(row: Sequence[Any], number: str, at: float) -> PastAttempt:
    """Read a row of _PAST: see `past_attempt`."""
    _, _, call_id, subject, placed_at, abandoned, abandoned_at, outcome, live, bridged_at, refusal, disposed_at = row
    return PastAttempt(
        call_id=call_id,
        number=number,
        subject=subject,
        at=placed_at,
        is_abandoned=outcome == Outcome.UNKNOWN or (bool(abandoned) and _was(abandoned_at, at)),
        is_conversation=bool(live) and bridged_at is not None and bridged_at <= at,
        is_refusal=bool(refusal) and _was(disposed_at, at),
    )


def _was(instant: float | None, at: float) -> bool:
    """Whether something had happened by then; what has no instant counts as having happened."""
    return instant is None or instant <= at


def _read_foreign(
    connection: Connection, known: Mapping[str, _Known], numbers: Mapping[bytes, str], seller: str, at: float
) -> dict[int, list[PastAttempt]]:
    """Give by lead the attempts on those that share a number with the leads asked about, whichever was called."""
    holders = {holder.lead_id: holder for each in known.values() for holder in each.holders}
    found: dict[int, list[PastAttempt]] = {}
    for each in known.values():
        for lead_id, attempt in each.past:
            if lead_id in holders:
                found.setdefault(lead_id, []).append(attempt)
    rest = dict.fromkeys(key for holder in holders.values() for key in holder.keys if key not in numbers)
    for chunk in _chunks(rest):
        where, values = connection.among("number_index", chunk)
        for row in connection.execute(_PAST.format(numbers=where), (*values, at - PAST_S, at, seller)):
            if row[1] in holders:
                found.setdefault(row[1], []).append(_to_past(row, "", at))
    return found


def _standing(
    person: Person, known: Mapping[str, _Known], foreign: Mapping[int, Sequence[PastAttempt]], at: float
) -> Standing:
    """Put together what is known of a lead's numbers, and of the others of the same person."""
    own = [known[number] for number in person.numbers.values()]
    blocked = [each.blocked_at for each in own if each.blocked_at is not None]
    past = {attempt.call_id: attempt for each in own for _, attempt in each.past}
    others = {holder.lead_id for each in own for holder in each.holders if holder.campaign != person.campaign}
    for attempt in (attempt for lead_id in sorted(others) for attempt in foreign.get(lead_id, ())):
        past.setdefault(attempt.call_id, replace(attempt, number=""))
    return Standing(
        as_of_at=at,
        consents=tuple(consent for each in own for consent in each.consents),
        past=tuple(sorted(past.values(), key=lambda attempt: (attempt.at, attempt.call_id))),
        listed=tuple(entry for each in own for entry in each.listed),
        blocked_at=min(blocked, default=None),
    )


def _chunks(numbers: Iterable[bytes]) -> Iterator[list[bytes]]:
    entries = iter(numbers)
    while chunk := list(islice(entries, _NUMBERS_AT_ONCE)):
        yield chunk
