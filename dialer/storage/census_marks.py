"""What tells leads apart beyond their row: the "do not call" list, registers, consents and earlier attempts.

One rule governs this module: numbers are matched by their keyed hashes, many at a time, and none is opened.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dialer.compliance.hours import is_zone, zone
from dialer.domain.law import CooldownAfter
from dialer.domain.policy import CampaignPolicy
from dialer.domain.standing import PAST_DAYS
from dialer.storage.census_limits import Limits
from dialer.storage.codec import dumps
from dialer.storage.registries import HASH_BYTES
from dialer.storage.vault import INDEX_BYTES

if TYPE_CHECKING:
    import numpy as np

    Ids = np.ndarray[tuple[int], np.dtype[np.int64]]
    Instants = np.ndarray[tuple[int], np.dtype[np.float64]]
    Hashes = np.ndarray[tuple[int], np.dtype[np.uint64]]


_DAY_S = 86_400.0
_RANKS = 1 << 16  # more numbers than a lead has
_BLOCKED = "SELECT number_index FROM blocked WHERE seller = ? AND at <= ?"
_OURS = "(seller = ?1 OR instr(recipients, ?3)) AND obtained_at <= ?2"
_REVOKED = f"SELECT number_index FROM consents WHERE {_OURS} AND revoked_at <= ?2"
# As `dialer.storage.standing.past_attempt` and `dialer.compliance.case` see them.
_ATTEMPTS = """SELECT number_index, placed_at, ?4 = '' OR subject IN ('', ?4),
    coalesce(outcome = 'unknown', 0) OR (is_abandoned AND coalesce(abandoned_at <= ?3, 1)),
    is_live AND coalesce(bridged_at <= ?3, 0), is_refusal AND coalesce(disposed_at <= ?3, 1) FROM attempts
    WHERE (placed_at >= ?2 OR (?5 AND is_refusal)) AND placed_at <= ?3 AND seller = ?1 ORDER BY placed_at, call_id"""
_FLAG = {CooldownAfter.CONVERSATION: 4, CooldownAfter.REFUSAL: 8}
_OPEN_CALLS = """SELECT number_index FROM attempts WHERE released_at IS NULL AND seller = ? AND placed_at > ?
    AND placed_at <= ?"""
_CALL_S = 7200.0  # nobody has been on a call for so long: its end was not seen


class Numbering(dict[Any, int]):
    """Gives each distinct value the next number."""

    def __missing__(self, key: Any) -> int:
        self[key] = number = len(self)
        return number


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Every number of every lead, ascending by its hash: whose it is, and which of that lead's it is."""

    hashes: "Hashes"
    lead: "Ids"
    rank: "Ids"

    def find(self, wanted: "Hashes") -> "tuple[Ids, Ids]":
        """Give the indexes in `wanted` of those that are here, and where they are."""
        import numpy as np

        if not len(self.hashes) or not len(wanted):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        at = np.minimum(np.searchsorted(self.hashes, wanted), len(self.hashes) - 1)
        found = np.flatnonzero(self.hashes[at] == wanted)
        return found, at[found]


class Marks:
    """What tells leads apart beyond their row: marks in a given order, each a number with a meaning of its own."""

    def __init__(self) -> None:
        self._meanings = Numbering()
        self._parts: list[tuple[Ids, Ids, Instants]] = []

    def add(self, lead: "Ids", kind: str, codes: "Ids", at: "Instants | None" = None) -> None:
        """Mark leads. Marks of one kind stand in the order of `at`, or of their codes where that means nothing."""
        import numpy as np

        distinct, inverse = np.unique(codes, return_inverse=True)
        numbers = np.array([self._meanings[kind, int(code)] for code in distinct], np.int64)
        marks = numbers[inverse] if len(codes) else codes
        self._parts.append((lead, marks, marks.astype(np.float64) if at is None else at))

    def number(self, leads: int) -> "Ids":
        """Give each lead a number that it shares with those that have the same marks in the same order."""
        import numpy as np

        known = np.zeros(leads, np.int64)
        for lead, marks, at in self._parts:
            order = np.lexsort((marks, at, lead))
            owners, marks = lead[order], marks[order]
            place = np.arange(len(owners)) - np.searchsorted(owners, owners)
            for step in range(int(place.max(initial=-1)) + 1):
                here = owners[place == step]
                pairs = known[here] * len(self._meanings) + marks[place == step]
                known[here] = int(known.max()) + 1 + np.unique(pairs, return_inverse=True)[1]
        return np.asarray(np.unique(known, return_inverse=True)[1])


