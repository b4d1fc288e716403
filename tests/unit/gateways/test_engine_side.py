"""The engine's side of the contract without a broker: presence, desks, and what is given up."""

import asyncio
import io
import json
from typing import Any

from dialer.daemon.logs import make_logger
from dialer.domain.commands import OfferPreview, PlaceCall, RecordAgent
from dialer.domain.events import AgentLoggedIn, AgentReadied, CallFailed, CallReleased, Event, LinesChanged
from dialer.domain.outcome import Outcome
from dialer.domain.records import AgentRecord
from dialer.gateways.broker import Address, Incoming, Outgoing
from dialer.gateways.desks import SAME_S, Desks
from dialer.gateways.drops import Drops
from dialer.gateways.mqtt import GIVE_UP_S, LOOK_S, MqttGateway, Trunk
from dialer.gateways.remote import LOST_S
from tests.parity import virtual

START_AT = 1_773_100_800.0


class Ears:
    """Takes events, and tells when they are kept."""

    def __init__(self) -> None:
        self.heard: list[Event] = []
        self.kept: list[Any] = []

    def __call__(self, event: Event, kept: Any = None) -> None:
        self.heard.append(event)
        self.kept.append(kept)


class LoopClock:
    """The time of the running loop."""

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep_until(self, at: float) -> None:
        await asyncio.sleep(0)


def log() -> Any:
    """A logger that nobody reads."""
    return make_logger("info", "json", stream=io.StringIO())


def place(call_id: int) -> PlaceCall:
    """An order to dial."""
    return PlaceCall(
        call_id=call_id,
        campaign="survey",
        lead_id=call_id,
        number="+447700900001",
        ring_timeout_s=20.0,
        caller_id=None,
        agent_id=None,
    )


def incoming(topic: str, message: dict[str, Any], acks: list[str]) -> Incoming:
    """A message as the broker brings it."""
    return Incoming(topic, json.dumps(message).encode(), False, {}, lambda: acks.append(topic))


def test_a_gateway_that_stays_lost_is_given_up() -> None:
    """Without lines nothing is dialed over it; after ten minutes its calls are of unknown fate."""
    ears = Ears()

    async def run() -> None:
        clock = LoopClock()
        trunks = [Trunk(name="north", lines=4, calls_per_second=4.0)]
        gateway = MqttGateway(trunks, Address(host="127.0.0.1", port=9), clock, log(), engine="main", token=1)
        work = asyncio.ensure_future(gateway._look_regularly())
        gateway._sink, gateway._has_begun = ears, True
        remote = gateway.remotes["north"]
        remote.is_present, remote.answered_at = True, clock.now()
        gateway.send(place(1))
        await _pass(LOST_S + 1.0)
        gateway.send(place(2))
        await _pass(GIVE_UP_S + LOST_S)
        work.cancel()

    virtual.run(run(), START_AT)
    told = [event for event in ears.heard if not isinstance(event, LinesChanged)]
    assert [event.lines for event in ears.heard if isinstance(event, LinesChanged)] == [0]
    assert isinstance(told[0], CallFailed)
    assert (told[0].call_id, told[0].outcome) == (2, Outcome.CANCELLED)
    assert isinstance(told[1], CallReleased)
    assert (told[1].call_id, told[1].by) == (1, "unknown")
    assert len(told) == 2


async def _pass(seconds: float) -> None:
    """Let virtual time go on."""
    done = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds + LOOK_S, done.set)
    await done.wait()


