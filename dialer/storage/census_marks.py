"""What tells leads apart beyond their row: the "do not call" list, registers, consents and earlier attempts.

One rule governs this module: numbers are matched by their keyed hashes, many at a time, and none is opened.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dialer.domain.policy import CampaignPolicy
from dialer.storage.census_limits import QUARTER_S, Limits, Memory
from dialer.storage.codec import dumps
from dialer.storage.database import Connection, Cursor
from dialer.storage.registries import HASH_BYTES
from dialer.storage.vault import INDEX_BYTES

if TYPE_CHECKING:
    import numpy as np

    Ids = np.ndarray[tuple[int], np.dtype[np.int64]]
    Instants = np.ndarray[tuple[int], np.dtype[np.float64]]
    Hashes = np.ndarray[tuple[int], np.dtype[np.uint64]]


_CHUNK = 500  # rows at once: the collector of garbage looks again and again at those of larger chunks
_TABLE = 1 << 26  # so large may a table be that saves sorting
_RANKS = 1 << 16  # more numbers than a lead has
_BLOCKED = "SELECT number_index FROM blocked WHERE seller = ? AND at <= ?"
_OURS = "(seller = ? OR {named}) AND obtained_at <= ?"
_REVOKED = f"SELECT number_index FROM consents WHERE {_OURS} AND revoked_at <= ?"
# What a consent is worth, beside its date, is a number of five bits, and a text where it is something rare.
_CONSENTS = f"""SELECT number_index, CASE WHEN seller = ? THEN 1 ELSE 0 END + CASE WHEN is_written THEN 2 ELSE 0 END
    + CASE WHEN is_night THEN 4 ELSE 0 END + CASE WHEN text_hash <> '' THEN 8 ELSE 0 END
    + CASE WHEN source <> '' THEN 16 ELSE 0 END, CASE WHEN hours = '[]' AND coalesce(confirmed_at, 0) <= ? THEN ''
    ELSE hours || CAST(CASE WHEN confirmed_at > ? THEN consent_id ELSE 0 END AS TEXT) END,
    CASE WHEN confirmed_at > obtained_at AND confirmed_at <= ? THEN confirmed_at ELSE obtained_at END
    FROM consents WHERE {_OURS} AND {{meant}}
    AND (revoked_at IS NULL OR revoked_at > ?) AND (expires_at IS NULL OR expires_at > ?)"""
_BITS = 32
# As `dialer.storage.standing.past_attempt` and `dialer.compliance.case` see them; in the order of the table, whose ids
# grow with time, for it is far faster than any index when many are read.
_WHAT = """number_index, placed_at, CASE WHEN subject IN ('', ?) THEN 1 ELSE ? END
    + CASE WHEN outcome = 'unknown' OR (is_abandoned AND (abandoned_at IS NULL OR abandoned_at <= ?)) THEN 2 ELSE 0 END
    + CASE WHEN is_live AND bridged_at <= ? THEN 4 ELSE 0 END
    + CASE WHEN is_refusal AND (disposed_at IS NULL OR disposed_at <= ?) THEN 8 ELSE 0 END"""
_OF_SELLER = "+placed_at <= ? AND attempts.seller = ? ORDER BY call_id"
_SINCE, _REFUSED = "call_id >= ? AND +placed_at >= ?", "is_refusal AND +placed_at < ?"
_RECENT = f"SELECT {_WHAT} FROM attempts WHERE {_SINCE} AND {_OF_SELLER}"
_REFUSALS = f"SELECT {_WHAT} FROM attempts WHERE {_REFUSED} AND {_OF_SELLER}"
# Those on leads of other campaigns with more numbers than one: they count for whoever shares one of these.
_SHARED = f"""SELECT {_WHAT}, number_keys FROM attempts JOIN leads ON leads.lead_id = attempts.lead_id
    WHERE attempts.campaign <> ? AND leads.number_count > 1 AND {{}} AND {_OF_SELLER}"""
_RECENT_SHARED, _REFUSALS_SHARED = _SHARED.format(_SINCE), _SHARED.format(_REFUSED)
_FIRST = "SELECT coalesce(min(call_id), 0) FROM attempts WHERE placed_at >= ?"
_OPEN_CALLS = """SELECT number_index, coalesce(number_keys, number_index) FROM attempts
    LEFT JOIN leads ON leads.lead_id = attempts.lead_id
    WHERE released_at IS NULL AND seller = ? AND placed_at > ? AND placed_at <= ?"""
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
            place = np.zeros(len(lead), np.int64)
            if np.bincount(lead, minlength=1).max() > 1:  # else the order means nothing
                order = np.lexsort((marks, at, lead))
                lead, marks = lead[order], marks[order]
                place = np.arange(len(lead)) - np.searchsorted(lead, lead)
            for step in range(int(place.max(initial=-1)) + 1):
                here = lead[place == step]
                pairs = known[here] * len(self._meanings) + marks[place == step]
                known[here] = int(known.max()) + 1 + renumbered(pairs)
            known = renumbered(known)
        return known


def renumbered(values: "Ids") -> "Ids":
    """Number the distinct values, the smallest first; give each one's number."""
    import numpy as np

    top = int(values.max(initial=-1)) + 1
    if top > _TABLE:
        return np.asarray(np.unique(values, return_inverse=True)[1])
    is_there = np.zeros(top, np.bool_)
    is_there[values] = True
    return np.asarray((np.cumsum(is_there) - 1)[values])


