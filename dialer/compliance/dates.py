"""Calendar arithmetic in the person's own zones, and how an instant is written for people.

One rule governs: where the zone is uncertain, a right ends with the first of the zones and a wait with the last.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import lru_cache

from dialer.compliance.hours import midnight_at, zone

_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def months_later(day: int, months: int) -> int:
    """Give the same day of a later month, or that month's last where it has no such day."""
    start = date.fromordinal(day)
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    for shorter in range(4):
        try:
            return date(year, month + 1, start.day - shorter).toordinal()
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")


@lru_cache(maxsize=4096)
def due_at(from_at: float, months: int, zones: tuple[str, ...]) -> float:
    """Give the instant at which the day so many months after an instant's own begins, in the first of the zones."""
    return min(
        midnight_at(name, months_later(datetime.fromtimestamp(from_at, zone(name)).toordinal(), months))
        for name in zones
    )


def wall_clocks(zones: Sequence[str], at: float) -> str:
    """Write an instant as the clocks of some zones show it."""
    shown: dict[str, None] = {}
    for name in zones:
        local = datetime.fromtimestamp(at, zone(name))
        shown[f"{_WEEKDAYS[local.weekday()]} {local:%Y-%m-%d %H:%M}"] = None
    return ", ".join(shown)


@lru_cache(maxsize=4096)
def utc(at: float) -> str:
    """Write an instant in UTC, to the second."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


@lru_cache(maxsize=4096)
def day_of(at: float) -> str:
    """Write an instant's day in UTC."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"


@lru_cache(maxsize=4096)
def duration(seconds: float) -> str:
    """Write a duration in the largest unit that it is a whole number of."""
    for unit_s, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= unit_s and seconds % unit_s == 0.0:
            return f"{seconds / unit_s:g} {unit}"
    return f"{seconds:g} s"
