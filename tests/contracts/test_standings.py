"""One contract for every store: what a claim brings along of each person, what was known earlier, who is woken."""

from dataclasses import replace

import pytest

from dialer.domain.commands import BlockPerson, RecordAttempt, SaveLead, WakeLeads
from dialer.domain.lead import UNTIL_DUE, Lead, LeadState
from dialer.domain.outcome import Outcome
from dialer.domain.records import Attempt
from dialer.domain.standing import PAST_DAYS, Standing
from dialer.engine.hopper import order_key
from dialer.errors import StorageError
from tests.unit.storage.builders import (
    make_abandoned,
    make_attempt,
    make_connect,
    make_lead,
    make_number,
    make_policy,
)
from tests.unit.storage.people import DAY_S, OTHER, SELLER, AnyStore, give, make_consent, register

POLICY = make_policy()
NOW = 200 * DAY_S


def load(store: AnyStore, *candidates: Lead, name: str = "spring", seller: str = SELLER) -> None:
    """Import leads into a campaign of a seller."""
    with store.importing(make_policy(name, seller), "list.csv", "cd" * 32, 1000.0) as session:
        for candidate in candidates:
            session.add(replace(candidate, campaign=name))


def claimed(store: AnyStore, name: str = "spring", now: float = NOW) -> list[Standing]:
    """Claim everything and give the standings, by lead id."""
    leads = sorted(store.claim(name, 100, now).leads, key=lambda lead: lead.lead_id)
    assert all(lead.standing is not None for lead in leads)
    return [lead.standing for lead in leads if lead.standing is not None]


def record(store: AnyStore, *attempts: Attempt) -> None:
    """Keep attempts of SELLER's, unless they say whose they are."""
    store.apply(RecordAttempt(attempt=replace(each, seller=each.seller or SELLER)) for each in attempts)


def test_a_person_of_whom_nothing_is_known_has_an_empty_standing(store: AnyStore) -> None:
    """It says as of when; that nothing is known is knowledge, too."""
    load(store, make_lead(1))
    assert claimed(store) == [Standing(as_of_at=NOW)]


def test_a_claim_brings_consents_of_every_number(store: AnyStore) -> None:
    """Those given to the seller and those that name it as a recipient, revoked ones as well; nobody else's."""
    load(store, make_lead(1, 2))
    named = make_consent(2, seller=OTHER, recipients=(SELLER,), is_night=True)
    give(store, make_consent(1), make_consent(1, seller=OTHER), make_consent(3), named)
    (standing,) = claimed(store)
    assert [replace(each, consent_id=0) for each in standing.consents] == [make_consent(1), named]


def test_every_word_of_a_consent_is_kept(store: AnyStore) -> None:
    """Purposes come in one order, whatever order they were told in."""
    full = make_consent(
        1,
        purposes=("telemarketing", "survey"),
        text_hash="ef" * 32,
        recipients=("Example Post", "Example Bank"),
        is_written=True,
        is_night=True,
        hours=((72_000, 77_400),),
        expires_at=NOW + 1.0,
        confirmed_at=2000.0,
    )
    load(store, make_lead(1))
    give(store, full)
    (standing,) = claimed(store)
    assert replace(standing.consents[0], consent_id=0) == replace(full, purposes=("survey", "telemarketing"))


def test_the_consents_of_a_list_come_with_its_leads(store: AnyStore) -> None:
    """A list's consents are kept in the same transaction as its leads, and not without them."""
    with store.importing(POLICY, "list.csv", "", 1000.0) as session:
        session.add(make_lead(1), [make_consent(1)])
    with pytest.raises(ValueError, match="broken"), store.importing(POLICY, "list.csv", "", 1000.0) as session:
        session.add(make_lead(2), [make_consent(2)])
        raise ValueError("broken")
    load(store, make_lead(2))
    assert [len(standing.consents) for standing in claimed(store)] == [1, 0]


def test_a_dry_run_keeps_no_consent(store: AnyStore) -> None:
    """What an import rolls back, it rolls back whole."""
    with store.importing(POLICY, "list.csv", "", 1000.0) as session:
        session.add(make_lead(1), [make_consent(1)])
        session.rollback()
    load(store, make_lead(1))
    assert claimed(store)[0].consents == ()


