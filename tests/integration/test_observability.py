"""The pages of a running daemon, the watchdog, and the dashboard and alerts that rest on its metrics."""

import json
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.daemon_process import Daemon, dialer, prepare, running
from tests.servers.postgres import PostgresServer

ROOT = Path(__file__).resolve().parents[2]
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
DASHBOARD = ROOT / "deploy" / "grafana" / "dialer.json"
NOT_OURS = {"up"}  # Prometheus' own word on a target


def get(port: int, page: str) -> tuple[int, str]:
    """Ask for a page; give its status and text."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{page}", timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def free_port() -> int:
    """Give a loopback port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def prepared(folder: Path, **settings: str | float) -> tuple[Path, int]:
    """A configuration with pages on a free port."""
    port = free_port()
    config = prepare(folder, **settings)  # type: ignore[arg-type]
    text = config.read_text(encoding="utf-8") + f'\n[metrics]\nlisten = "127.0.0.1:{port}"\n'
    config.write_text(text.replace("[log]\n", '[log]\nlevel = "debug"\n'), encoding="utf-8")
    return config, port


@dataclass(frozen=True, slots=True)
class Shown:
    """A daemon that ran, what its pages said before its end, and its log."""

    pages: dict[str, tuple[int, str]]
    status: dict[str, object]
    log: list[dict[str, object]]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """A daemon that dialed until some calls were over."""
    config, port = prepared(tmp_path_factory.mktemp("shown"))
    with running(config) as daemon:
        for _ in range(5):
            daemon.wait_log("attempt")
        pages = {page: get(port, page) for page in ("live", "ready", "metrics")}
        status = json.loads(dialer("status", "--json", "--config", config).stdout)["status"]
        daemon.signal(signal.SIGTERM)
        assert daemon.wait_end() == 0
        return Shown(pages, status, daemon.log)


