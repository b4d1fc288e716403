"""The regulator, which moves the price of an abandonment until the rate meets the target.

One rule governs this module: what it learns depends on the evidence seen, never on the hour of the day. The excess is
what it steers: abandonments minus the target times live answers, a count. An abandonment too many is paid back by the
live answers that follow, soon and gently, so that the count of any hour and any day stays near the target: with the
gain used here its standard deviation is one to two abandonments, at any team size, where leaving psi alone gives the
square root of all abandonments of the day.
"""

from math import asinh, exp, log

from dialer.pacing.base import DialDecision
from dialer.queueing.errors import OutOfDomain

_PSI_BY_AGENTS = ((1, 0.055), (2, 0.05), (5, 0.04), (10, 0.03), (20, 0.025), (50, 0.02), (100, 0.018))
_PSI_AT_RATE = 0.03
_RESERVE_GROWS_OVER = 200.0  # live answers


class Regulator:
    """Move `psi` so that the abandonment rate meets the target, and the same at every hour of the window.

    psi = psi_start(agents) * exp(base - quick),  quick = BEND asinh(excess / (BEND * target * SPAN))

    An excess of target * SPAN would lower psi e-fold if `quick` were linear; the asinh keeps a burst, which is over and
    done with, from holding psi down for hours. `base` is the slow term: it integrates `quick` over live answers, 8 SPAN
    of them, and so learns what psi holds the target on this floor. Anti-windup: while anything but the pacer's own rule
    bounds the calls (lines, leads, calls per second, the governor), live answers save nothing up; and never more than
    SAVED abandonments are.

    A window that must close under its cap cannot be steered to its very edge: where the target comes near the cap, the
    excess is steered to -`reserve` instead of 0, to RESERVE abandonments once the window has some hundreds of answers.
    """

    SPAN = 80.0
    BEND = 0.35
    SAVED = 3.0
    RESERVE = 2.0
    LOG_MAX = log(8.0)

    def __init__(self, target_rate: float, cap_rate: float, restored: tuple[float, float] = (0.0, 0.0)) -> None:
        if not 0.0 < target_rate < 1.0:
            raise OutOfDomain(f"target_rate: expected a share in (0, 1), found {target_rate!r}; 3 % is written 0.03")
        self._target_rate = target_rate
        self._margin_rate = cap_rate - target_rate
        self._excess, self._base = restored
        self._reserve = 0.0
        self._is_free = True

    def heed(self, decision: DialDecision) -> None:
        """Note what bounded the last decision with calls in it: only free dialing may save anything up."""
        self._is_free = not decision.reserve and decision.limited_by == "wanted"

    def record_live(self) -> None:
        """Learn of a live answer. It pays back an excess; it saves up for later only while dialing is free."""
        if self._excess > 0.0 or self._is_free:
            self._excess = max(self._excess - self._target_rate, -self._reserve - self.SAVED)
        if self._is_free:
            moved = self._base - self._quick / (8.0 * self.SPAN)
            self._base = min(max(moved, -self.LOG_MAX), self.LOG_MAX)

    def record_abandoned(self) -> None:
        """Learn of an abandonment; its live answer was recorded before."""
        self._excess += 1.0

    def record_estimated(self, share: float) -> None:
        """Learn of a machine verdict that is a person who got silence with probability `share`."""
        self._excess += share * (1.0 - self._target_rate)

    def psi(self, agents: int, live: int) -> float:
        """Give the price of an abandonment for a team of `agents` when the window holds `live` live answers."""
        grown = self.RESERVE * (1.0 - exp(-live / _RESERVE_GROWS_OVER))
        self._reserve = max(0.0, grown - self._margin_rate * live)
        moved = min(max(self._base - self._quick, -self.LOG_MAX), self.LOG_MAX)
        return min(psi_start(agents, self._target_rate) * exp(moved), 0.5)

    @property
    def _quick(self) -> float:
        return self.BEND * asinh((self._excess + self._reserve) / (self.BEND * self._target_rate * self.SPAN))

    def snapshot(self) -> tuple[float, float]:
        """Give the state to go on from: the excess, and the base."""
        return self._excess, self._base


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
