"""For how long each constraint bound: time is given to the decision that stood, and to nobody where none did."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.domain.records import PacingDecision
from dialer.pacing.explain import HOLDS_S
from dialer.pacing.limits import binding_times


def decided(at: float, limited_by: str, *, calls: int = 0, wanted: int = 0, mode: str = "predictive") -> PacingDecision:
    """A decision of which nothing else matters here."""
    return PacingDecision(
        campaign="survey",
        at=at,
        mode=mode,
        calls=calls,
        wanted=wanted,
        allowed=calls,
        limited_by=limited_by,
        runner_up="",
        runner_up_calls=0,
        is_reserved=False,
        terms=(),
    )


def test_a_decision_stands_until_the_next_and_not_for_ever() -> None:
    """10 s of lines, 15 s of wanted before a gap of 75 s, 5 s of leads before the end of the span."""
    day = [
        decided(100.0, "lines", calls=2, wanted=4),
        decided(104.0, "lines", calls=0, wanted=1),
        decided(110.0, "wanted", calls=1, wanted=1),
        decided(200.0, "leads", calls=0, wanted=3),
    ]
    found = binding_times(day, 90.0, 205.0)
    assert found is not None
    assert [(each.limited_by, each.for_s, each.decisions, each.calls) for each in found.binding] == [
        ("wanted", 15.0, 1, 1),
        ("lines", 10.0, 2, 2),
        ("leads", 5.0, 1, 0),
    ]
    assert found.idle_s == 10.0 + 75.0
    missing = {each.limited_by: each.missing for each in found.binding}
    assert missing == {"wanted": 0.0, "lines": pytest.approx((2 * 4.0 + 1 * 6.0) / 10.0), "leads": 3.0}


def test_a_decision_before_the_span_stands_in_it() -> None:
    """It counts its seconds inside, not its calls; without bounds the span is from the first decision to the last."""
    day = [decided(90.0, "lines", calls=7, wanted=7), decided(103.0, "wanted", calls=1, wanted=1)]
    inside = binding_times(day, 100.0, 110.0)
    assert inside is not None
    assert [(each.limited_by, each.for_s, each.calls) for each in inside.binding] == [
        ("wanted", 7.0, 1),
        ("lines", 3.0, 0),
    ]
    whole = binding_times(day, -inf, inf)
    assert whole is not None
    assert (whole.from_at, whole.to_at, whole.idle_s) == (90.0, 103.0, 0.0)


def test_a_span_without_a_decision_has_no_limits() -> None:
    """Neither none at all nor one that no longer stood is an answer."""
    assert binding_times([], 0.0, 10.0) is None
    assert binding_times([decided(0.0, "lines")], 20.0, 30.0) is None
    assert binding_times([decided(30.0, "lines")], 20.0, 30.0) is None


def test_modes_that_wait_for_events_stand_longer() -> None:
    """Half a minute in which nothing happened is the same decision in progressive mode, a gap in predictive mode."""
    for mode, idle_s in (("progressive", 0.0), ("predictive", 30.0 - HOLDS_S)):
        found = binding_times([decided(0.0, "wanted", mode=mode), decided(30.0, "wanted", mode=mode)], 0.0, inf)
        assert found is not None
        assert found.idle_s == idle_s


@given(
    gaps=st.lists(
        st.tuples(st.floats(0.0, 40.0), st.sampled_from(["wanted", "lines", "leads"])), min_size=1, max_size=20
    ),
    cuts=st.tuples(st.floats(-20.0, 100.0), st.floats(0.1, 300.0)),
)
def test_every_second_of_a_span_is_told_once(gaps: list[tuple[float, str]], cuts: tuple[float, float]) -> None:
    """Binding and idle times add up to the span, and two halves of a span to the whole."""
    at, day = 0.0, []
    for gap_s, limited_by in gaps:
        at += gap_s
        day.append(decided(at, limited_by, calls=1, wanted=2))
    from_at, to_at = cuts[0], cuts[0] + cuts[1]
    middle_at = (from_at + to_at) / 2.0
    bound_s = 0.0
    for start_at, end_at in ((from_at, to_at), (from_at, middle_at), (middle_at, to_at)):
        found = binding_times(day, start_at, end_at)
        if found is None:
            continue
        spoken_for_s = sum(each.for_s for each in found.binding)
        assert spoken_for_s + found.idle_s == pytest.approx(end_at - start_at)
        bound_s += spoken_for_s if start_at == from_at and end_at == to_at else -spoken_for_s
    assert bound_s == pytest.approx(0.0, abs=1e-6)
