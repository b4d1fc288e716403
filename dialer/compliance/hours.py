"""Calling hours: may a person be called at this instant, by the clock on that person's wall?

One rule governs: where the place is uncertain, every plausible place must be open at once.
Instants are POSIX seconds UTC; times of day are those of the local wall clock, also on a day of 23 or 25 hours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dialer.domain.policy import HoursPolicy

_DAY_S = 86400.0
_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday
_DAYS_AHEAD = 15  # a schedule repeats weekly; two weeks also cover places whose spans overlap only on some days


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """Whether calls are allowed, and the first instant at which that may change (None: never)."""

    is_open: bool
    until_at: float | None


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
        low, high = day_at, day_at + _DAY_S
        offset_s = _offset_s(tz, low)
        if _offset_s(tz, high) != offset_s:
            while high - low > 1.0:
                middle = low + (high - low) // 2.0
                low, high = (middle, high) if _offset_s(tz, middle) == offset_s else (low, middle)
            changes.append(high)
        day_at += _DAY_S
    return changes


def _spans_at(policy: HoursPolicy, name: str, now: float, days: int) -> list[tuple[float, float]]:
    """Give the open spans of one zone from the day before `now` on, as instants; spans that touch are joined.

    Between two changes of the clocks, local time runs as UTC does: each such stretch is cut out of the week by itself,
    so that an hour that is left out opens nothing, and one that comes twice opens twice.
    """
    tz = zone(name)
    from_at = float(int(now)) - _DAY_S
    to_at = from_at + (days + 2) * _DAY_S
    edges = [from_at, *_changes(tz, from_at, to_at), to_at]
    spans: list[tuple[float, float]] = []
    for low, high in pairwise(edges):
        offset_s = _offset_s(tz, low)
        midnight_at = (low + offset_s) // _DAY_S * _DAY_S - offset_s
        while midnight_at < high:
            weekday = int((midnight_at + offset_s) // _DAY_S + _EPOCH_WEEKDAY) % 7
            for start_s, end_s in policy.week[weekday]:
                start_at, end_at = max(low, midnight_at + start_s), min(high, midnight_at + end_s)
                if spans and spans[-1][1] == start_at < end_at:
                    spans[-1] = (spans[-1][0], end_at)
                elif start_at < end_at:
                    spans.append((start_at, end_at))
            midnight_at += _DAY_S
    return spans


def opening(policy: HoursPolicy, zones: Sequence[str], now: float) -> Opening:
    """Tell whether all `zones` are open at `now`, and until when that holds.

    With no zone at all, or one that does not exist, nothing is open: a place that is not known is not called. When
    closed, `until_at` is the first instant at which all zones are open together within two weeks, else None.
    """
    if not zones or not all(map(is_zone, zones)):
        return Opening(is_open=False, until_at=None)
    by_zone = [_spans_at(policy, name, now, 1) for name in zones]
    ends = [next((end for start, end in spans if start <= now < end), None) for spans in by_zone]
    if all(end is not None for end in ends):
        return Opening(is_open=True, until_at=min(end for end in ends if end is not None))
    return Opening(is_open=False, until_at=_next_common(policy, zones, now))


def _next_common(policy: HoursPolicy, zones: Sequence[str], now: float) -> float | None:
    by_zone = [_spans_at(policy, name, now, _DAYS_AHEAD) for name in zones]
    starts = sorted(start for spans in by_zone for start, _ in spans if start > now)
    for at in starts:
        if all(any(start <= at < end for start, end in spans) for spans in by_zone):
            return at
    return None


def local_hour(name: str, at: float) -> tuple[int, int]:
    """Give (day number, hour 0-23) of an instant on a zone's wall clock; days compare, they mean nothing else."""
    local = datetime.fromtimestamp(at, zone(name))
    return local.toordinal(), local.hour
