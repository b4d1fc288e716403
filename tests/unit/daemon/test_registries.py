"""Bringing in a register: whole or not at all; and a copy's age, told in time."""

import asyncio
import gzip
import io
import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from dialer.daemon.clock import ScaledClock
from dialer.daemon.logs import make_logger
from dialer.daemon.registries import DAY_S, Arrival, RegistryReport, good_until, import_registry, tell_ages, watch_ages
from dialer.domain.standing import RegistryCopy
from dialer.errors import DatabaseLost, DialerError, ListError, UsageError
from dialer.storage.postgres import PostgresDatabase
from dialer.storage.sqlite import SqliteDatabase
from dialer.storage.store import Store
from tests.laws import law, registry_rule, ruleset
from tests.unit.storage.builders import VAULT
from tests.unit.storage.people import register

NOW = datetime.fromisoformat("2026-03-10T12:00:00+00:00").timestamp()
ARRIVAL = Arrival(registry="kr-donotcall", received_at=NOW - 3600.0, who="amy")
LISTED = [f"010-0000-{rank:04d}" for rank in range(20)]


def open_store(folder: Path) -> Store:
    """The database of a test."""
    return Store(SqliteDatabase(folder / "dialer.db"), VAULT)


def write(folder: Path, numbers: list[str], name: str = "r.txt") -> Path:
    """Write a file with one number a line."""
    data = "".join(f"{number}\n" for number in numbers).encode()
    path = folder / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def bring(folder: Path, path: Path, now: float = NOW, **said: Any) -> RegistryReport:
    """Import a file."""
    with open_store(folder) as store:
        return import_registry(path, replace(ARRIVAL, **said), store, now)


def state(folder: Path) -> tuple[list[str], list[str]]:
    """What is in use, and which files there are."""
    with open_store(folder) as store:
        copies = [f"{copy.registry} {copy.version} {copy.numbers}" for copy in store.registry_copies()]
    files = sorted(path.name for path in folder.glob("registries/*"))
    return copies, files


def test_a_file_comes_into_use(tmp_path: Path) -> None:
    """With its digest, when it came, who brought it, and how many different numbers it has."""
    report = bring(tmp_path, write(tmp_path, [*LISTED, LISTED[0]]), version="2026-03")
    assert (report.lines, report.numbers, report.before) == (21, 20, None)
    with open_store(tmp_path) as store:
        (kept,) = store.copies_in_use()
        assert (kept.copy.version, kept.copy.received_at, kept.imported_at) == ("2026-03", NOW - 3600.0, NOW)
        assert (kept.copy.digest, kept.lines, kept.who) == (report.digest, 21, "amy")
        assert store.is_listed(kept, "+821000000000")
        assert not store.is_listed(kept, "+821000000020")


def test_a_version_is_made_from_day_and_digest(tmp_path: Path) -> None:
    """So that two files never share one."""
    report = bring(tmp_path, write(tmp_path, LISTED, "r.txt.gz"))
    assert report.version == f"2026-03-10-{report.digest[:8]}"


def test_the_same_file_again_changes_nothing(tmp_path: Path) -> None:
    """Received later, it is a newer copy; under the same version it is the one that is there."""
    path = write(tmp_path, LISTED)
    first = bring(tmp_path, path)
    assert bring(tmp_path, path).is_unchanged
    assert len(state(tmp_path)[1]) == 1
    later = bring(tmp_path, path, NOW + 30 * DAY_S, received_at=NOW + 29 * DAY_S)
    assert later.version != first.version
    assert not later.is_unchanged


BROKEN: list[tuple[str, dict[str, Any], str]] = [
    ("cut.gz", {}, "cut short"),
    ("half.txt", {}, "the last line does not end"),
    ("half.txt", {"count": 20}, "expected 20 numbers, found 10"),
    ("words.txt", {}, "expected one telephone number of KR"),
    ("small.txt", {}, r"17 numbers, and the copy in use has 20.*--accept-smaller"),
    ("good.txt", {"count": 19}, "expected 19 numbers, found 20"),
    ("good.txt", {"received_at": NOW - 3 * DAY_S}, "before the copy in use"),
    ("good.txt", {"version": "1"}, "version 1 of kr-donotcall is there already, from another file"),
    ("good.txt", {"received_at": NOW + 1.0}, "expected an instant of the past"),
    ("good.txt", {"registry": "donotcall"}, "expected a country's code and a name"),
    ("good.txt", {"version": "../x"}, "--version"),
    ("good.txt", {"column": "number"}, "this has no headings"),
    ("none.txt", {}, "cannot be read"),
]


