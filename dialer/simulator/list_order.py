"""What neighbours on a list have in common: clumps of numbers that answer alike, and talk times that drift together.

One rule governs this module: everything is a function of the seed and of a number's place on the list, so that it does
not matter in which order, or how often, the numbers are dialed.
"""

from bisect import bisect_right
from math import exp, sqrt
from statistics import NormalDist

from dialer.simulator.streams import Stream

_PLACES = 100_000_000  # a synthetic number ends in its place: see `supply`
_STEPS = 8  # values of a drift within its correlation length: steps of an eighth are smooth enough
_normal_quantile = NormalDist().inv_cdf


def place_of(number: str) -> int:
    """A number's place on the list, from 0."""
    return int(number[1:]) % _PLACES


class Clumps:
    """Runs of `shortest` to `longest` neighbours; run k has factor k modulo the number of factors."""

    def __init__(self, factors: list[float], shortest: int, longest: int, stream: Stream) -> None:
        self._factors = factors
        self._shortest, self._longest = shortest, longest
        self._stream = stream
        self._ends: list[int] = []  # place after the last one of each run so far

    def factor(self, place: int) -> float:
        """The factor of the run that holds `place`."""
        ends = self._ends
        while not ends or ends[-1] <= place:
            u = self._stream.draw(len(ends))[0]
            length = self._shortest + int(u * (self._longest - self._shortest + 1))
            ends.append((ends[-1] if ends else 0) + length)
        return self._factors[bisect_right(ends, place) % len(self._factors)]


class Drift:
    """A factor of mean 1 whose logarithm is a stationary autoregression along the list.

    Its standard deviation is `sd`, its autocorrelation exp(-distance / numbers).
    """

    def __init__(self, sd: float, numbers: float, rank: int, stream: Stream) -> None:
        self._sd = sd
        self._step = max(1.0, numbers / _STEPS)
        self._keep = exp(-self._step / numbers)
        self._rank = rank  # of several drifts
        self._stream = stream
        self._levels: list[float] = []

    def factor(self, place: int) -> float:
        """The factor at `place`."""
        levels, step = self._levels, int(place / self._step)
        while len(levels) <= step:
            shock = _normal_quantile(self._stream.draw(len(levels), self._rank)[0])
            if levels:
                shock = self._keep * levels[-1] + sqrt(1.0 - self._keep**2) * shock
            levels.append(shock)
        return exp(self._sd * levels[step] - self._sd**2 / 2.0)
