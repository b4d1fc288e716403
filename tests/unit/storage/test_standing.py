"""Standings from a database: a few statements per claim, and the past as it was."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from dialer.domain.commands import RecordAttempt
from dialer.domain.events import LeadsClaimed
from dialer.domain.lead import Lead
from dialer.errors import StorageError
from dialer.storage.database import Connection, Cursor, Database
from dialer.storage.registries import KEPT_COPIES
from dialer.storage.standing import Person, Standings
from dialer.storage.store import Store
from tests.unit.storage.builders import VAULT, make_attempt, make_lead, make_number, make_policy
from tests.unit.storage.people import DAY_S, SELLER, give, make_consent, register

NOW = 200 * DAY_S


def open_store(database: Database) -> Store:
    """The database of a test."""
    return Store(database, VAULT)


def person(lead: Lead) -> Person:
    """Who a lead is of."""
    return Person(lead.lead_id, lead.campaign, {VAULT.index(number.e164): number.e164 for number in lead.numbers})


class Counting:
    """A connection that counts what is asked of it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.statements = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Cursor:
        """Run a statement."""
        self.statements += 1
        return self._connection.execute(sql, parameters)


def load(store: Store, *leads: Lead) -> None:
    """Import leads."""
    with store.importing(make_policy(), "list.csv", "", 1000.0) as session:
        for lead in leads:
            session.add(lead)


def test_many_leads_cost_no_more_statements_than_one(any_database: Database) -> None:
    """Each of them asks for all numbers at once."""
    with open_store(any_database) as store:
        leads = [make_lead(rank, rank + 500) for rank in range(100)]
        load(store, *leads)
        register(store, "us-dnc", [make_number(rank).e164 for rank in range(0, 100, 3)])
        standings = Standings(VAULT, store._shelf)
        one, many = Counting(store._reader), Counting(store._reader)
        people = [person(lead) for lead in leads]
        standings.of(one, people[:1], SELLER, NOW)  # type: ignore[arg-type]
        found = standings.of(many, people, SELLER, NOW)  # type: ignore[arg-type]
        assert many.statements == one.statements <= 6
        assert sum(len(standing.listed) for standing in found) == 34


def test_no_leads_have_no_standings(any_database: Database) -> None:
    """A claim that finds nobody asks nothing about anybody."""
    with open_store(any_database) as store:
        assert Standings(VAULT, store._shelf).of(store._reader, [], SELLER, NOW) == []


def test_more_numbers_than_a_statement_holds_are_asked_for_in_parts(any_database: Database) -> None:
    """However many leads are claimed at once."""
    with open_store(any_database) as store:
        numbers = tuple(replace(make_number(1), e164=f"+1202{rank:07d}") for rank in range(25_000))
        give(store, make_consent(1, number=numbers[-1].e164), make_consent(1, number=numbers[0].e164))
        (standing,) = Standings(VAULT, store._shelf).of(
            store._reader, [person(make_lead(1, numbers=numbers))], SELLER, NOW
        )
        assert [each.number for each in standing.consents] == [numbers[0].e164, numbers[-1].e164]


def test_an_earlier_instant_sees_the_copy_of_then(any_database: Database) -> None:
    """A number that came onto a register later was not listed before."""
    with open_store(any_database) as store:
        number = make_number(1).e164
        register(store, "us-dnc", [], version="a", imported_at=100.0)
        register(store, "us-dnc", [number], version="b", imported_at=200.0)
        found = [store.standing_at(make_lead(1), SELLER, at).listed for at in (99.0, 150.0, 200.0)]
    assert found == [(), (), (("us-dnc", number),)]


def test_a_copy_that_is_kept_no_longer_was_not_there(any_database: Database) -> None:
    """Nothing can be looked up in it, so a question about its time finds no copy rather than nobody listed."""
    with open_store(any_database) as store:
        for version in range(KEPT_COPIES + 1):
            register(store, "us-dnc", [make_number(1).e164], version=f"v{version}", imported_at=float(version))
        assert store.registry_copies(0.0) == ()
        assert [copy.version for copy in store.registry_copies(1.0)] == ["v1"]
        assert store.standing_at(make_lead(1), SELLER, 0.0).listed == ()


def test_a_damaged_copy_stops_the_claim(any_database: Database) -> None:
    """Nobody is called on the word of a register that cannot be read, and no lead is taken."""
    with open_store(any_database) as store:
        load(store, make_lead(1))
        register(store, "us-dnc", [make_number(1).e164])
        (any_database.folder / "registries" / "us-dnc-1.bin").write_bytes(b"")
        with pytest.raises(StorageError, match=r"us-dnc-1\.bin"):
            store.claim("spring", 1, NOW)
    with open_store(any_database) as store:
        assert [lead.state for lead in store.leads("spring")] == ["pending"]


def test_a_claim_comes_back_from_the_journal_with_its_standing(any_database: Database) -> None:
    """A replay knows of a person what the day itself knew."""
    with open_store(any_database) as store:
        load(store, make_lead(1, 2))
        number = make_number(1).e164
        register(store, "us-dnc", [number])
        give(store, make_consent(1, is_night=True, hours=((1, 2),), recipients=("Example Post",)))
        store.apply([RecordAttempt(attempt=make_attempt(1, NOW - 5.0, number=number, seller=SELLER))])
        claimed = store.claim("spring", 1, NOW)
        assert claimed.leads[0].standing is not None
        assert claimed.leads[0].standing.past
        store.commit(1, NOW, claimed, [])
        (entry,) = store.entries()
    assert isinstance(entry.event, LeadsClaimed)
    assert entry.event == claimed
