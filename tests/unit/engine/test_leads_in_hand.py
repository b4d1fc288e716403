"""Leads between store, hopper, offer and call: none is lost, none is late, none is called on a guess."""

from dataclasses import replace

import pytest

from dialer.domain.agent import AgentState
from dialer.domain.commands import BlockPerson, ClaimLeads, OfferPreview
from dialer.domain.events import (
    AgentLoggedOut,
    AgentPauseRequested,
    AgentReadied,
    BridgeFailed,
    CallDisposed,
    CallFailed,
    LeadsImported,
    PreviewAccepted,
    PreviewSkipped,
)
from dialer.domain.lead import Callback, LeadState, PhoneNumber
from dialer.domain.outcome import Outcome
from dialer.domain.policy import CallbackPolicy, MissedCallback, PacingMode
from tests.unit.engine.rig import AT, Rig, lead, of, only, policy

PREVIEW = policy(mode=PacingMode.PREVIEW)


def talked(rig: Rig, call_id: int = 1) -> None:
    """One call is answered, joined to its agent, and over."""
    rig.connect(call_id)
    rig.wait(30.0)
    rig.release(call_id)


def disposed(call_id: int, name: str, *, at: float | None = None, is_personal: bool = False) -> CallDisposed:
    """The word of agent a."""
    return CallDisposed(call_id=call_id, agent_id="a", disposition=name, callback_at=at, is_personal=is_personal)


def test_an_offer_for_another_agent_keeps_its_lead() -> None:
    """A lead promised to one agent and a lead for anybody are offered side by side, and both are still known."""
    rig = Rig()
    promised = replace(lead(1), callback=Callback(at=AT, agent_id="b"))
    rig.log_in("a", "b")
    rig.load_leads(PREVIEW, [promised, lead(2)])
    assert {(each.agent_id, each.lead_id) for each in rig.offers()} == {("b", 1), ("a", 2)}


@pytest.mark.parametrize("answer", [PreviewAccepted, PreviewSkipped])
def test_a_stale_answer_to_an_offer_changes_nothing(answer: type[PreviewAccepted] | type[PreviewSkipped]) -> None:
    """An answer about another lead than the one shown is ignored."""
    rig = Rig()
    rig.load(PREVIEW)
    rig.log_in("a")
    assert rig.send(answer(agent_id="a", lead_id=99)) == []


def test_an_accepted_offer_is_dialed_for_its_agent() -> None:
    """The agent who says dial gets the call."""
    rig = Rig()
    rig.load(PREVIEW)
    rig.log_in("a")
    rig.send(PreviewAccepted(agent_id="a", lead_id=rig.offers()[0].lead_id))
    assert rig.placed()[0].agent_id == "a"
    assert rig.connect(1) == "a"


def test_a_skipped_lead_comes_back_later() -> None:
    """The agent is shown the next lead at once, and the skipped one is pending."""
    rig = Rig()
    rig.load(PREVIEW)
    rig.log_in("a")
    first = rig.offers()[0].lead_id
    second = only(rig.send(PreviewSkipped(agent_id="a", lead_id=first)), OfferPreview).lead_id
    assert second != first
    assert rig.lead(first).state is LeadState.PENDING and rig.lead(first).due_at > rig.now


def test_an_offer_not_taken_pauses_the_agent() -> None:
    """Who does not answer an offer in time seems to be away; the lead goes back."""
    rig = Rig()
    rig.load(PREVIEW)
    rig.log_in("a")
    rig.wait(61.0)
    assert rig.agent("a").state == AgentState.PAUSED
    assert rig.lead(rig.offers()[0].lead_id).state is LeadState.PENDING


@pytest.mark.parametrize(
    ("wish", "after"),
    [
        (AgentLoggedOut(agent_id="a"), AgentState.LOGGED_OUT),
        (AgentPauseRequested(agent_id="a", reason="x"), AgentState.PAUSED),
    ],
)
def test_who_leaves_during_an_offer_leaves_at_once(wish: AgentLoggedOut | AgentPauseRequested, after: str) -> None:
    """Nobody is being rung for an offer, so nothing holds the agent; the lead is kept for another."""
    rig = Rig()
    rig.load(PREVIEW)
    rig.log_in("a")
    rig.send(wish)
    assert rig.agent("a").state == after
    assert rig.campaign().hopper == 5


