"""One contract for every store: what the engine, the imports and the reports rely on."""

from dataclasses import replace

import pytest

from dialer.domain.commands import (
    BlockPerson,
    SaveLead,
)
from dialer.domain.events import CampaignLoaded
from dialer.domain.lead import Callback, Lead, LeadState, PhoneNumber
from dialer.domain.policy import ListPolicy
from dialer.engine.hopper import order_key
from dialer.errors import StorageError
from tests.unit.storage.builders import (
    make_lead,
    make_number,
    make_policy,
)
from tests.unit.storage.people import AnyStore

POLICY = make_policy()


def load(store: AnyStore, *candidates: Lead) -> list[str]:
    """Import leads into the campaign of POLICY and tell what became of each."""
    with store.importing(POLICY, "list.csv", "cd" * 32, 1000.0) as session:
        return [session.add(candidate) for candidate in candidates]


def save(store: AnyStore, lead: Lead, **changes: object) -> Lead:
    """Save a lead with some changes, as the engine does."""
    changed = replace(lead, **changes)  # type: ignore[arg-type]
    store.apply([SaveLead(lead=changed, order_key=order_key(changed, POLICY.list.order))])
    return changed


def claimed_numbers(store: AnyStore, count: int, now: float) -> list[str]:
    """Claim and give the last four digits of each lead's first number."""
    return [lead.numbers[0].e164[-4:] for lead in store.claim("spring", count, now).leads]


def test_claims_come_in_the_published_order(store: AnyStore) -> None:
    """Priority first, then the shuffle rank, which follows neither the number nor the order of the list."""
    policy = make_policy(list=ListPolicy(order=("priority desc", "shuffle")))
    leads = [make_lead(index, priority=index % 2) for index in (3, 1, 5, 4, 2, 6)]
    with store.importing(policy, "list.csv", "", 1000.0) as session:
        for lead in leads:
            session.add(lead)
    ranked = sorted(leads, key=lambda lead: order_key(lead, policy.list.order))
    assert claimed_numbers(store, 10, 1000.0) == [lead.numbers[0].e164[-4:] for lead in ranked]
    assert [lead.shuffle for lead in store.leads("spring")] == [lead.shuffle for lead in leads]


def test_a_claim_gives_no_more_than_asked_and_says_what_is_left(store: AnyStore) -> None:
    """`count` bounds the claim; claimed leads stay open; nothing waits."""
    load(store, make_lead(1), make_lead(2), make_lead(3))
    claimed = store.claim("spring", 2, 1000.0)
    assert (len(claimed.leads), claimed.open_leads, claimed.next_due_at) == (2, 3, None)
    assert [lead.state for lead in claimed.leads] == [LeadState.CLAIMED] * 2
    assert store.claim("spring", 0, 1000.0).leads == ()


def test_no_lead_is_claimed_twice(store: AnyStore) -> None:
    """A claimed lead is in no further claim, and neither is one that an agent's word finished."""
    load(store, make_lead(1), make_lead(2))
    first = store.claim("spring", 1, 1000.0).leads[0]
    second = store.claim("spring", 5, 1000.0)
    assert [lead.lead_id for lead in second.leads] != [first.lead_id]
    save(store, first, state=LeadState.FINISHED, reason="sale")
    after = store.claim("spring", 5, 1e9)
    assert (after.leads, after.open_leads) == ((), 1)


def test_a_waiting_lead_wakes_when_it_is_due(store: AnyStore) -> None:
    """A saved pending lead is claimed from `due_at` on, not before, and the claim names that instant."""
    load(store, make_lead(1), make_lead(2))
    one, two = store.claim("spring", 2, 1000.0).leads
    save(store, one, state=LeadState.PENDING, due_at=2000.0, attempts=1)
    save(store, two, state=LeadState.PENDING, due_at=1500.0, attempts=1)
    early = store.claim("spring", 5, 1499.9)
    assert (early.leads, early.next_due_at, early.open_leads) == ((), 1500.0, 2)
    due = store.claim("spring", 5, 1500.0)
    assert [lead.lead_id for lead in due.leads] == [two.lead_id]
    assert due.next_due_at == 2000.0
    assert [lead.lead_id for lead in store.claim("spring", 5, 2000.0).leads] == [one.lead_id]


def test_due_leads_join_the_published_order(store: AnyStore) -> None:
    """Leads that come due are ordered with those that were ready, promised calls first."""
    load(store, make_lead(1), make_lead(2), make_lead(3))
    one, two = store.claim("spring", 2, 1000.0).leads
    save(store, one, state=LeadState.PENDING, due_at=1100.0, attempts=1)
    save(store, two, state=LeadState.PENDING, due_at=1200.0, attempts=1, callback=Callback(at=1200.0, agent_id="a1"))
    assert claimed_numbers(store, 5, 1300.0) == ["0002", "0003", "0001"]


