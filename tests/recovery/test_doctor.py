"""`dialer doctor` finds what is wrong in a database, and mends what can be mended."""

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from dialer.domain.commands import PlaceCall
from dialer.storage.database import Database
from dialer.storage.doctor import Doctor, Finding, mend
from dialer.storage.ownership import first_number
from dialer.storage.postgres import PostgresDatabase
from dialer.storage.rows import ATTEMPT_COLUMNS
from dialer.storage.sqlite import SqliteDatabase
from dialer.storage.store import Store
from tests.integration.daemon_process import dialer, prepare, running
from tests.recovery.shift import Kill, Shift, check_evidence, fill
from tests.servers.databases import by_hand
from tests.vaults import make_vault


class Stopped(Exception):
    """The end of a day that was killed and not started again."""


class Abandoned(Shift):
    """A day that ends with its kill."""

    def _restart(self) -> None:
        self.store.close()
        raise Stopped


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def left(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Database:
    """The database of a day that was killed with calls up."""
    folder, database = tmp_path_factory.mktemp("left"), None
    if request.param == "postgres":
        server = request.getfixturevalue("postgres_server")
        database = PostgresDatabase(server.new_database(), folder)
    database = database or SqliteDatabase(folder / "dialer.db")
    fill(database)
    with pytest.raises(Stopped):
        Abandoned(database, Kill(seq=700, has_acted=True, outage_s=0.0)).run()
    return database


@pytest.fixture
def day(left: Database, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A copy of it."""
    if isinstance(left, SqliteDatabase):
        yield SqliteDatabase(shutil.copy(left.path, tmp_path / "dialer.db"))
        return
    server = request.getfixturevalue("postgres_server")
    address = server.copy_database(left.name)
    yield PostgresDatabase(address, tmp_path)
    server.drop(address)


def look(day: Database, *, has_daemon: bool = False) -> list[Finding]:
    """Examine a database."""
    return Doctor(day, make_vault()).examine(0.0, has_daemon=has_daemon)


def kinds(day: Database, *, has_daemon: bool = False) -> set[str]:
    """What kinds of things are found."""
    return {each.kind for each in look(day, has_daemon=has_daemon)}


def mended(day: Database) -> list[str]:
    """Mend a database; give what was done."""
    with Store(day, make_vault()) as store:
        return mend(store, look(day), 1.0, "tester")


def test_after_a_kill_calls_are_open_and_leads_stuck_unless_a_daemon_holds_them(day: Database) -> None:
    """A start settles both; --mend only gives leads back, and leaves calls to the gateway's word."""
    assert kinds(day) == {"open", "stuck"}
    assert kinds(day, has_daemon=True) == set()
    [done] = mended(day)
    assert done.startswith("gave back ")
    assert kinds(day) == {"open"}


def test_a_start_settles_them(day: Database) -> None:
    """No call is open any more, and no lead is held by nobody."""
    shift = Shift(day)
    shift._work(shift.now + 1.0)
    shift.close()
    assert not {"open", "stuck"} & kinds(day, has_daemon=True)
    with Store(day, make_vault()) as store:
        assert list(store.open_attempts()) == []


def test_a_count_of_open_leads_that_is_off_is_made_anew(day: Database) -> None:
    """It decides when a campaign is completed."""
    mended(day)
    with by_hand(day) as connection:
        before = connection.execute("SELECT name, open_leads FROM campaigns ORDER BY name").fetchall()
        connection.execute("UPDATE campaigns SET open_leads = open_leads + 3 WHERE name = 'eager'")
    assert "open_leads" in kinds(day)
    assert mended(day) == ["counted the open leads of eager"]
    with by_hand(day) as connection:
        assert connection.execute("SELECT name, open_leads FROM campaigns ORDER BY name").fetchall() == before


def test_ids_of_calls_go_on_behind_the_last_one_that_was_ordered(day: Database) -> None:
    """By the attempts and by the journal."""
    mended(day)
    with Store(day, make_vault()) as store:
        ordered = [c.call_id for entry in store.entries() for c in entry.commands if isinstance(c, PlaceCall)]
    with by_hand(day) as connection:
        connection.execute("UPDATE meta SET value = 2 WHERE key = 'next_call_id'")
        connection.execute("DELETE FROM attempts WHERE call_id = ?", (max(ordered),))
    assert "next_call_id" in kinds(day)
    mended(day)
    with Store(day, make_vault()) as store:
        assert store.next_call_id() == max(ordered) + 1


def test_attempts_that_a_lead_does_not_count_are_counted(day: Database) -> None:
    """Caps on attempts depend on it. A lead that counts more than there are stays as it is."""
    mended(day)
    with by_hand(day) as connection:
        tried = connection.execute("SELECT lead_id, attempts FROM leads WHERE attempts > 0 AND place <> 2").fetchall()
        connection.execute("UPDATE leads SET attempts = 0 WHERE lead_id = ?", tried[0][:1])
        connection.execute("UPDATE leads SET attempts = 9 WHERE lead_id = ?", tried[1][:1])
    found = [each for each in look(day) if each.kind == "attempts"]
    assert {each.lead_id: each.is_mendable for each in found} == {tried[0][0]: True, tried[1][0]: False}
    mended(day)
    with Store(day, make_vault()) as store:
        first = store.lead(tried[0][0])
    assert first is not None and first.attempts == tried[0][1]


def test_an_attempt_without_evidence_is_added_to_it(day: Database) -> None:
    """At the end of the log, whose chain stays whole; that it was mended is in it, too."""
    mended(day)
    with by_hand(day) as connection:
        names = ", ".join(ATTEMPT_COLUMNS[1:])
        connection.execute(
            f"INSERT INTO attempts (call_id, {names}) SELECT 999, {names} FROM attempts WHERE call_id ="
            " (SELECT max(call_id) FROM attempts WHERE released_at IS NOT NULL)"
        )
    assert "evidence" in kinds(day)
    assert "added 1 attempts to the evidence" in mended(day)
    assert "evidence" not in kinds(day)
    with Store(day, make_vault()) as store:
        check_evidence(store)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE evidence SET body = (SELECT body FROM evidence WHERE seq = 41) WHERE seq = 40",
        "DELETE FROM evidence WHERE seq = 40",
        "UPDATE evidence SET hash = (SELECT hash FROM evidence WHERE seq = 40)"
        " WHERE seq = (SELECT max(seq) FROM evidence)",
    ],
)
def test_evidence_that_was_changed_is_found_and_not_mended(day: Database, change: str) -> None:
    """Whoever mends evidence forges it."""
    with by_hand(day) as connection:
        connection.execute(change)
    assert "chain" in kinds(day)
    mended(day)
    assert "chain" in kinds(day)


