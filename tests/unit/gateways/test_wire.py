"""The socket under the MQTT library: what it keeps for itself, what it hands on, and what it does when it is full."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from dialer.gateways import packets
from dialer.gateways.packets import Publication
from dialer.gateways.wire import Wire

PINGRESP = b"\xd0\x00"


class Rig:
    """A wire, the other end of it, and what was heard."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        near, self.far = socket.socketpair()
        near.setblocking(False)
        self.taken: list[Publication] = []
        self.acknowledged: list[int] = []
        self.wire = Wire(
            near,
            self.loop,
            take=lambda wire, message: self.taken.append(message),
            acknowledged=lambda wire, mid: self.acknowledged.append(mid),
        )

    def turn(self) -> None:
        """Let the loop do what is due."""
        self.loop.run_until_complete(asyncio.sleep(0))


@pytest.fixture
def rig() -> Iterator[Rig]:
    """A wire until the end of the test."""
    made = Rig()
    yield made
    made.wire.close()
    made.far.close()
    made.loop.close()


def message(payload: bytes) -> bytes:
    """A message on the wire."""
    return packets.publish(1, "t", payload, content_type="x", is_retained=False, expires_s=None, user=())


def test_the_library_sees_all_but_the_traffic(rig: Rig) -> None:
    """Messages and acknowledgements are dealt with on the way; the rest is read in order, in pieces as asked for."""
    rig.far.send(message(b"a") + PINGRESP + packets.puback(3) + message(b"b") + PINGRESP)
    assert rig.wire.recv(1) == PINGRESP[:1]
    assert [each.payload for each in rig.taken] == [b"a", b"b"]
    assert rig.acknowledged == [3]
    assert rig.wire.pending() == 3
    assert rig.wire.recv(9) == PINGRESP[1:] + PINGRESP
    with pytest.raises(BlockingIOError):
        rig.wire.recv(1)


def test_a_message_in_pieces_is_taken_once_it_is_whole(rig: Rig) -> None:
    """Wherever it was cut."""
    whole = message(b"in pieces")
    for rank in range(len(whole)):
        rig.far.send(whole[rank : rank + 1])
        with pytest.raises(BlockingIOError):
            rig.wire.recv(1)
        assert len(rig.taken) == (rank == len(whole) - 1)


def test_the_end_of_a_connection_is_told(rig: Rig) -> None:
    """The library reads nothing, as from any socket that was closed over there."""
    rig.far.shutdown(socket.SHUT_WR)
    assert rig.wire.recv(1) == b""


def test_what_is_no_packet_ends_the_connection(rig: Rig) -> None:
    """As an error of the socket: the library then closes it, and the link comes up anew."""
    rig.far.send(b"\x32\xff\xff\xff\xff\xff")
    with pytest.raises(ConnectionError, match="no MQTT"):
        rig.wire.recv(1)


def test_all_packets_of_a_turn_leave_together(rig: Rig) -> None:
    """In order, once the turn is over."""
    for mid in (1, 2, 3):
        assert rig.wire.send(packets.puback(mid)) == 4
    rig.turn()
    assert rig.far.recv(100) == b"".join(packets.puback(mid) for mid in (1, 2, 3))


def test_what_does_not_fit_leaves_later_and_in_order(rig: Rig) -> None:
    """A broker that reads slowly gets every byte."""
    sent = b"".join(message(b"%d" % rank * 1000) for rank in range(2_000))
    rig.wire.send(sent)
    rig.turn()
    got = bytearray()
    while len(got) < len(sent):
        got += rig.far.recv(65_536)
        rig.wire.send(b"")
        rig.turn()
    assert got == sent


def test_closing_sends_what_is_left(rig: Rig) -> None:
    """The library's farewell leaves although its turn is not over."""
    rig.wire.send(b"\xe0\x00")
    rig.wire.close()
    assert rig.far.recv(10) == b"\xe0\x00"
    rig.turn()


def test_a_connection_that_is_gone_is_no_error_of_the_writer(rig: Rig) -> None:
    """Whoever reads learns of it."""
    rig.far.close()
    for mid in (1, 2, 3):
        rig.wire.send(packets.puback(mid))
        rig.turn()
    with pytest.raises(OSError):
        if not rig.wire.recv(1):
            raise ConnectionError
