"""Copies of national registers of people who must not be called: sorted keyed hashes in files, one row per copy.

One rule governs this module: no number of a register can be read from what is kept. A file holds the first eight
bytes of each number's keyed hash, ascending, behind a head that says how many there are, what their SHA-256 is and
under which key they were made. It is written beside its place and moved there, so that a file with the right name is
whole; one that is not says so when it is opened, and nothing is looked up in it. Beside ten million numbers, one
stranger in two million million has such a hash by chance, and is not called.
"""

import hashlib
import mmap
import os
import struct
import sys
import tempfile
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dialer.domain.standing import RegistryCopy
from dialer.errors import DatabaseLost, KeysError, StorageError
from dialer.storage.database import Connection
from dialer.storage.vault import Vault

if TYPE_CHECKING:
    import numpy as np

    Hashes = np.ndarray[tuple[int], np.dtype[np.uint64]]

HASH_BYTES = 8
KEPT_COPIES = 24
"""How many files of one register are kept, so that a past look-up can be done again; the rows of all stay."""
FOLDER = "registries"

_MAGIC = b"dialerR1"
_HEAD = struct.Struct("=8sQ8sQ32s")  # magic, 1 (tells the byte order), hash of _KEY_PROBE, count, SHA-256
_KEY_PROBE = "registry"
_COLUMNS = ("registry", "version", "digest", "received_at", "imported_at", "numbers", "lines", "path", "who", "reason")
_NAMES = ", ".join(_COLUMNS)
_ADD = f"INSERT INTO registries ({_NAMES}) VALUES ({', '.join('?' * len(_COLUMNS))})"
_ALL = f"SELECT {_NAMES} FROM registries ORDER BY registry, registry_id"
_OF_ONE = f"SELECT {_NAMES} FROM registries WHERE registry = ? ORDER BY registry_id"
_IN_USE = f"""SELECT {_NAMES} FROM registries WHERE registry_id IN
    (SELECT max(registry_id) FROM registries WHERE imported_at <= ? GROUP BY registry) ORDER BY registry"""
_DROPPED = "UPDATE registries SET path = '' WHERE registry = ? AND version = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCopy:
    """A copy and how it came: `lines` of the file as received; `path` is "" once its hashes are no longer kept.

    `reason` says why a file with far fewer numbers than the one before was taken.
    """

    copy: RegistryCopy
    imported_at: float
    lines: int
    path: str  # in the folder of registers
    who: str
    reason: str = ""


def file_name(registry: str, version: str) -> str:
    """Name the file of a copy."""
    return f"{registry}-{version}.bin"


def sorted_hashes(hashes: bytes | bytearray) -> "Hashes":
    """Put hashes, one after the other, in order, each once."""
    import numpy as np

    found = np.frombuffer(hashes, dtype=np.uint64)
    ordered = np.sort(found)
    return np.asarray(ordered[np.concatenate(([True], ordered[1:] != ordered[:-1]))]) if len(ordered) else ordered


