"""The daemon: everything that runs beside the driver, and how it starts, reloads and ends.

One task group holds it together: a crash of any child ends the process, and systemd starts it again. Only expected
failures are handled where they happen.
"""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import inf
from typing import Any, TextIO

import msgspec

import dialer
from dialer.config.campaign import load_campaigns
from dialer.config.settings import Settings
from dialer.daemon import systemd
from dialer.daemon.clock import DaemonClock, ScaledClock, SystemClock
from dialer.daemon.control import CampaignRequest, ImportedRequest, KeysRequest, Request, StatusRequest, listen, serve
from dialer.daemon.driver import Driver
from dialer.daemon.earlier import EarlierRun, Threshold
from dialer.daemon.imports import ImportReport
from dialer.daemon.law import read_law
from dialer.daemon.lists import Lists
from dialer.daemon.lock import only_daemon
from dialer.daemon.logs import Narrator, make_logger
from dialer.daemon.people import People
from dialer.daemon.registries import watch_ages
from dialer.daemon.reload import differences
from dialer.daemon.retention import erase_daily
from dialer.daemon.stores import open_store
from dialer.domain.agent import AgentState
from dialer.domain.events import (
    AgentLoggedOut,
    CampaignControlled,
    CampaignLoaded,
    DrainRequested,
    LawLoaded,
    LeadsImported,
    StandingsChanged,
)
from dialer.domain.policy import CampaignPolicy
from dialer.engine.campaign import CampaignState
from dialer.engine.engine import Engine
from dialer.engine.recovery import counts_with, spent
from dialer.engine.status import CampaignStatus, shown_blocked
from dialer.errors import ConfigError, ControlError, DialerError, DiskFull, ListError
from dialer.ports import Gateway
from dialer.storage.codec import Entry
from dialer.storage.sqlite import SqliteStore

HANG_UP_WAIT_S = 5.0
STATUS_EVERY_S = 10.0
WINDOW_MAX_S = 32 * 86_400.0  # longer than any window in which abandonments are counted

Adopt = Callable[[CampaignPolicy], None]
GatewayFactory = Callable[[DaemonClock, list[CampaignPolicy]], tuple[Gateway, Adopt]]
"""Makes the gateway for the campaigns at the start, and says whom to tell of a campaign that is loaded later."""


class ChildCrashed(DialerError):
    """A part of the daemon failed in a way nobody foresaw; the process ends so that systemd starts it afresh."""

    exit_code = 71


