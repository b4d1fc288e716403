"""The abandonment budget: live answers and abandonments, counted over the window of the law and over the last hour.

Windows, each half-open, with `tz` given from outside:
- `24h`: the calendar day, midnight to midnight. Not a rolling day: the rule that has a 24-hour window (Ofcom) counts
  calendar days.
- `calendar-month`: from the first of the month, local midnight, to the next.
- `30d-blocks`: successive blocks of 30 * 86400 s from the campaign's first live answer.

An event counts in the window in which it is recorded. One rule governs this module: the counters are what the law sees;
a correction (`retract_live`, `retract_abandoned`) is a count of its own and never rewrites another window.
"""

from collections import deque
from datetime import datetime, timedelta, tzinfo
from math import floor

from dialer.domain.policy import Window
from dialer.domain.records import BudgetSnapshot
from dialer.queueing.errors import OutOfDomain

BLOCK_S = 30 * 86400.0
HOUR_S = 3600.0
_BUCKET_S = 60.0


class AbandonmentBudget:
    """Count live answers and abandonments of one campaign against `cap_rate`."""

    def __init__(self, *, cap_rate: float, window: Window, tz: tzinfo, restored: BudgetSnapshot | None = None) -> None:
        if not 0.0 <= cap_rate < 1.0:
            raise OutOfDomain(f"cap_rate: expected a share in [0, 1), found {cap_rate!r}; 3 % is written 0.03")
        self.cap_rate = cap_rate
        self._window = window
        self._tz = tz
        self._first_live_at: float | None = None
        self._opens_at = self._closes_at = float("-inf")
        self._live = self._abandoned = 0
        self._hour: deque[list[int]] = deque()
        self._hour_live = self._hour_abandoned = 0
        if restored is not None:
            self._restore(restored)

    def record_live(self, now: float) -> None:
        """Count a live answer."""
        if self._first_live_at is None:
            self._first_live_at = now
            self._closes_at = float("-inf")  # the first block starts here
        self._count(now, live=1, abandoned=0)

    def record_abandoned(self, now: float) -> None:
        """Count an abandonment; its live answer was recorded before."""
        self._count(now, live=0, abandoned=1)

    def retract_live(self, now: float) -> None:
        """Take back one live answer that turned out to be a machine."""
        self._roll(now)
        if self._live > 0:
            self._count(now, live=-1, abandoned=0)

    def retract_abandoned(self, now: float) -> None:
        """Take back one abandonment whose live answer turned out to be a machine."""
        self._roll(now)
        if self._abandoned > 0:
            self._count(now, live=0, abandoned=-1)

    def live(self, now: float) -> int:
        """Give the live answers of the window that holds `now`."""
        self._roll(now)
        return self._live

    def abandoned(self, now: float) -> int:
        """Give the abandonments of the window that holds `now`."""
        self._roll(now)
        return self._abandoned

    def rate(self, now: float) -> float:
        """Give abandonments per live answer in the window; 0 while there is no live answer."""
        self._roll(now)
        return self._abandoned / self._live if self._live else 0.0

    def remaining(self, now: float) -> int:
        """Give the abandonments still allowed if no further live answer came; negative when overdrawn."""
        self._roll(now)
        return floor(self.cap_rate * self._live + 1e-9) - self._abandoned

    def last_hour(self, now: float) -> tuple[int, int]:
        """Give (live answers, abandonments) of the last hour, to the minute."""
        self._forget(now)
        return self._hour_live, self._hour_abandoned

    def span(self, now: float) -> tuple[float, float]:
        """Give the instants at which the window that holds `now` opens and closes."""
        self._roll(now)
        return self._opens_at, self._closes_at

    def snapshot(self) -> BudgetSnapshot:
        """Give the counters for storage."""
        return BudgetSnapshot(
            first_live_at=self._first_live_at,
            opens_at=None if self._opens_at == float("-inf") else self._opens_at,
            live=self._live,
            abandoned=self._abandoned,
            hour=tuple((minute, live, abandoned) for minute, live, abandoned in self._hour),
        )

    def _restore(self, restored: BudgetSnapshot) -> None:
        self._first_live_at = restored.first_live_at
        if restored.opens_at is not None:
            self._opens_at, self._closes_at = self._window_of(restored.opens_at)
        self._live, self._abandoned = restored.live, restored.abandoned
        self._hour = deque(list(bucket) for bucket in restored.hour)
        self._hour_live = sum(bucket[1] for bucket in self._hour)
        self._hour_abandoned = sum(bucket[2] for bucket in self._hour)

    def _count(self, now: float, *, live: int, abandoned: int) -> None:
        self._roll(now)
        self._live += live
        self._abandoned += abandoned
        self._forget(now)
        minute = int(now // _BUCKET_S)
        if not self._hour or self._hour[-1][0] != minute:
            self._hour.append([minute, 0, 0])
        self._hour[-1][1] += live
        self._hour[-1][2] += abandoned
        self._hour_live += live
        self._hour_abandoned += abandoned

    def _roll(self, now: float) -> None:
        """Open the window that holds `now` if the one at hand has closed."""
        if now < self._closes_at:
            return
        opens_at, closes_at = self._window_of(now)
        if opens_at != self._opens_at and self._opens_at != float("-inf"):
            self._live = self._abandoned = 0
        self._opens_at, self._closes_at = opens_at, closes_at

    def _forget(self, now: float) -> None:
        oldest = int((now - HOUR_S) // _BUCKET_S)
        while self._hour and self._hour[0][0] <= oldest:
            _, live, abandoned = self._hour.popleft()
            self._hour_live -= live
            self._hour_abandoned -= abandoned

    def _window_of(self, now: float) -> tuple[float, float]:
        if self._window is Window.BLOCKS_30D:
            first = now if self._first_live_at is None else self._first_live_at
            opens_at = first + (now - first) // BLOCK_S * BLOCK_S
            return opens_at, opens_at + BLOCK_S
        midnight = datetime.fromtimestamp(now, self._tz).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        if self._window is Window.DAY:
            return midnight.timestamp(), (midnight + timedelta(days=1)).timestamp()
        month = midnight.replace(day=1)
        return month.timestamp(), (month + timedelta(days=32)).replace(day=1).timestamp()
