"""Messages that are none, or that nobody had the right to send: dropped, counted, said once, and the work goes on."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.mqtt_rig import rig
from tests.servers.mosquitto import SETTINGS, Mosquitto, own_broker
from tests.servers.mqtt_client import mqtt_client

RINGING = {"type": "ringing", "v": 1, "epoch": 1, "seq": 1, "at": 1.0, "call_id": 1}
NONSENSE = (
    b"",
    b"{",
    b"null",
    b"[]",
    b"\xff\xfe\x00",
    b'{"type":"ringing"',
    b"[" * 5_000,
    b'{"a":' * 5_000,
    json.dumps(RINGING | {"v": 2}).encode(),
    json.dumps(RINGING | {"type": "rang"}).encode(),
    json.dumps(RINGING | {"seq": -1}).encode(),
    json.dumps(RINGING | {"call_id": 1 << 70}).encode(),
    json.dumps(RINGING | {"at": "now"}).encode(),
    json.dumps({key: value for key, value in RINGING.items() if key != "v"}).encode(),
)
LINES = 12  # of each gateway
HUGE = 10_000_000


@pytest.fixture
def generous_mosquitto() -> Iterator[Mosquitto]:
    """A broker that takes messages of any size."""
    yield from own_broker(SETTINGS.replace("max_packet_size 1048576", "max_packet_size 20000000"))


def log_lines(folder: Path, event: str) -> list[dict[str, Any]]:
    """What was logged of an event."""
    lines = [json.loads(line) for line in (folder / "log").read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line["event"] == event]


async def test_nonsense_on_every_topic_harms_nobody(generous_mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Whole floods of it: the first of a burst is logged, all are counted, and calls go on."""
    topics = (
        "dialer/v1/gateways/g0/events",
        "dialer/v1/gateways/g0/state",
        "dialer/v1/gateways/g0/commands",
        "dialer/v1/agents/ana/commands",
    )

    def pester() -> None:
        with mqtt_client(generous_mosquitto.port) as stranger:
            for _ in range(10):
                for topic in topics:
                    for nonsense in NONSENSE:
                        stranger.publish(topic, nonsense)
            for topic in topics:
                stranger.publish(topic, b"x" * HUGE)

    async with rig(generous_mosquitto.port, tmp_path) as floor:
        await floor.more_calls(5)
        await asyncio.to_thread(pester)
        await floor.more_calls(5)
        sent = 10 * len(NONSENSE)
        assert floor.gateway.drops.counts["malformed"] == 3 * sent
        assert floor.places["g0"].serving.drops.counts["malformed"] == sent
        await floor.finish()
        floor.check()
    assert len(log_lines(tmp_path, "message dropped")) <= 3 * len(topics)


async def test_a_gateway_cannot_speak_of_calls_that_are_not_its_own(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """News of another gateway's calls, and of calls that nobody made, changes nothing."""
    async with rig(mosquitto.port, tmp_path, gateways=2) as floor:
        await floor.kill_gateway("g1")
        await floor.more_calls(5)
        up = list(floor.places["g0"].witness.up.values())
        epoch = 1 << 50

        def lie() -> None:
            with mqtt_client(mosquitto.port) as liar:
                for seq, call_id in enumerate([*up, 999_999], start=1):
                    released = {"type": "released", "v": 1, "epoch": epoch, "seq": seq, "at": 1.0, "by": "callee"}
                    liar.publish("dialer/v1/gateways/g1/events", released | {"call_id": call_id})

        await asyncio.to_thread(lie)
        await floor.until(lambda: floor.gateway.drops.counts["unknown call"] >= 1)
        assert floor.gateway.drops.counts["another gateway's call"] <= len(up)
        await floor.more_calls(5)
        await floor.start_gateway("g1")
        await floor.finish()
        floor.check(unknown_max=LINES)  # what was ordered over it until it was missed


async def test_an_older_run_of_the_engine_is_not_obeyed(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """An order with an older token than the gateway has seen, or one that is too old, is refused and reported."""
    now = 1.0
    head = {"v": 1, "engine": "main", "issued_at": 4_000_000_000, "expires_at": None}
    place = {"type": "place", "call_id": 900_001, "campaign": "survey", "lead_id": 1, "to": "+447700900001"}

    def order(port: int) -> list[dict[str, Any]]:
        heard = []
        with mqtt_client(port, "dialer/v1/gateways/g0/events") as stranger:
            for number, changes in ((1, {"token": 0}), (2, {"token": 1, "expires_at": now})):
                stranger.publish(
                    "dialer/v1/gateways/g0/commands",
                    head | place | {"number": 100_000 + number, "ring_timeout_s": 5.0} | changes,
                )
                heard.append(stranger.wait("dialer/v1/gateways/g0/events", lambda news: news["type"] == "refused"))
        return heard

    async with rig(mosquitto.port, tmp_path) as floor:
        await floor.more_calls(3)
        refused = await asyncio.to_thread(order, mosquitto.port)
        assert [each["reason"] for each in refused] == ["older_token", "expired"]
        assert 900_001 not in floor.places["g0"].witness.placed
        await floor.more_calls(3)
        await floor.finish()
        floor.check()
