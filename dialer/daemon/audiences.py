"""Showing the floor to those who want to see it all the time, such as the broker's clients.

One rule governs this module: who looks on costs little. Nothing is computed for nobody.
"""

import asyncio
from collections.abc import Sequence

from dialer.daemon.driver import Driver
from dialer.ports import Audience

SHOW_EVERY_S = 2.0


async def show_regularly(driver: Driver, audiences: Sequence[Audience]) -> None:
    """Show how the floor stands, every few seconds, until cancelled."""
    if not audiences:
        await asyncio.Event().wait()
    while True:
        status = driver.status()
        for audience in audiences:
            audience.show(status)
        await asyncio.sleep(SHOW_EVERY_S)
