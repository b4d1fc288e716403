"""The simulator against queueing theory.

The queues test the world (people, agents, lines, patience and the heap under them) behind a dialer that joins callers
to agents in order of arrival and paces nothing, with calls placed as a Poisson stream: the engine has no part in them.
The last test is of the whole house, engine included, in progressive mode. Every interval is Student's over independent
replications at 99.9 %: a right simulator fails each check once in 1,000 seeds, and the seeds are fixed.
"""

import random
from collections.abc import Callable, Mapping

import pytest

from dialer.domain.events import CallFailed, Event
from dialer.domain.outcome import Outcome
from dialer.domain.policy import PacingMode, PacingPolicy
from dialer.queueing.erlang import ErlangA, erlang_b, erlang_c, erlang_c_mean_wait
from dialer.queueing.intervals import student_t
from dialer.simulator.driver import Driver
from dialer.simulator.measures import measure
from dialer.simulator.scenario import load_world
from tests.unit.simulator.floor import Floor, campaign, order, run, world

LEVEL = 0.999
HANDLE_S = 60.0
RING_FOR_EVER_S = 1e6


def queueing_world(**network: object) -> dict[str, object]:
    """Everybody answers at once, talks for an exponential time, and is forgotten at once."""
    return {
        "network": {"setup_s": 0, **network},
        "answers": {"p_live": 1.0, "ring_s": 0},
        "talk": {"talk_s": {"family": "exponential", "mean": HANDLE_S}, "wrap_up_s": 0},
    }


class Queue:
    """One replication of a queue: Poisson calls offered to agents, figures taken after the warm-up."""

    def __init__(self, tables: Mapping[str, object], *, agents: int, load: float, calls: int, seed: int) -> None:
        self._world = world(tables, agents=agents, seed=seed)
        self.floor = Floor(self._world)
        self.blocked = 0
        arrivals, now = random.Random(seed), 0.0
        warm_up = calls // 5
        for call_id in range(1, calls + 1):
            now += arrivals.expovariate(load / HANDLE_S)
            run(self._world, now, self._count)
            if call_id == warm_up:
                self.floor.waits.clear()
                self.floor.lost = self.blocked = 0
            self._world.submit(order(call_id, ring_timeout_s=RING_FOR_EVER_S), now)
        run(self._world, now + 100 * HANDLE_S, self._count)
        self.offered = calls - warm_up

    def _count(self, event: Event, now: float) -> None:
        self.blocked += isinstance(event, CallFailed) and event.outcome is Outcome.CONGESTION
        self.floor(event, now)


def holds(measure: Callable[[Queue], float], queues: list[Queue], expected: float) -> None:
    """Assert that the interval over the replications covers what theory says."""
    interval = student_t([measure(queue) for queue in queues], LEVEL)
    assert interval.low <= expected <= interval.high, f"theory {expected}, measured {interval}"


def test_mm_c() -> None:
    """Where everybody waits (M/M/5, 3.5 erlang), P(wait) and the mean wait are Erlang's C."""
    queues = [Queue(queueing_world(), agents=5, load=3.5, calls=3000, seed=seed) for seed in range(20)]
    holds(lambda queue: sum(wait > 0 for wait in queue.floor.waits) / queue.offered, queues, erlang_c(5, 3.5))
    mean_wait = erlang_c_mean_wait(5, 3.5, HANDLE_S)
    holds(lambda queue: sum(queue.floor.waits) / queue.offered, queues, mean_wait)


def test_mm_cc() -> None:
    """Where nobody waits (M/M/5/5, 4 erlang), the share refused for want of a line is Erlang's B."""
    queues = [Queue(queueing_world(lines=5), agents=5, load=4.0, calls=3000, seed=seed) for seed in range(20)]
    holds(lambda queue: queue.blocked / queue.offered, queues, erlang_b(5, 4.0))
    assert all(not queue.floor.lost for queue in queues)


def test_mm_c_m() -> None:
    """Where people hang up after an exponential patience (M/M/5+M, 6 erlang), the share lost is Erlang's A."""
    tables = {**queueing_world(), "person": {"patience_s": {"family": "exponential", "mean": 30.0}}}
    queues = [Queue(tables, agents=5, load=6.0, calls=3000, seed=seed) for seed in range(20)]
    theory = ErlangA(agents=5, load=6.0, handle_s=HANDLE_S, patience_s=30.0)
    holds(lambda queue: queue.floor.lost / queue.offered, queues, theory.p_abandon)


@pytest.mark.parametrize("agents", [1, 8])
def test_progressive_occupancy(agents: int) -> None:
    """The engine in progressive mode keeps agents busy H / (H + L / p) of their time, whatever their number."""
    pacing = PacingPolicy(mode=PacingMode.PROGRESSIVE, ring_timeout_s=RING_FOR_EVER_S)
    policy = campaign(pacing=pacing)
    shares = []
    for seed in range(10):
        done = Driver(policy, load_world("markov"), agents=agents, hours=16 / agents, seed=seed).run()
        occupancy = measure(done, policy)[0]
        assert occupancy.value is not None
        shares.append(occupancy.value)
    interval = student_t(shares, LEVEL)
    assert interval.low <= 180 / (180 + 15 / 0.3) <= interval.high, interval
    assert interval.high - interval.low < 0.1
