"""One contract for every store: records of calls and agents, and the journal, as they were written."""

from dataclasses import replace

import pytest

from dialer.domain.commands import (
    HangUp,
    PlaceCall,
    RecordAgentSpan,
    RecordAttempt,
    RecordChange,
    RecordDecision,
    SaveLead,
)
from dialer.domain.events import CallRinging
from dialer.domain.lead import LeadState
from dialer.domain.outcome import Outcome
from dialer.domain.records import CampaignChange, PacingDecision
from dialer.errors import StorageError
from dialer.storage.codec import Entry
from tests.contracts.test_stores import load
from tests.unit.storage.builders import (
    make_attempt,
    make_connect,
    make_lead,
    make_span,
)
from tests.unit.storage.people import AnyStore


def test_records_come_back_whole_and_in_order(store: AnyStore) -> None:
    """Every record is read as it was written, ordered by its instant, in half-open spans."""
    attempts = [
        make_attempt(2, 200.0),
        make_connect(1, 110.0, is_success=True),
        make_attempt(3, 100.0, campaign="autumn"),
    ]
    store.apply([RecordAttempt(attempt=attempt) for attempt in attempts])
    assert list(store.attempts(None, 100.0, 200.0)) == [attempts[1], attempts[2]]
    assert list(store.attempts("spring", 0.0, 200.1)) == [attempts[1], attempts[0]]
    decision = PacingDecision(
        campaign="spring", at=50.0, mode="power", calls=2, wanted=3, allowed=3, runner_up="lines", runner_up_calls=7,
        limited_by="lines", is_reserved=False,
        terms=(("ratio", 1.5), ("budget", float("inf"))),
    )  # fmt: skip
    change = CampaignChange(
        campaign="spring", at=60.0, action="start", before="ready", after="running", reason="go", who="op", digest="d"
    )
    store.apply([RecordDecision(decision=decision), RecordChange(change=change)])
    assert list(store.decisions("spring", 50.0, 50.1)) == [decision]
    assert list(store.decisions("spring", 0.0, 50.0)) == []
    assert list(store.changes(None, 60.0, 61.0)) == list(store.changes("spring", 0.0, 99.0)) == [change]
    assert list(store.changes("autumn", 0.0, 99.0)) == []


def test_an_attempt_is_replaced_by_its_later_word(store: AnyStore) -> None:
    """One attempt per call id, the last one said."""
    later = make_connect(1, 110.0)
    store.apply([RecordAttempt(attempt=make_attempt(1, 100.0, outcome=None)), RecordAttempt(attempt=later)])
    store.apply([RecordAttempt(attempt=make_attempt(2, 100.0, outcome=None))])
    store.apply([RecordAttempt(attempt=make_attempt(2, 100.0, outcome=Outcome.BUSY))])
    assert list(store.attempts(None, 0.0, 1000.0)) == [later, make_attempt(2, 100.0, outcome=Outcome.BUSY)]
    assert store.first_live_at("spring") == 110.0
    assert store.first_live_at("autumn") is None


def test_open_attempts_are_those_that_have_not_ended(store: AnyStore) -> None:
    """What a start has to settle: attempts that were placed and never seen to end."""
    ended = replace(make_attempt(2, 4000.0), released_at=5000.0)
    running = replace(make_attempt(1, 4000.0), released_at=None)
    store.apply([RecordAttempt(attempt=each) for each in (ended, running)])
    assert list(store.open_attempts()) == [running]


def test_connects_that_are_over_are_given_with_and_without_a_word(store: AnyStore) -> None:
    """Without one: those that ended since an instant. With one: the last so many that were placed since it."""
    load(store, make_lead(1))
    silent = make_connect(1, 110.0)
    said = [make_connect(call_id, 100.0 + call_id, disposition="sale") for call_id in (2, 3, 4)]
    others = [
        make_attempt(5, 120.0, disposition="wrong"),
        make_connect(6, 120.0, disposition="sale", released_at=None),
        make_connect(7, 120.0, released_at=None),
    ]
    store.apply([RecordAttempt(attempt=each) for each in (*said, silent, *others)])
    assert list(store.undisposed(100.0)) == [silent]
    assert list(store.undisposed(172.0)) == []
    assert list(store.disposed(0.0, 10)) == said
    assert list(store.disposed(said[1].placed_at, 10)) == said[1:]
    assert list(store.disposed(0.0, 2)) == said[1:]


