"""Make the tones that stand for voices and messages: tones.py FOLDER. 8 kHz, 16 bit, mono, and µ-law beside them.

One rule governs: each sound has a frequency of its own, so that a test hears who is heard. Speech is bursts of tone: a
detector of answering machines looks at nothing but where there is sound.
"""

import math
import struct
import sys
import wave
from pathlib import Path

RATE = 8000
_BIAS, _CLIP = 0x84, 32635

ABANDON_HZ = 440
PERSON_HZ = 600
MACHINE_HZ = 700
AGENT_HZ = 900
HOLD_HZ = 350
COMFORT_HZ = 400
SUPERVISOR_HZ = 1100


def tone(hertz: int, ms: int, amplitude: int = 8000) -> list[int]:
    """A steady tone."""
    return [int(amplitude * math.sin(2 * math.pi * hertz * i / RATE)) for i in range(RATE * ms // 1000)]


def quiet(ms: int) -> list[int]:
    """Silence."""
    return [0] * (RATE * ms // 1000)


def words(hertz: int, count: int, word_ms: int = 300, gap_ms: int = 120) -> list[int]:
    """Bursts of tone with gaps, as speech has."""
    return (tone(hertz, word_ms) + quiet(gap_ms)) * count


SOUNDS = {
    "abandon": tone(ABANDON_HZ, 1500),  # the message when no agent comes
    "person": quiet(400) + words(PERSON_HZ, 1, 400) + quiet(4000),  # who picks up, says a word and listens
    "machine": quiet(400) + words(MACHINE_HZ, 12) + tone(1000, 500) + quiet(3000),  # a long greeting and a beep
    "agent": tone(AGENT_HZ, 5000),  # an agent who talks
    "supervisor": tone(SUPERVISOR_HZ, 5000),
    "ringback": tone(480, 2000, 3000) + quiet(4000),  # what a carrier plays before the answer
    "hold/tone": tone(HOLD_HZ, 5000, 2000),  # what an agent hears between calls
    "comfort/tone": tone(COMFORT_HZ, 5000, 2000),  # what a person hears while an agent is fetched
}


def ulaw(sample: int) -> int:
    """One sample in G.711 µ-law."""
    sign = 0x80 if sample < 0 else 0
    level = min(abs(sample), _CLIP) + _BIAS
    exponent, mask = 7, 0x4000
    while exponent and not level & mask:
        exponent, mask = exponent - 1, mask >> 1
    return ~(sign | exponent << 4 | (level >> (exponent + 3)) & 0x0F) & 0xFF


def make(folder: Path) -> None:
    """Write every sound that is not there yet."""
    for name, samples in SOUNDS.items():
        path = folder / f"{name}.wav"
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.parent == folder:  # a folder of music holds one format only, or each file is played twice
            path.with_suffix(".ulaw").write_bytes(bytes(map(ulaw, samples)))
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(struct.pack(f"<{len(samples)}h", *samples))


if __name__ == "__main__":
    make(Path(sys.argv[1]))
