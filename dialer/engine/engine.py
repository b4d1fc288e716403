"""The engine: takes events and deadlines, gives commands. It never looks at a clock and never waits.

One rule governs: the driver calls `handle` for what happened outside and `handle_timer` for a deadline that passed, in
the order of their instants, outside events first. Each call gives the commands it caused, in the order to carry out.
"""

from collections.abc import Callable
from math import inf

from dialer.domain.agent import Agent, AgentInput, AgentState
from dialer.domain.commands import Command
from dialer.domain.events import (
    AgentLoggedIn,
    AgentLoggedOut,
    AgentPauseRequested,
    AgentReadied,
    BridgeFailed,
    CallAnswered,
    CallBridged,
    CallClassified,
    CallDisposed,
    CallFailed,
    CallReleased,
    CallRinging,
    CampaignControlled,
    CampaignLoaded,
    DrainRequested,
    EarlierRunFound,
    Event,
    HandOverRequested,
    LawLoaded,
    LeadsClaimed,
    LeadsImported,
    LinesChanged,
    MessageBegan,
    PersonRefused,
    PreviewAccepted,
    PreviewSkipped,
    RegistryLoaded,
    StandingsChanged,
    StoreLagged,
)
from dialer.domain.policy import CampaignPolicy
from dialer.domain.records import BudgetSnapshot
from dialer.engine import agents, calls, control, dialing, dispositions, leads, resuming, shadowing
from dialer.engine.campaign import Campaign, new_campaign
from dialer.engine.state import State
from dialer.engine.status import EngineStatus, status
from dialer.engine.timers import Key
from dialer.pacing.bucket import Bucket
from dialer.queueing.errors import OutOfDomain

_LATEST_AT = 250_000_000_000.0  # in the year 9892: calendars end soon after


