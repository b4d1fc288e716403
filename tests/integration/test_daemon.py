"""The daemon as systemd and operators meet it: signals, the control socket, reloads, a second daemon, crashes."""

import json
import signal
import socket
import stat
from pathlib import Path

from tests.integration.daemon_process import dialer, prepare, running, write_campaign
from tests.vaults import open_state


def attempts(config: Path) -> list[tuple[int, bool]]:
    """The attempts in the database, each with whether it has an end."""
    with open_state(config.parent / "state") as store:
        return [(each.call_id, each.released_at is not None) for each in store.attempts(None, 0.0, 1e11)]


def test_sigterm_drains_and_ends_with_exit_code_0(tmp_path: Path) -> None:
    """After SIGTERM no call starts, live ones finish, every attempt has an end, and the exit code is 0."""
    config = prepare(tmp_path)
    with running(config) as daemon:
        daemon.wait_log("attempt")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait_end() == 0
        daemon.wait_notice("STOPPING=1")
        events = [entry["event"] for entry in daemon.log]
    assert events[-1] == "stopped"
    assert "hanging up" not in events
    kept = attempts(config)
    assert kept
    assert all(has_end for _, has_end in kept)


def test_a_second_sigterm_hangs_up_at_once(tmp_path: Path) -> None:
    """In real time calls would take minutes: asked twice, the daemon cuts them, and still exits 0."""
    config = prepare(tmp_path, speed=1.0, drain_timeout_s=3600.0, loopback='world = "talkative.toml"')
    with running(config) as daemon:
        daemon.wait_log("pacing")
        daemon.signal(signal.SIGTERM)
        daemon.wait_log("draining")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait_end() == 0
        assert "hanging up" in [entry["event"] for entry in daemon.log]
    assert all(has_end for _, has_end in attempts(config))


def test_the_drain_is_bounded(tmp_path: Path) -> None:
    """Calls that outlast drain_timeout_s are hung up, and what the agents did is recorded to the end."""
    config = prepare(tmp_path, speed=1.0, drain_timeout_s=0.2, loopback='world = "talkative.toml"')
    with running(config) as daemon:
        daemon.wait_log("pacing")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait_end() == 0
    assert all(has_end for _, has_end in attempts(config))
    with open_state(tmp_path / "state") as store:
        states = {span.state for span in store.agent_spans(None, 0.0, 1e11)}
        claimed = [lead for lead in store.leads("survey") if lead.state == "claimed"]
    assert "talking" in states
    assert claimed == []


def test_the_log_has_one_line_per_attempt_with_masked_numbers(tmp_path: Path) -> None:
    """Each finished attempt has exactly one canonical line, with its trace fields and no full number."""
    config = prepare(tmp_path, speed=300.0)
    with running(config) as daemon:
        for _ in range(30):
            daemon.wait_log("attempt")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait_end() == 0
        lines = [entry for entry in daemon.log if entry["event"] == "attempt"]
    assert sorted(entry["call_id"] for entry in lines) == [call_id for call_id, _ in attempts(config)]  # type: ignore[type-var]
    assert all({"campaign", "lead_id", "call_id", "number", "outcome"} <= set(entry) for entry in lines)
    assert all("****" in str(entry["number"]) for entry in lines)
    assert "+447700" not in json.dumps(daemon.log)


def test_status_and_campaign_commands_reach_the_daemon(tmp_path: Path) -> None:
    """Status, list and show answer in text and JSON; a change takes effect and is kept with reason and user."""
    config = prepare(tmp_path)
    with running(config) as daemon:
        status = json.loads(dialer("status", "--json", "--config", config).stdout)
        assert [each["name"] for each in status["status"]["campaigns"]] == ["survey"]
        assert "survey" in dialer("status", "--config", config).stdout
        assert "survey" in dialer("campaign", "list", "--config", config).stdout
        paused = dialer("campaign", "pause", "survey", "--reason", "fire drill", "--config", config)
        assert (paused.returncode, paused.stdout) == (0, "survey: pause, running -> paused\n")
        shown = json.loads(dialer("campaign", "show", "survey", "--json", "--config", config).stdout)
        assert shown["state"] == "paused"
        refused = dialer("campaign", "pause", "survey", "--reason", "again", "--config", config)
        assert refused.returncode == 6
        assert "makes no sense while the campaign is paused" in refused.stderr
        unknown = dialer("campaign", "stop", "nobody", "--reason", "x", "--config", config)
        assert (unknown.returncode, "survey" in unknown.stderr) == (6, True)
        daemon.signal(signal.SIGTERM)
        assert daemon.wait_end() == 0
    with open_state(tmp_path / "state") as store:
        changes = [each for each in store.changes("survey", 0.0, 1e11) if each.action == "pause"]
    assert [(each.reason, each.after) for each in changes] == [("fire drill", "paused")]
    assert changes[0].who


