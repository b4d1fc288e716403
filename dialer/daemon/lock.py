"""The lock of a state directory: one daemon works there at a time, and whoever asks can see which.

One rule governs this module: the lock is the kernel's, so it ends with the process that holds it, however that ended.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dialer.errors import StorageError

_NAME = "daemon.lock"


@contextmanager
def only_daemon(state_dir: Path) -> Iterator[None]:
    """Hold the lock of the state directory; raise StorageError when another process holds it.

    A directory that is not there is made for this user alone: the database in it has whole phone numbers.
    """
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (state_dir / _NAME).open("a+", encoding="ascii")
    except OSError as error:
        raise StorageError(f"state_dir {state_dir}: cannot be used: {error.strerror or error}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            raise StorageError(
                f"state_dir {state_dir}: another daemon (process {owner}) works here; stop it or name another"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def daemon_at(state_dir: Path) -> str | None:
    """Name the process that works in a state directory; None when none does."""
    try:
        lock = (state_dir / _NAME).open("r", encoding="ascii")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"state_dir {state_dir}: cannot be used: {error.strerror or error}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return lock.read().strip() or "unknown"
    return None
