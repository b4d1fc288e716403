"""Getting an engine's lease, keeping it and giving it back: a thread with a database connection of its own.

One rule governs this module: whatever else the process is busy with, the lease is renewed every second; and once it may
have run out, by a clock that goes on while the machine sleeps, `may_send` says no before anything else could tell.

The same connection listens: daemons tell each other over it what has changed in the tables that they share.
"""

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import errors as pg

from dialer.errors import DatabaseLost, StorageError
from dialer.storage.ownership import LEASE_S, MARK, NOW, RELEASED, Engine, Lease
from dialer.storage.postgres_connection import CHANNEL, Raw

RENEW_S = 1.0
TRY_S = 0.5
GRACE_S = 1.5
"""So long a standby lets the owner come first when the database is back."""
MARGIN_S = 0.25
"""A lease is taken to end so much earlier than it does."""

_ADD = """INSERT INTO engines (engine_id, name, token, holder, until_at)
    VALUES ((SELECT coalesce(max(engine_id) + 1, 0) FROM engines), %(name)s, 0, '', 0) ON CONFLICT (name) DO NOTHING"""
# A lease that runs for longer than any can was written before the server's clock was set back.
_TAKE = f"""UPDATE engines SET token = token + 1, holder = %(holder)s, until_at = {NOW} + %(lease_s)s
    WHERE engine_id = (SELECT engine_id FROM engines WHERE name = %(name)s
        AND (until_at <= {NOW} OR until_at > {NOW} + 2 * %(lease_s)s) FOR UPDATE) RETURNING engine_id, token"""
# Whoever has the engine's row and has not been heard of for a second: a pipe of statements has no time-out of its own.
_CUT = f"""SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND objsubid = 2 AND classid = {MARK}
    AND objid = (SELECT engine_id FROM engines WHERE name = %(name)s)
    AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND wait_event_type = 'Client' AND state_change < clock_timestamp() - interval '1 second'"""
_RENEW = f"UPDATE engines SET until_at = {NOW} + %(lease_s)s WHERE engine_id = %(engine_id)s AND token = %(token)s"
_RELEASE = "UPDATE engines SET until_at = 0, holder = '' WHERE engine_id = %(engine_id)s AND token = %(token)s"
_LOOK = f"SELECT engine_id, name, token, holder, until_at - {NOW} FROM engines WHERE name = %(name)s"
# Before a new engine gets its number: names are few, so one lock for all of them.
_ALONE = "SELECT pg_advisory_xact_lock(hashtext('dialer engines'))"


