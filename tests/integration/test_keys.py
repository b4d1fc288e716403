"""Keys on the command line: listed, changed while a daemon dials, changed again after a crash, dropped, refused."""

import json
import signal
import subprocess
from pathlib import Path

from dialer.storage.keyring import VARIABLE
from tests.integration.daemon_process import DIALER, dialer, prepare, running
from tests.unit.storage.builders import make_lead, make_policy
from tests.vaults import open_state

MANY = 12_000


def prepare_many(folder: Path) -> Path:
    """A configuration and a campaign with 2,000 people; give the configuration's path."""
    config = prepare(folder)
    numbers = [f"0{start}{index:03d}" for start in ("7700900", "1632960") for index in range(1000)]
    rows = "".join(f"Person {rank},{number}\n" for rank, number in enumerate(numbers))
    (folder / "campaigns" / "list.csv").write_text("name,phone\n" + rows, encoding="utf-8")
    return config


def keys_of(config: Path) -> dict[str, tuple[int, bool]]:
    """The rows under each key, and whether it is the one in use."""
    listed = dialer("keys", "list", "--json", "--config", config)
    assert listed.returncode == 0, listed.stderr
    return {each["key"]: (each["rows"], each["is_in_use"]) for each in json.loads(listed.stdout)}


def fill(config: Path, leads: int) -> None:
    """Make the database, with some leads."""
    state = config.parent / "state"
    with open_state(state) as store, store.importing(make_policy(), "list.csv", "", 0.0) as session:
        for index in range(leads):
            session.add(make_lead(index, name="Somebody"))


def test_keys_are_changed_while_the_daemon_dials(tmp_path: Path) -> None:
    """Calls go on, and what they leave is under the new key; nothing is under the old one, which can be dropped."""
    config = prepare_many(tmp_path)
    with running(config) as daemon:
        daemon.wait_log("attempt")
        (old,) = keys_of(config)
        rotated = dialer("keys", "rotate", "--json", "--config", config)
        assert rotated.returncode == 0, rotated.stderr
        report = json.loads(rotated.stdout)
        assert (report["is_new"], report["daemon"], report["left"], report["older"]) == (True, "told", {}, [old])
        assert report["resealed"]["leads"] == 2000
        assert daemon.wait_log("keyring read")["sealing_with"] == report["key"]
        for _ in range(3):
            daemon.wait_log("attempt")
        now = keys_of(config)
        assert now[old] == (0, False)
        assert now[report["key"]][0] > 2000
        dropped = dialer("keys", "drop", old, "--config", config)
        assert dropped.returncode == 0, dropped.stderr
        daemon.wait_log("attempt")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait_end() == 0
    assert list(keys_of(config)) == [report["key"]]
    with open_state(tmp_path / "state") as store:
        leads = list(store.leads("survey"))
        attempts = list(store.attempts(None, 0.0, 1e11))
        entries = list(store.entries())
    assert sorted(lead.name for lead in leads) == sorted(f"Person {rank}" for rank in range(2000))
    assert {attempt.number for attempt in attempts} <= {lead.numbers[0].e164 for lead in leads}
    assert len(attempts) >= 5
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))


def test_a_change_of_keys_that_was_killed_is_finished_by_the_next(tmp_path: Path) -> None:
    """After kill -9 everything reads under two keys; the next run makes no third one and leaves nothing behind."""
    config = prepare(tmp_path)
    fill(config, MANY)
    with open_state(tmp_path / "state") as store:
        before = list(store.leads("spring"))
    command = [str(DIALER), "keys", "rotate", "--config", str(config)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as rotating:
        assert rotating.stderr is not None
        assert "rows sealed anew" in rotating.stderr.readline()
        rotating.kill()
    old, new = keys_of(config).items()
    assert (old[1][1], new[1][1]) == (False, True)
    assert min(old[1][0], new[1][0]) > 0
    with open_state(tmp_path / "state") as store:
        assert list(store.leads("spring")) == before
    refused = dialer("keys", "drop", old[0], "--config", config)
    assert refused.returncode == 7
    assert "rows are sealed under it" in refused.stderr
    again = dialer("keys", "rotate", "--config", config)
    assert again.returncode == 0, again.stderr
    assert f"{new[0]}: an earlier rotation to it was not finished" in again.stdout
    assert keys_of(config) == {old[0]: (0, False), new[0]: (MANY, True)}
    assert dialer("keys", "drop", old[0], "--config", config).returncode == 0
    with open_state(tmp_path / "state") as store:
        assert list(store.leads("spring")) == before


def test_what_cannot_be_done_to_keys_is_refused(tmp_path: Path) -> None:
    """The key in use and one that is not there are kept; without a database there is nothing to change."""
    config = prepare(tmp_path)
    for command in ("list", "rotate"):
        missing = dialer("keys", command, "--config", config)
        assert missing.returncode == 5, missing.stderr
        assert not (tmp_path / "state" / "keys.json").exists()
    fill(config, 1)
    (key,) = keys_of(config)
    in_use = dialer("keys", "drop", key, "--config", config)
    assert (in_use.returncode, "it is in use" in in_use.stderr) == (7, True)
    unknown = dialer("keys", "drop", "ffffffff", "--config", config)
    assert (unknown.returncode, f"which has {key}" in unknown.stderr) == (7, True)
    assert key in dialer("keys", "list", "--config", config).stdout
    assert keys_of(config) == {key: (1, True)}


def test_a_keyring_in_the_environment_is_not_changed_by_a_command(tmp_path: Path) -> None:
    """It is read, and no command can write it: the error says what to do instead."""
    config = prepare(tmp_path)
    fill(config, 1)
    keys_file = tmp_path / "state" / "keys.json"
    ring = {VARIABLE: keys_file.read_text(encoding="utf-8")}
    keys_file.unlink()
    listed = dialer("keys", "list", "--json", "--config", config, **ring)
    assert listed.returncode == 0, listed.stderr
    (line,) = json.loads(listed.stdout)
    for command in (("rotate",), ("drop", line["key"])):
        refused = dialer("keys", *command, "--config", config, **ring)
        assert refused.returncode == 7
        assert "environment variable DIALER_KEYS, which no command can change: put it in a file" in refused.stderr
    lost = dialer("keys", "list", "--config", config)
    assert (lost.returncode, "put back the key file" in lost.stderr) == (7, True)
    assert not keys_file.exists()


def test_a_daemon_with_the_wrong_keyring_does_not_start(tmp_path: Path) -> None:
    """Exit code 7 before anything is read or written, naming the key that is missing."""
    config = prepare(tmp_path)
    fill(config, 1)
    (key,) = keys_of(config)
    database, keys_file = tmp_path / "state" / "dialer.db", tmp_path / "state" / "keys.json"
    kept, before = keys_file.rename(tmp_path / "kept.json"), database.read_bytes()
    other = prepare_other(tmp_path)
    other.rename(keys_file)
    for command in (("run",), ("report", "campaign"), ("keys", "rotate")):
        refused = dialer(*command, "--config", config)
        assert (refused.returncode, f"written under the key {key}" in refused.stderr) == (7, True), refused.stderr
    assert database.read_bytes() == before
    kept.rename(keys_file)
    assert dialer("report", "campaign", "--config", config).returncode == 0


def prepare_other(folder: Path) -> Path:
    """Another database's key file."""
    (folder / "other").mkdir()
    open_state(folder / "other").close()
    return folder / "other" / "keys.json"
