"""What the controllers are held against: exact optima, and the best known rule in realistic worlds.

One rule governs this module: a reference is a number that was found without the code under test.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.pacing.scenarios import answering, times
from benchmarks.pacing.setting import NO_CAP, Setting
from dialer.domain.policy import Window

TARGET = 0.03
OPTIMUM = Path(__file__).resolve().parents[2] / "tests" / "theory" / "optimum.json"

SLOPES = {
    0.1: {1: 1.72, 2: 1.79, 3: 1.83, 5: 1.95, 10: 1.55, 25: 0.95, 50: 0.65},
    0.3: {1: 0.36, 2: 0.51, 3: 0.55, 5: 0.84, 10: 0.93, 25: 0.79, 50: 0.58},
    0.6: {1: 0.11, 2: 0.27, 3: 0.30, 5: 0.35, 10: 0.48, 25: 0.65, 50: 0.48},
}
"""Occupancy that the exact optimum gains per unit of abandonment at 3 %: `tests.theory.cmdp`, from 2.5 to 3.5 %."""

_HOURS = {1: 49.0, 2: 33.0, 3: 33.0, 5: 25.0, 10: 17.0}
"""Long runs for small teams: the first hour, which is not counted, shall not be the dearest."""

AWARE = {
    ("realistic", 0.3, 150, 30): {2: 0.806, 5: 0.832, 10: 0.864, 20: 0.899, 50: 0.940, 1: 0.795},
    ("realistic", 0.1, 150, 30): {1: 0.601, 2: 0.668, 5: 0.764, 10: 0.829, 20: 0.883, 50: 0.934},
    ("realistic", 0.2, 150, 30): {5: 0.802, 10: 0.846, 20: 0.891, 50: 0.937},
    ("realistic", 0.5, 150, 30): {5: 0.880, 10: 0.893, 20: 0.915, 50: 0.946},
    ("realistic", 0.3, 40, 10): {5: 0.676, 10: 0.771, 20: 0.851, 50: 0.926},
    ("realistic", 0.3, 90, 30): {5: 0.784, 10: 0.831, 20: 0.881, 50: 0.932},
    ("realistic", 0.3, 270, 30): {5: 0.883, 10: 0.900, 20: 0.921, 50: 0.950},
    ("near-deterministic-50", 0.8, 50, 0): {50: 0.941},
    ("near-deterministic-90", 0.8, 90, 0): {50: 0.932},
    ("near-deterministic-550", 0.8, 550, 0): {50: 0.968},
}
"""Occupancy at 3 % of the marginal rule with ages of calls and agents and known parameters, found by an independent
simulation with an error of about .3 points: (world, answer rate, talk, wrap-up) -> agents -> occupancy."""

AWARE_SLOPES = {1: 0.3, 2: 0.6, 5: 0.8, 10: 0.9, 20: 0.8, 50: 0.6}
AWARE_ERROR = 0.003


def hours_of(agents: int) -> float:
    """How long a run must be for the steady state of a team of this size."""
    return _HOURS.get(agents, 9.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A steady setting and the occupancy to reach in it at 3 % abandonment.

    `slope` moves what was measured at nearly 3 % to 3 %; `error` is the reference's own, as half of a 95 % interval.
    """

    setting: Setting
    occupancy: float
    slope: float
    error: float = 0.0


def markov() -> list[Reference]:
    """The Markov worlds with their exact optima."""
    optimum = json.loads(OPTIMUM.read_text(encoding="utf-8"))
    return [
        Reference(
            setting=_steady(
                f"markov-p{round(float(p) * 100)}-n{agents}",
                int(agents),
                base="markov-150",
                tables={"answers": {"p_live": float(p), "p_busy": 1.0 - float(p)}},
                ring_timeout_s=600.0,
                threshold_s=optimum["grace_s"],
            ),
            occupancy=occupancy,
            slope=SLOPES[float(p)][int(agents)],
        )
        for p, row in optimum["occupancy"].items()
        for agents, occupancy in row.items()
    ]


def realistic() -> list[Reference]:
    """The realistic worlds with the best known rule's occupancy."""
    return [
        Reference(
            setting=_steady(
                f"{base}-p{round(p * 100)}-{talk}-{wrap_up}-n{agents}",
                agents,
                base=base,
                tables={**answering(p), **times(talk, wrap_up)} if base == "realistic" else {},
                ring_timeout_s=22.0 if base == "realistic" else 30.0,
            ),
            occupancy=occupancy,
            slope=AWARE_SLOPES[agents],
            error=AWARE_ERROR,
        )
        for (base, p, talk, wrap_up), row in AWARE.items()
        for agents, occupancy in row.items()
    ]


def _steady(name: str, agents: int, **keys: Any) -> Setting:
    return Setting(
        name=name,
        agents=agents,
        hours=hours_of(agents),
        cap=NO_CAP,
        target=TARGET,
        window=Window.BLOCKS_30D,
        is_open=True,
        **keys,
    )
