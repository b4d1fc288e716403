"""How fast the engine runs on a virtual clock, beside a SimPy model of the same floor measured in the same run.

Predictive pacing in the packaged world `realistic`, one process, one run per size. The first part of each run warms up:
it is not measured. Bar: at least 1,000 simulated seconds per wall second with 50 agents.
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
SIZES = ((10, 8.0, 1.6), (50, 4.0, 3.7), (200, 1.0, 6.0))  # agents, hours, SimPy's calls per idle agent


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """What one run did per wall second."""

    simulated_s: float
    events: float


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
    began = time.perf_counter()
    done = driver.run()
    wall_s = time.perf_counter() - began
    return Speed(simulated_s=hours * 3600.0 / wall_s, events=(done.events + done.timers) / wall_s)


def simpy_speed(scenario: Scenario, agents: int, hours: float, ratio: float) -> Speed:
    """Measure the SimPy model."""
    floor = SimpyFloor(scenario, agents=agents, ratio=ratio, seed=1)
    began = time.perf_counter()
    floor.run(hours * 3600.0)
    wall_s = time.perf_counter() - began
    return Speed(simulated_s=hours * 3600.0 / wall_s, events=floor.events / wall_s)


def main() -> None:
    """Print the table."""
    scenario = load_world(WORLD)
    engine_speed(scenario, 5, 0.2)  # imports and caches
    table = Table(title=f"world {WORLD}, predictive pacing, Python {platform.python_version()}, one process")
    for heading in (
        "agents",
        "engine: sim s / s",
        "engine: events / s",
        "SimPy: sim s / s",
        "SimPy: events / s",
        "ratio",
    ):
        table.add_column(heading, justify="right")
    at_bar = 0.0
    for agents, hours, ratio in SIZES:
        ours = engine_speed(scenario, agents, hours)
        theirs = simpy_speed(scenario, agents, hours, ratio)
        at_bar = ours.simulated_s if agents == 50 else at_bar
        table.add_row(
            str(agents),
            f"{ours.simulated_s:,.0f}",
            f"{ours.events:,.0f}",
            f"{theirs.simulated_s:,.0f}",
            f"{theirs.events:,.0f}",
            f"{ours.simulated_s / theirs.simulated_s:.3f}",
        )
    console = Console()
    console.print(table)
    console.print(
        f"bar: at least {BAR:,.0f} simulated seconds per wall second with 50 agents: "
        f"{'reached' if at_bar >= BAR else 'missed'} ({at_bar:,.0f})\n"
        "ratio: simulated seconds of the engine / of SimPy, whose dialer is a fixed ratio without estimates, list, law "
        "or records: it is the price of those"
    )


if __name__ == "__main__":
    main()
