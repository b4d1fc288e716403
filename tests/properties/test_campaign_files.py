"""Whatever a campaign file holds: a policy, or faults with their places; never anything else, never half."""

import copy
import re
import tomllib
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dialer.config.campaign import load_campaigns
from dialer.config.faults import ConfigFaults, Fault
from dialer.config.locate import KeyPath, locate

SHIPPED = Path(__file__).parents[2] / "campaigns" / "renewal-kr.toml"
TEXT = SHIPPED.read_text(encoding="utf-8")
VALUES = tomllib.loads(TEXT)
FREE_TABLES = {("list", "columns"), ("dispositions",)}  # here a key of one's own is a name, not a fault


def paths(value: Any, prefix: KeyPath = ()) -> Iterator[KeyPath]:
    """Every key path and array item below a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for part, below in items:
        yield (*prefix, part)
        yield from paths(below, (*prefix, part))


KEYS = [path for path in paths(VALUES) if isinstance(path[-1], str)]

toml_values = st.recursive(
    st.booleans()
    | st.integers()
    | st.integers(min_value=-(10**400), max_value=10**400)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.sampled_from(
        ["27h", "09:00-12:00", "callback", "shuffle", "power", "KR", "scripts/renewal-kr.md", ".", "a\0b"]
    )
    | st.sampled_from([date(2026, 1, 2), time(9, 30), datetime(2026, 1, 2), datetime(2026, 1, 2, tzinfo=UTC)]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)


def written(value: Any) -> str:
    """Write a value as TOML, tables inline."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            escaped = (f"\\U{ord(character):08x}" for character in value)
            return '"' + "".join(escaped) + '"'
        case list():
            return "[" + ", ".join(map(written, value)) + "]"
        case dict():
            return "{" + ", ".join(f"{written(key)} = {written(item)}" for key, item in value.items()) + "}"
        case date() | time():
            return value.isoformat()
    return str(value)


def document(values: dict[str, Any]) -> str:
    """Write a campaign file, one top-level key a line."""
    return "".join(f"{written(key)} = {written(value)}\n" for key, value in values.items())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the shipped campaign names."""
    folder = tmp_path_factory.mktemp("campaigns")
    for name in (*VALUES["list"]["files"], VALUES["script"]["file"], VALUES["consent"]["text"]):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    return folder


def faults_of(folder: Path, text: str | bytes) -> tuple[Fault, ...]:
    """Load a campaign of this text; give its faults, none when it is valid. Any other error fails the test."""
    data = text.encode() if isinstance(text, str) else text
    path = folder / "fuzzed.toml"
    path.write_bytes(data)
    try:
        (policy,) = load_campaigns([path])
    except ConfigFaults as error:
        assert error.faults
        for fault in error.faults:
            assert fault.file == str(path) and fault.expected and fault.found
            assert fault.line is None or 1 <= fault.line <= data.count(b"\n") + 1
            assert str(fault).isprintable()
        return error.faults
    assert policy.digest
    return ()


def changed(path: KeyPath, change: Any) -> dict[str, Any]:
    """The shipped campaign's values after `change(parent, last part of the path)`."""
    values = copy.deepcopy(VALUES)
    parent: Any = values
    for part in path[:-1]:
        parent = parent[part]
    change(parent, path[-1])
    return values


def test_the_writer_writes_what_it_is_given(folder: Path) -> None:
    """The shipped campaign, written anew by this test, is the same campaign."""
    assert tomllib.loads(document(VALUES)) == VALUES
    assert faults_of(folder, document(VALUES)) == ()


@given(st.binary(max_size=200))
def test_any_bytes_are_a_campaign_or_faults(folder: Path, data: bytes) -> None:
    """Arbitrary bytes never raise anything but faults with their places."""
    assert faults_of(folder, data)


@given(st.data())
def test_a_damaged_file_is_a_campaign_or_faults(folder: Path, data: st.DataObject) -> None:
    """The shipped campaign with bytes cut out, put in or replaced never raises anything but faults."""
    raw = bytearray(TEXT.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(raw)))
        end = min(len(raw), start + data.draw(st.integers(0, 30)))
        raw[start:end] = data.draw(
            st.binary(max_size=10) | st.sampled_from([b"\n[", b"]]", b'"""', b"{", b" = ", b"."])
        )
    faults_of(folder, bytes(raw))


@given(path=st.sampled_from(list(paths(VALUES))), value=toml_values)
def test_any_value_in_any_place_is_taken_or_refused(folder: Path, path: KeyPath, value: Any) -> None:
    """Any TOML value in place of a valid one gives a campaign or faults."""
    faults_of(folder, document(changed(path, lambda parent, part: parent.__setitem__(part, value))))


@given(path=st.sampled_from(list(paths(VALUES))))
def test_any_key_may_be_left_out_or_is_missed_by_name(folder: Path, path: KeyPath) -> None:
    """Without a key the file is valid still, or a fault stands at that key, at its table, or at what it was for."""
    faults = faults_of(folder, document(changed(path, lambda parent, part: parent.__delitem__(part))))
    for fault in faults:
        top = fault.key.split(".")[0].split("[")[0]
        assert top == str(path[0]) or (path[0], top) == ("list", "consent")  # [consent] says what a column stands for


@given(path=st.sampled_from(KEYS), letter=st.sampled_from("qxz"), data=st.data())
def test_a_misspelt_key_names_itself_and_its_nearest(
    folder: Path, path: KeyPath, letter: str, data: st.DataObject
) -> None:
    """A key with one letter more or one letter replaced is a fault at its line that names the right key."""
    assume(path[:-1] not in FREE_TABLES)
    key = str(path[-1])
    at = data.draw(st.integers(0, len(key) - 1))
    misspelt = key[:at] + letter + key[at + data.draw(st.integers(0, 1)) :]
    assume(len(key) > 3 and misspelt != key)

    def rename(parent: Any, part: Any) -> None:
        parent[misspelt] = parent.pop(part)

    values = changed(path, rename)
    text = document(values)
    faults = [fault for fault in faults_of(folder, text) if fault.expected == "a known key"]
    (fault,) = faults
    assert fault.found == f'"{misspelt}"'
    assert fault.hint == f"nearest known key: {key}"
    assert fault.line == list(values).index(str((*path[:-1], misspelt)[0])) + 1


@given(value=st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), toml_values, max_size=4))
def test_every_key_of_any_toml_has_a_line(value: dict[str, Any]) -> None:
    """In whatever the standard library reads as TOML, each key path and item is found, on the line where it stands."""
    text = document(value)
    lines = locate(text)
    assert set(paths(tomllib.loads(text))) <= set(lines)
    for number, key in enumerate(value, start=1):
        assert lines[(key,)] == number


@given(st.data())
def test_lines_are_found_in_files_written_by_hand(data: st.DataObject) -> None:
    """With comments and blank lines put in, a key of the shipped campaign is found where its text stands."""
    rows = TEXT.split("\n")
    for _ in range(data.draw(st.integers(0, 5))):
        rows.insert(data.draw(st.integers(0, len(rows))), data.draw(st.sampled_from(["", "# [x] y = 1", "\t"])))
    lines = locate("\n".join(rows))
    for path in KEYS:
        row = rows[lines[path] - 1]
        assert re.search(rf"\b{re.escape(str(path[-1]))}\b", row), (path, row)
