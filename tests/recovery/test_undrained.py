"""A daemon that is told to end while it can commit nothing ends in order, and says what is left to the next start."""

import signal
from pathlib import Path

import pytest

from tests.integration.daemon_process import Daemon, prepare, running
from tests.servers.postgres import PostgresServer


def prepared(folder: Path, server: PostgresServer, drain_timeout_s: float) -> Path:
    """A daemon on a server of its own, with calls that last for ten minutes."""
    top = f'database = "{server.new_database()}"\nkeys.file = "../keys.json"\n'
    return prepare(folder, speed=1.0, drain_timeout_s=drain_timeout_s, loopback='world = "talkative.toml"', top=top)


def lose_database(daemon: Daemon, server: PostgresServer) -> None:
    """Take the database away, and wait until the daemon has noticed."""
    server.stop()
    daemon.wait_log("blocked: nothing is dialed")


def said_at_the_end(daemon: Daemon) -> dict[str, object]:
    """The last line of the log of a daemon that ended with exit code 5."""
    assert daemon.wait_end() == 5
    assert "crashed" not in [line["event"] for line in daemon.log]
    return daemon.log[-1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_twice_it_does_not_wait_for_a_database_that_was_lost_while_it_drained(
    tmp_path: Path, own_postgres: PostgresServer, number: signal.Signals
) -> None:
    """It says that it ends undrained, why, and with how many calls up; that is no crash."""
    with running(prepared(tmp_path, own_postgres, 3600.0)) as daemon:
        daemon.wait_log("pacing")
        daemon.signal(number)
        daemon.wait_log("draining")
        lose_database(daemon, own_postgres)
        daemon.signal(number)
        said = said_at_the_end(daemon)
        assert (said["event"], said["level"], said["reason"]) == ("stopped undrained", "error", "asked again")
        assert "the next start takes them over" in str(said["hint"])
        assert int(str(said["live_calls"])) >= 1


def test_after_the_time_for_draining_it_waits_no_longer_for_a_lost_database(
    tmp_path: Path, own_postgres: PostgresServer
) -> None:
    """Asked once, with a database that was lost before: the time-out ends it."""
    with running(prepared(tmp_path, own_postgres, 1.0)) as daemon:
        daemon.wait_log("pacing")
        lose_database(daemon, own_postgres)
        daemon.signal(signal.SIGTERM)
        said = said_at_the_end(daemon)
        assert (said["event"], said["reason"]) == ("stopped undrained", "drain_timeout_s is over")
