"""Several daemons on one PostgreSQL database: one dials for an engine, and another takes over when that one is gone."""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

import psycopg
import pytest

from dialer.config.settings import load_settings
from dialer.daemon.stores import open_store
from dialer.domain.records import Attempt
from dialer.engine.resuming import certainty
from tests.integration import mqtt_floor
from tests.integration.daemon_process import Daemon, dialer, prepare, write_campaign
from tests.recovery.shift import check_kept, check_verdicts
from tests.recovery.test_processes import check_database
from tests.servers.mosquitto import Mosquitto
from tests.servers.postgres import PostgresServer

TAKE_OVER_S = 5.0


def machine(folder: Path, address: str, *, engine: str = "main", speed: float = 60.0) -> Path:
    """A machine with a configuration of its own for a database, and the keys that all machines share."""
    folder.mkdir()
    top = f'database = "{address}"\nengine.name = "{engine}"\nkeys.file = "../keys.json"\n'
    return prepare(folder, speed=speed, top=top)


class Watched(Daemon):
    """A daemon whose log is read all the time: one that nobody reads would wait for its reader."""

    def __init__(self, config: Path) -> None:
        (config.parent / "notify").unlink(missing_ok=True)
        super().__init__(config)
        self._lines: Queue[str] = Queue()
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._lines.put(line)
        self._lines.put("")

    def wait_log(self, event: str, **fields: object) -> dict[str, object]:
        """Go through the log up to the next line of an event that has these fields."""
        while line := self._next():
            entry: dict[str, object] = json.loads(line) if line.startswith("{") else {"event": line.rstrip()}
            self.log.append(entry)
            if entry["event"] == event and fields.items() <= entry.items():
                return entry
        raise AssertionError(f"the log ended before {event!r}: {self.log[-5:]}")

    def _next(self) -> str:
        try:
            return self._lines.get(timeout=60.0)
        except Empty:
            raise AssertionError(f"silent, after {self.log[-5:]}") from None

    def wait_end(self) -> int:
        """Wait for the end; give the exit code."""
        self._reader.join(timeout=60.0)
        return self.process.wait(60)


@contextmanager
def started(config: Path) -> Iterator[Watched]:
    """A daemon that may have to stand by."""
    daemon = Watched(config)
    try:
        yield daemon
    finally:
        daemon.close()


@contextmanager
def running(config: Path) -> Iterator[Watched]:
    """A daemon that dials."""
    with started(config) as daemon:
        daemon.wait_log("ready")
        yield daemon


def hand_over(daemon: Watched, standby: Watched) -> None:
    """End a daemon in order, and then the one that stood by for it."""
    daemon.signal(signal.SIGTERM)
    assert daemon.wait_end() == 0
    standby.wait_log("ready")
    standby.signal(signal.SIGTERM)
    assert standby.wait_end() == 0


def check_shared(config: Path, before: dict[int, Attempt]) -> dict[int, Attempt]:
    """Hold a database whose daemons have ended to what must hold; nothing but unknown calls is left to find."""
    known = check_database(config, before)
    assert all(each.released_at is not None for each in known.values())
    found = json.loads(dialer("doctor", "--json", "--config", config).stdout)["found"]
    assert {each["kind"] for each in found} <= {"unknown"}
    assert dialer("journal", "verify", "--config", config).returncode == 0
    return known


def check_beside(config: Path, before: dict[int, Attempt]) -> dict[int, Attempt]:
    """Hold a database, beside a daemon that dials, to what it held `before`; give its attempts."""
    with open_store(load_settings(config)) as store:
        known = {each.call_id: each for each in store.attempts(None, 0.0, 1e12)}
        check_kept(before, known)
        check_verdicts(store.entries())
    return known


def attempts_of(config: Path, campaign: str) -> list[Attempt]:
    """The attempts of a campaign so far."""
    with open_store(load_settings(config)) as store:
        return list(store.attempts(campaign, 0.0, 1e12))


