"""The regulator, which moves the price of an abandonment until the rate meets the target.

One rule governs this module: what it learns depends on the evidence seen, never on the hour of the day. The excess is
what it steers: abandonments minus the aim times live answers, a count. An abandonment too many is paid back by the live
answers that follow, soon and gently, so that the count of any hour and any day stays near its aim: with the gain used
here its standard deviation is about one abandonment, at any team size, where leaving psi alone gives the square root of
all abandonments of the day.
"""

from math import asinh, exp, log

from dialer.pacing.base import DialDecision
from dialer.queueing.errors import OutOfDomain

_PSI_BY_AGENTS = ((1, 0.055), (2, 0.05), (5, 0.04), (10, 0.03), (20, 0.025), (50, 0.02), (100, 0.018))
_PSI_AT_RATE = 0.03


class Regulator:
    """Move `psi` so that the abandonment rate meets the aim, and the same at every hour of the window.

    psi = psi_start(agents) * exp(base - BEND asinh(excess / (BEND * aim * SPAN)))

    The second term is the quick one: an excess of aim * SPAN would lower psi e-fold if it were linear; the asinh keeps
    a burst, which is over and done with, from holding psi down for hours. `base` is the slow one: it integrates the
    excess over live answers, 4 SPAN of them (critical damping), and so learns what psi holds the aim on this floor.
    Anti-windup: while anything but the pacer's own rule bounds the calls (lines, leads, calls per second, the
    governor), live answers save nothing up; and never more than SAVED abandonments are.

    The aim is the target, or a twentieth less than the cap where the target is as high as that: a window that must
    close under its cap cannot be steered to its very edge.
    """

    SPAN = 80.0
    BEND = 0.5
    SAVED = 3.0
    LOG_MAX = log(8.0)
    AIM_OF_CAP = 0.95

    def __init__(self, target_rate: float, cap_rate: float, restored: tuple[float, float] = (0.0, 0.0)) -> None:
        if not 0.0 < target_rate < 1.0:
            raise OutOfDomain(f"target_rate: expected a share in (0, 1), found {target_rate!r}; 3 % is written 0.03")
        self._aim_rate = min(target_rate, self.AIM_OF_CAP * cap_rate)
        self._excess, self._base = restored
        self._is_free = True

    def heed(self, decision: DialDecision) -> None:
        """Note what bounded the last decision with calls in it: only free dialing may save anything up."""
        self._is_free = not decision.reserve and decision.limited_by == "wanted"

    def record_live(self) -> None:
        """Learn of a live answer. It pays back an excess; it saves up for later only while dialing is free."""
        if self._excess > 0.0 or self._is_free:
            self._excess = max(self._excess - self._aim_rate, -self.SAVED)
        if self._is_free:
            drift = self._excess / (self._aim_rate * 4.0 * self.SPAN**2)
            self._base = min(max(self._base - drift, -self.LOG_MAX), self.LOG_MAX)

    def record_abandoned(self) -> None:
        """Learn of an abandonment; its live answer was recorded before."""
        self._excess += 1.0

    def record_estimated(self, share: float) -> None:
        """Learn of a machine verdict that is a person who got silence with probability `share`."""
        self._excess += share * (1.0 - self._aim_rate)

    def psi(self, agents: int) -> float:
        """Give the price of an abandonment for a team of `agents`."""
        quick = self.BEND * asinh(self._excess / (self.BEND * self._aim_rate * self.SPAN))
        moved = min(max(self._base - quick, -self.LOG_MAX), self.LOG_MAX)
        return min(psi_start(agents, self._aim_rate) * exp(moved), 0.5)

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
