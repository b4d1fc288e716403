"""The way to the database breaks, at a COMMIT most of all: what is then tried again ends as if nothing had broken."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialer.domain.commands import BlockPerson, Command, PlaceCall, RecordAttempt, SaveLead
from dialer.domain.lead import Lead, LeadState
from dialer.domain.outcome import Outcome
from dialer.engine.hopper import order_key
from dialer.errors import DatabaseLost, StorageError
from dialer.storage.codec import Entry
from dialer.storage.database import Database
from dialer.storage.postgres import PostgresDatabase
from dialer.storage.sqlite import SqliteDatabase
from dialer.storage.store import Store
from tests.servers.cutting import Cutter, Instant, cutting
from tests.servers.databases import by_hand
from tests.servers.postgres import PostgresServer
from tests.unit.storage.builders import VAULT, make_attempt, make_lead, make_number, make_policy

T = TypeVar("T")
POLICY = make_policy()
LEADS = 30
TRIES = 4
INSTANTS = st.one_of(st.sampled_from(["before", "after", None]), st.integers(0, 8_000))
STEPS = st.lists(
    st.tuples(
        st.one_of(
            st.tuples(st.just("claim"), st.integers(1, 8)),
            st.tuples(st.just("call"), st.integers(1, 6)),
            st.tuples(st.just("block"), st.integers(0, LEADS - 1)),
        ),
        INSTANTS,
    ),
    min_size=1,
    max_size=12,
)


class Floor:
    """Leads in hand and the numbers of entries, as a daemon has them in memory: the same for any store."""

    def __init__(self) -> None:
        self.in_hand: list[Lead] = []
        self.seqs = count(1)
        self.calls = count(1)
        self.now = 1000.0

    def do(self, step: tuple[str, int], store: Store, sure: Callable[[Callable[[], T]], T]) -> None:
        """Take one step; what has to reach the store goes through `sure`."""
        self.now += 1.0
        kind, number = step
        if kind == "claim":
            self.in_hand += sure(lambda: store.claim(POLICY.name, number, self.now)).leads  # type: ignore[attr-defined]
            return
        orders = self._calls(number) if kind == "call" else [self._block(number)]
        batch = [Entry(seq=next(self.seqs), at=self.now, event=None, commands=commands) for commands in orders]
        sure(lambda: store.commit_batch(batch))  # type: ignore[arg-type, return-value]

    def _calls(self, most: int) -> Iterator[tuple[Command, ...]]:
        """Dial leads in hand: each is ordered, then over, and its lead saved."""
        called, self.in_hand = self.in_hand[:most], self.in_hand[most:]
        for lead in called:
            call_id, number = next(self.calls), lead.numbers[0].e164
            attempt = replace(make_attempt(call_id, self.now), lead_id=lead.lead_id, number=number, released_at=None)
            order = PlaceCall(
                call_id=call_id,
                campaign=POLICY.name,
                lead_id=lead.lead_id,
                number=number,
                ring_timeout_s=22.0,
                caller_id=None,
                agent_id=None,
            )
            yield (RecordAttempt(attempt=attempt), order)
            state = LeadState.PENDING if call_id % 3 else LeadState.FINISHED
            after = replace(lead, state=state, due_at=self.now + 3.0, attempts=lead.attempts + 1, standing=None)
            over = replace(attempt, released_at=self.now, outcome=Outcome.NO_ANSWER, is_abandoned=call_id % 4 == 0)
            key = order_key(after, POLICY.list.order)
            yield (RecordAttempt(attempt=over), SaveLead(lead=after, order_key=key))

    def _block(self, index: int) -> tuple[Command, ...]:
        numbers = (make_number(index).e164,)
        return (BlockPerson(seller=POLICY.seller, numbers=numbers, reason="refused", at=self.now),)


def everything(store: Store) -> list[object]:
    """All that a store holds, the evidence with its chain."""
    evidence = "SELECT seq, at, kind, body, hash FROM evidence ORDER BY seq"
    return [
        list(store.leads(POLICY.name)),
        store.counts(POLICY.name),
        list(store.attempts(None, 0.0, 1e12)),
        list(store.entries()),
        (store.next_call_id(), store.next_seq()),
        [tuple(row) for row in store._reader.execute(evidence)],
    ]


@contextmanager
def loaded(store: Store) -> Iterator[Store]:
    """A store with a list in it."""
    with closing(store):
        with store.importing(POLICY, "list.csv", "", 0.0) as session:
            for index in range(LEADS):
                session.add(make_lead(index))
        yield store


def persistent(cutter: Cutter, instant: Instant | None) -> Callable[[Callable[[], T]], T]:
    """Give what does a thing again when the database was lost; the first time it is cut at the instant."""

    def sure(action: Callable[[], T]) -> T:
        cutter.arm(instant)
        try:
            for _ in range(TRIES):
                try:
                    return action()
                except DatabaseLost:
                    continue
            return action()
        finally:
            cutter.arm(None)

    return sure


CUTS: list[int] = []


@settings(max_examples=15)
@given(steps=STEPS)
def play(server: PostgresServer, steps: list[tuple[tuple[str, int], Instant | None]]) -> None:
    address = server.new_database()
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            cutting(address) as (cutter, through),
            loaded(Store(PostgresDatabase(through, Path(folder)), VAULT)) as cut,
            loaded(Store(SqliteDatabase(Path(folder) / "dialer.db"), VAULT)) as whole,
        ):
            one, other = Floor(), Floor()
            for step, instant in steps:
                one.do(step, cut, persistent(cutter, instant))
                other.do(step, whole, lambda action: action())
                assert one.in_hand == other.in_hand
            CUTS.append(cutter.cuts)
            assert everything(cut) == everything(whole)
    finally:
        server.drop(address)


def test_what_is_tried_again_after_a_cut_happens_once(postgres_server: PostgresServer) -> None:
    """Claims and batches end the same on a connection that is cut and made anew as where nothing breaks."""
    CUTS.clear()
    play(postgres_server)
    print(f"{sum(CUTS)} cuts survived")
    assert sum(CUTS) >= 15


def test_a_commit_that_nobody_heard_of_is_found_out(postgres_address: str, tmp_path: Path) -> None:
    """A batch that was kept and one that was not look alike to the daemon: each is there once in the end."""
    with (
        cutting(postgres_address) as (cutter, through),
        loaded(Store(PostgresDatabase(through, tmp_path), VAULT)) as store,
    ):
        for seq, instant in ((1, "before"), (2, "after")):
            entry = Entry(seq=seq, at=1000.0, event=None, commands=(RecordAttempt(attempt=make_attempt(seq, 1000.0)),))
            cutter.arm(instant)  # type: ignore[arg-type]
            try:
                store.commit_batch([entry])
            except DatabaseLost as error:
                assert "it can be tried again" in str(error) or "no connection" in str(error)
            else:
                raise AssertionError("the cut was not noticed")
            assert store.next_seq() == (1 if instant == "before" else 3)
            store.commit_batch([entry])
            assert store.next_seq() == seq + 1


def test_leads_of_a_claim_that_nobody_heard_of_are_claimed_again(postgres_address: str, tmp_path: Path) -> None:
    """They were never handed out, so nobody would ever give them back."""
    with (
        cutting(postgres_address) as (cutter, through),
        loaded(Store(PostgresDatabase(through, tmp_path), VAULT)) as store,
    ):
        cutter.arm("after")
        try:
            store.claim(POLICY.name, 5, 1000.0)
        except DatabaseLost:
            claimed = store.claim(POLICY.name, LEADS, 1000.0)
        assert cutter.cuts == 1
        assert len(claimed.leads) == LEADS


def test_a_database_that_lost_what_it_had_kept_is_noticed(any_database: Database) -> None:
    """As after a fail-over to a server that lags: nothing is written behind the hole, and no order would leave."""
    entries = [Entry(seq=seq, at=1000.0, event=None, commands=()) for seq in range(1, 7)]
    with loaded(Store(any_database, VAULT)) as store:
        store.commit_batch(entries[:3])
        store.commit_batch(entries[3:5])
        with by_hand(any_database) as connection:
            connection.execute("DELETE FROM journal WHERE seq > 3")
        with pytest.raises(StorageError, match="entries 4 to 5 of the journal were kept and are gone"):
            store.commit_batch(entries[5:])
        assert store.next_seq() == 4
    with closing(Store(any_database, VAULT)) as anew:
        anew.commit_batch(entries[3:4])
