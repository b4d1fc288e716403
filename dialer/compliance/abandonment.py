"""Abandonment as a law counts it: exact counts per window of one rule, from the instants of the attempts themselves.

One rule governs this module: the rule's own clock decides, not the campaign's. What the engine called an abandonment
under the campaign's threshold is judged anew: an instant that was not measured falls back to the answer, which is
stricter.

Only answers by a person are in the denominator. A person taken for a machine is an abandonment that nobody saw, so
where somebody listened to `checked` calls called machines and found `people`, that share of all machines is added to
both counts, with the interval of Clopper and Pearson. Rolling figures are for steering; no law here counts by them.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from enum import StrEnum
from itertools import accumulate

from dialer.domain.law import AbandonmentRule
from dialer.domain.outcome import Outcome
from dialer.domain.policy import ClockStart, Window
from dialer.domain.records import Attempt
from dialer.domain.windows import BLOCK_S, window_span
from dialer.queueing.intervals import Interval, clopper_pearson

DAY_S = 86400.0
MESSAGE_GRACE_S = 0.1
"""A message is ordered when the limit passes; so much later, by the clock's own grain, still is in time."""

MachineChecks = Mapping[str, tuple[int, int]]
"""By campaign: of so many calls called machines that somebody listened to, so many were people (people, checked)."""


class Fate(StrEnum):
    """What a rule makes of an attempt."""

    CONNECTED = "connected"  # an agent within the limit
    LATE = "late"  # an agent after the limit: an abandonment all the same
    ABANDONED = "abandoned"  # no agent, and the limit passed or the dialer gave up before
    BY_CALLEE = "by_callee"  # the person hung up before the limit
    OPEN = "open"  # still waiting
    MACHINE = "machine"  # by the detector
    UNCLASSIFIED = "unclassified"  # gone before it was known whether a person
    UNKNOWN = "unknown"  # nobody saw what became of it
    CUT_SHORT = "cut_short"  # the dialer took it back before an answer
    NOT_ANSWERED = "not_answered"


LIVE = (Fate.CONNECTED, Fate.LATE, Fate.ABANDONED, Fate.BY_CALLEE, Fate.OPEN)
"""Answered by a person: the denominator."""

ABANDONED = (Fate.LATE, Fate.ABANDONED)
"""The numerator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What was counted over a span. `people` are those estimated among the `machines` (None: nobody has checked)."""

    live: int
    abandoned: int
    machines: int
    people: Interval | None

    @property
    def rate(self) -> Interval | None:
        """Abandonments per live answer with the estimate in both; None without an answer."""
        if self.live == 0 and (self.people is None or self.people.high <= 0.0):
            return None
        people = self.people or Interval(mean=0.0, low=0.0, high=0.0)
        mean, low, high = (
            (self.abandoned + each) / (self.live + each) if self.live + each > 0.0 else 0.0
            for each in (people.mean, people.low, people.high)
        )
        return Interval(mean=mean, low=low, high=high)


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalWindow:
    """One window of a rule, half-open, with what was counted in it.

    `late`, of the abandonments, had an agent in the end; `silent`, of the abandonments, heard no message within the
    limit. `by_callee` are in the denominator only; `unclassified`, `unknown` and `cut_short` in neither. The rolling
    figures end with the last attempt counted in the window, that instant included.
    """

    from_at: float
    to_at: float
    counted: Tally
    late: int
    silent: int
    by_callee: int
    unclassified: int
    unknown: int
    cut_short: int
    rolling_24h: Tally
    rolling_30d: Tally


def limit_at(attempt: Attempt, rule: AbandonmentRule) -> float | None:
    """Give the instant by which a rule wants an agent on the line; None where nobody picked up."""
    answered_at = attempt.answered_at
    if answered_at is None:
        return None
    measured = {
        ClockStart.ANSWER: None,
        ClockStart.GREETING_START: attempt.greeting_start_at,
        ClockStart.GREETING_END: attempt.greeting_end_at,
    }[rule.starts_at]
    return (answered_at if measured is None else measured) + rule.threshold_s


def fate_of(attempt: Attempt, rule: AbandonmentRule) -> Fate:
    """Say what a rule makes of an attempt, by its instants."""
    if not attempt.is_live:
        return _fate_unheard(attempt)
    by_at = limit_at(attempt, rule)
    if by_at is None:
        by_at = attempt.placed_at + rule.threshold_s  # picked up, and nobody noted when
    if attempt.bridged_at is not None:
        return Fate.CONNECTED if attempt.bridged_at <= by_at else Fate.LATE
    is_given_up = attempt.outcome is Outcome.ABANDONED and attempt.released_by != "callee"
    if attempt.message_at is not None or is_given_up:
        return Fate.ABANDONED
    if attempt.released_at is None:
        return Fate.OPEN
    return Fate.BY_CALLEE if attempt.released_at < by_at else Fate.ABANDONED


def _fate_unheard(attempt: Attempt) -> Fate:
    match attempt.outcome:
        case Outcome.MACHINE:
            return Fate.MACHINE
        case Outcome.ABANDONED_BY_CALLEE:
            return Fate.UNCLASSIFIED
        case Outcome.UNKNOWN:
            return Fate.UNKNOWN
        case Outcome.CANCELLED:
            return Fate.CUT_SHORT
        case _:
            return Fate.NOT_ANSWERED