def families(page: str) -> dict[str, dict[tuple[str, ...], float]]:
    """The samples of a page by family name, by label values."""
    return {
        family.name: {
            (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
            for sample in family.samples
        }
        for family in text_string_to_metric_families(page)
    }


def test_a_daemon_that_dials_is_live_and_ready(shown: Shown) -> None:
    """Both pages say so, as JSON, with status 200."""
    assert shown.pages["live"] == (200, '{"live": true}')
    assert shown.pages["ready"] == (200, '{"ready": true}')


def test_metrics_are_those_of_the_status(shown: Shown) -> None:
    """What is counted agrees with itself, and nothing on the page is a telephone number."""
    status, page = shown.pages["metrics"]
    assert status == 200
    found = families(page)
    placed = found["dialer_calls_placed"]["dialer_calls_placed_total", "survey"]
    ended = sum(found["dialer_attempts"].values())
    assert ended >= 5
    assert placed == ended + found["dialer_lines_used"]["dialer_lines_used",]
    connects = found["dialer_connects"]["dialer_connects_total", "survey"]
    assert found["dialer_live_answers"]["dialer_live_answers_total", "survey"] >= connects
    assert found["dialer_campaign_state"]["dialer_campaign_state", "survey", "running"] == 1.0
    assert found["dialer_abandonment_cap_ratio"]["dialer_abandonment_cap_ratio", "survey"] > 0.0
    assert 0.0 < sum(found["dialer_agents"].values()) <= 4.0  # who takes a break is with no campaign
    assert found["dialer_commit_seconds"]["dialer_commit_seconds_count",] > 0.0
    assert found["dialer_daemon_state"]["dialer_daemon_state", "running"] == 1.0
    assert found["dialer_gateway_up"] == {("dialer_gateway_up", "loopback"): 1.0}
    assert re.search(r"7700\D?900|07700", page) is None


def test_every_metric_is_documented(shown: Shown) -> None:
    """The table in the docs and the page name the same metrics."""
    text = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `dialer_")]
    documented = {name.removesuffix("_total") for row in rows for name in re.findall(r"`(dialer_\w+)`", row)}
    assert documented == {name for name in families(shown.pages["metrics"][1]) if name.startswith("dialer_")}


def test_dashboard_and_alerts_ask_for_metrics_that_there_are(shown: Shown) -> None:
    """Each name in a panel, a variable or a rule is a family of the running daemon; the docs have each rule."""
    there = set(families(shown.pages["metrics"][1]))
    asked = re.findall(r"\b(?:dialer|process)_[a-z_]+\b", DASHBOARD.read_text(encoding="utf-8"))
    rules = ALERTS.read_text(encoding="utf-8")
    asked += re.findall(r"\bdialer_[a-z_]+\b", rules)
    missing = {name for name in asked if not ({name, re.sub(r"_(total|bucket|sum|count)$", "", name)} & there)}
    assert missing == set()
    docs = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
    for alert in re.findall(r"alert: (\w+)", rules):
        assert f"`{alert}`" in docs


def test_the_dashboard_is_one(shown: Shown) -> None:
    """It is whole JSON; panels do not overlap, and each has a question."""
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    cells: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        covers = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not covers & cells, panel["title"]
        assert at["x"] + at["w"] <= 24
        cells |= covers
        assert panel["type"] == "row" or all(target["expr"] for target in panel["targets"])
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def promtool(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the real promtool, unpacked where this machine has none."""
    command = [ROOT / "scripts" / "promtool.sh", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=280)


def test_promtool_takes_the_rules_and_they_raise_what_they_should(tmp_path: Path, shown: Shown) -> None:
    """Rules are valid, fire on what they are for and on nothing else, and the page is well-formed."""
    for each in (ALERTS, ALERTS.with_name("prometheus.yml"), ROOT / "tests" / "integration" / "alerts" / "tests.yml"):
        shutil.copy(each, tmp_path)
    checked = promtool("check", "config", "prometheus.yml", folder=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    tested = promtool("test", "rules", "tests.yml", folder=tmp_path)
    assert tested.returncode == 0, tested.stdout + tested.stderr
    in_tests = set(re.findall(r"alertname: (\w+)", (tmp_path / "tests.yml").read_text(encoding="utf-8")))
    assert in_tests == set(re.findall(r"alert: (\w+)", ALERTS.read_text(encoding="utf-8")))
    linted = subprocess.run(
        [ROOT / "scripts" / "promtool.sh", "check", "metrics"],
        input=shown.pages["metrics"][1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (linted.returncode, linted.stderr) == (0, "")


def test_every_step_of_a_call_is_in_the_log(shown: Shown) -> None:
    """From the order to the hang-up each line has the campaign, the lead and the call."""
    steps = [line for line in shown.log if line["event"] == "call"]
    assert all({"campaign", "lead_id", "call_id", "trace", "step"} <= line.keys() for line in steps)
    ended = next(line for line in shown.log if line["event"] == "attempt" and line["outcome"] == "connected")
    of_call = [line["step"] for line in steps if line["call_id"] == ended["call_id"]]
    assert of_call[0] == "placed"
    assert {"answered", "bridge", "bridged"} <= set(of_call)
    assert of_call[-1] == "released"
    assert {line["lead_id"] for line in steps if line["call_id"] == ended["call_id"]} == {ended["lead_id"]}


def test_a_drain_is_live_and_not_ready(tmp_path: Path) -> None:
    """While live calls finish, the pages say that nothing new begins."""
    config, port = prepared(tmp_path, loopback='world = "talkative.toml"', speed=1.0, drain_timeout_s=30.0)
    with running(config) as daemon:
        wait_bridged(daemon)
        daemon.signal(signal.SIGTERM)
        daemon.wait_log("draining")
        status, text = get(port, "ready")
        assert status == 503
        assert json.loads(text) == {"ready": False, "reasons": ["draining: no new calls"]}
        assert get(port, "live")[0] == 200
        daemon.signal(signal.SIGTERM)
        assert daemon.wait_end() == 0


def test_a_lost_database_is_a_reason_without_its_address(tmp_path: Path, own_postgres: PostgresServer) -> None:
    """The page says which part is not ready and what to do; where that is and who we are to it says the log."""
    address = own_postgres.new_database()
    config, port = prepared(tmp_path, top=f'database = "{address}"\nkeys.file = "../keys.json"\n')
    with running(config) as daemon:
        daemon.wait_log("attempt")
        own_postgres.stop()
        told = daemon.wait_log("blocked: nothing is dialed")
        status, text = get(port, "ready")
        (reason,) = json.loads(text)["reasons"]
        assert (status, reason.partition(":")[0]) == (503, "blocked")
        assert "see to its server" in reason
        hidden = [part for part in re.split(r"[/:@?]+", address.partition("://")[2]) if part]
        assert [part for part in hidden if part in text.replace("dialer status", "")] == []
        assert any(part in str(told["reason"]) for part in hidden)
        assert get(port, "live")[0] == 200


def test_a_standby_is_live_and_not_ready_until_it_takes_over(tmp_path: Path, postgres_address: str) -> None:
    """Its pages and its watchdog say that it lives; when the other one ends, that it dials."""
    top = f'database = "{postgres_address}"\nkeys.file = "../keys.json"\n'
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    first = prepare(tmp_path / "one", top=top)
    second, port = prepared(tmp_path / "two", top=top)
    with running(first) as one:
        two = Daemon(second)
        try:
            assert "standby" in two.wait_notice("READY=1")
            two.wait_notice("WATCHDOG=1")
            status, text = get(port, "ready")
            assert (status, json.loads(text)["reasons"]) == (503, ["standby: another daemon of this name dials"])
            assert get(port, "live")[0] == 200
            assert 'dialer_daemon_state{state="standby"} 1.0' in get(port, "metrics")[1]
            one.signal(signal.SIGTERM)
            assert one.wait_end() == 0
            two.wait_log("ready")
            assert get(port, "ready") == (200, '{"ready": true}')
            two.signal(signal.SIGTERM)
            assert two.wait_end() == 0
        finally:
            two.close()


def wait_bridged(daemon: Daemon) -> None:
    """Wait until somebody talks."""
    while daemon.wait_log("call")["step"] != "bridged":
        pass


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    """The daemon does not start without the pages that were asked for; the exit code is that of a configuration."""
    config, port = prepared(tmp_path)
    with socket.create_server(("127.0.0.1", port)):
        ended = dialer("run", "--config", config)
    assert ended.returncode == 3
    assert f"metrics.listen 127.0.0.1:{port}: cannot listen" in ended.stderr


def test_the_watchdog_starves_while_commits_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that dials feeds it; one whose commits do not return does not, until they do."""
    monkeypatch.setenv("WATCHDOG_USEC", "300000")
    config = prepare(tmp_path)
    with running(config) as daemon:
        daemon.wait_notice("WATCHDOG=1")
        database = sqlite3.connect(tmp_path / "state" / "dialer.db", isolation_level=None)
        database.execute("BEGIN IMMEDIATE")
        beats = []
        with suppress(TimeoutError):
            while True:
                beats.append(daemon.wait_notice("WATCHDOG=1", within_s=1.5))
        assert len(beats) <= 2  # what was on its way already
        database.execute("ROLLBACK")
        database.close()
        daemon.wait_notice("WATCHDOG=1")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait_end() == 0
