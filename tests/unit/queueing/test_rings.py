"""Ring times: what the last calls say, and how soon a carrier that changes is followed."""

import numpy as np
import pytest

from dialer.queueing.rings import RingLearner
from dialer.queueing.times import RING_GRID_S

PRIOR_LIVE_S = np.linspace(3.0, 22.0, 64)
PRIOR_OTHER_S = np.linspace(1.0, 25.0, 64)


def learner() -> RingLearner:
    return RingLearner(PRIOR_LIVE_S, PRIOR_OTHER_S, worth=8.0, memory=150.0)


def dials(rng: np.random.Generator, count: int, p_live: float, setup_s: float) -> list[tuple[bool, float]]:
    """Set-up, then a lognormal ring of 9 s until a live answer, or 22 s without an answer, or a machine before that."""
    is_live = rng.random(count) < p_live
    ring = np.minimum(9.0 * np.exp(0.5 * rng.standard_normal(count) - 0.125), 22.0)
    other = np.where(rng.random(count) < 0.4, rng.uniform(1.0, 20.0, count), 22.0)
    times = setup_s + rng.uniform(-1.0, 1.0, count) + np.where(is_live, ring, other)
    return list(zip(is_live.tolist(), times.tolist(), strict=True))


def teach(learned: RingLearner, calls: list[tuple[bool, float]]) -> None:
    for at, (is_live, ring_s) in enumerate(calls):
        learned.observe(is_live, ring_s)
        if at % 20 == 0:
            learned.fit()


def distance(learned: RingLearner, calls: list[tuple[bool, float]]) -> float:
    """Give the largest distance between what is learned of the time to a live answer and its distribution."""
    live = np.sort([ring_s for is_live, ring_s in calls if is_live])
    cdf = np.searchsorted(live, RING_GRID_S, side="right") / len(live)
    return float(np.abs(learned.fit()[0].cdf(RING_GRID_S) - cdf).max())


def test_the_prior_speaks_first() -> None:
    """Before any call the two times are those of the prior."""
    live, other = learner().fit()
    assert live.mean_s == pytest.approx(12.5, rel=0.01)
    assert other.mean_s == pytest.approx(13.0, rel=0.01)


def test_a_line_past_its_time_out_is_dead() -> None:
    """The distribution ends with the largest time seen or believed."""
    learned = learner()
    teach(learned, dials(np.random.default_rng(1), 500, 0.3, 2.5))
    assert learned.fit()[0].cdf(np.array([26.0]))[0] == 1.0


def test_what_was_seen_outweighs_the_prior() -> None:
    """At a constant carrier the distribution is learned to a tenth, mean of 10 seeds."""
    rng = np.random.default_rng(2)
    truth = dials(rng, 100_000, 0.2, 2.5)
    found = []
    for _ in range(10):
        learned = learner()
        teach(learned, dials(rng, 1500, 0.2, 2.5))
        found.append(distance(learned, truth))
    assert np.mean(found) < 0.1


@pytest.mark.parametrize("p_live", [0.1, 0.3])
@pytest.mark.parametrize(("before_s", "after_s"), [(2.5, 8.5), (8.5, 2.5)])
def test_a_change_of_carrier_is_followed_within_a_hundred_calls(p_live: float, before_s: float, after_s: float) -> None:
    """A hundred calls after set-up changed by 6 s the distribution is at most 0.25 off, mean of 8 seeds.

    Measured: 0.10 to 0.17; without moving what was seen before, 0.48 to 0.55.
    """
    rng = np.random.default_rng(3)
    truth = dials(rng, 100_000, p_live, after_s)
    found = []
    for _ in range(8):
        learned = learner()
        teach(learned, dials(rng, 800, p_live, before_s))
        teach(learned, dials(rng, 100, p_live, after_s))
        found.append(distance(learned, truth))
    assert np.mean(found) < 0.25


def test_live_answers_that_come_later_are_followed_alone() -> None:
    """When only people answer later, what is known of the other ends stays nearly where it was; mean of 6 seeds.

    Measured: 0.10; without moving what was seen before, 0.35.
    """
    found = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        learned = learner()
        teach(learned, dials(rng, 800, 0.3, 2.5))
        before = learned.fit()[1].mean_s
        later = [(is_live, ring_s + 8.0 * is_live) for is_live, ring_s in dials(rng, 300, 0.3, 2.5)]
        teach(learned, later)
        found.append(distance(learned, later))
        assert learned.fit()[1].mean_s == pytest.approx(before, abs=2.5)
    assert np.mean(found) < 0.25


def test_times_stay_positive() -> None:
    """However far times fall, none is moved below zero."""
    learned = learner()
    teach(learned, [(False, 30.0)] * 100 + [(True, 20.0)] * 50)
    teach(learned, [(False, 0.5)] * 100 + [(True, 0.5)] * 20)
    live, other = learned.fit()
    assert live.knots[0] >= 0.0
    assert other.knots[0] >= 0.0
    assert live.mean_s < 15.0
