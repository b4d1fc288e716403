"""The MQTT broker, as config.toml and gateway.toml name it in the same words.

One rule governs this module: a password stands in no configuration file. It comes from the service manager, from the
environment, or from a file that nobody else can read.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from dialer.config.credentials import MQTT, password
from dialer.config.toml_file import TomlModel, expected
from dialer.config.values import ExistingFile

PASSWORD_VARIABLE = "DIALER_BROKER_PASSWORD"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """Where the broker is and who we are to it, as `file` says. With `ca_file` the connection is encrypted."""

    file: Path
    host: str
    port: int
    user: str | None
    password: str | None = field(repr=False)
    ca_file: Path | None
    cert_file: Path | None
    key_file: Path | None


def _host(value: str) -> str:
    if "://" in value or "/" in value or value.strip() != value or not value:
        raise expected("a name or an address, such as 127.0.0.1", hint="the port stands in `port`")
    return value


class BrokerTable(TomlModel):
    """[broker]"""

    host: Annotated[str, AfterValidator(_host)] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65_535)] = 1883
    user: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    password_file: ExistingFile | None = None
    ca_file: ExistingFile | None = None
    cert_file: ExistingFile | None = None
    key_file: ExistingFile | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise expected("cert_file and key_file together, or neither")
        if self.cert_file is not None and self.ca_file is None:
            raise expected("ca_file beside cert_file", hint="ca_file says whom to trust, and turns encryption on")
        return self


def broker_settings(path: Path, table: BrokerTable, environ: Mapping[str, str] = os.environ) -> BrokerSettings:
    """Give the broker that the file at `path` names, with its password, from wherever that comes."""
    file = None if table.password_file is None else Path(table.password_file)
    return BrokerSettings(
        file=path,
        host=table.host,
        port=table.port,
        user=table.user,
        password=None
        if table.user is None
        else password(MQTT, PASSWORD_VARIABLE, file, "broker.password_file", environ),
        ca_file=None if table.ca_file is None else Path(table.ca_file),
        cert_file=None if table.cert_file is None else Path(table.cert_file),
        key_file=None if table.key_file is None else Path(table.key_file),
    )
