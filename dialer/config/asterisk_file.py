"""gateway.toml for an Asterisk: how to reach it, what to dial through, detector, recording and agents' legs.

One rule governs this module: a table that is there is in use. Without [detector] every answer is a person, without
[recording] nothing is recorded.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationInfo

from dialer.config.broker import BrokerSettings, broker_settings
from dialer.config.credentials import ARI, password
from dialer.config.faults import ConfigFaults, Fault, shown
from dialer.config.gateway_file import GatewayFileTable, read_gateway_file
from dialer.config.toml_file import TomlModel, expected
from dialer.config.values import ExistingFile, Name, Names, matching, resolved

PASSWORD_VARIABLE = "DIALER_ARI_PASSWORD"

Ms = Annotated[int, Field(ge=1, le=60_000)]
Word = Annotated[str, matching(re.compile(r"[A-Za-z0-9_.-]{1,64}"), "1 to 64 letters, digits, -, _ or .")]
CallerName = Annotated[str, matching(re.compile(r'[^"<>]{1,40}'), 'a text of 1 to 40 characters without " < >')]


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
        raise expected("the address of Asterisk's HTTP server, such as http://127.0.0.1:8088", hint="without /ari")
    return value.rstrip("/")


def _plain(path: str) -> str:
    if re.search(r"[,&|${}\[\]\"';]", path):
        raise expected(
            "a path without , & | $ { } [ ] ; and quotes", hint="Asterisk's dialplan would not take it for one"
        )
    return path


def _folder(value: str, info: ValidationInfo) -> str:
    return _plain(str(resolved(value, info)))


def _endpoint(value: str) -> str:
    if "/" not in value or value.count("{agent}") > 1 or "{" in value.replace("{agent}", ""):
        raise expected('an endpoint such as "PJSIP/{agent}"', hint="{agent} stands for the agent's name")
    return value


PlainFile = Annotated[ExistingFile, AfterValidator(_plain)]
Folder = Annotated[str, AfterValidator(_folder)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]


class AsteriskTable(TomlModel):
    """[asterisk]"""

    url: Annotated[str, AfterValidator(_url)] = "http://127.0.0.1:8088"
    user: Word = "dialer"
    password_file: ExistingFile | None = None
    app: Word = "dialer"
    trunk: Word = "carrier"
    plus: bool = True
    caller_name: CallerName | None = None
    messages_dir: Folder | None = None
    lost_message: PlainFile | None = None
    comfort_class: Word | None = None


class DetectorTable(TomlModel):
    """[detector]"""

    initial_silence_ms: Ms = 2500
    greeting_ms: Ms = 1500
    after_greeting_silence_ms: Ms = 800
    total_analysis_ms: Ms = 5000
    min_word_ms: Ms = 100
    between_words_silence_ms: Ms = 50
    max_words: Annotated[int, Field(ge=1, le=100)] = 3
    silence_threshold: Annotated[int, Field(ge=0, le=32_767)] = 256
    max_word_ms: Ms = 5000


class RecordingTable(TomlModel):
    """[recording]"""

    folder: Folder = Field(description="the folder on Asterisk's machine into which it records")
    campaigns: Names | None = None
    from_answer: bool = False


class AgentsTable(TomlModel):
    """[agents]"""

    endpoint: Endpoint = "PJSIP/{agent}"
    nailed_up: bool = True
    ring_timeout_s: Annotated[float, Field(ge=1, le=120)] = 15.0
    hold_class: Word = "dialer-hold"
    call_again_s: Annotated[float, Field(ge=0.1, le=3600)] | None = None
    supervisor: Endpoint | None = None
    desks: dict[Name, Names] = Field(default_factory=dict)


class AsteriskFileTable(GatewayFileTable):
    """A whole gateway.toml for `dialer gateway asterisk`."""

    asterisk: AsteriskTable = AsteriskTable()
    detector: DetectorTable | None = None
    recording: RecordingTable | None = None
    agents: AgentsTable = AgentsTable()


@dataclass(frozen=True, slots=True, kw_only=True)
class AsteriskFile:
    """What a gateway.toml says, and the password that it does not."""

    name: str
    lines: int
    log_level: str
    log_format: str
    broker: BrokerSettings
    asterisk: AsteriskTable
    detector: DetectorTable | None
    recording: RecordingTable | None
    agents: AgentsTable
    password: str = field(repr=False)


def load_asterisk_gateway(path: Path, environ: Mapping[str, str] = os.environ) -> AsteriskFile:
    """Read a gateway.toml for an Asterisk; raise ConfigFaults with every fault in it."""
    table = read_gateway_file(path).check(AsteriskFileTable)
    named = table.asterisk.password_file
    file = None if named is None else Path(named)
    faults: list[Fault] = []
    said = broker = None
    try:
        said = password(ARI, PASSWORD_VARIABLE, file, "asterisk.password_file", environ)
        if said is None:
            faults.append(_no_password(path))
    except ConfigFaults as error:
        faults.extend(error.faults)
    try:
        broker = broker_settings(path, table.broker, environ)
    except ConfigFaults as error:
        faults.extend(error.faults)
    if said is None or broker is None:
        raise ConfigFaults(faults)
    return AsteriskFile(
        name=table.name,
        lines=table.lines,
        log_level=table.log.level,
        log_format=table.log.format,
        broker=broker,
        asterisk=table.asterisk,
        detector=table.detector,
        recording=table.recording,
        agents=table.agents,
        password=said,
    )


def _no_password(path: Path) -> Fault:
    """Asterisk takes nobody without one, and would be asked in vain for as long as the gateway runs."""
    wanted = f"the password of Asterisk's user, in a file that this key names, or in {PASSWORD_VARIABLE}"
    hint = f"in a unit, LoadCredential={ARI}:FILE"
    return Fault(file=shown(path), line=None, key="asterisk.password_file", expected=wanted, found="none", hint=hint)
