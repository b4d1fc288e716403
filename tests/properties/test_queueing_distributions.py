"""Counting on arbitrary trials."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dialer.queueing.distributions import poisson_binomial
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
