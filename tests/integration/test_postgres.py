"""A database on a PostgreSQL server: opening it, losing it, and how its statements find their rows."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from itertools import islice
from pathlib import Path

import psycopg
import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from dialer.domain.commands import RecordAttempt, SaveLead
from dialer.domain.lead import LeadState
from dialer.engine.hopper import order_key
from dialer.errors import DatabaseLost, DatabaseUnfit, DiskFull, KeysError, StorageError
from dialer.storage import store as store_module
from dialer.storage.checkup import check_up
from dialer.storage.database import Connection
from dialer.storage.importing import LeadImport
from dialer.storage.imports import ListCounts
from dialer.storage.postgres import PostgresDatabase
from dialer.storage.postgres_arrays import COLUMNS
from dialer.storage.postgres_connection import PostgresConnection
from dialer.storage.reading import Records
from dialer.storage.schema import METADATA
from dialer.storage.store import Store
from dialer.storage.versions import SCHEMA_VERSION
from tests.servers.databases import by_hand
from tests.servers.postgres import PostgresServer
from tests.unit.storage.builders import VAULT, make_attempt, make_lead, make_policy, make_vault

POLICY = make_policy()
TO_4 = (
    "DROP TABLE engines",
    "ALTER TABLE agents DROP COLUMN engine_id",
    "ALTER TABLE campaigns DROP COLUMN engine_id",
    "DROP INDEX leads_promised",
    "DROP INDEX attempts_live",
    "CREATE INDEX attempts_live ON attempts (campaign, answered_at) WHERE is_live = true",
    "UPDATE meta SET value = 4 WHERE key = 'schema_version'",
    "UPDATE alembic_version SET version_num = '4'",
)
"""Makes of the tables what they would have been before the step to version 5."""


@pytest.fixture
def database(postgres_address: str, tmp_path: Path) -> PostgresDatabase:
    """An empty database."""
    return PostgresDatabase(postgres_address, tmp_path)


@pytest.fixture
def store(database: PostgresDatabase) -> Iterator[Store]:
    """A store with a list of fifty in it."""
    with closing(Store(database, VAULT)) as made:
        with made.importing(POLICY, "list.csv", "cd" * 32, 1000.0) as session:
            for index in range(50):
                session.add(make_lead(index))
        yield made


def differences(database: PostgresDatabase) -> list[object]:
    """What Alembic would change in a database to make it what the schema says."""
    address = database.address.replace("postgresql://", "postgresql+psycopg://")
    engine = sqlalchemy.create_engine(address, poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), METADATA))


# ------------------------------------------------------------------------------------------ opening
def test_the_tables_are_what_the_schema_says(database: PostgresDatabase) -> None:
    """Alembic finds nothing to change, and both versions noted agree."""
    Store(database, VAULT).close()
    assert differences(database) == []
    with by_hand(database) as connection:
        assert connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone() == (SCHEMA_VERSION,)
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(str(SCHEMA_VERSION),)]


def test_two_that_start_at_once_make_the_tables_once(database: PostgresDatabase) -> None:
    """One waits for the other; both find a database in order."""
    errors: list[BaseException] = []

    def start() -> None:
        try:
            Store(database, VAULT).close()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert differences(database) == []


def test_an_earlier_version_is_brought_up_to_date(database: PostgresDatabase, store: Store) -> None:
    """A reader says what to do; the next writer does it, once, and what is in the tables stays."""
    store.close()
    with by_hand(database) as connection, database.transaction(connection):
        for statement in TO_4:
            connection.execute(statement)
    with pytest.raises(DatabaseUnfit, match="expected schema version 5, found 4, made by an earlier dialer"):
        Records(database, VAULT)
    Store(database, VAULT).close()
    with closing(Store(database, VAULT)) as again:
        assert len(list(again.leads("spring"))) == 50
    assert differences(database) == []


def test_a_newer_version_and_another_programs_tables_are_refused(database: PostgresDatabase) -> None:
    """Nothing is written to either."""
    Store(database, VAULT).close()
    with by_hand(database) as connection:
        connection.execute("UPDATE meta SET value = 99 WHERE key = 'schema_version'")
        connection.execute("UPDATE alembic_version SET version_num = '99'")
    for opened in (Store, Records):
        with pytest.raises(DatabaseUnfit, match="found 99, made by a newer dialer"):
            opened(database, VAULT)
    with by_hand(database) as connection:
        connection.execute("DELETE FROM meta")
    with pytest.raises(DatabaseUnfit, match="no tables of dialer"):
        Store(database, VAULT)


def test_a_reader_needs_a_database_and_its_keys_and_changes_nothing(database: PostgresDatabase) -> None:
    """Where nothing is yet it says who makes it; under other keys it opens nothing."""
    with pytest.raises(StorageError, match="it is empty yet; the daemon fills it"):
        Records(database, VAULT)
    Store(database, VAULT).close()
    with pytest.raises(KeysError, match="which the keyring does not have"):
        Records(database, make_vault("00000002"))
    with closing(Records(database, VAULT)) as records, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        records._reader.execute("DELETE FROM leads")


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (("/t", "/absent"), StorageError, "there is no such database: make it with `createdb"),
        (("dialer@", "nobody@"), StorageError, "there is no such user"),
        (("127.0.0.1:", "127.0.0.1:1"), StorageError, "see whether it runs, and the address"),
    ],
)
def test_what_keeps_a_connection_from_being_made_is_said(
    postgres_address: str, tmp_path: Path, change: tuple[str, str], kind: type[StorageError], message: str
) -> None:
    """The message names the database and what to do about it."""
    address = postgres_address.replace(*change) if change[0] != "127.0.0.1:" else "postgresql://127.0.0.1:1/dialer"
    with pytest.raises(kind, match=message):
        Store(PostgresDatabase(address, tmp_path), VAULT)


def test_a_server_that_lets_no_more_connections_in_passes(postgres_address: str, tmp_path: Path) -> None:
    """The user is there, so a daemon that lost its connection waits for another rather than end with its calls."""
    name = f"{postgres_address.rpartition('/')[2]}_user"
    with psycopg.connect(postgres_address, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN CONNECTION LIMIT 0".encode())
        try:
            with pytest.raises(DatabaseLost, match=r"no connection to the server.*too many connections for role"):
                Store(PostgresDatabase(postgres_address.replace("dialer@", f"{name}@"), tmp_path), VAULT)
        finally:
            connection.execute(f"DROP ROLE {name}".encode())


def test_a_wrong_password_is_refused_and_never_shown(
    own_postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The password comes from the environment; the right one opens the database."""
    address = own_postgres.new_database()
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("ALTER USER dialer PASSWORD 'open sesame'")
    rules = own_postgres.folder / "data" / "pg_hba.conf"
    rules.write_text("host all all 127.0.0.1/32 scram-sha-256\n", encoding="utf-8")
    own_postgres.stop()
    # Its own way of seeing that it has started is not let in any more.
    monkeypatch.setenv("PGPASSWORD", "open sesame")
    own_postgres.start()
    Store(PostgresDatabase(address, tmp_path), VAULT).close()
    monkeypatch.setenv("PGPASSWORD", "wrong sesame")
    with pytest.raises(StorageError, match="the password or the user is wrong: see PGPASSWORD") as caught:
        Store(PostgresDatabase(address, tmp_path), VAULT)
    assert "sesame" not in str(caught.value)


