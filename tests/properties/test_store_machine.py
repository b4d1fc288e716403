"""A store under a daemon that does anything in any order, and that dies at any instant: nothing committed is lost.

Each kind of store is held against a small model of it. What the daemon has decided and not committed yet is in the
model's `seen` alone; a crash takes `seen` back to `kept`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from io import BytesIO
from math import inf
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from dialer.domain.commands import BlockPerson, Command, PlaceCall, RecordAttempt, SaveLead
from dialer.domain.lead import Callback, Lead, LeadState
from dialer.domain.outcome import Outcome
from dialer.domain.records import Attempt
from dialer.engine.hopper import order_key
from dialer.errors import LeaseLost
from dialer.storage import journal
from dialer.storage.codec import Entry
from dialer.storage.database import Database
from dialer.storage.doctor import Doctor
from dialer.storage.evidence_check import check
from dialer.storage.evidence_file import Wanted
from dialer.storage.imports import DO_NOT_CALL
from dialer.storage.memory import MemoryStore
from dialer.storage.ownership import Lease
from dialer.storage.postgres import PostgresDatabase
from dialer.storage.store import Store
from tests.servers.databases import by_hand
from tests.unit.storage.builders import VAULT, make_lead, make_number, make_policy
from tests.unit.storage.people import SELLER, AnyStore, give, make_consent

POLICY = make_policy()
NUMBERS = 12
ROWS = st.lists(st.lists(st.integers(0, NUMBERS - 1), min_size=1, max_size=2, unique=True), min_size=2, max_size=5)
PENDING, CLAIMED, FINISHED = LeadState.PENDING, LeadState.CLAIMED, LeadState.FINISHED
ENGINE = "INSERT INTO engines (engine_id, name, token, holder, until_at) VALUES (0, 'main', 1, 'test', 9e9)"
INDEX_OF = {make_number(index).e164: index for index in range(NUMBERS)}


@dataclass(slots=True)
class Person:
    """A lead, as far as the model knows it."""

    numbers: list[int]
    state: LeadState = PENDING
    due_at: float = 0.0
    attempts: int = 0
    reason: str = ""


@dataclass(slots=True)
class Model:
    """What a store should hold. Of a call there is its attempt; of a consent whether it was revoked."""

    people: dict[int, Person] = field(default_factory=dict)
    owners: dict[int, int] = field(default_factory=dict)  # number -> lead
    blocked: set[int] = field(default_factory=set)
    consents: dict[tuple[int, float], bool] = field(default_factory=dict)
    calls: dict[int, Attempt] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)

    def copy(self) -> "Model":
        """The same, to go another way."""
        return Model(
            {lead_id: replace(each, numbers=[*each.numbers]) for lead_id, each in self.people.items()},
            dict(self.owners),
            set(self.blocked),
            dict(self.consents),
            dict(self.calls),
            [*self.entries],
        )

    @property
    def open_leads(self) -> int:
        """How many are not finished."""
        return sum(person.state is not FINISHED for person in self.people.values())

    def is_blocked(self, lead_id: int) -> bool:
        """Whether a number of a lead is blocked."""
        return not self.blocked.isdisjoint(self.people[lead_id].numbers)

    def is_held(self, lead_id: int) -> bool:
        """Whether a lead is on a call, or waits for an agent's word on its last one."""
        return any(
            call.lead_id == lead_id
            and (call.released_at is None or (call.bridged_at is not None and call.disposition is None))
            for call in self.calls.values()
        )

    def add_row(self, numbers: tuple[int, ...]) -> str:
        """Take a row of a list; say what becomes of it."""
        lead_id = next((self.owners[number] for number in numbers if number in self.owners), None)
        new = [number for number in numbers if number not in self.owners]
        if lead_id is None:
            lead_id = len(self.people) + 1
            self.people[lead_id] = Person(list(numbers))
            self.owners.update(dict.fromkeys(numbers, lead_id))
            return "loaded"
        self.people[lead_id].numbers += new
        self.owners.update(dict.fromkeys(new, lead_id))
        return "merged" if new else "unchanged"

    def apply(self, commands: Iterable[Command]) -> None:
        """Take what the daemon decided."""
        for command in commands:
            match command:
                case SaveLead(lead=lead):
                    person = self.people[lead.lead_id]
                    person.state, person.due_at, person.attempts, person.reason = (
                        lead.state,
                        lead.due_at,
                        lead.attempts,
                        lead.reason,
                    )
                case RecordAttempt(attempt=attempt):
                    self.calls[attempt.call_id] = attempt
                case BlockPerson(numbers=numbers):
                    refused = {INDEX_OF[number] for number in numbers}
                    self.blocked |= refused
                    self.consents = {key: is_over or key[0] in refused for key, is_over in self.consents.items()}
                case _:
                    pass


