"""What happened outside the engine, in the past tense. Self-sufficient: a journal of them replays the day.

Ids of calls are integers from a counter seeded from storage; agents and campaigns go by name. The instant of an event
is the `now` with which it is handled; a field `_at` is an instant that the reporter measured.
"""

from dataclasses import dataclass

from dialer.domain.lag import Lag
from dialer.domain.law import Law
from dialer.domain.lead import Lead
from dialer.domain.living import LivingCall
from dialer.domain.outcome import Outcome
from dialer.domain.policy import CampaignPolicy
from dialer.domain.records import AgentRecord, Attempt, BudgetSnapshot
from dialer.domain.standing import RegistryCopy


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRinging:
    """The far end is being alerted."""

    call_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAnswered:
    """The far end picked up: a person or a machine. `at` is for news that was under way for a while; None: just now."""

    call_id: int
    at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallClassified:
    """The detector's word on an answer. Not sure counts as a person. An instant of None was not measured."""

    call_id: int
    is_machine: bool
    greeting_start_at: float | None = None
    greeting_end_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFailed:
    """Nobody picked up, and the call is over. `outcome` is one of `dialer.domain.outcome.FAILURES`."""

    call_id: int
    outcome: Outcome
    cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallBridged:
    """The person and the agent hear each other."""

    call_id: int
    agent_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeFailed:
    """The agent's leg could not be joined; the person still waits."""

    call_id: int
    agent_id: str
    cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageBegan:
    """The gateway plays the abandonment message by itself: no order came in time. `at` as in `CallAnswered`."""

    call_id: int
    at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallReleased:
    """An answered call is over. `by` is callee, agent, engine or network."""

    call_id: int
    by: str
    cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentLoggedIn:
    """An agent sat down; paused until `AgentReadied`."""

    agent_id: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentReadied:
    """An agent asks for work: after login, after a pause, or before the wrap-up limit."""

    agent_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPauseRequested:
    """An agent asks for a break; granted at once when free, else when the call and its wrap-up are done."""

    agent_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentLoggedOut:
    """An agent left. During a call it means: after this call."""

    agent_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDisposed:
    """The agent's word on a connect. `callback_at`: when a call was promised; `is_personal`: by the same agent."""

    call_id: int
    agent_id: str
    disposition: str
    callback_at: float | None = None
    is_personal: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOverRequested:
    """The agent wants a supervisor to take over the call that they talk on."""

    call_id: int
    agent_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewAccepted:
    """The agent wants the offered lead dialed."""

    agent_id: str
    lead_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewSkipped:
    """The agent declined the offered lead; it comes back later, and the agent stays ready."""

    agent_id: str
    lead_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadsClaimed:
    """The store's answer to `ClaimLeads`: leads now claimed for the engine, in selection order.

    `next_due_at` is the earliest instant at which a lead that is not due yet becomes due (None: there is none);
    `open_leads` counts the campaign's unfinished leads, claimed ones included.
    """

    campaign: str
    leads: tuple[Lead, ...]
    next_due_at: float | None
    open_leads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadsImported:
    """The store has new leads of a campaign, so it is worth asking again."""

    campaign: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignLoaded:
    """A campaign file was read, for the first time or again after a change.

    `spent` is what storage knows of the campaign's abandonment budget; it counts the first time, and when the
    window changes.
    """

    policy: CampaignPolicy
    spent: BudgetSnapshot | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LawLoaded:
    """The rulesets were read, for the first time or again; until then nothing is called."""

    law: Law


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryLoaded:
    """A copy of a register is in use from now on; leads in hand are looked up anew."""

    copy: RegistryCopy


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingsChanged:
    """Storage knows more of some people than was said of them when their leads were claimed."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonRefused:
    """A person told this seller, by whatever way, not to be called: acts at once, on leads in hand, too."""

    seller: str
    numbers: tuple[str, ...]  # E.164, every one known of the person
    reason: str
    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignControlled:
    """An operator told a campaign to start, pause, resume, drain, stop, callbacks-only or emergency-stop, and why."""

    campaign: str
    action: str
    reason: str
    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCall:
    """An attempt without an end, its lead, and what the gateway says of it (None: it knows of no such call).

    `word`: what the agent said of it while it was on.
    """

    attempt: Attempt
    lead: Lead
    living: LivingCall | None = None
    word: CallDisposed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundConnect:
    """A connect that is over, with its lead: the agent has not said a word yet, or may have another one."""

    attempt: Attempt
    lead: Lead


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierRunFound:
    """A start found what an earlier run left behind, and asked the gateway what of it lives.

    `agents` are those who were logged in; `present` names those who are at a desk (None: nobody can say, so all are).
    `strangers` are calls that the gateway has up and that no open attempt explains. The earlier run was last heard of
    at `stopped_at`.
    """

    stopped_at: float
    calls: tuple[FoundCall, ...] = ()
    connects: tuple[FoundConnect, ...] = ()
    agents: tuple[AgentRecord, ...] = ()
    present: tuple[str, ...] | None = None
    strangers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LinesChanged:
    """So many calls may be up at once from now on, started at this rate: a gateway was lost, or is back.

    No lines: nothing is dialed. Calls beyond the new number go on.
    """

    lines: int
    calls_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreLagged:
    """The store became slower, or caught up; `lag_s` is what an order waited last. The driver measures it."""

    lag: Lag
    lag_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainRequested:
    """The daemon is asked to end: no new calls from now on, live ones finish."""

    reason: str


CallEvent = (
    CallRinging | CallAnswered | CallClassified | CallFailed | CallBridged | BridgeFailed | MessageBegan | CallReleased
)
AgentEvent = (
    AgentLoggedIn
    | AgentReadied
    | AgentPauseRequested
    | AgentLoggedOut
    | CallDisposed
    | HandOverRequested
    | PreviewAccepted
    | PreviewSkipped
)
LawEvent = LawLoaded | RegistryLoaded | StandingsChanged | PersonRefused
Event = (
    CallEvent
    | AgentEvent
    | LeadsClaimed
    | LeadsImported
    | CampaignLoaded
    | LawEvent
    | CampaignControlled
    | EarlierRunFound
    | LinesChanged
    | StoreLagged
    | DrainRequested
)
