"""A wire between a client and a server, for tests of what happens when it is bad.

One rule governs this module: it does to bytes what networks do. It delays, cuts, and swallows without a word; and, for
MQTT, delivers single messages twice or late, which a broker may do as well.
"""

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass, field

PUBLISH = 3
_HEADER_MAX = 5


@dataclass(slots=True)
class Wire:
    """A port that leads to another. Change its fields while it works."""

    to_port: int
    delay_s: float = 0.0
    is_black_hole: bool = False  # what is sent is taken and never arrives; nobody is told
    p_twice: float = 0.0  # of a message from the broker to come again, a little later
    p_late: float = 0.0  # of a message from the broker to come after others
    late_s: float = 0.3
    dice: random.Random = field(default_factory=lambda: random.Random(1))
    port: int = 0
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def open(self) -> None:
        """Begin to listen on a free port."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """End every connection at once."""
        for writer in self._writers:
            writer.transport.abort()

    async def close(self) -> None:
        """Stop listening and end every connection."""
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_swallowed = self.is_black_hole
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.to_port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        for part in (self._carry(reader, far_writer, is_swallowed), self._deliver(far_reader, writer, is_swallowed)):
            task = asyncio.ensure_future(part)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_swallowed: bool) -> None:
        """Carry bytes from the client to the broker. A connection that fell into the hole never comes out of it."""
        with suppress(OSError):
            while data := await reader.read(65_536):
                is_swallowed = is_swallowed or self.is_black_hole
                if not is_swallowed:
                    self._later(writer, data, self.delay_s)
        if not is_swallowed:
            writer.close()

    async def _deliver(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_swallowed: bool) -> None:
        """Carry MQTT packets, whole, from the broker to the client."""
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                packet = await _packet(reader)
                is_swallowed = is_swallowed or self.is_black_hole
                if is_swallowed:
                    continue
                delay_s = self.delay_s
                if packet[0] >> 4 == PUBLISH:
                    if self.dice.random() < self.p_twice:
                        self._later(writer, packet, delay_s + self.dice.uniform(0.0, self.late_s))
                    if self.dice.random() < self.p_late:
                        delay_s += self.dice.uniform(0.0, self.late_s)
                self._later(writer, packet, delay_s)
        if not is_swallowed:
            writer.close()

    def _later(self, writer: asyncio.StreamWriter, data: bytes, delay_s: float) -> None:
        if delay_s <= 0.0:
            _write(writer, data)
        else:
            asyncio.get_running_loop().call_later(delay_s, _write, writer, data)


def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    if not writer.is_closing():
        writer.write(data)


async def _packet(reader: asyncio.StreamReader) -> bytes:
    """Read one MQTT packet: a byte of kind, a length of one to four bytes, and so many bytes."""
    head = await reader.readexactly(2)
    length, shift = head[-1] & 0x7F, 7
    while head[-1] & 0x80 and len(head) < _HEADER_MAX:
        head += await reader.readexactly(1)
        length |= (head[-1] & 0x7F) << shift
        shift += 7
    return head + await reader.readexactly(length)
