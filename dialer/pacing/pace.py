"""One pacing decision, from the floor to what may be started: regulator, pacer, governor and limits in their order.

One rule governs this module: whatever the pacer wants, the governor and the limits have the last word, in every mode.
"""

from functools import partial
from math import inf

from dialer.domain.lag import Lag
from dialer.pacing.base import DialDecision, Floor, Pacer, ask, constrain
from dialer.pacing.budget import AbandonmentBudget
from dialer.pacing.governor import Governor, heed_lag
from dialer.pacing.predictive import PredictivePacer
from dialer.pacing.regulator import Regulator


def decide(
    floor: Floor,
    pacer: Pacer,
    regulator: Regulator | None,
    governor: Governor | None,
    budget: AbandonmentBudget,
    now: float,
    *,
    dialing_ends_at: float = inf,
    open_leads: float = inf,
    lag: Lag = Lag.NONE,
    lag_s: float = 0.0,
) -> DialDecision:
    """Answer how many calls may start now, and why; the regulator notes what bounded them.

    `dialing_ends_at` and `open_leads` are those of `Governor.limit`, `lag` is the store's. A simulated peer has no
    governor.
    """
    p_short = None
    if isinstance(pacer, PredictivePacer):
        if regulator is not None:
            pacer.psi = regulator.psi(floor.agents, budget, now)
        p_short = partial(pacer.p_short, floor)
    decision = ask(pacer, floor)
    if governor is not None:
        decision = governor.limit(
            decision, floor, budget, now, dialing_ends_at=dialing_ends_at, open_leads=open_leads, p_short=p_short
        )
        decision = constrain(heed_lag(decision, floor, lag, lag_s), floor)
    if regulator is not None and decision.wanted:
        regulator.heed(decision)
    return decision
