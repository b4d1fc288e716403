"""The commands of the Makefile: listed, documented, and cheap to repeat."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
STAND_IN = "#!/bin/sh\necho stand-in installs\ntouch .venv/.installed\n"


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make in a folder, free of the flags of a make that may run this test."""
    environment = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the Makefile and what `make setup` depends on, its installer replaced by a stand-in."""
    for name in ("Makefile", "constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "scripts").mkdir()
    (tmp_path / ".venv").mkdir()
    script = tmp_path / "scripts" / "setup.sh"
    script.write_text(STAND_IN, encoding="utf-8")
    script.chmod(0o755)
    return tmp_path


def test_make_alone_lists_every_target() -> None:
    """`make` prints each target with its one line, and nothing else."""
    targets = re.findall(r"^\.PHONY: (\S+)$", MAKEFILE, flags=re.MULTILINE)
    result = make(ROOT)
    assert result.returncode == 0
    listed = [line.split(maxsplit=2) for line in result.stdout.splitlines()]
    assert [words[:2] for words in listed] == [["make", target] for target in targets]
    assert all(len(words) == 3 for words in listed)


def test_setup_installs_once_until_the_pins_change(folder: Path) -> None:
    """The second `make setup` does nothing; changed pins or a changed declaration install again."""
    assert "stand-in installs" in make(folder, "setup").stdout
    stamp_s = (folder / ".venv" / ".installed").stat().st_mtime
    assert "stand-in installs" not in make(folder, "setup").stdout
    for name in ("constraints.txt", "pyproject.toml"):
        os.utime(folder / name, (stamp_s + 5, stamp_s + 5))
        assert "stand-in installs" in make(folder, "setup").stdout
        os.utime(folder / name, (stamp_s - 5, stamp_s - 5))


def test_a_failed_install_is_tried_again(folder: Path) -> None:
    """When the installer fails, make fails, and the next run starts it anew."""
    script = folder / "scripts" / "setup.sh"
    script.write_text("#!/bin/sh\necho no network\nexit 1\n", encoding="utf-8")
    assert make(folder, "setup").returncode != 0
    assert "no network" in make(folder, "setup").stdout


def test_an_own_configuration_is_made_once_and_kept(folder: Path) -> None:
    """`make config.toml` copies the example and says so; an existing file stays as it is."""
    (folder / "config.example.toml").write_text("# example\n", encoding="utf-8")
    assert "copying config.example.toml" in make(folder, "config.toml").stdout
    (folder / "config.toml").write_text("# mine\n", encoding="utf-8")
    make(folder, "config.toml")
    assert (folder / "config.toml").read_text(encoding="utf-8") == "# mine\n"


def test_continuous_integration_runs_the_two_documented_commands() -> None:
    """.ci/run stops at the first failure and calls `make test` and `make check`, nothing else."""
    path = ROOT / ".ci" / "run"
    assert path.read_text(encoding="utf-8").splitlines()[1:] == [
        "set -eu",
        'cd "$(dirname "$0")/.."',
        "make test",
        "make check",
    ]
    assert os.access(path, os.X_OK)


def stub(folder: Path, name: str, source: str) -> None:
    """Put a small shell program into a folder."""
    (folder / name).write_text(f"#!/bin/bash\n{source}\n", encoding="utf-8")
    (folder / name).chmod(0o755)


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A machine without Python: a folder of programs where apt-get is a stand-in that brings one."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("bash", "env", "dirname", "grep", "rm", "touch", "mkdir", "cp", "chmod", "cat"):
        found = shutil.which(name)
        assert found is not None
        (programs / name).symlink_to(found)
    stub(programs, "id", "echo 0")
    # The interpreter that arrives makes a .venv whose python is a copy of itself and records what it is asked.
    python = (
        f'echo "$*" >> {tmp_path}/asked; '
        'if [ "$1" = -m ] && [ "$2" = venv ]; then mkdir -p "$4/bin"; cp "$0" "$4/bin/python"; fi; exit 0'
    )
    stub(programs, "python3.new", python)
    stub(
        programs,
        "apt-get",
        f'echo "$DEBIAN_FRONTEND $*" >> {tmp_path}/apt; cp {programs}/python3.new {programs}/python3',
    )
    (tmp_path / "project" / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "setup.sh", tmp_path / "project" / "scripts")
    shutil.copy(ROOT / "constraints.txt", tmp_path / "project")
    return tmp_path


def run_setup(bare: Path) -> subprocess.CompletedProcess[str]:
    """Run the installer with the bare machine's programs only."""
    command = ["bash", "scripts/setup.sh"]
    environment = {"PATH": str(bare / "bin")}
    return subprocess.run(command, cwd=bare / "project", env=environment, capture_output=True, text=True, check=False)


def test_a_missing_python_is_installed_and_said(bare: Path) -> None:
    """Without Python the installer prints which system packages it installs, asks nothing, and goes on."""
    result = run_setup(bare)
    assert result.returncode == 0, result.stderr
    assert "installing the system packages python3 and python3-venv" in result.stdout
    asked_of_apt = (bare / "apt").read_text(encoding="utf-8").splitlines()
    assert [line.split()[0] for line in asked_of_apt] == ["noninteractive", "noninteractive"]
    assert "--require-hashes" in (bare / "asked").read_text(encoding="utf-8")
    assert (bare / "project" / ".venv" / ".installed").exists()


def test_a_present_python_leaves_the_system_alone(bare: Path) -> None:
    """With a Python that can make virtual environments apt-get is never called."""
    shutil.copy(bare / "bin" / "python3.new", bare / "bin" / "python3")
    assert run_setup(bare).returncode == 0
    assert not (bare / "apt").exists()


def test_no_python_and_no_way_to_get_one_is_said(bare: Path) -> None:
    """Where neither Python nor apt-get exists the installer fails and says what to do."""
    (bare / "bin" / "apt-get").unlink()
    result = run_setup(bare)
    assert result.returncode == 1
    assert "install it, then run make again" in result.stderr
