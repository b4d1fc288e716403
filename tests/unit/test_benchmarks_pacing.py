"""The pacing benchmark: its figures, its settings, and that it can be run at all."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.pacing import report
from benchmarks.pacing.blocks import block
from benchmarks.pacing.cost import same_as_progressive
from benchmarks.pacing.figures import (
    abandonment_with_silent,
    at_rate,
    gap_closed,
    is_beyond,
    lead_at_equal_abandonment,
    occupancy,
    on_curve,
    recovery_minutes,
    settled,
)
from benchmarks.pacing.parts import Row, lead_over, peer_rows, scenario_rows
from benchmarks.pacing.picture import Chart, Point, draw
from benchmarks.pacing.pool import Case, Kept, Results, carry_out
from benchmarks.pacing.references import markov, realistic
from benchmarks.pacing.run import Result, Tally, as_json, by_minute, from_json, run, tally, worst_hour
from benchmarks.pacing.scenarios import scenarios
from benchmarks.pacing.setting import Setting, policy_of, world_of
from dialer.domain.agent import AgentState
from dialer.domain.policy import Window
from dialer.domain.records import AgentSpan

HOUR_S = 3600.0


def result(busy: float, lost: int, live: int = 1000, **changes: object) -> Result:
    """A run of an hour that counts and one before it that is empty."""
    whole = Tally(live=live, abandoned=lost, work_s=busy * HOUR_S, staffed_s=HOUR_S)
    fields: dict[str, object] = {
        "whole": whole,
        "first_hour": Tally(),
        "halves": (whole, whole),
        "dials": 3 * live,
        "connects": live - lost,
        "silent": 0,
        "wait_s": 10.0,
        "waits": 2,
        "wait_p95_s": 8.0,
        "worst_hour": None,
        "windows": 1,
        "windows_over": 0,
        "at_marks": 0,
        "cpu_s": 1.0,
        **changes,
    }
    return Result(**fields)  # type: ignore[arg-type]


def span(state: AgentState, from_at: float, to_at: float) -> AgentSpan:
    """A span of one agent."""
    return AgentSpan(agent_id="a", campaign="bench", state=state, reason="", from_at=from_at, to_at=to_at)


def test_rates_over_runs_are_sums_over_sums() -> None:
    """Occupancy weighs runs by their staffed time, and its interval vanishes when all runs agree."""
    same = occupancy([result(0.8, 3), result(0.8, 3)])
    assert (same.mean, same.low, same.high) == pytest.approx((0.8, 0.8, 0.8))
    wide = occupancy([result(0.7, 3), result(0.9, 3)])
    assert wide.mean == pytest.approx(0.8)
    assert wide.high - wide.mean == pytest.approx(12.7062 * 0.1, rel=1e-5)  # Student with one degree of freedom


def test_people_taken_for_machines_count_in_both() -> None:
    """Ten silent calls beside 30 abandonments of 990 live answers are 40 of 1,000."""
    runs = [result(0.8, 30, 990, silent=10)] * 2
    assert abandonment_with_silent(runs).mean == pytest.approx(0.04)


def test_occupancy_is_moved_along_the_slope() -> None:
    """At 4 % abandonment and a slope of .5, half a point is taken off for 3 %."""
    assert at_rate([result(0.8, 40)] * 3, 0.03, 0.5).mean == pytest.approx(0.795)


def test_the_first_hour_is_left_out() -> None:
    """What was settled is the whole less the first hour."""
    first = Tally(live=100, abandoned=9, work_s=600.0, staffed_s=1200.0)
    rest = settled(result(0.8, 30, first_hour=first))
    assert (rest.live, rest.abandoned, rest.work_s, rest.staffed_s) == (900, 21, 2280.0, 2400.0)


def test_the_gap_is_counted_from_progressive_to_known() -> None:
    """From .70 to .90, .88 closes nine tenths."""
    runs = [[result(busy, 0)] * 4 for busy in (0.7, 0.88, 0.9)]
    assert gap_closed(*runs).mean == pytest.approx(0.9)


def test_leads_are_taken_at_the_peers_abandonment() -> None:
    """Half-way between two points of our curve lies the height to beat; beyond it, the last point stands."""
    curve = [[result(0.7, 0)] * 4, [result(0.9, 40)] * 4]
    assert on_curve([(0.0, 0.7), (0.04, 0.9)], 0.02) == pytest.approx(0.8)
    peer = [result(0.75, 20)] * 4
    assert lead_at_equal_abandonment(peer, curve).mean == pytest.approx(0.05)
    assert not is_beyond(peer, curve)
    assert is_beyond([result(0.95, 90)] * 4, curve)


def test_recovery_is_the_time_back_to_the_new_level() -> None:
    """After a step at minute 10 the occupancy is low for seven minutes: it is back from minute 7 on."""
    levels = [0.5] * 10 + [0.2] * 7 + [0.8] * 60
    minutes = tuple(Tally(live=0, abandoned=0, work_s=60.0 * level, staffed_s=60.0) for level in levels)
    runs = [result(0.8, 0, minutes=minutes)] * 3
    assert recovery_minutes(runs, 10, 77) == (7.0, pytest.approx(0.8))
    assert recovery_minutes(runs, 50, 77) is None


def test_answers_and_time_are_counted_inside() -> None:
    """Answers count where they fell, agents' time is cut at the edges, pauses are not staffed."""
    answers = [(10.0, False), (70.0, True), (130.0, False)]
    spans = [
        span(AgentState.READY, 0.0, 50.0),
        span(AgentState.TALKING, 50.0, 100.0),
        span(AgentState.PAUSED, 100.0, 180.0),
    ]
    assert tally(answers, spans, 0.0, 120.0) == Tally(live=2, abandoned=1, work_s=50.0, staffed_s=100.0)
    assert by_minute(answers, spans, 0.0, 3) == (
        Tally(live=1, abandoned=0, work_s=10.0, staffed_s=60.0),
        Tally(live=1, abandoned=1, work_s=40.0, staffed_s=40.0),
        Tally(live=1, abandoned=0, work_s=0.0, staffed_s=0.0),
    )


