"""A scripted half day on SQLite, without asyncio: an engine, a world that outlives it, and a kill at any entry.

One rule governs this module: what the world does and what agents type goes on while no engine is there. News of calls
is lost meanwhile; an agent's desk keeps what it could not deliver and sends it afterwards.
"""

import io
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

from dialer.daemon.earlier import EarlierRun
from dialer.domain.commands import (
    BlockPerson,
    BridgeCall,
    ClaimLeads,
    Command,
    HangUp,
    OfferPreview,
    PlaceCall,
    PlayMessage,
    RecordVerdict,
    SaveLead,
)
from dialer.domain.events import (
    AgentEvent,
    CallAnswered,
    CallClassified,
    CallDisposed,
    CampaignLoaded,
    DrainRequested,
    EarlierRunFound,
    Event,
    LawLoaded,
    LeadsImported,
    PersonRefused,
)
from dialer.domain.outcome import Outcome
from dialer.domain.policy import CampaignPolicy, DispositionPolicy, PacingMode, RetryRule
from dialer.domain.records import Attempt
from dialer.engine.engine import Engine
from dialer.engine.recovery import spent
from dialer.simulator.scenario import load_world
from dialer.simulator.world import World
from dialer.storage.codec import Entry
from dialer.storage.database import Database
from dialer.storage.evidence_check import check
from dialer.storage.evidence_file import Wanted
from dialer.storage.ownership import engine_of, first_number
from dialer.storage.store import Store
from tests.laws import open_law
from tests.parity.floor import START_AT, leads, policy
from tests.vaults import make_vault

LINES = 10
AGENTS = 3
LEADS = 12  # of each campaign
SHIFT_S = 2 * 3600.0
DRAIN_S = 1200.0
OUTAGES_S = (0.0, 1.5, 11.0, 300.0)
JUMP_S = 3600.0
DESK_EVENTS: tuple[type, ...] = AgentEvent.__args__  # type: ignore[attr-defined]
ORDERS = (PlaceCall, BridgeCall, PlayMessage, HangUp, OfferPreview)
LIVE_ENDS = (Outcome.CONNECTED, Outcome.ABANDONED, Outcome.ABANDONED_BY_CALLEE)
DISPOSITIONS = {
    "done": DispositionPolicy(name="done", is_final=True, is_success=True),
    "refused": DispositionPolicy(name="refused", is_final=True, is_do_not_call=True),
    "callback": DispositionPolicy(name="callback", is_schedule=True),
    "again": DispositionPolicy(name="again", retry_after_s=1800.0),
    "machine": DispositionPolicy(name="machine", is_machine=True, is_right_party=False),
}
RETRIES = {
    Outcome.NO_ANSWER: RetryRule(after_s=600.0, times=3),
    Outcome.BUSY: RetryRule(after_s=300.0, times=3),
    Outcome.MACHINE: RetryRule(after_s=900.0, times=2),
    Outcome.ABANDONED: RetryRule(after_s=900.0, times=1),
    Outcome.UNKNOWN: RetryRule(after_s=3600.0, times=1),
}
NOT_REACHED_S = 300.0


STANDS = (
    "call ordered",
    "call placed",
    "call ringing",
    "call answered",
    "call queued",
    "call bridging",
    "call connected",
    "call message",
    "call ending",
    "agent paused",
    "agent ready",
    "agent reserved",
    "agent talking",
    "agent wrap_up",
    "preview offered",
    "callback promised",
)
"""What must stand at some entry of the day, so that a kill meets it."""


def policies() -> list[CampaignPolicy]:
    """Three campaigns of one team: predictive, with previews, and with three times as many calls as agents."""
    made = []
    for name, mode in (
        ("careful", PacingMode.PREDICTIVE),
        ("shown", PacingMode.PREVIEW),
        ("eager", PacingMode.POWER),
    ):
        base = policy(name, mode)
        pacing = replace(base.pacing, ratio=3.0)
        made.append(replace(base, pacing=pacing, dispositions=DISPOSITIONS, retry=replace(base.retry, rules=RETRIES)))
    return made