def numbers_of(keys: Sequence[bytes]) -> Numbers:
    """Put the hashes of all numbers in order, given each lead's: its numbers' keyed hashes, one after another."""
    import numpy as np

    counts = np.fromiter(map(len, keys), np.int64, len(keys)) // INDEX_BYTES
    whole = np.frombuffer(b"".join(keys), np.uint64).reshape(-1, INDEX_BYTES // HASH_BYTES)
    hashes = whole[:, 0]
    lead = np.repeat(np.arange(len(keys)), counts)
    rank = np.arange(len(hashes)) - np.repeat(np.cumsum(counts) - counts, counts)
    order = np.argsort(hashes)
    return Numbers(hashes=hashes[order], lead=lead[order], rank=rank[order])


def _hashes(indexes: Iterable[bytes]) -> "Hashes":
    import numpy as np

    whole = np.frombuffer(b"".join(indexes), np.uint64).reshape(-1, INDEX_BYTES // HASH_BYTES)
    return np.ascontiguousarray(whole[:, 0])


def find_blocked(connection: sqlite3.Connection, policy: CampaignPolicy, numbers: Numbers, at: float) -> "Ids":
    """Give the leads with a number on the seller's own "do not call" list: one blocks the person."""
    _, where = numbers.find(_hashes(row[0] for row in connection.execute(_BLOCKED, (policy.seller, at))))
    return numbers.lead[where]


def find_calling(connection: sqlite3.Connection, policy: CampaignPolicy, numbers: Numbers, at: float) -> "Ids":
    """Give the leads with a number that the seller is calling at the instant."""
    found = connection.execute(_OPEN_CALLS, (policy.seller, at - _CALL_S, at))
    _, where = numbers.find(_hashes(row[0] for row in found))
    return numbers.lead[where]


def mark_listed(numbers: Numbers, register: str, hashes: "Hashes", marks: Marks) -> None:
    """Mark the numbers that are on a register, given the sorted hashes of those that are."""
    import numpy as np

    if not len(hashes):
        return
    at = np.minimum(np.searchsorted(hashes, numbers.hashes), len(hashes) - 1)
    where = np.flatnonzero(hashes[at] == numbers.hashes)
    marks.add(numbers.lead[where], register, numbers.rank[where])


def mark_consents(
    connection: sqlite3.Connection, policy: CampaignPolicy, numbers: Numbers, marks: Marks, limits: Limits
) -> None:
    """Mark the consents that may hold: of this seller and purpose, neither revoked nor expired."""
    import numpy as np

    at = limits.at
    named = (policy.seller, at, dumps(policy.seller).decode(), dumps(policy.purpose).decode())
    # A revocation may take other consents of the number with it: those count as themselves.
    revoked = {row[0] for row in connection.execute(_REVOKED, named[:3])}
    kinds = Numbering()
    indexes: list[bytes] = []
    codes: list[int] = []
    for index, kind, consent_id in connection.execute(_consents(limits), named):
        indexes.append(index)
        codes.append(kinds[(kind, consent_id) if index in revoked else kind])
    found, where = numbers.find(_hashes(indexes))
    of_number = np.array(codes, np.int64)[found] * _RANKS + numbers.rank[where]
    marks.add(numbers.lead[where], "consents", of_number)


def _consents(limits: Limits) -> str:
    """Give the query for consents, each as a text that is the same for those that are worth the same."""
    asked_at = "CASE WHEN confirmed_at > obtained_at AND confirmed_at <= ?2 THEN confirmed_at ELSE obtained_at END"
    sides = "".join(
        f" || ' ' || CASE WHEN {asked_at} < {low!r} THEN 0 WHEN {asked_at} > {high!r} THEN 1 ELSE {asked_at} END"
        for low, high in limits.consent
    )
    return f"""SELECT number_index, (seller = ?1) || is_written || is_night || (text_hash <> '') || (source <> '')
        || hours{sides} || CASE WHEN confirmed_at > ?2 THEN consent_id ELSE '' END, consent_id
        FROM consents WHERE {_OURS} AND instr(purposes, ?4)
        AND (revoked_at IS NULL OR revoked_at > ?2) AND (expires_at IS NULL OR expires_at > ?2)"""


def mark_past(
    connection: sqlite3.Connection,
    policy: CampaignPolicy,
    numbers: Numbers,
    marks: Marks,
    limits: Limits,
    zones: "Ids",
    zone_sets: Sequence[tuple[str, ...]],
) -> "tuple[Ids, Instants]":
    """Mark the earlier attempts that some rule still counts; give whose they are and when they were, in that order."""
    import numpy as np

    back_s = max([*limits.windows_s, 2.0 * _DAY_S if limits.is_by_day else 0.0])
    if CooldownAfter.CONVERSATION in limits.for_good:
        back_s = max(back_s, PAST_DAYS * _DAY_S)
    is_refusal_kept = CooldownAfter.REFUSAL in limits.for_good
    named = (policy.seller, limits.at - back_s, limits.at, policy.compliance.subject, is_refusal_kept)
    found = connection.execute(_ATTEMPTS, named).fetchall()
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.float64)
    hit, where = numbers.find(_hashes(row[0] for row in found))
    values = np.array([row[1:] for row in found], np.float64)[hit]
    lead, rank, placed_at = numbers.lead[where], numbers.rank[where], values[:, 0]
    flags = (values[:, 1:] != 0.0) @ np.array([1, 2, *_FLAG.values()])
    sides = np.zeros(len(hit), np.int64)
    for number, names in enumerate(zone_sets):
        mine = zones[lead] == number
        edges = np.array(_edges(names, limits), np.float64)
        when = placed_at[mine]
        # Both sides of an edge, so that an instant right on it is neither before nor after.
        sides[mine] = np.searchsorted(edges, when, "left") + np.searchsorted(edges, when, "right")
    codes = (sides * 16 + flags) * _RANKS + rank
    kept = sum(_FLAG[each] for each in limits.for_good)
    is_kept = (sides > 0) | ((flags & kept) != 0)
    lead, codes, placed_at = lead[is_kept], codes[is_kept], placed_at[is_kept]
    order = np.lexsort((placed_at, lead))
    lead, codes, placed_at = lead[order], codes[order], placed_at[order]
    # Attempts of one instant keep the order in which they were read.
    marks.add(lead, "attempts", codes, np.arange(len(lead), dtype=np.float64))
    return lead, placed_at


def _edges(zones: Iterable[str], limits: Limits) -> list[float]:
    """Give the instants before which an attempt no longer counts, by some rule, ascending."""
    edges = {limits.at - window_s for window_s in limits.windows_s}
    if limits.is_by_day:
        for name in filter(is_zone, zones):
            local = datetime.fromtimestamp(limits.at, zone(name))
            edges.add(local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0).timestamp())
    return sorted(edges)
