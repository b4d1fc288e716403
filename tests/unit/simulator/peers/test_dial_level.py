"""The clocks of a dial level, and what is counted at each."""

from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from dialer.pacing.base import Floor, Totals
from dialer.simulator.peers.dial_level import LevelPacer, Tally, tally
from dialer.simulator.peers.vicidial import Drops, Means
from tests.unit.simulator.peers.floor import floor


@dataclass
class Watched:
    """Rules that keep what they are told, and answer the level and the calls they are given."""

    wanted: list[int] = field(default_factory=list)
    steps: list[tuple[float, Means, Drops, int]] = field(default_factory=list)

    def counted_agents(self, floor: Floor) -> int:
        """Everybody."""
        return floor.agents

    def next_level(self, level: float, means: Means, drops: Drops, hhmm: int) -> float:
        """One more each time."""
        self.steps.append((level, means, drops, hhmm))
        return level + 1.0

    def wanted_lines(self, floor: Floor, level: float) -> int:
        """The next of the calls given, then none."""
        return self.wanted.pop(0) if self.wanted else 0


def pacer(rules: Watched, zone: str = "UTC") -> LevelPacer:
    """A pacer by watched rules."""
    return LevelPacer(rules, ZoneInfo(zone))


def test_a_step_takes_the_mean_of_fifteen_samples_held() -> None:
    """Between two looks the earlier floor holds: ten seconds with 4 ready and five with 1 make 3 on average."""
    rules = Watched()
    one = pacer(rules)
    one.decide(floor(0.0, ready=4, talking=6))
    one.decide(floor(4.5, ready=4, talking=6))
    one.decide(floor(9.5, ready=1, talking=6, queued=0, wrapping=3))
    one.decide(floor(14.0, ready=1, talking=6, wrapping=3))
    assert rules.steps == []
    one.decide(floor(14.25, ready=9, talking=1))
    assert rules.steps == [(1.0, Means(idle=(10 * 4 + 5 * 1) / 15, agents=10.0), Drops(), 0)]
    assert one.decide(floor(14.5)).terms[0] == ("level", 2.0)


def test_a_step_in_the_servers_time() -> None:
    """Hour and minute are those of the server's zone."""
    rules = Watched()
    one = pacer(rules, "Asia/Seoul")
    for second in range(0, 61, 5):
        one.decide(floor(float(second), ready=1))
    assert [hhmm for *_, hhmm in rules.steps] == [900, 900, 900, 900]


def test_calls_of_a_cycle_are_spaced() -> None:
    """Three calls 0.2 s apart, and the next cycle 2.5 s after the last; what comes up meanwhile waits for it."""
    rules = Watched(wanted=[3, 0, 2])
    one = pacer(rules)
    now, calls = 0.0, []
    while now < 8.0:
        decision = one.decide(floor(now, ready=3))
        if decision.calls:
            calls.append((round(now, 6), decision.calls))
        now += one.looks_every_s
    assert calls == [(0.0, 1), (0.2, 1), (0.4, 1), (5.6, 1), (5.8, 1)]


def test_an_event_between_cycles_starts_nothing() -> None:
    """A look in the middle of a cycle does not begin one."""
    rules = Watched(wanted=[0, 5])
    one = pacer(rules)
    assert [one.decide(floor(at, ready=3)).calls for at in (0.0, 0.3, 1.9, 2.4)] == [0, 0, 0, 0]
    assert one.decide(floor(2.5, ready=3)).calls == 1


def test_a_late_look_begins_one_cycle_only() -> None:
    """Cycles that nobody looked at are lost, not made up for."""
    rules = Watched(wanted=[0, 2, 2])
    one = pacer(rules)
    one.decide(floor(0.0, ready=3))
    assert one.decide(floor(9.0, ready=3)).calls == 1
    assert rules.wanted == [2]


def test_an_empty_room_stops_the_clocks() -> None:
    """While nobody looks for long the level stays, and a step needs fifteen new samples."""
    rules = Watched()
    one = pacer(rules)
    one.decide(floor(0.0, ready=4))
    one.decide(floor(3600.0, ready=4))
    one.decide(floor(3609.0, ready=4))
    assert rules.steps == []


def test_a_conversation_is_no_answer_yet() -> None:
    """Answers are those whose agent is ready again, and drops; calls are those that no longer ring."""
    totals = Totals(dials=100, finished=80, live=30, machines=10, connects=27, abandoned=2)
    here = floor(ready=2, talking=4, wrapping=3, ringing=9, answered=1, queued=1, totals=totals)
    assert tally(here) == Tally(calls=90, drops=2, answers=22)


def test_minutes_and_days() -> None:
    """Each minute's counts, those of five minutes, and those since the server's midnight."""
    rules = Watched()
    one = pacer(rules)
    midnight = 86400.0
    at = midnight - 420.0
    while at < midnight + 200.0:
        minutes = int((at - midnight + 420.0) / 60.0)
        one.decide(floor(at, ready=1, totals=Totals(dials=10 * minutes, live=4 * minutes, abandoned=minutes)))
        at += 2.5
    before = [drops for _, _, drops, hhmm in rules.steps if hhmm == 2359][-1]
    after = rules.steps[-1][2]
    assert (before.minute_calls, before.minute_drops, before.minute_answers) == (10, 1, 4)
    assert (before.five_minutes_drops, before.five_minutes_answers) == (5, 20)
    assert before.day_calls == 10 * 6
    assert (after.day_calls, after.day_drops, after.day_answers) == (20, 2, 8)
