"""The loopback gateway: a telephone network that exists only in this process, on the driver's clock.

It decides nothing. Orders go to the network at once; news waits for its instant on one armed timer.
At one instant the network's timer and the driver's are called in the same turn of the loop, and the driver looks at its
queue only afterwards: outside events come before timers.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from dialer.domain.commands import DeskCommand, GatewayCommand
from dialer.domain.living import Living
from dialer.ports import Network, Sink


class LoopbackClock(Protocol):
    """A clock that calls back on the running loop, and that may be asked to wait for the network's news."""

    def now(self) -> float:
        """Give the present instant."""

    def call_at(self, at: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        """Call `callback` on the running loop at `at`, or as soon after it as the machine can."""

    def hold(self, holder: str, at: float | None) -> None:
        """Ask that time not pass `at` until the same holder names another instant, or None."""


class LoopbackGateway:
    """A `Gateway` and an agent desk around any `Network`."""

    def __init__(self, network: Network, clock: LoopbackClock) -> None:
        self._network = network
        self._clock = clock
        self._sink: Sink | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._armed_at: float | None = None
        self._failed: asyncio.Future[None] | None = None

    async def run(self, sink: Sink) -> None:
        """Report news until cancelled. Whatever the network raises while it advances ends the run."""
        self._sink = sink
        self._failed = asyncio.get_running_loop().create_future()
        self._arm()
        try:
            await self._failed
        finally:
            self._sink = None
            self._disarm()
            self._clock.hold("network", None)

    def send(self, command: GatewayCommand | DeskCommand) -> None:
        """Hand an order to the network. Its answer, however quick, is reported in a later turn of the loop."""
        self._network.submit(command, self._clock.now())
        if self._sink is not None:
            self._arm()

    async def living(self, asked: Mapping[int, float]) -> Living:
        """Say what is up in the network at this instant."""
        return self._network.living(asked)

    def _arm(self) -> None:
        at = self._network.next_at()
        self._clock.hold("network", at)
        if at == self._armed_at:
            return
        self._disarm()
        if at is not None:
            self._armed_at = at
            self._timer = self._clock.call_at(at, self._report)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._armed_at = None

    def _report(self) -> None:
        self._timer = self._armed_at = None
        if self._sink is None or self._failed is None:
            return
        try:
            for event in self._network.advance(self._clock.now()):
                self._sink(event)
            self._arm()
        except Exception as error:
            # A callback of the loop has no caller to tell: whoever awaits `run` is told instead.
            if not self._failed.done():
                self._failed.set_exception(error)
