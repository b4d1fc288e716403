"""A decision as a sentence: the numbers that bound it, in words."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.domain.records import PacingDecision
from dialer.engine.dialing import KEEP_EVERY_S
from dialer.pacing.base import DialDecision
from dialer.pacing.explain import HOLDS_S, TERMS, explain, holds_s, term_text
from dialer.pacing.manual import PowerPacer, ProgressivePacer
from dialer.pacing.predictive import PredictivePacer
from tests.unit.pacing.floors import floor_of

LINES = PacingDecision(
    campaign="survey",
    at=0.0,
    mode="predictive",
    calls=2,
    wanted=3,
    allowed=2,
    limited_by="lines",
    runner_up="wanted",
    runner_up_calls=3,
    is_reserved=False,
    terms=(
        ("psi", 0.032),
        ("risk_of_next", 0.041),
        ("ready", 4.0),
        ("queued", 0.0),
        ("busy", 11.0),
        ("in_flight", 5.0),
        ("p_live", 0.25),
    ),
)


def test_a_decision_is_a_sentence_with_its_numbers() -> None:
    """What was started and wanted, what bound, the floor, the risk and the next limit."""
    assert explain(LINES) == (
        "started 2 of 3 wanted: 2 lines were free; 4 agents ready, 0 people waiting, 11 busy, 5 calls in flight; the "
        "risk that one more call finds no agent was 4.1%, the price limit 3.2%; next limit: the pacer's own answer (3)"
    )


BUDGET = (("ready", 1.0), ("queued", 1.0), ("in_flight", 1.0), ("p_breach", 0.004), ("live", 90.0), ("abandoned", 3.0))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"calls": 1, "allowed": 1}, "1 line was free"),
        ({"calls": 0, "allowed": 0}, "started 0 of 3 wanted: no lines were free"),
        ({"limited_by": "wanted", "wanted": 2}, "2 of 2 wanted: a further call was not worth its risk"),
        ({"limited_by": "no_agents", "calls": 0, "wanted": 0}, "0 of 0 wanted: nobody can take a call in time"),
        ({"limited_by": "calls_per_second"}, "the limit of calls per second left 2"),
        ({"limited_by": "calls_per_second", "calls": 0, "allowed": 0}, "the limit of calls per second left none"),
        ({"limited_by": "leads"}, "2 leads could be dialed"),
        ({"limited_by": "leads", "calls": 1, "allowed": 3}, "1 lead could be dialed"),
        (
            {"limited_by": "estimates", "is_reserved": True},
            "too little was measured lately to dial ahead, so each call",
        ),
        (
            {"limited_by": "guard", "is_reserved": True, "terms": (("hour_live", 90.0), ("hour_abandoned", 9.0))},
            "the last hour has too many abandonments (9 of 90 live answers), so each call holds an agent",
        ),
        (
            {"limited_by": "budget", "is_reserved": True, "terms": BUDGET},
            "the window could close above its cap with a chance of 0.4% (3 of 90 live answers), so each call holds an "
            "agent; 1 agent ready, 1 person waiting, 1 call in flight",
        ),
        (
            {
                "limited_by": "infeasible",
                "calls": 0,
                "allowed": 0,
                "terms": (("people_taken_for_machines", 4.25), ("live", 100.0), ("cap", 0.03)),
            },
            "takes for machines alone reach the cap: an estimated 4.2 beside 100 live answers, with a cap of 3.0%",
        ),
        (
            {"limited_by": "floor", "is_reserved": True, "wanted": 0, "terms": (("3 ready of 2 agents", 1.0),)},
            "started 2: what is known of the floor contradicts itself (3 ready of 2 agents), so each",
        ),
        (
            {"limited_by": "store_slow", "is_reserved": True, "terms": (("lag_s", 0.42),)},
            "started 2 of 3 wanted: the store is slow: 0.4 s from an event to its orders, so each call holds an agent",
        ),
        (
            {"limited_by": "store_stalled", "calls": 0, "allowed": 0, "terms": (("lag_s", 1.25),)},
            "the store keeps orders waiting too long: 1.2 s from an event to its orders",
        ),
        ({"limited_by": "moon_phase"}, "limited by moon phase"),
        ({"limited_by": "wanted", "mode": "progressive", "is_reserved": True}, "one for each ready agent whom nobody"),
        (
            {"limited_by": "wanted", "mode": "power", "terms": (("ratio", 1.5),)},
            "what is missing to 1.5 calls in flight",
        ),
        ({"terms": (("talking", 2.0), ("wrap_up", 1.0))}, "free; 3 busy; next"),
    ],
)
def test_every_constraint_is_said_in_words(changes: dict[str, object], words: str) -> None:
    """Each value of `limited_by` has its own words; one that nobody knows is shown as it is."""
    assert words in explain(replace(LINES, **changes))  # type: ignore[arg-type]


def test_nobody_hears_of_a_risk_where_nobody_can_come() -> None:
    """Without an agent the risk is 1 by definition, and is left out; so is a risk that is not a number."""
    assert "risk" not in explain(replace(LINES, limited_by="no_agents"))
    assert "risk" not in explain(replace(LINES, terms=(("psi", 0.03), ("risk_of_next", float("nan")))))
    assert explain(replace(LINES, runner_up="", terms=())) == "started 2 of 3 wanted: 2 lines were free"


names = st.one_of(st.sampled_from(sorted(TERMS)), st.text(max_size=8))


@given(
    limited_by=st.one_of(
        st.sampled_from(["wanted", "no_agents", "lines", "leads", "budget", "guard", "infeasible", "floor"]), st.text()
    ),
    calls=st.integers(0, 50),
    wanted=st.integers(0, 50),
    is_reserved=st.booleans(),
    terms=st.lists(st.tuples(names, st.floats()), max_size=6),
)
def test_whatever_was_kept_can_be_said(
    limited_by: str, calls: int, wanted: int, is_reserved: bool, terms: list[tuple[str, float]]
) -> None:
    """Any terms, infinite ones and NaN too, give one line that begins with the calls."""
    decision = replace(
        LINES,
        limited_by=limited_by,
        calls=calls,
        wanted=wanted,
        allowed=calls,
        is_reserved=is_reserved,
        terms=tuple(terms),
    )
    said = explain(decision)
    assert re.match(rf"started {calls}\b", said)
    assert "; ;" not in said


def test_terms_are_written_for_people() -> None:
    """Shares are percentages, small ones are not zero, counts are whole."""
    shown = [term_text(*term) for term in (("psi", 0.0321), ("p_breach", 0.00004), ("p_any", 0.0), ("ready", 4.0))]
    assert shown == ["3.2%", "0.004%", "0.0%", "4"]
    assert [term_text("ratio", value) for value in (1.5, float("inf"))] == ["1.5", "inf"]


def test_every_term_of_the_pacers_and_the_governor_has_a_meaning() -> None:
    """Whoever gives a new term says what it means."""
    floor = floor_of()
    decisions: list[DialDecision] = [pacer.decide(floor) for pacer in (PredictivePacer(0.03), ProgressivePacer())]
    decisions.append(PowerPacer(1.5).decide(floor))
    assert {name for decision in decisions for name, _ in decision.terms} - set(TERMS) == set()


def test_a_decision_stands_until_the_next_is_due() -> None:
    """Predictive pacing keeps one every 10 s at least; the other modes decide only when something happens."""
    assert holds_s(LINES) == HOLDS_S > KEEP_EVERY_S + PredictivePacer.looks_every_s
    assert holds_s(replace(LINES, mode="progressive")) > HOLDS_S
