"""`dialer db`: check, upgrade, backup and restore, from the command line."""

import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from dialer.cli.main import app
from dialer.config.settings import load_settings
from dialer.daemon.lock import only_daemon
from dialer.daemon.stores import open_store
from dialer.domain.commands import RecordAttempt
from dialer.storage.versions import SCHEMA_VERSION
from tests.architecture.tree import ROOT
from tests.integration.daemon_process import DIALER, prepare
from tests.unit.storage.builders import make_attempt, make_number, make_policy
from tests.unit.storage.people import register

VERSION_1 = ROOT / "tests" / "unit" / "storage" / "schema_1.sql"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose database has a call and a register in it."""
    (tmp_path / "campaigns").mkdir()
    path = tmp_path / "config.toml"
    path.write_text('state_dir = "state"\n', encoding="utf-8")
    with open_store(load_settings(path)) as store:
        store.register(make_policy())
        store.apply([RecordAttempt(attempt=make_attempt(1, 50.0))])
        register(store, "TPS", [make_number(1).e164, make_number(2).e164])
    return path


def old(config: Path) -> Path:
    """Put a database of version 1 in the place of a configuration's."""
    path = database(config)
    path.parent.mkdir(exist_ok=True)
    for file in path.parent.iterdir():
        shutil.rmtree(file) if file.is_dir() else file.unlink()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(VERSION_1.read_text(encoding="utf-8"))
        meta = [("schema_version", 1), ("next_lead_id", 1), ("next_call_id", 1)]
        connection.executemany("INSERT INTO meta (key, value) VALUES (?, ?)", meta)
    return path


def database(config: Path) -> Path:
    """The database that a configuration names."""
    return load_settings(config).database


def run(*arguments: object) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


def change(path: Path, statement: str) -> None:
    """Change a database by hand."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def calls(config: Path) -> list[int]:
    """The calls that a configuration's database knows."""
    with open_store(load_settings(config)) as store:
        return [attempt.call_id for attempt in store.attempts(None, 0.0, 1e12)]


# ---------------------------------------------------------------------------------------------- check
def test_a_database_in_order_is_checked(config: Path) -> None:
    """Version, size, rows, keys and registers; nothing is wrong, nothing to do."""
    done = run("db", "check", "--config", config)
    assert done.exit_code == 0, done.output
    assert f"schema version  {SCHEMA_VERSION}; this dialer's is {SCHEMA_VERSION}" in done.stdout
    assert "attempts 1" in done.stdout
    assert "keys            fit" in done.stdout
    assert "registers       1 in use" in done.stdout
    assert "wrong           nothing" in done.stdout
    assert "An upgrade takes" not in done.stdout
    assert json.loads(run("db", "check", "--json", "--config", config).stdout)["faults"] == []


def test_an_old_database_is_checked_and_not_changed(config: Path) -> None:
    """What an upgrade would do, step by step, and the room that it takes; no keyring is made."""
    path = old(config)
    before = path.read_bytes()
    done = run("db", "check", "--config", config)
    assert done.exit_code == 0, done.output
    assert f"An upgrade takes {SCHEMA_VERSION - 1} steps and up to" in done.stdout
    assert "  3: Numbers, names and the journal are sealed" in done.stdout
    assert "nothing is sealed yet" in done.stdout
    assert path.read_bytes() == before
    assert not (path.parent / "keys.json").exists()


def test_what_is_wrong_with_a_database_is_said(config: Path) -> None:
    """Another program's, a newer dialer's, one with other keys, a register's file that was changed: exit code 5."""

    def fault() -> str:
        found = run("db", "check", "--config", config)
        assert found.exit_code == 5, found.output
        return found.stderr

    settings = load_settings(config)
    next((settings.database.parent / "registries").iterdir()).write_bytes(b"nothing")
    assert "it is cut short" in fault()
    keys = settings.keys_file.read_bytes()
    settings.keys_file.unlink()
    assert "keys: keys_file" in fault()
    assert not settings.keys_file.exists()
    settings.keys_file.write_bytes(keys)
    change(settings.database, "UPDATE meta SET value = 99 WHERE key = 'schema_version'")
    change(settings.database, "UPDATE alembic_version SET version_num = '99'")
    assert "version: 99 is of a newer dialer" in fault()
    assert "99" in fault()
    change(settings.database, "DROP TABLE meta")
    assert "it holds no tables of dialer" in fault()
    settings.database.write_bytes(b"no database at all, but a text of some length" * 100)
    assert "it is no SQLite database" in fault()
    settings.database.unlink()
    assert "there is none yet" in fault()
    assert not settings.database.exists()


