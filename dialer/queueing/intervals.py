"""Confidence intervals for what a simulator or a report measured.

One rule governs this module: an interval is computed from the counts it claims to be about; levels are two-sided.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt
from statistics import fmean, stdev

from scipy.special import betaincinv, ndtri, stdtrit

from dialer.queueing.errors import OutOfDomain


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """An estimate with its lower and upper confidence limit."""

    mean: float
    low: float
    high: float


def wilson(hits: int, trials: int, level: float = 0.95) -> Interval:
    """Give Wilson's score interval of a proportion: near its level on average, also for few hits.

    Source: E. B. Wilson, Journal of the American Statistical Association 22 (1927), 209-212.
    """
    _check_counts(hits, trials)
    z = float(ndtri(0.5 + _check_level(level) / 2.0))
    p = hits / trials
    scale = 1.0 + z * z / trials
    centre = (p + z * z / (2.0 * trials)) / scale
    half = z * sqrt(p * (1.0 - p) / trials + z * z / (4.0 * trials * trials)) / scale
    return Interval(mean=p, low=max(0.0, centre - half), high=min(1.0, centre + half))


def clopper_pearson(hits: int, trials: int, level: float = 0.95) -> Interval:
    """Give the exact interval of a proportion: never below its level.

    Source: C. J. Clopper, E. S. Pearson, Biometrika 26 (1934), 404-413.
    """
    _check_counts(hits, trials)
    tail = (1.0 - _check_level(level)) / 2.0
    low = 0.0 if hits == 0 else float(betaincinv(hits, trials - hits + 1, tail))
    high = 1.0 if hits == trials else float(betaincinv(hits + 1, trials - hits, 1.0 - tail))
    return Interval(mean=hits / trials, low=low, high=high)


def student_t(values: Sequence[float], level: float = 0.95) -> Interval:
    """Give Student's interval of the mean of independent replications; unbounded for a single one."""
    _check_level(level)
    if not values:
        raise OutOfDomain("replications: expected at least one value, found none")
    mean = fmean(values)
    if len(values) == 1:
        return Interval(mean=mean, low=-inf, high=inf)
    half = float(stdtrit(len(values) - 1, 0.5 + level / 2.0)) * stdev(values) / sqrt(len(values))
    return Interval(mean=mean, low=mean - half, high=mean + half)


def _check_counts(hits: int, trials: int) -> None:
    if not 0 <= hits <= trials or trials == 0:
        raise OutOfDomain(f"proportion: expected 0 <= hits <= trials and trials > 0, found {hits} of {trials}")


def _check_level(level: float) -> float:
    if not 0.0 < level < 1.0:
        raise OutOfDomain(f"level: expected a probability between 0 and 1, found {level!r}; 95 % is written 0.95")
    return level
