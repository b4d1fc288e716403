"""The predictive rule against the exact optimum of the constrained decision process, in the Markov world.

World: lines answered at rate p/L and failing at (1-p)/L, exponential handle time H, a live answer without an agent
waits an exponential 2 s; any number may be dialed at any event. Parameters are known to the pacer, ages mean nothing.
The optimum at 3 % (policy iteration with a Lagrangian) for p = .3, L = 15, H = 180 is .834 at 5 agents, .864 at 10 and
.902 at 20; without overdialing, progressive gives H / (H + L/p) = .783.
"""

import random

import pytest

from dialer.pacing.base import Pacer
from dialer.pacing.manual import ProgressivePacer
from dialer.pacing.predictive import PredictivePacer
from dialer.queueing.intervals import Interval, student_t
from tests.unit.pacing.floors import MARKOV, floor_of

P_LIVE, LINE_S, HANDLE_S, PATIENCE_S = 0.3, 15.0, 180.0, 2.0
REPLICATIONS, SERVED = 10, 10_000
LEVEL = 0.999  # each interval misses its true mean with probability 1e-3


def simulate(pacer: Pacer, agents: int, seed: int) -> tuple[float, float]:
    """Occupancy and abandonment rate of one replication; the decision depends on counts only and is remembered."""
    rng = random.Random(seed)
    decided: dict[tuple[int, int, int, int], tuple[int, bool]] = {}
    busy = lines = reserved = waiting = served = abandoned = 0
    now = busy_s = 0.0
    while served < SERVED:
        state = (busy, lines, reserved, waiting)
        if state not in decided:
            floor = floor_of(
                ready=agents - busy - reserved,
                talking_ages=(0.0,) * busy,
                unanswered_ages=(0.0,) * lines,
                queued=waiting,
                agents=agents,
                estimates=MARKOV,
            )
            decision = pacer.decide(floor)
            decided[state] = (decision.calls, decision.reserve)
        calls, reserve = decided[state]
        if reserve:
            reserved += calls
        else:
            lines += calls
        rates = (lines / LINE_S, reserved / LINE_S, busy / HANDLE_S, waiting / PATIENCE_S)
        step = rng.expovariate(sum(rates))
        now, busy_s = now + step, busy_s + busy * step
        happened = rng.choices(range(4), rates)[0]
        is_live = happened < 2 and rng.random() < P_LIVE
        if happened == 0:
            lines -= 1
        elif happened == 1:
            reserved -= 1
        elif happened == 3:
            waiting, abandoned = waiting - 1, abandoned + 1
        elif waiting:
            waiting, served = waiting - 1, served + 1
        else:
            busy -= 1
        if is_live and (happened == 1 or busy < agents):
            busy, served = busy + 1, served + 1
        elif is_live:
            waiting += 1
    return busy_s / now / agents, abandoned / (abandoned + served)


def replicate(pacer: Pacer, agents: int) -> tuple[Interval, Interval]:
    runs = [simulate(pacer, agents, seed) for seed in range(REPLICATIONS)]
    return student_t([run[0] for run in runs], LEVEL), student_t([run[1] for run in runs], LEVEL)


@pytest.mark.parametrize(("agents", "psi", "optimum"), [(5, 0.035, 0.834), (10, 0.025, 0.864), (20, 0.0175, 0.902)])
def test_the_rule_reaches_the_optimum(agents: int, psi: float, optimum: float) -> None:
    """At about 3 % abandonment the occupancy is the optimum's, to half a point (100,000 served calls each).

    From a cap of 3 % to one of 5 % the optimum gains .6 of occupancy per unit of abandonment at 5 agents and .65 at 20;
    that slope carries the abandonment reached to 3 %. Three intervals at 99.9 % each: the test errs with probability
    below 1 % for a rule exactly as good as the optimum, were the seeds not fixed.
    """
    occupancy, abandonment = replicate(PredictivePacer(psi), agents)
    assert abandonment.low > 0.025
    assert abandonment.high < 0.034
    at_three_percent = occupancy.mean - 0.6 * (abandonment.mean - 0.03)
    half = (occupancy.high - occupancy.low) / 2
    assert half < 0.005
    assert at_three_percent == pytest.approx(optimum, abs=0.005)


def test_progressive_meets_its_closed_form() -> None:
    """One call per reserved agent gives H / (H + L/p) and no abandonment at all."""
    occupancy, abandonment = replicate(ProgressivePacer(), 10)
    assert occupancy.low <= HANDLE_S / (HANDLE_S + LINE_S / P_LIVE) <= occupancy.high
    assert (abandonment.low, abandonment.high) == (0.0, 0.0)
