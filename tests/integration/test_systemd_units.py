"""The systemd units as systemd itself sees them, where they are put, and the exit codes they rest on."""

import configparser
import os
import re
import sqlite3
import subprocess
from pathlib import Path

import pytest

from dialer.errors import ConfigError, DatabaseUnfit, DialerError, KeysError, LeaseLost, ListError, UsageError
from tests.integration.daemon_process import dialer, prepare

ROOT = Path(__file__).resolve().parents[2]
UNITS = {"dialer.service": "dialer.service", "dialer-gateway@.service": "dialer-gateway@north.service"}
ALL = UNITS | {"dialer-upgrade.service": "dialer-upgrade.service"}
FOLDER = "usr/local/lib/systemd/system"


def systemd_analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the real systemd-analyze, unpacked where this machine has none."""
    command = [ROOT / "scripts" / "systemd.sh", "systemd-analyze", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)


def install(**environ: str) -> subprocess.CompletedProcess[str]:
    """Run `make install-systemd`."""
    env = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    return subprocess.run(
        ["make", "install-systemd"], cwd=ROOT, env=env | environ, capture_output=True, text=True, check=False
    )


def settings_of(unit: str) -> dict[str, list[str]]:
    """The [Service] settings of a unit; one that is given several times has several values."""
    settings: dict[str, list[str]] = {}
    for line in (ROOT / "deploy" / unit).read_text(encoding="utf-8").split("[Service]")[1].splitlines():
        key, is_setting, value = line.partition("=")
        if is_setting and not line.startswith("#"):
            settings.setdefault(key, []).append(value)
    return settings


@pytest.mark.parametrize("unit", ALL)
def test_a_unit_is_hardened(unit: str) -> None:
    """systemd's own exposure of the unit is 2.0 or better."""
    result = systemd_analyze("security", "--offline=yes", "--threshold=20", ROOT / "deploy" / unit)
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", result.stdout)
    assert found is not None, result.stdout + result.stderr
    assert float(found[1]) <= 2.0
    assert result.returncode == 0


def test_units_are_installed_for_this_folder(tmp_path: Path) -> None:
    """Below DESTDIR they name this folder's dialer, systemd has nothing to say about them, and a second run is as good.

    A configuration that is there stays as it is.
    """
    done = install(DESTDIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    units = [tmp_path / FOLDER / name for name in ALL]
    assert all(f"ExecStart={ROOT}/.venv/bin/dialer " in unit.read_text(encoding="utf-8") for unit in units)
    config = tmp_path / "etc" / "dialer" / "config.toml"
    assert config.stat().st_mode & 0o777 == 0o640
    config.write_text("# mine\n", encoding="utf-8")
    assert install(DESTDIR=str(tmp_path)).returncode == 0
    assert config.read_text(encoding="utf-8") == "# mine\n"
    verified = systemd_analyze("verify", *(tmp_path / FOLDER / name for name in ALL.values()))
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


def test_a_dry_run_only_talks(tmp_path: Path) -> None:
    """DRY_RUN names every file, folder and command, and makes none."""
    done = install(DESTDIR=str(tmp_path), DRY_RUN="1")
    assert done.returncode == 0, done.stderr
    assert f"would write {tmp_path}/{FOLDER}/dialer.service" in done.stdout
    assert f"install -d -m 700 {tmp_path}/var/lib/dialer" in done.stdout
    assert list(tmp_path.iterdir()) == []
    assert "would run: systemctl daemon-reload" in install(DRY_RUN="1").stdout


def test_an_upgrade_puts_only_its_own_unit_in_place_before_its_checks() -> None:
    """The daemon's own unit is replaced by the upgrade's second step, when the database is upgraded."""
    env = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    command = ["make", "upgrade", "DRY_RUN=1"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "would run: systemctl start dialer-upgrade.service" in done.stdout
    written = re.findall(rf"would write /{FOLDER}/(\S+)", done.stderr)
    assert written == ["dialer-upgrade.service"]
    steps = settings_of("dialer-upgrade.service")["ExecStart"]
    assert steps.index("+/opt/dialer/scripts/install-systemd.sh") == 1


def test_the_shipped_configuration_fits_the_units_folders() -> None:
    """State, socket and campaigns lie in folders that the unit makes writable for the daemon."""
    unit = settings_of("dialer.service")
    text = (ROOT / "deploy" / "config.toml").read_text(encoding="utf-8")
    for key, folder in (("state_dir", "/var/lib/"), ("control_socket", "/run/"), ("campaigns_dir", "/var/lib/")):
        value = re.search(rf'^{key} = "(.*)"$', text, flags=re.MULTILINE)
        assert value is not None
        assert value[1].startswith(folder + "dialer")
    assert unit["StateDirectory"] == unit["RuntimeDirectory"] == unit["LogsDirectory"] == ["dialer"]
    assert float(unit["TimeoutStopSec"][0]) >= 60.0 + 15.0  # the default of drain_timeout_s, and what its end takes


def test_what_only_a_person_can_mend_is_not_tried_again() -> None:
    """The exit codes of faults that stay are those that prevent a restart; those that pass restart for ever."""
    lasting: list[type[DialerError]] = [UsageError, ConfigError, ListError, KeysError, DatabaseUnfit]
    unit = settings_of("dialer.service")
    assert sorted(map(int, unit["RestartPreventExitStatus"][0].split())) == sorted(each.exit_code for each in lasting)
    assert str(LeaseLost.exit_code) not in unit["RestartPreventExitStatus"][0].split()
    for name in UNITS:
        assert settings_of(name)["Restart"] == ["on-failure"]
        parsed = configparser.ConfigParser(strict=False, interpolation=None)
        parsed.read(ROOT / "deploy" / name, encoding="utf-8")
        assert parsed["Unit"]["StartLimitIntervalSec"] == "0"


def test_a_database_of_a_newer_version_ends_the_daemon_for_good(tmp_path: Path) -> None:
    """Its exit code is the one that systemd does not restart after."""
    config = prepare(tmp_path)
    state = tmp_path / "state"
    state.mkdir()
    with sqlite3.connect(state / "dialer.db") as database:
        database.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID")
        database.execute("INSERT INTO meta VALUES ('schema_version', 99)")
    database.close()
    ended = dialer("run", "--config", config)
    assert ended.returncode == DatabaseUnfit.exit_code, ended.stderr
    assert "newer dialer" in ended.stderr
