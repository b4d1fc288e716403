"""What a start makes of calls and agents of an earlier run, as the gateway says where they are."""

from dataclasses import replace

import pytest

from dialer.domain.commands import (
    BridgeCall,
    Command,
    HangUp,
    PlaceCall,
    PlayMessage,
    RecordAgent,
    RecordAgentSpan,
    RecordAttempt,
    SaveLead,
)
from dialer.domain.events import (
    AgentLoggedIn,
    CallBridged,
    CallDisposed,
    CallFailed,
    CallReleased,
    CampaignLoaded,
    EarlierRunFound,
    FoundCall,
    FoundConnect,
    LeadsImported,
)
from dialer.domain.lead import Lead, LeadState
from dialer.domain.living import LivingCall, LivingState
from dialer.domain.outcome import Outcome
from dialer.domain.policy import CampaignPolicy, PacingMode, RetryRule
from dialer.domain.records import AgentRecord, Attempt
from dialer.engine.resuming import FATE_UNKNOWN, NEVER_SENT, NO_AGENT_LEFT, certainty
from dialer.engine.retry import placed
from tests.unit.engine.rig import AT, Rig, lead, of, only, policy

PLACED_AT = AT - 20.0
BRIDGED = LivingCall(call_id=7, state=LivingState.BRIDGED, answered_at=AT - 9.0, agent_id="a1", bridged_at=AT - 8.0)
WAITING = LivingCall(
    call_id=7, state=LivingState.ANSWERED, answered_at=AT - 1.0, classified_at=AT - 1.0, is_machine=False
)


class Restarted(Rig):
    """An engine that starts on what another one left behind: one lead, on call 7 or after it."""

    def __init__(self, campaign: CampaignPolicy | None = None, *, leads: int = 1) -> None:
        super().__init__()
        self.policy = campaign or policy()
        self.store.register(self.policy)
        self.add_leads(self.policy, [lead(number) for number in range(leads)])
        [claimed] = self.store.claim(self.policy.name, 1, self.now).leads
        self.lead_7 = placed(replace(claimed, standing=None), 0, PLACED_AT)
        self.send(CampaignLoaded(policy=self.policy))

    def attempt_7(self, **changes: object) -> Attempt:
        """The attempt as it was kept when it was placed, or later."""
        attempt = Attempt(
            call_id=7,
            campaign=self.policy.name,
            lead_id=self.lead_7.lead_id,
            number=self.lead_7.numbers[0].e164,
            mode=self.policy.pacing.mode,
            placed_at=PLACED_AT,
            seller=self.policy.seller,
        )
        return replace(attempt, **changes)  # type: ignore[arg-type]

    def found(self, living: LivingCall | None, *agents: AgentRecord, **changes: object) -> list[Command]:
        """Let the engine find call 7."""
        call = FoundCall(attempt=self.attempt_7(**changes), lead=self.lead_7, living=living)
        return self.send(EarlierRunFound(stopped_at=AT - 5.0, calls=(call,), agents=agents))


def agent(state: str, agent_id: str = "a1", **changes: object) -> AgentRecord:
    """An agent as kept."""
    record = AgentRecord(agent_id=agent_id, groups=("team",), state=state, reason="", since_at=AT - 60.0)
    return replace(record, **changes)  # type: ignore[arg-type]


def last(commands: list[Command]) -> Attempt:
    """The attempt as it was kept last."""
    return of(commands, RecordAttempt)[-1].attempt


def test_a_call_that_nobody_knows_of_is_of_unknown_fate_and_its_lead_is_left_alone() -> None:
    """It counts as a live answer that found no agent; without a rule the lead is finished."""
    rig = Restarted()
    commands = rig.found(None)
    ended = last(commands)
    assert (ended.outcome, ended.released_at, ended.released_by) == (Outcome.UNKNOWN, AT, "unknown")
    assert (ended.cause, certainty(ended)) == (FATE_UNKNOWN, "unknown")
    assert of(commands, SaveLead)[-1].lead.state is LeadState.FINISHED
    shown = rig.campaign().abandonment
    assert (shown.live, shown.abandoned) == (1, 1)


