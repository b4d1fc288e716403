"""The evidence as a file that stands alone: its lines, and writing them.

One rule governs this module: every line can be checked by itself and by the lines before it, so that a check names the
first line that is wrong. Lines are compact JSON, each ended by one line feed:

1. `head`: what the file is of, the number of its first entry and the hash before it, and the law then in force;
2. `text`: rules or holidays, right after the first line (head or entry) whose law names them by their SHA-256;
3. `entry`: number, hash and body exactly as hashed; of a body that is left out only its SHA-256;
4. `end`: the count of entries, the last hash, and the SHA-256 of all bytes before this line.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import BinaryIO

import msgspec

import dialer
from dialer.errors import EvidenceError
from dialer.storage.database import Connection
from dialer.storage.evidence import GENESIS, Evidence, entries, last_link, link, trimmed

FORMAT = "dialer evidence 1"
CHUNK = 5_000  # entries read at once: a reader that stays for long keeps the write-ahead log from being emptied

# The signs keep both databases from walking the numbers: instants lead there faster.
_FIRST = "SELECT min(+seq) FROM evidence WHERE at >= ? AND +seq > ?"
_LAST = "SELECT max(+seq) FROM evidence WHERE at < ?"
_LAW_BEFORE = "SELECT body FROM evidence WHERE kind = 'law' AND seq < ? ORDER BY seq DESC LIMIT 1"


class Head(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a file is of. `since`, `until`: the span asked for, in POSIX seconds (None: open)."""

    format: str
    dialer: str
    since: float | None
    until: float | None
    campaign: str | None
    first: int
    before: str
    law: msgspec.Raw


class HeadLine(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, tag="head", tag_field="line"):
    """The first line; `sha256` is that of `head`."""

    sha256: str
    head: msgspec.Raw


class TextLine(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, tag="text", tag_field="line"):
    """Rules or holidays that a law names by this SHA-256."""

    sha256: str
    text: msgspec.Raw


class EntryLine(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, tag="entry", tag_field="line"):
    """An entry with its body."""

    seq: int
    hash: str
    body: msgspec.Raw


class HiddenLine(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, tag="hidden", tag_field="line"):
    """An entry whose body is left out; `sha256` is the body's."""

    seq: int
    hash: str
    sha256: str


class EndLine(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, tag="end", tag_field="line"):
    """The last line."""

    count: int
    hash: str
    sha256: str


Line = HeadLine | TextLine | EntryLine | HiddenLine | EndLine
_ENCODE = msgspec.json.Encoder().encode


def encode_line(line: Line) -> bytes:
    """Give the bytes of a line."""
    return _ENCODE(line) + b"\n"


class Named(msgspec.Struct):
    """The text that a ruleset of a law is kept as."""

    text: str


class LawNames(msgspec.Struct):
    """The texts that a law names."""

    rulesets: tuple[Named, ...]
    holidays: str


_LAW: msgspec.json.Decoder[LawNames] = msgspec.json.Decoder(LawNames)


def texts_of(law: bytes) -> list[str]:
    """Give the digests of the texts that a law's entry names, in order, each once."""
    names = _LAW.decode(law)
    return list(dict.fromkeys([*(ruleset.text for ruleset in names.rulesets), names.holidays]))


class Scope(msgspec.Struct):
    """When an entry was made, and whose it is."""

    at: float
    kind: str
    campaign: str | None = None
    seller: str | None = None


