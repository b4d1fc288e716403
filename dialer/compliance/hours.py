"""Calling hours: may a person be called at this instant, by the clock on that person's wall?

One rule governs: where the place is uncertain, every plausible place must be open at once; where several hours hold,
all of them must be open. Instants are POSIX seconds UTC; times of day are those of the local wall clock, also on a day
of 23 or 25 hours. Days are ordinals of the local calendar.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dialer.domain.law import HoursRule, Law, Span, Week
from dialer.domain.policy import HoursPolicy

DAY_S = 86400.0
EPOCH_DAY = 719163  # the ordinal of 1970-01-01
_DAYS_AHEAD = 15  # a schedule repeats weekly; two weeks also cover places whose spans overlap only on some days
_WHOLE_DAY: tuple[Span, ...] = ((0, int(DAY_S)),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """Whether calls are allowed, and the first instant at which that may change (None: never)."""

    is_open: bool
    until_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The open spans of each local day.

    On `holidays` nothing is open, and on the day before one only what is in `eve`, too (None: as any day). `known_days`
    (first, first after) are those for which the holidays are complete; outside them nothing is open. Before the day
    `since` and from the day `until` on, the schedule asks nothing: all is open.
    """

    week: Week
    holidays: frozenset[int] = frozenset()
    eve: tuple[Span, ...] | None = None
    known_days: tuple[int, int] | None = None
    since: int | None = None
    until: int | None = None

    def on(self, day: int) -> tuple[Span, ...]:
        """Give the open spans of a day."""
        if (self.since is not None and day < self.since) or (self.until is not None and day >= self.until):
            return _WHOLE_DAY
        if self._is_closed(day):
            return ()
        spans = self.week[(day - 1) % 7]
        if self.eve is not None and self._is_closed(day + 1):
            return common(spans, self.eve)
        return spans

    def _is_closed(self, day: int) -> bool:
        """Whether a day is a holiday, or not known to be none."""
        known = self.known_days
        return day in self.holidays or (known is not None and not known[0] <= day < known[1])

    @property
    def seams(self) -> tuple[int, ...]:
        """The days from which on something else holds than the week and its holidays."""
        days = (self.since, self.until, None if self.known_days is None else self.known_days[0])
        return tuple(day for day in days if day)  # 0: no day is known at all


def schedule_of(rule: HoursRule, law: Law) -> Schedule:
    """Give a rule's hours, with the holidays that it speaks of; a calendar that the law does not hold is all closed."""
    if not rule.calendar:
        return Schedule(week=tidy_week(rule.week), since=rule.since, until=rule.until)
    first, last = law.holiday_years
    known = (0, 0)
    if rule.calendar in law.holidays and 1 <= first <= last:
        known = (datetime(first, 1, 1).toordinal(), datetime(last, 12, 31).toordinal() + 1)
    return Schedule(
        week=tidy_week(rule.week),
        holidays=frozenset(law.holidays.get(rule.calendar, ())),
        eve=None if rule.eve is None else tidy(rule.eve),
        known_days=known,
        since=rule.since,
        until=rule.until,
    )


def widened(schedule: Schedule, spans: Iterable[Span]) -> Schedule:
    """Give a schedule that is open in these spans of every day, too; holidays stay closed."""
    more = tuple(spans)
    eve = None if schedule.eve is None else tidy((*schedule.eve, *more))
    week = tuple(tidy((*each, *more)) for each in schedule.week)
    return Schedule(
        week=week,
        holidays=schedule.holidays,
        eve=eve,
        known_days=schedule.known_days,
        since=schedule.since,
        until=schedule.until,
    )


def always(schedule: Schedule) -> Schedule:
    """Give a schedule that is open at every hour of every day; holidays stay closed."""
    return widened(schedule, _WHOLE_DAY)


