"""What daemons and commands tell each other over a database that they share: that something in its tables changed.

One rule governs this module: an announcement is made in the transaction that makes the change, so it is heard when the
change can be seen and not before; it names what changed by keys and names, never by a telephone number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from dialer.storage.database import Connection

KEYS_MAX = 100  # PostgreSQL takes up to 8,000 bytes at once


class Kind(StrEnum):
    """What changed."""

    REFUSED = "refused"  # numbers that nobody of a seller calls any more; words are their keyed hashes
    CALLED = "called"  # numbers that are being called, by their keyed hashes
    PEOPLE = "people"  # anything known of anybody: consents, erasures
    REGISTRY = "registry"  # the copy of a register in use
    IMPORTED = "imported"  # a campaign's leads; the word is its name


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """What changed, and who says so: the engine's number and token, or "-" for a command."""

    kind: Kind
    origin: str
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join((self.kind, self.origin, *self.words))

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Read what another process announced; None for what this version does not know."""
        kind, *rest = text.split(" ")
        if kind not in set(Kind) or not rest:
            return None
        return cls(kind=Kind(kind), origin=rest[0], words=tuple(rest[1:]))


def announce(connection: Connection, origin: str, kind: Kind, words: Sequence[str] = ()) -> None:
    """Tell all others that listen, once the transaction is committed. A database that nobody shares tells nobody."""
    for start in range(0, max(len(words), 1), KEYS_MAX):
        said = Announcement(kind=kind, origin=origin, words=tuple(words[start : start + KEYS_MAX]))
        connection.tell(str(said))
