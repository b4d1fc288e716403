"""Commands about the keyring that seals numbers and names: list the keys, change to a new one, drop an old one."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from dialer.daemon.keys import KeyLine, Progress, RotationReport

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration file; every key is in config.example.toml.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
CONFIG = Path("config.toml")
SAY_EVERY = 10_000  # rows

keys_app = typer.Typer(
    help="List, change and drop the keys that seal numbers and names. See docs/operations.md.", no_args_is_help=True
)


@keys_app.command("list")
def list_keys(config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """Show each key's id, when it was made, and how many rows have a value sealed under it. Never a secret."""
    from dialer.config.settings import load_settings
    from dialer.daemon import keys

    lines = keys.list_keys(load_settings(config))
    if as_json:
        _print_json(lines)
    else:
        _print_keys(lines)


@keys_app.command("rotate")
def rotate_keys(config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """Make a new key and seal everything anew under it, while the daemon dials.

    The old key stays in the key file, for reading, until you drop it. After a crash run it again: it goes on.

    Copy the key file to a safe place afterwards: without it nobody can read the numbers and names again.
    """
    from dialer.config.settings import load_settings
    from dialer.daemon import keys

    settings = load_settings(config)
    report = keys.rotate(settings, _progress())
    if as_json:
        _print_json(report)
    else:
        _print_report(report, settings.keys_file)
    if report.left:
        raise typer.Exit(1)


@keys_app.command("drop")
def drop_key(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `dialer keys list` shows it.")],
    config: ConfigOption = CONFIG,
) -> None:
    """Take an old key out of the key file; refused while anything is sealed under it.

    Copies of the database from before the rotation cannot be read without it: keep a copy of the key file with them.
    """
    from dialer.config.settings import load_settings
    from dialer.daemon import keys

    settings = load_settings(config)
    keys.drop(settings, key_id)
    print(f"{key_id}: nothing is sealed under it; dropped from {settings.keys_file}")


def _progress() -> "Progress":
    """Say now and then how far a rotation is."""
    done, said = [0], [0]

    def say(table: str, rows: int) -> None:
        done[0] += rows
        if done[0] - said[0] >= SAY_EVERY:
            said[0] = done[0]
            print(f"keys: {done[0]:,} rows sealed anew ({table})", file=sys.stderr)

    return say


def _print_keys(lines: "list[KeyLine]") -> None:
    print(f"{'key':<8}  {'made':<20}  {'rows':>12}")
    for line in lines:
        made = f"{line.made_at:%Y-%m-%d %H:%M %Z}"
        use = "seals" if line.is_in_use else "reads only" if line.rows else "not needed: may be dropped"
        print(f"{line.key}  {made:<20}  {line.rows:>12,}  {use}")


def _print_report(report: "RotationReport", keys_file: Path) -> None:
    if report.is_new:
        print(f"{report.key}: made, and in {keys_file}: copy that file to a safe place")
    else:
        print(f"{report.key}: an earlier rotation to it was not finished; run this again for a new key")
    if report.daemon == "told":
        print("The daemon seals with it.")
    elif report.daemon != "none":
        print(f"The daemon was not told, and seals with it when it first meets it: {report.daemon}")
    rows = ", ".join(f"{table} {count:,}" for table, count in report.resealed.items()) or "none"
    print(f"Rows sealed anew: {rows}; in {report.elapsed_s:.1f} s.")
    for key, count in report.left.items():
        print(f"{count:,} rows are still under {key}: an import ran meanwhile; run this again when it is done")
    if not report.left and report.older:
        print(f"Nothing is under an older key ({', '.join(report.older)}): `dialer keys drop ID` lets go of it.")


def _print_json(value: object) -> None:
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(value)).decode())
