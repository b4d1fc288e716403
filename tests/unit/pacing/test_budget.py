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


def test_a_clock_that_jumps_over_midnight_and_back_finds_its_day_again() -> None:
    """An hour ahead opens the next day; back again the counts of the first are there, and those of the second wait."""
    budget, at = filled(40, 2, now=NOON + 11.5 * 3600), NOON + 11.5 * 3600
    budget.record_live(at + 3600.0)
    assert (budget.live(at + 3600.0), budget.live(at), budget.abandoned(at)) == (1, 40, 2)
    assert budget.last_hour(at) == (41, 2)
    assert budget.live(at + 3601.0) == 1


def test_each_machine_is_a_part_of_a_live_answer_and_of_an_abandonment() -> None:
    """5 people in 500 machines checked: 100 machines are one live answer and one abandonment more."""
    budget = budget_of(machine_check=(5, 500))
    for _ in range(99):
        budget.record_live(NOON)
    for _ in range(100):
        budget.record_machine(NOON)
    people = budget.people(NOON)
    assert people is not None
    assert (budget.live(NOON), budget.abandoned(NOON), budget.machines(NOON)) == (99, 0, 100)
    assert (budget.weighed(NOON), budget.last_hour(NOON), budget.rate(NOON)) == ((100.0, 1.0), (100.0, 1.0), 0.01)
    assert budget.remaining(NOON) == 2
    assert people.mean == 1.0
    assert (people.low, people.high) == pytest.approx(
        (0.3255, 2.3173), abs=1e-3
    )  # exact limits of 5 in 500: .33, 2.32 %


def test_without_a_check_no_machine_counts() -> None:
    """What nobody measured is not guessed: machines are counted, people among them are unknown."""
    budget = filled(100, 1)
    budget.record_machine(NOON)
    assert (budget.machines(NOON), budget.people(NOON), budget.rate(NOON)) == (1, None, 0.01)
    assert budget.infeasible(NOON) is None


@pytest.mark.parametrize(
    ("live", "machines", "check", "cap_rate", "is_infeasible"),
    [
        (50, 100, (2, 100), 0.03, True),  # 2 of 52
        (49, 100, (2, 100), 0.03, False),  # too little is known: 49 live answers, an estimate of 2
        (20, 150, (2, 100), 0.03, True),  # 3 of 23, and three people are evidence enough
        (100, 100, (2, 100), 0.03, False),  # 2 of 102
        (97, 100, (3, 100), 0.03, True),  # 3 of 100: at the cap is at the cap
        (50, 1000, (0, 100), 0.03, False),
        (50, 1000, (0, 100), 0.0, False),  # a cap of 0 is progressive, unless somebody was found
        (50, 1, (1, 100), 0.0, True),
    ],
)
def test_a_cap_is_infeasible_when_the_estimate_alone_reaches_it(
    live: int, machines: int, check: tuple[int, int], cap_rate: float, is_infeasible: bool
) -> None:
    """People taken for machines over live answers, they included, at or above the cap: said only with evidence."""
    budget = budget_of(cap_rate=cap_rate, machine_check=check)
    for _ in range(live):
        budget.record_live(NOON)
    for _ in range(machines):
        budget.record_machine(NOON)
    assert (budget.infeasible(NOON) is not None) == is_infeasible


def test_another_check_or_another_day_makes_it_feasible_again() -> None:
    """The operator's next check holds for the whole window; at midnight the machines of the day are history."""
    budget = budget_of(machine_check=(5, 100))
    for _ in range(100):
        budget.record_live(NOON)
        budget.record_machine(NOON)
    assert budget.infeasible(NOON) is not None
    assert budget.infeasible(NOON + DAY_S) is None
    budget.hold_to(0.03, (1, 100))
    assert budget.infeasible(NOON) is None


