"""A campaign over a real Asterisk: SIPp's people and agents, the daemon's driver, and what must be true afterwards."""

import asyncio
import csv
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf

from dialer.daemon.clock import SystemClock
from dialer.daemon.driver import Driver
from dialer.daemon.logs import make_logger
from dialer.domain.commands import DeskCommand, GatewayCommand
from dialer.domain.events import (
    AgentReadied,
    CallBridged,
    CallDisposed,
    CallReleased,
    CampaignLoaded,
    DrainRequested,
    Event,
    LawLoaded,
    LeadsImported,
)
from dialer.domain.living import Living
from dialer.domain.outcome import Outcome
from dialer.domain.policy import AbandonmentPolicy, AgentsPolicy, CampaignPolicy, PacingMode, PacingPolicy, RetryPolicy
from dialer.domain.records import Attempt
from dialer.engine.engine import Engine
from dialer.gateways.asterisk.adapter import AsteriskGateway
from dialer.gateways.asterisk.settings import AgentSettings, AsteriskSettings, DeskSettings, DetectorSettings
from dialer.gateways.broker import Address
from dialer.gateways.mqtt import MqttGateway, Trunk
from dialer.gateways.serving import Serving
from dialer.ports import Gateway, Sink
from dialer.storage.memory import MemoryStore
from tests.laws import open_law
from tests.parity.floor import leads
from tests.parity.floor import policy as floor_policy
from tests.servers.asterisk import Asterisk
from tests.servers.ear import Ear
from tests.servers.people import EXPECTED, Story, behaviour

LINES = 60
CALLS_PER_SECOND = 15.0
ABANDON_HZ, AGENT_HZ, HOLD_HZ = 440, 900, 350
_TONES = (HOLD_HZ, 400, ABANDON_HZ, 480, 600, 700, AGENT_HZ, 1000, 1100)
_SHARES = {"1": 99, "2": 51, "3": 60, "4": 60, "5": 60, "6": 40, "7": 30, "8": 30, "9": 50, "0": 20}

_CDR_DISPOSITION, _CDR_ID, _CDR_USERFIELD = 14, 16, 17


@dataclass(frozen=True, slots=True)
class Record:
    """What Asterisk itself keeps of a call: its disposition, and the detector's word where it was asked."""

    disposition: str
    detector: str


