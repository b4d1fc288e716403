"""`dialer simulate`: the same engine on a virtual clock, in a world of simulated people and agents."""

import json
import sys
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dialer.domain.policy import PacingMode

if TYPE_CHECKING:
    from dialer.simulator.replicate import Measure, Plan


def simulate(
    campaign: Annotated[Path, typer.Argument(metavar="CAMPAIGN.toml", help="The campaign file.")],
    world: Annotated[
        str, typer.Option(metavar="WORLD", help="A world file, or the name of a packaged world.", show_default=True)
    ] = "default",
    agents: Annotated[int, typer.Option(min=1, help="Agents who log in.")] = 10,
    hours: Annotated[float, typer.Option(min=0.01, help="Hours of open campaign time per run.")] = 8.0,
    runs: Annotated[int, typer.Option(min=1, help="Independent runs.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same people and the same journal.")] = 1,
    pacing: Annotated[PacingMode | None, typer.Option(help="Instead of the campaign's own pacing mode.")] = None,
    json_file: Annotated[
        str | None, typer.Option("--json", metavar="FILE|-", help="Write the result as JSON; - is standard output.")
    ] = None,
    journal: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the first run's journal.")] = None,
) -> None:
    """Simulate a campaign: occupancy, abandonment, waits, with 95 % intervals.

    The leads are synthetic and never run out.

    Agents are on a break while the campaign's hours are closed.

    What a world is, and the packaged ones: docs/simulation.md.
    """
    from dialer.config.campaign import load_campaign
    from dialer.simulator.replicate import Plan
    from dialer.simulator.scenario import load_world

    policy = replace(load_campaign(campaign), is_started=True)
    if pacing is not None:
        policy = replace(policy, pacing=replace(policy.pacing, mode=pacing))
    plan = Plan(policy=policy, scenario=load_world(world), agents=agents, hours=hours, runs=runs, seed=seed)
    measures = _with_progress(plan, journal)
    if json_file is not None:
        _write_json(json_file, _as_object(plan, world, measures))
    if json_file != "-":
        _print_table(plan, world, measures)


def _with_progress(plan: "Plan", journal: Path | None) -> "tuple[Measure, ...]":
    """Carry out the plan, with a progress bar where somebody is watching."""
    from rich.console import Console
    from rich.progress import Progress

    from dialer.simulator.replicate import replicate

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("runs", total=plan.runs)
        return replicate(plan, journal=journal, progress=lambda: bar.advance(task))


def _as_object(plan: "Plan", world: str, measures: "tuple[Measure, ...]") -> dict[str, Any]:
    abandonment = plan.policy.abandonment
    return {
        "campaign": plan.policy.name,
        "digest": plan.policy.digest,
        "world": world,
        "pacing": plan.policy.pacing.mode,
        "agents": plan.agents,
        "hours": plan.hours,
        "runs": plan.runs,
        "seed": plan.seed,
        "level": 0.95,
        "abandonment": {
            "threshold_s": abandonment.threshold_s,
            "starts_at": abandonment.starts_at,
            "target": abandonment.target_rate,
            "cap": abandonment.cap_rate,
        },
        "figures": {measure.name: _figure(measure) for measure in measures},
    }


def _figure(measure: "Measure") -> dict[str, Any]:
    """One figure for machines; a limit that one run alone cannot give is null."""
    interval = measure.interval
    return {
        "mean": None if interval is None else interval.mean,
        "low": None if interval is None or not isfinite(interval.low) else interval.low,
        "high": None if interval is None or not isfinite(interval.high) else interval.high,
        "unit": measure.unit,
        "numerator": measure.numerator,
        "denominator": measure.denominator,
        "formula": measure.formula,
    }


def _write_json(name: str, result: dict[str, Any]) -> None:
    from dialer.errors import UsageError

    text = json.dumps(result, indent=2) + "\n"
    if name == "-":
        sys.stdout.write(text)
        return
    try:
        Path(name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--json {name}: expected a file that can be written, found: {error.strerror}") from error


def _print_table(plan: "Plan", world: str, measures: "tuple[Measure, ...]") -> None:
    from dialer.cli.tables import console_for, table_of

    policy = plan.policy
    console = console_for(sys.stdout)
    console.print(
        f"{policy.name}, {policy.pacing.mode} pacing, world {world}: {plan.agents} agents, {plan.runs} runs of "
        f"{plan.hours:g} h, seed {plan.seed}"
    )
    columns = {
        "figure": [measure.name for measure in measures],
        "mean": [_mean(measure) for measure in measures],
        "95 % interval": [_limits(measure) for measure in measures],
        "formula": [measure.formula for measure in measures],
    }
    console.print(table_of(columns, left=("figure", "formula"), folded=("formula",)))
    abandoned = next(measure for measure in measures if measure.name == "abandonment_rate")
    console.print(
        f"abandonment over all runs: {abandoned.numerator:.0f} of {abandoned.denominator:.0f} live answers; "
        f"target {policy.abandonment.target_rate:.2%}, cap {policy.abandonment.cap_rate:.2%}"
    )


def _shown(unit: str, value: float) -> str:
    if unit == "share":
        return f"{value:.2%}"
    return f"{value:.1f} s" if unit == "s" else f"{value:.1f}"


def _mean(measure: "Measure") -> str:
    return "-" if measure.interval is None else _shown(measure.unit, measure.interval.mean)


def _limits(measure: "Measure") -> str:
    if measure.interval is None:
        return "-"
    if not isfinite(measure.interval.high):
        return "needs 2 runs"
    return f"{_shown(measure.unit, measure.interval.low)} to {_shown(measure.unit, measure.interval.high)}"