def columns(cursor: Cursor) -> "Iterator[list[tuple[Any, ...]]]":
    """Give rows in chunks of columns: what is done for each row in Python would take longer than reading it."""
    while chunk := cursor.fetchmany(_CHUNK):
        yield list(zip(*chunk, strict=True))


def numbers_of(keys: bytes, counts: "Ids") -> Numbers:
    """Put the hashes of all numbers in order, given each lead's, one after another, and how many each lead has."""
    import numpy as np

    hashes = hashes_of((keys,))
    lead = np.repeat(np.arange(len(counts)), counts)
    rank = np.arange(len(hashes)) - np.repeat(np.cumsum(counts) - counts, counts)
    order = np.argsort(hashes)
    return Numbers(hashes=hashes[order], lead=lead[order], rank=rank[order])


def hashes_of(indexes: Iterable[bytes]) -> "Hashes":
    """Give of keyed hashes what numbers are matched by: their first bytes, as a number of this machine."""
    import numpy as np

    whole = np.frombuffer(b"".join(indexes), np.uint64).reshape(-1, INDEX_BYTES // HASH_BYTES)
    return np.ascontiguousarray(whole[:, 0])


def find_blocked(connection: Connection, policy: CampaignPolicy, numbers: Numbers, at: float) -> "Ids":
    """Give the leads with a number on the seller's own "do not call" list: one blocks the person."""
    _, where = numbers.find(hashes_of(row[0] for row in connection.stream(_BLOCKED, (policy.seller, at))))
    return numbers.lead[where]


def find_calling(connection: Connection, policy: CampaignPolicy, numbers: Numbers, at: float) -> "Ids":
    """Give the leads that share a number with one that the seller is calling at the instant."""
    found = connection.execute(_OPEN_CALLS, (policy.seller, at - _CALL_S, at))
    _, where = numbers.find(hashes_of(key for row in found for key in row))
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
    connection: Connection, policy: CampaignPolicy, numbers: Numbers, marks: Marks, limits: Limits
) -> None:
    """Mark the consents that may hold: of this seller and purpose, neither revoked nor expired."""
    import numpy as np

    at, seller = limits.at, policy.seller
    named, meant = connection.contains("recipients"), connection.contains("purposes")
    ours = (seller, dumps(seller).decode(), at)
    # A revocation may take other consents of the number with it: those count as themselves.
    revoked = hashes_of(row[0] for row in connection.stream(_REVOKED.format(named=named), (*ours, at)))
    rare = Numbering()
    parts: list[tuple[Hashes, Ids, Instants]] = []
    values = (seller, at, at, at, *ours, dumps(policy.purpose).decode(), at, at)
    for indexes, bits, texts, asked_at in columns(
        connection.stream(_CONSENTS.format(named=named, meant=meant), values)
    ):
        codes = np.array(bits, np.int64)
        if any(texts):
            codes += _BITS * np.array([rare[text] + 1 if text else 0 for text in texts], np.int64)
        parts.append((hashes_of(indexes), codes, np.array(asked_at, np.float64)))
    if not parts:
        return
    hashes, codes, asked = (np.concatenate(part) for part in zip(*parts, strict=True))
    codes = renumbered(codes)
    for low, high in limits.consent:
        quarters = (asked // QUARTER_S).astype(np.int64)
        sides = np.where(asked < low, 0, np.where(asked > high, 1, quarters))
        codes = renumbered(codes * (int(sides.max(initial=0)) + 1) + sides)
    alone = np.flatnonzero(np.isin(hashes, revoked))
    codes[alone] = int(codes.max(initial=0)) + 1 + alone
    found, where = numbers.find(hashes)
    marks.add(numbers.lead[where], "consents", codes[found] * _RANKS + numbers.rank[where])


def mark_past(
    connection: Connection,
    policy: CampaignPolicy,
    numbers: Numbers,
    marks: Marks,
    at: float,
    memory: "Ids",
    memories: Sequence[Memory],
) -> "tuple[Ids, Instants]":
    """Mark the earlier attempts that some rule still counts; give whose they are and when they were, in that order.

    `memory` says by which of the `memories` each lead's are counted.
    """
    import numpy as np

    from_at = min(min((each.from_at for each in memories), default=at), at)
    subject = policy.compliance.subject
    flags = (subject, 0 if subject else 1, at, at, at)  # without a subject every attempt is about it
    first = connection.execute(_FIRST, (from_at,)).fetchone()[0]
    since, before = (first, from_at, at, policy.seller), (from_at, at, policy.seller)
    parts = list(columns(connection.stream(_RECENT, (*flags, *since))))
    shared = list(columns(connection.stream(_RECENT_SHARED, (*flags, policy.name, *since))))
    if any(each.for_good for each in memories):
        parts = [*columns(connection.stream(_REFUSALS, (*flags, *before))), *parts]
        shared = [*columns(connection.stream(_REFUSALS_SHARED, (*flags, policy.name, *before))), *shared]
    found = [_find_own(numbers, part) for part in parts] + [_find_shared(numbers, part) for part in shared]
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.float64)
    lead, ranks, placed_at, bits = (np.concatenate(column) for column in zip(*found, strict=True))
    codes = np.full(len(lead), -1, np.int64)
    for number, known in enumerate(memories):
        mine = np.flatnonzero(memory[lead] == number)
        edges = np.array(known.edges, np.float64)
        when, was = placed_at[mine], bits[mine] & known.flags
        # Both sides of an edge, so that an instant right on it is neither before nor after.
        sides = np.searchsorted(edges, when, "left") + np.searchsorted(edges, when, "right")
        rank = ranks[mine] if known.is_per_number else 0
        is_kept = (sides > 0) | ((was & known.for_good) != 0)
        codes[mine] = np.where(is_kept, (sides * 16 + was) * _RANKS + rank, -1)
    kept = codes >= 0
    lead, codes, placed_at = lead[kept], codes[kept], placed_at[kept]
    order = np.lexsort((placed_at, lead))
    lead, codes, placed_at = lead[order], codes[order], placed_at[order]
    # Attempts of one instant keep the order in which they were read.
    marks.add(lead, "attempts", codes, np.arange(len(lead), dtype=np.float64))
    return lead, placed_at


