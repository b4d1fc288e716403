"""What travels over MQTT, version 1: topics, and one typed structure for each message. docs/mqtt.md explains it.

One rule governs this module: these structures are the contract. JSON Schema, AsyncAPI and every reader and writer are
made from them. A reader takes fields that it does not know (the other side may be newer) and nothing that is malformed.
"""

import re
from typing import Annotated, Any, Literal, TypeVar, get_args

import msgspec
from msgspec import Meta

from dialer.domain.living import LivingState
from dialer.domain.outcome import Outcome

VERSION: Literal[1] = 1
ROOT = "dialer/v1"
CONTENT_TYPE = "application/json"
PAYLOAD_MAX = 1 << 20
"""Bytes of a message that a reader looks at; the broker is told not to send more."""
T = TypeVar("T")

# Readers hold every field to what storage and engine can take: a peer is not trusted.
CallId = Annotated[int, Meta(ge=1, lt=1 << 53)]
LeadId = Annotated[int, Meta(ge=0, lt=1 << 53)]
Count = Annotated[int, Meta(ge=0, lt=1 << 53)]
Instant = Annotated[float, Meta(ge=0, le=4_102_444_800)]  # POSIX seconds UTC, until 2100
Span = Annotated[float, Meta(ge=0, le=86_400)]  # seconds
NAME_MAX = 64
_NO_NAME = re.compile(r"[\x00-\x1f\x7f/+#]")
# Said by what must not be in it: a `$` would let a last line break pass.
Name = Annotated[str, Meta(min_length=1, max_length=NAME_MAX, pattern=r"^(?![\s\S]*[\x00-\x1f\x7f/+#])")]
TEXT_MAX = 500
Text = Annotated[str, Meta(max_length=TEXT_MAX, pattern=r"^(?![\s\S]*\x00)")]
Number = Annotated[str, Meta(pattern=r"^\+[1-9][0-9]{6,14}(?![\s\S])")]  # E.164
Names = Annotated[tuple[Name, ...], Meta(max_length=100)]


class Malformed(ValueError):
    """A message that is none of the contract's."""


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


class _Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=_snake):
    v: Literal[1]  # always written, so that a message without it is none of ours


# -------------------------------------------------------------------------------------------- engine -> gateway
class _Order(_Message, frozen=True, kw_only=True):
    """`number` counts the orders of one `token`; instants are the gateway's own clock, as the engine measured it."""

    engine: Name
    token: Count
    number: Count
    issued_at: Instant
    expires_at: Instant | None = None  # None: never too late


class Place(_Order, frozen=True, kw_only=True):
    """Dial `to`; stop ringing after `ring_timeout_s`. Everything of this call is reported under `call_id`.

    A person who was heard `threshold_s` ago, and for whom no order came, is played `message` by a gateway to real
    telephones itself, or without one hung up on: the engine or the broker may be gone. Without a threshold they wait.
    """

    call_id: CallId
    campaign: Name
    lead_id: LeadId
    to: Number
    ring_timeout_s: Span
    caller_id: Number | None = None
    agent_id: Name | None = None
    has_detector: bool = True
    message: Text | None = None
    threshold_s: Span | None = None


class Bridge(_Order, frozen=True, kw_only=True):
    """Join a live answer to an agent; answer with `bridged` or `bridge_failed`."""

    call_id: CallId
    agent_id: Name


class Play(_Order, frozen=True, kw_only=True):
    """Play the abandonment message, then hang up and report `released`."""

    call_id: CallId
    message: Text


class HangUp(_Order, frozen=True, kw_only=True):
    """End a call; harmless when it is over already."""

    call_id: CallId
    reason: Text


class HandOverCall(_Order, frozen=True, kw_only=True):
    """Ring the supervisor for a conversation; once they have taken the agent's place, report `released`."""

    call_id: CallId


class Seat(_Order, frozen=True, kw_only=True):
    """An agent logged in: where legs stay up between calls, call their telephone now."""

    agent_id: Name


class Unseat(_Order, frozen=True, kw_only=True):
    """An agent logged out: let their telephone go."""

    agent_id: Name


class Offer(_Order, frozen=True, kw_only=True):
    """Show a lead to an agent at one of this gateway's desks."""

    agent_id: Name
    campaign: Name
    lead_id: LeadId


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A call that the engine believes to be at this gateway, and when it ordered to dial."""

    call_id: CallId
    placed_at: Instant


class Tell(_Order, frozen=True, kw_only=True):
    """Ask for a snapshot. Of `calls` the gateway says which are up, how the others ended, and which it never got."""

    request: Name
    calls: tuple[Asked, ...] = ()


class Ping(_Order, frozen=True, kw_only=True):
    """Ask for a `pong`; `at` comes back as it is."""

    at: Instant


# -------------------------------------------------------------------------------------------- gateway -> engine
class _News(_Message, frozen=True, kw_only=True):
    """`seq` counts the news of one `epoch`, which is one life of the gateway; `at` is when it happened there."""

    epoch: Count
    seq: Count
    at: Instant


class Ringing(_News, frozen=True, kw_only=True):
    """The far end is being alerted."""

    call_id: CallId


class Answered(_News, frozen=True, kw_only=True):
    """The far end picked up."""

    call_id: CallId


class Classified(_News, frozen=True, kw_only=True):
    """The detector's word; not sure counts as a person."""

    call_id: CallId
    is_machine: bool
    greeting_start_at: Instant | None = None
    greeting_end_at: Instant | None = None


