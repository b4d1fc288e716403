"""`dialer pacing` over a database with half an hour of simulated dialing in it."""

import json
import re
import shutil
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from dialer.cli.pacing import pacing_app
from dialer.config.campaign import load_campaign
from dialer.domain.commands import RecordAgentSpan, RecordAttempt, RecordChange, RecordDecision
from dialer.domain.policy import CampaignPolicy, PacingMode, Window
from dialer.domain.records import Attempt, CampaignChange, PacingDecision
from dialer.errors import StorageError, UsageError
from dialer.pacing.explain import HOLDS_S, explain
from dialer.simulator.driver import Driver
from dialer.simulator.scenario import load_world
from tests.architecture.tree import ROOT
from tests.unit.storage.builders import make_policy
from tests.vaults import open_state, read_state

NAME = "renewal-kr"


def campaign_of_half_an_hour() -> CampaignPolicy:
    """A shipped campaign, in predictive mode and with a cap by the day."""
    policy = load_campaign(ROOT / "campaigns" / "renewal-kr.toml")
    return replace(
        policy,
        is_started=True,
        pacing=replace(policy.pacing, mode=PacingMode.PREDICTIVE),
        abandonment=replace(policy.abandonment, window=Window.DAY),
    )


@pytest.fixture(scope="module")
def dialed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration whose database holds half an hour of eight agents, and a campaign that never dialed."""
    folder = tmp_path_factory.mktemp("dialed")
    policy = campaign_of_half_an_hour()
    run = Driver(policy, load_world("realistic"), agents=8, hours=0.5, seed=1).run()
    (folder / "campaigns").mkdir()
    (folder / "config.toml").write_text('state_dir = "state"\n', encoding="utf-8")
    with closing(open_state(folder / "state")) as store:
        store.register(policy)
        store.register(make_policy("idle"))
        store.apply([RecordAttempt(attempt=each) for each in run.store.attempts(NAME, 0.0, 1e12)])
        store.apply([RecordDecision(decision=each) for each in run.store.decisions(NAME, 0.0, 1e12)])
        store.apply([RecordAgentSpan(span=each) for each in run.store.agent_spans(None, 0.0, 1e12)])
    return folder / "config.toml"


@pytest.fixture
def config(dialed: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    shutil.copytree(dialed.parent, tmp_path / "copy")
    return tmp_path / "copy" / "config.toml"


def database(config: Path) -> Path:
    """Where a configuration's database is."""
    return config.parent / "state" / "dialer.db"


def kept(config: Path) -> tuple[list[PacingDecision], list[Attempt]]:
    """Every decision and every attempt of the campaign, by instant."""
    with read_state(database(config).parent) as store:
        return list(store.decisions(NAME, 0.0, 1e12)), list(store.attempts(NAME, 0.0, 1e12))


def pacing(config: Path, *arguments: str) -> Result:
    """Run `dialer pacing ...`; its errors come through as they are."""
    return CliRunner().invoke(
        pacing_app, [*arguments, "--config", str(config)], catch_exceptions=False, env={"COLUMNS": "120"}
    )


def answer(config: Path, *arguments: str) -> dict[str, Any]:
    """Run a command with --json and give what it prints."""
    result = pacing(config, *arguments, "--json")
    assert result.exit_code == 0
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def instant(at: float) -> str:
    """An instant as a user writes it."""
    return datetime.fromtimestamp(at, UTC).isoformat()


def test_the_last_decision_is_a_sentence_and_a_table(dialed: Path) -> None:
    """Without --at the last decision is told, in the zone asked for, with each of its inputs and their meaning."""
    last = kept(dialed)[0][-1]
    shown = pacing(dialed, "explain", NAME, "--zone", "Asia/Seoul").stdout
    assert shown.splitlines()[0].startswith("2025-06-02 09:")
    assert shown.splitlines()[0].endswith(f": {explain(last)}")
    assert [name for name, _ in last.terms if name not in shown] == []
    assert "the price limit" in shown
    found = answer(dialed, "explain", NAME)
    assert (found["sentence"], found["decision"]["terms"]) == (explain(last), dict(last.terms))


