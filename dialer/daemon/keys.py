"""Changing the keys of a database while the daemon dials: a new key, everything under it, then the old key let go.

One rule governs this module: a key is in the key file, on the disk, before anything is sealed under it, and leaves the
file only after nothing needs it. So a crash between any two steps loses nothing, and the same command goes on there.
"""

import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime

from dialer.config.settings import Settings
from dialer.daemon.control import KeysRequest, ask
from dialer.daemon.lock import daemon_at, only_daemon
from dialer.daemon.people import holder
from dialer.daemon.stores import database_of, open_records, open_store
from dialer.errors import ControlError, KeysError, StorageError
from dialer.storage.doctor import Doctor
from dialer.storage.keyring import (
    VARIABLE,
    Keys,
    changing,
    is_from_environment,
    known_keys,
    new_key,
    read_keys,
    write_keys,
)
from dialer.storage.rotation import drop_key, reseal, rows_per_key
from dialer.storage.store import Store

PASSES_MAX = 3  # over all tables: an import that ran beside the first one may have brought rows under an older key

Progress = Callable[[str, int], None]
"""Is told of each step: table and number of rows sealed anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLine:
    """A key of the keyring, and how many rows have a value under it."""

    key: str
    made_at: datetime
    rows: int
    is_in_use: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationReport:
    """What a rotation did.

    `is_new`: it made the key; else it went on with what an earlier one left. `resealed` holds rows by table, `left`
    rows that are still under another key, by key. `daemon`: told | none | why it was not told.
    """

    key: str
    is_new: bool
    daemon: str
    resealed: dict[str, int]
    left: dict[str, int]
    older: tuple[str, ...]
    elapsed_s: float


def list_keys(settings: Settings) -> list[KeyLine]:
    """Give the keys of the keyring, oldest first."""
    with open_records(settings) as store:
        rows = rows_per_key(store)
    keys = known_keys(settings.keys_file)
    return [
        KeyLine(key=key.id, made_at=key.made_at, rows=rows[key.id], is_in_use=key is keys.in_use) for key in keys.keys
    ]


def rotate(settings: Settings, progress: Progress) -> RotationReport:
    """Make a new key and seal everything anew under it, beside a daemon that dials; raise KeysError when it cannot.

    When rows are left under an older key, as after a crash, no key is made: they are brought under the newest.
    """
    started_at = time.perf_counter()
    _refuse_without_file(settings)
    with changing(settings.keys_file), open_store(settings) as store:
        _refuse_beside_others(settings, store)
        keys = read_keys(settings.keys_file)
        is_new = not _left(store, keys.in_use.id)
        if is_new:
            keys = Keys(index=keys.index, keys=(*keys.keys, new_key(keys.keys)))
            write_keys(settings.keys_file, keys)
        store.renew_keys()
        daemon = _tell_daemon(settings)
        resealed: Counter[str] = Counter()
        for _ in range(PASSES_MAX):
            _reseal(store, resealed, progress)
            left = _left(store, keys.in_use.id)
            if not left:
                break
    return RotationReport(
        key=keys.in_use.id,
        is_new=is_new,
        daemon=daemon,
        resealed=dict(resealed),
        left=dict(left),
        older=tuple(key.id for key in keys.keys[:-1]),
        elapsed_s=time.perf_counter() - started_at,
    )


def _reseal(store: Store, resealed: Counter[str], progress: Progress) -> None:
    """Seal everything anew, and leave others as much time in between as each step took."""
    step_at = time.perf_counter()
    for table, rows in reseal(store):
        resealed[table] += rows
        progress(table, rows)
        time.sleep(time.perf_counter() - step_at)
        step_at = time.perf_counter()


def _left(store: Store, in_use: str) -> Counter[str]:
    """Count the rows under other keys than the one in use."""
    rows = rows_per_key(store)
    del rows[in_use]
    return rows


def drop(settings: Settings, key_id: str) -> None:
    """Take a key that nothing is sealed under out of the keyring; raise KeysError for any other."""
    _refuse_without_file(settings)
    with changing(settings.keys_file), ExitStack() as held:
        keys = read_keys(settings.keys_file)
        if key_id not in {key.id for key in keys.keys}:
            there = ", ".join(key.id for key in keys.keys)
            raise KeysError(f"key {key_id}: expected a key of {settings.keys_file}, which has {there}")
        if key_id == keys.in_use.id:
            raise KeysError(f"key {key_id}: it is in use: `dialer keys rotate` makes another, then drop it")
        daemon = _tell_daemon(settings)
        if daemon != "told":
            try:
                held.enter_context(only_daemon(settings.state_dir))
            except StorageError as error:
                raise KeysError(f"key {key_id}: a daemon runs that may seal under it ({daemon}; {error})") from error
        with open_store(settings) as store:
            _refuse_beside_others(settings, store)
            drop_key(store, key_id)
        write_keys(settings.keys_file, Keys(index=keys.index, keys=tuple(k for k in keys.keys if k.id != key_id)))


def _refuse_without_file(settings: Settings) -> None:
    """Refuse what can only be done with a key file, and a database that has nothing to seal anew."""
    if is_from_environment():
        raise KeysError(
            f"the keyring is in the environment variable {VARIABLE}, which no command can change: put it in a file, "
            "mode 0600, name that as keys.file, and start the daemon without the variable"
        )
    if not database_of(settings).has_sealed():
        raise StorageError(
            f"database {settings.database}: nothing is sealed in it yet; `dialer run` or `dialer leads import` makes it"
        )


def _refuse_beside_others(settings: Settings, store: Store) -> None:
    """Raise KeysError while a daemon of another machine dials: its key file has no new key, and may have a dropped one.

    Where machines share the key file they could go on, but nothing here can tell.
    """
    own = holder(daemon_at(settings.state_dir))
    others = [each for each in Doctor(store.database, store.vault).living() if not each.endswith(f": {own}")]
    if others:
        raise KeysError(
            f"{'; '.join(others)}: dials on another machine, whose key file would not have what this one's has: stop "
            "that daemon, change the keys, copy the key file to its machine, and start it again"
        )


def _tell_daemon(settings: Settings) -> str:
    """Have a running daemon read the keyring again; say `told`, `none`, or why it was not told."""
    if not settings.control_socket.exists():
        return "none"
    try:
        ask(settings.control_socket, KeysRequest())
    except ControlError as error:
        return str(error)
    return "told"
