"""What operators do to campaigns: every action in every state, what it stops, and what is kept of it."""

from dataclasses import replace
from itertools import product

import pytest

from dialer.domain.agent import AgentState
from dialer.domain.commands import HangUp, PlaceCall, RecordChange
from dialer.domain.events import (
    CallAnswered,
    CallClassified,
    CallFailed,
    CallReleased,
    CampaignLoaded,
    DrainRequested,
    LinesChanged,
)
from dialer.domain.lead import LeadState
from dialer.domain.outcome import Outcome
from dialer.domain.policy import HoursPolicy, PacingMode, Window
from dialer.engine.campaign import ACTIONS, CampaignState
from tests.unit.engine.rig import Rig, of, only, policy

WAYS = {
    CampaignState.READY: (),
    CampaignState.RUNNING: ("start",),
    CampaignState.PAUSED: ("start", "pause"),
    CampaignState.DRAINING: ("start", "drain"),
    CampaignState.STOPPED: ("start", "stop"),
}


def changes(rig: Rig) -> list[tuple[str, str, str]]:
    """What was kept: action, state before, state after."""
    return [(each.change.action, each.change.before, each.change.after) for each in of(rig.out, RecordChange)]


@pytest.mark.parametrize(("state", "action"), list(product(WAYS, [*sorted({act for _, act in ACTIONS}), "explode"])))
def test_every_action_in_every_state(state: CampaignState, action: str) -> None:
    """A row of the table is followed, a missing one refused; both are kept with the operator's reason."""
    rig = Rig()
    rig.load(replace(policy(), is_started=False))
    rig.log_in("a")
    for step in WAYS[state]:
        rig.control(step)
    assert rig.campaign().state == state
    why = rig.engine.refusal("survey", action)
    kept = of(rig.control(action), RecordChange)[0].change
    assert (kept.action, kept.who, kept.before) == (action, "operator", state)
    if (state, action) in ACTIONS and (state, action) != (CampaignState.RUNNING, "resume"):  # nothing is held back
        assert why is None and kept.reason == "because"
        assert rig.campaign().state == ACTIONS[state, action]
    else:
        assert why is not None and why in kept.reason and "because" in kept.reason
        assert rig.campaign().state == state


def test_an_unknown_campaign_is_refused_with_the_names_there_are() -> None:
    """Nothing is loaded under that name."""
    rig = Rig()
    rig.load(policy())
    assert "survey" in (rig.engine.refusal("servey", "pause") or "")
    assert rig.control("pause", "servey") == []


def test_pause_keeps_the_hopper_and_the_calls() -> None:
    """Nothing new starts, what rings goes on, and leads in hand stay."""
    rig = Rig()
    rig.load(policy(), leads=30)
    rig.log_in("a")
    held = rig.campaign().hopper
    rig.control("pause")
    assert (rig.campaign().hopper, rig.engine.live_calls()) == (held, 1)
    assert not of(rig.send(CallFailed(call_id=1, outcome=Outcome.BUSY)), PlaceCall)
    assert of(rig.control("resume"), PlaceCall)


def test_drain_ends_stopped_when_the_last_call_is_over() -> None:
    """The change is kept in the order in which it happened."""
    rig = Rig()
    rig.load(policy())
    rig.log_in("a")
    rig.control("drain")
    assert rig.campaign().state == "draining"
    rig.send(CallFailed(call_id=1, outcome=Outcome.BUSY))
    assert rig.campaign().state == "stopped"
    assert changes(rig)[1:] == [("drain", "running", "draining"), ("drained", "draining", "stopped")]


def test_draining_without_calls_stops_at_once() -> None:
    """Even then the order to drain is kept before its end."""
    rig = Rig()
    rig.load(policy())
    rig.control("drain")
    assert changes(rig)[1:] == [("drain", "running", "draining"), ("drained", "draining", "stopped")]


def test_an_emergency_stop_cuts_what_rings_and_counts_it() -> None:
    """Unanswered calls are hung up, their leads may be called again; who has answered is still served."""
    rig = Rig()
    rig.load(policy())
    rig.log_in("a", "b")
    rig.connect(1)
    hung_up = of(rig.control("emergency-stop"), HangUp)
    assert [each.call_id for each in hung_up] == [2]
    assert rig.campaign().counts["cut_short"] == 1
    rig.send(CallFailed(call_id=2, outcome=Outcome.NO_ANSWER))
    assert rig.attempt(2).outcome is Outcome.CANCELLED
    assert rig.lead(rig.placed()[1].lead_id).state is LeadState.PENDING
    assert (rig.agent("a").state, rig.agent("b").state) == (AgentState.TALKING, AgentState.READY)


def test_the_daemons_drain_starts_nothing_more() -> None:
    """Live calls finish, leads go back, and an operator's start changes nothing about it."""
    rig = Rig()
    rig.load(policy(), leads=30)
    rig.log_in("a")
    rig.send(DrainRequested(reason="SIGTERM"))
    assert rig.campaign().hopper == 0
    rig.send(CallFailed(call_id=1, outcome=Outcome.BUSY))
    rig.control("start")
    rig.wait(3600.0)
    assert len(rig.placed()) == 1
    assert sum(each.state is LeadState.CLAIMED for each in rig.store.leads("survey")) == 0


