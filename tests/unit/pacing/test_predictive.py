"""The predictive rule on floors whose answer is known."""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dialer.pacing.base import Floor, ask
from dialer.pacing.predictive import QUANTILES, PredictivePacer
from dialer.queueing.errors import OutOfDomain
from dialer.queueing.estimators import Learner
from tests.unit.pacing.floors import MARKOV, floor_of, markov_estimates


def brute_force_risk(floor: Floor, candidates_before: int) -> float:
    """1 - P(served) by enumerating every outcome of every agent and call, under each belief of the answer rate."""
    estimates = floor.estimates
    assert estimates is not None
    p_next = floor.p_next or estimates.p_live
    p_each = floor.p_unanswered or (estimates.p_live,) * len(floor.unanswered_ages)
    served = weights = 0.0
    for h, (node, weight) in itertools.product(estimates.times.ring_quantiles(QUANTILES), estimates.p_nodes):
        scale = node / estimates.p_live
        free = [
            *estimates.times.p_free_from_talk(floor.talking_ages, [h + floor.threshold_s])[:, 0],
            *estimates.times.p_free_from_wrap(floor.wrap_ages, [h + floor.threshold_s])[:, 0],
        ]
        free = [each * estimates.p_return for each in free]
        ages = [*floor.unanswered_ages, *[0.0] * candidates_before]
        p_all = np.array([*p_each, *[p_next] * candidates_before]) * scale
        live = [
            *estimates.times.live_within(p_all, ages, [h])[:, 0],
            *[estimates.p_live_if_answered] * floor.answered,
        ]
        weights += weight * node
        for outcome in itertools.product((0, 1), repeat=len(free) + len(live)):
            chance = np.prod([p if hit else 1 - p for p, hit in zip([*free, *live], outcome, strict=True)])
            surplus = floor.ready - floor.queued + sum(outcome[: len(free)]) - sum(outcome[len(free) :])
            served += weight * node * chance * (surplus >= 1)
    return 1.0 - served / weights


UNCERTAIN = replace(Learner().snapshot(0.0), p_live=0.25, p_nodes=((0.1, 0.25), (0.25, 0.5), (0.4, 0.25)))


@pytest.mark.parametrize("psi", [0.01, 0.03, 0.1, 0.2])
@pytest.mark.parametrize("ready", [0, 1, 2])
@pytest.mark.parametrize("changes", [{}, {"estimates": UNCERTAIN, "p_unanswered": (0.5, 0.1), "p_next": 0.2}])
def test_the_rule_is_the_enumeration_of_all_outcomes(ready: int, psi: float, changes: dict[str, Any]) -> None:
    """Calls are admitted one by one while the enumerated risk is at most psi; the refused one's risk is reported."""
    floor = floor_of(
        ready=ready,
        talking_ages=(12.0, 200.0, 61.0),
        wrap_ages=(3.0, 28.0),
        unanswered_ages=(1.0, 9.5),
        answered=1,
        **{"estimates": Learner().snapshot(0.0), **changes},
    )
    decision = PredictivePacer(psi).decide(floor)
    assert decision.calls <= 5
    for before in range(decision.calls):
        assert brute_force_risk(floor, before) <= psi
    risk = brute_force_risk(floor, decision.calls)
    assert risk > psi
    assert dict(decision.terms)["risk_of_next"] == pytest.approx(risk, abs=1e-12)


def test_without_estimates_it_dials_progressively() -> None:
    """With nothing measured each call reserves an agent."""
    decision = PredictivePacer(0.05).decide(floor_of(ready=3, estimates=None))
    assert (decision.calls, decision.reserve, decision.limited_by) == (3, True, "estimates")


def test_without_agents_it_dials_nothing() -> None:
    """A campaign that nobody works has no agent to come free."""
    decision = PredictivePacer(0.4).decide(floor_of(agents=0, talking_ages=()))
    assert (decision.calls, decision.limited_by) == (0, "no_agents")


def test_at_psi_zero_only_certain_service_is_dialed() -> None:
    """With psi = 0 the calls in flight never exceed the ready agents."""
    assert PredictivePacer(0.0).decide(floor_of(ready=4, unanswered_ages=(5.0,))).calls == 3
    assert PredictivePacer(0.0).decide(floor_of(ready=4, queued=1)).calls == 3
    assert PredictivePacer(0.0).decide(floor_of(ready=0)).calls == 0


def test_calls_rise_faster_than_ready_agents() -> None:
    """The lines let out per ready agent grow with their number, as in the optimum's table R(idle)."""
    calls = [
        PredictivePacer(0.035).decide(floor_of(ready=ready, talking_ages=(60.0,) * (10 - ready))).calls
        for ready in range(5)
    ]
    assert calls[0] == 0
    assert calls[1] >= 1
    assert all(calls[ready] > ready * calls[1] for ready in range(2, 5))


def test_more_than_a_chunk_of_candidates_is_the_same_rule() -> None:
    """A burst of hundreds admits exactly as many as the rule asked one call at a time."""
    estimates = markov_estimates(p_live=0.2)
    pacer = PredictivePacer(0.03)
    floor = floor_of(ready=60, talking_ages=(60.0,) * 10, agents=70, estimates=estimates)
    calls = pacer.decide(floor).calls
    assert calls > 128
    # A call in flight at age 0 is the same to the rule as a candidate admitted before.
    for started in (calls - 1, calls):
        rest = floor_of(
            ready=60,
            talking_ages=(60.0,) * 10,
            agents=70,
            estimates=estimates,
            unanswered_ages=(0.0,) * started,
        )
        assert pacer.decide(rest).calls == calls - started


