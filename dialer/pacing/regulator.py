"""The regulator, which moves the price of an abandonment until the rate meets the target.

One rule governs this module: what it learns depends on the evidence seen, never on the hour of the day.
"""

from math import exp, log

from dialer.pacing.base import DialDecision
from dialer.queueing.errors import OutOfDomain

_PSI_BY_AGENTS = ((1, 0.055), (2, 0.05), (5, 0.04), (10, 0.03), (20, 0.025), (50, 0.02), (100, 0.018))
_PSI_AT_RATE = 0.03


class Regulator:
    """Move `psi` so that the abandonment rate meets the target: slowly, and the same at every hour of the window.

    psi = psi_start(agents) * exp(x). Each live answer raises the goal of x by a small step, each abandonment lowers it
    by step / target_rate: an integral controller whose rest point is rate = target. The step starts at 1/300 and falls
    to 1/800 per live answer; it depends on the evidence seen, never on the hour. x follows its goal by a factor of 2 in
    ten minutes at most. Anti-windup: while anything but the pacer's own rule bounds the calls (lines, leads, calls per
    second, the governor), live answers do not raise the goal, and the goal stays within a factor of 8 of the start.
    """

    STEP_FIRST = 1.0 / 300.0
    STEP_LAST = 1.0 / 800.0
    SLEW_PER_S = log(2.0) / 600.0
    GOAL_MAX = log(8.0)

    def __init__(self, target_rate: float, restored: tuple[float, int] = (0.0, 0)) -> None:
        if not 0.0 < target_rate < 1.0:
            raise OutOfDomain(f"target_rate: expected a share in (0, 1), found {target_rate!r}; 3 % is written 0.03")
        self._target_rate = target_rate
        self._goal, self._live = restored
        self._reached = self._goal
        self._moved_at: float | None = None
        self._is_free = True

    def heed(self, decision: DialDecision) -> None:
        """Note what bounded the last decision with calls in it: only free dialing teaches that psi may rise."""
        self._is_free = not decision.reserve and decision.limited_by == "wanted"

    def record_live(self) -> None:
        """Learn of a live answer that no reserved agent waited for."""
        if self._is_free:
            self._live += 1
            self._goal = min(self._goal + self._step, self.GOAL_MAX)

    def record_abandoned(self) -> None:
        """Learn of an abandonment."""
        self._goal = max(self._goal - self._step / self._target_rate, -self.GOAL_MAX)

    def record_estimated(self, share: float) -> None:
        """Learn of a machine verdict, which is `share` of an abandonment and, dialing freely, of a live answer."""
        gained = self._step if self._is_free else 0.0
        self._goal = max(self._goal + share * (gained - self._step / self._target_rate), -self.GOAL_MAX)

    def psi(self, agents: int, now: float) -> float:
        """Give the price of an abandonment for a team of `agents` at `now`."""
        elapsed = 0.0 if self._moved_at is None else max(now - self._moved_at, 0.0)
        self._moved_at = now
        reach = self.SLEW_PER_S * elapsed
        self._reached += min(max(self._goal - self._reached, -reach), reach)
        return min(psi_start(agents, self._target_rate) * exp(self._reached), 0.5)

    def snapshot(self) -> tuple[float, int]:
        """Give the state for storage: the goal, and the live answers that taught it."""
        return self._goal, self._live

    @property
    def _step(self) -> float:
        return max(1.0 / (1.0 / self.STEP_FIRST + self._live), self.STEP_LAST)


def psi_start(agents: int, target_rate: float) -> float:
    """Give the psi that holds `target_rate` in a typical campaign, by team size, log-linear between measured sizes."""
    scale = target_rate / _PSI_AT_RATE
    below = _PSI_BY_AGENTS[0]
    for above in _PSI_BY_AGENTS:
        if agents <= above[0]:
            share = log(agents / below[0]) / log(above[0] / below[0]) if agents > below[0] else 0.0
            return scale * below[1] * float((above[1] / below[1]) ** share)
        below = above
    return scale * below[1]