_SCOPE: msgspec.json.Decoder[Scope] = msgspec.json.Decoder(Scope)
_EVERYBODYS = frozenset({"law", "registry", "trim"})
"""Kinds of entries that are of no campaign and shown in the export of any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to export: a span of instants, and one campaign of a seller (None: everything)."""

    since: float = float("-inf")
    until: float = float("inf")
    campaign: str | None = None
    seller: str | None = None

    def shows(self, scope: Scope) -> bool:
        """Whether an entry is written with its body."""
        if self.campaign is None:
            return True
        if scope.campaign is not None:
            return scope.campaign == self.campaign
        return scope.kind in _EVERYBODYS or (scope.seller is not None and scope.seller == self.seller)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What became of an export."""

    first: int
    count: int
    hidden: int
    hash: str


class EvidenceExport:
    """Writes one export, and checks the log on the way."""

    def __init__(self, connection: Connection, out: BinaryIO) -> None:
        self._connection = connection
        self._out = out
        self._all = sha256()
        self._written: set[str] = set()

    def write(self, wanted: Wanted) -> Written:
        """Write the entries of a span; raise EvidenceError when the log itself is not whole."""
        first, last, before = span_of(self._connection, wanted.since, wanted.until)
        law = self._connection.execute(_LAW_BEFORE, (first,)).fetchone()
        self._write_head(wanted, first, before, None if law is None else bytes(law[0]))
        hidden = 0
        seq = first - 1
        for entry in _in_chunks(self._connection, first, last):
            seq += 1
            before, scope = _checked(entry, seq, before)
            if wanted.shows(scope):
                self._put(EntryLine(seq=seq, hash=before.hex(), body=msgspec.Raw(entry.body)))
            else:
                hidden += 1
                self._put(HiddenLine(seq=seq, hash=before.hex(), sha256=sha256(entry.body).hexdigest()))
            if scope.kind == "law":
                self._write_texts(entry.body)
        if seq != last:
            raise EvidenceError(f"evidence: entry {seq + 1} is missing: the log was cut; restore the database's backup")
        self._put(EndLine(count=last - first + 1, hash=before.hex(), sha256=self._all.hexdigest()))
        return Written(first=first, count=last - first + 1, hidden=hidden, hash=before.hex())

    def _write_head(self, wanted: Wanted, first: int, before: bytes, law: bytes | None) -> None:
        head = Head(
            format=FORMAT,
            dialer=dialer.__version__,
            since=_finite(wanted.since),
            until=_finite(wanted.until),
            campaign=wanted.campaign,
            first=first,
            before=before.hex(),
            law=msgspec.Raw(b"null" if law is None else law),
        )
        raw = _ENCODE(head)
        self._put(HeadLine(sha256=sha256(raw).hexdigest(), head=msgspec.Raw(raw)))
        if law is not None:
            self._write_texts(law)

    def _write_texts(self, law: bytes) -> None:
        """Write the texts that a law names and that are not in the file yet."""
        for digest in texts_of(law):
            if digest in self._written:
                continue
            self._written.add(digest)
            found = self._connection.execute(
                "SELECT body FROM evidence_texts WHERE digest = ?", (bytes.fromhex(digest),)
            ).fetchone()
            if found is None or sha256(found[0]).hexdigest() != digest:
                raise EvidenceError(
                    f"evidence: the rules with the SHA-256 {digest} are missing or were changed: restore the "
                    "database's backup"
                )
            self._put(TextLine(sha256=digest, text=msgspec.Raw(bytes(found[0]))))

    def _put(self, line: Line) -> None:
        data = encode_line(line)
        self._all.update(data)
        self._out.write(data)


def span_of(connection: Connection, since: float, until: float) -> tuple[int, int, bytes]:
    """Give the numbers of the first and the last entry of a span, and the hash before the first.

    Entries of other clocks (a command beside a daemon in simulated time) that lie between them are in the span, too.
    The last is one less than the first when there is none.
    """
    first = connection.execute(_FIRST, (since, trimmed(connection))).fetchone()[0]
    last = connection.execute(_LAST, (until,)).fetchone()[0]
    if first is None or last is None or last < first:
        end, hash_ = last_link(connection)
        return end + 1, end, hash_
    if first == 1:
        return 1, int(last), GENESIS
    before = connection.execute("SELECT hash FROM evidence WHERE seq = ?", (first - 1,)).fetchone()
    if before is None:
        raise EvidenceError(f"evidence: entry {first - 1} is missing: the log was cut; restore the database's backup")
    return int(first), int(last), bytes(before[0])


def _in_chunks(connection: Connection, first: int, last: int) -> Iterator[Evidence]:
    for start in range(first, last + 1, CHUNK):
        yield from list(entries(connection, start, min(start + CHUNK - 1, last)))


def _checked(entry: Evidence, seq: int, before: bytes) -> tuple[bytes, Scope]:
    """Give an entry's hash and scope; raise EvidenceError when it is not what the log says."""
    if entry.seq != seq:
        raise EvidenceError(f"evidence: entry {seq} is missing: the log was cut; restore the database's backup")
    hash_ = link(before, seq, sha256(entry.body).digest())
    if hash_ != entry.hash:
        raise EvidenceError(
            f"evidence: entry {seq} was changed after it was written: its hash is not that of its body and of the "
            "entries before it; restore the database's backup"
        )
    scope = _SCOPE.decode(entry.body)
    if (scope.at, scope.kind) != (entry.at, entry.kind):
        raise EvidenceError(
            f"evidence: entry {seq} was changed after it was written: its row says {entry.kind} at {entry.at}, its "
            f"body {scope.kind} at {scope.at}; restore the database's backup"
        )
    return hash_, scope


def _finite(at: float) -> float | None:
    return None if at in (float("-inf"), float("inf")) else at
