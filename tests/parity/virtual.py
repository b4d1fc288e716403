"""An asyncio event loop whose time is virtual: it jumps to the next timer as soon as nothing is left to do."""

import asyncio
import heapq
import math
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

THREAD_MAX_S = 5.0
"""How long a thread may be silent before the loop looks again."""


class _Selector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """Looks for what is ready, and waits for more only when it is told how long."""

    patience_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return list(super().select(self.patience_s))


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time stands still while callbacks run, then jumps. A loop with nothing to wait for is a deadlock and raises.

    It stands still as well for whatever works outside the loop: as long as a function says so that `await_thread` took.
    """

    def __init__(self, start_at: float) -> None:
        self._looking = _Selector()
        super().__init__(self._looking)
        self._at = start_at
        self._threads: list[Callable[[], bool]] = []

    def await_thread(self, is_at_work: Callable[[], bool]) -> None:
        """Let time not jump while this says that a thread is at work and will call back."""
        self._threads.append(is_at_work)

    def time(self) -> float:
        return self._at

    def _run_once(self) -> None:
        while self._scheduled and self._scheduled[0].cancelled():
            heapq.heappop(self._scheduled)._scheduled = False
            self._timer_cancelled_count -= 1
        self._looking.patience_s = 0.0
        is_due = bool(self._scheduled) and self._scheduled[0].when() <= self._at
        is_idle = not self._ready and not self._stopping and not is_due
        if is_idle and any(is_at_work() for is_at_work in self._threads):
            self._looking.patience_s = THREAD_MAX_S
        elif is_idle:
            if not self._scheduled:
                raise RuntimeError("virtual time: everybody waits and no timer is armed")
            self._at = max(self._at, self._scheduled[0].when())
        self._clock_resolution = math.ulp(self._at)  # what is due at this very instant, and nothing later
        super()._run_once()


async def pass_time(seconds: float) -> None:
    """Return when the running virtual loop has come so much further."""
    loop = asyncio.get_running_loop()
    come = loop.create_future()
    loop.call_later(seconds, come.set_result, None)
    await come


def await_thread(is_at_work: Callable[[], bool]) -> None:
    """Let the running virtual loop wait for a thread; see `VirtualLoop`."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.await_thread(is_at_work)


def run(main: Coroutine[Any, Any, Any], start_at: float) -> Any:
    """Run a coroutine to its end on virtual time."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(start_at)) as runner:
        return runner.run(main)
