"""Looking after the journal: read in spans, checked from end to end, and let go from the front, engine by engine.

One rule governs this module: the numbers of the journal go on for ever. What goes leaves from the front, is checked and
named in the evidence before it goes, and the last entry always stays: the next number and the daemon's clock follow
from it. Rows are read and let go few at a time, so that a daemon beside it is never kept waiting.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

from dialer.domain.commands import PlaceCall
from dialer.errors import EvidenceError, KeysError, StorageError
from dialer.storage import rows
from dialer.storage.codec import Entry
from dialer.storage.database import Connection
from dialer.storage.evidence import record
from dialer.storage.evidence_bodies import DeedBody
from dialer.storage.ownership import engine_of, first_number, last_number, next_call_key
from dialer.storage.reading import Records
from dialer.storage.store import Store
from dialer.storage.vault import Vault

TRIMMED_META = "journal_trimmed"
"""The key in `meta` of the number of the last entry that was let go; absent while none was."""
READ = 2_000  # entries read at once: a reader that stays for long keeps the write-ahead log from being emptied
DELETE = 500  # entries let go in one transaction
FAULTS_MAX = 20  # that are named; all are counted
_CALLS_AT_ONCE = 500

_SPAN = "SELECT coalesce(min(seq), 0), coalesce(max(seq), 0) FROM journal WHERE seq > ?"
_CHUNK = "SELECT seq, at, entry FROM journal WHERE seq >= ? AND seq <= ? ORDER BY seq LIMIT ?"
_OWN_SPAN = "SELECT coalesce(min(seq), 0), coalesce(max(seq), 0) FROM journal WHERE seq > ? AND seq <= ?"
_AT = "SELECT at FROM journal WHERE seq >= ? ORDER BY seq LIMIT 1"
_TRIMMED = "SELECT value FROM meta WHERE key = ?"
_REMEMBER = "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
_OLDEST_OPEN = "SELECT min(placed_at) FROM attempts WHERE released_at IS NULL AND call_id BETWEEN ? AND ?"
_ATTEMPTS = "SELECT call_id, campaign, lead_id FROM attempts WHERE %s"
_ATTEMPTS_SINCE = """SELECT count(*), (SELECT max(seq) FROM journal WHERE seq <= ?) FROM attempts
    WHERE call_id BETWEEN ? AND ?"""
_LAST_CALL = "SELECT max(call_id) FROM attempts WHERE call_id BETWEEN ? AND ?"
_LAST_LEAD = "SELECT max(lead_id) FROM leads"
_FIRST = "SELECT min(seq) FROM journal WHERE seq BETWEEN ? AND ?"
_VALUE = "SELECT value FROM meta WHERE key = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    seq: int
    at: float
    column: bytes


@dataclass(slots=True, kw_only=True)
class Verified:
    """What the journal holds, and what of it is wrong: `faults` in words (the first of them), `fault_count` of all.

    `trimmed` is the number of the last entry that was let go.
    """

    trimmed: int = 0
    first: int = 0
    last: int = 0
    entries: int = 0
    from_at: float | None = None
    to_at: float | None = None
    calls: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    fault_count: int = 0

    def blame(self, fault: str) -> None:
        """Add what is wrong."""
        self.fault_count += 1
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(fault)


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalTrim:
    """What goes: the entries from `first` to `last` (none when `last` is less). `held_at`: a call without an end began
    then, and what is of that instant or later stays."""

    first: int
    last: int
    before_at: float
    held_at: float | None

    @property
    def count(self) -> int:
        """How many entries go."""
        return max(0, self.last - self.first + 1)


def engines(store: Records) -> dict[int, str]:
    """Name the engines that have a journal each; where daemons share no database there is one, without a name."""
    with store.database.explained(), closing(store.database.open_reader(store.vault)) as connection:
        found = dict(connection.execute("SELECT engine_id, name FROM engines ORDER BY engine_id").fetchall())
    return found or {0: ""}


def trimmed(connection: Connection, engine_id: int = 0) -> int:
    """Give the number of the last entry of an engine that was let go; the one before its first when none was."""
    found = connection.execute(_TRIMMED, (_trimmed_key(engine_id),)).fetchone()
    return first_number(engine_id) - 1 if found is None else int(found[0])


def _trimmed_key(engine_id: int) -> str:
    return TRIMMED_META if engine_id == 0 else f"{TRIMMED_META}:{engine_id}"


def span(store: Records) -> tuple[int, int]:
    """Give the numbers of the first and of the last entry; (0, 0) when there is none."""
    with store.database.explained(), closing(store.database.open_reader(store.vault)) as connection:
        first, last = connection.execute(_SPAN, (trimmed(connection),)).fetchone()
    return first, last


def entries_between(store: Records, first: int, last: int) -> Iterator[Entry]:
    """Give the entries of a span of numbers, in order, in today's form."""
    with store.database.explained(), closing(store.database.open_reader(store.vault)) as connection:
        for row in _rows(connection, max(first, trimmed(connection) + 1), last):
            yield rows.to_entry(row.column, store.vault)


