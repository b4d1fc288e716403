"""Between the words of the engine and those of the wire.

One rule governs this module: an instant on the wire is by the gateway's clock. `ahead_s` is how far that clock is ahead
of the engine's, as measured; on the gateway's own side it is 0. So no two machines need to agree on the time.
"""

from collections.abc import Iterator
from typing import Any

from dialer.domain import commands, events
from dialer.domain.living import Desk, LivingCall, LivingState
from dialer.gateways import contract
from dialer.gateways.contract import VERSION

_PICKED_UP = (LivingState.ANSWERED, LivingState.BRIDGED, LivingState.MESSAGE)


def _shifted(at: float | None, by_s: float) -> float | None:
    return None if at is None else at + by_s


def _text(words: str) -> str:
    """Give a switch's words so that they can travel: what became of a call must not be lost for a strange cause."""
    return words.replace("\0", "")[: contract.TEXT_MAX]


def news_of(event: events.CallEvent, *, epoch: int, seq: int, at: float) -> contract.CallNews:
    """Put what a gateway says of a call on the wire."""
    head: dict[str, Any] = {"v": VERSION, "epoch": epoch, "seq": seq, "at": at, "call_id": event.call_id}
    match event:
        case events.CallRinging():
            return contract.Ringing(**head)
        case events.CallAnswered():  # a gateway that learns of it late says when it may have been
            return contract.Answered(**{**head, "at": at if event.at is None else event.at})
        case events.CallClassified():
            return contract.Classified(
                **head,
                is_machine=event.is_machine,
                greeting_start_at=event.greeting_start_at,
                greeting_end_at=event.greeting_end_at,
            )
        case events.CallFailed():
            return contract.Failed(**head, outcome=event.outcome, cause=_text(event.cause))
        case events.CallBridged():
            return contract.Bridged(**head, agent_id=event.agent_id)
        case events.BridgeFailed():
            return contract.BridgeFailed(**head, agent_id=event.agent_id, cause=_text(event.cause))
        case events.MessageBegan():
            return contract.MessageBegan(**{**head, "at": at if event.at is None else event.at})
        case events.CallReleased():
            return contract.Released(**head, by=event.by, cause=_text(event.cause))


def event_of(news: contract.CallNews, ahead_s: float) -> events.CallEvent:
    """Read what a gateway says of a call."""
    call_id = news.call_id
    match news:
        case contract.Ringing():
            return events.CallRinging(call_id=call_id)
        case contract.Answered():
            return events.CallAnswered(call_id=call_id, at=news.at - ahead_s)
        case contract.Classified():
            return events.CallClassified(
                call_id=call_id,
                is_machine=news.is_machine,
                greeting_start_at=_shifted(news.greeting_start_at, -ahead_s),
                greeting_end_at=_shifted(news.greeting_end_at, -ahead_s),
            )
        case contract.Failed():
            return events.CallFailed(call_id=call_id, outcome=news.outcome, cause=news.cause)
        case contract.Bridged():
            return events.CallBridged(call_id=call_id, agent_id=news.agent_id)
        case contract.BridgeFailed():
            return events.BridgeFailed(call_id=call_id, agent_id=news.agent_id, cause=news.cause)
        case contract.MessageBegan():
            return events.MessageBegan(call_id=call_id, at=news.at - ahead_s)
        case contract.Released():
            return events.CallReleased(call_id=call_id, by=news.by, cause=news.cause)


def wish_of(agent_id: str, said: contract.Said, ahead_s: float) -> events.AgentEvent:
    """Read what an agent says."""
    match said:
        case contract.LogIn():
            return events.AgentLoggedIn(agent_id=agent_id, groups=said.groups)
        case contract.Ready():
            return events.AgentReadied(agent_id=agent_id)
        case contract.Pause():
            return events.AgentPauseRequested(agent_id=agent_id, reason=said.reason)
        case contract.LogOut():
            return events.AgentLoggedOut(agent_id=agent_id)
        case contract.Dispose():
            return events.CallDisposed(
                call_id=said.call_id,
                agent_id=agent_id,
                disposition=said.disposition,
                callback_at=_shifted(said.callback_at, -ahead_s),
                is_personal=said.is_personal,
                note=said.note,
            )
        case contract.HandOver():
            return events.HandOverRequested(call_id=said.call_id, agent_id=agent_id)
        case contract.AcceptPreview():
            return events.PreviewAccepted(agent_id=agent_id, lead_id=said.lead_id)
        case contract.SkipPreview():
            return events.PreviewSkipped(agent_id=agent_id, lead_id=said.lead_id)


