"""An asyncio event loop whose time is virtual: it jumps to the next timer as soon as nothing is left to do."""

import asyncio
import heapq
import math
import selectors
from collections.abc import Coroutine
from typing import Any


class _NoWaiting(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """Looks for what is ready and never waits for more."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return list(super().select(0))


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time stands still while callbacks run, then jumps. A loop with nothing to wait for is a deadlock and raises."""

    def __init__(self, start_at: float) -> None:
        super().__init__(_NoWaiting())
        self._at = start_at

    def time(self) -> float:
        return self._at

    def _run_once(self) -> None:
        while self._scheduled and self._scheduled[0].cancelled():
            heapq.heappop(self._scheduled)._scheduled = False
            self._timer_cancelled_count -= 1
        if not self._ready and not self._stopping:
            if not self._scheduled:
                raise RuntimeError("virtual time: everybody waits and no timer is armed")
            self._at = max(self._at, self._scheduled[0].when())
            self._clock_resolution = math.ulp(self._at)  # what is due at this very instant, and nothing later
        super()._run_once()


def run(main: Coroutine[Any, Any, Any], start_at: float) -> Any:
    """Run a coroutine to its end on virtual time."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(start_at)) as runner:
        return runner.run(main)
