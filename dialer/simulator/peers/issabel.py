"""Issabel's (and Elastix's) call centre dialer: one call per free agent, and per agent about to be free.

One rule governs this module: an agent counts as about to be free when the conversation's age after one more ring has
passed the `QOS` quantile of an exponential distribution with the mean of all conversations so far. At 0.97 that is 3.51
means, so that next to nobody ever counts. With `overcommit` the calls are divided by the share of answered calls.
Abandonment is not looked at.

Source: the described behaviour of the dialer process of Issabel's call centre module (https://www.issabel.org).
"""

from collections import deque
from collections.abc import Iterable
from math import exp, log

from dialer.pacing.base import DialDecision, Floor
from dialer.simulator.peers.watching import CallWatch

CYCLE_S = 5.0
QOS = 0.97
SHORT_CALL_S = 10.0
RING_S = 8.0
RINGS_KEPT = 20
CALLS_MIN = 10
ASR_MIN = 0.20
ASR_WINDOW_S = 1800.0
_EPSILON_S = 1e-6


def free_soon(talking_ages: Iterable[float], ring_s: float, mean_talk_s: float) -> int:
    """Count the agents whose conversation would have ended by then, by the exponential distribution's own word."""
    return sum(1.0 - exp(-(age + ring_s) / mean_talk_s) >= QOS for age in talking_ages)


def age_of_soon(mean_talk_s: float) -> float:
    """Give the age, one ring ahead, from which on an agent counts as about to be free."""
    return -log(1.0 - QOS) * mean_talk_s


def overcommitted(calls: int, answered_share: float) -> int:
    """Divide the calls by the share of answered calls, at least a fifth, to the nearest whole call."""
    return int(calls / max(answered_share, ASR_MIN) + 0.5)


class IssabelPacer:
    """Ask for calls every five seconds."""

    def __init__(self, *, is_overcommitted: bool) -> None:
        self._is_overcommitted = is_overcommitted
        self._watch = CallWatch()
        self._rings: deque[float] = deque([RING_S] * RINGS_KEPT, maxlen=RINGS_KEPT)
        self._talks = 0
        self._long_talks = 0
        self._talk_s = 0.0
        self._past: deque[tuple[float, int, int]] = deque()  # instant, calls resolved, calls answered: one per cycle
        self._next_at = 0.0
        self._wakes_after_s = CYCLE_S

    @property
    def looks_every_s(self) -> float:
        """When the next cycle is due, in seconds from the last look."""
        return self._wakes_after_s

    def decide(self, floor: Floor) -> DialDecision:
        """Keep the records, and at a cycle's time answer the calls it starts."""
        self._record(floor)
        calls, soon = 0, 0
        if floor.now >= self._next_at - _EPSILON_S:
            calls, soon = self._cycle(floor)
            self._next_at = floor.now + CYCLE_S
        self._wakes_after_s = self._next_at - floor.now
        return DialDecision(
            calls=calls,
            reserve=False,
            limited_by="wanted",
            wanted=calls,
            terms=(
                ("free", float(floor.ready)),
                ("soon", float(soon)),
                ("queued", float(floor.queued)),
                ("in_flight", float(len(floor.unanswered_ages) + floor.answered)),
            ),
        )

    def _record(self, floor: Floor) -> None:
        seen = self._watch.look(floor)
        self._rings.extend(seen.rings)
        self._talks += len(seen.talks)
        long = [talk_s for talk_s in seen.talks if talk_s > SHORT_CALL_S]
        self._long_talks += len(long)
        self._talk_s += sum(long)

    def _cycle(self, floor: Floor) -> tuple[int, int]:
        soon = 0
        if self._talks >= CALLS_MIN and self._long_talks:
            ring_s = sum(self._rings) / len(self._rings)
            soon = free_soon(floor.talking_ages, ring_s, self._talk_s / self._long_talks)
        in_flight = len(floor.unanswered_ages) + floor.answered
        calls = max(0, max(0, floor.ready + soon - floor.queued) - in_flight)
        answered_share = self._answered_share(floor)
        if self._is_overcommitted and calls and answered_share is not None:
            calls = overcommitted(calls, answered_share)
        return calls, soon

    def _answered_share(self, floor: Floor) -> float | None:
        """Give the share of the last half hour's calls that were answered; None before enough calls or any answer."""
        totals = floor.totals
        resolved = totals.dials - len(floor.unanswered_ages)
        answered = totals.live + totals.machines + floor.answered
        while len(self._past) > 1 and self._past[1][0] <= floor.now - ASR_WINDOW_S:
            self._past.popleft()
        _, resolved_before, answered_before = self._past[0] if self._past else (0.0, 0, 0)
        self._past.append((floor.now, resolved, answered))
        calls, answers = resolved - resolved_before, answered - answered_before
        return answers / calls if calls >= CALLS_MIN and answers > 0 else None
