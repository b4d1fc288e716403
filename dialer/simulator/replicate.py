"""Independent runs of one campaign in one world, and what they say together.

One rule governs this module: the result depends on the campaign, the world, the staff, the hours, the number of runs
and the seed, and on nothing else; least of all on how many processes shared the work.
"""

import os
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from multiprocessing import active_children, get_context
from pathlib import Path

from dialer.domain.policy import CampaignPolicy
from dialer.engine.campaign import new_campaign
from dialer.engine.kpi import Figure
from dialer.errors import UsageError
from dialer.queueing.intervals import Interval, student_t
from dialer.simulator.driver import Driver, JournalSink
from dialer.simulator.informed import informed
from dialer.simulator.measures import measure
from dialer.simulator.peers.names import Equip, contestant
from dialer.simulator.scenario import Scenario

RUNS_MAX = 100_000
LEVEL = 0.95

Figures = tuple[Figure, ...]
"""What one run is judged by."""

_WORTH_PROCESSES = 200.0  # agent hours in all; below, starting processes takes longer than the runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to run. Run `rank` of seed S draws from the stream S x RUNS_MAX + rank.

    `pacing` names one of the policies of `dialer.simulator.peers.names`; None: the campaign's own mode. With `is_known`
    the estimates are the world's truth from the first dial.
    """

    policy: CampaignPolicy
    scenario: Scenario
    agents: int
    hours: float
    runs: int
    seed: int
    pacing: str | None = None
    is_known: bool = False


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
    return summarise(run_plans([plan], workers=workers, journal=journal, progress=progress)[0])


def run_plans(
    plans: Sequence[Plan],
    *,
    workers: int | None = None,
    journal: Path | None = None,
    progress: Callable[[], None] = lambda: None,
) -> list[list[Figures]]:
    """Carry out plans side by side and give the figures of each one's runs, in order; see `replicate`."""
    for plan in plans:
        if not 1 <= plan.runs <= RUNS_MAX:
            raise UsageError(f"runs: expected 1 to {RUNS_MAX}, found {plan.runs}")
    jobs = [(plan, rank) for plan in plans for rank in range(plan.runs)]
    result: list[list[Figures]] = []
    # Closed also when interrupted between two runs: else the processes would work through all that is left.
    with closing(_run_all(jobs, _workers(plans) if workers is None else workers, journal)) as done:
        for plan in plans:
            result.append([])
            for _ in range(plan.runs):
                result[-1].append(next(done))
                progress()
    return result


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


def _workers(plans: Sequence[Plan]) -> int:
    runs = sum(plan.runs for plan in plans)
    if runs == 1 or sum(plan.runs * plan.agents * plan.hours for plan in plans) < _WORTH_PROCESSES:
        return 1
    return min(len(os.sched_getaffinity(0)), runs)


def _run_all(jobs: Sequence[tuple[Plan, int]], workers: int, journal: Path | None) -> Generator[Figures, None, None]:
    if journal is not None:
        yield _run(*jobs[0], journal)
        jobs = jobs[1:]
    if workers == 1:
        yield from (_run(plan, rank) for plan, rank in jobs)
        return
    # Spawned, not forked: a forked child inherits threads and locks of libraries in whatever state they are.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        try:
            yield from pool.map(_run, [plan for plan, _ in jobs], [rank for _, rank in jobs])
        except BaseException:
            # The pool would wait for the runs underway, whose figures nobody will read.
            for child in active_children():
                child.terminate()
            raise


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
    policy, equip, seed = plan.policy, _base(plan), plan.seed * RUNS_MAX + rank
    if plan.pacing is not None:
        named = contestant(plan.pacing, policy, base=equip, seed=seed)
        policy, equip = named.policy, named.equip
    return Driver(
        policy,
        plan.scenario,
        agents=plan.agents,
        hours=plan.hours,
        seed=seed,
        journal=journal,
        equip=equip,
    )


def _base(plan: Plan) -> Equip:
    return informed(plan.scenario) if plan.is_known else new_campaign
