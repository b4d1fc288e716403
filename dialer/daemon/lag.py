"""How long orders wait for the store, and when that is worth telling the engine.

One rule governs this module: it rises at once and falls slowly, one step at a time, so that a store at its limit does
not swing the dialing. The bounds are shares of the two seconds in which most laws want a person to be given an agent.
"""

from math import inf

from dialer.domain.lag import Lag

SLOW_S = 0.25
SLOW_FOR_S = 1.0
"""A single hiccup of a disk is over before the dialing could heed it."""
STALLED_S = 1.0
CALM_S = 10.0
_CALM_BELOW = {Lag.NONE: inf, Lag.SLOW: SLOW_S / 2.0, Lag.STALLED: STALLED_S / 2.0}
_STEP_DOWN = {Lag.NONE: Lag.NONE, Lag.SLOW: Lag.NONE, Lag.STALLED: Lag.SLOW}


class LagMeter:
    """The lag as it is known now."""

    def __init__(self) -> None:
        self.lag = Lag.NONE
        self.lag_s = 0.0
        """What was seen last."""
        self._slow_since: float | None = None
        self._bad_at = -inf

    def heed(self, lag_s: float, now: float) -> None:
        """Take in what an order waited, or has waited so far."""
        self.lag_s = lag_s
        if lag_s < SLOW_S:
            self._slow_since = None
        elif self._slow_since is None:
            self._slow_since = now
        if lag_s >= STALLED_S:
            self.lag = Lag.STALLED
        elif self.lag is Lag.NONE and self._slow_since is not None and now - self._slow_since >= SLOW_FOR_S:
            self.lag = Lag.SLOW
        if lag_s >= _CALM_BELOW[self.lag]:
            self._bad_at = now

    def calm_at(self) -> float | None:
        """Give the instant at which the lag falls by a step if nothing bad is seen until then; None: it cannot."""
        return None if self.lag is Lag.NONE else self._bad_at + CALM_S

    def calm(self, now: float) -> None:
        """Let the lag fall by a step if nothing bad was seen for long enough."""
        at = self.calm_at()
        if at is not None and now >= at:
            self.lag = _STEP_DOWN[self.lag]
            self._bad_at = now