def test_a_server_that_keeps_nothing_through_a_power_cut_is_found_out(
    own_postgres: PostgresServer, tmp_path: Path
) -> None:
    """Nothing the dialer does makes up for a server that does not wait for its disk: `dialer db check` says so."""
    database = PostgresDatabase(own_postgres.new_database(), tmp_path)
    Store(database, VAULT).close()
    assert check_up(database, lambda: VAULT).faults == []
    own_postgres.stop()
    own_postgres.settings["fsync"] = "off"
    own_postgres.start()
    (fault,) = check_up(database, lambda: VAULT).faults
    assert fault.startswith("durability: the server runs with fsync = off")


# ------------------------------------------------------------------------------------------- losing
def test_a_lost_connection_is_told_and_made_anew(store: Store) -> None:
    """A server that ends a connection loses nobody's work: what was under way can be tried again."""
    with postgres_server_of(store) as other:
        ours = "datname = current_database() AND pid <> pg_backend_pid()"
        other.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours}")
    leads = []
    try:  # whether an end is noticed before or at the next use, is the network's choice
        leads += store.claim("spring", 5, 1000.0).leads
    except DatabaseLost as error:
        assert "it can be tried again" in str(error) or "no connection to the server" in str(error)
    leads += store.claim("spring", 5, 1000.0).leads
    assert len({lead.lead_id for lead in leads}) == len(leads) >= 5
    assert store.counts("spring").open == 50  # to read is tried again of itself


