"""`dialer upgrade`: a daemon drains, its database is copied and upgraded, and it dials again as before."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dialer.config.settings import load_settings
from dialer.daemon.lock import daemon_at
from dialer.daemon.stores import open_records, open_store
from dialer.domain.events import DrainRequested
from dialer.storage.backup import read_backup
from dialer.storage.versions import SCHEMA_VERSION
from tests.architecture.tree import ROOT
from tests.integration.daemon_process import DIALER, dialer, prepare, write_campaign
from tests.integration.test_db_commands import database, old
from tests.recovery.test_machines import machine, running, started
from tests.recovery.test_processes import check_database

STEPS = ("check:", "drain:", "upgrade:", "  copy:", "  schema:", "start:")
# What starts the daemon and ends when it is started, as a service manager's command does.
STARTER = """
import subprocess, sys
log = open(sys.argv[2], "ab")
subprocess.Popen([sys.argv[1], "run", "--config", sys.argv[3]], stderr=log, stdout=log, start_new_session=True)
"""
# A daemon of a version that does not know how to be asked to end: it has the lock and the socket, and ends on SIGTERM.
ELDER = """
import asyncio, signal, sys
from pathlib import Path
from dialer.config.settings import load_settings
from dialer.daemon.control import listen, serve, StatusRequest
from dialer.daemon.lock import only_daemon
from dialer.errors import ControlError
settings = load_settings(Path(sys.argv[1]))
async def answer(request, who):
    if isinstance(request, StatusRequest):
        campaigns = [{"name": "survey", "state": "running"}]
        return {"now": 0.0, "status": {"campaigns": campaigns, "is_draining": False}, "blocked": None}
    raise ControlError("not a request: Invalid value 'end'")
async def main():
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)
    work = asyncio.ensure_future(serve(listen(settings.control_socket), answer))
    print("ready", flush=True)
    try:
        await work
    except asyncio.CancelledError:
        pass
with only_daemon(settings.state_dir):
    asyncio.run(main())
"""


def starter(config: Path) -> list[str]:
    """The command that starts a configuration's daemon."""
    script = config.with_name("starter.py")
    script.write_text(STARTER, encoding="utf-8")
    return [sys.executable, str(script), str(DIALER), str(config.with_name("log")), str(config)]


@contextmanager
def ended(config: Path) -> Iterator[None]:
    """End the daemon that runs in a configuration's folder, if one does."""
    try:
        yield
    finally:
        process = daemon_at(load_settings(config).state_dir)
        if process is not None:
            os.kill(int(process), signal.SIGKILL)


def states(config: Path) -> dict[str, str]:
    """The campaigns of the running daemon and their states."""
    listed = json.loads(dialer("campaign", "list", "--json", "--config", config).stdout)
    return {each["name"]: each["state"] for each in listed}


def reasons(config: Path) -> list[str]:
    """Why daemons drained, as the journal has it."""
    with open_records(load_settings(config)) as records:
        return [entry.event.reason for entry in records.entries() if isinstance(entry.event, DrainRequested)]


def copies(config: Path) -> list[Path]:
    """The copies that upgrades made in the state folder, and what they left of others."""
    return sorted(path for path in load_settings(config).state_dir.iterdir() if "before-" in path.name)


def two_campaigns(folder: Path) -> Path:
    """A configuration with a second campaign, on the same list."""
    config = prepare(folder)
    write_campaign(folder, "other")
    return config


def upgrade(config: Path, *options: object) -> subprocess.CompletedProcess[str]:
    """Run the whole upgrade."""
    return dialer("upgrade", "--config", config, *map(str, options), "--", *starter(config))


