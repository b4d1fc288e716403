"""Bringing a daemon to a new version of dialer: drain, copy, upgrade, resume.

One rule governs this module: what was done is noted beside the database, so that the same command, repeated after a
crash at any instant, goes on from there; and no table is changed before there is a whole copy of it.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from dialer.config.settings import Settings
from dialer.daemon.control import EndRequest, StatusRequest, ask
from dialer.daemon.health import Phase
from dialer.daemon.lock import daemon_at, only_daemon
from dialer.daemon.stores import database_of, open_store
from dialer.engine.campaign import CampaignState
from dialer.errors import ControlError, DialerError, StorageError
from dialer.storage.backup import Progress, read_backup
from dialer.storage.checkup import daemons_on
from dialer.storage.copying import copy_whole, leftovers

NOTES = "upgrade.json"
REASON = "a new version of dialer"
END_S = 20.0
"""So much longer than `drain_timeout_s` a daemon may take to end, and so long an answer is waited for."""
START_S = 900.0
"""So long a start may take: lists are read in it. The unit's TimeoutStartSec is the same."""
STALE_S = 3600.0
"""A daemon that runs so long after a change was started by hand, and the next upgrade is another one."""
LOOK_S = 0.1
_DIALS = (CampaignState.RUNNING, CampaignState.COMPLETED)