SCENARIO = load_world(str(Path(__file__).with_name("world.toml")))


def fill(database: Database) -> None:
    """Bring the leads of all campaigns into an empty database."""
    with Store(database, make_vault()) as store:
        for rank, campaign in enumerate(policies()):
            with store.importing(campaign, "leads.csv", "0" * 64, START_AT) as session:
                for each in leads(campaign, LEADS, rank * LEADS):
                    session.add(each)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """Killed once entry `seq` was committed, before or after its orders left; started again after `outage_s`."""

    seq: int
    has_acted: bool
    outage_s: float


@dataclass(slots=True, kw_only=True)
class Truth:
    """What really happened, whoever heard of it."""

    placed: dict[int, PlaceCall] = field(default_factory=dict)
    answered: dict[int, float] = field(default_factory=dict)
    is_person: set[int] = field(default_factory=set)
    words: dict[int, CallDisposed] = field(default_factory=dict)

    def hear(self, events: Iterable[Event], now: float) -> None:
        """Take down news."""
        for event in events:
            match event:
                case CallAnswered():
                    self.answered[event.call_id] = now
                case CallClassified(is_machine=False):
                    self.is_person.add(event.call_id)
                case CallDisposed():
                    self.words.setdefault(event.call_id, event)


class Shift:
    """The half day, with at most one kill or one jump of the clock in it."""

    def __init__(self, database: Database, kill: Kill | None = None, *, jump_at_seq: int | None = None) -> None:
        self.database = database
        self.jump_at_seq = jump_at_seq
        self.is_evening = False
        self.stood: dict[str, list[int]] = {}  # what stood on the floor, and after which entries
        self.kill = kill
        self.now = START_AT
        self.truth = Truth()
        self.kept: dict[int, Attempt] = {}  # as they stood at the kill
        self.blocked: list[tuple[str, str]] = []  # said by then
        self.said: set[int] = set()  # calls of which a word was committed by then
        self.world = World(SCENARIO, policies(), seed=7, start_at=START_AT, agents=AGENTS, agent_groups=("floor",))
        self.undelivered: deque[Event] = deque()  # at the desks
        self.queue: deque[Event] = deque()
        self.store: Store
        self.engine: Engine
        self.seq = 0
        self._start()
        self.queue.append(PersonRefused(seller="Seller", numbers=("+447700900999",), reason="by letter", who="desk"))

    # ------------------------------------------------------------------------------------------ a run
    def run(self) -> "Shift":
        """Run to the end of the day, and drain."""
        self._work(START_AT + SHIFT_S)
        self.is_evening = True
        self._post(DrainRequested(reason="evening"))
        self._work(self.now + DRAIN_S)
        return self

    def close(self) -> None:
        """Let go of the database."""
        self.store.close()

    def _work(self, until_at: float) -> None:
        while True:
            while self.queue:
                self._handle(self.queue.popleft())
            news_at, deadline = self.world.next_at(), self.engine.next_deadline()
            if news_at is not None and (deadline is None or news_at <= deadline):
                if news_at >= until_at:
                    break
                self.now = max(self.now, news_at)
                self._take_news(self.world.advance(self.now))
            elif deadline is not None and deadline < until_at:
                self.now = max(self.now, deadline)
                self._handle(None)
            else:
                break
        self.now = max(self.now, until_at)

    def _post(self, event: Event) -> None:
        self.queue.append(event)

    def _take_news(self, events: list[Event]) -> None:
        self.truth.hear(events, self.now)
        self.queue += events

    def _handle(self, event: Event | None) -> None:
        commands = self.engine.handle_timer(self.now) if event is None else self.engine.handle(event, self.now)
        entry = Entry(seq=self.seq, at=self.now, event=event, commands=tuple(commands))
        self._keep(entry)
        self._note_what_stands(entry)
        self.seq += 1
        is_killed = self.kill is not None and entry.seq == self.kill.seq
        if not is_killed or (self.kill is not None and self.kill.has_acted):
            self._carry_out(entry.commands)
        if is_killed:
            self._restart()
        if entry.seq == self.jump_at_seq:
            self.now += JUMP_S

    def _note_what_stands(self, entry: Entry) -> None:
        state = self.engine._state
        stands = {f"call {call.state}" for call in state.calls.values()}
        stands |= {f"agent {agent.state}" for agent in state.agents.values()}
        if any(isinstance(command, PlaceCall) for command in entry.commands):
            stands.add("call ordered")  # killed before its orders leave, it is never sent
        if state.offers:
            stands.add("preview offered")
        if any(isinstance(each, SaveLead) and each.lead.callback is not None for each in entry.commands):
            stands.add("callback promised")
        for each in stands:
            self.stood.setdefault(each, []).append(entry.seq)

    def _keep(self, entry: Entry) -> None:
        self.store.commit_batch([entry])

    def _carry_out(self, commands: Iterable[Command]) -> None:
        for command in commands:
            if isinstance(command, ORDERS):
                if isinstance(command, PlaceCall):
                    self._check_order(command)
                self.world.submit(command, self.now)
            elif isinstance(command, ClaimLeads):
                self.queue.append(self.store.claim(command.campaign, command.count, self.now))

    def _check_order(self, order: PlaceCall) -> None:
        """A call that leaves is the only one of its lead, and within the lines."""
        up = [call.call_id for call in self.world.living({}).calls]
        assert order.lead_id not in [self.truth.placed[call_id].lead_id for call_id in up]
        assert len(up) < LINES
        assert order.call_id not in self.truth.placed
        self.truth.placed[order.call_id] = order

    # ------------------------------------------------------------------------------------- the kill
    def _start(self) -> None:
        """Do what a daemon does at its start."""
        self.store = Store(self.database, make_vault())
        self.store.release_claims()
        earlier = EarlierRun(self.store, self.now)
        self.seq = self.store.next_seq()
        self.engine = Engine(lines=LINES, calls_per_second=2.0, next_call_id=self.store.next_call_id())
        self.queue.append(LawLoaded(law=open_law()))
        for campaign in policies():
            budget = spent(self.store.attempts(campaign.name, 0.0, self.now + 1.0), campaign, self._first_live_at())
            self.queue += [CampaignLoaded(policy=campaign, spent=budget), LeadsImported(campaign=campaign.name)]
        found = earlier.found(self.world.living(earlier.asked))
        if found is not None:
            self.queue.append(found)

    def _first_live_at(self) -> float | None:
        firsts = [self.store.first_live_at(campaign.name) for campaign in policies()]
        return min((at for at in firsts if at is not None), default=None)

    def _restart(self) -> None:
        """Lose the engine and all news on its way; let the world go on for a while; start again."""
        assert self.kill is not None
        before = {each.agent_id: each.state for each in self.engine.status(self.now).agents}
        self._note_what_is_committed()
        self.store.close()
        self.undelivered += [event for event in self.queue if isinstance(event, DESK_EVENTS)]
        self.queue.clear()
        until_at = self.now + self.kill.outage_s
        while (at := self.world.next_at()) is not None and at <= until_at:
            self.now = max(self.now, at)
            events = self.world.advance(self.now)
            self.truth.hear(events, self.now)
            self.undelivered += [event for event in events if isinstance(event, DESK_EVENTS)]
        self.now = max(self.now, until_at)
        self._start()
        is_settled = not any(isinstance(event, EarlierRunFound) for event in self.queue)
        while not is_settled:
            event = self.queue.popleft()
            self._handle(event)
            is_settled = isinstance(event, EarlierRunFound)
        self._check_agents(before)
        self.queue += self.undelivered
        self.undelivered.clear()
        if self.is_evening:
            self._post(DrainRequested(reason="evening"))

    def _note_what_is_committed(self) -> None:
        self.kept = {attempt.call_id: attempt for attempt in self.store.attempts(None, 0.0, 1e12)}
        for entry in self.store.entries():
            if isinstance(entry.event, CallDisposed):
                self.said.add(entry.event.call_id)
            self.blocked += [
                (command.seller, number)
                for command in entry.commands
                if isinstance(command, BlockPerson)
                for number in command.numbers
            ]

    def _check_agents(self, before: dict[str, str]) -> None:
        """Whoever was logged in and is at the desk still is, and nobody else; who was on a break is on it."""
        status = self.engine.status(self.now)
        after = {each.agent_id: each for each in status.agents}
        up = {call.call_id: call for call in self.world.living({}).calls}
        there = self.world.agents.present()
        assert set(after) == {each for each, state in before.items() if state != "logged_out" and each in there}
        for agent_id, agent in after.items():
            was = before[agent_id]
            if was in ("paused", "wrap_up"):
                assert agent.state in (was, "ready", "reserved") if was == "wrap_up" else agent.state == was
            elif was == "ready":
                assert agent.state in ("ready", "reserved")
            if agent.state == "talking":
                assert agent.call_id in up