class Engine:
    """All campaigns, agents and calls of one switch.

    `lines` is the number of calls that may be in flight at once, `calls_per_second` how fast they may start, and
    `next_call_id` the first id to give out: one above the highest that storage knows. `ends_at` is when the driver will
    stop for good, if it knows: no live answer after it could make up for an abandonment. `equip` sets up a campaign
    from its policy and what was spent of its budget; the simulator gives peers and known parameters through it.
    """

    def __init__(
        self,
        *,
        lines: int,
        calls_per_second: float,
        next_call_id: int = 1,
        ends_at: float = inf,
        equip: Callable[[CampaignPolicy, BudgetSnapshot | None], Campaign] = new_campaign,
    ) -> None:
        if lines < 1 or calls_per_second <= 0.0:
            raise ValueError(f"expected lines >= 1 and calls_per_second > 0, found {lines} and {calls_per_second}")
        self._state = State(
            lines=lines, bucket=Bucket(rate=calls_per_second), next_call_id=next_call_id, ends_at=ends_at, equip=equip
        )

    def handle(self, event: Event, now: float) -> list[Command]:
        """Take in what happened outside, at `now`; give the commands it causes.

        `now` is a driver's business and never runs back. Where it does all the same, deadlines stay where they are,
        counts stay in their windows and ages below 0 mean reserved calls only; `now` that is no instant is refused.
        """
        _check(now)
        self._dispatch(event, now)
        return self._take_commands()

    def handle_timer(self, now: float) -> list[Command]:
        """Act on every deadline at or before `now`; give the commands. The next deadline is then later than `now`."""
        _check(now)
        timers = self._state.timers
        while (key := timers.take_due(now)) is not None:
            self._on_deadline(key, now)
        return self._take_commands()

    def next_deadline(self) -> float | None:
        """Give the instant at which `handle_timer` wants to be called, or None."""
        return self._state.timers.next_at()

    def status(self, now: float) -> EngineStatus:
        """Show the floor at `now`."""
        return status(self._state, now)

    def live_calls(self) -> int:
        """Count the calls that are not over."""
        return len(self._state.calls)

    def refusal(self, campaign: str, action: str) -> str | None:
        """Say why a `CampaignControlled` would be refused now, or None."""
        return control.refusal(self._state, campaign, action)

    def _take_commands(self) -> list[Command]:
        self._state.keep_agents()
        commands, self._state.out = self._state.out, []
        return commands

    def _dispatch(self, event: Event, now: float) -> None:
        state = self._state
        match event:
            case (
                CallRinging()
                | CallAnswered()
                | CallClassified()
                | CallFailed()
                | CallBridged()
                | BridgeFailed()
                | MessageBegan()
                | CallReleased()
            ):
                campaign = calls.on_news(state, event, now)
                if campaign is not None and not isinstance(event, CallRinging):
                    self._settle(campaign, now)
            case AgentLoggedIn() | AgentReadied() | AgentPauseRequested() | AgentLoggedOut():
                agent = agents.on_wish(state, event, now)
                if agent.owed is not None and agent.agent_id in state.offers:
                    campaign = state.campaigns[state.offers[agent.agent_id].campaign]
                    dialing.on_left(state, agent.agent_id, now)
                    self._settle(campaign, now)
                else:
                    self._on_agent(agent, now)
            case CallDisposed() | HandOverRequested() | PreviewAccepted() | PreviewSkipped():
                self._settle(_on_said(state, event, now), now)
            case LeadsClaimed():
                campaign = state.campaigns[event.campaign]
                was_empty = not len(campaign.hopper)
                leads.on_claimed(state, campaign, event, now)
                if was_empty and len(campaign.hopper):
                    self._recruit(campaign, now)
                else:
                    self._settle(campaign, now)
            case LeadsImported():
                self._on_imported(state.campaigns.get(event.campaign), now)
            case CampaignLoaded():
                self._recruit(control.on_loaded(state, event, now), now)
            case LawLoaded() | RegistryLoaded() | StandingsChanged() | PersonRefused():
                control.on_law_event(state, event, now)
                self._settle_all(now)
            case CampaignControlled():
                campaign = control.on_controlled(state, event, now)
                if campaign is not None:
                    self._recruit(campaign, now)
            case EarlierRunFound():
                resuming.on_found(state, event, now)
                for campaign in state.campaigns.values():
                    self._recruit(campaign, now)
            case LinesChanged():
                control.on_lines_changed(state, event, now)
                self._settle_all(now)
            case StoreLagged():
                state.lag, state.lag_s = event.lag, event.lag_s
                for campaign in state.campaigns.values():
                    self._settle(campaign, now)
            case DrainRequested():
                control.drain_all(state, now, event.reason)

    def _on_deadline(self, key: Key, now: float) -> None:
        state = self._state
        match key:
            case ("call", int(call_id)):
                self._settle(calls.on_deadline(state, call_id, now), now)
            case ("pace", str(name)):
                self._settle(state.campaigns[name], now)
            case ("claim", str(name)):
                leads.on_due(state, state.campaigns[name], now)
            case ("wrap_up", str(agent_id)):
                self._on_agent(agents.change(state, state.agents[agent_id], AgentInput.FINISHED, now), now)
            case ("rest", str(agent_id)):
                self._on_agent(state.agents[agent_id], now)
            case ("offer", str(agent_id)):
                self._settle(dialing.on_offer_expired(state, agent_id, now), now)
            case _:
                raise ValueError(f"no deadline is of the kind {key!r}")

    def _on_imported(self, campaign: Campaign | None, now: float) -> None:
        if campaign is None:
            return
        leads.revive(campaign)
        leads.refill(self._state, campaign, now)

    def _on_agent(self, agent: Agent, now: float) -> None:
        """Look for work after an agent's state changed: theirs may be the campaign to pace, or a new one."""
        self._settle(None if agent.campaign is None else self._state.campaigns[agent.campaign], now)

    def _recruit(self, campaign: Campaign, now: float) -> None:
        """Let agents who are ready choose again: a campaign came, went or changed."""
        state = self._state
        for agent_id in tuple(state.agents):
            agent = state.agents[agent_id]
            if agent.state is AgentState.READY:
                agents.reassign(state, agent)
        self._settle(campaign, now)

    def _settle(self, campaign: Campaign | None, now: float) -> None:
        """Work on a campaign, and on every campaign that agents came to meanwhile."""
        state = self._state
        if campaign is not None:
            self._work(campaign, now)
        while state.joined:
            name = next(iter(state.joined))
            del state.joined[name]
            self._work(state.campaigns[name], now)

    def _settle_all(self, now: float) -> None:
        """Work on every campaign: what changed concerns them all."""
        for campaign in self._state.campaigns.values():
            self._settle(campaign, now)

    def _work(self, campaign: Campaign, now: float) -> None:
        """Serve the waiting, start what may be started, and let agents go who have nothing to do."""
        state = self._state
        calls.match_queue(state, campaign, now)
        dialing.pace(state, campaign, now)
        leads.complete(campaign)
        control.settle_drain(state, campaign, now)
        shadowing.follow(state, campaign, now)
        if agents.has_run_dry(campaign):
            for agent_id in tuple(campaign.agents):
                agent = state.agents[agent_id]
                if agent.state is AgentState.READY:
                    agents.reassign(state, agent)


def _on_said(
    state: State, event: CallDisposed | HandOverRequested | PreviewAccepted | PreviewSkipped, now: float
) -> Campaign | None:
    """Apply what an agent says of a call or an offer; give the campaign concerned."""
    match event:
        case CallDisposed():
            return dispositions.on_disposed(state, event, now)
        case HandOverRequested():
            return calls.on_hand_over(state, event)
        case _:
            return dialing.on_preview(state, event, now)


def _check(now: float) -> None:
    """Refuse what is no instant before anything depends on it; NaN fails every comparison."""
    if not 0.0 <= now <= _LATEST_AT:
        raise OutOfDomain(f"now: expected POSIX seconds from 0 to {_LATEST_AT:.0f}, found {now!r}; look at the clock")
