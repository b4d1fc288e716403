"""What is up in Asterisk after a connection is made: compared with what the gateway knows, adopted or given up.

One rule governs this module: Asterisk replays nothing, so what it has up now is the truth. A call that it does not have
is over, and how it ended is not known; one that the gateway does not know is adopted with what its channel carries.
"""

import asyncio
import time
from datetime import datetime
from typing import Any

from dialer.errors import ConfigError
from dialer.gateways.asterisk.ari import AriLost, AriRefused
from dialer.gateways.asterisk.calls import STATE_VARIABLE, Call, Kept
from dialer.gateways.asterisk.dialing import Dialing
from dialer.gateways.asterisk.handover import Handover
from dialer.gateways.asterisk.seats import Seats
from dialer.gateways.asterisk.switch import Switch

Channel = dict[str, Any]

STARTING_S = 10.0
"""So young an Asterisk may not have loaded everything yet."""


class Settling:
    """Takes stock of one Asterisk."""

    def __init__(self, switch: Switch, dialing: Dialing, seats: Seats, handover: Handover) -> None:
        self._switch = switch
        self._dialing = dialing
        self._seats = seats
        self._handover = handover

    async def settle(self) -> None:
        """Bring what is known into line with what is up. Events go on meanwhile. Raises AriLost, ConfigError."""
        switch = self._switch
        await self._subscribe()
        if switch.originating:  # their answers come, or their time-outs, before it can be said what is missing
            await asyncio.wait(list(switch.originating.values()))
        known = list(switch.calls)
        channels = {each["id"]: each for each in await switch.ari.request("GET", "channels")}
        for call_id in known:
            call = switch.calls.get(call_id)
            if call is not None and switch.names.call(call_id) not in channels:
                self._dialing.lost(call)
        ours = {name: of for name in channels if (of := switch.names.call_of(name)) is not None}
        unknown = [name for name, call_id in ours.items() if call_id not in switch.calls]
        # Asked all at once: one after the other, a start with many calls up would take as long as they are many.
        carried = dict(zip(unknown, await asyncio.gather(*map(self._variable, unknown)), strict=True))
        for name, call_id in ours.items():
            await self._take_stock(call_id, channels[name], carried.get(name, ""))
        await self._settle_seats(channels)

    async def _subscribe(self) -> None:
        """Ask for the news of the trunk's channels: ringing and failures come before a call is in the application."""
        source = f"endpoint:PJSIP/{self._switch.settings.trunk}"
        path = f"applications/{self._switch.settings.app}/subscription"
        try:
            await self._switch.ari.request("POST", path, {"eventSource": source})
        except AriRefused as error:
            if await self._is_starting():
                raise AriLost("it is starting, and has not loaded its endpoints yet") from None
            raise ConfigError(
                f"Asterisk has no endpoint PJSIP/{self._switch.settings.trunk}: expected the carrier's, as pjsip.conf "
                f"has it; `trunk` in gateway.toml names it ({error})"
            ) from None

    async def _is_starting(self) -> bool:
        found = await self._switch.ari.request("GET", "asterisk/info")
        started_at = datetime.strptime(found["status"]["startup_time"], "%Y-%m-%dT%H:%M:%S.%f%z")
        return time.time() - started_at.timestamp() < STARTING_S

    async def _take_stock(self, call_id: int, channel: Channel, carried: str) -> None:
        switch = self._switch
        call = switch.calls.get(call_id)
        if call is None:
            if call_id in switch.over:
                return  # it ended between the question and the answer
            call = Call(call_id, Kept.read(carried))
            if call.kept.is_handed_over:
                self._handover.found(call_id)
                return
            call.has_far_end = call.kept.is_ringing
            call.is_classified = call.kept.is_machine is not None
            switch.calls[call_id] = call
            self._adopt(call, channel)
            if call.is_classified:
                self._dialing.await_order(call)
            switch.log.info("call adopted", call_id=call_id, campaign=call.kept.campaign, state=call.living().state)
        elif channel["state"] == "Ringing":
            self._dialing.ringing(call)
        elif channel["state"] == "Up":
            self._dialing.answered(call, at=switch.lost_at)
        if in_application(channel, switch.settings.app) is not None:
            call.is_taken.set()
        if call.kept.is_message:
            await self._look_at_message(call)

    @staticmethod
    def _adopt(call: Call, channel: Channel) -> None:
        """Read a channel's state; instants that nobody measured stay unknown."""
        call.kept.is_ringing = call.kept.is_ringing or channel["state"] == "Ringing"
        call.kept.is_answered = call.kept.is_answered or channel["state"] == "Up"
        said = channel.get("dialplan", {})
        if call.kept.is_answered and not call.is_classified and said.get("app_name") == "Stasis":
            status = [*said.get("app_data", "").split(","), "", "", ""][2]
            call.kept.is_machine, call.is_classified = status == "MACHINE", True

    async def _variable(self, channel: str) -> str:
        try:
            found = await self._switch.ari.request("GET", f"channels/{channel}/variable", {"variable": STATE_VARIABLE})
        except AriRefused:
            return ""
        return str(found.get("value", ""))

    async def _look_at_message(self, call: Call) -> None:
        """A message that ended while nobody listened ends the call now."""
        try:
            await self._switch.ari.request("GET", f"playbacks/{self._switch.names.message(call.call_id)}")
        except AriRefused:
            self._dialing.end(call, "engine", "message played")

    # ------------------------------------------------------------------------------------------- seats
    async def _settle_seats(self, channels: dict[str, Channel]) -> None:
        switch = self._switch
        for seat in list(switch.seats.values()):
            if seat.channel is not None and seat.channel not in channels:
                self._seats.ended(seat)
        members = {each["id"]: each["channels"] for each in await switch.ari.request("GET", "bridges")}
        for name, channel in channels.items():
            said = in_application(channel, switch.settings.app)
            agent = switch.names.leg_of(name)
            is_dialed_in = said is not None and said[:1] == ["agent"] and len(said) > 1
            if agent is None and not is_dialed_in:
                continue
            if channel["state"] != "Up" or said is None:
                if all(seat.channel != name for seat in switch.seats.values()):
                    await switch.ask("DELETE", f"channels/{name}")  # rung for a call that nobody remembers
                continue
            self._seats.found(name, said[1] if len(said) > 1 else None, members)


def in_application(channel: Channel, app: str) -> list[str] | None:
    """Give the arguments with which a channel is in our application; None when it is not in it."""
    dialplan = channel.get("dialplan", {})
    if dialplan.get("app_name") != "Stasis":
        return None
    name, *args = dialplan.get("app_data", "").split(",")
    return args if name == app else None