def test_an_instant_is_explained_by_the_decision_that_stood(dialed: Path) -> None:
    """It is the last at or before the instant, not the nearest."""
    decisions, _ = kept(dialed)
    for before, after in pairwise(decisions[200:220]):
        if after.at - before.at > 0.01:  # instants are written to the microsecond
            for at in (before.at + 0.001, after.at - 0.001):
                assert answer(dialed, "explain", NAME, "--at", instant(at))["decision"]["at"] == before.at
    last_at = decisions[-1].at
    assert answer(dialed, "explain", NAME, "--at", instant(last_at + 9.0))["decision"]["at"] == last_at


def test_what_no_decision_explains_is_said_with_its_neighbours(config: Path) -> None:
    """Before the first, after the last and in a gap; a pause is named with its instant and reason."""
    decisions, _ = kept(config)
    first, last = decisions[0], decisions[-1]
    said = pacing(config, "explain", NAME, "--at", "2025-06-01").stdout
    assert said.startswith(
        "2025-06-01 00:00:00: no decision stood then: none was taken before, the next of 2025-06-02 "
    )
    assert said.endswith("; its hours were closed, no agent or lead was there, or no daemon ran\n")
    found = answer(config, "explain", NAME, "--at", instant(last.at + HOLDS_S + 1.0))
    assert "none after" in found["sentence"]
    assert found["decision"] is found["after"] is None
    assert datetime.fromisoformat(found["before"]).timestamp() == pytest.approx(last.at, abs=0.001)
    pause = CampaignChange(
        campaign=NAME,
        at=last.at + 1.0,
        action="pause",
        before="running",
        after="paused",
        reason="fire drill",
        who="op",
        digest="",
    )
    with closing(open_state(database(config).parent)) as store:
        store.apply([RecordChange(change=pause), RecordDecision(decision=replace(first, at=last.at + 600.0))])
    for after_s in (2.0, 300.0):
        said = pacing(config, "explain", NAME, "--at", instant(last.at + after_s)).stdout
        assert re.search(r"the last one before is of .*, the next of .*; it was paused since .* \(fire drill\)", said)
    assert answer(config, "explain", NAME, "--at", instant(last.at + 0.5))["decision"]["at"] == last.at


def test_a_cap_that_cannot_be_kept_is_why_nothing_follows(config: Path) -> None:
    """After an infeasible decision nothing is decided for hours: explain says why, and forecast foresees no dialing."""
    last = kept(config)[0][-1]
    refused = replace(last, at=last.at + 1.0, limited_by="infeasible", calls=0, allowed=0, terms=())
    with closing(open_state(database(config).parent)) as store:
        store.apply([RecordDecision(decision=refused)])
    said = pacing(config, "explain", NAME, "--at", instant(last.at + 3600.0)).stdout
    assert "reach the cap alone, so that no call is made until the window closes or a reload" in said
    assert pacing(config, "forecast", NAME).stdout.splitlines()[0].endswith("and no call is made")
    assert answer(config, "forecast", NAME)["forecast"] is None
    assert answer(config, "forecast", NAME, "--at", instant(last.at))["forecast"] is not None


def test_limits_add_up_to_the_span_and_the_calls_to_the_attempts(dialed: Path) -> None:
    """Every call was started by a decision that was kept, and every minute is a constraint's or nobody's."""
    decisions, attempts = kept(dialed)
    found = answer(dialed, "limits", NAME)
    whole_min = (decisions[-1].at - decisions[0].at) / 60.0
    assert sum(each["minutes"] for each in found["binding"]) + found["not_dialing_minutes"] == pytest.approx(whole_min)
    assert sum(each["calls"] for each in found["binding"]) == len(attempts) > 100
    assert {"wanted", "no_agents"} <= {each["limited_by"] for each in found["binding"]}
    assert found["not_dialing_minutes"] < 0.1


def test_limits_of_a_span_show_the_time_without_dialing(dialed: Path) -> None:
    """A span that begins an hour early has an hour of not dialing; the table says what missing means."""
    shown = pacing(dialed, "limits", NAME, "--from", "2025-06-01T23:00", "--to", "2025-06-02T00:10").stdout
    assert shown.splitlines()[0] == "renewal-kr: from 2025-06-01 23:00:00 up to 2025-06-02 00:10:00"
    line = next(line.split() for line in shown.splitlines() if "not dialing" in line)
    assert float(line[2]) == pytest.approx(60.0, abs=0.2)
    assert "the pacer's own answer" in shown
    assert "missing = calls wanted and not made" in shown
    assert "no decision was kept in this span" in pacing(dialed, "limits", NAME, "--to", "2025-06-01").stdout


