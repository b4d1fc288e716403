"""A copy of the database and of its registers in one file, made while a daemon writes; and the way back.

One rule governs this module: a file with the right name is whole. Both ways write beside the place, check what was
written, and only then move it there. Keys are never copied: who has a backup alone can read no number and no name.

A backup is a database itself, with two tables more: `backup` says what it is of, `backup_files` holds the registers'
files in parts.
"""

import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import dialer
from dialer.errors import StorageError
from dialer.storage.proofs import check_keys
from dialer.storage.sqlite import SqliteConnection, explained, open_file
from dialer.storage.vault import Vault
from dialer.storage.versions import SCHEMA_VERSION, found_version

PAGES = 4_096  # copied at once; in between an interrupt is heard
PART = 16 << 20  # bytes of a register's file in one row
ROOM = 64 << 20  # that is left free beside what is written
REPLACED = ".replaced"
"""What the name of a database ends with that a restored one took the place of."""

_TABLES = (
    "CREATE TABLE backup (made_at FLOAT NOT NULL, dialer VARCHAR NOT NULL, schema_version INTEGER NOT NULL)",
    "CREATE TABLE backup_files (name VARCHAR NOT NULL, part INTEGER NOT NULL, data BLOB NOT NULL,"
    " PRIMARY KEY (name, part))",
    "CREATE TABLE backup_digests (name VARCHAR PRIMARY KEY NOT NULL, digest VARCHAR NOT NULL)",
)
_KEPT_FILES = "SELECT path FROM registries WHERE path <> '' ORDER BY path"
_PARTS = "SELECT data FROM backup_files WHERE name = ? ORDER BY part"

Progress = Callable[[int, int], None]
"""Is told now and then how many pages are copied, and of how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What is in a backup."""

    made_at: float
    dialer: str
    schema_version: int
    registers: int
    size: int


def never_mind(_: int, __: int) -> None:
    """Take note of nothing."""


# ---------------------------------------------------------------------------------------------- there
def back_up(database: Path, registers: Path, target: Path, progress: Progress = never_mind) -> Backup:
    """Copy a database, as it is at one instant, and its registers' files to a file that is not there yet.

    Raises StorageError when that cannot be; there is then no such file.
    """
    if not database.is_file():
        raise StorageError(f"database {database}: there is none yet, so there is nothing to copy")
    if os.path.lexists(target):
        raise StorageError(f"backup {target}: it is there already and stays as it is: name another file")
    with explained(database), closing(read_only(database)) as source, beside(target, "backup") as part:
        version = found_version(source, str(database))
        if version > SCHEMA_VERSION:
            raise StorageError(
                f"database {database}: it is of schema version {version}: copy it with the dialer of that"
            )
        source.execute("BEGIN")  # one state of the database, whoever writes meanwhile
        names = [name for (name,) in source.execute(_KEPT_FILES)] if source.has_table("registries") else []
        files = [registers / name for name in names]
        size = _size(source) + sum(file.stat().st_size for file in files if file.exists())
        require_room(target.parent, size, "the backup")
        with explained(part), closing(open_file(part)) as copy:
            source.backup(copy, pages=PAGES, progress=lambda _, left, total: progress(total - left, total))
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
            _add_files(copy, files, version)
        found = read_backup(part)
        sync(part)
        part.replace(target)
    return found


def _add_files(copy: sqlite3.Connection, files: list[Path], version: int) -> None:
    copy.execute("BEGIN")
    for statement in _TABLES:
        copy.execute(statement)
    for file in files:
        digest = sha256()
        try:
            with file.open("rb") as data:
                for rank, part in enumerate(iter(lambda: data.read(PART), b"")):
                    digest.update(part)
                    copy.execute("INSERT INTO backup_files VALUES (?, ?, ?)", (file.name, rank, part))
        except OSError as error:
            raise StorageError(
                f"register {file}: it cannot be read ({error.strerror}): if a register is imported just now, make the "
                "backup again; else import the register again"
            ) from error
        copy.execute("INSERT INTO backup_digests VALUES (?, ?)", (file.name, digest.hexdigest()))
    copy.execute("INSERT INTO backup VALUES (?, ?, ?)", (time.time(), dialer.__version__, version))
    copy.execute("COMMIT")


def read_backup(file: Path) -> Backup:
    """Check a backup from end to end and say what it is of; raise StorageError for anything else."""
    if not file.is_file():
        raise StorageError(f"backup {file}: there is no such file")
    with explained(file), closing(read_only(file)) as connection:
        found_version(connection, str(file))
        if not connection.has_table("backup"):
            raise StorageError(f"backup {file}: expected a file that `dialer db backup` made, found a plain database")
        if (fault := first_fault(connection)) is not None:
            raise StorageError(f"backup {file}: it is damaged: {fault}: take another one")
        digests = connection.execute("SELECT name, digest FROM backup_digests").fetchall()
        for name, digest in digests:
            if _digest_of(connection, name) != digest:
                raise StorageError(f"backup {file}: the register {name} in it is damaged: take another one")
        made_at, made_by, version = connection.execute("SELECT made_at, dialer, schema_version FROM backup").fetchone()
        size = _size(connection)
    return Backup(made_at=made_at, dialer=made_by, schema_version=version, registers=len(digests), size=size)


def _digest_of(connection: sqlite3.Connection, name: str) -> str:
    digest = sha256()
    for (data,) in connection.execute(_PARTS, (name,)):
        digest.update(data)
    return digest.hexdigest()


