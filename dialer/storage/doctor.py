"""What a crash or a damaged disk left in a database that nobody would notice: listed, and mended where it can be.

One rule governs this module: the records are the truth (attempts, leads, the journal's orders to dial), and what is
only counted from them is made anew. What is missing from the records is told, never invented.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from hashlib import sha256
from math import inf

import msgspec

from dialer.domain.commands import Command, PlaceCall, RecordAttempt, SaveLead
from dialer.domain.lead import Lead
from dialer.engine.hopper import order_key
from dialer.engine.resuming import certainty
from dialer.errors import StorageError
from dialer.storage import rows
from dialer.storage.database import Connection, Database
from dialer.storage.evidence import GENESIS, EvidenceWriter, Memory, entries, last_link, link, trimmed
from dialer.storage.evidence_bodies import DeedBody
from dialer.storage.imports import ERASED
from dialer.storage.ownership import NOW, begin_counting, engine_of, first_number, last_number, next_call_key
from dialer.storage.store import HELD_BACK, Store
from dialer.storage.vault import Vault
from dialer.storage.writing import raise_counter

DAYS_S = 7 * 86_400.0
"""How far back attempts are looked at, from the journal's last entry on."""
LINKS = 10_000
"""Entries of the evidence whose chain is followed, the last ones; `dialer evidence verify` follows all of an export."""
ENTRIES = 2_000
"""Journal entries whose orders to dial are compared with the counter of calls, the last ones."""

_ATTEMPT = ", ".join(rows.ATTEMPT_COLUMNS)
_UNKNOWN = f"""SELECT {_ATTEMPT} FROM attempts WHERE placed_at >= ? AND released_at IS NOT NULL
    AND (outcome = 'unknown' OR released_by = 'unknown') ORDER BY call_id"""
_OPEN = "SELECT call_id, campaign, lead_id FROM attempts WHERE released_at IS NULL ORDER BY call_id"
_STUCK = f"SELECT lead_id, campaign FROM leads WHERE place = 2 {HELD_BACK} ORDER BY lead_id"
_ENGINES = "SELECT engine_id FROM engines ORDER BY engine_id"
_ALIVE = f"SELECT engine_id, name, holder FROM engines WHERE until_at > {NOW} ORDER BY engine_id"
_DIALED_BY = "SELECT name, engine_id FROM campaigns"
_OPEN_LEADS = """SELECT name, open_leads, (SELECT count(*) FROM leads WHERE campaign = campaigns.name AND place <> 3)
    FROM campaigns ORDER BY name"""
_LAST_CALL = "SELECT coalesce(max(call_id), ?) FROM attempts WHERE call_id BETWEEN ? AND ?"
_LAST_ENTRIES = "SELECT at, entry FROM journal WHERE seq BETWEEN ? AND ? ORDER BY seq DESC LIMIT ?"
_COUNTER = "SELECT value FROM meta WHERE key = ?"
_MADE = f"""SELECT lead_id, campaign, attempts, made FROM leads JOIN (SELECT lead_id, campaign, count(*) AS made
    FROM attempts GROUP BY lead_id, campaign) AS counted USING (lead_id, campaign)
    WHERE attempts <> made AND reason <> '{ERASED}' ORDER BY lead_id"""
_PROVEN = "SELECT body FROM evidence WHERE kind = 'attempt' AND at >= ?"
_RECENT = f"SELECT {_ATTEMPT} FROM attempts WHERE placed_at >= ? ORDER BY call_id"


class _Call(msgspec.Struct):
    call_id: int


