"""Ring times learned from the last observations: how long until a live answer, or any other end.

Model: a distribution with knots of equal weight through the observations, whose weights decay by count, and through
prior pseudo-observations that never fade: a call older than every call seen must not be predicted to end at once. It is
bounded by the largest value, because a line that outlives its time-out will not be answered.
Source of the shape: the empirical part of the fit of Bratley, Fox and Schrage, A Guide to Simulation, 1987.

Carriers change. The normal score of each time's rank in the last fit is followed, and where the last m have probably
moved, all that was seen before them is moved as far: their shape is kept, and a longer set-up is learned from some
twenty calls instead of hundreds. Source of the test: the Bayes factor of a normal mean, H. Jeffreys, Theory of
probability, 3rd edition 1961, section 5.2, over every m as Adams and MacKay (2007), arXiv:0710.3742.

One rule governs this module: a carrier that changes moves all times at once, so old times are moved, not forgotten.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

Floats = npt.NDArray[np.float64]

HAZARD = 1.0 / 2000.0
ODDS = 9.0  # a change is acted on when it is nine times as probable as none
_KNOTS = 24
_WINDOW = 200
_LOOK_EVERY = 5
_RANK_MIN = 0.02
_LENT = 3.0


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
    """Learns the time to a live answer and to any other end; see the module's model."""

    def __init__(self, prior_live_s: Floats, prior_other_s: Floats, *, worth: float, memory: float) -> None:
        """Take equally probable values of both times, each set together worth `worth` observations."""
        self._kinds = _Kind(prior_other_s, worth, memory), _Kind(prior_live_s, worth, memory)
        self._recent: deque[bool] = deque(maxlen=_WINDOW)  # which kind
        self._scores: deque[float] = deque(maxlen=_WINDOW)
        self._observed = 0

    def observe(self, is_live: bool, ring_s: float) -> None:
        """Add one observation in seconds."""
        kind = self._kinds[is_live]
        self._scores.append(kind.score(ring_s))
        self._recent.append(is_live)
        kind.seen.append(ring_s)
        self._observed += 1
        if len(self._scores) >= _LOOK_EVERY and self._observed % _LOOK_EVERY == 0:
            back = _changed_back(np.fromiter(self._scores, dtype=np.float64, count=len(self._scores)))
            if back:
                self._move(back)

    def fit(self) -> tuple[FittedRing, FittedRing]:
        """Fit the time to a live answer, and the time to any other end."""
        other, live = (kind.fit() for kind in self._kinds)
        return live, other

    def _move(self, back: int) -> None:
        """Move all that was seen before the last `back` by as much as these have moved.

        Each kind by the shift of its own median, with that of the other as so many more observations: set-up time is
        common to both, and at a low answer rate few of the last were live.
        """
        recent = list(self._recent)[-back:]
        counts = [recent.count(False), recent.count(True)]
        shifts = [kind.shift(count) for kind, count in zip(self._kinds, counts, strict=True)]
        for own, (kind, count) in enumerate(zip(self._kinds, counts, strict=True)):
            lent = _LENT if counts[1 - own] else 0.0
            if count + lent:
                kind.move((count * shifts[own] + lent * shifts[1 - own]) / (count + lent), count)
        self._scores.clear()
        self._recent.clear()


class _Kind:
    """What was seen of one kind of end, and the fit that the next is judged by."""

    def __init__(self, prior_s: Floats, worth: float, memory: float) -> None:
        self._prior_s = prior_s
        self._prior_weights = np.full(len(prior_s), worth / len(prior_s))
        self._keep = 1.0 - 1.0 / memory
        # Weights older than this are below 2 % of the newest: nothing is lost by dropping them.
        self.seen: deque[float] = deque(maxlen=int(4 * memory))
        self._fitted = self.fit()

    def score(self, ring_s: float) -> float:
        """Give the normal score of a value's rank in the fit, at most two standard deviations either way."""
        low, high = self._fitted.cdf(np.array([ring_s - 0.5, ring_s + 0.5])).tolist()
        return float(ndtri(min(max(0.5 * (low + high), _RANK_MIN), 1.0 - _RANK_MIN)))

    def shift(self, count: int) -> float:
        """Give by how much the median of the last `count` lies above that of all before; 0 where there are none."""
        values = np.array(self.seen)
        if not count:
            return 0.0
        earlier = values[:-count] if len(values) > count else self._prior_s
        return float(np.median(values[-count:]) - np.median(earlier))

    def move(self, by_s: float, count: int) -> None:
        """Move the prior and all values before the last `count`."""
        self._prior_s = np.maximum(self._prior_s + by_s, 0.0)
        earlier = len(self.seen) - count
        for at in range(earlier):
            self.seen[at] = max(self.seen[at] + by_s, 0.0)
        self.fit()

    def fit(self) -> FittedRing:
        """Fit the knots to prior and observations."""
        count = len(self.seen)
        weights = np.concatenate([self._prior_weights, self._keep ** np.arange(count - 1, -1, -1, dtype=np.float64)])
        values = np.concatenate([self._prior_s, np.fromiter(self.seen, dtype=np.float64, count=count)])
        order = np.argsort(values, kind="stable")
        values, weights = values[order], weights[order]
        reached = np.cumsum(weights) - 0.5 * weights
        levels = np.linspace(0.0, 1.0, _KNOTS + 1)
        inner = np.interp(levels[1:-1] * float(weights.sum()), reached, values)
        first = min(float(values[0]), float(inner[0]))
        self._fitted = FittedRing(
            knots=np.concatenate([[first], inner, values[-1:]]),
            levels=levels,
            mean_s=float(np.dot(values, weights) / weights.sum()),
        )
        return self._fitted


def _changed_back(scores: Floats) -> int:
    """Give how many observations back the times have probably changed; 0 where they probably have not.

    Under the fit the scores are standard normal at most; after a change their mean is anything, normal with variance 1.
    The last m sum to S: the odds of a change m back are HAZARD (1+m)^-1/2 exp(S^2 / (2 (1+m))).
    """
    back = np.arange(1, len(scores) + 1)
    sums = scores[::-1].cumsum()
    log_odds = sums * sums / (2.0 * (1.0 + back)) - 0.5 * np.log1p(back)
    if HAZARD * float(np.exp(np.minimum(log_odds, 50.0)).sum()) < ODDS:
        return 0
    return int(log_odds.argmax()) + 1
