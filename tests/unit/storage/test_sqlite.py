"""What only the SQLite store promises: a file that opens or says why not, and transactions."""

import os
import sqlite3
import stat
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path

import pytest
from sqlalchemy import LargeBinary
from sqlmodel import SQLModel

from dialer.domain.commands import PlaceCall, RecordAttempt, SaveLead
from dialer.domain.events import CallRinging
from dialer.domain.lead import LeadState
from dialer.domain.records import AgentSpan, Attempt, CampaignChange, PacingDecision
from dialer.errors import StorageError
from dialer.storage import rows, schema
from dialer.storage import store as store_module
from dialer.storage.codec import Entry
from dialer.storage.imports import ListCounts
from dialer.storage.reading import Records
from dialer.storage.sqlite import SqliteDatabase
from dialer.storage.store import Store
from tests.unit.storage.builders import VAULT, make_attempt, make_lead, make_policy

POLICY = make_policy()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a database may be made, in a folder that is not there yet."""
    return tmp_path / "state" / "dialer.db"


def loaded(path: Path, count: int) -> Store:
    """A store with some leads."""
    store = Store(SqliteDatabase(path), VAULT)
    with store.importing(POLICY, "list.csv", "", 0.0) as session:
        for index in range(count):
            session.add(make_lead(index))
    return store


def test_everything_is_there_after_reopening(path: Path) -> None:
    """Leads, claims, journal, counters and policies outlive the process that wrote them."""
    with closing(loaded(path, 3)) as store:
        lead = store.claim("spring", 1, 0.0).leads[0]
        place = PlaceCall(
            call_id=4,
            campaign="spring",
            lead_id=lead.lead_id,
            number="+12025550000",
            ring_timeout_s=22.0,
            caller_id=None,
            agent_id=None,
        )
        store.commit(1, 1.0, CallRinging(call_id=4), [place])
    with closing(Store(SqliteDatabase(path), VAULT)) as store:
        assert (store.next_call_id(), store.next_seq()) == (5, 2)
        assert [entry.commands for entry in store.entries()] == [(place,)]
        assert store.policy("spring") == POLICY
        assert store.release_claims() == 1
        assert [found.lead_id for found in store.claim("spring", 9, 0.0).leads] == [1, 2, 3]
    with closing(loaded(path, 4)) as store:
        assert [found.lead_id for found in store.leads("spring")] == [1, 2, 3, 4]


def test_a_reader_sees_what_is_committed(path: Path) -> None:
    """A second connection reads beside the writer, sees no open import, and can change nothing."""
    with closing(loaded(path, 2)) as store, Records(SqliteDatabase(path), VAULT) as records:
        assert records.counts("spring").loaded == 2
        with store.importing(POLICY, "b.csv", "", 0.0) as session:
            session.add(make_lead(77))
            assert records.counts("spring").loaded == 2
        assert records.counts("spring").loaded == 3
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            records._reader.execute("DELETE FROM leads")


def test_a_batch_is_kept_whole_or_not_at_all(path: Path) -> None:
    """When one command of a batch cannot be kept, neither journal nor records keep any of it."""
    with closing(loaded(path, 1)) as store:
        good = Entry(seq=1, at=1.0, event=None, commands=(RecordAttempt(attempt=make_attempt(1, 1.0)),))
        bad = Entry(seq=2, at=2.0, event=None, commands=(SaveLead(lead=make_lead(1, lead_id=99), order_key="k"),))
        with pytest.raises(StorageError, match="lead 99"):
            store.commit_batch([good, bad])
        assert (list(store.entries()), list(store.attempts(None, 0.0, 9.0))) == ([], [])
        assert (store.next_call_id(), store.next_seq()) == (1, 1)
        store.commit_batch([good])
        assert len(list(store.entries())) == 1


def test_a_daemon_works_beside_an_import(path: Path) -> None:
    """While another process reads a list, leads are claimed, called and saved; a merge keeps what that changed."""
    with closing(loaded(path, 2)) as daemon, closing(Store(SqliteDatabase(path), VAULT)) as other:
        with other.importing(POLICY, "b.csv", "", 0.0) as session:
            assert [session.add(make_lead(0, 7)), session.add(make_lead(8))] == ["merged", "loaded"]
            lead = daemon.claim("spring", 1, 0.0).leads[0]
            called = replace(lead, state=LeadState.FINISHED, reason="busy", attempts=3)
            daemon.apply([SaveLead(lead=called, order_key="k")])
            assert daemon.counts("spring").loaded == 2
        kept = daemon.lead(lead.lead_id)
        assert kept is not None
        assert (kept.state, kept.reason, kept.attempts) == (LeadState.FINISHED, "busy", 3)
        assert [number.e164[-4:] for number in kept.numbers] == ["0000", "0007"]
        assert [found.lead_id for found in daemon.find_number("+12025550007")] == [1]
        assert daemon.counts("spring") == ListCounts(loaded=3, open=2, tried=1)
        assert daemon.claim("spring", 9, 0.0).open_leads == 2


def test_of_two_imports_at_once_the_later_is_undone(path: Path) -> None:
    """What an import found of the list's people may be wrong after another one, so it is refused as a whole."""
    with closing(loaded(path, 1)) as store, closing(Store(SqliteDatabase(path), VAULT)) as other:
        with (
            pytest.raises(StorageError, match="another import ended"),
            other.importing(POLICY, "b.csv", "", 0.0) as late,
        ):
            late.add(make_lead(5))
            with store.importing(POLICY, "c.csv", "", 0.0) as session:
                session.add(make_lead(5, 6))
        assert [[n.e164[-4:] for n in lead.numbers] for lead in store.leads("spring")] == [["0000"], ["0005", "0006"]]


