"""The pages for probes and Prometheus: /live, /ready and /metrics, over plain HTTP.

One rule governs this module: it shows and changes nothing, and nobody's number or name is on a page.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client.exposition import choose_encoder

from dialer.daemon.health import Health
from dialer.daemon.metrics import Metrics
from dialer.errors import ConfigError

Listen = tuple[str, int]
"""An address and a port."""
_GRACE_S = 1.0


@asynccontextmanager
async def served(listen: Listen | None, health: Health, metrics: Metrics) -> AsyncIterator[None]:
    """Serve the pages for as long as this lasts; not at all where no address is named."""
    if listen is None:
        yield
        return
    runner = web.AppRunner(make_app(health, metrics), access_log=None, shutdown_timeout=_GRACE_S)
    await runner.setup()
    host, port = listen
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise ConfigError(
                f"metrics.listen {host}:{port}: cannot listen: {error.strerror or error}; name a free port"
            ) from error
        yield
    finally:
        await runner.cleanup()


def make_app(health: Health, metrics: Metrics) -> web.Application:
    """Make the application."""

    async def live(_: web.Request) -> web.Response:
        if health.is_live:
            return web.json_response({"live": True})
        return web.json_response({"live": False, "reasons": health.reasons()}, status=503)

    async def ready(_: web.Request) -> web.Response:
        reasons = health.reasons()
        if not reasons:
            return web.json_response({"ready": True})
        return web.json_response({"ready": False, "reasons": reasons}, status=503)

    async def figures(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(metrics.registry), headers={"Content-Type": content_type})

    app = web.Application()
    app.router.add_get("/live", live)
    app.router.add_get("/ready", ready)
    app.router.add_get("/metrics", figures)
    return app
