"""`dialer db` and `dialer doctor` on a database of a PostgreSQL server."""

import json
import os
import pwd
from pathlib import Path

import pytest

from dialer.config.settings import load_settings
from dialer.daemon.lock import only_daemon
from dialer.daemon.people import holder
from dialer.daemon.stores import database_of, open_store
from dialer.domain.commands import RecordAttempt
from dialer.storage.postgres import PostgresDatabase
from dialer.storage.versions import SCHEMA_VERSION
from tests.acceptance.pages import blocks
from tests.architecture.tree import ROOT
from tests.integration.test_db_commands import calls, run
from tests.servers.databases import by_hand
from tests.servers.postgres import PostgresServer
from tests.unit.storage.builders import make_attempt, make_lead, make_number, make_policy
from tests.unit.storage.people import give, make_consent, register

ENGINE = "INSERT INTO engines (engine_id, name, token, holder, until_at) VALUES (0, 'main', 1, 'north:7', ?)"


@pytest.fixture
def empty(tmp_path: Path, postgres_address: str) -> Path:
    """A configuration that names an empty database."""
    (tmp_path / "campaigns").mkdir()
    path = tmp_path / "config.toml"
    path.write_text(f'state_dir = "state"\ndatabase = "{postgres_address}"\n', encoding="utf-8")
    return path


@pytest.fixture
def config(empty: Path) -> Path:
    """One whose database has a call, a consent and a register in it."""
    with open_store(load_settings(empty)) as store:
        store.register(make_policy())
        store.apply([RecordAttempt(attempt=make_attempt(1, 50.0))])
        give(store, make_consent(1))
        register(store, "TPS", [make_number(1).e164])
    return empty


def change(config: Path, statement: str, *values: object) -> None:
    """Change a configuration's database by hand."""
    with by_hand(database_of(load_settings(config))) as connection:
        connection.execute(statement, values)


def test_a_database_in_order_is_checked(config: Path) -> None:
    """Version, size, rows, keys and registers; nothing is wrong, nothing to do, and whose lease runs is said."""
    change(config, ENGINE, 9e9)
    done = run("db", "check", "--config", config)
    assert done.exit_code == 0, done.output
    for line in (
        load_settings(config).database,
        f"schema version  {SCHEMA_VERSION}; this dialer's is {SCHEMA_VERSION}",
        "attempts 1",
        "keys            fit",
        "registers       1 in use",
        "at work         engine 'main': north:7",
        "wrong           nothing",
    ):
        assert str(line) in done.stdout
    found = json.loads(run("db", "check", "--json", "--config", config).stdout)
    assert (found["faults"], found["free"], found["size"] > 0) == ([], None, True)


def test_an_empty_database_is_none_yet(empty: Path) -> None:
    """Looking makes nothing, not even a keyring."""
    found = run("db", "check", "--config", empty)
    assert found.exit_code == 5
    assert "it is empty yet" in found.stderr
    assert not load_settings(empty).keys_file.exists()
    with by_hand(database_of(load_settings(empty))) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = current_schema").fetchone() == (0,)


def test_what_is_wrong_is_said(config: Path) -> None:
    """A register's file that was changed, other keys, a newer dialer's version: exit code 5."""
    settings = load_settings(config)

    def fault() -> str:
        found = run("db", "check", "--config", config)
        assert found.exit_code == 5, found.output
        return found.stderr

    next((settings.state_dir / "registries").iterdir()).write_bytes(b"nothing")
    assert "it is cut short" in fault()
    settings.keys_file.unlink()
    assert "keys: keys_file" in fault()
    assert not settings.keys_file.exists()
    change(config, "UPDATE meta SET value = 99 WHERE key = 'schema_version'")
    change(config, "UPDATE alembic_version SET version_num = '99'")
    assert "version: 99 is of a newer dialer" in fault()
    assert run("db", "upgrade", "--config", config).exit_code == 5


def test_nothing_is_to_be_upgraded(config: Path) -> None:
    """A server's database began with the newest version."""
    done = run("db", "upgrade", "--config", config)
    assert (done.exit_code, "nothing to do" in done.stdout) == (0, True)


