"""Which daemon dials for an engine: a lease with a fencing token, in the PostgreSQL that daemons share.

One rule governs this module: time is the server's, and a row decides. A transaction that makes anything durable for an
engine holds the engine's row, so nobody becomes the owner between its look at the token and its commit.

An engine counts its journal entries and calls in a span of its own, so engines never meet in a number. On SQLite there
is one engine, number 0, and no lease: the lock of the state folder keeps a second daemon out.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from dialer.errors import DatabaseLost, LeaseLost, StorageError
from dialer.storage.database import Connection

SPAN = 10**12
"""How many entries and calls an engine can number."""
LEASE_S = 3.0
ANSWER_S = 5.0
"""After so long without an answer a daemon looks whether the server answers anybody."""
RELEASED = "released"
"""The announcement that an engine's lease is free; its name follows."""

MARK = 1_684_627_820
"""The first half of the advisory lock by which a server shows who holds an engine's row; the second is the engine."""

# A daemon that is frozen, or cut off, inside a transaction holds the engine's row: the server ends that in time.
_PATIENCE = f"{int(LEASE_S * 800)}ms"
NOW = "CAST(extract(epoch FROM clock_timestamp()) AS float8)"
# A key share keeps out who would take over (FOR UPDATE), not who renews.
_HOLD = f"""SELECT token, until_at > {NOW}, set_config('idle_in_transaction_session_timeout', ?, true),
    pg_advisory_xact_lock_shared({MARK}, CAST(engine_id AS int4)) FROM engines WHERE engine_id = ? FOR KEY SHARE"""
_FOREIGN = "SELECT name, engine_id FROM campaigns WHERE name IN (%s) AND engine_id IS DISTINCT FROM ?"
_CAMPAIGN = "SELECT engine_id FROM campaigns WHERE name = ? FOR UPDATE"
_ENGINE = f"SELECT name, holder, until_at > {NOW} FROM engines WHERE engine_id = ? FOR UPDATE"
_AT_WORK = f"SELECT 1 FROM engines WHERE until_at > {NOW} LIMIT 1"
_UP = "SELECT count(*) FROM attempts WHERE campaign = ? AND released_at IS NULL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A daemon's right to dial for an engine, until it runs out or somebody has a newer token."""

    engine_id: int
    name: str
    token: int

    @property
    def lost(self) -> LeaseLost:
        """What to raise once another daemon has it."""
        return LeaseLost(
            f"engine {self.name!r}: another daemon has taken over (this one's token is {self.token}), so this one "
            "orders nothing more. Started again, it stands by"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """An engine as it stands in the database; `left_s` is how long its lease still runs, by the server's clock."""

    engine_id: int
    name: str
    token: int
    holder: str
    left_s: float


def first_number(engine_id: int) -> int:
    """Give the number of an engine's first entry and of its first call."""
    return engine_id * SPAN + 1


def last_number(engine_id: int) -> int:
    """Give the number of the last entry and call that an engine can have."""
    return (engine_id + 1) * SPAN


def engine_of(number: int) -> int:
    """Give the engine whose entry or call has a number."""
    return (number - 1) // SPAN


def next_call_key(engine_id: int) -> str:
    """Name the counter of an engine's calls, among the single values."""
    return "next_call_id" if engine_id == 0 else f"next_call_id:{engine_id}"


def begin_counting(connection: Connection, engine_id: int) -> None:
    """Make the counter of an engine's calls, unless it is there."""
    connection.execute(
        "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO NOTHING",
        (next_call_key(engine_id), first_number(engine_id)),
    )


def hold(connection: Connection, lease: Lease) -> None:
    """Let the transaction go on only while the lease is ours, and keep it ours until the transaction ends.

    Raises LeaseLost when another daemon has it, and DatabaseLost when it has run out and can still be renewed.
    """
    found = connection.execute(_HOLD, (_PATIENCE, lease.engine_id)).fetchone()
    if found is None or found[0] != lease.token:
        raise lease.lost
    if not found[1]:
        raise DatabaseLost(f"engine {lease.name!r}: the lease ran out and is not renewed yet; nothing was written")


def is_anybody_at_work(connection: Connection) -> bool:
    """Say whether a daemon dials, for whichever engine of a server's database."""
    return connection.execute(_AT_WORK).fetchone() is not None


def refuse_foreign(connection: Connection, lease: Lease, campaigns: Iterable[str]) -> None:
    """Raise LeaseLost when a call was ordered for a campaign that another engine has come to dial."""
    names = tuple(dict.fromkeys(campaigns))
    if not names:
        return
    marks = ", ".join("?" * len(names))
    found = connection.execute(_FOREIGN % marks, (*names, lease.engine_id)).fetchone()
    if found is not None:
        raise LeaseLost(f"campaign {found[0]!r}: another engine dials it now, so engine {lease.name!r} must not")


def take_campaign(connection: Connection, lease: Lease, campaign: str) -> bool:
    """Make a campaign this engine's, to dial it; say whether it was not before.

    Raises StorageError while another engine has it: as long as a daemon of that engine lives, or calls of the campaign
    have no end. Otherwise that engine's token is passed, so that a daemon which wakes up later finds the lease gone.
    """
    found = connection.execute(_CAMPAIGN, (campaign,)).fetchone()
    if found is None:
        raise StorageError(f"campaign {campaign!r}: not in the database, so no engine can have it")
    if found[0] == lease.engine_id:
        return False
    if found[0] is not None:
        _refuse_taken(connection, campaign, found[0])
    connection.execute("UPDATE campaigns SET engine_id = ? WHERE name = ?", (lease.engine_id, campaign))
    return True


def _refuse_taken(connection: Connection, campaign: str, engine_id: int) -> None:
    other = connection.execute(_ENGINE, (engine_id,)).fetchone()
    if other is None:
        return
    name, holder, is_alive = other
    if is_alive:
        raise StorageError(
            f"campaign {campaign!r}: engine {name!r} dials it ({holder}); stop that daemon, or take the campaign's "
            "file out of its campaigns_dir and reload it, before another engine loads it"
        )
    (up,) = connection.execute(_UP, (campaign,)).fetchone()
    if up:
        raise StorageError(
            f"campaign {campaign!r}: {up} calls of engine {name!r} have no end yet; start a daemon of that engine, "
            "which settles them, before another engine loads the campaign"
        )
    connection.execute("UPDATE engines SET token = token + 1, holder = '' WHERE engine_id = ?", (engine_id,))


def give_up_campaign(connection: Connection, lease: Lease, campaign: str) -> bool:
    """Leave a campaign that is not loaded any more to other engines, unless calls of it have no end; say whether."""
    (up,) = connection.execute(_UP, (campaign,)).fetchone()
    if not up:
        connection.execute(
            "UPDATE campaigns SET engine_id = NULL WHERE name = ? AND engine_id = ?", (campaign, lease.engine_id)
        )
    return not up
