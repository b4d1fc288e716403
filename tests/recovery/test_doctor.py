"""`dialer doctor` finds what is wrong in a database, and mends what can be mended."""

import json
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from dialer.domain.commands import PlaceCall
from dialer.storage.doctor import Doctor, Finding, mend
from dialer.storage.sqlite import SqliteDatabase
from dialer.storage.store import Store
from tests.integration.daemon_process import dialer, prepare, running
from tests.recovery.shift import Kill, Shift, check_evidence, fill
from tests.vaults import make_vault


class Stopped(Exception):
    """The end of a day that was killed and not started again."""


class Abandoned(Shift):
    """A day that ends with its kill."""

    def _restart(self) -> None:
        self.store.close()
        raise Stopped


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of a day that was killed with calls up."""
    path = tmp_path_factory.mktemp("left") / "dialer.db"
    fill(path)
    with pytest.raises(Stopped):
        Abandoned(path, Kill(seq=700, has_acted=True, outage_s=0.0)).run()
    return path


@pytest.fixture
def path(left: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copy(left, tmp_path / "dialer.db"))


@contextmanager
def spoilt(path: Path) -> Iterator[sqlite3.Connection]:
    """Change a database by hand."""
    with closing(sqlite3.connect(path)) as connection, connection:
        yield connection


def look(path: Path, *, has_daemon: bool = False) -> list[Finding]:
    """Examine a database."""
    return Doctor(SqliteDatabase(path), make_vault()).examine(0.0, has_daemon=has_daemon)


def kinds(path: Path, *, has_daemon: bool = False) -> set[str]:
    """What kinds of things are found."""
    return {each.kind for each in look(path, has_daemon=has_daemon)}


def mended(path: Path) -> list[str]:
    """Mend a database; give what was done."""
    with Store(SqliteDatabase(path), make_vault()) as store:
        return mend(store, look(path), 1.0, "tester")


def test_after_a_kill_calls_are_open_and_leads_stuck_unless_a_daemon_holds_them(path: Path) -> None:
    """A start settles both; --mend only gives leads back, and leaves calls to the gateway's word."""
    assert kinds(path) == {"open", "stuck"}
    assert kinds(path, has_daemon=True) == set()
    [done] = mended(path)
    assert done.startswith("gave back ")
    assert kinds(path) == {"open"}


def test_a_start_settles_them(path: Path) -> None:
    """No call is open any more, and no lead is held by nobody."""
    shift = Shift(path)
    shift._work(shift.now + 1.0)
    shift.close()
    assert not {"open", "stuck"} & kinds(path, has_daemon=True)
    with Store(SqliteDatabase(path), make_vault()) as store:
        assert list(store.open_attempts()) == []


def test_a_count_of_open_leads_that_is_off_is_made_anew(path: Path) -> None:
    """It decides when a campaign is completed."""
    mended(path)
    with spoilt(path) as connection:
        before = connection.execute("SELECT name, open_leads FROM campaigns ORDER BY name").fetchall()
        connection.execute("UPDATE campaigns SET open_leads = open_leads + 3 WHERE name = 'eager'")
    assert "open_leads" in kinds(path)
    assert mended(path) == ["counted the open leads of eager"]
    with spoilt(path) as connection:
        assert connection.execute("SELECT name, open_leads FROM campaigns ORDER BY name").fetchall() == before


def test_ids_of_calls_go_on_behind_the_last_one_that_was_ordered(path: Path) -> None:
    """By the attempts and by the journal."""
    mended(path)
    with Store(SqliteDatabase(path), make_vault()) as store:
        ordered = [c.call_id for entry in store.entries() for c in entry.commands if isinstance(c, PlaceCall)]
    with spoilt(path) as connection:
        connection.execute("UPDATE meta SET value = 2 WHERE key = 'next_call_id'")
        connection.execute("DELETE FROM attempts WHERE call_id = ?", (max(ordered),))
    assert "next_call_id" in kinds(path)
    mended(path)
    with Store(SqliteDatabase(path), make_vault()) as store:
        assert store.next_call_id() == max(ordered) + 1


