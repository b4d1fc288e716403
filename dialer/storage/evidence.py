"""The evidence: what was decided, dialed, abandoned, refused and looked at, in a log that shows every later change.

One rule governs this module: nothing in the log names a person. A number is its keyed hash (`subject`), a name is not
there at all, so that the log may be kept, copied and checked after the person's data were erased.

Entry n has hash_n = SHA-256(hash_n-1 || n as eight bytes, big-endian || SHA-256(body)); the body is JSON that begins
with `at` and `kind`. The first entry follows 32 zero bytes. The inner hash lets an export leave a body out (another
campaign's, say) and still prove that the entry was there. Entries are written inside the transaction of the journal.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256

import msgspec

import dialer
from dialer.domain.commands import BlockPerson, Command, RecordAttempt, RecordChange, RecordVerdict
from dialer.domain.events import CampaignLoaded, Event, LawLoaded, RegistryLoaded
from dialer.domain.law import Law, Ruleset
from dialer.domain.records import Attempt, VerdictRecord
from dialer.storage import evidence_bodies as bodies
from dialer.storage import rows
from dialer.storage.codec import dumps
from dialer.storage.database import Connection, Cursor
from dialer.storage.evidence_bodies import NO_TERMS, Body, LawInForce, Terms
from dialer.storage.vault import Vault

GENESIS = bytes(32)
"""What stands before the first entry."""

TRIMMED_META = "evidence_trimmed"
"""The key in `meta` of the number of the last entry that was trimmed; of what is before it, nothing proves anything."""

_ENCODE = msgspec.json.Encoder().encode
_LAST = "SELECT seq, hash FROM evidence ORDER BY seq DESC LIMIT 1"
_LAST_LAW = "SELECT seq, hash FROM evidence WHERE kind = 'law' ORDER BY seq DESC LIMIT 1"
_KEEP_TEXT = "INSERT INTO evidence_texts (digest, body) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING"
_SPAN = "SELECT seq, at, kind, body, hash FROM evidence WHERE seq BETWEEN ? AND ? ORDER BY seq"
_WAS_ABANDONED = "SELECT is_abandoned FROM attempts WHERE call_id = ?"
_POLICY = "SELECT policy FROM campaigns WHERE name = ?"


def link(before: bytes, seq: int, digest: bytes) -> bytes:
    """Give the hash of entry `seq`, whose body has this SHA-256, after an entry with the hash `before`."""
    return sha256(before + seq.to_bytes(8, "big") + digest).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One entry as it lies in the log."""

    seq: int
    at: float
    kind: str
    body: bytes
    hash: bytes


@dataclass(slots=True, kw_only=True)
class Memory:
    """What a writer need not look up anew in each transaction."""

    terms: dict[str, Terms] = field(default_factory=dict)
    law: LawInForce | None = None


