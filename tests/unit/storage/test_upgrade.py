"""A database of an earlier version is brought up to date in place, and nothing in it is lost."""

import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from dialer.domain.commands import RecordDecision
from dialer.domain.records import PacingDecision
from dialer.errors import StorageError
from dialer.storage import rows
from dialer.storage.reading import Records
from dialer.storage.schema import METADATA
from dialer.storage.sqlite import SqliteDatabase
from dialer.storage.store import Store
from dialer.storage.upgrade import MIGRATIONS, configuration, steps_from
from dialer.storage.versions import OLDEST, SCHEMA_VERSION, TABLE
from tests.architecture.tree import ROOT
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


def shapes(path: Path) -> dict[str, object]:
    """What else makes a table or an index what it is: conditions, and where a table has no row ids."""
    with closing(sqlite3.connect(path)) as connection:
        indexes = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
        found: dict[str, object] = {
            name: re.sub(r"\s+", " ", sql).replace(" IF NOT EXISTS", "") for name, sql in indexes
        }
        listed = connection.execute("PRAGMA table_list").fetchall()
        return found | {row[1]: row[4] for row in listed if not row[1].startswith("sqlite_")}


def differences(path: Path) -> list[object]:
    """What Alembic would change in a database to make it what the schema says."""
    engine = sqlalchemy.create_engine(f"sqlite:///{path}")
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True, "render_as_batch": True})
            return list(compare_metadata(context, METADATA))
    finally:
        engine.dispose()


def versions(path: Path) -> tuple[object, ...]:
    """The version that `meta` names, and the one that Alembic notes."""
    with closing(sqlite3.connect(path)) as connection:
        (mine,) = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
        has_noted = connection.execute(f"SELECT count(*) FROM sqlite_master WHERE name = '{TABLE}'").fetchone()[0]
        noted = connection.execute(f"SELECT version_num FROM {TABLE}").fetchall() if has_noted else []
    return (mine, *(version for (version,) in noted))


def test_there_is_a_step_to_every_version() -> None:
    """Whoever raises the schema version says how to get there, and what changes."""
    assert [step.version for step in steps_from(0)] == list(range(OLDEST, SCHEMA_VERSION + 1))
    assert all(len(step.what) > 20 for step in steps_from(0))


def test_new_and_upgraded_databases_are_what_the_schema_says(path: Path, tmp_path: Path) -> None:
    """Alembic finds nothing to change in either, they are of one shape, and both versions noted in each agree."""
    new = tmp_path / "new.db"
    for each in (path, new):
        Store(SqliteDatabase(each), VAULT).close()
        assert differences(each) == []
        assert versions(each) == (SCHEMA_VERSION, str(SCHEMA_VERSION))
    assert tables(path) == tables(new)
    assert shapes(path) == shapes(new)


def test_a_missing_table_would_be_found(tmp_path: Path) -> None:
    """The comparison sees tables, columns and indexes."""
    new = tmp_path / "new.db"
    Store(SqliteDatabase(new), VAULT).close()
    with closing(sqlite3.connect(new)) as connection, connection:
        connection.execute("DROP TABLE changes")
        connection.execute("DROP INDEX leads_ready")
        connection.execute("ALTER TABLE leads DROP COLUMN segment")
    assert len(differences(new)) >= 3


def test_a_database_without_alembics_note_gets_one(tmp_path: Path) -> None:
    """It was made before there was one; a reader accepts that, the next writer notes it."""
    new = tmp_path / "new.db"
    Store(SqliteDatabase(new), VAULT).close()
    with closing(sqlite3.connect(new)) as connection, connection:
        connection.execute(f"DROP TABLE {TABLE}")
    Records(SqliteDatabase(new), VAULT).close()
    assert versions(new) == (SCHEMA_VERSION,)
    Store(SqliteDatabase(new), VAULT).close()
    assert versions(new) == (SCHEMA_VERSION, str(SCHEMA_VERSION))


@pytest.mark.parametrize("noted", ["1", "99", ""])
def test_two_minds_about_the_version_are_refused(tmp_path: Path, noted: str) -> None:
    """Nothing is read or changed when the two do not agree."""
    new = tmp_path / "new.db"
    Store(SqliteDatabase(new), VAULT).close()
    with closing(sqlite3.connect(new)) as connection, connection:
        connection.execute(f"UPDATE {TABLE} SET version_num = ?", (noted,))
    for opened in (Store, Records):
        with pytest.raises(StorageError, match="somebody changed one of them by hand"):
            opened(SqliteDatabase(new), VAULT)


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    """An older dialer changes nothing in it."""
    new = tmp_path / "new.db"
    Store(SqliteDatabase(new), VAULT).close()
    with closing(sqlite3.connect(new)) as connection, connection:
        connection.execute("UPDATE meta SET value = value + 1 WHERE key = 'schema_version'")
        connection.execute(f"UPDATE {TABLE} SET version_num = ?", (str(SCHEMA_VERSION + 1),))
    before = new.read_bytes()
    for opened in (Store, Records):
        with pytest.raises(StorageError, match="made by a newer dialer: upgrade dialer"):
            opened(SqliteDatabase(new), VAULT)
    assert new.read_bytes() == before


OPEN = """
import sys
from dialer.storage.sqlite import SqliteDatabase
from dialer.storage.store import Store
from tests.unit.storage.builders import VAULT
Store(SqliteDatabase(sys.argv[1]), VAULT).close()
print([name for name in ("alembic", "sqlmodel", "sqlalchemy") if name in sys.modules])
"""