def test_a_daemon_dials_again_as_before(tmp_path: Path) -> None:
    """It drains for the reason that the journal keeps; the copy is whole; who was paused is, who dialed dials."""
    config = two_campaigns(tmp_path)
    with ended(config), running(config) as daemon:
        daemon.wait_log("attempt")
        dialer("campaign", "pause", "other", "--reason", "try", "--config", config)
        done = upgrade(config)
        assert done.returncode == 0, done.stdout + done.stderr
        assert daemon.wait_end() == 0
        assert "survey: running -> running" in done.stdout
        assert "other: paused -> paused" in done.stdout
        assert states(config) == {"other": "paused", "survey": "running"}
        assert reasons(config) == ["a new version of dialer"]
        [copy] = copies(config)
        assert read_backup(copy).schema_version == SCHEMA_VERSION
    check_database(config, {})


def test_nothing_is_asked_of_the_daemon_before_all_is_in_order(tmp_path: Path) -> None:
    """A faulty campaign file, a copy that cannot be made: the daemon dials on. A dry run changes nothing either."""
    config = prepare(tmp_path)
    with running(config) as daemon:
        campaign = tmp_path / "campaigns" / "survey.toml"
        text = campaign.read_text(encoding="utf-8")
        campaign.write_text(text.replace("progressive", "aggressive"), encoding="utf-8")
        faulty = upgrade(config)
        assert (faulty.returncode, "aggressive" in faulty.stderr) == (3, True)
        assert "The database is as it was; process " in faulty.stderr
        campaign.write_text(text, encoding="utf-8")
        nowhere = upgrade(config, "--copy", tmp_path / "no" / "where")
        assert (nowhere.returncode, "there is no folder" in nowhere.stderr) == (5, True)
        dry = upgrade(config, "--dry-run")
        assert (dry.returncode, "Nothing was done" in dry.stdout) == (0, True)
        assert states(config) == {"survey": "running"}
        assert copies(config) == []
        daemon.signal(signal.SIGTERM)
        assert daemon.wait_end() == 0


def test_a_daemon_of_an_earlier_version_is_asked_by_signal(tmp_path: Path) -> None:
    """One that does not know the request ends on SIGTERM; its database is copied as it was, and upgraded."""
    config = prepare(tmp_path)
    old(config)
    with ended(config), subprocess.Popen([sys.executable, "-c", ELDER, config], stdout=subprocess.PIPE) as elder:
        assert elder.stdout is not None
        assert elder.stdout.readline() == b"ready\n"
        done = upgrade(config, "--copy", tmp_path / "before.dialer")
        assert done.returncode == 0, done.stdout + done.stderr
        assert elder.wait(60) == 0
        assert f"An upgrade takes {SCHEMA_VERSION - 1} steps" in done.stdout
        assert read_backup(tmp_path / "before.dialer").schema_version == 1
        assert "survey: running -> running" in done.stdout
    assert dialer("db", "check", "--config", config).returncode == 0


def test_killed_at_each_step_in_turn_it_is_finished_by_repeating_it(tmp_path: Path) -> None:
    """One whole copy, of the state in which the daemon left the database; campaigns are as before, nothing is lost."""
    config = two_campaigns(tmp_path)
    command = [str(DIALER), "upgrade", "--config", str(config), "--", *starter(config)]
    with ended(config), running(config) as daemon:
        daemon.wait_log("attempt")
        dialer("campaign", "stop", "other", "--reason", "try", "--config", config)
        for step in STEPS:
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as killed:
                assert killed.stdout is not None
                seen = [line for line in killed.stdout if _kill_at(step, line, killed)]
            assert seen, step
        done = dialer(*command[1:])
        assert done.returncode == 0, done.stdout + done.stderr
        assert states(config) == {"other": "stopped", "survey": "running"}
        [copy] = copies(config)
        assert read_backup(copy).schema_version == SCHEMA_VERSION
        assert not (load_settings(config).state_dir / "upgrade.json").exists()
    check_database(config, {})


def _kill_at(step: str, line: str, process: subprocess.Popen[str]) -> bool:
    """Kill a process when it says that it begins a step; say whether it did."""
    if not line.startswith(step):
        return False
    process.kill()
    return True


