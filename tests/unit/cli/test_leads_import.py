"""What a running daemon is told of a list that comes in beside it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from dialer.cli.main import app
from dialer.daemon import control
from dialer.daemon.control import ImportedRequest, Request, StandingsRequest

CAMPAIGN = """
name = "survey"
seller = "Example"
purpose = "survey"
jurisdiction = "GB"
[list]
columns = { number = ["phone"], contact_hours = ["hours"] }
[agents]
groups = ["floor"]
"""


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """What a daemon hears on its socket."""
    requests: list[Request] = []
    monkeypatch.setattr(control, "ask", lambda _, request: requests.append(request) or {})
    (tmp_path / "campaigns").mkdir()
    (tmp_path / "campaigns" / "survey.toml").write_text(CAMPAIGN, encoding="utf-8")
    (tmp_path / "config.toml").write_text('control_socket = "dialer.sock"\n', encoding="utf-8")
    (tmp_path / "dialer.sock").touch()
    return requests


def imported(tmp_path: Path, *rows: str) -> None:
    """Import a list."""
    (tmp_path / "list.csv").write_text("\n".join(("phone,hours", *rows, "")), encoding="utf-8")
    command = ["leads", "import", str(tmp_path / "list.csv"), "--campaign", "survey"]
    done = CliRunner().invoke(app, [*command, "--config", str(tmp_path / "config.toml")])
    assert done.exit_code == 0, done.output


def test_a_row_that_tells_more_of_a_known_person_is_told(tmp_path: Path, told: list[Request]) -> None:
    """Somebody whose lead is in hand has named a time: the lead in hand does not know of it."""
    imported(tmp_path, "07700 900101,", "07700 900102,")
    assert [type(each) for each in told] == [ImportedRequest]
    told.clear()
    imported(tmp_path, "07700 900101,18:00-20:00")
    assert [type(each) for each in told] == [ImportedRequest, StandingsRequest]
    told.clear()
    imported(tmp_path, "07700 900101,18:00-20:00")
    assert told == []
