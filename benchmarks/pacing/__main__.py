"""`python -m benchmarks.pacing`: run the parts, print the tables, write benchmarks/results/."""

import argparse
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch

from rich.console import Console

from benchmarks.pacing import parts, report
from benchmarks.pacing.blocks import block
from benchmarks.pacing.cost import cost_rows, same_as_progressive
from benchmarks.pacing.parts import Row
from benchmarks.pacing.pool import KEPT, ROOT, Kept, Results, carry_out, code_digest
from benchmarks.pacing.references import Reference, markov, realistic
from benchmarks.pacing.run import AT, PREDICTIVE
from benchmarks.pacing.scenarios import scenarios
from benchmarks.pacing.setting import Setting
from dialer.simulator.peers.names import PEERS

PARTS = ("cost", "cap0", "markov", "known", "scenarios", "blocks")
RATIOS = ("ratio:1.25", "ratio:1.5", "ratio:2", "ratio:2.5", "ratio:3", "ratio:4")

WIDTH = 170  # of the tables at least

QUICK_SCENARIOS = ("five-mid", "ten-base", "list-switch")
QUICK_REFERENCES = ("markov-p30-n5", "markov-p30-n10", "realistic-p30-150-30-n10")
QUICK_HOURS = 3.0
QUICK_REFERENCE_HOURS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much to run."""

    agent_hours: float  # of each controller in each setting
    reference_hours: float  # the same for the references
    blocks: int
    decisions: int  # timed
    curve: tuple[str, ...]
    peers: tuple[str, ...]
    least: int  # runs


FULL = Extent(
    agent_hours=800.0,
    reference_hours=3000.0,
    blocks=1000,
    decisions=4000,
    curve=parts.CURVE,
    peers=(*RATIOS, *PEERS),
    least=4,
)
QUICK = Extent(
    agent_hours=40.0,
    reference_hours=60.0,
    blocks=4,
    decisions=300,
    curve=parts.CURVE[1:3],
    peers=("ratio:2", "vicidial-average-tuned"),
    least=2,
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is asked for; `arguments` None: those of the command line."""
    asked = _asked(arguments)
    began = time.monotonic()
    console = Console(width=max(Console().width, WIDTH))
    extent = QUICK if asked.quick else FULL
    extent = replace(
        extent,
        agent_hours=extent.agent_hours * asked.runs,
        reference_hours=extent.reference_hours * asked.runs,
        least=max(2, round(extent.least * min(asked.runs, 1.0))),
        peers=extent.peers if asked.peer is None else tuple(asked.peer),
        curve=extent.curve if asked.curve is None else tuple(f"{PREDICTIVE}{AT}{each}" for each in asked.curve),
        blocks=extent.blocks if asked.blocks is None else asked.blocks,
    )
    settings = _chosen(scenarios(), asked.scenario, QUICK_SCENARIOS if asked.quick else None)
    if asked.quick:
        settings = [replace(setting, hours=min(setting.hours, QUICK_HOURS)) for setting in settings]
    kept = None if asked.fresh else Kept(KEPT / code_digest())
    rows, results = _carry_out(asked, extent, settings, kept, console)
    about = (
        f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}; "
        f"{extent.agent_hours:g} agent hours per controller and scenario (a quarter for peers and curve), "
        f"{extent.reference_hours:g} per reference; parts {', '.join(asked.part)}.",
    )
    report.print_scenarios(settings, results, console)
    report.print_rows(rows, console)
    for failure in results.failures:
        console.print(f"failed: {failure}", markup=False)
    name = asked.name or ("pacing-quick" if asked.quick else "pacing")
    written = report.write(ROOT / "benchmarks" / "results", name, rows, settings, results, extent.peers, about)
    shown = ", ".join(str(path.relative_to(ROOT)) for path in written)
    console.print(f"wrote {shown} after {(time.monotonic() - began) / 60:.1f} min", markup=False)


def _carry_out(
    asked: argparse.Namespace, extent: Extent, settings: Sequence[Setting], kept: Kept | None, console: Console
) -> tuple[list[Row], Results]:
    """Run the chosen parts one after the other; give their rows, and the results of the scenarios."""
    rows: list[Row] = []
    shown = Results({}, [])
    for part in asked.part:
        began = time.monotonic()
        if part == "cost":
            rows += cost_rows(extent.decisions, 1 if asked.quick else 2)
        elif part == "cap0":
            cap0 = next(setting for setting in scenarios() if not setting.cap)
            rows.append(same_as_progressive(replace(cap0, hours=min(cap0.hours, QUICK_HOURS))))
        elif part in ("markov", "known"):
            references = _references(part, asked)
            cases = parts.reference_cases(references, extent.reference_hours, extent.least)
            results = carry_out(cases, workers=asked.workers, kept=kept, console=console, words=part)
            within = parts.MARKOV_WITHIN if part == "markov" else 0.0
            rows += parts.reference_rows(part, references, results, within)
            shown.failures += results.failures
        elif part == "scenarios":
            cases = parts.scenario_cases(settings, extent.agent_hours, extent.least, extent.curve, extent.peers)
            results = carry_out(cases, workers=asked.workers, kept=kept, console=console, words=part)
            rows += parts.learning_rows(settings, results)
            rows += parts.scenario_rows(settings, results)
            rows += parts.peer_rows(settings, results, extent.peers)
            shown = Results(results.by_case, shown.failures + results.failures)
        elif part == "blocks":
            blocks = [block(number) for number in range(1, extent.blocks + 1)]
            cases = parts.block_cases(blocks)
            results = carry_out(cases, workers=asked.workers, kept=kept, console=console, words=part)
            rows += parts.block_rows(blocks, results)
            shown.failures += results.failures
        console.print(f"{part}: {(time.monotonic() - began) / 60:.1f} min")
    return rows, shown


def _references(part: str, asked: argparse.Namespace) -> list[Reference]:
    found = markov() if part == "markov" else realistic()
    if asked.reference:
        found = [each for each in found if any(fnmatch(each.setting.name, pattern) for pattern in asked.reference)]
    if asked.quick:
        short = [replace(each, setting=replace(each.setting, hours=QUICK_REFERENCE_HOURS)) for each in found]
        found = [each for each in short if asked.reference or each.setting.name in QUICK_REFERENCES]
    return found


def _chosen(settings: Sequence[Setting], patterns: Sequence[str], only: Sequence[str] | None) -> list[Setting]:
    if patterns:
        return [each for each in settings if any(fnmatch(each.name, pattern) for pattern in patterns)]
    return [each for each in settings if only is None or each.name in only]


def _asked(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pacing", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few runs of a few scenarios, under 3 minutes on 2 cores")
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS, help="only these parts")
    parser.add_argument("--scenario", nargs="+", default=(), metavar="PATTERN", help="only scenarios of these names")
    parser.add_argument("--reference", nargs="+", default=(), metavar="PATTERN", help="only references of these names")
    parser.add_argument("--peer", nargs="*", metavar="NAME", help="only these peers; none: no peer")
    parser.add_argument("--curve", nargs="*", metavar="TARGET", help="only these points of the curve; none: no curve")
    parser.add_argument("--runs", type=float, default=1.0, metavar="FACTOR", help="so many times the usual runs")
    parser.add_argument("--blocks", type=int, default=None, help="how many blocks of days")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)), help="processes")
    parser.add_argument("--fresh", action="store_true", help="neither use nor keep finished runs")
    parser.add_argument("--name", default="", help="of the files in benchmarks/results")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