def test_agent_spans_that_touch_the_span_are_given_whole(store: AnyStore) -> None:
    """Spans that share an instant with [from, to) come whole; one that ends at `from` or begins at `to` does not."""
    spans = [
        make_span("ready", 0.0, 100.0),
        make_span("talking", 100.0, 160.0, call_id=1),
        make_span("wrap_up", 160.0, 200.0),
        make_span("paused", 150.0, 150.0, agent_id="a2", campaign=None, reason="lunch"),
    ]
    store.apply([RecordAgentSpan(span=span) for span in spans])
    assert list(store.agent_spans(None, 100.0, 160.0)) == [spans[1], spans[3]]
    assert list(store.agent_spans("spring", 99.0, 161.0)) == spans[:3]
    assert list(store.agent_spans(None, 150.0, 150.1)) == [spans[1], spans[3]]


def test_call_ids_are_never_used_again(store: AnyStore) -> None:
    """The next call id is above every attempt and every order to dial, kept or only journaled."""
    assert (store.next_call_id(), store.next_seq()) == (1, 1)
    store.apply([RecordAttempt(attempt=make_attempt(7, 100.0))])
    assert store.next_call_id() == 8
    place = PlaceCall(
        call_id=11,
        campaign="spring",
        lead_id=1,
        number="+12025550001",
        ring_timeout_s=22.0,
        caller_id=None,
        agent_id=None,
    )
    store.append(1, 100.0, None, [place])
    assert store.next_call_id() == 12
    store.commit(2, 101.0, None, [replace(place, call_id=12)])
    assert (store.next_call_id(), store.next_seq()) == (13, 3)


def test_the_journal_comes_back_as_written(store: AnyStore) -> None:
    """Entries are read in order, from any sequence number on, and their commands are applied once."""
    load(store, make_lead(1))
    lead = store.claim("spring", 1, 1000.0).leads[0]
    done = replace(lead, state=LeadState.FINISHED, reason="sale", standing=None)
    entries = [
        Entry(seq=5, at=1000.0, event=CallRinging(call_id=1), commands=(HangUp(call_id=1, reason="x"),)),
        Entry(seq=6, at=1000.5, event=None, commands=(SaveLead(lead=done, order_key="k"),)),
    ]
    store.commit_batch(entries)
    assert list(store.entries()) == entries
    assert list(store.entries(6)) == entries[1:]
    assert store.lead(lead.lead_id) == done
    with pytest.raises(StorageError, match="above 6, found 6"):
        store.append(6, 1001.0, None, [])


def test_entries_that_are_there_already_change_nothing(store: AnyStore) -> None:
    """A batch is written again when nobody heard whether it was; another one with the same numbers is an error."""
    load(store, make_lead(1), make_lead(2))
    one, two = store.claim("spring", 2, 1000.0).leads
    done = replace(one, state=LeadState.FINISHED, reason="sale", standing=None)
    entries = [
        Entry(seq=1, at=1000.0, event=None, commands=(RecordAttempt(attempt=make_attempt(7, 1000.0)),)),
        Entry(seq=2, at=1000.5, event=CallRinging(call_id=7), commands=(SaveLead(lead=done, order_key="k"),)),
    ]
    later = Entry(seq=3, at=1001.0, event=CallRinging(call_id=8), commands=())
    store.commit_batch(entries)
    store.apply([SaveLead(lead=replace(done, reason="later"), order_key="k")])
    store.commit_batch(entries)
    store.commit_batch([*entries, later])
    assert list(store.entries()) == [*entries, later]
    assert [lead.reason for lead in store.leads("spring")] == ["later", ""]
    assert store.counts("spring").open == 1
    with pytest.raises(StorageError, match="above 3, found 2"):
        store.commit_batch([replace(entries[1], at=1000.6), replace(later, seq=4)])
    assert store.next_seq() == 4
    assert two.lead_id == 2
