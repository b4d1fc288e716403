"""Worlds that change: by the clock, by the place on the list, and by who is at work."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean, stdev

import pytest

from dialer.config.faults import ConfigFaults
from dialer.config.toml_file import load_model
from dialer.domain.commands import BridgeCall
from dialer.domain.events import (
    AgentLoggedIn,
    AgentLoggedOut,
    AgentPauseRequested,
    AgentReadied,
    CallAnswered,
    CallBridged,
    CallDisposed,
    CallFailed,
    CallReleased,
    CallRinging,
    Event,
)
from dialer.domain.outcome import Outcome
from dialer.simulator.list_order import Clumps, Drift
from dialer.simulator.local_time import LocalClock
from dialer.simulator.scenario import Scenario
from dialer.simulator.streams import Streams
from tests.unit.simulator.floor import Floor, order, run, world

LIVE: dict[str, object] = {
    "network": {"setup_s": 2},
    "answers": {"p_live": 1.0, "ring_s": 8},
    "talk": {"talk_s": 100, "wrap_up_s": 20, "p_agent_hangs_up": 0.0},
}


def with_table(name: str, **keys: object) -> dict[str, object]:
    """The plain world with some keys of one table replaced."""
    table = LIVE.get(name, {})
    assert isinstance(table, Mapping)
    return {**LIVE, name: {**table, **keys}}


def one_call(tables: Mapping[str, object], at: float) -> list[tuple[float, str]]:
    """Dial one number at an instant; give what happens, in seconds since then."""
    place = world(tables, agents=1)
    floor = Floor(place)
    run(place, at, floor)
    place.submit(order(1), at)
    return [(when - at, type(event).__name__) for when, event in run(place, at + 2000.0, floor)]


@pytest.mark.parametrize(
    ("table", "keys", "event", "before_s", "after_s"),
    [
        ("network", {"setup_steps": {"10:00": 3.0}}, CallRinging, 2.0, 6.0),
        ("answers", {"ring_steps": {"10:00": 2.0}}, CallAnswered, 10.0, 18.0),
        ("talk", {"talk_steps": {"10:00": 0.5}}, CallReleased, 110.0, 60.0),
        ("talk", {"wrap_up_steps": {"10:00": 6.0}}, CallDisposed, 130.0, 230.0),
        ("talk", {"refused_steps": {"10:00": 1.0}}, CallReleased, 110.0, 30.0),
    ],
)
def test_times_change_by_the_clock(
    table: str, keys: dict[str, object], event: type[Event], before_s: float, after_s: float
) -> None:
    """A step holds for what begins from its local time on, and for nothing before."""
    tables = with_table(table, **keys)
    early = {name: at for at, name in one_call(tables, 32400.0)}
    late = {name: at for at, name in one_call(tables, 36000.0)}
    assert early[event.__name__] == before_s
    assert late[event.__name__] == after_s


def test_a_storm_at_the_carrier_passes() -> None:
    """Between two local times calls are refused, outside not."""
    tables = with_table("network", congestion_steps={"10:00": 1.0, "10:10": 0.0})
    assert one_call(tables, 35999.0)[0][1] == "CallRinging"
    assert one_call(tables, 36000.0)[-1][1] == "CallFailed"
    assert one_call(tables, 36600.0)[0][1] == "CallRinging"


def test_lines_that_the_engine_knows_nothing_of_fail() -> None:
    """While fewer lines work than the engine was told, calls beyond them end in congestion."""
    place = world(with_table("network", lines=3, lines_steps={"00:00": 1, "10:00": 3}))
    for call_id in (1, 2):
        place.submit(order(call_id), 0.0)
    assert run(place, 0.0) == [(0.0, CallFailed(call_id=2, outcome=Outcome.CONGESTION, cause="no line free"))]
    run(place, 36000.0)
    for call_id in (3, 4):
        place.submit(order(call_id), 36000.0)
    assert run(place, 36000.0) == []


def test_clumps_are_runs_of_the_list() -> None:
    """Every run has a length within its bounds, the factors take turns, and asking again changes nothing."""
    clumps = Clumps([0.5, 1.5], 3, 6, Streams(7).purpose("clump"))
    backwards = [clumps.factor(place) for place in range(999, -1, -1)][::-1]
    assert backwards == [clumps.factor(place) for place in range(1000)]
    runs, start = [], 0
    for place in range(1, 1000):
        if backwards[place] != backwards[place - 1]:
            runs.append(place - start)
            start = place
    assert set(runs) == {3, 4, 5, 6}
    assert backwards[0] == 0.5


def test_clumps_decide_who_answers() -> None:
    """With factors 0 and 1 whole runs of numbers answer or do not."""
    place = world(with_table("answers", clumps={"factors": [0.0, 1.0], "shortest": 5, "longest": 5}))
    for call_id in range(20):
        place.submit(order(call_id, number=f"+8200{call_id:08d}"), 0.0)
    answered = sorted(event.call_id for _, event in run(place, 1e4) if isinstance(event, CallAnswered))
    assert answered == [*range(5, 10), *range(15, 20)]


def test_drift_wanders_with_its_spread_and_memory() -> None:
    """Mean 1, spread `sd`, correlation exp(-distance / numbers).

    40,000 places with memory 50 hold some 400 independent levels: the standard error of the mean is .01, of the spread
    .007, of the correlation .05. Four of each are allowed, which a right drift exceeds for fewer than 1 seed in 5,000.
    """
    drift = Drift(0.2, 50.0, 0, Streams(3).purpose("talk drift"))
    levels = [drift.factor(place) for place in range(40_000)]
    assert fmean(levels) == pytest.approx(1.0, abs=0.04)
    assert stdev(levels) == pytest.approx(0.2, abs=0.03)
    mean = fmean(levels)
    pairs = zip(levels, levels[50:], strict=False)
    correlation = fmean((a - mean) * (b - mean) for a, b in pairs) / stdev(levels) ** 2
    assert correlation == pytest.approx(0.37, abs=0.2)
    assert drift.factor(77) == levels[77]


def test_agents_come_one_after_another() -> None:
    """Each agent logs in a fixed time after the one before."""
    place = world({**LIVE, "agents": {"login_every_s": 60}}, agents=3)
    assert [at for at, event in run(place, 1e4) if isinstance(event, AgentLoggedIn)] == [0.0, 60.0, 120.0]


LUNCH = {"at": "10:00", "share": 0.4, "within_s": 60, "back_after_s": 2700}


def test_a_share_of_the_team_leaves_and_comes_back_every_day() -> None:
    """Four of ten pause within a minute of the local time, and are ready again 45 minutes later, on both days."""
    place = world({**LIVE, "agents": {"leaves": [LUNCH]}}, agents=10)
    seen = [(at, event) for at, event in run(place, 2 * 86400.0 - 1) if at > 0.0]
    left = [(at, event.agent_id) for at, event in seen if isinstance(event, AgentPauseRequested)]
    back = [(at, event.agent_id) for at, event in seen if isinstance(event, AgentReadied)]
    assert [len([at for at, _ in left if day <= at - 36000.0 <= day + 60.0]) for day in (0.0, 86400.0)] == [4, 4]
    assert back == [(at + 2700.0, agent_id) for at, agent_id in left]


def shift_end(announced_s: float, dialed_at: float) -> list[tuple[float, str]]:
    """One agent on one call, who goes home at 10:00; what the agent says."""
    leave = {"at": "10:00", "announced_s": announced_s}
    place = world({**LIVE, "agents": {"leaves": [leave]}}, agents=1)
    floor = Floor(place)
    run(place, dialed_at, floor)
    place.submit(order(1), dialed_at)
    said = (AgentPauseRequested, AgentLoggedOut, AgentReadied)
    return [(at, type(event).__name__) for at, event in run(place, 86000.0, floor) if isinstance(event, said)]


def test_an_announced_end_is_told_during_the_call() -> None:
    """The call runs from 9:55:10 to 9:56:50: the agent asks when the announcement is due, and leaves after wrap-up."""
    assert shift_end(announced_s=240.0, dialed_at=35700.0) == [
        (35760.0, "AgentPauseRequested"),
        (35830.0, "AgentReadied"),
        (35830.0, "AgentLoggedOut"),
    ]


def test_an_announced_end_is_told_at_the_next_call() -> None:
    """Who is free when the announcement is due asks as the next call comes, and takes it."""
    assert shift_end(announced_s=600.0, dialed_at=35700.0) == [
        (35710.0, "AgentPauseRequested"),
        (35830.0, "AgentReadied"),
        (35830.0, "AgentLoggedOut"),
    ]


def test_an_unannounced_end_is_told_at_the_last_moment() -> None:
    """Nobody hears of it before the wrap-up is done; an agent who is free leaves on time."""
    assert shift_end(announced_s=0.0, dialed_at=35900.0) == [
        (36030.0, "AgentPauseRequested"),
        (36030.0, "AgentReadied"),
        (36030.0, "AgentLoggedOut"),
    ]
    assert shift_end(announced_s=0.0, dialed_at=35700.0)[1:] == [
        (36000.0, "AgentPauseRequested"),
        (36000.0, "AgentLoggedOut"),
    ]


def test_who_is_being_rung_for_takes_the_call_and_goes() -> None:
    """An order to join that crosses the log-out is still carried out, once; then the agent is gone for good."""
    place = world({**LIVE, "agents": {"leaves": [{"at": "00:10"}]}}, agents=1)
    run(place, 600.0)
    place.submit(order(1), 600.0)
    run(place, 610.0)
    place.submit(BridgeCall(call_id=1, agent_id="agent-001"), 610.0)
    said = (CallBridged, CallDisposed, AgentLoggedOut)
    seen = [(at, type(event).__name__) for at, event in run(place, 80000.0) if isinstance(event, said)]
    assert seen == [(610.0, "CallBridged"), (730.0, "CallDisposed"), (730.0, "AgentLoggedOut")]


def test_agents_who_are_not_ready_after_a_call() -> None:
    """At the end of each wrap-up the agent asks for a pause at the last moment and is back after its length."""
    place = world({**LIVE, "agents": {"p_not_ready": 1.0, "not_ready_s": 300}}, agents=1)
    place.submit(order(1), 0.0)
    said = (AgentPauseRequested, AgentReadied, CallDisposed)
    seen = [(at, type(event).__name__) for at, event in run(place, 1e4, Floor(place)) if isinstance(event, said)]
    assert seen == [
        (0.0, "AgentReadied"),
        (130.0, "CallDisposed"),
        (130.0, "AgentPauseRequested"),
        (130.0, "AgentReadied"),
        (430.0, "AgentReadied"),
    ]


def test_a_share_is_not_ready() -> None:
    """Of 400 calls about a twentieth ends with the agent away (binomial: 7 to 34 but for 1 seed in 2,000)."""
    place = world({**LIVE, "agents": {"p_not_ready": 0.05, "not_ready_s": 30}}, agents=400)
    for call_id in range(400):
        place.submit(order(call_id), 0.0)
    assert 7 <= Counter(type(event) for _, event in run(place, 1e4, Floor(place)))[AgentPauseRequested] <= 34


def test_local_times_follow_the_zone() -> None:
    """The next 09:00 is on the zone's wall, also over the change to summer time."""
    clock = LocalClock("Europe/Berlin")
    winter = 1_743_235_200.0  # Saturday, 29 March 2025, 09:00 in Berlin
    assert clock.next_at("09:00", winter) == winter
    assert clock.next_at("09:00", winter + 1.0) == winter + 23 * 3600.0
    assert clock.minute(winter + 23 * 3600.0) == 9 * 60


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[network]\nlines = 5\nlines_steps = { '09:00' = 6 }", ["network.lines_steps", "at most network.lines (5)"]),
        ("[network]\ncongestion_steps = { '09:00' = 1.5 }", ["network.congestion_steps", "at most 1"]),
        ("[talk]\nwrap_up_steps = { '25:00' = 2 }", ["talk.wrap_up_steps", "25:00"]),
        ("[talk]\ndrifts = [{ sd = 0, numbers = 9 }]", ["sd", "more than 0"]),
        ("[answers]\nclumps = { factors = [1, 0.5], shortest = 9, longest = 3 }", ["longest", "at least shortest"]),
        ("[answers]\nclumps = { factors = [1], shortest = 1, longest = 3 }", ["factors", "2"]),
        ("[answers]\np_live = 0.6\nclumps = { factors = [0, 2], shortest = 1, longest = 1 }", ["sum to at most 1"]),
        ("[[agents.leaves]]\nshare = 0.5", ["at", "leaves"]),
        ("[[agents.leaves]]\nat = '12:00'\nshare = 40", ["share", "at most 1"]),
    ],
)
def test_faults(tmp_path: Path, text: str, words: list[str]) -> None:
    """What makes no sense is refused with its key and what was expected."""
    path = tmp_path / "world.toml"
    path.write_text(text)
    with pytest.raises(ConfigFaults) as raised:
        load_model(path, Scenario)
    message = str(raised.value)
    assert [word for word in words if word not in message] == [], message
