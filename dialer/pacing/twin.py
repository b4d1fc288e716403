"""A second floor under another pacing policy: the same agents are present, the calls are its own.

Its calls and conversations follow the courses of real ones (`dialer.pacing.shadow`); its agents come and leave with the
real ones. A virtual live answer without an agent by the end of its threshold is abandoned. The floor has a budget, a
regulator and a governor of its own, so that the law binds it as it binds the real one.

One rule governs this module: it acts on nothing but itself. It moves only when `advance` is called, through its own
instants in their order; between two calls nothing outside has changed, so being late changes no answer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from math import inf
from typing import Any

from dialer.domain.agent import AgentState
from dialer.domain.policy import AgentsPolicy
from dialer.pacing.base import Floor, Pacer
from dialer.pacing.bucket import Bucket
from dialer.pacing.budget import AbandonmentBudget
from dialer.pacing.governor import Governor
from dialer.pacing.pace import decide
from dialer.pacing.regulator import Regulator
from dialer.pacing.rest import Work, add_span, rest_s
from dialer.pacing.shadow import Course, Courses, Figures, Stage

_LOOK_AGAIN_S = 0.5  # while lines or calls per second bind
_LOOKS_BACK_S = 60.0  # a clock that jumps ahead must not cost an hour of decisions


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What holds outside the two floors, for both: as of the last event of the campaign."""

    floor: Floor  # as the real pacer saw it last; its agents and calls are replaced by the twin's own
    lines: int  # calls that the twin may have in flight
    is_dialing: bool
    closes_at: float  # when dialing ends
    open_leads: int


@dataclass(slots=True, eq=False)
class _Agent:
    agent_id: str
    work: Work
    state: AgentState = AgentState.READY
    since_at: float = 0.0
    ready_since_at: float = 0.0
    rests_until_at: float = 0.0
    released_at: float = 0.0
    is_leaving: bool = False

    def is_free(self, at: float) -> bool:
        """Ready and rested."""
        return self.state is AgentState.READY and self.rests_until_at <= at


@dataclass(slots=True, eq=False)
class _Call:
    number: int
    course: Course
    placed_at: float
    agent: _Agent | None = None  # reserved from the start, or joined
    is_reserved: bool = False
    is_answered: bool = False
    deadline_at: float = inf
    connected_at: float = inf  # known when an agent joins


