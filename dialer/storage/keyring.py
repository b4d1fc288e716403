"""The keyring as it is kept: in a file for its owner's eyes alone, or in the environment variable DIALER_KEYS.

One rule governs this module: a keyring is never lost by writing it. A new file is whole and on the disk before it takes
the place of the old one, and no file is made where a database already needs another.

Both hold the same JSON, {"index": ..., "keys": [{"id": eight hex digits, "secret": ..., "made_at": instant}, ...]}:
each key 32 bytes in base64, the one in use last. The index key makes the look-up hashes and is never changed.
"""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec

from dialer.errors import KeysError
from dialer.storage.database import Database
from dialer.storage.vault import ID_BYTES, Keyring, Vault

VARIABLE = "DIALER_KEYS"
SECRET_BYTES = 32
_FILE_MAX = 1 << 20
_FOR_OTHERS = stat.S_IRWXG | stat.S_IRWXO

Secret = Annotated[bytes, msgspec.Meta(min_length=SECRET_BYTES, max_length=SECRET_BYTES)]
KeyId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{8}$")]


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key that seals, or once did."""

    id: KeyId
    secret: Secret
    made_at: Annotated[datetime, msgspec.Meta(tz=True)]


class Keys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything in a key file."""

    index: Secret
    keys: Annotated[tuple[Key, ...], msgspec.Meta(min_length=1)]

    def __post_init__(self) -> None:
        if len({key.id for key in self.keys}) < len(self.keys):
            raise ValueError("keys: expected a different id for each, found one twice")

    def __repr__(self) -> str:
        """Name the keys and keep their secrets."""
        return f"Keys({', '.join(key.id for key in self.keys)})"

    @property
    def in_use(self) -> Key:
        """The key that seals."""
        return self.keys[-1]

    def keyring(self) -> Keyring:
        """Give what a vault works with."""
        return Keyring(index=self.index, sealing={bytes.fromhex(key.id): key.secret for key in self.keys})


_DECODER = msgspec.json.Decoder(Keys)


def open_vault(keys_file: Path, database: Database) -> Vault:
    """Open the keyring of a database; make one where there is neither key file nor anything sealed. Raises KeysError.

    The environment goes before the file. A vault of a file reads it again when it meets a key that it does not know.
    """
    if is_from_environment():
        return Vault(_decode(os.environ[VARIABLE].encode(), f"environment variable {VARIABLE}").keyring())
    if not os.path.lexists(keys_file):
        if database.has_sealed():
            raise KeysError(
                f"keys_file {keys_file}: there is none, and the numbers and names in the database {database.name} are "
                f"sealed: put back the key file that it was written with, or name it as keys.file or in {VARIABLE}. "
                "Without it nobody can read them again"
            )
        make_keys(keys_file)
    return Vault(read_keys(keys_file).keyring(), lambda: read_keys(keys_file).keyring())


def is_from_environment() -> bool:
    """Say whether the environment holds the keyring itself, where no command can change it; it may hold a path."""
    return os.environ.get(VARIABLE, "").lstrip().startswith("{")


def known_keys(keys_file: Path) -> Keys:
    """Read the keyring that `open_vault` would open, with its keys' instants."""
    if is_from_environment():
        return _decode(os.environ[VARIABLE].encode(), f"environment variable {VARIABLE}")
    return read_keys(keys_file)


def read_keys(path: Path) -> Keys:
    """Read a key file; raise KeysError when it is not there, open to others, or holds anything but keys."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise KeysError(f"keys_file {path}: expected a file, found something else: name the key file")
            if status.st_mode & _FOR_OTHERS and not _is_handed_over(path):
                mode = stat.S_IMODE(status.st_mode)
                raise KeysError(
                    f"keys_file {path}: expected a file for its owner alone (mode 0600), found mode {mode:04o}: "
                    f"`chmod 600 {path}`, and rotate the keys if others may have read it"
                )
            data = file.read(_FILE_MAX)
    except IsADirectoryError as error:
        raise KeysError(f"keys_file {path}: expected a file, found a folder: name the key file") from error
    except OSError as error:
        raise KeysError(f"keys_file {path}: it cannot be read ({error.strerror})") from error
    return _decode(data, f"keys_file {path}")


def _is_handed_over(path: Path) -> bool:
    """Say whether the service manager guards a file: its mode shows the mask of an access list, not who may read it."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    return os.path.isabs(folder) and path.parent == Path(folder)


def _decode(data: bytes, where: str) -> Keys:
    try:
        return _DECODER.decode(data)
    except (msgspec.MsgspecError, ValueError) as error:
        raise KeysError(
            f"{where}: expected a keyring as `dialer` writes it, found something else ({error}): restore a copy"
        ) from None


def new_key(known: tuple[Key, ...] = ()) -> Key:
    """Make a key with an id that none of those known has."""
    while (key_id := os.urandom(ID_BYTES).hex()) in {key.id for key in known}:
        pass
    return Key(id=key_id, secret=os.urandom(SECRET_BYTES), made_at=datetime.now(UTC).replace(microsecond=0))


def make_keys(path: Path) -> None:
    """Make a key file with new keys, unless another process just made one."""
    keys = Keys(index=os.urandom(SECRET_BYTES), keys=(new_key(),))
    with _written(path, keys) as written, suppress(FileExistsError):
        os.link(written, path)


def write_keys(path: Path, keys: Keys) -> None:
    """Put a keyring in the place of the one in a key file, or behind a link to one; on the disk when this returns."""
    path = path.resolve()
    with _written(path, keys) as written:
        written.replace(path)


@contextmanager
def _written(path: Path, keys: Keys) -> Iterator[Path]:
    """Write a keyring beside its place, whole and synced, and sync the folder after it was moved."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside.unlink(missing_ok=True)
        try:
            with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(keys)) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            yield beside
        finally:
            beside.unlink(missing_ok=True)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise KeysError(f"keys_file {path}: it cannot be written ({error.strerror})") from error


@contextmanager
def changing(path: Path) -> Iterator[None]:
    """Be the only one who changes a key file; raise KeysError when another process does."""
    try:
        folder = os.open(path.resolve().parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise KeysError(f"keys_file {path}: its folder cannot be read ({error.strerror})") from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(folder)
        raise KeysError(f"keys_file {path}: another process changes the keys: wait for its end") from None
    try:
        yield
    finally:
        os.close(folder)
