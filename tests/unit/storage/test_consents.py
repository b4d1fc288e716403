"""Consents in a database: kept whole, told of to nobody else, and never in readable numbers."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialer.domain.commands import BlockPerson, RecordAttempt
from dialer.domain.standing import Consent
from dialer.errors import KeysError
from dialer.storage.database import Database
from dialer.storage.reading import Records
from dialer.storage.sqlite import SqliteDatabase
from dialer.storage.store import Store
from tests.servers.databases import by_hand
from tests.unit.storage.builders import VAULT, make_attempt, make_lead, make_number, make_policy
from tests.unit.storage.people import OTHER, SELLER, give, make_consent
from tests.vaults import make_vault

SELLERS = (SELLER, OTHER, "Example Post")


def open_store(database: Database) -> Store:
    """The store of a test."""
    return Store(database, VAULT)


def raw(database: Database, sql: str) -> list[tuple[object, ...]]:
    """Read the database as it is."""
    with by_hand(database) as connection:
        return connection.execute(sql).fetchall()


def test_an_import_says_what_became_of_it(any_database: Database) -> None:
    """New, confirmed, unchanged and revoked; a consent that stands twice in a file is one."""
    with open_store(any_database) as store:
        with store.importing_consents("a.csv", "amy", 5000.0) as session:
            session.add([make_consent(1), make_consent(2), make_consent(1), make_consent(3)])
        assert (session.tally.new, session.tally.confirmed, session.tally.unchanged) == (3, 0, 0)
        with store.importing_consents("b.csv", "amy", 6000.0) as session:
            session.add([make_consent(1, confirmed_at=5500.0), make_consent(2), make_consent(3, revoked_at=5600.0)])
        tally = session.tally
        assert (tally.new, tally.confirmed, tally.unchanged, tally.revoked) == (0, 1, 2, 1)


def test_a_record_says_how_it_came_and_who_ended_it(any_database: Database) -> None:
    """When and from which file it was recorded, who revoked it and why."""
    with open_store(any_database) as store:
        give(store, make_consent(1), now=5000.0)
        block = BlockPerson(seller=SELLER, numbers=(make_number(1).e164,), reason="rang back", at=7000.0, who="amy")
        store.apply([block])
        (kept,) = store.consents(SELLER, make_number(1).e164)
    assert (kept.recorded_at, kept.recorded_from) == (5000.0, "consents.csv")
    assert (kept.consent.revoked_at, kept.revoked_by, kept.reason) == (7000.0, "amy", "rang back")


def test_what_became_of_a_consent_is_kept_event_by_event(any_database: Database) -> None:
    """Recorded, each later confirmation, revoked: with the instant of it and that of its coming to be known."""
    with open_store(any_database) as store:
        give(store, make_consent(1, confirmed_at=2000.0), now=5000.0)
        give(store, make_consent(1, confirmed_at=3000.0), now=6000.0)
        give(store, make_consent(1, confirmed_at=2500.0), now=6500.0)
        store.apply([BlockPerson(seller=SELLER, numbers=(make_number(1).e164,), reason="no", at=7000.0, who="amy")])
    events = raw(any_database, "SELECT kind, at, recorded_at, who, reason FROM consent_events ORDER BY event_id")
    assert events == [
        ("recorded", 1000.0, 5000.0, "clerk", "consents.csv"),
        ("confirmed", 2000.0, 5000.0, "clerk", ""),
        ("confirmed", 3000.0, 6000.0, "clerk", ""),
        ("revoked", 7000.0, 7000.0, "amy", "no"),
    ]


def test_an_earlier_instant_sees_the_confirmation_of_then(any_database: Database) -> None:
    """A confirmation that came later is not in what was known before, but the one before it is."""
    with open_store(any_database) as store:
        for confirmed_at in (None, 3000.0, 4000.0):
            give(store, make_consent(1, confirmed_at=confirmed_at))
        lead = make_lead(1)
        found = [store.standing_at(lead, SELLER, at).consents[0].confirmed_at for at in (2000.0, 3500.0, 4500.0)]
    assert found == [None, 3000.0, 4000.0]


def test_a_second_refusal_does_not_move_the_first(any_database: Database) -> None:
    """One "no" is kept for good, with its own instant and reason."""
    with open_store(any_database) as store:
        give(store, make_consent(1))
        for at, reason in ((6000.0, "first"), (7000.0, "second")):
            store.apply([BlockPerson(seller=SELLER, numbers=(make_number(1).e164,), reason=reason, at=at)])
        (kept,) = store.consents(SELLER, make_number(1).e164)
        assert (kept.consent.revoked_at, kept.reason) == (6000.0, "first")
        assert store.standing_at(make_lead(1), SELLER, 9000.0).blocked_at == 6000.0


def test_no_consent_ends_before_it_began(any_database: Database) -> None:
    """A refusal by a clock that runs behind ends a later consent at the consent's own instant."""
    with open_store(any_database) as store:
        give(store, make_consent(1, obtained_at=4000.0))
        store.apply([BlockPerson(seller=SELLER, numbers=(make_number(1).e164,), reason="no", at=3000.0)])
        assert [kept.consent.revoked_at for kept in store.consents(SELLER, make_number(1).e164)] == [4000.0]


