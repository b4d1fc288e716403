"""`dialer registry` as its user meets it: files in whole or not at all, ages, look-ups with masked numbers."""

import gzip
import json
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.integration.daemon_process import dialer, prepare, running
from tests.vaults import read_state

LISTED = [f"07700 900{rank:03d}" for rank in range(100, 150)]
NOW = datetime.now(UTC)


def write(folder: Path, numbers: list[str], name: str = "tps.txt") -> Path:
    """Write a register's file."""
    data = "".join(f"{number}\n" for number in numbers).encode()
    path = folder / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def bring(config: Path, path: Path, *more: str, days_ago: float = 1.0) -> "tuple[int, str, str]":
    """Import a file as the telephone preference register; give exit code and output."""
    received = (NOW - timedelta(days=days_ago)).isoformat()
    arguments = ("--registry", "gb-tps", "--received-at", received, "--config", str(config), *more)
    result = dialer("registry", "import", path, *arguments)
    return result.returncode, result.stdout, result.stderr


def test_a_register_comes_into_use(tmp_path: Path) -> None:
    """Import, list and check, in text and JSON; no number is told whole."""
    config = prepare(tmp_path)
    code, out, err = bring(config, write(tmp_path, LISTED, "tps.txt.gz"), "--version", "2026-03")
    assert code == 0, err
    assert "gb-tps 2026-03" in out
    assert "50 in 50 lines (the first copy)" in out
    assert "asked for by GB." in out
    checked = dialer("registry", "check", "+44 7700 900123", "--config", config)
    assert "gb-tps 2026-03: LISTED" in checked.stdout
    assert "900123" not in checked.stdout.replace("-", "")
    found = json.loads(dialer("registry", "check", "+44 7700 900001", "--config", config, "--json").stdout)
    assert found["registries"] == [{"registry": "gb-tps", "version": "2026-03", "is_listed": False}]
    listed = dialer("registry", "list", "--config", config).stdout
    assert "gb-tps" in listed
    assert "in use" in listed
    (row,) = json.loads(dialer("registry", "list", "--config", config, "--json").stdout)
    assert (row["numbers"], row["is_in_use"], row["rule"][:3]) == (50, True, "GB.")


def test_a_cut_file_changes_nothing(tmp_path: Path) -> None:
    """Plain or gzip: exit code 4, and the copy in use stays in use."""
    config = prepare(tmp_path)
    assert bring(config, write(tmp_path, LISTED), "--version", "1")[0] == 0
    half = write(tmp_path, LISTED, "half.txt")
    half.write_bytes(half.read_bytes()[: half.stat().st_size // 2])
    packed = write(tmp_path, LISTED, "half.txt.gz")
    packed.write_bytes(packed.read_bytes()[: packed.stat().st_size // 2])
    for path, more in (
        (half, ()),
        (half, ("--count", "50")),
        (packed, ()),
        (write(tmp_path, LISTED[:30], "few.txt"), ()),
    ):
        code, out, err = bring(config, path, *more)
        assert (code, out) == (4, "")
        assert "Nothing was imported" in err
        assert "7700" not in err
    (row,) = json.loads(dialer("registry", "list", "--all", "--config", config, "--json").stdout)
    assert (row["version"], row["is_in_use"]) == ("1", True)
    accepted = bring(config, write(tmp_path, LISTED[:30], "few.txt"), "--accept-smaller", "the register shrank")
    assert accepted[0] == 0


def test_the_age_of_a_copy_is_told(tmp_path: Path) -> None:
    """A week before its end, and after it."""
    config = prepare(tmp_path)
    path = write(tmp_path, LISTED)
    assert bring(config, path, days_ago=25.0)[0] == 0
    assert "expires in" in dialer("registry", "list", "--config", config).stdout
    other = prepare_other(tmp_path)
    assert bring(other, path, days_ago=60.0)[0] == 0
    assert "STALE" in dialer("registry", "list", "--config", other).stdout


def prepare_other(folder: Path) -> Path:
    """Another configuration, with a state of its own."""
    (folder / "other").mkdir()
    return prepare(folder / "other")


def test_wrong_usage_is_told(tmp_path: Path) -> None:
    """A time to come, words for a time, a register of no country; a misspelt register is a warning."""
    config = prepare(tmp_path)
    path = write(tmp_path, LISTED)
    common = ("--config", config, "--received-at")
    for registry, received in (("gb-tps", "2199-01-01"), ("gb-tps", "yesterday"), ("tps", "2026-01-01")):
        result = dialer("registry", "import", path, "--registry", registry, *common, received)
        assert (result.returncode, result.stdout) == (2, "")
    assert "no register was imported" in dialer("registry", "list", "--config", config).stdout
    result = dialer("registry", "import", path, "--registry", "gb-tsp", *common, "2026-01-01")
    assert "no rule asks for gb-tsp: rules ask for" in result.stdout


def test_a_running_daemon_takes_a_copy_into_use(tmp_path: Path) -> None:
    """It is told, and its journal says so; at its start it tells which copies grow old."""
    config = prepare(tmp_path, speed=1.0)
    path = write(tmp_path, LISTED)
    received = "2026-02-12T12:00:00Z"  # 26 days before the daemon's clock
    arguments = ("--registry", "gb-tps", "--received-at", received, "--config", config)
    assert dialer("registry", "import", path, *arguments, "--version", "1").returncode == 0
    with running(config) as daemon:
        (line,) = [entry for entry in daemon.log if entry["event"] == "registry expires"]
        assert (line["registry"], line["version"], line["days_left"]) == ("gb-tps", "1", 2.0)
        assert dialer("registry", "import", path, *arguments, "--version", "2").returncode == 0
        daemon.signal(signal.SIGTERM)
        assert daemon.wait_end() == 0
    with read_state(tmp_path / "state") as store:
        events = [entry.event for entry in store.entries()]
        loaded = [event.copy.version for event in events if type(event).__name__ == "RegistryLoaded"]  # type: ignore[union-attr]
    assert loaded == ["1", "2"]
