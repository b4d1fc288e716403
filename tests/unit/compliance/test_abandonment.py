"""Abandonment as a law counts it: the rule's clock decides, whatever the campaign's said."""

from dataclasses import replace
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.compliance.abandonment import ABANDONED, Fate, Tally, fate_of, is_counted, is_silent, legal_counts
from dialer.domain.outcome import Outcome
from dialer.domain.policy import ClockStart, Window
from dialer.domain.records import Attempt
from dialer.queueing.intervals import Interval
from tests.laws import abandonment_rule

AT = 1767603600.0  # 2026-01-05 09:00 UTC
UTC = ZoneInfo("UTC")
RULE = abandonment_rule()


def live(at: float = AT, **changes: Any) -> Attempt:
    """A person who picked up, spoke for a second, and is waiting."""
    facts: dict[str, Any] = {
        "call_id": 1,
        "campaign": "survey",
        "lead_id": 1,
        "number": "+12025550100",
        "mode": "predictive",
        "placed_at": at - 10.0,
        "answered_at": at,
        "greeting_start_at": at,
        "greeting_end_at": at + 1.0,
        "is_live": True,
    }
    return Attempt(**{**facts, **changes})


@pytest.mark.parametrize(
    ("changes", "fate"),
    [
        ({"bridged_at": AT + 3.0, "outcome": Outcome.CONNECTED}, Fate.CONNECTED),
        ({"bridged_at": AT + 3.1, "outcome": Outcome.CONNECTED}, Fate.LATE),
        ({"bridged_at": AT + 2.1, "greeting_end_at": None, "outcome": Outcome.CONNECTED}, Fate.LATE),
        ({"message_at": AT + 2.0, "released_at": AT + 2.5, "outcome": Outcome.ABANDONED}, Fate.ABANDONED),
        ({"released_at": AT + 2.9, "outcome": Outcome.ABANDONED, "released_by": "engine"}, Fate.ABANDONED),
        ({"released_at": AT + 2.9, "outcome": Outcome.ABANDONED, "released_by": "callee"}, Fate.BY_CALLEE),
        ({"released_at": AT + 3.0, "outcome": Outcome.ABANDONED_BY_CALLEE, "released_by": "callee"}, Fate.ABANDONED),
        ({"answered_at": None, "released_at": AT + 9.0, "outcome": Outcome.ABANDONED_BY_CALLEE}, Fate.ABANDONED),
        ({}, Fate.OPEN),
        ({"is_live": False, "outcome": Outcome.MACHINE}, Fate.MACHINE),
        ({"is_live": False, "outcome": Outcome.CONNECTED, "bridged_at": AT + 1.0}, Fate.NOT_ANSWERED),
        ({"is_live": False, "outcome": Outcome.ABANDONED_BY_CALLEE}, Fate.UNCLASSIFIED),
        ({"is_live": False, "outcome": Outcome.UNKNOWN}, Fate.UNKNOWN),
        ({"is_live": False, "outcome": Outcome.CANCELLED}, Fate.CUT_SHORT),
        ({"is_live": False, "outcome": Outcome.BUSY}, Fate.NOT_ANSWERED),
    ],
)
def test_a_rule_judges_an_attempt_by_its_instants(changes: dict[str, Any], fate: Fate) -> None:
    """Two seconds from the end of the greeting, or of the answer where nobody measured it; giving up counts at once."""
    attempt = live(**changes)
    assert fate_of(attempt, RULE) is fate
    assert is_counted(attempt) is (fate is not Fate.NOT_ANSWERED)


def test_a_message_may_be_late_by_the_clocks_grain_only() -> None:
    """Ordered as the limit passes it was in time; half a second later it was not, and none at all was silence."""
    assert not is_silent(live(message_at=AT + 3.01), RULE)
    assert is_silent(live(message_at=AT + 3.5), RULE)
    assert is_silent(live(), RULE)


