"""A switch that talks nonsense: whatever it says, the gateway lives, and reports nothing that is not so."""

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiohttp import WSMsgType, web
from hypothesis import given, settings
from hypothesis import strategies as st

from dialer.daemon.logs import make_logger
from dialer.domain.events import CallFailed, LinesChanged
from dialer.gateways.asterisk.adapter import HANDLED, AsteriskGateway
from dialer.gateways.asterisk.settings import AsteriskSettings
from tests.integration.asterisk_desk import WAIT_S, Line, at_work, order

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_CHANNEL = st.fixed_dictionaries(
    {"id": st.sampled_from(["dialer-call-1.", "dialer-call-77.", "dialer-leg-x-1."]) | _JSON}
)
_EVENT = st.fixed_dictionaries(
    {"type": st.sampled_from([each for each in HANDLED if each != "ApplicationReplaced"]) | _JSON},
    optional={
        "channel": _CHANNEL | _JSON,
        "peer": _CHANNEL | _JSON,
        "args": _JSON,
        "dialstatus": _JSON,
        "playback": _JSON,
        "digit": _JSON,
    },
)
_OVER: dict[str, Any] = {
    "type": "ChannelDestroyed",
    "channel": {"id": "dialer-call-1."},
    "cause": 17,
    "tech_cause": 486,
}


@asynccontextmanager
async def nonsense(texts: list[str]) -> AsyncIterator[AsteriskSettings]:
    """Give the address of a switch that says these texts once a call is ordered, and then that it was busy."""
    is_ordered = asyncio.Event()

    async def talk(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await is_ordered.wait()
        said, texts[:] = [*texts, json.dumps(_OVER)], []  # once: a connection made anew hears better
        with suppress(ConnectionError):
            for text in said:
                await socket.send_str(text)
        async for message in socket:
            if message.type is WSMsgType.CLOSE:
                break
        return socket

    async def answer(request: web.Request) -> web.Response:
        if request.method == "POST" and request.path == "/ari/channels":
            is_ordered.set()
        return web.json_response([] if request.method == "GET" else {})

    app = web.Application()
    app.router.add_get("/ari/events", talk)
    app.router.add_route("*", "/ari/{rest:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield AsteriskSettings(url=f"http://127.0.0.1:{port}", user="dialer", password="x")
    finally:
        await runner.cleanup()


async def news_after(texts: list[str]) -> Line:
    """Place a call with a switch that says these texts, and give what was reported up to its end."""
    async with nonsense(texts) as switch, at_work(switch) as line:
        line.send(order(1, "110"))
        await line.hears(CallFailed, 1)
    return line


@settings(max_examples=25)
@given(st.lists(_EVENT.map(json.dumps) | _JSON.map(json.dumps) | st.text(max_size=30), max_size=20))
def test_whatever_is_said_the_gateway_lives(texts: list[str]) -> None:
    """The call that was ordered ends once, however it was talked about before, and no call is heard of that was not."""
    line = asyncio.run(news_after(texts))
    ids = {getattr(event, "call_id", None) for _, event in line.news if not isinstance(event, LinesChanged)}
    assert ids <= {1, None}
    assert line.ends() == [1]


def test_a_message_that_is_too_large_costs_the_connection_and_no_more() -> None:
    """Ten megabytes are not read: the connection is made anew."""

    async def run() -> Line:
        async with nonsense(["x" * 10_000_000]) as switch, at_work(switch) as line:
            line.send(order(1, "110"))
            await line.hears(LinesChanged, count=3)  # up, lost, up again
            return line

    line = asyncio.run(run())
    assert [event.lines for event in line.said(LinesChanged)][:3] == [20, 0, 20]


def test_an_asterisk_that_is_away_is_said_once() -> None:
    """However often it is tried: the log is for what changes."""

    async def run() -> str:
        tries, said = asyncio.Semaphore(0), io.StringIO()

        async def turn_away(request: web.Request) -> web.Response:
            tries.release()
            return web.Response(status=503)

        app = web.Application()
        app.router.add_route("*", "/ari/{rest:.*}", turn_away)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        away = AsteriskSettings(url=f"http://127.0.0.1:{runner.addresses[0][1]}", user="dialer", password="x")
        log = make_logger("info", "json", stream=said)
        gateway = AsteriskGateway(away, time.time, log, lines=20, calls_per_second=10.0)
        running = asyncio.ensure_future(gateway.run(lambda event, on_kept=None: None))
        async with asyncio.timeout(WAIT_S):
            for _ in range(4):
                await tries.acquire()
        running.cancel()
        await asyncio.wait([running])
        await runner.cleanup()
        return said.getvalue()

    lines = asyncio.run(run()).splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["Asterisk not reached"]
    assert "nothing is dialed" in lines[0]
