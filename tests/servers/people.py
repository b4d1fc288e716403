"""What SIPp's people did, read from their log, and what an attempt to reach each may come to.

One rule governs this module: the number alone says what a person does (`sipp/people.xml`), so a test can tell from it
what has to be reported.
"""

from dataclasses import dataclass, field
from pathlib import Path

from dialer.domain.outcome import Outcome

_O = Outcome
_CONNECT = frozenset({_O.CONNECTED, _O.ABANDONED})
EXPECTED: dict[str, frozenset[Outcome]] = {
    "0": frozenset({_O.CONGESTION}),  # no reply at all
    "1": _CONNECT,
    "2": _CONNECT | {_O.ABANDONED_BY_CALLEE},
    "3": frozenset({_O.MACHINE}),
    "4": frozenset({_O.BUSY}),
    "5": frozenset({_O.NO_ANSWER}),
    "6": frozenset({_O.INVALID}),
    "7": frozenset({_O.REJECTED}),
    "8": frozenset({_O.CONGESTION}),
    "9": _CONNECT,
}
"""What may be reported of a number, by the first of its last three digits."""


_ENDS = ("hangup", "bye", "cancel", "486", "480", "404", "603", "503")
"""The words with which a story ends."""


def behaviour(number: str) -> str:
    """Give the digit that says what a person does."""
    return number[-3]


@dataclass(slots=True)
class Story:
    """What happened to one call, as the far end saw it: (instant, word) in order."""

    number: str
    port: int
    caller_id: str
    steps: list[tuple[float, str]] = field(default_factory=list)

    def at(self, *words: str) -> float | None:
        """Give the instant of the first of these words."""
        return next((at for at, word in self.steps if word in words), None)

    @property
    def is_over(self) -> bool:
        """Whether the far end is done with the call; a dead trunk never was in one."""
        return behaviour(self.number) == "0" or self.at(*_ENDS) is not None


def stories(log: Path) -> list[Story]:
    """Read what people did, one story for each call that reached them, in order."""
    found: dict[str, Story] = {}
    for line in log.read_text(encoding="utf-8").splitlines():
        fields = line.split("\t")[-1].split(" ")
        at, word, number, call, port, caller_id = fields
        story = found.setdefault(call, Story(number, int(port), caller_id))
        story.steps.append((float(at), word))
    return list(found.values())
