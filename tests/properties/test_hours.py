"""Calling hours against a look at every wall clock, minute by minute."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from dialer.compliance.hours import opening
from dialer.domain.policy import HoursPolicy

QUARTER_S = 900
ZONES = ["UTC", "Europe/London", "America/New_York", "America/Santiago", "Australia/Lord_Howe", "Asia/Kathmandu"]
ZONES += ["Pacific/Chatham", "Africa/Cairo"]
# Around the nights on which these zones change their clocks in 2026, and some days in between.
STARTS = [datetime(2026, month, day, tzinfo=UTC) for month, day in [(3, 7), (3, 28), (4, 4), (4, 23), (9, 5), (9, 26)]]
STARTS += [datetime(2026, 10, day, tzinfo=UTC) for day in (3, 24, 29, 31)]


@st.composite
def weeks(draw: st.DrawFn) -> HoursPolicy:
    """A week of days with none, one or two spans on quarters of an hour; they may touch."""
    days = []
    for _ in range(7):
        edges = sorted(draw(st.lists(st.integers(0, 96), min_size=4, max_size=4)))
        spans = [(edges[0], edges[1]), (edges[2], edges[3])]
        days.append(tuple((a * QUARTER_S, b * QUARTER_S) for a, b in spans if a < b))
    return HoursPolicy(week=tuple(days))


def is_open(policy: HoursPolicy, zones: list[str], at: float) -> bool:
    """What the clocks on the walls say."""
    for name in zones:
        local = datetime.fromtimestamp(at, ZoneInfo(name))
        second = (local.hour * 60 + local.minute) * 60 + local.second
        if not any(start <= second < end for start, end in policy.week[local.weekday()]):
            return False
    return True


@settings(max_examples=150)
@given(
    policy=weeks(),
    zones=st.lists(st.sampled_from(ZONES), min_size=1, max_size=2, unique=True),
    start=st.sampled_from(STARTS),
    minute=st.integers(0, 36 * 60),
)
def test_opening_agrees_with_the_clocks(policy: HoursPolicy, zones: list[str], start: datetime, minute: int) -> None:
    """Open or not, and nothing changes before the instant named; a closed place is open at that instant."""
    now = (start + timedelta(minutes=minute)).timestamp()
    found = opening(policy, zones, now)
    assert found.is_open == is_open(policy, zones, now)
    end = now + 86400.0 if found.until_at is None else min(found.until_at, now + 2 * 86400.0)
    at = now
    while at < end:
        assert is_open(policy, zones, at) == found.is_open
        at += 300.0
    if found.until_at is not None and not found.is_open:
        assert is_open(policy, zones, found.until_at)
        assert not is_open(policy, zones, found.until_at - 1.0)
