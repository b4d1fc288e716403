"""A switch that refuses every call is not asked a hundred times a second."""

from dialer.domain.events import CallFailed, CallRinging
from dialer.domain.outcome import Outcome
from dialer.engine.calls import REFUSALS_IN_ROW, REFUSED_MAX_S
from tests.unit.engine.rig import Rig, policy


def refusing(seconds: float) -> Rig:
    """A floor of one agent whose switch refuses each call half a second after it was placed."""
    rig = Rig()
    rig.load(policy(), leads=400)
    rig.log_in("one")
    until, seen = rig.now + seconds, 0
    while rig.now < until:
        rig.wait(0.5)
        if seen < len(rig.placed()):
            seen += 1
            rig.send(CallFailed(call_id=rig.placed()[seen - 1].call_id, outcome=Outcome.CONGESTION))
    return rig


def test_refusals_in_a_row_are_answered_with_patience() -> None:
    """Two minutes of refusals cost some twenty attempts, not two hundred."""
    rig = refusing(120.0)
    assert REFUSALS_IN_ROW + 120.0 / REFUSED_MAX_S <= len(rig.placed()) <= REFUSALS_IN_ROW + 120.0 / REFUSED_MAX_S + 8


def test_a_call_that_rings_ends_the_wait() -> None:
    """As soon as one call gets through, dialing is as quick as before."""
    rig = refusing(60.0)
    rig.wait(REFUSED_MAX_S + 1.0)
    call = rig.placed()[-1]
    rig.send(CallRinging(call_id=call.call_id), CallFailed(call_id=call.call_id, outcome=Outcome.BUSY))
    before = len(rig.placed())
    rig.send(CallFailed(call_id=before, outcome=Outcome.CONGESTION))
    assert len(rig.placed()) == before + 1


def test_the_wait_is_told_as_a_want_of_lines() -> None:
    """Whoever asks why nothing is dialed reads that there is no line."""
    decision = refusing(60.0).campaign().last_decision
    assert decision is not None
    assert (decision.calls, decision.limited_by) == (0, "lines")
