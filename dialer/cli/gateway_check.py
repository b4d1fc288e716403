"""`dialer gateway check`: is a gateway's file valid, with everything that it names?

One rule governs this module: what a start would refuse is refused here in the same words, and nothing is started.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dialer.cli.gateway_asterisk import CONFIG, ConfigOption
from dialer.errors import ConfigError

if TYPE_CHECKING:
    from dialer.config.broker import BrokerSettings
    from dialer.config.faults import Fault


@dataclass(slots=True)
class Checked:
    """What was found of a gateway's file; `gateway` and `line`, the same for people, only where it is valid."""

    gateway: dict[str, object] | None = None
    line: str = ""
    warnings: list[str] = field(default_factory=list)


def check(
    config: ConfigOption = CONFIG,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Check a gateway's file without starting the gateway: keys, password, certificates, campaigns and world.

    A file with [loopback] is for `dialer gateway loopback`, any other for `dialer gateway asterisk`. Run it as the user
    and with the credentials of the service: what that one cannot read is a fault. Nothing is connected.

    Exit codes: 0 valid; 3 not.
    """
    from dialer.config.faults import ConfigFaults

    faults: list[Fault] = []
    checked = check_gateway(config, faults)
    if as_json:
        told = [{**asdict(fault), "message": str(fault)} for fault in faults]
        answer = {"is_valid": not faults, "faults": told, "gateway": checked.gateway, "warnings": checked.warnings}
        print(json.dumps(answer, indent=2))
        if faults:
            raise typer.Exit(ConfigError.exit_code)
        return
    if faults:
        raise ConfigFaults(faults)
    for text in (checked.line, *checked.warnings):
        print(text)


def check_gateway(path: Path, faults: "list[Fault]") -> Checked:
    """Read a gateway's file as a start does, and everything that it names; add all faults."""
    from dialer.config.faults import ConfigFaults
    from dialer.config.toml_file import TomlFile

    try:
        if "loopback" in TomlFile.read(path).values:
            return _loopback(path, faults)
        return _asterisk(path, faults)
    except ConfigFaults as error:
        faults.extend(error.faults)
        return Checked()


def check_broker(broker: "BrokerSettings", faults: "list[Fault]") -> list[str]:
    """Try the broker's certificates, add their faults, and give the warnings."""
    from dialer.cli.broker import address_of, broker_warnings

    attempt(lambda: address_of(broker), faults)
    return list(broker_warnings(broker))


def _asterisk(path: Path, faults: "list[Fault]") -> Checked:
    from dialer.config.asterisk_file import load_asterisk_gateway

    file = load_asterisk_gateway(path)
    warnings = check_broker(file.broker, faults)
    return Checked() if faults else _valid(path, file.name, "asterisk", file.lines, file.broker, warnings)


def _loopback(path: Path, faults: "list[Fault]") -> Checked:
    from dialer.config.campaign import load_campaigns
    from dialer.config.gateway_file import load_loopback_gateway
    from dialer.simulator.scenario import load_world

    file = load_loopback_gateway(path)
    simulated, world = file.simulated, file.simulated.world
    attempt(lambda: load_campaigns(simulated.campaigns), faults)
    if world is not None:
        attempt(lambda: load_world(str(world)), faults)
    warnings = check_broker(file.broker, faults)
    return Checked() if faults else _valid(path, file.name, "loopback", file.lines, file.broker, warnings)


def _valid(path: Path, name: str, kind: str, lines: int, broker: "BrokerSettings", warnings: list[str]) -> Checked:
    from dialer.config.faults import shown

    place = f"{broker.host}:{broker.port}"
    return Checked(
        gateway={"name": name, "kind": kind, "lines": lines, "broker": place},
        line=f"{shown(path)}: valid; gateway {name}, {kind}, {lines} lines, broker {place}",
        warnings=warnings,
    )


def attempt(load: Callable[[], object], faults: "list[Fault]") -> None:
    """Load something for its faults alone, and add them."""
    from dialer.config.faults import ConfigFaults

    try:
        load()
    except ConfigFaults as error:
        faults.extend(error.faults)
