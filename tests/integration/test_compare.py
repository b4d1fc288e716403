"""`dialer simulate --compare` as a user runs it."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT
from tests.integration.test_simulate import CAMPAIGN, SMALL, simulate

NAMES = "progressive,predictive,ratio:2.0,vicidial-average"


def test_side_by_side() -> None:
    """One row per policy in the order asked for; the engine's own are governed, peers are marked."""
    done = simulate(CAMPAIGN, *SMALL, "--compare", NAMES, columns=200)
    assert done.returncode == 0, done.stderr
    rows = [line.split()[:2] for line in done.stdout.splitlines() if line[1:].startswith(tuple(NAMES.split(",")))]
    assert [name for name, _ in rows] == NAMES.split(",")
    assert [mark == "*" for _, mark in rows] == [False, False, True, True]
    assert "* without a governor" in done.stdout
    assert "less progressive" in " ".join(done.stdout.split())
    assert "equal abandonment only: progressive at 0.00%" in done.stdout


def test_a_narrow_terminal() -> None:
    """What does not fit goes on in a second table, which names the policies again."""
    done = simulate(CAMPAIGN, *SMALL, "--compare", "progressive,power", columns=90)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 90
    assert sum(line.startswith(" power") for line in done.stdout.splitlines()) == 2


def test_as_json() -> None:
    """The same people for each policy: what one policy alone gives, and differences to the first."""
    done = simulate(CAMPAIGN, *SMALL, "--compare", NAMES, "--json", "-")
    alone = simulate(CAMPAIGN, *SMALL, "--pacing", "predictive", "--json", "-")
    assert done.returncode == 0, done.stderr
    compared = json.loads(done.stdout)["compared"]
    assert [(each["pacing"], each["is_governed"]) for each in compared] == [
        ("progressive", True),
        ("predictive", True),
        ("ratio:2.0", False),
        ("vicidial-average", False),
    ]
    assert compared[1]["figures"] == json.loads(alone.stdout)["figures"]
    assert compared[0]["occupancy_difference"] is None
    occupancy = [each["figures"]["occupancy"]["mean"] for each in compared]
    for each, mean in zip(compared[1:], occupancy[1:], strict=True):
        assert each["occupancy_difference"]["mean"] == pytest.approx(mean - occupancy[0])
        assert each["occupancy_difference"]["low"] <= each["occupancy_difference"]["mean"]
    assert compared[0]["runs_over_cap"] == 0
    assert 0 <= compared[3]["runs_over_cap"] <= 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--compare", "predictive,vicidial"), ["preview, progressive", "vicidial-average-tuned", "found 'vicidial'"]),
        (("--compare", "power", "--journal", "journal"), ["neither --pacing nor --journal", "found --journal"]),
        (("--compare", "power", "--pacing", "power"), ["neither --pacing nor --journal", "found --pacing"]),
        (("--known",), ["--known: expected a world that is the same", "--world realistic"]),
    ],
)
def test_bad_comparisons(arguments: tuple[str, ...], words: list[str]) -> None:
    """A name that is not known, or options that do not go together: exit code 2, and what was expected."""
    done = simulate(CAMPAIGN, *SMALL, *arguments)
    assert done.returncode == 2
    assert [word for word in words if word not in done.stderr] == [], done.stderr
    assert "Traceback" not in done.stderr


def test_parameters_known(tmp_path: Path) -> None:
    """With --known the engine has the world's truth from the start; a campaign that makes agents rest is refused."""
    refused = simulate(CAMPAIGN, *SMALL, "--world", "realistic", "--known")
    assert refused.returncode == 2
    assert "expected occupancy_max = 1" in refused.stderr
    shutil.copytree(ROOT / "campaigns", tmp_path / "campaigns")
    restless = tmp_path / CAMPAIGN
    restless.write_text(re.sub("(?m)^occupancy_max.*$", "", restless.read_text(encoding="utf-8")), encoding="utf-8")
    options = ("--agents", "3", "--hours", "0.1", "--runs", "1", "--world", "realistic", "--known")
    alone, beside = simulate(str(restless), *options), simulate(str(restless), *options, "--compare", "erlang-rate")
    assert alone.returncode == 0, alone.stderr
    assert beside.returncode == 0, beside.stderr
    assert "parameters known" in alone.stdout
    assert "parameters known" in beside.stdout