def test_a_rule_for_unknown_calls_again_but_not_before_its_window_is_over() -> None:
    """The campaign may say that such a lead is retried."""
    made = policy()
    made = replace(made, retry=replace(made.retry, rules={Outcome.UNKNOWN: RetryRule(after_s=900.0, times=1)}))
    rig = Restarted(made)
    commands = rig.found(None, agent("ready"))
    known = of(commands, SaveLead)[-1].lead
    assert (known.state, known.due_at) == (LeadState.PENDING, AT + 900.0)
    assert rig.wait(899.0) is not None and rig.placed() == []
    rig.wait(2.0)
    assert len(rig.placed()) == 1


def test_an_order_that_never_came_called_nobody() -> None:
    """What the gateway is sure never to have got is no abandonment, and the lead is called again soon."""
    rig = Restarted()
    commands = rig.found(LivingCall(call_id=7, state=LivingState.NEVER))
    ended = last(commands)
    assert (ended.outcome, ended.cause, certainty(ended)) == (Outcome.CANCELLED, NEVER_SENT, "never sent")
    assert of(commands, SaveLead)[-1].lead.due_at == AT + 300.0
    assert rig.campaign().abandonment.abandoned == 0


def test_a_live_answer_that_is_gone_was_abandoned() -> None:
    """It had waited for an agent when the dialer stopped."""
    rig = Restarted()
    ended = last(rig.found(None, is_live=True, answered_at=AT - 9.0, classified_at=AT - 8.0))
    assert (ended.outcome, ended.is_abandoned, ended.abandoned_at) == (Outcome.ABANDONED, True, AT)
    assert rig.campaign().abandonment.abandoned == 1


def test_an_abandonment_that_was_counted_is_not_counted_again() -> None:
    """The budget from storage has it already."""
    rig = Restarted()
    live = {"is_live": True, "answered_at": AT - 9.0, "classified_at": AT - 8.0}
    kept = {"is_abandoned": True, "abandoned_at": AT - 6.0, "message_at": AT - 6.0, "outcome": Outcome.ABANDONED}
    ended = last(rig.found(None, **live, **kept))
    assert (ended.outcome, ended.abandoned_at) == (Outcome.ABANDONED, AT - 6.0)
    assert rig.campaign().abandonment.abandoned == 0
    assert rig.campaign().counts["abandoned"] == 1


def test_a_conversation_goes_on_without_a_login() -> None:
    """The bridged call is adopted, its agent talks; the wrap-up and the word follow as ever."""
    rig = Restarted()
    kept = {"is_live": True, "answered_at": AT - 9.0, "classified_at": AT - 9.0, "bridged_at": AT - 8.0}
    rig.found(BRIDGED, agent("talking", call_id=7, campaign="survey"), **kept, agent_id="a1")
    assert (rig.agent("a1").state, rig.agent("a1").call_id) == ("talking", 7)
    assert rig.campaign().calls["connected"] == 1
    rig.now += 60.0
    rig.release(7)
    assert rig.agent("a1").state == "wrap_up"
    rig.send(CallDisposed(call_id=7, agent_id="a1", disposition="sale"))
    ended = rig.attempt(7)
    assert (ended.outcome, ended.disposition, certainty(ended)) == (Outcome.CONNECTED, "sale", "resolved")
    assert rig.lead().reason == "sale"


def test_a_bridge_that_was_not_heard_of_is_late_news() -> None:
    """The instants are the gateway's: the agent was on the line in time, so nobody was abandoned."""
    rig = Restarted()
    ended = last(rig.found(replace(BRIDGED, bridged_at=AT - 7.5), agent("reserved", call_id=7, campaign="survey")))
    assert (ended.answered_at, ended.bridged_at, ended.is_abandoned) == (AT - 9.0, AT - 7.5, False)
    assert rig.agent("a1").state == "talking"
    assert rig.campaign().abandonment.live == 1


