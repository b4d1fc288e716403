"""What an SQLite database knows of people, put together for the rules: see `dialer.domain.standing`.

One rule governs this module: a claim of many leads costs a few statements, not a few per lead, and each of them names
the seller. Numbers are found by their keyed hashes; none is opened.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import inf
from typing import Any

from dialer.domain.lead import Lead
from dialer.domain.outcome import Outcome
from dialer.domain.records import Attempt
from dialer.domain.standing import PAST_DAYS, Consent, PastAttempt, Standing
from dialer.storage.consents import consents_of
from dialer.storage.database import Connection
from dialer.storage.registries import KeptCopy, Shelf, copies_in_use, listed
from dialer.storage.vault import Vault

PAST_S = PAST_DAYS * 86_400.0
_NUMBERS_AT_ONCE = 10_000  # SQLite takes 32,766 values in a statement

_PAST = """SELECT call_id, number_index, subject, placed_at, is_abandoned, abandoned_at, outcome, is_live,
    bridged_at, is_refusal, disposed_at FROM attempts
    WHERE number_index IN (%s) AND (placed_at >= ? OR is_refusal = 1 OR is_abandoned = 1) AND placed_at <= ?
    AND seller = ?"""
_BLOCKED = "SELECT number_index, at FROM blocked WHERE number_index IN (%s) AND seller = ? AND at <= ?"


@dataclass(slots=True)
class _Known:
    """What is known of one number."""

    consents: list[Consent] = field(default_factory=list)
    past: list[PastAttempt] = field(default_factory=list)
    listed: list[tuple[str, str]] = field(default_factory=list)
    blocked_at: float | None = None


class Standings:
    """Puts standings together from a connection's tables and the registers' files."""

    def __init__(self, vault: Vault, shelf: Shelf) -> None:
        self._vault = vault
        self._shelf = shelf

    def of(
        self, connection: Connection, leads: Sequence[Lead], seller: str, at: float, *, is_claim: bool = False
    ) -> list[Standing]:
        """Give the standing of each lead with a seller, as it was or is at an instant.

        For a claim every copy that is here is in use, whatever the clock said of the process that imported it.
        """
        index = self._vault.index
        numbers = {index(number.e164): number.e164 for lead in leads for number in lead.numbers}
        known: dict[str, _Known] = {}
        copies = copies_in_use(connection, inf if is_claim else at)
        for chunk in _chunks(numbers):
            self._know(connection, known, chunk, seller, at, copies)
        return [_standing([known[n.e164] for n in lead.numbers if n.e164 in known], at) for lead in leads]

    def _know(
        self,
        connection: Connection,
        known: dict[str, _Known],
        numbers: Mapping[bytes, str],
        seller: str,
        at: float,
        copies: Sequence[KeptCopy],
    ) -> None:
        """Add what there is of some numbers."""

        def of(e164: str) -> _Known:
            return known.setdefault(e164, _Known())

        for kept in consents_of(connection, seller, numbers, at):
            of(kept.consent.number).consents.append(kept.consent)
        marks = ", ".join("?" * len(numbers))
        for row in connection.execute(_PAST % marks, (*numbers, at - PAST_S, at, seller)):
            number = numbers[row[1]]
            of(number).past.append(_to_past(row, number, at))
        for number_index, blocked_at in connection.execute(_BLOCKED % marks, (*numbers, seller, at)):
            of(numbers[number_index]).blocked_at = blocked_at
        for registry, number in listed(self._shelf, copies, numbers):
            of(number).listed.append((registry, number))


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
    call_id, _, subject, placed_at, abandoned, abandoned_at, outcome, live, bridged_at, refusal, disposed_at = row
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


def _standing(known: Sequence[_Known], at: float) -> Standing:
    """Put together what is known of a lead's numbers."""
    blocked = [each.blocked_at for each in known if each.blocked_at is not None]
    past = [attempt for each in known for attempt in each.past]
    past.sort(key=lambda attempt: (attempt.at, attempt.call_id))
    return Standing(
        as_of_at=at,
        consents=tuple(consent for each in known for consent in each.consents),
        past=tuple(past),
        listed=tuple(entry for each in known for entry in each.listed),
        blocked_at=min(blocked, default=None),
    )


def _chunks(numbers: Mapping[bytes, str]) -> Iterator[dict[bytes, str]]:
    entries = iter(numbers.items())
    while chunk := dict(islice(entries, _NUMBERS_AT_ONCE)):
        yield chunk