ENGINES = "INSERT INTO engines (engine_id, name, token, holder, until_at) VALUES (?, ?, 1, ?, ?)"


def test_what_a_living_engine_holds_is_as_it_should_be(day: Database) -> None:
    """Where daemons share a database their leases say who is at work; nothing is mended beside them."""
    if isinstance(day, SqliteDatabase):
        return  # never shared
    with by_hand(day) as connection:
        stuck = connection.execute("SELECT DISTINCT campaign FROM leads WHERE place = 2 ORDER BY campaign").fetchall()
        connection.execute(ENGINES, (0, "main", "", 0.0))
        connection.execute(ENGINES, (1, "north", "north-host:7", 9e9))
        connection.execute("UPDATE campaigns SET engine_id = CASE WHEN name = ? THEN 1 ELSE 0 END", stuck[0])
    assert {each.campaign for each in look(day) if each.kind == "stuck"} == {name for (name,) in stuck[1:]}
    assert not [each for each in look(day, has_daemon=True) if each.campaign == stuck[0][0]]
    assert Doctor(day, make_vault()).living() == ["engine 'north': north-host:7"]


def test_each_engine_counts_its_own_calls(day: Database) -> None:
    """Behind the last of its own, not behind another's."""
    if isinstance(day, SqliteDatabase):
        return  # never shared
    mended(day)
    names = ", ".join(ATTEMPT_COLUMNS[1:])
    with by_hand(day) as connection:
        connection.execute(ENGINES, (0, "main", "", 0.0))
        connection.execute(ENGINES, (1, "north", "", 0.0))
        connection.execute(
            f"INSERT INTO attempts (call_id, {names}) SELECT {first_number(1) + 4}, {names} FROM attempts"
            " WHERE call_id = (SELECT max(call_id) FROM attempts WHERE released_at IS NOT NULL)"
        )
    assert [each.call_id for each in look(day) if each.kind == "next_call_id"] == [first_number(1) + 4]
    before = next_ids(day)
    assert f"the next call is number {first_number(1) + 5}" in mended(day)
    assert next_ids(day) == {**before, "next_call_id:1": first_number(1) + 5}


def next_ids(day: Database) -> dict[str, int]:
    """What each engine's next call would be."""
    with by_hand(day) as connection:
        return dict(connection.execute("SELECT key, value FROM meta WHERE key LIKE 'next_call_id%'").fetchall())


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
