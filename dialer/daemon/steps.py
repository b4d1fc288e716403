"""Each step of each call as a line of the log, at level debug: from the order to dial to the hang-up.

One rule governs this module: a line has the campaign, the lead and the call, under the names that they have everywhere,
so that one search finds all that became of a call, here, at its gateway and on its switch. Never a number.
"""

from typing import Any

from dialer.daemon.logs import Logger
from dialer.domain.commands import (
    BridgeCall,
    Command,
    HandOverCall,
    HangUp,
    PlaceCall,
    PlayMessage,
    RecordAttempt,
)
from dialer.domain.events import (
    BridgeFailed,
    CallAnswered,
    CallBridged,
    CallClassified,
    CallEvent,
    CallFailed,
    CallReleased,
    CallRinging,
    EarlierRunFound,
    Event,
    MessageBegan,
)
from dialer.gateways.contract import trace_of
from dialer.storage.codec import Entry


class Steps:
    """Tells the steps of calls; for the driver to call after each entry."""

    def __init__(self, logger: Logger) -> None:
        self._logger = logger
        self._calls: dict[int, tuple[str, int]] = {}  # campaign and lead of those that are not over

    def __call__(self, entry: Entry) -> None:
        """Tell what one durable entry says of calls."""
        if isinstance(entry.event, EarlierRunFound):
            known = ((found.attempt.call_id, found.attempt) for found in entry.event.calls)
            self._calls.update((call_id, (attempt.campaign, attempt.lead_id)) for call_id, attempt in known)
        elif entry.event is not None:
            step = _news(entry.event)
            if step is not None:
                self._tell(*step)
        for command in entry.commands:
            if isinstance(command, PlaceCall):
                self._calls[command.call_id] = (command.campaign, command.lead_id)
            step = _order(command)
            if step is not None:
                self._tell(*step)
        for command in entry.commands:
            if isinstance(command, RecordAttempt) and command.attempt.released_at is not None:
                self._calls.pop(command.attempt.call_id, None)

    def _tell(self, call_id: int, step: str, said: dict[str, Any]) -> None:
        known = self._calls.get(call_id)
        fields: dict[str, Any] = {"step": step}
        if known is not None:
            campaign, lead_id = known
            fields |= {"campaign": campaign, "lead_id": lead_id, "trace": trace_of(campaign, lead_id, call_id)}
        fields["call_id"] = call_id
        fields |= {name: value for name, value in said.items() if value not in (None, "")}
        self._logger.debug("call", **fields)


Step = tuple[int, str, dict[str, Any]]


def _order(command: Command) -> Step | None:
    """Say which step an order is."""
    match command:
        case PlaceCall(call_id=call_id, agent_id=agent_id):
            return call_id, "placed", {"agent_id": agent_id}
        case BridgeCall(call_id=call_id, agent_id=agent_id):
            return call_id, "bridge", {"agent_id": agent_id}
        case PlayMessage(call_id=call_id):
            return call_id, "message", {}
        case HandOverCall(call_id=call_id):
            return call_id, "hand over", {}
        case HangUp(call_id=call_id, reason=reason):
            return call_id, "hang up", {"reason": reason}
        case _:
            return None


def _news(event: Event) -> Step | None:
    """Say which step an event is."""
    if not isinstance(event, CallEvent):
        return None
    call_id = event.call_id
    match event:
        case CallRinging():
            return call_id, "ringing", {}
        case CallAnswered():
            return call_id, "answered", {}
        case CallClassified(is_machine=is_machine):
            return call_id, "classified", {"is_machine": is_machine}
        case CallFailed(outcome=outcome, cause=cause):
            return call_id, "failed", {"outcome": outcome.value, "cause": cause}
        case CallBridged(agent_id=agent_id):
            return call_id, "bridged", {"agent_id": agent_id}
        case BridgeFailed(agent_id=agent_id, cause=cause):
            return call_id, "bridge failed", {"agent_id": agent_id, "cause": cause}
        case MessageBegan():
            return call_id, "message began", {}
        case CallReleased(by=by, cause=cause):
            return call_id, "released", {"by": by, "cause": cause}
