"""Calls: dialing, what the far end does, the message when no agent comes, hanging up.

One rule governs this module: only `ChannelDestroyed` ends a call, whatever was ordered or heard before; and every
handler may hear the same event twice, or out of order.
"""

import asyncio
import math
import re
from pathlib import Path

from dialer.domain.commands import HangUp, PlaceCall, PlayMessage
from dialer.domain.events import CallAnswered, CallClassified, CallFailed, CallReleased, CallRinging, MessageBegan
from dialer.domain.outcome import Outcome
from dialer.gateways.asterisk.ari import AriRefused, Event
from dialer.gateways.asterisk.calls import Call, Kept
from dialer.gateways.asterisk.switch import TAKEN_S, Switch
from dialer.gateways.causes import outcome_of, words

ORDER_S = 0.5
"""How long an order takes at most, from the news that a person is there."""
GRAIN_S = 0.05
"""So much after the threshold the engine's own order for the message is there; later would not be in time by law."""
NO_ORDER = "no order came in time"
NOT_CONNECTED = "never sent: no connection to Asterisk"
_SUFFIXES = frozenset({".wav", ".wav16", ".gsm", ".ulaw", ".alaw", ".sln", ".sln16", ".g722", ".ul", ".al", ".pcm"})
_CONFLICT = 409
_NUMBER = re.compile(r"\+?[0-9]{1,20}")
_CAMPAIGN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class Dialing:
    """The calls of one Asterisk."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        settings = switch.settings
        self._detector = "" if settings.detector is None else settings.detector.arguments
        self._lost = "" if settings.lost_message is None else str(playable(settings.lost_message))

    # ------------------------------------------------------------------------------------------ orders
    def place(self, order: PlaceCall) -> None:
        """Dial, unless the call is known already. The call is registered before anything is asked of Asterisk."""
        switch = self._switch
        call_id = order.call_id
        if call_id in switch.calls or call_id in switch.over:
            return
        cause, outcome = "", Outcome.CONGESTION
        if call_id in switch.denied:
            cause = "said before that this order never came"
        elif not switch.up.is_set():  # the network refused nothing: nobody has to wait, and no attempt is used up
            cause, outcome = NOT_CONNECTED, Outcome.CANCELLED
        elif not (_NUMBER.fullmatch(order.number) and _NUMBER.fullmatch(order.caller_id or "+1")):
            cause = "not a telephone number"  # it becomes a part of an address
        if cause:
            switch.over[call_id] = None
            switch.report(CallFailed(call_id=call_id, outcome=outcome, cause=cause))
            return
        has_detector = order.has_detector and bool(self._detector)
        kept = Kept(
            campaign=order.campaign,
            has_detector=has_detector,
            message=order.message,
            threshold_s=order.threshold_s,
        )
        call = Call(call_id, kept)
        switch.calls[call_id] = call
        switch.originating[call_id] = switch.in_order(call, lambda: self._originate(call, order))

    async def _originate(self, call: Call, order: PlaceCall) -> None:
        switch = self._switch
        settings = switch.settings
        number = order.number if settings.has_plus else order.number.removeprefix("+")
        params: dict[str, str | int] = {
            "endpoint": f"PJSIP/{number}@{settings.trunk}",
            "context": "dialer-call",
            "extension": "s",
            "priority": 1,
            "channelId": switch.names.call(call.call_id),
            "timeout": max(1, math.ceil(order.ring_timeout_s)),
        }
        if order.caller_id is not None:
            name = settings.caller_name
            params["callerId"] = order.caller_id if name is None else f'"{name}" <{order.caller_id}>'
        try:
            await switch.ari.request("POST", "channels", params, {"variables": self._variables(call, order)})
        except AriRefused as error:
            channel = switch.names.call(call.call_id)
            if error.status != _CONFLICT or not await switch.ask("GET", f"channels/{channel}"):
                self._fail(call, Outcome.CONGESTION, str(error))  # else the call is up already: its news will come
        finally:
            switch.originating.pop(call.call_id, None)

    def _variables(self, call: Call, order: PlaceCall) -> dict[str, str]:
        recording = self._switch.settings.recording
        app = self._switch.settings.app
        found = {"DIALER_APP": app, "DIALER_STATE": call.kept.text(), "DIALER_MESSAGE": self._lost}
        if call.kept.has_detector:
            found["DIALER_AMD"] = self._detector
        if recording is not None and (recording.campaigns is None or order.campaign in recording.campaigns):
            # the dialplan takes a comma for the end of a path, and what follows for a command
            folder = order.campaign if _CAMPAIGN.fullmatch(order.campaign) else "other"
            found["DIALER_RECORD"] = str(recording.folder / folder / f"{order.call_id}.wav")
            found["DIALER_RECORD_OPTIONS"] = "" if recording.from_answer else "b"
        return found

    def hang_up(self, order: HangUp) -> None:
        """End a call; one that nobody knows of may be up all the same."""
        call = self._switch.calls.get(order.call_id)
        if call is None:
            if order.call_id not in self._switch.over:
                self._switch.spawn(self._cut(Call(order.call_id)))
            return
        self._set_end(call, "engine", order.reason)
        self._switch.let_go(call)
        self._switch.in_order(call, lambda: self._cut(call))

    def end(self, call: Call, by: str, cause: str) -> None:
        """Hang up for somebody's sake."""
        self._set_end(call, by, cause)
        self._switch.in_order(call, lambda: self._cut(call))

    async def _cut(self, call: Call) -> None:
        await self._switch.up.wait()
        await self._switch.ask("DELETE", f"channels/{self._switch.names.call(call.call_id)}", reason="normal")

    def play(self, order: PlayMessage) -> None:
        """Play the message to a person who waits; the end of it hangs up."""
        call = self._switch.calls.get(order.call_id)
        if call is None or not call.kept.is_answered or call.kept.is_message or call.is_bridged:
            return
        self._begin(call, order.message)

    def _begin(self, call: Call, message: str) -> None:
        call.kept.is_message = True
        self._switch.let_go(call)
        self._switch.in_order(call, lambda: self._play(call, message))

    def await_order(self, call: Call) -> None:
        """Wait for an order for whoever picked up no longer than the threshold: who gives the orders may be gone."""
        kept, now = call.kept, self._switch.now()
        if kept.threshold_s is None or call.unordered is not None:
            return
        from_at = next((at for at in (kept.greeting_end_at, kept.answered_at) if at is not None), now)
        wait_s = max(from_at + kept.threshold_s + GRAIN_S - now, ORDER_S)
        call.unordered = asyncio.get_running_loop().call_later(wait_s, self._go_without, call)

    def _go_without(self, call: Call) -> None:
        """Do what is due to a person for whom no order came, and let go of a machine."""
        switch, kept = self._switch, call.kept
        if switch.calls.get(call.call_id) is not call or kept.is_message or call.is_bridged or call.end_by is not None:
            return
        if call.seat is not None:  # an agent is being joined: that, or why not, comes first
            call.unordered = asyncio.get_running_loop().call_later(ORDER_S, self._go_without, call)
            return
        switch.log.info(NO_ORDER, call_id=call.call_id, campaign=kept.campaign)
        if kept.is_machine or kept.message is None:
            self.end(call, "engine", NO_ORDER)
            return
        switch.report(MessageBegan(call_id=call.call_id))
        self._begin(call, kept.message)

    def stop(self) -> None:
        """Do nothing of oneself any more."""
        for call in self._switch.calls.values():
            if call.unordered is not None:
                call.unordered.cancel()
                call.unordered = None

    async def _play(self, call: Call, message: str) -> None:
        switch = self._switch
        channel = switch.names.call(call.call_id)
        await switch.up.wait()
        await self.taken(call)
        await self.quieten(call)
        folder = switch.settings.messages_dir
        path = playable(Path(message) if folder is None else folder / Path(message).name)
        playback = switch.names.message(call.call_id)
        await switch.keep(call)  # first, for a channel that plays takes no other order
        is_played = await switch.ask("POST", f"channels/{channel}/play/{playback}", media=f"sound:{path}")
        if not is_played and call.call_id in switch.calls:
            self._unheard(call)

    def _unheard(self, call: Call) -> None:
        self._switch.log.error(
            "message not played",
            call_id=call.call_id,
            campaign=call.kept.campaign,
            hint="look for the file, and its format",
        )
        self.end(call, "engine", "the message could not be played")

    async def taken(self, call: Call) -> bool:
        """Wait until the application has the channel; say whether it came in time."""
        try:
            async with asyncio.timeout(TAKEN_S):
                await call.is_taken.wait()
        except TimeoutError:
            return False
        return True

    async def comfort(self, call: Call) -> None:
        """Let a person hear something while an agent is fetched."""
        comfort = self._switch.settings.comfort_class
        if (
            comfort is None
            or call.is_comforted
            or call.seat is not None
            or call.kept.is_message
            or call.call_id not in self._switch.calls
        ):
            return
        call.is_comforted = True
        await self._switch.ask("POST", f"channels/{self._switch.names.call(call.call_id)}/moh", mohClass=comfort)

    async def quieten(self, call: Call) -> None:
        """End what `comfort` began: music would be a third party in the talk."""
        if call.is_comforted:
            call.is_comforted = False
            await self._switch.ask("DELETE", f"channels/{self._switch.names.call(call.call_id)}/moh")

    # -------------------------------------------------------------------------------------------- news
    def ringing(self, call: Call) -> None:
        """The far end is alerted, or early sound of it is heard."""
        call.has_far_end = True
        if not call.kept.is_ringing and not call.kept.is_answered:
            call.kept.is_ringing, call.kept.ringing_at = True, self._switch.now()
            self._switch.report(CallRinging(call_id=call.call_id))

    def answered(self, call: Call, at: float | None = None) -> None:
        """The far end picked up; without a detector that is a person. `at`: seen late, and not before this instant."""
        call.has_far_end = True
        if call.kept.is_answered:
            return
        call.kept.is_answered, call.kept.answered_at = True, self._switch.now() if at is None else at
        self._switch.report(CallAnswered(call_id=call.call_id, at=at))
        if not call.kept.has_detector:
            self._classified(call, is_machine=False)

    def took(self, call: Call, args: list[str]) -> None:
        """The application has the channel; behind a detector, its word comes along."""
        self.answered(call)
        call.is_taken.set()
        status, reason = (*args[1:3], "", "")[:2]
        greeting_end_at = None
        if status == "HUMAN":
            silence = reason.split("-")
            if len(silence) > 1 and silence[1].isdigit():
                greeting_end_at = self._switch.now() - int(silence[1]) / 1000.0
        self._classified(call, is_machine=status == "MACHINE", greeting_end_at=greeting_end_at)
        self._switch.in_order(call, lambda: self._settle_in(call))

    async def _settle_in(self, call: Call) -> None:
        if call.call_id in self._switch.calls and call.kept.is_machine is False:
            await self.comfort(call)
        if call.call_id in self._switch.calls:
            await self._switch.keep(call)

    def _classified(self, call: Call, *, is_machine: bool, greeting_end_at: float | None = None) -> None:
        if call.is_classified:
            return
        call.is_classified = True
        kept = call.kept
        kept.classified_at, kept.is_machine, kept.greeting_end_at = self._switch.now(), is_machine, greeting_end_at
        self._switch.report(
            CallClassified(call_id=call.call_id, is_machine=is_machine, greeting_end_at=greeting_end_at)
        )
        self.await_order(call)

    def played(self, call: Call, event: Event) -> None:
        """The message is over."""
        if call.end_by is not None:
            return
        if event.get("playback", {}).get("state") == "failed":
            self._unheard(call)
        else:
            self.end(call, "engine", "message played")

    def asked_to_end(self, call: Call, event: Event) -> None:
        """The far end hung up or refused; or it was us, which Asterisk calls soft."""
        if not event.get("soft"):
            call.has_far_end = True
            self._set_end(call, "callee", "")

    def destroyed(self, call: Call, event: Event) -> None:
        """The call is over."""
        cause, sip = int(event.get("cause") or 0), event.get("tech_cause")
        sip = int(sip) if isinstance(sip, int) and sip >= 300 else None
        if call.kept.is_answered:
            self._release(call, call.end_by or "network", call.end_cause or words(cause, sip))
        elif call.end_by == "engine":
            self._fail(call, Outcome.NO_ANSWER, call.end_cause)
        else:
            has_far_end = call.has_far_end
            self._fail(
                call,
                outcome_of(cause, sip, has_far_end=has_far_end),
                words(cause, sip, has_far_end=has_far_end),
            )

    def lost(self, call: Call) -> None:
        """The call is gone, and nobody heard how it ended: an attempt that may have been answered."""
        self._release(call, call.end_by or "network", "ended while there was no connection to Asterisk")

    # ------------------------------------------------------------------------------------------ the end
    @staticmethod
    def _set_end(call: Call, by: str, cause: str) -> None:
        if call.end_by is None:
            call.end_by, call.end_cause = by, cause

    def _fail(self, call: Call, outcome: Outcome, cause: str) -> None:
        if call.call_id in self._switch.calls:
            self._switch.forget(call)
            self._switch.report(CallFailed(call_id=call.call_id, outcome=outcome, cause=cause))

    def _release(self, call: Call, by: str, cause: str) -> None:
        if call.call_id in self._switch.calls:
            self._switch.forget(call)
            self._switch.let_go(call)
            self._switch.report(CallReleased(call_id=call.call_id, by=by, cause=cause))


def playable(path: Path) -> Path:
    """Give a sound's path as Asterisk takes it: without the suffix, for it chooses the format itself."""
    return path.with_suffix("") if path.suffix.lower() in _SUFFIXES else path
