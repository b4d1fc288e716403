"""What a start makes of the attempts that earlier runs kept."""

from dataclasses import replace

from dialer.domain.outcome import Outcome
from dialer.domain.records import Attempt
from dialer.engine.recovery import spent
from tests.unit.engine.rig import AT, policy

OPEN = Attempt(call_id=7, campaign="survey", lead_id=1, number="+447700900003", mode="power", placed_at=AT)
LIVE = replace(OPEN, is_live=True, classified_at=AT + 10.0, released_at=AT + 60.0, outcome=Outcome.CONNECTED)


def test_the_budget_counts_live_answers_abandonments_and_the_unknown() -> None:
    """A connect is live, an abandonment is both, an unknown fate counts as both, a machine as neither."""
    abandoned = replace(LIVE, is_abandoned=True, abandoned_at=AT + 12.0, outcome=Outcome.ABANDONED)
    unknown = replace(OPEN, outcome=Outcome.UNKNOWN, released_at=AT + 90.0)
    machine = replace(OPEN, outcome=Outcome.MACHINE, released_at=AT + 20.0)
    found = spent([unknown, machine, abandoned, LIVE], policy(), None)
    assert (found.live, found.abandoned) == (3, 2)
    assert [minute for minute, _, _ in found.hour] == sorted(minute for minute, _, _ in found.hour)


def test_yesterdays_attempts_are_not_todays() -> None:
    """Only the window that the last attempt fell into counts."""
    yesterday = replace(LIVE, placed_at=AT - 86400.0, classified_at=AT - 86400.0)
    assert spent([yesterday, LIVE], policy(), None).live == 1
