"""The lease of an engine, what holds it in a transaction, and what one engine tells the others: on PostgreSQL."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue

import psycopg
import pytest

from dialer.domain.policy import PacingMode
from dialer.errors import DatabaseLost, LeaseLost, StorageError
from dialer.storage.announcing import KEYS_MAX, Announcement, Kind, announce
from dialer.storage.ownership import LEASE_S, SPAN, Lease, engine_of, first_number, hold, last_number
from dialer.storage.ownership_keeper import Keeper, leased
from dialer.storage.postgres import PostgresDatabase
from dialer.storage.store import Store
from tests.parity.floor import policy
from tests.vaults import make_vault


@pytest.fixture
def store(postgres_address: str, tmp_path: Path) -> Iterator[Store]:
    """A store on an empty database."""
    with Store(PostgresDatabase(postgres_address, tmp_path), make_vault()) as made:
        yield made


@contextmanager
def keeper(address: str, name: str = "main") -> Iterator[tuple[Keeper, "Queue[object]"]]:
    """A keeper that runs, and what it says."""
    said: Queue[object] = Queue()
    made = Keeper(
        address,
        name,
        "test",
        on_owner=said.put,
        on_standby=lambda other: None,
        on_told=said.put,
        on_trouble=lambda why: None,
        on_end=said.put,
    )
    made.start()
    try:
        yield made, said
    finally:
        made.stop()


def by_hand(address: str, statement: str) -> None:
    """Change the database behind everybody's back."""
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(statement.encode())


def test_an_engine_numbers_in_a_span_of_its_own() -> None:
    """The first engine begins as a database without engines does."""
    assert (first_number(0), last_number(0), first_number(1)) == (1, SPAN, SPAN + 1)
    assert [engine_of(number) for number in (1, SPAN, SPAN + 1, 2 * SPAN)] == [0, 0, 1, 1]


def test_one_has_the_lease_and_another_gets_it_when_it_is_given_back(store: Store, postgres_address: str) -> None:
    """With a higher token, at once, and the same engine number."""
    with keeper(postgres_address) as (first, said):
        one = said.get(timeout=10.0)
        assert isinstance(one, Lease)
        assert first.may_send()
        with keeper(postgres_address) as (second, heard):
            assert not second.may_send()
            first.stop()
            two = heard.get(timeout=LEASE_S / 2.0)
            assert isinstance(two, Lease)
            assert (two.engine_id, two.token) == (one.engine_id, one.token + 1)
            assert not first.may_send()


def test_a_lease_from_before_the_servers_clock_was_set_back_is_not_waited_for(
    store: Store, postgres_address: str
) -> None:
    """A living owner renews it within a second; a dead one's would keep everybody waiting for an hour."""
    with leased(postgres_address, "main", "dead") as dead:
        by_hand(postgres_address, "UPDATE engines SET until_at = until_at + 3600")
        with keeper(postgres_address) as (_, said):
            taken = said.get(timeout=LEASE_S / 2.0)
            assert isinstance(taken, Lease)
            assert taken.token == dead.token + 1


def test_engines_of_different_names_have_different_numbers(store: Store, postgres_address: str) -> None:
    """And the same again the next time."""
    numbers: dict[str, int] = {}
    for name in ("north", "south", "north"):
        with leased(postgres_address, name, "test") as lease:
            assert numbers.setdefault(name, lease.engine_id) == lease.engine_id
    assert sorted(numbers.values()) == [0, 1]


def test_whoever_lost_the_lease_hears_of_it_and_commits_nothing(store: Store, postgres_address: str) -> None:
    """The keeper ends, nothing may be sent, and the store's next transaction is undone."""
    with keeper(postgres_address) as (kept, said):
        lease = said.get(timeout=10.0)
        assert isinstance(lease, Lease)
        store.own(lease)
        store.claim("none", 1, 0.0)
        by_hand(postgres_address, "UPDATE engines SET token = token + 1")
        with pytest.raises(LeaseLost, match="another daemon has taken over"):
            store.claim("none", 1, 0.0)
        assert isinstance(said.get(timeout=10.0), LeaseLost)
        assert not kept.may_send()


def test_a_server_that_refuses_the_lease_is_quoted(store: Store, postgres_address: str) -> None:
    """As when a right was taken away: the daemon ends for a fault of the database, not of its own."""
    with keeper(postgres_address) as (_, said):
        said.get(timeout=30.0)
        by_hand(postgres_address, "ALTER TABLE engines RENAME TO elsewhere")
        error = said.get(timeout=30.0)
    assert isinstance(error, StorageError)
    assert "its lease cannot be kept" in str(error)


