"""Independent runs of one campaign in one world, and what they say together.

One rule governs this module: the result depends on the campaign, the world, the staff, the hours, the number of runs
and the seed, and on nothing else; least of all on how many processes shared the work.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from dialer.domain.policy import CampaignPolicy
from dialer.engine.kpi import Figure
from dialer.errors import UsageError
from dialer.queueing.intervals import Interval, student_t
from dialer.simulator.driver import Driver, JournalSink
from dialer.simulator.measures import measure
from dialer.simulator.scenario import Scenario

RUNS_MAX = 100_000
LEVEL = 0.95

Figures = tuple[Figure, ...]
"""What one run is judged by."""

_WORTH_PROCESSES = 200.0  # agent hours in all; below, starting processes takes longer than the runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to run. Run `rank` of seed S draws from the stream S x RUNS_MAX + rank."""

    policy: CampaignPolicy
    scenario: Scenario
    agents: int
    hours: float
    runs: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One figure over all runs. `interval` is of its mean (None: no run has a value).

    Of a rate, `numerator` and `denominator` are the sums over the runs.
    """

    name: str
    unit: str
    formula: str
    interval: Interval | None
    numerator: float | None
    denominator: float | None


def replicate(
    plan: Plan, *, workers: int | None = None, journal: Path | None = None, progress: Callable[[], None] = lambda: None
) -> tuple[Measure, ...]:
    """Carry out a plan; `progress` is called after each run, `journal` gets the first run's journal.

    `workers` None: as many processes as there are processors when the plan is worth it, else this one alone.
    """
    if not 1 <= plan.runs <= RUNS_MAX:
        raise UsageError(f"runs: expected 1 to {RUNS_MAX}, found {plan.runs}")
    figures: list[Figures] = []
    for one in _run_all(plan, _workers(plan) if workers is None else workers, journal):
        figures.append(one)
        progress()
    return summarise(figures)


def summarise(runs: Sequence[Figures]) -> tuple[Measure, ...]:
    """Put the figures of independent runs together."""
    return tuple(_measure(column) for column in zip(*runs, strict=True))


def _measure(column: Sequence[Figure]) -> Measure:
    values = [figure.value for figure in column if figure.value is not None]
    is_rate = column[0].denominator is not None
    return Measure(
        name=column[0].name,
        unit=column[0].unit,
        formula=column[0].formula,
        interval=student_t(values, LEVEL) if values else None,
        numerator=sum(figure.numerator or 0.0 for figure in column) if is_rate else None,
        denominator=sum(figure.denominator or 0.0 for figure in column) if is_rate else None,
    )


def _workers(plan: Plan) -> int:
    if plan.runs == 1 or plan.runs * plan.agents * plan.hours < _WORTH_PROCESSES:
        return 1
    return min(len(os.sched_getaffinity(0)), plan.runs)


def _run_all(plan: Plan, workers: int, journal: Path | None) -> Iterator[Figures]:
    first = 0
    if journal is not None:
        yield _run(plan, 0, journal)
        first = 1
    ranks = range(first, plan.runs)
    if workers == 1:
        yield from (_run(plan, rank) for rank in ranks)
        return
    # Spawned, not forked: a forked child inherits threads and locks of libraries in whatever state they are.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_run, [plan] * len(ranks), ranks)


def _run(plan: Plan, rank: int, journal: Path | None = None) -> Figures:
    if journal is None:
        return measure(_driver(plan, rank, None).run(), plan.policy)
    try:
        with journal.open("wb") as file:
            driver = _driver(plan, rank, lambda line: file.writelines((line, b"\n")))
            return measure(driver.run(), plan.policy)
    except OSError as error:
        raise UsageError(f"journal {journal}: expected a file that can be written, found: {error.strerror}") from error


def _driver(plan: Plan, rank: int, journal: JournalSink | None) -> Driver:
    return Driver(
        plan.policy,
        plan.scenario,
        agents=plan.agents,
        hours=plan.hours,
        seed=plan.seed * RUNS_MAX + rank,
        journal=journal,
    )
