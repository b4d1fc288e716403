"""Abandonment as a law counts it: exact counts per window of one rule, from the instants of the attempts themselves.

One rule governs this module: the rule's own clock decides, not the campaign's. What the engine called an abandonment
under the campaign's threshold is judged anew: an instant that was not measured falls back to the answer, which is
stricter.

Only answers by a person are in the denominator. A person taken for a machine is an abandonment that nobody saw, so
where somebody listened to `checked` calls called machines and found `people`, that share of all machines is added to
both counts, with the interval of Clopper and Pearson. Rolling figures are for steering; no law here counts by them.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from enum import StrEnum
from itertools import accumulate
from operator import itemgetter

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


LIVE = frozenset({Fate.CONNECTED, Fate.LATE, Fate.ABANDONED, Fate.BY_CALLEE, Fate.OPEN})
"""Answered by a person: the denominator."""

ABANDONED = frozenset({Fate.LATE, Fate.ABANDONED})
"""The numerator."""

_NOBODY = Interval(mean=0.0, low=0.0, high=0.0)


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
        people = self.people or _NOBODY
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
    measured_at: float | None = None
    if rule.starts_at is ClockStart.GREETING_END:
        measured_at = attempt.greeting_end_at
    elif rule.starts_at is ClockStart.GREETING_START:
        measured_at = attempt.greeting_start_at
    return (answered_at if measured_at is None else measured_at) + rule.threshold_s


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
    ledger = _Ledger(attempts, rule, checks or {})
    instants = ledger.instants
    if first_live_at is None:
        first_live_at = ledger.first_live_at
    window = rule.windows[0] if rule.windows else Window.DAY
    found: list[LegalWindow] = []
    index = 0
    while index < len(instants):
        opens_at, closes_at = window_span(window, tz, first_live_at, instants[index])
        end = bisect_left(instants, closes_at, index)
        found.append(ledger.window(index, end, opens_at, closes_at))
        index = end
    return found


class _Ledger:
    """The attempts that count, in order of the instants that decide where, added up: a span of them is two look-ups."""

    def __init__(self, attempts: Iterable[Attempt], rule: AbandonmentRule, checks: MachineChecks) -> None:
        judged = [
            (_counted_at(attempt, fate), fate, attempt)
            for attempt in attempts
            if (fate := fate_of(attempt, rule)) is not Fate.NOT_ANSWERED
        ]
        judged.sort(key=itemgetter(0))
        self.instants = [at for at, _, _ in judged]
        self.fates = [fate for _, fate, _ in judged]
        self.first_live_at = next((at for at, fate, _ in judged if fate in LIVE), None)
        self._has_checks = bool(checks)
        self._live = _sums(fate in LIVE for fate in self.fates)
        self._abandoned = _sums(fate in ABANDONED for fate in self.fates)
        self._machines = _sums(fate is Fate.MACHINE for fate in self.fates)
        self._silent = _sums(fate in ABANDONED and is_silent(attempt, rule) for _, fate, attempt in judged)
        shares = {campaign: clopper_pearson(*check) for campaign, check in checks.items()}
        share_of = [shares.get(each.campaign, _NOBODY) if fate is Fate.MACHINE else _NOBODY for _, fate, each in judged]
        self._people = [
            [0.0, *accumulate(share.mean for share in share_of)],
            [0.0, *accumulate(share.low for share in share_of)],
            [0.0, *accumulate(share.high for share in share_of)],
        ]

    def window(self, start: int, end: int, from_at: float, to_at: float) -> LegalWindow:
        """Count the window that holds the attempts from one index to before another."""
        count = Counter(self.fates[start:end])
        return LegalWindow(
            from_at=from_at,
            to_at=to_at,
            counted=self._tally(start, end),
            late=count[Fate.LATE],
            silent=self._silent[end] - self._silent[start],
            by_callee=count[Fate.BY_CALLEE],
            unclassified=count[Fate.UNCLASSIFIED],
            unknown=count[Fate.UNKNOWN],
            cut_short=count[Fate.CUT_SHORT],
            rolling_24h=self._rolling(end, DAY_S),
            rolling_30d=self._rolling(end, BLOCK_S),
        )

    def _tally(self, start: int, end: int) -> Tally:
        mean, low, high = (sums[end] - sums[start] for sums in self._people)
        return Tally(
            live=self._live[end] - self._live[start],
            abandoned=self._abandoned[end] - self._abandoned[start],
            machines=self._machines[end] - self._machines[start],
            people=Interval(mean=mean, low=low, high=high) if self._has_checks else None,
        )

    def _rolling(self, end: int, length_s: float) -> Tally:
        """Count so many seconds up to the last attempt before an index, that one included."""
        return self._tally(bisect_right(self.instants, self.instants[end - 1] - length_s), end)


def _sums(flags: Iterable[bool]) -> list[int]:
    return [0, *accumulate(map(int, flags))]


def _counted_at(attempt: Attempt, fate: Fate) -> float:
    if fate in (Fate.UNKNOWN, Fate.CUT_SHORT) or attempt.answered_at is None:
        return attempt.placed_at
    return attempt.answered_at
