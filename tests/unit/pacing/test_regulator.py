"""The regulator steers the count of abandonments to its aim."""

from dataclasses import replace
from datetime import UTC, datetime
from math import exp, inf
from random import Random
from statistics import fmean, pstdev

import pytest

from dialer.domain.policy import Window
from dialer.pacing.base import DialDecision
from dialer.pacing.budget import AbandonmentBudget
from dialer.pacing.regulator import Regulator, psi_start
from dialer.queueing.errors import OutOfDomain

FREE = DialDecision(calls=4, reserve=False, limited_by="wanted", wanted=4)
START = psi_start(10, 0.025)
NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC).timestamp()


def budget_of(live: int, at: float = NOON - 7200.0) -> AbandonmentBudget:
    budget = AbandonmentBudget(cap_rate=0.03, window=Window.DAY, tz=UTC)
    for _ in range(live):
        budget.record_live(at)
    return budget


EMPTY = budget_of(0)


def steering(target_rate: float = 0.025, cap_rate: float = 0.03) -> Regulator:
    """A regulator that has met its window, still empty."""
    regulator = Regulator(target_rate, cap_rate)
    regulator.psi(10, EMPTY, NOON)
    return regulator


def test_psi_starts_lower_for_larger_teams() -> None:
    """The start falls with the team from .055 to .018 at 3 %, and scales with the target."""
    starts = [psi_start(agents, 0.03) for agents in (0, 1, 2, 3, 5, 10, 20, 35, 50, 100, 1000)]
    assert starts == sorted(starts, reverse=True)
    assert (starts[0], starts[4], starts[8], starts[-1]) == pytest.approx((0.055, 0.04, 0.02, 0.018))
    assert psi_start(10, 0.015) == pytest.approx(0.015)


def test_at_the_target_psi_rests() -> None:
    """One abandonment in forty live answers, the target, leaves psi where it is."""
    regulator = steering()
    for turn in range(50 * 40):
        regulator.record_live()
        if turn % 40 == 20:
            regulator.record_abandoned()
    assert regulator.psi(10, EMPTY, NOON) == pytest.approx(START, rel=0.3)


@pytest.mark.parametrize(("abandoned_each", "is_up"), [(0, True), (3, False)])
def test_psi_moves_against_the_error(abandoned_each: int, is_up: bool) -> None:
    """No abandonments raise psi, three times the target lower it."""
    regulator = steering()
    for _ in range(20):
        for _ in range(40):
            regulator.record_live()
        for _ in range(abandoned_each):
            regulator.record_abandoned()
    assert (regulator.psi(10, EMPTY, NOON) > START) == is_up


def test_psi_stays_within_a_factor_of_eight() -> None:
    """Whatever happens, psi is bounded both ways."""
    up, down = steering(), steering()
    for _ in range(100_000):
        up.record_live()
        down.record_abandoned()
    assert up.psi(10, EMPTY, NOON) == pytest.approx(8 * START)
    assert down.psi(10, EMPTY, NOON) == pytest.approx(START / 8)


def test_a_burst_is_paid_back_without_strangling_the_day() -> None:
    """Ten abandonments at once lower psi to a third, not to nothing, and 400 live answers later they are paid."""
    regulator = steering()
    for _ in range(10):
        regulator.record_abandoned()
    assert 0.2 * START < regulator.psi(10, EMPTY, NOON) < 0.45 * START
    regulator.heed(replace(FREE, reserve=True, limited_by="guard"))
    for _ in range(400):
        regulator.record_live()
    assert regulator.psi(10, EMPTY, NOON) == pytest.approx(START)


@pytest.mark.parametrize("bound", [replace(FREE, limited_by="lines"), replace(FREE, reserve=True, limited_by="budget")])
def test_an_hour_bound_by_lines_earns_no_burst(bound: DialDecision) -> None:
    """While lines, leads or the governor bind, live answers save nothing up; abandonments still lower psi."""
    regulator = steering()
    regulator.heed(bound)
    for _ in range(1000):
        regulator.record_live()
    assert regulator.psi(10, EMPTY, NOON) == START
    regulator.record_abandoned()
    assert regulator.psi(10, EMPTY, NOON) < START