def test_a_pending_lead_saved_again_keeps_its_last_instant_only(store: AnyStore) -> None:
    """A lead that waited for one instant and then for a later one is not woken by the first."""
    load(store, make_lead(1))
    lead = store.claim("spring", 1, 1000.0).leads[0]
    save(store, lead, state=LeadState.PENDING, due_at=1100.0)
    save(store, lead, state=LeadState.PENDING, due_at=1200.0)
    early = store.claim("spring", 1, 1150.0)
    assert (early.leads, early.next_due_at) == ((), 1200.0)
    assert len(store.claim("spring", 1, 1200.0).leads) == 1
    assert store.claim("spring", 1, 1300.0).leads == ()


def test_released_claims_are_claimed_again(store: AnyStore) -> None:
    """After a restart claimed leads are pending: those that never waited at once, the others when due."""
    load(store, make_lead(1), make_lead(2))
    one, _ = store.claim("spring", 2, 1000.0).leads
    save(store, one, state=LeadState.PENDING, due_at=2000.0)
    assert len(store.claim("spring", 1, 2000.0).leads) == 1
    assert store.release_claims() == 2
    assert store.release_claims() == 0
    assert claimed_numbers(store, 5, 1000.0) == ["0002"]
    assert claimed_numbers(store, 5, 2000.0) == ["0001"]


def test_campaigns_do_not_mix(store: AnyStore) -> None:
    """A claim sees its own campaign only, and an unknown campaign has no leads."""
    load(store, make_lead(1))
    with store.importing(make_policy("autumn"), "b.csv", "", 0.0) as session:
        assert session.add(make_lead(1, campaign="autumn")) == "loaded"
    assert [lead.campaign for lead in store.claim("autumn", 5, 0.0).leads] == ["autumn"]
    assert store.claim("winter", 5, 0.0).open_leads == 0
    assert store.campaigns() == ["autumn", "spring"]
    assert [lead.campaign for lead in store.find_number(make_number(1).e164)] == ["spring", "autumn"]
    assert [lead.campaign for lead in store.find_number(make_number(1).e164, "autumn")] == ["autumn"]
    assert store.find_number(make_number(2).e164) == []


def test_everything_of_a_lead_is_kept(store: AnyStore) -> None:
    """A lead comes back from the store as the import and the engine gave it."""
    candidate = make_lead(
        1, 2, name="세대주", segment="new", priority=3, zone="Asia/Seoul", external_id="x-1", fields={"plan": "B"}
    )
    load(store, candidate)
    claimed = replace(store.claim("spring", 1, 1000.0).leads[0], standing=None)
    assert claimed == replace(candidate, lead_id=claimed.lead_id, state=LeadState.CLAIMED)
    numbers = (replace(claimed.numbers[0], attempts=1, last_attempt_at=1000.5, is_invalid=True), claimed.numbers[1])
    saved = save(
        store,
        claimed,
        state=LeadState.PENDING,
        numbers=numbers,
        due_at=1600.25,
        attempts=1,
        tries={"busy": 1},
        last_attempt_at=1000.5,
        last_outcome="busy",
        callback=Callback(at=1600.25, agent_id=None, note="after lunch"),
    )
    assert store.lead(saved.lead_id) == saved
    assert list(store.leads("spring")) == [saved]
    assert store.lead(99) is None
    counts = store.counts("spring")
    assert (counts.loaded, counts.open, counts.tried) == (1, 1, 1)


def test_rows_about_the_same_person_are_merged(store: AnyStore) -> None:
    """A row that shares a number fills blanks and adds numbers; what is known stands."""
    assert (
        load(store, make_lead(1, name="A", fields={"plan": "B", "note": ""}), make_lead(2, name="C")) == ["loaded"] * 2
    )
    more = make_lead(3, 1, name="B", segment="new", fields={"plan": "Z", "note": "n", "age": "40"})
    assert load(store, more, make_lead(1, 2)) == ["merged", "unchanged"]
    first, second = store.leads("spring")
    assert [number.e164[-4:] for number in first.numbers] == ["0001", "0003"]
    assert (first.name, first.segment, first.fields) == ("A", "new", {"plan": "B", "note": "n", "age": "40"})
    assert [number.e164[-4:] for number in second.numbers] == ["0002"]
    assert claimed_numbers(store, 5, 1000.0) == ["0001", "0002"]


