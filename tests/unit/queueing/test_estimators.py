"""What the learner believes, before and after it has seen calls."""

import numpy as np
import pytest

from dialer.queueing.errors import OutOfDomain
from dialer.queueing.estimators import Learner, Memory, Prior
from dialer.queueing.times import RING_GRID_S, TALK_GRID_S, Times


def taught(count: int = 2000, seed: int = 1, p_live: float = 0.1) -> Learner:
    """A learner that saw `count` dials, talks of 40 to 60 s and wrap-ups of 10 s, in turn, up to now = 0."""
    rng = np.random.default_rng(seed)
    learner = Learner()
    now = -60.0 * count
    for _ in range(count):
        is_live = bool(rng.random() < p_live)
        learner.observe_dial_resolved(is_live, float(rng.uniform(5.0, 15.0)) if is_live else 22.0, now)
        talk_s = float(rng.uniform(40.0, 60.0))
        learner.observe_talk(talk_s, now + talk_s)
        learner.observe_wrap(10.0, now + talk_s + 10.0)
        now += 60.0
    return learner


def exponential(handle_s: float = 120.0, wrap_s: float = 30.0) -> Times:
    """Exponential talk and wrap-up, so that the residual's law is known in closed form."""
    ring = 1.0 - np.exp(-RING_GRID_S / 15.0)
    return Times(
        built_at=0.0,
        live_cdf=ring,
        other_cdf=ring,
        talk_cdf=1.0 - np.exp(-TALK_GRID_S / handle_s),
        wrap_cdf=1.0 - np.exp(-TALK_GRID_S / wrap_s),
        mean_live_s=15.0,
        mean_other_s=15.0,
        mean_talk_s=handle_s,
        mean_wrap_s=wrap_s,
    )


def test_before_any_call_the_prior_speaks() -> None:
    """A new learner answers with its prior: a quarter live, ring about 10 s, talk about 150 s, wrap-up about 30 s."""
    estimates = Learner().snapshot(0.0)
    assert estimates.p_live == pytest.approx(0.25)
    assert estimates.mean_ring_s == pytest.approx(10.0, abs=0.5)
    assert estimates.mean_talk_s == pytest.approx(150.0, rel=0.06)
    assert estimates.mean_wrap_s == pytest.approx(30.0, rel=0.03)
    assert (estimates.dials, estimates.observed_at) == (0, None)


def test_what_was_seen_outweighs_the_prior() -> None:
    """After 2,000 dials rate, means and shapes are those of the calls seen, up to the prior's small weight."""
    estimates = taught().snapshot(0.0)
    # 0.0112 is the standard deviation of this estimate at a constant 0.1: 3.6 of them, error probability about 0.01.
    assert estimates.p_live == pytest.approx(0.1, abs=0.04)
    assert estimates.mean_ring_s == pytest.approx(10.0, abs=1.0)
    assert estimates.mean_talk_s == pytest.approx(50.0, rel=0.08)
    assert estimates.mean_wrap_s == pytest.approx(10.0, rel=0.08)
    p_free = estimates.times.p_free_from_talk([0.0, 50.0], [20.0, 30.0])
    assert p_free[0] == pytest.approx([0.0, 0.0], abs=0.03)
    assert p_free[1, 1] > 0.9


def test_recent_calls_weigh_more() -> None:
    """After a switch of the answer rate the estimate follows within about its memory."""
    learner = Learner(memory=Memory(dials=200.0))
    for hit in [True, False] * 500 + [True] + [False] * 9:
        learner.observe_dial_resolved(hit, 8.0, 0.0)
    before = learner.snapshot(0.0).p_live
    for _ in range(60):
        for hit in [True] + [False] * 9:
            learner.observe_dial_resolved(hit, 8.0, 0.0)
    after = learner.snapshot(100.0).p_live
    assert before == pytest.approx(0.47, abs=0.05)
    assert after == pytest.approx(0.13, abs=0.03)


def test_a_line_is_most_dangerous_in_the_middle_of_its_ring() -> None:
    """The chance of a live answer within 5 s rises to about 8 s and is gone once the time-out has passed."""
    p = Learner(Prior(no_answer_s=22.0)).snapshot(0.0).times.live_within(0.25, [0.0, 6.0, 20.0, 23.0], [5.0])[:, 0]
    assert p[1] > p[0]
    assert p[1] > 3 * p[2]
    assert p[3] == 0.0


def test_exponential_residuals_do_not_depend_on_age() -> None:
    """For exponential talk and wrap-up P(free within h) is the closed form at every age, to 1e-4."""
    horizons = np.array([0.5, 4.7, 12.0, 33.3])
    talk, wrap = 120.0, 30.0
    expected = 1.0 - (talk * np.exp(-horizons / talk) - wrap * np.exp(-horizons / wrap)) / (talk - wrap)
    p_free = exponential().p_free_from_talk([0.0, 10.0, 400.0], horizons)
    assert p_free == pytest.approx(np.tile(expected, (3, 1)), abs=1e-4)
    from_wrap = exponential().p_free_from_wrap([0.0, 50.0], horizons)
    assert from_wrap == pytest.approx(np.tile(1.0 - np.exp(-horizons / wrap), (2, 1)), abs=1e-3)