def test_a_bridge_too_late_by_the_original_clock_is_an_abandonment() -> None:
    """Five seconds after the answer is over the threshold of two, however late it is heard of."""
    rig = Restarted()
    ended = last(rig.found(replace(BRIDGED, bridged_at=AT - 4.0), agent("reserved", call_id=7, campaign="survey")))
    assert (ended.is_late_connect, ended.is_abandoned, ended.abandoned_at) == (True, True, AT - 7.0)
    assert rig.campaign().abandonment.abandoned == 1


def test_a_conversation_waits_for_its_agent_to_come_back() -> None:
    """Who was not at the desk at the start talks on after logging in."""
    rig = Restarted()
    call = FoundCall(attempt=rig.attempt_7(), lead=rig.lead_7, living=BRIDGED)
    rig.send(EarlierRunFound(stopped_at=AT, calls=(call,), agents=(agent("talking", call_id=7),), present=()))
    assert rig.engine.status(AT).agents == ()
    rig.send(AgentLoggedIn(agent_id="a1", groups=("team",)))
    assert (rig.agent("a1").state, rig.agent("a1").call_id) == ("talking", 7)
    rig.release(7)
    assert rig.agent("a1").state == "wrap_up"


def test_a_conversation_that_is_gone_was_a_connect_and_its_agent_wraps_up() -> None:
    """The word may still come; without one the lead is finished when the wrap-up is over."""
    rig = Restarted()
    kept = {"is_live": True, "answered_at": AT - 9.0, "classified_at": AT - 9.0, "bridged_at": AT - 8.0}
    ended = last(rig.found(None, agent("talking", call_id=7, campaign="survey"), **kept, agent_id="a1"))
    assert (ended.outcome, ended.is_abandoned, certainty(ended)) == (Outcome.CONNECTED, False, "unknown")
    assert rig.agent("a1").state == "wrap_up"
    rig.wait(400.0)
    assert rig.lead().reason == "undisposed"


def test_a_ringing_call_goes_on_while_somebody_may_take_it() -> None:
    """A free agent of the campaign is enough for a call that holds nobody."""
    rig = Restarted()
    rig.found(LivingCall(call_id=7, state=LivingState.RINGING, ringing_at=AT - 15.0), agent("ready"))
    assert rig.campaign().calls["ringing"] == 1
    assert only(rig.answer(7), BridgeCall).agent_id == "a1"


@pytest.mark.parametrize("agents", [(), (agent("paused"),)])
def test_a_ringing_call_that_nobody_is_left_for_is_released(agents: tuple[AgentRecord, ...]) -> None:
    """It is hung up before anybody can answer, and the lead is called again soon."""
    rig = Restarted()
    commands = rig.found(LivingCall(call_id=7, state=LivingState.RINGING), *agents)
    assert only(commands, HangUp).reason == NO_AGENT_LEFT
    rig.send(CallFailed(call_id=7, outcome=Outcome.NO_ANSWER))
    assert rig.attempt(7).outcome is Outcome.CANCELLED


def test_a_ringing_call_whose_own_agent_is_gone_is_released() -> None:
    """Another agent was not promised to it."""
    rig = Restarted()
    ringing = LivingCall(call_id=7, state=LivingState.RINGING)
    assert of(rig.found(ringing, agent("ready", "a2"), is_reserved=True), HangUp)
    held = Restarted()
    assert not of(held.found(ringing, agent("reserved", call_id=7, campaign="survey"), is_reserved=True), HangUp)
    assert held.agent("a1").state == "reserved"


def test_an_answer_within_its_threshold_is_joined_to_a_free_agent() -> None:
    """It waits from its own answer on."""
    rig = Restarted()
    assert only(rig.found(WAITING, agent("ready")), BridgeCall).agent_id == "a1"
    rig.send(CallBridged(call_id=7, agent_id="a1"))
    assert not rig.attempt(7).is_abandoned


