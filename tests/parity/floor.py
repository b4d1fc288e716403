"""A small floor: a campaign, its leads in memory, and a run of the asyncio driver on virtual time."""

import asyncio
from dataclasses import dataclass

from dialer.daemon.clock import DaemonClock, ScaledClock
from dialer.daemon.driver import Driver
from dialer.domain.events import CampaignLoaded, DrainRequested, LawLoaded, LeadsImported
from dialer.domain.lead import Lead, PhoneNumber
from dialer.domain.outcome import Outcome
from dialer.domain.policy import (
    AbandonmentPolicy,
    AgentsPolicy,
    CallbackPolicy,
    CampaignPolicy,
    DispositionPolicy,
    HoursPolicy,
    ListPolicy,
    NumbersPolicy,
    PacingMode,
    PacingPolicy,
    RetryPolicy,
    RetryRule,
)
from dialer.engine.engine import Engine
from dialer.gateways.loopback import LoopbackGateway
from dialer.ports import Network
from dialer.storage.memory import MemoryStore
from tests.laws import open_law
from tests.parity import virtual

START_AT = 1_773_100_800.0  # Tuesday 2026-03-10 00:00 UTC
DRAIN_S = 600.0
ALWAYS = HoursPolicy(week=(((0, 86_400),),) * 7)


def policy(name: str = "survey", mode: PacingMode = PacingMode.PREDICTIVE) -> CampaignPolicy:
    """A campaign that may call at any hour."""
    return CampaignPolicy(
        name=name,
        seller="Seller",
        purpose="survey",
        jurisdiction="GB",
        list=ListPolicy(),
        pacing=PacingPolicy(mode=mode, ratio=2.0, ring_timeout_s=20.0),
        abandonment=AbandonmentPolicy(message="sorry.wav", threshold_s=2.0),
        hours=ALWAYS,
        retry=RetryPolicy(
            rules={
                Outcome.NO_ANSWER: RetryRule(after_s=600.0, times=3),
                Outcome.BUSY: RetryRule(after_s=300.0, times=3),
                Outcome.MACHINE: RetryRule(after_s=900.0, times=2),
                Outcome.ABANDONED: RetryRule(after_s=900.0, times=1),
            },
            is_hour_varied=False,
        ),
        numbers=NumbersPolicy(),
        callbacks=CallbackPolicy(),
        agents=AgentsPolicy(groups=("floor",), wrap_up_max_s=30.0),
        dispositions={
            "done": DispositionPolicy(name="done", is_final=True, is_success=True),
            "callback": DispositionPolicy(name="callback", is_schedule=True),
        },
    )


def leads(campaign: CampaignPolicy, count: int, first: int = 0) -> list[Lead]:
    """Leads with one number each, out of the United Kingdom's range for drama."""
    return [
        Lead(
            lead_id=0,
            campaign=campaign.name,
            numbers=(
                PhoneNumber(
                    e164=f"+447700{900_000 + first + rank:06d}", kind="mobile", region="GB", zones=("Europe/London",)
                ),
            ),
            shuffle=(rank * 7919) % 10_007,
        )
        for rank in range(count)
    ]


def filled_store(policies: list[CampaignPolicy], count: int) -> MemoryStore:
    """A store in memory with `count` leads of each campaign."""
    store = MemoryStore()
    for rank, campaign in enumerate(policies):
        with store.importing(campaign, "leads.csv", "0" * 64, START_AT) as session:
            for lead in leads(campaign, count, rank * count):
                session.add(lead)
    return store


def new_engine() -> Engine:
    """An engine with few lines, so that the limit is met."""
    return Engine(lines=12, calls_per_second=2.0)


@dataclass(slots=True)
class Run:
    """What is left of a run."""

    store: MemoryStore
    engine: Engine


async def daemon_run(policies: list[CampaignPolicy], network: Network, store: MemoryStore, until_at: float) -> Run:
    """Run the asyncio driver and the loopback gateway until an instant, then drain as the service does."""
    clock: DaemonClock = ScaledClock(speed=1.0, start_at=START_AT)
    engine, gateway = new_engine(), LoopbackGateway(network, clock)
    driver = Driver(engine, store, gateway, clock)
    virtual.await_thread(lambda: driver.is_writing)
    driver.post(LawLoaded(law=open_law()))
    for campaign in policies:
        driver.post(CampaignLoaded(policy=campaign))
        driver.post(LeadsImported(campaign=campaign.name))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(driver.run()), group.create_task(gateway.run(driver.post))]
        await clock.sleep_until(until_at)
        await driver.settle(DrainRequested(reason="end of the day"))
        await clock.sleep_until(clock.now() + DRAIN_S)
        driver.order_hang_ups("the daemon ends")
        await clock.sleep_until(clock.now() + 5.0)
        driver.declare_over("no answer to the hang-up")
        await clock.sleep_until(clock.now() + 60.0)
        for task in tasks:
            task.cancel()
    return Run(store, engine)
