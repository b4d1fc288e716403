"""What the benchmark of the engine prints, as far as it does not depend on the machine."""

from benchmarks.engine import WORLD, Speed, engine_speed, speed, verdict
from dialer.simulator.scenario import load_world


def test_a_run_is_measured_by_cpu_and_by_the_wall() -> None:
    """Half an hour and 900 events in 2 s of the wall, of which 1 s on the CPU."""
    assert speed(0.5, 900, 2.0, 1.0) == Speed(simulated_s=1800.0, simulated_wall_s=900.0, events=900.0)


def test_cpu_time_judges_the_bar() -> None:
    """A busy machine slows the wall's figure; the bar is reached all the same, and both figures are told."""
    busy = Speed(simulated_s=1200.0, simulated_wall_s=600.0, events=1.0)
    slow = Speed(simulated_s=999.0, simulated_wall_s=1500.0, events=1.0)
    assert "with 50 agents: reached (1,200; per wall second 600)" in verdict(busy)
    assert "with 50 agents: missed (999; per wall second 1,500)" in verdict(slow)


def test_the_engine_can_be_measured() -> None:
    """A short run of two agents gives figures above zero."""
    measured = engine_speed(load_world(WORLD), 2, 0.05)
    assert min(measured.simulated_s, measured.simulated_wall_s, measured.events) > 0
