"""What `dialer simulate` shows: measures with their intervals, for machines and for people."""

import json
import sys
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dialer.queueing.intervals import Interval
    from dialer.simulator.replicate import Measure, Plan


def result_object(plan: "Plan", world: str, measures: "tuple[Measure, ...]") -> dict[str, Any]:
    """Give the result of one policy for machines."""
    return {
        **as_object(plan, world),
        "pacing": plan.policy.pacing.mode,
        "figures": {measure.name: figure(measure) for measure in measures},
    }


def as_object(plan: "Plan", world: str) -> dict[str, Any]:
    """Give what was simulated for machines."""
    abandonment = plan.policy.abandonment
    return {
        "campaign": plan.policy.name,
        "digest": plan.policy.digest,
        "world": world,
        "agents": plan.agents,
        "hours": plan.hours,
        "runs": plan.runs,
        "seed": plan.seed,
        "known": plan.is_known,
        "level": 0.95,
        "abandonment": {
            "threshold_s": abandonment.threshold_s,
            "starts_at": abandonment.starts_at,
            "target": abandonment.target_rate,
            "cap": abandonment.cap_rate,
        },
    }


def figure(measure: "Measure") -> dict[str, Any]:
    """Give one figure for machines."""
    nothing = {"mean": None, "low": None, "high": None}
    return {
        **(nothing if measure.interval is None else interval_object(measure.interval)),
        "unit": measure.unit,
        "numerator": measure.numerator,
        "denominator": measure.denominator,
        "formula": measure.formula,
    }


def interval_object(interval: "Interval") -> dict[str, Any]:
    """Give a mean with its limits for machines; a limit that one run alone cannot give is null."""
    return {
        "mean": interval.mean,
        "low": interval.low if isfinite(interval.low) else None,
        "high": interval.high if isfinite(interval.high) else None,
    }


def write_json(name: str, result: dict[str, Any]) -> None:
    """Write to a file, or to standard output for `-`."""
    from dialer.errors import UsageError

    text = json.dumps(result, indent=2) + "\n"
    if name == "-":
        sys.stdout.write(text)
        return
    try:
        Path(name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--json {name}: expected a file that can be written, found: {error.strerror}") from error


def print_result(plan: "Plan", world: str, measures: "tuple[Measure, ...]") -> None:
    """Print each measure with its interval and its formula."""
    from dialer.cli.tables import console_for, table_of

    policy = plan.policy
    console = console_for(sys.stdout)
    console.print(
        f"{policy.name}, {policy.pacing.mode} pacing, world {world}: {plan.agents} agents, {plan.runs} runs of "
        f"{plan.hours:g} h, seed {plan.seed}" + (", parameters known" if plan.is_known else "")
    )
    columns = {
        "figure": [measure.name for measure in measures],
        "mean": [mean(measure) for measure in measures],
        "95 % interval": [limits(measure) for measure in measures],
        "formula": [measure.formula for measure in measures],
    }
    console.print(table_of(columns, left=("figure", "formula"), folded=("formula",)))
    abandoned = next(measure for measure in measures if measure.name == "abandonment_rate")
    console.print(
        f"abandonment over all runs: {abandoned.numerator:.0f} of {abandoned.denominator:.0f} live answers; "
        f"target {policy.abandonment.target_rate:.2%}, cap {policy.abandonment.cap_rate:.2%}"
    )


def mean(measure: "Measure") -> str:
    """Give the mean for people."""
    return "-" if measure.interval is None else _shown(measure.unit, measure.interval.mean)


def limits(measure: "Measure") -> str:
    """Give the limits for people."""
    if measure.interval is None:
        return "-"
    if not isfinite(measure.interval.high):
        return "needs 2 runs"
    return f"{_shown(measure.unit, measure.interval.low)} to {_shown(measure.unit, measure.interval.high)}"


def _shown(unit: str, value: float) -> str:
    if unit == "share":
        return f"{value:.2%}"
    return f"{value:.1f} s" if unit == "s" else f"{value:.1f}"
