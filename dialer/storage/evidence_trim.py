"""The end of old evidence: entries that no law asks for any more go, from the front, and the chain still holds.

One rule governs this module: what goes is said in the log before it goes. The last entry that goes leaves its number
and its hash behind, to which the next one is linked; the law in force at that place stays, because verdicts behind it
name it. Rows go in small transactions, so that a daemon beside it is never kept waiting.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from dialer.domain.law import Law
from dialer.storage.database import Connection
from dialer.storage.evidence import TRIMMED_META, record, trimmed
from dialer.storage.evidence_bodies import DeedBody
from dialer.storage.vault import Vault

HOUSE_KEEP_DAYS = 1827
"""Five years, the longest that a law we know of asks for; no ruleset shortens it."""
DAY_S = 86_400.0
CHUNK = 5_000

_FIRST_KEPT = "SELECT min(+seq) FROM evidence WHERE at >= ? AND +seq > ?"  # the signs: by instant, not by number
_LAST = "SELECT coalesce(max(seq), 0) FROM evidence"
_LAW_BEFORE = "SELECT max(seq) FROM evidence WHERE kind = 'law' AND seq <= ?"
_HASH = "SELECT hash FROM evidence WHERE seq = ?"
_REMEMBER = "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
_BLANK = "UPDATE evidence SET kind = 'trimmed', body = ? WHERE seq = ? AND kind <> 'law'"
_NEXT_OLD = "SELECT min(seq) FROM evidence WHERE seq > ? AND seq < ? AND seq <> ?"
_DELETE = "DELETE FROM evidence WHERE seq >= ? AND seq < ? AND seq < ? AND seq <> ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trim:
    """What goes: the entries from `first` to `last`, all of them made before `before_at` (none when `last` is less)."""

    first: int
    last: int
    before_at: float

    @property
    def count(self) -> int:
        """How many entries go."""
        return max(0, self.last - self.first + 1)


def longest_keep_days(law: Law) -> int:
    """Give how many days the rules in force want records kept, at least those of the house."""
    asked = [rule.keep_days for ruleset in law.rulesets for rule in ruleset.records]
    return max([HOUSE_KEEP_DAYS, *asked])


def plan_trim(connection: Connection, now: float, keep_days: int) -> Trim:
    """Say which entries are older than `keep_days`, which the house makes at least five years."""
    gone = trimmed(connection)
    before_at = now - max(keep_days, HOUSE_KEEP_DAYS) * DAY_S
    kept = connection.execute(_FIRST_KEPT, (before_at, gone)).fetchone()[0]
    last = int(connection.execute(_LAST).fetchone()[0]) if kept is None else int(kept) - 1
    return Trim(first=gone + 1, last=last, before_at=before_at)


Transaction = Callable[[], AbstractContextManager[Connection]]


def carry_out(transaction: Transaction, vault: Vault, trim: Trim, *, at: float, who: str, reason: str) -> None:
    """Say in the log what goes, and let it go. Interrupted, the next trim finishes it."""
    with transaction() as connection:
        connection.hold("evidence")
        if trim.count:
            last_hash = bytes(connection.execute(_HASH, (trim.last,)).fetchone()[0]).hex()
            details: dict[str, str | int] = {"first": trim.first, "last": trim.last, "hash": last_hash}
            deed = DeedBody(at=at, kind="trim", who=who, what="evidence", reason=reason, details=details)
            record(connection, vault, deed)
            connection.execute(_REMEMBER, (TRIMMED_META, trim.last))
            connection.execute(_BLANK, (b"", trim.last))
        gone = trimmed(connection)
        law = connection.execute(_LAW_BEFORE, (gone,)).fetchone()[0] or 0
    for start in _chunks(transaction, gone, law):
        with transaction() as connection:
            connection.execute(_DELETE, (start, start + CHUNK, gone, law))


def _chunks(transaction: Transaction, gone: int, law: int) -> Iterator[int]:
    """Give the first old entry again and again, as long as there is one."""
    start = 0
    while True:
        with transaction() as connection:
            found = connection.execute(_NEXT_OLD, (start, gone, law)).fetchone()[0]
        if found is None:
            return
        yield int(found)
        start = int(found)
