"""The daemon's pulse, and what systemd is told while it runs.

One rule governs this module: systemd's watchdog is fed by progress, never by a timer alone. Between two beats lies a
pulse that went through the queue, the engine's loop and the thread that commits; before there is an engine, rows of a
list that were read.
"""

import asyncio
import time
from collections.abc import Callable
from math import inf

from dialer.daemon import systemd
from dialer.daemon.driver import Driver
from dialer.daemon.health import Health
from dialer.engine.campaign import CampaignState

STATUS_EVERY_S = 10.0
BEAT_EVERY_S = 5.0
READING_S = 120
"""So long a start may take from the last row that was told."""
BEATS = 3.0
"""So many beats fit into the time that systemd gives, at least."""


async def beat(driver: Driver, health: Health) -> None:
    """Take the pulse again and again, and say each time that it came, until cancelled."""
    while True:
        await driver.pulse()
        tell_progress(health)
        await asyncio.sleep(beat_every_s())


def beat_every_s() -> float:
    """Give how often to say so."""
    limit_s = systemd.watchdog_s()
    return BEAT_EVERY_S if limit_s is None else min(BEAT_EVERY_S, limit_s / BEATS)


async def feed_watchdog(turns: Callable[[], int]) -> None:
    """Feed systemd's watchdog whenever a number has grown that grows with the work, until cancelled."""
    seen = -1
    while True:
        now = turns()
        if now != seen:
            systemd.notify("WATCHDOG=1")
        seen = now
        await asyncio.sleep(beat_every_s())


def tell_progress(health: Health) -> None:
    """Say that there was progress."""
    health.beat()
    systemd.notify("WATCHDOG=1")


class Reading:
    """Tells of the rows that a start reads, so that it has more time; at most once a second. `monotonic`: seconds."""

    def __init__(self, health: Health, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._health = health
        self._monotonic = monotonic
        self._told_at = -inf

    def __call__(self, rows: int, share: float) -> None:
        """Hear how many rows of a list are read, and which share of it."""
        now = self._monotonic()
        if now - self._told_at < 1.0:
            return
        self._told_at = now
        tell_progress(self._health)
        systemd.notify(
            f"EXTEND_TIMEOUT_USEC={READING_S * 1_000_000}", f"STATUS=reading a list: {rows:,} rows, {share:.0%}"
        )


async def tell_systemd(driver: Driver) -> None:
    """Say every few seconds what runs, until cancelled."""
    while True:
        await asyncio.sleep(STATUS_EVERY_S)
        if driver.blocked is not None:
            systemd.notify(f"STATUS=blocked: {driver.blocked}")
            continue
        running = sum(campaign.state == CampaignState.RUNNING for campaign in driver.status().campaigns)
        systemd.notify(f"STATUS={running} campaigns running, {driver.live_calls()} live calls")
