"""What the store's statements run on: a database, whichever it is, and a connection to it.

One rule governs this module: statements are written once, in the SQL that SQLite and PostgreSQL share, with `?` for
each value. Where the two differ for good (a claim, an import, a backup) each database has a method of its own.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from dialer.storage.vault import Vault


class Cursor(Protocol):
    """The rows of a statement; each is a tuple."""

    @property
    def rowcount(self) -> int:
        """How many rows the statement changed."""

    def fetchone(self) -> Any:
        """Give the next row; None after the last."""

    def fetchmany(self, size: int) -> list[Any]:
        """Give up to `size` further rows."""

    def fetchall(self) -> list[Any]:
        """Give all further rows."""

    def __iter__(self) -> Iterator[Any]:
        """Give the further rows one by one."""


class Connection(Protocol):
    """One connection, used by one thread at a time. Outside a transaction each statement is its own.

    `for_update` ends a SELECT whose rows are changed in the same transaction: " FOR UPDATE" where writers work side by
    side, nothing where there is one at a time. `skip_claimed` does the same and passes over rows that others change.
    `has_many_writers` says whether they do work side by side.
    """

    for_update: str
    skip_claimed: str
    has_many_writers: bool

    def hold(self, name: str) -> None:
        """Keep every other transaction that holds the same name waiting until this one ends."""

    def limit_waits(self, seconds: float) -> None:
        """Take the connection for lost when a server gives no answer for longer than that, and none to anybody."""

    def tell(self, words: str) -> None:
        """Announce something to whoever listens, when the transaction ends."""

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Cursor:
        """Run a statement with a value for each `?`."""

    def stream(self, sql: str, parameters: Sequence[Any] = (), /) -> Cursor:
        """Run a SELECT whose rows may be millions: they come a few at a time, as they stood when it began."""

    def among(self, column: str, values: Sequence[Any]) -> tuple[str, Sequence[Any]]:
        """Give the condition that a column has one of some values, and what to give for its `?`."""

    def contains(self, column: str) -> str:
        """Give the condition that a column, of text or of bytes, has the value of one `?` in it."""

    def shut(self, table: str) -> None:
        """Wait for every transaction that has read a table, and keep others from it until this one ends."""

    def scrub(self) -> None:
        """Overwrite what deletions left beside the tables, as far as others who read allow it."""

    def load(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Add rows to a table, as fast as it goes."""

    def upsert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Add rows, each in the place of the one that has the same first column; no two of `rows` have."""

    def change(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Change some columns of rows that are there; the first column says of which."""

    def make_private(self, name: str, like: str, columns: Sequence[str]) -> None:
        """Make an empty table for this connection alone: some columns of another table, of which the first is its key.

        It may grow large, goes with the connection, and is not among what a crash brings back.
        """

    def glance(self) -> AbstractContextManager[None]:
        """Run a block of a few look-ups, and of writing to private tables, at the cost of one."""

    def grown(self, *tables: str) -> None:
        """Take note that tables have become much larger: statements may have to go another way."""

    def has_table(self, name: str) -> bool:
        """Say whether there is a table of this name."""

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> Any:
        """Run a statement once for each row of values."""

    def close(self) -> None:
        """Let go of it; an open transaction is undone."""


class Database(Protocol):
    """Where a database is, and how to open it."""

    @property
    def name(self) -> str:
        """What messages call it: its path, or its address without a password."""

    @property
    def folder(self) -> Path:
        """Where the files lie that belong to it: the registers'."""

    def require(self) -> None:
        """Raise StorageError where there is none to read yet."""

    @property
    def shared_at(self) -> str | None:
        """The address at which other daemons reach it; None when it is for one daemon alone."""

    def has_sealed(self) -> bool:
        """Say whether there is a database with sealed values."""

    def open_reader(self, vault: "Vault") -> Connection:
        """Open an existing database for reading only."""

    def open_writer(self, vault: "Vault") -> Connection:
        """Open it for writing; make it, or bring it up to this version, first."""

    def transaction(self, connection: Connection) -> AbstractContextManager[None]:
        """Run a block as one transaction: durable at its end, undone by an exception."""

    def quick_transaction(self, connection: Connection) -> AbstractContextManager[None]:
        """The same for many statements of which only a few give rows; a statement's `rowcount` is not known in it."""

    def snapshot(self, connection: Connection) -> AbstractContextManager[None]:
        """Run a block that only reads on one state of the database, whoever writes beside."""

    def explained(self) -> AbstractContextManager[None]:
        """Turn the errors of the database into StorageErrors that name it and say what to do."""
