"""A database of version 2, in plain text, is sealed in place, and nothing of the plain text stays in its files."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from dialer.domain.commands import PlaceCall, SaveLead
from dialer.domain.lead import Callback, Lead, LeadState
from dialer.domain.policy import ListPolicy
from dialer.engine.hopper import order_key
from dialer.errors import KeysError, StorageError
from dialer.storage import rows
from dialer.storage.codec import encode_entry
from dialer.storage.sqlite import SqliteDatabase
from dialer.storage.store import Store
from tests.unit.storage.builders import VAULT, make_attempt, make_lead, make_number, make_policy
from tests.vaults import make_vault

VERSION_2 = Path(__file__).with_name("schema_2.sql")
"""The statements with which version 2 made its tables, as they were."""

POLICY = make_policy(list=ListPolicy(order=("priority desc", "shuffle")))
PERSON = make_lead(
    1,
    2,
    lead_id=1,
    shuffle=17,
    name="Somebody Called",
    segment="new",
    priority=2,
    zone="America/New_York",
    external_id="customer-99",
    fields={"street": "Nowhere Lane"},
    due_at=90.5,
    attempts=1,
    tries={"busy": 1},
    last_outcome="busy",
    callback=Callback(at=90.5, agent_id="a1", note="ask for the cousin"),
)
OTHER = make_lead(3, lead_id=2, shuffle=4, state=LeadState.FINISHED, reason="sale")
ATTEMPT = make_attempt(7, 50.0, lead_id=1, number=make_number(2).e164)
ENTRY = (
    9,
    50.0,
    None,
    (
        SaveLead(lead=PERSON, order_key="k"),
        PlaceCall(
            call_id=7,
            campaign="spring",
            lead_id=1,
            number=make_number(2).e164,
            ring_timeout_s=22.0,
            caller_id=None,
            agent_id=None,
        ),
    ),
)
PERSONAL = [b"Somebody", b"customer-99", b"Nowhere", b"cousin", *(f"202555{index:04d}".encode() for index in range(6))]
OLD_LEAD = (
    "lead_id, campaign, place, order_key, due_at, reason, attempts, tries, last_attempt_at, last_outcome, callback,"
    " numbers, number_count, shuffle, name, segment, priority, zone, external_id, fields"
)
OLD_ATTEMPT = (
    "call_id, campaign, lead_id, number, mode, placed_at, ringing_at, answered_at, classified_at, greeting_start_at,"
    " greeting_end_at, abandoned_at, bridged_at, released_at, disposed_at, agent_id, is_reserved, is_live,"
    " is_abandoned, is_late_connect, outcome, disposition, is_success, is_right_party, released_by, cause, rule,"
    " number_rank, attempt_rank"
)


def insert(connection: sqlite3.Connection, table: str, columns: str, *values: object) -> None:
    """Write a row as version 2 did."""
    connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({', '.join('?' * len(values))})", values)


def write_lead(connection: sqlite3.Connection, lead: Lead) -> None:
    """Write a lead as version 2 did: everything as it is."""
    numbers = [
        {name: value for name, value in msgspec.to_builtins(number).items() if name != "jurisdictions"}
        for number in lead.numbers
    ]
    insert(
        connection,
        "leads",
        OLD_LEAD,
        lead.lead_id,
        lead.campaign,
        rows.place_of(lead),
        order_key(lead, POLICY.list.order),
        lead.due_at,
        lead.reason,
        lead.attempts,
        rows.text(lead.tries),
        lead.last_attempt_at,
        lead.last_outcome,
        None if lead.callback is None else rows.text(lead.callback),
        rows.text(numbers),
        len(lead.numbers),
        lead.shuffle,
        lead.name,
        lead.segment,
        lead.priority,
        lead.zone,
        lead.external_id,
        rows.text(lead.fields),
    )
    for number in lead.numbers:
        insert(connection, "lead_numbers", "campaign, e164, lead_id", lead.campaign, number.e164, lead.lead_id)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database of version 2 with people in every table that has any, and some in pages that are free by now."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(VERSION_2.read_text(encoding="utf-8"))
        meta = [("schema_version", 2), ("next_lead_id", 3), ("next_call_id", 8)]
        connection.executemany("INSERT INTO meta (key, value) VALUES (?, ?)", meta)
        policy = msgspec.to_builtins(POLICY)
        for later in ("compliance", "consent", "retention"):
            policy.pop(later, None)
        insert(
            connection, "campaigns", "name, seller, digest, policy, open_leads",
            POLICY.name, POLICY.seller, POLICY.digest, rows.text(policy), 1,
        )  # fmt: skip
        for lead in (PERSON, OTHER, *(replace(OTHER, lead_id=10 + index, numbers=()) for index in range(300))):
            write_lead(connection, replace(lead, name=lead.name or "Somebody Else"))
        connection.execute("DELETE FROM leads WHERE lead_id > 9")
        old = msgspec.to_builtins(ATTEMPT)
        insert(connection, "attempts", OLD_ATTEMPT, *(old[name.strip()] for name in OLD_ATTEMPT.split(",")))
        insert(connection, "blocked", "seller, e164, reason", POLICY.seller, make_number(5).e164, "refused")
        insert(connection, "journal", "seq, at, entry", 9, 50.0, encode_entry(*ENTRY))
    return path


def files(path: Path) -> Iterator[bytes]:
    """Everything that is on the disk of a database: the file, the write-ahead log and its index."""
    for file in path.parent.glob(f"{path.name}*"):
        yield file.read_bytes()


def ranked(lead: Lead) -> Lead:
    """The lead with the rank that a store gives it."""
    return replace(lead, shuffle=VAULT.rank(lead.campaign, lead.numbers[0].e164))


def test_a_database_in_plain_text_is_sealed(path: Path) -> None:
    """Every lead, attempt, block and journal entry reads as before, but for keyed ranks; no byte of it is plain."""
    assert all(
        any(word in data for data in files(path)) for word in PERSONAL if b"0000" not in word and b"0004" not in word
    )
    assert not SqliteDatabase(path).has_sealed()
    for _ in range(2):
        with closing(Store(SqliteDatabase(path), VAULT)) as store:
            person, other = store.leads("spring")
            assert person == ranked(PERSON)
            assert other == ranked(replace(OTHER, name="Somebody Else"))
            assert [lead.lead_id for lead in store.find_number(make_number(2).e164)] == [1]
            assert list(store.attempts(None, 0.0, 99.0)) == [replace(ATTEMPT, seller=POLICY.seller, subject="survey")]
            assert store.is_blocked(POLICY.seller, make_number(5).e164)
            assert [entry.commands for entry in store.entries()] == [ENTRY[3]]
            assert (store.next_call_id(), store.next_seq()) == (8, 10)
            keys = dict(store._reader.execute("SELECT lead_id, order_key FROM leads"))
            assert keys[1] == order_key(person, POLICY.list.order)
            assert not [word for word in PERSONAL for data in files(path) if word in data]
    assert not [word for word in PERSONAL for data in files(path) if word in data]
    assert SqliteDatabase(path).has_sealed()


def test_leads_can_be_called_after_the_upgrade(path: Path) -> None:
    """What waits is claimed when it is due, and saved."""
    with closing(Store(SqliteDatabase(path), VAULT)) as store:
        claimed = store.claim("spring", 5, 100.0)
        assert ([lead.lead_id for lead in claimed.leads], claimed.open_leads) == ([1], 1)
        store.apply([SaveLead(lead=replace(claimed.leads[0], state=LeadState.FINISHED), order_key="k")])
        assert store.claim("spring", 5, 100.0).open_leads == 0


def test_an_upgrade_that_was_cut_short_after_its_commit_is_finished(path: Path, tmp_path: Path) -> None:
    """The file is freed of plain text by the next opening when the one that sealed it did not come to that."""
    copy = tmp_path / "copy" / "old.db"
    copy.parent.mkdir()
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM leads").fetchone()
        with pytest.raises(StorageError, match="another process still reads it as it was, in plain text"):
            Store(SqliteDatabase(path), VAULT)
        for file in path.parent.glob("old.db*"):
            shutil.copy(file, copy.parent)
    assert any(b"Somebody" in data for data in files(copy))
    with closing(Store(SqliteDatabase(copy), VAULT)) as store:
        assert store.counts("spring").loaded == 2
        assert not [word for word in PERSONAL for data in files(copy) if word in data]


def test_an_upgrade_that_fails_leaves_the_plain_text_database(path: Path) -> None:
    """Numbers that are none undo the whole step, and the error does not quote them."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE leads SET numbers = '[\"+12025550001\"]' WHERE lead_id = 2")
    with pytest.raises(StorageError, match="lead 2: expected its numbers as schema version 2 keeps them") as caught:
        Store(SqliteDatabase(path), VAULT)
    assert "2025550001" not in str(caught.value)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone() == (2,)
        assert connection.execute("SELECT name FROM leads WHERE lead_id = 1").fetchone() == ("Somebody Called",)


def test_another_keyring_does_not_open_what_was_sealed(path: Path) -> None:
    """After the upgrade the keyring of the upgrade is needed."""
    Store(SqliteDatabase(path), VAULT).close()
    with pytest.raises(KeysError, match="written under the key 00000001, which the keyring does not have"):
        Store(SqliteDatabase(path), make_vault("00000002"))
