"""The demo runs the main job to its end, in a fresh folder, and says whether everything adds up."""

import re
import stat
from pathlib import Path

import pytest

from dialer.domain.records import Attempt
from tests.integration.daemon_process import dialer
from tests.vaults import open_state

ROOT = Path(__file__).parents[2]


@pytest.fixture
def short_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A temporary folder under a short name: the path of a socket in it has to fit into 107 bytes."""
    return tmp_path_factory.mktemp("d")


def test_the_demo_runs_the_shipped_campaigns_to_their_end(short_path: Path) -> None:
    """A short day: four lists are imported, calls are made, reports are printed, nothing is lost, exit code 0."""
    day = ("--hours", "0.2", "--speed", "1000", "--agents", "6")
    result = dialer("demo", "--campaigns", ROOT / "campaigns", *day, TMPDIR=str(short_path))
    assert result.returncode == 0, result.stdout + result.stderr
    assert len(re.findall(r"^demo: \S+: \d+ rows: |^demo: \S+, \S+: \d+ rows: ", result.stdout, re.MULTILINE)) == 4
    assert "demo: everything adds up" in result.stdout
    for title in ("Campaigns", "Agents", "Abandonment"):
        assert f"\n{title}\n" in result.stdout
    attempts = kept(result.stdout)
    assert len(attempts) > 20
    assert all(attempt.outcome is not None for attempt in attempts)
    state = next(short_path.glob("dialer-demo-*/state"))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (state, *state.glob("d*"))}
    assert (modes["state"], modes["dialer.db"], modes["daemon.log"]) == (0o700, 0o600, 0o600)


def kept(output: str) -> list[Attempt]:
    """The attempts that a demo left in its database."""
    folder = Path(re.findall(r"Everything is in (\S+):", output)[0])
    with open_state(folder / "state") as store:
        return list(store.attempts(None, 0.0, 1e11))


def test_the_demo_is_the_same_each_time(short_path: Path) -> None:
    """At any speed of the clock, and however slow the disk is, a seed gives the same attempts at the same instants."""
    day = ("--hours", "0.1", "--agents", "6")
    runs = [
        kept(dialer("demo", "--campaigns", ROOT / "campaigns", *day, "--speed", speed, TMPDIR=str(short_path)).stdout)
        for speed in ("1000", "173")
    ]
    assert len(runs[0]) > 10
    assert runs[0] == runs[1]


def test_the_demo_without_campaigns_says_where_it_looked(tmp_path: Path) -> None:
    """A folder without campaign files is refused with its name and exit code 2."""
    result = dialer("demo", "--campaigns", tmp_path)
    assert result.returncode == 2
    assert str(tmp_path) in result.stderr