def is_counted(attempt: Attempt) -> bool:
    """Whether an attempt counts for anything here under any rule: most ring out, and may be left out beforehand."""
    return attempt.is_live or _fate_unheard(attempt) is not Fate.NOT_ANSWERED


def is_silent(attempt: Attempt, rule: AbandonmentRule) -> bool:
    """Whether no message began within a rule's limit; asked of abandonments."""
    by_at = limit_at(attempt, rule)
    return attempt.message_at is None or by_at is None or attempt.message_at > by_at + MESSAGE_GRACE_S


def legal_counts(
    attempts: Iterable[Attempt],
    rule: AbandonmentRule,
    *,
    tz: tzinfo,
    first_live_at: float | None = None,
    checks: MachineChecks | None = None,
) -> list[LegalWindow]:
    """Count each window of a rule in which anything was to count, in order.

    `attempts` are those of the unit whose abandonments count together, under this rule, and must hold the whole of
    every window that matters, with the 30 days before it. Days and months are those of `tz`; blocks run from
    `first_live_at`, by default that of `attempts`. A live answer and its abandonment belong to the window in which the
    person picked up.
    """
    events = sorted(
        (
            _Event(at=_counted_at(attempt, fate), fate=fate, attempt=attempt)
            for attempt in attempts
            if (fate := fate_of(attempt, rule)) is not Fate.NOT_ANSWERED
        ),
        key=lambda event: event.at,
    )
    if first_live_at is None:
        first_live_at = next((event.at for event in events if event.fate in LIVE), None)
    window = rule.windows[0] if rule.windows else Window.DAY
    ledger = _Ledger(events, checks or {})
    found: list[LegalWindow] = []
    index = 0
    while index < len(events):
        opens_at, closes_at = window_span(window, tz, first_live_at, events[index].at)
        end = bisect_left(ledger.instants, closes_at, index)
        found.append(_window(ledger, rule, (index, end), (opens_at, closes_at)))
        index = end
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    """An attempt, with the instant that decides in which window it counts."""

    at: float
    fate: Fate
    attempt: Attempt


class _Ledger:
    """Events in order, added up, so that any span of them is counted by two look-ups."""

    def __init__(self, events: Sequence[_Event], checks: MachineChecks) -> None:
        self.events = events
        self.instants = [event.at for event in events]
        shares = {campaign: clopper_pearson(*check) for campaign, check in checks.items()}
        self._has_checks = bool(shares)
        none = Interval(mean=0.0, low=0.0, high=0.0)
        share_of = [
            shares.get(event.attempt.campaign, none) if event.fate is Fate.MACHINE else none for event in events
        ]
        self._live = _sums(event.fate in LIVE for event in events)
        self._abandoned = _sums(event.fate in ABANDONED for event in events)
        self._machines = _sums(event.fate is Fate.MACHINE for event in events)
        self._people = [
            [0.0, *accumulate(share.mean for share in share_of)],
            [0.0, *accumulate(share.low for share in share_of)],
            [0.0, *accumulate(share.high for share in share_of)],
        ]

    def tally(self, start: int, end: int) -> Tally:
        """Count the events from one index to before another."""
        mean, low, high = (sums[end] - sums[start] for sums in self._people)
        return Tally(
            live=self._live[end] - self._live[start],
            abandoned=self._abandoned[end] - self._abandoned[start],
            machines=self._machines[end] - self._machines[start],
            people=Interval(mean=mean, low=low, high=high) if self._has_checks else None,
        )

    def tally_up_to(self, end: int, length_s: float) -> Tally:
        """Count the events of so many seconds up to the last one before an index, that one included."""
        return self.tally(bisect_right(self.instants, self.instants[end - 1] - length_s), end)


def _sums(flags: Iterable[bool]) -> list[int]:
    return [0, *accumulate(map(int, flags))]


def _window(ledger: _Ledger, rule: AbandonmentRule, part: tuple[int, int], span: tuple[float, float]) -> LegalWindow:
    start, end = part
    inside = ledger.events[start:end]

    def count(fate: Fate) -> int:
        return sum(event.fate is fate for event in inside)

    return LegalWindow(
        from_at=span[0],
        to_at=span[1],
        counted=ledger.tally(start, end),
        late=count(Fate.LATE),
        silent=sum(event.fate in ABANDONED and is_silent(event.attempt, rule) for event in inside),
        by_callee=count(Fate.BY_CALLEE),
        unclassified=count(Fate.UNCLASSIFIED),
        unknown=count(Fate.UNKNOWN),
        cut_short=count(Fate.CUT_SHORT),
        rolling_24h=ledger.tally_up_to(end, DAY_S),
        rolling_30d=ledger.tally_up_to(end, BLOCK_S),
    )


def _counted_at(attempt: Attempt, fate: Fate) -> float:
    if fate in (Fate.UNKNOWN, Fate.CUT_SHORT) or attempt.answered_at is None:
        return attempt.placed_at
    return attempt.answered_at
