"""Policies, leads and records for the tests of stores and reports."""

from dataclasses import replace

from dialer.domain.lead import Lead, PhoneNumber
from dialer.domain.outcome import Outcome
from dialer.domain.policy import (
    AbandonmentPolicy,
    AgentsPolicy,
    CallbackPolicy,
    CampaignPolicy,
    DispositionPolicy,
    HoursPolicy,
    ListPolicy,
    NumbersPolicy,
    PacingPolicy,
    RetryPolicy,
    RetryRule,
)
from dialer.domain.records import AgentSpan, Attempt
from tests.vaults import make_vault

VAULT = make_vault()


def make_policy(name: str = "spring", seller: str = "Example Telecom", **changes: object) -> CampaignPolicy:
    """A campaign with every kind of value in it; of equal leads the first on the list is dialed first."""
    policy = CampaignPolicy(
        name=name,
        seller=seller,
        purpose="survey",
        jurisdiction="US",
        list=ListPolicy(columns={"number": ("phone",)}, order=("callback", "priority desc", "attempts asc")),
        pacing=PacingPolicy(),
        abandonment=AbandonmentPolicy(),
        hours=HoursPolicy(week=((((9 * 3600), (18 * 3600)),),) * 7),
        retry=RetryPolicy(rules={Outcome.BUSY: RetryRule(after_s=600.0, times=3)}),
        numbers=NumbersPolicy(),
        callbacks=CallbackPolicy(),
        agents=AgentsPolicy(groups=("day",)),
        dispositions={"sale": DispositionPolicy(name="sale", is_final=True, is_success=True)},
        digest="ab" * 32,
    )
    return replace(policy, **changes)  # type: ignore[arg-type]


def make_number(index: int) -> PhoneNumber:
    """A number of the range reserved for fiction in the United States."""
    return PhoneNumber(e164=f"+1202555{index:04d}", kind="fixed_or_mobile", region="US", zones=("America/New_York",))


def make_lead(*indexes: int, campaign: str = "spring", **changes: object) -> Lead:
    """A lead with these numbers, as a list reader would hand it over, but with the rank that a store gives it."""
    lead = Lead(
        lead_id=0,
        campaign=campaign,
        numbers=tuple(make_number(index) for index in indexes),
        shuffle=VAULT.rank(campaign, make_number(indexes[0]).e164) if indexes else 0,
    )
    return replace(lead, **changes)  # type: ignore[arg-type]


def make_attempt(call_id: int, placed_at: float, **changes: object) -> Attempt:
    """An attempt that nobody answered, unless told otherwise."""
    attempt = Attempt(
        call_id=call_id,
        campaign="spring",
        lead_id=call_id,
        number=make_number(call_id).e164,
        mode="predictive",
        placed_at=placed_at,
        released_at=placed_at + 20.0,
        outcome=Outcome.NO_ANSWER,
    )
    return replace(attempt, **changes)  # type: ignore[arg-type]


def make_connect(
    call_id: int, answered_at: float, *, wait_s: float = 1.0, talk_s: float = 60.0, **changes: object
) -> Attempt:
    """An attempt that a person answered and an agent took after `wait_s`."""
    bridged_at = answered_at + wait_s
    return make_attempt(
        call_id,
        answered_at - 10.0,
        **{  # type: ignore[arg-type]
            "answered_at": answered_at,
            "greeting_start_at": answered_at,
            "greeting_end_at": answered_at,
            "bridged_at": bridged_at,
            "released_at": bridged_at + talk_s,
            "agent_id": "a1",
            "is_live": True,
            "outcome": Outcome.CONNECTED,
            **changes,
        },
    )


def make_abandoned(call_id: int, answered_at: float, **changes: object) -> Attempt:
    """An attempt that a person answered and that found no agent within two seconds."""
    return make_attempt(
        call_id,
        answered_at - 10.0,
        **{  # type: ignore[arg-type]
            "answered_at": answered_at,
            "greeting_end_at": answered_at,
            "abandoned_at": answered_at + 2.0,
            "released_at": answered_at + 3.0,
            "is_live": True,
            "is_abandoned": True,
            "outcome": Outcome.ABANDONED,
            **changes,
        },
    )


def make_span(state: str, from_at: float, to_at: float, **changes: object) -> AgentSpan:
    """What agent a1 did for the campaign."""
    span = AgentSpan(agent_id="a1", campaign="spring", state=state, reason="", from_at=from_at, to_at=to_at)
    return replace(span, **changes)  # type: ignore[arg-type]