def postgres_server_of(store: Store) -> "psycopg.Connection[tuple[object, ...]]":
    """A connection beside a store's."""
    assert isinstance(store.database, PostgresDatabase)
    return psycopg.connect(store.database.address, autocommit=True)


def test_a_server_may_stop_and_start(own_postgres: PostgresServer, tmp_path: Path) -> None:
    """While it is away everything is DatabaseLost; then the same store goes on, and nothing that was kept is gone."""
    with closing(Store(PostgresDatabase(own_postgres.new_database(), tmp_path), VAULT)) as store:
        store.register(POLICY)
        store.apply([RecordAttempt(attempt=make_attempt(1, 50.0))])
        own_postgres.kill()
        for _ in range(2):
            with pytest.raises(DatabaseLost):
                store.apply([RecordAttempt(attempt=make_attempt(2, 60.0))])
        own_postgres.start()
        store.apply([RecordAttempt(attempt=make_attempt(2, 60.0))])
        assert [attempt.call_id for attempt in store.attempts(None, 0.0, 100.0)] == [1, 2]


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        ("53100", DiskFull, "the server's disk is full: make room"),
        ("40P01", DatabaseLost, "it can be tried again"),
        ("40001", DatabaseLost, "it can be tried again"),
        ("57P01", DatabaseLost, "it can be tried again"),
        ("55P03", DatabaseLost, "it can be tried again"),
        ("42501", StorageError, "the user lacks a right"),
        ("25006", StorageError, "the server takes no changes"),
        ("XX000", StorageError, "see PostgreSQL's message"),
    ],
)
def test_what_the_server_complains_of_is_said(store: Store, code: str, kind: type[StorageError], message: str) -> None:
    """What passes can be told from what does not; details, which may quote values, are left out."""
    sql = f"DO $$ BEGIN RAISE EXCEPTION 'short' USING ERRCODE = '{code}', DETAIL = 'long'; END $$"
    with pytest.raises(kind, match=message) as caught, store.writing() as connection:
        connection.execute(sql)
    assert type(caught.value) is kind
    assert "short" in str(caught.value)
    assert "long" not in str(caught.value)
    assert store.counts("spring").open == 50


def test_an_error_that_is_passed_over_does_not_end_as_a_commit(store: Store) -> None:
    """PostgreSQL would undo such a transaction without a word."""
    with (
        pytest.raises(StorageError, match="a statement of the transaction failed before"),
        store.writing() as connection,
    ):
        connection.execute("DELETE FROM leads")
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("DELETE FROM absent")
    assert store.counts("spring").loaded == 50


def test_a_statement_that_nobody_waits_for_may_fail(database: PostgresDatabase, store: Store) -> None:
    """Where statements do not wait for each other the error comes later, all the same, and nothing is kept."""
    with by_hand(database) as connection:
        for _ in range(2):
            with pytest.raises(DatabaseLost), database.explained(), database.quick_transaction(connection):
                connection.execute("DELETE FROM leads")
                connection.execute("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40P01'; END $$")
                connection.execute("DELETE FROM campaigns")
        assert connection.execute("SELECT count(*) FROM leads").fetchone() == (50,)
    assert store.counts("spring").loaded == 50


def test_a_table_that_somebody_locks_only_keeps_others_waiting(database: PostgresDatabase, store: Store) -> None:
    """However often a statement was run before it was refused, it is run when the transaction is tried again."""

    def look(connection: Connection) -> object:
        with database.explained(), database.quick_transaction(connection):
            return connection.execute("SELECT count(*) FROM leads WHERE campaign = ?", ("spring",)).fetchone()

    def refused(connection: Connection) -> None:
        with by_hand(database) as other, database.transaction(other):
            other.execute("LOCK TABLE leads")
            connection.execute("SET lock_timeout = '10ms'")
            with pytest.raises(DatabaseLost, match="lock timeout"):
                look(connection)

    for times in range(8):  # one of them is that at which the server is to keep the statement
        with by_hand(database) as connection:
            refused(connection)
            for _ in range(times):
                look(connection)
            refused(connection)
            assert look(connection) == (50,)


