"""A connection to an MQTT broker that comes back by itself. The only module that knows the MQTT library.

One rule governs this module: nothing is taken for delivered before it is. What is published waits here, in order, until
the broker has acknowledged it, over as many connections as that takes; what is received is acknowledged by whoever
took it, when it is safe. Both may therefore come twice, and the contract's readers expect that.

Of the library (aiomqtt 2.5 on paho) this depends on, and tests hold it to: a new client for each connection, since one
that lost its link may call itself connected; acknowledgement by hand, since by default a message is acknowledged before
anybody has seen it; few publications at a time, since each costs time in proportion to the others.
"""

import asyncio
import logging
import random
import socket
import ssl
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field
from functools import lru_cache
from math import inf
from pathlib import Path
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from structlog.typing import FilteringBoundLogger

from dialer.errors import DialerError
from dialer.gateways.contract import CONTENT_TYPE, PAYLOAD_MAX
from dialer.gateways.sealing import guess_for, hint_for

IN_FLIGHT_MAX = 100
OUTBOX_MAX = 100_000
RECEIVE_MAX = 1000  # messages that the broker sends ahead of their acknowledgement
KEEPALIVE_S = 4
STALL_MIN_S = 3.0
STALL_TRIPS = 3.0
"""A broker that has not acknowledged the oldest publication for so long, and for so many round trips as the connection
took to begin, is taken for gone: a dead link says nothing."""
CONNECT_S = 5.0
AGAIN_MIN_S = 0.1
AGAIN_MAX_S = 2.0
TAKEN_AGAIN_S = 15.0
"""Who was thrown out by another client of its own name comes back this late: two that did so at once, many times a
second, would leave neither of them able to work."""
WILL_DELAY_S = 5
SESSION_S = 12 * 3600
_LOOK_S = 0.5
# Reasons of MQTT 5 for the end of a connection, or for none.
_TAKEN_OVER = 0x8E
_REFUSED = (0x86, 0x87)


class BrokerError(DialerError):
    """A file without which nothing can be encrypted cannot be used; `key` names it in [broker]."""

    exit_code = 3

    def __init__(self, key: str, *, expected: str, found: str, hint: str) -> None:
        super().__init__(f"{key}: expected {expected}, found {found}; {hint}")
        self.key = key
        self.expected = expected
        self.found = found
        self.hint = hint


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the broker is, and who we are to it. With `ca_file` the connection is encrypted."""

    host: str
    port: int
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    def tls(self) -> ssl.SSLContext | None:
        """Give how to encrypt, or None; raise BrokerError when a file cannot be used."""
        if self.ca_file is None:
            return None
        try:
            context = ssl.create_default_context(cafile=str(self.ca_file))
        except OSError as error:
            wanted = f"certificates in PEM form in {self.ca_file}"
            found, hint = _unusable(error, "name the certificate of the authority that signed the broker's")
            raise BrokerError("broker.ca_file", expected=wanted, found=found, hint=hint) from None
        if self.cert_file is not None:
            try:
                context.load_cert_chain(self.cert_file, self.key_file, password="")  # or OpenSSL would ask a terminal
            except OSError as error:
                wanted = f"a certificate in {self.cert_file} and its key, without a passphrase, in {self.key_file}"
                found, hint = _unusable(error, "both in PEM form, the key in key_file")
                raise BrokerError("broker.cert_file", expected=wanted, found=found, hint=hint) from None
        return context

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def _unusable(error: OSError, otherwise: str) -> tuple[str, str]:
    """Say what stands where a certificate or a key should, and what to do; of OpenSSL's words nobody learns more."""
    if isinstance(error, ssl.SSLError):
        return "something else", otherwise
    return (error.strerror or str(error)).lower(), "let the user who runs this read it"


@lru_cache(maxsize=64)
def _plain(packet: int, expires_s: int | None) -> Properties:
    """Give what all messages have in common: to make it anew costs as much as all the rest of a publication."""
    given = Properties(packet)  # type: ignore[no-untyped-call]
    given.ContentType = CONTENT_TYPE
    given.PayloadFormatIndicator = 1
    if expires_s is not None:
        given.MessageExpiryInterval = expires_s
    return given


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message to publish. `expires_s`: the broker throws it away when it could not deliver it for so long."""

    topic: str
    payload: bytes
    retain: bool = False
    expires_s: int | None = None
    user: tuple[tuple[str, str], ...] = ()

    def properties(self, packet: int = PacketTypes.PUBLISH) -> Properties:
        """Give the properties that travel with it."""
        given = copy(_plain(packet, self.expires_s))
        if self.user:
            given.UserProperty = list(self.user)
        return given


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message received. Whoever took it calls `ack` when it need not come again."""

    topic: str
    payload: bytes
    retain: bool
    user: dict[str, str]
    ack: Callable[[], None]


