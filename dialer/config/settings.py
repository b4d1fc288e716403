"""The daemon's own configuration: where it keeps things, its gateway, its logs, its rules and who may see what.

One rule governs this module: paths are relative to the folder of the file that names them, never to the working folder.
"""

import os
import re
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, model_validator

from dialer.config.broker import BrokerSettings, BrokerTable, broker_settings
from dialer.config.credentials import KEYS, credential
from dialer.config.faults import ConfigFaults, Fault, quoted, shown
from dialer.config.toml_file import TomlFile, TomlModel, expected
from dialer.config.values import DistinctFiles, ExistingFile, Name, Names, resolved

KEYS_VARIABLE = "DIALER_KEYS"
"""The environment variable that names the keyring in place of config.toml."""

SERVER = ("postgresql://", "postgres://")
"""How the address of a database on a PostgreSQL server begins."""
_DATABASE = "a path to a file, or an address such as postgresql://dialer@db.example:5432/dialer"
SOCKET_PATH_BYTES_MAX = 107  # Linux keeps 108 bytes for the path of a Unix socket, the last one a NUL
PORT_MAX = 65_535
_ADDRESS = re.compile(r"([0-9.]+|\[[0-9a-fA-F:.]+\]):([0-9]{1,5})")
_VIEWER = re.compile(r"@?[A-Za-z_][A-Za-z0-9_.-]{0,31}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopbackSettings:
    """The telephone network inside the process.

    `world` None: the built-in one; `agent_groups` empty: each group that a loaded campaign names; `start_at` None: now.
    """

    world: Path | None
    seed: int
    agents: int
    agent_groups: tuple[str, ...]
    speed: float
    start_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkSettings:
    """A gateway to reach over the broker: its name, how many calls at once and how many a second."""

    name: str
    lines: int
    calls_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything in config.toml, with absolute paths. `database` is a file, or an address on a PostgreSQL server.

    `rules` are the operator's own ruleset files; `full_view` the users and, with an @ in front, groups of the operating
    system who may see whole telephone numbers; `engine` names what dials, for daemons that share a database;
    `listen` is where the pages for probes and metrics are (None: nowhere). `trunks` are the gateways behind `broker`;
    with none the loopback gateway dials.
    """

    state_dir: Path
    database: Path | str
    control_socket: Path
    campaigns_dir: Path
    drain_timeout_s: float
    log_level: str
    log_format: str
    lines: int
    calls_per_second: float
    loopback: LoopbackSettings
    keys_file: Path
    rules: tuple[Path, ...] = ()
    full_view: tuple[str, ...] = ()
    engine: str = "main"
    listen: tuple[str, int] | None = None
    trunks: tuple[TrunkSettings, ...] = ()
    broker: BrokerSettings | None = None
    asterisk: Path | None = None


def _folder(value: str, info: ValidationInfo) -> str:
    path = resolved(value, info)
    if os.path.exists(path) and not os.path.isdir(path):
        raise expected("a folder, or a path where one can be made", hint=f"{shown(path)} is a file")
    return str(path)


def _existing_folder(value: str, info: ValidationInfo) -> str:
    path = resolved(value, info)
    if not os.path.isdir(path):
        raise expected(
            "an existing folder, its path relative to this file's folder", hint=f"there is no folder {shown(path)}"
        )
    return str(path)


def _file(value: str, info: ValidationInfo) -> str:
    path = resolved(value, info)
    if os.path.isdir(path):
        raise expected("a path to a file", hint=f"{shown(path)} is a folder")
    return str(path)


def _database(value: str, info: ValidationInfo) -> str:
    """Check a path, or the address of a database on a PostgreSQL server, which stays as it is."""
    if not value.startswith(SERVER):
        if "://" in value:
            raise expected(_DATABASE, hint="a server's address begins with postgresql://")
        return _file(value, info)
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    # What is found is not shown where it may hold a password.
    try:
        parts = conninfo_to_dict(value)
    except ProgrammingError:
        raise ValueError(f"expected {_DATABASE}, found something that PostgreSQL cannot read") from None
    if "password" in parts or "sslpassword" in parts:
        raise ValueError(
            "expected an address without a password, which belongs in the environment variable PGPASSWORD or in a file "
            "that PGPASSFILE or ?passfile= names, found one with a password"
        )
    if not parts.get("dbname"):
        raise expected(_DATABASE, hint="the name of the database is missing at its end")
    return value


def _instant(value: object) -> float:
    what = 'an instant with its offset from UTC, such as "2026-03-02T09:00:00+09:00"'
    try:
        instant = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        instant = None
    if not isinstance(instant, datetime):
        raise expected(what)
    if instant.tzinfo is None:
        raise expected(what, hint="add the offset: Z for UTC, +09:00 for Seoul and Tokyo")
    if not 2000 <= instant.year < 2100:
        raise expected("an instant from 2000 to 2099")
    return instant.timestamp()


def _listen(value: object) -> tuple[str, int]:
    """Read an address of this machine and a port: "127.0.0.1:9464", "[::1]:9464"."""
    what = 'an address of this machine and a port, such as "127.0.0.1:9464"'
    found = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
    if found is None or not 1 <= int(found[2]) <= PORT_MAX:
        raise expected(what)
    try:
        return str(ip_address(found[1].strip("[]"))), int(found[2])
    except ValueError:
        raise expected(what, hint="a number such as 127.0.0.1, not a name") from None


def _viewers(values: list[str]) -> list[str]:
    for index, value in enumerate(values):
        if not _VIEWER.fullmatch(value):
            raise expected('a user of the operating system, or "@" and a group, such as "@privacy"', key=(index,))
        if value in values[:index]:
            raise expected("each name once", key=(index,))
    return values


class LogTable(TomlModel):
    """[log]"""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class EngineTable(TomlModel):
    """[engine]"""

    name: Name = "main"


class GatewayTable(TomlModel):
    """[gateway]"""

    lines: Annotated[int, Field(ge=1, le=10_000)] = 60
    calls_per_second: Annotated[float, Field(ge=0.1, le=1000)] = 10.0
    asterisk: ExistingFile | None = None


class TrunkTable(TomlModel):
    """[gateways.NAME]"""

    kind: Literal["mqtt"] = "mqtt"
    lines: Annotated[int, Field(ge=1, le=10_000)] = 60
    calls_per_second: Annotated[float, Field(ge=0.1, le=1000)] = 10.0


class LoopbackTable(TomlModel):
    """[loopback]"""

    world: ExistingFile | None = None
    seed: Annotated[int, Field(ge=0, lt=1 << 63)] = 1
    agents: Annotated[int, Field(ge=0, le=10_000)] = 12
    agent_groups: Names | None = None
    speed: Annotated[float, Field(ge=0.1, le=1000)] = 1.0
    start_at: Annotated[float, BeforeValidator(_instant)] | None = None


class MetricsTable(TomlModel):
    """[metrics]"""

    listen: Annotated[tuple[str, int], BeforeValidator(_listen)] | None = None


class ComplianceTable(TomlModel):
    """[compliance]"""

    rules: DistinctFiles = Field(default_factory=list)


class KeysTable(TomlModel):
    """[keys]"""

    file: Annotated[str, AfterValidator(_file)] | None = None


class PrivacyTable(TomlModel):
    """[privacy]"""

    full_view: Annotated[list[str], AfterValidator(_viewers)] = Field(default_factory=list)


class SettingsTable(TomlModel):
    """A whole config.toml. The database and the socket lie in the state folder unless they are named."""

    state_dir: Annotated[str, AfterValidator(_folder), Field(validate_default=True)] = "var"
    database: Annotated[str, AfterValidator(_database)] | None = None
    control_socket: Annotated[str, AfterValidator(_file)] | None = None
    campaigns_dir: Annotated[str, AfterValidator(_existing_folder), Field(validate_default=True)] = "campaigns"
    drain_timeout_s: Annotated[float, Field(ge=0, le=3600)] = 60.0
    log: LogTable = LogTable()
    engine: EngineTable = EngineTable()
    gateway: GatewayTable = GatewayTable()
    gateways: dict[Name, TrunkTable] = Field(default_factory=dict)
    broker: BrokerTable = BrokerTable()
    loopback: LoopbackTable = LoopbackTable()
    metrics: MetricsTable = MetricsTable()
    compliance: ComplianceTable = ComplianceTable()
    keys: KeysTable = KeysTable()
    privacy: PrivacyTable = PrivacyTable()

    @model_validator(mode="after")
    def _socket_fits(self) -> Self:
        length = len(os.fsencode(self.socket_path))
        if length > SOCKET_PATH_BYTES_MAX:
            key = "state_dir" if self.control_socket is None else "control_socket"
            hint = f"{shown(self.socket_path)} has {length}: choose a shorter one, such as /run/dialer/dialer.sock"
            what = f"a control socket's path of at most {SOCKET_PATH_BYTES_MAX} bytes once it is absolute"
            raise expected(what, key=(key,), hint=hint)
        return self

    @model_validator(mode="after")
    def _gateways_fit(self) -> Self:
        if self.gateways and "gateway" in self.model_fields_set:
            hint = "each of [gateways.NAME] has lines and calls_per_second of its own"
            raise expected("[gateway] or [gateways.NAME], not both", key=("gateway",), hint=hint)
        return self

    @model_validator(mode="after")
    def _rings_now(self) -> Self:
        """Telephones ring in real time, and at today's hours."""
        where = "[gateways.NAME]" if self.gateways else None if self.gateway.asterisk is None else "gateway.asterisk"
        if where is not None and self.loopback.speed != 1.0:
            hint = "gateways live in real time"
            raise expected(f"1 where there is {where}", key=("loopback", "speed"), hint=hint)
        if where is not None and self.loopback.start_at is not None:
            hint = "at another date it would call people at hours that are closed today"
            raise expected(f"no other date where there is {where}", key=("loopback", "start_at"), hint=hint)
        return self

    @property
    def socket_path(self) -> Path:
        """The control socket's absolute path."""
        return Path(self.control_socket or f"{self.state_dir}/dialer.sock")


def load_settings(path: Path) -> Settings:
    """Read config.toml; raise ConfigFaults with every fault in it."""
    file = TomlFile.read(path)
    if "name" in file.values:
        raise ConfigFaults([_mixed_up(file)])
    table = file.check(SettingsTable)
    loopback = table.loopback
    return Settings(
        state_dir=Path(table.state_dir),
        database=_place(table.database or f"{table.state_dir}/dialer.db"),
        control_socket=table.socket_path,
        campaigns_dir=Path(table.campaigns_dir),
        drain_timeout_s=table.drain_timeout_s,
        log_level=table.log.level,
        log_format=table.log.format,
        asterisk=None if table.gateway.asterisk is None else Path(table.gateway.asterisk),
        lines=sum(each.lines for each in table.gateways.values()) or table.gateway.lines,
        calls_per_second=sum(each.calls_per_second for each in table.gateways.values())
        or table.gateway.calls_per_second,
        loopback=LoopbackSettings(
            world=None if loopback.world is None else Path(loopback.world),
            seed=loopback.seed,
            agents=loopback.agents,
            agent_groups=tuple(loopback.agent_groups or ()),
            speed=loopback.speed,
            start_at=loopback.start_at,
        ),
        keys_file=_keys_file(path, table),
        rules=tuple(map(Path, table.compliance.rules)),
        full_view=tuple(table.privacy.full_view),
        engine=table.engine.name,
        listen=table.metrics.listen,
        trunks=tuple(
            TrunkSettings(name=name, lines=each.lines, calls_per_second=each.calls_per_second)
            for name, each in table.gateways.items()
        ),
        broker=broker_settings(path, table.broker) if table.gateways else None,
    )


def _mixed_up(file: TomlFile) -> Fault:
    """One fault instead of one for each key: config.toml has no name of its own, the other files have one."""
    found, command = "a gateway's file", f"gateway: `dialer gateway check --config {shown(file.path)}`"
    if "seller" in file.values:
        found, command = "a campaign file", f"campaign: `dialer check config.toml {shown(file.path)}`"
    hint = f"name config.toml instead; to check this {command}"
    return file.fault((), expected="the daemon's configuration", found=found, hint=hint)


def _place(database: str) -> Path | str:
    return database if database.startswith(SERVER) else Path(database)


def _keys_file(path: Path, table: SettingsTable) -> Path:
    """Give where the keyring is: where the environment says, else the service manager's, the file, the state folder.

    The environment may hold the keyring itself, an object of JSON; then no file is read, and this one never made.
    """
    named = os.environ.get(KEYS_VARIABLE, "")
    if not named or named.lstrip().startswith("{"):
        return credential(KEYS) or Path(table.keys.file or f"{table.state_dir}/keys.json")
    if not os.path.isabs(named) or "\0" in named:
        wanted = f"an absolute path or a keyring in the environment's {KEYS_VARIABLE}, or none"
        hint = "the working folder is not the same for every command"
        fault = Fault(file=shown(path), line=None, key="keys.file", expected=wanted, found=quoted(named), hint=hint)
        raise ConfigFaults([fault])
    return Path(named)
