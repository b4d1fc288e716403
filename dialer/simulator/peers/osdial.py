"""OSDial's adaptive dial level: VICIdial's growth, with another answer to too many drops.

One rule governs this module: over the day's limit the level creeps by a thousandth a step instead of halving.
Source: the described behaviour of OSDial's adapt process (https://github.com/OSDial), a fork of VICIdial's.
"""

from dataclasses import dataclass

from dialer.pacing.base import Floor
from dialer.simulator.peers.vicidial import LEVEL_MIN, Drops, Means, grow, share, wanted_lines

CREEP = 0.001
PANIC_FACTOR = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class OsdialRules:
    """The settings; the defaults are that dialer's own, but for the limit, which is the campaign's target."""

    limit: float
    level_max: float = 3.0

    def counted_agents(self, floor: Floor) -> int:
        """Count the agents who divide the idle ones: ready or on a call, nobody in wrap-up."""
        return floor.agents - len(floor.wrap_ages)

    def next_level(self, level: float, means: Means, drops: Drops, hhmm: int) -> float:
        """Take one step of the level; over the day's limit it moves from where it was, and does not grow."""
        if drops.is_panic:
            level = level * (1.0 - CREEP) * PANIC_FACTOR
        elif drops.is_day_over(self.limit):
            level = self._crept(level, drops)
        else:
            level = grow(level, means, target_difference=0.0, intensity=0.0, level_max=self.level_max)
        return max(min(level, self.level_max), LEVEL_MIN)

    def _crept(self, level: float, drops: Drops) -> float:
        if share(drops.minute_drops, drops.minute_answers) > self.limit:
            return level * (1.0 - CREEP)
        if share(drops.five_minutes_drops, drops.five_minutes_answers) > self.limit:
            return level
        return level * (1.0 + CREEP)

    def wanted_lines(self, floor: Floor, level: float) -> int:
        """Give how many calls a dialing cycle starts."""
        return wanted_lines(floor, level, is_available_only=False)
