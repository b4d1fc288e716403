"""Handing a call over to a supervisor, after which it is no business of the dialer's any more.

One rule governs this module: the person is never alone. The agent stays until the supervisor has picked up; from then
on the two end together.
"""

from dialer.domain.events import CallReleased
from dialer.gateways.asterisk.calls import Call
from dialer.gateways.asterisk.switch import Switch

RING_S = 20
HANDED_OVER = "handed over to a supervisor"


class Handover:
    """The calls that supervisors have, or are asked to take."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self._handed: set[int] = set()

    def call_supervisor(self, call: Call) -> None:
        """Ring the supervisor for a call that goes on meanwhile."""
        if self._switch.settings.agents.supervisor is None:
            self._switch.log.warning(
                "no supervisor to hand over to", call_id=call.call_id, hint="set agents.supervisor"
            )
        else:
            self._switch.in_order(call, lambda: self._ring(call))

    async def _ring(self, call: Call) -> None:
        settings = self._switch.settings
        await self._switch.ask(
            "POST",
            "channels",
            endpoint=settings.agents.supervisor or "",
            app=settings.app,
            appArgs="supervisor",
            channelId=self._switch.names.handover(call.call_id),
            timeout=RING_S,
        )

    def picked_up(self, call_id: int) -> None:
        """A supervisor is there: the call changes hands, unless it is over by now."""
        call = self._switch.calls.get(call_id)
        if call is None or call.seat is None or not call.is_bridged:
            self._switch.spawn(self._end(self._switch.names.handover(call_id)))
        else:
            self._switch.in_order(call, lambda: self._hand_over(call))

    async def _hand_over(self, call: Call) -> None:
        switch = self._switch
        bridge = supervisor = switch.names.handover(call.call_id)
        channels = f"{switch.names.call(call.call_id)},{supervisor}"
        await switch.ask("POST", f"bridges/{bridge}", type="mixing,proxy_media")
        if not await switch.ask("POST", f"bridges/{bridge}/addChannel", channel=channels):
            await self._end(supervisor)
            return
        if call.call_id not in switch.calls:
            return
        call.kept.is_handed_over = True
        self._handed.add(call.call_id)
        switch.let_go(call)
        switch.forget(call)
        switch.report(CallReleased(call_id=call.call_id, by="agent", cause=HANDED_OVER))
        await switch.keep(call)

    def found(self, call_id: int) -> None:
        """A call that was handed over before this gateway started."""
        self._handed.add(call_id)

    def ended(self, call_id: int, *, is_supervisor: bool) -> None:
        """One of the two is gone: the other goes, too."""
        if call_id not in self._handed:
            return
        self._handed.discard(call_id)
        names = self._switch.names
        other = names.call(call_id) if is_supervisor else names.handover(call_id)
        self._switch.spawn(self._end(other, names.handover(call_id)))

    async def _end(self, channel: str, bridge: str | None = None) -> None:
        await self._switch.ask("DELETE", f"channels/{channel}")
        if bridge is not None:
            await self._switch.ask("DELETE", f"bridges/{bridge}")