def test_a_missed_call_does_not_undo_a_log_out() -> None:
    """An agent who left while reserved is logged out, not paused, when the bridge fails."""
    rig = Rig()
    rig.load(policy())
    rig.log_in("a")
    rig.answer(1)
    rig.send(AgentLoggedOut(agent_id="a"), BridgeFailed(call_id=1, agent_id="a"))
    assert rig.agent("a").state == AgentState.LOGGED_OUT


def test_a_late_callback_revives_a_completed_campaign() -> None:
    """A promise entered after the last lead was finished is kept all the same."""
    rig = Rig()
    rig.load(policy(), leads=1)
    rig.log_in("a")
    talked(rig)
    rig.wait(61.0)
    assert rig.campaign().state == "completed"
    rig.send(disposed(1, "later", at=rig.now + 600.0))
    rig.wait(601.0)
    assert len(rig.placed()) == 2


def test_a_lead_finished_while_the_store_is_asked_is_not_counted_for_ever() -> None:
    """The store's count was taken before: it is asked again, and the campaign is completed."""
    rig = Rig()
    rig.load(policy(), leads=1)
    rig.log_in("a")
    only(rig.engine.handle(LeadsImported(campaign="survey"), rig.now), ClaimLeads)
    outdated = rig.store.claim("survey", 20, rig.now)
    talked(rig)
    rig.wait(61.0)
    assert outdated.open_leads == 1 and rig.lead(1).state is LeadState.FINISHED
    rig.send(outdated)
    rig.wait(2.0)
    assert rig.campaign().state == "completed"


def test_a_callback_is_kept_to_while_the_hopper_is_full() -> None:
    """A promised call does not wait until other leads have been dialed."""
    rig = Rig()
    rig.load(policy(min_gap_s=20.0), leads=200)
    rig.log_in("a")
    talked(rig)
    promised = rig.placed()[0].lead_id
    rig.send(disposed(1, "later", at=rig.now + 1800.0), AgentReadied(agent_id="a"))
    for _ in range(100):
        rig.wait(20.0)
        rig.send(CallFailed(call_id=rig.placed()[-1].call_id, outcome=Outcome.BUSY))
        talked_to = [each for each in rig.placed() if each.lead_id == promised]
        if len(talked_to) == 2:
            break
    assert rig.attempt(talked_to[-1].call_id).placed_at <= AT + 30.0 + 1800.0 + 60.0
    assert rig.campaign().hopper <= 40


def test_a_personal_callback_does_not_fill_the_hopper() -> None:
    """Asking for a promised agent again and again claims no more leads than the hopper has room for."""
    rig = Rig()
    promised = [replace(lead(number), callback=Callback(at=AT, agent_id="away")) for number in range(3)]
    long_wait = replace(policy(), callbacks=CallbackPolicy(wait_s=3600.0))
    rig.load_leads(long_wait, [*promised, *(lead(number) for number in range(3, 300))])
    rig.log_in("a")
    for _ in range(60):
        rig.wait(30.0)
        rig.send(CallFailed(call_id=rig.placed()[-1].call_id, outcome=Outcome.BUSY))
    assert rig.campaign().hopper <= 50


@pytest.mark.parametrize("missed", list(MissedCallback))
def test_a_missed_personal_callback_follows_the_policy(missed: MissedCallback) -> None:
    """The promised agent is not there: any agent takes it, or it is promised anew, or it is dropped."""
    rig = Rig()
    callbacks = CallbackPolicy(missed=missed, wait_s=60.0, retry_after_s=900.0)
    rig.load_leads(replace(policy(), callbacks=callbacks), [replace(lead(1), callback=Callback(at=AT, agent_id="z"))])
    rig.log_in("a")
    rig.wait(61.0)
    known = rig.lead()
    match missed:
        case MissedCallback.ANY_AGENT:
            assert [each.agent_id for each in rig.placed()] == ["a"]
        case MissedCallback.RETRY:
            assert known.callback == Callback(at=AT + 60.0 + 900.0, agent_id="z") and known.due_at == AT + 960.0
        case MissedCallback.DROP:
            assert (known.state, known.reason) == (LeadState.FINISHED, "callback_missed")


def test_the_first_word_counts_but_a_do_not_call_always_does() -> None:
    """A second disposition changes nothing, unless the person does not want to be called: that is always kept."""
    rig = Rig()
    rig.load(policy(), leads=1)
    rig.log_in("a")
    talked(rig)
    rig.send(disposed(1, "again"))
    assert rig.send(disposed(1, "sale")) == []
    assert of(rig.send(disposed(1, "refused")), BlockPerson)
    rig.wait(4000.0)
    assert len(rig.placed()) == 1
    assert rig.lead().state is LeadState.FINISHED