class Notes(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How far an upgrade has come. `before` has the states of the campaigns when the daemon was asked to end."""

    before: dict[str, str] = {}
    copy: str | None = None
    upgraded_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A campaign's state before and after an upgrade; `is_right` when it dials, or not, as before."""

    campaign: str
    before: str
    after: str

    @property
    def is_right(self) -> bool:
        """Whoever dialed dials or has finished, and nobody else does."""
        if self.before == CampaignState.COMPLETED:
            return True
        return (self.before == CampaignState.RUNNING) == (self.after in _DIALS)


class Upgrading:
    """The steps of an upgrade, in order; each may be repeated. `say` is told what happens."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._say = say
        self._path = settings.state_dir / NOTES
        self.notes = self._read()

    @property
    def is_upgraded(self) -> bool:
        """An earlier try changed the database, and was not finished: the daemon is to be started and looked at."""
        at = self.notes.upgraded_at
        if at is None:
            return False
        return not self.is_running or time.time() - at < STALE_S

    @property
    def is_running(self) -> bool:
        """A daemon runs here."""
        return daemon_at(self._settings.state_dir) is not None

    @property
    def has_begun_copy(self) -> bool:
        """An earlier try has named the copy, and nothing was dialed since."""
        return self.notes.copy is not None and not self.is_running

    # ------------------------------------------------------------------------------------------ drain
    def drain(self) -> None:
        """Ask the daemon that runs to end, and wait for it; raise ControlError when it takes longer than it may."""
        process = daemon_at(self._settings.state_dir)
        if process is None:
            self._say("no daemon runs here")
            return
        until = time.monotonic() + self._settings.drain_timeout_s + END_S
        self._say(f"process {process} drains: no new calls, live ones finish within drain_timeout_s")
        is_asked = False
        while daemon_at(self._settings.state_dir) == process:
            is_asked = is_asked or self._ask_to_end(process)
            if time.monotonic() > until:
                raise ControlError(
                    f"process {process} has not ended, {self._settings.drain_timeout_s + END_S:.0f} s after it was "
                    "asked to: see its log. Nothing was changed; repeat the command to wait on"
                )
            time.sleep(LOOK_S)

    def _ask_to_end(self, process: str) -> bool:
        """Ask once; say whether it was understood. A daemon that begins or ends does not listen."""
        try:
            said = ask(self._settings.control_socket, StatusRequest())
        except ControlError:
            return False
        status = said.get("status", {"campaigns": (), "is_draining": False})
        if status["is_draining"]:
            return True
        # What it has done since an earlier try is in no copy yet.
        states = {campaign["name"]: campaign["state"] for campaign in status["campaigns"]}
        self.notes = Notes(before=states)
        self._keep()
        try:
            ask(self._settings.control_socket, EndRequest(reason=REASON))
        except ControlError as error:
            if "not a request" not in str(error):
                raise
            os.kill(int(process), signal.SIGTERM)  # a version that does not know the request
        return True

    # ----------------------------------------------------------------------------------------- change
    def change(self, target: Path | None, progress: Progress) -> None:
        """Copy the database (not where there is no target) and bring it to this version, while no daemon can start."""
        with only_daemon(self._settings.state_dir):
            database = database_of(self._settings)
            others = daemons_on(database)
            if others:
                raise StorageError(f"database {database.name}: in use by {'; '.join(others)}: stop them first")
            if target is not None:
                self._copy(Path(self.notes.copy or target), progress)
            self._say(f"schema: {database.name}")
            open_store(self._settings).close()
            self.notes.upgraded_at = time.time()
            self._keep()

    def _copy(self, target: Path, progress: Progress) -> None:
        if self.notes.copy is not None and target.exists():
            if isinstance(self._settings.database, Path):
                read_backup(target)
            self._say(f"copy: {target} is whole, from before")
            return
        self.notes.copy = str(target)
        self._keep()
        for part in leftovers(target):
            part.unlink(missing_ok=True)
        self._say(f"copy: {target}")
        copy_whole(database_of(self._settings), target, progress)

    # ----------------------------------------------------------------------------------------- resume
    def start(self, command: Sequence[str]) -> None:
        """Start the daemon with a command that ends when it is started; nothing to do when one runs."""
        if self.is_running:
            return
        try:
            code = subprocess.run(command, check=False, stdin=subprocess.DEVNULL).returncode
        except OSError as error:
            raise ControlError(f"{command[0]}: cannot be run ({error.strerror})") from error
        if code:
            raise ControlError(f"{' '.join(command)}: ended with {code}: see the daemon's log")

    def look(self) -> list[Change]:
        """Wait until the daemon dials, and be done; say what became of each campaign."""
        changes = self._changes(self._ready())
        until = time.monotonic() + END_S  # campaigns that were paused are paused again a moment after the start
        while not all(change.is_right for change in changes) and time.monotonic() < until:
            time.sleep(LOOK_S)
            changes = self._changes(self._ready())
        self._path.unlink(missing_ok=True)
        return changes

    def _changes(self, said: dict[str, Any]) -> list[Change]:
        if "standby" in said:
            self._say(f"it stands by: {said['standby']['holder']} dials")
            return []
        after = {campaign["name"]: campaign["state"] for campaign in said["status"]["campaigns"]}
        return [
            Change(campaign=name, before=state, after=after.get(name, "not loaded"))
            for name, state in self.notes.before.items()
        ]

    def _ready(self) -> dict[str, Any]:
        seen_at = started_at = time.monotonic()
        while True:
            with suppress(ControlError):
                said = ask(self._settings.control_socket, StatusRequest())
                if "standby" in said or said["phase"] == Phase.RUNNING:
                    return said
            now = time.monotonic()
            if self.is_running:
                seen_at = now
            if now - seen_at > END_S:
                raise ControlError("no daemon runs: start it, and see its log if it ends again")
            if now - started_at > START_S:
                raise ControlError(f"the daemon is not ready after {START_S:.0f} s: see its log")
            time.sleep(LOOK_S)

    # ------------------------------------------------------------------------------------------ notes
    def _read(self) -> Notes:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Notes)
        except FileNotFoundError:
            return Notes()
        except (OSError, msgspec.MsgspecError) as error:
            raise StorageError(
                f"{self._path}: expected the notes of an upgrade, found something else ({error}): see whether the "
                "database is in order with `dialer db check`, then remove the file"
            ) from error

    def _keep(self) -> None:
        part = self._path.with_name(f".{NOTES}.part")
        try:
            with part.open("wb") as file:
                file.write(msgspec.json.encode(self.notes))
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._path)
        except OSError as error:
            raise StorageError(f"{self._path}: cannot be written ({error.strerror})") from error

    def explain(self, error: DialerError) -> str:
        """Say what an error left behind, and what to do."""
        if self.notes.upgraded_at is not None:
            state = "The database is upgraded; an earlier dialer cannot read it"
        else:
            state = "The database is as it was"
        copy = "" if self.notes.copy is None or not Path(self.notes.copy).exists() else f"; copy: {self.notes.copy}"
        process = daemon_at(self._settings.state_dir)
        runs = "no daemon runs, nothing is dialed" if process is None else f"process {process} runs"
        return f"{error}\n{state}{copy}; {runs}. When it is mended, repeat the command: it goes on from here"
