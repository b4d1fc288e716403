"""Power that fails: of what was not synced, any page may be missing. All that was committed is there nevertheless.

A commit first writes and syncs the write-ahead log; a checkpoint then copies pages into the database. So what a cut
leaves is the old database with any part of the log's new pages, or the new log with any part of the database's.
"""

import random
from contextlib import AbstractContextManager
from pathlib import Path

from hypothesis import settings

from dialer.storage.codec import Entry
from dialer.storage.database import Connection
from dialer.storage.sqlite import SqliteDatabase
from dialer.storage.store import Store
from tests.recovery.shift import Shift, check_evidence, fill
from tests.vaults import make_vault

BLOCK = 512
"""What a disk writes whole."""
TRIALS = 3  # cuts of each kind after a commit that is tried


class AtCommits(SqliteDatabase):
    """A database whose log is emptied by commits, as it is where the thread for that does not keep up: so its two files
    stand still while they are copied."""

    def quick_transaction(self, connection: Connection) -> AbstractContextManager[None]:
        return self.transaction(connection)


class Unplugged(Shift):
    """A day in which the power fails again and again, for a copy of the database."""

    def __init__(self, path: Path, every: int) -> None:
        self.dice = random.Random(5)
        self.every = every
        self.cuts = self.kept_last = self.checkpoints = 0
        self.path = path
        super().__init__(AtCommits(path))

    def _keep(self, entry: Entry) -> None:
        if self.dice.randrange(self.every):
            super()._keep(entry)
            return
        before = self._files()
        super()._keep(entry)
        after = self._files()
        for _ in range(TRIALS):
            log = mixed(before[1], after[1], self.dice)
            self._open_after_cut(before[0], log, (entry.seq - 1, entry.seq))
            self._open_after_cut(before[0], after[1][: self.dice.randrange(len(after[1]))], None)
        if before[0] != after[0]:
            self.checkpoints += 1
            for _ in range(TRIALS):
                self._open_after_cut(mixed(before[0], after[0], self.dice), after[1], (entry.seq,))

    def _files(self) -> tuple[bytes, bytes]:
        return self.path.read_bytes(), Path(f"{self.path}-wal").read_bytes()

    def _open_after_cut(self, database: bytes, log: bytes, expected: tuple[int, ...] | None) -> None:
        """Open what a cut left, and look for the last entry; None: any will do, if it is whole."""
        copy = self.path.with_name("cut.db")
        copy.write_bytes(database)
        Path(f"{copy}-wal").write_bytes(log)
        Path(f"{copy}-shm").unlink(missing_ok=True)
        with Store(SqliteDatabase(copy), make_vault()) as store:
            last = store.next_seq() - 1
            assert expected is None or last in expected, (last, expected)
            self.kept_last += expected is not None and last == expected[-1]
            assert [entry.seq for entry in store.entries()] == list(range(1, last + 1))
            if last:
                check_evidence(store)
        self.cuts += 1


def mixed(before: bytes, after: bytes, dice: random.Random) -> bytes:
    """Give a file as it was, with any of its changed blocks as they are: sometimes all, sometimes in order."""
    share = dice.choice((0.0, 0.5, 0.9, 1.0))
    length = max(len(before), len(after))
    old, new = before.ljust(length, b"\0"), after.ljust(length, b"\0")
    blocks = []
    for at in range(0, length, BLOCK):
        one, other = old[at : at + BLOCK], new[at : at + BLOCK]
        blocks.append(other if one != other and dice.random() < share else one)
    return b"".join(blocks)


def test_a_power_cut_loses_nothing_that_was_committed(tmp_path: Path) -> None:
    """Whichever pages are missing, the database opens, holds every committed entry, and its evidence is whole."""
    path = tmp_path / "dialer.db"
    fill(SqliteDatabase(path))
    is_soak = settings.get_current_profile_name() == "soak"
    shift = Unplugged(path, every=3 if is_soak else 60)
    try:
        shift.run()
    finally:
        shift.close()
    assert shift.cuts > 50
    assert 0 < shift.kept_last < shift.cuts
