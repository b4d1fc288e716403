"""The daemon's clocks: POSIX seconds UTC carried by the event loop's monotonic clock, so that `now` never runs back.

Both arm callbacks on the running asyncio loop. The scaled clock adds one rule: it never passes an instant at which
somebody still has something to do. On a machine that is too slow for the speed asked for, simulated time slows down
instead of making every answer late, and what happens stays what would have happened at speed 1.
"""

import asyncio
import math
import time
from collections.abc import Callable

from dialer.config.settings import Settings
from dialer.errors import UsageError
from dialer.storage.store import Store

STEP_S = 1.0
"""A difference between the machine's clock and the daemon's that is more than drift."""


class SystemClock:
    """Real time. It follows the machine's clock forward, as after a sleep, in which the monotonic clock stands still.

    A step back is not followed: restart the daemon then. Nobody can stop it.
    """

    can_stop = False

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._loop = asyncio.get_running_loop()
        self._wall = wall
        self._offset_s = wall() - self._loop.time()

    def now(self) -> float:
        """The instant, in POSIX seconds UTC."""
        at = self._loop.time() + self._offset_s
        ahead_s = self._wall() - at
        if ahead_s > STEP_S:
            self._offset_s += ahead_s
            at += ahead_s
        return at

    def call_at(self, at: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        """Call back at `at`, or at once when that is past; never within this call."""
        return self._loop.call_at(at - self._offset_s, callback)

    async def sleep_until(self, at: float) -> None:
        """Return at `at` or as soon after it as the machine can."""
        await _wait(self, at)

    def hold(self, holder: str, at: float | None) -> None:
        """Do nothing: real time waits for nobody."""

    def stop(self) -> None:
        """Do nothing, likewise."""

    def go_on(self) -> None:
        """Do nothing, likewise."""


class ScaledClock:
    """Time that starts at `start_at`, runs `speed` times as fast as the wall and never passes a held instant.

    Stopped, it stands still, and calls nobody back before it goes on.
    """

    can_stop = True

    def __init__(self, *, speed: float, start_at: float) -> None:
        if not (math.isfinite(speed) and speed > 0):
            raise UsageError(f"speed: expected a number above 0, found {speed}")
        self._loop = asyncio.get_running_loop()
        self._speed = speed
        self._start_at = start_at
        self._started_at = self._loop.time()
        self._reached_at = start_at
        self._holds: dict[str, float] = {}
        self._is_stopped = False
        self._put_off: list[tuple[asyncio.TimerHandle, Callable[[], None]]] = []  # due while time stood still

    def now(self) -> float:
        """The instant, in POSIX seconds UTC."""
        wall_at = self._start_at + (self._loop.time() - self._started_at) * self._speed
        self._reach(wall_at)
        return self._reached_at

    def call_at(self, at: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        """Call back at `at`, or at once when that is past; never within this call."""

        def reached() -> None:
            if self._is_stopped:
                self._put_off.append((handle, reached))
                return
            self._reach(at)  # the loop may call a rounding error too early
            callback()

        handle = self._loop.call_at(self._started_at + (at - self._start_at) / self._speed, reached)
        return handle

    async def sleep_until(self, at: float) -> None:
        """Return at `at` or as soon after it as the machine can."""
        while self.now() < at:
            await _wait(self, at)

    def hold(self, holder: str, at: float | None) -> None:
        """Let time not pass `at` until the same holder names another instant, or None."""
        if at is None:
            self._holds.pop(holder, None)
        else:
            self._holds[holder] = at

    def stop(self) -> None:
        """Let time stand still from now on."""
        self.now()
        self._is_stopped = True

    def go_on(self) -> None:
        """Let time run again, and call back in the loop's next turn whoever was due meanwhile, in order."""
        self._is_stopped = False
        put_off, self._put_off = self._put_off, []
        for handle, callback in put_off:
            if not handle.cancelled():
                self._loop.call_soon(self._late, handle, callback)

    def _late(self, handle: asyncio.TimerHandle, callback: Callable[[], None]) -> None:
        if not handle.cancelled():
            callback()

    def _reach(self, at: float) -> None:
        """Move time forward to `at`, at most to the earliest hold, never back."""
        if self._is_stopped:
            return
        for held_at in self._holds.values():
            at = min(at, held_at)
        self._reached_at = max(self._reached_at, at)


DaemonClock = SystemClock | ScaledClock


def make_clock(settings: Settings, store: Store) -> DaemonClock:
    """Make the clock that the settings ask for, never before the last instant in the journal.

    Real time, unless the loopback gateway is to run faster or at another date; such a clock is held until the start.
    """
    loopback = settings.loopback
    last = next(iter(store.entries(max(1, store.next_seq() - 1))), None)
    start_at = time.time() if loopback.start_at is None else loopback.start_at
    if last is not None:
        start_at = max(start_at, last.at)
    if loopback.speed == 1.0 and loopback.start_at is None and start_at <= time.time():
        return SystemClock()
    clock = ScaledClock(speed=loopback.speed, start_at=start_at)
    clock.hold("start", start_at)  # simulated time begins when everybody is there
    return clock


async def _wait(clock: DaemonClock, at: float) -> None:
    """Let the loop run until the clock calls back for `at`."""
    woken = asyncio.Event()
    handle = clock.call_at(at, woken.set)
    try:
        await woken.wait()
    finally:
        handle.cancel()
