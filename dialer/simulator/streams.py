"""Random numbers by name: the same seed, purpose and entity give the same numbers, in whatever order they are asked.

A change of pacing policy therefore reshuffles neither the people called nor the agents' wrap-ups (common random
numbers). Source of the bits: BLAKE2b keyed with the seed, a counter-based generator in the sense of Salmon et al.,
Parallel Random Numbers: As Easy as 1, 2, 3, SC 2011.
"""

import struct
from hashlib import blake2b

_WORDS = 8
_UNPACK = struct.Struct("<8Q").unpack
_PACK = struct.Struct("<2q").pack
_SCALE = 2.0**-52

Uniforms = tuple[float, float, float, float, float, float, float, float]
"""Eight independent numbers, uniform on the open interval (0, 1)."""


class Streams:
    """All random numbers of one run."""

    def __init__(self, seed: int) -> None:
        self._key = str(seed).encode("ascii")[:64]

    def purpose(self, name: str) -> "Stream":
        """The numbers for one purpose; `name` has at most 16 bytes."""
        return Stream(self._key, name.encode("ascii"))


class Stream:
    """The random numbers of one purpose, by entity."""

    def __init__(self, key: bytes, person: bytes) -> None:
        self._start = blake2b(key=key, person=person, digest_size=8 * _WORDS)

    def draw(self, entity: int, rank: int = 0) -> Uniforms:
        """Eight uniforms for the `rank`-th time that `entity` needs them."""
        state = self._start.copy()
        state.update(_PACK(entity, rank))
        a, b, c, d, e, f, g, h = _UNPACK(state.digest())
        return (
            ((a >> 12) + 0.5) * _SCALE,
            ((b >> 12) + 0.5) * _SCALE,
            ((c >> 12) + 0.5) * _SCALE,
            ((d >> 12) + 0.5) * _SCALE,
            ((e >> 12) + 0.5) * _SCALE,
            ((f >> 12) + 0.5) * _SCALE,
            ((g >> 12) + 0.5) * _SCALE,
            ((h >> 12) + 0.5) * _SCALE,
        )
