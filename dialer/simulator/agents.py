"""The simulated agents: they log in, take calls, wrap up, choose dispositions, look at previews and take breaks.

One rule governs this module: an agent asks and the engine grants. A break that is asked for during a call begins when
the call and its wrap-up are done, and a call that comes after a break was asked for is taken first. Who leaves
unannounced asks at the last moment: when free, or at the end of the wrap-up.
"""

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from dialer.domain.commands import OfferPreview
from dialer.domain.events import (
    AgentLoggedIn,
    AgentLoggedOut,
    AgentPauseRequested,
    AgentReadied,
    CallDisposed,
    PreviewAccepted,
    PreviewSkipped,
)
from dialer.simulator.local_time import LocalClock
from dialer.simulator.people import ticked
from dialer.simulator.scenario import Scenario
from dialer.simulator.streams import Streams

if TYPE_CHECKING:
    from dialer.simulator.world import Line, World


_GUESTS_FROM = 1_000_000  # numbers that no agent of a team has


class Doing(Enum):
    """What an agent is doing, as the agent sees it."""

    OUT = "out"
    FREE = "free"
    AWAY = "away"
    JOINING = "joining"
    TALKING = "talking"
    WRAPPING = "wrapping"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Leaving:
    """One agent's leaving on one day: for so many seconds, or (None) for good."""

    away_s: float | None


class Agent:
    """One agent. A break owed is `away_s` long or lasts until `away_until_at`, whichever is later."""

    __slots__ = (
        "agent_id",
        "away_s",
        "away_until_at",
        "call",
        "doing",
        "is_guest",
        "is_last",
        "is_owed",
        "leaving",
        "number",
        "rank",
        "speed",
        "told",
        "turn",
        "version",
    )

    def __init__(self, number: int, speed: float) -> None:
        self.agent_id = f"agent-{number:03d}"
        self.number = number
        self.speed = speed
        self.doing = Doing.OUT
        self.is_guest = False  # a person at a desk of their own: only their line is simulated
        self.rank = 0  # calls taken
        self.turn = 0  # breaks, missed calls and previews so far
        self.version = 0  # a plan made under an older version is void
        self.call: Line | None = None  # wrapped up
        self.is_owed = False  # a break was asked for during a call
        self.leaving: Leaving | None = None  # is to be asked for: at the next call, or at the end of this one
        self.told: Leaving | None = None  # was asked for last
        self.is_last = False  # the break owed is the end of the shift
        self.away_s = 0.0
        self.away_until_at = 0.0

    @property
    def is_absent(self) -> bool:
        """Not come yet, or gone home."""
        return self.doing is Doing.OUT or (self.is_last and self.doing is Doing.AWAY)


