"""Floors that no sensor should report: no pacer raises, and nobody answers more than reserved calls."""

from dataclasses import replace
from datetime import UTC
from math import inf, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialer.domain.policy import AbandonmentPolicy, PacingPolicy, Window
from dialer.errors import PolicyError
from dialer.pacing.base import Floor, Pacer, ask, constrain, fault
from dialer.pacing.budget import AbandonmentBudget
from dialer.pacing.governor import Governor
from dialer.pacing.manual import PowerPacer, PreviewPacer, ProgressivePacer
from dialer.pacing.predictive import PredictivePacer
from dialer.queueing.estimators import Estimates
from tests.unit.pacing.floors import markov_estimates

NOW = 1_770_000_000.0
ANY = st.one_of(st.floats(0.0, 100.0), st.floats(), st.sampled_from([nan, inf, -inf, -1.0, 0.0, 1e300]))
COUNT = st.integers(0, 12) | st.integers(-5, 10**6)
AGES = st.lists(st.floats(0.0, 100.0), max_size=6).map(tuple) | st.lists(ANY, max_size=6).map(tuple)
P = st.floats(0.0, 1.0) | ANY
GOOD = markov_estimates(observed_at=NOW)


@st.composite
def estimates(draw: st.DrawFn) -> Estimates:
    """Estimates of which one part may be anything."""
    part = draw(st.sampled_from(["none", "p_live", "p_live_if_answered", "p_return", "nodes", "cdf", "mean"]))
    value = draw(ANY)
    if part.startswith("p_"):
        return replace(GOOD, **{part: value})
    if part == "nodes":
        return replace(GOOD, p_nodes=((value, draw(ANY)),))
    changes: dict[str, Any] = {}
    if part == "cdf":
        name = draw(st.sampled_from(["live_cdf", "other_cdf", "talk_cdf", "wrap_cdf"]))
        changes[name] = np.array(getattr(GOOD.times, name))
        changes[name][draw(st.integers(0, 240))] = value
    elif part == "mean":
        changes[draw(st.sampled_from(["mean_live_s", "mean_other_s", "mean_talk_s", "mean_wrap_s"]))] = value
    return replace(GOOD, times=replace(GOOD.times, **changes))


FLOORS = st.builds(
    Floor,
    now=st.just(NOW),
    ready=COUNT,
    talking_ages=AGES,
    wrap_ages=AGES,
    unanswered_ages=AGES,
    answered=COUNT.filter(lambda count: count < 1000),
    queued=COUNT,
    agents=COUNT | st.just(30),
    lines_free=COUNT,
    calls_allowed=COUNT,
    leads=COUNT,
    threshold_s=st.floats(0.0, 10.0) | ANY,
    estimates=st.none() | estimates(),
    p_unanswered=st.just(()) | st.lists(P, max_size=6).map(tuple),
    p_next=st.none() | P,
    departing=st.just(0) | st.integers(-2, 5),
)
PACERS = st.sampled_from([PreviewPacer(), ProgressivePacer(), PowerPacer(3.0), PredictivePacer(0.3)])


@given(PACERS, FLOORS, st.integers(0, 300), st.integers(0, 9), st.integers(0, 200), st.floats(0.0, 0.3))
@settings(max_examples=250, deadline=None)
def test_a_floor_that_contradicts_itself_frees_no_call(
    pacer: Pacer, floor: Floor, live: int, abandoned: int, machines: int, target: float
) -> None:
    """Whatever is reported, an answer comes; from a contradiction it is reserved calls at most, and says so."""
    budget = AbandonmentBudget(cap_rate=0.3, window=Window.DAY, tz=UTC, machine_check=(1, 4))
    for count, record in ((live, budget.record_live), (machines, budget.record_machine)):
        for _ in range(count):
            record(NOW)
    for _ in range(abandoned):
        budget.record_abandoned(NOW)
    asked = ask(pacer, floor)
    decision = constrain(Governor(target_rate=target).limit(asked, floor, budget, NOW), floor)
    assert decision.calls >= 0
    if decision.calls:
        assert decision.calls <= min(floor.lines_free, floor.calls_allowed, floor.leads)
    if fault(floor) is not None:
        assert decision.reserve
        assert decision.calls <= max(min(floor.ready, floor.agents), 0)
        assert (fault(floor), 1.0) in asked.terms
    if budget.infeasible(NOW) is not None:
        assert (decision.calls, decision.limited_by) == (0, "infeasible")


@given(ANY, ANY, ANY)
@settings(max_examples=200, deadline=None)
def test_a_policy_is_possible_or_refused(target: float, cap: float, threshold_s: float) -> None:
    """No policy has a target above its cap, a cap that allows everything, or a threshold below 0."""
    is_possible = 0.0 <= target <= cap < 1.0 and 0.0 <= threshold_s < inf
    if is_possible:
        AbandonmentPolicy(target_rate=target, cap_rate=cap, threshold_s=threshold_s)
        return
    with pytest.raises(PolicyError, match="abandonment policy"):
        AbandonmentPolicy(target_rate=target, cap_rate=cap, threshold_s=threshold_s)


@pytest.mark.parametrize(
    "changes",
    [
        {"window": "0h"},
        {"starts_at": "never"},
        {"unit": "caller"},
        {"amd_checked": 10},
        {"amd_people": 1},
        {"amd_checked": 0, "amd_people": 0},
        {"amd_checked": 10, "amd_people": 11},
        {"amd_checked": 10, "amd_people": -1},
    ],
)
def test_a_policy_of_words_that_mean_nothing_is_refused(changes: dict[str, Any]) -> None:
    """A window of no length, an unknown clock and half a check are no policy."""
    with pytest.raises(PolicyError, match="abandonment policy"):
        AbandonmentPolicy(**changes)


@pytest.mark.parametrize("name", ["ratio", "ring_timeout_s", "preview_timeout_s"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_a_pacing_policy_that_makes_no_sense_is_refused(name: str, value: float) -> None:
    """Ratios and times are numbers above 0, also where no campaign file stands before them."""
    with pytest.raises(PolicyError, match=f"pacing policy: {name}"):
        replace(PacingPolicy(), **{name: value})


def test_a_campaign_without_a_line_is_refused() -> None:
    """A limit of no line at all is no limit but a stopped campaign."""
    with pytest.raises(PolicyError, match="pacing policy: lines"):
        PacingPolicy(lines=0)