def test_a_new_life_is_asked_what_is_up_however_it_is_noticed() -> None:
    """Its news may come before its state: it is pinged at once, and nothing is dialed over it until it has answered."""

    async def run() -> None:
        clock = LoopClock()
        trunks = [Trunk(name="north", lines=4, calls_per_second=4.0)]
        gateway = MqttGateway(trunks, Address(host="127.0.0.1", port=9), clock, log(), engine="main", token=1)
        remote = gateway.remotes["north"]
        remote.is_present, remote.answered_at, remote.settled_epoch = True, clock.now(), 1
        remote.sequence.begin(1)
        news = {"type": "ringing", "v": 1, "epoch": 2, "seq": 1, "at": clock.now(), "call_id": 7}
        state = {"type": "gateway_state", "v": 1, "gateway": "north", "status": "online", "epoch": 2}
        gateway.take(incoming("dialer/v1/gateways/north/events", news, []))
        assert remote.sequence.epoch == 2 and remote.lines == 4 and not gateway._link.waiting
        gateway.take(incoming("dialer/v1/gateways/north/state", state | {"kind": "asterisk", "lines": 4}, []))
        assert remote.lines == 0
        (ping,) = gateway._link._outbox
        assert json.loads(ping.payload)["type"] == "ping"

    virtual.run(run(), START_AT)


def test_what_an_agent_says_is_taken_once_and_by_the_engine_that_is_meant() -> None:
    """The same id again is acknowledged when the first is durable; another engine's is left alone."""
    ears, acks = Ears(), list[str]()
    topic = "dialer/v1/agents/ana/commands"

    async def run() -> None:
        desks = Desks("main", LoopClock(), Drops(log()), lambda message: None)

        def say(number: str, said: dict[str, Any], **more: Any) -> None:
            message = {"type": "agent_command", "v": 1, "id": number, "said": said} | more
            desks.take(incoming(topic, message, acks), ears)

        say("1", {"type": "log_in", "groups": ["floor"]})
        say("1", {"type": "log_in", "groups": ["floor"]})
        assert acks == []
        ears.kept[0]()
        assert len(acks) == 2
        say("1", {"type": "log_in", "groups": ["floor"]})
        assert len(acks) == 3
        say("2", {"type": "ready"}, engine="other")
        assert len(acks) == 4
        say("2", {"type": "ready"}, engine="main")
        await _pass(SAME_S)
        say("1", {"type": "ready"})

    virtual.run(run(), START_AT)
    assert ears.heard == [
        AgentLoggedIn(agent_id="ana", groups=("floor",)),
        AgentReadied(agent_id="ana"),
        AgentReadied(agent_id="ana"),
    ]


def test_a_page_that_runs_wild_is_slowed_down() -> None:
    """Ten messages at once and ten a second are heard; what is more is dropped and acknowledged."""
    ears, acks = Ears(), list[str]()

    async def run() -> None:
        desks = Desks("main", LoopClock(), Drops(log()), lambda message: None)
        for second in range(2):
            for number in range(50):
                said = {"type": "agent_command", "v": 1, "id": f"{second}-{number}", "said": {"type": "ready"}}
                desks.take(incoming("dialer/v1/agents/ana/commands", said, acks), ears)
            await _pass(1.0)

    virtual.run(run(), START_AT)
    assert len(ears.heard) == 20
    assert len(acks) == 80


def test_an_offer_is_shown_with_the_agent_until_it_is_answered() -> None:
    """The lead with its end; gone when the agent is on a call or free again."""
    shown: list[dict[str, Any]] = []

    async def run() -> None:
        desks = Desks("main", LoopClock(), Drops(log()), lambda message: shown.append(_read(message)))
        reserved = AgentRecord(agent_id="ana", groups=("floor",), state="reserved", reason="", since_at=1.0)
        offer = OfferPreview(agent_id="ana", campaign="survey", lead_id=7, expires_at=60.0)
        desks.observe([RecordAgent(agent=reserved), offer])
        free = AgentRecord(agent_id="ana", groups=("floor",), state="ready", reason="", since_at=2.0)
        desks.observe([RecordAgent(agent=free)])

    virtual.run(run(), START_AT)
    assert [each["offer"] for each in shown] == [{"campaign": "survey", "lead_id": 7, "expires_at": 60.0}, None]


def _read(message: Outgoing) -> dict[str, Any]:
    assert message.retain
    found: dict[str, Any] = json.loads(message.payload)
    return found
