"""What changes with the time on the wall: steps by local time of day, and the clock that says which one holds.

One rule governs this module: a step holds from its local time on until the next step of the same day; before the first
step of a day, nothing is changed. Local time is the campaign's (`abandonment.time_zone`).
"""

from bisect import bisect_right
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_QUARTER_S = 900.0  # local time is looked up once per quarter of an hour: every offset in use is a multiple of it


def minute_of(local_time: str) -> int:
    """The minute of the day of "HH:MM"."""
    return int(local_time[:2]) * 60 + int(local_time[3:])


class LocalClock:
    """The wall clock of one time zone."""

    def __init__(self, zone: str) -> None:
        self._zone = ZoneInfo(zone)
        self._offsets: dict[float, float] = {}

    def minute(self, now: float) -> int:
        """The minute of the local day at `now`."""
        quarter = now // _QUARTER_S
        offset = self._offsets.get(quarter)
        if offset is None:
            local = datetime.fromtimestamp(quarter * _QUARTER_S, UTC).astimezone(self._zone).utcoffset()
            offset = self._offsets[quarter] = local.total_seconds() if local is not None else 0.0
        return int((now + offset) % 86400.0 // 60)

    def next_at(self, local_time: str, now: float) -> float:
        """The first instant at or after `now` at which the clock shows `local_time`."""
        minute = minute_of(local_time)
        today = datetime.fromtimestamp(now, self._zone).replace(
            hour=minute // 60, minute=minute % 60, second=0, microsecond=0
        )
        at = today.timestamp()
        return at if at >= now else (today + timedelta(days=1)).timestamp()


class Steps:
    """A table local time -> value. `otherwise` holds before the first step of the day."""

    def __init__(self, table: Mapping[str, float], otherwise: float) -> None:
        steps = sorted(table.items())
        self._minutes = [minute_of(at) for at, _ in steps]
        self._values = [value for _, value in steps]
        self._otherwise = otherwise

    def at(self, minute: int) -> float:
        """The value at a minute of the local day."""
        if not self._minutes:
            return self._otherwise
        step = bisect_right(self._minutes, minute)
        return self._values[step - 1] if step else self._otherwise
