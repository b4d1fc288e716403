"""Confidence intervals against published examples and their own coverage."""

from math import comb, inf

import pytest

from dialer.queueing.errors import OutOfDomain
from dialer.queueing.intervals import clopper_pearson, student_t, wilson


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_meets_the_published_examples(hits: int, trials: int, low: float, high: float) -> None:
    """Wilson's 95 % interval agrees with Newcombe's table to its four digits."""
    interval = wilson(hits, trials)
    assert interval.mean == hits / trials
    assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    # The same table, method 5.
    [(81, 263, 0.2527, 0.3676), (15, 148, 0.0578, 0.1617), (0, 20, 0.0, 0.1684), (1, 29, 0.0009, 0.1776)],
)
def test_clopper_pearson_meets_the_published_examples(hits: int, trials: int, low: float, high: float) -> None:
    """The exact 95 % interval agrees with Newcombe's table to its four digits."""
    interval = clopper_pearson(hits, trials)
    assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)


@pytest.mark.parametrize("p", [0.01, 0.03, 0.2, 0.5])
def test_clopper_pearson_never_covers_less_than_its_level(p: float) -> None:
    """Summed over all outcomes of 60 trials the interval holds the truth with at least 95 %."""
    covered = 0.0
    for hits in range(61):
        interval = clopper_pearson(hits, 60)
        if interval.low <= p <= interval.high:
            covered += comb(60, hits) * p**hits * (1 - p) ** (60 - hits)
    assert covered >= 0.95


def test_student_uses_the_printed_quantile() -> None:
    """Five replications use t(4, 97.5 %) = 2.7764; one gives no bound."""
    interval = student_t([1.0, 2.0, 3.0, 4.0, 5.0])
    half = 2.7764 * (2.5 / 5) ** 0.5
    assert interval.mean == 3.0
    assert (interval.low, interval.high) == (pytest.approx(3 - half, abs=1e-4), pytest.approx(3 + half, abs=1e-4))
    assert (student_t([7.0]).low, student_t([7.0]).high) == (-inf, inf)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: wilson(3, 2),
        lambda: wilson(-1, 2),
        lambda: clopper_pearson(0, 0),
        lambda: student_t([]),
        lambda: student_t([1.0, 2.0], 95.0),
    ],
)
def test_impossible_counts_and_levels_are_refused(wrong) -> None:  # type: ignore[no-untyped-def]
    """Counts that do not fit together and levels that are no probabilities are refused."""
    with pytest.raises(OutOfDomain, match="found"):
        wrong()