def test_an_import_that_fails_keeps_nothing(any_database: Database) -> None:
    """Nothing of it is in the tables, whatever came before the failure."""
    with open_store(any_database) as store:
        with (
            pytest.raises(ValueError, match="broken"),
            store.importing_consents("a.csv", "amy", 5000.0) as session,
        ):
            session.add([make_consent(1, revoked_at=2000.0)])
            raise ValueError("broken")
        assert store.consents(SELLER, make_number(1).e164) == []
        assert not store.is_blocked(SELLER, make_number(1).e164)


def test_consents_of_one_seller_are_walked_without_those_that_ended(any_database: Database) -> None:
    """Those to confirm are the seller's own that nobody revoked, with their numbers readable."""
    with open_store(any_database) as store:
        give(store, make_consent(1), make_consent(2), make_consent(3, seller=OTHER, recipients=(SELLER,)))
        store.apply([BlockPerson(seller=SELLER, numbers=(make_number(2).e164,), reason="no", at=6000.0)])
        assert [kept.consent.number for kept in store.standing_consents(SELLER)] == [make_number(1).e164]


def test_consents_of_an_erased_person_are_passed_over(any_database: Database) -> None:
    """The record may stay as proof, without its number: there is nobody to ask again."""
    with open_store(any_database) as store:
        give(store, make_consent(1), make_consent(2))
        with by_hand(any_database) as connection:
            index = VAULT.index(make_number(1).e164)
            connection.execute("UPDATE consents SET number = ? WHERE number_index = ?", (b"", index))
        assert [kept.consent.number for kept in store.standing_consents(SELLER)] == [make_number(2).e164]
        assert len(store.consents(SELLER, make_number(1).e164)) == 1


def test_no_number_lies_readable_on_the_disk(tmp_path: Path) -> None:
    """Neither in the database nor in its log."""
    with open_store(SqliteDatabase(tmp_path / "dialer.db")) as store:
        give(store, make_consent(1, revoked_at=2000.0))
        files = [path.read_bytes() for path in tmp_path.iterdir()]
        assert any(b"web form" in data for data in files)
        assert not any(b"2025550001" in data for data in files)


def test_a_wrong_key_opens_nothing(any_database: Database) -> None:
    """Under another keyring the database is refused as a whole."""
    with open_store(any_database) as store:
        give(store, make_consent(1))
    with pytest.raises(KeysError, match="00000001"):
        Records(any_database, make_vault("00000002"))


