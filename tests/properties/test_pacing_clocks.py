"""The whole engine under a clock that jumps and an operator who fiddles: nothing is counted twice or forgotten."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dialer.domain.commands import BridgeCall, PlaceCall, RecordDecision
from dialer.domain.events import (
    AgentReadied,
    CallAnswered,
    CallBridged,
    CallClassified,
    CallDisposed,
    CallFailed,
    CallRinging,
    CampaignLoaded,
)
from dialer.domain.outcome import Outcome
from dialer.domain.policy import PacingMode
from tests.unit.engine.rig import AT, Rig, of, policy

HOUR_S = 3600.0
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ring", "answer", "live", "machine", "fail", "bridge", "release", "word", "ready"])
        | st.sampled_from(["wait", "wait", "ahead", "back", "reload", "control"]),
        st.integers(0, 5),
    ),
    max_size=40,
)


def step(rig: Rig, what: str, which: int) -> None:
    """One piece of news about one of the last calls, or a turn of the clock."""
    placed = rig.placed()
    call_id = placed[-1 - which % len(placed)].call_id if placed else 1
    match what:
        case "ring":
            rig.send(CallRinging(call_id=call_id))
        case "answer":
            rig.send(CallAnswered(call_id=call_id))
        case "live" | "machine":
            rig.send(CallClassified(call_id=call_id, is_machine=what == "machine", greeting_end_at=rig.now))
        case "fail":
            rig.send(CallFailed(call_id=call_id, outcome=Outcome.BUSY))
        case "bridge":
            for order in of(rig.answer(call_id), BridgeCall):
                rig.send(CallBridged(call_id=order.call_id, agent_id=order.agent_id))
        case "release":
            rig.release(call_id)
        case "word":
            rig.send(CallDisposed(call_id=call_id, agent_id="a", disposition="sale"))
        case "ready":
            rig.send(AgentReadied(agent_id="abc"[which % 3]))
        case "reload":
            rig.send(CampaignLoaded(policy=policy(mode=list(PacingMode)[which % 4], cap_rate=0.03 + which / 100.0)))
        case "control":
            rig.control(["pause", "resume", "stop", "start", "drain", "callbacks-only"][which])
        case "wait":
            rig.wait(3.0 * which)
        case "ahead":
            rig.now += HOUR_S
            rig.wait(0.0)
        case "back":
            rig.now -= HOUR_S
            rig.wait(0.0)


@given(st.sampled_from(list(PacingMode)), STEPS, st.sampled_from([{}, {"min_gap_s": 5.0, "occupancy_max": 0.8}]))
@settings(max_examples=100, deadline=None)
def test_a_clock_that_jumps_costs_nothing_but_time(
    mode: PacingMode, steps: list[tuple[str, int]], rest: dict[str, Any]
) -> None:
    """The budget holds what happened, once each, through reloads, pauses, stops and other modes too.

    A floor with ages below 0 starts reserved calls at most.
    """
    rig = Rig()
    rig.load(policy(mode=mode, **rest), leads=60)
    rig.log_in("a", "b", "c")
    for what, which in steps:
        if what in ("ahead", "back") and not AT - 5 * HOUR_S < rig.now < AT + 9 * HOUR_S:
            continue  # the day is the window, and must not end
        step(rig, what, which)
        shown = rig.campaign()
        counts, budget = shown.counts, shown.abandonment
        assert budget.live == counts["live"] + counts["unknown"]
        assert budget.abandoned == counts["abandoned"] + counts["unknown"]
        assert budget.machines == counts["machines"]
    for each in of(rig.out, RecordDecision):
        if each.decision.limited_by == "floor":
            assert each.decision.is_reserved


def test_ages_below_zero_hold_an_agent_for_each_call() -> None:
    """A clock set back an hour while agents talk: power mode goes on with reserved agents, and says why."""
    rig = Rig(now=AT + 1.5 * HOUR_S)
    rig.load(policy(mode=PacingMode.POWER), leads=60)
    rig.log_in("a", "b", "c", "d")
    rig.connect(1)
    rig.now -= HOUR_S
    mark = len(rig.out)
    for placed in rig.placed()[1:]:
        rig.send(CallFailed(call_id=placed.call_id, outcome=Outcome.BUSY))
    decision = rig.campaign().last_decision
    assert decision is not None
    assert (decision.limited_by, decision.is_reserved) == ("floor", True)
    assert "an age of talking is negative or not finite" in dict(decision.terms)
    placed_after = of(rig.out[mark:], PlaceCall)
    assert placed_after
    assert all(call.agent_id is not None for call in placed_after)
