"""What each pacing mode promises, seen from outside: orders in, news out."""

import pytest

from dialer.domain.agent import AgentState
from dialer.domain.commands import BridgeCall, HangUp, PlayMessage
from dialer.domain.events import (
    AgentLoggedOut,
    AgentPauseRequested,
    AgentReadied,
    BridgeFailed,
    CallClassified,
    CallFailed,
)
from dialer.domain.outcome import Outcome
from dialer.domain.policy import PacingMode
from tests.unit.engine.rig import Rig, of, only, policy


@pytest.mark.parametrize("mode", [PacingMode.PROGRESSIVE, PacingMode.PREDICTIVE])
def test_every_call_holds_its_own_agent(mode: PacingMode) -> None:
    """Progressive always, and predictive where nobody may be abandoned: as many calls as agents, each with one."""
    rig = Rig()
    rig.load(policy(mode=mode, target_rate=0.0, cap_rate=0.0), leads=30)
    rig.log_in("a", "b", "c")
    assert sorted(each.agent_id or "" for each in rig.placed()) == ["a", "b", "c"]
    for call in rig.placed():
        assert only(rig.answer(call.call_id), BridgeCall).agent_id == call.agent_id


def test_a_machine_frees_the_reserved_agent_for_the_next_call() -> None:
    """The hang-up is enough: the agent does not wait for its confirmation."""
    rig = Rig()
    rig.load(policy())
    rig.log_in("a")
    commands = rig.send(CallClassified(call_id=1, is_machine=True))
    assert of(commands, HangUp)
    assert [each.agent_id for each in rig.placed()] == ["a", "a"]


def test_an_agent_who_leaves_while_reserved_takes_the_call_first() -> None:
    """Nobody is rung for an agent who disappears: the break is granted when the call is done."""
    rig = Rig()
    rig.load(policy(wrap_up_max_s=30.0))
    rig.log_in("a", "b")
    rig.send(AgentLoggedOut(agent_id="a"), AgentPauseRequested(agent_id="b", reason="lunch"))
    assert [rig.connect(call.call_id) for call in list(rig.placed())] == [call.agent_id for call in rig.placed()]
    for call in list(rig.placed()):
        rig.release(call.call_id)
    rig.wait(30.0)
    assert (rig.agent("a").state, rig.agent("b").state) == (AgentState.LOGGED_OUT, AgentState.PAUSED)
    assert rig.agent("b").reason == "lunch"


def test_a_break_asked_for_is_granted_when_the_call_comes_to_nothing() -> None:
    """No answer: the agent is free to go."""
    rig = Rig()
    rig.load(policy())
    rig.log_in("a")
    rig.send(AgentPauseRequested(agent_id="a", reason="lunch"), CallFailed(call_id=1, outcome=Outcome.NO_ANSWER))
    assert rig.agent("a").state == AgentState.PAUSED
    assert len(rig.placed()) == 1


def test_a_failed_bridge_finds_another_agent_or_the_message() -> None:
    """The agent who could not be joined is paused; the person gets the next one, or the message after the threshold."""
    rig = Rig()
    rig.load(policy(), leads=1)
    rig.log_in("a", "b")
    first = only(rig.answer(1), BridgeCall).agent_id
    second = only(rig.send(BridgeFailed(call_id=1, agent_id=first)), BridgeCall).agent_id
    assert {first, second} == {"a", "b"}
    assert rig.agent(first).state == AgentState.PAUSED
    rig.send(BridgeFailed(call_id=1, agent_id=second))
    assert only(rig.wait(2.0), PlayMessage).message == "sorry"
    assert rig.campaign().abandonment.abandoned == 1
    rig.release(1)
    assert rig.attempt(1).outcome is Outcome.ABANDONED


def test_without_a_message_the_person_is_hung_up_on() -> None:
    """No message is configured, so nothing is played."""
    rig = Rig()
    rig.load(policy(message=None), leads=1)
    rig.log_in("a")
    rig.answer(1)
    rig.send(BridgeFailed(call_id=1, agent_id="a"))
    assert of(rig.wait(2.0), HangUp)


def test_power_dials_by_its_ratio_once_it_may() -> None:
    """Before anything is measured power is progressive; then two calls per ready agent are in flight."""
    rig = Rig(lines=50)
    rig.load(policy(mode=PacingMode.POWER, target_rate=0.5, cap_rate=0.5), leads=100)
    rig.log_in("a")
    assert [each.agent_id for each in rig.placed()] == ["a"]
    while len(rig.placed()) < 40:
        call = rig.placed()[-1]
        rig.wait(5.0)
        agent_id = rig.connect(call.call_id)
        rig.wait(5.0)
        rig.release(call.call_id)
        rig.send(AgentReadied(agent_id=agent_id))
    unreserved = [each for each in rig.placed() if each.agent_id is None]
    assert len(unreserved) >= 2
    assert rig.campaign().calls["placed"] == 2
