"""Preview, progressive and power pacing."""

import pytest

from dialer.pacing.manual import PowerPacer, PreviewPacer, ProgressivePacer
from tests.unit.pacing.floors import floor_of


def test_preview_starts_nothing() -> None:
    """In preview the agent starts the call, so the pacer never does."""
    decision = PreviewPacer().decide(floor_of(ready=5))
    assert (decision.calls, decision.reserve) == (0, True)


@pytest.mark.parametrize(
    ("changes", "calls", "limited_by"),
    [
        ({"ready": 4}, 4, "wanted"),
        ({"ready": 0}, 0, "no_agents"),
        ({"ready": 4, "queued": 1}, 3, "wanted"),
        ({"ready": 1, "queued": 3}, 0, "no_agents"),
        ({"ready": 4, "unanswered_ages": (3.0, 8.0), "answered": 1}, 1, "wanted"),
        ({"ready": 4, "estimates": None}, 4, "wanted"),
    ],
)
def test_progressive_reserves_one_ready_agent_per_call(changes: dict[str, object], calls: int, limited_by: str) -> None:
    """Progressive starts one call per ready agent that neither the queue nor an unreserved call may still need."""
    decision = ProgressivePacer().decide(floor_of(**changes))
    assert (decision.calls, decision.reserve, decision.limited_by) == (calls, True, limited_by)


@pytest.mark.parametrize(
    ("changes", "calls", "limited_by"),
    [
        ({"ready": 4}, 7, "wanted"),
        ({"ready": 4, "unanswered_ages": (1.0,) * 3, "answered": 1}, 3, "wanted"),
        ({"ready": 1, "unanswered_ages": (1.0,) * 3}, 0, "wanted"),
        ({"ready": 2, "queued": 1}, 1, "wanted"),
        ({"ready": 0}, 0, "no_agents"),
    ],
)
def test_power_keeps_the_ratio_per_ready_agent(changes: dict[str, object], calls: int, limited_by: str) -> None:
    """Power fills up to floor(1.8 * ready agents) calls in flight and reserves nobody."""
    decision = PowerPacer(1.8).decide(floor_of(**changes))
    assert (decision.calls, decision.reserve, decision.limited_by) == (calls, False, limited_by)
