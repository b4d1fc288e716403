"""What many runs say together: occupancy and abandonment with intervals, alone, at equal abandonment, and compared.

One rule governs this module: a rate over runs is the sum of its numerators over the sum of its denominators, and runs
of different controllers with the same rank are compared run by run, for they met the same people.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import sqrt

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from benchmarks.pacing.run import Result, Tally
from dialer.queueing.intervals import Interval

LEVEL = 0.95
_RESAMPLES = 1000
_SEED = 1

Floats = npt.NDArray[np.float64]
Pick = Callable[[Result], Tally]


def whole(result: Result) -> Tally:
    """The whole run."""
    return result.whole


def first_hour(result: Result) -> Tally:
    """The first hour."""
    return result.first_hour


def settled(result: Result) -> Tally:
    """All but the first hour, for comparisons with steady states."""
    return _minus(result.whole, result.first_hour)


def _minus(all_of_it: Tally, part: Tally) -> Tally:
    return Tally(
        live=all_of_it.live - part.live,
        abandoned=all_of_it.abandoned - part.abandoned,
        work_s=all_of_it.work_s - part.work_s,
        staffed_s=all_of_it.staffed_s - part.staffed_s,
    )


def columns(results: Sequence[Result], pick: Pick = whole) -> Floats:
    """Give the tallies as rows of work, staffed, abandoned, live."""
    rows = [(each.work_s, each.staffed_s, each.abandoned, each.live) for each in map(pick, results)]
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def occupancy(results: Sequence[Result], pick: Pick = whole) -> Interval:
    """Work over staffed time."""
    table = columns(results, pick)
    return ratio(table[:, 0], table[:, 1])


def abandonment(results: Sequence[Result], pick: Pick = whole) -> Interval:
    """Abandonments over live answers."""
    table = columns(results, pick)
    return ratio(table[:, 2], table[:, 3])


def abandonment_with_silent(results: Sequence[Result]) -> Interval:
    """The same with people taken for machines in both counts, as the law wants it."""
    table = columns(results)
    silent = np.array([each.silent for each in results], dtype=np.float64)
    return ratio(table[:, 2] + silent, table[:, 3] + silent)


def ratio(above: Floats, below: Floats) -> Interval:
    """Give a ratio of sums over runs with Student's interval of its linearisation.

    Source: W. G. Cochran, Sampling Techniques, 3rd edition 1977, section 6.3.
    """
    total = float(below.sum())
    if not total:
        return Interval(mean=0.0, low=0.0, high=0.0)
    mean = float(above.sum()) / total
    return _around(mean, (above - mean * below) / total)


def at_rate(results: Sequence[Result], rate: float, slope: float, pick: Pick = settled) -> Interval:
    """Give the occupancy moved along `slope` (occupancy per abandonment) to exactly this abandonment rate."""
    table = columns(results, pick)
    staffed, live = table[:, 1].sum(), max(table[:, 3].sum(), 1.0)
    busy, lost = table[:, 0].sum() / staffed, table[:, 2].sum() / live
    parts = (table[:, 0] - busy * table[:, 1]) / staffed - slope * (table[:, 2] - lost * table[:, 3]) / live
    return _around(float(busy - slope * (lost - rate)), parts)


def _around(mean: float, parts: Floats) -> Interval:
    runs = len(parts)
    if runs < 2:
        return Interval(mean=mean, low=-np.inf, high=np.inf)
    half = _student(runs) * sqrt(runs / (runs - 1) * float((parts**2).sum()))
    return Interval(mean=mean, low=mean - half, high=mean + half)


def resampled(tables: Sequence[Floats], figure: Callable[[list[Floats]], float]) -> Interval:
    """Give a figure of several controllers' tables with its bootstrap interval; ranks are drawn for all alike.

    Source: B. Efron, R. J. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 (percentiles).
    """
    runs = min(len(table) for table in tables)
    sums = [table[:runs].sum(axis=0) for table in tables]
    mean = figure(sums)
    if runs < 2:
        return Interval(mean=mean, low=-np.inf, high=np.inf)
    counts = np.random.default_rng(_SEED).multinomial(runs, np.full(runs, 1.0 / runs), size=_RESAMPLES)
    drawn = [counts @ table[:runs] for table in tables]
    values = [figure([table[row] for table in drawn]) for row in range(_RESAMPLES)]
    low, high = np.quantile(values, [(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0])
    few = sqrt(runs / (runs - 1)) * _student(runs) / _student(100_000)  # drawing from few runs shows too little spread
    return Interval(mean=mean, low=mean - few * (mean - float(low)), high=mean + few * (float(high) - mean))


def _student(runs: int) -> float:
    return float(stdtrit(runs - 1, 0.5 + LEVEL / 2.0))


def gap_closed(
    progressive: Sequence[Result], ours: Sequence[Result], known: Sequence[Result], pick: Pick = whole
) -> Interval:
    """Give the share of the way from progressive dialing to known parameters."""

    def figure(sums: list[Floats]) -> float:
        low, mine, high = (table[0] / max(table[1], 1.0) for table in sums)
        return float((mine - low) / (high - low)) if high > low else 1.0

    return resampled([columns(each, pick) for each in (progressive, ours, known)], figure)


def lead_at_equal_abandonment(peer: Sequence[Result], curve: Sequence[Sequence[Result]]) -> Interval:
    """Give our occupancy less the peer's at the peer's abandonment, by straight lines between points of our `curve`.

    Beyond the curve's last point its occupancy stands: being ahead there is being ahead at less abandonment.
    """

    def figure(sums: list[Floats]) -> float:
        theirs, *ours = sums
        points = sorted((table[2] / max(table[3], 1.0), table[0] / max(table[1], 1.0)) for table in ours)
        rate = theirs[2] / max(theirs[3], 1.0)
        return float(on_curve(points, rate) - theirs[0] / max(theirs[1], 1.0))

    return resampled([columns(peer), *(columns(each) for each in curve)], figure)


def is_beyond(peer: Sequence[Result], curve: Sequence[Sequence[Result]]) -> bool:
    """Whether a peer abandons more than any point of our curve."""
    return abandonment(peer).mean > max(abandonment(each).mean for each in curve)


def on_curve(points: Sequence[tuple[float, float]], rate: float) -> float:
    """Give the height at `rate` of the line through points that are sorted by rate; level outside."""
    if rate <= points[0][0]:
        return points[0][1]
    for (left, low), (right, high) in pairwise(points):
        if rate <= right:
            return low + (high - low) * (rate - left) / (right - left)
    return points[-1][1]


def recovery_minutes(
    results: Sequence[Result], from_minute: int, until_minute: int, *, within: float = 0.01
) -> tuple[float, float] | None:
    """Give how long the occupancy needs after a step to be within a point of its new level, and that level.

    Both over all runs. The level is that from half an hour after the step until the next one. Recovered are the
    first five minutes whose interval reaches up to the level less `within`; their beginning counts, in minutes.
    """
    if not results or from_minute + 35 > until_minute:
        return None
    table = np.array(
        [[(each.work_s, each.staffed_s) for each in result.minutes[from_minute:until_minute]] for result in results]
    )
    late = table[:, 30:].sum(axis=(0, 1))
    level = float(late[0] / late[1])
    for minute in range(table.shape[1] - 5):
        window = table[:, minute : minute + 5].sum(axis=1)
        if ratio(window[:, 0], window[:, 1]).high >= level - within:
            return float(minute), level
    return float(table.shape[1]), level
