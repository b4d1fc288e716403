"""The daemon's end: asked for once, it drains; asked for again, it hangs up.

One rule governs this module: no new calls, and live ones and wrap-ups end by themselves for as long as they may.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from dialer.daemon import systemd
from dialer.daemon.driver import Driver
from dialer.daemon.logs import Logger
from dialer.domain.agent import AgentState
from dialer.domain.events import AgentLoggedOut, DrainRequested
from dialer.errors import Undrained

HANG_UP_WAIT_S = 5.0
LOOK_S = 0.1


class StopRequests:
    """Who asked for the end, and how often."""

    def __init__(self) -> None:
        self._reasons: list[str] = []
        self._stopping = asyncio.Event()
        self.hurrying = asyncio.Event()
        """The end was asked for again."""

    def add(self, reason: str) -> None:
        """Ask for the end: no new calls, live ones finish. Asked again: hang up at once."""
        self._reasons.append(reason)
        (self.hurrying if self._stopping.is_set() else self._stopping).set()

    def ask(self, reason: str) -> None:
        """Ask for the end, unless it was asked for before: nobody is hung up on for it."""
        if not self.is_stopping:
            self.add(reason)

    @property
    def is_stopping(self) -> bool:
        """The end was asked for."""
        return self._stopping.is_set()

    async def first(self) -> str:
        """Wait until the end is asked for; give the reason."""
        await self._stopping.wait()
        return self._reasons[0]


class Draining:
    """Brings the daemon's work to its end."""

    def __init__(self, driver: Driver, stops: StopRequests, log: Logger, *, timeout_s: float) -> None:
        self._driver = driver
        self._stops = stops
        self._log = log
        self._timeout_s = timeout_s
        self._idle = asyncio.Event()
        self._has_begun = asyncio.Event()
        self._is_over: Callable[[], bool] | None = None

    def look(self) -> None:
        """Wake who waits for the end, when it has come; for the driver to call after each entry."""
        if self._is_over is not None and self._is_over():
            self._idle.set()

    async def ask(self, reason: str) -> None:
        """Ask for the end, unless somebody has; return when the journal has the drain with its reason."""
        self._stops.ask(reason)
        await self._has_begun.wait()

    async def drain(self, reason: str) -> None:
        """No new calls; live ones and wrap-ups finish within the time-out, then they are ended.

        Raises Undrained when nothing can be committed and it is not worth while to wait any longer.
        """
        systemd.notify("STOPPING=1", "STATUS=draining: no new calls, live ones finish")
        self._log.info("draining", reason=reason, live_calls=self._driver.live_calls())
        work = asyncio.ensure_future(self._drain(reason))
        impatient = asyncio.ensure_future(self._patience_is_over())
        try:
            await asyncio.wait([work, impatient], return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise self._undrained(impatient.result())
            await work
        finally:
            work.cancel()
            impatient.cancel()

    async def _drain(self, reason: str) -> None:
        await self._driver.settle(DrainRequested(reason=reason))
        self._has_begun.set()
        if not await self._has_ended(self._timeout_s, self._is_at_rest, can_hurry=True):
            hung_up = self._driver.order_hang_ups(f"the daemon ends: {reason}")
            why = "asked again" if self._stops.hurrying.is_set() else "drain_timeout_s is over"
            self._log.warning("hanging up", calls=hung_up, reason=why)
            if not await self._has_ended(HANG_UP_WAIT_S, self._is_silent):
                silent = self._driver.declare_over("no answer to the hang-up")
                self._log.error("calls declared over", calls=silent, reason="the gateway did not say that they ended")
                await self._has_ended(HANG_UP_WAIT_S, self._is_silent)
        await self._send_agents_home()
        await self._driver.pulse()  # the last entries are durable, and told

    async def _patience_is_over(self) -> str:
        """Wait as long as it is worth while: not in a hurry or after the time-out while nothing can be committed."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stops.hurrying.wait(), self._timeout_s)
        why = "asked again" if self._stops.hurrying.is_set() else "drain_timeout_s is over"
        while self._driver.blocked is None:
            await asyncio.sleep(LOOK_S)
        return why

    def _undrained(self, why: str) -> Undrained:
        """Say that it ends like this, and what becomes of the rest."""
        blocked, calls = self._driver.blocked, self._driver.live_calls()
        hint = "the next start takes them over; until then their gateway has them"
        self._log.error("stopped undrained", reason=why, blocked=blocked, live_calls=calls, hint=hint)
        return Undrained(f"ended before it had drained, with {calls} calls up ({why}): {blocked}")

    async def _send_agents_home(self) -> None:
        """Log everybody out, so that what they did is recorded; a wrap-up without a word ends its lead."""
        for agent in self._driver.status().agents:
            if agent.state != AgentState.LOGGED_OUT:
                await self._driver.settle(AgentLoggedOut(agent_id=agent.agent_id))

    def _is_silent(self) -> bool:
        return self._driver.live_calls() == 0

    def _is_at_rest(self) -> bool:
        """No call lives, and every agent has had the last word."""
        if self._driver.live_calls():
            return False
        return not any(agent.state == AgentState.WRAP_UP for agent in self._driver.status().agents)

    async def _has_ended(self, limit_s: float, is_over: Callable[[], bool], *, can_hurry: bool = False) -> bool:
        """Wait until `is_over` says so, at most `limit_s` of the wall, or until asked to hurry; give its last word."""
        self._is_over = is_over
        self._idle.clear()
        self.look()
        waits = [asyncio.ensure_future(self._idle.wait())]
        if can_hurry:
            waits.append(asyncio.ensure_future(self._stops.hurrying.wait()))
        try:
            await asyncio.wait(waits, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return is_over()
