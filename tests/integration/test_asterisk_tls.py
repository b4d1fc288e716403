"""A carrier over TLS with encrypted sound, as deploy/asterisk/pjsip_tls.conf has it: another Asterisk plays it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dialer.domain.events import CallClassified, CallFailed, CallReleased
from dialer.domain.outcome import Outcome
from tests.integration.asterisk_desk import at_work, order
from tests.servers.asterisk import Asterisk, new_asterisk
from tests.servers.certificates import make_certificates

SIP = """
[global]
type = global
endpoint_identifier_order = ip
[transport-tls]
type = transport
protocol = tls
method = tlsv1_2
bind = {carrier}:5061
cert_file = {folder}/server.crt
priv_key_file = {folder}/server.key
[dialer]
type = endpoint
transport = transport-tls
context = people
disallow = all
allow = ulaw
media_encryption = sdes
rewrite_contact = yes
media_address = {carrier}
bind_rtp_to_media_address = yes
[dialer]
type = identify
endpoint = dialer
match = {switch}
"""
PEOPLE = """
[people]
exten => _[+0-9].,1,Answer()
 same => n,Playback({sound})
 same => n,Hangup(16)
"""


@pytest.fixture
def switch(tmp_path: Path) -> Iterator[Asterisk]:
    """A switch whose carrier is another, that takes calls over TLS alone; certificates are in the test's folder."""
    for each in new_asterisk():
        make_certificates(tmp_path, each.people_ip)
        carrier = Asterisk(_made(tmp_path / "carrier"), ip=each.people_ip)
        carrier.prepare()
        etc = carrier.folder / "etc"
        (etc / "pjsip.conf").write_text(SIP.format(carrier=carrier.ip, switch=each.ip, folder=tmp_path))
        (etc / "extensions.conf").write_text(PEOPLE.format(sound=carrier.sounds / "abandon"))
        try:
            carrier.start()
            yield each
        finally:
            carrier.end()


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def encrypt(switch: Asterisk, authority: Path) -> None:
    """Take the example into use, and start the switch with it."""
    shutil.copy(authority, switch.folder / "etc" / "carrier-ca.crt")
    sip = switch.folder / "etc" / "pjsip.conf"
    text = sip.read_text(encoding="utf-8")
    assert "\n;#include pjsip_tls.conf\n" in text
    sip.write_text(text.replace("\n;#include pjsip_tls.conf\n", "\n#include pjsip_tls.conf\n"), encoding="utf-8")
    switch.kill()
    switch.start()


async def test_words_and_sound_are_encrypted(switch: Asterisk, tmp_path: Path) -> None:
    """A call goes out over TLS with SRTP, and ends as any other."""
    encrypt(switch, tmp_path / "ca.crt")
    async with at_work(switch.settings(trunk="carrier-tls")) as line:
        line.send(order(1, "110"))
        await line.hears(CallClassified, 1)
        assert switch.variable("dialer-call-1.", "CHANNEL(pjsip,secure)") == "1"
        assert switch.variable("dialer-call-1.", "CHANNEL(rtp,secure)") == "1"
        assert (await line.hears(CallReleased, 1)).by == "callee"


async def test_a_carrier_that_nobody_vouches_for_is_not_called_over(switch: Asterisk, tmp_path: Path) -> None:
    """Another authority than the carrier's: no call is made, and it is told as the network's refusal."""
    make_certificates(_made(tmp_path / "other"), switch.people_ip)
    encrypt(switch, tmp_path / "other" / "ca.crt")
    async with at_work(switch.settings(trunk="carrier-tls")) as line:
        line.send(order(1, "110"))
        assert (await line.hears(CallFailed, 1)).outcome is Outcome.CONGESTION
