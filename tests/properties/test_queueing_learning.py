"""What holds of everything learned, whatever was seen."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialer.queueing.estimators import Learner
from dialer.queueing.hazards import DurationLearner
from dialer.queueing.proportions import ChangingProportions
from dialer.queueing.times import TALK_GRID_S

SECONDS = st.one_of(st.floats(0.0, 4000.0), st.sampled_from([0.0, 10.0, 10.0, 3600.0]))
OUTCOMES = st.lists(st.tuples(st.booleans(), st.sampled_from(["", "a", "b"])), max_size=300)
RUNS = st.lists(st.tuples(st.booleans(), st.integers(1, 400)), max_size=6)


@given(RUNS, OUTCOMES)
@settings(max_examples=100, deadline=None)
def test_probabilities_stay_probabilities(runs: list[tuple[bool, int]], outcomes: list[tuple[bool, str]]) -> None:
    """After any outcomes, long runs of one kind included, mean, groups and nodes lie inside (0, 1) and agree."""
    learned = ChangingProportions(p=0.25, worth=20.0, memory=1000.0)
    for is_hit, count in runs:
        for _ in range(count):
            learned.observe(is_hit)
    for is_hit, group in outcomes:
        learned.observe(is_hit, group)
    nodes = learned.nodes()
    assert 0.0 < learned.mean < 1.0
    assert all(0.0 < p < 1.0 for p in learned.by_group().values())
    assert all(0.0 < p < 1.0 and weight > 0.0 for p, weight in nodes)
    assert sum(weight for _, weight in nodes) == pytest.approx(1.0, abs=1e-9)
    assert sum(p * weight for p, weight in nodes) == pytest.approx(learned.mean, rel=1e-6)


@given(st.lists(SECONDS, max_size=60), st.lists(SECONDS, max_size=30))
@settings(max_examples=150, deadline=None)
def test_durations_have_a_distribution(lengths: list[float], ages: list[float]) -> None:
    """Whatever has ended and whatever is underway, P(T <= t) rises from 0 to at most 1 and the mean is finite."""
    learned = DurationLearner(np.linspace(5.0, 300.0, 64), worth=8.0, memory=300.0)
    now = 0.0
    for length in lengths:
        now += 7.0
        learned.observe(length, now)
    fitted = learned.fit(now, ages)
    cdf = fitted.cdf(TALK_GRID_S)
    assert cdf[0] == 0.0
    assert (np.diff(cdf) >= 0.0).all()
    assert cdf[-1] <= 1.0
    assert 0.0 < fitted.mean_s < np.inf


@given(st.lists(st.tuples(st.booleans(), SECONDS), min_size=1, max_size=120), st.lists(SECONDS, max_size=8))
@settings(max_examples=60, deadline=None)
def test_estimates_are_finite(calls: list[tuple[bool, float]], ages: list[float]) -> None:
    """Whatever the calls were, every figure of the estimates is finite and every chance a probability."""
    learner = Learner()
    for at, (is_live, seconds) in enumerate(calls):
        learner.observe_dial_resolved(is_live, seconds, 10.0 * at)
        learner.observe_wrap(seconds, 10.0 * at)
    estimates = learner.snapshot(10.0 * len(calls), ages, ages)
    times = estimates.times
    for chances in (
        times.live_within(estimates.p_live, [0.0, 5.0, 30.0], [1.0, 10.0]),
        times.p_free_from_talk([0.0, 100.0, 5000.0], [1.0, 10.0]),
        times.p_free_from_wrap([0.0, 100.0, 5000.0], [1.0, 10.0]),
    ):
        assert ((chances >= 0.0) & (chances <= 1.0)).all()
    assert np.isfinite([estimates.mean_handle_s, estimates.mean_line_s, *times.ring_quantiles(5)]).all()
