"""The link to a broker, and what it depends on of the library below it."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from dialer.daemon.clock import SystemClock
from dialer.daemon.logs import make_logger
from dialer.gateways.broker import IN_FLIGHT_MAX, Address, Incoming, Link, Outgoing
from tests.servers.mosquitto import Mosquitto
from tests.servers.wire import Wire

PATIENCE_S = 30.0


class Client:
    """A link with what it heard."""

    def __init__(self, port: int, name: str, *topics: str, acks: bool = True) -> None:
        self.heard: list[bytes] = []
        self.log = io.StringIO()
        self.acks = acks
        self.kept: list[Incoming] = []
        self.ups = self.downs = 0
        self.news = asyncio.Event()
        self.link = Link(
            Address(host="127.0.0.1", port=port),
            client_id=name,
            will=Outgoing(topic=f"will/{name}", payload=b"gone"),
            subscriptions=topics,
            on_message=self._hear,
            on_up=self._up,
            on_down=self._down,
            log=make_logger("info", "json", SystemClock(), stream=self.log),
        )

    def _hear(self, message: Incoming) -> None:
        self.heard.append(message.payload)
        self.kept.append(message)
        if self.acks:
            message.ack()
        self.news.set()

    def _up(self) -> None:
        self.ups += 1
        self.news.set()

    def _down(self) -> None:
        self.downs += 1
        self.news.set()

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(PATIENCE_S):
            while not is_so():
                self.news.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.news.wait(), 0.1)


@asynccontextmanager
async def connected(client: Client) -> AsyncIterator[Client]:
    """A client that is up, until the end."""
    work = asyncio.ensure_future(client.link.run())
    try:
        await client.until(lambda: client.link.is_up)
        yield client
    finally:
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work


async def test_what_is_published_arrives_in_order(shared_mosquitto: Mosquitto) -> None:
    """Thousands at once, few of them under way at a time."""
    port = shared_mosquitto.port
    sent = [b"%d" % number for number in range(3_000)]
    async with connected(Client(port, "order-in", "order")) as ear, connected(Client(port, "order-out")) as mouth:
        for payload in sent:
            mouth.link.publish(Outgoing(topic="order", payload=payload))
            assert len(mouth.link._in_flight) <= IN_FLIGHT_MAX
        await ear.until(lambda: len(ear.heard) >= len(sent))
        await mouth.link.flush(PATIENCE_S)
        assert mouth.link.waiting == 0
    assert ear.heard == sent


async def test_what_nobody_acknowledged_comes_again(shared_mosquitto: Mosquitto) -> None:
    """A message is acknowledged by whoever took it, not by its arrival: after a crash it comes to the next."""
    port = shared_mosquitto.port
    async with (
        connected(Client(port, "again", "again/t", acks=False)) as first,
        connected(Client(port, "again-out")) as mouth,
    ):
        for payload in (b"1", b"2", b"3"):
            mouth.link.publish(Outgoing(topic="again/t", payload=payload))
        await first.until(lambda: len(first.heard) == 3)
        first.kept[0].ack()
        await mouth.link.flush(PATIENCE_S)
    async with connected(Client(port, "again", "again/t")) as second:
        await second.until(lambda: len(second.heard) >= 2)
        assert second.heard == [b"2", b"3"]


async def test_a_lost_connection_loses_nothing(shared_mosquitto: Mosquitto) -> None:
    """What was under way is published again over the next connection, and a state is as it was set last."""
    wire = Wire(shared_mosquitto.port)
    await wire.open()
    sent = [b"%d" % number for number in range(500)]
    topics = ("cut", "cut/state")
    try:
        async with (
            connected(Client(shared_mosquitto.port, "cut-in", *topics)) as ear,
            connected(Client(wire.port, "cut-out")) as mouth,
        ):
            for rank, payload in enumerate(sent):
                mouth.link.publish(Outgoing(topic="cut", payload=payload))
                if rank % 100 == 50:
                    await mouth.until(lambda: mouth.link.is_up)
                    wire.cut()
                    mouth.link.publish(Outgoing(topic="cut/state", payload=b"state %d" % rank, retain=True))
                    await mouth.until(lambda: not mouth.link.is_up)
            await ear.until(lambda: set(sent) <= set(ear.heard) and b"state 450" in ear.heard)
            assert (mouth.downs, mouth.ups) == (5, 6)
            assert mouth.link.connections == 6
    finally:
        await wire.close()
    first_time = [payload for payload in dict.fromkeys(ear.heard) if not payload.startswith(b"state")]
    assert sorted(first_time, key=int) == sent


async def test_a_broker_that_is_not_there_is_tried_again(mosquitto: Mosquitto) -> None:
    """Started late or not, the link comes up by itself."""
    mosquitto.stop()
    client = Client(mosquitto.port, "late")
    work = asyncio.ensure_future(client.link.run())
    client.link.publish(Outgoing(topic="late", payload=b"1"))
    mosquitto.start()
    await client.until(lambda: client.link.is_up)
    await client.link.flush(PATIENCE_S)
    assert client.link.waiting == 0
    work.cancel()
    with suppress(asyncio.CancelledError):
        await work


async def test_an_error_of_whoever_listens_ends_the_link(shared_mosquitto: Mosquitto) -> None:
    """It is not swallowed by the library: `run` raises it."""
    client = Client(shared_mosquitto.port, "broken", "broken/t")
    client.heard = None  # type: ignore[assignment]  # the listener cannot append to it
    work = asyncio.ensure_future(client.link.run())
    await client.until(lambda: client.link.is_up)
    client.link.publish(Outgoing(topic="broken/t", payload=b"1"))
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.wait([work])
    assert isinstance(work.exception(), AttributeError)


async def test_who_vanishes_leaves_a_will(shared_mosquitto: Mosquitto) -> None:
    """The broker says it for them, once the connection is gone for good; who leaves in order leaves none."""
    wire = Wire(shared_mosquitto.port)
    await wire.open()
    try:
        async with connected(Client(shared_mosquitto.port, "heir", "will/#")) as ear:
            async with connected(Client(shared_mosquitto.port, "orderly")):
                pass
            async with connected(Client(wire.port, "gone")) as gone:
                wire.to_port = 1  # nothing listens there: it does not come back
                wire.cut()
                await gone.until(lambda: not gone.link.is_up)
                await ear.until(lambda: bool(ear.heard))
            assert [message.topic for message in ear.kept] == ["will/gone"]
    finally:
        await wire.close()


async def test_two_of_one_name_do_not_throw_each_other_out_all_the_time(shared_mosquitto: Mosquitto) -> None:
    """The first says that there is another one, and leaves it alone for a while: orders go to the second meanwhile."""
    port = shared_mosquitto.port
    async with (
        connected(Client(port, "twice", "twice/t")) as first,
        connected(Client(port, "twice", "twice/t")) as second,
        connected(Client(port, "twice-out")) as mouth,
    ):
        await first.until(lambda: first.downs == 1)
        said = json.loads(first.log.getvalue().splitlines()[-1])
        assert (said["level"], said["client_id"]) == ("error", "twice")
        assert "another process has this name" in said["hint"]
        sent = [b"%d" % number for number in range(500)]
        for payload in sent:
            mouth.link.publish(Outgoing(topic="twice/t", payload=payload))
        await second.until(lambda: len(second.heard) >= len(sent))
        assert (first.ups, second.ups, second.downs) == (1, 1, 0)
