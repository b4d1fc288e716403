"""The key file and the variable that takes its place: made once, never lost, refused when it is not fit."""

import base64
import json
import os
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dialer.errors import KeysError
from dialer.storage.keyring import Keys, changing, known_keys, make_keys, new_key, open_vault, read_keys, write_keys
from dialer.storage.sqlite import SqliteDatabase
from dialer.storage.store import Store

SECRET = base64.b64encode(b"s" * 32).decode()
KEY: dict[str, Any] = {"id": "0a0b0c0d", "secret": SECRET, "made_at": "2026-03-10T09:00:00Z"}
RING: dict[str, Any] = {"index": SECRET, "keys": [KEY]}


def written(path: Path, content: object, mode: int = 0o600) -> Path:
    """A file with some content."""
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    path.chmod(mode)
    return path


def test_a_keyring_is_made_with_the_database(tmp_path: Path) -> None:
    """With neither there is a new one, for its owner alone; opened again it is the same."""
    keys_file, database = tmp_path / "secret" / "keys.json", tmp_path / "dialer.db"
    before = os.umask(0)
    try:
        vault = open_vault(keys_file, SqliteDatabase(database))
    finally:
        os.umask(before)
    assert stat.S_IMODE(keys_file.stat().st_mode) == 0o600
    Store(SqliteDatabase(database), vault).close()
    again = open_vault(keys_file, SqliteDatabase(database))
    assert again.open(vault.seal(b"x", b"p"), b"p") == b"x"
    assert again.index("+12025550100") == vault.index("+12025550100")
    Store(SqliteDatabase(database), again).close()
    assert [each.name for each in keys_file.parent.iterdir()] == ["keys.json"]


def test_no_keyring_is_made_for_a_database_that_has_one(tmp_path: Path) -> None:
    """When the key file is gone, or another lies there, nothing is made, read or written; the error says what to do."""
    keys_file, database = tmp_path / "keys.json", tmp_path / "dialer.db"
    Store(SqliteDatabase(database), open_vault(keys_file, SqliteDatabase(database))).close()
    kept = keys_file.rename(tmp_path / "kept.json")
    before = database.read_bytes()
    with pytest.raises(KeysError, match=r"keys\.json: there is none, .* put back the key file"):
        open_vault(keys_file, SqliteDatabase(database))
    assert not keys_file.exists()
    make_keys(keys_file)
    with pytest.raises(
        KeysError, match=r"dialer\.db: it was written under the key [0-9a-f]{8}, which the keyring does"
    ):
        Store(SqliteDatabase(database), open_vault(keys_file, SqliteDatabase(database)))
    assert database.read_bytes() == before
    kept.replace(keys_file)
    Store(SqliteDatabase(database), open_vault(keys_file, SqliteDatabase(database))).close()


