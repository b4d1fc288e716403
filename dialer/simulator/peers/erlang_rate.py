"""An open-loop dialer: calls at the even rate whose answers the team can just take, whatever the floor looks like.

One rule governs this module: nothing that happens on the floor changes the rate, only what is estimated of the answer
rate and of the handle time. The rate is that of Erlang A: live answers at rate a / H to `agents` agents with mean
handle time H and the threshold as mean patience, with the largest load a at which the share that gives up meets the
limit. It shows what seeing the floor is worth: such a rate needs about the square root of the team idle.

Source: A. Mandelbaum, S. Zeltyn, Service engineering in action: the Palm/Erlang-A queue (2007).
"""

from dialer.pacing.base import DialDecision, Floor
from dialer.queueing.erlang import offered_load

RENEWED_AFTER_S = 60.0
AWAY_S = 10.0
LOOK_S = 1.0
GRAIN_S = 1e-3  # a shorter time may not move the clock at all


class ErlangPacer:
    """Place calls one by one, evenly; the rate is renewed every minute and when the team changes."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._agents = 0
        self._renewed_at = float("-inf")
        self._looked_at = 0.0
        self._rate = 0.0  # calls per second
        self._due = 0.0  # calls, in parts of one

    @property
    def looks_every_s(self) -> float:
        """When the next call is due, in seconds from the last look; soon, when the rate may change first."""
        return min(max((1.0 - self._due) / self._rate, GRAIN_S), LOOK_S) if self._rate else LOOK_S

    def decide(self, floor: Floor) -> DialDecision:
        """Start the calls that the rate has brought since the last look; none while nothing is estimated."""
        gap_s = floor.now - self._looked_at
        self._looked_at = floor.now
        self._due += self._rate * (gap_s if gap_s <= AWAY_S else 0.0)
        self._renew(floor)
        calls = int(self._due + 1e-9)
        self._due = max(0.0, self._due - calls)
        return DialDecision(
            calls=calls,
            reserve=False,
            limited_by="wanted" if floor.estimates is not None else "estimates",
            wanted=calls,
            terms=(("calls_per_minute", 60.0 * self._rate), ("agents", float(floor.agents))),
        )

    def _renew(self, floor: Floor) -> None:
        estimates = floor.estimates
        if estimates is None or floor.agents == 0:
            self._rate = 0.0
        elif floor.agents != self._agents or floor.now - self._renewed_at >= RENEWED_AFTER_S:
            self._agents, self._renewed_at = floor.agents, floor.now
            load = offered_load(floor.agents, estimates.mean_handle_s, floor.threshold_s, self._limit)
            self._rate = load / estimates.mean_handle_s / estimates.p_live
