"""Durations learned from what has ended and from what is still underway."""

from collections.abc import Callable

import numpy as np
import pytest

from dialer.queueing.errors import OutOfDomain
from dialer.queueing.hazards import LONGEST_S, DurationLearner, FittedHazard
from dialer.queueing.times import TALK_GRID_S

Law = Callable[[np.random.Generator], float]
PRIOR_S = 60.0 * -np.log(1.0 - (np.arange(64) + 0.5) / 64)  # exponential, mean 60 s
WITHIN_S = 12


def learner(memory: float = 300.0) -> DurationLearner:
    return DurationLearner(PRIOR_S, worth=8.0, memory=memory)


def lognormal(mean_s: float, sigma: float = 0.6) -> Law:
    return lambda rng: float(mean_s * np.exp(sigma * rng.standard_normal() - sigma * sigma / 2))


def run(
    learned: DurationLearner, law: Law, agents: int, until: float, seed: int, changed: Law | None = None
) -> list[float]:
    """Let agents work at durations one after the other, ten seconds apart; give the ages underway at `until`.

    Durations that begin after the instant 0 follow `changed`.
    """
    rng = np.random.default_rng(seed)
    ends, underway = [], []
    for _ in range(agents):
        at = -5000.0 - float(rng.uniform(0.0, 60.0))
        while at < until:
            length = (changed if changed is not None and at >= 0.0 else law)(rng)
            if at + length <= until:
                ends.append((at + length, length))
            else:
                underway.append(until - at)
            at += length + 10.0
    for end, length in sorted(ends):
        learned.observe(length, end)
    return underway


def p_within(fitted: FittedHazard, ages: list[float]) -> float:
    """Give how many of those underway are expected to end within `WITHIN_S`."""
    cdf = fitted.cdf(TALK_GRID_S)
    rows = np.rint(ages).astype(np.int64)
    return float(((cdf[rows + WITHIN_S] - cdf[rows]) / (1.0 - cdf[rows])).sum())


def test_the_prior_speaks_first() -> None:
    """Before any observation mean and median are the prior's, up to its 64 values."""
    fitted = learner().fit(0.0, [])
    assert fitted.mean_s == pytest.approx(60.0, rel=0.1)
    assert fitted.cdf(np.array([60.0 * np.log(2.0)]))[0] == pytest.approx(0.5, abs=0.02)


def test_rates_are_events_over_exposure() -> None:
    """Without decay the survival function is Kaplan and Meier's at the edges, up to how time is spent within a bin."""
    rng = np.random.default_rng(1)
    began_at, lengths = rng.uniform(900.0, 1000.0, 4000), rng.uniform(20.0, 80.0, 4000)
    is_over = began_at + lengths <= 1000.0
    learned = DurationLearner(np.array([50.0]), worth=1e-6, memory=1e9)
    for began, length in zip(began_at[is_over], lengths[is_over], strict=True):
        learned.observe(float(length), float(began + length))
    lengths, ages = lengths[is_over], 1000.0 - began_at[~is_over]
    fitted = learned.fit(1000.0, ages.tolist())
    for t in fitted.edges_s[(fitted.edges_s > 25.0) & (fitted.edges_s < 75.0)]:
        ended = np.sort(lengths[lengths <= t])
        at_risk = np.array([(lengths >= one).sum() + (ages >= one).sum() for one in ended])
        survival = np.prod(1.0 - 1.0 / at_risk)
        assert 1.0 - fitted.cdf(np.array([t]))[0] == pytest.approx(survival, abs=0.025)


