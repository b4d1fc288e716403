"""`dialer check`: are the configuration, what it names, the rulesets, the campaigns and their lists' headings valid?

Nothing is run and nothing is kept.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dialer.cli.gateway_check import attempt, check_broker
from dialer.errors import ConfigError, ListError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dialer.config.faults import Fault
    from dialer.config.settings import Settings
    from dialer.domain.law import Law
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
    reads the headings and the first row: a missing column is a fault too. Where a rule of the campaign's own country
    would refuse every call because of what the campaign declares, it says so; that is no fault of the file. A gateway
    behind a broker has a file of its own: `dialer gateway check`.

    Exit codes: 0 all valid; 3 not.
    """
    from dialer.config.faults import ConfigFaults

    faults: list[Fault] = []
    settings = _settings(config, faults)
    warnings = [] if settings is None else _gateway_warnings(settings, faults)
    paths = campaigns or ([] if settings is None else sorted(settings.campaigns_dir.glob("*.toml")))
    law = _law(settings, faults)
    policies = _policies(paths, faults)
    faults.extend(_list_faults(paths))
    warnings += [] if law is None else [text for policy in policies for text in _refusals(policy, law)]
    if as_json:
        _print_json(faults, policies, warnings)
        if faults:
            raise typer.Exit(ConfigError.exit_code)
        return
    if faults:
        raise ConfigFaults(faults)
    _print_valid(config, paths, policies)
    for text in warnings:
        print(text)


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


def _gateway_warnings(settings: "Settings", faults: "list[Fault]") -> list[str]:
    """Check what the daemon needs to reach its gateways, as far as files say; add the faults, give the warnings."""
    from dialer.config.asterisk_file import load_asterisk_gateway

    if settings.asterisk is not None:
        path = settings.asterisk
        attempt(lambda: load_asterisk_gateway(path), faults)
    return [] if settings.broker is None else check_broker(settings.broker, faults)


def _law(settings: "Settings | None", faults: "list[Fault]") -> "Law | None":
    """Read the rulesets, the operator's own among them; add their faults."""
    import time

    from dialer.config.faults import ConfigFaults
    from dialer.config.rulesets import load_law

    try:
        return load_law(() if settings is None else settings.rules, around=time.time())
    except ConfigFaults as error:
        faults.extend(error.faults)
        return None


def _refusals(policy: "CampaignPolicy", law: "Law") -> "Iterator[str]":
    """Say which rules of the campaign's own country refuse all its calls for what it declares, whatever the person."""
    from datetime import date

    from dialer.compliance.applying import applying, in_force
    from dialer.compliance.declarations import check_abandonments, check_caller_ids, check_rings

    rules = applying(law, (policy.jurisdiction,), policy.purpose, policy.compliance.audience)
    rules = in_force(rules, (date.today().toordinal(),))
    where = f"warning: campaign {policy.name}: every call to {policy.jurisdiction} will be refused"
    if rules.missing:
        yield f"{where}: there is no ruleset for {' '.join(rules.missing)}; add a file to [compliance] rules"
    for check_rules in (check_rings, check_abandonments, check_caller_ids):
        for found in check_rules(policy, rules):
            if not found.allowed:
                said = "; ".join(f"{name} {text}" for name, text in found.inputs)
                yield f"{where} by {found.rule} ({found.force}): {said}"


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


def _print_json(faults: "list[Fault]", policies: "list[CampaignPolicy]", warnings: list[str]) -> None:
    answer = {
        "is_valid": not faults,
        "faults": [{**asdict(fault), "message": str(fault)} for fault in faults],
        "campaigns": [{"name": policy.name, "digest": policy.digest} for policy in policies],
        "warnings": warnings,
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