def test_imports_leave_a_trace(path: Path) -> None:
    """Source, digest, instant and result of a kept import are recorded; a dry run leaves none."""
    with closing(Store(SqliteDatabase(path), VAULT)) as store:
        for is_dry_run in (True, False):
            with store.importing(POLICY, "list.csv", "d1", 5.0) as session:
                session.add(make_lead(1))
                session.add(make_lead(1, 2))
                session.add(make_lead(2))
                if is_dry_run:
                    session.rollback()
        found = list(
            store._reader.execute("SELECT campaign, source, digest, at, loaded, merged, unchanged FROM imports")
        )
    assert found == [("spring", "list.csv", "d1", 5.0, 1, 1, 1)]


def test_a_folder_is_refused(tmp_path: Path) -> None:
    """A folder in place of the file is named, for writing and for reading."""
    for opened in (Store, Records):
        with pytest.raises(StorageError, match="expected a file, found a folder"):
            opened(SqliteDatabase(tmp_path), VAULT)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """A file where a folder is needed is said to be in the way."""
    (tmp_path / "state").write_text("")
    with pytest.raises(StorageError, match="its folder cannot be made"):
        Store(SqliteDatabase(tmp_path / "state" / "dialer.db"), VAULT)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """Another kind of file is left as it is."""
    path = tmp_path / "dialer.db"
    path.write_bytes(b"name,phone\n" * 500)
    for opened in (Store, Records):
        with pytest.raises(StorageError, match="it is no SQLite database"):
            opened(SqliteDatabase(path), VAULT)
    assert path.read_bytes() == b"name,phone\n" * 500


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    """A database without our tables is not taken over, nor is an empty file for reading."""
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")
    for opened in (Store, Records):
        with pytest.raises(StorageError, match="it holds no tables of dialer"):
            opened(SqliteDatabase(path), VAULT)


def test_a_newer_schema_is_refused(path: Path) -> None:
    """A database of a later version is neither read nor written."""
    loaded(path, 1).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE meta SET value = 99 WHERE key = 'schema_version'")
        connection.execute("UPDATE alembic_version SET version_num = '99'")
    for opened in (Store, Records):
        with pytest.raises(StorageError, match="expected schema version 5, found 99, made by a newer dialer"):
            opened(SqliteDatabase(path), VAULT)


def test_a_damaged_database_is_said_to_be_damaged(path: Path) -> None:
    """What SQLite finds wrong with a page comes out as a StorageError that names the file."""
    loaded(path, 200).close()
    data = bytearray(path.read_bytes())
    data[4096 * 2 :] = b"\xff" * (len(data) - 4096 * 2)
    path.write_bytes(data)
    with (
        pytest.raises(StorageError, match=r"dialer\.db: the file is damaged"),
        closing(Store(SqliteDatabase(path), VAULT)) as store,
    ):
        store.claim("spring", 5, 0.0)


