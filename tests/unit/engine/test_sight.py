"""What the pacer is shown of the floor."""

import pytest

from dialer.engine.sight import look
from dialer.pacing.base import Floor
from tests.unit.engine.rig import Rig, policy


@pytest.fixture
def resting(request: pytest.FixtureRequest) -> Rig:
    """Two agents on the line; the occupancy limit makes whoever ends a call after half an hour rest for long."""
    rig = Rig(lines=50)
    rig.load(policy(wrap_up_max_s=0.0, **request.param), leads=20)
    rig.log_in("a", "b")
    rig.connect(1)
    rig.connect(2)
    rig.wait(1800.0)
    return rig


def seen(rig: Rig) -> Floor:
    """What a pacer would be shown now."""
    state = rig.engine._state
    return look(state, state.campaigns["survey"], rig.now)


@pytest.mark.parametrize("resting", [{"occupancy_max": 0.8}], indirect=True)
def test_a_long_rest_is_no_wrap_up_about_to_end(resting: Rig) -> None:
    """The rest lasts 450 s, which no wrap-up so far foretells: the agent is shown as busy, and again for the end."""
    resting.release(1)
    resting.wait(1.0)
    assert (seen(resting).agents, seen(resting).ready, seen(resting).wrap_ages) == (2, 0, ())
    resting.wait(440.0)
    assert seen(resting).wrap_ages == (441.0,)


@pytest.mark.parametrize("resting", [{"min_gap_s": 20.0}], indirect=True)
def test_the_gap_after_each_call_is_learned_like_a_wrap_up(resting: Rig) -> None:
    """It follows every call, so its length is known from those before."""
    resting.release(1)
    resting.wait(1.0)
    assert seen(resting).wrap_ages == (1.0,)
