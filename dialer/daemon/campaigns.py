"""The campaigns of a running daemon: told to the engine at the start, and anew when their files change.

One rule governs this module: a reload takes over all campaign files as they are, or none of them.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from math import inf

from dialer.config.campaign import load_campaigns
from dialer.config.settings import Settings
from dialer.daemon.clock import DaemonClock
from dialer.daemon.driver import Driver
from dialer.daemon.earlier import EarlierRun
from dialer.daemon.law import read_law
from dialer.daemon.lists import Lists
from dialer.daemon.logs import Logger
from dialer.daemon.reload import differences
from dialer.domain.events import CampaignControlled, CampaignLoaded, LawLoaded, LeadsImported, StandingsChanged
from dialer.domain.law import Law
from dialer.domain.policy import CampaignPolicy
from dialer.engine.campaign import CampaignState
from dialer.engine.recovery import counts_with, spent
from dialer.engine.status import CampaignStatus
from dialer.errors import ConfigError, ControlError, DatabaseLost, DialerError, DiskFull
from dialer.storage.reading import Records
from dialer.storage.store import Store

WINDOW_MAX_S = 32 * 86_400.0  # longer than any window in which abandonments are counted
LEAVE_EVERY_S = 2.0

Adopt = Callable[[CampaignPolicy], None]


def load_policies(settings: Settings) -> list[CampaignPolicy]:
    """Read every campaign file; raise ConfigError when there is none or one of them is wrong."""
    paths = sorted(settings.campaigns_dir.glob("*.toml"))
    if not paths:
        raise ConfigError(f"campaigns_dir {settings.campaigns_dir}: expected a campaign file (*.toml), found none")
    return load_campaigns(paths)


class Campaigns:
    """Tells the engine of campaigns. `adopt` tells the gateway of one that is loaded later; `law` is in force."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        driver: Driver,
        clock: DaemonClock,
        log: Logger,
        *,
        lists: Lists,
        adopt: Adopt,
        law: Law,
    ) -> None:
        self._settings = settings
        self._store = store
        self._driver = driver
        self._clock = clock
        self._log = log
        self._lists = lists
        self._adopt = adopt
        self._law = law
        self._policies: dict[str, CampaignPolicy] = {}
        self._leaving: set[str] = set()  # on a shared database, as soon as their calls are over
        self._left: set[str] = set()
        self._retired: dict[str, CampaignStatus] = {}  # as they stood when their files went

    @property
    def names(self) -> Collection[str]:
        """The campaigns whose files are there."""
        return self._policies.keys()

    @property
    def law(self) -> Law:
        """The law in force."""
        return self._law

    def status_of(self, name: str) -> CampaignStatus:
        """Give the state of a campaign that the engine knows."""
        return next(campaign for campaign in self._driver.status().campaigns if campaign.name == name)

    def note_controlled(self, name: str) -> None:
        """Note that an operator changed a campaign: what its file's return would undo is not in force any more."""
        self._retired.pop(name, None)

    # ------------------------------------------------------------------------------------------- start
    def begin(self, policies: Sequence[CampaignPolicy], earlier: EarlierRun) -> None:
        """Tell the engine of the campaigns at the start, and of those without a file that left calls to settle."""
        for policy in policies:
            self._policies[policy.name] = policy
            self._driver.post(self._loaded(policy, policies, self._store))
            for order in earlier.orders(policy):
                self._driver.post(order)
            self._driver.post(LeadsImported(campaign=policy.name))
        for policy in earlier.policies_beside(self._policies):
            self._driver.post(self._loaded(replace(policy, is_started=False), policies, self._store))
            stop = CampaignControlled(campaign=policy.name, action="stop", reason="its file is gone", who="dialer")
            self._driver.post(stop)

    def _loaded(self, policy: CampaignPolicy, beside: Iterable[CampaignPolicy], records: Records) -> CampaignLoaded:
        """Say that a campaign is loaded `beside` others, and what storage knows of its abandonment budget."""
        now = self._clock.now()
        attempts = records.attempts(policy.name, now - WINDOW_MAX_S, inf)  # those of this very instant, too
        together = [each.name for each in beside if counts_with(each) == counts_with(policy)]
        firsts = [at for at in map(records.first_live_at, together) if at is not None]
        return CampaignLoaded(policy=policy, spent=spent(attempts, policy, min(firsts, default=None)))

    # ------------------------------------------------------------------------------------------ reload
    async def reload(self) -> None:
        """Take over all campaign files and the law as they are now; raise DialerError, and change nothing."""
        new = {policy.name: policy for policy in load_policies(self._settings)}
        law = read_law(self._settings, self._clock.now(), self._log)
        for policy in new.values():
            await self._lists.take_anew(policy, is_dry_run=True)
        await self._take([policy for name, policy in new.items() if name not in self._policies])
        if law.digest != self._law.digest:
            self._law = law
            await self._driver.settle(LawLoaded(law=law))
        changed = 0
        for name, policy in new.items():
            old = self._policies.get(name)
            has_news = await self._lists.take_anew(policy, is_dry_run=False)
            if old != policy:
                changed += 1
                for difference in differences(old, policy):
                    self._log.info("campaign changed", campaign=name, **difference)
                self._adopt(policy)
                await self._driver.settle(await self._loaded_anew(policy, new.values()))
                await self._unretire(name)
            if has_news:
                await self._driver.settle(LeadsImported(campaign=name))
                await self._driver.settle(StandingsChanged(reason=f"a list of {name} was imported"))
        for name in [name for name in self._policies if name not in new]:
            changed += 1
            await self._retire(name)
        self._policies = new
        self._log.info("reloaded", campaigns=list(new), changed=changed)

    async def _loaded_anew(self, policy: CampaignPolicy, beside: Iterable[CampaignPolicy]) -> CampaignLoaded:
        """Say the same while calls go on: a month of attempts is read in a thread, over a connection of its own."""
        await self._driver.pulse()  # what the engine has counted is on record

        def read() -> CampaignLoaded:
            with Records(self._store.database, self._store.vault) as records:
                return self._loaded(policy, beside, records)

        return await asyncio.to_thread(read)

    async def _take(self, policies: Iterable[CampaignPolicy]) -> None:
        """Make campaigns this engine's, all or none; raise StorageError when another engine dials one."""
        taken: list[str] = []
        try:
            for policy in policies:
                await self._driver.write(partial(self._store.take_campaign, policy))
                taken.append(policy.name)
                self._leaving.discard(policy.name)
                self._left.discard(policy.name)
        except DialerError:
            self._leaving |= set(taken)
            raise

    async def leave_when_over(self) -> None:
        """Leave campaigns whose file is gone to other engines, once their calls are over; until cancelled."""
        while True:
            await asyncio.sleep(LEAVE_EVERY_S)
            for name in tuple(self._leaving):
                up = [
                    each for each in self._driver.status().campaigns if each.name == name and any(each.calls.values())
                ]
                with suppress(DatabaseLost, DiskFull):
                    if not up and await self._driver.write(partial(self._store.give_up_campaign, name)):
                        self._leaving.discard(name)
                        self._left.add(name)
                        self._log.info("campaign left to other engines", campaign=name)

    def refuse_left(self, name: str) -> None:
        """Raise ControlError for a campaign that another engine may dial by now."""
        if name in self._left:
            raise ControlError(
                f"campaign {name!r} is left to other engines, since its file is gone: put the file back and reload"
            )

    async def _retire(self, name: str) -> None:
        """Let a campaign whose file is gone finish its calls and stop."""
        if self._store.lease is not None:
            self._leaving.add(name)
        self._log.info("campaign changed", campaign=name, key="(file)", before="present", after="gone: draining")
        if self._driver.refusal(name, "drain") is None:
            self._retired[name] = self.status_of(name)
            await self._driver.settle(
                CampaignControlled(campaign=name, action="drain", reason="its file was removed", who="reload")
            )

    async def _unretire(self, name: str) -> None:
        """Let a campaign whose file is back run again, if it ran before; what an operator did to it stands."""
        before = self._retired.pop(name, None)
        was_free = before is not None and before.state == CampaignState.RUNNING and not before.is_callbacks_only
        if was_free and self._driver.refusal(name, "resume") is None:
            await self._driver.settle(
                CampaignControlled(campaign=name, action="resume", reason="its file is back", who="reload")
            )
