"""The governor on every floor, budget and wish."""

from datetime import UTC

from hypothesis import given, settings
from hypothesis import strategies as st

from dialer.domain.policy import Window
from dialer.pacing.base import DialDecision, Floor, constrain
from dialer.pacing.budget import AbandonmentBudget
from dialer.pacing.governor import Governor
from dialer.pacing.manual import PowerPacer, PreviewPacer, ProgressivePacer
from dialer.pacing.predictive import PredictivePacer
from dialer.queueing.estimators import Learner
from tests.unit.pacing.floors import floor_of, markov_estimates

NOW = 1_770_000_000.0
COUNTS = st.integers(0, 30)
PACERS = st.sampled_from(
    [PreviewPacer(), ProgressivePacer(), PowerPacer(1.0), PowerPacer(3.5), PredictivePacer(0.03), PredictivePacer(0.3)]
)
ESTIMATES = st.sampled_from(
    [None, Learner().snapshot(NOW), markov_estimates(observed_at=NOW), markov_estimates(0.05, observed_at=NOW)]
)


@st.composite
def floors(draw: st.DrawFn) -> Floor:
    ready = draw(st.integers(0, 12))
    talking = draw(st.integers(0, 12))
    return floor_of(
        now=NOW,
        ready=ready,
        talking_ages=(60.0,) * talking,
        unanswered_ages=(4.0,) * draw(st.integers(0, 8)),
        answered=draw(st.integers(0, 3)),
        queued=draw(st.integers(0, 3)),
        agents=ready + talking,
        lines_free=draw(COUNTS),
        calls_allowed=draw(COUNTS),
        leads=draw(COUNTS),
        estimates=draw(ESTIMATES),
    )


@st.composite
def budgets(draw: st.DrawFn) -> AbandonmentBudget:
    budget = AbandonmentBudget(cap_rate=draw(st.sampled_from([0.0, 0.01, 0.03, 0.1])), window=Window.DAY, tz=UTC)
    for _ in range(draw(st.integers(0, 300))):
        budget.record_live(NOW)
    for _ in range(draw(st.integers(0, 12))):
        budget.record_abandoned(NOW)
    return budget


def decided(pacer: object, floor: Floor) -> DialDecision:
    return constrain(pacer.decide(floor), floor)  # type: ignore[attr-defined,no-any-return]


@given(PACERS, floors(), budgets())
@settings(max_examples=300, deadline=None)
def test_the_governor_only_lowers(pacer: object, floor: Floor, budget: AbandonmentBudget) -> None:
    """Its answer never has more calls than the pacer's, never frees a reserved call, and keeps what was wanted."""
    before = decided(pacer, floor)
    after = Governor(target_rate=0.025).limit(before, floor, budget, NOW)
    assert 0 <= after.calls <= before.calls
    assert after.reserve or not before.reserve
    assert after.wanted == before.wanted


@given(PACERS, floors(), budgets())
@settings(max_examples=300, deadline=None)
def test_no_answer_exceeds_its_limits(pacer: object, floor: Floor, budget: AbandonmentBudget) -> None:
    """Calls stay within lines, calls per second and leads, and reserved calls within the ready agents."""
    after = Governor(target_rate=0.025).limit(decided(pacer, floor), floor, budget, NOW)
    assert after.calls <= min(floor.lines_free, floor.calls_allowed, floor.leads)
    if after.reserve:
        assert after.calls <= floor.ready


@given(PACERS, floors(), budgets())
@settings(max_examples=200, deadline=None)
def test_deciding_twice_is_deciding_once(pacer: object, floor: Floor, budget: AbandonmentBudget) -> None:
    """A decision depends on floor and budget only, and passes the governor unchanged a second time."""
    governor = Governor(target_rate=0.025)
    once = governor.limit(decided(pacer, floor), floor, budget, NOW)
    assert governor.limit(decided(pacer, floor), floor, budget, NOW) == once
    assert governor.limit(once, floor, budget, NOW) == once


@given(floors(), budgets())
@settings(max_examples=200, deadline=None)
def test_a_budget_that_cannot_be_saved_frees_no_call(floor: Floor, budget: AbandonmentBudget) -> None:
    """When dialing ends now and the budget is spent, every call holds a reserved agent."""
    decision = decided(PredictivePacer(0.3), floor)
    after = Governor(target_rate=0.025).limit(decision, floor, budget, NOW, dialing_ends_at=NOW)
    if budget.remaining(NOW) <= 0 and after.calls:
        assert after.reserve


@given(PACERS, floors(), st.integers(0, 300), st.integers(0, 12), st.integers(1, 400), st.integers(0, 60))
@settings(max_examples=300, deadline=None)
def test_people_taken_for_machines_only_lower(
    pacer: object, floor: Floor, live: int, abandoned: int, machines: int, found: int
) -> None:
    """A day whose machines were checked has no more calls, and none where the estimate alone reaches the cap."""
    answers = []
    for check in (None, (found, 1000)):
        budget = AbandonmentBudget(cap_rate=0.03, window=Window.DAY, tz=UTC, machine_check=check)
        for count, record in (
            (live, budget.record_live),
            (machines, budget.record_machine),
            (abandoned, budget.record_abandoned),
        ):
            for _ in range(count):
                record(NOW)
        answers.append(Governor(target_rate=0.025).limit(decided(pacer, floor), floor, budget, NOW))
    unchecked, checked = answers
    assert checked.calls <= unchecked.calls
    assert checked.reserve or not unchecked.reserve or not checked.calls
    people = machines * found / 1000
    if people > 0.0 and (live >= 50 or people >= 3.0) and people >= 0.03 * (live + people) - 1e-9:
        assert (checked.calls, checked.limited_by) == (0, "infeasible")
    else:
        assert checked.limited_by != "infeasible"


@given(PACERS, floors(), budgets(), st.sampled_from([0.0, 0.025]))
@settings(max_examples=200, deadline=None)
def test_a_target_or_a_cap_of_zero_holds_an_agent_for_each_call(
    pacer: object, floor: Floor, budget: AbandonmentBudget, target: float
) -> None:
    """Where no abandonment is wanted or allowed, no call goes out without an agent, in any mode."""
    after = Governor(target_rate=target).limit(decided(pacer, floor), floor, budget, NOW)
    if after.calls and (target == 0.0 or budget.cap_rate == 0.0):
        assert after.reserve
