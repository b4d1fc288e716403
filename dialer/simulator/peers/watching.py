"""What a peer that keeps records of single calls can learn from floors: how they rang and how long they were talked on.

One rule governs this module: a call is known by the instant at which it was placed or connected, which every floor
gives as an age; one that is missing from the next floor has ended or has been answered.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from dialer.pacing.base import Floor

_PLACES = 3  # instants are compared to the millisecond


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What happened between two looks; seconds."""

    rings: tuple[float, ...] = ()  # from the order to the answer of each call that was answered
    failures: int = 0  # calls that ended without an answer
    talks: tuple[float, ...] = ()  # lengths of the conversations that ended
    machines: int = 0
    abandoned: int = 0


class CallWatch:
    """Compare each floor with the one before."""

    def __init__(self) -> None:
        self._held: Floor | None = None
        self._talking: Counter[float] = Counter()
        self._ringing: Counter[float] = Counter()

    def look(self, floor: Floor) -> Seen:
        """Give what happened since the last look."""
        held, self._held = self._held, floor
        before_talking, self._talking = self._talking, _begun(floor.now, floor.talking_ages)
        before_ringing, self._ringing = self._ringing, _begun(floor.now, floor.unanswered_ages)
        if held is None:
            return Seen()
        # An agent who announces a departure disappears from the ages with the conversation still going on.
        has_left = floor.departing > held.departing
        talks = [] if has_left else sorted((before_talking - self._talking).elements())
        gone = sorted((before_ringing - self._ringing).elements())
        answered = min(max(_answers(floor) - _answers(held), 0), len(gone))
        return Seen(
            rings=tuple(floor.now - placed_at for placed_at in gone[:answered]),
            failures=len(gone) - answered,
            talks=tuple(floor.now - connected_at for connected_at in talks),
            machines=floor.totals.machines - held.totals.machines,
            abandoned=floor.totals.abandoned - held.totals.abandoned,
        )


def _begun(now: float, ages: Iterable[float]) -> Counter[float]:
    return Counter(round(now - age, _PLACES) for age in ages)


def _answers(floor: Floor) -> int:
    return floor.totals.live + floor.totals.machines + floor.answered