def test_a_change_needs_a_reason(tmp_path: Path) -> None:
    """Without a reason, or with a blank one, nothing is asked of the daemon: exit code 2."""
    config = prepare(tmp_path)
    assert dialer("campaign", "pause", "survey", "--config", config).returncode == 2
    blank = dialer("campaign", "pause", "survey", "--reason", "  ", "--config", config)
    assert blank.returncode == 2
    assert "--reason" in blank.stderr


def test_a_change_keeps_no_number_in_its_reason(tmp_path: Path) -> None:
    """The reason goes into log and evidence in clear, so one with a telephone number is refused: exit code 2."""
    config = prepare(tmp_path)
    named = dialer("campaign", "pause", "survey", "--reason", "07700 900123 asked", "--config", config)
    assert named.returncode == 2
    assert "telephone number" in named.stderr
    assert "900123" not in named.stderr


def test_without_a_daemon_the_commands_say_so(tmp_path: Path) -> None:
    """Exit code 6 and the path of the socket."""
    config = prepare(tmp_path)
    result = dialer("status", "--config", config)
    assert result.returncode == 6
    assert str(tmp_path / "state" / "dialer.sock") in result.stderr
    assert "Traceback" not in result.stderr


def test_sighup_reloads_all_or_nothing(tmp_path: Path) -> None:
    """A valid change is logged key by key and in force; with a broken file beside it nothing changes."""
    config = prepare(tmp_path)
    with running(config) as daemon:
        write_campaign(tmp_path, "survey", mode="predictive")
        daemon.signal(signal.SIGHUP)
        change = daemon.wait_log("campaign changed")
        while change["key"] != "pacing.mode":
            change = daemon.wait_log("campaign changed")
        assert (change["before"], change["after"]) == ("progressive", "predictive")
        daemon.wait_log("reloaded")
        write_campaign(tmp_path, "survey", mode="power")
        broken = write_campaign(tmp_path, "other")
        broken.write_text("name = ", encoding="utf-8")
        daemon.signal(signal.SIGHUP)
        assert "other.toml" in str(daemon.wait_log("reload refused")["error"])
        shown = json.loads(dialer("campaign", "show", "survey", "--json", "--config", config).stdout)
        assert shown["mode"] == "predictive"
        broken.unlink()
        (tmp_path / "campaigns" / "survey.toml").unlink()
        write_campaign(tmp_path, "second")
        daemon.signal(signal.SIGHUP)
        daemon.wait_log("reloaded")
        listed = json.loads(dialer("campaign", "list", "--json", "--config", config).stdout)
        assert {each["name"]: each["state"] in ("draining", "stopped") for each in listed} == {
            "survey": True,
            "second": False,
        }
        daemon.signal(signal.SIGTERM)
        assert daemon.wait_end() == 0


def test_a_campaign_whose_file_comes_back_runs_again(tmp_path: Path) -> None:
    """A file renamed and put back goes on where it was; one that an operator had paused does not start by itself."""
    config = prepare(tmp_path)
    paused = write_campaign(tmp_path, "paused")
    with running(config) as daemon:
        dialer("campaign", "pause", "paused", "--reason", "drill", "--config", config)
        away = [(path, path.with_suffix(".off")) for path in (paused, tmp_path / "campaigns" / "survey.toml")]
        write_campaign(tmp_path, "third")
        for here, there in away:
            here.rename(there)
        daemon.signal(signal.SIGHUP)
        daemon.wait_log("reloaded")
        for here, there in away:
            there.rename(here)
        daemon.signal(signal.SIGHUP)
        daemon.wait_log("reloaded")
        listed = json.loads(dialer("campaign", "list", "--json", "--config", config).stdout)
        states = {each["name"]: each["state"] for each in listed}
        assert (states["survey"], states["third"]) == ("running", "running")
        assert states["paused"] in ("draining", "stopped")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait_end() == 0


