"""Emptying SQLite's write-ahead log into its database, beside whoever writes.

One rule governs this module: a commit appends to the log and does no more. What SQLite would do within every few
commits, moving the log's pages to their places all over the file, is done by a thread with a connection of its own; a
writer does it only where that thread cannot keep up.
"""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing, suppress

PAGES_MAX = 16_384
"""Pages of the log, 64 MiB, from which on a writer's commit empties it, too."""
EVERY_S = 1.0
"""How long what was written may wait: a page that is written again meanwhile is moved once."""
_PASSES = 5  # what is written during one is for the next: only a log of which all was moved begins anew in its file


class LogEmptier:
    """The thread. `connect` opens the file; errors are nobody's yet: the log keeps what was not moved."""

    def __init__(self, connect: Callable[[], sqlite3.Connection], every_s: float = EVERY_S) -> None:
        self._connect = connect
        self._every_s = every_s
        self._condition = threading.Condition()
        self._has_more = self._is_ending = False
        self._thread = threading.Thread(target=self._run, name="log emptier", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Take note that something was written."""
        with self._condition:
            self._has_more = True
            self._condition.notify()

    def close(self) -> None:
        """End the thread, after the pass that is under way."""
        with self._condition:
            self._is_ending = True
            self._condition.notify()
        self._thread.join()

    def _run(self) -> None:
        with suppress(sqlite3.Error), closing(self._connect()) as connection:
            while self._is_wanted():
                with suppress(sqlite3.Error):  # a full disk, say: whoever writes hears of it
                    _empty(connection)

    def _is_wanted(self) -> bool:
        """Wait until something was written, and then for more of it; say whether to go on."""
        with self._condition:
            self._condition.wait_for(lambda: self._has_more or self._is_ending)
            self._condition.wait_for(lambda: self._is_ending, self._every_s)
            self._has_more = False
            return not self._is_ending


def _empty(connection: sqlite3.Connection) -> None:
    before = -1
    for _ in range(_PASSES):
        is_busy, pages, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if is_busy or pages == before:
            return
        before = pages
