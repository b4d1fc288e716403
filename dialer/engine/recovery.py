"""What a start makes of the attempts that earlier runs kept: the abandonment budget as they left it.

One rule governs: what is not known is counted against us. A call of unknown fate may have been a live answer that found
no agent, so it counts as one. `dialer.engine.resuming` settles the calls that were up.
"""

from collections.abc import Iterable

from dialer.compliance.hours import zone
from dialer.domain.outcome import Outcome
from dialer.domain.policy import AbandonmentUnit, CampaignPolicy
from dialer.domain.records import Attempt, BudgetSnapshot
from dialer.pacing.budget import AbandonmentBudget


def counts_with(policy: CampaignPolicy) -> tuple[str, ...]:
    """Give what campaigns have alike whose abandonments count together: nothing of the kind where each is the unit."""
    abandonment = policy.abandonment
    if abandonment.unit is AbandonmentUnit.SELLER:
        return policy.seller, abandonment.window, abandonment.time_zone
    return (policy.name,)


def spent(attempts: Iterable[Attempt], policy: CampaignPolicy, first_live_at: float | None) -> BudgetSnapshot:
    """Give the abandonment budget as the attempts of the window (and of the last hour) left it, by the engine's rules.

    `attempts` are those of the campaign from the opening of the window on, in any order; `first_live_at` is the first
    live answer ever of the campaign, and of those it counts with, from which blocks of 30 days run.
    """
    live, machine, abandoned = range(3)  # at one instant they count in this order
    happened: list[tuple[float, int]] = []
    for attempt in attempts:
        if attempt.outcome is Outcome.UNKNOWN:
            at = attempt.released_at or attempt.placed_at
            happened += [(at, live), (at, abandoned)]
        elif attempt.outcome is Outcome.MACHINE:
            happened.append((attempt.classified_at or attempt.released_at or attempt.placed_at, machine))
        if attempt.is_live:
            happened.append((attempt.classified_at or attempt.placed_at, live))
        if attempt.is_abandoned and attempt.is_live:
            happened.append((attempt.abandoned_at or attempt.placed_at, abandoned))
    budget = AbandonmentBudget(
        cap_rate=policy.abandonment.cap_rate,
        window=policy.abandonment.window,
        tz=zone(policy.abandonment.time_zone),
        restored=BudgetSnapshot(first_live_at=first_live_at, opens_at=None, live=0, abandoned=0, hour=()),
    )
    record = (budget.record_live, budget.record_machine, budget.record_abandoned)
    for at, kind in sorted(happened):
        record[kind](at)
    return budget.snapshot()