class Shelf:
    """The folder with the files of all copies. Files that were opened stay mapped, and are checked once."""

    def __init__(self, folder: Path, vault: Vault, *, is_shared: bool = False) -> None:
        self.folder = folder
        self._is_shared = is_shared  # other machines bring copies into use, too
        self._vault = vault
        self._open: dict[str, memoryview] = {}

    def write(self, name: str, ordered: "Hashes") -> None:
        """Write a file of `sorted_hashes`; it is there whole or not at all."""
        data = ordered.data.cast("B") if len(ordered) else memoryview(b"")
        head = _HEAD.pack(_MAGIC, 1, self._probe(), len(ordered), hashlib.sha256(data).digest())
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(prefix=".new-", dir=self.folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(head)
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(temporary, self.folder / name)
            except BaseException:
                with suppress(FileNotFoundError):
                    os.unlink(temporary)
                raise
            _sync_folder(self.folder)
        except OSError as error:
            raise StorageError(
                f"registers {self.folder}: {name} cannot be written ({error.strerror}): make room, or check the folder"
            ) from error
        self._open.pop(name, None)

    def remove(self, name: str) -> None:
        """Remove a file; one that is gone already is no fault."""
        self._open.pop(name, None)
        with suppress(FileNotFoundError):
            (self.folder / name).unlink()

    def has(self, name: str) -> bool:
        """Say whether a copy's file is here."""
        return (self.folder / name).exists()

    def holds(self, name: str, index: bytes) -> bool:
        """Say whether a number, by its keyed hash, is in a copy."""
        hashes = self.hashes(name)
        wanted = int.from_bytes(index[:HASH_BYTES], sys.byteorder)
        at = bisect_left(hashes, wanted)
        return at < len(hashes) and hashes[at] == wanted

    def hashes(self, name: str) -> memoryview:
        """Give the hashes of a copy, ascending."""
        hashes = self._open.get(name)
        if hashes is None:
            hashes = self._open[name] = self._map(name)
        return hashes

    def _map(self, name: str) -> memoryview:
        """Map a file and see that it is whole and made under this key."""
        path = self.folder / name
        try:
            with path.open("rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            if self._is_shared and not path.exists():
                raise DatabaseLost(
                    f"register {path}: it came into use on another machine and is not on this one: import it here, "
                    "too, or copy the file"
                ) from None
            raise _damaged(path, f"it cannot be read ({error})") from None
        view = memoryview(mapped)
        if len(view) < _HEAD.size:
            raise _damaged(path, "it is cut short")
        magic, order, probe, count, digest = _HEAD.unpack(view[: _HEAD.size])
        if magic != _MAGIC or order != 1:
            raise _damaged(path, "it is no such file, or one of another kind of machine")
        if probe != self._probe():
            raise KeysError(f"{path}: its hashes were made under another key: name the keyring that it was made with")
        data = view[_HEAD.size :]
        if len(data) != count * HASH_BYTES:
            raise _damaged(path, f"expected {count:,} hashes, found {len(data) / HASH_BYTES:,.1f}")
        if hashlib.sha256(data).digest() != digest:
            raise _damaged(path, "its bytes are not those that were written")
        return data.cast("Q")

    def _probe(self) -> bytes:
        return self._vault.index(_KEY_PROBE)[:HASH_BYTES]


def _damaged(path: Path, what: str) -> StorageError:
    return StorageError(f"register {path}: {what}: bring the file from a backup, or import the register again")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# ---------------------------------------------------------------------------------------------- rows
def kept_copies(connection: Connection, registry: str | None = None) -> list[KeptCopy]:
    """Give every copy ever imported, of one register or of all (None), the oldest first."""
    found = connection.execute(_ALL) if registry is None else connection.execute(_OF_ONE, (registry,))
    return [_to_copy(row) for row in found]


def copies_in_use(connection: Connection, at: float) -> list[KeptCopy]:
    """Give the copy of each register that was in use at an instant, unless its file is kept no longer."""
    return list(in_use(connection, at))


def in_use(connection: Connection, at: float) -> Iterator[KeptCopy]:
    """Ask for the same; the answer is read when the first copy is."""
    found = connection.execute(_IN_USE, (at,))
    return (kept for kept in map(_to_copy, found) if kept.path)


def add_copy(connection: Connection, kept: KeptCopy) -> None:
    """Keep the row of a copy, whose file is there already."""
    copy = kept.copy
    values = (copy.registry, copy.version, copy.digest, copy.received_at, kept.imported_at, copy.numbers)
    connection.execute(_ADD, (*values, kept.lines, kept.path, kept.who, kept.reason))


def drop_old(connection: Connection, registry: str) -> list[str]:
    """Forget the files beyond the last KEPT_COPIES of a register; give their names, to be removed."""
    old = [kept for kept in kept_copies(connection, registry) if kept.path][:-KEPT_COPIES]
    connection.executemany(_DROPPED, [(kept.copy.registry, kept.copy.version) for kept in old])
    return [kept.path for kept in old]


def listed(shelf: Shelf, copies: Iterable[KeptCopy], numbers: Mapping[bytes, str]) -> list[tuple[str, str]]:
    """Give (register, number) for each of the numbers, by their keyed hashes, that a copy holds."""
    return [
        (kept.copy.registry, e164)
        for kept in copies
        if kept.path
        for index, e164 in numbers.items()
        if shelf.holds(kept.path, index)
    ]


def _to_copy(row: tuple[str, str, str, float, float, int, int, str, str, str]) -> KeptCopy:
    registry, version, digest, received_at, imported_at, numbers, lines, path, who, reason = row
    copy = RegistryCopy(registry=registry, version=version, digest=digest, received_at=received_at, numbers=numbers)
    return KeptCopy(copy=copy, imported_at=imported_at, lines=lines, path=path, who=who, reason=reason)
