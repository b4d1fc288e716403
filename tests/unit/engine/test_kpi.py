"""The figures of the reports, against numbers worked out by hand."""

from datetime import UTC, datetime

import pytest

from dialer.domain.outcome import Outcome
from dialer.domain.policy import AbandonmentPolicy, ClockStart, PacingMode, PacingPolicy, Window
from dialer.engine.kpi import (
    Figure,
    agent_figures,
    campaign_figures,
    machines_joined,
    percentile,
    wait_for_agent_s,
    work_time,
)
from dialer.engine.windows import window_of, windows
from tests.unit.storage.builders import make_abandoned, make_attempt, make_connect, make_policy, make_span

POLICY = make_policy()


def instant(text: str) -> float:
    """POSIX seconds of an ISO instant in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def by_name(figures: tuple[Figure, ...]) -> dict[str, Figure]:
    """Figures by their names, which are distinct."""
    named = {figure.name: figure for figure in figures}
    assert len(named) == len(figures)
    return named


def test_dialing_figures_by_hand() -> None:
    """Thirteen calls: 5 live, 3 machines, 2 unanswered, 1 without a line, 1 gone unheard, 1 cut short; 3 connects."""
    attempts = [
        make_connect(1, 100.0, is_right_party=True, is_success=True),
        make_connect(2, 200.0, is_right_party=True),
        make_connect(3, 300.0, wait_s=5.0, is_abandoned=True, is_late_connect=True),
        make_abandoned(4, 400.0),
        make_attempt(5, 500.0, outcome=Outcome.ABANDONED_BY_CALLEE, is_live=True, answered_at=505.0),
        make_attempt(6, 600.0, outcome=Outcome.MACHINE),
        make_attempt(7, 700.0, outcome=Outcome.MACHINE),
        make_attempt(8, 800.0),
        make_attempt(9, 900.0, lead_id=8),
        make_attempt(10, 950.0, outcome=Outcome.CONGESTION),
        make_attempt(11, 960.0, outcome=Outcome.ABANDONED_BY_CALLEE, answered_at=965.0),
        make_attempt(12, 970.0, outcome=Outcome.CANCELLED),
        make_connect(13, 980.0, wait_s=9.0, is_live=False, is_abandoned=True, is_late_connect=True),
    ]
    named = by_name(campaign_figures(attempts, [], POLICY, 0.0, 1000.0, loaded=20))
    counts = {name: figure.value for name, figure in named.items() if figure.unit == "count"}
    assert counts == {
        "dials": 12,
        "no_line": 1,
        "live_answers": 5,
        "machines": 3,
        "connects": 3,
        "machines_joined": 1,
        "right_party_contacts": 2,
        "successes": 1,
        "leads_tried": 12,
        "abandonments": 2,
        "unknown_fates": 0,
        "abandoned_by_callee": 1,
        "hung_up_unclassified": 1,
        "late_connects": 1,
        "rings_cut_short": 1,
        "conversations": 0,
    }
    rates = {name: (figure.numerator, figure.denominator) for name, figure in named.items() if figure.unit == "share"}
    assert rates == {
        "contact_rate": (5, 12),
        "answer_rate": (8, 12),
        "rpc_rate": (2, 5),
        "conversion": (1, 2),
        "penetration": (12, 20),
        "abandonment_rate": (2, 5),
        "abandonment_rate_at_worst": (2, 5),
        "occupancy": (0.0, 0.0),
        "utilisation": (0.0, 0.0),
        "time_to_agent_over": (1, 3),
    }
    assert named["dials_per_connect"].value == 4.0
    assert named["time_to_agent_mean"].value == pytest.approx(7.0 / 3.0)
    assert named["time_to_agent_p95"].value == 5.0


def test_a_machine_that_an_agent_heard_is_no_connect() -> None:
    """Its talk counts in the means of talk, wrap-up and wait, which are over all conversations, not in connects."""
    attempts = [make_connect(1, 10.0), make_connect(2, 100.0, is_live=False)]
    spans = [
        make_span("ready", 0.0, 11.0),
        make_span("talking", 11.0, 71.0, call_id=1),
        make_span("wrap_up", 71.0, 91.0, call_id=1),
        make_span("ready", 91.0, 101.0),
        make_span("talking", 101.0, 111.0, call_id=2),
    ]
    named = by_name(campaign_figures(attempts, spans, POLICY, 0.0, 200.0))
    assert (named["connects"].value, named["machines_joined"].value) == (1, 1)
    assert (named["talk_mean"].numerator, named["talk_mean"].denominator) == (70.0, 2)
    assert named["wait_mean"].denominator == 2
    assert named["connects_per_agent_hour"].numerator == 1
    figures = agent_figures(spans, 0.0, 200.0, machines=machines_joined(attempts))
    assert by_name(figures["a1"])["connects_per_agent_hour"].numerator == 1


def test_an_unknown_fate_is_a_possible_abandonment() -> None:
    """A call of which nothing was heard enters the worst case on both sides of the fraction, and no other rate."""
    attempts = [make_connect(1, 100.0), make_attempt(2, 100.0, outcome=Outcome.UNKNOWN)]
    named = by_name(campaign_figures(attempts, [], POLICY, 0.0, 1000.0))
    worst = named["abandonment_rate_at_worst"]
    assert (worst.numerator, worst.denominator, worst.value) == (1, 2, 0.5)
    assert named["abandonment_rate"].value == 0.0
    assert "penetration" not in named


def test_nothing_is_said_where_nothing_was_counted() -> None:
    """Without attempts and agents every rate, mean and percentile is None, and every count and time 0."""
    for figure in campaign_figures([], [], POLICY, 0.0, 1000.0, loaded=0):
        is_total = figure.unit == "count" or figure.name.endswith("_time")
        assert figure.value == (0 if is_total else None)
        assert figure.formula


def test_agents_time_is_cut_to_the_span() -> None:
    """Occupancy leaves pauses out, utilisation counts them; only the part inside the span counts."""
    spans = [
        make_span("ready", 0.0, 130.0),
        make_span("reserved", 130.0, 140.0),
        make_span("talking", 140.0, 200.0, call_id=1),
        make_span("wrap_up", 200.0, 220.0, call_id=1),
        make_span("paused", 220.0, 500.0, campaign=None),
    ]
    named = by_name(campaign_figures([], spans, POLICY, 100.0, 320.0))
    occupancy, utilisation = named["occupancy"], named["utilisation"]
    assert (occupancy.numerator, occupancy.denominator) == (80.0, 120.0)
    assert (utilisation.numerator, utilisation.denominator) == (80.0, 220.0)
    assert (named["talk_mean"].value, named["wrap_up_mean"].value, named["handle_mean"].value) == (60.0, 20.0, 80.0)
    assert named["connects_per_agent_hour"].value == 30.0
    assert named["wait_mean"].value == 140.0


def test_in_preview_mode_reading_the_lead_is_work() -> None:
    """Reserved time counts as work in preview mode, and is no wait."""
    spans = [make_span("ready", 0.0, 10.0), make_span("reserved", 10.0, 40.0), make_span("talking", 40.0, 100.0)]
    preview = make_policy(pacing=PacingPolicy(mode=PacingMode.PREVIEW))
    named = by_name(campaign_figures([], spans, preview, 0.0, 100.0))
    assert (named["occupancy"].value, named["wait_mean"].value) == (0.9, 10.0)
    assert "preview" in named["occupancy"].formula
    named = by_name(campaign_figures([], spans, POLICY, 0.0, 100.0))
    assert (named["occupancy"].value, named["wait_mean"].value) == (0.6, 40.0)


def test_a_wait_cut_by_a_break_is_not_counted() -> None:
    """Only an uninterrupted wait up to a connect counts, and it belongs to the instant of the connect."""
    spans = [
        make_span("ready", 0.0, 50.0),
        make_span("paused", 50.0, 60.0),
        make_span("ready", 60.0, 65.0),
        make_span("talking", 65.0, 100.0),
        make_span("ready", 120.0, 123.0),  # a gap: the agent worked for another campaign
        make_span("talking", 123.0, 150.0),
        make_span("talking", 160.0, 170.0),  # no wait is known
        make_span("ready", 170.0, 400.0),
        make_span("ready", 10.0, 30.0, agent_id="a2"),
        make_span("talking", 30.0, 40.0, agent_id="a2"),
    ]
    assert sorted(work_time(spans, 0.0, 500.0).waits) == [3.0, 5.0, 20.0]
    assert work_time(spans, 66.0, 500.0).waits == [3.0]
    assert work_time(spans, 0.0, 500.0).conversations == 4


def test_agents_are_told_apart() -> None:
    """Each agent has figures of their own, in alphabetical order."""
    spans = [make_span("ready", 0.0, 10.0, agent_id="b"), make_span("talking", 0.0, 10.0, agent_id="a")]
    figures = agent_figures(spans, 0.0, 10.0)
    assert list(figures) == ["a", "b"]
    assert [by_name(figures[agent_id])["occupancy"].value for agent_id in figures] == [1.0, 0.0]


def test_percentiles_are_values_that_occurred() -> None:
    """The percentile is the smallest value that the share of values does not exceed."""
    values = [float(value) for value in range(100, 0, -1)]
    assert [percentile(values, share) for share in (0.0, 0.5, 0.95, 0.99, 1.0)] == [1.0, 50.0, 95.0, 99.0, 100.0]
    assert percentile([7.0], 0.99) == 7.0
    assert percentile([], 0.5) is None


def test_the_clock_starts_where_the_policy_says() -> None:
    """Time to agent runs from answer or greeting; the answer stands for a greeting not measured; never negative."""
    attempt = make_connect(1, 100.0, wait_s=4.0, greeting_start_at=101.0, greeting_end_at=103.0)
    assert [wait_for_agent_s(attempt, start) for start in ClockStart] == [4.0, 3.0, 1.0]
    assert wait_for_agent_s(make_connect(1, 100.0, wait_s=4.0, greeting_end_at=None), ClockStart.GREETING_END) == 4.0
    assert wait_for_agent_s(make_connect(1, 100.0, wait_s=1.0, greeting_end_at=102.0), ClockStart.GREETING_END) == 0.0
    assert wait_for_agent_s(make_abandoned(1, 100.0), ClockStart.ANSWER) is None


def test_days_are_local_and_hold_the_answer() -> None:
    """A day runs from local midnight, and an abandonment after it belongs to the day of its answer."""
    policy = AbandonmentPolicy(time_zone="Asia/Seoul")
    midnight = instant("2026-03-10T15:00:00")  # 00:00 of the 11th in Seoul
    attempts = [
        make_abandoned(1, midnight - 1.0),
        make_connect(2, midnight),
        make_connect(3, midnight + 86399.0),
        make_connect(4, midnight + 86400.0),
        make_attempt(5, midnight + 100.0, outcome=Outcome.UNKNOWN),
    ]
    found = windows(attempts, policy)
    assert [(window.from_at - midnight, window.live, window.abandoned, window.unknown) for window in found] == [
        (-86400.0, 1, 1, 0),
        (0.0, 2, 0, 1),
        (86400.0, 1, 0, 0),
    ]
    assert [window.rate for window in found] == [1.0, 0.0, 0.0]
    assert all(window.to_at - window.from_at == 86400.0 for window in found)


def test_windows_tell_hang_ups_and_cut_rings_apart() -> None:
    """Windows and campaign figures agree: only a person's hang-up is by the callee; the rest stands on its own."""
    at = instant("2026-03-10T10:00:00")
    attempts = [
        make_attempt(1, at, outcome=Outcome.ABANDONED_BY_CALLEE, is_live=True, answered_at=at + 5.0),
        make_attempt(2, at, outcome=Outcome.ABANDONED_BY_CALLEE, answered_at=at + 5.0),
        make_attempt(3, at, outcome=Outcome.ABANDONED_BY_CALLEE, answered_at=at + 6.0),
        make_attempt(4, at, outcome=Outcome.CANCELLED),
        make_attempt(5, at, outcome=Outcome.UNKNOWN),
        make_connect(6, at, is_live=False, is_abandoned=True, is_late_connect=True),
    ]
    (window,) = windows(attempts, AbandonmentPolicy())
    named = by_name(campaign_figures(attempts, [], POLICY, at - 60.0, at + 60.0))
    counted = (window.live, window.abandoned, window.by_callee, window.hung_up_unclassified, window.cut_short)
    assert counted == (1, 0, 1, 2, 1)
    assert (window.unknown, window.late_connects) == (1, 0)
    names = ("live_answers", "abandonments", "abandoned_by_callee", "hung_up_unclassified", "rings_cut_short")
    assert tuple(named[name].value for name in names) == counted