def test_attempts_that_a_lead_does_not_count_are_counted(path: Path) -> None:
    """Caps on attempts depend on it. A lead that counts more than there are stays as it is."""
    mended(path)
    with spoilt(path) as connection:
        tried = connection.execute("SELECT lead_id, attempts FROM leads WHERE attempts > 0 AND place <> 2").fetchall()
        connection.execute("UPDATE leads SET attempts = 0 WHERE lead_id = ?", tried[0][:1])
        connection.execute("UPDATE leads SET attempts = 9 WHERE lead_id = ?", tried[1][:1])
    found = [each for each in look(path) if each.kind == "attempts"]
    assert {each.lead_id: each.is_mendable for each in found} == {tried[0][0]: True, tried[1][0]: False}
    mended(path)
    with Store(SqliteDatabase(path), make_vault()) as store:
        first = store.lead(tried[0][0])
    assert first is not None and first.attempts == tried[0][1]


def test_an_attempt_without_evidence_is_added_to_it(path: Path) -> None:
    """At the end of the log, whose chain stays whole; that it was mended is in it, too."""
    mended(path)
    with spoilt(path) as connection:
        last = connection.execute("SELECT * FROM attempts WHERE released_at IS NOT NULL LIMIT 1").fetchone()
        connection.execute(
            "INSERT INTO attempts SELECT * FROM (SELECT ?, " + ", ".join("?" * (len(last) - 1)) + ")", (999, *last[1:])
        )
    assert "evidence" in kinds(path)
    assert "added 1 attempts to the evidence" in mended(path)
    assert "evidence" not in kinds(path)
    with Store(SqliteDatabase(path), make_vault()) as store:
        check_evidence(store)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE evidence SET body = CAST(body || ' ' AS BLOB) WHERE seq = 40",
        "DELETE FROM evidence WHERE seq = 40",
        "UPDATE evidence SET hash = zeroblob(32) WHERE seq = (SELECT max(seq) FROM evidence)",
    ],
)
def test_evidence_that_was_changed_is_found_and_not_mended(path: Path, change: str) -> None:
    """Whoever mends evidence forges it."""
    with spoilt(path) as connection:
        connection.execute(change)
    assert "chain" in kinds(path)
    mended(path)
    assert "chain" in kinds(path)


def test_the_command_beside_a_daemon_after_a_kill_and_after_the_next_start(tmp_path: Path) -> None:
    """It only looks while one runs; --mend needs it to be stopped; unknown calls are named with their campaign."""
    config = prepare(tmp_path)
    with running(config) as daemon:
        daemon.wait_log("attempt")
        beside = dialer("doctor", "--config", config)
        assert (beside.returncode, beside.stdout) == (0, "nothing found\n")
        refused = dialer("doctor", "--mend", "--config", config)
        assert (refused.returncode, f"process {daemon.process.pid}" in refused.stderr) == (5, True)
        daemon.signal(signal.SIGKILL)
        daemon.process.wait(60)
    (tmp_path / "notify").unlink()
    after = json.loads(dialer("doctor", "--json", "--config", config).stdout)
    assert {"stuck"} <= {each["kind"] for each in after["found"]} <= {"stuck", "open"}
    was_up = sum(each["kind"] == "open" for each in after["found"])
    made = dialer("doctor", "--mend", "--config", config)
    assert "mended: gave back" in made.stdout
    with running(config) as daemon:
        daemon.signal(signal.SIGTERM)
        assert daemon.wait_end() == 0
    last = dialer("doctor", "--json", "--config", config)
    found = json.loads(last.stdout)["found"]
    assert ({each["kind"] for each in found}, last.returncode) == (({"unknown"}, 1) if was_up else (set(), 0))
    assert all(each["campaign"] == "survey" for each in found)
