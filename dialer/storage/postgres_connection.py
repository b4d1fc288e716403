"""A connection to a PostgreSQL server, as `dialer.storage.database` wants it: over psycopg, synchronous.

One rule governs this module: a connection that was lost is made anew at its next use, never within a transaction. What
a transaction had done is undone then; whether a COMMIT without an answer was carried out, its caller has to find out.
"""

import logging
import select
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache
from hashlib import sha256
from typing import Any, TypeVar

import psycopg
from psycopg import pq
from psycopg.abc import PQGen
from psycopg.types.numeric import NumericBinaryLoader

from dialer.storage.postgres_arrays import COLUMNS, VALUES, Array, introduce

CHANNEL = "dialer"
"""Where daemons and commands announce what they changed."""
FETCH = 2_000
"""Rows of a stream that come over at once."""

# It warns of a pipe that broke, which leaves as an error, too.
logging.getLogger("psycopg").setLevel(logging.ERROR)

_T = TypeVar("_T")


class Raw(psycopg.Connection[Any]):
    """psycopg's connection, which a server that stands still does not keep waiting for ever.

    Such a server's machine still answers for it, so neither keepalives nor time-outs of TCP notice. Who gets no answer
    for `answer_s` looks by another connection, that `probe` makes, whether it is only the statement that takes long.
    """

    answer_s: float | None = None
    probe: "Callable[[], Raw] | None" = None

    def wait(self, gen: PQGen[_T], interval: float = 0.1, timeout: float | None = None) -> _T:
        """Wait for an answer; end the connection when none comes and the server stands still."""
        if self.answer_s is not None and timeout is None:
            gen = self._watched(gen, self.answer_s)
        return super().wait(gen, interval, timeout)

    def _watched(self, gen: PQGen[_T], answer_s: float) -> PQGen[_T]:
        until = time.monotonic() + answer_s
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() > until and not self._is_answered_elsewhere():
                    self.pgconn.finish()
                    raise psycopg.OperationalError(f"the server has not answered for {answer_s:g} s")
                if ready or time.monotonic() > until:
                    until = time.monotonic() + answer_s
                wanted = gen.send(ready)
        except StopIteration as end:
            found: _T = end.value
            return found

    def _is_answered_elsewhere(self) -> bool:
        if self.probe is None:
            return False
        try:
            self.probe().close()
        except psycopg.OperationalError:
            return False
        return True


_KINDS = """SELECT attname, format_type(atttypid, NULL) FROM pg_attribute
    WHERE attrelid = to_regclass(?) AND attnum > 0 AND NOT attisdropped"""
# What a connection that was lost had sent is carried out, or undone, before anything is tried again.
_END_OTHER = """SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE pid = %s AND backend_start = %s"""
_OWN = "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"


class _NumberLoader(NumericBinaryLoader):
    """Reads a sum as the whole number that it is; PostgreSQL gives sums more digits than any number here has."""

    def load(self, data: Any) -> Any:
        """Give an int, or a float."""
        number = super().load(data)
        return int(number) if number == number.to_integral_value() else float(number)


@lru_cache(maxsize=1_000)
def translated(statement: str) -> str:
    """Give a statement with psycopg's marks for values in place of `?`; arrays go over as bytes, at half the cost."""
    return statement.replace("%", "%%").replace("ANY(?)", "ANY(%b)").replace("?", "%s")