def _rows(connection: Connection, first: int, last: int) -> Iterator[_Row]:
    while found := connection.execute(_CHUNK, (first, last, READ)).fetchall():
        for seq, at, column in found:
            yield _Row(seq=seq, at=at, column=column)
        first = found[-1][0] + 1


# ------------------------------------------------------------------------------------------ checking
def verify(store: Records, engine_id: int = 0) -> Verified:
    """Check an engine's journal up to its last entry: numbers, instants, what entries say, calls, next numbers."""
    with store.database.explained(), closing(store.database.open_reader(store.vault)) as connection:
        result = Verified(trimmed=trimmed(connection, engine_id))
        span = (result.trimmed, last_number(engine_id))
        result.first, result.last = connection.execute(_OWN_SPAN, span).fetchone()
        _Checker(connection, store.vault, result, engine_id).run()
    return result


class _Checker:
    """Goes through the entries once."""

    def __init__(self, connection: Connection, vault: Vault, result: Verified, engine_id: int) -> None:
        self._engine_id = engine_id
        self._connection = connection
        self._vault = vault
        self._result = result
        self._orders: list[tuple[int, int, PlaceCall]] = []  # number of its entry, call id, order; not compared yet
        self._first_call = 0
        self._last_call = 0

    def run(self) -> None:
        """Look at every entry, then at what follows from all of them."""
        result = self._result
        expected = result.trimmed + 1
        for row in _rows(self._connection, expected, result.last):
            if row.seq != expected and not self._is_trimmed_meanwhile(row.seq):
                missing = f"{expected}" if row.seq == expected + 1 else f"{expected} to {row.seq - 1}"
                result.blame(f"entry {missing}: missing")
            expected = row.seq + 1
            result.entries += 1
            self._look_at(row)
        self._compare()
        self._check_calls()
        self._check_counters()

    def _is_trimmed_meanwhile(self, seq: int) -> bool:
        return seq == trimmed(self._connection, self._engine_id) + 1

    def _look_at(self, row: _Row) -> None:
        result = self._result
        if result.to_at is not None and row.at < result.to_at:
            result.blame(f"entry {row.seq}: its instant {row.at} is before that of the entry before it, {result.to_at}")
        result.from_at = row.at if result.from_at is None else result.from_at
        result.to_at = row.at
        try:
            entry = rows.to_entry(row.column, self._vault)
        except (StorageError, KeysError) as error:
            result.blame(f"entry {row.seq}: it cannot be read: {error}")
            return
        if (entry.seq, entry.at) != (row.seq, row.at):
            result.blame(f"entry {row.seq}: it says of itself that it is entry {entry.seq} of the instant {entry.at}")
        result.kinds["(a deadline)" if entry.event is None else type(entry.event).__name__] += 1
        for command in entry.commands:
            result.kinds[type(command).__name__] += 1
            if isinstance(command, PlaceCall):
                self._take_order(entry.seq, command)

    def _take_order(self, seq: int, order: PlaceCall) -> None:
        self._result.calls += 1
        self._first_call = self._first_call or order.call_id
        if order.call_id <= self._last_call:
            self._result.blame(f"entry {seq}: call {order.call_id} is ordered after call {self._last_call}")
        self._last_call = max(self._last_call, order.call_id)
        self._orders.append((seq, order.call_id, order))
        if len(self._orders) == _CALLS_AT_ONCE:
            self._compare()

    def _compare(self) -> None:
        """Find the attempts of some orders to dial."""
        where, values = self._connection.among("call_id", [call_id for _, call_id, _ in self._orders])
        found = self._connection.execute(_ATTEMPTS % where, values).fetchall()
        attempts = {call_id: (campaign, lead_id) for call_id, campaign, lead_id in found}
        for seq, call_id, order in self._orders:
            attempt = attempts.get(call_id)
            if attempt is None:
                self._result.blame(f"entry {seq}: call {call_id} was ordered, and there is no attempt of it")
            elif attempt != (order.campaign, order.lead_id):
                self._result.blame(f"entry {seq}: call {call_id} was ordered for another lead than its attempt's")
        self._orders.clear()

    def _check_calls(self) -> None:
        begin, end = first_number(self._engine_id), last_number(self._engine_id)
        first = self._first_call if self._result.trimmed >= begin else begin
        if first:
            count, last = self._connection.execute(_ATTEMPTS_SINCE, (end, first, end)).fetchone()
            # What was placed since the last entry that was read is no concern of this check.
            if last == self._result.last and count > self._result.calls:
                self._result.blame(f"{count - self._result.calls} attempts have no order to dial in the journal")

    def _check_counters(self) -> None:
        begin, end = first_number(self._engine_id), last_number(self._engine_id)
        last_call = self._connection.execute(_LAST_CALL, (begin, end)).fetchone()[0] or 0
        last_lead = self._connection.execute(_LAST_LEAD).fetchone()[0] or 0
        counters = {next_call_key(self._engine_id): max(last_call, self._last_call), "next_lead_id": last_lead}
        for key, used in counters.items():
            found = self._connection.execute(_VALUE, (key,)).fetchone()
            if found is None or found[0] <= used:
                following = None if found is None else found[0]
                self._result.blame(f"{key} is {following}, and {used} is in use already")


