"""A gateway to a real Asterisk in a test's own hands: orders go in, news is waited for, nothing is guessed by time."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import structlog

from dialer.domain.commands import DeskCommand, GatewayCommand, PlaceCall
from dialer.domain.events import CallClassified, CallFailed, CallReleased, Event
from dialer.gateways.asterisk.adapter import AsteriskGateway
from dialer.gateways.asterisk.settings import AsteriskSettings
from dialer.ports import Gateway

WAIT_S = 15.0
E = TypeVar("E")


def order(call_id: int, last_digits: str, *, ring_timeout_s: float = 5.0, has_detector: bool = False) -> PlaceCall:
    """An order to dial one of SIPp's people."""
    return PlaceCall(
        call_id=call_id,
        campaign="survey",
        lead_id=call_id,
        number=f"+447700900{last_digits}",
        ring_timeout_s=ring_timeout_s,
        caller_id="+15555550100",
        agent_id=None,
        has_detector=has_detector,
    )


class Line:
    """A gateway that runs, and everything that it reported."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.running: asyncio.Future[None] | None = None
        self.news: list[tuple[float, Event]] = []
        self._changed = asyncio.Event()

    def hear(self, event: Event, kept: Callable[[], None] | None = None) -> None:
        """Take news."""
        self.news.append((time.time(), event))
        self._changed.set()

    def send(self, *orders: GatewayCommand | DeskCommand) -> None:
        """Give orders."""
        for each in orders:
            self.gateway.send(each)

    def said(self, kind: type[E], call_id: int | None = None) -> list[E]:
        """Give the news of a kind, of one call or of all."""
        return [
            event
            for _, event in self.news
            if isinstance(event, kind) and (call_id is None or getattr(event, "call_id", None) == call_id)
        ]

    async def hears(self, kind: type[E], call_id: int | None = None, count: int = 1) -> E:
        """Wait for the `count`-th news of a kind, and give it."""
        try:
            async with asyncio.timeout(WAIT_S):
                while len(found := self.said(kind, call_id)) < count:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"no {kind.__name__} of {call_id} after {WAIT_S} s, but {self.news}") from None
        return found[count - 1]

    async def live(self, call_id: int, last_digits: str, *, has_detector: bool = False) -> None:
        """Dial, and wait until a person was heard."""
        self.send(order(call_id, last_digits, has_detector=has_detector))
        await self.hears(CallClassified, call_id)

    async def ended(self) -> None:
        """Wait for the gateway's end; raise what ended it."""
        assert self.running is not None
        async with asyncio.timeout(WAIT_S):
            await asyncio.shield(self.running)

    def ends(self) -> list[int]:
        """Give the calls that were reported over, in order."""
        return [event.call_id for _, event in self.news if isinstance(event, CallFailed | CallReleased)]


@asynccontextmanager
async def at_work(settings: AsteriskSettings) -> AsyncIterator[Line]:
    """Run an adapter that is connected, until the block ends. Its calls are kept."""
    gateway = AsteriskGateway(settings, time.time, structlog.get_logger(), lines=20, calls_per_second=10.0)
    async with connected(gateway) as line:
        yield line


@asynccontextmanager
async def connected(gateway: Gateway) -> AsyncIterator[Line]:
    """Run any gateway, once it can say what is up, until the block ends."""
    line = Line(gateway)
    line.running = running = asyncio.ensure_future(gateway.run(line.hear))
    try:
        living = asyncio.ensure_future(gateway.living({}))
        await asyncio.wait([living, running], timeout=WAIT_S, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        assert living.done(), "the gateway did not connect"
        yield line
        assert not running.done(), running
    finally:
        for each in (living, running):
            each.cancel()
        await asyncio.wait([running])
