"""A tiny dialer for tests of the world alone: first come, first served, no pacing."""

from collections import deque
from collections.abc import Callable, Mapping

from dialer.domain.commands import BridgeCall, HangUp, PlaceCall
from dialer.domain.events import (
    AgentPauseRequested,
    AgentReadied,
    BridgeFailed,
    CallClassified,
    CallReleased,
    Event,
)
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
)
from dialer.simulator.scenario import Scenario
from dialer.simulator.world import World

DISPOSITIONS = {
    "sale": DispositionPolicy(name="sale", is_final=True, is_success=True),
    "refused": DispositionPolicy(name="refused", is_final=True),
    "callback": DispositionPolicy(name="callback", is_schedule=True),
    "wrong_number": DispositionPolicy(name="wrong_number", is_final=True, is_number_invalid=True),
    "machine": DispositionPolicy(name="machine", is_machine=True),
}


def campaign(**changes: object) -> CampaignPolicy:
    """A campaign that is open at all hours; `changes` replace fields."""
    fields: Mapping[str, object] = {
        "name": "test",
        "seller": "Example Telecom",
        "purpose": "survey",
        "jurisdiction": "KR",
        "list": ListPolicy(),
        "pacing": PacingPolicy(),
        "abandonment": AbandonmentPolicy(),
        "hours": HoursPolicy(week=(((0, 86400),),) * 7),
        "retry": RetryPolicy(),
        "numbers": NumbersPolicy(),
        "callbacks": CallbackPolicy(),
        "agents": AgentsPolicy(groups=("team",), wrap_up_max_s=1e6),
        "dispositions": DISPOSITIONS,
        **changes,
    }
    return CampaignPolicy(**fields)  # type: ignore[arg-type]


def world(
    scenario: Mapping[str, object],
    *,
    agents: int = 0,
    seed: int = 1,
    start_at: float = 0.0,
    is_open: bool = False,
) -> World:
    """A world from the tables of a world file."""
    tables = Scenario.model_validate(scenario)
    return World(
        tables, [campaign()], seed=seed, start_at=start_at, agents=agents, agent_groups=("team",), is_open=is_open
    )


def order(call_id: int, *, number: str | None = None, ring_timeout_s: float = 22.0) -> PlaceCall:
    """An order to dial, each call another number unless told otherwise."""
    return PlaceCall(
        call_id=call_id,
        campaign="test",
        lead_id=call_id,
        number=number or f"+82000{call_id:09d}",
        ring_timeout_s=ring_timeout_s,
        caller_id=None,
        agent_id=None,
    )


def run(
    world: World, until_at: float, react: Callable[[Event, float], None] = lambda event, now: None
) -> list[tuple[float, Event]]:
    """Let a world run; give the news with their instants."""
    seen: list[tuple[float, Event]] = []
    while (at := world.next_at()) is not None and at <= until_at:
        for event in world.advance(at):
            seen.append((at, event))
            react(event, at)
    return seen


class Floor:
    """Joins live answers to free agents, the longest waiting first."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._free: deque[str] = deque()
        self._queue: dict[int, float] = {}
        self.waits: list[float] = []
        self.lost = 0

    def __call__(self, event: Event, now: float) -> None:
        """Take one event."""
        match event:
            case AgentReadied(agent_id=agent_id):
                self._free.append(agent_id)
            case AgentPauseRequested(agent_id=agent_id) if agent_id in self._free:
                self._free.remove(agent_id)
            case CallClassified(call_id=call_id, is_machine=True):
                self._world.submit(HangUp(call_id=call_id, reason="machine"), now)
            case CallClassified(call_id=call_id):
                self._queue[call_id] = now
            case CallReleased(call_id=call_id) if call_id in self._queue:
                del self._queue[call_id]
                self.lost += 1
            case BridgeFailed(call_id=call_id):
                self._queue[call_id] = now
        while self._free and self._queue:
            call_id = next(iter(self._queue))
            self.waits.append(now - self._queue.pop(call_id))
            self._world.submit(BridgeCall(call_id=call_id, agent_id=self._free.popleft()), now)
