"""The broker of a configuration file, as the gateways' side of the house wants it.

One rule governs this module: a certificate that cannot be used is a fault of the file that names it, with its key.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dialer.config.broker import BrokerSettings
    from dialer.gateways.broker import Address

TLS_PORT = 8883
"""Where brokers speak TLS, by the register of ports."""


def address_of(broker: "BrokerSettings") -> "Address":
    """Give the broker's address; raise ConfigFaults where encryption cannot be had from the files that it names."""
    from dialer.config.faults import ConfigFaults, Fault, shown
    from dialer.gateways.broker import Address, BrokerError

    address = Address(
        host=broker.host,
        port=broker.port,
        user=broker.user,
        password=broker.password,
        ca_file=broker.ca_file,
        cert_file=broker.cert_file,
        key_file=broker.key_file,
    )
    try:
        address.tls()
    except BrokerError as error:
        key, wanted, found, hint = error.key, error.expected, error.found, error.hint
        fault = Fault(file=shown(broker.file), line=None, key=key, expected=wanted, found=found, hint=hint)
        raise ConfigFaults([fault]) from None
    return address


def broker_warnings(broker: "BrokerSettings") -> "Iterator[str]":
    """Say what is allowed and seldom meant."""
    from dialer.config.faults import shown

    where = f"warning: {shown(broker.file)}"
    if broker.user is not None and broker.password is None:
        yield f"{where}: broker.user {broker.user} has no password; if it has one, name it in broker.password_file"
    if broker.port == TLS_PORT and broker.ca_file is None:
        yield f"{where}: brokers encrypt on port {TLS_PORT}; name the authority's certificate in broker.ca_file"