def test_a_list_brings_consents_to_its_own_seller_only(store: AnyStore) -> None:
    """Another seller's consent among a campaign's rows is refused."""
    with (
        pytest.raises(StorageError, match="expected consents given to its seller"),
        store.importing(POLICY, "list.csv", "", 1000.0) as session,
    ):
        session.add(make_lead(1), [make_consent(1, seller=OTHER)])


def test_a_claim_brings_earlier_attempts_across_campaigns(store: AnyStore) -> None:
    """Those of the seller to any number of the person, by instant, whichever campaign and lead they were of."""
    load(store, make_lead(1, 2))
    record(
        store,
        make_attempt(1, NOW - 50.0, number=make_number(2).e164, subject="loan", campaign="autumn", lead_id=77),
        make_attempt(2, NOW - 90.0, number=make_number(1).e164),
        make_attempt(3, NOW - 70.0, number=make_number(3).e164),
        make_attempt(4, NOW - 60.0, number=make_number(1).e164, seller=OTHER),
    )
    (standing,) = claimed(store)
    assert [(each.call_id, each.number[-4:], each.subject) for each in standing.past] == [
        (2, "0001", ""),
        (1, "0002", "loan"),
    ]


def test_a_call_counts_for_whoever_shares_a_number_with_the_lead_that_was_called(store: AnyStore) -> None:
    """Also one to a number that only the other campaign's list has; not if the other campaign is another seller's."""
    load(store, make_lead(1))
    for policy in (replace(POLICY, name="autumn"), replace(POLICY, name="winter", seller=OTHER)):
        with store.importing(policy, "list.csv", "", 1000.0) as session:
            session.add(make_lead(1, 2, campaign=policy.name))
            session.add(make_lead(2 if policy.name == "winter" else 3, campaign=policy.name))
    (ours, alone), theirs = store.leads("autumn"), next(iter(store.leads("winter")))
    record(
        store,
        make_attempt(1, NOW - 90.0, number=make_number(2).e164, campaign="autumn", lead_id=ours.lead_id),
        make_attempt(2, NOW - 80.0, number=make_number(1).e164, campaign="autumn", lead_id=ours.lead_id),
        make_attempt(3, NOW - 70.0, number=make_number(3).e164, campaign="autumn", lead_id=alone.lead_id),
        make_attempt(4, NOW - 60.0, number=make_number(2).e164, campaign="winter", lead_id=theirs.lead_id),
        make_attempt(
            5, NOW - 50.0, number=make_number(2).e164, campaign="winter", lead_id=theirs.lead_id, seller=OTHER
        ),
    )
    (standing,) = claimed(store)
    assert [(each.call_id, each.number) for each in standing.past] == [(1, ""), (2, make_number(1).e164)]
    (standing,) = [store.standing_at(each, SELLER, NOW) for each in (ours,)]
    assert [(each.call_id, each.number[-4:]) for each in standing.past] == [(1, "0002"), (2, "0001"), (4, "0002")]


def test_attempts_of_long_ago_are_left_out(store: AnyStore) -> None:
    """No rule counts further back than PAST_DAYS."""
    load(store, make_lead(1))
    number = make_number(1).e164
    first = NOW - PAST_DAYS * DAY_S
    record(store, make_attempt(1, first - 1.0, number=number), make_attempt(2, first, number=number))
    assert [each.call_id for each in claimed(store)[0].past] == [2]


def test_a_refusal_and_an_abandonment_are_never_forgotten(store: AnyStore) -> None:
    """Some rules know no end: a refusal in Japan; in Italy the next call after an abandonment has its agent."""
    load(store, make_lead(1))
    number, long_ago = make_number(1).e164, NOW - 2 * PAST_DAYS * DAY_S
    record(
        store,
        make_attempt(1, long_ago, number=number),
        make_connect(2, long_ago, number=number, is_refusal=True),
        make_abandoned(3, long_ago, number=number),
    )
    assert [each.call_id for each in claimed(store)[0].past] == [2, 3]


def test_an_attempt_says_how_it_ended(store: AnyStore) -> None:
    """Abandoned or of unknown fate, a conversation, a refusal: as far as rules ask."""
    load(store, make_lead(1))
    number = make_number(1).e164
    record(
        store,
        make_attempt(1, NOW - 500.0, number=number),
        make_abandoned(2, NOW - 400.0, number=number),
        make_attempt(3, NOW - 300.0, number=number, outcome=Outcome.UNKNOWN),
        make_connect(4, NOW - 200.0, number=number),
        make_connect(5, NOW - 100.0, number=number, talk_s=30.0, is_refusal=True, disposed_at=NOW - 60.0),
        make_connect(6, NOW - 80.0, number=number, talk_s=30.0, is_live=False),
    )
    found = [(each.is_abandoned, each.is_conversation, each.is_refusal) for each in claimed(store)[0].past]
    assert found == [
        (False, False, False),
        (True, False, False),
        (True, False, False),
        (False, True, False),
        (False, True, True),
        (False, False, False),
    ]