def test_a_lease_that_ran_out_lets_nothing_be_committed_until_it_is_renewed(
    store: Store, postgres_address: str
) -> None:
    """It can be tried again: nobody else has it."""
    with leased(postgres_address, "main", "test") as lease:
        store.own(lease)
        by_hand(postgres_address, "UPDATE engines SET until_at = 0")
        with pytest.raises(DatabaseLost, match="not renewed yet"):
            store.claim("none", 1, 0.0)
        by_hand(postgres_address, "UPDATE engines SET until_at = extract(epoch FROM clock_timestamp()) + 3")
        store.claim("none", 1, 0.0)


def test_a_transaction_keeps_the_lease_until_it_ends(store: Store, postgres_address: str) -> None:
    """Whoever wants to take over waits for it, and never in between; who renews does not."""
    with leased(postgres_address, "main", "test") as lease:
        store.own(lease)
        with store.writing(), psycopg.connect(postgres_address, autocommit=True) as other:
            other.execute("SET lock_timeout = '100ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                other.execute("SELECT token FROM engines FOR UPDATE")
            other.execute("UPDATE engines SET until_at = until_at + 1")
        by_hand(postgres_address, "SELECT token FROM engines FOR UPDATE")


def test_a_campaign_of_a_living_engine_is_not_taken(store: Store, postgres_address: str, tmp_path: Path) -> None:
    """It says who has it; once that lease has run out it can be had, and the other's token is passed."""
    survey = policy("survey", PacingMode.PREDICTIVE)
    vault = make_vault()
    with (
        leased(postgres_address, "north", "there") as north,
        leased(postgres_address, "south", "here") as south,
        Store(PostgresDatabase(postgres_address, tmp_path), vault) as other,
    ):
        store.own(north)
        store.take_campaign(survey)
        store.take_campaign(survey)
        other.own(south)
        with pytest.raises(StorageError, match=r"engine 'north' dials it \(there\)"):
            other.take_campaign(survey)
        by_hand(postgres_address, "UPDATE engines SET until_at = 0 WHERE name = 'north'")
        other.take_campaign(survey)
        with pytest.raises(LeaseLost):
            store.claim("survey", 1, 0.0)


def test_a_campaign_that_is_given_up_is_anybodys(store: Store, postgres_address: str, tmp_path: Path) -> None:
    """While the engine that had it goes on with others."""
    survey = policy("survey", PacingMode.PREDICTIVE)
    with (
        leased(postgres_address, "north", "there") as north,
        leased(postgres_address, "south", "here") as south,
        Store(PostgresDatabase(postgres_address, tmp_path), make_vault()) as other,
    ):
        store.own(north)
        store.take_campaign(survey)
        assert store.give_up_campaign("survey")
        other.own(south)
        other.take_campaign(survey)
        store.claim("none", 1, 0.0)


def test_each_engine_counts_its_own_entries_and_calls(store: Store, postgres_address: str) -> None:
    """In its span, whatever others wrote."""
    with leased(postgres_address, "north", "x") as north, leased(postgres_address, "south", "x") as south:
        for lease in (north, south):
            store.own(lease)
            first = first_number(lease.engine_id)
            assert (store.next_seq(), store.next_call_id()) == (first, first)
            store.commit(first, 1.0, None, [])
            assert store.next_seq() == first + 1
            assert [entry.seq for entry in store.entries(first)] == [first]


def test_what_is_announced_is_heard_with_the_commit(store: Store, postgres_address: str) -> None:
    """And not before; a long list in parts; what nobody knows is passed over."""
    keys = tuple(f"{rank:064x}" for rank in range(KEYS_MAX + 1))
    with keeper(postgres_address) as (_, said):
        assert isinstance(said.get(timeout=10.0), Lease)
        with store.writing() as connection:
            announce(connection, "-", Kind.REFUSED, keys)
        heard = [Announcement.read(str(said.get(timeout=10.0))) for _ in range(2)]
    assert [word for each in heard if each is not None for word in each.words] == list(keys)
    assert Announcement.read("tomorrow - x") is None
    assert Announcement.read("refused") is None


@pytest.mark.parametrize("is_piped", [False, True])
def test_an_owner_that_stops_within_a_transaction_is_cut_off(
    is_piped: bool, store: Store, postgres_address: str
) -> None:
    """It holds the engine's row and will never let go: the next one has the lease within five seconds all the same."""
    began = time.monotonic()
    writing = store.database.quick_transaction if is_piped else store.database.transaction
    connection = store._writer
    with leased(postgres_address, "main", "stopped") as lease:
        with pytest.raises(StorageError), store.database.explained(), writing(connection):
            hold(connection, lease)
            if is_piped:  # under way, and nothing that ends the pipe: for the server this is no idle transaction
                connection.execute("UPDATE meta SET value = value")
                connection._raw.pgconn.send_flush_request()
                connection._raw.pgconn.flush()
            with keeper(postgres_address) as (_, said):
                taken = said.get(timeout=10.0)
            assert isinstance(taken, Lease)
            assert taken.token == lease.token + 1
            assert time.monotonic() - began < 5.0
            connection.execute("UPDATE meta SET value = 0").fetchone()
        with pytest.raises(LeaseLost):
            store.own(lease)
