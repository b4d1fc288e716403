"""Copies of registers: found in, never read from, whole or refused."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.errors import KeysError, StorageError
from dialer.storage.database import Database
from dialer.storage.registries import HASH_BYTES, KEPT_COPIES, Shelf, sorted_hashes
from dialer.storage.store import Store
from dialer.storage.vault import Keyring, Vault
from tests.unit.storage.builders import VAULT, make_number
from tests.unit.storage.people import register

NUMBERS = [make_number(index).e164 for index in range(100)]


def hashes_of(numbers: list[str]) -> bytes:
    """The hashes under which numbers are kept, one after the other."""
    return b"".join(VAULT.index(number)[:HASH_BYTES] for number in numbers)


def make_shelf(folder: Path, numbers: list[str]) -> Shelf:
    """A folder with one copy, `us-dnc-1.bin`, opened anew."""
    Shelf(folder, VAULT).write("us-dnc-1.bin", sorted_hashes(hashes_of(numbers)))
    return Shelf(folder, VAULT)


def holds(shelf: Shelf, number: str) -> bool:
    """Look a number up."""
    return shelf.holds("us-dnc-1.bin", VAULT.index(number))


def test_a_copy_holds_its_numbers_and_no_others(tmp_path: Path) -> None:
    """Each number is found, whatever the order it came in; others are not."""
    shelf = make_shelf(tmp_path, NUMBERS[50::-1])
    assert [holds(shelf, number) for number in NUMBERS] == [True] * 51 + [False] * 49


def test_an_empty_copy_holds_nothing(tmp_path: Path) -> None:
    """Nothing is found in it, and nothing fails."""
    assert not holds(make_shelf(tmp_path, []), NUMBERS[0])


@given(st.lists(st.integers(0, 2**64 - 1), max_size=60))
def test_hashes_are_kept_ascending_and_once(values: list[int]) -> None:
    """Whatever the hashes are and however often they come."""
    ordered = sorted_hashes(b"".join(value.to_bytes(8, sys.byteorder) for value in values))
    assert ordered.tolist() == sorted(set(values))


def test_no_number_lies_readable_in_a_copy(tmp_path: Path) -> None:
    """Neither as text nor as a hash that anybody could make without the key."""
    make_shelf(tmp_path, NUMBERS)
    data = (tmp_path / "us-dnc-1.bin").read_bytes()
    assert b"202555" not in data
    assert (tmp_path / "us-dnc-1.bin").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("cut", [0, 7, 40, 64, 65, 200, 863])
def test_a_copy_cut_short_is_refused(tmp_path: Path, cut: int) -> None:
    """Wherever it was cut, nothing is looked up in it."""
    shelf = make_shelf(tmp_path, NUMBERS)
    path = tmp_path / "us-dnc-1.bin"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(StorageError, match=r"us-dnc-1\.bin: .*import the register again"):
        holds(shelf, NUMBERS[0])


def test_each_changed_byte_of_a_copy_is_found(tmp_path: Path) -> None:
    """A flipped bit anywhere makes the copy refused, as damaged or as another key's."""
    make_shelf(tmp_path, NUMBERS[:10])
    path = tmp_path / "us-dnc-1.bin"
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises((StorageError, KeysError)):
            holds(Shelf(tmp_path, VAULT), NUMBERS[0])


def test_a_missing_copy_is_refused(tmp_path: Path) -> None:
    """A row without its file does not mean that nobody is listed."""
    with pytest.raises(StorageError, match="cannot be read"):
        holds(Shelf(tmp_path, VAULT), NUMBERS[0])


def test_a_copy_of_another_key_is_refused(tmp_path: Path) -> None:
    """Its hashes would match nobody, and so everybody would be called."""
    make_shelf(tmp_path, NUMBERS)
    other = Vault(Keyring(index=b"another index key", sealing={b"\0\0\0\1": bytes(32)}))
    with pytest.raises(KeysError, match="made under another key"):
        Shelf(tmp_path, other).holds("us-dnc-1.bin", other.index(NUMBERS[0]))


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    """No half-written file has the name of a copy."""
    folder = tmp_path / "taken"
    folder.write_text("a file where the folder belongs", encoding="utf-8")
    with pytest.raises(StorageError, match="cannot be written"):
        Shelf(folder, VAULT).write("us-dnc-1.bin", sorted_hashes(hashes_of(NUMBERS)))


def test_the_copy_of_an_instant_is_the_last_one_imported_by_then(any_database: Database) -> None:
    """Before the first there was none."""
    with Store(any_database, VAULT) as store:
        register(store, "us-dnc", NUMBERS[:1], version="a", imported_at=100.0)
        register(store, "us-dnc", NUMBERS[:2], version="b", imported_at=200.0)
        register(store, "gb-tps", NUMBERS[:1], version="c", imported_at=150.0)
        found = [[copy.version for copy in store.registry_copies(at)] for at in (99.0, 100.0, 150.0, 1e9)]
    assert found == [[], ["a"], ["c", "a"], ["c", "b"]]


def test_the_last_copies_of_each_register_are_kept(any_database: Database) -> None:
    """Older files go, their rows stay; another register's are not touched."""
    with Store(any_database, VAULT) as store:
        register(store, "gb-tps", NUMBERS[:1], version="only")
        for version in range(KEPT_COPIES + 3):
            register(store, "us-dnc", NUMBERS[:1], version=f"v{version}", imported_at=float(version))
        files = sorted(path.name for path in (any_database.folder / "registries").iterdir())
        assert len(files) == KEPT_COPIES + 1
        assert "gb-tps-only.bin" in files
        kept = store.kept_copies("us-dnc")
        assert [each.path == "" for each in kept] == [True] * 3 + [False] * KEPT_COPIES
        assert store.registry_copies()[1].version == f"v{KEPT_COPIES + 2}"