def numbers(count: int) -> list[str]:
    """Give people to call, of every behaviour, as the last three digits of their numbers."""
    total = sum(_SHARES.values())
    queues = {
        digit: [f"{digit}{rank:02d}" for rank in range(share * count // total)] for digit, share in _SHARES.items()
    }
    chosen = []
    while any(queues.values()):
        for queue in queues.values():
            chosen += [queue.pop() for _ in range(min(len(queue), 1 + len(queue) // 20))]
    return chosen


def policy(switch: Asterisk) -> CampaignPolicy:
    """A campaign that dials more than its agents can take, so that some who answer hear the message."""
    base = floor_policy(mode=PacingMode.POWER)
    return replace(
        base,
        pacing=PacingPolicy(mode=PacingMode.POWER, ratio=3.0, ring_timeout_s=2.0),
        abandonment=AbandonmentPolicy(
            target_rate=0.9, cap_rate=0.95, threshold_s=1.0, message=str(switch.sounds / "abandon.wav")
        ),
        retry=RetryPolicy(rules={}, is_hour_varied=False),
        agents=AgentsPolicy(groups=("floor",), wrap_up_max_s=1.0),
    )


def desk_settings(switch: Asterisk, seats: int) -> AsteriskSettings:
    """A gateway that rings its agents' telephones at its start, with a detector."""
    desks = tuple(DeskSettings(agent_id=f"agent{rank}", groups=("floor",)) for rank in range(1, seats + 1))
    return switch.settings(
        detector=DetectorSettings(), agents=AgentSettings(desks=desks, call_again_s=0.5, ring_timeout_s=3.0)
    )


@dataclass(slots=True)
class Floor:
    """A driver at work: what it reports, and the words of agents who are done with a call."""

    driver: Driver
    store: MemoryStore
    engine: Engine

    def hear(self, event: Event, kept: Callable[[], None] | None = None) -> None:
        """Pass news on; after each talk the agent says `done` and is ready again."""
        self.driver.post(event, kept)
        if isinstance(event, CallBridged):
            self._talks[event.call_id] = event.agent_id
        elif isinstance(event, CallReleased) and (agent := self._talks.pop(event.call_id, None)) is not None:
            self.driver.post(CallDisposed(call_id=event.call_id, agent_id=agent, disposition="done"))
            self.driver.post(AgentReadied(agent_id=agent))

    _talks: dict[int, str] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self._talks = {}


def new_store(campaign: CampaignPolicy, people: Sequence[str]) -> MemoryStore:
    """Leads for these people, in memory; three digits stand for a number of the usual range."""
    store = MemoryStore()
    with store.importing(campaign, "leads.csv", "0" * 64, time.time()) as session:
        for rank, lead in enumerate(leads(campaign, len(people))):
            digits = people[rank]
            number = replace(lead.numbers[0], e164=digits if digits.startswith("+") else f"+447700900{digits}")
            session.add(replace(lead, numbers=(number,)))
    return store


async def campaign_run(
    campaign: CampaignPolicy,
    people: Sequence[str],
    make_gateway: Callable[[SystemClock], Gateway],
    *,
    calls_per_second: float = CALLS_PER_SECOND,
) -> MemoryStore:
    """Call everybody, each once, until no lead is open and no call is up; give what is recorded."""
    clock = SystemClock()
    store = new_store(campaign, people)
    engine = Engine(lines=LINES, calls_per_second=calls_per_second)
    gateway = make_gateway(clock)
    floor = Floor(Driver(engine, store, gateway, clock), store, engine)
    floor.driver.post(LawLoaded(law=open_law()))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(floor.driver.run()), group.create_task(gateway.run(floor.hear))]
        await gateway.living({})
        floor.driver.post(CampaignLoaded(policy=campaign))
        floor.driver.post(LeadsImported(campaign=campaign.name))
        async with asyncio.timeout(170.0):
            while not is_done(floor, len(people)):
                await clock.sleep_until(clock.now() + 0.2)
        await floor.driver.settle(DrainRequested(reason="everybody was called"))
        for task in tasks:
            task.cancel()
    return store


def is_done(floor: Floor, count: int) -> bool:
    """Whether everybody was called and every call is over."""
    return floor.engine.live_calls() == 0 and len({each.lead_id for each in attempts_of(floor.store)}) == count


def attempts_of(store: MemoryStore) -> list[Attempt]:
    """Every attempt of the campaign."""
    return list(store.attempts(None, 0.0, inf))


class Behind:
    """An adapter behind a broker: the engine's side of the contract, and a process's worth of the gateway's side."""

    def __init__(self, settings: AsteriskSettings, clock: SystemClock, port: int) -> None:
        address, log = Address(host="127.0.0.1", port=port), make_logger("warning", "json", clock)
        adapter = AsteriskGateway(settings, clock.now, log, lines=LINES, calls_per_second=CALLS_PER_SECOND)
        self._served = Serving(adapter, address, clock, log, name="west", kind="asterisk", lines=LINES)
        trunk = Trunk(name="west", lines=LINES, calls_per_second=CALLS_PER_SECOND)
        self._gateway = MqttGateway([trunk], address, clock, log, engine="main", token=1)

    async def run(self, sink: Sink) -> None:
        """Run both sides."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._served.run())
            group.create_task(self._gateway.run(sink))

    def send(self, command: GatewayCommand | DeskCommand) -> None:
        """Pass an order on."""
        self._gateway.send(command)

    async def living(self, asked: Mapping[int, float]) -> Living:
        """Ask over the broker."""
        return await self._gateway.living(asked)


def wrong_outcomes(attempts: Iterable[Attempt], records: Mapping[str, Record]) -> list[tuple[str, str | None, str]]:
    """Give the attempts whose outcome is not what the person did, or not what the detector said of who picked up."""
    wrong = []
    for each in attempts:
        expected = EXPECTED[behaviour(each.number)]
        word = records[f"dialer-call-{each.call_id}."].detector
        if word.startswith("MACHINE"):
            expected = frozenset({Outcome.MACHINE})
        elif word and Outcome.MACHINE in expected:  # a busy machine can garble a greeting: the switch's word counts
            expected = EXPECTED["2"]
        if each.outcome not in expected:
            wrong.append((each.number, each.outcome, each.cause))
    return wrong


def unheard(attempts: Iterable[Attempt], told: Sequence[Story], ear: Ear) -> list[tuple[str, str | None, object]]:
    """Give the live answers that did not hear what they had to: an agent, or the message to its end."""
    by_number = {story.number: story for story in told}
    wrong: list[tuple[str, str | None, object]] = []
    for each in attempts:
        if each.outcome not in (Outcome.CONNECTED, Outcome.ABANDONED):
            continue
        story = by_number[each.number]
        answered_at, ended_at = story.at("answer"), story.at("hangup", "bye")
        assert answered_at is not None and ended_at is not None, (each, story)
        tones = ear.tones(story.port, answered_at, ended_at + 0.1, _TONES)
        if not is_as_recorded(each, tones, story, ended_at):
            wrong.append((each.number, each.outcome, (tones, each, story)))
    return wrong


def is_as_recorded(attempt: Attempt, tones: Counter[int], story: Story, ended_at: float) -> bool:
    """Whether a person heard what is recorded: 20 ms to a frame, and the message is 1.5 s long."""
    if attempt.outcome is Outcome.CONNECTED:
        assert attempt.bridged_at is not None
        talk_s = ended_at - attempt.bridged_at
        return tones[AGENT_HZ] >= 50.0 * talk_s * 0.8 - 10 and not tones[ABANDON_HZ] and not tones[HOLD_HZ]
    if tones[AGENT_HZ]:
        return False
    return tones[ABANDON_HZ] >= 70 or story.at("hangup") is not None  # they may hang up on the message


def cdr_of(switch: Asterisk) -> dict[str, Record]:
    """Give Asterisk's own records of our calls, by channel."""
    found: dict[str, Record] = {}
    with (switch.folder / "log" / "cdr-csv" / "Master.csv").open(encoding="utf-8") as file:
        for row in csv.reader(file):
            channel = row[_CDR_ID]
            if channel.startswith("dialer-call-"):
                assert channel not in found, row
                found[channel] = Record(row[_CDR_DISPOSITION], row[_CDR_USERFIELD])
    return found
