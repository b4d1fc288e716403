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
    from dialer.queueing.intervals import Interval
    from dialer.simulator.measures import Measure
    from dialer.simulator.replicate import Plan, Summary


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

    The leads are synthetic and never run out. Agents are on a break while the campaign's hours are closed. What a world
    is, and the packaged ones: docs/simulation.md.
    """
    from dialer.config.campaign import load_campaign
    from dialer.simulator.replicate import Plan
    from dialer.simulator.scenario import load_world

    policy = replace(load_campaign(campaign), is_started=True)
    if pacing is not None:
        policy = replace(policy, pacing=replace(policy.pacing, mode=pacing))
    plan = Plan(policy=policy, scenario=load_world(world), agents=agents, hours=hours, runs=runs, seed=seed)
    summary = _with_progress(plan, journal)
    if json_file is not None:
        _write_json(json_file, _as_object(plan, world, summary))
    if json_file != "-":
        _print_table(plan, world, summary)


def _with_progress(plan: "Plan", journal: Path | None) -> "Summary":
    """Carry out the plan, with a progress bar where somebody is watching."""
    from rich.console import Console
    from rich.progress import Progress

    from dialer.simulator.replicate import replicate

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("runs", total=plan.runs)
        return replicate(plan, journal=journal, progress=lambda: bar.advance(task))


def _as_object(plan: "Plan", world: str, summary: "Summary") -> dict[str, Any]:
    def limit(value: float) -> float | None:
        return value if isfinite(value) else None

    abandonment = plan.policy.abandonment
    return {
        "campaign": plan.policy.name,
        "world": world,
        "pacing": plan.policy.pacing.mode,
        "agents": plan.agents,
        "hours": plan.hours,
        "runs": plan.runs,
        "seed": plan.seed,
        "level": 0.95,
        "abandonment": {
            "abandoned": summary.abandoned,
            "live_answers": summary.live,
            "threshold_s": abandonment.threshold_s,
            "starts_at": abandonment.starts_at,
            "cap": abandonment.cap_rate,
            "target": abandonment.target_rate,
        },
        "measures": {
            what.name: {
                "mean": interval.mean,
                "low": limit(interval.low),
                "high": limit(interval.high),
                "unit": what.unit,
                "formula": what.formula,
            }
            for what, interval in summary.measures
        },
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


def _print_table(plan: "Plan", world: str, summary: "Summary") -> None:
    from rich.console import Console
    from rich.table import Table

    policy = plan.policy
    table = Table(
        title=f"{policy.name}, {policy.pacing.mode}, world {world}: {plan.agents} agents, {plan.runs} runs of "
        f"{plan.hours:g} h, seed {plan.seed}",
        title_justify="left",
    )
    table.add_column("measure")
    table.add_column("mean", justify="right")
    table.add_column("95 % interval", justify="right")
    table.add_column("formula")
    for what, interval in summary.measures:
        table.add_row(what.name, _shown(what, interval.mean), _limits(what, interval), what.formula)
    console = Console()
    console.print(table)
    abandonment = policy.abandonment
    console.print(
        f"abandonment over all runs: {summary.abandoned} of {summary.live} live answers without an agent within "
        f"{abandonment.threshold_s:g} s from {abandonment.starts_at}; cap {abandonment.cap_rate:.2%}"
    )


def _shown(what: "Measure", value: float) -> str:
    if what.unit == "share":
        return f"{value:.2%}"
    return f"{value:.1f} s" if what.unit == "s" else f"{value:.1f}"


def _limits(what: "Measure", interval: "Interval") -> str:
    if not isfinite(interval.high):
        return "needs two runs"
    return f"{_shown(what, interval.low)} to {_shown(what, interval.high)}"
