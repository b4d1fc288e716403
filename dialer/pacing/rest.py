"""How long an agent rests after a call.

One rule governs this module: busy / (span + rest) is at most the campaign's occupancy limit, over the last hour or
since log-in if that is shorter, and a rest is never shorter than the campaign's gap between calls.
"""

from collections.abc import Sequence

from dialer.domain.policy import AgentsPolicy

HOUR_S = 3600.0
_OCCUPANCY_FROM_S = 900.0  # a shorter history says nothing about an hour's load

Work = list[tuple[float, float]]
"""An agent's busy spans of the last hour, ascending; the first is empty and says since when they are counted."""


def rest_s(work: Sequence[tuple[float, float]], policy: AgentsPolicy, now: float) -> float:
    """Give the seconds of rest that an agent has earned whose wrap-up is over at `now`."""
    return max(policy.min_gap_s, _to_limit_s(work, policy.occupancy_max, now))


def add_span(work: Work, from_at: float, to_at: float) -> None:
    """Add a busy span that ends at `to_at`; forget those that ended more than an hour before."""
    work.append((from_at, to_at))
    while len(work) > 2 and work[1][1] < to_at - HOUR_S:
        work.pop(1)


def _to_limit_s(work: Sequence[tuple[float, float]], occupancy_max: float, now: float) -> float:
    """Give the rest that brings the occupancy of the last hour (or since log-in) down to the limit."""
    if occupancy_max >= 1.0:
        return 0.0
    from_at = max(work[0][0], now - HOUR_S)
    span_s = now - from_at
    if span_s < _OCCUPANCY_FROM_S:
        return 0.0
    busy_s = sum(max(0.0, end - max(start, from_at)) for start, end in work[1:])
    return max(0.0, busy_s / occupancy_max - span_s)
