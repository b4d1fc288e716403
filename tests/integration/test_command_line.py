"""The command line as a whole: help, version, exit codes, and no traceback where none belongs."""

import os
import signal
import subprocess
from pathlib import Path

from tests.integration.daemon_process import DIALER, dialer, prepare

COMMANDS = ("demo", "simulate", "check", "leads", "run", "status", "campaign", "report")


def test_help_names_every_command_and_exit_code() -> None:
    """`dialer --help` lists all commands and what the exit codes mean."""
    result = dialer("--help", COLUMNS="120")
    assert result.returncode == 0
    assert all(f" {command} " in result.stdout for command in COMMANDS)
    for code in ("0 done", "3 a configuration", "6 no daemon", "70 a fault", "130 interrupted"):
        assert code in " ".join(result.stdout.split())


def test_every_command_has_help() -> None:
    """Each command explains itself."""
    for command in COMMANDS:
        result = dialer(command, "--help")
        assert result.returncode == 0, command
        assert "Usage: dialer" in result.stdout


def test_help_loads_no_heavy_package() -> None:
    """The composition root imports neither numpy, scipy, pydantic nor the database before a command runs."""
    code = "import sys, dialer.cli.main; print(sorted({name.split('.')[0] for name in sys.modules}))"
    python = DIALER.parent / "python"
    modules = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not [name for name in ("numpy", "scipy", "pydantic", "sqlalchemy", "structlog") if f"'{name}'" in modules]


def test_the_version_is_the_packages() -> None:
    """`--version` prints name and version."""
    assert dialer("--version").stdout.startswith("dialer 0.")


def test_wrong_usage_has_exit_code_2() -> None:
    """An unknown command, an unknown option and a missing argument."""
    for arguments in (("fly",), ("status", "--loud"), ("campaign", "show")):
        result = dialer(*arguments)
        assert result.returncode == 2
        assert "Traceback" not in result.stderr


def test_an_error_is_one_message_and_its_exit_code(tmp_path: Path) -> None:
    """A missing configuration file: exit code 3 and a line on stderr that names it."""
    result = dialer("run", "--config", tmp_path / "no.toml")
    assert result.returncode == 3
    assert result.stderr.startswith("dialer: error: ")
    assert "no.toml" in result.stderr
    assert result.stdout == ""


def test_an_interrupt_has_exit_code_130(tmp_path: Path) -> None:
    """Ctrl-C during a long simulation ends it without a traceback."""
    prepare(tmp_path)
    campaign = tmp_path / "campaigns" / "survey.toml"
    arguments = ["simulate", campaign, "--agents", "20", "--hours", "10", "--runs", "50", "--seed", "1"]
    journal = tmp_path / "journal"
    process = subprocess.Popen(
        [DIALER, *arguments, "--journal", journal], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    try:
        while not journal.exists() and process.poll() is None:
            os.sched_yield()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, errors
    assert "Traceback" not in errors


def test_a_reader_who_leaves_early_is_no_error(tmp_path: Path) -> None:
    """`dialer ... | head -0` ends quietly."""
    config = prepare(tmp_path)
    pipe = subprocess.run(
        ["bash", "-c", f"{DIALER} check {config} {tmp_path}/campaigns/survey.toml --json | true"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert pipe.stderr == ""
