"""The predictive rule against the exact optimum of the constrained decision process, in the Markov world.

World: lines answered at rate p/L and failing at (1-p)/L, exponential handle times, a live answer without an agent lost
at once or after an exponential grace; any number may be dialed at any event. Parameters are known to the pacer and ages
mean nothing, so that its decisions depend on counts alone: the rule is one policy of the decision process for each psi,
and its long-run occupancy and abandonment are computed exactly, without a simulation.
"""

import numpy as np
import pytest

from dialer.pacing.predictive import PredictivePacer
from dialer.queueing.estimators import Estimates
from tests.theory.cmdp import Counts, Floats, Process, mixed, solve
from tests.unit.pacing.floors import floor_of, markov_estimates

CAP = 0.03
BAR = 0.003
HANDLE_S, LINE_S = 150.0, 14.0


def psi_max(agents: int) -> float:
    """Give a psi that is far over the cap for a team."""
    return 0.6 if agents < 10 else 0.1


def risks(process: Process, estimates: Estimates, threshold_s: float) -> Floats:
    """Give the pacer's risk of the next call, by busy agents and callers waiting, and by lines in flight."""
    pacer = PredictivePacer(0.0)
    found = np.ones(process.shape)
    for row in range(process.shape[0]):
        x = process.x_min + row
        for lines in range(process.shape[1]):
            decision = pacer.decide(
                floor_of(
                    ready=max(process.n - x, 0),
                    talking_ages=(60.0,) * min(x, process.n),
                    unanswered_ages=(5.0,) * lines,
                    queued=max(x - process.n, 0),
                    agents=process.n,
                    threshold_s=threshold_s,
                    estimates=estimates,
                )
            )
            found[row, lines] = 0.0 if decision.calls else dict(decision.terms)["risk_of_next"]
            if found[row, lines] > psi_max(process.n):
                break
    return found


def dialed(risk: Floats, psi: float) -> Counts:
    """Give the lines in flight after the rule has dialed: one more as long as its risk is at most psi."""
    stops = risk > psi + 1e-12
    stops[:, -1] = True
    columns = np.where(stops, np.arange(risk.shape[1]), risk.shape[1])
    return np.minimum.accumulate(columns[:, ::-1], axis=1)[:, ::-1]


def rule_at_cap(process: Process, risk: Floats) -> float:
    """Give the rule's occupancy at exactly the cap, mixing in time the two psi between which it lies."""
    steps = np.unique(risk[risk <= psi_max(process.n)])  # between two of them the rule does not change
    under, over = 0, len(steps) - 1
    while over - under > 1:
        middle = (under + over) // 2
        is_over = process.averages(dialed(risk, steps[middle])).excess(CAP) > 0.0
        under, over = (under, middle) if is_over else (middle, over)
    low, high = (process.averages(dialed(risk, steps[step])) for step in (under, over))
    assert low.excess(CAP) <= 0.0 < high.excess(CAP)
    return mixed(high, low, CAP)[0]


@pytest.mark.parametrize("agents", [1, 2, 3, 5, 10, 25, 50])
@pytest.mark.parametrize("p", [0.1, 0.3, 0.6])
def test_the_rule_reaches_the_optimum(agents: int, p: float) -> None:
    """Without grace, at exactly 3 %: occupancy within 0.3 points of the optimum, which it never beats."""
    process = Process(agents, p, HANDLE_S, LINE_S, 0.0)
    estimates = markov_estimates(p_live=p, line_s=LINE_S, handle_s=HANDLE_S)
    reached = rule_at_cap(process, risks(process, estimates, 0.0))
    optimum = solve(agents, p, HANDLE_S, LINE_S, 0.0, CAP).occupancy
    assert optimum - BAR <= reached <= optimum + 1e-6


@pytest.mark.parametrize("agents", [2, 5, 10, 20])
def test_the_rule_reaches_the_optimum_with_grace(agents: int) -> None:
    """The same where callers wait 2 s: the rule takes for fixed what the world draws from an exponential."""
    process = Process(agents, 0.3, 180.0, 15.0, 2.0)
    estimates = markov_estimates(p_live=0.3, line_s=15.0, handle_s=180.0)
    reached = rule_at_cap(process, risks(process, estimates, 2.0))
    optimum = solve(agents, 0.3, 180.0, 15.0, 2.0, CAP).occupancy
    assert optimum - BAR <= reached <= optimum + 1e-6
