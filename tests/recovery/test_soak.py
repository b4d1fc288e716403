"""An hour at a hundred calls per second: memory stays flat, queues short, and journal and records agree.

Engine, driver, writer's thread and a real database, on the loopback network and virtual time, on which each commit
takes 20 ms. `make soak` runs the hour, `make test` the first minutes of it.
"""

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import settings

from dialer.daemon.clock import SystemClock
from dialer.daemon.driver import AHEAD_MAX, Driver
from dialer.domain.commands import PlaceCall, RecordAttempt
from dialer.domain.events import CampaignLoaded, DrainRequested, LawLoaded, LeadsImported
from dialer.domain.lead import Lead
from dialer.domain.policy import CampaignPolicy, PacingMode
from dialer.domain.records import Attempt
from dialer.engine.engine import Engine
from dialer.gateways.loopback import LoopbackGateway
from dialer.simulator.scenario import Scenario
from dialer.simulator.world import World
from dialer.storage.codec import Entry
from dialer.storage.doctor import Doctor
from dialer.storage.sqlite import SqliteDatabase
from dialer.storage.store import Store
from tests.laws import open_law
from tests.parity import virtual
from tests.parity.floor import START_AT, policy
from tests.recovery.shift import check_evidence, check_verdicts
from tests.recovery.slow import SlowLedger, await_writer, nobodys_number
from tests.vaults import make_vault

HOUR_S, SHORT_S = 3600.0, 120.0
WARM_UP_S = {HOUR_S: 1800.0, SHORT_S: 60.0}
"""The engine keeps the last 10,000 connects, for a word that comes late: so long it takes to have them."""
RATE = 100.0
"""New calls per second, of all campaigns together: what the network lets through; the pacing always wants more."""
COMMIT_S = 0.02
CAMPAIGNS = {"predictive": PacingMode.PREDICTIVE, "power": PacingMode.POWER}
AGENTS = 120
NETWORK = Scenario.model_validate(
    {
        "network": {"lines": 2000, "calls_per_second": RATE},
        "answers": {"p_live": 0.06, "ring_s": 2.0, "p_machine": 0.1, "machine_after_s": 2.0, "p_busy": 0.6},
        "talk": {"talk_s": 8.0, "wrap_up_s": 4.0},
        "person": {"patience_s": 30.0},
    }
)


def campaigns() -> list[CampaignPolicy]:
    """One in each mode that dials ahead of its agents."""
    made = []
    for name, mode in CAMPAIGNS.items():
        one = policy(name, mode)
        made.append(replace(one, pacing=replace(one.pacing, ring_timeout_s=5.0, ratio=40.0)))
    return made


def fill(store: Store, count: int) -> None:
    """Give each campaign a list of so many."""
    for index, campaign in enumerate(campaigns()):
        with store.importing(campaign, "leads.csv", "0" * 64, START_AT) as session:
            for rank in range(count):
                number = nobodys_number(index * 2_000_000 + rank)
                session.add(Lead(lead_id=0, campaign=campaign.name, numbers=(number,), shuffle=rank))


def rss_mib() -> float:
    """The memory of this process that is really there."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@dataclass
class Soak:
    """What was seen."""

    looks: list[tuple[int, float, int]] = field(default_factory=list)  # seconds from the start, MiB, calls so far
    placed: int = 0
    entries: int = 0
    queued_max: int = 0
    ahead_max: int = 0

    def see(self, entry: Entry) -> None:
        """Count a journal entry."""
        self.entries += 1
        self.placed += sum(isinstance(command, PlaceCall) for command in entry.commands)


async def soak(store: Store, for_s: float, tell: Callable[[str], None]) -> Soak:
    """Let the floor work, then drain."""
    seen = Soak()
    clock = SystemClock(asyncio.get_running_loop().time)
    ledger = SlowLedger(store)
    ledger.delay_s = COMMIT_S
    world = World(NETWORK, campaigns(), seed=11, start_at=START_AT, agents=AGENTS, agent_groups=("floor",))
    gateway = LoopbackGateway(world, clock)
    engine = Engine(lines=NETWORK.network.lines, calls_per_second=RATE)
    driver = Driver(engine, ledger, gateway, clock, observers=(seen.see,))
    await_writer(driver, ledger)
    driver.post(LawLoaded(law=open_law()))
    for campaign in campaigns():
        driver.post(CampaignLoaded(policy=campaign))
        driver.post(LeadsImported(campaign=campaign.name))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(driver.run()), group.create_task(gateway.run(driver.post))]
        began = time.monotonic()
        for second in range(1, int(for_s) + 1):
            await clock.sleep_until(START_AT + second)
            seen.queued_max = max(seen.queued_max, driver.queued)
            seen.ahead_max = max(seen.ahead_max, driver.ahead)
            if second % 15 == 0:
                seen.looks.append((second, rss_mib(), seen.placed))
            if second % 300 == 0:
                tell(f"soak: {second} s in {time.monotonic() - began:.0f} s, {seen.placed} calls, {rss_mib():.0f} MiB")
        assert driver.queued < 1000
        await driver.settle(DrainRequested(reason="end of the soak"))
        await clock.sleep_until(clock.now() + 120.0)
        assert driver.live_calls() == 0
        for task in tasks:
            task.cancel()
    return seen


def check_projections(store: Store) -> None:
    """What the journal says of each attempt is what the tables hold, and nothing more."""
    told: dict[int, Attempt] = {}
    for entry in store.entries():
        for command in entry.commands:
            if isinstance(command, RecordAttempt):
                told[command.attempt.call_id] = command.attempt
    kept = {attempt.call_id: attempt for attempt in store.attempts(None, 0.0, 1e12)}
    assert kept == told
    for campaign in CAMPAIGNS:
        made = [each.lead_id for each in kept.values() if each.campaign == campaign]
        assert sum(lead.attempts for lead in store.leads(campaign)) == len(made)


def test_an_hour_at_a_hundred_calls_per_second(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Memory after the warm-up is memory at the end, queues stay short, doctor and recount find nothing."""
    for_s = HOUR_S if settings.get_current_profile_name() == "soak" else SHORT_S

    def tell(words: str) -> None:
        with capsys.disabled():
            print(words)

    store = Store(SqliteDatabase(tmp_path / "dialer.db"), make_vault())
    fill(store, int(0.6 * for_s * RATE))
    seen: Soak = virtual.run(soak(store, for_s, tell), START_AT)
    warm = [look for look in seen.looks if look[0] >= WARM_UP_S[for_s]]
    memory = [mib for _, mib, _ in warm]
    rate = (warm[-1][2] - warm[0][2]) / (warm[-1][0] - warm[0][0])
    tell(
        f"soaked: {for_s:.0f} s, {seen.placed} calls, {rate:.0f}/s after the warm-up, {seen.entries} journal entries; "
        f"memory {memory[0]:.0f} MiB after the warm-up, {memory[-1]:.0f} at the end, at most {max(memory):.0f}; "
        f"at most {seen.queued_max} events waiting and {seen.ahead_max} batches ahead"
    )
    assert rate >= 0.9 * RATE
    assert max(memory) <= 1.1 * memory[0] + 4.0
    assert seen.queued_max < 1000 and seen.ahead_max <= AHEAD_MAX
    check_verdicts(store.entries())
    check_evidence(store)
    check_projections(store)
    assert Doctor(store.database, store.vault).examine(START_AT + for_s, has_daemon=False) == []
    store.close()
