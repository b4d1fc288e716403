"""`dialer doctor`: what a crash left behind that nobody would notice, and mending it."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from dialer.storage.doctor import Finding

CONFIG = Path("config.toml")


def doctor(
    is_mending: Annotated[bool, typer.Option("--mend", help="Mend what can be mended; no daemon may run.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
    config: Annotated[Path, typer.Option("--config", "-c", help="The configuration file.")] = CONFIG,
) -> None:
    """List calls of unknown fate, leads that nobody holds, counts that are off, and attempts without evidence.

    It looks beside a running daemon and changes nothing. The exit code is 0 when nothing was found, or all of it was
    mended, and 1 otherwise.
    """
    from dialer.cli.access import os_user
    from dialer.config.settings import load_settings
    from dialer.daemon.lock import daemon_at, only_daemon
    from dialer.daemon.stores import open_records, open_store
    from dialer.errors import StorageError
    from dialer.storage.doctor import Doctor, mend

    settings = load_settings(config)
    with open_records(settings) as records:
        examiner = Doctor(records.database, records.vault)
    if not is_mending:
        has_daemon = daemon_at(settings.state_dir) is not None
        _end(examiner.examine(time.time(), has_daemon=has_daemon), [], as_json)
    with only_daemon(settings.state_dir), open_store(settings) as store:
        if living := examiner.living():
            raise StorageError(f"{'; '.join(living)}: at work on this database: stop it first")
        found = examiner.examine(time.time(), has_daemon=False)
        done = mend(store, found, time.time(), os_user())
        _end(examiner.examine(time.time(), has_daemon=False), done, as_json)


def _end(found: "list[Finding]", done: list[str], as_json: bool) -> None:
    """Print what is there and what was done about it, and end with the exit code."""
    if as_json:
        import msgspec

        print(msgspec.json.format(msgspec.json.encode({"found": found, "mended": done}), indent=2).decode())
    else:
        for each in found:
            print(f"{each.kind}: {each.text}: {each.help}")
        for what in done:
            print(f"mended: {what}")
        if not found:
            print("nothing found")
    raise typer.Exit(1 if found else 0)
