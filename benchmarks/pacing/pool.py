"""Many runs on all processors, with a progress bar, and nothing done twice.

One rule governs this module: a run that was finished is kept (build/pacing-runs) and used again as long as neither the
code of the dialer, nor the setting, nor the controller changed. A run that fails is reported, not hidden.
"""

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmarks.pacing.run import Result, as_json, from_json, run
from benchmarks.pacing.setting import Setting

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "build" / "pacing-runs"
_SOURCES = ("domain", "queueing", "pacing", "engine", "compliance", "simulator")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """So many runs of one controller in one setting."""

    setting: Setting
    controller: str
    runs: int

    @property
    def key(self) -> tuple[str, str]:
        """Under which the results are found."""
        return self.setting.name, self.controller


@dataclass(slots=True)
class Results:
    """What came out: results by setting and controller, in the order of their ranks, and what failed."""

    by_case: dict[tuple[str, str], list[Result]]
    failures: list[str]

    def of(self, setting: Setting, controller: str) -> list[Result]:
        """The results of one controller in one setting; empty when it was not run."""
        return self.by_case.get((setting.name, controller), [])


def code_digest() -> str:
    """Identify the code that the results depend on."""
    digest = sha256()
    for folder in _SOURCES:
        for path in sorted((ROOT / "dialer" / folder).rglob("*")):
            if path.suffix in (".py", ".toml"):
                digest.update(path.read_bytes())
    digest.update((Path(__file__).parent / "run.py").read_bytes())
    return digest.hexdigest()[:12]


class Kept:
    """Finished runs of one state of the code: a file of lines per case."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def _path(self, case: Case) -> Path:
        words = sha256(repr(case.setting).encode()).hexdigest()[:8]
        controller = case.controller.replace(":", "-").replace("@", "-at-")
        return self._folder / f"{case.setting.name}--{controller}--{words}.jsonl"

    def load(self, case: Case) -> dict[int, Result]:
        """Give what is there, by rank. A line cut short by a stop is passed over."""
        path = self._path(case)
        found: dict[int, Result] = {}
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            try:
                kept = json.loads(line)
                found[kept["rank"]] = from_json(kept["result"])
            except (ValueError, KeyError, TypeError):
                continue
        return found

    def keep(self, case: Case, rank: int, result: Result) -> None:
        """Add a run."""
        with self._path(case).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"rank": rank, "result": as_json(result)}) + "\n")


def carry_out(
    cases: Iterable[Case], *, workers: int, kept: Kept | None, console: Console, words: str = "runs"
) -> Results:
    """Run what is not kept yet, the most expensive first."""
    by_key: dict[tuple[str, str], Case] = {}
    for case in cases:
        known = by_key.get(case.key)
        if known is None or known.runs < case.runs:
            by_key[case.key] = case
    found = {key: kept.load(case) if kept is not None else {} for key, case in by_key.items()}
    wanted = [
        (case, rank) for key, case in by_key.items() for rank in range(case.runs) if rank not in found[key]
    ]  # fmt: skip
    wanted.sort(key=lambda each: -each[0].setting.agent_hours)
    failures: list[str] = []
    for case, rank, outcome in _run_all(wanted, workers, console, words):
        if isinstance(outcome, Result):
            found[case.key][rank] = outcome
            if kept is not None:
                kept.keep(case, rank, outcome)
        else:
            failures.append(f"{case.setting.name}, {case.controller}, run {rank}: {outcome}")
    by_case = {
        key: [found[key][rank] for rank in sorted(found[key]) if rank < case.runs] for key, case in by_key.items()
    }
    return Results(by_case, failures)


def _run_all(
    wanted: Sequence[tuple[Case, int]], workers: int, console: Console, words: str
) -> Iterator[tuple[Case, int, Result | str]]:
    columns = (
        TextColumn(words),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("agent hours"),
        TimeElapsedColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    total = round(sum(case.setting.agent_hours for case, _ in wanted))
    if not wanted:
        return
    with (
        Progress(*columns, console=console, disable=not console.is_terminal) as bar,
        ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool,
    ):
        task = bar.add_task(words, total=total)
        began, ended, told = time.monotonic(), 0.0, 0.0
        futures: dict[Future[Result], tuple[Case, int]] = {
            pool.submit(run, case.setting, case.controller, rank): (case, rank) for case, rank in wanted
        }
        for future in as_completed(futures):
            case, rank = futures.pop(future)
            bar.advance(task, case.setting.agent_hours)
            ended += case.setting.agent_hours
            if not console.is_terminal and ended >= told + total / 10:  # a log has no bar
                told = ended
                console.print(f"{words}: {ended:,.0f} of {total:,} agent hours, {time.monotonic() - began:,.0f} s")
            failed = future.exception()
            if failed is None:
                yield case, rank, future.result()
            else:
                yield case, rank, f"{type(failed).__name__}: {failed}"


def runs_of(setting: Setting, agent_hours: float, least: int) -> int:
    """How many runs an effort of so many agent hours gives, at least."""
    return max(least, round(agent_hours / setting.agent_hours))
