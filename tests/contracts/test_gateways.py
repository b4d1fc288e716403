"""What every gateway promises, and what the engine survives when the one behind it breaks its promises."""

import asyncio
import heapq
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialer.daemon.clock import ScaledClock
from dialer.domain.commands import DeskCommand, GatewayCommand, HangUp, PlaceCall
from dialer.domain.events import (
    AgentLoggedIn,
    AgentReadied,
    BridgeFailed,
    CallAnswered,
    CallBridged,
    CallClassified,
    CallEvent,
    CallFailed,
    CallReleased,
    Event,
)
from dialer.domain.living import Living, LivingState
from dialer.domain.policy import PacingMode
from dialer.gateways.loopback import LoopbackGateway
from dialer.ports import Network
from dialer.simulator.scenario import DEFAULT_WORLD, Scenario, load_world
from dialer.simulator.world import World
from tests.parity import virtual
from tests.parity.floor import START_AT, daemon_run, filled_store, policy

CALL_NEWS = CallEvent.__args__  # type: ignore[attr-defined]


def world(seed: int, *, agents: int = 6, scenario: Scenario | None = None) -> World:
    """A world of one campaign on the floor's clock."""
    chosen = load_world(DEFAULT_WORLD) if scenario is None else scenario
    return World(chosen, [policy()], seed=seed, start_at=START_AT, agents=agents, agent_groups=("floor",))


def order(call_id: int) -> PlaceCall:
    """An order to dial."""
    return PlaceCall(
        call_id=call_id,
        campaign="survey",
        lead_id=call_id,
        number=f"+447700{900_000 + call_id}",
        ring_timeout_s=20.0,
        caller_id=None,
        agent_id=None,
    )


async def news_of(orders: list[GatewayCommand | DeskCommand], until_s: float) -> list[Event]:
    """Send orders to a loopback gateway at once, and hang up everything some seconds later; give all news."""
    clock = ScaledClock(speed=1.0, start_at=START_AT)
    gateway = LoopbackGateway(world(1, agents=0), clock)
    news: list[Event] = []
    running = asyncio.ensure_future(gateway.run(news.append))
    await asyncio.sleep(0)
    for each in orders:
        gateway.send(each)
        assert news == []
    await clock.sleep_until(START_AT + until_s)
    for call_id in sorted({each.call_id for each in orders if isinstance(each, PlaceCall)}):
        gateway.send(HangUp(call_id=call_id, reason="end of the test"))
    await clock.sleep_until(START_AT + until_s + 1.0)
    running.cancel()
    return news


def test_sending_never_answers_within_the_call() -> None:
    """However quick an answer is, the sink hears of it only after `send` has returned."""
    assert virtual.run(news_of([order(1), HangUp(call_id=1, reason="test")], 60.0), START_AT) != []


def test_every_call_ends_once() -> None:
    """Each placed call is reported over exactly once: by itself, or when it is hung up."""
    news = virtual.run(news_of([order(call_id) for call_id in range(1, 41)], 3600.0), START_AT)
    ends = [event.call_id for event in news if isinstance(event, CallFailed | CallReleased)]
    assert sorted(ends) == list(range(1, 41))


def test_orders_for_unknown_calls_are_harmless() -> None:
    """Hanging up what never was, or twice, brings no error and no second end."""
    hang_up = HangUp(call_id=1, reason="test")
    news = virtual.run(news_of([HangUp(call_id=99, reason="test"), order(1), hang_up, hang_up], 60.0), START_AT)
    assert [event.call_id for event in news if isinstance(event, CallFailed | CallReleased)] == [1]


async def living_at(until_s: float, orders: list[GatewayCommand | DeskCommand], asked: dict[int, float]) -> Living:
    """Send orders to a loopback gateway one second after the start, and ask it later what lives."""
    clock = ScaledClock(speed=1.0, start_at=START_AT)
    gateway = LoopbackGateway(world(1, agents=2), clock)
    running = asyncio.ensure_future(gateway.run(lambda event: None))
    await clock.sleep_until(START_AT + 1.0)
    for each in orders:
        gateway.send(each)
    await clock.sleep_until(START_AT + until_s)
    found = await gateway.living(asked)
    running.cancel()
    return found


def test_it_says_what_lives() -> None:
    """Every call that is up is named with its state and the instants of its way there, and nothing that is over is."""
    orders: list[GatewayCommand | DeskCommand] = [order(call_id) for call_id in range(1, 41)]
    at_once = virtual.run(living_at(1.5, orders, {}), START_AT)
    assert [call.call_id for call in at_once.calls] == list(range(1, 41))
    assert {call.state for call in at_once.calls} == {LivingState.DIALED}
    later = virtual.run(living_at(13.0, orders, {}), START_AT)
    states = {call.state for call in later.calls}
    assert {LivingState.RINGING, LivingState.ANSWERED} <= states
    for call in later.calls:
        instants = [at for at in (call.ringing_at, call.answered_at, call.classified_at) if at is not None]
        assert instants == sorted(instants)
        assert (call.answered_at is not None) == (call.state is LivingState.ANSWERED)
    orders += [HangUp(call_id=call_id, reason="test") for call_id in range(1, 41)]
    assert virtual.run(living_at(2.0, orders, {}), START_AT).calls == ()


def test_it_names_orders_that_never_came_and_only_those() -> None:
    """An order of its own time that it did not get never came; of what was before its time it says nothing."""
    asked = {1: START_AT + 1.0, 2: START_AT + 0.5, 3: START_AT - 60.0}
    found = virtual.run(living_at(2.0, [order(1), HangUp(call_id=1, reason="test")], asked), START_AT)
    assert [(call.call_id, call.state) for call in found.calls] == [(2, LivingState.NEVER)]


