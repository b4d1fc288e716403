"""The gateway's side of the contract: any gateway, behind a broker.

One rule governs this module: an order is carried out once, in time, and only for the newest owner; what happened is
told until it is safe elsewhere. It decides nothing else: what the gateway inside reports is passed on as it is.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from structlog.typing import FilteringBoundLogger

from dialer.domain.events import (
    AgentEvent,
    AgentLoggedIn,
    AgentLoggedOut,
    AgentPauseRequested,
    AgentReadied,
    CallEvent,
    Event,
    LinesChanged,
)
from dialer.domain.living import LivingState
from dialer.gateways import contract
from dialer.gateways.broker import Address, Incoming, Link, Outgoing
from dialer.gateways.callbook import CallBook
from dialer.gateways.contract import VERSION, Malformed
from dialer.gateways.drops import Drops
from dialer.gateways.translating import command_of, news_of, said_of, up_of
from dialer.ports import Clock, Gateway

BEAT_S = 2.0
PART_MAX = 200
"""Calls in one message of a snapshot."""
FAREWELL_S = 3.0
_ORDER_NAMES: dict[type, Any] = {
    contract.Place: "place",
    contract.Bridge: "bridge",
    contract.Play: "play",
    contract.HangUp: "hang_up",
    contract.Offer: "offer",
}


class Serving:
    """One gateway, served to engines under a name, from its start (the epoch) to its end."""

    def __init__(
        self,
        gateway: Gateway,
        address: Address,
        clock: Clock,
        log: FilteringBoundLogger,
        *,
        name: str,
        kind: str,
        lines: int,
    ) -> None:
        self._gateway = gateway
        self._clock = clock
        self._log = log
        self._name = name
        self._kind = kind
        self._lines = lines
        self._began_at = clock.now()
        self.epoch = int(self._began_at * 1000.0)
        self._seq = 0
        self._book = CallBook()
        self._desks: dict[str, contract.Desk] = {}
        self._asked: dict[str, contract.Tell] = {}  # by engine: a newer question takes the place of an older one
        self._has_asked = asyncio.Event()
        self.drops = Drops(log)
        self.ready = asyncio.Event()
        self._link = Link(
            address,
            client_id=f"dialer-gateway-{name}",
            will=self._state("offline"),
            subscriptions=(contract.gateway_topic(name, "commands"),),
            on_message=self.take,
            on_up=self._up,
            on_down=lambda: None,
            log=log,
        )

    async def run(self) -> None:
        """Serve until cancelled; say farewell to the broker at the end."""
        link = asyncio.ensure_future(self._link.run())
        parts = [asyncio.ensure_future(part) for part in (self._gateway.run(self._hear), self._answer(), self._beat())]
        try:
            await asyncio.wait([link, *parts], return_when=asyncio.FIRST_COMPLETED)
            for each in (link, *parts):
                if each.done():
                    await each
        finally:
            for each in parts:
                each.cancel()
            await asyncio.wait(parts)
            self._link.publish(self._state("offline"))
            await self._link.flush(FAREWELL_S)
            link.cancel()
            await asyncio.wait([link])

    @property
    def calls_up(self) -> int:
        """How many calls are up, as far as was reported."""
        return self._book.calls_up

    @property
    def turns(self) -> int:
        """A number that grows while this gateway is at work: what it says is acknowledged, or the broker looked for."""
        return self._link.turns

    # ---------------------------------------------------------------------------------------- orders
    def take(self, message: Incoming) -> None:
        """Take an order from the broker. It is acknowledged once the gateway has it."""
        try:
            order = contract.decode(contract.ORDERS, message.payload)
        except Malformed as error:
            self.drops.count("malformed", message.topic, str(error))
        else:
            self._obey(order, message.user.get("trace", ""))
        message.ack()

    def _obey(self, order: contract.Order, trace: str) -> None:
        if isinstance(order, contract.Ping):
            self._pong(order)
            return
        orders, now = self._book.orders(order.engine), self._clock.now()
        if order.token < orders.token:
            self._refuse(order, "older_token")
        elif not orders.is_new(order.token, order.number):
            return
        elif isinstance(order, contract.Tell):
            self._asked[order.engine] = order
            self._has_asked.set()
        elif order.expires_at is not None and now > order.expires_at:
            self._refuse(order, "expired")
        elif isinstance(order, contract.Place) and order.issued_at < self._began_at:
            # The life before this one may have dialed it and had no time to acknowledge. Asked, it is of unknown fate.
            self.drops.count("before_start", contract.gateway_topic(self._name, "commands"))
        elif isinstance(order, contract.Place) and not self._book.open(order.call_id, order.engine, trace):
            if self._book.page(order.call_id) is None:
                self._refuse(order, "asked_before")
        else:
            if isinstance(order, contract.HangUp):
                self._book.deny(order.call_id, now)  # an order to dial that comes only now is void
            command = command_of(order)
            assert command is not None
            if not isinstance(order, contract.Seat | contract.Unseat | contract.Offer):
                page = self._book.page(order.call_id)
                self._step(contract.word(order), order.call_id, trace if page is None else page.trace)
            self._gateway.send(command)

    def _step(self, step: str, call_id: int, trace: str) -> None:
        """Tell one step of a call, under the name that it has everywhere."""
        self._log.debug("call", step=step, trace=trace, call_id=call_id)

    def _refuse(self, order: contract.Order, reason: Any) -> None:
        """Say that an order was not carried out."""
        name = _ORDER_NAMES.get(type(order))
        self.drops.count(reason, contract.gateway_topic(self._name, "commands"), str(name))
        if name is not None:
            call_id, agent_id = getattr(order, "call_id", None), getattr(order, "agent_id", None)
            if isinstance(order, contract.Place):
                self._book.deny(order.call_id, self._clock.now())
            self._publish(
                contract.Refused(
                    **self._head(),
                    number=order.number,
                    token=order.token,
                    order=name,
                    reason=reason,
                    call_id=call_id,
                    agent_id=agent_id,
                )
            )

    def _pong(self, ping: contract.Ping) -> None:
        pong = contract.Pong(v=VERSION, epoch=self.epoch, engine=ping.engine, ping_at=ping.at, at=self._clock.now())
        self._link.publish(self._event(pong, expires_s=5))

    # ------------------------------------------------------------------------------------------ news
    def _hear(self, event: Event, kept: Callable[[], None] | None = None) -> None:
        """Pass on what the gateway says."""
        if isinstance(event, CallEvent):
            news = news_of(event, epoch=self.epoch, seq=self._next(), at=self._clock.now())
            page = self._book.note(news, news.at)
            self._step(contract.word(news), news.call_id, page.trace)
            self._publish(news, page.trace)
        elif isinstance(event, AgentEvent):
            self._note_desk(event)
            self._publish(contract.AgentNews(**self._head(), agent_id=event.agent_id, said=said_of(event)))
        elif isinstance(event, LinesChanged):
            self._lines = event.lines
            self._link.publish(self._state("online"))
        else:
            raise TypeError(f"expected news of calls, agents or lines from a gateway, found {type(event).__name__}")
        if kept is not None:
            kept()

    def _note_desk(self, event: AgentEvent) -> None:
        """Remember who is at a desk, for an engine that comes later."""
        agent_id = event.agent_id
        known = self._desks.get(agent_id, contract.Desk(agent_id=agent_id))
        match event:
            case AgentLoggedIn():
                self._desks[agent_id] = contract.Desk(agent_id=agent_id, groups=event.groups)
            case AgentReadied():
                self._desks[agent_id] = msgspec.structs.replace(known, is_ready=True)
            case AgentPauseRequested():
                self._desks[agent_id] = msgspec.structs.replace(known, is_ready=False)
            case AgentLoggedOut():
                self._desks.pop(agent_id, None)
            case _:
                pass

    def _next(self) -> int:
        self._seq += 1
        return self._seq

    def _head(self) -> dict[str, Any]:
        return {"v": VERSION, "epoch": self.epoch, "seq": self._next(), "at": self._clock.now()}

    def _publish(self, news: contract.News, trace: str = "") -> None:
        self._link.publish(self._event(news, trace))

    def _event(self, report: contract.Report, trace: str = "", expires_s: int | None = None) -> Outgoing:
        user = (("trace", trace),) if trace else ()
        topic = contract.gateway_topic(self._name, "events")
        return Outgoing(topic=topic, payload=contract.encode(report), expires_s=expires_s, user=user)

    # ------------------------------------------------------------------------------------- snapshots
    async def _answer(self) -> None:
        """Answer the questions of what is up, one at a time."""
        while True:
            await self._has_asked.wait()
            self._has_asked.clear()
            while self._asked:
                engine = next(iter(self._asked))
                await self._tell(self._asked.pop(engine))

    async def _tell(self, asked: contract.Tell) -> None:
        living = await self._gateway.living({each.call_id: each.placed_at for each in asked.calls})
        self._book.forget(self._clock.now())
        up: list[contract.Up] = []
        never: list[int] = []
        for call in living.calls:
            page = self._book.page(call.call_id)
            if call.state is LivingState.NEVER:
                if page is None:
                    never.append(call.call_id)
                    self._book.deny(call.call_id, self._clock.now())
            elif page is None or page.engine in ("", asked.engine):
                up.append(up_of(call, page.engine if page is not None and page.engine else None))
        ended: list[contract.Ended] = []
        for each in asked.calls:
            page = self._book.page(each.call_id)
            if page is not None and page.is_over:
                ended.append(contract.Ended(call_id=each.call_id, news=tuple(page.news)))
        desks = None
        if living.agents is not None:
            desks = tuple(self._desks.get(each, contract.Desk(agent_id=each)) for each in living.agents)
        parts = max(1, *(-(-len(group) // PART_MAX) for group in (up, ended, never)))
        for part in range(parts):
            span = slice(part * PART_MAX, (part + 1) * PART_MAX)
            self._publish(
                contract.Snapshot(
                    **self._head(),
                    request=asked.request,
                    part=part,
                    parts=parts,
                    up=tuple(up[span]),
                    ended=tuple(ended[span]),
                    never=tuple(never[span]),
                    desks=desks,
                )
            )

    # ----------------------------------------------------------------------------------------- state
    def _up(self) -> None:
        self._link.publish(self._state("online"))
        self.ready.set()

    def _state(self, status: Any) -> Outgoing:
        state = contract.GatewayState(
            v=VERSION, gateway=self._name, status=status, epoch=self.epoch, kind=self._kind, lines=self._lines
        )
        topic = contract.gateway_topic(self._name, "state")
        return Outgoing(topic=topic, payload=contract.encode(state), retain=True)

    async def _beat(self) -> None:
        """Publish the state again and again: a dead link is noticed by what is not acknowledged."""
        while True:
            await asyncio.sleep(BEAT_S)
            self._book.forget(self._clock.now())
            if self._link.is_up:
                self._link.publish(self._state("online"))
