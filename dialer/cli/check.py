"""`dialer check`: are the configuration, the world, the campaigns and the headings of their lists valid?

Nothing is run and nothing is kept.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dialer.errors import ConfigError, ListError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dialer.config.faults import Fault
    from dialer.config.settings import Settings
    from dialer.domain.policy import CampaignPolicy


def check(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="The daemon's configuration, such as config.toml.")],
    campaigns: Annotated[
        list[Path] | None,
        typer.Argument(metavar="CAMPAIGNS", help="Campaign files; without any: all in the campaigns folder."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Check a configuration and campaign files without running them.

    Prints every fault of every file at once: file, line, key, expected, found, nearest known key. Of each lead list it
    reads the headings and the first row: a missing column is a fault too.

    Exit codes: 0 all valid; 3 not.
    """
    from dialer.config.faults import ConfigFaults

    faults: list[Fault] = []
    settings = _settings(config, faults)
    paths = campaigns or ([] if settings is None else sorted(settings.campaigns_dir.glob("*.toml")))
    policies = _policies(paths, faults)
    faults.extend(_list_faults(paths))
    if as_json:
        _print_json(faults, policies)
        if faults:
            raise typer.Exit(ConfigError.exit_code)
        return
    if faults:
        raise ConfigFaults(faults)
    _print_valid(config, paths, policies)


def _settings(path: Path, faults: "list[Fault]") -> "Settings | None":
    """Read the configuration and the world that it names; add their faults."""
    from dialer.config.faults import ConfigFaults
    from dialer.config.settings import load_settings

    settings = None
    try:
        settings = load_settings(path)
        if settings.loopback.world is not None:
            from dialer.simulator.scenario import load_world

            load_world(str(settings.loopback.world))
    except ConfigFaults as error:
        faults.extend(error.faults)
    return settings


def _policies(paths: list[Path], faults: "list[Fault]") -> "list[CampaignPolicy]":
    from dialer.config.campaign import load_campaigns
    from dialer.config.faults import ConfigFaults

    try:
        return load_campaigns(paths)
    except ConfigFaults as error:
        faults.extend(error.faults)
        return []


def _list_faults(paths: list[Path]) -> "Iterator[Fault]":
    """Give a fault for each list that the campaign which names it could not import."""
    from dialer.config.campaign import load_campaign
    from dialer.config.faults import ConfigFaults
    from dialer.config.toml_file import TomlFile
    from dialer.daemon.imports import check_list

    for path in paths:
        try:
            policy, file = load_campaign(path), TomlFile.read(path)
        except ConfigFaults:
            continue  # its faults are told already, and what it wants of its lists is not known
        for rank, name in enumerate(policy.list.files):
            try:
                check_list(name, policy)
            except ListError as error:
                found = " ".join(str(error).removesuffix("Nothing was loaded.").split()).removesuffix(".")
                wanted = "a list with a row under the columns that [list] names"
                yield file.fault(("list", "files", rank), expected=wanted, found=found)


def _print_json(faults: "list[Fault]", policies: "list[CampaignPolicy]") -> None:
    answer = {
        "is_valid": not faults,
        "faults": [{**asdict(fault), "message": str(fault)} for fault in faults],
        "campaigns": [{"name": policy.name, "digest": policy.digest} for policy in policies],
    }
    print(json.dumps(answer, indent=2))


def _print_valid(config: Path, paths: list[Path], policies: "list[CampaignPolicy]") -> None:
    from dialer.config.faults import shown

    print(f"{shown(config)}: valid")
    for path, policy in zip(paths, policies, strict=True):
        lists = f"{len(policy.list.files)} list{'' if len(policy.list.files) == 1 else 's'}"
        print(f"{shown(path)}: valid; campaign {policy.name}, {policy.pacing.mode}, {lists}")
    if not paths:
        print("no campaign files were named and the campaigns folder has none")
