"""What systemd is told while the daemon runs.

One rule governs this module: it reads what the driver says of itself and changes nothing.
"""

import asyncio

from dialer.daemon import systemd
from dialer.daemon.driver import Driver
from dialer.engine.campaign import CampaignState

STATUS_EVERY_S = 10.0


async def tell_systemd(driver: Driver) -> None:
    """Say every few seconds what runs, until cancelled."""
    while True:
        await asyncio.sleep(STATUS_EVERY_S)
        if driver.blocked is not None:
            systemd.notify(f"STATUS=blocked: {driver.blocked}")
            continue
        running = sum(campaign.state == CampaignState.RUNNING for campaign in driver.status().campaigns)
        systemd.notify(f"STATUS={running} campaigns running, {driver.live_calls()} live calls")