def without_kill(database: Database) -> Shift:
    """Run the day in peace; give it as it was, of which the last journal entry and what stood after each is of use."""
    fill(database)
    shift = Shift(database).run()
    try:
        check_all(shift)
        return shift
    finally:
        shift.close()


def killed(database: Database, kill: Kill) -> None:
    """Run the day with a kill in it, and check all that must hold."""
    fill(database)
    shift = Shift(database, kill)
    try:
        check_all(shift.run())
    finally:
        shift.close()


def jumped(database: Database, seq: int) -> None:
    """Run the day with a clock that goes on by an hour at once after an entry, and check all that must hold."""
    fill(database)
    shift = Shift(database, jump_at_seq=seq)
    try:
        check_all(shift.run())
    finally:
        shift.close()


# ------------------------------------------------------------------------------------------- what must hold
def check_all(shift: Shift) -> None:
    """Hold the end of the day to everything that a crash must not break."""
    attempts = {each.call_id: each for each in shift.store.attempts(None, 0.0, 1e12)}
    assert attempts and all(each.released_at is not None and each.outcome is not None for each in attempts.values())
    assert set(shift.truth.placed) <= set(attempts)
    check_gaps(attempts.values())
    check_facts(shift, attempts)
    check_answers(shift, attempts)
    check_counters(shift)
    check_store(shift)
    check_verdicts(shift.store.entries())
    check_evidence(shift.store)


