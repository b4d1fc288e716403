"""The whole engine under an adversary: agents, switch, operators and the clock do whatever they like, in any order.

The switch may report anything about any call, late, twice or never. After every step the invariants of the design hold.
"""

from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from dialer.compliance.gate import places
from dialer.compliance.hours import opening
from dialer.domain.commands import (
    BlockPerson,
    BridgeCall,
    ClaimLeads,
    Command,
    HandOverCall,
    HangUp,
    OfferPreview,
    PlaceCall,
    RecordAttempt,
    RecordVerdict,
    SaveLead,
)
from dialer.domain.events import (
    AgentLoggedIn,
    AgentLoggedOut,
    AgentPauseRequested,
    AgentReadied,
    BridgeFailed,
    CallAnswered,
    CallBridged,
    CallClassified,
    CallDisposed,
    CallFailed,
    CallReleased,
    CallRinging,
    CampaignControlled,
    CampaignLoaded,
    DrainRequested,
    Event,
    HandOverRequested,
    LawLoaded,
    LeadsImported,
    MessageBegan,
    PreviewAccepted,
    PreviewSkipped,
    StoreLagged,
)
from dialer.domain.lag import Lag
from dialer.domain.lead import Lead
from dialer.domain.outcome import FAILURES, Outcome
from dialer.domain.policy import CampaignPolicy, PacingMode
from dialer.domain.records import Attempt, VerdictRecord
from dialer.engine.campaign import ACTIONS
from dialer.engine.engine import Engine
from dialer.storage.memory import MemoryStore
from tests.laws import open_law
from tests.properties.floor import DISPOSITIONS, HOURS, MONDAY_9_UTC, lead, policy

LINES = 6
LEADS = 40
AGENTS = [f"agent-{number}" for number in range(4)]
CAMPAIGNS = ["careful", "free", "shown"]
FAILED = sorted(FAILURES)
FATES = ["live", "live", "no_answer", "busy"]
LIVE_ENDS = (Outcome.CONNECTED, Outcome.ABANDONED, Outcome.ABANDONED_BY_CALLEE)


