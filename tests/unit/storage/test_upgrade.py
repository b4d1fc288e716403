"""A database of an earlier version is brought up to date in place, and nothing in it is lost."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from dialer.domain.commands import RecordDecision
from dialer.domain.records import PacingDecision
from dialer.errors import StorageError
from dialer.storage import rows
from dialer.storage.connection import SCHEMA_VERSION
from dialer.storage.reading import SqliteRecords
from dialer.storage.sqlite import SqliteStore
from dialer.storage.upgrade import STEPS
from tests.unit.storage.builders import VAULT, make_policy

VERSION_1 = Path(__file__).with_name("schema_1.sql")
"""The statements with which version 1 made its tables, as they were."""

POLICY = make_policy()
HANG_UP = b'{"type":"HangUp","call_id":7,"reason":"say \\"RecordDecision\\" twice"}'
DECISION = (
    b'{"type":"RecordDecision","decision":{"campaign":"spring","at":50.25,"mode":"power","calls":2,"wanted":3,'
    b'"limited_by":"lines","is_reserved":false,"terms":[["ratio",1.5],["p_breach",0.1],["gap","inf"]]}}'
)
RINGING = b'{"type":"CallRinging","call_id":7}'
LINES = [
    b'{"seq":1,"at":50.25,"event":' + RINGING + b',"commands":[' + HANG_UP + b"," + DECISION + b"," + DECISION + b"]}",
    b'{"seq":2,"at":51.0,"event":null,"commands":[' + HANG_UP + b"]}",
]
UPGRADED = PacingDecision(
    campaign="spring",
    at=50.25,
    mode="power",
    calls=2,
    wanted=3,
    allowed=2,
    limited_by="lines",
    runner_up="",
    runner_up_calls=0,
    is_reserved=False,
    terms=(("ratio", 1.5), ("p_breach", 0.1), ("gap", float("inf"))),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database of version 1 with a campaign, decisions and a journal in it."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(VERSION_1.read_text(encoding="utf-8"))
        meta = [("schema_version", 1), ("next_lead_id", 1), ("next_call_id", 8)]
        connection.executemany("INSERT INTO meta (key, value) VALUES (?, ?)", meta)
        connection.execute(
            "INSERT INTO campaigns (name, seller, digest, policy, open_leads) VALUES (?, ?, ?, ?, 0)",
            (POLICY.name, POLICY.seller, POLICY.digest, rows.text(POLICY)),
        )
        connection.execute(
            "INSERT INTO decisions (campaign, at, mode, calls, wanted, limited_by, is_reserved, terms)"
            " VALUES ('spring', 50.25, 'power', 2, 3, 'lines', 0, ?)",
            ('[["ratio",1.5],["p_breach",0.1],["gap","inf"]]',),
        )
        entries = [(seq, 50.25, line) for seq, line in enumerate(LINES, start=1)]
        connection.executemany("INSERT INTO journal (seq, at, entry) VALUES (?, ?, ?)", entries)
    return path


def tables(path: Path) -> dict[str, set[tuple[object, ...]]]:
    """The columns of each table (name, type, may it be NULL, part of the key) and of each index."""
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'").fetchall()
        return {
            name: {(row[1], row[2], *row[3:4], *row[5:6]) for row in connection.execute(f"PRAGMA {kind}_info({name})")}
            for kind, name in found
        }


def test_there_is_a_step_from_every_earlier_version() -> None:
    """Whoever raises the schema version says how to get there."""
    assert list(STEPS) == list(range(1, SCHEMA_VERSION))


def test_a_writer_upgrades_what_it_opens(path: Path, tmp_path: Path) -> None:
    """Old decisions were allowed what they started; new ones are kept whole, and the next opening changes nothing."""
    for _ in range(2):
        with closing(SqliteStore(path, VAULT)) as store:
            assert list(store.decisions("spring", 0.0, 60.0)) == [UPGRADED]
            assert (store.policy("spring"), store.next_call_id(), store.next_seq()) == (POLICY, 8, 3)
    with closing(SqliteStore(path, VAULT)) as store:
        store.apply([RecordDecision(decision=UPGRADED)])
        assert list(store.decisions("spring", 0.0, 60.0)) == [UPGRADED, UPGRADED]
    SqliteStore(tmp_path / "new.db", VAULT).close()
    assert tables(path) == tables(tmp_path / "new.db")


def test_the_journal_can_be_read_after_an_upgrade(path: Path) -> None:
    """Each entry keeps the bytes with which it was written, and is read as this version has it."""
    with closing(SqliteStore(path, VAULT)) as store:
        first, second = store.entries()
        assert first.commands[1:] == (RecordDecision(decision=UPGRADED),) * 2
        sealed = [entry for (entry,) in store._reader.execute("SELECT entry FROM journal ORDER BY seq")]
    assert [VAULT.open(entry, rows.ENTRY) for entry in sealed] == LINES
    assert second.commands == first.commands[:1]


def test_a_reader_of_an_earlier_version_is_told_what_to_do(path: Path) -> None:
    """A reader changes nothing: it names the commands that do."""
    before = path.read_bytes()
    with pytest.raises(StorageError, match=r"expected schema version 3, found 1, .*`dialer run` and `dialer leads imp"):
        SqliteRecords(path, VAULT)
    assert path.read_bytes() == before


def test_an_upgrade_that_fails_leaves_the_old_database(path: Path) -> None:
    """All steps are one transaction: a lead that the last one cannot read undoes the columns of the first, too."""
    with closing(sqlite3.connect(path)) as connection, connection:
        values = (1, "spring", 0, "k", 0.0, "", 0, "", None, "", None, "[]", 0, 1, "", "", 0, None, "", "{}")
        connection.execute(f"INSERT INTO leads VALUES ({', '.join('?' * len(values))})", values)
    with pytest.raises(StorageError, match="lead 1: expected its numbers as schema version 2 keeps them"):
        SqliteStore(path, VAULT)
    assert "allowed" not in {name for name, *_ in tables(path)["decisions"]}
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone() == (1,)
        assert connection.execute("SELECT entry FROM journal WHERE seq = 1").fetchone() == (LINES[0],)


def test_a_version_without_a_step_is_refused(path: Path) -> None:
    """A database older than any release is left alone."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE meta SET value = 0 WHERE key = 'schema_version'")
    for opened in (SqliteStore, SqliteRecords):
        with pytest.raises(StorageError, match="expected schema version 3, found 0, made by no released dialer"):
            opened(path, VAULT)
