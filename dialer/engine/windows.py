"""Abandonment over the windows of the law.

One rule governs this module: a live answer and its abandonment belong to the window in which the person picked up.
Windows are those of `dialer.pacing.budget`: local calendar days or months, or successive blocks of 30 days from the
campaign's first live answer. Beside each window stand its worst hour and day, for easy days can hide a bad one.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from dialer.domain.outcome import Outcome
from dialer.domain.policy import AbandonmentPolicy, Window
from dialer.domain.records import Attempt, BudgetSnapshot
from dialer.engine.kpi import (
    HOUR_S,
    abandonments,
    is_abandoned_by_callee,
    is_cut_short,
    is_hung_up_unclassified,
    late_connects,
    live_answers,
)
from dialer.pacing.budget import AbandonmentBudget

WORST_ANSWERS_MIN = 20
"""An hour or a day with fewer live answers is not named the worst: its rate is mostly chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstSpan:
    """The hour or day of a window with the highest rate of abandonment."""

    from_at: float
    live: int
    abandoned: int

    @property
    def rate(self) -> float:
        """Abandonments per live answer."""
        return self.abandoned / self.live


@dataclass(frozen=True, slots=True, kw_only=True)
class AbandonmentWindow:
    """One window, half-open, with what was counted in it.

    `unknown`: calls of unknown fate that were placed in it; `cut_short`: calls placed in it that the dialer took back
    before an answer; `hung_up_unclassified`: ended by the other side before it was known whether it was a person.
    """

    from_at: float
    to_at: float
    live: int
    abandoned: int
    by_callee: int
    hung_up_unclassified: int
    late_connects: int
    unknown: int
    cut_short: int
    worst_hour: WorstSpan | None
    worst_day: WorstSpan | None

    @property
    def rate(self) -> float | None:
        """Abandonments per live answer; None without a live answer."""
        return self.abandoned / self.live if self.live else None


def window_of(policy: AbandonmentPolicy, at: float, first_live_at: float | None) -> tuple[float, float]:
    """Give the instants at which the window that holds `at` opens and closes.

    Blocks of 30 days count from `first_live_at`; without one, from `at`.
    """
    start = at if first_live_at is None else first_live_at
    counted = BudgetSnapshot(first_live_at=start, opens_at=None, live=0, abandoned=0, hour=())
    zone = ZoneInfo(policy.time_zone)
    return AbandonmentBudget(cap_rate=policy.cap_rate, window=policy.window, tz=zone, restored=counted).span(at)


def windows(
    attempts: Iterable[Attempt], policy: AbandonmentPolicy, *, first_live_at: float | None = None
) -> list[AbandonmentWindow]:
    """Count each window that has a live answer, an unknown fate, a hang-up or a ring cut short, in order.

    `attempts` are of one campaign and must hold the whole of every window that matters. `first_live_at` is that of the
    campaign; by default that of `attempts`.
    """
    counted = sorted(_counted(attempts), key=lambda pair: pair[0])
    if first_live_at is None:
        first_live_at = next((at for at, attempt in counted if attempt.is_live), None)
    result: list[AbandonmentWindow] = []
    inside: list[tuple[float, Attempt]] = []
    opens_at = closes_at = float("-inf")
    for at, attempt in counted:
        if at >= closes_at:
            result += _closed(inside, opens_at, closes_at, policy)
            inside = []
            opens_at, closes_at = window_of(policy, at, first_live_at)
        inside.append((at, attempt))
    return result + _closed(inside, opens_at, closes_at, policy)


def _counted(attempts: Iterable[Attempt]) -> Iterable[tuple[float, Attempt]]:
    """Give the attempts that a window counts, each with the instant that decides which."""
    for attempt in attempts:
        if attempt.is_live or is_hung_up_unclassified(attempt):
            yield attempt.placed_at if attempt.answered_at is None else attempt.answered_at, attempt
        elif attempt.outcome is Outcome.UNKNOWN or is_cut_short(attempt):
            yield attempt.placed_at, attempt


def _closed(
    inside: Sequence[tuple[float, Attempt]], opens_at: float, closes_at: float, policy: AbandonmentPolicy
) -> list[AbandonmentWindow]:
    """Count one window; an empty one is none."""
    if not inside:
        return []
    attempts = [attempt for _, attempt in inside]
    zone = ZoneInfo(policy.time_zone)
    is_day = policy.window is Window.DAY
    return [
        AbandonmentWindow(
            from_at=opens_at,
            to_at=closes_at,
            live=live_answers(attempts),
            abandoned=abandonments(attempts),
            by_callee=sum(map(is_abandoned_by_callee, attempts)),
            hung_up_unclassified=sum(map(is_hung_up_unclassified, attempts)),
            late_connects=late_connects(attempts),
            unknown=sum(attempt.outcome is Outcome.UNKNOWN and not attempt.is_live for attempt in attempts),
            cut_short=sum(map(is_cut_short, attempts)),
            worst_hour=_worst(inside, lambda at: _hour_of(at, zone)),
            worst_day=None if is_day else _worst(inside, lambda at: _day_of(at, zone)),
        )
    ]


def _worst(inside: Sequence[tuple[float, Attempt]], span_of: Callable[[float], float]) -> WorstSpan | None:
    """Find the span with the highest rate, the earliest of equals."""
    by_span: dict[float, list[Attempt]] = defaultdict(list)
    for at, attempt in inside:
        by_span[span_of(at)].append(attempt)
    found = [
        WorstSpan(from_at=from_at, live=live_answers(by_span[from_at]), abandoned=abandonments(by_span[from_at]))
        for from_at in sorted(by_span)
    ]
    enough = [span for span in found if span.live >= WORST_ANSWERS_MIN]
    return max(enough, key=lambda span: (span.rate, -span.from_at), default=None)


def _hour_of(at: float, zone: ZoneInfo) -> float:
    """Give the beginning of the local clock hour."""
    offset = datetime.fromtimestamp(at, zone).utcoffset() or timedelta()
    shift_s = offset.total_seconds() % HOUR_S  # zones of half hours
    return (at + shift_s) // HOUR_S * HOUR_S - shift_s


def _day_of(at: float, zone: ZoneInfo) -> float:
    """Give the local midnight before."""
    return datetime.fromtimestamp(at, zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0).timestamp()