class EngineMachine(RuleBasedStateMachine):
    """Drives one engine with a store in memory; the switch is Hypothesis."""

    def __init__(self) -> None:
        super().__init__()
        self.now = MONDAY_9_UTC + 2.5 * 3600.0  # half an hour before the lunch break closes the campaigns
        self.engine = Engine(lines=LINES, calls_per_second=2.0)
        self.store = MemoryStore()
        self.journal: list[tuple[float, Event | None, list[Command]]] = []
        self.placed: dict[int, PlaceCall] = {}
        self.attempts: dict[int, Attempt] = {}
        self.blocked: set[str] = set()
        self.verdicts: dict[str, VerdictRecord] = {}  # the last one on each number
        self.offers: list[OfferPreview] = []
        self.policies: dict[str, CampaignPolicy] = {}

    @initialize(
        modes=st.permutations([PacingMode.PREDICTIVE, PacingMode.POWER, PacingMode.PREVIEW]), rest=st.booleans()
    )
    def load(self, modes: list[PacingMode], rest: bool) -> None:
        """Load three campaigns: one that may not abandon anybody, one that may, one of previews."""
        gap = {"min_gap_s": 5.0, "occupancy_max": 0.8} if rest else {}
        self.send(LawLoaded(law=open_law()))
        for name, mode in zip(CAMPAIGNS, modes, strict=True):
            cap = 0.0 if name == "careful" else 0.03
            loaded = policy(name, mode=mode, cap_rate=cap, target_rate=cap, message=None if rest else "sorry", **gap)
            self.policies[name] = loaded
            self.store.register(loaded)
            with self.store.importing(loaded, "list", "digest", self.now) as session:
                for number in range(LEADS):
                    zone = "Europe/London" if number % 3 else "Asia/Seoul"
                    session.add(replace(lead(number, name, numbers=1 + number % 2, zone=zone), lead_id=0))
            self.send(CampaignLoaded(policy=loaded))
            self.send(LeadsImported(campaign=name))
        for agent_id in AGENTS[:2]:
            self.send(AgentLoggedIn(agent_id=agent_id, groups=("team",)))
            self.send(AgentReadied(agent_id=agent_id))

    # ------------------------------------------------------------------------------------------- the driver

    def send(self, event: Event) -> None:
        """Hand an event to the engine, then the store's answers at the same instant."""
        waiting = [event]
        while waiting:
            head = waiting.pop(0)
            waiting += self.route(head, self.engine.handle(head, self.now))

    def route(self, event: Event | None, commands: list[Command]) -> list[Event]:
        """Carry out commands as a driver does; check those that the law cares for."""
        self.journal.append((self.now, event, commands))
        answers: list[Event] = []
        for command in commands:
            match command:
                case ClaimLeads():
                    answers.append(self.store.claim(command.campaign, command.count, self.now))
                case PlaceCall():
                    self.check_placed(command)
                case RecordAttempt():
                    self.attempts[command.attempt.call_id] = command.attempt
                case OfferPreview():
                    self.offers.append(command)
                case BlockPerson():
                    self.blocked.update(command.numbers)
                case RecordVerdict():
                    self.verdicts[command.record.number] = command.record
            self.store.apply([command])
        return answers

    def check_placed(self, command: PlaceCall) -> None:
        """A call that is placed was allowed now, holds an agent where it must, and is the lead's only one."""
        known = self.store.lead(command.lead_id)
        assert known is not None
        campaign = self.policies[command.campaign]
        number = next(each for each in known.numbers if each.e164 == command.number)
        assert opening(HOURS, places(known, number), self.now).is_open
        assert command.number not in self.blocked
        verdict = self.verdicts[command.number]
        assert (verdict.at, verdict.campaign, verdict.lead_id) == (self.now, command.campaign, command.lead_id)
        assert verdict.verdict.allowed
        assert command.agent_id is not None or not verdict.verdict.needs_agent
        assert known.attempts <= campaign.retry.attempts_max
        assert number.attempts <= campaign.numbers.attempts_each
        assert not number.is_invalid
        assert command.call_id not in self.placed
        in_flight = [each for each in self.attempts.values() if each.released_at is None]
        assert [each.call_id for each in in_flight if each.lead_id == command.lead_id] == [command.call_id]
        self.placed[command.call_id] = command
        status = next(each for each in self.engine.status(self.now).campaigns if each.name == command.campaign)
        assert status.state == "running"
        if campaign.abandonment.cap_rate == 0.0 or campaign.pacing.mode in (PacingMode.PREVIEW, PacingMode.PROGRESSIVE):
            assert command.agent_id is not None

        if command.agent_id is None:
            budget = self.engine._state.campaigns[command.campaign].budget
            live, abandoned = budget.last_hour(self.now)
            assert abandoned <= 5.0 / 3.0 * campaign.abandonment.cap_rate * live + 3.0

    # ------------------------------------------------------------------------------------------ what happens

    @rule(agent_id=st.sampled_from(AGENTS), what=st.sampled_from(["in", "ready", "ready", "pause", "out"]))
    def agent_wishes(self, agent_id: str, what: str) -> None:
        """An agent asks for something."""
        wishes: dict[str, Event] = {
            "in": AgentLoggedIn(agent_id=agent_id, groups=("team",)),
            "ready": AgentReadied(agent_id=agent_id),
            "pause": AgentPauseRequested(agent_id=agent_id, reason="break"),
            "out": AgentLoggedOut(agent_id=agent_id),
        }
        self.send(wishes[what])

    @rule(data=st.data(), what=st.sampled_from(["ring", "answer", "live", "machine", "fail", "message", "release"]))
    def switch_reports(self, data: Any, what: str) -> None:
        """The switch says something about any call there ever was, true or not."""
        if not self.placed:
            return
        call_id = data.draw(st.sampled_from(sorted(self.placed)[-8:]))
        reports: dict[str, Event] = {
            "ring": CallRinging(call_id=call_id),
            "answer": CallAnswered(call_id=call_id),
            "live": CallClassified(call_id=call_id, is_machine=False, greeting_end_at=self.now),
            "machine": CallClassified(call_id=call_id, is_machine=True),
            "fail": CallFailed(call_id=call_id, outcome=data.draw(st.sampled_from(FAILED))),
            "message": MessageBegan(call_id=call_id, at=self.now - 1.0),
            "release": CallReleased(call_id=call_id, by="callee"),
        }
        self.send(reports[what])

    @rule(data=st.data(), is_joined=st.booleans())
    def switch_bridges(self, data: Any, is_joined: bool) -> None:
        """The switch joins an agent to a call, or says that it could not; maybe the wrong one."""
        ordered = [each for _, _, commands in self.journal[-60:] for each in commands if isinstance(each, BridgeCall)]
        if not ordered:
            return
        order = data.draw(st.sampled_from(ordered[-4:]))
        kind = CallBridged if is_joined else BridgeFailed
        self.send(kind(call_id=order.call_id, agent_id=order.agent_id))

    @rule(data=st.data(), agent_id=st.sampled_from(AGENTS))
    def agent_hands_over(self, data: Any, agent_id: str) -> None:
        """An agent wants a supervisor for any call there ever was; one is fetched for who talks on it alone."""
        if not self.placed:
            return
        call_id = data.draw(st.sampled_from(sorted(self.placed)[-8:]))
        self.send(HandOverRequested(call_id=call_id, agent_id=agent_id))
        _, _, commands = self.journal[-1]
        if any(isinstance(each, HandOverCall) for each in commands):
            kept = self.attempts[call_id]
            assert kept.bridged_at is not None and kept.released_at is None and kept.agent_id == agent_id

    @rule(data=st.data(), name=st.sampled_from([*DISPOSITIONS, "unheard of"]), is_personal=st.booleans())
    def agent_disposes(self, data: Any, name: str, is_personal: bool) -> None:
        """An agent says how a call went: during it, after it, or long after."""
        connected = [each for each in self.attempts.values() if each.bridged_at is not None]
        if not connected:
            return
        attempt = data.draw(st.sampled_from(connected[-5:]))
        after_s = data.draw(st.sampled_from([60.0, 1800.0, 86400.0]))
        self.send(
            CallDisposed(
                call_id=attempt.call_id,
                agent_id=attempt.agent_id or "",
                disposition=name,
                callback_at=self.now + after_s,
                is_personal=is_personal,
            )
        )

    @rule(data=st.data(), is_accepted=st.booleans())
    def agent_previews(self, data: Any, is_accepted: bool) -> None:
        """An agent answers an offer, maybe one that is long gone."""
        if not self.offers:
            return
        offer = data.draw(st.sampled_from(self.offers[-4:]))
        kind = PreviewAccepted if is_accepted else PreviewSkipped
        self.send(kind(agent_id=offer.agent_id, lead_id=offer.lead_id))

    @rule(name=st.sampled_from([*CAMPAIGNS, "unknown"]), action=st.sampled_from(sorted({act for _, act in ACTIONS})))
    def operator_acts(self, name: str, action: str) -> None:
        """An operator does something to a campaign, whether it makes sense or not."""
        self.send(CampaignControlled(campaign=name, action=action, reason="because", who="operator"))

    @rule(name=st.sampled_from(CAMPAIGNS), mode=st.sampled_from(list(PacingMode)))
    def operator_reloads(self, name: str, mode: PacingMode) -> None:
        """A campaign file changes its pacing mode while calls are on."""
        self.policies[name] = replace(self.policies[name], pacing=replace(self.policies[name].pacing, mode=mode))
        self.store.register(self.policies[name])
        self.send(CampaignLoaded(policy=self.policies[name]))

    @rule(lag=st.sampled_from(list(Lag)))
    def store_lags(self, lag: Lag) -> None:
        """The store becomes slow, stalls or catches up, at any time."""
        self.send(StoreLagged(lag=lag, lag_s=0.5))

    @rule(after_s=st.sampled_from([0.0, 0.1, 1.0, 2.0, 10.0, 70.0, 400.0, 1800.0]))
    def time_passes(self, after_s: float) -> None:
        """The clock goes on; deadlines are met in their order."""
        until = self.now + after_s
        for _ in range(200 + int(4 * after_s)):
            at = self.engine.next_deadline()
            if at is None or at > until:
                break
            self.now = max(self.now, at)
            answers = self.route(None, self.engine.handle_timer(self.now))
            deadline = self.engine.next_deadline()
            assert deadline is None or deadline > self.now
            for answer in answers:
                self.send(answer)
        else:
            raise AssertionError("the engine's deadlines do not let time pass")
        self.now = until

    @rule(fates=st.lists(st.sampled_from(FATES), min_size=1, max_size=4), minutes=st.integers(1, 3))
    def all_goes_well(self, fates: list[str], minutes: int) -> None:
        """For some minutes the switch works as it should, and agents take their calls."""
        for minute in range(minutes):
            for agent_id in AGENTS:
                self.send(AgentLoggedIn(agent_id=agent_id, groups=("team",)))
                self.send(AgentReadied(agent_id=agent_id))
            self.time_passes(8.0)
            for call_id in [each for each, attempt in self.attempts.items() if attempt.released_at is None]:
                self.end_well(call_id, fates[(call_id + minute) % len(fates)])

    def end_well(self, call_id: int, fate: str) -> None:
        """Let one call go its way from where it is."""
        if fate != "live":
            self.send(CallFailed(call_id=call_id, outcome=Outcome(fate)))
            return
        self.send(CallRinging(call_id=call_id))
        self.send(CallAnswered(call_id=call_id))
        mark = len(self.journal)
        self.send(CallClassified(call_id=call_id, is_machine=False))
        for _, _, commands in self.journal[mark:]:
            for command in commands:
                if isinstance(command, BridgeCall):
                    self.send(CallBridged(call_id=command.call_id, agent_id=command.agent_id))

    @rule(is_meant=st.integers(0, 29).map(lambda number: number == 29))
    def daemon_drains(self, is_meant: bool) -> None:
        """The daemon is asked to end, once in a while; nothing starts any more."""
        if not is_meant:
            return
        before = len(self.placed)
        self.send(DrainRequested(reason="stop"))
        self.time_passes(30.0)
        assert len(self.placed) == before

    # ------------------------------------------------------------------------------------------- invariants

    @invariant()
    def an_agent_has_one_call(self) -> None:
        """No two agents share a call, and only busy agents have one."""
        status = self.engine.status(self.now)
        busy = [each.call_id for each in status.agents if each.call_id is not None]
        assert len(busy) == len(set(busy))
        assert all(each.state in ("reserved", "talking", "wrap_up") for each in status.agents if each.call_id)

    @invariant()
    def an_agent_counts_for_one_campaign(self) -> None:
        """Who may take the calls of several campaigns is on the floor of one at a time: nobody is counted twice."""
        shown = [agent_id for campaign in self.engine._state.campaigns.values() for agent_id in campaign.agents]
        assert len(shown) == len(set(shown))
        assert all(self.engine._state.agents[agent_id].campaign is not None for agent_id in shown)

    @invariant()
    def lines_suffice(self) -> None:
        """Calls in flight never exceed the lines."""
        assert self.engine.status(self.now).lines_used <= LINES

    @invariant()
    def calls_balance(self) -> None:
        """Placed calls are finished or in flight, and each lead is in one call at most."""
        for campaign in self.engine.status(self.now).campaigns:
            counts = campaign.counts
            assert counts["dials"] == counts["finished"] + sum(campaign.calls.values())
        open_leads = [each.lead_id for each in self.attempts.values() if each.released_at is None]
        assert len(open_leads) == len(set(open_leads))

    @invariant()
    def live_answers_are_accounted_for(self) -> None:
        """A live answer that is over was connected, abandoned, or abandoned by the callee."""
        for attempt in self.attempts.values():
            if attempt.is_live and attempt.released_at is not None:
                assert attempt.outcome in LIVE_ENDS, attempt
            if attempt.is_abandoned:
                assert attempt.is_live or attempt.disposition == "machine"

    @invariant()
    def nobody_is_held_for_nothing(self) -> None:
        """A reserved or talking agent has a live call, or an offer that ends; a call not connected has a deadline."""
        state = self.engine._state
        deadlines = state.timers._current
        for agent_id, agent in state.agents.items():
            if agent.state == "reserved" and agent_id in state.offers:
                assert ("offer", agent_id) in deadlines
            elif agent.state in ("reserved", "talking"):
                assert agent.call_id in state.calls and state.calls[agent.call_id].agent_id == agent_id
            elif agent.state == "wrap_up":
                assert ("wrap_up", agent_id) in deadlines
        for call_id, call in state.calls.items():
            assert call.state == "connected" or ("call", call_id) in deadlines
        assert not state.joined

    @invariant()
    def claimed_leads_are_in_hand(self) -> None:
        """A lead that the store calls claimed is in a hopper, on offer, on a call, or waits for an agent's word."""
        state = self.engine._state
        held = {each.lead.lead_id for each in state.offers.values()}
        held |= {each.lead.lead_id for each in state.dialed.values()}
        waiting = [each for each in state.undisposed.values() if not (each.has_word or each.is_settled)]
        held |= {each.dialed.lead.lead_id for each in waiting}
        for name in self.policies:
            hopper = state.campaigns[name].hopper
            for each in self.store.leads(name):
                assert each.state != "claimed" or each.lead_id in held or each.lead_id in hopper

    @invariant()
    def no_lead_is_lost(self) -> None:
        """Every lead is in the store, and those that the engine does not hold are pending or finished."""
        leads: list[Lead] = [each for name in self.policies for each in self.store.leads(name)]
        assert len(leads) == LEADS * len(self.policies)

    def teardown(self) -> None:
        """Replaying the journal gives the same commands and the same status."""
        again = Engine(lines=LINES, calls_per_second=2.0)
        for now, event, commands in self.journal:
            repeated = again.handle_timer(now) if event is None else again.handle(event, now)
            assert repeated == commands
        assert again.status(self.now) == self.engine.status(self.now)


TestEngineMachine = EngineMachine.TestCase
TestEngineMachine.settings = settings(max_examples=60, stateful_step_count=60)


def test_commands_to_the_switch_name_known_calls() -> None:
    """A hang-up for a call that never was cannot be built by hand and pass unnoticed: the engine names its own ids."""
    engine = Engine(lines=1, calls_per_second=1.0, next_call_id=41)
    assert engine.handle(CallReleased(call_id=41, by="callee"), 0.0) == []
    assert not [each for each in engine.handle(CallAnswered(call_id=7), 1.0) if isinstance(each, HangUp)]
    assert not [each for each in engine.handle_timer(2.0) if isinstance(each, SaveLead)]
