"""The daemon as a process of its own: killed again and again under load, on a full disk, and with clocks that jump."""

import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from dialer.config.settings import load_settings
from dialer.daemon.stores import open_store
from dialer.domain.outcome import Outcome
from dialer.domain.policy import RetryRule
from dialer.domain.records import Attempt
from dialer.engine.resuming import certainty
from dialer.storage.ownership import engine_of
from tests.integration.daemon_process import Daemon, dialer, prepare, running, write_campaign
from tests.recovery.shift import check_evidence, check_gaps, check_kept, check_verdicts
from tests.servers.hours import HOURS, OPEN
from tests.vaults import open_state

RULES = {Outcome.NO_ANSWER: RetryRule(after_s=3600.0, times=3)}
LEADS = 1000
KILLS = {"sqlite": 10, "postgres": 5}  # on PostgreSQL each start waits until the lease of the one before has run out


def has_soak() -> bool:
    """Whether `make soak` runs."""
    return settings.get_current_profile_name() == "soak"


def fill_list(folder: Path) -> None:
    """Put as many people on the list as the range of numbers allows; for 200 kills, those of three cities as well."""
    rows = "".join(f"Person {rank},07700 {900_000 + rank}\n" for rank in range(LEADS))
    if has_soak():
        cities = ("0121 496", "0131 496", "0141 496")
        rows += "".join(f"Person {rank},{city} 0{rank:03}\n" for city in cities for rank in range(LEADS))
    (folder / "campaigns" / "list.csv").write_text("name,phone\n" + rows, encoding="utf-8")


@contextmanager
def restarted(config: Path) -> Iterator[Daemon]:
    """Run a daemon on what an earlier one left."""
    (config.parent / "notify").unlink(missing_ok=True)
    with running(config) as daemon:
        yield daemon


def check_budget(config: Path) -> None:
    """Stop dialing, let all calls end, and hold the daemon's abandonment counters to a recount of the attempts."""
    dialer("campaign", "emergency-stop", "survey", "--reason", "to be counted", "--config", config)
    shown = show(config)
    while sum(shown["calls"].values()):
        shown = show(config)
    counted = shown["abandonment"]
    with open_store(load_settings(config)) as store:
        window = list(store.attempts(None, counted["window_from_at"], counted["window_to_at"]))
    unknown = sum(each.outcome is Outcome.UNKNOWN for each in window)  # each may have been an abandonment
    assert (counted["live"], counted["abandoned"], counted["machines"]) == (
        sum(each.is_live for each in window) + unknown,
        sum(each.is_live and each.is_abandoned for each in window) + unknown,
        sum(each.outcome is Outcome.MACHINE for each in window),
    )
    assert counted["live"] > 0


def show(config: Path) -> dict[str, Any]:
    """How the campaign stands."""
    shown: dict[str, Any] = json.loads(dialer("campaign", "show", "survey", "--json", "--config", config).stdout)
    return shown