def test_a_start_without_an_upgrade_imports_none_of_its_tools(tmp_path: Path) -> None:
    """Alembic, SQLModel and SQLAlchemy cost a second: only who makes or changes tables pays it."""
    printed = [
        subprocess.run(
            [sys.executable, "-c", OPEN, tmp_path / "new.db"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()
        for _ in range(2)
    ]
    assert printed == ["['sqlmodel', 'sqlalchemy']", "[]"]


KILLED = """
import os, signal, sys
from dialer.storage.sqlite import SqliteDatabase
from dialer.storage.store import Store
from dialer.storage.vault import Vault
from tests.unit.storage.builders import VAULT

class Killer:
    def __init__(self, left):
        self.left = left
    def __getattr__(self, name):
        return getattr(VAULT, name)
    def seal(self, value, place):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return VAULT.seal(value, place)

Store(SqliteDatabase(sys.argv[1]), Killer(int(sys.argv[2])))
"""


@pytest.mark.parametrize("seals", [1, 700, 2_500])
def test_an_upgrade_that_is_killed_leaves_the_old_database(path: Path, seals: int) -> None:
    """Whenever the process dies, every table is as it was; the next opening takes all steps."""
    with closing(sqlite3.connect(path)) as connection, connection:
        lines = [(seq, 52.0, b'{"seq":%d,"at":52.0,"event":null,"commands":[]}' % seq) for seq in range(3, 3_000)]
        connection.executemany("INSERT INTO journal VALUES (?, ?, ?)", lines)
        before = list(connection.iterdump())
    done = subprocess.run([sys.executable, "-c", KILLED, path, str(seals)], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    with closing(sqlite3.connect(path)) as connection:
        assert list(connection.iterdump()) == before
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with closing(Store(SqliteDatabase(path), VAULT)) as store:
        assert len(list(store.entries())) == 2_999
    assert differences(path) == []


def test_a_writer_upgrades_what_it_opens(path: Path, tmp_path: Path) -> None:
    """Old decisions were allowed what they started; new ones are kept whole, and the next opening changes nothing."""
    for _ in range(2):
        with closing(Store(SqliteDatabase(path), VAULT)) as store:
            assert list(store.decisions("spring", 0.0, 60.0)) == [UPGRADED]
            assert (store.policy("spring"), store.next_call_id(), store.next_seq()) == (POLICY, 8, 3)
    with closing(Store(SqliteDatabase(path), VAULT)) as store:
        store.apply([RecordDecision(decision=UPGRADED)])
        assert list(store.decisions("spring", 0.0, 60.0)) == [UPGRADED, UPGRADED]
    Store(SqliteDatabase(tmp_path / "new.db"), VAULT).close()
    assert tables(path) == tables(tmp_path / "new.db")


def test_the_journal_can_be_read_after_an_upgrade(path: Path) -> None:
    """Each entry keeps the bytes with which it was written, and is read as this version has it."""
    with closing(Store(SqliteDatabase(path), VAULT)) as store:
        first, second = store.entries()
        assert first.commands[1:] == (RecordDecision(decision=UPGRADED),) * 2
        sealed = [entry for (entry,) in store._reader.execute("SELECT entry FROM journal ORDER BY seq")]
    assert [VAULT.open(entry, rows.ENTRY) for entry in sealed] == LINES
    assert second.commands == first.commands[:1]


def test_a_reader_of_an_earlier_version_is_told_what_to_do(path: Path) -> None:
    """A reader changes nothing: it names the command that does."""
    before = path.read_bytes()
    with pytest.raises(
        StorageError, match=rf"expected schema version {SCHEMA_VERSION}, found 1, .*`dialer db upgrade`"
    ):
        Records(SqliteDatabase(path), VAULT)
    assert path.read_bytes() == before


def test_an_upgrade_that_fails_leaves_the_old_database(path: Path) -> None:
    """All steps are one transaction: a lead that the last one cannot read undoes the columns of the first, too."""
    with closing(sqlite3.connect(path)) as connection, connection:
        values = (1, "spring", 0, "k", 0.0, "", 0, "", None, "", None, "[]", 0, 1, "", "", 0, None, "", "{}")
        connection.execute(f"INSERT INTO leads VALUES ({', '.join('?' * len(values))})", values)
    with pytest.raises(StorageError, match="lead 1: expected its numbers as schema version 2 keeps them"):
        Store(SqliteDatabase(path), VAULT)
    assert "allowed" not in {name for name, *_ in tables(path)["decisions"]}
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone() == (1,)
        assert connection.execute("SELECT entry FROM journal WHERE seq = 1").fetchone() == (LINES[0],)


def test_a_version_without_a_step_is_refused(path: Path) -> None:
    """A database older than any release is left alone."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE meta SET value = 0 WHERE key = 'schema_version'")
    for opened in (Store, Records):
        with pytest.raises(StorageError, match=f"expected schema version {SCHEMA_VERSION}, found 0, made by no rel"):
            opened(SqliteDatabase(path), VAULT)


def test_alembic_can_draft_a_step(path: Path, tmp_path: Path) -> None:
    """`script.py.mako` gives a module that Python reads, with what the schema has and a database lacks."""
    Store(SqliteDatabase(path), VAULT).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TABLE changes")
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    engine = sqlalchemy.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config = configuration(connection=connection)
        config.set_main_option("script_location", str(folder))
        command.revision(config, "Changes are kept", autogenerate=True, rev_id=str(SCHEMA_VERSION + 1))
    engine.dispose()
    (made,) = (folder / "versions").glob(f"{SCHEMA_VERSION + 1}_*.py")
    text = made.read_text(encoding="utf-8")
    compile(text, made.name, "exec")
    assert text.startswith('"""Changes are kept.')
    assert "import sqlmodel" in text
    assert "op.create_table('changes'" in text