def test_a_stopped_process_keeps_nobody_waiting_for_ever(database: PostgresDatabase, store: Store) -> None:
    """Within a transaction the server has patience for seconds only; so has who waits for a lock."""
    with by_hand(database) as connection:
        settings = dict(connection.execute("SELECT name, setting FROM pg_settings WHERE name LIKE '%timeout'"))
    assert settings["idle_in_transaction_session_timeout"] == "10000"
    assert settings["lock_timeout"] == "10000"


def test_a_statement_that_takes_long_is_waited_for(database: PostgresDatabase) -> None:
    """A server that answers others has not stood still."""
    with by_hand(database) as connection:
        connection.limit_waits(0.1)
        assert connection.execute("SELECT 1 FROM pg_sleep(1.0)").fetchone() == (1,)


@pytest.mark.parametrize("is_piped", [True, False], ids=["piped", "step by step"])
def test_what_a_frozen_server_had_in_hand_is_over_before_it_is_tried_again(
    own_postgres: PostgresServer, tmp_path: Path, is_piped: bool
) -> None:
    """Nobody waits for ever; a transaction that was on its way is kept or undone for good by the next statement."""
    database = PostgresDatabase(own_postgres.new_database() + "?connect_timeout=2", tmp_path)
    with by_hand(database) as other, by_hand(database) as connection:
        assert isinstance(connection, PostgresConnection)
        other.execute("CREATE TABLE kept (value int)")
        before = 0
        for _ in range(5):
            connection.limit_waits(0.3)
            with (
                own_postgres.frozen(),
                pytest.raises(DatabaseLost, match=r"has not answered for 0\.3 s"),
                database.explained(),
                connection.block("BEGIN", is_piped=is_piped),
            ):
                connection.execute("INSERT INTO kept VALUES (1)")
            connection.limit_waits(30.0)
            (seen,) = connection.execute("SELECT count(*) FROM kept").fetchone()
            assert seen - before in ((0, 1) if is_piped else (0,))
            assert other.execute("SELECT count(*) FROM kept").fetchone() == (seen,)
            before = seen


# ------------------------------------------------------------------------------------------ reading
def test_streams_may_be_read_side_by_side_and_left(database: PostgresDatabase) -> None:
    """Each keeps its place, whatever else is asked; one that is left early is let go of at the next."""
    many, open_streams = "SELECT * FROM generate_series(1, ?)", "SELECT count(*) FROM pg_cursors WHERE name LIKE 's%'"
    with by_hand(database) as connection:
        one, other = iter(connection.stream(many, (9_000,))), connection.stream(many, (9_000,))
        assert list(islice(one, 2)) == [(1,), (2,)]
        assert other.fetchmany(3) == [(1,), (2,), (3,)]
        assert other.fetchone() == (4,)
        assert sum(number for (number,) in one) == 9_000 * 9_001 // 2 - 3
        assert connection.execute(open_streams).fetchone() == (1,)
        del other
        assert connection.stream(many, (5,)).fetchall() == [(1,), (2,), (3,), (4,), (5,)]
        assert connection.execute(open_streams).fetchone() == (0,)


def test_a_snapshot_does_not_move(database: PostgresDatabase, store: Store) -> None:
    """All that is read in it is of one instant, streams too."""
    with closing(Records(database, VAULT)) as records, database.snapshot(records._reader):
        before = records.counts("spring")
        with store.importing(POLICY, "more.csv", "ef" * 32, 1000.0) as session:
            session.add(make_lead(99))
        assert records.counts("spring") == before
        assert len(list(records.leads("spring"))) == 50
    assert store.counts("spring").loaded == 51


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("bigint", [0, -1, 2**63 - 1, -(2**63), None, True]),
        ("double precision", [0.0, 1, -1.5, 1e300, float("inf"), None]),
        ("boolean", [True, False, None]),
        ("character varying", ["", "NULL", 'a "b", {c}\\', "Ærø ☎", None, " "]),
        ("bytea", [b"", b"\x00\xff", None]),
        ("bytea", []),
    ],
)
def test_arrays_bring_values_as_they_are(database: PostgresDatabase, kind: str, values: list[object]) -> None:
    """Whatever is in them, and in their order."""
    sql = f"SELECT value FROM unnest(?::{kind}[]) WITH ORDINALITY AS given (value, rank) ORDER BY rank"
    with by_hand(database) as connection:
        assert [row[0] for row in connection.execute(sql, (COLUMNS[kind].array(values),))] == values


