"""The daemon: its parts, the order in which they start, and how they end together.

One task group holds it together: a crash of any child ends the process, and systemd starts it again. Only expected
failures are handled where they happen.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TextIO

import dialer
from dialer.config.settings import Settings
from dialer.daemon import systemd
from dialer.daemon.answering import Answers
from dialer.daemon.audiences import show_regularly
from dialer.daemon.bookmark import Bookmark
from dialer.daemon.campaigns import Adopt, Campaigns
from dialer.daemon.clock import DaemonClock, make_clock
from dialer.daemon.control import listen, serve
from dialer.daemon.draining import Draining, StopRequests
from dialer.daemon.driver import Driver
from dialer.daemon.earlier import EarlierRun, Threshold
from dialer.daemon.files import Files
from dialer.daemon.gauges import Floor
from dialer.daemon.health import Health, Phase
from dialer.daemon.heartbeat import Reading, beat, tell_systemd
from dialer.daemon.imports import ImportReport
from dialer.daemon.lists import Lists
from dialer.daemon.lock import only_daemon
from dialer.daemon.logs import Logger, Narrator, make_logger
from dialer.daemon.metrics import Metrics, TimedLedger
from dialer.daemon.neighbours import Neighbours
from dialer.daemon.pages import served
from dialer.daemon.people import People
from dialer.daemon.registries import watch_ages
from dialer.daemon.retention import erase_daily
from dialer.daemon.standby import owning
from dialer.daemon.steps import Steps
from dialer.daemon.stores import database_of, open_store
from dialer.daemon.supervision import child, first_crash, routed
from dialer.domain.events import LawLoaded
from dialer.domain.law import Law
from dialer.domain.policy import CampaignPolicy
from dialer.engine.engine import Engine
from dialer.errors import DialerError, ListError
from dialer.ports import Audience, Gateway
from dialer.storage.codec import Entry
from dialer.storage.ownership import engine_of
from dialer.storage.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a gateway is told of the run that it is made for.

    `token` grows from run to run of one engine, on whichever machine; `owns` says of a call's id whether it is this
    engine's. `health` is told of lost gateways, `metrics` of round trips, and `audiences` are shown the floor.
    """

    clock: DaemonClock
    log: Logger
    token: int
    owns: Callable[[int], bool]
    health: Health
    metrics: Metrics
    audiences: list[Audience] = field(default_factory=list)  # a factory adds whom it makes


