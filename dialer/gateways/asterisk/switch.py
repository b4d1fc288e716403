"""What all parts of the adapter share: the connection, the calls and seats, the way to the engine, and order.

One rule governs this module: what is asked of one call, or of one agent's leg, is asked in the order in which it was
wished, one request after the other; different calls never wait for each other.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from structlog.typing import FilteringBoundLogger

from dialer.domain.events import Event
from dialer.gateways.asterisk.ari import Ari, AriLost, AriRefused
from dialer.gateways.asterisk.calls import STATE_VARIABLE, Call, Names, Seat
from dialer.gateways.asterisk.settings import AsteriskSettings

OVER_MAX = 50_000
"""How many calls that are over are remembered, so that an order that comes twice is not dialed twice."""
TAKEN_S = 3.0
"""For how long a channel that answered may take to come into the application."""

Work = Callable[[], Awaitable[None]]


class Switch:
    """One Asterisk, as the adapter's parts see it."""

    def __init__(self, settings: AsteriskSettings, now: Callable[[], float], log: FilteringBoundLogger) -> None:
        self.settings = settings
        self.ari = Ari(settings.url, settings.user, settings.password, settings.app)
        self.names = Names(settings.app)
        self.now = now
        self.log = log
        self.calls: dict[int, Call] = {}
        self.seats: dict[str, Seat] = {}
        self.over: dict[int, None] = {}
        self.denied: set[int] = set()  # calls of which it was said that their order never came
        self.originating: dict[int, asyncio.Task[None]] = {}  # calls whose order Asterisk has not answered yet
        self.lost_at: float | None = None  # when there was a connection last, once one was lost
        self.up = asyncio.Event()
        self.report: Callable[[Event], None] = lambda event: None
        self.let_go: Callable[[Call], None] = lambda call: None  # the agent who is on a call, or about to be
        self._group: asyncio.TaskGroup | None = None
        self._distrust: Callable[[], None] = lambda: None

    def begin(self, group: asyncio.TaskGroup, report: Callable[[Event], None], distrust: Callable[[], None]) -> None:
        """Take what a run works with: `distrust` gives the connection up, so that everything is asked anew."""
        self._group, self.report, self._distrust = group, report, distrust

    def spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Do something beside everything else; a crash of it ends the run."""
        assert self._group is not None
        return self._group.create_task(work)

    def in_order(self, subject: Call | Seat, work: Work) -> "asyncio.Task[None]":
        """Do `work` once all that was asked of the same call or seat before is done."""
        subject.tail = self.spawn(self._after(subject.tail, work))
        return subject.tail

    async def _after(self, before: "asyncio.Task[None] | None", work: Work) -> None:
        if before is not None and not before.done():
            await asyncio.wait([before])
        try:
            await work()
        except AriLost as error:
            self.log.warning("no answer from Asterisk", what=str(error))
            self._distrust()

    async def ask(self, method: str, path: str, body: Any = None, **params: str | int) -> bool:
        """Ask for something that may have become pointless; say whether it was done."""
        try:
            await self.ari.request(method, path, params, body)
        except AriRefused as error:
            self.log.debug("refused", request=method, path=path, status=error.status, what=str(error))
            return False
        return True

    async def keep(self, call: Call) -> None:
        """Write what is known of a call onto its channel, for a gateway that starts anew."""
        await self.ask(
            "POST",
            f"channels/{self.names.call(call.call_id)}/variable",
            variable=STATE_VARIABLE,
            value=call.kept.text(),
        )

    def forget(self, call: Call) -> None:
        """The call is over."""
        self.calls.pop(call.call_id, None)
        self.over[call.call_id] = None
        if len(self.over) > OVER_MAX:
            del self.over[next(iter(self.over))]

    def seat(self, agent_id: str) -> Seat:
        """Give an agent's seat, made when it is the first time."""
        return self.seats.setdefault(agent_id, Seat(agent_id))
