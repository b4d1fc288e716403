"""What the engine remembers of attempts: as long as a lead in hand might not have been told, and no longer."""

from dialer.domain.commands import PlaceCall
from dialer.domain.events import CallFailed, CallRinging
from dialer.domain.outcome import Outcome
from dialer.domain.policy import PacingMode
from tests.unit.engine.rig import Rig, of, policy


def busy_day(hours: float, *, is_held: bool) -> Rig:
    """One agent dials one call after the other; `is_held`: meanwhile a lead of another campaign waits for nobody."""
    rig = Rig()
    rig.load(policy(mode=PacingMode.PROGRESSIVE), leads=400)
    if is_held:
        rig.load(policy("held", mode=PacingMode.PROGRESSIVE, groups=("others",)), leads=1)
    rig.log_in("a1")
    until = rig.now + hours * 3600.0
    while rig.now < until:
        order = of(rig.out, PlaceCall)[-1]
        rig.send(CallRinging(call_id=order.call_id))
        rig.wait(20.0)
        rig.send(CallFailed(call_id=order.call_id, outcome=Outcome.NO_ANSWER))
        rig.wait(10.0)
    return rig


def test_memory_does_not_grow_with_the_day() -> None:
    """After an hour of calls those of the last minutes are remembered; storage tells of the others."""
    rig = busy_day(1.0, is_held=False)
    assert len(of(rig.out, PlaceCall)) > 100
    assert len(rig.engine._state.recent) < 50
    assert len(rig.engine._state.recent_calls) < 50


def test_a_lead_that_was_claimed_long_ago_is_told_of_everything_since() -> None:
    """As long as one waits in a hopper, what happened after its claim is remembered."""
    rig = busy_day(0.5, is_held=True)
    assert len(rig.engine._state.campaigns["held"].hopper) == 1
    assert len(rig.engine._state.recent) == len(of(rig.out, PlaceCall)) > 50
