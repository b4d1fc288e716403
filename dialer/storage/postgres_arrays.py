"""Arrays as PostgreSQL takes them in its binary form, put together from values whose kind is known.

One rule governs this module: no value is asked what it is. psycopg asks each, and writes most arrays as text with each
value quoted; at 200 calls a second that was a fifth of a commit's processor time.
"""

from collections.abc import Callable, Sequence
from functools import partial
from struct import Struct
from typing import Any

from psycopg.abc import AdaptContext
from psycopg.adapt import Dumper
from psycopg.pq import Format

_length = Struct("!i").pack
_NULL = _length(-1)
_head = Struct("!iiIii").pack  # dimensions, may there be nulls, type of the values, how many, the first's number


class Array(bytes):
    """An array as it goes over; the classes below tell psycopg of what."""


class _Dumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Array) -> bytes:
        """Give it as it is."""
        return obj


class Kind:
    """A kind of value, by the numbers of its type and of the type of its arrays; `write` gives length and bytes."""

    def __init__(self, oid: int, array_oid: int, write: Callable[[Any], bytes]) -> None:
        self._oid = oid
        self._write = write
        self._made = type("Array", (Array,), {"__slots__": ()})
        self._dumper = type("ArrayDumper", (_Dumper,), {"oid": array_oid})

    def array(self, values: Sequence[Any]) -> Array:
        """Give an array of values, or Nones."""
        write = self._write
        parts = [_NULL if value is None else write(value) for value in values]
        made: Array = self._made(b"".join((_head(1, 1, self._oid, len(parts), 1), *parts)))
        return made

    def introduce(self, context: AdaptContext) -> None:
        """Let a connection take arrays of this kind."""
        context.adapters.register_dumper(self._made, self._dumper)


def _bytes(value: bytes) -> bytes:
    return _length(len(value)) + value


def _text(value: str) -> bytes:
    given = value.encode()
    return _length(len(given)) + given


WHOLE = Kind(20, 1016, partial(Struct("!iq").pack, 8))
TEXT = Kind(25, 1009, _text)
BYTES = Kind(17, 1001, _bytes)
COLUMNS = {
    "bigint": WHOLE,
    "double precision": Kind(701, 1022, partial(Struct("!id").pack, 8)),
    "boolean": Kind(16, 1000, partial(Struct("!i?").pack, 1)),
    "character varying": TEXT,
    "bytea": BYTES,
}
"""What holds the values of a column of a type."""
VALUES = {int: WHOLE, str: TEXT, bytes: BYTES}
"""What holds values that a column is to have one of."""


def introduce(context: AdaptContext) -> None:
    """Let a connection take arrays of every kind."""
    for kind in COLUMNS.values():
        kind.introduce(context)
