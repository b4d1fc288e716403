"""What a start makes of what an earlier run left behind."""

from dataclasses import replace

from dialer.domain.commands import RecordAttempt, SaveLead
from dialer.domain.lead import LeadState
from dialer.domain.outcome import Outcome
from dialer.domain.policy import RetryRule
from dialer.domain.records import Attempt
from dialer.engine.recovery import settle_unknown, spent
from dialer.engine.retry import placed
from tests.unit.engine.rig import AT, lead, only, policy

OPEN = Attempt(call_id=7, campaign="survey", lead_id=1, number="+447700900003", mode="power", placed_at=AT)
LIVE = replace(OPEN, is_live=True, classified_at=AT + 10.0, released_at=AT + 60.0, outcome=Outcome.CONNECTED)


def test_an_attempt_without_an_end_is_unknown_and_its_lead_is_left_alone() -> None:
    """Even a lead with another number is not called again without a rule for it."""
    commands = settle_unknown(OPEN, placed(lead(1, numbers=2), 0, AT), policy(), AT + 600.0)
    ended = only(commands, RecordAttempt).attempt
    assert (ended.outcome, ended.released_at) == (Outcome.UNKNOWN, AT + 600.0)
    assert only(commands, SaveLead).lead.state is LeadState.FINISHED


def test_a_rule_for_unknown_calls_again() -> None:
    """The campaign may say that such a lead is retried."""
    made = policy()
    made = replace(made, retry=replace(made.retry, rules={Outcome.UNKNOWN: RetryRule(after_s=900.0, times=1)}))
    known = only(settle_unknown(OPEN, placed(lead(1), 0, AT), made, AT + 600.0), SaveLead).lead
    assert (known.state, known.due_at) == (LeadState.PENDING, AT + 1500.0)


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