def test_calls_go_on_while_a_reload_reads_a_list(tmp_path: Path) -> None:
    """A changed list of 30,000 rows stops nobody: attempts finish before it is read; SIGTERM cuts the reading short."""
    config = prepare(tmp_path, speed=100.0)
    rows = "".join(f"Person {rank},07700 {900_000 + rank % 1000}\n" for rank in range(30_000))
    with running(config) as daemon:
        for more in ("", "One More,07700 900999\n"):
            daemon.wait_log("attempt")
            (tmp_path / "campaigns" / "list.csv").write_text("name,phone\n" + rows + more, encoding="utf-8")
            seen = len(daemon.log)
            daemon.signal(signal.SIGHUP)
            if not more:
                daemon.wait_log("reloaded")
                assert "attempt" in [entry["event"] for entry in daemon.log[seen:]]
        daemon.wait_log("attempt")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait_end() == 0
        assert "reloaded" not in [entry["event"] for entry in daemon.log[seen:]]
    assert list((tmp_path / "campaigns").glob(".list.csv.rejects*")) == []


def test_a_second_daemon_on_the_same_state_is_refused(tmp_path: Path) -> None:
    """The second one names the first and ends with exit code 5; the first goes on."""
    config = prepare(tmp_path)
    with running(config) as daemon:
        second = dialer("run", "--config", config)
        assert second.returncode == 5
        assert f"process {daemon.process.pid}" in second.stderr
        assert dialer("status", "--config", config).returncode == 0


def test_a_killed_daemon_starts_again(tmp_path: Path) -> None:
    """After a kill the old socket is replaced, claims are released, and call ids go on where they were."""
    config = prepare(tmp_path)
    with running(config) as daemon:
        daemon.wait_log("attempt")
        daemon.signal(signal.SIGKILL)
        assert daemon.wait_end() == -signal.SIGKILL
    (tmp_path / "notify").unlink()
    before = attempts(config)
    socket_path = tmp_path / "state" / "dialer.sock"
    assert socket_path.exists()
    with running(config) as daemon:
        assert stat.S_IMODE(socket_path.stat().st_mode) == 0o600
        [left] = [entry for entry in daemon.log if entry["event"] == "earlier run taken over"]
        assert left["fate_unknown"] == sum(not has_end for _, has_end in before)
        while daemon.wait_log("attempt")["call_id"] in dict(before):
            pass
        daemon.signal(signal.SIGTERM)
        assert daemon.wait_end() == 0
    assert not socket_path.exists()
    after = dict(attempts(config))
    assert len(after) > len(before)
    assert all(after.values())


def ask_raw(path: Path, line: bytes) -> bytes:
    """Send one line to the control socket as it is; give the answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(30.0)
        connection.connect(str(path))
        connection.sendall(line)
        return connection.recv(65_536)


def test_the_control_socket_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    """Junk, unknown fields, blank reasons and endless lines are refused in a line of JSON; the daemon goes on."""
    config = prepare(tmp_path)
    with running(config):
        path = tmp_path / "state" / "dialer.sock"
        for line in (
            b"not json\n",
            b"\xff\xfe\n",
            b"[]\n",
            b'{"request":"shutdown"}\n',
            b'{"request":"status","extra":1}\n',
            b'{"request":"campaign","name":"survey","action":"pause","reason":" "}\n',
            b'{"request":"campaign","name":"survey","action":"dance","reason":"x"}\n',
            b'{"request":"campaign","name":"survey","action":"pause","reason":"07700 900123 asked"}\n',
            b'{"request":"refused","seller":"Example","number":"+447700900123","reason":"from +447700900123"}\n',
            b"x" * 20_000 + b"\n",
        ):
            answer = json.loads(ask_raw(path, line))
            assert answer["ok"] is False
            assert answer["error"]
        assert json.loads(ask_raw(path, b'{"request":"imported","name":"survey"}\n')) == {
            "ok": True,
            "campaign": "survey",
        }
        assert dialer("status", "--config", config).returncode == 0


def test_a_daemon_without_campaigns_is_refused(tmp_path: Path) -> None:
    """No campaign file: exit code 3, with the folder's name."""
    config = prepare(tmp_path)
    (tmp_path / "campaigns" / "survey.toml").unlink()
    result = dialer("run", "--config", config)
    assert result.returncode == 3
    assert str(tmp_path / "campaigns") in result.stderr
