"""Calling hours: may a person be called at this instant, by the clock on that person's wall?

One rule governs: where the place is uncertain, every plausible place must be open at once.
Instants are POSIX seconds UTC; times of day are compared on the local wall clock, so a day of 23 or 25 hours
needs no care.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from dialer.domain.policy import HoursPolicy

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


def _spans_at(policy: HoursPolicy, name: str, now: float, days: int) -> list[tuple[float, float]]:
    """Give the open spans of one zone from the day before `now` on, as instants."""
    tz = zone(name)
    first = datetime.fromtimestamp(now, tz).date() - timedelta(days=1)
    spans: list[tuple[float, float]] = []
    for offset in range(days + 2):
        day = first + timedelta(days=offset)
        midnight = datetime(day.year, day.month, day.day, tzinfo=tz)
        for start_s, end_s in policy.week[day.weekday()]:
            # Adding to a zone-aware datetime moves the wall clock, which is what opening hours mean.
            start_at = (midnight + timedelta(seconds=start_s)).timestamp()
            end_at = (midnight + timedelta(seconds=end_s)).timestamp()
            spans.append((start_at, end_at))
    return spans


def opening(policy: HoursPolicy, zones: Sequence[str], now: float) -> Opening:
    """Tell whether all `zones` are open at `now`, and until when that holds.

    With no zone at all nothing is open: a place that is not known is not called. When closed, `until_at` is the first
    instant at which all zones are open together within two weeks, else None.
    """
    if not zones:
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
