"""How fast the engine runs on a virtual clock, beside a SimPy model of the same floor measured in the same run.

Predictive pacing in the packaged world `realistic`, one process, one run per size. The first part of each run warms up:
it is not measured. Bar: at least 1,000 simulated seconds per CPU second of one core with 50 agents. The wall
figure stands beside it: it falls when the machine has other things to do.
"""

import platform
import time
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from benchmarks.floor import RING_TIMEOUT_S, SimpyFloor
from dialer.domain.policy import (
    AbandonmentPolicy,
    AgentsPolicy,
    CallbackPolicy,
    CampaignPolicy,
    DispositionPolicy,
    HoursPolicy,
    ListPolicy,
    NumbersPolicy,
    PacingMode,
    PacingPolicy,
    RetryPolicy,
)
from dialer.simulator.driver import Driver
from dialer.simulator.scenario import Scenario, load_world

WORLD = "realistic"
BAR = 1000.0
AT_BAR = 50  # agents
BOUND = (
    "bound by: about 60 % of the time is the pacing decision (dialing.pace: looking at the floor, counting exactly), "
    "the next 10 % dataclasses.replace"
)
SIZES = ((10, 8.0, 1.6), (50, 4.0, 3.7), (200, 1.0, 6.0))  # agents, hours, SimPy's calls per idle agent


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """What one run did per second: of this process's CPU time, of all its threads together, and of the wall."""

    simulated_s: float  # per CPU second
    simulated_wall_s: float  # per wall second
    events: float  # per CPU second


def policy() -> CampaignPolicy:
    """A campaign that is open at all hours and never bound by its list."""
    return CampaignPolicy(
        name="bench",
        seller="Example Telecom",
        purpose="survey",
        jurisdiction="GB",
        list=ListPolicy(),
        pacing=PacingPolicy(mode=PacingMode.PREDICTIVE, ring_timeout_s=RING_TIMEOUT_S),
        abandonment=AbandonmentPolicy(),
        hours=HoursPolicy(week=(((0, 86400),),) * 7),
        retry=RetryPolicy(),
        numbers=NumbersPolicy(),
        callbacks=CallbackPolicy(),
        agents=AgentsPolicy(groups=("bench",), wrap_up_max_s=600.0),
        dispositions={"done": DispositionPolicy(name="done", is_final=True)},
    )


def engine_speed(scenario: Scenario, agents: int, hours: float) -> Speed:
    """Measure the engine with everything around it: world, lead store, records."""
    driver = Driver(policy(), scenario, agents=agents, hours=hours, seed=1)
    began, began_cpu = time.perf_counter(), time.process_time()
    done = driver.run()
    return speed(hours, done.events + done.timers, time.perf_counter() - began, time.process_time() - began_cpu)


def simpy_speed(scenario: Scenario, agents: int, hours: float, ratio: float) -> Speed:
    """Measure the SimPy model."""
    floor = SimpyFloor(scenario, agents=agents, ratio=ratio, seed=1)
    began, began_cpu = time.perf_counter(), time.process_time()
    floor.run(hours * 3600.0)
    return speed(hours, floor.events, time.perf_counter() - began, time.process_time() - began_cpu)


def speed(hours: float, events: int, wall_s: float, cpu_s: float) -> Speed:
    """Divide what a run did by what it took."""
    simulated_s = hours * 3600.0
    return Speed(simulated_s=simulated_s / cpu_s, simulated_wall_s=simulated_s / wall_s, events=events / cpu_s)


def verdict(at_bar: Speed) -> str:
    """Say whether the run with 50 agents reached the bar: CPU time judges, the wall stands beside it."""
    return (
        f"bar: at least {BAR:,.0f} simulated seconds per CPU second of one core with {AT_BAR} agents: "
        f"{'reached' if at_bar.simulated_s >= BAR else 'missed'} "
        f"({at_bar.simulated_s:,.0f}; per wall second {at_bar.simulated_wall_s:,.0f})"
    )


def main() -> None:
    """Print the table."""
    scenario = load_world(WORLD)
    engine_speed(scenario, 5, 0.2)  # imports and caches
    table = Table(title=f"world {WORLD}, predictive pacing, Python {platform.python_version()}, one process")
    for heading in (
        "agents",
        "engine: sim s / CPU s",
        "sim s / wall s",
        "events / CPU s",
        "SimPy: sim s / CPU s",
        "events / CPU s",
        "ratio",
    ):
        table.add_column(heading, justify="right")
    speeds: dict[int, Speed] = {}
    for agents, hours, ratio in SIZES:
        ours = engine_speed(scenario, agents, hours)
        theirs = simpy_speed(scenario, agents, hours, ratio)
        speeds[agents] = ours
        table.add_row(
            str(agents),
            f"{ours.simulated_s:,.0f}",
            f"{ours.simulated_wall_s:,.0f}",
            f"{ours.events:,.0f}",
            f"{theirs.simulated_s:,.0f}",
            f"{theirs.events:,.0f}",
            f"{ours.simulated_s / theirs.simulated_s:.3f}",
        )
    console = Console()
    console.print(table)
    console.print(
        f"{verdict(speeds[AT_BAR])}\n{BOUND}\n"
        "ratio: simulated seconds of the engine / of SimPy, whose dialer is a fixed ratio without estimates, list, law "
        "or records: it is the price of those"
    )


if __name__ == "__main__":
    main()
