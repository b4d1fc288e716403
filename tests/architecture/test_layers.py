"""Imports go one way, and the core stays pure: the rules hold, and breaking them is seen."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.architecture.tree import CORE, ROOT

BIN = Path(sys.executable).parent


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the package `dialer` of a folder."""
    command = [BIN / "lint-imports", "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def ruff(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run ruff's import rules on the package `dialer` of a folder."""
    command = [BIN / "ruff", "check", "--no-cache", "--select", "TID", "--output-format", "concise", "dialer"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package and its rules that a test may break."""
    shutil.copytree(ROOT / "dialer", tmp_path / "dialer", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def add_probe(copy: Path, package: str, source: str) -> None:
    """Add the module `probe` to a package of the copy."""
    (copy / "dialer" / package / "probe.py").write_text(f'"""A probe."""\n\n{source}\n', encoding="utf-8")


def test_the_tree_keeps_its_layers() -> None:
    """import-linter finds every contract kept."""
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_core_imports_nothing_banned() -> None:
    """Ruff's banned imports are absent from the core."""
    result = ruff(ROOT)
    assert result.returncode == 0, result.stdout


def test_a_clock_in_the_core_fails_both_checks(copy: Path) -> None:
    """`import time` in any core package is refused by ruff and by import-linter, each naming the module."""
    for package in CORE:
        add_probe(copy, package, "import time\n\nSTARTED_AT = time.time()")
    by_ruff, by_linter = ruff(copy), lint_imports(copy)
    assert by_ruff.returncode == 1
    assert by_linter.returncode == 1
    for package in CORE:
        assert f"dialer/{package}/probe.py:3:8: TID251 `time` is banned" in by_ruff.stdout
        assert f"dialer.{package}.probe -> time" in by_linter.stdout


@pytest.mark.parametrize(
    "source",
    [
        "import datetime\n\nNOW = datetime.datetime.now()",
        "from datetime import datetime\n\nNOW = datetime.now()",
        "from datetime import date\n\nTODAY = date.today()",
        "import numpy as np\n\nDRAW = np.random.default_rng(1)",
        "from time import monotonic\n\nNOW = monotonic()",
    ],
)
def test_hidden_clocks_and_dice_in_the_core_fail(copy: Path, source: str) -> None:
    """A clock or a random number reached through an allowed module is refused in the core."""
    add_probe(copy, "pacing", source)
    result = ruff(copy)
    assert result.returncode == 1
    assert "dialer/pacing/probe.py" in result.stdout


def test_a_clock_outside_the_core_is_allowed(copy: Path) -> None:
    """The same import in the daemon breaks no rule."""
    add_probe(copy, "daemon", "import time\n\nSTARTED_AT = time.time()")
    assert "probe" not in ruff(copy).stdout
    by_linter = lint_imports(copy).stdout
    assert "Contracts:" in by_linter
    assert "probe" not in by_linter


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("queueing", "domain"),
        ("domain", "queueing"),
        ("pacing", "compliance"),
        ("compliance", "pacing"),
        ("daemon", "simulator"),
        ("simulator", "daemon"),
        ("gateways", "storage"),
        ("leads", "config"),
        ("engine", "storage"),
        ("engine", "ports"),
        ("storage", "cli"),
        ("errors", "domain"),
    ],
)
def test_an_import_upwards_or_sideways_fails(copy: Path, importer: str, imported: str) -> None:
    """No package may import a sibling or a layer above its own."""
    if importer == "errors":
        module = copy / "dialer" / "errors.py"
        module.write_text(module.read_text(encoding="utf-8") + f"\nimport dialer.{imported}\n", encoding="utf-8")
    else:
        add_probe(copy, importer, f"import dialer.{imported}")
    result = lint_imports(copy)
    assert result.returncode == 1
    assert f"dialer.{importer} is not allowed to import dialer.{imported}" in result.stdout


def test_a_package_outside_the_layers_fails(copy: Path) -> None:
    """A new package has no place until the layers name one for it."""
    (copy / "dialer" / "helpers.py").write_text('"""A drawer for everything."""\n', encoding="utf-8")
    result = lint_imports(copy)
    assert result.returncode == 1
    assert "dialer.helpers" in result.stdout


def test_both_checks_ban_the_same_modules() -> None:
    """Ruff's ban list and import-linter's forbidden modules agree, and cover the same packages."""
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    contract = next(entry for entry in tool["importlinter"]["contracts"] if entry["id"] == "pure-core")
    banned = tool["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"]
    assert sorted(name for name in banned if "." not in name) == sorted(contract["forbidden_modules"])
    assert contract["source_modules"] == [f"dialer.{package}" for package in CORE]
    assert "!dialer/{" + ",".join(CORE) + "}/**" in tool["ruff"]["lint"]["per-file-ignores"]
