"""Exact counting against enumeration, and its two schemes against each other."""

from math import comb

import numpy as np
import pytest

from dialer.queueing.distributions import (
    EXACT_TRIALS,
    TAIL_ERROR,
    poisson_binomial,
    poisson_binomial_tail,
)
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


def tail_of(pmf: np.ndarray, first: int, count: int) -> np.ndarray:
    """Give P(S >= first + j), j from 0 to `count` - 1, by adding up."""
    trials = pmf.shape[1] - 1
    columns = [pmf[:, min(max(first + j, 0), trials + 1) :].sum(axis=1) for j in range(count)]
    return np.stack(columns, axis=1)


@pytest.mark.parametrize(("first", "count"), [(-3, 5), (-2, 40), (0, 1), (1, 12), (7, 30), (21, 4), (40, 3)])
@pytest.mark.parametrize("trials", [0, 1, 5, 20])
def test_the_tail_of_few_trials_is_exact(trials: int, first: int, count: int) -> None:
    """Up to the switch a tail is the sum of the probabilities: 1 where nothing is needed, 0 past the last trial."""
    p = np.random.default_rng(trials).random((trials, 5))
    expected = tail_of(poisson_binomial_direct(p), first, count)
    assert poisson_binomial_tail(p, first, count) == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("trials", [EXACT_TRIALS, EXACT_TRIALS + 1, 400, 1500])
@pytest.mark.parametrize("shape", ["mixed", "rare", "frequent", "equal", "certain", "unlike columns"])
def test_the_tail_of_many_trials_keeps_its_error(shape: str, trials: int) -> None:
    """From the switch on no tail is off by more than the stated error, no risk of 0.01 to 0.1 by 1e-5 of itself."""
    p = np.random.default_rng(trials).random((trials, 5))
    trial = {
        "mixed": p,
        "rare": p**6,
        "frequent": 1.0 - p**6,
        "equal": np.full_like(p, 0.3),
        "certain": np.rint(p),
        "unlike columns": p ** np.array([0.05, 0.3, 1.0, 8.0, 60.0]),
    }[shape]
    expected = tail_of(poisson_binomial_direct(trial), 0, trials + 2)
    found = poisson_binomial_tail(trial, 0, trials + 2)
    assert np.abs(found - expected).max() < (1e-12 if trials <= EXACT_TRIALS else TAIL_ERROR)
    risky = (expected > 0.9) & (expected < 0.99)
    assert (np.abs(found - expected)[risky] <= 1e-5 * (1.0 - expected)[risky]).all()
    middle = max(int(trial.sum(axis=0).min()) - 10, 0)
    assert poisson_binomial_tail(trial, middle, 64) == pytest.approx(tail_of_columns(found, middle, 64), abs=1e-12)


def tail_of_columns(tail: np.ndarray, first: int, count: int) -> np.ndarray:
    """Give the columns from `first`, 0 past the last."""
    padded = np.concatenate([tail, np.zeros((len(tail), first + count))], axis=1)
    return padded[:, first : first + count]


def test_no_trial_is_no_success() -> None:
    """Without a trial the count is 0."""
    assert poisson_binomial(np.zeros((0, 2))).tolist() == [[1.0], [1.0]]
