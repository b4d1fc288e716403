"""What a run is judged by, from the records that it leaves behind.

One rule governs this module: a figure comes from what the engine recorded, as a report on a real day would; only the
last one, which no engine can know, comes from the world.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from dialer.domain.agent import AgentState
from dialer.domain.records import AgentSpan
from dialer.simulator.driver import Run

_IDLE = (AgentState.READY, AgentState.RESERVED)
_BUSY = (AgentState.TALKING, AgentState.WRAP_UP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One figure of a run, with the formula that makes it."""

    name: str
    unit: str  # share, s or count
    formula: str


MEASURES = (
    Measure(name="occupancy", unit="share", formula="(talk + wrap-up) / (talk + wrap-up + ready + reserved)"),
    Measure(name="abandonment", unit="share", formula="abandoned / live answers"),
    Measure(name="wait_mean_s", unit="s", formula="mean of the seconds ready or reserved before a connect"),
    Measure(name="wait_p50_s", unit="s", formula="their median"),
    Measure(name="wait_p95_s", unit="s", formula="their 95th percentile"),
    Measure(name="dials", unit="count", formula="attempts placed"),
    Measure(name="live_answers", unit="count", formula="attempts answered by a person"),
    Measure(name="connects", unit="count", formula="live answers joined to an agent"),
    Measure(
        name="connects_per_agent_hour",
        unit="count",
        formula="connects / (hours of talk + wrap-up + ready + reserved)",
    ),
    Measure(name="people_called_machine", unit="count", formula="people whom the detector took for machines"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The figures of one run, in the order of MEASURES, and what the abandonment is a ratio of."""

    values: tuple[float, ...]
    abandoned: int
    live: int


def measure(run: Run) -> Figures:
    """Take the figures of a run."""
    from_at, to_at = run.shift.start_at, run.shift.end_at
    seconds, waits = _idle_and_busy(run.store.agent_spans(None, from_at, to_at))
    busy_s = sum(seconds[state] for state in _BUSY)
    staffed_s = busy_s + sum(seconds[state] for state in _IDLE)
    attempts = run.store.attempts(None, from_at, to_at)
    live = sum(attempt.is_live for attempt in attempts)
    abandoned = sum(attempt.is_live and attempt.is_abandoned for attempt in attempts)
    connects = sum(attempt.is_live and attempt.bridged_at is not None for attempt in attempts)
    waits.sort()
    values = (
        _ratio(busy_s, staffed_s),
        _ratio(abandoned, live),
        _ratio(sum(waits), len(waits)),
        _quantile(waits, 0.50),
        _quantile(waits, 0.95),
        float(len(attempts)),
        float(live),
        float(connects),
        _ratio(connects, staffed_s / 3600.0),
        float(run.world.people_called_machine),
    )
    return Figures(values=values, abandoned=abandoned, live=live)


def _idle_and_busy(spans: Sequence[AgentSpan]) -> tuple[dict[str, float], list[float]]:
    """Add up the seconds by state, and give each wait: the idle seconds that ended with a connect."""
    seconds: dict[str, float] = dict.fromkeys(AgentState, 0.0)
    idle_s: dict[str, float] = {}
    waits: list[float] = []
    for span in spans:
        span_s = span.to_at - span.from_at
        seconds[span.state] += span_s
        if span.state in _IDLE:
            idle_s[span.agent_id] = idle_s.get(span.agent_id, 0.0) + span_s
        else:
            waited_s = idle_s.pop(span.agent_id, None)
            if span.state == AgentState.TALKING and waited_s is not None:
                waits.append(waited_s)
    return seconds, waits


def _ratio(above: float, below: float) -> float:
    return above / below if below else 0.0


def _quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all do not exceed; 0 without values."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else 0.0
