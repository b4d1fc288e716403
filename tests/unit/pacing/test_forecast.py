"""When the budget is spent at the pace of the last hour, and at what rate the window closes."""

from datetime import UTC, datetime
from math import exp, lgamma, log, log1p

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dialer.domain.policy import Window
from dialer.pacing.budget import AbandonmentBudget
from dialer.pacing.forecast import LEVEL, Forecast, Pace, abandonments_to_come, forecast, pace_of

MIDNIGHT = datetime(2026, 3, 10, tzinfo=UTC).timestamp()
NOON = MIDNIGHT + 12 * 3600.0
EVENING = ((NOON, MIDNIGHT + 20 * 3600.0),)


def counted(
    *, every_s: float, abandoned_each: int, from_at: float, to_at: float, cap: float = 0.03
) -> AbandonmentBudget:
    """A day on which somebody answers every `every_s` seconds, and each so-manieth finds no agent."""
    budget = AbandonmentBudget(cap_rate=cap, window=Window.DAY, tz=UTC)
    for index in range(int((to_at - from_at) / every_s)):
        budget.record_live(from_at + index * every_s)
        if abandoned_each and index % abandoned_each == abandoned_each - 1:
            budget.record_abandoned(from_at + index * every_s)
    return budget


def foreseen(
    budget: AbandonmentBudget, now: float = NOON, dialing: tuple[tuple[float, float], ...] = EVENING
) -> Forecast:
    """A forecast that has to be there."""
    found = forecast(budget, now, dialing)
    assert found is not None
    return found


def test_a_pace_over_the_cap_spends_the_budget_before_the_window_closes() -> None:
    """200 answers an hour, 4 % abandoned, 3 hours gone and 8 to come: the 65 or 66 of 2200 are spent after 5 hours.

    The hour is cut to whole minutes, so a figure may be off by an answer in fifty.
    """
    found = foreseen(counted(every_s=18.0, abandoned_each=25, from_at=NOON - 3 * 3600.0, to_at=NOON))
    assert found.live == pytest.approx(2200.0, rel=0.02)
    assert found.budget == int(0.03 * found.live)
    assert found.spent_at == pytest.approx(NOON + (found.budget - 24) / 8.0 * 3600.0, rel=0.0, abs=600.0)
    assert found.rate == pytest.approx(0.04, rel=0.03)
    assert found.low < 0.04 < found.high
    assert (found.closes_at, found.dialing_ends_at) == (MIDNIGHT + 86400.0, EVENING[0][1])


def test_a_pace_under_the_cap_never_spends_it() -> None:
    """2 % of 200 an hour leave some of the budget over."""
    found = foreseen(counted(every_s=18.0, abandoned_each=50, from_at=NOON - 3 * 3600.0, to_at=NOON))
    assert found.spent_at is None
    assert found.rate == pytest.approx(0.02, rel=0.03)


def test_what_is_overdrawn_is_spent_now() -> None:
    """A morning of 10 % cannot be made good in an hour; if dialing is over there is nothing to come."""
    budget = counted(every_s=18.0, abandoned_each=10, from_at=NOON - 3 * 3600.0, to_at=NOON)
    assert foreseen(budget, dialing=((NOON, NOON + 3600.0),)).spent_at == NOON
    over = foreseen(budget, dialing=())
    assert (over.live, over.abandoned, over.dialing_ends_at) == (600.0, 60.0, NOON)
    assert over.low == over.rate == over.high == 0.1


def test_the_night_spends_nothing() -> None:
    """In a window of 30 days the budget outlasts the hours without dialing, and is spent in the dialing after them."""
    budget = AbandonmentBudget(cap_rate=0.03, window=Window.BLOCKS_30D, tz=UTC)
    for index in range(200):
        budget.record_live(NOON - 3600.0 + 18.0 * index)
        if index % 20 == 19:
            budget.record_abandoned(NOON - 3600.0 + 18.0 * index)
    days = tuple((NOON + 86400.0 * day, NOON + 86400.0 * day + 3600.0) for day in range(3))
    found = foreseen(budget, dialing=days)
    assert found.budget in (23, 24)  # of 200 + 3 x 200
    assert found.spent_at is not None
    assert days[1][0] < found.spent_at < days[1][1]  # 10 until now, 10 today, 3 or 4 tomorrow
    assert found.spent_at == pytest.approx(days[1][0] + (found.budget - 20) / 10.0 * 3600.0, rel=0.0, abs=120.0)


