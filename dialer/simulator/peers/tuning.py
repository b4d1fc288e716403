"""Occupancy at equal abandonment: what a family of policies, tuned by somebody who knows the outcome, would reach.

One rule governs this module: between two measured policies the straight line is what running each a part of the time
gives. So the occupancy at an abandonment is that of the best mixture of two measured policies, and no measured
policy is better at less. Source: the convex hull of the points, as in the time sharing of constrained Markov decision
processes (E. Altman, Constrained Markov Decision Processes, 1999).

A time share mixes per hour, a rate is per live answer: with near equal live answers per hour the error is second order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dialer.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One policy as it was measured: its knob, its abandonment rate and its occupancy, both shares."""

    setting: float
    rate: float
    occupancy: float


def occupancy_at(points: Sequence[Point], rate: float) -> float:
    """Give the best occupancy at an abandonment of at most `rate` among the points and mixtures of two of them.

    Raise UsageError when every point abandons more: nothing measured says what less would cost.
    """
    within = [point for point in points if point.rate <= rate]
    if not within:
        raise UsageError(
            f"occupancy at {rate:.2%} abandonment: expected a measured policy at or below it, found the lowest of "
            f"{len(points)} at {min((point.rate for point in points), default=0.0):.2%}; measure a more careful one"
        )
    beyond = [point for point in points if point.rate > rate]
    mixtures = [
        low.occupancy + (high.occupancy - low.occupancy) * (rate - low.rate) / (high.rate - low.rate)
        for low in within
        for high in beyond
    ]
    return max([*mixtures, *(point.occupancy for point in within)])


def tune(measured: Callable[[float], Point], low: float, high: float, rate: float, steps: int) -> list[Point]:
    """Measure settings that close in on an abandonment of `rate`: both ends, then `steps` halvings between them.

    The rate must not fall as the setting rises. Where one end is already on the far side, only the ends are measured.
    """
    points = [measured(low), measured(high)]
    if not points[0].rate <= rate < points[1].rate:
        return points
    for _ in range(steps):
        middle = measured((low + high) / 2.0)
        points.append(middle)
        low, high = (middle.setting, high) if middle.rate <= rate else (low, middle.setting)
    return points
