"""People taken for machines, a cap that cannot be kept, and budgets that several campaigns share."""

from dataclasses import replace
from math import inf, nan
from typing import Any

import pytest

from dialer.domain.commands import RecordDecision
from dialer.domain.events import CallAnswered, CallClassified, CampaignLoaded, PreviewAccepted
from dialer.domain.outcome import Outcome
from dialer.domain.policy import AbandonmentUnit, CampaignPolicy, PacingMode, Window
from dialer.domain.records import Attempt, BudgetSnapshot
from dialer.engine.engine import Engine
from dialer.engine.recovery import spent
from dialer.queueing.errors import OutOfDomain
from tests.unit.engine.rig import AT, Rig, of, policy

FULL = BudgetSnapshot(first_live_at=AT - 600.0, opens_at=AT, live=60, abandoned=0, hour=())
MACHINES = replace(FULL, machines=100)  # at 2 % two people, of 62


def checked(campaign: CampaignPolicy, people: int = 2, machines: int = 100, **changes: Any) -> CampaignPolicy:
    """A campaign whose detector was checked."""
    made = replace(campaign.abandonment, amd_people=people, amd_checked=machines, **changes)
    return replace(campaign, abandonment=made)


def loaded(campaign: CampaignPolicy, before: BudgetSnapshot) -> Rig:
    """A rig that starts with what an earlier run left of the budget."""
    rig = Rig()
    rig.store.register(campaign)
    rig.send(CampaignLoaded(policy=campaign, spent=before))
    rig.load(campaign, leads=20)
    rig.imported(campaign.name)
    return rig


@pytest.mark.parametrize("mode", list(PacingMode))
def test_nobody_is_called_under_a_cap_that_cannot_be_kept(mode: PacingMode) -> None:
    """In every mode: no call and no offer, and the last decision has the figures."""
    rig = loaded(checked(policy(mode=mode), people=3), MACHINES)
    rig.log_in("a", "b")
    rig.wait(600.0)
    assert not rig.placed()
    assert not rig.offers()
    decision = rig.campaign().last_decision
    assert decision is not None
    assert (decision.calls, decision.limited_by) == (0, "infeasible")
    terms = dict(decision.terms)
    assert (terms["people_taken_for_machines"], terms["live"], terms["cap"]) == (3.0, 60.0, 0.03)
    assert terms["people_low"] < 3.0 < terms["people_high"]
    assert of(rig.out, RecordDecision)
    assert rig.campaign().abandonment.is_infeasible


@pytest.mark.parametrize("mode", list(PacingMode))
def test_another_check_in_force_lets_calls_start(mode: PacingMode) -> None:
    """A reload with a better check is all it takes, at once."""
    infeasible = checked(policy(mode=mode), people=3)
    rig = loaded(infeasible, MACHINES)
    rig.log_in("a", "b")
    assert not rig.placed()
    rig.send(CampaignLoaded(policy=checked(infeasible, people=1)))
    assert rig.placed() or rig.offers()
    assert not rig.campaign().abandonment.is_infeasible


@pytest.mark.parametrize("mode", [PacingMode.PROGRESSIVE, PacingMode.PREVIEW])
def test_the_next_window_lets_calls_start(mode: PacingMode) -> None:
    """Nobody has to touch anything: the engine looks again when the window rolls."""
    rig = loaded(checked(policy(mode=mode), people=3, time_zone="Etc/GMT-14"), replace(MACHINES, opens_at=AT))
    rig.log_in("a")
    rig.wait(1799.0)
    assert not rig.placed()
    assert not rig.offers()
    assert rig.campaign().abandonment.window_to_at == AT + 1800.0  # midnight, 14 hours ahead of UTC
    rig.wait(1.0)
    assert rig.placed() or rig.offers()


def test_an_offer_made_before_is_not_dialed() -> None:
    """An agent who takes an offer after the cap became infeasible gets no call, and the lead comes back."""
    rig = loaded(checked(policy(mode=PacingMode.PREVIEW), people=1), MACHINES)
    rig.log_in("a")
    offer = rig.offers()[0]
    rig.send(CampaignLoaded(policy=checked(policy(mode=PacingMode.PREVIEW), people=3)))
    rig.send(PreviewAccepted(agent_id="a", lead_id=offer.lead_id))
    assert not rig.placed()


