"""Agents' legs: called or come in, on hold between calls, joined to a person, let go.

One rule governs this module: an agent is reserved before the first request for the join leaves, and nobody but the one
`_join` says how that ended.
"""

import asyncio
import math
import re

from dialer.domain.commands import BridgeCall
from dialer.domain.events import (
    AgentLoggedIn,
    AgentLoggedOut,
    AgentPauseRequested,
    AgentReadied,
    BridgeFailed,
    CallBridged,
)
from dialer.domain.living import Desk
from dialer.gateways.asterisk.ari import AriLost, AriRefused
from dialer.gateways.asterisk.calls import Call, Doing, Seat
from dialer.gateways.asterisk.dialing import Dialing
from dialer.gateways.asterisk.handover import Handover
from dialer.gateways.asterisk.switch import Switch

PATIENCE_S = 2.0
"""For how long after its ring time-out a leg's end is waited for."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
HUNG_UP = "the agent hung up"
CODES = {"*1": "ready", "*2": "pause", "*3": "hang_up", "*4": "hand_over"}
"""What an agent asks for by pressing keys."""
NOT_JOINED = "Asterisk did not join the call"
GOING_S = 1.0
"""For how long the end of a call that was not joined is waited for: its channel stays listed for a moment."""


class Seats:
    """The agents of one Asterisk."""

    def __init__(self, switch: Switch, dialing: Dialing, handover: Handover) -> None:
        self._switch = switch
        self._dialing = dialing
        self._handover = handover
        agents = switch.settings.agents
        self._desks = {desk.agent_id: desk for desk in agents.desks}
        switch.let_go = self.leave
        self._by_endpoint = {agents.endpoint.format(agent=name).partition("/")[2]: name for name in self._desks}

    # ------------------------------------------------------------------------------------------ orders
    def join(self, order: BridgeCall) -> None:
        """Join a live answer to an agent, whose telephone is rung first where no leg is up."""
        switch = self._switch
        call, seat = switch.calls.get(order.call_id), switch.seat(order.agent_id)
        cause = ""
        if call is not None and (call.seat is seat or call.end_by is not None):
            return  # the same order again; or its end, which follows, says it all
        if call is None or not call.kept.is_answered or call.kept.is_message:
            cause = "the call is over"
        elif not NAME.fullmatch(order.agent_id):  # it becomes a part of an address
            cause = "no agent can have this name"
        elif call.seat is not None:
            cause = "another agent is on the call"
        elif seat.call is not None:
            cause = "the agent is on another call"
        elif not switch.up.is_set():
            cause = "no connection to Asterisk"
        if cause or call is None:
            self._refuse(order.call_id, seat, cause)
            return
        call.seat, seat.call = seat, call
        switch.in_order(seat, lambda: self._join(seat, call))

    async def _join(self, seat: Seat, call: Call) -> None:
        switch = self._switch
        try:
            cause = await self._bring_together(seat, call)
        except AriLost:
            if seat.call is call:
                call.seat = seat.call = None
                self._refuse(call.call_id, seat, "Asterisk did not answer")
            raise
        if seat.call is not call:  # let go meanwhile
            if call.call_id in switch.calls:
                await self._move(seat, call, "removeChannel")
            await self._rest(seat)
            return
        if not cause and seat.channel is None:
            cause = HUNG_UP
        if cause:
            is_up = await switch.ask("GET", f"channels/{switch.names.call(call.call_id)}")
            until = switch.now() + GOING_S
            while is_up and cause == NOT_JOINED and seat.call is call and switch.now() < until:
                await asyncio.sleep(GOING_S / 20)
            if seat.call is call:
                call.seat = seat.call = None
                if is_up and call.end_by is None:  # otherwise its end, which follows, says it all
                    self._refuse(call.call_id, seat, cause)
            await self._rest(seat)
            return
        seat.doing, call.is_bridged, call.kept.bridged_at = Doing.TALKING, True, switch.now()
        switch.report(CallBridged(call_id=call.call_id, agent_id=seat.agent_id))
        switch.in_order(call, lambda: switch.keep(call))

    def _refuse(self, call_id: int, seat: Seat, cause: str) -> None:
        """Say that an agent was not joined. Who sits at a desk with a leg that is up missed nothing, and says so."""
        self._switch.report(BridgeFailed(call_id=call_id, agent_id=seat.agent_id, cause=cause))
        if seat.has_logged_in and seat.is_ready and seat.call is None:
            self._switch.report(AgentReadied(agent_id=seat.agent_id))

    async def _bring_together(self, seat: Seat, call: Call) -> str:
        """Let the two hear each other; give why they do not, or nothing. Music in the bridge would be heard by both."""
        if not await self._dialing.taken(call):
            return "the call did not come into the application"
        if seat.channel is None and (cause := await self._ring(seat)):
            return cause
        if seat.call is not call:
            return ""
        seat.doing = Doing.JOINING
        if self._switch.settings.comfort_class is not None and call.tail is not None:
            await asyncio.wait([call.tail])
            await self._dialing.quieten(call)
        if seat.has_music:
            seat.has_music = False
            await self._switch.ask("DELETE", f"bridges/{self._switch.names.bridge(seat.agent_id)}/moh")
        is_done = await self._move(seat, call, "addChannel")
        return "" if is_done else NOT_JOINED

    async def _move(self, seat: Seat, call: Call, how: str) -> bool:
        names = self._switch.names
        bridge, channel = names.bridge(seat.agent_id), names.call(call.call_id)
        return await self._switch.ask("POST", f"bridges/{bridge}/{how}", channel=channel)

    def leave(self, call: Call) -> None:
        """Let the agent go who is on a call, or about to be."""
        seat = call.seat
        if seat is None:
            return
        call.seat = seat.call = None
        if seat.answered is not None and not seat.answered.done():
            seat.answered.set_result(False)  # `_join` waits for it, and sees that the call needs it no more
        elif seat.doing is Doing.TALKING:
            self._switch.in_order(seat, lambda: self._rest(seat))

    def hand_over(self, call_id: int) -> None:
        """Fetch the supervisor for a conversation."""
        call = self._switch.calls.get(call_id)
        if call is not None and call.is_bridged:
            self._handover.call_supervisor(call)

    def seat(self, agent_id: str) -> None:
        """Call the telephone of an agent who logged in: it stays connected between calls."""
        is_theirs = agent_id not in self._desks and NAME.fullmatch(agent_id)
        if is_theirs and self._switch.settings.agents.is_nailed_up:
            seat = self._switch.seat(agent_id)
            seat.is_wanted = True
            self._invite(seat)

    def unseat(self, agent_id: str) -> None:
        """Let the telephone of an agent go who logged out; one at a desk hangs up by hand."""
        seat = self._switch.seats.get(agent_id)
        if seat is not None and agent_id not in self._desks:
            seat.is_wanted = False
            self._switch.in_order(seat, lambda: self._rest(seat))

    # -------------------------------------------------------------------------------------------- legs
    async def _ring(self, seat: Seat) -> str:
        """Call an agent's telephone and seat who picks up; give why nobody did, or nothing."""
        switch, agents = self._switch, self._switch.settings.agents
        channel = switch.names.leg(seat.agent_id, int(switch.now() * 1000))
        seat.channel, seat.doing = channel, Doing.RUNG
        answered = seat.answered = asyncio.get_running_loop().create_future()
        params: dict[str, str | int] = {
            "endpoint": agents.endpoint.format(agent=seat.agent_id),
            "app": switch.settings.app,
            "appArgs": "agent",
            "channelId": channel,
            "timeout": max(1, math.ceil(agents.ring_timeout_s)),
        }
        cause = "the agent did not pick up"
        try:
            await switch.ari.request("POST", "channels", params)
            async with asyncio.timeout(agents.ring_timeout_s + PATIENCE_S):
                has_answered = await answered
        except AriRefused as error:
            has_answered, cause = False, f"the agent's telephone cannot be called: {error}"
        except AriLost:
            seat.channel, seat.doing = None, Doing.AWAY  # if it rings all the same, settling ends it
            raise
        except TimeoutError:
            has_answered = False
        finally:
            seat.answered = None
        if has_answered and seat.channel == channel:
            await self._sit(seat)
            return ""
        if seat.channel == channel:
            seat.channel, seat.doing = None, Doing.AWAY
            await switch.ask("DELETE", f"channels/{channel}")
        return cause

    async def _sit(self, seat: Seat) -> None:
        """Put a leg into the agent's own bridge."""
        bridge = self._switch.names.bridge(seat.agent_id)
        await self._switch.ask("POST", f"bridges/{bridge}", type="mixing,proxy_media")
        if seat.channel is not None:
            await self._switch.ask("POST", f"bridges/{bridge}/addChannel", channel=seat.channel)

    async def _rest(self, seat: Seat) -> None:
        """After a call: hold, or the end of a leg that was only for it."""
        if seat.call is not None or seat.channel is None:
            return
        if self._stays(seat):
            seat.doing = Doing.IDLE
            bridge, hold = self._switch.names.bridge(seat.agent_id), self._switch.settings.agents.hold_class
            seat.has_music = await self._switch.ask("POST", f"bridges/{bridge}/moh", mohClass=hold)
        else:
            channel, seat.channel, seat.doing = seat.channel, None, Doing.AWAY
            await self._switch.ask("DELETE", f"channels/{channel}")

    def _stays(self, seat: Seat) -> bool:
        """Whether a leg stays up between calls."""
        is_nailed_up = self._switch.settings.agents.is_nailed_up and seat.is_wanted is not False
        return is_nailed_up or seat.agent_id in self._desks

    async def _come_in(self, seat: Seat) -> None:
        await self._sit(seat)
        await self._rest(seat)

    # ------------------------------------------------------------------------------------------- desks
    def began(self, channel: str, endpoint: str | None) -> None:
        """A leg is up: one that was called, or (`endpoint`) an agent's telephone that dialed in."""
        name = self._switch.names.leg_of(channel) or self._by_endpoint.get(endpoint or "")
        seat = None if name is None else self._switch.seat(name)
        if seat is None or seat.channel not in (None, channel):
            self._switch.log.warning("a leg without an agent is ended", endpoint=endpoint, agent=name)
            self._switch.spawn(self._drop(channel))
            return
        is_new, seat.channel = seat.channel is None, channel
        if seat.answered is not None:
            if not seat.answered.done():
                seat.answered.set_result(True)
        elif is_new:
            self._switch.in_order(seat, lambda: self._come_in(seat))
        self.log_in(seat)

    def found(self, channel: str, endpoint: str | None, members: dict[str, list[str]]) -> None:
        """A leg is up that came while there was no connection, or before this gateway started.

        `members` are the channels of each bridge: with whom an agent talks is who is in the agent's bridge.
        """
        switch = self._switch
        name = switch.names.leg_of(channel) or self._by_endpoint.get(endpoint or "")
        seat = None if name is None else switch.seat(name)
        if seat is None or seat.channel not in (None, channel):
            switch.spawn(self._drop(channel))
            return
        is_new, seat.channel = seat.channel is None, channel
        for each in members.get(switch.names.bridge(seat.agent_id), ()):
            call = switch.calls.get(switch.names.call_of(each) or -1)
            if call is not None and call.seat is None and not is_new:
                switch.spawn(self._part(seat, call))  # joined by a request whose answer was lost
            elif call is not None and seat.call is None:
                call.seat, seat.call, call.is_bridged, seat.doing = seat, call, True, Doing.TALKING
        if seat.call is None:
            switch.in_order(seat, lambda: self._come_in(seat))
        self.log_in(seat)

    async def _part(self, seat: Seat, call: Call) -> None:
        await self._move(seat, call, "removeChannel")

    async def _drop(self, channel: str) -> None:
        await self._switch.ask("DELETE", f"channels/{channel}")

    def log_in(self, seat: Seat) -> None:
        """Say that an agent is there who logs in by telephone."""
        desk = self._desks.get(seat.agent_id)
        if desk is not None and not seat.has_logged_in:
            seat.has_logged_in = seat.is_ready = True
            self._switch.report(AgentLoggedIn(agent_id=seat.agent_id, groups=desk.groups))
            self._switch.report(AgentReadied(agent_id=seat.agent_id))

    def at_desks(self) -> tuple[Desk, ...]:
        """Give who is logged in by telephone, and what they asked for last."""
        return tuple(
            Desk(agent_id=desk.agent_id, groups=desk.groups, is_ready=seat.is_ready)
            for desk in self._desks.values()
            if (seat := self._switch.seats.get(desk.agent_id)) is not None and seat.has_logged_in
        )

    def ended(self, seat: Seat) -> None:
        """A leg is gone, and a talk with it."""
        call, was_talking = seat.call, seat.doing is Doing.TALKING
        seat.channel, seat.doing, seat.digits, seat.has_music = None, Doing.AWAY, "", False
        if seat.answered is not None and not seat.answered.done():
            seat.answered.set_result(False)
        if call is not None and was_talking:
            call.seat = seat.call = None
            self._dialing.end(call, "agent", HUNG_UP)
        if seat.has_logged_in:
            seat.has_logged_in = False
            self._switch.report(AgentLoggedOut(agent_id=seat.agent_id))
        self.call_again(seat)

    def call_desks(self) -> None:
        """Call everybody who has to be at a desk, or has logged in, and has no leg."""
        if self._switch.settings.agents.call_again_s is not None:
            for name in self._desks:
                self._invite(self._switch.seat(name))
        for seat in self._switch.seats.values():
            if seat.is_wanted:
                self._invite(seat)

    def call_again(self, seat: Seat) -> None:
        """Call an agent's telephone once more in a while."""
        again_s = self._switch.settings.agents.call_again_s
        if again_s is not None and self._is_expected(seat) and seat.again is None:
            seat.again = asyncio.get_running_loop().call_later(again_s, self._invite, seat)

    def _is_expected(self, seat: Seat) -> bool:
        return seat.agent_id in self._desks or seat.is_wanted is True

    def _invite(self, seat: Seat) -> None:
        seat.again = None
        if seat.channel is None and self._switch.up.is_set() and self._is_expected(seat):
            self._switch.in_order(seat, lambda: self._bring(seat))

    async def _bring(self, seat: Seat) -> None:
        if seat.channel is not None or not self._is_expected(seat):
            return
        cause = await self._ring(seat)
        if not cause:
            await self._rest(seat)
            return
        self._switch.log.warning("agent's telephone", agent=seat.agent_id, cause=cause)
        self.call_again(seat)

    def stop(self) -> None:
        """Call nobody any more."""
        for seat in self._switch.seats.values():
            if seat.again is not None:
                seat.again.cancel()
                seat.again = None

    def pressed(self, seat: Seat, digit: str) -> None:
        """An agent pressed a key; two make a wish."""
        seat.digits = digit if digit == "*" else (seat.digits + digit)[:2]
        wish = CODES.get(seat.digits)
        if wish is None:
            return
        seat.digits = ""
        call = seat.call if seat.doing is Doing.TALKING else None
        if wish in ("ready", "pause"):
            seat.is_ready = wish == "ready"
        if wish == "ready":
            self._switch.report(AgentReadied(agent_id=seat.agent_id))
        elif wish == "pause":
            self._switch.report(AgentPauseRequested(agent_id=seat.agent_id, reason="telephone"))
        elif wish == "hang_up" and call is not None:
            self._dialing.end(call, "agent", "the agent ended the call")
        elif wish == "hand_over" and call is not None:
            self._handover.call_supervisor(call)
