"""The simulated agents: they log in, take calls, wrap up, choose dispositions, look at previews and take breaks.

One rule governs this module: an agent asks and the engine grants. A break that is asked for during a call begins when
the call and its wrap-up are done, and a call that comes after a break was asked for is taken first.
"""

from enum import Enum
from typing import TYPE_CHECKING

from dialer.domain.commands import OfferPreview
from dialer.domain.events import (
    AgentLoggedIn,
    AgentPauseRequested,
    AgentReadied,
    CallDisposed,
    PreviewAccepted,
    PreviewSkipped,
)
from dialer.simulator.people import ticked
from dialer.simulator.scenario import Scenario
from dialer.simulator.streams import Streams

if TYPE_CHECKING:
    from dialer.simulator.world import Line, World


class Doing(Enum):
    """What an agent is doing, as the agent sees it."""

    OUT = "out"
    FREE = "free"
    AWAY = "away"
    JOINING = "joining"
    TALKING = "talking"
    WRAPPING = "wrapping"


class Agent:
    """One agent. A break owed is `away_s` long or lasts until `away_until_at`, whichever is later."""

    __slots__ = (
        "agent_id",
        "away_s",
        "away_until_at",
        "call",
        "doing",
        "is_owed",
        "number",
        "rank",
        "speed",
        "turn",
        "version",
    )

    def __init__(self, number: int, speed: float) -> None:
        self.agent_id = f"agent-{number:03d}"
        self.number = number
        self.speed = speed
        self.doing = Doing.OUT
        self.rank = 0  # calls taken
        self.turn = 0  # breaks, missed calls and previews so far
        self.version = 0  # a plan made under an older version is void
        self.call: Line | None = None  # wrapped up
        self.is_owed = False  # a break was asked for during a call
        self.away_s = 0.0
        self.away_until_at = 0.0


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
    ) -> None:
        self._world = world
        table = self._table = scenario.agents
        self._bridge_s = table.bridge_s.build().draw
        self._bridge_missed_after_s = table.bridge_missed_after_s.build().draw
        self._back_after_s = table.back_after_s.build().draw
        self._break_every_s = None if table.break_every_s is None else table.break_every_s.build().draw
        self._break_s = table.break_s.build().draw
        self._preview_s = table.preview_s.build().draw
        login_after_s, speed = table.login_after_s.build().draw, table.speed.build().draw
        self._wrap_up_s = scenario.talk.wrap_up_s.build().draw
        self._groups = groups
        self._calls = streams.purpose("agent call")
        self._turns = streams.purpose("agent turn")
        self._agents: dict[str, Agent] = {}
        traits = streams.purpose("agent")
        for number in range(1, count + 1):
            u_login, u_speed, *_ = traits.draw(number)
            agent = Agent(number, speed(u_speed))
            self._agents[agent.agent_id] = agent
            world.at(start_at + ticked(login_after_s(u_login)), self._log_in, agent)

    def find(self, agent_id: str) -> Agent | None:
        """The agent of that name, if there is one."""
        return self._agents.get(agent_id)

    def close(self, from_at: float, to_at: float) -> None:
        """Send everybody on a break between two instants: the campaign may not call then."""
        for agent in self._agents.values():
            self._world.at(from_at, self._close, (agent, to_at))

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
        agent.away_s = length_s
        self._ask(agent, "break", at)
        self._plan_break(agent, at + length_s)

    def _close(self, closed: tuple[Agent, float], at: float) -> None:
        agent, until_at = closed
        agent.away_until_at = until_at
        if agent.doing is not Doing.OUT:
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
        self._world.at(max(at + agent.away_s, agent.away_until_at), self._come_back, (agent, agent.version))

    def _come_back(self, planned: tuple[Agent, int], at: float) -> None:
        agent, version = planned
        if agent.doing is Doing.AWAY and agent.version == version:
            agent.doing, agent.away_s = Doing.FREE, 0.0
            self._world.tell(AgentReadied(agent_id=agent.agent_id))

    def stay_away(self, agent: Agent, at: float) -> None:
        """Leave an agent who missed a call or an offer away from the desk for a while."""
        u, *_ = self._turns.draw(agent.number, self._next_turn(agent))
        agent.away_s = max(agent.away_s, ticked(self._back_after_s(u)))
        self._begin_break(agent, at)

    # ------------------------------------------------------------------------------------------------- calls

    def join(self, agent: Agent, now: float) -> tuple[float, bool]:
        """Begin to join an agent to a call: after how long, and whether the agent misses it instead."""
        if agent.doing is Doing.WRAPPING:
            self._world.tell(self._disposed(agent, now), now)
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
        else:
            agent.doing = Doing.FREE

    def wrap_up(self, agent: Agent, line: "Line", at: float) -> None:
        """Begin an agent's wrap-up; it never outlasts the campaign's limit."""
        agent.doing, agent.call = Doing.WRAPPING, line
        agent.version += 1
        _, _, u_wrap_up, *_ = self._calls.draw(agent.number, agent.rank)
        limit_s = self._world.policy(line.order.campaign).agents.wrap_up_max_s
        wrap_up_s = min(ticked(self._wrap_up_s(u_wrap_up) * agent.speed), limit_s)
        self._world.at(at + wrap_up_s, self._finish, (agent, agent.version))

    def _finish(self, planned: tuple[Agent, int], at: float) -> None:
        agent, version = planned
        if agent.doing is not Doing.WRAPPING or agent.version != version:
            return
        self._world.tell(self._disposed(agent, at))
        self._world.tell(AgentReadied(agent_id=agent.agent_id))
        self.let_go(agent, at)

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