def test_machines_are_counted_and_people_among_them_estimated_apart() -> None:
    """The status tells what is counted, what is estimated with its interval, and a rate of both."""
    rig = loaded(checked(policy()), FULL)
    rig.log_in("a")
    rig.send(CallAnswered(call_id=1), CallClassified(call_id=1, is_machine=True))
    shown = rig.campaign().abandonment
    assert (shown.live, shown.abandoned, shown.machines) == (60, 0, 1)
    assert shown.people == pytest.approx(0.02)
    assert shown.people_low is not None
    assert shown.people_high is not None
    assert 0.0 < shown.people_low < 0.02 < shown.people_high
    assert shown.rate == pytest.approx(0.02 / 60.02)


def test_without_a_check_the_estimate_is_none() -> None:
    """None is not zero: nobody has measured."""
    rig = loaded(policy(), FULL)
    rig.log_in("a")
    rig.send(CallAnswered(call_id=1), CallClassified(call_id=1, is_machine=True))
    shown = rig.campaign().abandonment
    assert (shown.machines, shown.people, shown.rate, shown.is_infeasible) == (1, None, 0.0, False)


def test_machines_of_an_earlier_run_are_recounted() -> None:
    """The attempts on disk say how many answers were called machines."""
    attempt = Attempt(call_id=1, campaign="survey", lead_id=1, number="+447700900003", mode="power", placed_at=AT)
    machine = replace(attempt, outcome=Outcome.MACHINE, classified_at=AT + 9.0, released_at=AT + 10.0)
    found = spent([machine, machine], policy(), None)
    assert (found.live, found.machines, found.hour_machines) == (0, 2, ((int(AT + 9.0) // 60, 2),))


def seller(name: str, **changes: Any) -> CampaignPolicy:
    """A campaign whose seller is the unit."""
    made = policy(name)
    return replace(made, abandonment=replace(made.abandonment, unit=AbandonmentUnit.SELLER, **changes))


def test_campaigns_of_a_seller_share_one_budget() -> None:
    """Each answers for both, from the first load to the last; a campaign with another window or seller stands alone."""
    rig = Rig()
    spent_here = replace(FULL, abandoned=2)
    others = replace(seller("foreign"), seller="Another Example")
    for campaign in (
        seller("one"),
        seller("two"),
        seller("month", window=Window.CALENDAR_MONTH),
        policy("own"),
        others,
    ):
        rig.store.register(campaign)
        rig.send(CampaignLoaded(policy=campaign, spent=spent_here))
    counted = {name: rig.campaign(name).abandonment for name in ("one", "two", "month", "own", "foreign")}
    assert {name: (each.live, each.abandoned) for name, each in counted.items()} == {
        "one": (120, 4),
        "two": (120, 4),
        "month": (60, 2),
        "own": (60, 2),
        "foreign": (60, 2),
    }
    rig.send(CampaignLoaded(policy=replace(seller("two"), abandonment=policy("two").abandonment)))
    assert (rig.campaign("one").abandonment.live, rig.campaign("two").abandonment.live) == (60, 60)


@pytest.mark.parametrize("now", [nan, inf, -inf, -1.0, 1e18])
def test_an_instant_that_is_none_is_refused(now: float) -> None:
    """Before anything depends on it, with a word on the clock."""
    engine = Engine(lines=1, calls_per_second=1.0)
    with pytest.raises(OutOfDomain, match="look at the clock"):
        engine.handle(CampaignLoaded(policy=policy()), now)
    with pytest.raises(OutOfDomain, match="look at the clock"):
        engine.handle_timer(now)


@pytest.mark.parametrize("mode", [PacingMode.POWER, PacingMode.PREDICTIVE])
@pytest.mark.parametrize("zero", [{"target_rate": 0.0}, {"target_rate": 0.0, "cap_rate": 0.0}], ids=["target", "cap"])
def test_a_target_or_a_cap_of_zero_is_exactly_progressive(mode: PacingMode, zero: dict[str, float]) -> None:
    """The same calls at the same instants as in progressive mode, each for an agent held for it."""
    rigs = [Rig(), Rig()]
    for rig, chosen in zip(rigs, (PacingMode.PROGRESSIVE, mode), strict=True):
        rig.load(policy(mode=chosen, **zero), leads=40)
        rig.log_in("a", "b", "c")
        for call_id in (1, 2):
            rig.connect(call_id)
        rig.wait(30.0)
        rig.release(1)
        rig.wait(300.0)
    assert rigs[0].placed() == rigs[1].placed()
    assert all(call.agent_id is not None for call in rigs[1].placed())