def test_what_is_still_to_come_is_no_idle_time(config: Path) -> None:
    """A span that ends in the future is cut at the present."""
    now = datetime.now(UTC).timestamp()
    decision = kept(config)[0][-1]
    with closing(open_state(database(config).parent)) as store:
        store.apply([RecordDecision(decision=replace(decision, at=now - 30.0))])
    found = answer(config, "limits", NAME, "--from", instant(now - 60.0), "--to", instant(now + 7200.0))
    assert found["not_dialing_minutes"] < 2.0


def test_the_forecast_counts_what_was_known_then(dialed: Path) -> None:
    """At each instant the pace holds the live answers and abandonments seen until then, and the day's end is told."""
    decisions, attempts = kept(dialed)
    for at in (decisions[-1].at, decisions[0].at + 1200.0):
        found = answer(dialed, "forecast", NAME, "--at", instant(at))["forecast"]
        live = [each for each in attempts if each.is_live and (each.classified_at or each.placed_at) <= at]
        assert found["pace"]["live"] == len(live) > 10
        lost = [each for each in attempts if each.is_live and each.is_abandoned and (each.abandoned_at or 1e12) <= at]
        assert found["pace"]["abandoned"] == len(lost)
        assert found["low"] <= found["rate"] <= found["high"]
        assert found["closes_at"] == datetime(2025, 6, 2, 15, 0, tzinfo=UTC).timestamp()  # midnight in Seoul
        assert found["dialing_ends_at"] <= found["closes_at"]
    shown = pacing(dialed, "forecast", NAME, "--zone", "Asia/Seoul").stdout
    assert "at this pace the budget of " in shown
    assert "window closes at 24:00 with " in shown
    assert "live answers in 29 minutes" in shown or "live answers in 30 minutes" in shown


def test_the_forecast_tells_what_the_team_can_take(dialed: Path) -> None:
    """The eight agents of the records, their handle time, and live answers an hour: even ones, seen ones, at most."""
    team = answer(dialed, "forecast", NAME)["staffing"]
    assert team["agents"] == 8
    assert team["handle_s"] > 60.0
    found = answer(dialed, "forecast", NAME)["forecast"]["pace"]
    assert team["first_per_hour"] < 3600.0 * found["live"] / found["for_s"] < team["ceiling_per_hour"]
    assert team["ceiling_per_hour"] == pytest.approx(8 * 3600.0 / team["handle_s"] / (1.0 - 0.03))
    assert f"8 agents at {team['handle_s']:.0f} s a call" in pacing(dialed, "forecast", NAME).stdout
    early = instant(kept(dialed)[0][0].at + 60.0)
    assert answer(dialed, "forecast", NAME, "--at", early)["staffing"] is None


def test_nothing_to_tell_is_no_error(dialed: Path) -> None:
    """Too little to go by, or a campaign that never dialed: a sentence, exit code 0, and null in JSON."""
    at = instant(kept(dialed)[0][0].at + 300.0)
    said = pacing(dialed, "forecast", NAME, "--at", at).stdout
    assert "no forecast: the hour before holds too few live answers" in said
    assert answer(dialed, "forecast", NAME, "--at", at)["forecast"] is None
    for command, key, nothing in (
        ("explain", "decision", None),
        ("limits", "binding", []),
        ("forecast", "forecast", None),
    ):
        assert "no decision was kept yet" in pacing(dialed, command, "idle").stdout
        assert answer(dialed, command, "idle")[key] == nothing


@pytest.mark.parametrize("command", ["explain", "limits", "forecast"])
def test_wrong_usage_is_explained(dialed: Path, tmp_path: Path, command: str) -> None:
    """An unknown campaign names the known ones; no database is made where there is none."""
    with pytest.raises(UsageError, match=r"no campaign 'nobody' .* expected one of idle, renewal-kr"):
        pacing(dialed, command, "nobody")
    with pytest.raises(UsageError, match="--zone Nowhere/Land: expected a time zone"):
        pacing(dialed, command, NAME, "--zone", "Nowhere/Land")
    option = "--from" if command == "limits" else "--at"
    with pytest.raises(UsageError, match=f"{option} noon: expected a date or an instant"):
        pacing(dialed, command, NAME, option, "noon")
    (tmp_path / "campaigns").mkdir()
    (tmp_path / "config.toml").write_text('state_dir = "elsewhere"\n', encoding="utf-8")
    with pytest.raises(StorageError, match="there is none yet"):
        pacing(tmp_path / "config.toml", command, NAME)