def test_one_dials_and_the_other_stands_by(postgres_address: str, tmp_path: Path) -> None:
    """The standby says so to systemd and in `dialer status`, refuses orders, takes over at once from a clean end."""
    first = machine(tmp_path / "one", postgres_address)
    second = machine(tmp_path / "two", postgres_address)
    with running(first) as one, started(second) as two:
        one.wait_log("attempt")
        told = two.wait_log("standing by")
        assert (told["engine"], f"process {one.process.pid}" in str(told["holder"])) == ("main", True)
        assert "STATUS=standby" in two.wait_notice("READY=1")
        said = dialer("status", "--config", second)
        assert (said.returncode, said.stdout.startswith("standby for engine 'main'")) == (0, True)
        refused = dialer("campaign", "pause", "survey", "--reason", "try", "--config", second)
        assert (refused.returncode, "stands by for engine 'main'" in refused.stderr) == (6, True)
        one.signal(signal.SIGTERM)
        assert one.wait_end() == 0
        ended = time.monotonic()
        two.wait_log("lease taken")
        assert time.monotonic() - ended < 1.0
        two.wait_log("ready")
        two.wait_log("attempt")
        two.signal(signal.SIGTERM)
        assert two.wait_end() == 0
    check_shared(first, {})


def test_a_standby_with_a_faulty_campaign_file_says_so_at_its_start(postgres_address: str, tmp_path: Path) -> None:
    """Not when it has to take over, with nobody left to dial: it ends with exit code 3 beside an owner that goes on."""
    one, two = machine(tmp_path / "one", postgres_address), machine(tmp_path / "two", postgres_address)
    with running(one) as owner:
        for path in (two.parent / "campaigns").glob("*.toml"):
            path.write_text(path.read_text(encoding="utf-8").replace("[list]", "[lists]"), encoding="utf-8")
        with started(two) as standby:
            assert standby.wait_end() == 3
        owner.signal(signal.SIGTERM)
        assert owner.wait_end() == 0


def test_a_standby_whose_file_breaks_takes_over_with_what_was_in_force(postgres_address: str, tmp_path: Path) -> None:
    """SIGHUP has it read the files and say what is wrong; it dials as the owner did, and takes a mended file.

    A list that cannot be read by then is told, and the leads that are known are dialed.
    """
    one, two = machine(tmp_path / "one", postgres_address), machine(tmp_path / "two", postgres_address)
    file, faulty = write_campaign(two.parent, "survey"), "[lists]"
    text = file.read_text(encoding="utf-8")
    with running(one) as owner, started(two) as standby:
        standby.wait_log("standing by")
        file.write_text(text.replace("[list]", faulty), encoding="utf-8")
        standby.signal(signal.SIGHUP)
        assert faulty.strip("[]") in str(standby.wait_log("files have faults")["error"])
        said = dialer("status", "--config", two)
        assert (said.returncode, "its own files have faults" in said.stdout) == (0, True)
        owner.wait_log("attempt")
        owner.signal(signal.SIGKILL)
        owner.wait_end()
        standby.wait_log("taken over as before: files have faults", campaigns=["survey"])
        standby.wait_log("ready")
        standby.wait_log("attempt")
        file.write_text(text, encoding="utf-8")
        standby.signal(signal.SIGHUP)
        standby.wait_log("reloaded", campaigns=["survey"])
        standby.wait_log("attempt")
        with started(one) as other:
            other.wait_log("standing by")
            (one.parent / "campaigns" / "list.csv").write_text("no,column,of,ours\n1,2,3,4\n", encoding="utf-8")
            standby.signal(signal.SIGTERM)
            assert standby.wait_end() == 0
            other.wait_log("list not read", campaign="survey")
            other.wait_log("attempt")
            other.signal(signal.SIGTERM)
            assert other.wait_end() == 0
    check_shared(one, {})


def test_a_standby_that_is_asked_to_stop_ends_well(postgres_address: str, tmp_path: Path) -> None:
    """With exit code 0, and the one that dials does not notice."""
    first = machine(tmp_path / "one", postgres_address)
    with running(first) as one, started(machine(tmp_path / "two", postgres_address)) as two:
        two.wait_log("standing by")
        two.signal(signal.SIGTERM)
        assert two.wait_end() == 0
        one.wait_log("attempt")
        one.signal(signal.SIGTERM)
        assert one.wait_end() == 0


