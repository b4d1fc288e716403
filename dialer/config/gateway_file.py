"""The configuration of a gateway process: its name on the broker, its lines, and what is behind it.

One rule governs this module: paths are relative to the folder of the file that names them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from dialer.config.broker import BrokerSettings, BrokerTable, broker_settings
from dialer.config.faults import ConfigFaults, shown
from dialer.config.toml_file import TomlFile, TomlModel
from dialer.config.values import DistinctFiles, ExistingFile, Name, Names

_DAEMONS_OWN = {"state_dir", "campaigns_dir", "gateway", "gateways"}
_CAMPAIGNS = 'campaign files by which the simulated agents work, such as ["campaigns/survey.toml"]'


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedSettings:
    """A telephone network of simulated people, and simulated agents at its desks.

    `campaigns` are files from which the agents know their dispositions and wrap-up limits. `world` None: the built-in.
    """

    world: Path | None
    seed: int
    agents: int
    agent_groups: tuple[str, ...]
    campaigns: tuple[Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """Everything in a gateway.toml for the loopback gateway."""

    name: str
    lines: int
    log_level: str
    log_format: str
    broker: BrokerSettings
    simulated: SimulatedSettings


class LogTable(TomlModel):
    """[log]"""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class SimulatedTable(TomlModel):
    """[loopback]"""

    world: ExistingFile | None = None
    seed: Annotated[int, Field(ge=0, lt=1 << 63)] = 1
    agents: Annotated[int, Field(ge=0, le=10_000)] = 0
    agent_groups: Names | None = None
    campaigns: Annotated[DistinctFiles, Field(min_length=1, description=_CAMPAIGNS)]


class GatewayFileTable(TomlModel):
    """What every gateway.toml has."""

    name: Name = Field(description='the gateway\'s name on the broker, such as "north"')
    lines: Annotated[int, Field(ge=1, le=10_000)] = 60
    log: LogTable = LogTable()
    broker: BrokerTable = BrokerTable()


class LoopbackFileTable(GatewayFileTable):
    """A whole gateway.toml for `dialer gateway loopback`."""

    loopback: SimulatedTable = Field(description="the table [loopback] with its campaigns")


def read_gateway_file(path: Path) -> TomlFile:
    """Read a gateway.toml; another of the dialer's files in its place is one fault, not one for each key."""
    file = TomlFile.read(path)
    if "seller" in file.values:
        found, command = "a campaign file", f"that campaign: `dialer check config.toml {shown(path)}`"
    elif "name" not in file.values and not _DAEMONS_OWN.isdisjoint(file.values):
        found, command = "the daemon's configuration", f"that one: `dialer check {shown(path)}`"
    else:
        return file
    hint = f"name gateway.toml instead; to check {command}"
    raise ConfigFaults([file.fault((), expected="a gateway's file", found=found, hint=hint)])


def load_loopback_gateway(path: Path) -> GatewaySettings:
    """Read a gateway.toml for the loopback gateway; raise ConfigFaults with every fault in it."""
    table = read_gateway_file(path).check(LoopbackFileTable)
    simulated = table.loopback
    return GatewaySettings(
        name=table.name,
        lines=table.lines,
        log_level=table.log.level,
        log_format=table.log.format,
        broker=broker_settings(path, table.broker),
        simulated=SimulatedSettings(
            world=None if simulated.world is None else Path(simulated.world),
            seed=simulated.seed,
            agents=simulated.agents,
            agent_groups=tuple(simulated.agent_groups or ()),
            campaigns=tuple(map(Path, simulated.campaigns)),
        ),
    )
