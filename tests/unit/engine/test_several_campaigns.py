"""Campaigns beside each other: they share agents, lines and calls per second, and none is forgotten."""

from dataclasses import replace

import pytest

from dialer.domain.commands import BridgeCall
from dialer.domain.events import AgentPauseRequested, AgentReadied, CallFailed, CampaignLoaded
from dialer.domain.outcome import Outcome
from dialer.domain.policy import PacingMode
from tests.unit.engine.rig import AT, Rig, of, policy


def test_an_agent_counts_for_one_campaign_only() -> None:
    """Two campaigns of one group share its agents evenly, and nobody is counted twice."""
    rig = Rig()
    rig.load(policy("first"))
    rig.load(policy("second"))
    rig.log_in("a", "b", "c", "d")
    assert [sum(rig.campaign(name).agents.values()) for name in ("first", "second")] == [2, 2]


def test_agents_of_a_paused_campaign_dial_for_another_at_once() -> None:
    """Who is ready when their campaign pauses gets a call of the other campaign at the same instant."""
    rig = Rig()
    rig.load(policy("first"))
    rig.load(policy("second"))
    rig.log_in("a")
    rig.send(CallFailed(call_id=1, outcome=Outcome.BUSY))
    busy_with = rig.placed()[-1]
    other = {"first": "second", "second": "first"}[busy_with.campaign]
    rig.send(AgentPauseRequested(agent_id="a", reason="break"))
    rig.send(CallFailed(call_id=busy_with.call_id, outcome=Outcome.BUSY), AgentReadied(agent_id="a"))
    rig.send(CallFailed(call_id=rig.placed()[-1].call_id, outcome=Outcome.BUSY))
    before = len(rig.placed(other))
    rig.control("pause", rig.placed()[-1].campaign)
    rig.send(CallFailed(call_id=rig.placed()[-1].call_id, outcome=Outcome.BUSY))
    assert rig.placed()[-1].campaign == other
    assert len(rig.placed(other)) > before


def test_an_agent_freed_by_one_campaign_is_put_to_work_by_the_next() -> None:
    """The end of a call may move its agent to another campaign, which then dials without waiting for anything else."""
    rig = Rig()
    rig.load(policy("first"), leads=1)
    rig.log_in("a")
    assert [each.campaign for each in rig.placed()] == ["first"]
    rig.load(policy("second"))
    rig.send(CallFailed(call_id=1, outcome=Outcome.NO_ANSWER))
    assert [each.campaign for each in rig.placed()] == ["first", "second"]


def test_idle_agents_come_when_a_campaign_gets_leads() -> None:
    """Agents who sit with a campaign that has run dry are called to one whose leads come due."""
    rig = Rig()
    rig.load(policy("dry"), leads=0)
    rig.load(policy("dry too"), leads=1, due_at=AT + 3600.0)
    rig.load(policy("later"), leads=3, due_at=AT + 600.0)
    rig.log_in("a", "b", "c")
    rig.wait(601.0)
    assert [each.campaign for each in rig.placed()] == ["later"] * 3


@pytest.mark.parametrize("is_paused", [True, False])
def test_a_campaign_that_stops_dialing_keeps_agents_for_calls_in_flight(is_paused: bool) -> None:
    """A live answer of a campaign that paused or ran dry while it rang still finds the agent it was dialed for."""
    rig = Rig()
    rig.load(policy("power", mode=PacingMode.POWER, target_rate=0.5, cap_rate=0.5), leads=60 if is_paused else 40)
    rig.log_in("a")
    while len(rig.placed()) < 40:  # long enough for the governor to trust the estimates, and to dial ahead
        call = rig.placed()[-1]
        rig.wait(5.0)
        agent_id = rig.connect(call.call_id)
        rig.wait(5.0)
        rig.release(call.call_id)
        rig.send(AgentReadied(agent_id=agent_id))
    call = rig.placed()[-1]
    assert call.agent_id is None
    rig.load(policy("other"))
    if is_paused:
        rig.control("pause", "power")
    assert of(rig.answer(call.call_id), BridgeCall)


def test_a_campaign_without_a_free_line_dials_when_one_comes_free() -> None:
    """Whose lines were taken by another campaign tries again, though nothing of its own has happened."""
    rig = Rig(lines=1)
    rig.load(policy("first", groups=("one",)), leads=1)
    rig.load(policy("second", groups=("two",)), leads=1)
    rig.log_in("a", groups=("one",))
    rig.log_in("b", groups=("two",))
    rig.send(CallFailed(call_id=1, outcome=Outcome.NO_ANSWER))
    rig.wait(5.0)
    assert [each.campaign for each in rig.placed()] == ["first", "second"]


def test_calls_per_second_are_shared_in_turn() -> None:
    """When calls per second are scarce, every campaign gets its turn."""
    rig = Rig(lines=100, calls_per_second=1.0)
    for name in ("first", "second", "third"):
        rig.load(policy(name, groups=(name,)), leads=20)
        rig.log_in(*(f"{name}-{number}" for number in range(20)), groups=(name,))
    rig.wait(11.5)
    shares = [len(rig.placed(name)) for name in ("first", "second", "third")]
    assert sum(shares) == 12 and min(shares) >= 3


@pytest.mark.parametrize("rate", [3.0, 7.0, 0.3, 13.7])
def test_any_rate_of_calls_lets_time_pass(rate: float) -> None:
    """A rate whose inverse is no binary fraction gives so many calls, and no deadline at the present instant."""
    rig = Rig(lines=1000, calls_per_second=rate)
    rig.load(policy(), leads=300)
    rig.log_in(*(f"a{number}" for number in range(200)))
    rig.wait(10.0)
    assert abs(len(rig.placed()) - (max(1.0, rate) + 10.0 * rate)) <= 1.0 + 1e-3


def test_the_campaigns_own_lines_bind() -> None:
    """A campaign never has more calls in flight than its own lines, whatever the gateway has."""
    rig = Rig()
    campaign = policy()
    rig.load(replace(campaign, pacing=replace(campaign.pacing, lines=2)))
    rig.log_in("a", "b", "c")
    assert len(rig.placed()) == 2


def test_agents_leave_a_campaign_whose_groups_no_longer_name_them() -> None:
    """A reload that takes a group away takes its agents away, who get no more of its calls."""
    rig = Rig()
    rig.load(policy(), leads=30)
    rig.log_in("a")
    changed = policy(groups=("others",))
    rig.send(CampaignLoaded(policy=changed))
    rig.send(CallFailed(call_id=1, outcome=Outcome.BUSY))
    assert len(rig.placed()) == 1
    assert rig.agent("a").campaign is None


def test_a_rest_follows_the_campaign_whose_call_it_was() -> None:
    """An agent who is called to another campaign after wrap-up has earned the rest of the one that ended."""
    rig = Rig()
    rig.load(policy("first", min_gap_s=20.0, wrap_up_max_s=30.0), leads=1)
    rig.log_in("a")
    rig.connect(1)
    rig.load(policy("second"))
    rig.release(1)
    rig.wait(49.0)
    assert len(rig.placed()) == 1
    rig.wait(1.0)
    assert [each.campaign for each in rig.placed()] == ["first", "second"]
