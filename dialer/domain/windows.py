"""The windows over which a law counts abandonment: where each begins and ends.

One rule governs this module: windows of one kind are half-open and follow each other without a gap, so that every
instant is in exactly one.
"""

from datetime import datetime, timedelta, tzinfo
from math import floor

from dialer.domain.policy import Window

BLOCK_S = 30 * 86400.0


def window_span(window: Window, tz: tzinfo, first_live_at: float | None, at: float) -> tuple[float, float]:
    """Give the instants at which the window that holds `at` opens and closes.

    `24h` is the calendar day in `tz`, `calendar-month` the month; blocks of 30 days follow each other from the first
    live answer on (without one: from `at`), and what lies before it is in the first.
    """
    if window is Window.BLOCKS_30D:
        start_at = at if first_live_at is None else first_live_at
        opens_at = start_at + max((at - start_at) // BLOCK_S, 0.0) * BLOCK_S
        return opens_at, opens_at + BLOCK_S
    # Whole seconds: a datetime would round the last tenth of a microsecond up into the next day.
    local = datetime.fromtimestamp(floor(at), tz)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if window is Window.DAY:
        return midnight.timestamp(), (midnight + timedelta(days=1)).timestamp()
    month = midnight.replace(day=1)
    return month.timestamp(), (month + timedelta(days=32)).replace(day=1).timestamp()
