"""Secrets that the service manager hands over: found in its folder, one line each, never guessed at."""

from pathlib import Path

import pytest

from dialer.config.credentials import MQTT, credential, password, secret
from dialer.config.faults import ConfigFaults
from dialer.config.settings import load_settings
from dialer.errors import ConfigError


def test_a_secret_is_one_line(tmp_path: Path) -> None:
    """The line's end is no part of it; what is empty, several lines or no text is refused by path, never shown."""
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    path = tmp_path / "dialer.mqtt"
    path.write_bytes(b"s3cret words \n")
    assert secret("dialer.mqtt", environ) == "s3cret words "
    for content in (b"", b"\n", b"one\ntwo\n", b"\xff\xfe"):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=r"dialer\.mqtt: expected one line of text that is not empty") as caught:
            secret("dialer.mqtt", environ)
        assert "two" not in str(caught.value)


def test_without_the_manager_there_is_no_secret(tmp_path: Path) -> None:
    """No variable, one that is no absolute path, or no such file: none was handed over."""
    for environ in ({}, {"CREDENTIALS_DIRECTORY": "keys"}, {"CREDENTIALS_DIRECTORY": str(tmp_path)}):
        assert credential("dialer.keys", environ) is None
        assert secret("dialer.keys", environ) is None


def test_the_keyring_that_was_handed_over_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A credential dialer.keys is the keyring, unless DIALER_KEYS names another."""
    (tmp_path / "campaigns").mkdir()
    config = tmp_path / "config.toml"
    config.write_text('[keys]\nfile = "own.json"\n', encoding="utf-8")
    monkeypatch.delenv("DIALER_KEYS", raising=False)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert load_settings(config).keys_file == tmp_path / "own.json"
    (tmp_path / "dialer.keys").write_text("{}", encoding="utf-8")
    assert load_settings(config).keys_file == tmp_path / "dialer.keys"
    monkeypatch.setenv("DIALER_KEYS", "/elsewhere/keys.json")
    assert load_settings(config).keys_file == Path("/elsewhere/keys.json")


def test_a_password_file_that_cannot_be_read_is_a_fault() -> None:
    """Whatever the system says of it, the key and what to do are told; the file may be another user's."""
    path = Path("/proc/self/mem")  # its owner may read it, and what is at its beginning nobody can
    with pytest.raises(ConfigFaults) as caught:
        password(MQTT, "NO_SUCH_VARIABLE", path, "broker.password_file", {})
    (fault,) = caught.value.faults
    assert (fault.key, fault.found) == ("broker.password_file", "input/output error")
    assert "the user who runs this" in fault.hint