def boot_time() -> float:
    """Give the seconds since the machine started, those included in which it slept."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Keeper(threading.Thread):
    """Waits for the lease of an engine, then keeps it until told to stop or until another daemon has it.

    The functions given are called from this thread: `on_owner` once it has the lease, `on_standby` when somebody else
    has it, `on_told` with what another process announced (None: announcements may have been missed), `on_trouble` with
    words when the database cannot be reached and with None when it can again, `on_end` with what ended the thread.
    """

    def __init__(
        self,
        address: str,
        name: str,
        holder: str,
        *,
        on_owner: Callable[[Lease], None],
        on_standby: Callable[[Engine], None],
        on_told: Callable[[str | None], None],
        on_trouble: Callable[[str | None], None],
        on_end: Callable[[BaseException], None],
    ) -> None:
        super().__init__(name=f"lease of {name}", daemon=True)
        self._address = address
        self._values: dict[str, Any] = {"name": name, "holder": holder, "lease_s": LEASE_S}
        self._on_owner = on_owner
        self._on_standby = on_standby
        self._on_told = on_told
        self._on_trouble = on_trouble
        self._on_end = on_end
        self._lease: Lease | None = None
        self._sure_until = 0.0
        self._is_stopping = False
        self._has_trouble = False
        self._renewed = threading.Event()
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)

    def may_send(self) -> bool:
        """Say whether the lease is ours for certain at this instant; where it is not, try first to renew it in time."""
        if not self._is_sure and self._lease is not None and self.is_alive():
            self._renewed.clear()
            self._waker.send(b".")
            self._renewed.wait(RENEW_S)
        return self._is_sure

    @property
    def _is_sure(self) -> bool:
        return boot_time() < self._sure_until

    def stop(self) -> None:
        """Give the lease back and end; the daemon orders nothing more by now."""
        if self._waker.fileno() < 0:
            return
        self._is_stopping = True
        self._sure_until = 0.0
        self._waker.send(b".")
        self.join(LEASE_S)
        if not self.is_alive():
            self._waker.close()
            self._woken.close()

    # -------------------------------------------------------------------------------------- the thread
    def run(self) -> None:
        """Work until stopped."""
        try:
            while not self._is_stopping:
                try:
                    with self._connect() as connection:
                        self._work(connection)
                except psycopg.OperationalError as error:
                    self._tell_trouble(str(error).strip())
                    self._wait(TRY_S)
        except BaseException as error:
            self._sure_until = 0.0
            self._on_end(self._explained(error))
        finally:
            self._renewed.set()

    def _explained(self, error: BaseException) -> BaseException:
        """Give what the server complains of, such as a right that was taken away, as an error of the database."""
        if not isinstance(error, psycopg.Error):
            return error
        said = str(error).strip().split("\n")[0]
        return StorageError(
            f"engine {self._values['name']!r}: its lease cannot be kept: see PostgreSQL's message ({said})"
        )

    def _connect(self) -> "psycopg.Connection[Any]":
        connection = Raw.connect(
            self._address,
            autocommit=True,
            connect_timeout=2,
            tcp_user_timeout=int(LEASE_S * 1000),
            application_name="dialer lease",
        )
        connection.answer_s = LEASE_S
        return connection

    def _work(self, connection: "psycopg.Connection[Any]") -> None:
        connection.execute(f"LISTEN {CHANNEL}")
        was_lost = self._has_trouble
        self._tell_trouble(None)
        if self._lease is not None:
            self._on_told(None)
        elif was_lost:
            self._hear(connection, GRACE_S)
        while not self._is_stopping:
            wait_s = self._try(connection) if self._lease is None else self._renew(connection, self._lease)
            self._hear(connection, wait_s)
        if self._lease is not None:
            _release(connection, self._lease)

    def _try(self, connection: "psycopg.Connection[Any]") -> float:
        """Take the lease if nobody has it; give the seconds after which to look again."""
        asked_at = boot_time()
        try:
            taken = _take(connection, self._values)
        except pg.LockNotAvailable:
            # A transaction of an owner that is gone, or frozen, holds the row.
            connection.execute(_CUT, self._values)
            return 0.0
        if taken is not None:
            self._lease = taken
            self._sure_until = asked_at + LEASE_S - MARGIN_S
            self._on_owner(taken)
            return RENEW_S
        row = connection.execute(_LOOK, self._values).fetchone()
        if row is None:
            return 0.0
        found = Engine(engine_id=row[0], name=row[1], token=row[2], holder=row[3], left_s=row[4])
        self._on_standby(found)
        return min(TRY_S, max(found.left_s, 0.0) + 0.01)

    def _renew(self, connection: "psycopg.Connection[Any]", lease: Lease) -> float:
        asked_at = boot_time()
        values = {"engine_id": lease.engine_id, "token": lease.token, "lease_s": LEASE_S}
        if connection.execute(_RENEW, values).rowcount == 0:
            raise lease.lost
        self._sure_until = asked_at + LEASE_S - MARGIN_S
        self._renewed.set()
        return RENEW_S

    def _hear(self, connection: "psycopg.Connection[Any]", seconds: float) -> None:
        """Pass on what is announced for so long; a lease that was given back ends the wait of a standby."""
        until = boot_time() + seconds
        while not self._is_stopping:
            for notice in connection.notifies(timeout=0.0):
                if self._lease is not None:
                    self._on_told(notice.payload)
                elif notice.payload == f"{RELEASED} {self._values['name']}":
                    return
            left_s = until - boot_time()
            if left_s <= 0 or self._wait(left_s, connection.fileno()):
                return

    def _wait(self, seconds: float, *files: int) -> bool:
        """Wait for news on files, or to be woken; say whether it was that."""
        ready, _, _ = select.select([*files, self._woken.fileno()], [], [], seconds)
        if self._woken.fileno() not in ready:
            return False
        self._woken.recv(1024)
        return True

    def _tell_trouble(self, why: str | None) -> None:
        if (why is not None) != self._has_trouble:
            self._has_trouble = why is not None
            self._on_trouble(why)


@contextmanager
def leased(address: str, name: str, holder: str) -> Iterator[Lease]:
    """Have the lease of an engine for a moment, for one change; raise DatabaseLost when another process keeps it."""
    values = {"name": name, "holder": holder, "lease_s": LEASE_S}
    with psycopg.connect(address, autocommit=True, connect_timeout=2, application_name="dialer lease") as connection:
        until = boot_time() + LEASE_S + 2.0 * TRY_S
        while (lease := _take(connection, values)) is None:
            if boot_time() > until:
                raise DatabaseLost(f"engine {name!r}: another process has it: try again")
            time.sleep(TRY_S / 5.0)
        try:
            yield lease
        finally:
            _release(connection, lease)


def _take(connection: "psycopg.Connection[Any]", values: dict[str, Any]) -> Lease | None:
    """Take the lease of an engine, new ones included, unless somebody has it."""
    with connection.transaction():
        connection.execute(f"SET LOCAL lock_timeout = '{int(TRY_S * 1000)}ms'")
        if connection.execute(_LOOK, values).fetchone() is None:
            connection.execute(_ALONE)
            connection.execute(_ADD, values)
        row = connection.execute(_TAKE, values).fetchone()
    return None if row is None else Lease(engine_id=row[0], name=values["name"], token=row[1])


def _release(connection: "psycopg.Connection[Any]", lease: Lease) -> None:
    with connection.transaction():
        connection.execute(_RELEASE, {"engine_id": lease.engine_id, "token": lease.token})
        connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, f"{RELEASED} {lease.name}"))