def test_the_last_word_on_an_attempt_counts(store: AnyStore) -> None:
    """An attempt recorded again replaces what was said of it before."""
    load(store, make_lead(1))
    number = make_number(1).e164
    record(store, make_attempt(1, NOW - 500.0, number=number, released_at=None, outcome=None))
    record(store, make_connect(1, NOW - 490.0, number=number))
    past = claimed(store)[0].past
    assert [(each.call_id, each.is_conversation) for each in past] == [(1, True)]


def test_a_claim_brings_the_registers_that_list_a_number(store: AnyStore) -> None:
    """Each number with each register that holds it; a newer copy counts instead of an older one."""
    load(store, make_lead(1, 2), make_lead(3))
    register(store, "us-dnc", [make_number(2).e164, make_number(9).e164])
    register(store, "us-fl-dnc", [make_number(1).e164, make_number(2).e164])
    first, second = make_number(1).e164, make_number(2).e164
    assert [standing.listed for standing in claimed(store)] == [
        (("us-fl-dnc", first), ("us-dnc", second), ("us-fl-dnc", second)),
        (),
    ]
    store.release_claims()
    register(store, "us-fl-dnc", [], version="2", imported_at=10.0)
    assert [standing.listed for standing in claimed(store)] == [(("us-dnc", second),), ()]


def test_the_copies_in_use_are_named(store: AnyStore) -> None:
    """By register, the newest copy of each."""
    assert store.registry_copies() == ()
    other = register(store, "us-fl-dnc", [make_number(1).e164])
    register(store, "us-dnc", [make_number(1).e164])
    newest = register(store, "us-dnc", [make_number(2).e164], version="2", imported_at=10.0)
    assert store.registry_copies() == (newest, other)


def test_a_refusal_ends_every_consent_to_its_seller(store: AnyStore) -> None:
    """From its instant on; consents to others stand, and so do those of other people."""
    load(store, make_lead(1))
    give(store, make_consent(1), make_consent(1, is_night=True), make_consent(1, seller=OTHER, recipients=(SELLER,)))
    lead = store.claim("spring", 1, NOW).leads[0]
    store.apply([BlockPerson(seller=SELLER, numbers=(make_number(1).e164,), reason="said so", at=NOW, who="amy")])
    standing = store.standing_at(lead, SELLER, NOW)
    assert (
        sorted((each.seller, each.revoked_at) for each in standing.consents if each.revoked_at) == [(SELLER, NOW)] * 2
    )
    assert [each.revoked_at for each in standing.consents if each.seller == OTHER] == [None]
    assert standing.blocked_at == NOW
    assert store.standing_at(lead, OTHER, NOW).blocked_at is None


def test_nobody_who_refused_is_claimed(store: AnyStore) -> None:
    """Neither under the number named nor under another one of the lead, whatever clock the refusal had."""
    load(store, make_lead(1, 2), make_lead(3))
    store.apply([BlockPerson(seller=SELLER, numbers=(make_number(2).e164,), reason="no", at=NOW + 99.0)])
    leads = store.claim("spring", 10, NOW).leads
    assert [lead.numbers[0].e164 for lead in leads] == [make_number(3).e164]


def test_a_claim_goes_by_the_copies_that_are_here(store: AnyStore) -> None:
    """Whoever imported one has a clock that runs ahead of the daemon's: the copy is in use all the same."""
    load(store, make_lead(1))
    register(store, "us-dnc", [make_number(1).e164], imported_at=NOW + 3600.0)
    assert [standing.listed for standing in claimed(store)] == [(("us-dnc", make_number(1).e164),)]


