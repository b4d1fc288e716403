"""Occupancy at equal abandonment from measured points."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.errors import UsageError
from dialer.simulator.peers.tuning import Point, occupancy_at, tune

POINTS = [
    Point(setting=1.0, rate=0.0, occupancy=0.70),
    Point(setting=1.5, rate=0.01, occupancy=0.80),
    Point(setting=1.7, rate=0.02, occupancy=0.79),
    Point(setting=2.0, rate=0.05, occupancy=0.88),
]


@pytest.mark.parametrize(("rate", "occupancy"), [(0.0, 0.70), (0.005, 0.75), (0.01, 0.80), (0.03, 0.84), (0.09, 0.88)])
def test_mixtures(rate: float, occupancy: float) -> None:
    """Between two policies the straight line; a policy that others dominate changes nothing."""
    assert occupancy_at(POINTS, rate) == pytest.approx(occupancy)


def test_nothing_careful_enough() -> None:
    """Where all points abandon more, nothing can be said."""
    with pytest.raises(UsageError, match=r"lowest of 2 at 2\.00%"):
        occupancy_at(POINTS[2:], 0.01)


shares = st.floats(0.0, 1.0)
measured_points = st.lists(
    st.builds(lambda rate, occupancy: Point(setting=0.0, rate=rate, occupancy=occupancy), shares, shares), min_size=1
)


@given(measured_points, shares)
def test_more_points_never_hurt(points: list[Point], rate: float) -> None:
    """A further measured policy never lowers what tuning reaches, and the result lies among what was measured."""
    careful = Point(setting=0.0, rate=0.0, occupancy=0.0)
    least = occupancy_at([careful], rate)
    assert least == 0.0
    most = max(point.occupancy for point in points)
    assert occupancy_at([careful, *points[:-1]], rate) <= occupancy_at([careful, *points], rate) + 1e-12 <= most + 2e-12


def test_tuning_closes_in() -> None:
    """Each halving keeps the rate asked for between two settings."""
    points = tune(lambda k: Point(setting=k, rate=(k - 1.0) / 10.0, occupancy=k / 4.0), 1.0, 3.0, 0.03, steps=6)
    assert len(points) == 8
    assert points[-1].setting == pytest.approx(1.3, abs=2.0 / 2**6)
    assert occupancy_at(points, 0.03) == pytest.approx(1.3 / 4.0)


def test_tuning_out_of_reach() -> None:
    """Where even the boldest setting abandons less, it is not searched for."""
    points = tune(lambda k: Point(setting=k, rate=0.001 * k, occupancy=0.5), 1.0, 3.0, 0.03, steps=6)
    assert [point.setting for point in points] == [1.0, 3.0]
