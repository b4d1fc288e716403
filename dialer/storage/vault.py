"""What is personal, sealed and looked up: AES-256-GCM for reading again, keyed BLAKE2b for finding.

One rule governs this module: a sealed value opens only under the key that its head names and in the place (a table's
column) that it was sealed for, else `KeysError`. The head is one byte of format, four of the key's id, twelve of nonce.
Nonces are random: with 96 bits, 2**32 values under one key are far from a likely repeat (NIST SP 800-38D, 8.3).
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dialer.errors import KeysError

FORMAT = 1
ID_BYTES = 4
NONCE_BYTES = 12
INDEX_BYTES = 16
_HEAD_BYTES = 1 + ID_BYTES + NONCE_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """`sealing` holds the keys by id, the one in use last; `index` keys the look-up hashes and is never rotated."""

    index: bytes
    sealing: Mapping[bytes, bytes]


class Vault:
    """Seals and opens with one keyring."""

    def __init__(self, keyring: Keyring) -> None:
        self._index = keyring.index
        self._ciphers = {key_id: AESGCM(secret) for key_id, secret in keyring.sealing.items()}
        self.key_id = tuple(keyring.sealing)[-1]
        self._cipher = self._ciphers[self.key_id]
        self._head = bytes([FORMAT]) + self.key_id

    def seal(self, value: bytes, place: bytes) -> bytes:
        """Encrypt a value for a place, under the key in use."""
        nonce = os.urandom(NONCE_BYTES)
        return self._head + nonce + self._cipher.encrypt(nonce, value, place)

    def open(self, sealed: bytes, place: bytes) -> bytes:
        """Decrypt what `seal` made for the same place; raise KeysError for anything else."""
        cipher = self._ciphers.get(sealed[1 : 1 + ID_BYTES])
        if sealed[:1] != bytes([FORMAT]) or cipher is None:
            raise KeysError(
                f"{place.decode()}: sealed under the key {key_name(sealed)}, which is not in the keyring: "
                "name the keyring that the database was written with"
            )
        try:
            return cipher.decrypt(sealed[1 + ID_BYTES : _HEAD_BYTES], sealed[_HEAD_BYTES:], place)
        except InvalidTag:
            raise KeysError(
                f"{place.decode()}: the value does not open under the key {key_name(sealed)}: it was changed, or the "
                "keyring has another key of that name"
            ) from None

    def index(self, e164: str) -> bytes:
        """Give the keyed hash by which a number is found: BLAKE2b as a MAC (RFC 7693), 16 bytes."""
        return hashlib.blake2b(e164.encode(), digest_size=INDEX_BYTES, key=self._index).digest()


def key_name(sealed: bytes) -> str:
    """Name the key that a sealed value asks for."""
    return sealed[1 : 1 + ID_BYTES].hex() or "none"
