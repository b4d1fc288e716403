"""Who may see whole numbers, and which reasons are good enough to be kept."""

import os
import pwd
import stat
import threading
from pathlib import Path

import pytest

from dialer.cli.access import checked_reason, may_view, os_groups, os_user, written_whole
from dialer.errors import UsageError


def test_the_user_is_the_one_of_the_process() -> None:
    """The kernel's word counts, not a variable of the environment."""
    assert os_user() == pwd.getpwuid(os.getuid()).pw_name
    assert len(os_groups()) >= 1


@pytest.mark.parametrize(
    ("full_view", "is_allowed"),
    [
        ((), False),
        (("dpo",), True),
        (("dp",), False),
        (("privacy",), False),
        (("@privacy",), True),
        (("@dpo",), False),
        (("other", "@privacy"), True),
        (("@",), False),
    ],
)
def test_users_go_by_name_and_groups_with_an_at(full_view: tuple[str, ...], is_allowed: bool) -> None:
    """A user's name is no group's, and a group's is no user's."""
    assert may_view(full_view, "dpo", frozenset({"dpo-staff", "privacy"})) is is_allowed


@pytest.mark.parametrize(
    "reason",
    [
        "complaint of 2026-11-27 10:30",
        "ticket 4711",
        "CASE-20261127001",
        "request #20261127001",
        "Art. 15 GDPR, letter of 2026-11-27",
        "court order 12 O 345/26",
    ],
)
def test_a_reason_with_words_is_kept(reason: str) -> None:
    """Dates, tickets and file numbers are no telephone numbers."""
    assert checked_reason(f"  {reason}\n", "x") == reason


@pytest.mark.parametrize("reason", ["", "  ", "\n\t"])
def test_a_reason_that_says_nothing_is_refused(reason: str) -> None:
    """Blanks are no reason."""
    with pytest.raises(UsageError, match="--reason"):
        checked_reason(reason, "x")


@pytest.mark.parametrize(
    "reason", ["asked by +447700900123", "caller 07700 900123", "(202) 555-0123 asked", "202-555-0123"]
)
def test_a_reason_with_a_number_is_refused(reason: str) -> None:
    """The evidence names nobody, and it cannot be changed afterwards."""
    with pytest.raises(UsageError, match="telephone number"):
        checked_reason(reason, "x")


def test_what_is_taken_out_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Whatever stood there, or lay in wait beside it, with whatever mode."""
    path, part, trap = tmp_path / "out", tmp_path / "out.part", tmp_path / "trap"
    path.touch(mode=0o666)
    part.symlink_to(trap)
    with written_whole(path) as out:
        out.write(b"whole numbers")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"whole numbers", 0o600)
    assert not trap.exists()
    assert not part.exists()


def test_a_pipe_or_device_is_written_to_and_stays(tmp_path: Path) -> None:
    """`--output /dev/stdout`, asked for by root, must not put a file in the place of the device."""
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    with written_whole(pipe) as out:
        out.write(b"abc")
    reader.join()
    assert got == [b"abc"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_folder_is_no_place_for_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By name, or as the one where the command runs."""
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path, Path(".")):
        with pytest.raises(UsageError, match="expected a file, found a folder"), written_whole(path):
            pass
