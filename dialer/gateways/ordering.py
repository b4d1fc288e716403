"""Orders of one engine to its gateways, as they go to the broker.

One rule governs this module: an order says by itself whether it is still to be obeyed. It carries its run's token, its
number within the run, and, by the gateway's own clock, when it was issued and until when it is of use.
"""

from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

from dialer.domain.commands import SeatAgent, UnseatAgent
from dialer.gateways import contract
from dialer.gateways.broker import Outgoing
from dialer.gateways.contract import VERSION
from dialer.gateways.remote import Remote
from dialer.ports import Clock

HANG_UP_S = 3600
SEAT_S = 30.0
PING_S = 5


class Orders:
    """Writes orders and hands them to the broker."""

    def __init__(self, engine: str, token: int, clock: Clock, publish: Callable[[Outgoing], None]) -> None:
        self._engine = engine
        self._token = token
        self._clock = clock
        self._publish = publish
        self._numbers = count(1)
        self._traces: dict[int, str] = {}
        self._seated: dict[str, None] = {}  # agents who are logged in, and at no gateway's desk

    def begin(self, call_id: int, campaign: str, lead_id: int) -> None:
        """Tie together everything that will be said of a call."""
        self._traces[call_id] = contract.trace_of(campaign, lead_id, call_id)

    def end(self, call_id: int) -> None:
        """Let go of a call that is over."""
        self._traces.pop(call_id, None)

    def give(
        self, remote: Remote | None, kind: Callable[..., contract.Order], good_s: float | None = None, **what: Any
    ) -> None:
        """Publish an order that is good for so long; one for nobody is dropped: its call is over or of unknown fate."""
        if remote is None:
            return
        issued_at = self._clock.now() + remote.ahead_s
        order = kind(
            v=VERSION,
            engine=self._engine,
            token=self._token,
            number=next(self._numbers),
            issued_at=issued_at,
            expires_at=None if good_s is None else issued_at + good_s,
            **what,
        )
        trace = self._traces.get(what.get("call_id", 0))
        self._publish(
            Outgoing(
                topic=contract.gateway_topic(remote.name, "commands"),
                payload=contract.encode(order),
                expires_s=HANG_UP_S if good_s is None else max(1, round(good_s)),
                user=() if trace is None else (("trace", trace),),
            )
        )

    def seat(self, command: SeatAgent | UnseatAgent, remotes: Iterable[Remote]) -> None:
        """Let every gateway call an agent's telephone, for any may have the next call; or let it go."""
        agent_id = command.agent_id
        if isinstance(command, SeatAgent):
            self._seated[agent_id] = None
            for remote in remotes:
                if remote.is_present:
                    self.give(remote, contract.Seat, SEAT_S, agent_id=agent_id)
        elif agent_id in self._seated:
            del self._seated[agent_id]
            for remote in remotes:
                self.give(remote, contract.Unseat, agent_id=agent_id)

    def seat_all(self, remote: Remote) -> None:
        """Let a gateway that is back call whoever has no leg there."""
        for agent_id in self._seated:
            self.give(remote, contract.Seat, SEAT_S, agent_id=agent_id)

    def ping(self, remote: Remote, now: float) -> None:
        """Ask a gateway to answer; by the engine's clock, and outside of the count."""
        ping = contract.Ping(v=VERSION, engine=self._engine, token=self._token, number=0, issued_at=now, at=now)
        topic = contract.gateway_topic(remote.name, "commands")
        self._publish(Outgoing(topic=topic, payload=contract.encode(ping), expires_s=PING_S))
