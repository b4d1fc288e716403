"""What a team can take: the rate of live answers by Erlang A, and the one that no pacing exceeds under the cap.

Model: live answers come at random, whatever the floor looks like, to `agents` agents with mean handle time H; a caller
waits for an exponential time with the threshold as its mean. The *first rate* is the largest at which the share that
gives up is the target: what a dialer could begin with that knows nothing but the team. The *ceiling* is
agents / (1 - cap) Erlangs: N agents serve at most N, so that above it more than the cap is lost, however it is paced.

Sources: A. Mandelbaum, S. Zeltyn, Service engineering in action: the Palm/Erlang-A queue (2007) (first rate); Little's
law (ceiling).

One rule governs this module: these are steady rates to staff by, and no call is started or held back by them. Until
enough is measured each call holds an agent; afterwards the rule that sees the floor does better than any even rate.
"""

from dataclasses import dataclass

from dialer.domain.policy import AbandonmentPolicy
from dialer.queueing.erlang import offered_load

_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Staffing:
    """Live answers an hour for `agents` agents with a mean handle time of `handle_s`."""

    agents: int
    handle_s: float
    first_per_hour: float
    ceiling_per_hour: float


def staffing(agents: int, handle_s: float, policy: AbandonmentPolicy) -> Staffing:
    """Give the first rate and the ceiling of a team of at least one agent, whose handle time is above 0."""
    return Staffing(
        agents=agents,
        handle_s=handle_s,
        first_per_hour=_HOUR_S / handle_s * offered_load(agents, handle_s, policy.threshold_s, policy.target_rate),
        ceiling_per_hour=_HOUR_S / handle_s * agents / (1.0 - policy.cap_rate),
    )