def test_a_damaged_page_is_found(config: Path) -> None:
    """The whole file is read, not only its head."""
    path = database(config)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'attempts'").fetchone()[0]
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * 200)
    found = run("db", "check", "--config", config)
    assert found.exit_code == 5
    assert "integrity: " in found.stderr or "malformed" in found.stderr


# -------------------------------------------------------------------------------------------- upgrade
def test_an_upgrade_says_what_it_does(config: Path) -> None:
    """A dry run names the steps and the command for a backup; then they are taken, once."""
    path = old(config)
    before = path.read_bytes()
    dry = run("db", "upgrade", "--dry-run", "--config", config)
    assert dry.exit_code == 0, dry.output
    assert f"dialer db backup FILE --config {config}" in dry.stdout
    assert path.read_bytes() == before
    done = run("db", "upgrade", "--config", config)
    assert done.exit_code == 0, done.output
    assert f"upgraded from schema version 1 to {SCHEMA_VERSION}" in done.stdout
    assert "nothing to do" in run("db", "upgrade", "--config", config).stdout
    assert run("db", "check", "--config", config).exit_code == 0


def test_an_upgrade_is_refused_beside_a_daemon_or_above_a_newer_version(config: Path) -> None:
    """Both leave the database as it is."""
    path = old(config)
    before = path.read_bytes()
    with only_daemon(load_settings(config).state_dir):
        refused = run("db", "upgrade", "--config", config)
    assert refused.exit_code == 5
    assert "another daemon" in refused.stderr
    assert path.read_bytes() == before
    change(path, "UPDATE meta SET value = 99 WHERE key = 'schema_version'")
    newer = run("db", "upgrade", "--config", config)
    assert newer.exit_code == 5
    assert "newer dialer" in newer.stderr


# ------------------------------------------------------------------------------------- backup, restore
def test_a_backup_comes_back(config: Path, tmp_path: Path) -> None:
    """Calls, registers and keys are as they were; what came after the backup is gone, and kept beside."""
    file = tmp_path / "copy.dialer"
    made = run("db", "backup", file, "--config", config)
    assert made.exit_code == 0, made.output
    assert f"whole: schema version {SCHEMA_VERSION}, 1 register files" in made.stdout
    assert "The keys are NOT in it" in made.stdout
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["campaigns", "config.toml", "copy.dialer", "state"]
    with open_store(load_settings(config)) as store:
        store.apply([RecordAttempt(attempt=make_attempt(2, 60.0))])
    registers = database(config).parent / "registries"
    name = next(registers.iterdir())
    kept = name.read_bytes()
    name.write_bytes(b"changed")
    refused = run("db", "restore", file, "--config", config)
    assert refused.exit_code == 5
    assert "--replace" in refused.stderr
    assert calls(config) == [1, 2]
    done = run("db", "restore", file, "--replace", "--config", config)
    assert done.exit_code == 0, done.output
    assert "kept as dialer.db.replaced" in done.stdout
    assert calls(config) == [1]
    assert name.read_bytes() == b"changed"  # what is there stays; the backup's is put beside it
    assert kept in [each.read_bytes() for each in registers.iterdir()]
    assert run("db", "check", "--config", config).exit_code == 0
    with closing(sqlite3.connect(database(config).with_name("dialer.db.replaced"))) as connection:
        assert connection.execute("SELECT count(*) FROM attempts").fetchone() == (2,)


