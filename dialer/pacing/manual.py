"""The pacing modes that need no estimates: preview, progressive, power.

One rule governs them: the answer follows from counts that an operator can check by hand.
"""

from dataclasses import dataclass
from typing import ClassVar

from dialer.pacing.base import DialDecision, Floor


@dataclass(frozen=True, slots=True)
class PreviewPacer:
    """Start nothing: the engine offers one lead to each ready agent, and the agent says dial."""

    looks_every_s: ClassVar[None] = None

    def decide(self, floor: Floor) -> DialDecision:
        """Answer no calls; the agent's own dial is the engine's command, not a pacer's."""
        return DialDecision(
            calls=0, reserve=True, limited_by="wanted", wanted=0, terms=(("ready", float(floor.ready)),)
        )


@dataclass(frozen=True, slots=True)
class ProgressivePacer:
    """One call per ready agent, who is reserved for it: no abandonment by construction."""

    looks_every_s: ClassVar[None] = None

    def decide(self, floor: Floor) -> DialDecision:
        """Answer one call per ready agent that no waiting live answer needs."""
        return progressive(floor, limited_by="wanted", wanted=_unclaimed(floor))


@dataclass(frozen=True, slots=True)
class PowerPacer:
    """A fixed number of calls in flight per ready agent.

    calls = floor(ratio * (ready - queued)) - unanswered in flight - answered, and never below 0.
    """

    ratio: float
    looks_every_s: ClassVar[None] = None

    def decide(self, floor: Floor) -> DialDecision:
        """Answer the calls missing to `ratio` calls in flight per ready agent."""
        unclaimed = _unclaimed(floor)
        in_flight = len(floor.unanswered_ages) + floor.answered
        calls = max(0, int(self.ratio * unclaimed) - in_flight)
        return DialDecision(
            calls=calls,
            reserve=False,
            limited_by="wanted" if unclaimed else "no_agents",
            wanted=calls,
            terms=(
                ("ratio", self.ratio),
                ("ready", float(floor.ready)),
                ("queued", float(floor.queued)),
                ("in_flight", float(in_flight)),
            ),
        )


def progressive(
    floor: Floor, *, limited_by: str, wanted: int, terms: tuple[tuple[str, float], ...] = ()
) -> DialDecision:
    """Build the progressive answer: one call per ready agent that no waiting live answer needs, each reserving one.

    Calls already in flight without a reserved agent keep their claim: each of them may still need a ready agent, so
    new reservations leave that many agents alone.
    """
    in_flight = len(floor.unanswered_ages) + floor.answered
    unclaimed = _unclaimed(floor)
    calls = max(0, unclaimed - in_flight)
    return DialDecision(
        calls=calls,
        reserve=True,
        limited_by=limited_by if calls or unclaimed else "no_agents",
        wanted=wanted,
        terms=(
            ("ready", float(floor.ready)),
            ("queued", float(floor.queued)),
            ("in_flight", float(in_flight)),
            *terms,
        ),
    )


def _unclaimed(floor: Floor) -> int:
    return max(0, floor.ready - floor.queued)
