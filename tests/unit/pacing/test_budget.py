"""The abandonment budget over its windows."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from dialer.domain.policy import Window
from dialer.domain.records import BudgetSnapshot
from dialer.pacing.budget import AbandonmentBudget
from dialer.queueing.errors import OutOfDomain

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC).timestamp()
DAY_S = 86400.0


def budget_of(window: Window = Window.DAY, **changes: object) -> AbandonmentBudget:
    return AbandonmentBudget(**{"cap_rate": 0.03, "window": window, "tz": UTC, **changes})  # type: ignore[arg-type]


def filled(live: int, abandoned: int, window: Window = Window.DAY, now: float = NOON) -> AbandonmentBudget:
    budget = budget_of(window)
    for _ in range(live):
        budget.record_live(now)
    for _ in range(abandoned):
        budget.record_abandoned(now)
    return budget


def test_remaining_is_a_count_and_may_go_negative() -> None:
    """100 live answers at 3 % allow three abandonments; the fourth overdraws the budget."""
    budget = filled(100, 3)
    assert (budget.remaining(NOON), budget.rate(NOON)) == (0, 0.03)
    budget.record_abandoned(NOON)
    assert budget.remaining(NOON) == -1


def test_an_empty_window_has_rate_zero() -> None:
    """Without a live answer there is no rate to breach and nothing to spend."""
    assert (budget_of().rate(NOON), budget_of().remaining(NOON)) == (0.0, 0)


def test_the_day_runs_from_midnight_to_midnight() -> None:
    """The 24 h window is the local calendar day: at midnight the counters start again."""
    budget = AbandonmentBudget(cap_rate=0.03, window=Window.DAY, tz=timezone(timedelta(hours=9)))
    budget.record_live(datetime(2026, 3, 10, 14, 59, 59, tzinfo=UTC).timestamp())
    after = datetime(2026, 3, 10, 15, 0, tzinfo=UTC).timestamp()
    assert budget.live(after - 0.5) == 1
    assert budget.live(after) == 0
    assert budget.span(after) == (after, after + DAY_S)


@pytest.mark.parametrize(("month", "day", "hours"), [(3, 29, 23), (10, 25, 25), (6, 1, 24)])
def test_a_day_of_the_clock_change_is_one_day(month: int, day: int, hours: int) -> None:
    """Where the clocks change the day has 23 or 25 hours, and stays one window."""
    zone = ZoneInfo("Europe/Berlin")
    budget = AbandonmentBudget(cap_rate=0.03, window=Window.DAY, tz=zone)
    opens_at, closes_at = budget.span(datetime(2026, month, day, 12, 0, tzinfo=zone).timestamp())
    assert opens_at == datetime(2026, month, day, tzinfo=zone).timestamp()
    assert closes_at - opens_at == hours * 3600.0


@pytest.mark.parametrize(("month", "days"), [(2, 28), (12, 31), (4, 30)])
def test_the_month_is_the_calendar_month(month: int, days: int) -> None:
    """The month window opens on the first and closes with the next first, also over the new year."""
    opens_at, closes_at = budget_of(Window.CALENDAR_MONTH).span(datetime(2026, month, 17, 8, tzinfo=UTC).timestamp())
    assert opens_at == datetime(2026, month, 1, tzinfo=UTC).timestamp()
    assert closes_at - opens_at == days * DAY_S


def test_blocks_start_with_the_first_live_answer() -> None:
    """Blocks of 30 days follow one another from the first live answer; they do not roll."""
    budget = budget_of(Window.BLOCKS_30D)
    assert budget.live(NOON - 5 * DAY_S) == 0
    budget.record_live(NOON)
    budget.record_live(NOON + 29.9 * DAY_S)
    assert budget.live(NOON + 29.9 * DAY_S) == 2
    assert budget.live(NOON + 30 * DAY_S) == 0
    assert budget.span(NOON + 65 * DAY_S) == (NOON + 60 * DAY_S, NOON + 90 * DAY_S)


def test_the_last_hour_rolls() -> None:
    """The hour forgets what is older than 60 minutes, to the minute."""
    budget = filled(10, 1)
    budget.record_live(NOON + 1800)
    assert budget.last_hour(NOON + 3540) == (11, 1)
    assert budget.last_hour(NOON + 3600) == (1, 0)
    assert budget.last_hour(NOON + 5400) == (0, 0)
    assert budget.live(NOON + 5400) == 11


def test_a_machine_after_all_is_taken_back() -> None:
    """A retracted live answer leaves the denominator of window and hour."""
    budget = filled(10, 0)
    budget.retract_live(NOON + 1)
    assert (budget.live(NOON + 1), budget.last_hour(NOON + 1)) == (9, (9, 0))


def test_a_retraction_after_the_window_closed_changes_nothing() -> None:
    """A correction that arrives when the new window is still empty does not make its count negative."""
    budget = filled(1, 0)
    budget.retract_live(NOON + DAY_S)
    assert budget.live(NOON + DAY_S) == 0


@pytest.mark.parametrize("window", list(Window))
def test_a_restart_changes_nothing(window: Window) -> None:
    """A budget restored from its snapshot answers every question like the one that went down."""
    budget = filled(50, 2, window)
    budget.record_live(NOON + 300)
    again = budget_of(window, restored=BudgetSnapshot(**asdict(budget.snapshot())))
    for at in (NOON + 301, NOON + 3700, NOON + 13 * 3600, NOON + 31 * DAY_S):
        assert again.span(at) == budget.span(at)
        assert (again.live(at), again.abandoned(at)) == (budget.live(at), budget.abandoned(at))
        assert again.last_hour(at) == budget.last_hour(at)


@pytest.mark.parametrize("cap_rate", [-0.01, 1.0, 3.0])
def test_a_cap_in_percent_is_refused(cap_rate: float) -> None:
    """A cap is a share; 3 is not 3 %."""
    with pytest.raises(OutOfDomain, match=r"3 % is written 0\.03"):
        budget_of(cap_rate=cap_rate)