def test_an_answer_past_its_threshold_is_abandoned() -> None:
    """Even with an agent free now: the law's clock did not stop with the dialer."""
    rig = Restarted()
    commands = rig.found(replace(WAITING, answered_at=AT - 3.0, classified_at=AT - 3.0), agent("ready"))
    assert only(commands, PlayMessage).call_id == 7
    assert rig.campaign().abandonment.abandoned == 1


def test_an_answer_that_nobody_timed_has_waited_since_it_was_placed() -> None:
    """What was not measured counts against us."""
    commands = Restarted().found(replace(WAITING, answered_at=None, classified_at=None), agent("ready"))
    assert only(commands, PlayMessage).call_id == 7


def test_a_machine_is_hung_up_on() -> None:
    """The detector spoke while no engine was there."""
    rig = Restarted()
    assert only(rig.found(replace(WAITING, is_machine=True)), HangUp)
    rig.send(CallReleased(call_id=7, by="engine"))
    assert rig.attempt(7).outcome is Outcome.MACHINE


def test_a_hang_up_that_was_decided_is_ordered_again() -> None:
    """What a call was stays known, through any number of restarts, and whatever the gateway says of it then."""
    for living in (WAITING, BRIDGED, LivingCall(call_id=7, state=LivingState.RINGING)):
        rig = Restarted()
        kept = {"answered_at": AT - 9.0, "classified_at": AT - 9.0, "outcome": Outcome.MACHINE}
        assert only(rig.found(living, agent("ready"), **kept), HangUp)
        rig.send(CallReleased(call_id=7, by="engine"))
        assert (rig.attempt(7).outcome, rig.campaign().abandonment.abandoned) == (Outcome.MACHINE, 0)


def test_a_message_that_did_not_start_is_ordered_again() -> None:
    """The order was committed and never left."""
    live = {"is_live": True, "answered_at": AT - 9.0, "classified_at": AT - 9.0}
    kept = {"is_abandoned": True, "abandoned_at": AT - 6.0, "message_at": AT - 6.0, "outcome": Outcome.ABANDONED}
    rig = Restarted()
    assert only(rig.found(WAITING, **live, **kept), PlayMessage)
    assert rig.campaign().calls["message"] == 1


def test_calls_that_no_attempt_explains_are_hung_up() -> None:
    """Whoever is on them was not called by us for anything that is still open."""
    rig = Restarted()
    assert only(rig.send(EarlierRunFound(stopped_at=AT, strangers=(99,))), HangUp).call_id == 99


def test_agents_are_where_they_were() -> None:
    """Ready, on a break with its reason, with a break owed: nobody logs in again. An offer that was open is none."""
    rig = Restarted()
    team = (agent("paused", "a1", reason="lunch"), agent("ready", "a2"), agent("reserved", "a3"))
    rig.send(EarlierRunFound(stopped_at=AT - 5.0, agents=team))
    assert (rig.agent("a1").state, rig.agent("a1").reason) == ("paused", "lunch")
    assert [rig.agent(each).state for each in ("a2", "a3")] == ["ready", "ready"]


def test_who_is_not_at_the_desk_is_logged_out_and_was_there_until_the_stop() -> None:
    """The span ends when the earlier run was last heard of."""
    rig = Restarted()
    commands = rig.send(EarlierRunFound(stopped_at=AT - 5.0, agents=(agent("ready"),), present=("a2",)))
    span = only(commands, RecordAgentSpan).span
    assert (span.state, span.from_at, span.to_at) == ("ready", AT - 60.0, AT - 5.0)
    assert only(commands, RecordAgent).agent.state == "logged_out"


def connect(rig: Restarted, lead: Lead, **changes: object) -> EarlierRunFound:
    """A connect of agent a1, over, without a word unless told otherwise."""
    attempt = rig.attempt_7(
        is_live=True,
        answered_at=AT - 90.0,
        classified_at=AT - 90.0,
        bridged_at=AT - 90.0,
        released_at=AT - 10.0,
        agent_id="a1",
        outcome=Outcome.CONNECTED,
        **changes,
    )
    wrapping = agent("wrap_up", call_id=7, campaign="survey", since_at=AT - 10.0)
    return EarlierRunFound(
        stopped_at=AT - 5.0, connects=(FoundConnect(attempt=attempt, lead=lead),), agents=(wrapping,)
    )


