"""What an earlier run left behind, as it is put together for the engine."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dialer.daemon.earlier import DESK_S, EarlierRun
from dialer.domain.commands import RecordAgent, RecordAttempt, RecordChange
from dialer.domain.events import CallAnswered, CallDisposed, CallReleased, CampaignLoaded
from dialer.domain.living import Living, LivingCall, LivingState
from dialer.domain.outcome import Outcome
from dialer.domain.policy import DispositionPolicy
from dialer.domain.records import AgentRecord, Attempt, CampaignChange
from dialer.engine.engine import Engine
from dialer.errors import StorageError
from dialer.storage.sqlite import SqliteDatabase
from dialer.storage.store import Store
from tests.parity.floor import START_AT, leads, policy
from tests.vaults import make_vault

POLICY = policy()
AGENT = AgentRecord(agent_id="a1", groups=("floor",), state="ready", reason="", since_at=START_AT)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store with two leads, the first of them on call 1."""
    with Store(SqliteDatabase(tmp_path / "dialer.db"), make_vault()) as made:
        with made.importing(POLICY, "leads.csv", "0" * 64, START_AT) as session:
            for each in leads(POLICY, 2):
                session.add(each)
        [lead] = made.claim("survey", 1, START_AT).leads
        attempt = Attempt(
            call_id=1,
            campaign="survey",
            lead_id=lead.lead_id,
            number=lead.numbers[0].e164,
            mode="power",
            placed_at=START_AT,
        )
        made.commit(1, START_AT, None, [RecordAttempt(attempt=attempt), RecordAgent(agent=AGENT)])
        yield made


def changed(store: Store, *actions: str, who: str = "olga", reason: str = "drill") -> None:
    """Keep changes of the campaign, one a second."""
    at = max([each.at for each in store.changes("survey", 0.0, 1e12)], default=START_AT)
    for rank, action in enumerate(actions, start=1):
        change = CampaignChange(
            campaign="survey", at=at + rank, action=action, before="", after="", reason=reason, who=who, digest=""
        )
        store.apply([RecordChange(change=change)])


def test_of_each_call_it_says_what_the_gateway_says(store: Store) -> None:
    """A call that is up, one that is not, and one of no attempt."""
    earlier = EarlierRun(store, START_AT + 9.0)
    assert earlier.asked == {1: START_AT}
    up, strange = (LivingCall(call_id=call_id, state=LivingState.RINGING) for call_id in (1, 77))
    found = earlier.found(Living(calls=(up, strange)))
    assert found is not None
    assert ([each.living for each in found.calls], found.strangers) == ([up], (77,))
    found = earlier.found(Living())
    assert found is not None and found.calls[0].living is None


def test_a_call_whose_end_the_gateway_has_reported_already_is_not_of_unknown_fate(store: Store) -> None:
    """The end was news before the gateway was asked, so the call is not among those that are up; it follows."""
    found = EarlierRun(store, START_AT + 9.0).found(Living(), [CallReleased(call_id=1, by="callee")])
    assert found is not None and found.calls[0].living is not None


def test_a_call_that_was_answered_and_is_over_by_now_was_answered(store: Store) -> None:
    """What followed the answer follows as news, whether or not an agent is left."""
    news = [CallAnswered(call_id=1, at=START_AT + 5.0), CallReleased(call_id=1, by="engine")]
    found = EarlierRun(store, START_AT + 9.0).found(Living(), news)
    answered = LivingCall(call_id=1, state=LivingState.ANSWERED, answered_at=START_AT + 5.0)
    assert found is not None and found.calls[0].living == answered


