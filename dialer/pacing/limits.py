"""How long each constraint was the binding one.

One rule governs this module: a decision stands until the next one, and no longer than `holds_s` says; the time that no
decision covers is nobody's.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

from dialer.domain.records import PacingDecision
from dialer.pacing.explain import HOLDS_AFTER_EVENTS_S, HOLDS_S, holds_s

LOOK_BACK_S = max(HOLDS_S, HOLDS_AFTER_EVENTS_S)
"""Decisions so long before a span may still stand in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingTime:
    """What one constraint did in a span: how long it bound, and what was started and missing meanwhile.

    `missing` are the calls wanted and not made, on average over the time in which the constraint bound.
    """

    limited_by: str
    for_s: float
    decisions: int
    calls: int
    missing: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """A span, its constraints, the longest-binding first, and the time without a decision."""

    from_at: float
    to_at: float
    binding: tuple[BindingTime, ...]
    idle_s: float


@dataclass(slots=True)
class _Sum:
    for_s: float = 0.0
    decisions: int = 0
    calls: int = 0
    missing_s: float = 0.0  # calls x seconds


def binding_times(decisions: Iterable[PacingDecision], from_at: float, to_at: float) -> Limits | None:
    """Add up for how long each constraint bound inside a half-open span; None when nothing was decided in it.

    `decisions` are those of one campaign by instant, from LOOK_BACK_S before the span on, if there are any. A bound
    that is infinite becomes the first or the last decision's instant.
    """
    sums: dict[str, _Sum] = {}
    last: PacingDecision | None = None
    covered_s = 0.0
    for decision in decisions:
        if decision.at >= to_at:
            break
        if from_at == -inf:
            from_at = decision.at
        if last is not None:
            covered_s += _stand(sums, last, from_at, min(decision.at, last.at + holds_s(last)))
        last = decision
    if last is None:
        return None
    to_at = last.at if to_at == inf else to_at
    covered_s += _stand(sums, last, from_at, min(to_at, last.at + holds_s(last)))
    if not sums:
        return None
    found = [
        BindingTime(
            limited_by=name,
            for_s=each.for_s,
            decisions=each.decisions,
            calls=each.calls,
            missing=each.missing_s / each.for_s if each.for_s else 0.0,
        )
        for name, each in sums.items()
    ]
    binding = tuple(sorted(found, key=lambda each: (-each.for_s, each.limited_by)))
    return Limits(from_at=from_at, to_at=to_at, binding=binding, idle_s=max(to_at - from_at - covered_s, 0.0))


def _stand(sums: dict[str, _Sum], decision: PacingDecision, from_at: float, until_at: float) -> float:
    """Book the part of a decision's time that lies in the span; give its seconds."""
    if until_at <= from_at and decision.at < from_at:
        return 0.0
    for_s = until_at - max(decision.at, from_at)
    each = sums.setdefault(decision.limited_by, _Sum())
    each.for_s += for_s
    each.missing_s += max(decision.wanted - decision.calls, 0) * for_s
    if decision.at >= from_at:
        each.decisions += 1
        each.calls += decision.calls
    return for_s
