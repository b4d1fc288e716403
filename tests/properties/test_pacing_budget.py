"""The budget against a list of events: restarts, jumping clocks and midnights of every kind lose and double nothing."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from math import floor
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dialer.domain.policy import Window
from dialer.domain.records import BudgetSnapshot
from dialer.domain.windows import BLOCK_S
from dialer.pacing.budget import AbandonmentBudget

# A clock that springs forward at midnight, one that falls back to the day before, one that skipped a whole day.
NIGHTS = (
    ("Europe/Berlin", 2026, 3, 29),
    ("Europe/Berlin", 2026, 10, 25),
    ("Africa/Cairo", 2024, 4, 26),
    ("Africa/Cairo", 2024, 11, 1),
    ("America/Havana", 2024, 11, 3),
    ("America/Sao_Paulo", 2018, 2, 18),
    ("Pacific/Apia", 2011, 12, 31),
    ("Asia/Seoul", 2026, 3, 1),
)
KINDS = ("live", "abandoned", "machine")
CAP, PEOPLE, CHECKED = 0.03, 5, 500


def window_key(window: Window, zone: ZoneInfo, first_live_at: float | None, at: float) -> object:
    """Which window an instant falls into, by the calendar."""
    if window is Window.BLOCKS_30D:
        return 0 if first_live_at is None else max(floor((at - first_live_at) / BLOCK_S), 0)
    local = datetime.fromtimestamp(floor(at), zone)  # a datetime would round the last instant up into the next day
    return local.date() if window is Window.DAY else (local.year, local.month)


class BudgetMachine(RuleBasedStateMachine):
    """One budget, and the events it was told of with the instants of the clock at that moment."""

    @initialize(
        window=st.sampled_from(Window),
        night=st.sampled_from(NIGHTS),
        before_s=st.floats(0.0, 90_000.0) | st.floats(0.0, 1800.0),
    )
    def begin(self, window: Window, night: tuple[str, int, int, int], before_s: float) -> None:
        """Begin at most a day before a night on which something happens to the clock."""
        name, *date = night
        self.zone, self.window = ZoneInfo(name), window
        self.now = datetime(*date, tzinfo=self.zone).timestamp() - before_s
        self.events: list[tuple[float, str, int]] = []
        self.of_hours: list[tuple[float, str, int]] = []
        self.first_live_at: float | None = None
        self.budget = self.fresh()

    def fresh(self, **changes: object) -> AbandonmentBudget:
        return AbandonmentBudget(
            cap_rate=CAP,
            window=self.window,
            tz=self.zone,
            machine_check=(PEOPLE, CHECKED),
            **changes,  # type: ignore[arg-type]
        )

    @rule(kind=st.sampled_from(KINDS), times=st.integers(1, 40))
    def something_happens(self, kind: str, times: int) -> None:
        """Calls come to an end."""
        record: Callable[[float], None] = getattr(self.budget, f"record_{kind}")
        for _ in range(times):
            record(self.now)
        self.keep(kind, times)
        if kind == "live" and self.first_live_at is None:
            self.first_live_at = self.now

    @rule(kind=st.sampled_from(("live", "abandoned")))
    def something_is_taken_back(self, kind: str) -> None:
        """An agent says that it was a machine after all; where nothing is counted there is nothing to take back."""
        getattr(self.budget, f"retract_{kind}")(self.now)
        if self.counted()[kind] > 0:
            self.keep(kind, -1)

    @rule(seconds=st.one_of(st.floats(0.0, 4000.0), st.floats(0.0, 40 * 86400.0)))
    def time_passes(self, seconds: float) -> None:
        """The clock goes on, as little or as much as it likes."""
        self.now += seconds

    @rule(ahead_s=st.floats(0.0, 3600.0), is_used=st.booleans())
    def the_clock_jumps_and_comes_back(self, ahead_s: float, is_used: bool) -> None:
        """Somebody sets the clock wrong and right again; something may happen meanwhile."""
        self.now += ahead_s
        self.check_window()
        if is_used:
            self.something_happens("live", 3)
        self.now -= ahead_s

    @rule(back_s=st.floats(0.0, 3600.0))
    def the_clock_is_set_back(self, back_s: float) -> None:
        """It was wrong before, or is now."""
        self.now -= back_s

    @rule()
    def the_dialer_restarts(self) -> None:
        """What storage keeps is the window at hand and the last hours."""
        self.check_window()
        here = window_key(self.window, self.zone, self.first_live_at, self.now)
        self.budget = self.fresh(restored=BudgetSnapshot(**asdict(self.budget.snapshot())))
        self.events = [each for each in self.events if self.key(each[0]) == here]

    def key(self, at: float) -> object:
        return window_key(self.window, self.zone, self.first_live_at, at)

    def keep(self, kind: str, times: int) -> None:
        self.events.append((self.now, kind, times))
        # What lies four hours from the last event is forgotten: no hour needs it, unless a clock jumps that far.
        self.of_hours = [each for each in self.of_hours if abs(each[0] // 60 - self.now // 60) <= 240]
        self.of_hours.append((self.now, kind, times))

    def counted(self) -> dict[str, int]:
        here = self.key(self.now)
        return {
            kind: sum(times for at, each, times in self.events if each == kind and self.key(at) == here)
            for kind in KINDS
        }

    @invariant()
    @precondition(lambda self: hasattr(self, "budget"))
    def check_window(self) -> None:
        """Counts, rate and what is left are those of the list."""
        counted, budget = self.counted(), self.budget
        assert (budget.live(self.now), budget.abandoned(self.now), budget.machines(self.now)) == tuple(
            counted[kind] for kind in KINDS
        )
        people = counted["machine"] * PEOPLE / CHECKED
        live, abandoned = counted["live"] + people, counted["abandoned"] + people
        assert budget.rate(self.now) == pytest.approx(abandoned / live if live > 0.0 else 0.0)
        assert budget.remaining(self.now) == floor(CAP * live - abandoned + 1e-9)
        opens_at, closes_at = budget.span(self.now)
        assert self.now < closes_at
        hour = {
            kind: sum(n for at, each, n in self.of_hours if each == kind and at // 60 > (self.now - 3600.0) // 60)
            for kind in KINDS
        }
        people = hour["machine"] * PEOPLE / CHECKED
        expected = (max(hour["live"] + people, 0.0), max(hour["abandoned"] + people, 0.0))
        assert budget.last_hour(self.now) == pytest.approx(expected)
        if self.window is not Window.BLOCKS_30D:
            assert opens_at <= self.now


TestBudget = BudgetMachine.TestCase
TestBudget.settings = settings(max_examples=120, stateful_step_count=25, deadline=None)


@given(st.sampled_from(NIGHTS), st.sampled_from([Window.DAY, Window.CALENDAR_MONTH]), st.floats(-200_000.0, 200_000.0))
@settings(max_examples=300, deadline=None)
def test_windows_follow_one_another(night: tuple[str, int, int, int], window: Window, after_s: float) -> None:
    """Every instant lies in its window, and the next window opens when that one closes, whatever the clocks do."""
    name, *date = night
    zone = ZoneInfo(name)
    at = datetime(*date, tzinfo=zone).timestamp() + after_s
    budget = AbandonmentBudget(cap_rate=CAP, window=window, tz=zone)
    opens_at, closes_at = budget.span(at)
    assert opens_at <= at < closes_at
    assert budget.span(closes_at)[0] == closes_at
    assert budget.span(opens_at) == (opens_at, closes_at)
    local, before = datetime.fromtimestamp(opens_at, zone), datetime.fromtimestamp(opens_at - 1.0, zone)
    assert local.date() != before.date()
