"""What a gateway does by itself, and what the engine orders for agents' telephones."""

import pytest

from dialer.domain.agent import AgentState
from dialer.domain.commands import BridgeCall, HandOverCall, PlayMessage, SeatAgent, UnseatAgent
from dialer.domain.events import (
    AgentLoggedIn,
    AgentLoggedOut,
    BridgeFailed,
    CallAnswered,
    CallClassified,
    CallReleased,
    EarlierRunFound,
    HandOverRequested,
    MessageBegan,
)
from dialer.domain.living import LivingCall, LivingState
from dialer.domain.outcome import Outcome
from dialer.domain.policy import PacingMode
from dialer.domain.records import AgentRecord
from tests.unit.engine.rig import AT, Rig, of, only, policy
from tests.unit.engine.test_resuming import Restarted, agent


def test_a_message_that_the_gateway_began_is_an_abandonment_with_the_message_heard() -> None:
    """It counts from the instant at which it began, and the engine orders no second one."""
    rig = Rig()
    rig.load(policy(mode=PacingMode.POWER, message="sorry.wav"))
    rig.log_in("a")
    rig.send(AgentLoggedOut(agent_id="a"))
    call_id = rig.placed()[0].call_id
    rig.answer(call_id)
    began_at = rig.now + 1.9
    rig.now += 1.95
    assert of(rig.send(MessageBegan(call_id=call_id, at=began_at)), PlayMessage) == []
    assert of(rig.wait(1.0), PlayMessage) == []
    rig.send(CallReleased(call_id=call_id, by="engine", cause="message played"))
    kept = rig.attempt(call_id)
    assert (kept.outcome, kept.is_abandoned, kept.message_at) == (Outcome.ABANDONED, True, began_at)
    assert kept.abandoned_at == began_at
    assert rig.campaign().counts["abandoned"] == 1


def test_a_message_that_crossed_with_the_order_to_join_costs_the_agent_nothing() -> None:
    """The agent is ready again at once, and is not taken for one who missed a call when the join is refused."""
    rig = Rig()
    rig.load(policy(message="sorry.wav"), leads=1)
    rig.log_in("a")
    bridge = only(rig.answer(1), BridgeCall)
    rig.send(MessageBegan(call_id=1))
    assert rig.agent("a").state == AgentState.READY
    rig.send(BridgeFailed(call_id=1, agent_id=bridge.agent_id, cause="the call is over"))
    assert rig.agent("a").state == AgentState.READY
    rig.send(CallReleased(call_id=1, by="engine"))
    assert rig.attempt(1).outcome is Outcome.ABANDONED


@pytest.mark.parametrize("is_agent_left", [True, False])
def test_a_message_of_the_time_without_an_engine_counts_when_it_is_back(is_agent_left: bool) -> None:
    """Answer, message and end are told after the restart, with their instants: an abandonment, the message heard."""
    rig = Restarted(policy(mode=PacingMode.POWER, message="sorry.wav"))
    answered = LivingCall(call_id=7, state=LivingState.ANSWERED, answered_at=AT - 9.0)
    rig.found(answered, *([agent("ready")] if is_agent_left else []))
    rig.send(CallAnswered(call_id=7, at=AT - 9.0), CallClassified(call_id=7, is_machine=False))
    rig.send(MessageBegan(call_id=7, at=AT - 6.5), CallReleased(call_id=7, by="engine", cause="message played"))
    kept = rig.attempt(7)
    assert (kept.outcome, kept.is_abandoned) == (Outcome.ABANDONED, True)
    assert (kept.answered_at, kept.message_at) == (AT - 9.0, AT - 6.5)
    assert rig.campaign().counts["abandoned"] == 1
    if is_agent_left:
        assert rig.agent("a1").state == AgentState.READY


def test_a_call_says_what_is_due_to_the_person_without_an_engine() -> None:
    """The order to dial carries the campaign's message and threshold."""
    rig = Rig()
    rig.load(policy(message="sorry.wav"), leads=1)
    rig.log_in("a")
    assert (rig.placed()[0].message, rig.placed()[0].threshold_s) == ("sorry.wav", 2.0)


def test_only_who_talks_on_a_call_hands_it_over() -> None:
    """The wish of another agent, or about a call that is over or not joined yet, orders nothing."""
    rig = Rig()
    rig.load(policy(), leads=1)
    rig.log_in("a")
    rig.log_in("b")
    wishes = [HandOverRequested(call_id=1, agent_id=agent_id) for agent_id in ("a", "b")]
    assert of(rig.send(*wishes), HandOverCall) == []
    agent_id = rig.connect(1)
    assert len(of(rig.send(*wishes), HandOverCall)) == 1
    rig.send(CallReleased(call_id=1, by="agent", cause="handed over to a supervisor"))
    assert of(rig.send(*wishes), HandOverCall) == []
    assert rig.agent(agent_id).state == AgentState.WRAP_UP


def test_an_agent_is_seated_at_login_until_logout() -> None:
    """Once for each login, at the end of a call that the log-out was asked for in, and again at a restart."""
    rig = Rig()
    rig.load(policy(), leads=1)
    came = rig.send(AgentLoggedIn(agent_id="a", groups=("team",)), AgentLoggedIn(agent_id="a", groups=("team",)))
    assert of(came, SeatAgent) == [SeatAgent(agent_id="a")]
    rig.log_in("a")
    rig.connect(1)
    assert of(rig.send(AgentLoggedOut(agent_id="a")), UnseatAgent) == []
    rig.release(1)
    rig.wait(120.0)
    assert of(rig.out, UnseatAgent) == [UnseatAgent(agent_id="a")]
    record = AgentRecord(agent_id="b", groups=("team",), state="ready", reason="", since_at=AT)
    found = EarlierRunFound(stopped_at=AT, agents=(record,))
    assert of(Rig().send(found), SeatAgent) == [SeatAgent(agent_id="b")]
