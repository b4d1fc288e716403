"""What holds of the predictive rule on every floor."""

from hypothesis import given, settings
from hypothesis import strategies as st

from dialer.pacing.base import Floor
from dialer.pacing.predictive import PredictivePacer
from dialer.queueing.estimators import Learner
from tests.unit.pacing.floors import floor_of

ESTIMATES = Learner().snapshot(0.0)
AGES = st.lists(st.floats(0.0, 4000.0), max_size=12).map(tuple)
LINE_AGES = st.lists(st.floats(0.0, 40.0), max_size=12).map(tuple)


@st.composite
def floors(draw: st.DrawFn) -> Floor:
    return floor_of(
        ready=draw(st.integers(0, 8)),
        talking_ages=draw(AGES),
        wrap_ages=draw(AGES),
        unanswered_ages=draw(LINE_AGES),
        answered=draw(st.integers(0, 3)),
        queued=draw(st.integers(0, 3)),
        estimates=ESTIMATES,
    )


def calls(floor: Floor, psi: float) -> int:
    return PredictivePacer(psi).decide(floor).calls


def changed(floor: Floor, **changes: object) -> Floor:
    fields = {name: getattr(floor, name) for name in Floor.__slots__}
    return Floor(**{**fields, **changes})  # type: ignore[arg-type]


PSI = st.floats(0.001, 0.3)


@given(floors(), PSI)
@settings(max_examples=150, deadline=None)
def test_more_agents_never_mean_fewer_calls(floor: Floor, psi: float) -> None:
    """One more ready agent, or one more busy agent, never lowers the answer."""
    assert calls(changed(floor, ready=floor.ready + 1), psi) >= calls(floor, psi)
    assert calls(changed(floor, talking_ages=(*floor.talking_ages, 60.0)), psi) >= calls(floor, psi)


@given(floors(), PSI, st.floats(0.0, 40.0))
@settings(max_examples=150, deadline=None)
def test_one_more_claim_never_means_more_calls(floor: Floor, psi: float, age: float) -> None:
    """One more call in flight, of any age, or one more live answer waiting, never raises the answer."""
    assert calls(changed(floor, unanswered_ages=(*floor.unanswered_ages, age)), psi) <= calls(floor, psi)
    assert calls(changed(floor, queued=floor.queued + 1), psi) <= calls(floor, psi)


@given(floors(), PSI)
@settings(max_examples=100, deadline=None)
def test_a_line_past_its_time_out_counts_for_nothing(floor: Floor, psi: float) -> None:
    """A call unanswered for longer than any was ever answered is as good as released."""
    dead = changed(floor, unanswered_ages=(*floor.unanswered_ages, 60.0))
    assert calls(dead, psi) == calls(floor, psi)


@given(floors(), PSI, PSI)
@settings(max_examples=150, deadline=None)
def test_a_higher_psi_never_means_fewer_calls(floor: Floor, one: float, other: float) -> None:
    """Psi is a price: whoever accepts more risk dials at least as much."""
    low, high = sorted((one, other))
    assert calls(floor, low) <= calls(floor, high)


@given(floors())
@settings(max_examples=100, deadline=None)
def test_psi_zero_never_overdials(floor: Floor) -> None:
    """At psi = 0 no call is started that no ready agent is left for, dead lines aside."""
    alive = [age for age in floor.unanswered_ages if age < 24.5]
    sure = max(0, floor.ready - floor.queued - floor.answered - len(alive))
    doubtful = changed(floor, talking_ages=(), wrap_ages=())
    assert calls(doubtful, 0.0) <= sure


@given(floors(), PSI)
@settings(max_examples=100, deadline=None)
def test_the_order_of_ages_does_not_matter(floor: Floor, psi: float) -> None:
    """A floor is a multiset: ages in another order give the same answer."""
    turned = changed(
        floor,
        talking_ages=floor.talking_ages[::-1],
        wrap_ages=floor.wrap_ages[::-1],
        unanswered_ages=floor.unanswered_ages[::-1],
    )
    assert calls(turned, psi) == calls(floor, psi)
