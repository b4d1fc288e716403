"""Ring times learned from the last observations: how long until a live answer, or any other end.

Model: a distribution with knots of equal weight through the observations, whose weights decay by count, and through
prior pseudo-observations that never fade: a call older than every call seen must not be predicted to end at once. It is
bounded by the largest value, because a line that outlives its time-out will not be answered.
Source of the shape: the empirical part of the fit of Bratley, Fox and Schrage, A Guide to Simulation, 1987.

One rule governs this module: carriers change, so some hundred and fifty calls are all that is remembered.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_KNOTS = 24


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FittedRing:
    """Knots of a CDF, linear between them."""

    knots: Floats
    levels: Floats
    mean_s: float

    def cdf(self, times_s: Floats) -> Floats:
        """Give P(T <= t) for each of `times_s`, same shape."""
        # Equal knots are a jump of the CDF; the slope keeps the abscissa increasing, the error is far below a step.
        knots = self.knots + 1e-9 * np.arange(len(self.knots))
        return np.asarray(np.interp(times_s, knots, self.levels, left=0.0, right=1.0), dtype=np.float64)


class RingLearner:
    """Learns the time to one kind of end; see the module's model."""

    def __init__(self, prior_s: Floats, *, worth: float, memory: float) -> None:
        """Take equally probable values `prior_s`, together worth `worth` observations."""
        self._prior_s = prior_s
        self._prior_weights = np.full(len(prior_s), worth / len(prior_s))
        self._keep = 1.0 - 1.0 / memory
        # Weights older than this are below 2 % of the newest: nothing is lost by dropping them.
        self._seen: deque[float] = deque(maxlen=int(4 * memory))

    def observe(self, ring_s: float) -> None:
        """Add one observation in seconds."""
        self._seen.append(ring_s)

    def fit(self) -> FittedRing:
        """Fit the knots to prior and observations."""
        count = len(self._seen)
        weights = np.concatenate([self._prior_weights, self._keep ** np.arange(count - 1, -1, -1, dtype=np.float64)])
        values = np.concatenate([self._prior_s, np.fromiter(self._seen, dtype=np.float64, count=count)])
        order = np.argsort(values, kind="stable")
        values, weights = values[order], weights[order]
        reached = np.cumsum(weights) - 0.5 * weights
        levels = np.linspace(0.0, 1.0, _KNOTS + 1)
        inner = np.interp(levels[1:-1] * float(weights.sum()), reached, values)
        first = min(float(values[0]), float(inner[0]))
        return FittedRing(
            knots=np.concatenate([[first], inner, values[-1:]]),
            levels=levels,
            mean_s=float(np.dot(values, weights) / weights.sum()),
        )