def test_a_standby_takes_over_from_a_killed_owner(
    postgres_address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Within five seconds it dials again; the calls that nobody saw end are counted, and nothing is lost."""
    configs = [machine(tmp_path / name, postgres_address) for name in ("one", "two")]
    took: list[float] = []
    known: dict[int, Attempt] = {}
    with ExitStack() as stack:
        owner = stack.enter_context(running(configs[0]))
        for turn in range(3):
            standby = stack.enter_context(started(configs[1 - turn % 2]))
            standby.wait_log("standing by")
            for _ in range(5):
                owner.wait_log("attempt")
            owner.signal(signal.SIGKILL)
            killed_at = time.monotonic()
            standby.wait_log("pacing")  # its first decision to dial
            took.append(time.monotonic() - killed_at)
            owner.process.wait(60)
            known = check_beside(configs[0], known)
            owner = standby
        unknown = [each for each in known.values() if each.outcome == "unknown"]
        owner.signal(signal.SIGTERM)
        assert owner.wait_end() == 0
    check_shared(configs[0], known)
    assert {certainty(each) for each in unknown} <= {"unknown"}
    with capsys.disabled():
        print(f"\ntake-overs: {len(took)}, from SIGKILL to the first dial {', '.join(f'{s:.1f}' for s in took)} s")
    assert max(took) < TAKE_OVER_S


def test_an_owner_that_was_frozen_orders_nothing_more(postgres_address: str, tmp_path: Path) -> None:
    """Woken after its lease ran out and another took over, it ends with exit code 10; nobody is dialed twice."""
    first = machine(tmp_path / "one", postgres_address)
    second = machine(tmp_path / "two", postgres_address)
    with running(first) as one, started(second) as two:
        two.wait_log("standing by")
        for _ in range(5):
            one.wait_log("attempt")
        one.signal(signal.SIGSTOP)
        two.wait_log("ready")
        for _ in range(5):
            two.wait_log("attempt")
        known = check_beside(first, {})
        one.signal(signal.SIGCONT)
        assert one.wait_end() == 10
        for _ in range(5):
            two.wait_log("attempt")
        two.signal(signal.SIGTERM)
        assert two.wait_end() == 0
    check_shared(first, known)


def test_a_frozen_owner_without_a_standby_goes_on(postgres_address: str, tmp_path: Path) -> None:
    """Its lease ran out, and nobody took it: it is renewed, and dialing goes on."""
    config = machine(tmp_path / "one", postgres_address)
    with running(config) as daemon:
        daemon.wait_log("attempt")
        daemon.signal(signal.SIGSTOP)
        with psycopg.connect(postgres_address, autocommit=True) as connection:
            wait = "SELECT pg_sleep(greatest(until_at - extract(epoch FROM clock_timestamp()), 0) + 0.5) FROM engines"
            connection.execute(wait)
        daemon.signal(signal.SIGCONT)
        for _ in range(20):
            daemon.wait_log("attempt")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait_end() == 0
    check_shared(config, {})


def test_a_killed_database_blocks_and_its_return_resumes(own_postgres: PostgresServer, tmp_path: Path) -> None:
    """The postmaster is killed under load, twice: the owner says so, waits, goes on before the standby can take over,
    and has lost nothing; the standby takes over later, when the owner ends."""
    address = own_postgres.new_database()
    config = machine(tmp_path / "one", address)
    with running(config) as daemon, started(machine(tmp_path / "two", address)) as standby:
        standby.wait_log("standing by")
        for _ in range(2):
            daemon.wait_log("attempt")
            own_postgres.kill()
            assert "database" in str(daemon.wait_log("blocked: nothing is dialed")["reason"])
            own_postgres.start()
            daemon.wait_log("unblocked: dialing goes on")
            for _ in range(5):
                daemon.wait_log("attempt")
        hand_over(daemon, standby)
    check_shared(config, {})


def test_a_frozen_database_blocks_and_its_thaw_resumes(own_postgres: PostgresServer, tmp_path: Path) -> None:
    """A server whose machine still answers for it: the owner says that it does not, and feeds the watchdog meanwhile.

    Thawed, the owner goes on within seconds, before the standby can take over, and what it had sent counts once.
    """
    address = own_postgres.new_database()
    config = machine(tmp_path / "one", address)
    with running(config) as daemon, started(machine(tmp_path / "two", address)) as standby:
        standby.wait_log("standing by")
        daemon.wait_log("attempt")
        with own_postgres.frozen():
            assert "has not answered for 3 s" in str(daemon.wait_log("lease cannot be renewed")["reason"])
            assert "has not answered for 5 s" in str(daemon.wait_log("blocked: nothing is dialed")["reason"])
            told = json.loads(dialer("status", "--json", "--config", config).stdout)
            assert "has not answered" in told["blocked"]
        thawed = time.monotonic()
        daemon.wait_log("unblocked: dialing goes on")
        assert time.monotonic() - thawed < 10.0
        for _ in range(5):
            daemon.wait_log("attempt")
        hand_over(daemon, standby)
    check_shared(config, {})


def in_hand(connection: psycopg.Connection[tuple[int, ...]], daemon: Daemon, config: Path) -> int:
    """Pause a daemon's campaign at an instant at which it has claimed a lead that it has not called, and give that."""
    claimed = """SELECT lead_id FROM leads WHERE campaign = 'poll' AND place = 2
        AND lead_id NOT IN (SELECT lead_id FROM attempts) ORDER BY order_key LIMIT 1"""
    for _ in range(20):
        dialer("campaign", "pause", "poll", "--reason", "look who is next", "--config", config)
        found = connection.execute(claimed).fetchone()
        if found is not None:
            return found[0]
        dialer("campaign", "resume", "poll", "--reason", "nobody is next", "--config", config)
        daemon.wait_log("attempt")
    raise AssertionError("no lead was ever in hand")


def test_engines_dial_different_campaigns_at_once(postgres_address: str, tmp_path: Path) -> None:
    """A refusal that reaches one of them keeps the other from the person, whose lead it has in hand already."""
    north = machine(tmp_path / "north", postgres_address, engine="north")
    south = machine(tmp_path / "south", postgres_address, engine="south")
    (south.parent / "campaigns" / "survey.toml").unlink()
    write_campaign(south.parent, "poll")
    with running(north) as one, running(south) as two:
        one.wait_log("attempt")
        two.wait_log("attempt")
        with psycopg.connect(postgres_address, autocommit=True) as connection:
            connection.execute("LISTEN dialer")
            lead_id = in_hand(connection, two, south)
            with open_store(load_settings(north)) as store:
                lead = store.lead(lead_id)
            assert lead is not None
            number = lead.numbers[0].e164
            words = ("--seller", "Example", "--reason", "wrote a letter")
            revoked = dialer("consent", "revoke", number, *words, "--config", north)
            assert revoked.returncode == 0, revoked.stderr
            next(connection.notifies(timeout=30.0, stop_after=1))
        dialer("campaign", "resume", "poll", "--reason", "go on", "--config", south)
        for _ in range(40):  # more than a hopper holds
            two.wait_log("attempt")
        for daemon in (one, two):
            daemon.signal(signal.SIGTERM)
        assert (one.wait_end(), two.wait_end()) == (0, 0)
    with open_store(load_settings(south)) as store:
        kept = store.lead(lead_id)
        calls = [each.call_id for each in store.attempts(None, 0.0, 1e12)]
    assert kept is not None
    assert (kept.reason, kept.state, kept.attempts) == ("do_not_call", "finished", 0)
    assert len(calls) == len(set(calls))
    check_shared(north, {})


def test_a_campaign_moves_when_its_engine_leaves_it(postgres_address: str, tmp_path: Path) -> None:
    """Another engine's load is refused, with who has it, until the file is gone there or that daemon has ended."""
    north = machine(tmp_path / "north", postgres_address, engine="north")
    write_campaign(north.parent, "other")
    south = machine(tmp_path / "south", postgres_address, engine="south")
    file = south.parent / "campaigns" / "survey.toml"
    text = file.read_text(encoding="utf-8")
    file.unlink()
    write_campaign(south.parent, "poll")
    with running(north) as one, running(south) as two:
        one.wait_log("attempt")
        file.write_text(text, encoding="utf-8")
        two.signal(signal.SIGHUP)
        refused = str(two.wait_log("reload refused")["error"])
        assert "engine 'north' dials it" in refused
        assert f"process {one.process.pid}" in refused
        (north.parent / "campaigns" / "survey.toml").unlink()
        one.signal(signal.SIGHUP)
        one.wait_log("campaign left to other engines")
        left = dialer("campaign", "resume", "survey", "--reason", "try", "--config", north)
        assert (left.returncode, "left to other engines" in left.stderr) == (6, True)
        two.signal(signal.SIGHUP)
        two.wait_log("reloaded")
        two.wait_log("attempt", campaign="survey")
        for daemon in (one, two):
            daemon.signal(signal.SIGTERM)
        assert (one.wait_end(), two.wait_end()) == (0, 0)
    check_shared(north, {})
    assert {each.call_id > 10**12 for each in attempts_of(north, "survey")} == {False, True}


def test_a_refusal_without_a_daemon_stands_in_the_journal(postgres_address: str, tmp_path: Path) -> None:
    """Taken down by a command in a span of numbers of its own: a daemon that dials elsewhere is not disturbed."""
    first = machine(tmp_path / "one", postgres_address)
    second = machine(tmp_path / "two", postgres_address)
    words = ("--seller", "Example", "--reason", "wrote a letter")
    with running(first) as one:
        one.wait_log("attempt")
        revoked = dialer("consent", "revoke", "+447700900500", *words, "--config", second)
        assert revoked.returncode == 0, revoked.stderr
        with started(second) as two:
            two.wait_log("standing by")
            revoked = dialer("consent", "revoke", "+447700900501", *words, "--config", second)
            assert revoked.returncode == 0, revoked.stderr
        for _ in range(10):
            one.wait_log("attempt")
        one.signal(signal.SIGTERM)
        assert one.wait_end() == 0
    with open_store(load_settings(first)) as store:
        assert store.is_blocked("Example", "+447700900500")
        assert store.is_blocked("Example", "+447700900501")
    check_shared(first, {})


def test_calls_that_live_go_on_with_the_standby(
    mosquitto: Mosquitto, postgres_address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The gateway is a process of its own: the standby asks it what is up, and people who talk notice nothing."""
    configs = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        config = mqtt_floor.prepare(tmp_path / name, mosquitto.port, people=60, p_live=1.0, talk_s=15.0)
        top = f'database = "{postgres_address}"\nkeys.file = "../keys.json"\n'
        config.write_text(top + config.read_text(encoding="utf-8"), encoding="utf-8")
        configs.append(config)
    with (
        mqtt_floor.process("gateway", "loopback", "--config", tmp_path / "one" / "north.toml"),
        running(configs[0]) as one,
        started(configs[1]) as two,
    ):
        two.wait_log("standing by")
        for _ in range(3):
            one.wait_log("call", step="bridged")
        one.signal(signal.SIGKILL)
        killed_at = time.monotonic()
        taken = two.wait_log("earlier run taken over")
        took_s = time.monotonic() - killed_at
        assert int(str(taken["calls_up"])) > 0
        assert taken["fate_unknown"] == taken["strangers"] == 0
        with open_store(load_settings(configs[0])) as store:
            up = {each.call_id for each in store.open_attempts()}
        for _ in range(4):
            two.wait_log("attempt")
        two.signal(signal.SIGTERM)
        assert two.wait_end() == 0
    known = {each.call_id: each for each in attempts_of(configs[0], "survey")}
    assert {known[call_id].disposition for call_id in up if known[call_id].bridged_at is not None} == {"done"}
    assert not [each for each in known.values() if each.outcome == "unknown"]
    with capsys.disabled():
        print(f"\ntaken over after {took_s:.1f} s with {taken['calls_up']} calls up, all of which went on")
