"""A dial level at work: samples each second, steps of 15 s, counts each minute, dialing cycles of 2.5 s.

One rule governs this module: what is due between two looks at the floor sees the floor of the earlier look, for
nothing changed in between. The clocks are those of VICIdial and its forks: the level is adapted every 15th sample from
the last 15, drops are counted every 60th, and a cycle ends 2.5 s after its last call, calls being started 0.2 s apart
from counts taken before the first. After a span without looks (nobody logged in, or paused) the clocks start anew and
the level stays.
"""

from collections import deque
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Protocol

from dialer.pacing.base import DialDecision, Floor
from dialer.simulator.peers.vicidial import LEVEL_MIN, Drops, Means

SAMPLE_S = 1.0
STEP_SAMPLES = 15
COUNT_SAMPLES = 60
CYCLE_S = 2.5
CALL_S = 0.2
AWAY_S = 10.0
EPSILON_S = 1e-6  # a clock of POSIX seconds resolves 2e-7 s
_COUNTS_KEPT = 5  # one a minute


class LevelRules(Protocol):
    """How one dialer moves its level and turns it into calls."""

    def counted_agents(self, floor: Floor) -> int:
        """Count the agents who divide the idle ones."""
        ...

    def next_level(self, level: float, means: Means, drops: Drops, hhmm: int) -> float:
        """Take one step of the level."""
        ...

    def wanted_lines(self, floor: Floor, level: float) -> int:
        """Give how many calls a dialing cycle starts."""
        ...


@dataclass(frozen=True, slots=True)
class Tally:
    """Calls that were answered or failed, drops, and the human answers that count: dispositioned ones and drops."""

    calls: int = 0
    drops: int = 0
    answers: int = 0

    def since(self, before: "Tally") -> "Tally":
        """Give what was added after `before`."""
        return Tally(self.calls - before.calls, self.drops - before.drops, self.answers - before.answers)


def tally(floor: Floor) -> Tally:
    """Count as that dialer counts: a conversation is no answer before its wrap-up is over."""
    totals = floor.totals
    undisposed = floor.queued + floor.agents - floor.ready
    return Tally(
        calls=totals.dials - len(floor.unanswered_ages) - floor.answered,
        drops=totals.abandoned,
        answers=max(totals.live - undisposed, totals.abandoned),
    )


class LevelPacer:
    """Keep a dial level and place calls by it. `tz` is the zone of the server's clock."""

    def __init__(self, rules: LevelRules, tz: tzinfo) -> None:
        self._rules = rules
        self._tz = tz
        self._level = LEVEL_MIN
        self._held: Floor | None = None
        self._samples: deque[tuple[int, int]] = deque(maxlen=STEP_SAMPLES)
        self._sampled = 0
        self._counts: deque[Tally] = deque([Tally()], maxlen=_COUNTS_KEPT)
        self._today: date | None = None
        self._midnight = Tally()
        self._drops = Drops()
        self._sample_at = 0.0
        self._dial_at = 0.0
        self._pending = 0  # calls of the running cycle that are still to be started
        self._wakes_after_s = SAMPLE_S

    @property
    def looks_every_s(self) -> float:
        """When the next call or cycle is due, in seconds from the last look."""
        return self._wakes_after_s

    def decide(self, floor: Floor) -> DialDecision:
        """Catch up with the clocks, and start the calls that are due."""
        now = floor.now
        if self._held is None or now - self._held.now > AWAY_S:
            self._restart(now)
        else:
            self._sample_until(now, self._held)
        self._held = floor
        calls = self._due(floor)
        self._wakes_after_s = max(self._dial_at - now, EPSILON_S)
        return DialDecision(
            calls=calls,
            reserve=False,
            limited_by="wanted",
            wanted=calls,
            terms=(
                ("level", self._level),
                ("ready", float(floor.ready)),
                ("queued", float(floor.queued)),
                ("in_flight", float(len(floor.unanswered_ages) + floor.answered)),
            ),
        )

    def _restart(self, now: float) -> None:
        self._samples.clear()
        self._sampled = 0
        self._sample_at = self._dial_at = now
        self._pending = 0

    def _sample_until(self, now: float, held: Floor) -> None:
        """Take the samples, counts and steps that fell due before `now`, on the floor that held since."""
        while self._sample_at < now - EPSILON_S:
            self._samples.append((held.ready - held.queued, self._rules.counted_agents(held)))
            self._sampled += 1
            if self._sampled % COUNT_SAMPLES == 0:
                self._count(tally(held), datetime.fromtimestamp(self._sample_at, self._tz).date())
            if self._sampled % STEP_SAMPLES == 0:
                self._step(datetime.fromtimestamp(self._sample_at, self._tz))
            self._sample_at += SAMPLE_S

    def _count(self, now: Tally, today: date) -> None:
        if self._today is not None and self._today != today:
            self._midnight = now
        self._today = today
        minute, five, day = now.since(self._counts[-1]), now.since(self._counts[0]), now.since(self._midnight)
        self._counts.append(now)
        self._drops = Drops(
            minute_calls=minute.calls,
            minute_drops=minute.drops,
            minute_answers=minute.answers,
            five_minutes_drops=five.drops,
            five_minutes_answers=five.answers,
            day_calls=day.calls,
            day_drops=day.drops,
            day_answers=day.answers,
        )

    def _step(self, local: datetime) -> None:
        count = len(self._samples)
        means = Means(
            idle=sum(idle for idle, _ in self._samples) / count,
            agents=sum(agents for _, agents in self._samples) / count,
        )
        if means.agents > 0.0:
            self._level = self._rules.next_level(self._level, means, self._drops, local.hour * 100 + local.minute)

    def _due(self, floor: Floor) -> int:
        """Give the calls to start now; a cycle counts the floor when it begins."""
        calls = 0
        while self._dial_at <= floor.now + EPSILON_S:
            if self._pending == 0:
                self._dial_at = floor.now
                self._pending = self._rules.wanted_lines(floor, self._level)
                if self._pending == 0:
                    self._dial_at += CYCLE_S
                    continue
            calls += 1
            self._pending -= 1
            self._dial_at += CALL_S if self._pending else CALL_S + CYCLE_S
        return calls