class Agents:
    """The team."""

    def __init__(
        self,
        world: "World",
        scenario: Scenario,
        streams: Streams,
        *,
        start_at: float,
        count: int,
        groups: tuple[str, ...],
        clock: LocalClock,
    ) -> None:
        self._world = world
        self._clock = clock
        table = self._table = scenario.agents
        self._bridge_s = table.bridge_s.build().draw
        self._bridge_missed_after_s = table.bridge_missed_after_s.build().draw
        self._back_after_s = table.back_after_s.build().draw
        self._not_ready_s = table.not_ready_s.build().draw
        self._break_every_s = None if table.break_every_s is None else table.break_every_s.build().draw
        self._break_s = table.break_s.build().draw
        self._preview_s = table.preview_s.build().draw
        login_after_s, speed = table.login_after_s.build().draw, table.speed.build().draw
        self._wrap_up_s = scenario.talk.wrap_up_s.build().draw
        self._groups = groups
        self._calls = streams.purpose("agent call")
        self._turns = streams.purpose("agent turn")
        self._leaves = streams.purpose("agent leave")
        self._agents: dict[str, Agent] = {}
        self._guests: dict[str, Agent] = {}
        traits = streams.purpose("agent")
        for number in range(1, count + 1):
            u_login, u_speed, *_ = traits.draw(number)
            agent = Agent(number, speed(u_speed))
            self._agents[agent.agent_id] = agent
            login_at = start_at + ticked(login_after_s(u_login) + (number - 1) * table.login_every_s)
            world.at(login_at, self._log_in, agent)
        for rank in range(len(table.leaves)):
            self._plan_leave((rank, 0), start_at)

    def find(self, agent_id: str) -> Agent | None:
        """The agent of that name, if there is one."""
        return self._agents.get(agent_id)

    def guest(self, agent_id: str) -> Agent:
        """Whoever works at a desk elsewhere, under a name that none of the team has: free until joined."""
        guest = self._guests.get(agent_id)
        if guest is None:
            guest = self._guests[agent_id] = Agent(_GUESTS_FROM + len(self._guests), 1.0)
            guest.agent_id, guest.doing, guest.is_guest = agent_id, Doing.FREE, True
        return guest

    def present(self) -> tuple[str, ...]:
        """Who is at a desk, on a break included."""
        return tuple(agent.agent_id for agent in self._agents.values() if not agent.is_absent)

    def close(self, from_at: float, to_at: float) -> None:
        """Send everybody on a break between two instants: the campaign may not call then."""
        for agent in self._agents.values():
            self._world.at(from_at, self._close, (agent, to_at))

    # ---------------------------------------------------------------------------------------------- timetable

    def _plan_leave(self, planned: tuple[int, int], now: float) -> None:
        """Plan the next day's leaving of one row of the timetable; its `day` counts from 0."""
        rank, day = planned
        leave = self._table.leaves[rank]
        at = self._clock.next_at(leave.at, now)
        self._world.at(max(now, at - leave.announced_s), self._gather, (rank, day, at))

    def _gather(self, planned: tuple[int, int, float], now: float) -> None:
        """Choose who leaves, and let each of them announce it and go."""
        rank, day, from_at = planned
        leave = self._table.leaves[rank]
        drawn = {
            agent.agent_id: self._leaves.draw(agent.number, day * len(self._table.leaves) + rank)
            for agent in self._agents.values()
        }
        order = sorted(self._agents.values(), key=lambda agent: drawn[agent.agent_id][0])
        for agent in order[: round(leave.share * len(order))]:
            _, u_when, u_back, *_ = drawn[agent.agent_id]
            away_s = None if leave.back_after_s is None else ticked(leave.back_after_s.build().draw(u_back))
            leaving = Leaving(away_s=away_s)
            at = from_at + ticked(leave.within_s * u_when)
            if leave.announced_s:
                self._world.at(max(now, at - leave.announced_s), self._announce, (agent, leaving))
            self._world.at(at, self._leave, (agent, leaving))
        self._world.at(from_at + 1.0, self._plan_leave, (rank, day + 1))

    def _announce(self, planned: tuple[Agent, Leaving], at: float) -> None:
        agent, leaving = planned
        if agent.doing is Doing.FREE:
            agent.leaving = leaving  # told at the next call
        elif agent.doing in (Doing.JOINING, Doing.TALKING, Doing.WRAPPING):
            self._ask_to_leave(agent, leaving, at)

    def _leave(self, planned: tuple[Agent, Leaving], at: float) -> None:
        agent, leaving = planned
        if agent.is_absent or agent.told is leaving:
            return
        if agent.doing in (Doing.FREE, Doing.AWAY):
            self._ask_to_leave(agent, leaving, at)
        else:
            agent.leaving = leaving  # told at the end of the wrap-up

    def _ask_to_leave(self, agent: Agent, leaving: Leaving, at: float) -> None:
        self._tell_leaving(agent, leaving)
        self._ask(agent, "leaving", at)

    def _tell_leaving(self, agent: Agent, leaving: Leaving) -> None:
        agent.leaving, agent.told = None, leaving
        agent.is_last = agent.is_last or leaving.away_s is None
        agent.away_s = max(agent.away_s, leaving.away_s or 0.0)

    # ------------------------------------------------------------------------------------------------ breaks

    def _log_in(self, agent: Agent, at: float) -> None:
        agent.doing = Doing.FREE
        self._world.tell(AgentLoggedIn(agent_id=agent.agent_id, groups=self._groups))
        if at < agent.away_until_at:  # the campaign closed before the agent came
            self._begin_break(agent, at)
        else:
            self._world.tell(AgentReadied(agent_id=agent.agent_id))
        self._plan_break(agent, at)

    def _plan_break(self, agent: Agent, at: float) -> None:
        if self._break_every_s is not None:
            u_every, u_length, *_ = self._turns.draw(agent.number, self._next_turn(agent))
            length_s = ticked(self._break_s(u_length))
            self._world.at(at + ticked(self._break_every_s(u_every)), self._ask_break, (agent, length_s))

    def _next_turn(self, agent: Agent) -> int:
        agent.turn += 1
        return agent.turn

    def _ask_break(self, asked: tuple[Agent, float], at: float) -> None:
        agent, length_s = asked
        if agent.is_absent:
            return
        agent.away_s = length_s
        self._ask(agent, "break", at)
        self._plan_break(agent, at + length_s)

    def _close(self, closed: tuple[Agent, float], at: float) -> None:
        agent, until_at = closed
        agent.away_until_at = until_at
        if not agent.is_absent:
            self._ask(agent, "closed", at)

    def _ask(self, agent: Agent, reason: str, at: float) -> None:
        self._world.tell(AgentPauseRequested(agent_id=agent.agent_id, reason=reason))
        if agent.doing in (Doing.FREE, Doing.AWAY):
            self._begin_break(agent, at)
        else:
            agent.is_owed = True

    def _begin_break(self, agent: Agent, at: float) -> None:
        agent.doing, agent.is_owed = Doing.AWAY, False
        agent.version += 1
        if agent.is_last:  # a call that this agent was reserved for is still taken
            self._world.tell(AgentLoggedOut(agent_id=agent.agent_id), at)
            return
        self._world.at(max(at + agent.away_s, agent.away_until_at), self._come_back, (agent, agent.version))

    def _come_back(self, planned: tuple[Agent, int], at: float) -> None:
        agent, version = planned
        if agent.doing is Doing.AWAY and agent.version == version:
            agent.doing, agent.away_s = Doing.FREE, 0.0
            self._world.tell(AgentReadied(agent_id=agent.agent_id))

    def stay_away(self, agent: Agent, at: float) -> None:
        """Leave an agent who missed a call or an offer away from the desk for a while."""
        if agent.is_guest:
            agent.doing = Doing.FREE
            return
        u, *_ = self._turns.draw(agent.number, self._next_turn(agent))
        agent.away_s = max(agent.away_s, ticked(self._back_after_s(u)))
        self._begin_break(agent, at)

    # ------------------------------------------------------------------------------------------------- calls

    def join(self, agent: Agent, now: float) -> tuple[float, bool]:
        """Begin to join an agent to a call: after how long, and whether the agent misses it instead."""
        if agent.doing is Doing.WRAPPING:
            self._world.tell(self._disposed(agent, now), now)
        if agent.leaving is not None:
            self._tell_leaving(agent, agent.leaving)
            agent.is_owed = True
            self._world.tell(AgentPauseRequested(agent_id=agent.agent_id, reason="leaving"), now)
        agent.is_owed = agent.is_owed or agent.doing is Doing.AWAY
        agent.doing = Doing.JOINING
        agent.version += 1
        agent.rank += 1
        u_bridge, u_missed, *_ = self._calls.draw(agent.number, agent.rank)
        if u_missed < self._table.p_bridge_missed:
            return ticked(self._bridge_missed_after_s(u_bridge)), True
        return ticked(self._bridge_s(u_bridge)), False

    def let_go(self, agent: Agent, at: float) -> None:
        """Free an agent who was about to be joined to a call that is over."""
        if agent.is_owed:
            self._begin_break(agent, at)
            return
        agent.doing = Doing.FREE
        if agent.leaving is not None:
            self._world.at(at, self._leave, (agent, agent.leaving))

    def wrap_up(self, agent: Agent, line: "Line", at: float) -> None:
        """Begin an agent's wrap-up; it never outlasts the campaign's limit."""
        if agent.is_guest:
            agent.doing = Doing.FREE
            return
        agent.doing, agent.call = Doing.WRAPPING, line
        agent.version += 1
        _, _, u_wrap_up, *_ = self._calls.draw(agent.number, agent.rank)
        factor = self._world.hour(line.order.campaign, at).wrap_up
        limit_s = self._world.policy(line.order.campaign).agents.wrap_up_max_s
        wrap_up_s = min(ticked(self._wrap_up_s(u_wrap_up) * factor * agent.speed), limit_s)
        self._world.at(at + wrap_up_s, self._finish, (agent, agent.version))

    def _finish(self, planned: tuple[Agent, int], at: float) -> None:
        agent, version = planned
        if agent.doing is not Doing.WRAPPING or agent.version != version:
            return
        self._world.tell(self._disposed(agent, at))
        if agent.leaving is not None or not agent.is_owed:
            self._go_unannounced(agent, at)
        self._world.tell(AgentReadied(agent_id=agent.agent_id))
        self.let_go(agent, at)

    def _go_unannounced(self, agent: Agent, at: float) -> None:
        """At the end of a wrap-up: leave, or be not ready for a while, without a word before."""
        if agent.leaving is not None:
            self._ask_to_leave(agent, agent.leaving, at)
            return
        _, _, _, u_not_ready, u_length, *_ = self._calls.draw(agent.number, agent.rank)
        if u_not_ready < self._table.p_not_ready:
            agent.away_s = ticked(self._not_ready_s(u_length))
            self._ask(agent, "not ready", at)

    def _disposed(self, agent: Agent, at: float) -> CallDisposed:
        """Choose the disposition of the call that the agent has wrapped up."""
        line, agent.call = agent.call, None
        assert line is not None and line.conversation is not None
        said = line.conversation
        return CallDisposed(
            call_id=line.order.call_id,
            agent_id=agent.agent_id,
            disposition=said.disposition,
            callback_at=None if said.callback_after_s is None else at + said.callback_after_s,
            is_personal=said.callback_after_s is not None and said.is_personal,
        )

    # ---------------------------------------------------------------------------------------------- previews

    def offer(self, order: OfferPreview, now: float) -> None:
        """Let an agent look at a lead; an agent who is too slow for `expires_at` comes back later."""
        agent = self.find(order.agent_id)
        if agent is None or agent.doing not in (Doing.FREE, Doing.AWAY):
            return
        u_look, u_accepted, *_ = self._turns.draw(agent.number, self._next_turn(agent))
        at = now + ticked(self._preview_s(u_look))
        if at > order.expires_at:
            self._world.at(order.expires_at, self._miss_offer, (agent, agent.version))
        elif u_accepted < self._table.p_preview_accepted:
            self._world.tell(PreviewAccepted(agent_id=agent.agent_id, lead_id=order.lead_id), at)
        else:
            self._world.tell(PreviewSkipped(agent_id=agent.agent_id, lead_id=order.lead_id), at)

    def _miss_offer(self, offered: tuple[Agent, int], at: float) -> None:
        agent, version = offered
        if agent.version == version:
            self.stay_away(agent, at)
