"""Holding the parts of the daemon together: children of one task group, the first crash, the signals of Unix.

One rule governs this module: a part that ends, other than by cancelling, ends the daemon, and systemd starts it afresh.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager

from dialer.daemon.logs import Logger
from dialer.errors import DialerError, Undrained


class ChildCrashed(DialerError):
    """A part of the daemon failed in a way nobody foresaw; the process ends so that systemd starts it afresh."""

    exit_code = 71


async def child(name: str, work: Awaitable[None]) -> None:
    """Await a part of the daemon. Its end, other than by cancelling, is the daemon's end."""
    try:
        await work
    except DialerError:
        raise
    except Exception as error:
        raise ChildCrashed(f"{name} crashed: {type(error).__name__}: {error}") from error
    raise ChildCrashed(f"{name} ended by itself")


def first_crash(crashes: BaseExceptionGroup[BaseException], log: Logger) -> BaseException:
    """Tell and give the first child's error; the others followed from it. An end that was told already is no crash."""
    first: BaseException = crashes
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    if not isinstance(first, Undrained):
        log.error("crashed", error=str(first), exc_info=first.__cause__ or first)
    return first


@contextmanager
def routed(routes: Mapping[signal.Signals, Callable[[], None]]) -> Iterator[None]:
    """Route signals to the running loop for as long as this lasts."""
    loop = asyncio.get_running_loop()
    for number, route in routes.items():
        loop.add_signal_handler(number, route)
    try:
        yield
    finally:
        for number in routes:
            loop.remove_signal_handler(number)