def tidy(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Sort spans of a day and join those that meet or overlap."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        elif start < end:
            joined.append((start, end))
    return tuple(joined)


def tidy_week(week: Week) -> Week:
    """Tidy each day of a week."""
    return tuple(tidy(spans) for spans in week)


def common(one: Sequence[Span], other: Sequence[Span]) -> tuple[Span, ...]:
    """Give what is in both."""
    pairs = ((max(a, c), min(b, d)) for a, b in one for c, d in other)
    return tidy(span for span in pairs if span[0] < span[1])


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """Give a time zone by its IANA name; raise ZoneInfoNotFoundError for one that does not exist."""
    return ZoneInfo(name)


@lru_cache(maxsize=1024)
def is_zone(name: str) -> bool:
    """Say whether a time zone of this name exists."""
    try:
        zone(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _offset_s(tz: ZoneInfo, at: float) -> float:
    offset = datetime.fromtimestamp(at, tz).utcoffset()
    return 0.0 if offset is None else offset.total_seconds()


def _changes(tz: ZoneInfo, from_at: float, to_at: float) -> list[float]:
    """Give the instants, to the second, at which the zone's clocks change; at most one in a day is seen."""
    changes: list[float] = []
    day_at = from_at
    while day_at < to_at:
        low, high = day_at, day_at + DAY_S
        offset_s = _offset_s(tz, low)
        if _offset_s(tz, high) != offset_s:
            while high - low > 1.0:
                middle = low + (high - low) // 2.0
                low, high = (middle, high) if _offset_s(tz, middle) == offset_s else (low, middle)
            changes.append(high)
        day_at += DAY_S
    return changes


def _spans_at(schedule: Schedule, name: str, now: float, days: int) -> list[tuple[float, float]]:
    """Give the open spans of one zone from the day before `now` on, as instants; spans that touch are joined.

    Between two changes of the clocks, local time runs as UTC does: each such stretch is cut out of the days by itself,
    so that an hour that is left out opens nothing, and one that comes twice opens twice.
    """
    tz = zone(name)
    from_at = float(int(now)) - DAY_S
    to_at = from_at + (days + 2) * DAY_S
    edges = [from_at, *_changes(tz, from_at, to_at), to_at]
    spans: list[tuple[float, float]] = []
    for low, high in pairwise(edges):
        offset_s = _offset_s(tz, low)
        midnight_at = (low + offset_s) // DAY_S * DAY_S - offset_s
        while midnight_at < high:
            for start_s, end_s in schedule.on(int((midnight_at + offset_s) // DAY_S) + EPOCH_DAY):
                start_at, end_at = max(low, midnight_at + start_s), min(high, midnight_at + end_s)
                if spans and spans[-1][1] == start_at < end_at:
                    spans[-1] = (spans[-1][0], end_at)
                elif start_at < end_at:
                    spans.append((start_at, end_at))
            midnight_at += DAY_S
    return spans


def opening(policy: HoursPolicy, zones: Sequence[str], now: float) -> Opening:
    """Tell whether all `zones` are open at `now` by a campaign's own hours; see `opening_of`."""
    return opening_of([Schedule(week=policy.week)], zones, now)


def opening_of(schedules: Sequence[Schedule], zones: Sequence[str], now: float) -> Opening:
    """Tell whether all `schedules` are open in all `zones` at `now`, and until when that holds.

    With no zone at all, or one that does not exist, nothing is open: a place that is not known is not called. When
    closed, `until_at` is the first instant within two weeks at which all are open together; failing that, the first
    later one at which a schedule begins or ends to hold; else None.
    """
    if not zones or not all(map(is_zone, zones)):
        return Opening(is_open=False, until_at=None)
    pairs = [(schedule, name) for schedule in schedules for name in zones]
    ends: list[float] = []
    for schedule, name in pairs:
        spans = _spans_at(schedule, name, now, 1)
        ends += [end for start, end in spans if start <= now < end]
    if len(ends) == len(pairs):
        return Opening(is_open=True, until_at=min(ends, default=now + DAY_S))
    return Opening(is_open=False, until_at=_next_common(pairs, now))


def _next_common(pairs: Sequence[tuple[Schedule, str]], now: float) -> float | None:
    by_pair = [_spans_at(schedule, name, now, _DAYS_AHEAD) for schedule, name in pairs]
    starts = sorted(start for spans in by_pair for start, _ in spans if start > now)
    for at in starts:
        if all(any(start <= at < end for start, end in spans) for spans in by_pair):
            return at
    seams = [midnight_at(name, day) for schedule, name in pairs for day in schedule.seams]
    return min((at for at in seams if at > now), default=None)


def local_hour(name: str, at: float) -> tuple[int, int]:
    """Give (day number, hour 0-23) of an instant on a zone's wall clock; days compare, they mean nothing else."""
    local = datetime.fromtimestamp(at, zone(name))
    return local.toordinal(), local.hour


def local_day(name: str, at: float) -> int:
    """Give the day of an instant by a zone's calendar."""
    return datetime.fromtimestamp(at, zone(name)).toordinal()


def midnight_at(name: str, day: int) -> float:
    """Give the instant at which a day begins in a zone, also where the clocks leave midnight out."""
    return datetime.fromordinal(day).replace(tzinfo=zone(name)).timestamp()