def test_the_worst_hour_needs_fifty_answers() -> None:
    """Of 100 answers a minute apart the second half is lost: the worst hour holds 60, of which 50 are lost."""
    answers = [(60.0 * rank, rank >= 50) for rank in range(100)]
    assert worst_hour(answers) == pytest.approx(50 / 60)
    assert worst_hour(answers[:49]) is None


def test_every_setting_is_a_world_with_a_law() -> None:
    """Scenarios, references and 300 random blocks are valid, and no two have one name."""
    settings = [*scenarios(), *(each.setting for each in (*markov(), *realistic()))]
    settings += [block(number) for number in range(300)]
    names = [setting.name for setting in settings]
    assert len(set(names)) == len(names)
    for setting in settings:
        world_of(setting)
        assert policy_of(setting).abandonment.cap_rate == setting.cap
    numbers = {setting.number for setting in scenarios()}
    assert numbers == set(range(1, 27)) | {29}


def test_blocks_are_drawn_by_their_number() -> None:
    """The same number gives the same block; teams, days and hours stay within what was promised."""
    assert block(7) == block(7)
    for number in range(300):
        setting = block(number)
        assert 1 <= setting.agents <= 20
        assert 0.0 < setting.tables["answers"]["p_live"] <= 0.6
        assert setting.window is Window.BLOCKS_30D
        assert 2 <= setting.days <= 22


SMALL = Setting(name="small", agents=2, hours=0.2, marks=("09:05",))


def test_a_run_can_be_kept_and_read_again() -> None:
    """A result survives its JSON, and the same rank gives the same result."""
    first = run(SMALL, "progressive", 3)
    assert replace(from_json(json.loads(json.dumps(as_json(first)))), cpu_s=0.0) == replace(first, cpu_s=0.0)
    assert replace(run(SMALL, "progressive", 3), cpu_s=0.0) == replace(first, cpu_s=0.0)
    assert first.whole.staffed_s == pytest.approx(2 * 0.2 * HOUR_S, rel=0.01)  # with what was open at the end