# ---------------------------------------------------------------------------------------------- and back
def restore(
    file: Path,
    database: Path,
    registers: Path,
    vault: Vault | None,
    *,
    is_replacing: bool,
    progress: Progress = never_mind,
) -> Backup:
    """Bring a backup to the place of the database, and its registers to theirs; nobody may have the database open.

    A database that is there is kept under a name that ends in `.replaced`. `vault` None: there are no keys to compare.
    Raises StorageError when that cannot be, and KeysError for another database's keys; the old database is then in its
    place, as it was.
    """
    found = read_backup(file)
    if found.schema_version > SCHEMA_VERSION:
        raise StorageError(
            f"backup {file}: expected schema version {SCHEMA_VERSION} or earlier, found {found.schema_version}: "
            "restore it with the dialer that made it"
        )
    if database.exists() and not is_replacing:
        raise StorageError(f"database {database}: there is one already: --replace puts the backup in its place")
    database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    require_room(database.parent, 2 * found.size, "the restored database")
    with closing(read_only(file)) as source, beside(database, "database") as part:
        with explained(file):
            if vault is not None and source.has_table("keys"):
                check_keys(source, vault, str(file))
        with explained(part), closing(open_file(part)) as copy:
            source.backup(copy, pages=PAGES, progress=lambda _, left, total: progress(total - left, total))
            with explained(file):
                moved = _bring_registers(source, registers)
            if moved:
                copy.executemany("UPDATE registries SET path = ? WHERE path = ?", moved)
            for table in ("backup", "backup_files", "backup_digests"):
                copy.execute(f"DROP TABLE {table}")
            copy.execute("VACUUM")
        sync(part)
        _move_away(database)
        part.replace(database)
        sync(database.parent)
    return found


def _bring_registers(source: sqlite3.Connection, folder: Path) -> list[tuple[str, str]]:
    """Write the registers' files that are not there as the backup has them; give new and old names of those renamed.

    A file that is there stays as it is, since the database there may need it: until the restored one is in its place,
    and for the way back. One of the same name and another content is put beside it.
    """
    moved = []
    try:
        for name, digest in source.execute("SELECT name, digest FROM backup_digests").fetchall():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = folder / Path(name).name
            if path.exists() and _file_digest(path) != digest:
                path = path.with_name(f"{path.stem}.{digest[:16]}{path.suffix}")
                moved.append((path.name, name))
            if path.exists() and _file_digest(path) == digest:
                continue
            with beside(path, "register") as part:
                with part.open("wb") as out:
                    for (data,) in source.execute(_PARTS, (name,)):
                        out.write(data)
                sync(part)
                part.replace(path)
            sync(folder)
    except OSError as error:
        raise StorageError(f"registers {folder}: they cannot be written ({error.strerror})") from error
    return moved


def _file_digest(path: Path) -> str:
    with path.open("rb") as data:
        digest = sha256()
        while part := data.read(PART):
            digest.update(part)
    return digest.hexdigest()


def _move_away(database: Path) -> None:
    """Give the database that is there a second name, with all that its log holds moved into it."""
    if not database.exists():
        return
    kept = database.with_name(f"{database.name}{REPLACED}")
    try:
        with closing(open_file(database)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            connection.execute("PRAGMA journal_mode = DELETE").fetchall()
    except sqlite3.Error as error:
        if "locked" in str(error) or "busy" in str(error):
            raise StorageError(f"database {database}: another process uses it: end that process first") from error
        # It is damaged: its log goes with it, as it is.
    kept.unlink(missing_ok=True)
    os.link(database, kept)
    for ending in ("-wal", "-shm", "-journal"):
        with suppress(FileNotFoundError):
            database.with_name(f"{database.name}{ending}").replace(kept.with_name(f"{kept.name}{ending}"))


# ---------------------------------------------------------------------------------------------- both
def read_only(path: Path) -> SqliteConnection:
    """Open a database of any version to read it."""
    connection = open_file(path)
    connection.execute("PRAGMA query_only = ON")
    return connection


def first_fault(connection: sqlite3.Connection) -> str | None:
    """Give the first thing that SQLite finds wrong with a database; None when it is whole."""
    try:
        found = str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
    except sqlite3.DatabaseError as error:
        found = str(error)
    return None if found == "ok" else " ".join(found.split())


def require_room(folder: Path, size: int, what: str) -> None:
    """Raise StorageError unless a folder's disk has room for so many bytes, and some more."""
    free = shutil.disk_usage(folder).free
    if free < size + ROOM:
        raise StorageError(
            f"{folder}: expected room for {what}, {_megabytes(size + ROOM)} MB, found {_megabytes(free)} MB: make room"
        )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f}"


def _size(connection: sqlite3.Connection) -> int:
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    return int(pages) * int(connection.execute("PRAGMA page_size").fetchone()[0])


@contextmanager
def beside(target: Path, what: str) -> Iterator[Path]:
    """Give an empty file beside a place, for its owner alone; it is gone afterwards, unless it was moved."""
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600))
    except OSError as error:
        raise StorageError(f"{what} {target}: it cannot be written ({error.strerror}): name another place") from error
    try:
        yield part
    finally:
        for ending in ("", "-journal", "-wal", "-shm"):
            part.with_name(f"{part.name}{ending}").unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Bring what was written to a file, or to a folder's list of files, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
