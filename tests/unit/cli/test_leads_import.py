"""What a running daemon is told of a list that comes in beside it."""

import asyncio
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from typer.testing import CliRunner

from dialer.cli.main import app
from dialer.daemon.control import ImportedRequest, Request, StandingsRequest, listen, serve

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


def imported(tmp_path: Path, *rows: str) -> None:
    """Import a list."""
    (tmp_path / "list.csv").write_text("\n".join(("phone,hours", *rows, "")), encoding="utf-8")
    command = ["leads", "import", str(tmp_path / "list.csv"), "--campaign", "survey"]
    done = CliRunner().invoke(app, [*command, "--config", str(tmp_path / "config.toml")])
    assert done.exit_code == 0, done.output


class Daemon:
    """What listens on the socket as a daemon does, in a thread of its own, and remembers what it is asked."""

    def __init__(self, path: Path) -> None:
        self.heard: list[type[Request]] = []
        self._listener = listen(path)
        self._thread = threading.Thread(target=asyncio.run, args=(self._run(),))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._serving.cancel)
        self._thread.join()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._serving = asyncio.ensure_future(serve(self._listener, self._answer))
        with suppress(asyncio.CancelledError):
            await self._serving

    async def _answer(self, request: Request, _: str) -> dict[str, Any]:
        self.heard.append(type(request))
        return {}


def test_a_row_that_tells_more_of_a_known_person_is_told(tmp_path: Path) -> None:
    """Somebody whose lead is in hand has named a time: the lead in hand does not know of it."""
    (tmp_path / "campaigns").mkdir()
    (tmp_path / "campaigns" / "survey.toml").write_text(CAMPAIGN, encoding="utf-8")
    (tmp_path / "config.toml").write_text('control_socket = "dialer.sock"\n', encoding="utf-8")
    with Daemon(tmp_path / "dialer.sock") as daemon:
        imported(tmp_path, "07700 900101,", "07700 900102,")
        assert daemon.heard == [ImportedRequest]
        imported(tmp_path, "07700 900101,18:00-20:00")
        assert daemon.heard[1:] == [ImportedRequest, StandingsRequest]
        imported(tmp_path, "07700 900101,18:00-20:00")
        assert len(daemon.heard) == 3