def test_nothing_is_run_twice_and_failures_are_told(tmp_path: Path) -> None:
    """Kept runs are read, an unknown controller is reported and the others go on."""
    kept, console = Kept(tmp_path), Console(quiet=True)
    cases = [Case(setting=SMALL, controller=each, runs=1) for each in ("progressive", "nobody")]
    first = carry_out(cases, workers=1, kept=kept, console=console)
    assert len(first.of(SMALL, "progressive")) == 1
    assert ["nobody" in failure for failure in first.failures] == [True]
    (file,) = tmp_path.glob("small--progressive-*")
    file.write_text(file.read_text() + '{"rank": 1, "res')  # cut short
    again = carry_out(cases[:1], workers=1, kept=kept, console=console)
    assert again.of(SMALL, "progressive") == first.of(SMALL, "progressive")


def test_a_cap_of_zero_is_progressive() -> None:
    """The row compares call by call."""
    cap0 = next(setting for setting in scenarios() if setting.cap == 0.0)
    assert same_as_progressive(replace(cap0, hours=0.2)).passed


def outcome() -> tuple[list[Setting], Results]:
    """A scenario with all controllers, made up."""
    setting = next(each for each in scenarios() if each.name == "list-switch")
    minutes = tuple(Tally(live=1, abandoned=0, work_s=48.0, staffed_s=60.0) for _ in range(480))
    runs = {
        "progressive": [result(0.7, 0, minutes=minutes)] * 4,
        "predictive": [result(0.85, 29, worst_hour=0.07, windows_over=1, minutes=minutes)] * 4,
        "predictive@0.03": [result(0.86, 30)] * 4,
        "predictive@0.06": [result(0.9, 60)] * 4,
        "ratio:2": [result(0.8, 50)] * 4,
        "ratio:4": [result(0.99, 400)] * 4,
    }
    return [setting], Results({(setting.name, name): each for name, each in runs.items()}, ["one run: boom"])


def test_rows_say_what_falls_short() -> None:
    """A day above the cap and a worse hour fall short, a quick recovery passes; peers are judged where they can be."""
    settings, results = outcome()
    verdicts = {row.name: row.passed for row in scenario_rows(settings, results)}
    assert verdicts == {
        "16 list-switch: abandonment, %": False,
        "16 list-switch: worst rolling hour, %": False,
        "16 list-switch: minutes to recover from 11:00": True,
        "16 list-switch: minutes to recover from 14:00": True,
    }
    rows = peer_rows(settings, results, ("ratio:2", "ratio:4", "ratio:9"))
    assert [row.passed for row in rows] == [True, None]
    lead = lead_over(settings[0], results, "ratio:2")
    assert lead is not None
    assert lead.mean == pytest.approx(0.86 + 0.04 * 2 / 3 - 0.8)


def test_the_outcome_is_written_in_all_forms(tmp_path: Path) -> None:
    """Markdown, JSON and picture hold the rows, the scenario and the failure."""
    settings, results = outcome()
    rows = [Row(part="p", name="a | b", bar="<= 1", measured="2", passed=False)]
    page, data, image = report.write(tmp_path, "x", rows, settings, results, ("ratio:2",), ("about",))
    text = page.read_text(encoding="utf-8")
    assert "| p | a / b | <= 1 | 2 | SHORT |" in text
    assert "1 fall short" in text
    assert "one run: boom" in text
    kept = json.loads(data.read_text(encoding="utf-8"))
    assert [row["verdict"] for row in kept["rows"]] == ["SHORT"]
    assert kept["scenarios"][0]["scenario"] == "16 list-switch"
    assert "16 list-switch, N = 10" in image.read_text(encoding="utf-8")


def test_the_picture_marks_what_lies_beyond() -> None:
    """A point beyond 12 % is drawn at the edge with its number."""
    point = Point(abandonment=0.42, occupancy=0.8, kind="peer", label="3")
    chart = Chart(title="a < b", points=[point], curve=[(0.0, 0.7), (0.03, 0.8)], cap=0.03)
    text = draw([chart], ["3 somebody"])
    assert "a &lt; b" in text
    assert "3 → 42 %" in text
