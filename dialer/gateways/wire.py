"""The socket under the MQTT library: the traffic passes here, the library sees all the rest.

One rule governs this module: a turn of the loop costs one read and one write, however many packets it brings and
causes. The library takes four reads and a dozen objects for each message, a write and two changes of the selector for
each answer; at hundreds of calls a second that was a third of the process. It still connects, subscribes, keeps the
connection alive and leaves; what it writes goes out in order with the traffic.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

from dialer.gateways import packets
from dialer.gateways.packets import Publication

_READ = 16_384
_BLOCKED = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Wire:
    """One connected socket, encrypted or not, with the part of a socket's face that the library uses.

    `take` hears of each message, `acknowledged` of each acknowledgement, while the library reads; neither may raise.
    """

    def __init__(
        self,
        socket: Any,
        loop: asyncio.AbstractEventLoop,
        *,
        take: Callable[["Wire", Publication], None],
        acknowledged: Callable[["Wire", int], None],
    ) -> None:
        self._socket = socket
        self._loop = loop
        self._take = take
        self._acknowledged = acknowledged
        self._read = bytearray()  # a packet that is not all there yet
        self._theirs = bytearray()  # packets for the library
        self._out = bytearray()
        self._is_flush_due = self._has_writer = self._is_closed = False

    # ------------------------------------------------------------------------------- the library's socket
    def fileno(self) -> int:
        """Give the file descriptor."""
        return int(self._socket.fileno())

    def setblocking(self, flag: bool) -> None:
        """Say whether reading may wait."""
        self._socket.setblocking(flag)

    def shutdown(self, how: int) -> None:
        """End the connection without a word."""
        self._socket.shutdown(how)

    def pending(self) -> int:
        """Give how many bytes can be read although the descriptor may not show it."""
        return len(self._theirs) + (self._socket.pending() if isinstance(self._socket, ssl.SSLSocket) else 0)

    def recv(self, size: int) -> bytes:
        """Take in what has come; give what of it is the library's own, b"" at the end of the connection."""
        if not self._theirs:
            data = self._socket.recv(_READ)
            if not data:
                return b""
            self._read += data
            self._sort()
            if not self._theirs:
                raise BlockingIOError
        part = bytes(self._theirs[:size])
        del self._theirs[:size]
        return part

    def send(self, packet: bytes | bytearray) -> int:
        """Take a whole packet; it goes out with all others of this turn of the loop."""
        self._out += packet
        if not self._is_flush_due:
            self._is_flush_due = True
            self._loop.call_soon(self._flush)
        return len(packet)

    def close(self) -> None:
        """Send what is left, as far as it fits, and close."""
        if self._out:
            self._flush()
        self._is_closed = True
        self._stop_waiting()
        self._socket.close()

    # ------------------------------------------------------------------------------------------ the traffic
    def _sort(self) -> None:
        """Deal with all packets that are there."""
        data, start = self._read, 0
        try:
            while start < len(data) and (found := packets.cut(data, start)) is not None:
                begin, end = found
                head = data[start]
                if head & 0xF0 == packets.PUBLISH:
                    self._take(self, packets.read_publish(head, bytes(data[begin:end])))
                elif head & 0xF0 == packets.PUBACK:
                    self._acknowledged(self, packets.read_puback(bytes(data[begin:end])))
                else:
                    self._theirs += data[start:end]
                start = end
        except ValueError as error:  # the library ends a connection that cannot be read
            raise ConnectionError(f"the broker sent what is no MQTT: {error}") from error
        del data[:start]

    def _flush(self) -> None:
        self._is_flush_due = False
        if self._is_closed:
            return
        try:
            sent = self._socket.send(self._out)
        except _BLOCKED:
            sent = 0
        except OSError:  # the connection is gone: whoever reads learns of it
            sent = len(self._out)
        del self._out[:sent]
        if not self._out:
            self._stop_waiting()
        else:
            self._is_flush_due = True
            if not self._has_writer:
                self._has_writer = True
                self._loop.add_writer(self.fileno(), self._flush)

    def _stop_waiting(self) -> None:
        if self._has_writer:
            self._has_writer = False
            self._loop.remove_writer(self.fileno())