def test_a_day_of_23_hours_is_one_day() -> None:
    """Where clocks go forward the window follows the calendar, not the seconds."""
    policy = AbandonmentPolicy(time_zone="Europe/London")
    opens_at, closes_at = window_of(policy, instant("2026-03-29T12:00:00"), None)
    assert (opens_at, closes_at - opens_at) == (instant("2026-03-29T00:00:00"), 23 * 3600.0)


def test_months_and_blocks_of_thirty_days() -> None:
    """Calendar months end with the month; blocks succeed each other from the campaign's first live answer."""
    february = instant("2026-02-15T12:00:00")
    monthly = AbandonmentPolicy(window=Window.CALENDAR_MONTH)
    assert window_of(monthly, february, None) == (instant("2026-02-01T00:00:00"), instant("2026-03-01T00:00:00"))
    blocks = AbandonmentPolicy(window=Window.BLOCKS_30D)
    first = instant("2026-01-05T10:00:00")
    day = 86400.0
    attempts = [make_connect(1, first), make_abandoned(2, first + 30 * day - 1.0), make_connect(3, first + 95 * day)]
    found = windows(attempts, blocks)
    assert [(round((window.from_at - first) / day), window.live, window.abandoned) for window in found] == [
        (0, 2, 1),
        (90, 1, 0),
    ]
    later = windows(attempts[2:], blocks, first_live_at=first)
    assert later == found[1:]