class PostgresConnection:
    """Runs statements on a connection that `connect` makes, and makes again when it was lost."""

    for_update = " FOR UPDATE"
    skip_claimed = " FOR UPDATE SKIP LOCKED"
    has_many_writers = True

    def __init__(self, connect: Callable[[], Raw]) -> None:
        self._connect = connect
        self._raw = connect()
        self._kinds: dict[str, dict[str, str]] = {}  # of a table's columns
        self._is_in_block = self._is_piped = False
        self._streams = 0  # ever begun
        self._left: deque[str] = deque()  # streams of no transaction that their reader left before the end
        self._answer_s: float | None = None
        self._known_as: Any = None  # the server's process for this connection, where waits are limited

    def hold(self, name: str) -> None:
        """Keep every other transaction that holds the same name waiting until this one ends."""
        self.execute("SELECT pg_advisory_xact_lock(?)", (lock_number(name),))

    def limit_waits(self, seconds: float) -> None:
        """Wait for no answer longer than that: the connection is lost then, and what it had sent is ended first."""
        raw = self._alive()
        if self._answer_s is None:
            self._known_as = raw.execute(_OWN).fetchone()
        raw.answer_s, raw.probe = seconds, self._connect
        self._answer_s = seconds

    def tell(self, words: str) -> None:
        """Announce something to whoever listens, when the transaction ends."""
        self.execute("SELECT pg_notify(?, ?)", (CHANNEL, words))

    def execute(self, statement: str, parameters: Sequence[Any] = (), /) -> "psycopg.Cursor[Any]":
        """Run a statement with a value for each `?`."""
        return self._cursor().execute(_query(statement), parameters)

    def executemany(self, statement: str, parameters: Iterable[Sequence[Any]], /) -> None:
        """Run a statement once for each row of values; they go to the server together."""
        self._cursor().executemany(_query(statement), parameters)

    def stream(self, statement: str, parameters: Sequence[Any] = (), /) -> "Stream":
        """Run a SELECT whose rows may be millions: they come a few at a time, as they stood when it began."""
        while self._left:
            self.execute(f"CLOSE {self._left.popleft()}")
        self._streams += 1
        name = f"stream_{self._streams}"
        # In no transaction the server puts the rows aside: no reader keeps old rows from being swept while it thinks.
        how = "NO SCROLL CURSOR" if self._is_in_block else "NO SCROLL CURSOR WITH HOLD"
        self.execute(f"DECLARE {name} {how} FOR {statement}", parameters)
        # Those of a transaction end with it.
        return Stream(self, name, deque() if self._is_in_block else self._left)

    def load(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Add rows with COPY; in a pipe there is no room for that."""
        if self._is_piped:
            self._insert(table, columns, list(rows))
            return
        with self._cursor().copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN".encode()) as target:
            for row in rows:
                target.write_row(row)

    def upsert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Add rows, each in the place of the one that has the same first column; one statement for all of them."""
        changes = ", ".join(f"{name} = excluded.{name}" for name in columns[1:])
        self._insert(table, columns, rows, f"ON CONFLICT ({columns[0]}) DO UPDATE SET {changes}")

    def change(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Change some columns of rows that are there; one statement for all of them."""
        if rows:
            changes = ", ".join(f"{name} = given.{name}" for name in columns[1:])
            arrays, values = self._arrays(table, columns, rows)
            sql = (
                f"UPDATE {table} SET {changes} FROM unnest({arrays}) AS given ({', '.join(columns)})"
                f" WHERE {table}.{columns[0]} = given.{columns[0]}"
            )
            self._cursor().execute(sql.encode(), values)

    def _insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], ending: str = "") -> None:
        if rows:
            arrays, values = self._arrays(table, columns, rows)
            sql = f"INSERT INTO {table} ({', '.join(columns)}) SELECT * FROM unnest({arrays}) {ending}"
            self._cursor().execute(sql.encode(), values)

    def _arrays(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> tuple[str, list[Array]]:
        """Give psycopg's marks for arrays that hold the values of each column, and the arrays."""
        kinds = self._kinds.get(table)
        if kinds is None:
            kinds = self._kinds[table] = dict(self.execute(_KINDS, (table,)).fetchall())
        marks = ", ".join(f"%b::{kinds[column]}[]" for column in columns)
        values = zip(*rows, strict=True)
        return marks, [COLUMNS[kinds[name]].array(column) for name, column in zip(columns, values, strict=True)]

    def make_private(self, name: str, like: str, columns: Sequence[str]) -> None:
        """Make an empty table for this connection alone."""
        # A plan that is kept would be the one for a table with nothing in it.
        self.execute("SET plan_cache_mode = force_custom_plan")
        self.execute(f"CREATE TEMPORARY TABLE {name} AS SELECT {', '.join(columns)} FROM {like} WHERE false")
        self.execute(f"ALTER TABLE {name} ADD PRIMARY KEY ({columns[0]})")

    def glance(self) -> AbstractContextManager[None]:
        """Run a block of look-ups; each costs the same for itself."""
        return nullcontext()

    def grown(self, *tables: str) -> None:
        """Count anew what is in them, and make plans anew with it."""
        self.execute(f"ANALYZE {', '.join(tables)}")

    def has_table(self, name: str) -> bool:
        """Say whether there is a table of this name."""
        return self.execute("SELECT to_regclass(?)::text", (name,)).fetchone() != (None,)

    def among(self, column: str, values: Sequence[Any]) -> tuple[str, Sequence[Any]]:
        """Give the condition that a column has one of some values; it is the same however many there are."""
        return f"{column} = ANY(?)", (VALUES[type(values[0])].array(values) if values else [],)

    def contains(self, column: str) -> str:
        """Give the condition that a column, of text or of bytes, has the value of one `?` in it."""
        return f"position(? IN {column}) > 0"

    def shut(self, table: str) -> None:
        """Wait for every transaction that has read a table, and keep others from it until this one ends."""
        self.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")

    def scrub(self) -> None:
        """Do nothing: what was deleted goes with the server's next vacuum of the table."""

    def close(self) -> None:
        """Let go of it; an open transaction is undone."""
        self._raw.close()

    @contextmanager
    def block(self, begin: str, *, is_piped: bool = False) -> Iterator[None]:
        """Run a block between a statement that begins a transaction and its COMMIT.

        Piped: statements go to the server without waiting for each, and errors come with the next row that is read.
        """
        raw = self._alive()
        self._is_in_block, self._is_piped = True, is_piped
        try:
            with raw.pipeline() if is_piped else nullcontext():
                self.execute(begin)
                yield
                if not is_piped and raw.info.transaction_status is pq.TransactionStatus.INERROR:
                    raise psycopg.errors.InFailedSqlTransaction("a statement of the transaction failed before")
                self._cursor().execute(b"COMMIT", prepare=False)
        except BaseException:
            if is_piped:
                raw.close()  # what was sent behind an error was not prepared, though psycopg takes it to be
            elif not raw.closed and raw.info.transaction_status is not pq.TransactionStatus.IDLE:
                _roll_back(raw)
            raise
        finally:
            self._is_in_block = self._is_piped = False

    def _cursor(self) -> "psycopg.Cursor[Any]":
        return self._alive().cursor(binary=True)

    def _alive(self) -> Raw:
        if not self._is_in_block and _is_gone(self._raw):
            self._raw.close()
            self._raw = self._connected_again()
            self._left = deque()
        return self._raw

    def _connected_again(self) -> Raw:
        raw = self._connect()
        if self._answer_s is None:
            return raw
        raw.answer_s, raw.probe = self._answer_s, self._connect
        try:
            ended = raw.execute(_END_OTHER, self._known_as).fetchone()
            if ended is not None and not ended[0]:
                raise psycopg.OperationalError("what was sent over a connection that was lost is still carried out")
            self._known_as = raw.execute(_OWN).fetchone()
        except BaseException:
            raw.close()
            raise
        return raw


class Stream:
    """Rows that stay with the server until they are asked for."""

    rowcount = -1  # not known before all rows came

    def __init__(self, connection: PostgresConnection, name: str, left: deque[str]) -> None:
        self._connection = connection
        self._name = name
        self._left = left
        self._is_over = False

    def __del__(self) -> None:
        # No statement here: another one of this connection may be under way.
        if not self._is_over:
            self._left.append(self._name)

    def fetchone(self) -> Any:
        """Give the next row; None after the last."""
        return next(iter(self.fetchmany(1)), None)

    def fetchmany(self, size: int) -> list[Any]:
        """Give up to `size` further rows."""
        if self._is_over:
            return []
        rows = self._connection.execute(f"FETCH {size} FROM {self._name}").fetchall()
        if len(rows) < size:
            self._is_over = True
            self._connection.execute(f"CLOSE {self._name}")
        return rows

    def fetchall(self) -> list[Any]:
        """Give all further rows."""
        return list(self)

    def __iter__(self) -> Iterator[Any]:
        """Give the further rows one by one."""
        while rows := self.fetchmany(FETCH):
            yield from rows


def adapted(raw: Raw) -> Raw:
    """Give a new connection the ways of reading and of sending values that the store expects."""
    raw.adapters.register_loader("numeric", _NumberLoader)
    introduce(raw)
    return raw


def lock_number(name: str) -> int:
    """Give the number under which the server knows a name that is held."""
    return int.from_bytes(sha256(name.encode()).digest()[:8], signed=True)


def _is_gone(raw: Raw) -> bool:
    """Say whether the server has ended a connection at rest, as one that was started anew has."""
    if raw.closed:
        return True
    news = select.poll()
    news.register(raw.fileno(), select.POLLIN)
    try:
        while news.poll(0):  # its last words, then the end
            raw.pgconn.consume_input()
    except psycopg.OperationalError:
        return True
    return raw.closed


def _query(statement: str) -> bytes:
    return translated(statement).encode()


def _roll_back(raw: Raw) -> None:
    try:
        raw.execute(b"ROLLBACK")
    except psycopg.Error:
        raw.close()  # the server undoes it
