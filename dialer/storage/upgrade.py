"""Bringing a database of an earlier version up to this one's tables, in place, with Alembic.

One rule governs this module: all steps are one transaction, so that a crash at any instant leaves the old database
whole or the new one. A step adds only what follows from what is there; every record still says what it said.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dialer.storage.database import Connection
from dialer.storage.vault import Vault
from dialer.storage.versions import found_version, note_version

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).with_name("migrations")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step that a database has still to take: the version it leads to, and what changes."""

    version: int
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How SQLAlchemy gets to a database: by a new connection of the driver's that `connect` makes.

    `begin` keeps other upgrades waiting, as the first statement. `wrap` makes of the driver's connection one of ours.
    """

    url: str
    connect: Callable[[], Any]
    begin: str
    wrap: Callable[[Any], Connection]


def upgrade(name: str, vault: Vault, way: Way) -> None:
    """Take every step that a database has still to take; do nothing when another process was faster."""
    # Both take half a second to import and are needed nowhere else.
    import sqlalchemy
    from alembic import command

    engine = sqlalchemy.create_engine(way.url, creator=way.connect, poolclass=sqlalchemy.NullPool)
    sqlalchemy.event.listen(engine, "begin", lambda each: each.exec_driver_sql(way.begin))
    with engine.begin() as connection:
        ours = way.wrap(connection.connection.driver_connection)
        note_version(ours, found_version(ours, name))
        command.upgrade(configuration(connection=connection, vault=vault), "head")


def configuration(**attributes: object) -> "Config":
    """Give Alembic's configuration; `attributes` are for `migrations/env.py` and the steps."""
    from alembic.config import Config

    config = Config()
    # A percent sign would be taken for the beginning of a variable.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes.update(attributes)
    return config


def steps_from(version: int) -> list[Step]:
    """Name the steps that lead from a version to the newest."""
    from alembic.script import ScriptDirectory

    revisions = ScriptDirectory.from_config(configuration()).walk_revisions()
    steps = [Step(version=int(each.revision), what=_first_line(each.doc)) for each in revisions]
    return [step for step in sorted(steps, key=lambda step: step.version) if step.version > version]


def _first_line(text: str) -> str:
    return text.strip().split("\n")[0].rstrip(".")
