"""Exact counting against enumeration, and its two schemes against each other."""

from math import comb

import numpy as np
import pytest

from dialer.queueing.distributions import binomials, poisson_binomial
from tests.unit.queueing.counting import enumerated, poisson_binomial_direct


@pytest.mark.parametrize("scheme", [poisson_binomial, poisson_binomial_direct])
@pytest.mark.parametrize("trials", [1, 2, 3, 4, 5, 8, 11])
def test_both_schemes_are_the_enumeration(scheme, trials: int) -> None:  # type: ignore[no-untyped-def]
    """Every column of the batch agrees with the sum over all outcomes to 1e-12."""
    p = np.random.default_rng(trials).random((trials, 3))
    p[0, 0], p[-1, 1] = 0.0, 1.0
    for column in range(3):
        assert scheme(p)[column] == pytest.approx(enumerated(p[:, column]), abs=1e-12)


@pytest.mark.parametrize("trials", [40, 215, 1000])
def test_the_schemes_agree_on_large_teams(trials: int) -> None:
    """Transform and convolution agree to 1e-12 for hundreds of trials, sums are 1 and means are the sums of p."""
    p = np.random.default_rng(trials).random((trials, 5)) ** 3
    fast, direct = poisson_binomial(p), poisson_binomial_direct(p)
    assert fast == pytest.approx(direct, abs=1e-12)
    assert fast.sum(axis=1) == pytest.approx(np.ones(5), abs=1e-12)
    assert fast @ np.arange(trials + 1) == pytest.approx(p.sum(axis=0), rel=1e-12)


def test_equal_trials_are_binomial() -> None:
    """With one p for all trials the count is binomial."""
    expected = [comb(30, k) * 0.3**k * 0.7 ** (30 - k) for k in range(31)]
    assert poisson_binomial(np.full((30, 1), 0.3))[0] == pytest.approx(expected, abs=1e-14)


def test_binomial_tables_hold_every_count() -> None:
    """The table of Binomial(k, p) is the closed form for every k up to its size."""
    table = binomials(12, np.array([0.0, 0.25, 1.0]))
    for k in range(13):
        expected = [comb(k, j) * 0.25**j * 0.75 ** (k - j) if j <= k else 0.0 for j in range(13)]
        assert table[k, 1] == pytest.approx(expected, abs=1e-14)
        assert table[k, 0, 0] == table[k, 2, k] == 1.0


def test_no_trial_is_no_success() -> None:
    """Without a trial the count is 0."""
    assert poisson_binomial(np.zeros((0, 2))).tolist() == [[1.0], [1.0]]
