"""Impact Dialing: the ratio that did best in a simulation of the next four minutes with recent calls drawn again.

One rule governs this module: every minute six ratios, up to what it takes on average to get one answer, each get one
run of 240 s second by second, from an idle start, with recent attempts drawn at random; of those whose share of
abandoned answers stays under the limit the one with the busiest agents is dialed with, calls per idle agent. While the
campaign's own share of abandoned calls is over the limit, three quarters of it.

Source: the described behaviour of the predictive model of Impact Dialing (https://github.com/impactdialing), GPL.
"""

from collections import deque
from collections.abc import Iterator, Sequence

from dialer.pacing.base import DialDecision, Floor
from dialer.simulator.peers.watching import CallWatch
from dialer.simulator.streams import Stream, Streams

LOOP_S = 1.0
MODEL_S = 60.0
HORIZON_S = 240
CANDIDATES = 6
POOL = 100
ATTEMPTS_MIN = 50
AGENTS_MIN = 5
RING_ANSWERED_S = 10
RING_UNANSWERED_S = 15
WRAP_UP_S = 5
QUIET_S = 600.0
CUT = 0.75
_EPSILON_S = 1e-6

Talk = int | None
"""Of one recent attempt: seconds of conversation; None: no answer."""


def candidates(attempts: int, answered: int) -> tuple[float, ...]:
    """Give the six ratios: equal steps up to attempts per answer, and none below 1."""
    return tuple(max(1.0, attempts / answered * rank / CANDIDATES) for rank in range(1, CANDIDATES + 1))


def dials_per_idle(best: float, *, abandoned: int, connects: int, limit: float, has_dialed: bool) -> float:
    """Give the ratio in force: 1 after a quiet while, less than the best while over the limit."""
    if not has_dialed:
        return 1.0
    ended = abandoned + connects
    if ended and abandoned / ended > limit:
        return max(1.0, CUT * best)
    return best


def rehearse(pool: Sequence[Talk], agents: int, ratio: float, uniforms: Iterator[float]) -> tuple[float, float]:
    """Give utilisation and the share of abandoned answers of one run of the next four minutes."""
    span = HORIZON_S + RING_UNANSWERED_S + 1
    freed = [0] * span
    resolved: list[list[Talk]] = [[] for _ in range(span)]
    returned: list[list[Talk]] = [[] for _ in range(span)]
    members = list(pool)
    idle, ringing, answers, abandons, talked_s = agents, 0, 0, 0, 0
    for second in range(HORIZON_S):
        idle += freed[second]
        members += returned[second]
        for talk in resolved[second]:
            ringing -= 1
            ends = second
            if talk is not None:
                answers += 1
                if idle:
                    idle -= 1
                    ends = min(second + talk, HORIZON_S)
                    talked_s += ends - second
                    freed[min(ends + WRAP_UP_S, HORIZON_S)] += 1
                else:
                    abandons += 1
            returned[max(ends, second + 1)].append(talk)
        for _ in range(min(int(idle * ratio) - ringing, len(members))):
            drawn = int(next(uniforms) * len(members))
            members[drawn], members[-1] = members[-1], members[drawn]
            talk = members.pop()
            ringing += 1
            resolved[second + (RING_UNANSWERED_S if talk is None else RING_ANSWERED_S)].append(talk)
    return talked_s / (agents * HORIZON_S), abandons / answers if answers else 0.0


def best_ratio(pool: Sequence[Talk], agents: int, limit: float, uniforms: Iterator[float]) -> float:
    """Give the ratio with the busiest agents among those that stay under the limit; 1 where none does."""
    answered = sum(talk is not None for talk in pool)
    if agents < AGENTS_MIN or len(pool) < ATTEMPTS_MIN or not answered:
        return 1.0
    best, most = 1.0, 0.0
    for ratio in candidates(len(pool), answered):
        utilisation, abandoned = rehearse(pool, agents, ratio, uniforms)
        if abandoned < limit and utilisation > most:
            best, most = ratio, utilisation
    return best


class ImpactPacer:
    """Dial each second by the ratio that is sought each minute. `seed` is the run's."""

    def __init__(self, limit: float, seed: int) -> None:
        self._limit = limit
        self._stream: Stream = Streams(seed).purpose("impact")
        self._watch = CallWatch()
        self._pool: deque[Talk] = deque(maxlen=POOL)
        self._best = 1.0
        self._models = 0
        self._model_at = 0.0
        self._loop_at = 0.0
        self._dials = 0
        self._dialed_at = float("-inf")
        self._wakes_after_s = LOOP_S

    @property
    def looks_every_s(self) -> float:
        """When the next loop is due, in seconds from the last look."""
        return self._wakes_after_s

    def decide(self, floor: Floor) -> DialDecision:
        """Keep the records, seek the ratio when it is time, and dial by it."""
        self._record(floor)
        if floor.now >= self._model_at - _EPSILON_S:
            self._best = best_ratio(list(self._pool), floor.agents, self._limit, self._uniforms())
            self._models += 1
            self._model_at = floor.now + MODEL_S
        calls = 0
        if floor.now >= self._loop_at - _EPSILON_S:
            calls = self._place(floor)
            self._loop_at = floor.now + LOOP_S
        self._wakes_after_s = self._loop_at - floor.now
        return DialDecision(
            calls=calls,
            reserve=False,
            limited_by="wanted",
            wanted=calls,
            terms=(
                ("ratio", self._best),
                ("ready", float(floor.ready)),
                ("queued", float(floor.queued)),
                ("in_flight", float(len(floor.unanswered_ages) + floor.answered)),
            ),
        )

    def _record(self, floor: Floor) -> None:
        seen = self._watch.look(floor)
        self._pool.extend(max(1, round(talk_s)) for talk_s in seen.talks)
        self._pool.extend([max(1, round(floor.threshold_s))] * seen.abandoned)
        self._pool.extend([None] * (seen.failures + seen.machines))
        if floor.totals.dials > self._dials:
            self._dials, self._dialed_at = floor.totals.dials, floor.now

    def _place(self, floor: Floor) -> int:
        ratio = dials_per_idle(
            self._best,
            abandoned=floor.totals.abandoned,
            connects=floor.totals.connects,
            limit=self._limit,
            has_dialed=floor.now - self._dialed_at < QUIET_S,
        )
        return max(0, int(ratio * floor.ready) - len(floor.unanswered_ages) - floor.answered - floor.queued)

    def _uniforms(self) -> Iterator[float]:
        rank = 0
        while True:
            yield from self._stream.draw(self._models, rank)
            rank += 1
