"""A telephone network with people and agents that exists only in a computer: orders in, news out, one heap of instants.

One rule governs this module: like the engine it never reads a clock and never waits. An order is carried out when it is
submitted; what follows from it becomes news when its instant is asked for. Late and duplicate orders are harmless.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from heapq import heappop, heappush
from typing import Any

from dialer.domain.commands import (
    BridgeCall,
    DeskCommand,
    GatewayCommand,
    HandOverCall,
    HangUp,
    OfferPreview,
    PlaceCall,
    PlayMessage,
    SeatAgent,
    UnseatAgent,
)
from dialer.domain.events import (
    BridgeFailed,
    CallAnswered,
    CallBridged,
    CallClassified,
    CallFailed,
    CallReleased,
    CallRinging,
    Event,
)
from dialer.domain.living import Living, LivingCall, LivingState
from dialer.domain.outcome import Outcome
from dialer.domain.policy import CampaignPolicy
from dialer.errors import UsageError
from dialer.simulator.agents import Agent, Agents, Doing
from dialer.simulator.local_time import LocalClock
from dialer.simulator.people import Attempt, Choices, Conversation, Fate, Hour, Hours, People, ticked
from dialer.simulator.scenario import Scenario
from dialer.simulator.streams import Streams

PLACED_MAX = 50_000
"""How many orders are remembered, so that one that comes twice is not dialed twice."""

_OUTCOMES = {
    Fate.BUSY: Outcome.BUSY,
    Fate.REJECTED: Outcome.REJECTED,
    Fate.INVALID: Outcome.INVALID,
    Fate.CONGESTION: Outcome.CONGESTION,
    Fate.NO_ANSWER: Outcome.NO_ANSWER,
}


class Line:
    """One call that is going on."""

    __slots__ = (
        "agent",
        "answered_at",
        "attempt",
        "bridged_at",
        "classified_at",
        "conversation",
        "is_answered",
        "is_message",
        "order",
        "rank",
        "ringing_at",
    )

    def __init__(self, order: PlaceCall, rank: int, attempt: Attempt) -> None:
        self.order = order
        self.rank = rank
        self.attempt = attempt
        self.is_answered = False
        self.is_message = False  # the abandonment message plays
        self.ringing_at: float | None = None
        self.answered_at = 0.0
        self.classified_at: float | None = None
        self.bridged_at: float | None = None
        self.agent: Agent | None = None  # joined, or being joined
        self.conversation: Conversation | None = None  # once joined


def living_call(line: Line) -> LivingCall:
    """Say where a call is, as its network knows it."""
    state, is_machine = LivingState.DIALED, None
    greeting: tuple[float | None, float | None] = (None, None)
    if line.is_answered:
        state = LivingState.ANSWERED
        if line.is_message:
            state = LivingState.MESSAGE
        elif line.conversation is not None:
            state = LivingState.BRIDGED
    elif line.ringing_at is not None:
        state = LivingState.RINGING
    if line.classified_at is not None:
        is_machine = line.order.has_detector and line.attempt.is_called_machine
        if line.order.has_detector and not is_machine:
            start_at = line.answered_at + line.attempt.greeting_after_s
            greeting = (start_at, start_at + line.attempt.greeting_s)
    return LivingCall(
        call_id=line.order.call_id,
        state=state,
        ringing_at=line.ringing_at,
        answered_at=line.answered_at if line.is_answered else None,
        classified_at=line.classified_at,
        is_machine=is_machine,
        greeting_start_at=greeting[0],
        greeting_end_at=greeting[1],
        agent_id=None if line.agent is None else line.agent.agent_id,
        bridged_at=line.bridged_at,
    )


class World:
    """Implements `dialer.ports.Network`. `agents` agents, members of `agent_groups`, log in from `start_at` on.

    An open world serves others than its own, too: a campaign that it was not told of is called like the first of
    `policies`, and an agent whom it does not simulate is joined and let go, and says nothing.
    """

    def __init__(
        self,
        scenario: Scenario,
        policies: Iterable[CampaignPolicy],
        *,
        seed: int,
        start_at: float,
        agents: int = 0,
        agent_groups: tuple[str, ...] = (),
        is_open: bool = False,
    ) -> None:
        streams = Streams(seed)
        self.scenario = scenario
        self._start_at = start_at
        self._is_open = is_open
        self.people_called_machine = 0  # the truth behind the detector's word: silent calls nobody reports
        self.machines_called_human = 0
        self._people = People(scenario, streams)
        self._policies: dict[str, tuple[CampaignPolicy, Choices, Hours]] = {}
        for policy in policies:
            self.set_policy(policy)
        self._heap: list[tuple[float, int, Callable[[Any, float], None], Any]] = []
        self._order = 0
        self._news: list[Event] = []
        self._lines: dict[int, Line] = {}
        self._placed: OrderedDict[int, None] = OrderedDict()  # the latest
        self._ranks: dict[str, int] = {}
        zones = [policy.abandonment.time_zone for policy, _, _ in self._policies.values()]
        self.agents = Agents(
            self,
            scenario,
            streams,
            start_at=start_at,
            count=agents,
            groups=agent_groups,
            clock=LocalClock(zones[0] if zones else "UTC"),
        )

    def set_policy(self, policy: CampaignPolicy) -> None:
        """Tell the world's agents of a campaign: its dispositions, wrap-up limit and time zone."""
        hours = Hours(self.scenario, policy.abandonment.time_zone)
        self._policies[policy.name] = (policy, Choices(self.scenario.dispositions, policy), hours)

    @property
    def calls_in_flight(self) -> int:
        """Lines in use."""
        return len(self._lines)

    # ------------------------------------------------------------------------------------------------ the port

    def submit(self, command: GatewayCommand | DeskCommand, now: float) -> None:
        """Carry out an order; what follows from it is news later, at `now` at the earliest."""
        match command:
            case PlaceCall():
                self._place(command, now)
            case BridgeCall():
                self._join(command, now)
            case HangUp():
                self._hang_up(command, now)
            case PlayMessage():
                self._play(command, now)
            case HandOverCall():
                self._hand_over(command, now)
            case OfferPreview():
                self.agents.offer(command, now)
            case SeatAgent() | UnseatAgent():
                pass  # a simulated agent needs no telephone

    def next_at(self) -> float | None:
        """The instant of the next thing that happens."""
        return self._heap[0][0] if self._heap else None

    def advance(self, now: float) -> list[Event]:
        """Let everything happen that is due at or before `now`; give the news in order."""
        heap, self._news = self._heap, []
        while heap and heap[0][0] <= now:
            at, _, happen, subject = heappop(heap)
            happen(subject, at)
        return self._news

    def living(self, asked: Mapping[int, float]) -> Living:
        """Give the calls that are up, and which of those asked about this world, since it began, was never told of."""
        never = [
            LivingCall(call_id=call_id, state=LivingState.NEVER)
            for call_id, placed_at in asked.items()
            if placed_at > self._start_at and call_id not in self._placed
        ]
        return Living(calls=(*map(living_call, self._lines.values()), *never), agents=self.agents.present())

    # ------------------------------------------------------------------------------------ for agents and people

    def at(self, at: float, happen: Callable[[Any, float], None], subject: Any) -> None:
        """Let something happen later; what is due at one instant happens in the order of these calls."""
        self._order += 1
        heappush(self._heap, (at, self._order, happen, subject))

    def tell(self, event: Event, at: float | None = None) -> None:
        """Report an event: now, while the world advances, or at an instant."""
        if at is None:
            self._news.append(event)
        else:
            self.at(at, self._tell, event)

    def _tell(self, event: Event, at: float) -> None:
        self._news.append(event)

    def policy(self, campaign: str) -> CampaignPolicy:
        """The policy of a campaign that is being called."""
        return self._known(campaign)[0]

    def hour(self, campaign: str, now: float) -> Hour:
        """What holds at `now` by the clock of a campaign."""
        return self._known(campaign)[2].at(now)

    def _known(self, campaign: str) -> tuple[CampaignPolicy, Choices, Hours]:
        known = self._policies.get(campaign)
        if known is None and self._is_open and self._policies:
            self.set_policy(replace(next(iter(self._policies.values()))[0], name=campaign))
            known = self._policies[campaign]
        if known is None:
            raise UsageError(
                f"expected a campaign that the simulated agents know ({', '.join(self._policies) or 'none'}), "
                f"found {campaign}"
            )
        return known

    # ------------------------------------------------------------------------------------------------- dialing

    def _place(self, order: PlaceCall, now: float) -> None:
        if order.call_id in self._placed:
            return
        self._placed[order.call_id] = None
        if len(self._placed) > PLACED_MAX:
            self._placed.popitem(last=False)
        hour = self.hour(order.campaign, now)
        if len(self._lines) >= hour.lines:
            self.tell(CallFailed(call_id=order.call_id, outcome=Outcome.CONGESTION, cause="no line free"), now)
            return
        rank = self._ranks.get(order.number, 0)
        self._ranks[order.number] = rank + 1
        attempt = self._people.attempt(order.number, rank, hour)
        line = self._lines[order.call_id] = Line(order, rank, attempt)
        if attempt.setup_s is None:
            self.at(now + attempt.after_s, self._fail, line)
        else:
            self.at(now + attempt.setup_s, self._ring, line)

    def _is_up(self, line: Line) -> bool:
        return self._lines.get(line.order.call_id) is line

    def _ring(self, line: Line, at: float) -> None:
        if not self._is_up(line):
            return
        line.ringing_at = at
        self._news.append(CallRinging(call_id=line.order.call_id))
        attempt, limit_s = line.attempt, line.order.ring_timeout_s
        if attempt.fate is Fate.NO_ANSWER or attempt.after_s > limit_s:
            self.at(at + limit_s, self._ring_out, line)
        elif attempt.fate is Fate.REJECTED:
            self.at(at + attempt.after_s, self._fail, line)
        else:
            self.at(at + attempt.after_s, self._answer, line)

    def _ring_out(self, line: Line, at: float) -> None:
        self._end_unanswered(line, Outcome.NO_ANSWER, "ring timeout")

    def _fail(self, line: Line, at: float) -> None:
        self._end_unanswered(line, _OUTCOMES[line.attempt.fate], "")

    def _end_unanswered(self, line: Line, outcome: Outcome, cause: str) -> None:
        if self._is_up(line):
            del self._lines[line.order.call_id]
            self._news.append(CallFailed(call_id=line.order.call_id, outcome=outcome, cause=cause))

    def _answer(self, line: Line, at: float) -> None:
        if not self._is_up(line):
            return
        line.is_answered, line.answered_at = True, at
        self._news.append(CallAnswered(call_id=line.order.call_id))
        attempt = line.attempt
        if line.order.has_detector:
            self.at(at + attempt.detected_after_s, self._classify, line)
        else:
            line.classified_at = at
            self.machines_called_human += attempt.fate is not Fate.LIVE
            self._news.append(CallClassified(call_id=line.order.call_id, is_machine=False))
        if attempt.patience_s is not None:
            self.at(at + attempt.patience_s, self._lose_patience, line)

    def _classify(self, line: Line, at: float) -> None:
        if not self._is_up(line):
            return
        attempt, call_id = line.attempt, line.order.call_id
        line.classified_at = at
        is_person = attempt.fate is Fate.LIVE
        if attempt.is_called_machine:
            self.people_called_machine += is_person
            self._news.append(CallClassified(call_id=call_id, is_machine=True))
            return
        self.machines_called_human += not is_person
        start_at = line.answered_at + attempt.greeting_after_s
        end_at = start_at + attempt.greeting_s
        self._news.append(
            CallClassified(call_id=call_id, is_machine=False, greeting_start_at=start_at, greeting_end_at=end_at)
        )

    # ------------------------------------------------------------------------------------------ waiting, talking

    def _lose_patience(self, line: Line, at: float) -> None:
        if self._is_up(line) and line.conversation is None:
            self._release(line, "callee", at)

    def _release(self, line: Line, by: str, at: float, cause: str = "") -> None:
        """End an answered call, and let go the agent who was on it or about to be."""
        del self._lines[line.order.call_id]
        self._news.append(CallReleased(call_id=line.order.call_id, by=by, cause=cause))
        if line.agent is not None:
            if line.conversation is None:
                self.agents.let_go(line.agent, at)
            else:
                self.agents.wrap_up(line.agent, line, at)

    def _join(self, order: BridgeCall, now: float) -> None:
        line, agent = self._lines.get(order.call_id), self.agents.find(order.agent_id)
        if agent is None and self._is_open:
            agent = self.agents.guest(order.agent_id)
        if line is not None and line.agent is not None and line.agent is agent:
            return  # the same order again
        cause = ""
        if line is None or not line.is_answered or line.is_message:
            cause = "the call is over"
        elif line.agent is not None:
            cause = "another agent is on the call"
        elif agent is None or agent.doing in (Doing.OUT, Doing.JOINING, Doing.TALKING):
            cause = "the agent cannot take it"
        if cause or line is None or agent is None:
            self.tell(BridgeFailed(call_id=order.call_id, agent_id=order.agent_id, cause=cause), now)
            return
        bridge_s, is_missed = self.agents.join(agent, now)
        line.agent = agent
        self.at(now + bridge_s, self._miss if is_missed else self._connect, (line, agent))

    def _miss(self, pair: tuple[Line, Agent], at: float) -> None:
        line, agent = pair
        if self._is_up(line) and line.agent is agent:
            line.agent = None
            cause = "the agent did not pick up"
            self._news.append(BridgeFailed(call_id=line.order.call_id, agent_id=agent.agent_id, cause=cause))
            self.agents.stay_away(agent, at)

    def _connect(self, pair: tuple[Line, Agent], at: float) -> None:
        line, agent = pair
        if not self._is_up(line) or line.agent is not agent:
            return
        order = line.order
        _, choices, hours = self._known(order.campaign)
        line.conversation = self._people.conversation(order.number, line.rank, line.attempt, choices, hours.at(at))
        agent.doing, line.bridged_at = Doing.TALKING, at
        self._news.append(CallBridged(call_id=order.call_id, agent_id=agent.agent_id))
        self.at(at + ticked(line.conversation.talk_s * agent.speed), self._end_talk, line)

    def _end_talk(self, line: Line, at: float) -> None:
        if self._is_up(line) and line.conversation is not None:
            self._release(line, line.conversation.released_by, at)

    def _hand_over(self, order: HandOverCall, now: float) -> None:
        line = self._lines.get(order.call_id)
        if line is not None and line.conversation is not None:
            self.at(now, self._take_over, line)

    def _take_over(self, line: Line, at: float) -> None:
        if self._is_up(line):
            self._release(line, "agent", at, "handed over to a supervisor")

    def _play(self, order: PlayMessage, now: float) -> None:
        line = self._lines.get(order.call_id)
        if line is None or not line.is_answered or line.is_message or line.conversation is not None:
            return
        line.is_message = True
        if line.agent is not None:
            self.agents.let_go(line.agent, now)
            line.agent = None
        self.at(now + self._people.message_s(line.order.number, line.rank), self._end_message, line)

    def _end_message(self, line: Line, at: float) -> None:
        if self._is_up(line):
            self._release(line, "engine", at)

    def _hang_up(self, order: HangUp, now: float) -> None:
        line = self._lines.get(order.call_id)
        if line is not None:
            self.at(now, self._cut, (line, order.reason))

    def _cut(self, ordered: tuple[Line, str], at: float) -> None:
        line, reason = ordered
        if not self._is_up(line):
            return
        if line.is_answered:
            self._release(line, "engine", at, reason)
        else:
            self._end_unanswered(line, Outcome.NO_ANSWER, reason)
