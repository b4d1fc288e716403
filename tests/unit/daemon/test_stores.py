"""Opening what the settings name: where the password of a server comes from."""

import os
from pathlib import Path

import pytest

from dialer.config.settings import load_settings
from dialer.daemon.stores import database_of


def test_the_servers_password_is_handed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A credential is where every connection of the process looks; what the environment names goes before it."""
    (tmp_path / "campaigns").mkdir()
    config = tmp_path / "config.toml"
    config.write_text('database = "postgresql://dialer@db.example/dialer"\n', encoding="utf-8")
    (tmp_path / "dialer.postgres").write_text("pass word\n", encoding="utf-8")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("PGPASSWORD", "another")
    database_of(load_settings(config))
    assert os.environ["PGPASSWORD"] == "another"
    monkeypatch.delenv("PGPASSWORD")
    assert "pass word" not in repr(database_of(load_settings(config)))
    assert os.environ["PGPASSWORD"] == "pass word"
