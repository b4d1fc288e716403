"""A plain MQTT 5 client for tests: it publishes what it is told and keeps everything that it hears."""

import json
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

WAIT_S = 30.0


class MqttClient:
    """Connected until closed; `heard` has every message in order."""

    def __init__(
        self,
        port: int,
        *topics: str,
        user: str | None = None,
        password: str | None = None,
        ca_file: Path | None = None,
    ) -> None:
        self.heard: list[paho.MQTTMessage] = []
        self.granted: list[Any] = []
        self.is_refused = False
        self._news: queue.Queue[paho.MQTTMessage] = queue.Queue()
        self._subscribed = threading.Event()
        self._topics = topics
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        if user is not None:
            self._client.username_pw_set(user, password)
        if ca_file is not None:
            self._client.tls_set(str(ca_file))
        self._client.on_connect = self._connected
        self._client.on_subscribe = self._granted
        self._client.on_message = self._hear
        self._client.connect("127.0.0.1", port, clean_start=True)
        self._client.loop_start()
        assert self._subscribed.wait(WAIT_S), "the broker did not answer"

    def publish(self, topic: str, payload: bytes | dict[str, Any], *, retain: bool = False) -> int:
        """Publish with QoS 1; give the broker's reason code."""
        data = json.dumps(payload).encode() if isinstance(payload, dict) else payload
        told: queue.Queue[int] = queue.Queue()

        def published(_: Any, __: Any, mid: int, reason: Any, ___: Any) -> None:
            told.put(reason.value)

        self._client.on_publish = published
        properties = Properties(PacketTypes.PUBLISH)
        self._client.publish(topic, data, qos=1, retain=retain, properties=properties)
        return told.get(timeout=WAIT_S)

    def wait(self, topic: str, is_it: Callable[[dict[str, Any]], bool] = lambda message: True) -> dict[str, Any]:
        """Wait for a message on a topic; give its payload."""
        while True:
            message = self._news.get(timeout=WAIT_S)
            if message.topic == topic:
                payload: dict[str, Any] = json.loads(message.payload)
                if is_it(payload):
                    return payload

    def close(self) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()

    def _connected(self, client: paho.Client, _: Any, __: Any, reason: Any, ___: Any) -> None:
        if reason.is_failure or not self._topics:
            self.is_refused = reason.is_failure
            self._subscribed.set()
        else:
            client.subscribe([(topic, 1) for topic in self._topics])

    def _granted(self, _: Any, __: Any, ___: int, reasons: Any, ____: Any) -> None:
        self.granted = [reason.value for reason in reasons]
        self._subscribed.set()

    def _hear(self, _: Any, __: Any, message: paho.MQTTMessage) -> None:
        self.heard.append(message)
        self._news.put(message)


@contextmanager
def mqtt_client(
    port: int, *topics: str, user: str | None = None, password: str | None = None, ca_file: Path | None = None
) -> Iterator[MqttClient]:
    """A client that leaves at the end."""
    client = MqttClient(port, *topics, user=user, password=password, ca_file=ca_file)
    try:
        yield client
    finally:
        client.close()