def test_claims_never_scan_or_sort(path: Path) -> None:
    """Every statement of a claim finds its rows by an index, in the index's order."""
    with closing(loaded(path, 5)) as store:
        statements = (
            store_module._WAKE.format(skip_claimed=""),
            store_module._WAKE_PROMISED.format(skip_claimed=""),
            store_module._CLAIM.format(skip_claimed=""),
            store_module._NEXT_DUE,
            store_module._RELEASE,
        )
        for statement in statements:
            arguments = [("spring" if index == 0 else 1) for index in range(statement.count("?"))]
            plan = [row[3] for row in store._writer.execute(f"EXPLAIN QUERY PLAN {statement}", arguments)]
            assert not any("TEMP B-TREE" in step for step in plan), (statement, plan)
            # What was chosen by another step, and partial indexes that hold but a few rows.
            few = ("leads_claimed", "attempts_open", "SUBQUERY", "MATERIALIZE first", "SCAN first")
            assert all(step.startswith("SEARCH") or any(each in step for each in few) for step in plan), plan


def test_every_sealed_column_is_known_to_a_change_of_keys() -> None:
    """A column of bytes is sealed and in the list that a change of keys goes through, or is one of these hashes."""
    hashes = {"number_index", "number_keys", "proof", "digest", "hash", "body"}
    found = {
        (table.name, column.name)
        for table in SQLModel.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary) and column.name not in hashes
    }
    assert found == {(place.table, column) for place in rows.SEALED for column in place.columns}
    for place in rows.SEALED:
        key = SQLModel.metadata.tables[place.table].primary_key
        assert tuple(column.name for column in key) == place.key


def test_tables_hold_what_the_records_hold() -> None:
    """The columns of a table are the fields of its record, in the same order."""
    for table, columns in (
        (schema.AttemptRow, [*(field.name for field in fields(Attempt)), "number_index"]),
        (schema.AgentSpanRow, ["span_id", *(field.name for field in fields(AgentSpan))]),
        (schema.DecisionRow, ["decision_id", *(field.name for field in fields(PacingDecision))]),
        (schema.ChangeRow, ["change_id", *(field.name for field in fields(CampaignChange))]),
        (schema.LeadRow, list(rows.LEAD_COLUMNS)),
    ):
        assert list(table.model_fields) == columns
    assert set(SQLModel.metadata.tables) >= {"leads", "lead_numbers", "journal", "meta", "blocked", "imports", "keys"}


def test_the_last_word_on_a_lead_in_a_batch_stays(path: Path) -> None:
    """A lead that is saved twice in one batch ends as saved last, and the open leads are counted once."""
    with closing(loaded(path, 2)) as store:
        one, _ = store.claim("spring", 2, 0.0).leads
        first = SaveLead(lead=make_lead(0, lead_id=one.lead_id, state=LeadState.FINISHED), order_key="a")
        last = SaveLead(lead=make_lead(0, lead_id=one.lead_id, due_at=9.0), order_key="b")
        store.apply([first, last])
        claimed = store.claim("spring", 5, 9.0)
        assert ([lead.lead_id for lead in claimed.leads], claimed.open_leads) == ([one.lead_id], 2)
        store.apply([last, first])
        assert store.claim("spring", 5, 9.0).open_leads == 1


def test_a_list_is_known_by_its_bytes_and_its_campaign_file(path: Path) -> None:
    """A list that was read under the same campaign file need not be read again; a changed one, or file, must."""
    policy = replace(make_policy(), digest="a")
    with closing(Store(SqliteDatabase(path), VAULT)) as store:
        with store.importing(policy, "list.csv", "bytes", 0.0) as session:
            session.add(make_lead(1))
        with store.importing(policy, "dry.csv", "tried", 0.0) as session:
            session.add(make_lead(2))
            session.rollback()
        assert store.has_imported(policy, "bytes")
        assert not store.has_imported(policy, "other bytes")
        assert not store.has_imported(policy, "tried")
        assert not store.has_imported(replace(policy, digest="b"), "bytes")


def test_a_new_database_is_for_its_user_alone(path: Path) -> None:
    """The folder is made 0700, the database and its WAL 0600, whatever the umask allows."""
    before = os.umask(0)
    try:
        with loaded(path, 1):
            files = [path, path.with_name("dialer.db-wal"), path.with_name("dialer.db-shm")]
            assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600] * 3
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_database_that_is_there_keeps_its_mode(path: Path) -> None:
    """An operator who opened the database to a group is not overruled."""
    loaded(path, 1).close()
    path.chmod(0o640)
    Store(SqliteDatabase(path), VAULT).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
