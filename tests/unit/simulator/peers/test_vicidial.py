"""VICIdial's and OSDial's arithmetic, against worked examples of the behaviour they are described by."""

from math import ceil, log

import pytest

from dialer.simulator.peers.osdial import OsdialRules
from dialer.simulator.peers.vicidial import Drops, Means, Method, VicidialRules
from tests.unit.simulator.peers.floor import floor

NOON = 1200
OVER = Drops(day_calls=900, day_drops=34, day_answers=1000)
FINE = Drops(day_calls=900, day_drops=29, day_answers=1000)


def rules(**changes: object) -> VicidialRules:
    """The default settings with a limit of 3 %; `changes` replace fields."""
    return VicidialRules(**{"limit": 0.03, **changes})  # type: ignore[arg-type]


def step(level: float, ready: float, waiting: float, drops: Drops = FINE, hhmm: int = NOON, **changes: object) -> float:
    """One step with 20 agents logged in."""
    return rules(**changes).next_level(level, Means(idle=ready - waiting, agents=20.0), drops, hhmm)


@pytest.mark.parametrize(
    ("level", "ready", "waiting", "changes", "expected"),
    [
        (1.5, 4, 0, {}, 1.8),
        (2.0, 0, 3, {}, 1.7),
        (1.5, 4, 0, {"intensity": 20.0}, 1.86),
        (2.0, 0, 3, {"intensity": 20.0}, 1.76),
        (2.0, 0, 3, {"intensity": -20.0}, 1.64),
        (2.0, 1, 0, {"target_difference": -1.0}, 2.0),
        (2.9, 6, 0, {}, 3.0),
    ],
)
def test_growth(level: float, ready: float, waiting: float, changes: dict[str, object], expected: float) -> None:
    """The level moves by the idle share of all agents, turned by target and intensity, up to the highest level."""
    assert step(level, ready, waiting, **changes) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("method", "hhmm", "expected"),
    [
        (Method.AVERAGE, NOON, 1.44),
        (Method.HARD_LIMIT, NOON, 1.0),
        (Method.TAPERED, 1100, 2.88),
        (Method.TAPERED, 1500, 1.728),
        (Method.TAPERED, 2030, 1.0),
        (Method.TAPERED, 2130, 1.0),
    ],
)
def test_over_the_days_limit(method: Method, hhmm: int, expected: float) -> None:
    """After growth: one method starts over, one halves, one halves the more the later it is."""
    assert step(2.4, 4, 0, OVER, hhmm, method=method) == pytest.approx(expected, abs=1e-12)


def test_panic_halves() -> None:
    """More than half of the last minute's calls dropped, of more than twenty: half the level."""
    assert step(2.0, 0, 0, Drops(minute_calls=21, minute_drops=11)) == 1.0
    assert step(2.8, 0, 0, Drops(minute_calls=21, minute_drops=11)) == 1.4
    assert step(2.8, 0, 0, Drops(minute_calls=20, minute_drops=11)) == 2.8


def test_fifty_calls_prove_nothing() -> None:
    """The day's limit needs more than fifty calls."""
    assert step(2.0, 0, 0, Drops(day_calls=50, day_drops=9, day_answers=100)) == 2.0
    assert step(2.0, 0, 0, Drops(day_calls=51, day_drops=9, day_answers=100)) == 1.0


def test_a_small_team_gets_one_line_each() -> None:
    """With fewer agents than the guard says, the level is 1."""
    assert step(2.4, 4, 0, small_team=20) == 2.88
    assert step(2.4, 4, 0, small_team=21) == 1.0


@pytest.mark.parametrize(("idle_share", "seconds"), [(0.05, 338), (0.10, 173), (0.20, 90), (0.30, 63)])
def test_how_long_growth_takes(idle_share: float, seconds: int) -> None:
    """From level 1 to 3 with the same idle share all the time, at one step per 15 s."""
    assert 15.0 * log(3.0) / log(1.0 + idle_share) == pytest.approx(seconds, abs=0.6)
    level, steps = 1.0, 0
    while level < 3.0:
        level, steps = step(level, 20.0 * idle_share, 0), steps + 1
    assert steps == ceil(log(3.0) / log(1.0 + idle_share))


def test_lines_for_ready_and_talking_agents() -> None:
    """By default the goal is level x (ready + on a call), conversations being among the lines there are."""
    here = floor(ready=4, talking=6, wrapping=5, ringing=3, queued=1)
    assert rules().wanted_lines(here, 2.0) == 20 - (3 + 1 + 6)
    assert rules().wanted_lines(here, 1.0) == 0
    assert rules().wanted_lines(floor(ready=3), 1.5) == 4  # 4.5 to the even number


def test_lines_for_ready_agents_only() -> None:
    """With the available-only tally the goal is level x ready, conversations apart."""
    here = floor(ready=4, talking=6, wrapping=5, ringing=3, queued=1)
    assert rules(is_available_only=True).wanted_lines(here, 2.0) == 8 - (3 + 1)
    assert rules(is_available_only=True, small_team=16).wanted_lines(here, 2.0) == 0


def test_osdial_counts_fewer_agents() -> None:
    """Agents in wrap-up do not dilute the idle ones, so that the level grows faster."""
    here = floor(ready=4, talking=6, wrapping=5)
    assert rules().counted_agents(here) == 15
    assert OsdialRules(limit=0.03).counted_agents(here) == 10


@pytest.mark.parametrize(
    ("minute", "five", "expected"),
    [((0, 20), (2, 100), 2.002), ((0, 20), (4, 100), 2.0), ((1, 20), (2, 100), 1.998)],
)
def test_osdial_creeps(minute: tuple[int, int], five: tuple[int, int], expected: float) -> None:
    """Over the day's limit the level moves by a thousandth: up, not at all, or down, as the last minutes say."""
    drops = Drops(
        minute_drops=minute[0],
        minute_answers=minute[1],
        five_minutes_drops=five[0],
        five_minutes_answers=five[1],
        day_calls=900,
        day_drops=34,
        day_answers=1000,
    )
    assert OsdialRules(limit=0.03).next_level(2.0, Means(idle=4, agents=20), drops, NOON) == pytest.approx(expected)


def test_osdial_panics() -> None:
    """In a panic the level loses a quarter and a thousandth."""
    panic = Drops(minute_calls=21, minute_drops=11)
    level = OsdialRules(limit=0.03).next_level(2.0, Means(idle=4, agents=20), panic, NOON)
    assert level == pytest.approx(2.0 * 0.999 * 0.75)
