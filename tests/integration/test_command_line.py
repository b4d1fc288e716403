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


def test_a_command_calculates_in_one_thread() -> None:
    """Unless the environment says otherwise; a decision's small matrices are no work for two."""
    python = DIALER.parent / "python"
    code = (
        "import atexit, os; atexit.register(lambda: print('threads', os.environ['OPENBLAS_NUM_THREADS']));"
        "from dialer.cli.main import app; app(['demo', '--help'])"
    )
    plain = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    for environment, threads in ((plain, "1"), (plain | {"OPENBLAS_NUM_THREADS": "3"}, "3")):
        done = subprocess.run([python, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert f"threads {threads}\n" in done.stdout


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
        [DIALER, *arguments, "--journal", journal],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        # A shell's background job, in which these tests may run, ignores the signal and hands that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
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


def test_closed_streams_are_no_error(tmp_path: Path) -> None:
    """A caller that closes standard streams gets the command's work and exit code, not a fault."""
    config = prepare(tmp_path)
    command = f"{DIALER} leads import {tmp_path}/campaigns/list.csv --campaign survey -c {config} <&- >&- 2>&-"
    for text, code in ((command, 0), (f"{DIALER} check {tmp_path}/absent.toml <&- >&- 2>&-", 3)):
        done = subprocess.run(["bash", "-c", text], check=False, timeout=60)
        assert done.returncode == code
    assert not (tmp_path / "campaigns" / "list.csv.rejects.csv").exists()


def test_sigterm_during_an_import_leaves_nothing_behind(tmp_path: Path) -> None:
    """The half-written file of rejects holds full numbers: it goes, and nothing is loaded."""
    config = prepare(tmp_path)
    long_list = tmp_path / "long.csv"
    long_list.write_text("name,phone\n" + "Person,07700 900123\n" * 100_000, encoding="utf-8")
    command = [DIALER, "leads", "import", long_list, "--campaign", "survey", "--config", config]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        assert process.stderr is not None
        assert "10%" in process.stderr.readline()
        assert list(tmp_path.glob(".long.csv.rejects*"))
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 143, errors
    assert list(tmp_path.glob(".long.csv.rejects*")) == []
    assert "Traceback" not in errors