def test_a_refusal_after_another_word_is_kept_though_the_dialer_started_anew_in_between(store: Store) -> None:
    """What the earlier run kept of the connect and its word is enough for the next one to block the person."""
    [attempt] = store.open_attempts()
    said = replace(
        attempt,
        answered_at=START_AT + 9.0,
        bridged_at=START_AT + 10.0,
        released_at=START_AT + 60.0,
        agent_id="a1",
        is_live=True,
        outcome=Outcome.CONNECTED,
        disposition="sale",
        disposed_at=START_AT + 70.0,
    )
    store.apply([RecordAttempt(attempt=said)])
    now = START_AT + 3600.0
    engine = Engine(lines=2, calls_per_second=1.0, next_call_id=store.next_call_id())
    words = {name: DispositionPolicy(name=name, is_do_not_call=name == "refused") for name in ("sale", "refused")}
    engine.handle(CampaignLoaded(policy=replace(POLICY, dispositions=words)), now)
    found = EarlierRun(store, now).found(Living(agents=()))
    assert found is not None
    engine.handle(found, now)
    store.apply(engine.handle(CallDisposed(call_id=1, agent_id="a1", disposition="refused"), now))
    assert store.is_blocked(POLICY.seller, attempt.number)


def test_agents_are_there_for_an_hour_where_nobody_sees_the_desks(store: Store) -> None:
    """A gateway that sees them has the last word."""
    for now, agents, present in (
        (START_AT + DESK_S, None, None),
        (START_AT + DESK_S + 1.0, None, ()),
        (START_AT + DESK_S + 1.0, ("a1",), ("a1",)),
    ):
        found = EarlierRun(store, now).found(Living(agents=agents))
        assert found is not None
        assert (found.agents, found.present, found.stopped_at) == ((AGENT,), present, START_AT)


def test_a_lead_that_was_called_and_is_gone_is_damage(store: Store) -> None:
    """The start says which one, and what to do; nobody is called on half a record."""
    (attempt,) = store.open_attempts()
    assert store.leads_by_id([attempt.lead_id, 77, attempt.lead_id]).keys() == {attempt.lead_id}
    with store.writing() as connection:
        connection.execute("DELETE FROM leads WHERE lead_id = ?", (attempt.lead_id,))
    with pytest.raises(StorageError, match=f"lead {attempt.lead_id} was called and is not there; restore the database"):
        EarlierRun(store, START_AT)


def test_nothing_left_behind_is_nothing_found(tmp_path: Path) -> None:
    """An empty database needs no word to the engine."""
    with Store(SqliteDatabase(tmp_path / "empty.db"), make_vault()) as empty:
        assert EarlierRun(empty, START_AT).found(Living(agents=())) is None


def test_campaigns_without_a_file_that_have_calls_are_named(store: Store) -> None:
    """By the policy that they were last loaded with."""
    earlier = EarlierRun(store, START_AT)
    assert earlier.policies_beside(["survey"]) == []
    assert earlier.policies_beside([]) == [POLICY]


@pytest.mark.parametrize(
    ("actions", "again"),
    [
        ((), []),
        (("pause",), ["pause"]),
        (("pause", "resume"), []),
        (("drain",), ["stop"]),
        (("stop", "start", "emergency-stop"), ["stop"]),
        (("callbacks-only",), ["callbacks-only"]),
        (("callbacks-only", "resume"), []),
        (("load", "shutdown"), []),
    ],
)
def test_what_an_operator_did_last_is_done_again(store: Store, actions: tuple[str, ...], again: list[str]) -> None:
    """By the same name and for the same reason; what the house itself did, or refused, does not count."""
    changed(store, *actions)
    changed(store, "stop", who="reload")
    changed(store, "drain", reason="refused: it makes no sense")
    orders = EarlierRun(store, START_AT + 100.0).orders(POLICY)
    assert [(each.action, each.who, each.reason) for each in orders] == [
        (action, "olga", "as before the restart: drill") for action in again
    ]


def test_a_campaign_that_was_started_by_hand_is_started_again(store: Store) -> None:
    """However often: the reason does not grow."""
    by_hand = replace(POLICY, is_started=False)
    assert EarlierRun(store, START_AT).orders(by_hand) == []
    changed(store, "start", reason="as before the restart: monday")
    [order] = EarlierRun(store, START_AT + 100.0).orders(by_hand)
    assert (order.action, order.reason) == ("start", "as before the restart: monday")