def test_claims_find_their_rows_by_an_index(database: PostgresDatabase, store: Store) -> None:
    """Every statement of a claim goes by the partial index made for it, in the index's order."""
    with by_hand(database) as connection, database.transaction(connection):
        # Of so few rows all would be read otherwise.
        connection.execute("SET LOCAL enable_seqscan = off")
        connection.execute("SET LOCAL enable_bitmapscan = off")
        for statement, index in (
            (store_module._WAKE, "leads_waiting"),
            (store_module._WAKE_PROMISED, "leads_"),  # of so few rows either of two
            (store_module._CLAIM, "leads_ready"),
            (store_module._NEXT_DUE, "leads_waiting"),
        ):
            sql = statement.format(skip_claimed=connection.skip_claimed)
            values = [("spring" if rank == 0 else 1) for rank in range(sql.count("?"))]
            plan = "\n".join(row[0] for row in connection.execute(f"EXPLAIN {sql}", values))
            assert index in plan
            assert "Sort" not in plan
            assert "Seq Scan" not in plan


def test_two_daemons_never_claim_the_same_lead(database: PostgresDatabase, store: Store) -> None:
    """Neither waits for the other: what one has in hand is passed over."""
    with closing(Store(database, VAULT)) as other, other.writing() as connection:
        sql = store_module._CLAIM.format(skip_claimed=connection.skip_claimed)
        in_hand = {row[0] for row in connection.execute(sql, ("spring", 20)).fetchall()}
        claimed = {lead.lead_id for lead in store.claim("spring", 50, 1000.0).leads}
        assert len(in_hand) == 20
        assert len(claimed) == 30
        assert in_hand.isdisjoint(claimed)


def test_a_daemon_goes_on_while_a_list_moves_in(database: PostgresDatabase, store: Store) -> None:
    """New leads are written beside those that are called: claims, calls and retries wait for none of them."""
    with closing(database.open_writer(VAULT)) as connection:
        begun = ExitStack()
        session = LeadImport(connection, POLICY, VAULT, lambda: begun.enter_context(database.transaction(connection)))
        for index in range(100, 200):
            session.add(make_lead(index))
        with begun:
            session.finish("more.csv", "ef" * 32, 2000.0)
            claimed = store.claim("spring", 60, 1000.0)
            later = [replace(lead, state=LeadState.PENDING, due_at=5000.0, standing=None) for lead in claimed.leads]
            store.apply([RecordAttempt(attempt=make_attempt(1, 50.0))])
            store.apply([SaveLead(lead=lead, order_key=order_key(lead, POLICY.list.order)) for lead in later])
    assert len(later) == 50
    assert store.counts("spring") == ListCounts(loaded=150, open=150, tried=0)
    assert len(store.claim("spring", 200, 1000.0).leads) == 100


def test_sums_are_whole_numbers(database: PostgresDatabase) -> None:
    """PostgreSQL gives a sum as a decimal number of any size; here it is an int, and an average a float."""
    with by_hand(database) as connection:
        row = connection.execute("SELECT sum(n), avg(n) FROM (VALUES (1::bigint), (2)) AS given (n)").fetchone()
    assert row == (3, 1.5)
    assert [type(each) for each in row] == [int, float]


def test_a_name_is_held_by_one_at_a_time(database: PostgresDatabase) -> None:
    """Who asks for a name that is held waits until the other's transaction ends."""
    order: list[str] = []
    with by_hand(database) as one, by_hand(database) as other:

        def second() -> None:
            with database.transaction(other):
                other.hold("evidence")
                order.append("second")

        thread = threading.Thread(target=second)
        with database.transaction(one):
            one.hold("evidence")
            thread.start()
            waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            while one.execute(waiting).fetchone() == (0,):
                pass
            order.append("first")
        thread.join()
    assert order == ["first", "second"]


def test_a_connection_has_the_signs_of_its_kind(database: PostgresDatabase) -> None:
    """The reader of a connection may rely on these: see dialer.storage.database."""
    with closing(PostgresConnection(database._connect)) as connection:
        assert connection.has_table("pg_class")
        assert not connection.has_table("absent")
        assert connection.execute("SELECT 50 % 7, 'x' LIKE 'x%'").fetchone() == (1, True)
