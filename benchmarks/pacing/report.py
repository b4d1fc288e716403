"""The outcome as a table on the terminal, as Markdown, as JSON and as a picture.

One rule governs this module: what was assumed stands at the head of every form, and what falls short is not left out.
"""

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.pacing.figures import abandonment, occupancy
from benchmarks.pacing.parts import CURVE, Row, lead_over, share, wait_mean
from benchmarks.pacing.picture import Chart, Point, draw
from benchmarks.pacing.pool import Results
from benchmarks.pacing.run import AT, KNOWN, PREDICTIVE, PROGRESSIVE, Result
from benchmarks.pacing.setting import Setting

HEAD = (
    "Law unless a scenario says otherwise: target 3 %, cap 3 %, window 24h, threshold 2 s from the answer, rings of "
    "22 s; 8-hour days from 09:00; the list never ends; leads are called once.",
    "Parts markov and known: target 3 % and no cap, so that the pacing is measured and not the governor; the first "
    "hour is not counted; occupancy is moved to exactly 3 % along the optimum's slope.",
    "Peers run without governor, with the campaign's target as their limit, and are compared at their own abandonment "
    "with the curve of predictive dialing over targets 1, 3, 6 and 12 %, no cap, from progressive at 0 %.",
    "Intervals are of 95 %; a bar that lies within the interval passes. All controllers meet the same people and "
    "agents.",
)
NO = "-"


def verdict(row: Row) -> str:
    """Say whether the bar was reached."""
    return "?" if row.passed is None else ("pass" if row.passed else "SHORT")


def controllers_in(setting: Setting, results: Results) -> list[str]:
    """The controllers that were run in a setting, the curve left out."""
    return [
        controller for name, controller in results.by_case
        if name == setting.name and AT not in controller and results.of(setting, controller)
    ]  # fmt: skip


def scenario_table(settings: Sequence[Setting], results: Results) -> list[list[str]]:
    """One line per scenario and controller."""
    lines = []
    for setting in settings:
        for controller in controllers_in(setting, results):
            runs = results.of(setting, controller)
            lead = None if controller in (PREDICTIVE, KNOWN, PROGRESSIVE) else lead_over(setting, results, controller)
            lines.append(
                [
                    f"{setting.number} {setting.name}",
                    controller,
                    str(len(runs)),
                    share(occupancy(runs)),
                    share(abandonment(runs)),
                    *_details(runs),
                    NO if lead is None else share(lead),
                ]
            )
    return lines


COLUMNS = (
    "scenario", "controller", "runs", "occupancy %", "abandonment %", "wait s", "p95 s", "worst hour %",
    "days over", "first hour %", "dials per connect", "our lead, points",
)  # fmt: skip


def _details(runs: Sequence[Result]) -> list[str]:
    waits = [each.wait_p95_s for each in runs if each.wait_p95_s is not None]
    hours = [each.worst_hour for each in runs if each.worst_hour is not None]
    connects = sum(each.connects for each in runs)
    first = [each.first_hour for each in runs]
    return [
        f"{wait_mean(runs).mean:.1f}",
        f"{sum(waits) / len(waits):.0f}" if waits else NO,
        f"{100 * max(hours):.1f}" if hours else NO,
        f"{sum(each.windows_over for each in runs)}/{sum(each.windows for each in runs)}",
        f"{100 * sum(each.abandoned for each in first) / max(1, sum(each.live for each in first)):.1f}",
        f"{sum(each.dials for each in runs) / connects:.2f}" if connects else NO,
    ]