def test_new_estimates_take_effect_at_once() -> None:
    """The tables follow the estimates on the floor, not the first ones seen."""
    pacer = PredictivePacer(0.03)
    before = pacer.decide(floor_of(ready=3, talking_ages=(60.0,) * 7, estimates=MARKOV)).calls
    pacer.decide(floor_of(ready=3, talking_ages=(60.0,) * 7, estimates=markov_estimates(p_live=0.05)))
    after = pacer.decide(floor_of(ready=3, talking_ages=(60.0,) * 7, estimates=markov_estimates(p_live=0.05))).calls
    assert after > before


@pytest.mark.parametrize("psi", [-0.01, 1.0, float("nan")])
def test_a_psi_that_is_no_probability_is_refused(psi: float) -> None:
    """Psi is a probability below 1."""
    with pytest.raises(OutOfDomain, match="psi"):
        PredictivePacer(psi)


def test_doubt_about_the_answer_rate_lowers_the_calls() -> None:
    """Two beliefs with the same mean: the one with more spread lets out fewer calls, for answers come together."""
    sure = replace(MARKOV, p_nodes=((0.3, 1.0),))
    torn = replace(MARKOV, p_nodes=((0.1, 0.5), (0.5, 0.5)))
    calls = [
        PredictivePacer(0.03).decide(floor_of(ready=20, talking_ages=(60.0,) * 30, estimates=each)).calls
        for each in (sure, torn)
    ]
    assert calls[1] < 0.7 * calls[0]


def test_a_call_to_somebody_likely_to_answer_takes_more_room() -> None:
    """Calls in flight count by their own answer probability, and so do the ones to come."""
    floor = {"ready": 3, "talking_ages": (60.0,) * 7, "unanswered_ages": (5.0,) * 4}
    hot = PredictivePacer(0.03).decide(floor_of(**floor, p_unanswered=(0.6,) * 4)).calls
    cold = PredictivePacer(0.03).decide(floor_of(**floor, p_unanswered=(0.05,) * 4)).calls
    assert hot < cold
    assert (
        PredictivePacer(0.03).decide(floor_of(ready=5, p_next=0.9)).calls
        < PredictivePacer(0.03).decide(floor_of(ready=5, p_next=0.1)).calls
    )


@pytest.mark.parametrize(("ready", "psi"), [(3, 0.02), (12, 0.05), (60, 0.02), (100, 0.3)])
def test_an_idle_floor_takes_calls_up_to_the_first_whose_risk_is_too_high(ready: int, psi: float) -> None:
    """With all calls but one of the answer on the floor one more fits, and with all of them none, however many."""
    floor = floor_of(ready=ready, agents=ready + 10)
    calls = PredictivePacer(psi).decide(floor).calls
    almost, full = ((0.0,) * count for count in (calls - 1, calls))
    assert PredictivePacer(psi).decide(replace(floor, unanswered_ages=almost)).calls == 1
    assert PredictivePacer(psi).decide(replace(floor, unanswered_ages=full)).calls == 0


@pytest.mark.parametrize("tight", ["lines_free", "calls_allowed", "leads"])
def test_more_than_a_few_calls_beyond_the_limits_are_not_counted(tight: str) -> None:
    """A floor that would take hundreds of calls is counted a little beyond what may be started, which bounds it."""
    floor = floor_of(ready=100, agents=110)
    assert PredictivePacer(0.03).decide(floor).calls > 200
    decision = ask(PredictivePacer(0.03), replace(floor, **{tight: 20}))
    assert (decision.calls, decision.wanted) == (20, 36)
    assert decision.limited_by == {"lines_free": "lines", "calls_allowed": "calls_per_second"}.get(tight, tight)
    assert dict(decision.terms)["risk_of_next"] <= 0.03


@pytest.mark.parametrize("spare", [0, 1, 2])
def test_the_chance_of_running_short_is_the_enumeration(spare: int) -> None:
    """P(more people than agents, by more than `spare`) at the worst ring time equals the count of all outcomes."""
    floor = floor_of(
        ready=1,
        talking_ages=(12.0, 61.0),
        wrap_ages=(3.0,),
        unanswered_ages=(1.0, 9.5),
        answered=1,
        queued=1,
        p_unanswered=(0.5, 0.1),
        p_next=0.2,
        estimates=UNCERTAIN,
    )
    worst = 0.0
    for h in UNCERTAIN.times.ring_quantiles(QUANTILES):
        short = 0.0
        for node, weight in UNCERTAIN.p_nodes:
            times, scale = UNCERTAIN.times, node / UNCERTAIN.p_live
            free = [
                *times.p_free_from_talk((12.0, 61.0), [h + 2.0])[:, 0],
                times.p_free_from_wrap((3.0,), [h + 2.0])[0, 0],
            ]
            p_all = np.array([0.5, 0.1, 0.2, 0.2]) * scale
            live = [*times.live_within(p_all, [1.0, 9.5, 0.0, 0.0], [h])[:, 0], UNCERTAIN.p_live_if_answered]
            chances = [*(each * UNCERTAIN.p_return for each in free), *live]
            for outcome in itertools.product((0, 1), repeat=len(chances)):
                chance = np.prod([p if hit else 1 - p for p, hit in zip(chances, outcome, strict=True)])
                short += weight * chance * (sum(outcome[3:]) + 1 - 1 - sum(outcome[:3]) > spare)
        worst = max(worst, short)
    assert PredictivePacer(0.03).p_short(floor, 2, spare) == pytest.approx(worst, abs=1e-12)
    assert PredictivePacer(0.03).p_short(floor, 2, 6) == 0.0