def test_a_short_day_has_the_pace_of_its_minutes() -> None:
    """20 minutes of dialing after a pause of hours count as 20 minutes, not as an hour."""
    budget = counted(every_s=60.0, abandoned_each=0, from_at=NOON - 6 * 3600.0, to_at=NOON - 5 * 3600.0)
    for index in range(40):
        budget.record_live(NOON - 1200.0 + 30.0 * index)
    pace = pace_of(budget, NOON)
    assert pace == Pace(for_s=1200.0, live=40, abandoned=0)


def test_campaigns_that_count_together_have_one_pace() -> None:
    """Their answers are added, over the time since the first of any of them."""
    early = counted(every_s=60.0, abandoned_each=10, from_at=NOON - 1800.0, to_at=NOON)
    late = counted(every_s=60.0, abandoned_each=0, from_at=NOON - 900.0, to_at=NOON)
    for budget in (early, late):
        budget.count_with((early, late))
        assert pace_of(budget, NOON) == Pace(for_s=1800.0, live=45, abandoned=3)


@pytest.mark.parametrize(("answers", "for_s"), [(0, 3600.0), (9, 3000.0), (100, 500.0)])
def test_a_handful_of_answers_is_no_pace(answers: int, for_s: float) -> None:
    """Fewer than ten live answers, or less than ten minutes, give no forecast."""
    budget = AbandonmentBudget(cap_rate=0.03, window=Window.DAY, tz=UTC)
    for index in range(answers):
        budget.record_live(NOON - for_s + index * for_s / answers)
    assert forecast(budget, NOON, EVENING) is None


def negative_binomial(pace: Pace, to_come: float, count: int) -> float:
    """P(X = count) by its own formula, term by term."""
    shape, share = pace.abandoned + 0.5, pace.live / (pace.live + to_come)
    ways = lgamma(shape + count) - lgamma(shape) - lgamma(count + 1.0)
    return exp(ways + shape * log(share) + count * log1p(-share))


@given(live=st.integers(10, 2000), abandoned=st.integers(0, 60), to_come=st.floats(1.0, 20_000.0))
def test_the_interval_holds_its_level(live: int, abandoned: int, to_come: float) -> None:
    """Of the probability, at most 2.5 % lies below the interval and at most 2.5 % above; no narrower one would do."""
    pace = Pace(for_s=3600.0, live=live, abandoned=min(abandoned, live))
    low, high = abandonments_to_come(pace, to_come)
    assume(high < 5000)
    p = np.array([negative_binomial(pace, to_come, count) for count in range(high + 1)])
    below = p.cumsum()
    tail = (1.0 - LEVEL) / 2.0
    assert low == 0 or below[low - 1] < tail + 1e-9
    assert below[low] >= tail - 1e-9
    assert below[high] >= 1.0 - tail - 1e-9
    assert high == 0 or below[high - 1] < 1.0 - tail + 1e-9


def test_the_interval_covers_what_comes() -> None:
    """A rate drawn, an hour counted, four hours foreseen: at least 93 % of 2000 draws lie in the 95 % interval.

    Seed 1. A level of 95 % would fall under 93 % with a probability of about 2e-5.
    """
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(2000):
        rate = rng.gamma(3.0, 0.01)
        seen = int(rng.poisson(rate * 200.0))
        low, high = abandonments_to_come(Pace(for_s=3600.0, live=200, abandoned=seen), 800.0)
        inside += low <= rng.poisson(rate * 800.0) <= high
    assert inside / 2000 >= 0.93


@given(
    every_s=st.floats(5.0, 120.0),
    abandoned_each=st.integers(0, 60),
    hours=st.floats(0.2, 8.0),
    cap=st.floats(0.0, 0.1),
)
def test_a_forecast_agrees_with_itself(every_s: float, abandoned_each: int, hours: float, cap: float) -> None:
    """The rate lies in its interval; the budget is spent before the end exactly when more is expected than allowed."""
    budget = counted(every_s=every_s, abandoned_each=abandoned_each, from_at=NOON - 5400.0, to_at=NOON, cap=cap)
    found = foreseen(budget, dialing=((NOON, NOON + 3600.0 * hours),))
    assert found.low <= found.rate <= found.high
    assert (found.spent_at is not None) == (found.abandoned > found.budget)
    if found.spent_at is not None:
        assert NOON <= found.spent_at <= found.dialing_ends_at
