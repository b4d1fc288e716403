"""The learner hears of dials in the order in which they were placed."""

from hypothesis import given
from hypothesis import strategies as st

from dialer.engine import learning
from dialer.engine.campaign import Campaign, Resolution, new_campaign
from dialer.queueing.estimators import Learner
from tests.properties.floor import policy


class Listener(Learner):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def observe_dial_resolved(self, is_live: bool, after_s: float, now: float, group: str = "") -> None:
        super().observe_dial_resolved(is_live, after_s, now, group)
        self.told.append(group)


def listening() -> tuple[Campaign, Listener]:
    campaign, listener = new_campaign(policy("survey")), Listener()
    campaign.learner = listener
    return campaign, listener


def outcome(call_id: int, *, is_live: bool = False) -> Resolution:
    return Resolution(is_live=is_live, after_s=3.0, at=10.0, segment=str(call_id))


@given(st.permutations(range(8)), st.sets(st.integers(0, 7)))
def test_outcomes_are_told_in_the_order_of_the_dials(order: list[int], silent: set[int]) -> None:
    """However they come in, and whoever ends without a word, each is told once, and none before an older one."""
    campaign, listener = listening()
    for call_id in range(8):
        learning.placed(campaign, call_id)
    for call_id in order:
        if call_id not in silent:
            learning.resolved(campaign, call_id, outcome(call_id))
        known = [int(told) for told in listener.told]
        assert known == sorted(known)
        learning.over(campaign, call_id)
    assert [int(told) for told in listener.told] == [call_id for call_id in range(8) if call_id not in silent]
    assert not campaign.resolutions


def test_a_burst_of_calls_does_not_look_like_a_falling_answer_rate() -> None:
    """Of many calls started at once the failures come first and last: the estimate stays near the truth throughout.

    300 calls at once of which every third is answered, after 4,000 like them one by one. Outcomes come in waves: quick
    failures, answers, ring-outs. Told as they come, the estimate falls below .1.
    """
    campaign, listener = listening()
    for turn in range(4000):
        learning.placed(campaign, turn)
        learning.resolved(campaign, turn, outcome(turn, is_live=turn % 3 == 0))
    burst = range(4000, 4300)
    for call_id in burst:
        learning.placed(campaign, call_id)
    waves = [call_id for call_id in burst if call_id % 3 == 1]
    waves += [call_id for call_id in burst if call_id % 3 == 0] + [call_id for call_id in burst if call_id % 3 == 2]
    for call_id in waves:
        learning.resolved(campaign, call_id, outcome(call_id, is_live=call_id % 3 == 0))
        assert 0.28 < listener.snapshot(20.0).p_live < 0.39


def test_a_call_from_before_is_not_waited_for() -> None:
    """An outcome of a call that was not expected, as after a restart, changes nothing."""
    campaign, listener = listening()
    learning.resolved(campaign, 5, outcome(5))
    learning.over(campaign, 5)
    assert listener.told == []
