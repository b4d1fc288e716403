"""Journals of every version can be read for ever: `tests/golden/journals` keeps one of everything that each wrote.

Versions 1 and 2 were written by the dialers of those versions. `tests/golden/journal_values.py` says how the files of a
new version come about.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from dialer.domain.commands import RecordDecision
from dialer.errors import StorageError
from dialer.storage.codec import Entry, decode_entry, encode_entry, to_object
from dialer.storage.upcasters import STEPS, VERSION, upcast
from tests.golden.journal_values import AT, COMMANDS, EVENTS, FOLDER, described, journal, values

VERSIONS = range(1, VERSION + 1)


def lines(version: int) -> list[bytes]:
    """The entries that a version wrote."""
    return (FOLDER / f"version_{version}.jsonl").read_bytes().splitlines()


def lost(old: Any, new: Any, place: str = "") -> Iterator[str]:
    """Name every value of an old object that the new one does not have at the same place."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key, value in old.items():
            yield from lost(value, new.get(key), f"{place}.{key}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for rank, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from lost(one, other, f"{place}[{rank}]")
    elif old != new:
        yield f"{place}: {old!r} became {new!r}"


def as_read(entry: Entry) -> dict[str, Any]:
    """An entry as a JSON object of today."""
    event = None if entry.event is None else to_object(entry.event)
    return {"seq": entry.seq, "at": entry.at, "event": event, "commands": [to_object(each) for each in entry.commands]}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_journal_of_every_version_can_be_read(version: int) -> None:
    """Each entry decodes, and says all that was written in it."""
    kinds: set[type] = set()
    for seq, line in enumerate(lines(version), start=1):
        entry = decode_entry(line)
        written = json.loads(line)
        assert written.pop("version", None) == (version if version >= 3 else None)
        assert list(lost(written, as_read(entry))) == []
        assert (entry.seq, entry.at) == (seq, AT + seq)
        kinds.update(type(each) for each in (entry.event, *entry.commands) if each is not None)
    assert kinds <= {*EVENTS, *COMMANDS}
    assert len(kinds) >= 29  # of which version 1 had so many
    assert version < VERSION or kinds == {*EVENTS, *COMMANDS}


def test_what_a_version_did_not_say_has_a_known_value() -> None:
    """A decision of version 1 was allowed what it started, and nothing ran up."""
    found = [each for each in decode_entry(lines(1)[-1]).commands if isinstance(each, RecordDecision)]
    decision = found[0].decision
    assert (decision.allowed, decision.runner_up, decision.runner_up_calls) == (decision.calls, "", 0)
    assert decision.terms == (("ratio", 1.5), ("gap", float("inf")))


def test_the_version_that_is_written_is_the_last_one_kept() -> None:
    """The golden file of this version has the bytes that are written today, and the values they were made from."""
    assert journal(encode_entry).splitlines() == lines(VERSION)
    for line, (event, commands) in zip(lines(VERSION), values(), strict=True):
        entry = decode_entry(line)
        assert (entry.event, entry.commands) == (event, commands)
        assert encode_entry(entry.seq, entry.at, event, commands) == line


def test_no_class_that_travels_changes_without_a_new_version() -> None:
    """The fields, types, defaults and words of all events and commands are those of the version on record.

    When this fails, a journal would be written that the version's name does not tell: raise VERSION in
    dialer/storage/upcasters.py, add the step, run `python -m tests.golden.journal_values`, and keep all files.
    """
    assert described() == (FOLDER / f"version_{VERSION}.fields").read_text(encoding="utf-8")


def test_there_is_a_step_from_every_earlier_version() -> None:
    """Whoever raises the version says what leads to it."""
    assert list(STEPS) == list(range(1, VERSION))


def test_a_step_leaves_later_forms_alone() -> None:
    """Versions 1 and 2 did not name themselves: what version 2 wrote is not changed by the step from 1."""
    for line in lines(2):
        for command in json.loads(line)["commands"]:
            assert upcast(1, command) == command


@pytest.mark.parametrize("version", [0, VERSION + 1])
def test_an_entry_of_an_unknown_version_is_refused(version: int) -> None:
    """A newer dialer's entry is not guessed at."""
    line = b'{"version":%d,"seq":7,"at":0.0,"event":null,"commands":[]}' % version
    with pytest.raises(StorageError, match=f"entry 7: expected a format version up to {VERSION}, found {version}"):
        decode_entry(line)


@pytest.mark.parametrize(
    "command",
    ["{}", "[1]", '{"type":"RecordDecision"}', '{"type":"RecordDecision","decision":[]}', '{"type":"RecordDecision"'],
)
def test_a_damaged_entry_of_an_earlier_version_is_refused(command: str) -> None:
    """What is no object of its version gives a StorageError, whatever a step makes of it."""
    line = f'{{"seq":7,"at":0.0,"event":null,"commands":[{command}]}}'
    with pytest.raises(StorageError, match="journal: expected"):
        decode_entry(line.encode())
