"""Pacing policies side by side: the same people, agents and seeds for each.

One rule governs this module: differences are taken run by run. Under common random numbers a run of one policy and the
run of another with the same seed call the same people, so that their difference is known better than either.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from dialer.errors import UsageError
from dialer.queueing.intervals import Interval, student_t
from dialer.simulator.peers.names import contestant
from dialer.simulator.replicate import LEVEL, Figures, Measure, Plan, run_plans, summarise


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One policy's place in a comparison.

    `runs_over_cap`: runs whose abandonment rate was above the campaign's cap. `difference`: in occupancy, this policy
    less the first one; None for the first, and where no agent was staffed.
    """

    name: str
    is_governed: bool
    measures: tuple[Measure, ...]
    runs_over_cap: int
    difference: Interval | None

    def measure(self, name: str) -> Measure:
        """Give the measure of this name."""
        return next(measure for measure in self.measures if measure.name == name)


def compare(
    plan: Plan, names: Sequence[str], *, workers: int | None = None, progress: Callable[[], None] = lambda: None
) -> tuple[Standing, ...]:
    """Carry out a plan once for each named policy; raise UsageError for a name that is unknown or said twice."""
    if len(set(names)) < len(names):
        raise UsageError(f"pacing policies: expected each once, found {', '.join(names)}")
    contestants = [contestant(name, plan.policy) for name in names]
    results = run_plans([replace(plan, pacing=name) for name in names], workers=workers, progress=progress)
    return tuple(
        Standing(
            name=each.name,
            is_governed=each.is_governed,
            measures=summarise(runs),
            runs_over_cap=_over_cap(runs, plan.policy.abandonment.cap_rate),
            difference=_difference(runs, results[0]) if rank else None,
        )
        for rank, (each, runs) in enumerate(zip(contestants, results, strict=True))
    )


def _over_cap(runs: Sequence[Figures], cap_rate: float) -> int:
    rates = [_value(run, "abandonment_rate") for run in runs]
    return sum(rate is not None and rate > cap_rate for rate in rates)


def _difference(runs: Sequence[Figures], first: Sequence[Figures]) -> Interval | None:
    pairs = [(_value(run, "occupancy"), _value(other, "occupancy")) for run, other in zip(runs, first, strict=True)]
    differences = [mine - other for mine, other in pairs if mine is not None and other is not None]
    return student_t(differences, LEVEL) if differences else None


def _value(run: Figures, name: str) -> float | None:
    return next(figure.value for figure in run if figure.name == name)
