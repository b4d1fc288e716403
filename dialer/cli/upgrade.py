"""`dialer upgrade`: drain, copy, upgrade, resume, in one command that may be repeated.

Run by the new version, which looks at everything before the daemon hears of it.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dialer.cli.db import checkup_of, print_checkup, shown_progress

if TYPE_CHECKING:
    from dialer.config.settings import Settings
    from dialer.daemon.upgrading import Change

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration file; every key is in config.example.toml.")
]
CONFIG = Path("config.toml")


def upgrade(
    start: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- COMMAND...]", help="What starts the daemon, and ends when it is started."),
    ] = None,
    copy: Annotated[
        Path | None,
        typer.Option("--copy", help="Where to copy the database to; before-INSTANT.dialer in state_dir if absent."),
    ] = None,
    without_copy: Annotated[bool, typer.Option("--without-copy", help="Make none: you have one.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check, and say what would be done.")] = False,
    finish: Annotated[
        bool, typer.Option("--finish", help="Only wait for the daemon that was started, and look at its campaigns.")
    ] = False,
    config: ConfigOption = CONFIG,
) -> None:
    """Bring a running daemon to this version: check, drain, copy the database, upgrade it, start, look again.

    Nothing is asked of the daemon before configuration, campaigns, lists, database, keys and room were found in order.
    Interrupted at any instant it goes on where it was when it is repeated. See docs/operations.md.
    """
    from dialer.config.settings import load_settings
    from dialer.daemon.upgrading import Upgrading
    from dialer.errors import DialerError, UsageError

    if copy is not None and without_copy:
        raise UsageError("--copy and --without-copy: expected one of them")
    settings = load_settings(config)
    _require_owner(settings)
    upgrading = Upgrading(settings, lambda text: print(f"  {text}", flush=True))
    command = start or []
    try:
        if not (finish or upgrading.is_upgraded):
            target = None if without_copy else (copy or _copy_for(settings)).absolute()
            _check(config, settings, None if upgrading.has_begun_copy else target)
            if dry_run:
                print("All is in order. Without --dry-run the daemon would now drain and end. Nothing was done")
                return
            _say("drain")
            upgrading.drain()
            _say("upgrade")
            upgrading.change(target, shown_progress("copied"))
        if not (finish or command or upgrading.is_running):
            print("The database is upgraded: start the daemon now, then run `dialer upgrade --finish`")
            return
        _say("start")
        if command:
            upgrading.start(command)
        changes = upgrading.look()
    except DialerError as error:
        failure = DialerError(upgrading.explain(error))
        failure.exit_code = error.exit_code
        raise failure from error
    _tell(changes)


def _say(step: str) -> None:
    print(f"{step}:", flush=True)


def _require_owner(settings: "Settings") -> None:
    """Raise UsageError for root, where the daemon is another user's: it could not open what root writes."""
    import os

    from dialer.errors import UsageError

    if os.geteuid() == 0 and settings.state_dir.exists() and settings.state_dir.stat().st_uid != 0:
        raise UsageError(
            f"{settings.state_dir}: it is another user's, who could not read what root writes there: run this as that "
            "user (sudo -u dialer ...), or `make upgrade` under systemd"
        )


def _copy_for(settings: "Settings") -> Path:
    from datetime import UTC, datetime

    ending = "dialer" if isinstance(settings.database, Path) else "dump"
    return settings.state_dir / f"before-{datetime.now(UTC):%Y%m%dT%H%M%S}.{ending}"


def _check(config: Path, settings: "Settings", target: Path | None) -> None:
    """Raise DialerError for whatever would stand in the way later."""
    from dialer.cli.check import check
    from dialer.daemon.lock import daemon_at
    from dialer.daemon.stores import database_of
    from dialer.errors import StorageError
    from dialer.storage.checkup import daemons_on
    from dialer.storage.copying import require_copyable

    _say("check")
    check(config)
    found = checkup_of(settings)
    print_checkup(found)
    if found.faults:
        raise StorageError("\n".join(found.faults))
    database = database_of(settings)
    if target is not None:
        require_copyable(database, target)
    others = daemons_on(database)
    if len(others) > (daemon_at(settings.state_dir) is not None):
        raise StorageError(
            f"database {database.name}: expected no other daemon, found {'; '.join(others)}. One that stands by would "
            "take over, and one that dials would meet other tables: stop all but this machine's, upgrade, start them"
        )


def _tell(changes: "list[Change]") -> None:
    from dialer.errors import DialerError

    for change in changes:
        print(f"  {change.campaign}: {change.before} -> {change.after}")
    wrong = [change.campaign for change in changes if not change.is_right]
    if wrong:
        raise DialerError(f"campaigns that are not as they were: {', '.join(wrong)}: see `dialer campaign show NAME`")
    print("The daemon is ready")
