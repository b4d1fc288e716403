"""`dialer simulate` as a user runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT

CAMPAIGN = "campaigns/renewal-kr.toml"
SMALL = ("--agents", "3", "--hours", "0.2", "--runs", "2", "--seed", "1")


def simulate(*arguments: str, columns: int | None = None) -> "subprocess.CompletedProcess[str]":
    """Run the command in the project's folder, in a terminal `columns` wide if that is given."""
    command = [sys.executable, "-c", "from dialer.cli.main import app; app()", "simulate", *arguments]
    environment = {**os.environ, "COLUMNS": str(columns)} if columns is not None else None
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)


def test_json_and_journal(tmp_path: Path) -> None:
    """--json - prints nothing but JSON with means and intervals; the journal of a seed is always the same."""
    first = simulate(CAMPAIGN, *SMALL, "--json", "-", "--journal", str(tmp_path / "first"))
    again = simulate(CAMPAIGN, *SMALL, "--json", "-", "--journal", str(tmp_path / "again"))
    assert first.returncode == 0, first.stderr
    result = json.loads(first.stdout)
    for name in ("occupancy", "wait_mean", "wait_p50", "wait_p95", "live_answers", "dials", "connects_per_agent_hour"):
        figure = result["figures"][name]
        assert figure["low"] <= figure["mean"] <= figure["high"]
        assert figure["formula"]
    assert {"numerator", "denominator"} <= result["figures"]["abandonment_rate"].keys()
    assert again.stdout == first.stdout
    assert (tmp_path / "first").read_bytes() == (tmp_path / "again").read_bytes()
    assert json.loads((tmp_path / "first").read_bytes().splitlines()[0])["seq"] == 1


def test_table(tmp_path: Path) -> None:
    """Without --json a table with the formulas is printed; the pacing mode can be replaced."""
    done = simulate(CAMPAIGN, *SMALL, "--pacing", "progressive", "--world", "realistic")
    assert done.returncode == 0, done.stderr
    assert "progressive" in done.stdout
    assert "occupancy" in done.stdout
    assert "abandonment over all runs: 0 of" in done.stdout


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[answers]\np_live = 1.2", ["world.toml:2", "answers.p_live", "at most 1"]),
        ("[answers]\np_life = 0.2", ["world.toml:2", "nearest known key: p_live"]),
        ("[answers]\np_live = 0.6\np_machine = 0.6", ["world.toml:1", "sum to at most 1"]),
        ("[talk]\ntalk_s = { family = 'gamma', shape = 2 }", ["world.toml:2", "shape and scale"]),
        ("[dispositions.shares]\nyes = 1.0", ["expected dispositions of campaign renewal-kr", "found yes"]),
    ],
)
def test_bad_worlds(tmp_path: Path, text: str, words: list[str]) -> None:
    """A world that is not valid ends with exit code 3, a place and what was expected, without a traceback."""
    world = tmp_path / "world.toml"
    world.write_text(text)
    done = simulate(CAMPAIGN, *SMALL, "--world", str(world))
    assert done.returncode == 3
    assert [word for word in words if word not in done.stderr] == [], done.stderr
    assert "Traceback" not in done.stderr
