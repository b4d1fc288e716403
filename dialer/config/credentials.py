"""Secrets that the service manager hands over: files in the folder that CREDENTIALS_DIRECTORY names.

One rule governs this module: a secret is never in a configuration file, a command line or a log; at most its path is.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from dialer.config.faults import ConfigFaults, Fault, shown

VARIABLE = "CREDENTIALS_DIRECTORY"
KEYS = "dialer.keys"
"""The keyring, as in a key file."""
POSTGRES = "dialer.postgres"
"""The password of the database server's user."""
MQTT = "dialer.mqtt"
"""The password of the broker's user."""
ARI = "dialer.ari"
"""The password of Asterisk's user."""
_SECRET_MAX = 1 << 16


def credential(name: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Give the file of a credential that was handed over, or None."""
    folder = environ.get(VARIABLE, "")
    if not os.path.isabs(folder):
        return None
    path = Path(folder) / name
    return path if path.is_file() else None


def secret(name: str, environ: Mapping[str, str] = os.environ) -> str | None:
    """Read a credential that is one line of text, such as a password; None when none was handed over."""
    path = credential(name, environ)
    if path is None:
        return None
    wanted = "one line of text that is not empty"
    try:
        with path.open("rb") as file:
            text = file.read(_SECRET_MAX).decode()
    except (OSError, UnicodeDecodeError):
        raise _fault(path, name, wanted, "something that cannot be read as text") from None
    line = text.removesuffix("\n")
    if not line or "\n" in line or "\0" in line:
        raise _fault(path, name, wanted, "nothing" if not line else "more than that")
    return line


def password(
    name: str, variable: str, path: Path | None, key: str, environ: Mapping[str, str] = os.environ
) -> str | None:
    """Give a password: handed over by the service manager, else in the environment, else in a file of its owner's."""
    given = secret(name, environ) or environ.get(variable)
    if given or path is None:
        return given or None
    wanted = "one line of text that only its owner can read"

    def fault(found: str, hint: str) -> ConfigFaults:
        return ConfigFaults([Fault(file=shown(path), line=None, key=key, expected=wanted, found=found, hint=hint)])

    try:
        mode = path.stat().st_mode
        if mode & 0o077:
            raise fault(f"mode {mode & 0o777:04o}", f"chmod 600 {shown(path)}")
        with path.open("rb") as file:
            text = file.read(_SECRET_MAX).decode(errors="replace")
    except OSError as error:
        raise fault((error.strerror or str(error)).lower(), "it has to be the file of the user who runs this") from None
    line = text.removesuffix("\n")
    if not line or "\n" in line:
        raise fault("nothing" if not line else "more than one line", "write the password alone into it")
    return line


def _fault(path: Path, name: str, wanted: str, found: str) -> ConfigFaults:
    hint = "write the secret alone into the file that the unit's LoadCredential names"
    return ConfigFaults([Fault(file=str(path), line=None, key=name, expected=wanted, found=found, hint=hint)])
