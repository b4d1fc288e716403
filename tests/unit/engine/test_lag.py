"""A store that lags: each call holds an agent, then there is no call, in every mode; what waits is bridged first."""

import pytest

from dialer.domain.commands import BridgeCall, OfferPreview, PlaceCall, RecordAttempt, RecordDecision
from dialer.domain.events import PreviewAccepted, StoreLagged
from dialer.domain.lag import Lag
from dialer.domain.policy import PacingMode
from tests.unit.engine.rig import Rig, of, only, policy


def loaded(mode: PacingMode) -> Rig:
    """A campaign with a list."""
    made = Rig()
    made.load(policy(mode=mode), leads=20)
    return made


def rig(mode: PacingMode) -> Rig:
    """A campaign with a list and three agents ready, and a store that has stalled."""
    made = loaded(mode)
    made.send(StoreLagged(lag=Lag.STALLED, lag_s=1.5))
    made.log_in("a1", "a2", "a3")
    return made


@pytest.mark.parametrize("mode", list(PacingMode))
def test_nothing_is_dialed_while_the_store_stalls(mode: PacingMode) -> None:
    """Nor is anything shown to be dialed; it says why, and goes on when the store catches up."""
    made = rig(mode)
    made.wait(30.0)
    assert not of(made.out, PlaceCall) and not of(made.out, OfferPreview)
    assert {each.decision.limited_by for each in of(made.out, RecordDecision)} == {"store_stalled"}
    assert made.engine.status(made.now).store_lag == "stalled"
    after = made.send(StoreLagged(lag=Lag.NONE, lag_s=0.01))
    assert of(after, PlaceCall) or of(after, OfferPreview)


def test_an_offer_taken_while_the_store_stalls_is_not_dialed() -> None:
    """The lead comes back, and the agent is free."""
    made = loaded(PacingMode.PREVIEW)
    made.log_in("a1")
    offer = only(made.out, OfferPreview)
    made.send(StoreLagged(lag=Lag.STALLED, lag_s=1.5))
    assert not of(made.send(PreviewAccepted(agent_id="a1", lead_id=offer.lead_id)), PlaceCall)
    assert made.engine.status(made.now).agents[0].state == "ready"


def test_each_call_holds_an_agent_while_the_store_is_slow() -> None:
    """A campaign with two calls per agent starts one, and says why; then two again."""
    made = loaded(PacingMode.POWER)
    made.send(StoreLagged(lag=Lag.SLOW, lag_s=0.4))
    made.log_in("a1", "a2", "a3")
    attempts = of(made.out, RecordAttempt)
    assert attempts and all(each.attempt.is_reserved for each in attempts)
    assert len(of(made.out, PlaceCall)) == 3


def test_people_who_wait_are_served_while_the_store_stalls() -> None:
    """A call that was up is bridged as ever."""
    made = loaded(PacingMode.PROGRESSIVE)
    made.log_in("a1")
    order = only(made.out, PlaceCall)
    made.send(StoreLagged(lag=Lag.STALLED, lag_s=1.5))
    assert of(made.answer(order.call_id), BridgeCall)
