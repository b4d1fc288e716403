"""The simulator's driver and the daemon's driver give the same journal, byte for byte, ties forced."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace

import pytest

from dialer.daemon.clock import ScaledClock
from dialer.daemon.driver import Driver
from dialer.domain.events import CampaignLoaded, LawLoaded, LeadsClaimed
from dialer.domain.policy import CampaignPolicy, PacingMode
from dialer.engine.engine import Engine
from dialer.gateways.loopback import LoopbackGateway
from dialer.simulator.driver import Driver as SimulatorDriver
from dialer.simulator.driver import plan_shift
from dialer.simulator.law import no_law
from dialer.simulator.scenario import Scenario
from dialer.simulator.supply import EndlessLeads
from dialer.simulator.world import World
from dialer.storage.codec import Entry, encode_entry
from dialer.storage.memory import MemoryStore
from tests.parity import virtual
from tests.parity.floor import policy

HOURS, AGENTS = 0.5, 8

# Whole seconds everywhere: answers, releases, wrap-ups, timeouts and pacing deadlines meet at the same instants.
TIES = Scenario.model_validate(
    {
        "network": {
            "lines": 14,
            "calls_per_second": 2.0,
            "setup_s": 1.0,
            "p_congestion": 0.1,
            "congestion_after_s": 0.0,
        },
        "numbers": {"p_invalid": 0.05, "invalid_after_s": 1.0},
        "answers": {
            "p_live": 0.4,
            "ring_s": 4.0,
            "p_machine": 0.2,
            "machine_after_s": 4.0,
            "p_busy": 0.1,
            "busy_after_s": 1.0,
            "p_rejected": 0.05,
            "rejected_after_s": 4.0,
        },
        "person": {"patience_s": 2.0},
        "detection": {"p_human_as_machine": 0.02, "p_machine_as_human": 0.1},
        "talk": {"talk_s": 30.0, "wrap_up_s": 10.0, "wrong_number_s": 10.0, "machine_s": 4.0},
        "agents": {
            "bridge_s": 0.0,
            "p_bridge_missed": 0.05,
            "bridge_missed_after_s": 2.0,
            "back_after_s": 10.0,
            "break_every_s": 300.0,
            "break_s": 60.0,
            "preview_s": 5.0,
            "p_preview_accepted": 0.8,
        },
    }
)


class JournalOnly:
    """The ledger of the comparison: the simulator's own supply of leads, and a list of journal lines."""

    def __init__(self, leads: EndlessLeads) -> None:
        self.lines: list[tuple[float, bytes]] = []
        self._leads = leads

    def commit_batch(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self.lines.append((entry.at, encode_entry(entry.seq, entry.at, entry.event, entry.commands)))
            self._leads.apply(entry.commands)

    def claim(self, campaign: str, count: int, now: float) -> LeadsClaimed:
        return self._leads.claim(campaign, count, now)


async def daemon_journal(campaign: CampaignPolicy, scenario: Scenario, seed: int) -> list[bytes]:
    """Run the daemon's driver with the loopback gateway over the same shift; give the journal up to its end."""
    shift = plan_shift(campaign, HOURS)
    clock = ScaledClock(speed=1.0, start_at=shift.start_at)
    ledger = JournalOnly(EndlessLeads(MemoryStore(), campaign, numbers=scenario.people.numbers))
    world = World(
        scenario,
        [campaign],
        seed=seed,
        start_at=shift.start_at,
        agents=AGENTS,
        agent_groups=campaign.agents.groups,
    )
    network = scenario.network
    gateway = LoopbackGateway(world, clock)
    engine = Engine(lines=network.lines, calls_per_second=network.calls_per_second, ends_at=shift.end_at)
    driver = Driver(engine, ledger, gateway, clock)
    virtual.await_thread(lambda: driver.is_writing)
    driver.post(LawLoaded(law=no_law(campaign.jurisdiction)))
    driver.post(CampaignLoaded(policy=campaign))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(driver.run()), group.create_task(gateway.run(driver.post))]
        await clock.sleep_until(shift.end_at)
        for task in tasks:
            task.cancel()
    return [line for at, line in ledger.lines if at < shift.end_at]


def simulator_journal(campaign: CampaignPolicy, scenario: Scenario, seed: int) -> list[bytes]:
    """Run the simulator's driver; give its journal."""
    lines: list[bytes] = []
    SimulatorDriver(campaign, scenario, agents=AGENTS, hours=HOURS, seed=seed, journal=lines.append).run()
    return lines


@pytest.mark.parametrize("mode", list(PacingMode))
@pytest.mark.parametrize("seed", range(3))
def test_both_drivers_give_the_same_journal_when_everything_ties(mode: PacingMode, seed: int) -> None:
    """In a world of whole seconds, in every pacing mode, the two journals are identical byte for byte."""
    campaign = policy(mode=mode)
    by_simulator = simulator_journal(campaign, TIES, seed)
    start_at = plan_shift(campaign, HOURS).start_at
    by_daemon = virtual.run(daemon_journal(campaign, TIES, seed), start_at)
    assert len(by_simulator) > 200
    assert by_daemon == by_simulator


def test_ties_are_really_forced() -> None:
    """The world of the comparison has many instants at which events and deadlines meet."""
    lines = simulator_journal(policy(), TIES, 0)
    instants = [line.split(b'"at":')[1].split(b",")[0] for line in lines]
    timers = {at for at, line in zip(instants, lines, strict=True) if b'"event":null' in line}
    events = [at for at, line in zip(instants, lines, strict=True) if b'"event":null' not in line]
    assert sum(at in timers for at in events) > 50


def test_another_seed_gives_another_journal() -> None:
    """The comparison can fail: seeds differ in what happens."""
    campaign = replace(policy(), name="survey")
    assert simulator_journal(campaign, TIES, 0) != simulator_journal(campaign, TIES, 1)