# ------------------------------------------------------------------------------------------ trimming
def plan_trim(store: Records, before_at: float, engine_id: int = 0) -> JournalTrim:
    """Say which entries of an engine from before an instant may go: none of a call that has no end yet or later, never
    the last."""
    with store.database.explained(), closing(store.database.open_reader(store.vault)) as connection:
        gone = trimmed(connection, engine_id)
        last = connection.execute(_OWN_SPAN, (gone, last_number(engine_id))).fetchone()[1]
        held_at = connection.execute(_OLDEST_OPEN, (first_number(engine_id), last_number(engine_id))).fetchone()[0]
        until_at = before_at if held_at is None else min(before_at, held_at)
        kept = _first_since(connection, gone + 1, last, until_at)
    return JournalTrim(first=gone + 1, last=kept - 1, before_at=before_at, held_at=held_at)


def _first_since(connection: Connection, low: int, high: int, at: float) -> int:
    """Find the first entry of an instant or later, at most the last: instants never run back, so halving finds it."""
    while low < high:
        middle = (low + high) // 2
        if connection.execute(_AT, (middle,)).fetchone()[0] < at:
            low = middle + 1
        else:
            high = middle
    return low


def trim(store: Store, plan: JournalTrim, *, at: float, who: str, reason: str) -> None:
    """Let entries go, as `plan_trim` said. Interrupted, the next trim finishes it.

    Raises EvidenceError, and lets nothing go, when an entry that would go is missing or cannot be read: that is for
    somebody to look at first.
    """
    with store.database.explained(), closing(store.database.open_writer(store.vault)) as connection:
        engine_id = engine_of(plan.first)
        _refuse_damaged(connection, store.vault, plan)
        if plan.count:
            details: dict[str, str | int] = {"first": plan.first, "last": plan.last}
            with store.database.transaction(connection):
                deed = DeedBody(at=at, kind="trim", who=who, what="journal", reason=reason, details=details)
                record(connection, store.vault, deed)
                connection.execute(_REMEMBER, (_trimmed_key(engine_id), plan.last))
        span = (first_number(engine_id), trimmed(connection, engine_id))
        while (first := connection.execute(_FIRST, span).fetchone()[0]) is not None:
            with store.database.transaction(connection):
                connection.execute(
                    "DELETE FROM journal WHERE seq >= ? AND seq < ? AND seq <= ?", (first, first + DELETE, span[1])
                )


def _refuse_damaged(connection: Connection, vault: Vault, plan: JournalTrim) -> None:
    expected = plan.first
    for row in _rows(connection, plan.first, plan.last):
        try:
            is_right = rows.to_entry(row.column, vault).seq == row.seq == expected
        except (StorageError, KeysError):
            is_right = False
        if not is_right:
            break
        expected += 1
    if expected <= plan.last:
        raise EvidenceError(
            f"journal: entry {expected} is missing or cannot be read, so nothing was let go: "
            "`dialer journal verify` says all that is wrong; restore a backup"
        )