def print_rows(rows: Sequence[Row], console: Console) -> None:
    """Print the bars."""
    table = Table(title="What must hold")
    for heading in ("part", "row", "bar", "measured", "", "note"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        colour = {"pass": "green", "SHORT": "red", "?": "yellow"}[verdict(row)]
        table.add_row(row.part, row.name, row.bar, row.measured, f"[{colour}]{verdict(row)}[/]", row.note)
    console.print(table)


def print_scenarios(settings: Sequence[Setting], results: Results, console: Console) -> None:
    """Print the scenarios."""
    table = Table(title="Scenarios")
    for heading in COLUMNS:
        table.add_column(heading, justify="left" if heading in COLUMNS[:2] else "right", overflow="fold")
    for line in scenario_table(settings, results):
        table.add_row(*line)
    console.print(table)


def _markdown_table(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    cells = [headings, ["---"] * len(headings), *lines]
    return ["| " + " | ".join(cell.replace("|", "/") for cell in line) + " |" for line in cells]


def markdown(rows: Sequence[Row], settings: Sequence[Setting], results: Results, about: Sequence[str]) -> str:
    """Write the page."""
    short = [row for row in rows if row.passed is False]
    parts = [
        "# Pacing benchmark",
        "",
        "Made by `make bench-pacing`; do not edit by hand.",
        "",
        *(f"* {line}" for line in (*HEAD, *about)),
        "",
        f"## What must hold: {sum(row.passed is True for row in rows)} pass, {len(short)} fall short",
        "",
        *_markdown_table(
            ("part", "row", "bar", "measured", "", "note"),
            [(row.part, row.name, row.bar, row.measured, verdict(row), row.note) for row in rows],
        ),
        "",
    ]
    lines = scenario_table(settings, results)
    if lines:
        parts += ["## Scenarios", "", *_markdown_table(COLUMNS, lines), ""]
    if results.failures:
        parts += ["## Runs that failed", "", *(f"* {failure}" for failure in results.failures), ""]
    return "\n".join(parts)


def as_object(
    rows: Sequence[Row], settings: Sequence[Setting], results: Results, about: Sequence[str]
) -> dict[str, Any]:
    """Give the whole outcome for machines."""
    return {
        "head": [*HEAD, *about],
        "python": platform.python_version(),
        "rows": [asdict(row) | {"verdict": verdict(row)} for row in rows],
        "scenarios": [dict(zip(COLUMNS, line, strict=True)) for line in scenario_table(settings, results)],
        "curves": {
            setting.name: [[round(rate, 5), round(height, 5)] for rate, height in _curve(setting, results)]
            for setting in settings
        },
        "failures": results.failures,
    }


def _at(runs: Sequence[Result]) -> tuple[float, float]:
    return abandonment(runs).mean, occupancy(runs).mean


def _curve(setting: Setting, results: Results) -> list[tuple[float, float]]:
    return sorted(_at(runs) for each in (PROGRESSIVE, *CURVE) if (runs := results.of(setting, each)))


def picture(settings: Sequence[Setting], results: Results, peers: Sequence[str]) -> str:
    """Draw a chart of each scenario that was run."""
    kinds = {PREDICTIVE: "ours", KNOWN: "known", PROGRESSIVE: "progressive"}
    numbers = {peer: str(rank) for rank, peer in enumerate(peers, start=1)}
    charts = []
    for setting in settings:
        points = []
        for controller in controllers_in(setting, results):
            rate, height = _at(results.of(setting, controller))
            label = numbers.get(controller, "")
            points.append(Point(abandonment=rate, occupancy=height, kind=kinds.get(controller, "peer"), label=label))
        if points:
            charts.append(
                Chart(
                    title=f"{setting.number} {setting.name}, N = {setting.agents}",
                    points=points,
                    curve=_curve(setting, results),
                    cap=setting.cap,
                )
            )
    return draw(charts, [f"{number} {peer}" for peer, number in numbers.items()])


def write(
    folder: Path, name: str, rows: Sequence[Row], settings: Sequence[Setting], results: Results,
    peers: Sequence[str], about: Sequence[str],
) -> list[Path]:  # fmt: skip
    """Write Markdown, JSON and picture; give their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = {
        f"{name}.md": markdown(rows, settings, results, about),
        f"{name}.json": json.dumps(as_object(rows, settings, results, about), indent=1) + "\n",
        f"{name}.svg": picture(settings, results, peers),
    }
    for file, text in written.items():
        (folder / file).write_text(text, encoding="utf-8")
    return [folder / file for file in written]
