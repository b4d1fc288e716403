"""What the engine shows of itself: frozen values for the command line, the web page and the metrics."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from dialer.domain.agent import AgentState
from dialer.domain.call import CallState
from dialer.domain.lag import Lag
from dialer.domain.records import PacingDecision, ShadowReport
from dialer.engine import shadowing
from dialer.engine.campaign import Campaign, CampaignState
from dialer.engine.outlook import outlook
from dialer.engine.state import State
from dialer.pacing.explain import explain
from dialer.pacing.forecast import Forecast


@dataclass(frozen=True, slots=True, kw_only=True)
class AbandonmentStatus:
    """Abandonments over live answers in the policy's window, and the clock by which they count.

    `abandoned` and `live` are counted, of all campaigns of the seller where that is the unit. `people` are estimated
    among the `machines`, with a 95 % interval; None: no check of the detector says how many. `rate` and `remaining`
    hold both. `is_infeasible`: those people alone reach the cap, and no call is made.
    """

    abandoned: int
    live: int
    machines: int
    people: float | None
    people_low: float | None
    people_high: float | None
    is_infeasible: bool
    unit: str
    rate: float | None  # None while nobody has answered
    remaining: int  # abandonments still allowed
    cap_rate: float
    target_rate: float
    window: str
    window_from_at: float
    window_to_at: float
    threshold_s: float
    starts_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignStatus:
    """One campaign now. The counts are since the engine started; `open_leads` are those not finished.

    `reason` says the last decision in a sentence. `forecast` is None while the last hour holds too little.
    """

    name: str
    state: str
    mode: str
    is_callbacks_only: bool
    digest: str
    agents: dict[str, int]  # by agent state
    calls: dict[str, int]  # by call state
    hopper: int
    open_leads: int
    next_due_at: float | None
    counts: dict[str, int]
    abandonment: AbandonmentStatus
    forecast: Forecast | None
    last_decision: PacingDecision | None
    shadow: ShadowReport | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStatus:
    """One agent now."""

    agent_id: str
    state: str
    reason: str
    since_at: float
    campaign: str | None
    call_id: int | None
    owed: str | None  # pause or log-out that waits for the end of the call


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStatus:
    """The whole floor at one instant."""

    now: float
    is_draining: bool
    lines: int
    lines_used: int
    campaigns: tuple[CampaignStatus, ...]
    agents: tuple[AgentStatus, ...]
    store_lag: str = Lag.NONE  # as the driver measured it last: none, slow, stalled


def status(state: State, now: float) -> EngineStatus:
    """Show the engine at `now`."""
    return EngineStatus(
        now=now,
        is_draining=state.is_draining,
        lines=state.lines,
        lines_used=len(state.calls),
        campaigns=tuple(_campaign(state, campaign, now) for campaign in state.campaigns.values()),
        agents=tuple(
            AgentStatus(
                agent_id=agent.agent_id,
                state=agent.state,
                reason=agent.reason,
                since_at=agent.since_at,
                campaign=agent.campaign,
                call_id=agent.call_id,
                owed=agent.owed,
            )
            for agent in state.agents.values()
        ),
        store_lag=state.lag,
    )


def shown_blocked(shown: EngineStatus, reason: str | None) -> EngineStatus:
    """Give a status in which the campaigns that would dial are blocked for a reason outside the engine, if any."""
    if reason is None:
        return shown
    campaigns = [
        replace(each, state="blocked", reason=reason) if each.state == CampaignState.RUNNING else each
        for each in shown.campaigns
    ]
    return replace(shown, campaigns=tuple(campaigns))


def _campaign(state: State, campaign: Campaign, now: float) -> CampaignStatus:
    agents = dict.fromkeys((str(each) for each in AgentState if each is not AgentState.LOGGED_OUT), 0)
    for agent_id in campaign.agents:
        agents[state.agents[agent_id].state] += 1
    calls = dict.fromkeys((str(each) for each in CallState if each is not CallState.OVER), 0)
    for call_id in campaign.calls:
        calls[state.calls[call_id].state] += 1
    return CampaignStatus(
        name=campaign.name,
        state=campaign.state,
        mode=campaign.policy.pacing.mode,
        is_callbacks_only=campaign.is_callbacks_only,
        digest=campaign.policy.digest,
        agents=agents,
        calls=calls,
        hopper=len(campaign.hopper),
        open_leads=campaign.open_leads,
        next_due_at=campaign.next_due_at,
        counts=_counts(campaign),
        abandonment=_abandonment(campaign, now),
        forecast=outlook(campaign.policy, campaign.budget, campaign.gate.open_last(now), now),
        last_decision=campaign.last_decision,
        shadow=None if campaign.shadow is None else shadowing.report(campaign, campaign.shadow),
        reason=None if campaign.last_decision is None else explain(campaign.last_decision),
    )


def _counts(campaign: Campaign) -> dict[str, int]:
    counts: dict[str, Any] = asdict(campaign.counts)
    return counts


def _abandonment(campaign: Campaign, now: float) -> AbandonmentStatus:
    policy, budget = campaign.policy.abandonment, campaign.budget
    live, people = budget.live(now), budget.people(now)
    from_at, to_at = budget.span(now)
    return AbandonmentStatus(
        abandoned=budget.abandoned(now),
        live=live,
        machines=budget.machines(now),
        people=None if people is None else people.mean,
        people_low=None if people is None else people.low,
        people_high=None if people is None else people.high,
        is_infeasible=budget.infeasible(now) is not None,
        unit=policy.unit,
        rate=budget.rate(now) if live else None,
        remaining=budget.remaining(now),
        cap_rate=policy.cap_rate,
        target_rate=policy.target_rate,
        window=policy.window,
        window_from_at=from_at,
        window_to_at=to_at,
        threshold_s=policy.threshold_s,
        starts_at=policy.starts_at,
    )
