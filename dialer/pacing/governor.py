"""The governor, which may only lower.

One rule governs this module: the law stands above the mathematics. Where a measurement is missing, stale or too thin,
and where the window could close above its cap, every call holds a reserved agent (progressive), so that none can be
abandoned.

The hard cap. Let L and A be the window's live answers and abandonments, X the abandonments that the calls in flight and
the calls asked for may still cause, and F the live answers that progressive dialing alone brings until the window's end
(or the end of dialing, or two hours, or the end of the list, whichever is first). Free dialing is allowed iff

    P(A + X > cap * (L + F)) <= 1e-3

because as long as that holds, progressive dialing from here on still closes the window within its cap. X given the
abandonment probability t of a live answer is binomial, t is beta from the last hour over a prior worth 50 live answers
at the target: X is beta-binomial. F is Poisson; its 1e-3 quantile is used (normal approximation, rounded down to 0).
So one abandonment among the first ten live answers of a day stops nothing for long - enough live answers are certain
to come - while in the last minutes F is near 0 and the rule becomes A + 1 <= cap * L.

The guard. Whatever the window says, the last hour may hold at most twice the cap of its live answers, or of fifty if
they are fewer, counting one abandonment more, or what the calls in flight are expected to add if that is more.

People taken for machines are abandoned whoever waits for them: a reserved agent does not help. They are in A, in L and
in the last hour (`AbandonmentBudget.weighed`), and F brings as many of them as the window had per live answer. Where
they alone reach the cap, no pacing could keep it, and the answer is no call at all, in every mode (`infeasible`).

The store. What the engine orders leaves when it is durable, so a store that lags takes its lag off the time in which a
person must be given an agent. Where it takes a good part of it every call holds a reserved agent (`store_slow`), where
it takes most of it there is no call (`store_stalled`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import exp, inf, lgamma, sqrt

from dialer.domain.lag import Lag
from dialer.pacing.base import DialDecision, Floor
from dialer.pacing.budget import AbandonmentBudget
from dialer.pacing.manual import progressive
from dialer.queueing.estimators import Estimates
from dialer.queueing.intervals import Interval

P_BREACH_MAX = 1e-3
GUARD_FACTOR = 2.0
GUARD_LIVE = 50
RECOVERY_S = 2 * 3600.0
STALE_AFTER_S = 1800.0
COLD_DIALS = 20
_PRIOR_LIVE = 50.0
_Z = 3.0902  # the 1e-3 quantile of the normal distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class Governor:
    """Lower a pacer's answer to what the abandonment policy allows; see the module's rule."""

    target_rate: float

    def limit(
        self,
        decision: DialDecision,
        floor: Floor,
        budget: AbandonmentBudget,
        now: float,
        *,
        dialing_ends_at: float = inf,
        open_leads: float = inf,
        p_short: Callable[[int, int], float] | None = None,
    ) -> DialDecision:
        """Answer `decision`, or progressive calls (never more than asked for) when the budget or the estimates say so.

        `dialing_ends_at` is when the campaign's hours end, if known: no live answers can be expected after it.
        `open_leads` are all leads not yet finished, if known (`floor.leads` are only those that can be dialed now):
        no more live answers are expected than one dial of each gives. `p_short(calls, spare)` is the pacer's own
        probability that more than `spare` people find no agent if so many calls start, where it has one.
        """
        if budget.infeasible(now) is not None:
            return refuse_infeasible(decision, budget, now)
        if decision.calls == 0:
            return decision
        if decision.reserve:
            return decision if decision.calls <= floor.ready else replace(decision, calls=floor.ready)
        estimates = floor.estimates
        if (
            estimates is None
            or estimates.observed_at is None
            or estimates.dials < COLD_DIALS
            or now - estimates.observed_at > STALE_AFTER_S
        ):
            return _lower(decision, floor, "estimates", ())
        live, abandoned = budget.last_hour(now)
        live_in_flight = (
            estimates.p_live * (len(floor.unanswered_ages) + decision.calls) + floor.answered + floor.queued
        )
        at_risk = self.target_rate * live_in_flight
        if abandoned + max(1.0, at_risk) > GUARD_FACTOR * budget.cap_rate * max(live, GUARD_LIVE):
            return _lower(decision, floor, "guard", (("hour_live", float(live)), ("hour_abandoned", float(abandoned))))
        recover_until = min(budget.span(now)[1], dialing_ends_at, now + RECOVERY_S)
        live_to_come = _progressive_live_answers(floor, estimates, recover_until - now, open_leads)
        p_breach = self._p_breach(decision, floor, estimates, budget, now, live_to_come, p_short)
        if p_breach > P_BREACH_MAX:
            terms = (
                ("p_breach", p_breach),
                ("live", float(budget.live(now))),
                ("abandoned", float(budget.abandoned(now))),
                ("remaining", float(budget.remaining(now))),
            )
            return _lower(decision, floor, "budget", terms)
        return decision

    def _p_breach(
        self,
        decision: DialDecision,
        floor: Floor,
        estimates: Estimates,
        budget: AbandonmentBudget,
        now: float,
        live_to_come: float,
        p_short: Callable[[int, int], float] | None,
    ) -> float:
        """Give P(A + X > cap (L + F)) of the module's rule, F being `live_to_come`."""
        if budget.cap_rate == 0.0 or self.target_rate == 0.0:
            return 1.0
        live, abandoned = budget.weighed(now)
        counted = budget.live(now)
        people_to_come = live_to_come * (live - counted) / counted if counted else 0.0
        allowed = budget.cap_rate * (live + live_to_come + people_to_come) + 1e-9
        spare = int((allowed - abandoned - people_to_come) // 1.0)
        if spare < 0:
            return 1.0
        p = estimates.p_live
        at_risk = len(floor.unanswered_ages) + decision.calls
        live_now = p * at_risk + _Z * sqrt(at_risk * p * (1.0 - p)) + floor.answered + floor.queued
        hour_live, hour_abandoned = budget.last_hour(now)
        alpha = _PRIOR_LIVE * self.target_rate + hour_abandoned
        beta = _PRIOR_LIVE * (1.0 - self.target_rate) + max(hour_live - hour_abandoned, 0)
        p_breach = beta_binomial_sf(spare, int(live_now) + 1, alpha, beta)
        # Answers that come together are abandoned together: the floor as it is knows more than the hour's rate.
        return p_breach if p_short is None else max(p_breach, p_short(decision.calls, spare))


def heed_lag(decision: DialDecision, floor: Floor, lag: Lag, lag_s: float) -> DialDecision:
    """Lower a decision to what a store that lags can bear."""
    terms = (("lag_s", lag_s),)
    if lag is Lag.STALLED:
        return replace(decision, calls=0, limited_by="store_stalled", runner_up=None, terms=terms)
    if lag is Lag.SLOW and decision.calls and not decision.reserve:
        return _lower(decision, floor, "store_slow", terms)
    return decision


def refuse_infeasible(decision: DialDecision, budget: AbandonmentBudget, now: float) -> DialDecision:
    """Answer no call, with the figures that leave no other: the people estimated among the machines, and the cap."""
    people = budget.infeasible(now) or Interval(mean=0.0, low=0.0, high=0.0)
    terms = (
        ("people_taken_for_machines", people.mean),
        ("people_low", people.low),
        ("people_high", people.high),
        ("machines", float(budget.machines(now))),
        ("live", float(budget.live(now))),
        ("cap", budget.cap_rate),
    )
    return replace(decision, calls=0, limited_by="infeasible", runner_up=None, terms=terms)


def beta_binomial_sf(above: int, trials: int, alpha: float, beta: float) -> float:
    """Give P(X > above) for X beta-binomial, by the recursion of its probabilities from P(X = 0).

    Source: Johnson, Kemp and Kotz, Univariate Discrete Distributions, 3rd edition 2005, section 6.2.2.
    """
    if above >= trials:
        return 0.0
    p = exp(lgamma(beta + trials) + lgamma(alpha + beta) - lgamma(alpha + beta + trials) - lgamma(beta))
    total = p
    for k in range(above):
        p *= (trials - k) * (alpha + k) / ((k + 1) * (beta + trials - k - 1))
        total += p
    return max(0.0, 1.0 - total)


def _lower(decision: DialDecision, floor: Floor, limited_by: str, terms: tuple[tuple[str, float], ...]) -> DialDecision:
    lowered = progressive(floor, limited_by=limited_by, wanted=decision.wanted, terms=terms)
    return lowered if lowered.calls <= decision.calls else replace(lowered, calls=decision.calls)


def _progressive_live_answers(floor: Floor, estimates: Estimates, for_s: float, open_leads: float) -> float:
    """Give the 1e-3 quantile of the live answers that progressive dialing brings within `for_s` seconds.

    One agent's cycle is handle time + line time / p (mean of the geometric number of dials until a live answer).
    """
    if for_s <= 0.0:
        return 0.0
    cycle_s = estimates.mean_handle_s + estimates.mean_line_s / estimates.p_live
    # Who said that they leave may stay away for the rest of the day.
    staying = floor.agents - floor.departing
    mean = min(staying * for_s / cycle_s, open_leads * estimates.p_live)
    return max(0.0, mean - _Z * sqrt(mean))
