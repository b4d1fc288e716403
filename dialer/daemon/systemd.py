"""Word to systemd: a datagram to the socket that it names in NOTIFY_SOCKET. Without that variable, nothing happens."""

import os
import socket
import time
from collections.abc import Mapping


def notify(*lines: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Send lines such as `READY=1` and `STATUS=...`; return whether anybody was there to be told.

    A path that begins with `@` is an abstract socket. Trouble with the socket is no reason to end: it returns False.
    """
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.setblocking(False)  # a reader that fell behind must not hold up calls
        try:
            sender.connect("\0" + address[1:] if address.startswith("@") else address)
            sender.sendall("\n".join(lines).encode())
        except OSError:
            return False
    return True


def notify_reloading(*, environ: Mapping[str, str] = os.environ) -> bool:
    """Say that a reload began; systemd (Type=notify-reload) matches the monotonic instant to its own request."""
    return notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}", environ=environ)


def watchdog_s(environ: Mapping[str, str] = os.environ, pid: int | None = None) -> float | None:
    """Give the seconds after which systemd ends this process for want of a WATCHDOG=1; None: it does not watch."""
    told = environ.get("WATCHDOG_USEC", "")
    if not told.isdecimal() or int(told) == 0:
        return None
    whose = environ.get("WATCHDOG_PID")
    if whose is not None and whose != str(os.getpid() if pid is None else pid):
        return None
    return int(told) / 1_000_000


def is_service(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether systemd started this process: it names a journal stream or a notification socket."""
    return "JOURNAL_STREAM" in environ or "NOTIFY_SOCKET" in environ
