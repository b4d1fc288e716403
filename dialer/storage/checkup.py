"""Looking at a database without changing it: what it is, whether it is whole, what an upgrade would do.

One rule governs this module: it opens a database of any version, of another program too, and says what it finds; it
makes nothing, not even a keyring.
"""

import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field

from dialer.errors import DialerError, StorageError
from dialer.storage.backup import first_fault, read_only
from dialer.storage.database import Connection, Database
from dialer.storage.doctor import living
from dialer.storage.postgres import PostgresDatabase
from dialer.storage.proofs import check_keys
from dialer.storage.registries import FOLDER, Shelf, copies_in_use
from dialer.storage.sqlite import SqliteDatabase
from dialer.storage.upgrade import Step, steps_from
from dialer.storage.vault import Vault
from dialer.storage.versions import OLDEST, SCHEMA_VERSION, found_version

REWRITTEN = 3
"""The last version whose step rewrites whole tables, and then the file: it takes room for three copies of it."""
SMALL = 64 << 20
"""The room in bytes that any other step takes."""
_UNSAFE = "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off'"
# Each daemon has one connection of this name, whether it dials or stands by.
_CONNECTED = """SELECT CAST(client_addr AS text), backend_start AT TIME ZONE 'UTC' FROM pg_stat_activity
    WHERE application_name = 'dialer lease' AND datname = current_database() ORDER BY backend_start"""
_COUNTED = ("leads", "attempts", "journal")


@dataclass(slots=True, kw_only=True)
class Checkup:
    """What a database is. `steps` are those it has still to take, `needed` and `free` bytes for and on its disk.

    `free` is None where the disk is a server's. `living` names the engines that a daemon dials for, and where.
    """

    database: str
    size: int = 0
    expected: int = SCHEMA_VERSION
    found: int | None = None
    rows: dict[str, int] = field(default_factory=dict)
    keys: str = "nothing is sealed yet"
    registers: int = 0
    steps: list[Step] = field(default_factory=list)
    needed: int = 0
    free: int | None = None
    living: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def check_up(database: Database, open_vault: Callable[[], Vault]) -> Checkup:
    """Look at a database; raise StorageError when there is none. `open_vault` is called only if something is sealed."""
    result = Checkup(database=database.name)
    with database.explained(), closing(_opened(database, result)) as connection:
        try:
            with database.explained():
                _look(connection, result, database, open_vault)
        except StorageError as error:
            result.faults.append(str(error))
    return result


def daemons_on(database: Database) -> list[str]:
    """Name the daemons that are connected to a server's database, those that stand by, too; none are on a file."""
    if not isinstance(database, PostgresDatabase):
        return []
    with database.explained(), closing(database.open_any()) as connection:
        return [
            f"a daemon at {address or 'this machine'}, connected since {since:%Y-%m-%d %H:%M:%S} UTC"
            for address, since in connection.execute(_CONNECTED).fetchall()
        ]


def _opened(database: Database, result: Checkup) -> Connection:
    """Open a database of whatever version, and say what only a file, or only a server, can tell of it."""
    if isinstance(database, PostgresDatabase):
        server = database.open_any()
        result.size = int(server.execute("SELECT pg_database_size(current_database())").fetchall()[0][0])
        for name, value in server.execute(_UNSAFE).fetchall():
            result.faults.append(
                f"durability: the server runs with {name} = {value}: a power cut may take what was committed, or more; "
                f"set {name} = on in its postgresql.conf, and reload it"
            )
        return server
    assert isinstance(database, SqliteDatabase)
    if not database.path.is_file():
        raise StorageError(
            f"database {database.name}: there is none yet; the daemon makes it, or `dialer leads import`"
        )
    result.size = database.path.stat().st_size
    result.free = shutil.disk_usage(database.folder).free
    file = read_only(database.path)
    fault = first_fault(file)
    if fault is not None:
        result.faults.append(f"integrity: {fault}")
    return file


def _look(connection: Connection, result: Checkup, database: Database, open_vault: Callable[[], Vault]) -> None:
    result.found = found_version(connection, database.name)
    result.rows = {
        table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        for table in _COUNTED
        if connection.has_table(table)
    }
    if result.found > SCHEMA_VERSION:
        result.faults.append(f"version: {result.found} is of a newer dialer: upgrade dialer, or name another path")
        return
    if result.found < OLDEST:
        result.faults.append(f"version: {result.found} is of no released dialer: name another path")
        return
    result.steps = steps_from(result.found)
    if result.steps:
        result.needed = 3 * result.size + SMALL if result.found < REWRITTEN else SMALL
        if result.free is not None and result.free < result.needed:
            result.faults.append(
                f"disk: an upgrade takes {result.needed:,} bytes beside the file, {result.free:,} are free"
            )
    if connection.has_table("engines"):
        result.living = [f"engine {name!r}: {holder}" for _, name, holder in living(connection)]
    if connection.has_table("keys"):
        _look_at_sealed(connection, result, database, open_vault)


def _look_at_sealed(
    connection: Connection, result: Checkup, database: Database, open_vault: Callable[[], Vault]
) -> None:
    try:
        vault = open_vault()
        check_keys(connection, vault, database.name)
    except DialerError as error:
        result.keys = "do not fit"
        result.faults.append(f"keys: {error}")
        return
    result.keys = "fit"
    if not connection.has_table("registries"):
        return
    shelf = Shelf(database.folder / FOLDER, vault)
    for kept in copies_in_use(connection, float("inf")):
        result.registers += 1
        try:
            shelf.hashes(kept.path)
        except DialerError as error:
            result.faults.append(str(error))
