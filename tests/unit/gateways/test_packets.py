"""The packets of the traffic, against the MQTT library's own reading and writing of them."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt._packet import decode_puback, decode_publish
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from dialer.gateways import packets

V5 = MQTTProtocolVersion.MQTTv5
TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=30)


def properties(**values: object) -> bytes:
    """Properties as the library writes them, with their length."""
    made = Properties(PacketTypes.PUBLISH)
    for name, value in values.items():
        setattr(made, name, value)
    packed: bytes = made.pack()
    return packed


def body_of(packet: bytes) -> tuple[int, bytes]:
    """The first byte and the body of the one packet that there is."""
    found = packets.cut(packet, 0)
    assert found is not None and found[1] == len(packet)
    return packet[0], packet[found[0] :]


@given(
    mid=st.integers(1, 65535),
    topic=TEXTS.filter(bool),
    payload=st.binary(max_size=20_000),
    is_retained=st.booleans(),
    expires_s=st.none() | st.integers(1, 2**32 - 1),
    user=st.lists(st.tuples(TEXTS, TEXTS), max_size=3, unique_by=lambda pair: pair[0]),
)
def test_what_is_written_reads_the_same_here_and_in_the_library(
    mid: int, topic: str, payload: bytes, is_retained: bool, expires_s: int | None, user: list[tuple[str, str]]
) -> None:
    """Every part of a message comes through, whatever its length."""
    written = packets.publish(
        mid,
        topic,
        payload,
        content_type="application/json",
        is_retained=is_retained,
        expires_s=expires_s,
        user=tuple(user),
    )
    head, body = body_of(written)
    ours = packets.read_publish(head, body)
    assert ours == (topic, payload, is_retained, mid, dict(user))
    theirs = decode_publish(head, body, V5)
    assert (theirs.topic.decode(), theirs.payload, theirs.retain, theirs.mid) == (topic, payload, is_retained, mid)
    assert theirs.qos == 1 and not theirs.dup and theirs.properties is not None
    said = theirs.properties.json()
    assert (said["ContentType"], said["PayloadFormatIndicator"]) == ("application/json", 1)
    assert said.get("MessageExpiryInterval") == expires_s
    assert said.get("UserProperty", []) == user


def test_properties_of_others_are_passed_over() -> None:
    """Whatever a publisher adds, its message is read."""
    given_ = properties(
        ResponseTopic="answers",
        CorrelationData=b"\x26\x00",
        TopicAlias=3,
        SubscriptionIdentifier=300,
        MessageExpiryInterval=5,
        UserProperty=[("trace", "a"), ("other", "b")],
    )
    read = packets.read_publish(0x32, b"\x00\x01t\x00\x07" + given_ + b"{}")
    assert read == ("t", b"{}", False, 7, {"trace": "a", "other": "b"})


def test_a_message_that_wants_no_acknowledgement_has_no_number() -> None:
    """Its payload begins behind the properties."""
    assert packets.read_publish(0x31, b"\x00\x01t\x00{}") == ("t", b"{}", True, 0, {})


@pytest.mark.parametrize("mid", [1, 255, 256, 65535])
def test_an_acknowledgement_is_read_with_and_without_a_reason(mid: int) -> None:
    """The library reads what is written here; a reason changes nothing for the number."""
    head, body = body_of(packets.puback(mid))
    assert head == packets.PUBACK
    assert decode_puback(head, body, V5).mid == packets.read_puback(body) == mid
    assert packets.read_puback(body + b"\x10\x00") == mid


@pytest.mark.parametrize(
    ("head", "body"),
    [
        pytest.param(0x32, b"\x00\x01t\x00\x07\x05\x01", id="properties cut off"),
        pytest.param(0x32, b"\x00\x01t\x00\x07", id="no properties"),
        pytest.param(0x32, b"\x00\x01t\x00\x07\x02\x7f\x00", id="an unknown property"),
        pytest.param(0x32, b"\x00\x01t\x00\x07\x02\x02\x00", id="a property cut off"),
        pytest.param(0x32, b"\x00\x01t\x00\x07\xff\xff\xff\xff\x01", id="a length without end"),
        pytest.param(0x32, b"\x00\x01\xff\x00\x07\x00", id="a topic that is no text"),
        pytest.param(0x36, b"\x00\x01t\x00\x07\x00", id="a quality that does not exist"),
    ],
)
def test_what_is_no_message_is_refused(head: int, body: bytes) -> None:
    """It raises ValueError and nothing else."""
    with pytest.raises(ValueError):
        packets.read_publish(head, body)


@given(head=st.integers(0x30, 0x3F), body=st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(head: int, body: bytes) -> None:
    """No other error than ValueError leaves the reader."""
    with suppress(ValueError):
        packets.read_publish(head, body)


def test_a_packet_that_is_not_all_there_is_waited_for() -> None:
    """Not before its last byte is it cut off."""
    whole = packets.publish(
        9, "t", b"x" * 200, content_type="application/json", is_retained=False, expires_s=None, user=()
    )
    for end in range(1, len(whole)):
        assert packets.cut(whole[:end], 0) is None
    assert packets.cut(b"\x40" + whole, 1) == (4, 1 + len(whole))
