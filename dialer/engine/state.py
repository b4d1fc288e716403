"""All that the engine knows, in one place; its modules are functions over it.

Nothing here decides anything. Commands are collected in the order in which they are given.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import inf

from dialer.domain.agent import Agent, to_record
from dialer.domain.call import Call
from dialer.domain.commands import Command, RecordAgent, RecordAttempt, SaveLead
from dialer.domain.events import CallDisposed
from dialer.domain.lag import Lag
from dialer.domain.law import Law
from dialer.domain.lead import Lead
from dialer.domain.policy import CampaignPolicy
from dialer.domain.records import Attempt, BudgetSnapshot
from dialer.domain.standing import PastAttempt, RegistryCopy
from dialer.engine.campaign import Campaign, new_campaign
from dialer.engine.hopper import order_key
from dialer.engine.timers import Timers
from dialer.pacing.bucket import Bucket


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialed:
    """A lead on a call, and which of its numbers was dialed."""

    lead: Lead
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A lead shown to an agent who may have it dialed."""

    campaign: str
    lead: Lead


@dataclass(frozen=True, slots=True, kw_only=True)
class Undisposed:
    """A connect that is over, and whether the agent's word on it is known."""

    attempt: Attempt
    dialed: Dialed
    has_word: bool = False  # it was said; kept for a "do not call" that may follow
    is_settled: bool = False  # the wrap-up ended without a word, and the lead was finished
    is_earlier: bool = False  # over before the engine started, so not among its counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """An attempt of which something became known at `known_at`: it counts for whoever has one of `numbers`."""

    seller: str
    numbers: tuple[str, ...]  # those of the lead called
    attempt: PastAttempt
    known_at: float


@dataclass(slots=True, kw_only=True)
class State:
    """The engine's memory. Dicts keep the order of arrival, so that nothing depends on hashing."""

    lines: int
    bucket: Bucket
    next_call_id: int
    ends_at: float = inf  # when the driver will stop for good, if it knows
    equip: Callable[[CampaignPolicy, BudgetSnapshot | None], Campaign] = new_campaign
    campaigns: dict[str, Campaign] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    calls: dict[int, Call] = field(default_factory=dict)
    dialed: dict[int, Dialed] = field(default_factory=dict)  # by call id
    offers: dict[str, Offer] = field(default_factory=dict)  # by agent id
    undisposed: dict[int, Undisposed] = field(default_factory=dict)  # by call id, oldest first
    early: dict[int, CallDisposed] = field(default_factory=dict)  # by call id: said while the call was on
    law: Law = field(default_factory=Law)  # with no ruleset nothing may be called
    registries: dict[str, RegistryCopy] = field(default_factory=dict)  # the copies in use
    standings_changed_at: float = 0.0  # what was known of people before is out of date
    blocked: dict[str, dict[str, float]] = field(default_factory=dict)  # seller -> number -> since; this run's
    recent: dict[int, Recent] = field(default_factory=dict)  # by call id, by the last word on them
    recent_calls: dict[tuple[str, str], dict[int, None]] = field(default_factory=dict)  # (seller, number) -> the same
    forget_at: float = 0.0  # when to look next for attempts that need not be remembered
    in_flight: dict[tuple[str, str], int] = field(default_factory=dict)  # (seller, number) -> calls up now
    work: dict[str, list[tuple[float, float]]] = field(default_factory=dict)  # agent id -> busy spans, last hour
    timers: Timers = field(default_factory=Timers)
    joined: dict[str, None] = field(default_factory=dict)  # campaigns that agents came to and that were not paced since
    returning: dict[str, int] = field(default_factory=dict)  # agent id -> a call of an earlier run that is up for them
    touched: dict[str, None] = field(default_factory=dict)  # ids of agents who changed and were not kept since
    is_draining: bool = False
    lag: Lag = Lag.NONE  # of the store
    lag_s: float = 0.0
    out: list[Command] = field(default_factory=list)

    def save(self, lead: Lead, campaign: Campaign) -> None:
        """Order the store to keep a lead."""
        lead = replace(lead, standing=None)  # it was true for this claim; the next one brings a new one
        self.out.append(SaveLead(lead=lead, order_key=order_key(lead, campaign.policy.list.order)))

    def keep_agents(self) -> None:
        """Order the store to keep how the agents stand who changed."""
        for agent_id in self.touched:
            self.out.append(RecordAgent(agent=to_record(self.agents[agent_id])))
        self.touched.clear()

    def record(self, attempt: Attempt) -> None:
        """Order the store to keep an attempt."""
        self.out.append(RecordAttempt(attempt=attempt))