# ----------------------------------------------------------------------------------------- the writer
class EvidenceWriter:
    """Turns what goes into the journal into entries; `flush` links and writes them.

    `memory` is the caller's, for all its transactions. Made early in one, it waits for no answer of a server later.
    """

    def __init__(self, connection: Connection, vault: Vault, memory: Memory) -> None:
        self._connection = connection
        self._vault = vault
        self._memory = memory
        self._asked = connection.execute(_LAST_LAW)
        self._new_law: LawInForce | None = None  # that this very transaction keeps
        self._by_found: list[tuple[int, VerdictRecord]] = []  # verdicts by the law that was found: index in _lines
        self._lines: list[tuple[float, str, bytes]] = []
        self._texts: list[tuple[bytes, bytes]] = []
        self._abandoned: set[int] = set()

    @cached_property
    def _found(self) -> LawInForce | None:
        """The last law when the transaction began."""
        return _law_in_force(self._connection, self._memory, self._asked)

    def take(self, at: float | None, event: Event | None, commands: Iterable[Command]) -> None:
        """Add what an event and the orders that follow from it prove. `at` None: each order says its own instant.

        To be called before the attempts among the orders are written.
        """
        if event is not None:
            self._take_event(at or 0.0, event)
        for command in commands:
            match command:
                case RecordAttempt(attempt=attempt):
                    self._take_attempt(at, attempt)
                case RecordVerdict(record=record):
                    law = self._new_law or self._found
                    if law is self._found:
                        self._by_found.append((len(self._lines), record))
                    self.add(bodies.verdict_body(record, self._subject(record.number), law))
                case BlockPerson():
                    self._take_refusal(at, command)
                case RecordChange(change=change):
                    self.add(bodies.change_body(change))
                case _:
                    pass

    def add(self, body: Body) -> None:
        """Add one entry."""
        self._lines.append((body.at, body.kind, _ENCODE(body)))

    def flush(self) -> None:
        """Write what was added behind what is there."""
        if self._texts:
            self._connection.executemany(_KEEP_TEXT, self._texts)
        if not self._lines:
            return
        self._connection.hold("evidence")
        self._go_by_last_law()
        seq, before = last_link(self._connection)
        written: list[tuple[int, float, str, bytes, bytes]] = []
        for at, kind, body in self._lines:
            seq += 1
            before = link(before, seq, sha256(body).digest())
            written.append((seq, at, kind, body, before))
        self._connection.load("evidence", ("seq", "at", "kind", "body", "hash"), written)
        self._lines.clear()
        self._by_found.clear()

    def _go_by_last_law(self) -> None:
        """Name in verdicts the law that is the last one now: another writer may have put one there meanwhile."""
        if not self._by_found:
            return
        law = _law_in_force(self._connection, self._memory, self._connection.execute(_LAST_LAW))
        if law is self._found:
            return
        for index, record in self._by_found:
            at, kind, _ = self._lines[index]
            body = bodies.verdict_body(record, self._subject(record.number), law)
            self._lines[index] = (at, kind, _ENCODE(body))

    # --------------------------------------------------------------------------------- events
    def _take_event(self, at: float, event: Event) -> None:
        match event:
            case LawLoaded(law=law):
                self._take_law(at, law)
            case CampaignLoaded(policy=policy):
                self._memory.terms[policy.name] = Terms.of(policy)
                self.add(bodies.campaign_body(at, policy))
            case RegistryLoaded(copy=copy):
                self.add(bodies.registry_body(at, copy))
            case _:
                pass

    def _take_law(self, at: float, law: Law) -> None:
        body = self._law_body(at, law)
        self.add(body)
        # Verdicts of this very transaction go by it already; it has no hash yet.
        self._new_law = LawInForce(digest=law.digest, body=sha256(_ENCODE(body)).hexdigest(), hash=b"")

    def _law_body(self, at: float, law: Law) -> bodies.LawBody:
        return bodies.LawBody(
            at=at,
            digest=law.digest,
            dialer=dialer.__version__,
            rulesets=tuple([self._ruleset_body(ruleset) for ruleset in law.rulesets]),
            overrides=law.overrides,
            holidays=self._text(law.holidays),
            holiday_years=law.holiday_years,
        )

    def _ruleset_body(self, ruleset: Ruleset) -> bodies.RulesetBody:
        return bodies.RulesetBody(
            code=ruleset.code,
            version=ruleset.version,
            digest=ruleset.digest,
            origin=ruleset.origin,
            text=self._text(ruleset),
        )

    def _text(self, value: object) -> str:
        """Keep a long value beside the log, once, and give the SHA-256 by which entries name it."""
        body = dumps(value)
        digest = sha256(body)
        self._texts.append((digest.digest(), body))
        return digest.hexdigest()

    # ------------------------------------------------------------------------------- commands
    def _subject(self, number: str) -> str:
        return self._vault.index(number).hex()

    def _take_attempt(self, at: float | None, attempt: Attempt) -> None:
        if at is None:
            at = bodies.last_instant(attempt)
        subject = self._subject(attempt.number)
        terms = self._terms_of(attempt.campaign)
        self.add(bodies.attempt_body(at, attempt, subject, terms))
        if attempt.is_abandoned and not self._was_abandoned(attempt.call_id):
            self._abandoned.add(attempt.call_id)
            self.add(bodies.abandonment_body(at, attempt, subject, terms))

    def _was_abandoned(self, call_id: int) -> bool:
        """Whether an earlier record of the call said so."""
        if call_id in self._abandoned:
            return True
        found = self._connection.execute(_WAS_ABANDONED, (call_id,)).fetchone()
        return found is not None and bool(found[0])

    def _take_refusal(self, at: float | None, command: BlockPerson) -> None:
        self.add(
            bodies.RefusalBody(
                at=command.at or at or 0.0,
                seller=command.seller,
                subjects=tuple([self._subject(number) for number in command.numbers]),
                reason=command.reason,
                who=command.who,
            )
        )

    def _terms_of(self, campaign: str) -> Terms:
        terms = self._memory.terms.get(campaign)
        if terms is None:
            found = self._connection.execute(_POLICY, (campaign,)).fetchone()
            terms = NO_TERMS if found is None else Terms.of(rows.to_policy(found[0]))
            self._memory.terms[campaign] = terms
        return terms


class _LawDigest(msgspec.Struct):
    digest: str


_LAW_DIGEST: msgspec.json.Decoder[_LawDigest] = msgspec.json.Decoder(_LawDigest)


def _law_in_force(connection: Connection, memory: Memory, asked: Cursor) -> LawInForce | None:
    """Give the law that was asked for. Its hash tells whether it is the remembered one: a transaction may be undone."""
    found = asked.fetchone()
    if found is None:
        return None
    if memory.law is None or memory.law.hash != found[1]:
        body = connection.execute("SELECT body FROM evidence WHERE seq = ?", (found[0],)).fetchone()[0]
        digest = _LAW_DIGEST.decode(body).digest
        memory.law = LawInForce(digest=digest, body=sha256(body).hexdigest(), hash=found[1])
    return memory.law


# ----------------------------------------------------------------------------------------- reading
def last_link(connection: Connection) -> tuple[int, bytes]:
    """Give number and hash of the last entry."""
    found = connection.execute(_LAST).fetchone()
    return (0, GENESIS) if found is None else (int(found[0]), bytes(found[1]))


def trimmed(connection: Connection) -> int:
    """Give the number of the last entry that was trimmed; 0 when none was."""
    found = connection.execute("SELECT value FROM meta WHERE key = ?", (TRIMMED_META,)).fetchone()
    return 0 if found is None else int(found[0])


def entries(connection: Connection, first: int, last: int) -> Iterator[Evidence]:
    """Give the entries of a span of numbers, in order."""
    found = connection.execute(_SPAN, (first, last))
    for seq, at, kind, body, hash_ in found:
        yield Evidence(seq=seq, at=at, kind=kind, body=_bytes(body), hash=_bytes(hash_))


def _bytes(column: bytes | str) -> bytes:
    """Give a column's bytes: whoever changes a row by hand may leave text behind, and to be found it has to be read."""
    return column.encode() if isinstance(column, str) else column


def record(connection: Connection, vault: Vault, body: Body) -> None:
    """Append one entry, within a transaction that somebody else began."""
    writer = EvidenceWriter(connection, vault, Memory())
    writer.add(body)
    writer.flush()