def test_a_snapshot_of_an_earlier_release_still_loads() -> None:
    """Snapshots without machines count none."""
    budget = budget_of(
        restored=BudgetSnapshot(first_live_at=None, opens_at=NOON, live=9, abandoned=1, hour=((int(NOON) // 60, 9, 1),))
    )
    assert (budget.live(NOON), budget.abandoned(NOON), budget.machines(NOON)) == (9, 1, 0)
    assert budget.last_hour(NOON) == (9, 1)


def test_a_restart_keeps_the_machines() -> None:
    """The counts of the window and of the hour survive together with those of people."""
    budget = budget_of(machine_check=(1, 2))
    budget.record_live(NOON)
    budget.record_machine(NOON)
    again = budget_of(machine_check=(1, 2), restored=budget.snapshot())
    assert (again.weighed(NOON), again.last_hour(NOON)) == ((1.5, 0.5), (1.5, 0.5))


def test_budgets_that_count_together_answer_alike() -> None:
    """Each counts its own, each answers for both, and each holds to its own cap and check."""
    one, other = budget_of(machine_check=(1, 10)), budget_of(cap_rate=0.05)
    for budget in (one, other):
        budget.count_with([one, other])
    for _ in range(50):
        one.record_live(NOON)
        other.record_live(NOON)
        one.record_machine(NOON)
    other.record_abandoned(NOON)
    assert one.weighed(NOON) == other.weighed(NOON) == (105.0, 6.0)
    assert one.last_hour(NOON) == other.last_hour(NOON) == (105.0, 6.0)
    assert (one.live(NOON), one.abandoned(NOON), one.machines(NOON)) == (100, 1, 50)
    assert (one.remaining(NOON), other.remaining(NOON)) == (-3, -1)
    assert (one.snapshot().live, other.snapshot().abandoned, other.snapshot().machines) == (50, 1, 0)
    one.count_with([one])
    assert one.live(NOON) == 50


def test_blocks_that_count_together_start_with_the_first_live_answer_of_all() -> None:
    """A campaign that comes later, or was restored with a later start, joins the blocks of the first."""
    first, second, third = (budget_of(Window.BLOCKS_30D) for _ in range(3))
    first.record_live(NOON)
    second.record_live(NOON + 20 * DAY_S)
    for budget in (first, second, third):
        budget.count_with([first, second, third])
    at = NOON + 20 * DAY_S
    assert {budget.span(at) for budget in (first, second, third)} == {(NOON, NOON + 30 * DAY_S)}
    assert [budget.live(at) for budget in (first, second, third)] == [2, 2, 2]
    assert third.live(NOON + 31 * DAY_S) == 0


def test_a_block_that_joins_another_halfway_is_not_lost() -> None:
    """A block from the 20th day on, joined on the 35th to blocks from the first, counts in the second of those."""
    first, second = budget_of(Window.BLOCKS_30D), budget_of(Window.BLOCKS_30D)
    first.record_live(NOON)
    for day in (20, 25, 34):
        second.record_live(NOON + day * DAY_S)
    again = budget_of(Window.BLOCKS_30D, restored=second.snapshot())
    for budget in (second, again):
        budget.count_with([first, budget])
        assert budget.live(NOON + 35 * DAY_S) == 3


def test_the_first_live_answer_starts_the_blocks_of_all() -> None:
    """What was counted before it, machines above all, is in the first block."""
    one, other = budget_of(Window.BLOCKS_30D), budget_of(Window.BLOCKS_30D)
    for budget in (one, other):
        budget.record_machine(NOON)
        budget.count_with([one, other])
    one.record_live(NOON + DAY_S)
    assert other.span(NOON + 2 * DAY_S) == (NOON + DAY_S, NOON + 31 * DAY_S)
    assert other.machines(NOON + 2 * DAY_S) == 2


@pytest.mark.parametrize("check", [(1, 0), (-1, 10), (11, 10)])
def test_an_impossible_check_is_refused(check: tuple[int, int]) -> None:
    """Of so many calls that were listened to, between none and all were people."""
    with pytest.raises(OutOfDomain):
        budget_of(machine_check=check)
