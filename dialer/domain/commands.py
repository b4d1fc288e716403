"""What the engine orders, in the imperative. Drivers carry them out in the order given.

`Record...`, `SaveLead`, `KeepWord`, `WakeLeads` and `BlockPerson` go to storage, `ClaimLeads` to the lead store, the
others to a gateway or an agent's desk.
"""

from dataclasses import dataclass

from dialer.domain.events import CallDisposed
from dialer.domain.lead import Lead
from dialer.domain.records import (
    AgentRecord,
    AgentSpan,
    Attempt,
    CampaignChange,
    PacingDecision,
    ShadowReport,
    VerdictRecord,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceCall:
    """Dial one number of a lead. Stop ringing after `ring_timeout_s`; report every step under `call_id`.

    Without a detector (`has_detector`) every answer is reported as a person at once. To a person who was heard
    `threshold_s` ago, and for whom no order came, a gateway to real telephones plays `message` by itself, or without
    one hangs up: who gives the orders may be gone. None: it waits for ever.
    """

    call_id: int
    campaign: str
    lead_id: int
    number: str  # E.164
    ring_timeout_s: float
    caller_id: str | None
    agent_id: str | None  # the agent who is reserved for this call, if any
    has_detector: bool = True
    message: str | None = None
    threshold_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeCall:
    """Join a live answer to an agent; answer with `CallBridged` or `BridgeFailed`."""

    call_id: int
    agent_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayMessage:
    """Play the abandonment message to the person, then hang up and report `CallReleased`."""

    call_id: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUp:
    """End a call; report `CallReleased` (or `CallFailed` if nobody had answered). Harmless when it is over already."""

    call_id: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOverCall:
    """Ring the supervisor for a conversation; who picks up takes the agent's place, and `CallReleased` is reported."""

    call_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatAgent:
    """An agent logged in: where a telephone stays connected between calls, call it now. Harmless when it is up."""

    agent_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnseatAgent:
    """An agent logged out: let the telephone go."""

    agent_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferPreview:
    """Show a lead to an agent, who answers with `PreviewAccepted` or `PreviewSkipped` before `expires_at`."""

    agent_id: str
    campaign: str
    lead_id: int
    expires_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimLeads:
    """Ask the store for up to `count` due leads of a campaign; answer with `LeadsClaimed`."""

    campaign: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeLeads:
    """Make the campaign's leads due at `at` that a rule put off without an instant: what it lacked may be there now.

    After a change of the rules, also those that one put off until an instant: see `dialer.domain.lead.UNTIL_DUE`.
    """

    campaign: str
    at: float
    is_rule_change: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveLead:
    """Keep a lead's new state. `order_key` sorts as the campaign's published order does."""

    lead: Lead
    order_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockPerson:
    """Nobody of this seller calls these numbers again, from now on and in every campaign."""

    seller: str
    numbers: tuple[str, ...]
    reason: str
    at: float = 0.0
    who: str = ""  # the agent or the user who said so


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordAttempt:
    """Keep an attempt, replacing what was kept under the same `call_id`."""

    attempt: Attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordVerdict:
    """Keep what the gate said of a number, allowed or refused, as evidence."""

    record: VerdictRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordAgentSpan:
    """Keep what an agent did between two instants."""

    span: AgentSpan


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordAgent:
    """Keep how an agent stands now, replacing what was kept before: a restart goes on from there."""

    agent: AgentRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepWord:
    """Keep an agent's word on a call that is still on, replacing an earlier one, until the call's end applies it."""

    word: CallDisposed


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordDecision:
    """Keep a pacing decision that differs from the one before."""

    decision: PacingDecision


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordChange:
    """Keep who changed a campaign's state, and why."""

    change: CampaignChange


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordShadow:
    """Keep in journal and log what another pacing policy would have done so far."""

    report: ShadowReport


GatewayCommand = PlaceCall | BridgeCall | PlayMessage | HangUp | HandOverCall
DeskCommand = SeatAgent | UnseatAgent | OfferPreview
StoreCommand = (
    ClaimLeads
    | WakeLeads
    | SaveLead
    | BlockPerson
    | RecordAttempt
    | RecordVerdict
    | RecordAgentSpan
    | RecordAgent
    | KeepWord
    | RecordDecision
    | RecordChange
    | RecordShadow
)
Command = GatewayCommand | DeskCommand | StoreCommand