class Failed(_News, frozen=True, kw_only=True):
    """Nobody picked up, and the call is over."""

    call_id: CallId
    outcome: Outcome
    cause: Text = ""


class Bridged(_News, frozen=True, kw_only=True):
    """The person and the agent hear each other."""

    call_id: CallId
    agent_id: Name


class BridgeFailed(_News, frozen=True, kw_only=True):
    """The agent could not be joined; the person still waits."""

    call_id: CallId
    agent_id: Name
    cause: Text = ""


class MessageBegan(_News, frozen=True, kw_only=True):
    """The gateway plays the abandonment message by itself: no order came in time."""

    call_id: CallId


class Released(_News, frozen=True, kw_only=True):
    """An answered call is over; `by` is callee, agent, engine, network or unknown."""

    call_id: CallId
    by: Name
    cause: Text = ""


class Refused(_News, frozen=True, kw_only=True):
    """An order was not carried out: it came too late, or of an engine that is not the owner any more."""

    number: Count
    token: Count
    order: Literal["place", "bridge", "play", "hang_up", "offer"]
    reason: Literal["expired", "older_token", "asked_before"]
    call_id: CallId | None = None
    agent_id: Name | None = None


class AgentNews(_News, frozen=True, kw_only=True):
    """What an agent at one of this gateway's desks asks for, in the words of the agents' own topic."""

    agent_id: Name
    said: "Said"


class Up(msgspec.Struct, frozen=True, kw_only=True):
    """A call that is up, with every instant that the gateway measured."""

    call_id: CallId
    state: LivingState
    engine: Name | None = None  # who ordered it; None: not known any more
    ringing_at: Instant | None = None
    answered_at: Instant | None = None
    classified_at: Instant | None = None
    is_machine: bool | None = None
    greeting_start_at: Instant | None = None
    greeting_end_at: Instant | None = None
    agent_id: Name | None = None
    bridged_at: Instant | None = None


class Desk(msgspec.Struct, frozen=True, kw_only=True):
    """An agent at a desk: in which groups, and whether they asked for work last."""

    agent_id: Name
    groups: Names = ()
    is_ready: bool = False


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """A call that is over, with everything that was reported of it."""

    call_id: CallId
    news: tuple["CallNews", ...]


class Snapshot(_News, frozen=True, kw_only=True):
    """The answer to `tell`, in `parts` messages. What has a lower `seq` is older than it."""

    request: Name
    part: Count
    parts: Count
    up: tuple[Up, ...] = ()
    ended: tuple[Ended, ...] = ()
    never: tuple[CallId, ...] = ()  # orders that never came, and that will be refused if they still do
    desks: tuple[Desk, ...] | None = None  # None: no desk is this gateway's


class Pong(_Message, frozen=True, kw_only=True):
    """The answer to `ping`: the instant that came with it, and the gateway's own. Has no place in the sequence."""

    epoch: Count
    engine: Name
    ping_at: Instant
    at: Instant


# ------------------------------------------------------------------------------------------------------- states
class GatewayState(_Message, frozen=True, kw_only=True):
    """Kept by the broker for whoever comes later. `offline` is the gateway's last will."""

    gateway: Name
    status: Literal["online", "offline"]
    epoch: Count
    kind: Name
    lines: Count


class EngineState(_Message, frozen=True, kw_only=True):
    """Kept by the broker. `offline` is the engine's last will."""

    engine: Name
    status: Literal["online", "offline"]
    token: Count


class CampaignState(_Message, frozen=True, kw_only=True):
    """Kept by the broker: a campaign as `dialer status` shows it."""

    campaign: Name
    engine: Name
    at: Instant
    state: Name
    mode: Name
    is_callbacks_only: bool
    open_leads: Count
    agents: dict[str, int]
    calls: dict[str, int]
    counts: dict[str, int]
    abandonment_rate: float | None = None
    reason: str | None = None


# ------------------------------------------------------------------------------------------------------- agents
class _Wish(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=_snake):
    pass


class LogIn(_Wish, frozen=True, kw_only=True):
    """The agent sits down, paused until `ready`."""

    groups: Names


class Ready(_Wish, frozen=True, kw_only=True):
    """The agent asks for work."""


class Pause(_Wish, frozen=True, kw_only=True):
    """The agent asks for a break: at once when free, else after the call and its wrap-up."""

    reason: Text


class LogOut(_Wish, frozen=True, kw_only=True):
    """The agent leaves; during a call it means after this call."""


class Dispose(_Wish, frozen=True, kw_only=True):
    """The agent's word on a call."""

    call_id: CallId
    disposition: Name
    callback_at: Instant | None = None
    is_personal: bool = False
    note: Text = ""


