"""The Asterisk gateway: implements `dialer.ports.Gateway` over ARI.

One rule governs this module: without the WebSocket Asterisk would cut off whoever picks up, so the moment it is lost
nothing is dialed; once it is back, what is up is settled before anything else. Losing it is expected and no error.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Any

from structlog.typing import FilteringBoundLogger

from dialer.domain.commands import (
    BridgeCall,
    DeskCommand,
    GatewayCommand,
    HandOverCall,
    HangUp,
    OfferPreview,
    PlaceCall,
    PlayMessage,
    SeatAgent,
    UnseatAgent,
)
from dialer.domain.events import LinesChanged
from dialer.domain.living import Living, LivingCall, LivingState
from dialer.errors import DialerError
from dialer.gateways.asterisk.ari import AriLost, Event
from dialer.gateways.asterisk.calls import Call
from dialer.gateways.asterisk.dialing import Dialing
from dialer.gateways.asterisk.handover import Handover
from dialer.gateways.asterisk.seats import Seats
from dialer.gateways.asterisk.settings import AsteriskSettings
from dialer.gateways.asterisk.settling import Settling
from dialer.gateways.asterisk.switch import Switch
from dialer.gateways.drops import Drops
from dialer.ports import GatewayStanding, Sink

AGAIN_MIN_S = 0.1
AGAIN_MAX_S = 2.0
"""How long to wait before Asterisk is tried again: at first, and at most."""

HANDLED = (
    "ChannelStateChange",
    "Dial",
    "StasisStart",
    "ChannelHangupRequest",
    "ChannelDestroyed",
    "PlaybackFinished",
    "ChannelDtmfReceived",
    "ApplicationReplaced",
)
"""The events that are acted on; others say nothing to a dialer."""


class ApplicationTaken(DialerError):
    """Another program took the application over: two gateways would fight for every call."""

    exit_code = 71


class AsteriskGateway:
    """A `Gateway` around one Asterisk, which has its lines while it is connected, and none while it is not."""

    def __init__(
        self,
        settings: AsteriskSettings,
        now: Callable[[], float],
        log: FilteringBoundLogger,
        *,
        lines: int,
        calls_per_second: float,
    ) -> None:
        self._switch = switch = Switch(settings, now, log)
        self._dialing = dialing = Dialing(switch)
        self._handover = Handover(switch)
        self._seats = Seats(switch, dialing, self._handover)
        self._settling = Settling(switch, dialing, self._seats, self._handover)
        self._lines = lines
        self._calls_per_second = calls_per_second
        self._early: list[GatewayCommand | DeskCommand] = []
        self._drops = Drops(log)
        self._held: list[Event] = []  # of calls that settling may adopt yet
        self._is_running = False
        self._since_at: float | None = None
        self._changed_at: float | None = None  # since when Asterisk is there, or away
        self._stream: asyncio.Task[None] | None = None
        self._unreached: str | None = None  # why, as it was last said
        self._handlers = dict(
            zip(
                HANDLED,
                (
                    self._state_changed,
                    self._dialed,
                    self._began,
                    self._hangup_requested,
                    self._destroyed,
                    self._played,
                    self._pressed,
                    self._replaced,
                ),
                strict=True,
            )
        )

    @property
    def is_up(self) -> bool:
        """Whether calls can be dialed."""
        return self._switch.up.is_set()

    def standing(self, name: str) -> GatewayStanding:
        """Say how things stand with Asterisk, under a gateway's name."""
        return GatewayStanding(
            name=name,
            lost=None if self.is_up else "Asterisk cannot be reached",
            since_at=self._changed_at,
            lines=self._lines,
            calls=len(self._switch.calls),
        )

    # -------------------------------------------------------------------------------------------- port
    async def run(self, sink: Sink) -> None:
        """Work until cancelled. A lost connection is made again; a wrong password or a stolen application ends it."""
        self._since_at = self._switch.now()
        try:
            async with self._switch.ari.session(), asyncio.TaskGroup() as group:
                self._switch.begin(group, sink, self._distrust)
                self._is_running = True
                for command in self._early:
                    self._switch.spawn(self._take(command))
                self._early.clear()
                await self._stay_connected()
        except BaseExceptionGroup as crashes:
            raise crashes.exceptions[0] from None
        finally:
            self._is_running = False
            self._set_up(False)
            self._seats.stop()
            self._dialing.stop()

    def send(self, command: GatewayCommand | DeskCommand) -> None:
        """Take an order; it is carried out in a later turn of the loop."""
        if self._is_running:
            self._switch.spawn(self._take(command))
        else:
            self._early.append(command)

    async def living(self, asked: Mapping[int, float]) -> Living:
        """Say what is up, once Asterisk can be asked."""
        switch = self._switch
        await switch.up.wait()
        since_at = self._since_at or 0.0
        calls = [call.living() for call in switch.calls.values()]
        for call_id, at in asked.items():
            if at >= since_at and call_id not in switch.calls and call_id not in switch.over:
                switch.denied.add(call_id)
                calls.append(LivingCall(call_id=call_id, state=LivingState.NEVER))
        desks = self._seats.at_desks()
        return Living(
            calls=tuple(sorted(calls, key=lambda call: call.call_id)),
            agents=tuple(desk.agent_id for desk in desks) if switch.settings.agents.desks else None,
            desks=desks,
        )

    async def _take(self, command: GatewayCommand | DeskCommand) -> None:
        """Carry an order out: a task, so that an error of whoever hears the answer ends the run."""
        match command:
            case PlaceCall():
                self._dialing.place(command)
            case BridgeCall():
                self._seats.join(command)
            case PlayMessage():
                self._dialing.play(command)
            case HangUp():
                self._dialing.hang_up(command)
            case HandOverCall(call_id=call_id):
                self._seats.hand_over(call_id)
            case SeatAgent(agent_id=agent_id):
                self._seats.seat(agent_id)
            case UnseatAgent(agent_id=agent_id):
                self._seats.unseat(agent_id)
            case OfferPreview():
                pass  # a telephone shows no leads: the offer runs out

    # -------------------------------------------------------------------------------------- connection
    async def _stay_connected(self) -> None:
        wait_s = AGAIN_MIN_S
        while True:
            self._stream = self._switch.spawn(self._connected())
            await asyncio.wait([self._stream])
            was_up = self.is_up
            self._set_up(False)
            wait_s = AGAIN_MIN_S if was_up else min(wait_s * 2.0, AGAIN_MAX_S)
            await asyncio.sleep(wait_s * random.uniform(0.5, 1.0))

    async def _connected(self) -> None:
        """Hear Asterisk out until the connection is lost."""
        try:
            self._held = []
            async with self._switch.ari.listen() as events:
                settling = self._switch.spawn(self._settle())
                try:
                    async for event in events:
                        if self.is_up or not self._is_early(event):
                            self._hear(event)
                        else:
                            self._held.append(event)
                finally:
                    settling.cancel()
            self._switch.log.warning("Asterisk lost", calls=len(self._switch.calls), effect="nothing is dialed")
        except AriLost as error:
            self._tell_unreached(str(error))

    def _tell_unreached(self, why: str) -> None:
        """Say once why Asterisk cannot be reached, and again only when that changes, however often it is tried."""
        if why != self._unreached:
            self._switch.log.warning("Asterisk not reached", what=why, effect="nothing is dialed; it is tried again")
        self._unreached = why

    async def _settle(self) -> None:
        try:
            await self._settling.settle()
        except AriLost as error:
            self._switch.log.warning("Asterisk not settled", what=str(error))
            self._distrust()
            return
        held, self._held = self._held, []
        for event in held:
            self._hear(event)
        self._switch.log.info("Asterisk connected", calls=len(self._switch.calls))
        self._set_up(True)
        self._seats.call_desks()

    def _distrust(self) -> None:
        """Give the connection up: a request had no answer, so what is known may be wrong."""
        if self._stream is not None:
            self._stream.cancel()

    def _set_up(self, is_up: bool) -> None:
        if is_up == self.is_up:
            return
        self._changed_at = self._switch.now()
        if is_up:
            self._unreached = None
            self._switch.up.set()
        else:
            self._switch.up.clear()
            self._switch.lost_at = self._switch.now()
        if self._is_running:
            lines = self._lines if is_up else 0
            self._switch.report(LinesChanged(lines=lines, calls_per_second=self._calls_per_second))

    # -------------------------------------------------------------------------------------------- news
    def _is_early(self, event: Event) -> bool:
        """Whether an event is of a call of ours that is not known, while it is being found out what is up."""
        about = event.get("channel", event.get("peer"))
        name = about.get("id") if isinstance(about, dict) else None
        call_id = self._switch.names.call_of(name) if isinstance(name, str) else None
        return call_id is not None and call_id not in self._switch.calls and call_id not in self._switch.over

    def _hear(self, event: Event) -> None:
        kind = event.get("type")
        handler = self._handlers.get(kind) if isinstance(kind, str) else None
        if handler is None:
            return
        try:
            handler(event)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self._drops.count("malformed", str(kind), repr(error))

    def _call(self, channel: Any) -> Call | None:
        """Give the call of an event's channel; None when it is over or none of ours."""
        call_id = self._switch.names.call_of(channel["id"])
        return None if call_id is None else self._switch.calls.get(call_id)

    def _state_changed(self, event: Event) -> None:
        call = self._call(event["channel"])
        if call is not None and event["channel"]["state"] == "Ringing":
            self._dialing.ringing(call)
        elif call is not None and event["channel"]["state"] == "Up":
            self._dialing.answered(call)

    def _dialed(self, event: Event) -> None:
        call = self._call(event["peer"])
        if call is not None and event["dialstatus"] in ("RINGING", "PROGRESS"):
            self._dialing.ringing(call)
        elif call is not None and event["dialstatus"] == "ANSWER":
            self._dialing.answered(call)

    def _began(self, event: Event) -> None:
        channel, args = event["channel"], event["args"]
        call_id = self._switch.names.handover_of(channel["id"])
        if call_id is not None:
            self._handover.picked_up(call_id)
        elif args[:1] == ["agent"]:
            self._seats.began(channel["id"], args[1] if len(args) > 1 else None)
        elif (call := self._call(channel)) is not None:
            self._dialing.took(call, args)
        elif self.is_up:
            self._switch.log.warning("a channel that nobody knows is ended", channel=channel["id"])
            self._switch.spawn(self._end(channel["id"]))

    async def _end(self, channel: str) -> None:
        await self._switch.ask("DELETE", f"channels/{channel}")

    def _hangup_requested(self, event: Event) -> None:
        call = self._call(event["channel"])
        if call is not None:
            self._dialing.asked_to_end(call, event)

    def _destroyed(self, event: Event) -> None:
        name = event["channel"]["id"]
        call = self._call(event["channel"])
        if call is not None:
            self._dialing.destroyed(call, event)
        elif (call_id := self._switch.names.call_of(name)) is not None:
            self._handover.ended(call_id, is_supervisor=False)
        elif (call_id := self._switch.names.handover_of(name)) is not None:
            self._handover.ended(call_id, is_supervisor=True)
        else:
            for seat in list(self._switch.seats.values()):
                if seat.channel == name:
                    self._seats.ended(seat)

    def _played(self, event: Event) -> None:
        call_id = self._switch.names.message_of(event["playback"]["id"])
        call = None if call_id is None else self._switch.calls.get(call_id)
        if call is not None:
            self._dialing.played(call, event)

    def _pressed(self, event: Event) -> None:
        for seat in self._switch.seats.values():
            if seat.channel == event["channel"]["id"]:
                self._seats.pressed(seat, event["digit"])
                return

    def _replaced(self, event: Event) -> None:
        raise ApplicationTaken(
            f"another program connected to Asterisk as {self._switch.settings.app!r}: expected to be the only one; "
            "stop the other gateway, or give each an `app` of its own"
        )
