"""The dialer killed after every journal entry of a half day, before and after that entry's orders left.

`make soak` tries every entry; `make test` a sample of them, evenly spread. Each run begins on a fresh database and goes
on to the evening after its kill.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from dialer.storage.sqlite import SqliteDatabase
from tests.recovery.driven import driven
from tests.recovery.shift import OUTAGES_S, STANDS, Kill, Shift, jumped, killed, without_kill

SAMPLE = 10
"""Entries at which `make test` kills, each twice."""
DRIVEN_SAMPLE = 12
"""Commits at which `make test` kills the daemon's own driver."""
SHARES = 2
"""The day is tried in so many parts, which may run beside each other."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory where there is one: nothing here asks whether a sync reaches a disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


def kills(day: Shift) -> list[Kill]:
    """Every kill of a day, or a sample, in which everything that stood on the floor is met."""
    if settings.get_current_profile_name() == "soak":
        entries = list(range(1, day.seq))
    else:
        spread = range(1, day.seq, max(1, day.seq // SAMPLE))
        entries = sorted({*spread, *(day.stood[each][len(day.stood[each]) // 2] for each in STANDS)})
    return [
        Kill(seq=seq, has_acted=has_acted, outage_s=OUTAGES_S[(rank + has_acted) % len(OUTAGES_S)])
        for rank, seq in enumerate(entries)
        for has_acted in (False, True)
    ]


@pytest.mark.parametrize("share", range(SHARES))
def test_a_kill_at_any_journal_entry_loses_nothing(
    share: int, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody is called twice within a window, no fact is lost, and every person who answered is accounted for."""
    day = without_kill(SqliteDatabase(folder / "quiet.db"))
    survived = 0
    for rank, kill in enumerate(kills(day)[share::SHARES]):
        try:
            killed(SqliteDatabase(folder / f"day_{rank}.db"), kill)
        except Exception as error:
            raise AssertionError(f"after {kill}: {error}") from error
        survived += 1
        for file in folder.glob(f"day_{rank}.*"):
            file.unlink()
    with capsys.disabled():
        print(f"\nkills survived: {survived} of a day of {day.seq - 1} journal entries (part {share + 1} of {SHARES})")


def test_the_day_holds_calls_in_every_state(folder: Path) -> None:
    """Never sent, ringing, waiting for an agent, with one, hearing the message; agents in each state; promises."""
    day = without_kill(SqliteDatabase(folder / "quiet.db"))
    assert [each for each in STANDS if each not in day.stood] == []
    sample = {kill.seq for kill in kills(day)}
    assert all(sample & set(day.stood[each]) for each in STANDS)


def test_a_clock_that_jumps_while_calls_are_up_loses_nothing(folder: Path) -> None:
    """An hour passes at once: what waited is abandoned, what was silent is unknown, and all of it is counted."""
    last_seq = without_kill(SqliteDatabase(folder / "quiet.db")).seq - 1
    step = last_seq // (SAMPLE if settings.get_current_profile_name() == "soak" else 5)
    for seq in range(step // 2, last_seq, step):
        jumped(SqliteDatabase(folder / f"jump_{seq}.db"), seq)


def test_the_daemons_own_driver_loses_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Killed once a batch is durable, before its orders leave or after: driver, thread and threshold are real."""
    batches = driven(SqliteDatabase(folder / "quiet.db"), folder / "log")
    step = 1 if settings.get_current_profile_name() == "soak" else batches // DRIVEN_SAMPLE
    survived = 0
    for rank, batch in enumerate(range(1, batches, step)):
        kill = Kill(seq=batch, has_acted=bool(rank % 2), outage_s=OUTAGES_S[rank // 2 % len(OUTAGES_S)])
        try:
            driven(SqliteDatabase(folder / f"day_{rank}.db"), folder / "log", kill)
        except Exception as error:
            raise AssertionError(f"after batch {kill}: {error}") from error
        survived += 1
        for file in folder.glob(f"day_{rank}.*"):
            file.unlink()
    with capsys.disabled():
        print(f"\nkills survived: {survived} of the daemon's driver in a day of {batches} commits")
