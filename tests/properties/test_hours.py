"""Calling hours against a look at every wall clock, minute by minute."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from dialer.compliance.hours import Schedule, always, opening, opening_of, widened
from dialer.domain.law import Span
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


@st.composite
def schedules(draw: st.DrawFn, first: int) -> Schedule:
    """A week with holidays on some of the days from `first` on, that may begin, end or be known only for a while."""
    some = st.sampled_from([None, None, first, first + 1, first + 2])
    eve = draw(st.sampled_from([None, ((9 * 3600, 12 * 3600),)]))
    known = draw(st.sampled_from([None, (first - 2, first + 40), (first - 2, first + 2), (first + 1, first + 40)]))
    made = Schedule(
        week=draw(weeks()).week,
        holidays=frozenset(draw(st.sets(st.integers(first - 1, first + 3), max_size=2))),
        eve=eve,
        known_days=known,
        since=draw(some),
        until=draw(some),
    )
    kind = draw(st.sampled_from(["as it is", "as it is", "widened", "always"]))
    if kind == "always":
        return always(made)
    return widened(made, ((7 * 3600, 10 * 3600),)) if kind == "widened" else made


def spans_by_the_book(schedule: Schedule, day: int) -> tuple[Span, ...]:
    """What a schedule says of a day, written out."""
    if (schedule.since is not None and day < schedule.since) or (schedule.until is not None and day >= schedule.until):
        return ((0, 86400),)

    def is_closed(day: int) -> bool:
        known = schedule.known_days
        return day in schedule.holidays or (known is not None and day not in range(*known))

    if is_closed(day):
        return ()
    spans = schedule.week[datetime.fromordinal(day).weekday()]
    if schedule.eve is None or not is_closed(day + 1):
        return spans
    return tuple((max(a, c), min(b, d)) for a, b in spans for c, d in schedule.eve if max(a, c) < min(b, d))


@settings(max_examples=120)
@given(data=st.data(), start=st.sampled_from(STARTS), minute=st.integers(0, 36 * 60))
def test_several_schedules_agree_with_the_clocks(data: st.DataObject, start: datetime, minute: int) -> None:
    """All of them in all zones, holidays, eves and the days on which a rule holds included."""
    made = data.draw(st.lists(schedules(start.toordinal()), min_size=1, max_size=2))
    zones = data.draw(st.lists(st.sampled_from(ZONES), min_size=1, max_size=2, unique=True))

    def by_the_book(at: float) -> bool:
        for name in zones:
            local = datetime.fromtimestamp(at, ZoneInfo(name))
            second = (local.hour * 60 + local.minute) * 60 + local.second
            for each in made:
                if not any(a <= second < b for a, b in spans_by_the_book(each, local.toordinal())):
                    return False
        return True

    now = (start + timedelta(minutes=minute)).timestamp()
    found = opening_of(made, zones, now)
    assert found.is_open == by_the_book(now)
    end = now + 86400.0 if found.until_at is None else min(found.until_at, now + 2 * 86400.0)
    at = now
    while at < end:
        assert by_the_book(at) == found.is_open
        at += 450.0