def test_a_revocation_in_a_file_is_a_refusal(store: AnyStore) -> None:
    """A consent that comes in revoked ends the others of its number, and puts the number on the seller's list."""
    load(store, make_lead(1), make_lead(2))
    give(store, make_consent(1), make_consent(2))
    give(store, make_consent(1, obtained_at=1500.0, revoked_at=2000.0))
    assert store.is_blocked(SELLER, make_number(1).e164)
    assert not store.is_blocked(OTHER, make_number(1).e164)
    leads = store.claim("spring", 10, NOW).leads
    assert [lead.numbers[0].e164 for lead in leads] == [make_number(2).e164]


def test_the_same_consent_again_changes_nothing_but_a_later_confirmation(store: AnyStore) -> None:
    """Seller, number, purposes, night and instant tell which one it is; a revocation is never taken back."""
    load(store, make_lead(1))
    give(store, make_consent(1, confirmed_at=3000.0))
    give(store, make_consent(1, method="paper", confirmed_at=2500.0))
    give(store, make_consent(1))
    lead = store.claim("spring", 1, NOW).leads[0]
    assert lead.standing is not None
    assert [(each.method, each.confirmed_at) for each in lead.standing.consents] == [("web form", 3000.0)]
    give(store, make_consent(1, confirmed_at=4000.0))
    store.apply([BlockPerson(seller=SELLER, numbers=(make_number(1).e164,), reason="no", at=6000.0)])
    give(store, make_consent(1, confirmed_at=4500.0))
    (consent,) = store.standing_at(lead, SELLER, NOW).consents
    assert (consent.confirmed_at, consent.revoked_at) == (4500.0, 6000.0)


def test_an_earlier_instant_knows_less(store: AnyStore) -> None:
    """Attempts made, and refusals spoken, up to then; nothing of the rest."""
    load(store, make_lead(1))
    number = make_number(1).e164
    record(
        store,
        make_attempt(1, 1000.0, number=number),
        make_connect(2, 2000.0, number=number, talk_s=100.0, is_refusal=True, disposed_at=2150.0),
    )
    store.apply([BlockPerson(seller=SELLER, numbers=(number,), reason="no", at=3000.0)])
    lead = next(iter(store.leads("spring")))
    assert store.standing_at(lead, SELLER, 999.0) == Standing(as_of_at=999.0)
    during = store.standing_at(lead, SELLER, 2000.5)
    assert [(each.call_id, each.is_conversation, each.is_refusal) for each in during.past] == [
        (1, False, False),
        (2, False, False),
    ]
    after = store.standing_at(lead, SELLER, 2200.0)
    assert [(each.is_conversation, each.is_refusal) for each in after.past] == [(False, False), (True, True)]
    assert (after.blocked_at, store.standing_at(lead, SELLER, 3000.0).blocked_at) == (None, 3000.0)


def test_a_standing_is_kept_nowhere(store: AnyStore) -> None:
    """It travels with a claimed lead; the lead that is saved has none."""
    load(store, make_lead(1))
    lead = store.claim("spring", 1, NOW).leads[0]
    done = replace(lead, state=LeadState.FINISHED)
    store.apply([SaveLead(lead=done, order_key=order_key(done, POLICY.list.order))])
    kept = store.lead(lead.lead_id)
    assert kept is not None
    assert kept.standing is None


def test_leads_that_a_rule_put_off_are_woken(store: AnyStore) -> None:
    """For want of something: by any news; until an instant: by a change of the rules. A retry keeps its instant."""
    load(store, make_lead(1), make_lead(2), make_lead(3))
    for lead, reason in zip(
        store.claim("spring", 3, 1000.0).leads, ("", "US.consent", f"{UNTIL_DUE}US.hours"), strict=True
    ):
        put_off = replace(lead, state=LeadState.PENDING, due_at=9000.0, reason=reason)
        store.apply([SaveLead(lead=put_off, order_key=order_key(put_off, POLICY.list.order))])

    def claimed_at(now: float) -> list[str]:
        return [lead.numbers[0].e164[-4:] for lead in store.claim("spring", 5, now).leads]

    store.apply([WakeLeads(campaign="autumn", at=1001.0, is_rule_change=True)])
    assert claimed_at(1001.0) == []
    store.apply([WakeLeads(campaign="spring", at=1001.0)])
    assert claimed_at(1001.0) == ["0002"]
    store.apply([WakeLeads(campaign="spring", at=1002.0, is_rule_change=True), WakeLeads(campaign="spring", at=1002.0)])
    assert claimed_at(1001.0) == []
    assert [each.reason for each in store.claim("spring", 5, 1002.0).leads] == [""]
    assert claimed_at(9000.0) == ["0001"]
