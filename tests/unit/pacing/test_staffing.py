"""The steady rates of a team, against the tables and against what they mean."""

from dataclasses import replace

import pytest

from dialer.domain.policy import AbandonmentPolicy
from dialer.pacing.staffing import staffing

POLICY = AbandonmentPolicy(target_rate=0.03, cap_rate=0.03, threshold_s=2.0)


@pytest.mark.parametrize(("agents", "occupancy"), [(20, 0.671), (30, 0.739), (50, 0.816), (100, 0.886)])
def test_an_even_rate_keeps_large_teams_busy_only(agents: int, occupancy: float) -> None:
    """The first rate is that of simulated open-loop dialing at 3 % lost."""
    team = staffing(agents, 180.0, POLICY)
    served = 0.97 * team.first_per_hour * 180.0 / 3600.0 / agents
    assert served == pytest.approx(occupancy, abs=0.016)


def test_nothing_lies_above_the_ceiling() -> None:
    """At the ceiling the agents never rest, and exactly the cap is lost; the first rate stays below it."""
    team = staffing(12, 150.0, POLICY)
    served_per_hour = 12 * 3600.0 / 150.0
    assert team.ceiling_per_hour - served_per_hour == pytest.approx(0.03 * team.ceiling_per_hour)
    assert team.first_per_hour < served_per_hour


def test_a_target_of_zero_has_no_first_rate() -> None:
    """Who may lose nobody cannot dial blindly; the ceiling is that of agents who never rest."""
    team = staffing(5, 180.0, replace(POLICY, target_rate=0.0, cap_rate=0.0))
    assert team.first_per_hour == 0.0
    assert team.ceiling_per_hour == pytest.approx(100.0)
