"""What the engine makes of an agent's odd words, and of a switch that forgets to say that a call is over."""

from dialer.domain.commands import BlockPerson, HangUp
from dialer.domain.events import CallBridged, CallDisposed
from dialer.domain.outcome import Outcome
from dialer.domain.policy import PacingMode
from dialer.engine.calls import END_MAX_S, TALK_MAX_S
from tests.unit.engine.rig import Rig, of, policy


def word(rig: Rig, call_id: int, name: str) -> list[object]:
    """An agent says how a call went."""
    return list(rig.send(CallDisposed(call_id=call_id, agent_id="a", disposition=name)))


def connected(rig: Rig) -> int:
    """One agent is on a call; its id."""
    rig.load(policy(mode=PacingMode.PROGRESSIVE))
    rig.log_in("a")
    call_id = rig.placed()[0].call_id
    rig.connect(call_id)
    return call_id


def test_a_do_not_call_said_during_the_call_acts_at_once() -> None:
    """Nobody waits for the end of the call to keep a "no", and a later word does not take it back."""
    rig = Rig()
    call_id = connected(rig)
    assert any(isinstance(each, BlockPerson) for each in word(rig, call_id, "refused"))
    word(rig, call_id, "sale")
    rig.release(call_id)
    assert rig.attempt(call_id).disposition == "refused"
    assert rig.lead(rig.placed()[0].lead_id).reason == "do_not_call"


def test_the_last_word_during_the_call_counts() -> None:
    """An agent may change their mind while the person is on the line."""
    rig = Rig()
    call_id = connected(rig)
    word(rig, call_id, "again")
    word(rig, call_id, "sale")
    rig.release(call_id)
    assert rig.attempt(call_id).disposition == "sale"


def test_a_machine_that_was_joined_late_is_no_abandonment() -> None:
    """No person answered, so neither the live answer nor the late connect stays in the budget or the record."""
    rig = Rig()
    rig.load(policy(mode=PacingMode.PROGRESSIVE))
    rig.log_in("a")
    call_id = rig.placed()[0].call_id
    rig.answer(call_id)
    rig.wait(3.0)
    rig.send(CallBridged(call_id=call_id, agent_id="a"))
    assert rig.campaign().abandonment.abandoned == 1
    rig.release(call_id)
    word(rig, call_id, "machine")
    status = rig.campaign()
    assert (status.abandonment.live, status.abandonment.abandoned) == (0, 0)
    assert (status.counts["live"], status.counts["abandoned"], status.counts["machines"]) == (0, 0, 1)
    kept = rig.attempt(call_id)
    assert not kept.is_live and not kept.is_abandoned and kept.abandoned_at is None


def test_a_connect_whose_end_was_lost_is_ended() -> None:
    """After four hours of silence the engine hangs up, and the agent and the line are free again."""
    rig = Rig()
    call_id = connected(rig)
    assert of(rig.wait(TALK_MAX_S), HangUp)
    rig.wait(END_MAX_S)
    assert rig.attempt(call_id).outcome is Outcome.CONNECTED
    assert rig.agent("a").state == "wrap_up"


def test_a_pause_keeps_callbacks_only() -> None:
    """Resuming a paused campaign goes on as it was; resuming a running one ends callbacks-only."""
    rig = Rig()
    rig.load(policy(mode=PacingMode.PROGRESSIVE))
    rig.control("callbacks-only")
    rig.control("pause")
    rig.control("resume")
    assert rig.campaign().is_callbacks_only
    rig.control("resume")
    assert not rig.campaign().is_callbacks_only
    assert rig.engine.refusal("survey", "resume") is not None