def test_another_secret_or_index_under_the_same_name_is_found_out(tmp_path: Path) -> None:
    """The id of a key does not make it the right one."""
    database = tmp_path / "dialer.db"
    Store(SqliteDatabase(database), open_vault(written(tmp_path / "keys.json", RING), SqliteDatabase(database))).close()
    other = base64.b64encode(b"t" * 32).decode()
    for wrong, message in (
        ({**RING, "keys": [{**KEY, "secret": other}]}, "the value does not open under the key 0a0b0c0d"),
        ({**RING, "index": other}, "has the key 0a0b0c0d, but another index key"),
    ):
        with pytest.raises(KeysError, match=message):
            Store(
                SqliteDatabase(database), open_vault(written(tmp_path / "keys.json", wrong), SqliteDatabase(database))
            )


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[]",
        "not json",
        "\udcff",
        json.dumps(RING)[:-3],
        {**RING, "keys": []},
        {**RING, "keys": [KEY, KEY]},
        {**RING, "more": 1},
        {**RING, "index": base64.b64encode(b"s" * 31).decode()},
        {**RING, "keys": [{**KEY, "id": "0A0B0C0D"}]},
        {**RING, "keys": [{**KEY, "id": "0a0b0c"}]},
        {**RING, "keys": [{**KEY, "secret": "***"}]},
        {**RING, "keys": [{**KEY, "made_at": "2026-03-10T09:00:00"}]},
        {**RING, "keys": [{"id": "0a0b0c0d", "secret": SECRET}]},
    ],
)
def test_what_is_no_keyring_is_refused(tmp_path: Path, content: object) -> None:
    """Empty, cut, weak and foreign files are refused with their name, and no secret is shown."""
    path = tmp_path / "keys.json"
    data = content if isinstance(content, str) else json.dumps(content)
    path.write_bytes(data.encode("utf-8", "surrogateescape"))
    path.chmod(0o600)
    with pytest.raises(KeysError, match=r"keys\.json: expected a keyring") as caught:
        read_keys(path)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_key_file_for_others_is_refused(tmp_path: Path, mode: int) -> None:
    """Who else can read or write the file has the keys, or can change them."""
    path = written(tmp_path / "keys.json", RING, mode)
    with pytest.raises(KeysError, match=rf"expected a file for its owner alone \(mode 0600\), found mode {mode:04o}"):
        read_keys(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A folder and a dangling link are named."""
    with pytest.raises(KeysError, match="found a folder"):
        read_keys(tmp_path)
    (tmp_path / "keys.json").symlink_to(tmp_path / "nowhere")
    with pytest.raises(KeysError, match="it cannot be read"):
        open_vault(tmp_path / "keys.json", SqliteDatabase(tmp_path / "dialer.db"))


def test_the_environment_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A keyring in DIALER_KEYS is used and no file is made; a broken one is refused without being shown."""
    keys_file, database = tmp_path / "keys.json", tmp_path / "dialer.db"
    monkeypatch.setenv("DIALER_KEYS", json.dumps(RING))
    with closing(Store(SqliteDatabase(database), open_vault(keys_file, SqliteDatabase(database)))) as store:
        assert store.vault.key_id.hex() == "0a0b0c0d"
    assert not keys_file.exists()
    assert [key.id for key in known_keys(keys_file).keys] == ["0a0b0c0d"]
    monkeypatch.setenv("DIALER_KEYS", json.dumps({**RING, "keys": []}))
    with pytest.raises(KeysError, match="environment variable DIALER_KEYS: expected a keyring") as caught:
        open_vault(keys_file, SqliteDatabase(database))
    assert SECRET not in str(caught.value)
    monkeypatch.setenv("DIALER_KEYS", str(keys_file))
    with pytest.raises(KeysError, match="there is none"):
        open_vault(keys_file, SqliteDatabase(database))


def test_a_key_file_is_replaced_whole(tmp_path: Path) -> None:
    """A new keyring takes the place of the old one with its mode, and its keys are the new ones in their order."""
    path = written(tmp_path / "keys.json", RING)
    keys = read_keys(path)
    later = type(keys)(index=keys.index, keys=(*keys.keys, new_key(keys.keys)))
    write_keys(path, later)
    assert read_keys(path) == later
    assert read_keys(path).in_use == later.keys[1]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SECRET not in repr(later)
    assert [each.name for each in tmp_path.iterdir()] == ["keys.json"]


def test_a_link_to_a_key_file_stays_one(tmp_path: Path) -> None:
    """Whoever keeps the keys elsewhere finds the new one there, and none beside the database."""
    elsewhere, link = tmp_path / "vault" / "keys.json", tmp_path / "keys.json"
    make_keys(elsewhere)
    link.symlink_to(elsewhere)
    keys = read_keys(link)
    write_keys(link, Keys(index=keys.index, keys=(*keys.keys, new_key(keys.keys))))
    assert link.is_symlink()
    assert len(read_keys(elsewhere).keys) == 2
    with changing(link), pytest.raises(KeysError, match="another process changes the keys"), changing(elsewhere):
        pass


def test_one_change_at_a_time(tmp_path: Path) -> None:
    """Who changes keys keeps others out until done."""
    path = tmp_path / "keys.json"
    with changing(path), pytest.raises(KeysError, match="another process changes the keys"), changing(path):
        pass
    with changing(path):
        pass


def test_a_credential_may_show_the_mask_of_its_access_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key file in the service manager's folder is read whatever its mode shows; anywhere else it is not."""
    credential = written(tmp_path / "dialer.keys", RING, 0o440)
    with pytest.raises(KeysError, match="mode 0440"):
        read_keys(credential)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_keys(credential).in_use.id == KEY["id"]