class _Library(logging.Handler):
    """Keeps what the library said last, which without a handler would go to stderr, beside the log."""

    def __init__(self) -> None:
        super().__init__()
        self.said = ""
        self.logger = logging.Logger("mqtt", logging.WARNING)
        self.logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line."""
        self.said = record.getMessage()


class Link:
    """One client of a broker, over all its connections.

    `subscriptions` are taken anew on each. `on_message` must not raise for what is in a message: what it raises ends
    `run`. `will` is published by the broker when the connection breaks and does not come back in time.
    """

    def __init__(
        self,
        address: Address,
        *,
        client_id: str,
        will: Outgoing,
        subscriptions: tuple[str, ...],
        on_message: Callable[[Incoming], None],
        on_up: Callable[[], None],
        on_down: Callable[[], None],
        log: FilteringBoundLogger,
    ) -> None:
        self._address = address
        self._client_id = client_id
        self._will = will
        self._subscriptions = subscriptions
        self._on_message = on_message
        self._on_up = on_up
        self._on_down = on_down
        self._log = log
        self._tls = address.tls()
        self._outbox: deque[Outgoing] = deque()
        self._kept: dict[str, Outgoing] = {}  # the last retained message of each topic
        self._in_flight: dict[asyncio.Task[None], Outgoing] = {}  # in the order of publication
        self._oldest: asyncio.Task[None] | None = None
        self._looks = 0  # at the same oldest publication
        self._stall_s = STALL_MIN_S
        self._client: aiomqtt.Client | None = None  # set once everything is subscribed
        self._receiver: aiomqtt.Client | None = None
        self._fault: BaseException | None = None
        self._library = _Library()
        self._emptied = asyncio.Event()
        self.dropped = 0  # published and thrown away here, because nothing could be delivered for too long
        self.connections = 0
        self.turns = 0  # connections tried and publications acknowledged: it grows as long as this client is at work

    @property
    def is_up(self) -> bool:
        """Connected and subscribed."""
        return self._client is not None

    @property
    def waiting(self) -> int:
        """Publications that the broker has not acknowledged."""
        return len(self._outbox) + len(self._in_flight)

    def publish(self, message: Outgoing) -> None:
        """Publish, now or when there is a connection again; never blocks.

        Of a retained topic only the last message counts. When too much waits, the oldest is thrown away and counted.
        """
        if message.retain:
            self._kept[message.topic] = message
            if self._client is None:
                return
        elif len(self._outbox) >= OUTBOX_MAX:
            self._outbox.popleft()
            self.dropped += 1
        self._outbox.append(message)
        self._pump()

    async def run(self) -> None:
        """Stay connected until cancelled."""
        again_s = AGAIN_MIN_S
        is_told = False
        while True:
            self.turns += 1
            try:
                await self._connection()
            except aiomqtt.MqttError as error:
                if not is_told or self._client is not None:
                    self._tell_lost(error)
                is_told = True
                if self._client is not None:
                    again_s = TAKEN_AGAIN_S if _code(error) == _TAKEN_OVER else AGAIN_MIN_S
            finally:
                await self._down()
            await asyncio.sleep(again_s * random.uniform(0.5, 1.5))
            again_s = min(again_s * 2.0, AGAIN_MAX_S)

    async def flush(self, limit_s: float) -> None:
        """Return when everything published is acknowledged, or after `limit_s`."""
        self._emptied.clear()
        if self._client is not None and self.waiting:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._emptied.wait(), limit_s)

    # ------------------------------------------------------------------------------------------ one connection
    async def _connection(self) -> None:
        """Connect, subscribe and stay until the connection is lost; leave in order when cancelled."""
        client = self._receiver = self._new_client()
        async with client:
            began = asyncio.get_running_loop().time()
            if self._subscriptions:
                granted = await client.subscribe([(topic, 1) for topic in self._subscriptions])
                self._tell_refused(granted)
            trip_s = asyncio.get_running_loop().time() - began
            self._stall_s = max(STALL_MIN_S, STALL_TRIPS * trip_s)
            self._client = client
            self.connections += 1
            self._log.info("broker connected", broker=str(self._address), connections=self.connections)
            self._outbox.extendleft(reversed([self._kept[topic] for topic in self._kept]))
            self._on_up()
            self._pump()
            lost = asyncio.ensure_future(_until_lost(client))
            try:
                while not lost.done():
                    await asyncio.wait([lost], timeout=_LOOK_S)
                    if self._fault is not None:
                        raise self._fault
                    self._look(client)
                lost.result()
            finally:
                lost.cancel()

    def _tell_lost(self, error: aiomqtt.MqttError) -> None:
        """Say why there is no connection, and what to do about what does not pass by itself."""
        broker, cause, code = str(self._address), str(error.__cause__ or error) or repr(error), _code(error)
        if self._client is None and self._library.said:
            cause = f"{cause}: {self._library.said}"
        if code == _TAKEN_OVER:
            hint = "another process has this name on the broker: end one, or give it a name of its own"
            self._log.error("broker lost", broker=broker, error=cause, client_id=self._client_id, hint=hint)
        elif code in _REFUSED:
            hint = f"compare user and password with the broker's, and its rights with the topic {self._will.topic}"
            self._log.error("broker refuses", broker=broker, error=cause, user=self._address.user, hint=hint)
        elif sealing := hint_for(cause, is_sealed=self._tls is not None):
            self._log.error("broker lost", broker=broker, error=cause, hint=sealing)
        else:
            guess = None if self.connections else guess_for(cause, is_sealed=self._tls is not None)
            self._log.warning("broker lost", broker=broker, error=cause, **({"hint": guess} if guess else {}))

    def _tell_refused(self, granted: Iterable[Any]) -> None:
        """Say which topics the broker does not let us hear: nothing works without them, and nothing else says so."""
        for topic, reason in zip(self._subscriptions, granted, strict=True):
            if getattr(reason, "is_failure", False):
                user = self._address.user
                self._log.error("subscription refused", topic=topic, user=user, reason=str(reason), hint="see the ACL")

    def _new_client(self) -> aiomqtt.Client:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = SESSION_S
        properties.ReceiveMaximum = RECEIVE_MAX
        properties.MaximumPacketSize = PAYLOAD_MAX + 4096
        will_properties = self._will.properties(PacketTypes.WILLMESSAGE)
        will_properties.WillDelayInterval = WILL_DELAY_S
        client: aiomqtt.Client | None = None

        class Handover(asyncio.Queue[aiomqtt.Message]):
            """Hands a message over in the callback that read it: no task and no queue between."""

            def put_nowait(queue, message: aiomqtt.Message) -> None:  # noqa: N805
                """Take a message that was read."""
                assert client is not None
                self._take(client, message)

        self._library = _Library()
        client = aiomqtt.Client(
            self._address.host,
            self._address.port,
            username=self._address.user,
            password=self._address.password,
            identifier=self._client_id,
            protocol=aiomqtt.ProtocolVersion.V5,
            will=aiomqtt.Will(self._will.topic, self._will.payload, 1, self._will.retain, will_properties),
            timeout=CONNECT_S,
            keepalive=KEEPALIVE_S,
            clean_start=False,
            properties=properties,
            max_inflight_messages=IN_FLIGHT_MAX,
            tls_context=self._tls,
            logger=self._library.logger,
            queue_type=Handover,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        )
        client.pending_calls_threshold = 2 * IN_FLIGHT_MAX
        client._client.manual_ack_set(True)
        return client

    def _take(self, client: aiomqtt.Client, message: aiomqtt.Message) -> None:
        paho = client._client

        def ack() -> None:
            if message.qos and self._receiver is client:
                paho.ack(message.mid, message.qos)

        given: list[tuple[str, str]] = getattr(message.properties, "UserProperty", [])
        try:
            self._on_message(Incoming(str(message.topic), message.payload, message.retain, dict(given), ack))
        except Exception as error:
            # The library would log it and go on; whoever awaits `run` is told instead.
            self._fault = self._fault or error

    def _look(self, client: aiomqtt.Client) -> None:
        """Cut a connection on which nothing is acknowledged any more.

        Looks are counted, not seconds: when this process itself stood still, what came meanwhile is not read yet.
        """
        oldest = next(iter(self._in_flight), None)
        self._looks = self._looks + 1 if oldest is not None and oldest is self._oldest else 0
        self._oldest = oldest
        if self._looks * _LOOK_S >= self._stall_s:
            link: Any = client._client.socket()
            if link is not None:
                self._log.warning("broker silent", broker=str(self._address), for_s=self._stall_s)
                with suppress(OSError):
                    link.shutdown(socket.SHUT_RDWR)

    def _pump(self) -> None:
        """Hand publications to the connection while it may have more in flight."""
        client = self._client
        if client is None:
            return
        loop = asyncio.get_running_loop()
        while self._outbox and len(self._in_flight) < IN_FLIGHT_MAX:
            message = self._outbox.popleft()
            task = loop.create_task(self._deliver(client, message))
            self._in_flight[task] = message
            task.add_done_callback(self._delivered)

    async def _deliver(self, client: aiomqtt.Client, message: Outgoing) -> None:
        await client.publish(
            message.topic, message.payload, qos=1, retain=message.retain, properties=message.properties(), timeout=inf
        )

    def _delivered(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or task.exception() is not None:
            return  # the connection ends, and `_down` puts the message back
        self._in_flight.pop(task, None)
        self.turns += 1
        if not self.waiting:
            self._emptied.set()
        self._pump()

    async def _down(self) -> None:
        """Take back what was not acknowledged, in front of what came later."""
        was_up, self._client, self._receiver = self._client is not None, None, None
        tasks = list(self._in_flight)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        back = [message for message in self._in_flight.values() if not message.retain]
        self._in_flight.clear()
        self._outbox = deque([*back, *(message for message in self._outbox if not message.retain)])
        if was_up:
            self._on_down()


async def _until_lost(client: aiomqtt.Client) -> None:
    """Raise MqttError when the connection is lost; nothing is ever queued here."""
    async for _ in client.messages:
        pass


def _code(error: aiomqtt.MqttError) -> int | None:
    """Give the broker's reason, or None: the library keeps that of a connection that ended as the error's cause."""
    told = error if isinstance(error, aiomqtt.MqttCodeError) else error.__cause__
    reason = told.rc if isinstance(told, aiomqtt.MqttCodeError) else None
    return reason.value if isinstance(reason, ReasonCode) else None