_CALL: msgspec.json.Decoder[_Call] = msgspec.json.Decoder(_Call)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not as it should be, or not known. `help` says what mends it."""

    kind: str
    text: str
    help: str
    is_mendable: bool = False
    campaign: str | None = None
    lead_id: int | None = None
    call_id: int | None = None


class Doctor:
    """Examines one database, as of one instant of it; a daemon may write beside."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    def examine(self, now: float, *, has_daemon: bool) -> list[Finding]:
        """Give all findings. With a daemon at work, what it holds (leads, calls) is as it should be.

        Where daemons share the database, their leases say which of them are at work, and `has_daemon` nothing.
        """
        with (
            self._database.explained(),
            closing(self._database.open_reader(self._vault)) as connection,
            self._database.snapshot(connection),
        ):
            engines = [engine_id for (engine_id,) in connection.execute(_ENGINES)]
            since_at = self._last_at(connection, engines or [0], now) - DAYS_S
            found = list(self._unknown(connection, since_at))
            if engines:
                found += self._left_behind(connection, _held(connection))
            elif not has_daemon:
                found += self._left_behind(connection, frozenset())
            for engine_id in engines or [0]:
                found += self._ids(connection, engine_id)
            found += self._counts(connection)
            found += self._without_evidence(connection, since_at)
            found += self._chain(connection)
        return found

    def _unknown(self, connection: Connection, since_at: float) -> Iterator[Finding]:
        for row in connection.execute(_UNKNOWN, (since_at,)):
            attempt = rows.to_attempt(row, self._vault)
            if certainty(attempt) != "unknown":
                continue
            yield Finding(
                kind="unknown",
                text=f"call {attempt.call_id}: kept as {attempt.outcome}; nobody saw how it ended ({attempt.cause})",
                help="counted against the abandonment budget; ask your carrier what became of it",
                campaign=attempt.campaign,
                lead_id=attempt.lead_id,
                call_id=attempt.call_id,
            )

    def living(self) -> list[str]:
        """Name the engines that a daemon dials for, each with that daemon; none where daemons share no database."""
        with self._database.explained(), closing(self._database.open_reader(self._vault)) as connection:
            return [f"engine {name!r}: {holder}" for _, name, holder in living(connection)]

    def dialed(self) -> frozenset[str]:
        """Name the campaigns that a daemon dials right now, wherever it runs, where daemons share the database."""
        with self._database.explained(), closing(self._database.open_reader(self._vault)) as connection:
            return _held(connection)

    def _last_at(self, connection: Connection, engines: list[int], now: float) -> float:
        """Give the instant of the last entry of any engine; a simulated day may be any."""
        spans = [(first_number(engine_id), last_number(engine_id), 1) for engine_id in engines]
        last = [row[0] for row in (connection.execute(_LAST_ENTRIES, span).fetchone() for span in spans) if row]
        return max(last, default=now)

    def _left_behind(self, connection: Connection, held: Collection[str]) -> Iterator[Finding]:
        """Give the calls and leads of a daemon that is gone; `held` are the campaigns of those at work."""
        for call_id, campaign, lead_id in connection.execute(_OPEN):
            if campaign in held:
                continue
            yield Finding(
                kind="open",
                text=f"call {call_id}: has no end, and no daemon runs",
                help="the next start asks the gateway and settles it",
                campaign=campaign,
                lead_id=lead_id,
                call_id=call_id,
            )
        for lead_id, campaign in connection.execute(_STUCK):
            if campaign in held:
                continue
            yield Finding(
                kind="stuck",
                text=f"lead {lead_id}: taken by a daemon that does not run",
                help="--mend gives it back, as the next start does",
                is_mendable=True,
                campaign=campaign,
                lead_id=lead_id,
            )

    def _counts(self, connection: Connection) -> Iterator[Finding]:
        for campaign, kept, counted in connection.execute(_OPEN_LEADS):
            if kept != counted:
                yield Finding(
                    kind="open_leads",
                    text=f"campaign {campaign}: {kept} open leads are on record, and {counted} are there",
                    help="--mend counts them anew",
                    is_mendable=True,
                    campaign=campaign,
                )
        for lead_id, campaign, kept, made in connection.execute(_MADE):
            yield Finding(
                kind="attempts",
                text=f"lead {lead_id}: {kept} attempts are on record, and {made} were made",
                help="--mend counts them anew" if made > kept else "more than there are: nobody is called too often",
                is_mendable=made > kept,
                campaign=campaign,
                lead_id=lead_id,
            )

    def _ids(self, connection: Connection, engine_id: int) -> Iterator[Finding]:
        found = connection.execute(_COUNTER, (next_call_key(engine_id),)).fetchone()
        following = first_number(engine_id) if found is None else found[0]
        used = self._last_call(connection, first_number(engine_id), last_number(engine_id))
        if following <= used:
            yield Finding(
                kind="next_call_id",
                text=f"the next call would be number {following}, and {used} is in use already",
                help="--mend goes on behind it",
                is_mendable=True,
                call_id=used,
            )

    def _last_call(self, connection: Connection, first: int, last: int) -> int:
        """Give the last number of a call between two that was ever used; the one before the first when none was."""
        used: int = connection.execute(_LAST_CALL, (first - 1, first, last)).fetchone()[0]
        for _, entry in connection.execute(_LAST_ENTRIES, (first, last, ENTRIES)):
            orders = [each for each in rows.to_entry(entry, self._vault).commands if isinstance(each, PlaceCall)]
            used = max([used, *(order.call_id for order in orders)])
        return used

    def _without_evidence(self, connection: Connection, since_at: float) -> Iterator[Finding]:
        oldest = connection.execute("SELECT at FROM evidence ORDER BY seq LIMIT 1").fetchone()
        if trimmed(connection) and oldest is not None:
            since_at = max(since_at, oldest[0])
        proven = {_CALL.decode(body).call_id for (body,) in connection.stream(_PROVEN, (since_at,))}
        for row in connection.execute(_RECENT, (since_at,)):
            attempt = rows.to_attempt(row, self._vault)
            if attempt.call_id not in proven:
                yield Finding(
                    kind="evidence",
                    text=f"call {attempt.call_id}: an attempt that the evidence does not have",
                    help="--mend adds it at the end" if attempt.number else "the person was erased since",
                    is_mendable=bool(attempt.number),
                    campaign=attempt.campaign,
                    lead_id=attempt.lead_id,
                    call_id=attempt.call_id,
                )

    def _chain(self, connection: Connection) -> Iterator[Finding]:
        last, _ = last_link(connection)
        first = max(trimmed(connection) + 1, last - LINKS)
        before, expected = None, first
        for entry in entries(connection, first, last):
            is_first = before is None
            if is_first and entry.seq == 1:
                before, is_first = GENESIS, False
            is_linked = is_first or link(before or b"", entry.seq, sha256(entry.body).digest()) == entry.hash
            if entry.seq != expected or not is_linked:
                yield Finding(
                    kind="chain",
                    text=f"evidence: entry {expected} is not the one that was written: changed, or not there",
                    help="keep the database as it is, and restore a backup: evidence is not mended",
                )
                return
            before, expected = entry.hash, entry.seq + 1