def test_a_do_not_call_reaches_the_hoppers_of_all_campaigns_of_the_seller() -> None:
    """The same person waits in another campaign's hopper, and is not dialed."""
    rig = Rig()
    rig.load(policy("first"), leads=1)
    rig.load(policy("second", groups=("others",)), leads=1)
    rig.log_in("a")
    talked(rig)
    rig.send(disposed(1, "refused"))
    rig.log_in("b", groups=("others",))
    assert [each.campaign for each in rig.placed()] == ["first"]
    ends = [(rig.lead(each).state, rig.lead(each).reason) for each in (1, 2)]
    assert ends == [(LeadState.FINISHED, "do_not_call")] * 2


def test_an_early_word_counts_when_the_call_is_over() -> None:
    """A disposition said during the talk is applied at the release."""
    rig = Rig()
    rig.load(policy(), leads=1)
    rig.log_in("a")
    rig.connect(1)
    rig.send(disposed(1, "sale"))
    assert rig.attempt(1).disposition is None
    rig.release(1)
    assert rig.attempt(1).is_success and rig.lead().reason == "sale"


def test_an_unknown_word_ends_the_lead() -> None:
    """A disposition that the campaign does not have is kept as said, and nobody is called on a guess."""
    rig = Rig()
    rig.load(policy(), leads=1)
    rig.log_in("a")
    talked(rig)
    rig.send(disposed(1, "whatever"))
    assert rig.attempt(1).disposition == "whatever" and rig.lead().state is LeadState.FINISHED


def test_a_machine_after_all_is_no_live_answer() -> None:
    """The agent's word takes the answer out of the denominator, at the instant of the word."""
    rig = Rig()
    rig.load(policy(), leads=1)
    rig.log_in("a")
    talked(rig)
    assert rig.campaign().abandonment.live == 1
    rig.send(disposed(1, "machine"))
    assert rig.campaign().abandonment.live == 0 and not rig.attempt(1).is_live
    assert rig.lead().state is LeadState.PENDING


def test_a_campaign_revives_when_leads_are_imported() -> None:
    """A completed campaign dials again when there are new leads; one that was never started does not."""
    rig = Rig()
    rig.load(policy(), leads=0)
    idle = replace(policy("idle", groups=("idle",)), is_started=False)
    rig.load(idle, leads=0)
    rig.log_in("a")
    assert rig.campaign().state == "completed" and rig.campaign("idle").state == "ready"
    rig.add_leads(policy(), [lead(1)])
    rig.add_leads(idle, [lead(2, "idle")])
    rig.imported()
    rig.imported("idle")
    assert [each.campaign for each in rig.placed()] == ["survey"]
    assert rig.campaign("idle").state == "ready"


def test_agents_are_not_held_by_a_callbacks_only_campaign() -> None:
    """With callbacks only, ordinary leads stay in the store, and agents may help elsewhere; resume ends it."""
    rig = Rig()
    rig.load(policy("first"), leads=5)
    rig.control("callbacks-only", "first")
    rig.load(policy("second", groups=("others",)), leads=5)
    rig.log_in("a", groups=("team", "others"))
    rig.send(CallFailed(call_id=1, outcome=Outcome.BUSY))
    assert {each.campaign for each in rig.placed()} == {"second"}
    rig.control("stop", "second")
    rig.send(CallFailed(call_id=2, outcome=Outcome.BUSY))
    rig.control("resume", "first")
    assert rig.placed()[-1].campaign == "first"


def test_a_closed_list_is_put_off_in_large_steps() -> None:
    """Thousands of leads outside their hours cost a few claims, not one for every twenty; an open one resets that."""
    rig = Rig()
    closed = [replace(lead(number), numbers=asia(number)) for number in range(3000)]
    rig.load_leads(policy(), closed)
    rig.log_in("a")
    assert rig.placed() == []
    claims = [each for each in rig.out if isinstance(each, ClaimLeads)]
    assert len(claims) < 20
    assert max(each.count for each in claims) <= 1000
    mark = len(rig.out)
    rig.add_leads(policy(), [lead(5000)])
    rig.imported()
    assert len(rig.placed()) == 1
    assert len([each for each in rig.out[mark:] if isinstance(each, ClaimLeads)]) < 4


def asia(number: int) -> tuple[PhoneNumber, ...]:
    """A number whose holder's evening it is, unlike any other's."""
    e164 = f"+82200{number:07d}"
    return (PhoneNumber(e164=e164, kind="mobile", region="KR", zones=("Asia/Seoul",)),)