@pytest.mark.parametrize("agents", [5, 40, 150])
def test_those_underway_do_not_bias(agents: int) -> None:
    """At a steady state what is expected to end is right on average, however many are underway, to a tenth.

    20 seeds; the standard error is 2 %, the error probability below 1e-4.
    """
    foreseen, true = 0.0, 0.0
    law = lognormal(60.0)
    rng = np.random.default_rng(9)
    sample = np.sort(60.0 * np.exp(0.6 * rng.standard_normal(200_000) - 0.18))
    cdf = np.searchsorted(sample, TALK_GRID_S) / len(sample)
    for seed in range(20):
        learned = learner()
        ages = [age for age in run(learned, law, agents, 0.0, seed) if age < 400.0]
        foreseen += p_within(learned.fit(0.0, ages), ages)
        rows = np.rint(ages).astype(np.int64)
        true += float(((cdf[rows + WITHIN_S] - cdf[rows]) / (1.0 - cdf[rows])).sum())
    assert foreseen == pytest.approx(true, rel=0.1)


@pytest.mark.parametrize(
    ("before_s", "after_s", "at_s", "share"), [(30.0, 180.0, 90.0, 0.6), (180.0, 300.0, 240.0, 0.93)]
)
def test_a_change_shows_in_those_still_at_it(before_s: float, after_s: float, at_s: float, share: float) -> None:
    """When durations lengthen, ages tell before endings can: fewer are expected free than without them.

    The fit that leaves those underway out expects at least as many as before; 20 agents, mean of 12 seeds.
    """
    blind, seeing = 0.0, 0.0
    for seed in range(12):
        with_ages, without = learner(), learner()
        ages = run(with_ages, lognormal(before_s), 20, at_s, seed, lognormal(after_s))
        run(without, lognormal(before_s), 20, at_s, seed, lognormal(after_s))
        seeing += p_within(with_ages.fit(at_s, ages), ages)
        blind += p_within(without.fit(at_s, []), ages)
    assert seeing < share * blind


def test_a_longer_wrap_up_is_learned_within_minutes() -> None:
    """Five minutes after wrap-up went from 30 to 180 s, what is expected to end is right within 40 %; 12 seeds."""
    foreseen, true = 0.0, 0.0
    rng = np.random.default_rng(9)
    sample = np.sort(180.0 * np.exp(0.6 * rng.standard_normal(200_000) - 0.18))
    cdf = np.searchsorted(sample, TALK_GRID_S) / len(sample)
    for seed in range(12):
        learned = learner()
        ages = run(learned, lognormal(30.0), 20, 300.0, seed, lognormal(180.0))
        foreseen += p_within(learned.fit(300.0, ages), ages)
        rows = np.rint(ages).astype(np.int64)
        true += float(((cdf[rows + WITHIN_S] - cdf[rows]) / (1.0 - cdf[rows])).sum())
    assert 0.6 * true < foreseen < 1.4 * true


def test_one_stuck_agent_changes_little() -> None:
    """A single conversation that never ends is one of hundreds: the others are expected to end as before, to 15 %."""
    learned = learner()
    ages = run(learned, lognormal(60.0), 10, 0.0, 3)
    before = p_within(learned.fit(0.0, ages), ages)
    after = p_within(learned.fit(0.0, [*ages, 3000.0]), ages)
    assert after == pytest.approx(before, rel=0.15)


def test_a_constant_duration_ends_when_it_should() -> None:
    """Where all last ten seconds, hardly any is expected to end before and hardly any to last on."""
    learned = learner()
    for number in range(500):
        learned.observe(10.0, 20.0 * number)
    cdf = learned.fit(10_000.0, []).cdf(TALK_GRID_S)
    assert cdf[9] < 0.05
    assert cdf[12] > 0.9


def test_no_bin_is_empty() -> None:
    """At every age something may still end: the cumulative rate rises to the last second of the table."""
    learned = learner()
    run(learned, lognormal(30.0), 5, 0.0, 4)
    fitted = learned.fit(0.0, [LONGEST_S + 500.0])
    assert (fitted.rates > 0.0).all()
    assert np.isfinite(fitted.cumulative).all()
    assert np.isfinite(fitted.mean_s)
    assert fitted.edges_s[-1] == LONGEST_S


@pytest.mark.parametrize("age", [-1.0, float("nan")])
def test_ages_that_ran_backwards_are_refused(age: float) -> None:
    """An age below zero, or none, is refused."""
    with pytest.raises(OutOfDomain, match="ages underway"):
        learner().fit(0.0, [5.0, age])
