"""The engine of the benchmark, a process of its own: driver, SQLite with full sync, and the gateways behind the broker.

It prints one JSON object at its end: what it did between the warm-up and then, and how long news and orders took.
"""

import asyncio
import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.engine import policy
from dialer.daemon import pauses
from dialer.daemon.clock import SystemClock
from dialer.daemon.driver import Driver
from dialer.daemon.logs import make_logger
from dialer.domain.commands import BridgeCall, DeskCommand, GatewayCommand, PlaceCall
from dialer.domain.events import (
    AgentLoggedIn,
    AgentReadied,
    CallClassified,
    CampaignLoaded,
    Event,
    LawLoaded,
    LeadsImported,
)
from dialer.domain.lead import Lead, PhoneNumber
from dialer.domain.policy import CampaignPolicy, PacingMode
from dialer.engine.engine import Engine
from dialer.gateways.broker import Address, Incoming
from dialer.gateways.contract import CallNews, Classified, Report
from dialer.gateways.mqtt import MqttGateway, Trunk
from dialer.gateways.remote import Remote
from dialer.simulator.law import no_law
from dialer.storage.codec import Entry
from dialer.storage.keyring import open_vault
from dialer.storage.sqlite import SqliteDatabase
from dialer.storage.store import Store

RATIO = 4.0
CAMPAIGNS = 8
LOG_IN_S = 5.0


class Timed(MqttGateway):
    """The engine's side of the broker, with a watch: news from the telephone until durable, answers until the order."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.answered: dict[int, float] = {}
        self.waits: dict[int, float] = {}
        self.lags: list[float] = []
        self.placed = 0

    def _take_report(self, remote: Remote, report: Report, message: Incoming) -> None:
        """Note when an answer came, and when its news was at the telephone."""
        if isinstance(report, Classified) and not report.is_machine:
            self.answered[report.call_id] = time.perf_counter()
        if isinstance(report, CallNews):
            happened_at, taken = report.at - remote.ahead_s, message

            def ack() -> None:
                self.lags.append(self._clock.now() - happened_at)
                taken.ack()

            message = replace(message, ack=ack)
        super()._take_report(remote, report, message)

    def send(self, command: GatewayCommand | DeskCommand) -> None:
        """Note the order to join that an answer waited for."""
        super().send(command)
        if isinstance(command, BridgeCall):
            at = self.answered.pop(command.call_id, None)
            if at is not None:
                self.waits[command.call_id] = time.perf_counter() - at
        self.placed += isinstance(command, PlaceCall)


def filled(folder: Path, leads: int) -> tuple[Store, list[CampaignPolicy]]:
    """A database with campaigns, each with a list and a team; the numbers are too long to be anybody's."""
    database = SqliteDatabase(folder / "dialer.db")
    store = Store(database, open_vault(folder / "keys.json", database))
    plain = policy()
    made = [
        replace(
            plain,
            name=f"bench-{rank}",
            pacing=replace(plain.pacing, mode=PacingMode.POWER, ratio=RATIO, ring_timeout_s=8.0),
            abandonment=replace(plain.abandonment, target_rate=0.4, cap_rate=0.5),
            agents=replace(plain.agents, groups=(f"team-{rank}",), wrap_up_max_s=2.0),
        )
        for rank in range(CAMPAIGNS)
    ]
    each = -(-leads // CAMPAIGNS)
    for first, campaign in enumerate(made):
        with store.importing(campaign, "bench.csv", "0" * 64, time.time()) as session:
            for rank in range(first * each, (first + 1) * each):
                number = PhoneNumber(e164=f"+4477009{rank:08d}", kind="mobile", region="GB", zones=("Europe/London",))
                session.add(Lead(lead_id=0, campaign=campaign.name, numbers=(number,), shuffle=rank))
    return store, made


async def work(folder: Path, port: int, names: list[str], rate: float, warm_s: float, for_s: float) -> dict[str, Any]:
    """Dial for a while; give what was measured after the warm-up."""
    store, made = filled(folder, int(rate * (warm_s + for_s + 5.0)) + 1000)
    clock = SystemClock()
    with (folder / "engine.log").open("w", encoding="utf-8") as out:
        log = make_logger("info", "json", stream=out)
        trunks = [Trunk(name=name, lines=2000, calls_per_second=rate / len(names)) for name in names]
        gateway = Timed(trunks, Address(host="127.0.0.1", port=port), clock, log, engine="bench", token=1)
        events: Counter[str] = Counter()
        engine = Engine(lines=2000 * len(names), calls_per_second=rate)
        prompt: set[int] = set()  # answers for which an agent was free: the others waited for one

        def note(entry: Entry) -> None:
            if isinstance(entry.event, CallClassified):
                prompt.update(each.call_id for each in entry.commands if isinstance(each, BridgeCall))

        driver = Driver(engine, store, gateway, clock, observers=(note,))
        driver.post(LawLoaded(law=no_law(made[0].jurisdiction)))
        for campaign in made:
            driver.post(CampaignLoaded(policy=campaign))
            driver.post(LeadsImported(campaign=campaign.name))

        def hear(event: Event, kept: Callable[[], None] | None = None) -> None:
            events[type(event).__name__] += 1
            driver.post(event, kept)

        tasks = [asyncio.ensure_future(driver.run()), asyncio.ensure_future(gateway.run(hear))]
        await asyncio.sleep(0)
        living = await gateway.living({})
        for rank, desk in enumerate(living.desks):
            driver.post(AgentLoggedIn(agent_id=desk.agent_id, groups=made[rank % CAMPAIGNS].agents.groups))
            driver.post(AgentReadied(agent_id=desk.agent_id))
            await asyncio.sleep(min(LOG_IN_S, warm_s / 2.0) / len(living.desks))  # a morning, not a starting gun
        await asyncio.sleep(warm_s)
        gateway.waits.clear()
        gateway.lags.clear()
        placed, began, cpu = gateway.placed, time.perf_counter(), _cpu()
        print(json.dumps({"measuring": True}), flush=True)
        await asyncio.sleep(for_s)
        took, used = time.perf_counter() - began, _cpu() - cpu
        found = {
            "seconds": took,
            "calls": gateway.placed - placed,
            "cpu_s": used,
            "connects": len(gateway.waits),
            "waits": sorted(wait for call_id, wait in gateway.waits.items() if call_id in prompt),
            "lags": sorted(gateway.lags),
            "events": dict(events),
            "dropped": dict(gateway.drops.counts),
            "up": engine.live_calls(),
            "reasons": [each.reason for each in engine.status(clock.now()).campaigns],
        }
        for task in tasks:
            if task.done():
                await task
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    store.close()
    return found


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main(words: list[str]) -> None:
    """Work as the words say: folder, port, gateways, rate, seconds of warm-up and of measuring."""
    folder, port, names, rate, warm_s, for_s = words
    pauses.avoid()
    found = asyncio.run(work(Path(folder), int(port), names.split(","), float(rate), float(warm_s), float(for_s)))
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