def test_the_worst_hour_needs_twenty_answers() -> None:
    """The worst hour is the one with the highest rate among those with at least 20 live answers."""
    start = instant("2026-03-10T10:00:00")
    small = [make_abandoned(100 + index, start + index) for index in range(19)]
    good = [make_connect(200 + index, start + 3600.0 + index) for index in range(40)]
    bad = [make_connect(300 + index, start + 7200.0 + index) for index in range(19)]
    bad.append(make_abandoned(400, start + 7300.0))
    (window,) = windows(small + good + bad, AbandonmentPolicy())
    assert window.worst_hour is not None
    assert (window.worst_hour.from_at, window.worst_hour.live, window.worst_hour.rate) == (start + 7200.0, 20, 0.05)
    assert window.worst_day is None
    (month,) = windows(small + good + bad, AbandonmentPolicy(window=Window.CALENDAR_MONTH))
    assert month.worst_day is not None
    assert (month.worst_day.live, month.worst_day.abandoned) == (79, 20)
    assert windows(small, AbandonmentPolicy())[0].worst_hour is None
    assert windows([], AbandonmentPolicy()) == []


def test_hours_of_half_hour_zones_are_local() -> None:
    """In a zone half an hour off, hours begin at the local full hour."""
    at = instant("2026-03-10T10:40:00")  # 16:10 in Kolkata
    attempts = [make_connect(index, at + index) for index in range(20)]
    (window,) = windows(attempts, AbandonmentPolicy(time_zone="Asia/Kolkata"))
    assert window.worst_hour is not None
    assert window.worst_hour.from_at == instant("2026-03-10T10:30:00")