def test_without_lines_nothing_is_dialed_and_calls_go_on() -> None:
    """A gateway that is lost takes its lines away; when they are back, dialing goes on at the rate that came along."""
    rig = Rig()
    rig.load(policy(), leads=30)
    rig.log_in("a", "b")
    before = len(rig.placed())
    rig.send(LinesChanged(lines=0, calls_per_second=0.0))
    rig.send(CallFailed(call_id=1, outcome=Outcome.BUSY))
    rig.wait(60.0)
    assert len(rig.placed()) == before
    assert rig.engine.live_calls() == before - 1
    rig.send(LinesChanged(lines=before, calls_per_second=5.0))
    assert len(rig.placed()) == before + 1
    assert rig.engine.status(rig.now).lines == before


def test_changed_hours_hold_from_the_next_call() -> None:
    """A reload during a call changes what may be dialed after it."""
    rig = Rig()
    rig.load(policy())
    rig.log_in("a")
    rig.send(CampaignLoaded(policy=policy(hours=HoursPolicy(week=((),) * 7))))
    rig.send(CallFailed(call_id=1, outcome=Outcome.BUSY))
    assert len(rig.placed()) == 1
    assert rig.engine.live_calls() == 0


def test_a_changed_mode_keeps_the_calls_in_flight() -> None:
    """The new pacer takes over; the old calls finish."""
    rig = Rig()
    rig.load(policy())
    rig.log_in("a")
    rig.send(CampaignLoaded(policy=policy(mode=PacingMode.PREVIEW)))
    assert rig.campaign().mode == "preview"
    assert rig.connect(1) == "a"


def test_a_changed_window_does_not_forget_abandonments() -> None:
    """What was spent of the budget stays spent when the window's name changes."""
    rig = Rig()
    before = policy()
    rig.load(before)
    rig.log_in("a")
    rig.answer(1)
    rig.wait(3.0)
    assert rig.campaign().abandonment.abandoned == 1
    month = replace(before, abandonment=replace(before.abandonment, window=Window.CALENDAR_MONTH))
    rig.send(CampaignLoaded(policy=month))
    assert (rig.campaign().abandonment.abandoned, rig.campaign().abandonment.live) == (1, 1)
    assert rig.campaign().abandonment.window == "calendar-month"


def test_the_same_file_again_changes_nothing() -> None:
    """A reload without a difference leaves no trace."""
    rig = Rig()
    rig.load(policy())
    assert rig.send(CampaignLoaded(policy=policy())) == []


def test_the_first_load_is_kept() -> None:
    """Who changed the campaign first was its file."""
    rig = Rig()
    rig.load(policy())
    assert only(rig.out, RecordChange).change.action == "load"


def test_a_wrap_up_ends_at_its_limit() -> None:
    """An agent who says nothing is ready again after `wrap_up_max_s`, and the lead is finished."""
    rig = Rig()
    rig.load(policy(wrap_up_max_s=30.0), leads=1)
    rig.log_in("a")
    rig.connect(1)
    rig.release(1)
    rig.wait(29.0)
    assert rig.agent("a").state == AgentState.WRAP_UP
    rig.wait(1.0)
    assert (rig.agent("a").state, rig.lead().reason) == (AgentState.READY, "undisposed")


def test_a_rest_holds_the_next_call_back() -> None:
    """After wrap-up the agent is ready, and gets no call until the gap has passed."""
    rig = Rig()
    rig.load(policy(wrap_up_max_s=30.0, min_gap_s=20.0))
    rig.log_in("a")
    rig.connect(1)
    rig.release(1)
    rig.wait(49.0)
    assert len(rig.placed()) == 1
    rig.wait(1.0)
    assert len(rig.placed()) == 2


def test_occupancy_is_held_down() -> None:
    """An agent at the limit rests until busy time is that share of the time since log-in."""
    rig = Rig()
    rig.load(policy(wrap_up_max_s=0.0, occupancy_max=0.8))
    rig.log_in("a")
    rig.connect(1)
    rig.wait(1800.0)
    rig.release(1)
    rig.wait(449.0)
    assert len(rig.placed()) == 1
    rig.wait(1.0)
    assert len(rig.placed()) == 2


@pytest.mark.parametrize("mode", list(PacingMode))
def test_nothing_is_dialed_without_agents(mode: PacingMode) -> None:
    """No mode dials for nobody."""
    rig = Rig()
    rig.load(policy(mode=mode))
    rig.wait(600.0)
    assert not rig.placed()


def test_a_switch_that_never_answers_costs_a_line_for_a_minute() -> None:
    """The line is freed, the fate is unknown, and it counts as a possible abandonment."""
    rig = Rig(lines=1)
    rig.load(policy())
    rig.log_in("a")
    rig.wait(22.0 + 45.0 + 15.0)
    assert rig.attempt(1).outcome is Outcome.UNKNOWN
    assert rig.campaign().counts["unknown"] == 1
    assert (rig.campaign().abandonment.live, rig.campaign().abandonment.abandoned) == (1, 1)
    assert len(rig.placed()) == 2
    assert rig.send(CallAnswered(call_id=1), CallClassified(call_id=1, is_machine=False)) == []
    assert rig.send(CallReleased(call_id=1, by="callee")) == []