class StoreMachine(RuleBasedStateMachine):
    """The daemon, its crashes, and other processes that import beside it."""

    make: Callable[[], Database] | None = None  # None: the store in memory

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.kept, self.seen = Model(), Model()
        self.batch: list[Entry] = []
        self.held: dict[int, Lead] = {}  # claimed leads, as the daemon has them
        self.token = 1
        self.database = None if self.make is None else self.make()
        self.store: AnyStore = MemoryStore() if self.database is None else Store(self.database, VAULT)
        self.is_shared = isinstance(self.database, PostgresDatabase)
        self.store.register(POLICY)
        if self.is_shared:
            with by_hand(self.database) as connection:  # type: ignore[arg-type]
                connection.execute(ENGINE)
        self.own()

    def own(self) -> None:
        """Work for the engine, where daemons share the database."""
        if self.is_shared and isinstance(self.store, Store):
            self.store.own(Lease(engine_id=0, name="main", token=self.token))
            self.store.take_campaign(POLICY)

    def decide(self, *commands: Command) -> None:
        """Decide something, to be committed later."""
        seq = len(self.seen.entries) + 1
        entry = Entry(seq=seq, at=self.now, event=None, commands=commands)
        self.batch.append(entry)
        self.seen.entries.append(entry)
        self.seen.apply(commands)

    def save(self, lead: Lead, **changes: object) -> SaveLead:
        """Change a claimed lead."""
        lead = self.held[lead.lead_id] = replace(lead, standing=None, **changes)  # type: ignore[arg-type]
        return SaveLead(lead=lead, order_key=order_key(lead, POLICY.list.order))

    # ------------------------------------------------------------------------------- other processes
    @initialize(rows=ROWS)
    def there_is_a_list(self, rows: list[list[int]]) -> None:
        """A campaign begins with one."""
        self.a_list_is_imported(rows=rows)

    @rule(rows=ROWS)
    def a_list_is_imported(self, rows: list[list[int]]) -> None:
        """It is kept at once, whatever the daemon has not committed yet."""
        with self.store.importing(POLICY, "list.csv", "", self.now) as session:
            added = [session.add(make_lead(*numbers)) for numbers in rows]
        assert added == [self.kept.add_row(tuple(numbers)) for numbers in rows]
        for numbers in rows:
            self.seen.add_row(tuple(numbers))

    @rule(number=st.integers(0, NUMBERS - 1))
    def a_consent_is_imported(self, number: int) -> None:
        """An earlier "no" stays, and does not end this one."""
        give(self.store, make_consent(number, obtained_at=self.now), now=self.now)
        self.kept.consents.setdefault((number, self.now), False)
        self.seen.consents.setdefault((number, self.now), False)

    @rule(seconds=st.sampled_from([1.0, 60.0, 600.0]))
    def time_passes(self, seconds: float) -> None:
        """Retries and promised calls come due."""
        self.now += seconds

    # ------------------------------------------------------------------------------------- the daemon
    def claim(self, data: Any) -> None:
        """Claim some of the leads that are due: nobody who is blocked, and nobody twice."""
        kept, count = self.kept, data.draw(st.integers(0, 4))
        due = [i for i, each in kept.people.items() if each.state is PENDING and each.due_at <= self.now]
        found = self.store.claim("spring", count, self.now)
        ids = [lead.lead_id for lead in found.leads]
        assert len(set(ids)) == len(ids) == min(count, sum(not kept.is_blocked(lead_id) for lead_id in due))
        assert set(ids) <= {lead_id for lead_id in due if not kept.is_blocked(lead_id)}
        blocked = [lead_id for lead_id in due if kept.is_blocked(lead_id)]
        met = [lead_id for lead_id in blocked if self.lead(lead_id).state is FINISHED]
        assert len(ids) == count or met == blocked
        for model in (self.kept, self.seen):
            for lead_id in ids:
                model.people[lead_id].state = CLAIMED
            for lead_id in met:
                model.people[lead_id].state, model.people[lead_id].reason = FINISHED, DO_NOT_CALL
        self.held.update({lead.lead_id: lead for lead in found.leads})
        later = [e.due_at for e in kept.people.values() if e.state is PENDING and e.due_at > self.now]
        assert (found.open_leads, found.next_due_at) == (kept.open_leads, min(later, default=None))

    def lead(self, lead_id: int) -> Lead:
        """A lead as it stands in the store."""
        lead = self.store.lead(lead_id)
        assert lead is not None
        return lead

    def idle(self) -> list[int]:
        """Leads that the daemon holds and does nothing with."""
        return [i for i in self.held if self.seen.people[i].state is CLAIMED and not self.seen.is_held(i)]

    def up(self) -> list[Attempt]:
        """Calls that have no end yet."""
        return [call for call in self.seen.calls.values() if call.released_at is None]

    def unsaid(self) -> list[Attempt]:
        """Connects that are over without a word."""
        calls = self.seen.calls.values()
        return [call for call in calls if call.bridged_at and call.released_at and call.disposition is None]

    @rule(data=st.data(), turns=st.integers(1, 8), is_kept=st.booleans())
    def the_daemon_works(self, data: Any, turns: int, is_kept: bool) -> None:
        """It does some of what can be done, and perhaps commits it."""
        for _ in range(turns):
            choices = [self.call] * 2 if self.callable() else []
            choices += [self.hear_no_answer, self.hear_a_talk] * 2 if self.up() else []
            choices += [self.hear_a_word] if self.unsaid() else []
            choices += [self.give_back] if self.idle() else [self.claim] * 3
            data.draw(st.sampled_from(choices))(data)
        if is_kept and self.batch:
            self.the_batch_is_committed(is_unsure=False)

    def callable(self) -> list[int]:
        """Leads that can be called: nobody who is blocked, as far as the daemon knows."""
        return [lead_id for lead_id in self.idle() if not self.seen.is_blocked(lead_id)]

    def call(self, data: Any) -> None:
        """Place a call."""
        lead_id = data.draw(st.sampled_from(self.callable()))
        lead, call_id = self.held[lead_id], max(self.seen.calls, default=0) + 1
        attempt = Attempt(
            call_id=call_id,
            campaign="spring",
            lead_id=lead_id,
            number=lead.numbers[0].e164,
            mode="predictive",
            placed_at=self.now,
            attempt_rank=lead.attempts + 1,
            seller=SELLER,
        )
        place = PlaceCall(
            call_id=call_id,
            campaign="spring",
            lead_id=lead_id,
            number=attempt.number,
            ring_timeout_s=20.0,
            caller_id=None,
            agent_id=None,
        )
        change = self.save(lead, attempts=lead.attempts + 1, last_attempt_at=self.now)
        self.decide(place, RecordAttempt(attempt=attempt), change)

    def hear_no_answer(self, data: Any) -> None:
        """The lead is called again later, perhaps because that was promised."""
        call = data.draw(st.sampled_from(self.up()))
        due_at = self.now + data.draw(st.sampled_from([0.0, 30.0, 300.0]))
        callback = Callback(at=due_at) if data.draw(st.booleans()) else None
        change = self.save(self.held[call.lead_id], state=PENDING, due_at=due_at, callback=callback)
        self.decide(RecordAttempt(attempt=replace(call, released_at=self.now, outcome=Outcome.NO_ANSWER)), change)

    def hear_a_talk(self, data: Any) -> None:
        """The lead waits for the agent's word."""
        call = data.draw(st.sampled_from(self.up()))
        attempt = replace(
            call,
            answered_at=self.now,
            bridged_at=self.now,
            released_at=self.now,
            is_live=True,
            agent_id="amy",
            outcome=Outcome.CONNECTED,
        )
        self.decide(RecordAttempt(attempt=attempt))

    def hear_a_word(self, data: Any) -> None:
        """The lead is finished."""
        call = data.draw(st.sampled_from(self.unsaid()))
        change = self.save(self.held[call.lead_id], state=FINISHED, reason="sale")
        self.decide(RecordAttempt(attempt=replace(call, disposed_at=self.now, disposition="sale")), change)

    def give_back(self, data: Any) -> None:
        """It was claimed and not called."""
        lead = self.held[data.draw(st.sampled_from(self.idle()))]
        self.decide(self.save(lead, state=PENDING))

    @rule(number=st.integers(0, NUMBERS - 1))
    def a_person_refuses(self, number: int) -> None:
        """All consents of the number end with it."""
        block = BlockPerson(seller=SELLER, numbers=(make_number(number).e164,), reason="no", at=self.now)
        self.decide(block)

    @precondition(lambda self: self.batch)
    @rule(is_unsure=st.booleans())
    def the_batch_is_committed(self, is_unsure: bool) -> None:
        """Once, also when it is sent again because the answer was lost."""
        self.store.commit_batch(self.batch)
        if is_unsure and isinstance(self.store, Store):
            self.store.commit_batch(self.batch)
        for entry in self.batch:
            self.kept.entries.append(entry)
            self.kept.apply(entry.commands)
        self.seen, self.batch = self.kept.copy(), []

    # -------------------------------------------------------------------------------------- the end
    @rule(is_in_the_middle=st.booleans())
    def the_daemon_is_killed(self, is_in_the_middle: bool) -> None:
        """Perhaps in the middle of a transaction, of which nothing is left."""
        if isinstance(self.store, Store):
            if is_in_the_middle:
                for statement in ("BEGIN", "DELETE FROM attempts", "UPDATE leads SET place = 3", "DELETE FROM journal"):
                    self.store._writer.execute(statement)
            self.store.close()
            assert self.database is not None
            self.store = Store(self.database, VAULT)
        self.start_again()

    @precondition(lambda self: self.is_shared)
    @rule()
    def another_daemon_takes_over(self) -> None:
        """The one before may go on for a while: whatever it does then changes nothing."""
        late = self.store
        assert self.database is not None and isinstance(late, Store)
        with by_hand(self.database) as connection:
            connection.execute("UPDATE engines SET token = token + 1")
        self.token += 1
        self.store = Store(self.database, VAULT)
        attempts = (
            lambda: late.commit_batch(
                self.batch or [Entry(seq=len(self.kept.entries) + 1, at=0.0, event=None, commands=())]
            ),
            lambda: late.claim("spring", 1, inf),
            late.release_claims,
        )
        for attempt in attempts:
            with pytest.raises(LeaseLost):
                attempt()
        late.close()
        self.start_again()

    def start_again(self) -> None:
        """Start as a daemon does: what was claimed and not called is given back, and everything goes on from there."""
        self.own()
        free = [i for i, each in self.kept.people.items() if each.state is CLAIMED and not self.kept.is_held(i)]
        assert self.store.release_claims() == len(free)
        for lead_id in free:
            self.kept.people[lead_id].state = PENDING
        self.seen, self.batch = self.kept.copy(), []
        self.held = {i: self.lead(i) for i, each in self.kept.people.items() if each.state is CLAIMED}
        assert self.store.next_seq() == len(self.kept.entries) + 1
        assert self.store.next_call_id() == max(self.kept.calls, default=0) + 1

    # ------------------------------------------------------------------------------- what always holds
    @invariant()
    def the_store_holds_what_was_committed(self) -> None:
        """And nothing else."""
        kept = self.kept
        found = {lead.lead_id: lead for lead in self.store.leads("spring")}
        assert {
            i: Person([INDEX_OF[n.e164] for n in each.numbers], each.state, each.due_at, each.attempts, each.reason)
            for i, each in found.items()
        } == kept.people
        assert {call.call_id: call for call in self.store.attempts(None, 0.0, inf)} == kept.calls
        assert self.store.next_seq() == len(kept.entries) + 1
        counts = self.store.counts("spring")
        assert (counts.loaded, counts.open) == (len(kept.people), kept.open_leads)
        for number in range(NUMBERS):
            assert self.store.is_blocked(SELLER, make_number(number).e164) == (number in kept.blocked)

    def teardown(self) -> None:
        """At the end journal and tables agree, consents are what became of them, and the evidence is whole."""
        everybody = make_lead(*range(NUMBERS))
        known = self.store.standing_at(everybody, SELLER, inf).consents
        assert {
            (INDEX_OF[each.number], each.obtained_at): each.revoked_at is not None for each in known
        } == self.kept.consents
        assert list(self.store.entries()) == self.kept.entries
        if not isinstance(self.store, Store):
            return
        with self.store as store:
            assert journal.verify(store).faults == []
            found = Doctor(store.database, VAULT).examine(self.now, has_daemon=False)
            assert {each.kind for each in found} <= {"open", "stuck", "unknown"}
            out = BytesIO()
            store.export_evidence(out, Wanted())
            check(BytesIO(out.getvalue()), "evidence.jsonl")


def run(make: Callable[[], Database] | None, examples: int) -> None:
    """Try a kind of store; the soak tries it for long."""
    machine = type("Machine", (StoreMachine,), {"make": staticmethod(make) if make else None})
    is_soak = settings.get_current_profile_name() == "soak"
    run_state_machine_as_test(
        machine, settings=settings() if is_soak else settings(max_examples=examples, stateful_step_count=40)
    )


def test_the_store_in_memory_holds_what_the_model_holds() -> None:
    """The reference itself."""
    run(None, 60)


def test_a_database_holds_what_the_model_holds(new_database: Callable[[], Database]) -> None:
    """The same, with crashes, and with another daemon that takes over where they share a database."""
    run(new_database, 20)
