"""What a run is judged by: the figures of a real day's report, and one that only a simulator can know.

One rule governs this module: it computes nothing that `dialer.engine.kpi` computes.
"""

from dialer.domain.policy import CampaignPolicy
from dialer.engine.kpi import Figure, campaign_figures
from dialer.simulator.driver import Run

_NAMES = (
    "occupancy",
    "abandonment_rate",
    "abandonments",
    "abandoned_by_callee",
    "wait_mean",
    "wait_p50",
    "wait_p95",
    "live_answers",
    "dials",
    "connects",
    "dials_per_connect",
    "machines_joined",
    "connects_per_agent_hour",
    "talk_mean",
    "wrap_up_mean",
)


def measure(run: Run, policy: CampaignPolicy) -> tuple[Figure, ...]:
    """Take the figures of a run, always the same ones in the same order."""
    from_at, to_at = run.shift.start_at, run.shift.end_at
    attempts = run.store.attempts(policy.name, from_at, to_at)
    spans = run.store.agent_spans(None, from_at, to_at)
    known = {figure.name: figure for figure in campaign_figures(attempts, spans, policy, from_at, to_at)}
    silent = Figure(
        name="people_called_machine",
        value=run.world.people_called_machine,
        unit="count",
        formula="people whom the detector took for a machine; no report can know them",
    )
    return (*(known[name] for name in _NAMES), silent)