def check_gaps(attempts: Iterable[Attempt], rules: Mapping[Outcome, RetryRule] = RETRIES) -> None:
    """No lead is dialed again before its last call is over and the window of that call's outcome has passed."""
    last: dict[int, Attempt] = {}
    for attempt in sorted(attempts, key=lambda each: each.placed_at):
        before = last.get(attempt.lead_id)
        last[attempt.lead_id] = attempt
        if before is None:
            continue
        assert before.outcome is not None and before.released_at is not None, (before, attempt)
        assert attempt.placed_at >= before.released_at, (before, attempt)
        if before.outcome is Outcome.CONNECTED:
            assert before.disposition in ("callback", "again", "machine"), before
            continue
        rule = rules.get(before.outcome)
        assert rule is not None or before.outcome in (Outcome.CANCELLED, Outcome.CONGESTION), before
        window_s = NOT_REACHED_S if rule is None else rule.after_s
        assert attempt.placed_at >= before.released_at + window_s, (before, attempt)


def check_facts(shift: Shift, attempts: dict[int, Attempt]) -> None:
    """What was committed before the kill is there after it, and what was said then, was heard."""
    check_kept(shift.kept, attempts)
    for call_id in shift.said:
        assert attempts[call_id].disposition is not None, attempts[call_id]
    for seller, number in shift.blocked:
        assert shift.store.is_blocked(seller, number)
    for call_id, word in shift.truth.words.items():
        attempt = attempts[call_id]
        if attempt.bridged_at is not None:  # else nobody knows of the conversation: of unknown fate
            assert attempt.disposition == word.disposition, (attempt, word)