def test_live_answers_follow_bayes() -> None:
    """For one ring law of both kinds P(live within h | age) is p times the conditional CDF."""
    p_live = exponential().live_within(0.3, [0.0, 7.3, 30.0], [2.0, 11.0])
    expected = 0.3 * (1.0 - np.exp(-np.array([2.0, 11.0]) / 15.0))
    assert p_live == pytest.approx(np.tile(expected, (3, 1)), abs=1e-3)


def test_long_conversations_get_longer() -> None:
    """With the heavy tail of real talk an agent ten minutes into a call is freed later than one at two minutes."""
    p_free = Learner().snapshot(0.0).times.p_free_from_talk([120.0, 600.0], [60.0])[:, 0]
    assert p_free[0] > p_free[1] > 0.0


def test_a_stuck_agent_is_not_expected_back() -> None:
    """A talk far beyond every talk seen falls back on the prior's tail, not on certainty."""
    p_free = taught().snapshot(0.0).times.p_free_from_talk([55.0, 300.0], [25.0])[:, 0]
    assert p_free[0] > 0.5
    assert p_free[1] < 0.3


def test_ring_quantiles_ascend_inside_the_ring() -> None:
    """The five ring times ascend and enclose the mean."""
    estimates = taught().snapshot(0.0)
    quantiles = estimates.times.ring_quantiles(5)
    assert list(quantiles) == sorted(quantiles)
    assert 5.0 <= quantiles[0] < estimates.mean_ring_s < quantiles[-1] <= 15.0


def test_an_answer_probability_for_each_age() -> None:
    """Lines of several probabilities are looked up at once, each as if alone."""
    ages, p = [0.0, 7.3, 30.0], [0.1, 0.5, 0.9]
    together = exponential().live_within(p, ages, [2.0, 11.0])
    for row, (one, age) in enumerate(zip(p, ages, strict=True)):
        assert together[row] == pytest.approx(exponential().live_within(one, [age], [2.0, 11.0])[0])


def test_probabilities_are_of_now_and_tables_rebuilt_seldom() -> None:
    """A snapshot is new as soon as something was seen; its tables follow after 20 s, or 5 s when much was seen."""
    learner = taught(count=200)
    first = learner.snapshot(1000.0)
    assert learner.snapshot(2000.0) is first
    learner.observe_dial_resolved(True, 9.0, 2000.0)
    second = learner.snapshot(1019.0)
    assert second.times is first.times
    assert second.p_live > first.p_live
    assert learner.snapshot(1019.5) is second
    third = learner.snapshot(1021.0)
    assert third.times is not first.times
    for _ in range(40):
        learner.observe_dial_resolved(True, 9.0, 1022.0)
    assert learner.snapshot(1025.0).times is third.times
    assert learner.snapshot(1026.5).times is not third.times


def test_unannounced_departures_are_learned() -> None:
    """The share of wrap-ups that end with a ready agent starts near one and follows what is seen."""
    learner = Learner()
    assert learner.snapshot(0.0).p_return == pytest.approx(0.98)
    for _ in range(100):
        learner.observe_return(False, 0.0)
        learner.observe_return(True, 0.0)
    assert learner.snapshot(1.0).p_return == pytest.approx(0.6, abs=0.05)


def test_classified_answers_are_learned() -> None:
    """The share of people among answers starts at its prior and follows what the detector says."""
    learner = Learner(Prior(p_live_if_answered=0.6))
    assert learner.snapshot(0.0).p_live_if_answered == pytest.approx(0.6)
    for _ in range(300):
        learner.observe_classified(True, 0.0)
    assert learner.snapshot(60.0).p_live_if_answered > 0.95


@pytest.mark.parametrize("seconds", [-1.0, float("nan")])
def test_times_that_ran_backwards_are_refused(seconds: float) -> None:
    """A duration below zero or no number is refused and nothing is learned of it."""
    with pytest.raises(OutOfDomain, match="expected seconds >= 0"):
        Learner().observe_talk(seconds, 0.0)


def test_groups_and_changes_reach_the_estimates() -> None:
    """A group's probability is given by name, another's is the campaign's; a change is dated when it is detected."""
    rng = np.random.default_rng(3)
    learner = Learner()
    for at in range(800):
        learner.observe_dial_resolved(bool(rng.random() < 0.15), 9.0, float(at), "mobile")
    before = learner.snapshot(800.0)
    assert before.p_of("mobile") == pytest.approx(0.15, abs=0.05)
    assert before.p_of("never seen") == before.p_live
    for at in range(800, 1000):
        learner.observe_dial_resolved(bool(rng.random() < 0.5), 9.0, float(at))
    after = learner.snapshot(1000.0)
    assert before.changed_at is None
    assert after.changed_at is not None and 800.0 < after.changed_at < 880.0
    assert after.p_of("mobile") == pytest.approx(before.p_of("mobile"), abs=0.02)


def test_conversations_underway_renew_the_tables() -> None:
    """With nothing new observed, agents who do not end their wrap-up are still news: after 20 s fewer are expected."""
    learner = taught(count=300)
    first = learner.snapshot(0.0, (), (5.0,) * 10)
    second = learner.snapshot(60.0, (), (65.0,) * 10)
    assert second is not first
    assert second.mean_wrap_s > 1.2 * first.mean_wrap_s
    assert learner.snapshot(61.0, (), (66.0,) * 10) is second
