"""How far the journal had come, kept beside the database: one that is gone, or was put back, is noticed at a start.

One rule governs this module: what is told here is in the database before, so a database that has less has lost it.
Without it nothing is lost, and only that is not noticed; so it needs no room after its first line, and no sync.
The numbers of runs and calls are here, too, for a gateway that lives through it all carries out none twice.
"""

import os
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from dialer.domain.commands import PlaceCall
from dialer.errors import DatabaseUnfit
from dialer.storage.codec import Entry
from dialer.storage.database import Database
from dialer.storage.ownership import engine_of, first_number
from dialer.storage.sqlite import SqliteDatabase
from dialer.storage.store import Store

NAME = "bookmark.json"
EVERY_S = 0.1
_SIZE_MAX = 4_096


class _Mark(msgspec.Struct, frozen=True):
    entry: int = 0
    run: int = 0
    call: int = 0
    database: str = ""
    engine: str = ""


class Bookmark:
    """The bookmark of a state folder, for the database and the engine that its daemon works with."""

    def __init__(self, state_dir: Path, database: Database, engine: str) -> None:
        self._path = state_dir / NAME
        self._database = database
        self._engine = engine
        self._file: int | None = None
        self._entry = self._run = self._call = 0
        self._written_at = 0.0

    def look_for_file(self) -> None:
        """Raise DatabaseUnfit when there was a database file and it is gone: nobody makes a new one in its place."""
        if (
            isinstance(self._database, SqliteDatabase)
            and not self._database.path.exists()
            and (entry := self._found().entry)
        ):
            raise self._lost(f"it is not there any more, and had come to entry {entry:,} of its journal")

    def compare(self, store: Store) -> None:
        """Raise DatabaseUnfit for a file that ends before the bookmark, and for a server's database with no entry.

        A server may have lost its last moments in a fail-over, which its daemons go on from.
        """
        entry, following = self._found().entry, store.next_seq()
        is_empty = following == first_number(engine_of(following))
        if following <= entry and (is_empty or isinstance(self._database, SqliteDatabase)):
            last = "without any entry" if is_empty else f"at entry {following - 1:,}"
            raise self._lost(f"its journal ends {last}, and had come to entry {entry:,}")

    def begin_run(self, following: int) -> int:
        """Give this run a number above all before it: the next entry's, unless the database was put back."""
        found = self._found()
        self._entry, self._run, self._call = following - 1, max(following, found.run + 1), found.call
        self._write()
        if self._file is not None:
            with suppress(OSError):
                os.fsync(self._file)
        return self._run

    def next_call(self, following: int) -> int:
        """Give the number of this run's first call: the database's word, unless it was put back."""
        used = self._found().call
        return max(following, used + 1) if engine_of(following) == engine_of(used + 1) else following

    def hear(self, entry: Entry) -> None:
        """Take note, now and then, of an entry that is durable."""
        self._entry = entry.seq
        for command in entry.commands:
            if type(command) is PlaceCall:
                self._call = max(self._call, command.call_id)
        if time.monotonic() >= self._written_at + EVERY_S:
            self._write()

    def close(self) -> None:
        """Write the last entry that was heard of."""
        if self._entry:
            self._write()
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write(self) -> None:
        with suppress(OSError):
            if self._file is None:
                self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            mark = _Mark(
                entry=self._entry, run=self._run, call=self._call, database=self._database.name, engine=self._engine
            )
            # In place, and never shorter than what was there.
            os.pwrite(self._file, msgspec.json.encode(mark) + b"\n", 0)
        self._written_at = time.monotonic()

    def _found(self) -> _Mark:
        """Give what an earlier run left; nothing for another database or engine."""
        mark = _read(self._path)
        return mark if (mark.database, mark.engine) == (self._database.name, self._engine) else _Mark()

    def _lost(self, what: str) -> DatabaseUnfit:
        return DatabaseUnfit(
            f"database {self._database.name}: {what}: it is gone, or was put back to an earlier state, and whoever was "
            "called since would be called again. Bring the right one back (a backup: `dialer db restore`); to go on "
            f"without what is missing, remove {self._path} and start the gateways anew"
        )


def forget(state_dir: Path) -> None:
    """Let a database take its place that was put there on purpose; runs are numbered on."""
    path = state_dir / NAME
    mark = msgspec.structs.replace(_read(path), entry=0)
    if mark.run:
        with suppress(OSError):
            path.write_bytes(msgspec.json.encode(mark) + b"\n")
    else:
        path.unlink(missing_ok=True)


def _read(path: Path) -> _Mark:
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(_SIZE_MAX), type=_Mark)
    except (OSError, msgspec.MsgspecError):
        return _Mark()
