"""A whole copy of a database before it is changed: of a file by the dialer itself, of a server's by `pg_dump`.

One rule governs this module: a copy with the right name is whole. It is written beside the place and moved there.
"""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from dialer.errors import StorageError
from dialer.storage.backup import Progress, back_up, beside, require_room, sync
from dialer.storage.database import Database
from dialer.storage.postgres import PostgresDatabase
from dialer.storage.registries import FOLDER
from dialer.storage.sqlite import SqliteDatabase

_DUMP = "pg_dump"


def require_copyable(database: Database, target: Path) -> None:
    """Raise StorageError when it can be seen beforehand that no copy could be made."""
    if target.exists():
        raise StorageError(f"copy {target}: it is there already and stays as it is: name another file")
    if not target.parent.is_dir():
        raise StorageError(f"copy {target}: there is no folder {target.parent}: make it, or name another")
    if isinstance(database, PostgresDatabase):
        if shutil.which(_DUMP) is None:
            raise StorageError(
                f"{_DUMP}: expected PostgreSQL's program to copy {database.name}, found none in PATH: install the "
                "package postgresql-client of the server's version, or copy by other means and say --without-copy"
            )
        _dump(database, ["--schema-only", "--file=/dev/null"])
        return
    assert isinstance(database, SqliteDatabase)
    require_room(target.parent, database.path.stat().st_size, "the copy")


def copy_whole(database: Database, target: Path, progress: Progress) -> None:
    """Copy a database to a file that is not there yet; raise StorageError, and leave nothing, when that cannot be."""
    if isinstance(database, SqliteDatabase):
        back_up(database.path, database.folder / FOLDER, target, progress)
        return
    assert isinstance(database, PostgresDatabase)
    with beside(target, "copy") as part:
        _dump(database, ["--format=custom", f"--file={part}"])
        sync(part)
        part.replace(target)


def leftovers(target: Path) -> Iterator[Path]:
    """Give what a copy that was killed left beside its place."""
    for path in target.parent.iterdir():
        if path.name.startswith(f".{target.name}.") and ".part" in path.name:
            yield path


def _dump(database: PostgresDatabase, options: list[str]) -> None:
    done = subprocess.run(
        [_DUMP, "--no-password", *options, f"--dbname={database.address}"],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        raise StorageError(f"database {database.name}: {_DUMP} cannot copy it: {done.stderr.strip()}")