def test_a_rate_has_the_estimate_in_both_counts() -> None:
    """Ten people among the machines are ten answers more and ten abandonments more."""
    tally = Tally(live=90, abandoned=0, machines=100, people=Interval(mean=10.0, low=0.0, high=60.0))
    assert tally.rate == Interval(mean=0.1, low=0.0, high=0.4)
    assert replace(tally, people=None).rate == Interval(mean=0.0, low=0.0, high=0.0)
    assert Tally(live=0, abandoned=0, machines=3, people=None).rate is None


def test_rolling_figures_end_with_the_last_call_of_the_window() -> None:
    """The call a day before to the second is out, the one after it is in, also from the window before."""
    found = legal_counts([live(AT - 86400.0), live(AT - 86399.0), live(AT)], RULE, tz=UTC)
    assert [window.counted.live for window in found] == [2, 1]
    assert (found[-1].rolling_24h.live, found[-1].rolling_30d.live) == (2, 3)


def test_machines_of_a_campaign_without_a_check_are_not_estimated() -> None:
    """Two campaigns count together; only one had its detector checked."""
    machine = {"is_live": False, "outcome": Outcome.MACHINE}
    attempts = [live(**machine), live(**machine, campaign="checked")]
    (window,) = legal_counts(attempts, RULE, tz=UTC, checks={"checked": (1, 10)})
    assert window.counted.machines == 2
    assert window.counted.people is not None
    assert window.counted.people.mean == pytest.approx(0.1)


CALLS = st.builds(
    lambda at, greeting_s, wait_s, is_bridged: live(
        at,
        greeting_end_at=None if greeting_s is None else at + greeting_s,
        bridged_at=at + wait_s if is_bridged else None,
        released_at=at + wait_s + 1.0,
        outcome=Outcome.CONNECTED if is_bridged else Outcome.ABANDONED_BY_CALLEE,
        released_by="callee",
    ),
    st.floats(min_value=AT, max_value=AT + 100 * 86400.0),
    st.none() | st.floats(min_value=0.0, max_value=4.0),
    st.floats(min_value=0.0, max_value=8.0),
    st.booleans(),
)


@given(st.lists(CALLS, max_size=30), st.sampled_from(Window), st.sampled_from(["UTC", "Australia/Adelaide"]))
def test_every_live_answer_is_in_exactly_one_window(calls: list[Attempt], window: Window, zone: str) -> None:
    """Windows do not overlap, hold their calls, and add up to all of them."""
    found = legal_counts(calls, abandonment_rule(windows=(window,)), tz=ZoneInfo(zone))
    assert sum(each.counted.live for each in found) == len(calls)
    assert sum(each.counted.abandoned for each in found) == sum(fate_of(call, RULE) in ABANDONED for call in calls)
    assert all(one.to_at <= other.from_at for one, other in pairwise(found))
    for each in found:
        inside = [call for call in calls if each.from_at <= (call.answered_at or 0.0) < each.to_at]
        assert len(inside) == each.counted.live
        assert each.counted.abandoned + each.by_callee <= each.counted.live
        assert each.rolling_24h.live <= each.rolling_30d.live


@given(st.lists(CALLS, max_size=30), st.floats(min_value=0.0, max_value=4.0))
def test_a_stricter_rule_never_counts_fewer(calls: list[Attempt], threshold_s: float) -> None:
    """An earlier clock or a shorter threshold finds every abandonment that a laxer rule finds."""

    def abandoned(starts_at: ClockStart, threshold_s: float) -> set[int]:
        rule = abandonment_rule(starts_at=starts_at, threshold_s=threshold_s)
        return {index for index, call in enumerate(calls) if fate_of(call, rule) in ABANDONED}

    lax = abandoned(ClockStart.GREETING_END, threshold_s)
    assert lax <= abandoned(ClockStart.ANSWER, threshold_s)
    assert lax <= abandoned(ClockStart.GREETING_END, threshold_s / 2.0)
