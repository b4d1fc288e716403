"""Names of channels: each call and agent is found again by its channel's name, and nobody else's channel is taken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.gateways.asterisk.calls import Call, Kept, Names
from dialer.gateways.asterisk.settings import DetectorSettings

NAMES = Names("west.1")


@given(st.integers(0, 10**17))
def test_a_call_is_found_by_its_channel(call_id: int) -> None:
    """The id stands in the name, and in the message's."""
    assert NAMES.call_of(NAMES.call(call_id)) == call_id
    assert NAMES.message_of(NAMES.message(call_id)) == call_id


@given(st.text(min_size=1, max_size=40), st.integers(0, 10**13))
def test_an_agent_is_found_by_the_leg(agent_id: str, count: int) -> None:
    """Whatever the agent is called, hyphens and slashes included."""
    leg = NAMES.leg(agent_id, count)
    assert NAMES.leg_of(leg) == agent_id
    assert "/" not in leg and NAMES.call_of(leg) is None


@pytest.mark.parametrize(
    "name", ["west-1-call-7", "westX1-call-7", "west.1-call-x", "west.1-call-7-1", "x west.1-call-7"]
)
def test_others_channels_are_not_ours(name: str) -> None:
    """Neither another application's nor one that looks like ours."""
    assert NAMES.call_of(name) is None


def test_what_a_channel_carries_is_read_back() -> None:
    """And what cannot be read is as if nothing was known."""
    kept = Kept(campaign="survey", is_answered=True, answered_at=12.5, is_machine=False)
    assert Kept.read(kept.text()) == kept
    assert Kept.read("") == Kept.read("{") == Kept.read('{"is_answered": 3}') == Kept()


def test_a_call_says_where_it_is() -> None:
    """The furthest that it came."""
    steps = (Kept(), Kept(is_ringing=True), Kept(is_ringing=True, is_answered=True))
    states = [Call(1, kept).living().state for kept in (*steps, Kept(is_answered=True, is_message=True))]
    assert states == ["dialed", "ringing", "answered", "message"]


def test_the_detectors_timings_stand_in_its_own_order() -> None:
    """As AMD takes them: the order of its documentation."""
    assert DetectorSettings().arguments == "2500,1500,800,5000,100,50,3,256,5000"
