"""Telling at the door whether a keyring is the one that a database was written with.

One rule governs this module: for each key that has sealed anything in a database a proof is kept, a known text sealed
under that key. It is opened before anything else is read or written, so that a wrong keyring does no harm.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from dialer.errors import KeysError
from dialer.storage.database import Connection
from dialer.storage.vault import Vault

_PLACE = b"keys.proof"
_WORD = "proof"


def check_keys(connection: Connection, vault: Vault, name: str) -> None:
    """Raise KeysError unless the keyring opens every proof, and makes the look-up hashes as they were made before."""
    for key_id, proof in connection.execute("SELECT key_id, proof FROM keys ORDER BY made_at").fetchall():
        try:
            is_same_index = vault.open(proof, _PLACE) == vault.index(_WORD)
        except KeysError as error:
            raise KeysError(
                f"database {name}: it was written under the key {key_id}, which the keyring does not have ({error})"
            ) from error
        if not is_same_index:
            raise KeysError(
                f"database {name}: the keyring has the key {key_id}, but another index key than the database was "
                "written with: name the keyring that it was written with"
            )


def introduce(connection: Connection, vault: Vault) -> None:
    """Keep the proof of the key in use, within a transaction; once is enough."""
    values = (vault.key_id.hex(), vault.seal(vault.index(_WORD), _PLACE), time.time())
    connection.execute(
        "INSERT INTO keys (key_id, proof, made_at) VALUES (?, ?, ?) ON CONFLICT (key_id) DO NOTHING", values
    )


@contextmanager
def refusing_dropped(connection: Connection, key_id: bytes) -> Iterator[None]:
    """Run a transaction's block; raise KeysError when a key was dropped: nothing may be sealed under it any more.

    The answer is read at the end, so that on a server the block does not wait for it.
    """
    found = connection.execute("SELECT 1 FROM keys WHERE key_id = ?", (key_id.hex(),))
    yield
    if found.fetchone() is None:
        raise KeysError(f"the key {key_id.hex()} was dropped meanwhile: nothing was written; start again")


def refuse_dropped(connection: Connection, key_id: bytes) -> None:
    """Raise KeysError at once when a key was dropped from the database."""
    with refusing_dropped(connection, key_id):
        pass
