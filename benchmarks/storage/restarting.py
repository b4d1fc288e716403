"""A daemon's start, up to the instant at which its first call leaves for the gateway: its order is durable then.

It works on for some seconds with forty agents, on a clock that runs fast, to show how much memory it takes.
"""

import asyncio
import io
import json
import time
from pathlib import Path
from typing import Any

from benchmarks.storage.results import peak_kib
from dialer.cli.daemon import loopback_factory
from dialer.config.settings import load_settings
from dialer.daemon.service import Run, Service
from dialer.domain.commands import PlaceCall
from dialer.domain.events import AgentLoggedIn, AgentReadied
from dialer.domain.policy import CampaignPolicy
from dialer.ports import Sink

PATIENCE_S = 120.0


class _Watched:
    """A gateway that notes when its first order to dial came, and has the daemon end some seconds later."""

    def __init__(self, gateway: Any, service: Service, seconds: float) -> None:
        self._gateway = gateway
        self._seconds = seconds
        self._service = service
        self.first_at: float | None = None
        self.first_cpu_s = 0.0
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)

    async def run(self, sink: Sink) -> None:
        """Seat an agent at once, who is ready for a call; then work as the gateway does."""
        sink(AgentLoggedIn(agent_id="bench", groups=("floor",)))
        sink(AgentReadied(agent_id="bench"))
        await self._gateway.run(sink)

    def send(self, command: Any) -> None:
        """Take an order and pass it on."""
        self.calls += isinstance(command, PlaceCall)
        if self.first_at is None and isinstance(command, PlaceCall):
            self.first_at, self.first_cpu_s = time.perf_counter(), time.process_time()
            asyncio.get_running_loop().call_later(self._seconds, self._end)
        self._gateway.send(command)

    def _end(self) -> None:
        self._service.stop("measured")
        self._service.stop("measured")  # asked twice: hang up at once


def main(config: str, seconds: str) -> None:
    """Run a configuration's daemon for so many seconds after its first call; print when that was, calls and memory."""
    began, before_s = time.perf_counter(), time.process_time()
    settings = load_settings(Path(config))
    make = loopback_factory(settings)
    watched: list[_Watched] = []

    def make_watched(run: Run, policies: list[CampaignPolicy]) -> Any:
        gateway, adopt = make(run, policies)
        watched.append(_Watched(gateway, service, float(seconds)))
        return watched[0], adopt

    service = Service(settings, make_watched, log_to=io.StringIO(), has_signals=False)
    asyncio.run(asyncio.wait_for(service.run(), PATIENCE_S))
    first_at = watched[0].first_at
    if first_at is None:
        raise RuntimeError("the daemon ended without a call: expected one within two minutes")
    figures = {
        "first_s": first_at - began,
        "first_cpu_s": watched[0].first_cpu_s - before_s,
        "calls": watched[0].calls,
        "peak_kib": peak_kib(),
    }
    print(json.dumps(figures))