def check_kept(before: Mapping[int, Attempt], attempts: Mapping[int, Attempt]) -> None:
    """What was known of an attempt is known of it later, to the instant."""
    for call_id, kept in before.items():
        now = attempts[call_id]
        for name in ("placed_at", "ringing_at", "answered_at", "classified_at", "bridged_at", "released_at", "outcome"):
            value = getattr(kept, name)
            assert value is None or getattr(now, name) == value, (name, kept, now)
        for name in ("is_live", "is_abandoned"):
            assert not getattr(kept, name) or getattr(now, name) or now.disposition == "machine", (name, kept, now)


def check_answers(shift: Shift, attempts: dict[int, Attempt]) -> None:
    """Every person who picked up is accounted for: connected, abandoned, gone before, or counted as unknown."""
    for attempt in attempts.values():
        if attempt.is_live:
            assert attempt.outcome in LIVE_ENDS, attempt
        if attempt.is_abandoned:
            assert attempt.is_live or attempt.disposition == "machine"
        if attempt.outcome is Outcome.CANCELLED:
            assert attempt.call_id not in shift.truth.answered, attempt
    for call_id in shift.truth.is_person:
        assert attempts[call_id].outcome in (*LIVE_ENDS, Outcome.UNKNOWN), attempts[call_id]


def check_counters(shift: Shift) -> None:
    """The engine's abandonment counters are those that a recount of the records gives."""
    for campaign in policies():
        counted = spent(shift.store.attempts(campaign.name, 0.0, 1e12), campaign, shift._first_live_at())
        budget = shift.engine._state.campaigns[campaign.name].budget.snapshot()
        assert (budget.live, budget.abandoned, budget.machines) == (counted.live, counted.abandoned, counted.machines)
        counts = next(each for each in shift.engine.status(shift.now).campaigns if each.name == campaign.name).counts
        assert counts["dials"] == counts["finished"]


def check_store(shift: Shift) -> None:
    """No lead is stuck, the counts of open leads are true, ids go on, and nothing waits any more."""
    for campaign in policies():
        found = list(shift.store.leads(campaign.name))
        assert len(found) == LEADS
        assert not [each for each in found if each.state == "claimed"]
        still_open = sum(each.state != "finished" for each in found)
        assert shift.store.claim(campaign.name, 0, 0.0).open_leads == still_open
        made = [each.lead_id for each in shift.store.attempts(campaign.name, 0.0, 1e12)]
        assert all(each.attempts == made.count(each.lead_id) for each in found)
    assert not list(shift.store.open_attempts())
    assert shift.store.words() == {}


def check_verdicts(entries: Iterator[Entry]) -> None:
    """Every order to dial stands beside a verdict of that instant that allows it; numbers and ids only go up."""
    for engine_id, own in groupby(entries, key=lambda entry: engine_of(entry.seq)):
        _check_engine(own, first_number(engine_id) - 1)


def _check_engine(entries: Iterable[Entry], last_seq: int) -> None:
    last_call_id, last_at = last_seq, 0.0
    for entry in entries:
        assert entry.seq == last_seq + 1
        assert entry.at >= last_at
        last_seq, last_at = entry.seq, entry.at
        allowed = {
            (each.record.lead_id, each.record.number)
            for each in entry.commands
            if isinstance(each, RecordVerdict) and each.record.verdict.allowed and each.record.at == entry.at
        }
        for command in entry.commands:
            if isinstance(command, PlaceCall):
                assert (command.lead_id, command.number) in allowed
                assert command.call_id > last_call_id
                last_call_id = command.call_id


def check_evidence(store: Store) -> None:
    """The chain of the evidence is whole from its first entry to its last."""
    out = io.BytesIO()
    store.export_evidence(out, Wanted())
    out.seek(0)
    assert check(out, "evidence").count > 0
