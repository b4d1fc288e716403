"""What `dialer simulate --compare` shows: pacing policies side by side, under the same seeds.

One rule governs this module: no occupancy stands without its abandonment.
"""

import sys
from math import isfinite
from typing import TYPE_CHECKING, Any

from dialer.cli.simulate_output import as_object, figure, interval_object, limits, mean, write_json

if TYPE_CHECKING:
    from dialer.queueing.intervals import Interval
    from dialer.simulator.peers.comparison import Standing
    from dialer.simulator.replicate import Plan

_UNGOVERNED = " *"


def names_of(text: str) -> list[str]:
    """Read the names between the commas."""
    return [name.strip() for name in text.split(",")]


def show_comparison(plan: "Plan", world: str, names: list[str], json_file: str | None) -> None:
    """Carry out the plan for each name and show how they stand."""
    compared = _standings(plan, names)
    if json_file is not None:
        write_json(json_file, _comparison_object(plan, world, compared))
    if json_file != "-":
        _print_comparison(plan, world, compared)


def _standings(plan: "Plan", names: list[str]) -> "tuple[Standing, ...]":
    """Carry out the plan for each name, with a progress bar where somebody is watching."""
    from rich.console import Console
    from rich.progress import Progress

    from dialer.simulator.peers.comparison import compare

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("runs", total=plan.runs * len(names))
        return compare(plan, names, progress=lambda: bar.advance(task))


def _comparison_object(plan: "Plan", world: str, compared: "tuple[Standing, ...]") -> dict[str, Any]:
    """Give the comparison for machines; `occupancy_difference` is null for the first policy."""
    return {
        **as_object(plan, world),
        "compared": [
            {
                "pacing": one.name,
                "is_governed": one.is_governed,
                "runs_over_cap": one.runs_over_cap,
                "occupancy_difference": None if one.difference is None else interval_object(one.difference),
                "figures": {measure.name: figure(measure) for measure in one.measures},
            }
            for one in compared
        ],
    }


def _print_comparison(plan: "Plan", world: str, compared: "tuple[Standing, ...]") -> None:
    """Print one row per policy; a table that is too wide goes on in further parts."""
    from dialer.cli.tables import console_for, parts, table_of

    policy, console = plan.policy, console_for(sys.stdout)
    console.print(
        f"{policy.name}, world {world}: {plan.agents} agents, {plan.runs} runs of {plan.hours:g} h, seed {plan.seed}, "
        "the same people for each" + (", parameters known" if plan.is_known else "")
    )
    for part in parts(_columns(plan, compared), "pacing", console.width):
        console.print(table_of(part, left=("pacing",)))
    if not all(one.is_governed for one in compared):
        console.print(f"{_UNGOVERNED.strip()} without a governor: nothing holds it to the cap")
    console.print(_footnote(plan, compared))


def _columns(plan: "Plan", compared: "tuple[Standing, ...]") -> dict[str, list[str]]:
    def column(name: str) -> list[str]:
        return [mean(one.measure(name)) for one in compared]

    def interval(name: str) -> list[str]:
        return [limits(one.measure(name)) for one in compared]

    return {
        "pacing": [one.name + ("" if one.is_governed else _UNGOVERNED) for one in compared],
        "occupancy": column("occupancy"),
        "95 % interval": interval("occupancy"),
        f"less {compared[0].name}": [_difference(one.difference) for one in compared],
        "abandoned": [_counts(one) for one in compared],
        "abandonment": [_rate(one) for one in compared],
        "its 95 % interval": interval("abandonment_rate"),
        "runs over cap": [f"{one.runs_over_cap} of {plan.runs}" for one in compared],
        "wait": column("wait_mean"),
        "wait p95": column("wait_p95"),
        "dials per connect": column("dials_per_connect"),
        "connects per agent hour": column("connects_per_agent_hour"),
    }


def _counts(one: "Standing") -> str:
    rate = one.measure("abandonment_rate")
    return f"{rate.numerator:.0f} of {rate.denominator:.0f}"


def _rate(one: "Standing") -> str:
    """Give the rate over all runs together, as the law would count them."""
    rate = one.measure("abandonment_rate")
    return f"{rate.numerator / rate.denominator:.2%}" if rate.numerator is not None and rate.denominator else "-"


def _difference(difference: "Interval | None") -> str:
    if difference is None:
        return "-"
    points = f"{100.0 * difference.mean:+.2f}"
    if not isfinite(difference.high):
        return points
    return f"{points} ({100.0 * difference.low:+.2f} to {100.0 * difference.high:+.2f})"


def _footnote(plan: "Plan", compared: "tuple[Standing, ...]") -> str:
    abandonment = plan.policy.abandonment
    lie = ", ".join(f"{one.name} at {_rate(one)}" for one in compared)
    return (
        f"target {abandonment.target_rate:.2%}, cap {abandonment.cap_rate:.2%}. Compare occupancy at equal abandonment "
        f"only: {lie}."
    )
