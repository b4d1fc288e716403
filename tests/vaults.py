"""Keyrings for tests: fixed ones, and the one that a state folder has."""

from pathlib import Path

from dialer.storage.reading import Records
from dialer.storage.sqlite import SqliteDatabase
from dialer.storage.store import Store
from dialer.storage.vault import Keyring, Vault


def make_vault(*names: str) -> Vault:
    """A vault with a fixed keyring: one key per name (eight hex digits), the last one in use."""
    keys = {bytes.fromhex(name): (name * 4).encode() for name in names or ("00000001",)}
    return Vault(Keyring(index=b"look-up hashes of the tests only", sealing=keys))


def open_state(folder: Path) -> Store:
    """The database of a state folder, with the keyring that lies beside it."""
    from dialer.storage.keyring import open_vault

    return Store(
        SqliteDatabase(folder / "dialer.db"), open_vault(folder / "keys.json", SqliteDatabase(folder / "dialer.db"))
    )


def read_state(folder: Path) -> Records:
    """The same for reading only."""
    from dialer.storage.keyring import open_vault

    return Records(
        SqliteDatabase(folder / "dialer.db"), open_vault(folder / "keys.json", SqliteDatabase(folder / "dialer.db"))
    )