def check_database(config: Path, before: dict[int, Attempt]) -> dict[int, Attempt]:
    """Hold a database to what a crash must not break, and to what it held `before`; give its attempts."""
    with open_store(load_settings(config)) as store:
        attempts = {each.call_id: each for each in store.attempts(None, 0.0, 1e12)}
        check_kept(before, attempts)
        check_verdicts(store.entries())
        check_evidence(store)
        assert store.next_call_id() == max((each for each in attempts if engine_of(each) == 0), default=0) + 1
        ended = [each for each in attempts.values() if each.released_at is not None]
        open_leads = [each.lead_id for each in attempts.values() if each.released_at is None]
        assert len(open_leads) == len(set(open_leads))
        check_gaps(ended, RULES)
        assert store.claim("survey", 0, 0.0).open_leads == store.counts("survey").open
    return attempts


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_sigkill_at_random_moments_loses_nothing(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under load, again and again: what was committed stays, ids and evidence go on, all unknown calls are counted."""
    top = "" if kind == "sqlite" else f'database = "{request.getfixturevalue("postgres_address")}"\n'
    config = prepare(tmp_path, speed=100.0, top=f'{top}compliance.rules = ["open.toml"]\n')
    write_campaign(tmp_path, "survey", hours=HOURS)  # so many kills outlast a day
    (tmp_path / "open.toml").write_text(OPEN, encoding="utf-8")
    fill_list(tmp_path)
    dice, known, starts, unknown = random.Random(17), dict[int, Attempt](), list[float](), set[int]()
    kills = 200 if has_soak() else KILLS[kind]
    for _ in range(kills):
        began = time.monotonic()
        with restarted(config) as daemon:
            starts.append(time.monotonic() - began)
            assert daemon.process.stderr is not None
            for _ in range(dice.randrange(1, 40)):
                daemon.process.stderr.readline()
            daemon.signal(signal.SIGKILL)
            assert daemon.process.wait(60) == -signal.SIGKILL
        known = check_database(config, known)
        unknown |= {call_id for call_id, each in known.items() if each.released_at is None and not each.is_live}
    with restarted(config) as daemon:
        daemon.wait_log("attempt")
        check_budget(config)
        daemon.signal(signal.SIGTERM)
        assert daemon.wait_end() == 0
    known = check_database(config, known)
    assert all(each.released_at is not None for each in known.values())
    assert {certainty(known[call_id]) for call_id in unknown} == {"unknown"}
    with capsys.disabled():
        median_s = sorted(starts)[len(starts) // 2]
        print(
            f"\nkills survived: {kills} of a process on {kind}, {len(known)} attempts, {len(unknown)} of unknown fate;",
            end=" ",
        )
        print(f"from exec to ready {median_s:.2f} s in the median")


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """Mount a small file system at a folder. It takes root, which `make test` in a container is."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill_up(path: Path) -> None:
    """Leave no room on the file system of a path."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


def test_a_full_disk_stops_dialing_and_room_resumes_it(tmp_path: Path) -> None:
    """The daemon says so, shows it, goes on where it was when there is room, and has lost nothing."""
    config = prepare(tmp_path, speed=60.0)
    with small_disk(tmp_path / "state", "8m"):
        with running(config) as daemon:
            daemon.wait_log("attempt")
            filler = tmp_path / "state" / "filler"
            fill_up(filler)
            told = daemon.wait_log("blocked: nothing is dialed")
            assert "disk is full" in str(told["reason"])
            shown = dialer("campaign", "show", "survey", "--json", "--config", config)
            assert '"state": "blocked"' in shown.stdout
            assert "the disk is full" in dialer("status", "--config", config).stdout
            refused = dialer("campaign", "pause", "survey", "--reason", "full", "--config", config)
            assert (refused.returncode, "disk is full" in refused.stderr) == (6, True)
            filler.unlink()
            daemon.wait_log("unblocked: dialing goes on")
            daemon.wait_log("attempt")
            daemon.signal(signal.SIGTERM)
            assert daemon.wait_end() == 0
        known = check_database(config, {})
    assert all(each.released_at is not None for each in known.values())


def test_a_stop_on_a_full_disk_ends_with_a_clear_error(tmp_path: Path) -> None:
    """Asked twice, it does not wait for room: exit code 5; the next start settles what was up."""
    config = prepare(tmp_path, speed=60.0)
    with small_disk(tmp_path / "state", "8m"):
        with running(config) as daemon:
            daemon.wait_log("attempt")
            fill_up(tmp_path / "state" / "filler")
            daemon.wait_log("blocked: nothing is dialed")
            daemon.signal(signal.SIGTERM)
            daemon.wait_log("draining")
            daemon.signal(signal.SIGTERM)
            assert daemon.wait_end() == 5
        before = check_database(config, {})
        (tmp_path / "state" / "filler").unlink()
        with restarted(config) as daemon:
            daemon.signal(signal.SIGTERM)
            assert daemon.wait_end() == 0
        assert all(each.released_at is not None for each in check_database(config, before).values())


def test_a_clock_that_jumps_between_runs_breaks_nothing(tmp_path: Path) -> None:
    """An hour on, then two back: the journal's instants never go back, and no lead is called within its window."""
    config = prepare(tmp_path, speed=100.0)
    known: dict[int, Attempt] = {}
    text = config.read_text(encoding="utf-8")
    for hour in (12, 13, 11):
        config.write_text(text.replace("T12:00:00Z", f"T{hour}:00:00Z"), encoding="utf-8")
        with restarted(config) as daemon:
            for _ in range(5):
                daemon.wait_log("attempt")
            daemon.signal(signal.SIGKILL)
            daemon.process.wait(60)
        known = check_database(config, known)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_an_operator_stopped_stays_stopped(tmp_path: Path, number: signal.Signals) -> None:
    """A campaign that was paused or stopped does not dial because the daemon was started again, however it ended."""
    config = prepare(tmp_path)
    for action, state in (("pause", "paused"), ("emergency-stop", "stopped")):
        with restarted(config) as daemon:
            dialer("campaign", action, "survey", "--reason", "complaints", "--config", config)
            daemon.signal(number)
            daemon.process.wait(60)
        with restarted(config) as daemon:
            shown = json.loads(dialer("campaign", "show", "survey", "--json", "--config", config).stdout)
            assert (shown["state"], sum(shown["calls"].values())) == (state, 0)
            daemon.signal(signal.SIGTERM)
            assert daemon.wait_end() == 0
    with open_state(tmp_path / "state") as store:
        reasons = [each.reason for each in store.changes("survey", 0.0, 1e12) if each.action == "stop"]
    assert set(reasons) == {"as before the restart: complaints"}


def test_a_database_that_is_not_the_one_of_before_is_refused(tmp_path: Path) -> None:
    """Gone, or put back to an earlier state by other means than `dialer db restore`, whoever was called would be called
    again: exit code 11, and nothing is made or changed."""
    config, state = prepare(tmp_path), tmp_path / "state"
    dialer("leads", "import", tmp_path / "campaigns" / "list.csv", "--campaign", "survey", "--config", config)
    early = tmp_path / "early"
    assert dialer("db", "backup", early, "--config", config).returncode == 0
    with running(config) as daemon:
        for _ in range(5):
            daemon.wait_log("attempt")
        daemon.signal(signal.SIGKILL)
        daemon.process.wait(60)
    for file in state.glob("dialer.db*"):
        file.unlink()
    gone = dialer("run", "--config", config)
    assert (gone.returncode, "it is not there any more" in gone.stderr) == (11, True)
    assert not list(state.glob("dialer.db*"))
    shutil.copy(early, state / "dialer.db")
    earlier = dialer("run", "--config", config)
    assert (earlier.returncode, "its journal ends without any entry" in earlier.stderr) == (11, True)
    restored = dialer("db", "restore", early, "--replace", "--config", config)
    assert "whoever was called since may be called again" in restored.stdout
    with restarted(config) as daemon:
        daemon.wait_log("attempt")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait_end() == 0


def test_two_daemons_do_not_dial_from_one_state(tmp_path: Path) -> None:
    """Started at once on a killed one's state, one of them dials and the other is refused with exit code 5."""
    config = prepare(tmp_path)
    with running(config) as daemon:
        daemon.wait_log("attempt")
        daemon.signal(signal.SIGKILL)
        daemon.process.wait(60)
    (tmp_path / "notify").unlink()
    second = Daemon(config)
    try:
        second.wait_log("ready")
        third = dialer("run", "--config", config)
        assert third.returncode == 5
        assert f"process {second.process.pid}" in third.stderr
        second.signal(signal.SIGTERM)
        assert second.wait_end() == 0
    finally:
        second.close()
    check_database(config, {})
    assert os.path.exists(tmp_path / "state" / "dialer.db")