def test_postgresqls_own_commands_make_a_copy_and_bring_it_back(
    config: Path, tmp_path: Path, postgres_server: PostgresServer
) -> None:
    """The two that `dialer db` names, as they stand there; what came after the copy is gone, and numbers go on."""
    file = tmp_path / "copy of a day.dump"
    said = run("db", "backup", file, "--config", config)
    assert said.exit_code == 2
    assert run("db", "restore", file, "--config", config).stderr == said.stderr
    assert f"keys ({load_settings(config).keys_file})" in said.stderr
    there, back = [line.strip() for line in said.stderr.splitlines() if line.startswith("  pg_")]
    page = (ROOT / "docs" / "storage.md").read_text(encoding="utf-8")
    assert all(line.partition("=postgresql")[0].partition("--file")[0] in page for line in (there, back))
    postgres_server.shell(there)
    with open_store(load_settings(config)) as store:
        store.apply([RecordAttempt(attempt=make_attempt(2, 60.0))])
    assert calls(config) == [1, 2]
    postgres_server.shell(back)
    assert calls(config) == [1]
    assert run("db", "check", "--config", config).exit_code == 0
    with open_store(load_settings(config)) as store:
        give(store, make_consent(2))
        assert [kept.consent.consent_id for kept in store.standing_consents(make_consent(1).seller)] == [1, 2]


def test_after_an_erasure_the_statement_of_the_manual_leaves_nothing_in_the_tables_files(
    config: Path, postgres_server: PostgresServer
) -> None:
    """Before it the server's files may still have what no row has any more."""
    [statement] = [block.text for block in blocks(ROOT / "docs" / "storage.md") if block.language == "sql"]
    config.write_text(
        config.read_text(encoding="utf-8") + f'[privacy]\nfull_view = ["{pwd.getpwuid(os.getuid()).pw_name}"]\n',
        encoding="utf-8",
    )
    with open_store(load_settings(config)) as store, store.importing(make_policy(), "list.csv", "", 0.0) as session:
        session.add(make_lead(2, name="Jane Placeholder"))
    with by_hand(database_of(load_settings(config))) as connection:
        [(name, numbers, folder)] = connection.execute(
            "SELECT name, numbers, pg_relation_filepath('leads') FROM leads"
        ).fetchall()
        connection.execute("VACUUM FULL leads")  # writes the row to the file; what follows is about that row
        assert any(name in data and numbers in data for data in files_of(postgres_server, folder))
        erased = run(
            "person", "erase", make_number(2).e164, "--seller", make_policy().seller, "-r", "letter", "--config", config
        )
        assert erased.exit_code == 0, erased.output
        connection.execute(statement)
    assert not any(name in data or numbers in data for data in files_of(postgres_server, folder))


def files_of(server: PostgresServer, table: str) -> list[bytes]:
    """What is in the files beside the one of a table."""
    files = [path for path in (server.folder / "data" / table).parent.iterdir() if path.is_file()]
    return [path.read_bytes() for path in files]


def test_nothing_is_mended_while_an_engine_dials(config: Path) -> None:
    """Wherever its daemon runs; once its lease has run out, it is."""
    change(config, "UPDATE campaigns SET open_leads = 3")
    change(config, ENGINE, 9e9)
    found = run("doctor", "--config", config)
    assert found.exit_code == 1
    assert "3 open leads are on record, and 0 are there" in found.stdout
    refused = run("doctor", "--mend", "--config", config)
    assert refused.exit_code == 5
    assert "engine 'main': north:7: at work on this database" in refused.stderr
    change(config, "UPDATE engines SET until_at = 0")
    with only_daemon(load_settings(config).state_dir):
        assert "another daemon" in run("doctor", "--mend", "--config", config).stderr
    mended = run("doctor", "--mend", "--config", config)
    assert "mended: counted the open leads of spring" in mended.stdout
    assert "open_leads" not in run("doctor", "--config", config).stdout


def test_keys_are_not_changed_beside_a_daemon_of_another_machine(config: Path) -> None:
    """Its key file would not have what this one's has; one of this machine reads the file again."""
    change(config, ENGINE, 9e9)
    keys = load_settings(config).keys_file.read_bytes()
    for words in (("rotate",), ("drop", json.loads(keys)["keys"][0]["id"])):
        refused = run("keys", *words, "--config", config)
        assert refused.exit_code == 7
        assert "engine 'main': north:7: dials on another machine" in refused.stderr or "it is in use" in refused.stderr
    assert load_settings(config).keys_file.read_bytes() == keys
    with only_daemon(load_settings(config).state_dir):
        change(config, "UPDATE engines SET holder = ?", holder())
        assert run("keys", "rotate", "--config", config).exit_code == 0
    assert load_settings(config).keys_file.read_bytes() != keys


def test_a_server_that_is_gone_is_said(config: Path, own_postgres: PostgresServer) -> None:
    """With the address, and what to look at."""
    address = own_postgres.new_database()
    config.write_text(f'state_dir = "state"\ndatabase = "{address}"\n', encoding="utf-8")
    assert isinstance(database_of(load_settings(config)), PostgresDatabase)
    own_postgres.kill()
    for words in (("db", "check"), ("journal", "verify"), ("doctor",)):
        found = run(*words, "--config", config)
        assert found.exit_code == 5
        assert "no connection to the server" in found.stderr
