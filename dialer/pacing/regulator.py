"""The regulator, which moves the price of an abandonment until the rate meets the target.

One rule governs this module: what it learns depends on the evidence seen, never on the hour of the day. The excess is
what it steers: abandonments minus the target times live answers, a count. An abandonment too many is paid back by the
live answers that follow, over a span of them. A short span keeps the count of each day close to the target and lets psi
swing, which costs occupancy; a long one leaves psi almost alone. So the span is as long as the distance of the window
from its cap allows: the standard deviation of the excess is sqrt(target * span / 2), half of that distance.
"""

from math import asinh, exp, log, sqrt

from dialer.pacing.base import DialDecision
from dialer.pacing.budget import AbandonmentBudget
from dialer.queueing.errors import OutOfDomain

_PSI_BY_AGENTS = ((1, 0.055), (2, 0.05), (5, 0.04), (10, 0.03), (20, 0.025), (50, 0.02), (100, 0.018))
_PSI_AT_RATE = 0.03
_RESERVE_GROWS_OVER = 200.0  # live answers


class Regulator:
    """Move `psi` so that the abandonment rate meets the target, and the same at every hour of the window.

    psi = psi_start(agents) * exp(base - quick),  quick = BEND asinh((excess + reserve) / (BEND * target * span))

    An excess of target * span would lower psi e-fold if `quick` were linear; the asinh keeps a burst, which is over and
    done with, from holding psi down for hours. `base` is the slow term: it integrates `quick` over live answers, 8
    spans of them, and so learns what psi holds the target on this floor. Anti-windup: while anything but the pacer's
    own rule bounds the calls (lines, leads, calls per second, the governor), live answers save nothing up; and never
    more than three standard deviations of the excess are.

    The distance from the cap is RESERVE abandonments and what the margin between cap and target has grown to in this
    window. Where the target comes near the cap, the excess is steered to -`reserve` instead of 0, to RESERVE once the
    window has some hundreds of live answers: a window that must close under its cap cannot be steered to its edge.
    """

    SPAN_MIN = 80.0  # live answers
    SPAN_MAX = 800.0
    BEND = 0.35
    RESERVE = 2.0
    LOG_MAX = log(8.0)

    def __init__(self, target_rate: float, cap_rate: float, base: float = 0.0) -> None:
        if not 0.0 < target_rate < 1.0:
            raise OutOfDomain(f"target_rate: expected a share in (0, 1), found {target_rate!r}; 3 % is written 0.03")
        self._target_rate = target_rate
        self._margin_rate = cap_rate - target_rate
        self._base = base
        self._excess = 0.0
        self._opens_at: float | None = None
        self._reserve = 0.0
        self._span = self.SPAN_MIN
        self._is_free = True

    def heed(self, decision: DialDecision) -> None:
        """Note what bounded the last decision with calls in it: only free dialing may save anything up."""
        self._is_free = not decision.reserve and decision.limited_by == "wanted"

    def record_live(self) -> None:
        """Learn of a live answer. It pays back an excess; it saves up for later only while dialing is free."""
        if self._excess > 0.0 or self._is_free:
            saved = 3.0 * sqrt(self._target_rate * self._span / 2.0)
            self._excess = max(self._excess - self._target_rate, -self._reserve - saved)
        if self._is_free:
            moved = self._base - self._quick / (8.0 * self._span)
            self._base = min(max(moved, -self.LOG_MAX), self.LOG_MAX)

    def record_abandoned(self) -> None:
        """Learn of an abandonment; its live answer was recorded before."""
        self._excess += 1.0

    def record_estimated(self, share: float) -> None:
        """Learn of a machine verdict that is a person who got silence with probability `share`."""
        self._excess += share * (1.0 - self._target_rate)

    def psi(self, agents: int, budget: AbandonmentBudget, now: float) -> float:
        """Give the price of an abandonment for a team of `agents`, in the window of `budget` that holds `now`."""
        opens_at = budget.span(now)[0]
        if opens_at != self._opens_at:
            # A new window has its own count, and one found at a restart has its debt: never anything saved.
            live, abandoned = budget.weighed(now)
            self._excess = max(0.0, abandoned - self._target_rate * live)
            self._opens_at = opens_at
        counted = budget.live(now)
        margin = self._margin_rate * counted
        self._reserve = max(0.0, self.RESERVE * (1.0 - exp(-counted / _RESERVE_GROWS_OVER)) - margin)
        deviation = (self.RESERVE + margin) / 2.0
        self._span = min(max(2.0 * deviation**2 / self._target_rate, self.SPAN_MIN), self.SPAN_MAX)
        moved = min(max(self._base - self._quick, -self.LOG_MAX), self.LOG_MAX)
        return min(psi_start(agents, self._target_rate) * exp(moved), 0.5)

    @property
    def _quick(self) -> float:
        return self.BEND * asinh((self._excess + self._reserve) / (self.BEND * self._target_rate * self._span))

    @property
    def base(self) -> float:
        """What was learned of the floor, as the logarithm of psi over its start; the excess stands in the budget."""
        return self._base


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