def test_live_answers_of_progressive_dialing_pay_an_excess_back() -> None:
    """What the governor's reserved calls bring in counts against the excess: psi is whole again when it is paid."""
    regulator = steering()
    regulator.record_abandoned()
    regulator.heed(replace(FREE, reserve=True, limited_by="guard"))
    for _ in range(40):
        regulator.record_live()
    assert regulator.psi(10, EMPTY, NOON) == pytest.approx(START)


def test_people_taken_for_machines_count_like_abandonments() -> None:
    """Four machine verdicts of which each is a person with probability 1/4 weigh as one live answer, abandoned."""
    counted, estimated = steering(), steering()
    counted.record_live()
    counted.record_abandoned()
    for _ in range(4):
        estimated.record_estimated(0.25)
    assert counted.psi(10, EMPTY, NOON) == pytest.approx(estimated.psi(10, EMPTY, NOON), rel=1e-3)


def test_the_count_of_a_day_keeps_near_its_aim() -> None:
    """Where the rate follows psi, the day's excess stays within a few abandonments, not a Poisson's many.

    200 days of 1,320 live answers whose rate is 3 % times psi over its right value, which is half the start: the mean
    excess is within .4 of 0 (five standard errors), the standard deviation below 2.2; unsteered it would be 6.3.
    """
    rng, ends = Random(5), []
    for _ in range(200):
        regulator, abandoned = Regulator(0.03, 0.1), 0
        for _ in range(1320):
            regulator.record_live()
            if rng.random() < 0.03 * regulator.psi(10, EMPTY, NOON) / (0.5 * psi_start(10, 0.03)):
                regulator.record_abandoned()
                abandoned += 1
        ends.append(abandoned - 0.03 * 1320)
    assert abs(fmean(ends)) < 0.5
    assert pstdev(ends) < 2.2


def test_a_target_at_the_cap_keeps_a_reserve() -> None:
    """With the target at the cap psi falls as the window fills, until two abandonments are held back."""
    close, apart = Regulator(0.03, 0.03), Regulator(0.02, 0.03)
    assert close.psi(10, EMPTY, NOON) == psi_start(10, 0.03)
    assert close.psi(10, budget_of(1000), NOON) < close.psi(10, budget_of(100), NOON) < close.psi(10, EMPTY, NOON)
    assert apart.psi(10, budget_of(1000), NOON) == psi_start(10, 0.02)


def test_the_span_grows_with_the_distance_from_the_cap() -> None:
    """With room under the cap one abandonment moves psi little; close to the cap it moves psi much."""
    moved = []
    for live in (0, 600):
        regulator = Regulator(0.025, 0.03)
        budget = budget_of(live)
        before = regulator.psi(10, budget, NOON)
        regulator.record_abandoned()
        moved.append(regulator.psi(10, budget, NOON) / before)
    assert moved[0] < 0.75 < 0.9 < moved[1] < 1.0


def test_a_new_window_begins_with_a_clean_count() -> None:
    """What was owed or saved yesterday is neither owed nor saved today."""
    regulator, budget = Regulator(0.025, 0.03), budget_of(10)
    regulator.psi(10, budget, NOON)
    regulator.record_abandoned()
    assert regulator.psi(10, budget, NOON) < 0.9 * START
    assert regulator.psi(10, budget, NOON + 86400.0) == START


def test_a_restart_finds_the_debt_of_the_window_but_no_savings() -> None:
    """A regulator that meets a window already open owes what the window is over its target, and has saved nothing."""
    over, under = budget_of(100), budget_of(100)
    for _ in range(6):
        over.record_abandoned(NOON - 7200.0)
    fresh = Regulator(0.025, 0.03).psi(10, under, NOON)
    assert Regulator(0.025, 0.03).psi(10, over, NOON) < 0.6 * fresh
    assert fresh < START  # the reserve


def test_what_was_learned_of_the_floor_goes_on() -> None:
    """The base of one regulator is where the next begins, within its bounds."""
    regulator = steering()
    for _ in range(2000):
        regulator.record_live()
    assert regulator.base > 0.1
    assert Regulator(0.025, 0.03, regulator.base).psi(10, EMPTY, NOON) == pytest.approx(START * exp(regulator.base))


@pytest.mark.parametrize("target_rate", [0.0, 1.0, 3.0, inf])
def test_a_target_in_percent_is_refused(target_rate: float) -> None:
    """A target is a share above 0; with a target of 0 there is nothing to regulate."""
    with pytest.raises(OutOfDomain, match="target_rate"):
        Regulator(target_rate, 0.03)