def said_of(event: events.AgentEvent) -> contract.Said:
    """Put what an agent says on the wire."""
    match event:
        case events.AgentLoggedIn():
            return contract.LogIn(groups=event.groups)
        case events.AgentReadied():
            return contract.Ready()
        case events.AgentPauseRequested():
            return contract.Pause(reason=event.reason)
        case events.AgentLoggedOut():
            return contract.LogOut()
        case events.CallDisposed():
            return contract.Dispose(
                call_id=event.call_id,
                disposition=event.disposition,
                callback_at=event.callback_at,
                is_personal=event.is_personal,
                note=event.note,
            )
        case events.HandOverRequested():
            return contract.HandOver(call_id=event.call_id)
        case events.PreviewAccepted():
            return contract.AcceptPreview(lead_id=event.lead_id)
        case events.PreviewSkipped():
            return contract.SkipPreview(lead_id=event.lead_id)


def command_of(order: contract.Order) -> commands.GatewayCommand | commands.DeskCommand | None:
    """Read an order; None for what the serving side answers itself."""
    match order:
        case contract.Place():
            return commands.PlaceCall(
                call_id=order.call_id,
                campaign=order.campaign,
                lead_id=order.lead_id,
                number=order.to,
                ring_timeout_s=order.ring_timeout_s,
                caller_id=order.caller_id,
                agent_id=order.agent_id,
                has_detector=order.has_detector,
                message=order.message,
                threshold_s=order.threshold_s,
            )
        case contract.Bridge():
            return commands.BridgeCall(call_id=order.call_id, agent_id=order.agent_id)
        case contract.Play():
            return commands.PlayMessage(call_id=order.call_id, message=order.message)
        case contract.HangUp():
            return commands.HangUp(call_id=order.call_id, reason=order.reason)
        case contract.HandOverCall():
            return commands.HandOverCall(call_id=order.call_id)
        case contract.Seat():
            return commands.SeatAgent(agent_id=order.agent_id)
        case contract.Unseat():
            return commands.UnseatAgent(agent_id=order.agent_id)
        case contract.Offer():
            return commands.OfferPreview(
                agent_id=order.agent_id,
                campaign=order.campaign,
                lead_id=order.lead_id,
                expires_at=order.expires_at or 0.0,
            )
        case contract.Tell() | contract.Ping():
            return None


def up_of(living: LivingCall, engine: str | None) -> contract.Up:
    """Put a call that is up on the wire."""
    return contract.Up(
        call_id=living.call_id,
        state=living.state,
        engine=engine,
        ringing_at=living.ringing_at,
        answered_at=living.answered_at,
        classified_at=living.classified_at,
        is_machine=living.is_machine,
        greeting_start_at=living.greeting_start_at,
        greeting_end_at=living.greeting_end_at,
        agent_id=living.agent_id,
        bridged_at=living.bridged_at,
    )


def living_of(up: contract.Up, ahead_s: float) -> LivingCall:
    """Read a call that is up."""
    return LivingCall(
        call_id=up.call_id,
        state=up.state,
        ringing_at=_shifted(up.ringing_at, -ahead_s),
        answered_at=_shifted(up.answered_at, -ahead_s),
        classified_at=_shifted(up.classified_at, -ahead_s),
        is_machine=up.is_machine,
        greeting_start_at=_shifted(up.greeting_start_at, -ahead_s),
        greeting_end_at=_shifted(up.greeting_end_at, -ahead_s),
        agent_id=up.agent_id,
        bridged_at=_shifted(up.bridged_at, -ahead_s),
    )


def desk_of(desk: contract.Desk) -> Desk:
    """Read who is at a desk."""
    return Desk(agent_id=desk.agent_id, groups=desk.groups, is_ready=desk.is_ready)


def missed(living: LivingCall) -> Iterator[events.CallEvent]:
    """Give the news by which a call got where it is; what of it was heard before changes nothing."""
    call_id = living.call_id
    if living.ringing_at is not None or living.state is LivingState.RINGING:
        yield events.CallRinging(call_id=call_id)
    if living.answered_at is not None or living.state in _PICKED_UP:
        yield events.CallAnswered(call_id=call_id, at=living.answered_at)
    if living.is_machine is not None:
        yield events.CallClassified(
            call_id=call_id,
            is_machine=living.is_machine,
            greeting_start_at=living.greeting_start_at,
            greeting_end_at=living.greeting_end_at,
        )
    if living.state is LivingState.MESSAGE:
        yield events.MessageBegan(call_id=call_id)
    if living.state is LivingState.BRIDGED and living.agent_id is not None:
        yield events.CallBridged(call_id=call_id, agent_id=living.agent_id)