# Stands in for PostgreSQL's own, which is no part of its server's package: it writes what it was asked for.
PG_DUMP = """#!/bin/sh
for each; do case "$each" in --file=*) echo "$@" >"${each#--file=}" ;; esac; done
"""


def test_on_a_server_other_daemons_have_to_end_first(postgres_address: str, tmp_path: Path) -> None:
    """One that stands by would take over: nothing is asked of the daemon while it is there; then `pg_dump` copies."""
    config, other = machine(tmp_path / "one", postgres_address), machine(tmp_path / "two", postgres_address)
    program = tmp_path / "programs" / "pg_dump"
    program.parent.mkdir()
    program.write_text(PG_DUMP, encoding="utf-8")
    program.chmod(0o755)
    copy = tmp_path / "before.dump"
    path = f"{program.parent}:{os.environ['PATH']}"
    command = ["upgrade", "--config", config, "--copy", copy, "--", *starter(config)]
    with ended(config), running(config) as daemon:
        with started(other) as standby:
            standby.wait_log("standing by")
            refused = dialer(*command, PATH=path)
            assert (refused.returncode, "expected no other daemon" in refused.stderr) == (5, True)
            standby.signal(signal.SIGTERM)
            assert standby.wait_end() == 0
        daemon.wait_log("attempt")
        done = dialer(*command, PATH=path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "survey: running -> running" in done.stdout
        assert copy.read_text(encoding="utf-8").split()[1] == "--format=custom"
        assert reasons(config) == ["a new version of dialer"]


def test_without_a_command_it_says_when_to_start(tmp_path: Path) -> None:
    """The database is upgraded and nobody dials; started by hand, the daemon is looked at by `--finish`."""
    config = prepare(tmp_path)
    old(config)
    done = dialer("upgrade", "--config", config)
    assert (done.returncode, "start the daemon now" in done.stdout) == (0, True), done.stderr
    again = dialer("upgrade", "--config", config)
    assert (again.returncode, "start the daemon now" in again.stdout) == (0, True), again.stderr
    assert "An upgrade takes" not in again.stdout
    with running(config) as daemon:
        finished = dialer("upgrade", "--finish", "--config", config)
        assert (finished.returncode, "The daemon is ready" in finished.stdout) == (0, True)
        daemon.signal(signal.SIGTERM)
        assert daemon.wait_end() == 0


def test_the_steps_of_the_unit_are_an_upgrade(tmp_path: Path) -> None:
    """`dialer-upgrade.service` runs them one after the other; the start is systemd's, and here a command's."""
    config = two_campaigns(tmp_path)
    unit = (ROOT / "deploy" / "dialer-upgrade.service").read_text(encoding="utf-8")
    steps = re.findall(r"^ExecStart=(.*)$", unit, flags=re.MULTILINE)
    with ended(config), running(config) as daemon:
        dialer("campaign", "pause", "other", "--reason", "try", "--config", config)
        for step in steps:
            words = step.replace("/etc/dialer/config.toml", str(config)).split()
            match words[0]:
                case "+systemctl":
                    words = starter(config)
                case "+/opt/dialer/scripts/install-systemd.sh":
                    continue
                case _:
                    words[0] = str(DIALER)
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
        assert "other: paused -> paused" in done.stdout
        assert "survey: running -> running" in done.stdout
        assert daemon.wait_end() == 0


def test_a_daemon_that_does_not_start_is_told(tmp_path: Path) -> None:
    """What was done, where the copy is, and that nobody dials."""
    config = prepare(tmp_path)
    with open_store(load_settings(config)):
        pass
    failed = dialer("upgrade", "--config", config, "--", "false")
    assert failed.returncode == 6
    assert "false: ended with 1" in failed.stderr
    assert "The database is upgraded; an earlier dialer cannot read it; copy: " in failed.stderr
    assert "no daemon runs, nothing is dialed" in failed.stderr
    assert database(config).exists()
