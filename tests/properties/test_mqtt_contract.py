"""The contract under any input: what is read is valid to the last field, and no message can harm engine or gateway."""

import asyncio
import io
import json
from collections.abc import Callable
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialer.daemon.clock import SystemClock
from dialer.daemon.logs import make_logger
from dialer.domain.events import CampaignLoaded, Event, LawLoaded
from dialer.domain.living import LivingState
from dialer.domain.outcome import Outcome
from dialer.engine.engine import Engine
from dialer.gateways import contract
from dialer.gateways.broker import Address, Incoming
from dialer.gateways.contract import Malformed
from dialer.gateways.loopback import LoopbackGateway
from dialer.gateways.mqtt import MqttGateway, Trunk
from dialer.gateways.serving import Serving
from dialer.simulator.scenario import DEFAULT_WORLD, load_world
from dialer.simulator.world import World
from dialer.storage.codec import encode_entry
from tests.laws import open_law
from tests.parity.floor import policy

REFS, COMPONENTS = contract.schemas()
ADDRESS = Address(host="127.0.0.1", port=1)
_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def of_schema(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values of a schema of the contract, its limits included."""
    if "$ref" in schema:
        return st.deferred(lambda: of_schema(COMPONENTS[schema["$ref"].rpartition("/")[2]]))
    if "anyOf" in schema:
        return st.one_of([of_schema(each) for each in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "integer":
            return st.integers(schema.get("minimum", 0), schema.get("exclusiveMaximum", 1 << 53) - 1) | st.integers(
                1, 9
            )
        case "number":
            return st.floats(schema.get("minimum", 0), schema.get("maximum", 1e9))
        case "boolean":
            return st.booleans()
        case "string" if "[1-9]" in schema.get("pattern", ""):
            return st.integers(10, 99).map(lambda last: f"+4477009000{last}")
        case "string":
            text = st.text(
                st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/+#"),
                min_size=schema.get("minLength", 0),
                max_size=min(schema.get("maxLength", 64), 64),
            )
            return text | st.sampled_from(["survey", "agent-001", "ana"])
        case "array":
            return st.lists(of_schema(schema["items"]), max_size=4)
        case "object" if "properties" in schema:
            fields = {name: of_schema(each) for name, each in schema["properties"].items()}
            needed = {name: fields.pop(name) for name in schema["required"]}
            return st.fixed_dictionaries(needed, optional=fields)
        case "object":
            return st.dictionaries(st.sampled_from(["ready", "dials"]), of_schema(schema["additionalProperties"]))
        case _:
            return st.none()


MESSAGES = {name: of_schema(ref) for name, ref in REFS.items()}


@pytest.mark.parametrize("name", sorted(REFS))
def test_a_message_of_the_schema_is_read_and_written_alike(name: str) -> None:
    """What the schema allows can be read, and comes out as it went in."""
    kind = next(each for each in contract.MESSAGES if each.__name__ == name)

    @settings(max_examples=25)
    @given(MESSAGES[name])
    def check(message: dict[str, Any]) -> None:
        read = msgspec.json.decode(json.dumps(message), type=kind)
        written = json.loads(contract.encode(read))
        jsonschema.validate(written, {"$ref": REFS[name]["$ref"], "components": {"schemas": COMPONENTS}})
        assert msgspec.json.decode(json.dumps(written), type=kind) == read

    check()


@given(st.binary(max_size=300) | _ANYTHING.map(lambda value: json.dumps(value).encode()))
def test_anything_else_is_refused_in_one_way(data: bytes) -> None:
    """Whatever comes, it is a message of the contract or Malformed."""
    for decoder in (contract.ORDERS, contract.REPORTS, contract.GATEWAY_STATES, contract.AGENT_COMMANDS):
        with pytest.raises(Malformed):
            contract.decode(decoder, data)


async def engine_side(feed: Callable[[MqttGateway], None]) -> None:
    """Give messages to the engine's side, and what comes of them to an engine whose journal is written."""
    clock = SystemClock()
    log = make_logger("info", "json", stream=io.StringIO())
    engine = Engine(lines=4, calls_per_second=4.0)
    seq = 0

    def hear(event: Event, kept: Callable[[], None] | None = None) -> None:
        nonlocal seq
        seq += 1
        encode_entry(seq, clock.now(), event, engine.handle(event, clock.now()))
        if kept is not None:
            kept()

    hear(LawLoaded(law=open_law()))
    hear(CampaignLoaded(policy=policy()))
    gateway = MqttGateway(
        [Trunk(name="north", lines=4, calls_per_second=4.0)], ADDRESS, clock, log, engine="main", token=1
    )
    work = asyncio.ensure_future(gateway.run(hear))
    await asyncio.sleep(0)
    feed(gateway)
    work.cancel()
    await asyncio.wait([work])


def incoming(topic: str, message: dict[str, Any], acks: list[str]) -> Incoming:
    """A message as the broker brings it."""
    return Incoming(topic, json.dumps(message).encode(), False, {}, lambda: acks.append(topic))


REPORTS = st.one_of([MESSAGES[name] for name in REFS if name not in ("EngineState", "CampaignState", "AgentState")])


@settings(max_examples=60)
@given(st.lists(REPORTS, max_size=25))
def test_no_message_harms_the_engine(messages: list[dict[str, Any]]) -> None:
    """Valid messages without sense or order, on every topic: no exception, and the journal can be written."""
    acks: list[str] = []

    def feed(gateway: MqttGateway) -> None:
        for message in messages:
            for topic in ("gateways/north/events", "gateways/north/state", "agents/ana/commands"):
                gateway.take(incoming(f"dialer/v1/{topic}", message, acks))

    asyncio.run(engine_side(feed))


@settings(max_examples=60)
@given(st.lists(st.one_of([MESSAGES[each.__name__] for each in contract.Order.__args__]), max_size=25))
def test_no_order_harms_a_gateway(messages: list[dict[str, Any]]) -> None:
    """Valid orders without sense or order: each is acknowledged, and the telephone network lives on."""
    acks: list[str] = []

    async def feed() -> None:
        clock = SystemClock()
        log = make_logger("info", "json", stream=io.StringIO())
        world = World(load_world(DEFAULT_WORLD), [policy()], seed=1, start_at=clock.now(), agents=2, is_open=True)
        inner = LoopbackGateway(world, clock)
        serving = Serving(inner, ADDRESS, clock, log, name="north", kind="loopback", lines=4)
        for message in messages:
            serving.take(incoming("dialer/v1/gateways/north/commands", message, acks))
        world.advance(clock.now() + 3600.0)

    asyncio.run(feed())
    assert len(acks) == len(messages)


@pytest.mark.parametrize("end", ["\n", "\x00", "/x", "+", "#", "x" * 64])
def test_what_stands_in_topics_and_headers_is_clean(end: str) -> None:
    """A name with a line break, a separator or a wildcard in it, or too long a one, is none; nor is such a number."""
    head = {"v": 1, "engine": "main", "token": 1, "number": 1, "issued_at": 1.0}
    place = {"type": "place", "call_id": 1, "campaign": "survey", "lead_id": 1, "to": "+447700900001"}
    good = head | place | {"ring_timeout_s": 20.0}
    assert contract.decode(contract.ORDERS, json.dumps(good).encode())
    for field in ("engine", "campaign", "to"):
        bad = good | {field: str(good[field]) + end}
        with pytest.raises(Malformed):
            contract.decode(contract.ORDERS, json.dumps(bad).encode())
    assert not contract.is_name("ana" + end)


def test_the_words_for_outcomes_and_states_are_the_dialers() -> None:
    """The schema names every outcome and every state of a call that is up, and no other."""
    assert set(COMPONENTS["Outcome"]["enum"]) == {str(each) for each in Outcome}
    assert set(COMPONENTS["LivingState"]["enum"]) == {str(each) for each in LivingState}
