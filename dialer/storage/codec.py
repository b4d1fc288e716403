"""Events and commands as JSON, one object each: {"type": "CallRinging", "call_id": 7}.

One rule governs this module: the same value always gives the same bytes. Fields stand in the order of their class, keys
of mappings are sorted, so two journals can be compared byte for byte. A float that JSON cannot carry (an infinite term
of a pacing decision) travels as a string. Each entry says the version of its format; `dialer.storage.upcasters` reads
those of earlier ones.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, get_args

import msgspec

from dialer.domain.commands import Command, RecordDecision
from dialer.domain.events import Event
from dialer.errors import StorageError
from dialer.storage.upcasters import UNMARKED, VERSION, upcast

Object = Event | Command


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One journal entry: what the engine handled at `at` (None: a deadline passed) and what it ordered."""

    seq: int
    at: float
    event: Event | None
    commands: tuple[Command, ...]


class _Head(msgspec.Struct):
    type: str


class _Line(msgspec.Struct, kw_only=True):
    version: int = UNMARKED
    seq: int
    at: float
    event: msgspec.Raw
    commands: list[msgspec.Raw]


EVENT_TYPES: tuple[type, ...] = get_args(Event)
COMMAND_TYPES: tuple[type, ...] = get_args(Command)

_ENCODER = msgspec.json.Encoder(order="deterministic")
_PREFIXES = {kind: f'{{"type":"{kind.__name__}",'.encode() for kind in EVENT_TYPES + COMMAND_TYPES}
_EVENT_NAMES = frozenset(kind.__name__ for kind in EVENT_TYPES)
_PLAIN = msgspec.json.Encoder()
# Only a decision is read leniently, for its infinite terms: a lenient reader takes the text "null" for None.
_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    kind.__name__: msgspec.json.Decoder(kind, strict=kind is not RecordDecision) for kind in EVENT_TYPES + COMMAND_TYPES
}
_HEAD: msgspec.json.Decoder[_Head] = msgspec.json.Decoder(_Head)
_LINE: msgspec.json.Decoder[_Line] = msgspec.json.Decoder(_Line)


def dumps(value: object) -> bytes:
    """Encode any value of the domain (or a plain one) as JSON, with the keys of mappings sorted."""
    return _ENCODER.encode(value)


def encode(value: Object) -> bytes:
    """Encode one event or command; every class of `dialer.domain` that travels has at least one field."""
    if type(value) is RecordDecision and not all(math.isfinite(term) for _, term in value.decision.terms):
        return _PREFIXES[RecordDecision] + _PLAIN.encode(_with_text_terms(value))[1:]
    return _PREFIXES[type(value)] + _ENCODER.encode(value)[1:]


def decode(data: bytes | msgspec.Raw) -> Object:
    """Decode what `encode` made; raise StorageError for anything else."""
    try:
        name = _HEAD.decode(data).type
        decoder = _DECODERS.get(name)
        if decoder is None:
            raise StorageError(f"journal: type {name!r} is neither an event nor a command of this version")
        value: Object = decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise StorageError(f"journal: expected an event or a command, found {_shown(bytes(data))}: {error}") from error
    return value


def to_object(value: Object) -> dict[str, Any]:
    """Give an event or a command as a plain JSON object, for whoever prints one."""
    plain: dict[str, Any] = msgspec.json.decode(encode(value))
    return plain


def encode_entry(seq: int, now: float, event: Event | None, commands: Iterable[Command]) -> bytes:
    """Encode one journal entry as one line of JSON, without the line's end."""
    head = b'{"version":%d,"seq":%d,"at":%b,"event":' % (VERSION, seq, _ENCODER.encode(float(now)))
    body = b"null" if event is None else encode(event)
    return b'%b%b,"commands":[%b]}' % (head, body, b",".join([encode(command) for command in commands]))


def decode_entry(line: bytes) -> Entry:
    """Decode what `encode_entry` of this or of any earlier version made; raise StorageError for anything else."""
    try:
        raw = _LINE.decode(line)
    except msgspec.MsgspecError as error:
        raise StorageError(f"journal: expected one entry, found {_shown(line)}: {error}") from error
    if not UNMARKED <= raw.version <= VERSION:
        raise StorageError(
            f"journal: entry {raw.seq}: expected a format version up to {VERSION}, found {raw.version}: upgrade dialer"
        )
    read = decode if raw.version == VERSION else partial(_decode_old, raw.version)
    event = None if bytes(raw.event) == b"null" else read(raw.event)
    commands = tuple(read(command) for command in raw.commands)
    if event is not None and type(event).__name__ not in _EVENT_NAMES:
        raise StorageError(f"journal: entry {raw.seq}: expected an event, found a {type(event).__name__}")
    for command in commands:
        if type(command).__name__ in _EVENT_NAMES:
            raise StorageError(f"journal: entry {raw.seq}: expected commands, found a {type(command).__name__}")
    return Entry(seq=raw.seq, at=raw.at, event=event, commands=commands)  # type: ignore[arg-type]


def _decode_old(version: int, data: msgspec.Raw) -> Object:
    """Decode an event or a command of an earlier version."""
    try:
        changed = msgspec.json.encode(upcast(version, msgspec.json.decode(data, type=dict[str, Any])))
    except (msgspec.MsgspecError, LookupError, TypeError) as error:
        found = _shown(bytes(data))
        raise StorageError(f"journal: expected an event or a command of version {version}, found {found}") from error
    return decode(changed)


def _with_text_terms(value: RecordDecision) -> dict[str, Any]:
    """Write infinite terms as strings: JSON has no number for them."""
    plain: dict[str, Any] = msgspec.to_builtins(value)
    plain["decision"]["terms"] = terms_to_plain(value.decision.terms)
    return plain


def terms_to_plain(terms: Iterable[tuple[str, float]]) -> list[list[str | float]]:
    """Give a decision's terms with every float that JSON cannot carry as a string."""
    return [[name, term if math.isfinite(term) else str(term)] for name, term in terms]


def _shown(data: bytes) -> str:
    """Describe some bytes for an error message, which must not quote them: they may hold a person's number."""
    return f"{len(data)} bytes that are none"