def test_a_later_row_adds_the_zones_of_its_address(store: AnyStore) -> None:
    """A list that came without addresses is completed by one that has them."""
    plain = make_lead(1)
    moved = replace(plain.numbers[0], zones=(*plain.numbers[0].zones, "Pacific/Honolulu"))
    assert load(store, plain, replace(plain, numbers=(moved,)), plain) == ["loaded", "merged", "unchanged"]
    assert next(iter(store.leads("spring"))).numbers[0].zones == moved.zones


def test_who_moved_may_be_at_either_address(store: AnyStore) -> None:
    """A later row names another state and zone: what is known stands, and the rules and hours of both places hold."""
    before = make_lead(1, zone="America/Chicago", jurisdiction="US-TX")
    after = make_lead(1, zone="Pacific/Honolulu", jurisdiction="US-HI")
    assert load(store, before, after, before, after) == ["loaded", "merged", "unchanged", "unchanged"]
    lead = next(iter(store.leads("spring")))
    assert (lead.zone, lead.jurisdiction) == ("America/Chicago", "US-TX")
    assert lead.numbers[0].zones == ("America/New_York", "Pacific/Honolulu")
    assert lead.numbers[0].jurisdictions == ("US", "US-HI")


def test_places_learned_while_a_lead_is_claimed_are_kept(store: AnyStore) -> None:
    """The engine's word on a lead is about its attempts; where the person may be is the list's."""
    load(store, make_lead(1, jurisdiction="US-TX"), make_lead(2))
    one, _ = store.claim("spring", 2, 1000.0).leads
    assert load(store, make_lead(1, 3, jurisdiction="US-HI")) == ["merged"]
    save(store, one, state=LeadState.PENDING, due_at=1100.0)
    lead = store.claim("spring", 1, 1100.0).leads[0]
    assert [number.jurisdictions for number in lead.numbers] == [("US", "US-HI"), ()]


def test_importing_a_list_again_changes_nothing(store: AnyStore) -> None:
    """Whatever a list repeats, its second import leaves every lead as the first did."""
    rows = [make_lead(1, 2, name="A"), make_lead(2, 3, segment="x"), make_lead(1, 1, priority=4), make_lead(4, 3)]
    assert load(store, *rows) == ["loaded", "merged", "merged", "merged"]
    before = list(store.leads("spring"))
    assert load(store, *rows) == ["unchanged"] * 4
    assert list(store.leads("spring")) == before
    assert store.claim("spring", 9, 1.0).open_leads == 1


def test_a_merge_does_not_reopen_or_release_a_lead(store: AnyStore) -> None:
    """A claimed lead stays claimed through a merge, and the engine's next word keeps what the merge added."""
    load(store, make_lead(1), make_lead(2))
    one, two = store.claim("spring", 2, 1000.0).leads
    save(store, two, state=LeadState.FINISHED, reason="sale")
    assert load(store, make_lead(1, 5, name="late"), make_lead(2, 6)) == ["merged", "merged"]
    assert store.claim("spring", 5, 1000.0).leads == ()
    save(store, one, state=LeadState.PENDING, due_at=1100.0, attempts=1)
    lead = store.claim("spring", 5, 1100.0).leads[0]
    assert (lead.name, lead.attempts) == ("late", 1)
    assert [number.e164[-4:] for number in lead.numbers] == ["0001", "0005"]
    assert store.counts("spring").open == 1


def test_an_exception_or_a_rollback_undoes_an_import(store: AnyStore) -> None:
    """A session that fails or is rolled back leaves no lead, no number and no used id."""
    load(store, make_lead(1))
    with pytest.raises(ValueError, match="broken"), store.importing(POLICY, "b.csv", "", 0.0) as session:
        session.add(make_lead(2))
        raise ValueError("broken")
    with store.importing(POLICY, "c.csv", "", 0.0) as session:
        assert [session.add(make_lead(1, 3)), session.add(make_lead(3)), session.add(make_lead(4))] == [
            "merged",
            "unchanged",
            "loaded",
        ]
        session.rollback()
    assert load(store, make_lead(2)) == ["loaded"]
    assert [[n.e164[-4:] for n in lead.numbers] for lead in store.leads("spring")] == [["0001"], ["0002"]]
    assert [lead.lead_id for lead in store.leads("spring")] == [1, 2]
    assert store.claim("spring", 5, 0.0).open_leads == 2


def test_a_dry_run_knows_no_campaign_afterwards(store: AnyStore) -> None:
    """A rolled back first import leaves the campaign unknown."""
    with store.importing(POLICY, "a.csv", "", 0.0) as session:
        session.add(make_lead(1))
        session.rollback()
    assert (store.policy("spring"), store.campaigns()) == (None, [])


