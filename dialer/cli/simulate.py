"""`dialer simulate`: the same engine on a virtual clock, in a world of simulated people and agents."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dialer.cli.compare import names_of, show_comparison
from dialer.cli.simulate_output import print_result, result_object, write_json
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
    compared: Annotated[
        str | None,
        typer.Option(
            "--compare",
            metavar="NAME,NAME,...",
            help="Run each of these pacing policies on the same people and print them side by side: predictive, "
            "progressive, ratio:2.0, vicidial-average and others of docs/simulation.md.",
        ),
    ] = None,
    known: Annotated[
        bool, typer.Option("--known", help="The engine knows the world's rates and times; it has nothing to learn.")
    ] = False,
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
    from dialer.errors import UsageError
    from dialer.simulator.replicate import Plan
    from dialer.simulator.scenario import load_world

    if compared is not None and (pacing is not None or journal is not None):
        found = "--journal" if pacing is None else "--pacing"
        raise UsageError(
            f"--compare: expected neither --pacing nor --journal beside it, which are of one policy; found {found}"
        )
    policy = replace(load_campaign(campaign), is_started=True)
    if pacing is not None:
        policy = replace(policy, pacing=replace(policy.pacing, mode=pacing))
    scenario = load_world(world)
    plan = Plan(policy=policy, scenario=scenario, agents=agents, hours=hours, runs=runs, seed=seed, is_known=known)
    if compared is not None:
        show_comparison(plan, world, names_of(compared), json_file)
        return
    measures = _with_progress(plan, journal)
    if json_file is not None:
        write_json(json_file, result_object(plan, world, measures))
    if json_file != "-":
        print_result(plan, world, measures)


def _with_progress(plan: "Plan", journal: Path | None) -> "tuple[Measure, ...]":
    """Carry out the plan, with a progress bar where somebody is watching."""
    from rich.console import Console
    from rich.progress import Progress

    from dialer.simulator.replicate import replicate

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("runs", total=plan.runs)
        return replicate(plan, journal=journal, progress=lambda: bar.advance(task))
