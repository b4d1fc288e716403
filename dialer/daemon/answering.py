"""Carrying out what comes in over the control socket.

One rule governs this module: an answer is given when what was asked for is durable, and not at all while blocked.
"""

from dataclasses import asdict
from typing import Any

import msgspec

from dialer.daemon.campaigns import Campaigns
from dialer.daemon.clock import DaemonClock
from dialer.daemon.control import CampaignRequest, EndRequest, ImportedRequest, KeysRequest, Request, StatusRequest
from dialer.daemon.draining import Draining
from dialer.daemon.driver import Driver
from dialer.daemon.health import Health
from dialer.daemon.logs import Logger
from dialer.daemon.people import People
from dialer.domain.events import CampaignControlled, LeadsImported
from dialer.engine.status import shown_blocked
from dialer.errors import ControlError
from dialer.storage.store import Store


class Answers:
    """Answers requests with the parts of the running daemon."""

    def __init__(
        self,
        store: Store,
        driver: Driver,
        campaigns: Campaigns,
        people: People,
        clock: DaemonClock,
        log: Logger,
        *,
        draining: Draining,
        health: Health,
    ) -> None:
        self._store = store
        self._driver = driver
        self._campaigns = campaigns
        self._people = people
        self._clock = clock
        self._log = log
        self._draining = draining
        self._health = health

    async def answer(self, request: Request, who: str) -> dict[str, Any]:
        """Carry out a request for a user and give the fields of the answer; raise DialerError to refuse."""
        match request:
            case StatusRequest():
                shown = shown_blocked(self._driver.status(), self._driver.blocked)
                status = msgspec.to_builtins(shown)
                said = {"now": self._clock.now(), "phase": self._health.phase, "blocked": self._driver.blocked}
                return said | {"status": status, "gateways": [asdict(each) for each in self._health.gateways()]}
            case _ if self._driver.blocked is not None:
                raise ControlError(f"nothing can be changed now: {self._driver.blocked}")
            case ImportedRequest(name=name):
                if name not in self._campaigns.names:
                    loaded = ", ".join(sorted(self._campaigns.names))
                    raise ControlError(f"no campaign is named {name!r}; loaded: {loaded}")
                await self._driver.settle(LeadsImported(campaign=name))
                return {"campaign": name}
            case CampaignRequest(name=name, action=action, reason=reason):
                return await self._control(name, action, reason, who)
            case EndRequest(reason=reason):
                self._log.info("end asked for", reason=reason, who=who)
                await self._draining.ask(reason)
                return {}
            case KeysRequest():
                key_id = await self._driver.write(self._store.renew_keys)
                self._log.info("keyring read", sealing_with=key_id, who=who)
                return {"key": key_id}
            case _:
                return await self._people.answer(request, who)

    async def _control(self, name: str, action: str, reason: str, who: str) -> dict[str, Any]:
        self._campaigns.refuse_left(name)
        refusal = self._driver.refusal(name, action)
        if refusal is not None:
            raise ControlError(refusal)
        before = self._campaigns.status_of(name).state
        await self._driver.settle(CampaignControlled(campaign=name, action=action, reason=reason, who=who))
        self._campaigns.note_controlled(name)
        return {"campaign": name, "before": before, "after": self._campaigns.status_of(name).state}
