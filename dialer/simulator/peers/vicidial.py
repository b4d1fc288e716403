"""VICIdial's adaptive dial level and its goal of lines: the arithmetic, without a clock.

One rule governs this module: it does what that dialer is described to do, weaknesses included. The level is lines per
agent, and pure state: every step multiplies it.

    d = idle + target_difference,  idle = mean ready agents - mean waiting callers over the last samples
    g = d / agents, times (1 + i) when g >= 0, times |i - 1| when g < 0, with i = intensity / 100
    level <- level (1 + g), to three decimals, between 1 and level_max; then the penalties

Source: the described behaviour of VICIdial's adapt and auto-dial processes (https://www.vicidial.org), version 2.14.
"""

from dataclasses import dataclass
from enum import Enum

from dialer.pacing.base import Floor

LEVEL_MIN = 1.0
PANIC_CALLS = 20
PANIC_SHARE = 0.5
DAY_CALLS = 50


class Method(Enum):
    """What happens to the level while the day's share of drops is over the limit."""

    HARD_LIMIT = "hard"
    AVERAGE = "average"
    TAPERED = "tapered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """Means over the last samples, in agents and calls."""

    idle: float  # ready agents less waiting callers
    agents: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Drops:
    """Calls, drops and human answers that were counted at the last refresh: the last minutes', and today's."""

    minute_calls: int = 0
    minute_drops: int = 0
    minute_answers: int = 0
    five_minutes_drops: int = 0
    five_minutes_answers: int = 0
    day_calls: int = 0
    day_drops: int = 0
    day_answers: int = 0

    @property
    def is_panic(self) -> bool:
        """More than half of the last minute's calls, if they were more than twenty, were dropped."""
        return self.minute_calls > PANIC_CALLS and self.minute_drops > PANIC_SHARE * self.minute_calls

    def is_day_over(self, limit: float) -> bool:
        """Whether the day's share of drops is above `limit`; not before more than fifty calls."""
        return self.day_calls > DAY_CALLS and share(self.day_drops, self.day_answers) > limit


def share(drops: int, answers: int) -> float:
    """Give drops per human answer, as that dialer divides."""
    return drops / max(answers, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class VicidialRules:
    """The settings; the defaults are that dialer's own, but for the limit, which is the campaign's target.

    `small_team`: below so many agents logged in the level is 1; 0: no such guard. `is_available_only`: lines are
    counted for ready agents alone. `latest_hhmm`: 2100 is nine in the evening.
    """

    limit: float
    method: Method = Method.AVERAGE
    target_difference: float = 0.0
    intensity: float = 0.0
    level_max: float = 3.0
    latest_hhmm: int = 2100
    is_available_only: bool = False
    small_team: int = 0

    def counted_agents(self, floor: Floor) -> int:
        """Count the agents who divide the idle ones: everybody logged in, those in wrap-up included."""
        return floor.agents

    def next_level(self, level: float, means: Means, drops: Drops, hhmm: int) -> float:
        """Take one step of the level: growth, then penalties; `hhmm` is the server's local time as 1830 is 18:30."""
        grown = grow(
            level, means, target_difference=self.target_difference, intensity=self.intensity, level_max=self.level_max
        )
        if drops.is_panic:
            grown /= 2.0
        if drops.is_day_over(self.limit):
            grown = self._penalised(grown, hhmm)
        if means.agents < self.small_team:
            grown = LEVEL_MIN
        return max(grown, LEVEL_MIN)

    def _penalised(self, level: float, hhmm: int) -> float:
        match self.method:
            case Method.HARD_LIMIT:
                return LEVEL_MIN
            case Method.AVERAGE:
                return level / 2.0
            case Method.TAPERED:
                # The difference of two clock times read as plain numbers: 2100 - 1530 = 570, not 330 minutes.
                return level * max(min((self.latest_hhmm - hhmm) / 1000.0, 1.0), 0.0)

    def wanted_lines(self, floor: Floor, level: float) -> int:
        """Give how many calls a dialing cycle starts: the goal of lines less the lines there are."""
        used = level if floor.agents >= self.small_team else LEVEL_MIN
        return wanted_lines(floor, used, is_available_only=self.is_available_only)


def grow(level: float, means: Means, *, target_difference: float, intensity: float, level_max: float) -> float:
    """Multiply the level by the idle share of the agents; see the module's rule."""
    difference = means.idle + target_difference
    growth = difference / means.agents if means.agents else 0.0
    factor = intensity / 100.0
    growth *= 1.0 + factor if growth >= 0.0 else abs(factor - 1.0)
    return max(min(round(level * (1.0 + growth), 3), level_max), LEVEL_MIN)


def wanted_lines(floor: Floor, level: float, *, is_available_only: bool) -> int:
    """Give round(level x agents) less the calls of the campaign, those in conversation included, and never below 0.

    Agents are the ready ones and those on a call (being joined, talking); with `is_available_only` the ready ones, and
    the conversations are added to the goal. Agents in wrap-up count in neither.
    """
    on_call = floor.agents - floor.ready - len(floor.wrap_ages)
    goal = level * floor.ready + on_call if is_available_only else level * (floor.ready + on_call)
    existing = len(floor.unanswered_ages) + floor.answered + floor.queued + on_call
    return max(0, round(goal) - existing)
