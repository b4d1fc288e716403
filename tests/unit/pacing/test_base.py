"""The limits of every pacing mode."""

import pytest

from dialer.pacing.base import DialDecision, constrain
from tests.unit.pacing.floors import floor_of

WANTED = DialDecision(calls=7, reserve=False, limited_by="wanted", wanted=7, terms=(("psi", 0.03),))


@pytest.mark.parametrize(
    ("limits", "calls", "limited_by"),
    [
        ({}, 7, "wanted"),
        ({"lines_free": 5}, 5, "lines"),
        ({"calls_allowed": 4}, 4, "calls_per_second"),
        ({"leads": 3}, 3, "leads"),
        ({"lines_free": 5, "calls_allowed": 2, "leads": 3}, 2, "calls_per_second"),
        ({"lines_free": 3, "calls_allowed": 3, "leads": 3}, 3, "lines"),
        ({"lines_free": 0, "leads": 3}, 0, "lines"),
        ({"lines_free": -2}, 0, "lines"),
    ],
)
def test_the_tightest_limit_binds_and_is_named(limits: dict[str, int], calls: int, limited_by: str) -> None:
    """Calls are cut to the smallest limit, which is named; what was wanted and why stays readable."""
    decision = constrain(WANTED, floor_of(**limits))
    assert (decision.calls, decision.limited_by) == (calls, limited_by)
    assert (decision.wanted, decision.terms) == (WANTED.wanted, WANTED.terms)
