"""Which version of the tables a database has: a number in `meta`, and the same in Alembic's own table.

One rule governs this module: it reads and writes plain SQL. Alembic and SQLModel take half a second to import and are
needed only where tables are made or changed.
"""

from dialer.errors import DatabaseUnfit
from dialer.storage.database import Connection

SCHEMA_VERSION = 5
"""The version of the tables that this dialer reads and writes."""
OLDEST = 1
"""The first version that a release made; what is older is refused."""
TABLE = "alembic_version"
_MAKE = (
    f"CREATE TABLE {TABLE} (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)


def found_version(connection: Connection, name: str) -> int:
    """Read the version; raise DatabaseUnfit for a database of another program, or one with two minds about it."""
    row = None
    if connection.has_table("meta"):
        row = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
    if row is None:
        raise DatabaseUnfit(f"database {name}: it holds no tables of dialer: name another path")
    version = int(row[0])
    noted = noted_version(connection)
    if noted not in (None, str(version)):
        raise DatabaseUnfit(
            f"database {name}: `meta` says schema version {version} and `{TABLE}` says {noted}: somebody changed one "
            "of them by hand; restore a backup"
        )
    return version


def noted_version(connection: Connection) -> str | None:
    """Read what Alembic noted; None when it never worked on this database, as none before version 3."""
    if not connection.has_table(TABLE):
        return None
    rows = connection.execute(f"SELECT version_num FROM {TABLE}").fetchall()
    return str(rows[0][0]) if len(rows) == 1 else f"{len(rows)} versions"


def note_version(connection: Connection, version: int) -> None:
    """Note, as Alembic would, that the tables are those of a version; what is noted already stays."""
    if not connection.has_table(TABLE):
        connection.execute(_MAKE)
        connection.execute(f"INSERT INTO {TABLE} (version_num) VALUES (?)", (str(version),))


def refuse_version(version: int, name: str) -> None:
    """Raise DatabaseUnfit for tables that another program, or another version of this one, made."""
    if version == SCHEMA_VERSION:
        return
    hint = "made by a newer dialer: upgrade dialer, or name another path"
    if OLDEST <= version < SCHEMA_VERSION:
        hint = "made by an earlier dialer: `dialer db upgrade` or `dialer run` bring it up to date in place"
    elif version < SCHEMA_VERSION:
        hint = "made by no released dialer: name another path"
    raise DatabaseUnfit(f"database {name}: expected schema version {SCHEMA_VERSION}, found {version}, {hint}")