class Service:
    """One run of the daemon, from reading its campaigns to its last call."""

    def __init__(
        self,
        settings: Settings,
        make_gateway: GatewayFactory,
        *,
        log_to: TextIO | None = None,
        on_import: Callable[[ImportReport], None] | None = None,
        has_signals: bool = True,
    ) -> None:
        self._settings = settings
        self._make_gateway = make_gateway
        self._log_to = log_to
        self._on_import = on_import
        self._has_signals = has_signals
        self._policies: dict[str, CampaignPolicy] = {}
        self._retired: dict[str, CampaignStatus] = {}  # as they stood when their files went
        self._stop_reasons: list[str] = []
        self._stopping = asyncio.Event()
        self._hurrying = asyncio.Event()
        self._idle = asyncio.Event()
        self._is_over: Callable[[], bool] | None = None
        self._reloading = asyncio.Event()
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """Run until asked to stop and drained. Raises DialerError when it cannot start or a part of it fails."""
        with only_daemon(self._settings.state_dir):
            store = open_store(self._settings)
            try:
                await self._run(store)
            finally:
                store.close()

    def stop(self, reason: str) -> None:
        """Ask for the end: no new calls, live ones finish. Asked again: hang up at once."""
        self._stop_reasons.append(reason)
        (self._hurrying if self._stopping.is_set() else self._stopping).set()

    def reload(self) -> None:
        """Ask to read the campaign files again."""
        self._reloading.set()

    @property
    def started_at(self) -> float:
        """The instant on this run's clock at which it began; there is one once `ready` is set."""
        return self._started_at

    @property
    def is_stopping(self) -> bool:
        """The end was asked for."""
        return self._stopping.is_set()

    @property
    def driver(self) -> Driver:
        """The driver of this run; there is one once `ready` is set."""
        return self._driver

    @property
    def clock(self) -> DaemonClock:
        """The clock of this run; there is one once `ready` is set."""
        return self._clock

    # ------------------------------------------------------------------------------------------- start
    async def _run(self, store: SqliteStore) -> None:
        self._store = store
        self._clock = make_clock(self._settings, store)
        self._started_at = self._clock.now()
        self._log = make_logger(self._settings.log_level, self._settings.log_format, self._clock, stream=self._log_to)
        self._log.info("starting", version=dialer.__version__, pid=os.getpid(), state_dir=str(self._settings.state_dir))
        self._narrator = Narrator(self._log)
        policies = self._load()
        law = read_law(self._settings, self._started_at, self._log)
        self._lists = Lists(store, self._clock, self._log, on_import=self._on_import, progress=self._stop_import)
        for policy in policies:
            self._lists.take(policy)
        self._recover(store)
        gateway, self._adopt = self._make_gateway(self._clock, policies)
        self._driver = Driver(
            Engine(
                lines=self._settings.lines,
                calls_per_second=self._settings.calls_per_second,
                next_call_id=store.next_call_id(),
            ),
            store,
            gateway,
            self._clock,
            next_seq=store.next_seq(),
            observers=(self._narrator, self._watch),
            on_blocked=self._tell_blocked,
        )
        self._law = law
        self._driver.post(LawLoaded(law=law))
        self._people = People(store, self._driver)
        self._people.begin()
        for policy in policies:
            self._policies[policy.name] = policy
            self._driver.post(self._loaded(policy, policies))
            for order in self._earlier.orders(policy):
                self._driver.post(order)
            self._driver.post(LeadsImported(campaign=policy.name))
        for policy in self._earlier.policies_beside(self._policies):
            self._driver.post(self._loaded(replace(policy, is_started=False), policies))
            stop = CampaignControlled(campaign=policy.name, action="stop", reason="its file is gone", who="dialer")
            self._driver.post(stop)
        with self._signals():
            await self._supervise(gateway)

    def _recover(self, store: SqliteStore) -> None:
        """Give back the leads that an earlier run had only claimed, and look what else it left behind."""
        released = store.release_claims()
        if released:
            self._log.info("claims released", leads=released)
        self._earlier = EarlierRun(store, self._clock.now())

    def _loaded(self, policy: CampaignPolicy, beside: Iterable[CampaignPolicy]) -> CampaignLoaded:
        """Say that a campaign is loaded `beside` others, and what storage knows of its abandonment budget."""
        now = self._clock.now()
        attempts = self._store.attempts(policy.name, now - WINDOW_MAX_S, inf)  # those of this very instant, too
        together = [each.name for each in beside if counts_with(each) == counts_with(policy)]
        firsts = [at for at in map(self._store.first_live_at, together) if at is not None]
        return CampaignLoaded(policy=policy, spent=spent(attempts, policy, min(firsts, default=None)))

    async def _supervise(self, gateway: Gateway) -> None:
        """Run all children until the daemon is asked to stop and has drained."""
        listener = listen(self._settings.control_socket)
        threshold = Threshold(self._earlier, self._driver, self._log)
        try:
            async with asyncio.TaskGroup() as group:
                children = [
                    group.create_task(_child(name, work))
                    for name, work in (
                        ("driver", self._driver.run()),
                        ("gateway", gateway.run(threshold.hear)),
                        ("control", serve(listener, self._answer)),
                        ("reload", self._reload_when_asked()),
                        ("status", self._tell_systemd()),
                        ("registries", watch_ages(lambda: self._law, self._store, self._clock, self._log)),
                        ("retention", erase_daily(lambda: self._law, self._store, self._clock, self._log)),
                    )
                ]
                await asyncio.sleep(0)  # every child has begun, and holds the clock for what it has to do first
                await threshold.take_over(gateway)
                self._clock.hold("start", None)
                self.ready.set()
                systemd.notify("READY=1", f"STATUS={len(self._policies)} campaigns loaded")
                self._log.info(
                    "ready", campaigns=list(self._policies), control_socket=str(self._settings.control_socket)
                )
                await self._stopping.wait()
                await self._drain()
                for child in children:
                    child.cancel()
        except BaseExceptionGroup as crashes:
            raise self._first_crash(crashes) from crashes
        self._narrator.close()
        self._log.info("stopped")

    def _first_crash(self, crashes: BaseExceptionGroup[BaseException]) -> BaseException:
        """Give the first child's error; the others followed from it."""
        first: BaseException = crashes
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        self._log.error("crashed", error=str(first), exc_info=first.__cause__ or first)
        return first

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Route SIGTERM, SIGINT and SIGHUP for as long as this lasts."""
        if not self._has_signals:
            yield
            return
        loop = asyncio.get_running_loop()
        routes: dict[signal.Signals, Callable[[], None]] = {
            signal.SIGTERM: lambda: self.stop("SIGTERM"),
            signal.SIGINT: lambda: self.stop("SIGINT"),
            signal.SIGHUP: self.reload,
        }
        for number, route in routes.items():
            loop.add_signal_handler(number, route)
        try:
            yield
        finally:
            for number in routes:
                loop.remove_signal_handler(number)

    # --------------------------------------------------------------------------------------- campaigns
    def _load(self) -> list[CampaignPolicy]:
        paths = sorted(self._settings.campaigns_dir.glob("*.toml"))
        if not paths:
            raise ConfigError(
                f"campaigns_dir {self._settings.campaigns_dir}: expected a campaign file (*.toml), found none"
            )
        return load_campaigns(paths)

    def _stop_import(self, rows: int, _: float) -> None:
        """Stop an import that the daemon's end would wait for; nothing of it is kept."""
        if self._stopping.is_set():
            raise ListError(f"the daemon ends: the import was stopped after {rows:,} rows. Nothing was loaded.")

    async def _reload_when_asked(self) -> None:
        while True:
            await self._reloading.wait()
            self._reloading.clear()
            systemd.notify_reloading()
            try:
                await self._reload()
            except DialerError as error:
                self._log.error("reload refused", kept="the campaigns as they were", error=str(error))
            systemd.notify("READY=1")

    async def _reload(self) -> None:
        """Take over all campaign files as they are now, or none of them."""
        new = {policy.name: policy for policy in self._load()}
        law = read_law(self._settings, self._clock.now(), self._log)
        for policy in new.values():
            await self._lists.take_anew(policy, is_dry_run=True)
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
                await self._driver.settle(self._loaded(policy, new.values()))
                await self._unretire(name)
            if has_news:
                await self._driver.settle(LeadsImported(campaign=name))
                await self._driver.settle(StandingsChanged(reason=f"a list of {name} was imported"))
        for name in [name for name in self._policies if name not in new]:
            changed += 1
            await self._retire(name)
        self._policies = new
        self._log.info("reloaded", campaigns=list(new), changed=changed)

    async def _retire(self, name: str) -> None:
        """Let a campaign whose file is gone finish its calls and stop."""
        self._log.info("campaign changed", campaign=name, key="(file)", before="present", after="gone: draining")
        if self._driver.refusal(name, "drain") is None:
            self._retired[name] = self._status_of(name)
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

    # ----------------------------------------------------------------------------------------- control
    async def _answer(self, request: Request, who: str) -> dict[str, Any]:
        match request:
            case StatusRequest():
                shown = shown_blocked(self._driver.status(), self._driver.blocked)
                return {"now": self._clock.now(), "status": msgspec.to_builtins(shown)}
            case _ if self._driver.blocked is not None:
                raise ControlError(f"nothing can be changed now: {self._driver.blocked}")
            case ImportedRequest(name=name):
                if name not in self._policies:
                    raise ControlError(f"no campaign is named {name!r}; loaded: {', '.join(sorted(self._policies))}")
                await self._driver.settle(LeadsImported(campaign=name))
                return {"campaign": name}
            case CampaignRequest(name=name, action=action, reason=reason):
                refusal = self._driver.refusal(name, action)
                if refusal is not None:
                    raise ControlError(refusal)
                before = self._state_of(name)
                await self._driver.settle(CampaignControlled(campaign=name, action=action, reason=reason, who=who))
                self._retired.pop(name, None)
                return {"campaign": name, "before": before, "after": self._state_of(name)}
            case KeysRequest():
                key_id = self._store.renew_keys()
                self._log.info("keyring read", sealing_with=key_id, who=who)
                return {"key": key_id}
            case _:
                return await self._people.answer(request, who)

    def _state_of(self, name: str) -> str:
        return self._status_of(name).state

    def _status_of(self, name: str) -> CampaignStatus:
        return next(campaign for campaign in self._driver.status().campaigns if campaign.name == name)

    # --------------------------------------------------------------------------------------------- end
    async def _drain(self) -> None:
        """No new calls; live ones and wrap-ups finish within `drain_timeout_s`, then they are ended."""
        systemd.notify("STOPPING=1", "STATUS=draining: no new calls, live ones finish")
        reason = self._stop_reasons[0]
        self._log.info("draining", reason=reason, live_calls=self._driver.live_calls())
        await self._settle_in_time(DrainRequested(reason=reason))
        if not await self._has_ended(self._settings.drain_timeout_s, self._is_at_rest, can_hurry=True):
            hung_up = self._driver.order_hang_ups(f"the daemon ends: {reason}")
            why = "asked again" if self._hurrying.is_set() else "drain_timeout_s is over"
            self._log.warning("hanging up", calls=hung_up, reason=why)
            if not await self._has_ended(HANG_UP_WAIT_S, self._is_silent):
                silent = self._driver.declare_over("no answer to the hang-up")
                self._log.error("calls declared over", calls=silent, reason="the gateway did not say that they ended")
                await self._has_ended(HANG_UP_WAIT_S, self._is_silent)
        await self._send_agents_home()

    async def _settle_in_time(self, event: DrainRequested) -> None:
        """Let the drain begin; raise DiskFull when there is no room for it within `drain_timeout_s`, or in a hurry."""
        settled = asyncio.ensure_future(self._driver.settle(event))
        hurrying = asyncio.ensure_future(self._hurrying.wait())
        while not settled.done():
            await asyncio.wait(
                [settled, hurrying], timeout=self._settings.drain_timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
            if not settled.done() and self._driver.blocked is not None:
                hurrying.cancel()
                raise DiskFull(self._driver.blocked)
            if hurrying.done():
                break
        hurrying.cancel()
        await settled

    def _tell_blocked(self, reason: str | None) -> None:
        if reason is None:
            self._log.warning("unblocked: there is room again", live_calls=self._driver.live_calls())
        else:
            self._log.error("blocked: nothing is dialed", reason=reason, live_calls=self._driver.live_calls())

    async def _send_agents_home(self) -> None:
        """Log everybody out, so that what they did is recorded; a wrap-up without a word ends its lead."""
        for agent in self._driver.status().agents:
            if agent.state != AgentState.LOGGED_OUT:
                await self._driver.settle(AgentLoggedOut(agent_id=agent.agent_id))

    def _is_silent(self) -> bool:
        return self._driver.live_calls() == 0

    def _is_at_rest(self) -> bool:
        """No call lives, and every agent has had the last word."""
        if self._driver.live_calls():
            return False
        return not any(agent.state == AgentState.WRAP_UP for agent in self._driver.status().agents)

    async def _has_ended(self, limit_s: float, is_over: Callable[[], bool], *, can_hurry: bool = False) -> bool:
        """Wait until `is_over` says so, at most `limit_s` of the wall, or until asked to hurry; give its last word."""
        self._is_over = is_over
        self._idle.clear()
        self._watch(None)
        waits = [asyncio.ensure_future(self._idle.wait())]
        if can_hurry:
            waits.append(asyncio.ensure_future(self._hurrying.wait()))
        try:
            await asyncio.wait(waits, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return is_over()

    def _watch(self, entry: Entry | None) -> None:
        """Observe each entry: let a refusal hold for the whole person, and wake who waits for the end."""
        if entry is not None:
            self._people.hear(entry)
        if self._is_over is not None and self._is_over():
            self._idle.set()

    async def _tell_systemd(self) -> None:
        while True:
            await asyncio.sleep(STATUS_EVERY_S)
            if self._driver.blocked is not None:
                systemd.notify(f"STATUS=blocked: {self._driver.blocked}")
                continue
            running = sum(campaign.state == CampaignState.RUNNING for campaign in self._driver.status().campaigns)
            systemd.notify(f"STATUS={running} campaigns running, {self._driver.live_calls()} live calls")


async def _child(name: str, work: Awaitable[None]) -> None:
    """Await a part of the daemon. Its end, other than by cancelling, is the daemon's end."""
    try:
        await work
    except DialerError:
        raise
    except Exception as error:
        raise ChildCrashed(f"{name} crashed: {type(error).__name__}: {error}") from error
    raise ChildCrashed(f"{name} ended by itself")


def make_clock(settings: Settings, store: SqliteStore) -> DaemonClock:
    """Make the clock that the settings ask for, never before the last instant in the journal.

    Real time, unless the loopback gateway is to run faster or at another date; such a clock is held until the start.
    """
    loopback = settings.loopback
    last = next(iter(store.entries(max(1, store.next_seq() - 1))), None)
    start_at = time.time() if loopback.start_at is None else loopback.start_at
    if last is not None:
        start_at = max(start_at, last.at)
    if loopback.speed == 1.0 and loopback.start_at is None and start_at <= time.time():
        return SystemClock()
    clock = ScaledClock(speed=loopback.speed, start_at=start_at)
    clock.hold("start", start_at)  # simulated time begins when everybody is there
    return clock
