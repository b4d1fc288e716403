"""`dialer db`: look at the database, bring it up to date, copy it while the daemon dials, and bring a copy back."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from dialer.config.settings import Settings
    from dialer.storage.backup import Progress
    from dialer.storage.checkup import Checkup
    from dialer.storage.sqlite import SqliteDatabase
    from dialer.storage.vault import Vault

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration file; every key is in config.example.toml.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
CONFIG = Path("config.toml")

db_app = typer.Typer(help="Check, upgrade, copy and restore the database. See docs/storage.md.", no_args_is_help=True)


@db_app.command("check")
def check_db(config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """Say which version the database has, whether it is whole, whether the keys fit, and what an upgrade would do.

    It changes nothing. The exit code is 5 when something is wrong.
    """
    from dialer.config.settings import load_settings
    from dialer.errors import StorageError

    found = checkup_of(load_settings(config))
    if as_json:
        import msgspec

        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        print_checkup(found)
    if found.faults:
        raise StorageError("\n".join(found.faults))


@db_app.command("upgrade")
def upgrade_db(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
    config: ConfigOption = CONFIG,
) -> None:
    """Bring the database of an earlier dialer up to date, in one transaction; refused while a daemon runs.

    An older dialer cannot read it afterwards: make a backup first.
    """
    from dialer.config.settings import load_settings
    from dialer.daemon.lock import only_daemon
    from dialer.daemon.stores import open_store
    from dialer.errors import StorageError

    settings = load_settings(config)
    found = checkup_of(settings)
    if found.faults:
        raise StorageError("\n".join(found.faults))
    if not found.steps:
        print(f"{found.database}: schema version {found.found}: nothing to do")
        return
    _print_steps(found)
    if dry_run:
        print(f"To be able to go back, make a copy first: dialer db backup FILE --config {config}")
        return
    if found.living:
        raise StorageError(f"{'; '.join(found.living)}: at work on {found.database}: stop it first")
    with only_daemon(settings.state_dir):
        open_store(settings).close()
    print(f"{found.database}: upgraded from schema version {found.found} to {found.expected}")


@db_app.command("backup")
def backup_db(
    file: Annotated[Path, typer.Argument(help="The file to write; it must not be there yet.")],
    config: ConfigOption = CONFIG,
) -> None:
    """Copy the database and the registers to one file, while the daemon dials. The keys are NOT in it.

    It is the state of one instant, checked after it was written, and readable by its owner only. For a database on a
    PostgreSQL server it names the commands of PostgreSQL that do the same.
    """
    from dialer.config.settings import load_settings
    from dialer.storage.backup import back_up
    from dialer.storage.registries import FOLDER

    settings = load_settings(config)
    database = _file_of(settings, file)
    made = back_up(database.path, database.folder / FOLDER, file.absolute(), shown_progress("copied"))
    content = f"schema version {made.schema_version}, {made.registers} register files, {made.size / 1e6:,.1f} MB"
    print(f"{file}: whole: {content}")
    print(
        f"The keys are NOT in it: keep a copy of {settings.keys_file} elsewhere. Without it nobody can read the numbers"
    )
    print("and names in the backup again.")


@db_app.command("restore")
def restore_db(
    file: Annotated[Path, typer.Argument(help="A file that `dialer db backup` wrote.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Put it in the place of the database that is there, which is kept beside.")
    ] = False,
    config: ConfigOption = CONFIG,
) -> None:
    """Bring a backup to the place of the database, and its registers to theirs; refused while a daemon runs.

    What happened after the backup was made is not in it: calls of that time are unknown to every cap and rule. For a
    database on a PostgreSQL server it names the commands of PostgreSQL that do the same.
    """
    from dialer.config.settings import load_settings
    from dialer.daemon.bookmark import forget
    from dialer.daemon.lock import only_daemon
    from dialer.storage.backup import REPLACED, restore
    from dialer.storage.registries import FOLDER

    settings = load_settings(config)
    database = _file_of(settings, file).path
    was_there = database.exists()
    with only_daemon(settings.state_dir):
        vault = _known_vault(settings)
        registers = database.parent / FOLDER
        progress = shown_progress("restored")
        found = restore(file, database, registers, vault, is_replacing=replace, progress=progress)
        forget(settings.state_dir)
    print(f"{database}: restored as of {_instant(found.made_at)} UTC, schema version {found.schema_version}")
    print("Calls and refusals since then are not in it: whoever was called since may be called again")
    if was_there:
        print(f"The database that was there is kept as {database.name}{REPLACED}: remove it when you are sure")
    if vault is None:
        print(f"There are no keys at {settings.keys_file}: put back the file that the backup was made with, then start")


def checkup_of(settings: "Settings") -> "Checkup":
    """Look at the database that the settings name."""
    from dialer.daemon.stores import database_of
    from dialer.storage.checkup import check_up
    from dialer.storage.keyring import open_vault

    database = database_of(settings)
    return check_up(database, lambda: open_vault(settings.keys_file, database))


def _file_of(settings: "Settings", copy: Path) -> "SqliteDatabase":
    """Give the database where it is a file; else raise UsageError with what copies it, and what brings it back."""
    from dialer.daemon.stores import database_of
    from dialer.errors import UsageError
    from dialer.storage.registries import FOLDER
    from dialer.storage.sqlite import SqliteDatabase

    database = database_of(settings)
    if isinstance(database, SqliteDatabase):
        return database
    address, file = shlex.quote(database.name), shlex.quote(str(copy))
    raise UsageError(
        f"database {database.name}: a server's database is copied, and brought back, by PostgreSQL's own commands:\n"
        f"  pg_dump --format=custom --file={file} {address}\n"
        f"  pg_restore --clean --if-exists --no-owner --exit-on-error --single-transaction --dbname={address} {file}\n"
        f"Stop every daemon before the second. Neither the keys ({settings.keys_file}) nor the registers' files "
        f"({database.folder / FOLDER}) are in the copy: keep them apart from it. See docs/storage.md"
    )


def _known_vault(settings: "Settings") -> "Vault | None":
    """Open the keyring that there is; None when there is none, and none is made."""
    from dialer.daemon.stores import database_of
    from dialer.storage.keyring import is_from_environment, open_vault

    if not settings.keys_file.exists() and not is_from_environment():
        return None
    return open_vault(settings.keys_file, database_of(settings))


def shown_progress(what: str) -> "Progress":
    """Say each tenth of a large database."""
    said = [0]

    def say(done: int, total: int) -> None:
        tenth = 10 * done // total if total > 100_000 else 0
        if tenth > said[0]:
            said[0] = tenth
            print(f"{what}: {tenth}0 %", file=sys.stderr)

    return say


def print_checkup(found: "Checkup") -> None:
    """Say what was found, and what an upgrade would do."""
    print(found.database)
    print(f"  schema version  {'unknown' if found.found is None else found.found}; this dialer's is {found.expected}")
    free = "" if found.free is None else f"; free on its disk: {found.free / 1e6:,.0f} MB"
    print(f"  size            {found.size / 1e6:,.1f} MB{free}")
    print(f"  rows            {', '.join(f'{table} {count:,}' for table, count in found.rows.items()) or 'unknown'}")
    print(f"  keys            {found.keys}")
    print(f"  registers       {found.registers} in use")
    for engine in found.living:
        print(f"  at work         {engine}")
    print(f"  wrong           {len(found.faults) or 'nothing'}")
    if found.steps:
        _print_steps(found)


def _print_steps(found: "Checkup") -> None:
    print(f"An upgrade takes {len(found.steps)} steps and up to {found.needed / 1e6:,.0f} MB beside what is there:")
    for step in found.steps:
        print(f"  {step.version}: {step.what}")


def _instant(at: float) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}"