@dataclass(slots=True, kw_only=True)
class Twin:
    """The second floor, from `moved_at` on. `dials` and `conversations` are filled by the real one."""

    pacer: Pacer
    governor: Governor | None
    regulator: Regulator | None
    budget: AbandonmentBudget
    bucket: Bucket
    rules: AgentsPolicy
    p_person: float | None  # that a call taken for a machine is a person; None: nobody has checked
    conditions: Conditions
    dials: Courses
    conversations: Courses
    moved_at: float
    figures: Figures = field(default_factory=Figures)
    agents: dict[str, _Agent] = field(default_factory=dict)
    _present: dict[str, bool] = field(default_factory=dict)
    _histories: dict[str, Work] = field(default_factory=dict)  # of agents who left, too
    _ringing: dict[int, _Call] = field(default_factory=dict)  # without a live answer yet, oldest first
    _queue: list[_Call] = field(default_factory=list)
    _placed: int = 0
    _lines_used: int = 0
    _busy: int = 0  # agents talking or in wrap-up
    _heap: list[tuple[float, int, Callable[[Any, float], None], Any]] = field(default_factory=list)
    _order: int = 0
    _look_at: float = inf

    def advance(self, now: float) -> None:
        """Live through everything that is due at or before `now`."""
        while True:
            at = min(self._heap[0][0] if self._heap else inf, self._look_at)
            if at > now:
                break
            if at == self._look_at < now - _LOOKS_BACK_S:
                self._look_at = now - _LOOKS_BACK_S
                continue
            self._pass_time(at)
            while self._heap and self._heap[0][0] <= at:
                _, _, happen, subject = heappop(self._heap)
                happen(subject, at)
            self._pace(at)
        self._pass_time(now)

    def attend(self, present: Mapping[str, bool], histories: Mapping[str, Work], now: float) -> bool:
        """Let agents come and leave; `present` says of each whether the departure is announced. Give whether any did.

        `histories` are the busy spans of the real agents: who comes for the first time since log-in starts with them.
        """
        if present == self._present:
            return False
        self._present = dict(present)
        for agent_id in [each for each in self.agents if each not in present]:
            self._let_go(self.agents[agent_id])
        for agent_id, is_leaving in present.items():
            agent = self.agents.get(agent_id)
            if agent is None and not is_leaving:
                history, real = self._histories.get(agent_id), histories[agent_id]
                if history is None or history[0] != real[0]:
                    history = self._histories[agent_id] = list(real)
                self.agents[agent_id] = _Agent(agent_id, history, since_at=now, ready_since_at=now)
            elif agent is not None and is_leaving:
                self._let_go(agent)
            elif agent is not None:
                agent.is_leaving = False
        return True

    def settle(self, now: float) -> None:
        """Act on what has changed outside: after `attend`, or under other conditions."""
        at = max(now, self.moved_at)
        self._match(at)
        self._pace(at)

    # ------------------------------------------------------------------------------------------------- dialing

    def _pace(self, at: float) -> None:
        outside = self.conditions
        self._look_at = inf
        if not outside.is_dialing or not self.agents or outside.floor.leads <= 0:
            return
        floor = self._look(at)
        decision = decide(
            floor,
            self.pacer,
            self.regulator,
            self.governor,
            self.budget,
            at,
            dialing_ends_at=outside.closes_at,
            open_leads=outside.open_leads,
        )
        free = self._free(at) if decision.reserve else []
        for rank in range(decision.calls):
            self._dial(free[rank] if decision.reserve else None, at)
        if self.pacer.looks_every_s is not None:
            self._look_at = at + self.pacer.looks_every_s
        elif decision.limited_by in ("lines", "calls_per_second"):
            self._look_at = at + _LOOK_AGAIN_S

    def _look(self, at: float) -> Floor:
        ready = departing = 0
        talking: list[float] = []
        wrapping: list[float] = []
        for agent in self.agents.values():
            if agent.is_free(at):
                ready += 1
            elif agent.is_leaving:
                departing += 1
            elif agent.state is AgentState.TALKING:
                talking.append(at - agent.since_at)
            elif agent.state is not AgentState.RESERVED:
                wrapping.append(at - agent.released_at)
        free_calls = [call for call in self._ringing.values() if not call.is_reserved]
        unanswered = tuple(at - call.placed_at for call in free_calls if not call.is_answered)
        return replace(
            self.conditions.floor,
            now=at,
            ready=ready,
            talking_ages=tuple(talking),
            wrap_ages=tuple(wrapping),
            unanswered_ages=unanswered,
            answered=len(free_calls) - len(unanswered),
            queued=len(self._queue),
            agents=len(self.agents),
            lines_free=self.conditions.lines - self._lines_used,
            calls_allowed=self.bucket.allowed(at),
            p_unanswered=(),
            departing=departing,
        )

    def _dial(self, agent: _Agent | None, at: float) -> None:
        self._placed += 1
        call = _Call(self._placed, self.dials.take(), at, agent, is_reserved=agent is not None)
        if agent is not None:
            self._change(agent, AgentState.RESERVED, at)
        self._ringing[call.number] = call
        self._lines_used += 1
        self.bucket.take()
        self.figures.at(at).dials += 1
        self._follow(call, 0, at)

    def _follow(self, call: _Call, index: int, since_at: float) -> None:
        def plan(stage: Stage) -> None:
            self._at(since_at + stage.after_s, self._on_call, (call, index, stage))

        call.course.follow(index, plan)

    def _on_call(self, news: tuple[_Call, int, Stage], at: float) -> None:
        call, index, stage = news
        if stage.what == "answered":
            call.is_answered = True
            self._follow(call, index + 1, at)
            return
        del self._ringing[call.number]
        if stage.what != "live":
            self._lines_used -= 1
            if stage.what == "machine":
                self._learn_machine(at)
            if call.agent is not None:
                self._free_up(call.agent, at)
            return
        self.figures.at(at).live += 1
        self.budget.record_live(at)
        if self.regulator is not None:
            self.regulator.record_live()
        call.deadline_at = at + max(0.0, stage.left_s)
        self._at(call.deadline_at, self._on_deadline, call)
        if call.agent is not None:
            self._join(call, call.agent, at)
        else:
            self._queue.append(call)
            self._match(at)

    def _learn_machine(self, at: float) -> None:
        self.budget.record_machine(at)
        if self.regulator is not None and self.p_person is not None:
            self.regulator.record_estimated(self.p_person)

    def _on_deadline(self, call: _Call, at: float) -> None:
        if call.connected_at <= call.deadline_at:
            return
        self.figures.at(at).abandoned += 1
        self.budget.record_abandoned(at)
        if self.regulator is not None:
            self.regulator.record_abandoned()
        if call.agent is None:
            self._queue.remove(call)
            self._lines_used -= 1

    # -------------------------------------------------------------------------------------------------- agents

    def _match(self, at: float) -> None:
        """Join the longest waiting to the longest ready."""
        if self._queue:
            for call, agent in zip(tuple(self._queue), self._free(at), strict=False):
                self._queue.remove(call)
                self._join(call, agent, at)

    def _join(self, call: _Call, agent: _Agent, at: float) -> None:
        call.agent, call.course = agent, self.conversations.take()
        self._change(agent, AgentState.RESERVED, at)

        def plan(stage: Stage) -> None:
            call.connected_at = at + stage.after_s
            self._at(call.connected_at, self._connect, (call, agent))

        call.course.follow(0, plan)  # the real one was joined before it became a course

    def _connect(self, joined: tuple[_Call, _Agent], at: float) -> None:
        call, agent = joined
        self.figures.at(at).connects += 1
        self._change(agent, AgentState.TALKING, at)
        call.course.follow(1, lambda stage: self._at(at + stage.after_s, self._release, joined))

    def _release(self, joined: tuple[_Call, _Agent], at: float) -> None:
        call, agent = joined
        self._lines_used -= 1
        agent.released_at = at
        add_span(agent.work, agent.since_at, at)
        self._change(agent, AgentState.WRAP_UP, at)
        call.course.follow(2, lambda stage: self._at(at + stage.after_s, self._finish, agent))

    def _finish(self, agent: _Agent, at: float) -> None:
        add_span(agent.work, agent.since_at, at)
        resting_s = rest_s(agent.work, self.rules, at)
        agent.rests_until_at = at + resting_s
        self._free_up(agent, at)
        if resting_s > 0.0 and not agent.is_leaving:
            self._at(agent.rests_until_at, self._rested, agent)

    def _rested(self, agent: _Agent, at: float) -> None:
        self._match(at)

    def _free_up(self, agent: _Agent, at: float) -> None:
        self._change(agent, AgentState.READY, at)
        agent.ready_since_at = at
        if agent.is_leaving:
            self._let_go(agent)
        else:
            self._match(at)

    def _let_go(self, agent: _Agent) -> None:
        """Let an agent leave: now if ready, else after the call and its wrap-up."""
        agent.is_leaving = True
        if agent.state is AgentState.READY:
            del self.agents[agent.agent_id]

    def _free(self, at: float) -> list[_Agent]:
        return sorted((each for each in self.agents.values() if each.is_free(at)), key=lambda each: each.ready_since_at)

    def _change(self, agent: _Agent, state: AgentState, at: float) -> None:
        self._busy += (state in _WORK) - (agent.state in _WORK)
        agent.state, agent.since_at = state, at

    # ---------------------------------------------------------------------------------------------------- time

    def _at(self, at: float, happen: Callable[[Any, float], None], subject: Any) -> None:
        self._order += 1
        heappush(self._heap, (max(at, self.moved_at), self._order, happen, subject))

    def _pass_time(self, at: float) -> None:
        passed_s = at - self.moved_at
        if passed_s > 0.0:
            tally = self.figures.at(at)
            tally.busy_s += self._busy * passed_s
            tally.idle_s += (len(self.agents) - self._busy) * passed_s
            self.moved_at = at


_WORK = (AgentState.TALKING, AgentState.WRAP_UP)