def listed(config: Path) -> list[int]:
    """Which of four people the register in use lists."""
    with open_store(load_settings(config)) as store:
        [copy] = store.copies_in_use()
        return [rank for rank in range(1, 5) if store.is_listed(copy, make_number(rank).e164)]


def test_a_restore_that_stops_half_way_leaves_the_registers_alone(config: Path, tmp_path: Path) -> None:
    """A register of the same name and another content is put beside the one that the database there needs.

    So it works as before when the restore comes to nothing, and when what it replaced is put back.
    """
    file = tmp_path / "copy.dialer"
    run("db", "backup", file, "--config", config)
    database(config).unlink()
    shutil.rmtree(database(config).parent / "registries")
    with open_store(load_settings(config)) as store:
        register(store, "TPS", [make_number(3).e164])
    with closing(sqlite3.connect(database(config), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        refused = run("db", "restore", file, "--replace", "--config", config)
        other.execute("ROLLBACK")
    assert refused.exit_code == 5, refused.output
    assert "another process uses it" in refused.stderr
    assert run("db", "check", "--config", config).exit_code == 0
    assert listed(config) == [3]
    for _ in range(2):
        assert run("db", "restore", file, "--replace", "--config", config).exit_code == 0
        assert run("db", "check", "--config", config).exit_code == 0
        assert listed(config) == [1, 2]
    assert len(list((database(config).parent / "registries").iterdir())) == 2


def test_a_backup_is_restored_where_there_is_nothing(config: Path, tmp_path: Path) -> None:
    """On another machine: the keys have to come by another way, and it says so; none are made."""
    file = tmp_path / "copy.dialer"
    run("db", "backup", file, "--config", config)
    state = load_settings(config).state_dir
    keys = load_settings(config).keys_file.read_bytes()
    shutil.rmtree(state)
    done = run("db", "restore", file, "--config", config)
    assert done.exit_code == 0, done.output
    assert "There are no keys at" in done.stdout
    assert not load_settings(config).keys_file.exists()
    assert stat.S_IMODE(database(config).stat().st_mode) == 0o600
    load_settings(config).keys_file.write_bytes(keys)
    load_settings(config).keys_file.chmod(0o600)
    assert calls(config) == [1]
    assert run("db", "check", "--config", config).exit_code == 0


def test_a_backup_of_an_earlier_version_is_upgraded_after_its_return(config: Path, tmp_path: Path) -> None:
    """The way back from an upgrade, and the way there again."""
    old(config)
    file = tmp_path / "before.dialer"
    assert "schema version 1" in run("db", "backup", file, "--config", config).stdout
    assert run("db", "upgrade", "--config", config).exit_code == 0
    assert run("db", "restore", file, "--replace", "--config", config).exit_code == 0
    assert f"An upgrade takes {SCHEMA_VERSION - 1} steps" in run("db", "check", "--config", config).stdout
    assert run("db", "upgrade", "--config", config).exit_code == 0


WRITER = """
import itertools, sys
from pathlib import Path
from dialer.config.settings import load_settings
from dialer.daemon.stores import open_store
from dialer.domain.commands import RecordAttempt
from tests.unit.storage.builders import make_attempt
with open_store(load_settings(Path(sys.argv[1]))) as store:
    for call_id in itertools.count(2):
        store.commit(call_id, float(call_id), None, [RecordAttempt(attempt=make_attempt(call_id, float(call_id)))])
        print(call_id, flush=True)
"""


def test_a_backup_beside_a_writer_is_of_one_instant(config: Path, tmp_path: Path) -> None:
    """Journal and attempts of the copy agree, and hold all that was durable before it began."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, config], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        for rank in range(3):
            durable = [int(writer.stdout.readline()) for _ in range(20)][-1]
            file = tmp_path / f"copy{rank}"
            assert run("db", "backup", file, "--config", config).exit_code == 0
            with closing(sqlite3.connect(file)) as connection:
                last = connection.execute("SELECT max(call_id) FROM attempts").fetchone()[0]
                assert last >= durable
                assert connection.execute("SELECT max(seq), count(*) + 1 FROM journal").fetchone() == (last, last)
        writer.send_signal(signal.SIGTERM)


def test_what_is_no_whole_backup_is_refused(config: Path, tmp_path: Path) -> None:
    """A plain database, another file, a damaged or a newer backup: the database stays as it is."""
    file = tmp_path / "copy.dialer"
    run("db", "backup", file, "--config", config)

    def refused(path: Path) -> str:
        done = run("db", "restore", path, "--replace", "--config", config)
        assert done.exit_code == 5, done.output
        assert calls(config) == [1]
        return done.stderr

    assert "found a plain database" in refused(database(config))
    assert "there is no such file" in refused(tmp_path / "nowhere")
    assert "it is no SQLite database" in refused(config)
    bad = tmp_path / "bad.dialer"
    shutil.copy(file, bad)
    change(bad, "UPDATE backup_files SET data = x'00'")
    assert "is damaged" in refused(bad)
    shutil.copy(file, bad)
    change(bad, "UPDATE backup SET schema_version = 99")
    assert "restore it with the dialer that made it" in refused(bad)


def test_a_backup_under_other_keys_is_refused(config: Path, tmp_path: Path) -> None:
    """Nobody could read what would be restored: exit code 7, and the database stays."""
    file = tmp_path / "copy.dialer"
    run("db", "backup", file, "--config", config)
    shutil.rmtree(load_settings(config).state_dir)
    with open_store(load_settings(config)):
        pass
    assert run("db", "restore", file, "--replace", "--config", config).exit_code == 7
    assert calls(config) == []


def test_a_restore_is_refused_while_somebody_works(config: Path, tmp_path: Path) -> None:
    """A daemon, or any process that has the database open."""
    file = tmp_path / "copy.dialer"
    run("db", "backup", file, "--config", config)
    with only_daemon(load_settings(config).state_dir):
        refused = run("db", "restore", file, "--replace", "--config", config)
    assert refused.exit_code == 5
    assert "another daemon" in refused.stderr
    with closing(sqlite3.connect(database(config))) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM attempts").fetchone()
        assert run("db", "restore", file, "--replace", "--config", config).exit_code == 5
    assert calls(config) == [1]


def test_a_backup_needs_a_new_name_and_a_place(config: Path, tmp_path: Path) -> None:
    """Nothing is written over, and nothing is left behind."""
    taken = tmp_path / "taken"
    taken.write_text("mine", encoding="utf-8")
    assert "stays as it is" in run("db", "backup", taken, "--config", config).stderr
    assert taken.read_text(encoding="utf-8") == "mine"
    assert run("db", "backup", tmp_path / "no" / "where", "--config", config).exit_code == 5
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


# -------------------------------------------------------------------------------- drain, upgrade, resume
def test_drain_upgrade_resume(tmp_path: Path) -> None:
    """The steps one by one, on a database of version 1: the daemon dials before and after them."""
    config = prepare(tmp_path)
    old(config)
    change(database(config), "UPDATE meta SET value = 7 WHERE key = 'next_call_id'")

    def dialer(*words: str) -> str:
        command = [DIALER, *words, "--config", config]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def work() -> int:
        """Run a daemon until it has placed a call, and drain it; give the highest call id."""
        log = tmp_path / "log"
        with log.open("wb") as out, subprocess.Popen([DIALER, "run", "--config", config], stderr=out) as daemon:
            while b'"event":"attempt"' not in log.read_bytes().replace(b": ", b":"):
                os.sched_yield()
                assert daemon.poll() is None, log.read_text(encoding="utf-8")
            daemon.send_signal(signal.SIGTERM)
            daemon.send_signal(signal.SIGINT)
            assert daemon.wait(60) == 0
        return max(calls(config))

    assert "An upgrade takes" in dialer("db", "check")
    dialer("db", "backup", "before.dialer")
    assert "upgraded from schema version 1" in dialer("db", "upgrade")
    assert "wrong           nothing" in dialer("db", "check")
    first = work()
    assert first >= 7
    dialer("db", "backup", "after.dialer")
    assert "nothing to do" in dialer("db", "upgrade")
    assert work() > first
    assert "journal: whole" in dialer("journal", "verify")
