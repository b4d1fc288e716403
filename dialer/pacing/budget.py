"""The abandonment budget: live answers and abandonments, counted over the window of the law and over the last hour.

Windows, each half-open, with `tz` given from outside:
- `24h`: the calendar day, midnight to midnight. Not a rolling day: the rule that has a 24-hour window (Ofcom) counts
  calendar days.
- `calendar-month`: from the first of the month, local midnight, to the next.
- `30d-blocks`: successive blocks of 30 * 86400 s from the campaign's first live answer.

People taken for machines. A detector that calls a person a machine leaves that person with silence. Nobody sees it
happen, so it is estimated: of `checked` calls that the detector called machines and somebody listened to, `people`
were people. Each machine verdict then counts people/checked of a live answer *and* of an abandonment; the interval is
that of Clopper and Pearson (`dialer.queueing.intervals`), for the share alone.

One rule governs this module: the counters are what the law sees. An event counts in the window that holds the instant
at which it is recorded, whichever way the clock went meanwhile; a correction (`retract_live`, `retract_abandoned`) is a
count of its own and never rewrites another window. Counts are of this campaign; answers are of all the budgets it
counts together with (`count_with`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from math import floor, inf

from dialer.domain.policy import Window
from dialer.domain.records import BudgetSnapshot
from dialer.domain.windows import BLOCK_S, window_span
from dialer.queueing.errors import OutOfDomain
from dialer.queueing.intervals import Interval, clopper_pearson

HOUR_S = 3600.0
EVIDENT_LIVE = 50
EVIDENT_PEOPLE = 3.0
_BUCKET_S = 60.0
_MINUTES_KEPT = 240  # around the last event: a clock that jumps an hour and comes back finds its hour again
_WINDOWS_KEPT = 4  # for the same reason
_ROUNDING = 1e-9


@dataclass(slots=True)
class _Tally:
    live: int = 0
    abandoned: int = 0
    machines: int = 0

    def add(self, live: int, abandoned: int, machines: int) -> None:
        """Count so many more."""
        self.live += live
        self.abandoned += abandoned
        self.machines += machines


class AbandonmentBudget:
    """Count live answers, abandonments and machines of one campaign against `cap_rate`.

    `machine_check` is (people, checked) of the module's estimate; None: nobody has checked, and no machine counts.
    """

    def __init__(
        self,
        *,
        cap_rate: float,
        window: Window,
        tz: tzinfo,
        machine_check: tuple[int, int] | None = None,
        restored: BudgetSnapshot | None = None,
    ) -> None:
        self.hold_to(cap_rate, machine_check)
        self._window = window
        self._tz = tz
        self._group: tuple[AbandonmentBudget, ...] = (self,)
        self._first_live_at: float | None = None
        self._counted_at = -inf  # the last event
        self._opens_at = self._closes_at = -inf
        self._tallies: dict[float, _Tally] = {}  # by window
        self._tally = _Tally()  # of the window at hand
        self._minutes: dict[int, _Tally] = {}  # by minute since the epoch
        self._hour_after: int | None = None  # the minute after which the hour at hand begins
        self._hour = _Tally()
        if restored is not None:
            self._restore(restored)

    def hold_to(self, cap_rate: float, machine_check: tuple[int, int] | None) -> None:
        """Put another cap, or another check of the detector, into force; the counts stay."""
        if not 0.0 <= cap_rate < 1.0:
            raise OutOfDomain(f"cap_rate: expected a share in [0, 1), found {cap_rate!r}; 3 % is written 0.03")
        self.cap_rate = cap_rate
        self._p_person = None if machine_check is None else clopper_pearson(*machine_check)

    def count_with(self, group: Sequence["AbandonmentBudget"]) -> None:
        """Answer for all of `group` from now on: this budget, and others with its window and time zone."""
        self._group = tuple(group)
        firsts = [each._first_live_at for each in group if each._first_live_at is not None]
        if firsts and min(firsts) != self._first_live_at:
            self._start_blocks(min(firsts))

    def record_live(self, now: float) -> None:
        """Count a live answer."""
        if self._first_live_at is None:
            for each in self._group:
                each._start_blocks(now)
        self._count(now, live=1)

    def record_abandoned(self, now: float) -> None:
        """Count an abandonment; its live answer was recorded before."""
        self._count(now, abandoned=1)

    def record_machine(self, now: float) -> None:
        """Count an answer that the detector called a machine."""
        self._count(now, machines=1)

    def retract_live(self, now: float) -> None:
        """Take back one live answer that turned out to be a machine."""
        if self._at(now).live > 0:
            self._count(now, live=-1)

    def retract_abandoned(self, now: float) -> None:
        """Take back one abandonment whose live answer turned out to be a machine."""
        if self._at(now).abandoned > 0:
            self._count(now, abandoned=-1)

    def live(self, now: float) -> int:
        """Give the live answers counted in the window that holds `now`."""
        return sum(each._at(now).live for each in self._group)

    def abandoned(self, now: float) -> int:
        """Give the abandonments counted in the window that holds `now`."""
        return sum(each._at(now).abandoned for each in self._group)

    def machines(self, now: float) -> int:
        """Give the answers called machines in the window that holds `now`."""
        return sum(each._at(now).machines for each in self._group)

    def people(self, now: float) -> Interval | None:
        """Estimate the people among `machines`, with a 95 % interval; None where no check says what share they are."""
        found = [(each._at(now).machines, each._p_person) for each in self._group if each._p_person is not None]
        if not found:
            return None
        return Interval(
            mean=sum(machines * share.mean for machines, share in found),
            low=sum(machines * share.low for machines, share in found),
            high=sum(machines * share.high for machines, share in found),
        )

    def weighed(self, now: float) -> tuple[float, float]:
        """Give (live answers, abandonments) of the window with the people among the machines counted in both."""
        live = abandoned = 0.0
        for each in self._group:
            tally = each._at(now)
            people = each._people_of(tally)
            live += tally.live + people
            abandoned += tally.abandoned + people
        return live, abandoned

    def rate(self, now: float) -> float:
        """Give abandonments per live answer in the window, estimate included; 0 while there is no live answer."""
        live, abandoned = self.weighed(now)
        return abandoned / live if live > 0.0 else 0.0

    def remaining(self, now: float) -> int:
        """Give the abandonments still allowed if no further live answer came; negative when overdrawn."""
        live, abandoned = self.weighed(now)
        return floor(self.cap_rate * live - abandoned + _ROUNDING)

    def infeasible(self, now: float) -> Interval | None:
        """Give the people estimated among the machines where they alone reach the cap: no pacing could keep it.

        It takes evidence: 50 live answers in the window, or an estimate of three people.
        """
        live, counted = self.weighed(now)[0], self.live(now)
        people = live - counted
        # In this order, and without the interval: each pacing decision asks.
        if people < self.cap_rate * live - _ROUNDING or people < _ROUNDING:
            return None
        is_evident = counted >= EVIDENT_LIVE or people >= EVIDENT_PEOPLE - _ROUNDING
        return self.people(now) if is_evident else None

    def last_hour(self, now: float) -> tuple[float, float]:
        """Give (live answers, abandonments) of the last hour to the minute, estimate included; never below 0."""
        live = abandoned = 0.0
        for each in self._group:
            tally = each._hour_at(now)
            people = each._people_of(tally)
            live += tally.live + people
            abandoned += tally.abandoned + people
        return max(live, 0.0), max(abandoned, 0.0)

    def hour_begins_at(self, now: float) -> float | None:
        """Give the minute of the first live answer of the last hour; None without one."""
        after = int((now - HOUR_S) // _BUCKET_S)
        minutes = [
            minute
            for each in self._group
            for minute, tally in each._minutes.items()
            if after < minute <= now // _BUCKET_S and tally.live > 0
        ]
        return min(minutes) * _BUCKET_S if minutes else None

    def span(self, now: float) -> tuple[float, float]:
        """Give the instants at which the window that holds `now` opens and closes."""
        self._at(now)
        return self._opens_at, self._closes_at

    def snapshot(self) -> BudgetSnapshot:
        """Give this campaign's counters for storage: of the window at hand, and of the last hours by the minute."""
        minutes = sorted(self._minutes.items())
        return BudgetSnapshot(
            first_live_at=self._first_live_at,
            opens_at=None if self._opens_at == -inf else self._opens_at,
            live=self._tally.live,
            abandoned=self._tally.abandoned,
            hour=tuple((minute, tally.live, tally.abandoned) for minute, tally in minutes),
            machines=self._tally.machines,
            hour_machines=tuple((minute, tally.machines) for minute, tally in minutes if tally.machines),
        )

    def _restore(self, restored: BudgetSnapshot) -> None:
        self._first_live_at = restored.first_live_at
        if restored.opens_at is not None:
            self._at(restored.opens_at)
        self._tally.add(restored.live, restored.abandoned, restored.machines)
        for minute, live, abandoned in restored.hour:
            self._counted_at = minute * _BUCKET_S
            self._minutes.setdefault(minute, _Tally()).add(live, abandoned, 0)
        for minute, machines in restored.hour_machines:
            self._minutes.setdefault(minute, _Tally()).add(0, 0, machines)

    def _people_of(self, tally: _Tally) -> float:
        return 0.0 if self._p_person is None else tally.machines * self._p_person.mean

    def _count(self, now: float, *, live: int = 0, abandoned: int = 0, machines: int = 0) -> None:
        self._counted_at = now
        self._at(now).add(live, abandoned, machines)
        self._hour_at(now).add(live, abandoned, machines)
        minute = int(now // _BUCKET_S)
        tally = self._minutes.get(minute)
        if tally is None:
            tally = self._minutes[minute] = _Tally()
            for old in [each for each in self._minutes if abs(each - minute) > _MINUTES_KEPT]:
                del self._minutes[old]
                self._hour_after = None  # a clock set back so far leaves the hour at hand without them
        tally.add(live, abandoned, machines)

    def _at(self, now: float) -> _Tally:
        """Give the tally of the window that holds `now`: a new one, or one to which the clock came back."""
        if self._opens_at <= now < self._closes_at:
            return self._tally
        key, self._opens_at, self._closes_at = self._window_of(now)
        self._tally = self._tallies.setdefault(key, self._tally if not self._tallies else _Tally())
        while len(self._tallies) > _WINDOWS_KEPT:
            del self._tallies[max(self._tallies, key=lambda each: abs(each - key))]
        return self._tally

    def _hour_at(self, now: float) -> _Tally:
        """Give the tally of the hour before `now`; minutes after `now`, which a clock set back leaves, are in it."""
        after = int((now - HOUR_S) // _BUCKET_S)
        if after != self._hour_after:
            self._hour_after = after
            self._hour = _Tally()
            for minute, tally in self._minutes.items():
                if minute > after:
                    self._hour.add(tally.live, tally.abandoned, tally.machines)
        return self._hour

    def _start_blocks(self, first_live_at: float) -> None:
        """Count blocks from `first_live_at`; what was counted stays counted, in the block that now holds its own."""
        before, self._first_live_at = self._first_live_at, first_live_at
        if self._window is not Window.BLOCKS_30D:
            return
        if before is not None:
            moved: dict[float, _Tally] = {}
            for index, tally in self._tallies.items():
                opens_at = before + index * BLOCK_S
                # What was counted last goes with the last event: a block too full errs on the side of the law.
                is_last = opens_at <= self._counted_at < opens_at + BLOCK_S
                key = self._window_of(self._counted_at if is_last else opens_at)[0]
                moved.setdefault(key, _Tally()).add(tally.live, tally.abandoned, tally.machines)
            self._tallies = moved
        self._opens_at = self._closes_at = -inf

    def _window_of(self, now: float) -> tuple[float, float, float]:
        """Give a key for the window that holds `now`, and the instants at which it opens and closes.

        Before the first live answer, and for a clock set back before it, it is always the first block.
        """
        opens_at, closes_at = window_span(self._window, self._tz, self._first_live_at, now)
        if self._window is not Window.BLOCKS_30D:
            return opens_at, opens_at, closes_at
        index = 0.0 if self._first_live_at is None else max((now - self._first_live_at) // BLOCK_S, 0.0)
        return index, opens_at, closes_at