GatewayFactory = Callable[[Run, list[CampaignPolicy]], tuple[Gateway, Adopt]]
"""Makes the gateway for the campaigns at the start, and says whom to tell of a campaign that is loaded later."""


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
        self._stops = StopRequests()
        self._reloading = asyncio.Event()
        self._health = Health()
        self._metrics = Metrics()
        self._metrics.add(self._health)
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """Run until asked to stop and drained. Raises DialerError when it cannot start or a part of it fails."""
        with only_daemon(self._settings.state_dir):
            self._bookmark = Bookmark(self._settings.state_dir, database_of(self._settings), self._settings.engine)
            self._bookmark.look_for_file()
            async with served(self._settings.listen, self._health, self._metrics):
                store = open_store(self._settings)
                try:
                    await self._own_and_run(store)
                finally:
                    self._bookmark.close()
                    store.close()

    def stop(self, reason: str) -> None:
        """Ask for the end: no new calls, live ones finish. Asked again: hang up at once."""
        self._stops.add(reason)

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
        return self._stops.is_stopping

    @property
    def driver(self) -> Driver:
        """The driver of this run; there is one once `ready` is set."""
        return self._driver

    @property
    def clock(self) -> DaemonClock:
        """The clock of this run; there is one once `ready` is set."""
        return self._clock

    # ------------------------------------------------------------------------------------------- start
    async def _own_and_run(self, store: Store) -> None:
        """Run as soon as this daemon may dial; stand by until then."""
        log = make_logger(self._settings.log_level, self._settings.log_format, stream=self._log_to)
        self._files = Files(self._settings, log)
        if store.database.shared_at is not None:
            self._files.read()  # a fault that was there all the time is told before it matters
        waiting = self._routed(self._files.read_again)
        async with owning(
            self._settings, store, self._stops, self._health, log, waiting, files=self._files
        ) as ownership:
            if ownership is not None:
                self._ownership = ownership
                await self._run(store)

    def _routed(self, reload: Callable[[], None]) -> AbstractContextManager[None]:
        if not self._has_signals:
            return nullcontext()
        return routed(
            {
                signal.SIGTERM: lambda: self.stop("SIGTERM"),
                signal.SIGINT: lambda: self.stop("SIGINT"),
                signal.SIGHUP: reload,
            }
        )

    async def _run(self, store: Store) -> None:
        self._store = store
        self._bookmark.compare(store)
        self._clock = make_clock(self._settings, store)
        self._started_at = self._clock.now()
        self._log = make_logger(self._settings.log_level, self._settings.log_format, self._clock, stream=self._log_to)
        self._log.info("starting", version=dialer.__version__, pid=os.getpid(), state_dir=str(self._settings.state_dir))
        self._narrator = Narrator(self._log)
        policies, law, lists = self._read(store)
        self._recover(store)
        run = self._as_run(store)
        gateway, adopt = self._make_gateway(run, policies)
        self._audiences = tuple(run.audiences)
        self._driver = self._make_driver(store, gateway)
        self._people = People(store, self._driver)
        self._draining = Draining(self._driver, self._stops, self._log, timeout_s=self._settings.drain_timeout_s)
        self._campaigns = Campaigns(
            self._settings, store, self._driver, self._clock, self._log, lists=lists, adopt=adopt, law=law
        )
        self._show()
        self._driver.post(LawLoaded(law=law))
        self._people.begin()
        self._campaigns.begin(policies, self._earlier)
        with self._routed(self.reload):
            await self._supervise(gateway)

    def _read(self, store: Store) -> tuple[list[CampaignPolicy], Law, Lists]:
        """Read what is to be dialed by, make the campaigns this engine's, and bring their lists in."""
        lists = Lists(store, self._clock, self._log, on_import=self._on_import, progress=self._stop_import)
        is_as_before = False
        if self._ownership.has_stood_by:
            policies, law, is_as_before = self._files.taken_over(self._started_at, store)
        else:
            policies, law = self._files.in_force(self._started_at)
        for policy in policies:
            store.take_campaign(policy)
        for policy in () if is_as_before else policies:
            try:
                lists.take(policy, Reading(self._health))
            except ListError as error:
                if self._stops.is_stopping or not self._ownership.has_stood_by:
                    raise
                hint = "the leads of before are dialed; correct the list and send SIGHUP"
                self._log.error("list not read", campaign=policy.name, error=str(error), todo=hint)
        return policies, law, lists

    def _recover(self, store: Store) -> None:
        """Give back the leads that an earlier run had only claimed, and look what else it left behind."""
        released = store.release_claims()
        if released:
            self._log.info("claims released", leads=released)
        self._earlier = EarlierRun(store, self._clock.now())

    def _as_run(self, store: Store) -> Run:
        """Say what this run is: each one begins with entries of its own, so their number is a fencing token, too."""
        engine = engine_of(store.next_call_id())
        return Run(
            clock=self._clock,
            log=self._log,
            token=self._bookmark.begin_run(store.next_seq()),
            owns=lambda call_id: engine_of(call_id) == engine,
            health=self._health,
            metrics=self._metrics,
        )

    def _make_driver(self, store: Store, gateway: Gateway) -> Driver:
        engine = Engine(
            lines=self._settings.lines,
            calls_per_second=self._settings.calls_per_second,
            next_call_id=self._bookmark.next_call(store.next_call_id()),
        )
        return Driver(
            engine,
            TimedLedger(store, self._metrics),
            gateway,
            self._clock,
            next_seq=store.next_seq(),
            observers=(
                Steps(self._log),
                self._narrator,
                self._metrics.observer(self._clock),
                self._watch,
                self._bookmark.hear,
            ),
            on_blocked=self._tell_blocked,
            may_send=self._ownership.may_send,
        )

    def _show(self) -> None:
        """Show from now on what the parts say of themselves."""
        campaigns, people = self._campaigns, self._people
        self._health.blocked = lambda: self._driver.blocked
        self._metrics.add(
            Floor(self._metrics, self._driver, self._clock, law=lambda: campaigns.law, copies=lambda: people.copies)
        )

    async def _supervise(self, gateway: Gateway) -> None:
        """Run all children until the daemon is asked to stop and has drained."""
        listener = listen(self._settings.control_socket)
        threshold = Threshold(self._earlier, self._driver, self._log)
        neighbours = Neighbours(self._store, self._driver, self._campaigns, self._people)
        answers = Answers(
            self._store,
            self._driver,
            self._campaigns,
            self._people,
            self._clock,
            self._log,
            draining=self._draining,
            health=self._health,
        )
        try:
            async with asyncio.TaskGroup() as group:
                children = [
                    group.create_task(child(name, work))
                    for name, work in (
                        ("driver", self._driver.run()),
                        ("lease", self._ownership.watch(neighbours.hear)),
                        ("gateway", gateway.run(threshold.hear)),
                        ("control", serve(listener, answers.answer)),
                        ("reload", self._reload_when_asked()),
                        ("leaving", self._campaigns.leave_when_over()),
                        ("heartbeat", beat(self._driver, self._health)),
                        ("status", tell_systemd(self._driver)),
                        ("registries", watch_ages(lambda: self._campaigns.law, self._store, self._clock, self._log)),
                        ("audiences", show_regularly(self._driver, self._audiences)),
                        ("retention", erase_daily(lambda: self._campaigns.law, self._store, self._clock, self._log)),
                    )
                ]
                await asyncio.sleep(0)  # every child has begun, and holds the clock for what it has to do first
                await threshold.take_over(gateway)
                self._begin()
                reason = await self._stops.first()
                self._health.phase = Phase.DRAINING
                await self._draining.drain(reason)
                for each in children:
                    each.cancel()
        except BaseExceptionGroup as crashes:
            raise first_crash(crashes, self._log) from crashes
        self._narrator.close()
        self._log.info("stopped")

    def _begin(self) -> None:
        """Let time run, and say that the daemon is ready."""
        self._clock.hold("start", None)
        self._health.phase = Phase.RUNNING
        self.ready.set()
        names = list(self._campaigns.names)
        systemd.notify("READY=1", f"STATUS={len(names)} campaigns loaded")
        self._log.info("ready", campaigns=names, control_socket=str(self._settings.control_socket))

    # ----------------------------------------------------------------------------------- while it runs
    def _stop_import(self, rows: int, _: float) -> None:
        """Stop an import that the daemon's end would wait for; nothing of it is kept."""
        if self._stops.is_stopping:
            raise ListError(f"the daemon ends: the import was stopped after {rows:,} rows. Nothing was loaded.")

    async def _reload_when_asked(self) -> None:
        while True:
            await self._reloading.wait()
            self._reloading.clear()
            systemd.notify_reloading()
            try:
                await self._campaigns.reload()
            except DialerError as error:
                self._log.error("reload refused", kept="the campaigns as they were", error=str(error))
            systemd.notify("READY=1")

    def _tell_blocked(self, reason: str | None) -> None:
        if reason is None:
            self._log.warning("unblocked: dialing goes on", live_calls=self._driver.live_calls())
        else:
            self._log.error("blocked: nothing is dialed", reason=reason, live_calls=self._driver.live_calls())

    def _watch(self, entry: Entry) -> None:
        """Observe each entry: let a refusal hold for the whole person, and wake who waits for the end."""
        self._people.hear(entry)
        self._draining.look()
        for audience in self._audiences:
            audience.observe(entry.commands)