def test_one_import_at_a_time(store: AnyStore) -> None:
    """A second session is refused while one is open, and the first is not harmed."""
    with store.importing(POLICY, "a.csv", "", 0.0) as session:
        session.add(make_lead(1))
        with pytest.raises(StorageError, match="import is running"), store.importing(POLICY, "b.csv", "", 0.0):
            pass
        with pytest.raises(StorageError, match="import is running"), store.importing(POLICY, "b.csv", "", 0.0):
            pass
    assert store.counts("spring").loaded == 1


def test_a_lead_of_another_campaign_is_refused(store: AnyStore) -> None:
    """An import takes only leads of its own campaign that have a number."""
    for wrong in (make_lead(1, campaign="autumn"), make_lead()):
        with pytest.raises(StorageError, match="expected its own lead with a number"):
            load(store, wrong)
    assert store.campaigns() == []


def test_saving_an_unknown_lead_is_an_error(store: AnyStore) -> None:
    """The engine cannot save what the store never had."""
    load(store, make_lead(1))
    with pytest.raises(StorageError, match="lead 77"):
        save(store, make_lead(1, lead_id=77))


def test_a_blocked_person_is_not_claimed_by_any_campaign_of_the_seller(store: AnyStore) -> None:
    """A block acts at once on all the seller's campaigns, also on later imports, and on no other seller's."""
    load(store, make_lead(1, 2), make_lead(3))
    store.apply([BlockPerson(seller=POLICY.seller, numbers=(make_number(2).e164,), reason="refused")])
    for name, seller in (("autumn", POLICY.seller), ("other", "Another Seller")):
        with store.importing(make_policy(name, seller), "b.csv", "", 0.0) as session:
            session.add(make_lead(2, campaign=name))
    claimed = store.claim("spring", 1, 1000.0)
    assert [lead.numbers[0].e164[-4:] for lead in claimed.leads] == ["0003"]
    assert claimed.open_leads == 1
    finished = store.lead(1)
    assert finished is not None
    assert (finished.state, finished.reason) == (LeadState.FINISHED, "do_not_call")
    assert store.claim("autumn", 5, 1000.0).leads == ()
    assert len(store.claim("other", 5, 1000.0).leads) == 1
    assert store.is_blocked(POLICY.seller, make_number(2).e164)
    assert not store.is_blocked("Another Seller", make_number(2).e164)


def test_a_changed_order_holds_for_leads_that_are_there(store: AnyStore) -> None:
    """Loading a campaign with another order re-sorts its pending leads, ready and waiting."""
    load(store, make_lead(1, priority=1), make_lead(2, priority=2), make_lead(3, priority=3))
    first = store.claim("spring", 1, 1000.0).leads[0]
    save(store, first, state=LeadState.PENDING, due_at=1001.0)
    policy = make_policy(list=ListPolicy(order=("priority asc",)))
    store.commit(1, 1001.0, CampaignLoaded(policy=policy), [])
    assert store.policy("spring") == policy
    assert claimed_numbers(store, 5, 1001.0) == ["0001", "0002", "0003"]


def test_many_leads_are_claimed_once_each_in_order(store: AnyStore) -> None:
    """Five hundred leads, claimed in steps with returns in between, come in order and never twice at a time."""
    load(store, *[make_lead(index, priority=index * 7 % 5, shuffle=index * 37 % 101) for index in range(500)])
    keys: list[str] = []
    in_hand: dict[int, Lead] = {}
    now, finished = 1000.0, 0
    while finished < 500:
        for lead in store.claim("spring", 60, now).leads:
            assert lead.lead_id not in in_hand
            in_hand[lead.lead_id] = lead
            if lead.attempts == 0:
                keys.append(order_key(lead, POLICY.list.order))
        for lead_id, lead in list(in_hand.items()):
            del in_hand[lead_id]
            if lead.attempts == 1:
                save(store, lead, state=LeadState.FINISHED, reason="done")
                finished += 1
            else:
                save(store, lead, state=LeadState.PENDING, attempts=1, due_at=now + 1e4)
        now += 900.0
    assert keys == sorted(keys)
    assert len(keys) == 500
    assert store.claim("spring", 1, 1e12).open_leads == 0


def test_equal_numbers_of_one_row_are_one_number(store: AnyStore) -> None:
    """A row that repeats a number gives a lead that has it once."""
    number = make_number(1)
    twice = replace(
        make_lead(1), numbers=(number, make_number(2), PhoneNumber(e164=number.e164, kind="x", region="", zones=()))
    )
    load(store, twice)
    assert next(iter(store.leads("spring"))).numbers == (number, make_number(2))
