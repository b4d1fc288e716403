"""What is personal, sealed and looked up: AES-256-GCM for reading again, keyed BLAKE2b for finding.

One rule governs this module: a sealed value opens only under the key that its head names and in the place (a table's
column) that it was sealed for, else `KeysError`. The head is one byte of format, four of the key's id, twelve of nonce.
Nonces are random: with 96 bits, 2**32 values under one key are far from a likely repeat (NIST SP 800-38D, 8.3).
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dialer.errors import KeysError

FORMAT = 1
ID_BYTES = 4
NONCE_BYTES = 12
INDEX_BYTES = 16
RANK_BYTES = 6  # 48 bits: distinct for any real list, and exact in every JSON reader
_LAST_NUMBERS = 1024  # whose hashes and ranks are at hand: one is read, then kept, or claimed, then called
_DRAWN = 256  # nonces at a time, where many are wanted
_HEAD_BYTES = 1 + ID_BYTES + NONCE_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """`sealing` holds the keys by id, the one in use last; `index` keys the look-up hashes and is never rotated."""

    index: bytes
    sealing: Mapping[bytes, bytes]


def _nonce() -> bytes:
    return os.urandom(NONCE_BYTES)


class Vault:
    """Seals and opens with one keyring. `reread` reads the keyring again where that can be done (None: it cannot).

    Threads may share one: what a value is sealed with is read in one piece. `nonce` gives a random nonce, each once.
    """

    def __init__(
        self,
        keyring: Keyring,
        reread: Callable[[], Keyring] | None = None,
        nonce: Callable[[], bytes] = _nonce,
    ) -> None:
        self._index = keyring.index
        self._nonce = nonce
        self._reread = reread
        self.index = lru_cache(maxsize=_LAST_NUMBERS)(self._hash)
        """Gives the keyed hash by which a number is found, from its E.164 text."""
        self.rank = lru_cache(maxsize=_LAST_NUMBERS)(self._rank)
        """Gives a lead's rank from its campaign and number."""
        self._take(keyring)

    def _take(self, keyring: Keyring) -> None:
        self.keyring = keyring
        """What it works with, for a vault in another process."""
        self._ciphers = {key_id: AESGCM(secret) for key_id, secret in keyring.sealing.items()}
        key_id, cipher = tuple(self._ciphers.items())[-1]
        self._sealing = (bytes([FORMAT]) + key_id, cipher)

    @property
    def key_id(self) -> bytes:
        """The key in use: what is sealed from now on is sealed under it."""
        return self._sealing[0][1:]

    def renew(self) -> None:
        """Read the keyring again, and seal with its newest key from now on. Raises KeysError when that cannot be."""
        if self._reread is None:
            raise KeysError(
                "the keyring was not read from a file, so it cannot be read again: restart with the new one"
            )
        keyring = self._reread()
        if keyring.index != self._index:
            raise KeysError("the keyring read anew has another index key: put back the file as it was")
        self._take(keyring)

    def seal(self, value: bytes, place: bytes) -> bytes:
        """Encrypt a value for a place, under the key in use."""
        head, cipher = self._sealing
        nonce = self._nonce()
        return head + nonce + cipher.encrypt(nonce, value, place)

    def open(self, sealed: bytes, place: bytes) -> bytes:
        """Decrypt what `seal` made for the same place; raise KeysError for anything else."""
        try:
            return self._cipher_of(sealed, place).decrypt(
                sealed[1 + ID_BYTES : _HEAD_BYTES], sealed[_HEAD_BYTES:], place
            )
        except InvalidTag:
            raise KeysError(
                f"{place.decode()}: the value does not open under the key {key_name(sealed)}: it was changed, or the "
                "keyring has another key of that name"
            ) from None

    def _cipher_of(self, sealed: bytes, place: bytes) -> AESGCM:
        """Find the key that a value asks for; one that is not known may have joined the keyring since it was read."""
        cipher = self._ciphers.get(sealed[1 : 1 + ID_BYTES])
        if len(sealed) < _HEAD_BYTES or sealed[0] != FORMAT:
            raise KeysError(f"{place.decode()}: expected a sealed value, found something else: restore a backup")
        if cipher is None and self._reread is not None:
            self.renew()
            cipher = self._ciphers.get(sealed[1 : 1 + ID_BYTES])
        if cipher is None:
            raise KeysError(
                f"{place.decode()}: sealed under the key {key_name(sealed)}, which is not in the keyring: "
                "name the keyring that the database was written with"
            )
        return cipher

    def _hash(self, e164: str) -> bytes:
        """Give a number's keyed hash: BLAKE2b as a MAC (RFC 7693), 16 bytes."""
        return hashlib.blake2b(e164.encode(), digest_size=INDEX_BYTES, key=self._index).digest()

    def _rank(self, campaign: str, e164: str) -> int:
        """Give a lead its fixed pseudo-random rank in a campaign; without the key it tells nothing of the number."""
        named = f"{campaign}\n{e164}".encode()
        digest = hashlib.blake2b(named, digest_size=RANK_BYTES, key=self._index, person=b"rank").digest()
        return int.from_bytes(digest)


def nonces() -> Iterator[bytes]:
    """Draw random nonces many at a time: one by one that takes half as long as sealing.

    For one thread of a process that nobody forks: a copy of what is drawn and not used yet would be used twice.
    """
    while True:
        drawn = os.urandom(_DRAWN * NONCE_BYTES)
        for at in range(0, len(drawn), NONCE_BYTES):
            yield drawn[at : at + NONCE_BYTES]


def key_name(sealed: bytes) -> str:
    """Name the key that a sealed value asks for."""
    return sealed[1 : 1 + ID_BYTES].hex() or "none"
