"""Families of durations, drawn by inversion: one uniform number in, one value out.

Inversion keeps common random numbers in step: a slower world stretches the same person's call instead of drawing
another one. Values are seconds where the world file says seconds, plain factors otherwise.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, log1p
from statistics import NormalDist
from typing import Protocol

from scipy.special import gammaincinv

_normal_quantile = NormalDist().inv_cdf


class Distribution(Protocol):
    """Something that can be drawn from."""

    def draw(self, u: float) -> float:
        """The value below which a share `u` of all values lies; 0 < u < 1."""
        ...


@dataclass(frozen=True, slots=True)
class Constant:
    """Always the same value."""

    value: float

    def draw(self, u: float) -> float:
        """The quantile of `u`."""
        return self.value


@dataclass(frozen=True, slots=True)
class Uniform:
    """Every value between two bounds is as likely as every other."""

    low: float
    high: float

    def draw(self, u: float) -> float:
        """The quantile of `u`."""
        return self.low + (self.high - self.low) * u


@dataclass(frozen=True, slots=True)
class Exponential:
    """Without memory: the time left never depends on the time spent."""

    mean: float

    def draw(self, u: float) -> float:
        """The quantile of `u`."""
        return -self.mean * log1p(-u)


@dataclass(frozen=True, slots=True)
class Lognormal:
    """The logarithm is normal with mean `mu` and standard deviation `sigma`."""

    mu: float
    sigma: float

    @classmethod
    def of_mean(cls, mean: float, sigma: float) -> "Lognormal":
        """The one with this mean: mean = exp(mu + sigma^2 / 2)."""
        return cls(log(mean) - sigma * sigma / 2, sigma)

    @classmethod
    def of_median(cls, median: float, sigma: float) -> "Lognormal":
        """The one with this median."""
        return cls(log(median), sigma)

    def draw(self, u: float) -> float:
        """The quantile of `u`."""
        return exp(self.mu + self.sigma * _normal_quantile(u))


@dataclass(frozen=True, slots=True)
class LogLogistic:
    """F(x) = 1 / (1 + (x / scale)^-shape); the median is `scale`, the tail heavy: for shape <= 1 there is no mean."""

    shape: float
    scale: float

    def draw(self, u: float) -> float:
        """The quantile of `u`."""
        return float(self.scale * (u / (1.0 - u)) ** (1.0 / self.shape))


@dataclass(frozen=True, slots=True)
class Gamma:
    """Mean = shape x scale."""

    shape: float
    scale: float

    def draw(self, u: float) -> float:
        """The quantile of `u`."""
        return self.scale * float(gammaincinv(self.shape, u))


@dataclass(frozen=True, slots=True)
class Weibull:
    """F(x) = 1 - exp(-(x / scale)^shape)."""

    shape: float
    scale: float

    def draw(self, u: float) -> float:
        """The quantile of `u`."""
        return float(self.scale * (-log1p(-u)) ** (1.0 / self.shape))


@dataclass(frozen=True, slots=True)
class Mixture:
    """One of several distributions, chosen by weight. `bounds` are the running sums of the weights, the last is 1."""

    bounds: tuple[float, ...]
    parts: tuple[Distribution, ...]

    @classmethod
    def of(cls, weights: Sequence[float], parts: Sequence[Distribution]) -> "Mixture":
        """Weights of any positive sum, one per part."""
        total, running, bounds = sum(weights), 0.0, []
        for weight in weights:
            running += weight
            bounds.append(running / total)
        bounds[-1] = 1.0
        return cls(tuple(bounds), tuple(parts))

    def draw(self, u: float) -> float:
        """Choose a part by `u`, then draw from it with what is left of `u`."""
        index = bisect_right(self.bounds, u)
        low = self.bounds[index - 1] if index else 0.0
        rest = (u - low) / (self.bounds[index] - low)
        return self.parts[index].draw(min(max(rest, 2.0**-53), 1.0 - 2.0**-53))


@dataclass(frozen=True, slots=True)
class Quantiles:
    """A table of (share, value), joined by straight lines; the first share is 0, the last 1."""

    shares: tuple[float, ...]
    values: tuple[float, ...]

    def draw(self, u: float) -> float:
        """The quantile of `u`."""
        index = bisect_right(self.shares, u)
        low, high = self.shares[index - 1], self.shares[index]
        below, above = self.values[index - 1], self.values[index]
        return below + (above - below) * (u - low) / (high - low)


@dataclass(frozen=True, slots=True)
class Limited:
    """Another distribution whose larger values are cut off at `longest`."""

    of: Distribution
    longest: float

    def draw(self, u: float) -> float:
        """The quantile of `u`."""
        return min(self.of.draw(u), self.longest)
