"""Shifts, replications and the packaged worlds."""

from datetime import UTC, datetime

import pytest

from dialer.domain.policy import AbandonmentPolicy, HoursPolicy, PacingMode, PacingPolicy
from dialer.errors import ConfigError, UsageError
from dialer.simulator.driver import plan_shift
from dialer.simulator.replicate import Plan, replicate
from dialer.simulator.scenario import load_world, packaged_worlds
from tests.unit.simulator.floor import campaign

WEEKDAY = ((32400, 43200), (46800, 64800))  # 9-12 and 13-18 h


def utc(day: int, hour: int) -> float:
    """An instant of June 2025."""
    return datetime(2025, 6, day, hour, tzinfo=UTC).timestamp()


def test_a_shift_counts_open_hours_only() -> None:
    """Ten open hours of a campaign open for eight a day: lunch and the night are closed."""
    policy = campaign(hours=HoursPolicy(week=((WEEKDAY,) * 5 + ((),) * 2)))
    shift = plan_shift(policy, 10.0)
    assert (shift.start_at, shift.end_at) == (utc(2, 9), utc(3, 11))
    assert shift.closed == ((utc(2, 12), utc(2, 13)), (utc(2, 18), utc(3, 9)))


def test_a_shift_begins_in_the_campaigns_zone() -> None:
    """The first opening is on the Monday of the campaign's own time zone."""
    policy = campaign(hours=HoursPolicy(week=((WEEKDAY,) * 7)), abandonment=AbandonmentPolicy(time_zone="Asia/Seoul"))
    assert plan_shift(policy, 1.0).start_at == utc(2, 0)


def test_a_campaign_that_never_opens_is_refused() -> None:
    """There is nothing to simulate without calling hours."""
    with pytest.raises(UsageError, match="calling hours"):
        plan_shift(campaign(hours=HoursPolicy(week=((),) * 7)), 1.0)


def plan(runs: int) -> Plan:
    """A small floor."""
    policy = campaign(pacing=PacingPolicy(mode=PacingMode.PREDICTIVE))
    return Plan(policy=policy, scenario=load_world("default"), agents=3, hours=0.25, runs=runs, seed=4)


def test_workers_do_not_change_the_result() -> None:
    """Two processes give exactly what one gives."""
    assert replicate(plan(3), workers=2) == replicate(plan(3), workers=1)


def test_one_run_has_no_interval() -> None:
    """A single run gives a mean and no limits; every run is reported as it ends."""
    ended: list[None] = []
    measures = replicate(plan(1), progress=lambda: ended.append(None))
    assert len(ended) == 1
    dials = next(measure for measure in measures if measure.name == "dials")
    assert dials.interval is not None
    assert dials.interval.high == float("inf")


@pytest.mark.parametrize("name", packaged_worlds())
def test_packaged_worlds_load(name: str) -> None:
    """Every packaged world is valid, and says what it is and where its figures come from."""
    scenario = load_world(name)
    assert scenario.title
    assert scenario.source


def test_an_unknown_world_is_refused() -> None:
    """A name that is neither a file nor a packaged world is refused with the names there are."""
    with pytest.raises(ConfigError, match="markov"):
        load_world("nowhere")
