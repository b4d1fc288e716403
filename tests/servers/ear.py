"""An ear at the far end: hears what a switch sends to people, and says which tones were in it.

One rule governs this module: it judges by what came over the wire alone. Every sound of the tests has a frequency of
its own, so a frame of 20 ms with a tone says who or what was heard.
"""

import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass

import numpy as np

RATE = 8000
FRAME = 160  # samples in a packet of 20 ms
_HEADER = 12
_LOUD = 0.05
"""A tone's share of full scale from which it counts as heard."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One packet: when, from which port of the switch, and what was in it."""

    at: float
    port: int
    payload: bytes


class Ear:
    """A UDP socket that keeps every packet of sound until it is asked."""

    def __init__(self, ip: str) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._socket.bind((ip, 0))
        self._heard: list[Heard] = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        ip, port = self._socket.getsockname()
        return ip, port

    def close(self) -> None:
        """Hear no more."""
        self._socket.close()

    def _listen(self) -> None:
        while True:
            try:
                packet, source = self._socket.recvfrom(2048)
            except OSError:
                return
            self._heard.append(Heard(time.time(), source[1], packet[_HEADER:]))

    def tones(self, port: int, from_at: float, to_at: float, hertz: tuple[int, ...]) -> Counter[int]:
        """Count the frames from a port in a span in which a tone was the loudest; 0 stands for silence."""
        return Counter(tone for _, tone in self._frames(port, from_at, to_at, hertz))

    def first(self, port: int, from_at: float, to_at: float, hertz: int) -> float | None:
        """Give the instant at which a tone was heard first from a port in a span."""
        others = tuple(each for each in range(300, 1300, 50) if each != hertz)
        frames = self._frames(port, from_at, to_at, (hertz, *others))
        return next((at for at, tone in frames if tone == hertz), None)

    def _frames(self, port: int, from_at: float, to_at: float, hertz: tuple[int, ...]) -> list[tuple[float, int]]:
        """Give the loudest tone of each frame, with the instant at which it came."""
        heard = [
            each
            for each in self._heard
            if each.port == port and from_at <= each.at <= to_at and len(each.payload) == FRAME
        ]
        if not heard:
            return []
        frames = [each.payload for each in heard]
        samples = _LINEAR[np.frombuffer(b"".join(frames), dtype=np.uint8)].reshape(-1, FRAME)
        when = np.arange(FRAME) / RATE
        levels = np.stack([np.abs(samples @ np.exp(-2j * np.pi * each * when)) * 2.0 / FRAME for each in hertz], axis=1)
        loudest = levels.argmax(axis=1)
        is_loud = levels.max(axis=1) > _LOUD
        tones = (int(hertz[tone]) if loud else 0 for tone, loud in zip(loudest, is_loud, strict=True))
        return [(each.at, tone) for each, tone in zip(heard, tones, strict=True)]


def _linear() -> np.ndarray:
    """Give the table from µ-law to samples between -1 and 1."""
    codes = ~np.arange(256, dtype=np.uint8)
    exponent, mantissa = (codes >> 4) & 0x07, (codes & 0x0F).astype(np.int32)
    level = ((mantissa << 3) + 0x84 << exponent.astype(np.int32)) - 0x84
    return np.where(codes & 0x80, -level, level) / 32_768.0


_LINEAR = _linear()