class HandOver(_Wish, frozen=True, kw_only=True):
    """The agent wants a supervisor to take over the call that they talk on."""

    call_id: CallId


class AcceptPreview(_Wish, frozen=True, kw_only=True):
    """The agent wants the offered lead dialed."""

    lead_id: LeadId


class SkipPreview(_Wish, frozen=True, kw_only=True):
    """The agent declines the offered lead."""

    lead_id: LeadId


Said = LogIn | Ready | Pause | LogOut | Dispose | HandOver | AcceptPreview | SkipPreview


class AgentCommand(_Message, frozen=True, kw_only=True):
    """What an agent's softphone, desk or CRM says for the agent whose name stands in the topic.

    `id` is the sender's own; the same id again within an hour is the same message. `engine` is for brokers that several
    engines share: only the one named listens.
    """

    id: Name
    said: Said
    engine: Name | None = None


class OfferedLead(msgspec.Struct, frozen=True, kw_only=True):
    """A lead shown to the agent, who accepts or skips it before `expires_at`."""

    campaign: Name
    lead_id: LeadId
    expires_at: Instant


class AgentCall(msgspec.Struct, frozen=True, kw_only=True):
    """The call that the agent is reserved for, talks on, or wraps up."""

    call_id: CallId
    campaign: Name
    lead_id: LeadId


class AgentState(_Message, frozen=True, kw_only=True):
    """Kept by the broker: how the engine sees an agent."""

    agent: Name
    engine: Name
    state: Name
    since_at: Instant
    reason: Text = ""
    campaign: Name | None = None
    call: AgentCall | None = None
    offer: OfferedLead | None = None
    owed: Name | None = None


Order = Place | Bridge | Play | HangUp | HandOverCall | Seat | Unseat | Offer | Tell | Ping
CallNews = Ringing | Answered | Classified | Failed | Bridged | BridgeFailed | MessageBegan | Released
News = CallNews | Refused | AgentNews | Snapshot
Report = News | Pong
State = GatewayState | EngineState | CampaignState | AgentState
Message = Order | Report | State | AgentCommand

MESSAGES: tuple[type, ...] = get_args(Message)

_ENCODER = msgspec.json.Encoder()
ORDERS: msgspec.json.Decoder[Order] = msgspec.json.Decoder(Order)
REPORTS: msgspec.json.Decoder[Report] = msgspec.json.Decoder(Report)
GATEWAY_STATES: msgspec.json.Decoder[GatewayState] = msgspec.json.Decoder(GatewayState)
AGENT_COMMANDS: msgspec.json.Decoder[AgentCommand] = msgspec.json.Decoder(AgentCommand)


def encode(message: Message) -> bytes:
    """Give a message's payload."""
    return _ENCODER.encode(message)


def word(message: Message) -> str:
    """Give the word by which a kind of message goes on the wire."""
    return str(message.__struct_config__.tag)


def decode(decoder: msgspec.json.Decoder[T], payload: bytes) -> T:
    """Read a payload; raise Malformed for anything that is not whole and of this version."""
    if len(payload) > PAYLOAD_MAX:
        raise Malformed(f"expected at most {PAYLOAD_MAX} bytes, found {len(payload)}")
    try:
        return decoder.decode(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        # The reader's words name the field and never quote what stands in it.
        raise Malformed(str(error)) from None


# ------------------------------------------------------------------------------------------------------- topics
def gateway_topic(gateway: Name, leaf: Literal["commands", "events", "state"]) -> str:
    """Give a topic of a gateway."""
    return f"{ROOT}/gateways/{gateway}/{leaf}"


def engine_topic(engine: str) -> str:
    """Give the topic of an engine's state."""
    return f"{ROOT}/engines/{engine}/state"


def campaign_topic(campaign: str) -> str:
    """Give the topic of a campaign's state."""
    return f"{ROOT}/campaigns/{campaign}/state"


def agent_topic(agent: str, leaf: Literal["commands", "state"]) -> str:
    """Give a topic of an agent."""
    return f"{ROOT}/agents/{agent}/{leaf}"


def is_name(text: str) -> bool:
    """Whether a name can stand in a topic."""
    return 0 < len(text) <= NAME_MAX and not _NO_NAME.search(text)


def differs(before: CampaignState, after: CampaignState) -> bool:
    """Whether two states of a campaign differ in more than their instants."""
    return msgspec.structs.replace(before, at=after.at) != after


def agent_of(topic: str) -> str:
    """Give the agent whose commands come on a topic."""
    return topic.split("/")[3]


def trace_of(campaign: str, lead_id: int, call_id: int) -> str:
    """Give what ties together all messages of a call, from the lead to the hang-up: a user property `trace`."""
    return f"{campaign}/{lead_id}/{call_id}"


def schemas() -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the JSON Schema of every message: what to refer to, by name, and the components that it stands on."""
    refs, components = msgspec.json.schema_components(MESSAGES, ref_template="#/components/schemas/{name}")
    return {kind.__name__: ref for kind, ref in zip(MESSAGES, refs, strict=True)}, components
