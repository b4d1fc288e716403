"""Encryption between the dialer and its broker that does not fit: the log says so, and names the key to set."""

import asyncio
import io
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from dialer.daemon.clock import SystemClock
from dialer.daemon.logs import make_logger
from dialer.gateways.broker import Address, BrokerError, Link, Outgoing
from tests.servers.certificates import make_certificates
from tests.servers.mosquitto import SETTINGS, Mosquitto, own_broker

# A handshake that fails leaves its socket to the collector of garbage: the library does not close it.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

PATIENCE_S = 60.0
SEALED = SETTINGS + "\ncafile {folder}/ca.crt\ncertfile {folder}/server.crt\nkeyfile {folder}/server.key\n"


@pytest.fixture(scope="module")
def sealed() -> Iterator[Mosquitto]:
    """A broker that speaks TLS."""
    yield from own_broker(SEALED, make_certificates)


@pytest.fixture(scope="module")
def demanding() -> Iterator[Mosquitto]:
    """A broker that asks its clients for certificates, too."""
    yield from own_broker(SEALED + "require_certificate true\n", make_certificates)


@pytest.fixture(scope="module")
def plain() -> Iterator[Mosquitto]:
    """A broker that does not encrypt."""
    yield from own_broker()


async def said_by(address: Address) -> dict[str, object]:
    """The line of the log that says why there is no connection."""
    out = io.StringIO()
    link = Link(
        address,
        client_id="tls",
        will=Outgoing(topic="will/tls", payload=b"gone"),
        subscriptions=(),
        on_message=lambda message: None,
        on_up=lambda: None,
        on_down=lambda: None,
        log=make_logger("info", "json", SystemClock(), stream=out),
    )
    work = asyncio.ensure_future(link.run())
    async with asyncio.timeout(PATIENCE_S):
        while not out.getvalue():
            await asyncio.wait([work], timeout=0.02)
    work.cancel()
    with suppress(asyncio.CancelledError):
        await work
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["broker lost"]
    said: dict[str, object] = lines[0]
    return said


async def test_a_broker_that_encrypts_and_a_client_that_does_not(
    sealed: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    """The line names ca_file; what the library says of it is in that line and nowhere else."""
    said = await said_by(Address(host="127.0.0.1", port=sealed.port))
    assert "broker.ca_file" in str(said["hint"])
    assert "reset" in str(said["error"]) or "closed" in str(said["error"])
    assert caplog.records == []


async def test_a_client_that_encrypts_and_a_broker_that_does_not(
    sealed: Mosquitto, plain: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    """The line names the port, and ca_file, which is what turns encryption on."""
    said = await said_by(Address(host="127.0.0.1", port=plain.port, ca_file=sealed.folder / "ca.crt"))
    assert "broker.port" in str(said["hint"]) and "ca_file" in str(said["hint"])
    assert caplog.records == []


async def test_another_authority_and_another_name(
    sealed: Mosquitto, demanding: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    """A certificate that another authority signed names ca_file, one that names another host names `host`."""
    said = await said_by(Address(host="127.0.0.1", port=sealed.port, ca_file=demanding.folder / "ca.crt"))
    assert (said["level"], "broker.ca_file" in str(said["hint"])) == ("error", True)
    said = await said_by(Address(host="localhost", port=sealed.port, ca_file=sealed.folder / "ca.crt"))
    assert (said["level"], "broker.host" in str(said["hint"])) == ("error", True)
    assert caplog.records == []


async def test_a_broker_that_asks_for_a_certificate(
    demanding: Mosquitto, sealed: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    """Without one the line names cert_file and key_file; with one of another authority, too."""
    trusted = demanding.folder / "ca.crt"
    said = await said_by(Address(host="127.0.0.1", port=demanding.port, ca_file=trusted))
    assert (said["level"], "broker.cert_file" in str(said["hint"])) == ("error", True)
    folder = sealed.folder
    said = await said_by(
        Address(
            host="127.0.0.1",
            port=demanding.port,
            ca_file=trusted,
            cert_file=folder / "server.crt",
            key_file=folder / "server.key",
        )
    )
    assert (said["level"], "broker.cert_file" in str(said["hint"])) == ("error", True)
    assert caplog.records == []


async def test_a_broker_that_is_not_there_is_no_matter_of_certificates(sealed: Mosquitto) -> None:
    """Nobody listens: no hint at encryption."""
    said = await said_by(Address(host="127.0.0.1", port=1, ca_file=sealed.folder / "ca.crt"))
    assert (said["level"], "hint" in said) == ("warning", False)


def test_a_certificate_that_cannot_be_used_is_told_with_its_key(tmp_path: Path) -> None:
    """One that cannot be read says so, one that is something else says what it should be, a sealed key asks nobody."""
    make_certificates(tmp_path)
    (tmp_path / "other").write_text("no certificate\n", encoding="utf-8")
    trusted, ours = tmp_path / "ca.crt", tmp_path / "server.crt"
    sealed_key = tmp_path / "sealed.key"
    key = load_pem_private_key((tmp_path / "server.key").read_bytes(), None)
    sealed_key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"any")))
    for address, key_name, found, hint in (
        (Address(host="b", port=1, ca_file=tmp_path / "gone"), "ca_file", "no such file or directory", "read it"),
        (Address(host="b", port=1, ca_file=tmp_path / "other"), "ca_file", "something else", "the authority"),
        (
            Address(host="b", port=1, ca_file=trusted, cert_file=ours, key_file=tmp_path / "ca.key"),
            "cert_file",
            "something else",
            "the key in key_file",
        ),
        (
            Address(host="b", port=1, ca_file=trusted, cert_file=ours, key_file=sealed_key),
            "cert_file",
            "something else",
            "the key in key_file",
        ),
    ):
        with pytest.raises(BrokerError) as caught:
            address.tls()
        assert (caught.value.key, caught.value.found) == (f"broker.{key_name}", found)
        assert hint in caught.value.hint
