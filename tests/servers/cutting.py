"""A way to a PostgreSQL server that breaks at the worst instant: at a COMMIT, or after so many bytes.

One rule governs this module: a connection is cut as a network cuts it, both ends at once and without a word.
"""

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

Instant = Literal["before", "after"] | int
"""Before the server hears of a COMMIT, after it has carried it out and before anybody hears of that, or so many bytes
after the cut was asked for, whichever way they go."""

_COMMIT = b"COMMIT\0"
_DONE = b"C\0\0\0\x0bCOMMIT\0"
"""The server's word that a COMMIT was carried out."""


class Cutter:
    """Passes connections on to a server until it is told to cut the one that is used next."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._instant: Instant | None = None
        self._ends: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        self.cuts = 0

    def arm(self, instant: Instant | None) -> None:
        """Cut the connection that gets there first at this instant; None: cut none."""
        with self._lock:
            self._instant = instant

    def close(self) -> None:
        """Cut everybody and let nobody through any more."""
        _end(self._listener)
        self._threads[0].join()
        for each in self._ends:
            _end(each)
        for thread in self._threads[1:]:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                ours, _ = self._listener.accept()
                theirs = socket.create_connection(("127.0.0.1", self._server_port))
                self._ends += [ours, theirs]
                thread = threading.Thread(target=self._pass, args=(ours, theirs))
                self._threads.append(thread)
                thread.start()

    def _pass(self, ours: socket.socket, theirs: socket.socket) -> None:
        """Pass on what either end says, until one of them ends or the cut comes."""
        with ours, theirs, suppress(OSError):
            while True:
                for source in select.select([ours, theirs], [], [])[0]:
                    data = source.recv(1 << 16)
                    if not data or self._is_cut(data, source is ours):
                        return
                    (theirs if source is ours else ours).sendall(data)

    def _is_cut(self, data: bytes, is_asking: bool) -> bool:
        """Say whether the cut comes instead of these bytes."""
        with self._lock:
            match self._instant:
                case "before":
                    is_cut = is_asking and _COMMIT in data
                case "after":
                    is_cut = not is_asking and _DONE in data
                case int(left):
                    is_cut = left <= len(data)
                    self._instant = left - len(data)
                case _:
                    return False
            if is_cut:
                self._instant = None
                self.cuts += 1
            return is_cut


def _end(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


@contextmanager
def cutting(address: str) -> Iterator[tuple[Cutter, str]]:
    """Give a cutter in front of the server of an address, and the address through it."""
    before, _, rest = address.partition("@127.0.0.1:")
    port, _, name = rest.partition("/")
    cutter = Cutter(int(port))
    try:
        yield cutter, f"{before}@127.0.0.1:{cutter.port}/{name}?sslmode=disable&gssencmode=disable"
    finally:
        cutter.close()