def mend(store: Store, findings: list[Finding], now: float, who: str) -> list[str]:
    """Mend what can be mended, in transactions of their own; say what was done. No daemon may run."""
    done: list[str] = []
    by_kind: dict[str, list[Finding]] = {}
    for each in findings:
        if each.is_mendable:
            by_kind.setdefault(each.kind, []).append(each)
    steps: dict[str, Callable[[Store, list[Finding]], str]] = {
        "stuck": _give_back,
        "open_leads": _count_open,
        "next_call_id": _go_on_behind,
        "attempts": _count_attempts,
        "evidence": _add_evidence,
    }
    for kind, step in steps.items():
        if kind in by_kind:
            done.append(step(store, by_kind[kind]))
    if done:
        details: dict[str, str | int] = {kind: len(found) for kind, found in by_kind.items()}
        store.note(DeedBody(at=now, kind="mend", who=who, what="database", reason="dialer doctor", details=details))
    return done


def _give_back(store: Store, _: list[Finding]) -> str:
    return f"gave back {store.release_claims()} leads"


def _count_open(store: Store, found: list[Finding]) -> str:
    with store.writing() as connection:
        connection.executemany(
            "UPDATE campaigns SET open_leads ="
            " (SELECT count(*) FROM leads WHERE campaign = campaigns.name AND place <> 3) WHERE name = ?",
            [(each.campaign,) for each in found],
        )
    return f"counted the open leads of {', '.join(str(each.campaign) for each in found)}"


def _go_on_behind(store: Store, found: list[Finding]) -> str:
    used = [each.call_id or 0 for each in found]
    with store.writing() as connection:
        for call_id in used:
            engine_id = engine_of(call_id)
            begin_counting(connection, engine_id)
            raise_counter(connection, next_call_key(engine_id), call_id + 1)
    return f"the next call is number {', '.join(str(call_id + 1) for call_id in used)}"


def _count_attempts(store: Store, found: list[Finding]) -> str:
    commands: list[Command] = []
    for each in found:
        lead, policy = store.lead(each.lead_id or 0), store.policy(each.campaign or "")
        if lead is None or policy is None:
            raise StorageError(f"lead {each.lead_id} of {each.campaign}: gone while it was mended: run it again")
        attempts = store.attempts(each.campaign, 0.0, inf)
        lead = _with_attempts(lead, [attempt.number for attempt in attempts if attempt.lead_id == lead.lead_id])
        commands.append(SaveLead(lead=lead, order_key=order_key(lead, policy.list.order)))
    store.apply(commands)
    return f"counted the attempts of {len(found)} leads"


def _with_attempts(lead: Lead, made: list[str]) -> Lead:
    numbers = tuple(replace(number, attempts=max(number.attempts, made.count(number.e164))) for number in lead.numbers)
    return replace(lead, numbers=numbers, attempts=max(lead.attempts, len(made)))


def _add_evidence(store: Store, found: list[Finding]) -> str:
    wanted = {each.call_id for each in found}
    kept = [attempt for attempt in store.attempts(None, 0.0, inf) if attempt.call_id in wanted]
    with store.writing() as connection:
        evidence = EvidenceWriter(connection, store.vault, Memory())
        evidence.take(None, None, [RecordAttempt(attempt=attempt) for attempt in kept])
        evidence.flush()
    return f"added {len(kept)} attempts to the evidence"


def living(connection: Connection) -> list[tuple[int, str, str]]:
    """Give the engines whose lease has not run out, and who holds it, by the server's clock."""
    if connection.execute(_ENGINES).fetchone() is None:
        return []  # always so on SQLite, which has no such clock
    return list(connection.execute(_ALIVE))


def _held(connection: Connection) -> frozenset[str]:
    """Name the campaigns that a daemon dials right now."""
    alive = {engine_id for engine_id, _, _ in living(connection)}
    return frozenset(name for name, engine_id in connection.execute(_DIALED_BY) if engine_id in alive)
