"""Counting on arbitrary trials."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dialer.queueing.distributions import TAIL_ERROR, poisson_binomial, poisson_binomial_tail
from tests.unit.queueing.counting import poisson_binomial_direct

P = st.floats(0.0, 1.0)


@given(st.lists(P, min_size=1, max_size=40))
@settings(max_examples=200, deadline=None)
def test_transform_and_convolution_agree(p: list[float]) -> None:
    """Both schemes give the same probabilities to 1e-12, whatever the trials."""
    column = np.array(p)[:, None]
    assert np.abs(poisson_binomial(column) - poisson_binomial_direct(column)).max() < 1e-12


@given(st.lists(P, max_size=20), P, st.integers(0, 21))
@settings(max_examples=200, deadline=None)
def test_one_more_trial_never_lowers_the_tail(p: list[float], extra: float, least: int) -> None:
    """P(S >= k) is a probability and grows with every trial added."""
    before = poisson_binomial(np.array(p)[:, None])[0, least:].sum()
    after = poisson_binomial(np.array([*p, extra])[:, None])[0, least:].sum()
    assert -1e-12 <= before <= after + 1e-12 <= 1.0 + 2e-12


@given(st.lists(P, min_size=1, max_size=12), st.integers(1, 40), st.integers(-5, 500), st.integers(1, 90))
@settings(max_examples=150, deadline=None)
def test_the_tail_is_the_sum_of_the_counts(p: list[float], times: int, first: int, count: int) -> None:
    """Whatever the trials and the counts asked for, on both sides of the switch, P(S >= k) is the sum from k on."""
    column = np.tile(np.array(p), times)[:, None]
    pmf = poisson_binomial(column)[0]
    tail = poisson_binomial_tail(column, first, count)[0]
    expected = [pmf[max(first + j, 0) :].sum() for j in range(count)]
    assert np.abs(tail - expected).max() < TAIL_ERROR