def test_a_word_typed_during_the_outage_is_applied_when_it_arrives() -> None:
    """The agent is in wrap-up still, and the lead waits for the word."""
    rig = Restarted()
    assert not of(rig.send(connect(rig, replace(rig.lead_7, state=LeadState.CLAIMED))), SaveLead)
    assert rig.agent("a1").state == "wrap_up"
    rig.send(CallDisposed(call_id=7, agent_id="a1", disposition="later", callback_at=AT + 3600.0))
    assert (rig.lead().state, rig.lead().due_at) == (LeadState.PENDING, AT + 3600.0)


def test_a_word_on_a_connect_that_was_finished_without_one_still_counts() -> None:
    """Hours later, too: above all a "do not call"."""
    rig = Restarted()
    rig.send(connect(rig, replace(rig.lead_7, state=LeadState.FINISHED, reason="undisposed")))
    rig.send(CallDisposed(call_id=7, agent_id="a1", disposition="refused"))
    assert rig.attempt(7).disposition == "refused"
    assert rig.store.is_blocked("Example Seller", rig.lead_7.numbers[0].e164)


def test_a_refusal_that_follows_another_word_acts_as_within_a_run() -> None:
    """The connect had its word before the restart: only a "do not call" changes anything, and nothing is counted."""
    rig = Restarted()
    before = rig.send(connect(rig, replace(rig.lead_7, state=LeadState.PENDING), disposition="later", disposed_at=AT))
    assert not of(before, SaveLead) and not of(before, RecordAttempt)
    rig.wait(400.0)
    assert rig.send(CallDisposed(call_id=7, agent_id="a1", disposition="sale")) == []
    rig.send(CallDisposed(call_id=7, agent_id="a1", disposition="refused"))
    assert rig.store.is_blocked("Example Seller", rig.lead_7.numbers[0].e164)


def test_a_word_said_during_the_call_is_applied_at_its_end() -> None:
    """It was kept; whether the call lives or not makes no difference."""
    for living in (None, BRIDGED):
        rig = Restarted()
        kept = rig.attempt_7(
            is_live=True, classified_at=AT - 9.0, answered_at=AT - 9.0, bridged_at=AT - 8.0, agent_id="a1"
        )
        word = CallDisposed(call_id=7, agent_id="a1", disposition="sale")
        call = FoundCall(attempt=kept, lead=rig.lead_7, living=living, word=word)
        rig.send(
            EarlierRunFound(stopped_at=AT, calls=(call,), agents=(agent("talking", call_id=7, campaign="survey"),))
        )
        if living is not None:
            rig.release(7)
        assert (rig.attempt(7).disposition, rig.lead().reason) == ("sale", "sale")


def test_predictive_pacing_begins_again_with_one_call_per_reserved_agent() -> None:
    """Nothing is learned yet: however many agents are ready, each call holds one."""
    rig = Restarted(policy(mode=PacingMode.PREDICTIVE), leads=40)
    team = tuple(agent("ready", f"b{number}") for number in range(4))
    rig.send(EarlierRunFound(stopped_at=AT - 5.0, agents=team), LeadsImported(campaign="survey"))
    assert sorted(each.agent_id or "" for each in rig.placed()) == ["b0", "b1", "b2", "b3"]


def test_the_file_of_a_campaign_with_calls_may_be_gone() -> None:
    """It is loaded without being started, its calls are settled, and nothing is dialed."""
    rig = Restarted(replace(policy(), is_started=False), leads=5)
    rig.found(None, agent("ready"))
    rig.send(CampaignLoaded(policy=rig.policy))
    assert rig.attempt(7).outcome is Outcome.UNKNOWN
    assert not of(rig.out, PlaceCall)
