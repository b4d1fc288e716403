"""Asterisk's REST interface: requests over kept-alive HTTP, events over one WebSocket.

One rule governs this module: it carries and never interprets. The application exists in Asterisk only while the
WebSocket is open, so nothing may be dialed without one.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec

from dialer.errors import DialerError

Event = dict[str, Any]
Json = Any

HEARTBEAT_S = 3.0
"""How often the WebSocket is probed: a connection that swallows everything is soon given up."""
REQUEST_S = 5.0
CONNECTIONS_MAX = 32
EVENT_BYTES_MAX = 1 << 20
QUIET = ("ChannelVarset", "ChannelDialplan", "ChannelConnectedLine", "ChannelCallerId", "DeviceStateChanged")
"""Events that say nothing to a dialer, and would be half of all: Asterisk is told to keep them."""


class AriLost(Exception):
    """No answer came: nobody knows whether the request was carried out."""


class AriRefused(Exception):
    """Asterisk answered that it would not."""

    def __init__(self, status: int, what: str) -> None:
        super().__init__(f"Asterisk answered {status}: {what}")
        self.status = status


class AriDenied(DialerError):
    """Asterisk does not know the user, or the password is another."""

    exit_code = 3


class Ari:
    """One user's way into one Asterisk, as one application."""

    def __init__(self, url: str, user: str, password: str, app: str) -> None:
        self.url = url.rstrip("/") + "/ari"
        self.app = app
        self._headers = {"Authorization": aiohttp.encode_basic_auth(user, password)}
        self._http: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def session(self) -> AsyncIterator[None]:
        """Keep the connections for requests while the block runs."""
        connector = aiohttp.TCPConnector(limit=CONNECTIONS_MAX, keepalive_timeout=30.0)
        timeout = aiohttp.ClientTimeout(total=REQUEST_S)
        async with aiohttp.ClientSession(headers=self._headers, connector=connector, timeout=timeout) as http:
            self._http = http
            try:
                yield
            finally:
                self._http = None

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[AsyncIterator[Event]]:
        """Open the WebSocket, and with it the application; iterate over the events until it is lost. Raises AriLost."""
        try:
            socket = await self._session.ws_connect(
                f"{self.url}/events",
                params={"app": self.app},
                heartbeat=HEARTBEAT_S,
                max_msg_size=EVENT_BYTES_MAX,
                timeout=aiohttp.ClientWSTimeout(ws_close=0.2),
            )
        except aiohttp.WSServerHandshakeError as error:
            if error.status in (401, 403):
                raise self._denied() from None
            raise AriLost(f"Asterisk answered {error.status}") from None
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise AriLost(_said(error)) from None
        try:
            await self.request("PUT", f"applications/{self.app}/eventFilter", body=_FILTER)
            yield _events(socket)
        finally:
            await socket.close()

    async def request(
        self, method: str, path: str, params: Mapping[str, str | int] | None = None, body: Json = None
    ) -> Json:
        """Ask for something. Raises AriRefused when Asterisk says no, AriLost when it says nothing."""
        data = None if body is None else msgspec.json.encode(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            async with self._session.request(
                method, f"{self.url}/{path}", params=params, data=data, headers=headers
            ) as answer:
                text = await answer.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise AriLost(_said(error)) from None
        if answer.status == 401:
            raise self._denied()
        if answer.status >= 400:
            raise AriRefused(answer.status, text[:200].decode("utf-8", "replace"))
        return msgspec.json.decode(text) if text else None

    @property
    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            raise AriLost("no session")
        return self._http

    def _denied(self) -> AriDenied:
        return AriDenied(
            f"Asterisk at {self.url} refused the user or the password: compare ari.conf with [asterisk] in gateway.toml"
        )


_FILTER = {"disallowed": [{"type": kind} for kind in QUIET]}


async def _events(socket: aiohttp.ClientWebSocketResponse) -> AsyncIterator[Event]:
    """Give events until the connection is lost; what is no JSON object is dropped."""
    async for message in socket:
        if message.type is not aiohttp.WSMsgType.TEXT:
            continue
        try:
            event = msgspec.json.decode(message.data)
        except msgspec.DecodeError:
            continue
        if isinstance(event, dict):
            yield event


def _said(error: BaseException) -> str:
    return "no answer in time" if isinstance(error, asyncio.TimeoutError) else str(error) or type(error).__name__