@pytest.mark.parametrize(("name", "said", "found"), BROKEN)
def test_a_file_that_may_not_be_whole_changes_nothing(
    tmp_path: Path, name: str, said: dict[str, Any], found: str
) -> None:
    """Cut, miscounted, not numbers, far smaller than before, or not what is said of it: the copy in use stays."""
    with open_store(tmp_path) as store:
        numbers = [f"+8210{rank:08d}" for rank in range(20)]
        register(store, "kr-donotcall", numbers, imported_at=NOW - 2 * DAY_S)
    write(tmp_path, LISTED, "good.txt")
    write(tmp_path, LISTED[:17], "small.txt")
    write(tmp_path, [*LISTED, "no number"], "words.txt")
    whole = "".join(f"{number}\n" for number in LISTED)
    (tmp_path / "half.txt").write_text(whole[: len(whole) // 2 - 1], encoding="utf-8")
    (tmp_path / "cut.gz").write_bytes(gzip.compress(whole.encode())[:-9])
    before = state(tmp_path)
    with pytest.raises((ListError, UsageError), match=found) as caught:
        bring(tmp_path, tmp_path / name, **said)
    assert state(tmp_path) == before
    assert "0000-00" not in str(caught.value)


def test_a_smaller_file_is_taken_with_a_reason(tmp_path: Path) -> None:
    """Which is kept with the copy."""
    bring(tmp_path, write(tmp_path, LISTED))
    path = write(tmp_path, LISTED[:5], "s.txt")
    bring(tmp_path, path, smaller_because="the register was cleaned up")
    with open_store(tmp_path) as store:
        assert store.copies_in_use()[0].reason == "the register was cleaned up"


def test_an_error_in_the_middle_leaves_no_file(tmp_path: Path) -> None:
    """Where the folder of copies cannot be written, nothing is in use."""
    (tmp_path / "registries").write_text("in the way", encoding="utf-8")
    with pytest.raises(DialerError, match="cannot be written"):
        bring(tmp_path, write(tmp_path, LISTED))
    with open_store(tmp_path) as store:
        assert store.registry_copies() == ()


# ---------------------------------------------------------------------------------------------- age
COPY = RegistryCopy(registry="kr-donotcall", version="1", digest="", received_at=NOW, numbers=1)
LAW = law(
    ruleset(
        "KR",
        registry_rule("kr-donotcall", "KR.registry", max_age_days=31),
        registry_rule("kr-donotcall", "KR.registry.finance", max_age_days=20),
        registry_rule("kr-other", "KR.registry.other", max_age_days=1),
        registry_rule("kr-donotcall", "KR.registry.ever", max_age_days=None),
    )
)


def told(copy: RegistryCopy, now: float) -> list[dict[str, Any]]:
    """The log lines about a copy."""
    out = io.StringIO()
    tell_ages(LAW, [copy], now, make_logger("info", "json", stream=out))
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_copy_is_good_for_as_long_as_the_strictest_rule_says() -> None:
    """Rules of other registers and rules without a limit aside; without any rule there is no end."""
    end = good_until(LAW, COPY)
    assert end is not None
    assert (end[0], end[1].rule_id) == (NOW + 20 * DAY_S, "KR.registry.finance")
    assert good_until(LAW, replace(COPY, registry="kr-unknown")) is None


def test_a_week_before_its_end_it_is_said() -> None:
    """Not earlier; with the days that are left, the rule, and what to do."""
    assert told(COPY, NOW + 13 * DAY_S - 1.0) == []
    (line,) = told(COPY, NOW + 14 * DAY_S)
    assert (line["event"], line["registry"], line["days_left"]) == ("registry expires", "kr-donotcall", 6.0)
    assert (line["rule"], line["until"]) == ("KR.registry.finance", "2026-03-30T12:00:00+00:00")
    assert line["todo"] == "import a newer copy"


def test_a_stale_copy_is_a_warning() -> None:
    """From the instant of its end on."""
    (line,) = told(COPY, NOW + 20 * DAY_S)
    assert (line["event"], line["level"]) == ("registry stale", "warning")


def test_ages_are_told_at_the_start_and_daily(tmp_path: Path) -> None:
    """For as long as the daemon runs, by its clock."""
    out = io.StringIO()

    async def run() -> None:
        with open_store(tmp_path) as store:
            register(store, "kr-donotcall", [], imported_at=NOW)
            clock = ScaledClock(speed=1e6, start_at=NOW + 14 * DAY_S)
            watch = asyncio.create_task(watch_ages(lambda: LAW, store, clock, make_logger("info", "json", stream=out)))
            await clock.sleep_until(NOW + 16.5 * DAY_S)
            watch.cancel()

    asyncio.run(run())
    days = [json.loads(line)["days_left"] for line in out.getvalue().splitlines()]
    assert days[0] == 6.0
    assert len(days) == 3


def test_a_copy_that_another_machine_brought_is_missed_until_it_is_here(postgres_address: str, tmp_path: Path) -> None:
    """Who looks into it is told to try again; the same import here brings the file, and changes nothing else."""
    path = write(tmp_path, LISTED)
    here, there = (PostgresDatabase(postgres_address, tmp_path / name) for name in ("here", "there"))
    with Store(here, VAULT) as one, Store(there, VAULT) as other:
        import_registry(path, ARRIVAL, one, NOW)
        (kept,) = other.copies_in_use()
        with pytest.raises(DatabaseLost, match="is not on this one: import it here, too"):
            other.is_listed(kept, "+821000000000")
        assert import_registry(path, ARRIVAL, other, NOW).is_unchanged
        assert other.is_listed(kept, "+821000000000")
        assert other.copies_in_use() == [kept]