consents = st.lists(
    st.builds(
        lambda index, seller, recipients, obtained_at, revoked: make_consent(
            index,
            seller=seller,
            recipients=tuple(recipients),
            obtained_at=obtained_at,
            revoked_at=obtained_at + 1.0 if revoked else None,
        ),
        st.integers(1, 3),
        st.sampled_from(SELLERS),
        st.lists(st.sampled_from(SELLERS), max_size=2, unique=True),
        st.sampled_from([1000.0, 2000.0]),
        st.integers(0, 4).map(lambda number: number == 0),
    ),
    max_size=8,
)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given_=consents, blocked=st.lists(st.tuples(st.sampled_from(SELLERS), st.integers(1, 3)), max_size=3))
def test_no_query_of_a_seller_sees_anything_of_another(
    new_database: Callable[[], Database], given_: list[Consent], blocked: list[tuple[str, int]]
) -> None:
    """Consents, refusals, attempts and leads: each seller sees its own, and consents that name it."""
    with open_store(new_database()) as store:
        for number, seller in enumerate(SELLERS, start=1):
            with store.importing(make_policy(f"of-{number}", seller), "list.csv", "", 0.0) as session:
                session.add(replace(make_lead(1, 2, 3), campaign=f"of-{number}"))
            attempt = make_attempt(number, 3000.0, number=make_number(1).e164, seller=seller)
            store.apply([RecordAttempt(attempt=attempt)])
        give(store, *given_)
        store.apply(
            BlockPerson(seller=seller, numbers=(make_number(index).e164,), reason="no", at=4000.0)
            for seller, index in blocked
        )
        refused = {(seller, make_number(index).e164) for seller, index in blocked}
        gone = {each.seller for each in given_ if each.revoked_at is not None}  # one person has all three numbers
        refused |= {(seller, make_number(index).e164) for seller in gone for index in (1, 2, 3)}
        for number, seller in enumerate(SELLERS, start=1):
            standing = store.standing_at(make_lead(1, 2, 3), seller, 9000.0)
            assert all(seller == each.seller or seller in each.recipients for each in standing.consents)
            assert [each.call_id for each in standing.past] == [number]
            assert (standing.blocked_at is not None) == any(whose == seller for whose, _ in refused)
            assert all(kept.consent.seller == seller for kept in store.standing_consents(seller))
            for index in (1, 2, 3):
                e164 = make_number(index).e164
                kept = [each.consent for each in store.consents(seller, e164)]
                wanted = [each for each in given_ if each.number == e164]
                ours = {
                    (each.seller, each.obtained_at)
                    for each in wanted
                    if seller == each.seller or seller in _first(wanted, each).recipients
                }
                assert {(each.seller, each.obtained_at) for each in kept} == ours
                assert store.is_blocked(seller, e164) == ((seller, e164) in refused)
                assert [lead.campaign for lead in store.leads_of(seller, e164)] == [f"of-{number}"]


def _first(wanted: list[Consent], consent: Consent) -> Consent:
    """The record that stays when the same consent was told of several times: the first."""
    return next(each for each in wanted if (each.seller, each.obtained_at) == (consent.seller, consent.obtained_at))


def test_a_revocation_in_a_file_holds_for_all_numbers_of_the_person(any_database: Database) -> None:
    """The seller's lists know the other number; another campaign has it alone, and another seller's is untouched."""
    autumn, theirs = make_policy("autumn"), make_policy("theirs", seller=OTHER)
    with open_store(any_database) as store:
        for policy, lead in (
            (make_policy(), make_lead(1, 2)),
            (autumn, make_lead(2, campaign="autumn")),
            (theirs, make_lead(1, 3, campaign="theirs")),
        ):
            store.register(policy)
            with store.importing(policy, "list.csv", "cd" * 32, 0.0) as session:
                session.add(lead)
        give(store, make_consent(2))
        give(store, make_consent(1, revoked_at=2000.0))
        assert [store.is_blocked(SELLER, make_number(index).e164) for index in (1, 2, 3)] == [True, True, False]
        assert not store.is_blocked(OTHER, make_number(1).e164)
        assert [kept.consent.revoked_at for kept in store.consents(SELLER, make_number(2).e164)] == [2000.0]
        assert store.claim("autumn", 10, 9000.0).leads == ()
    (body,) = raw(any_database, "SELECT body FROM evidence WHERE kind = 'refusal'")[-1]
    assert all(VAULT.index(make_number(index).e164).hex() in str(body) for index in (1, 2))