def _find_own(numbers: Numbers, rows: Sequence[tuple[Any, ...]]) -> "tuple[Ids, Ids, Instants, Ids]":
    """Give of attempts whose they are by the number called, which of the lead's that is, when, and what it was."""
    import numpy as np

    indexes, instants, bits = rows
    hit, where = numbers.find(hashes_of(indexes))
    return (
        numbers.lead[where],
        numbers.rank[where],
        np.array(instants, np.float64)[hit],
        np.array(bits, np.int64)[hit],
    )


def _find_shared(numbers: Numbers, rows: Sequence[tuple[Any, ...]]) -> "tuple[Ids, Ids, Instants, Ids]":
    """Give the same for those who share only another number with the lead that was called."""
    import numpy as np

    indexes, instants, bits, keys = rows
    row = np.repeat(np.arange(len(keys)), [len(each) // INDEX_BYTES for each in keys])
    hit, where = numbers.find(hashes_of(keys))
    row, lead = row[hit], numbers.lead[where]
    owner = np.full(len(keys), -1, np.int64)
    hit, where = numbers.find(hashes_of(indexes))
    owner[hit] = numbers.lead[where]
    pairs = np.unique(np.stack((row, lead))[:, owner[row] != lead], axis=1)
    row, lead = pairs
    return lead, np.full(len(row), _RANKS - 1), np.array(instants, np.float64)[row], np.array(bits, np.int64)[row]
