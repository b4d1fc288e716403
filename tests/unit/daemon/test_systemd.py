"""Word to systemd: a datagram when it listens, silence when it does not."""

import socket
from pathlib import Path

from dialer.daemon.systemd import is_service, notify, notify_reloading, watchdog_s


def test_lines_go_to_the_named_socket(tmp_path: Path) -> None:
    """All lines of one notice are one datagram; a reload carries the monotonic instant."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        assert notify("READY=1", "STATUS=2 campaigns", environ={"NOTIFY_SOCKET": str(path)})
        assert listener.recv(1000) == b"READY=1\nSTATUS=2 campaigns"
        assert notify_reloading(environ={"NOTIFY_SOCKET": str(path)})
        assert listener.recv(1000).startswith(b"RELOADING=1\nMONOTONIC_USEC=")


def test_an_abstract_socket_is_reached() -> None:
    """A path that begins with @ is an abstract socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("")  # the kernel picks an abstract name
        name = listener.getsockname()
        assert notify("STOPPING=1", environ={"NOTIFY_SOCKET": "@" + name[1:].decode()})
        assert listener.recv(1000) == b"STOPPING=1"


def test_without_systemd_nothing_happens(tmp_path: Path) -> None:
    """No variable, a strange one, or a dead socket: False and no error."""
    assert not notify("READY=1", environ={})
    assert not notify("READY=1", environ={"NOTIFY_SOCKET": "tcp:1234"})
    assert not notify("READY=1", environ={"NOTIFY_SOCKET": str(tmp_path / "gone")})


def test_a_service_is_known_by_its_environment() -> None:
    """Either variable that systemd sets is enough."""
    assert is_service({"JOURNAL_STREAM": "8:1"})
    assert is_service({"NOTIFY_SOCKET": "/run/x"})
    assert not is_service({})


def test_the_watchdog_is_this_process_alone() -> None:
    """Its time is in microseconds; none, a strange one, or one meant for another process: nobody watches."""
    assert watchdog_s({"WATCHDOG_USEC": "30000000"}, pid=7) == 30.0
    assert watchdog_s({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, pid=7) == 30.0
    assert watchdog_s({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, pid=7) is None
    assert [watchdog_s(each, pid=7) for each in ({}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "soon"})] == [None] * 3