def test_it_says_who_is_at_a_desk() -> None:
    """Nobody before they come, and everybody from then on."""
    assert virtual.run(living_at(1.0, [], {}), START_AT).agents in ((), ("agent-001",), ("agent-002",))
    assert virtual.run(living_at(600.0, [], {}), START_AT).agents == ("agent-001", "agent-002")


def test_a_network_that_raises_ends_the_run() -> None:
    """An error inside the network is not lost in a callback: `run` raises it."""

    class Broken:
        def submit(self, command: GatewayCommand | DeskCommand, now: float) -> None: ...

        def next_at(self) -> float | None:
            return START_AT + 1.0

        def living(self, asked: Mapping[int, float]) -> Living:
            return Living()

        def advance(self, now: float) -> list[Event]:
            raise RuntimeError("the trunk card is on fire")

    async def run() -> None:
        await LoopbackGateway(Broken(), ScaledClock(speed=1.0, start_at=START_AT)).run(lambda event: None)

    with pytest.raises(RuntimeError, match="on fire"):
        virtual.run(run(), START_AT)


@dataclass(slots=True)
class Doubtful:
    """A network that delivers another's news of calls late, twice, out of order, or never; agents are heard in time."""

    network: Network
    dice: random.Random
    p_lost: float
    p_twice: float
    p_late: float
    late_s: float
    _held: list[tuple[float, int, Event]] = field(default_factory=list)
    _count: int = 0

    def submit(self, command: GatewayCommand | DeskCommand, now: float) -> None:
        self.network.submit(command, now)

    def next_at(self) -> float | None:
        instants = [at for at in (self.network.next_at(), self._held[0][0] if self._held else None) if at is not None]
        return min(instants, default=None)

    def advance(self, now: float) -> list[Event]:
        prompt = [event for event in self.network.advance(now) if not self._is_kept_back(event, now)]
        while self._held and self._held[0][0] <= now:
            prompt.append(heapq.heappop(self._held)[2])
        return prompt

    def living(self, asked: Mapping[int, float]) -> Living:
        return self.network.living(asked)

    def _is_kept_back(self, event: Event, now: float) -> bool:
        if not isinstance(event, CALL_NEWS):
            return False
        if self.dice.random() < self.p_twice:
            self._hold(event, now)
        if self.dice.random() < self.p_lost:
            return True
        is_late = self.dice.random() < self.p_late
        if is_late:
            self._hold(event, now)
        return is_late

    def _hold(self, event: Event, now: float) -> None:
        self._count += 1
        heapq.heappush(self._held, (now + self.dice.uniform(0.001, self.late_s), self._count, event))


@settings(max_examples=80)
@given(
    seed=st.integers(0, 2**32 - 1),
    mode=st.sampled_from(PacingMode),
    p_lost=st.sampled_from([0.0, 0.05, 0.3]),
    p_twice=st.sampled_from([0.0, 0.2, 0.8]),
    p_late=st.sampled_from([0.0, 0.2, 0.9]),
    late_s=st.sampled_from([0.5, 10.0, 200.0]),
)
def test_the_daemon_survives_an_adapter_that_is_late_twice_out_of_order_or_silent(
    seed: int, mode: PacingMode, p_lost: float, p_twice: float, p_late: float, late_s: float
) -> None:
    """Whatever becomes of the news, nothing crashes, every call ends, each attempt is counted once, no lead is lost."""
    campaign = policy(mode=mode)
    network = Doubtful(world(seed), random.Random(seed), p_lost, p_twice, p_late, late_s)
    store = filled_store([campaign], 80)
    run = virtual.run(daemon_run([campaign], network, store, START_AT + 900.0), START_AT)
    attempts = store.attempts(None, 0.0, START_AT + 1e6)
    counts = run.engine.status(START_AT + 1e6).campaigns[0].counts
    assert run.engine.live_calls() == 0
    assert counts["dials"] == counts["finished"] == len(attempts)
    assert all(attempt.outcome is not None and attempt.released_at is not None for attempt in attempts)
    busy_until: dict[int, float] = {}
    for attempt in attempts:
        assert attempt.placed_at >= busy_until.get(attempt.lead_id, 0.0)
        busy_until[attempt.lead_id] = attempt.released_at or 0.0


class Mute:
    """A network that swallows every order; its agents are there and willing."""

    def __init__(self) -> None:
        self._is_told = False

    def submit(self, command: GatewayCommand | DeskCommand, now: float) -> None: ...

    def next_at(self) -> float | None:
        return None if self._is_told else START_AT

    def living(self, asked: Mapping[int, float]) -> Living:
        return Living()

    def advance(self, now: float) -> list[Event]:
        self._is_told = True
        return [AgentLoggedIn(agent_id="a1", groups=("floor",)), AgentReadied(agent_id="a1")]


def test_a_gateway_that_never_answers_leaves_no_call_behind() -> None:
    """Calls without any news end by the engine's own patience, as unknown, and count as possible abandonments."""
    campaign = policy(mode=PacingMode.PROGRESSIVE)
    store = filled_store([campaign], 30)
    run = virtual.run(daemon_run([campaign], Mute(), store, START_AT + 600.0), START_AT)
    attempts = store.attempts(None, 0.0, START_AT + 1e6)
    assert run.engine.live_calls() == 0
    assert attempts
    assert {attempt.outcome for attempt in attempts} == {"unknown"}


def test_call_news_covers_every_event_of_a_call() -> None:
    """The doubtful network disturbs all news that names a call, and nothing else."""
    assert {CallAnswered, CallBridged, CallClassified, BridgeFailed} < set(CALL_NEWS)
    assert AgentReadied not in CALL_NEWS
