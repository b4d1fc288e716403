"""Whether the daemon lives, and whether it is ready: what systemd, probes and alerts are told.

One rule governs this module: alive means that the engine makes progress, ready means that it would dial. A daemon that
is blocked, stands by, drains or has lost every gateway lives, and is not ready; it says why.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum

from prometheus_client.core import GaugeMetricFamily, Metric

from dialer.ports import GatewayStanding

SILENCE_S = 30.0
"""After so long without a beat the daemon is not alive any more; as long as the unit's WatchdogSec."""


class Phase(StrEnum):
    """Where a run of the daemon stands."""

    STARTING = "starting"
    STANDBY = "standby"  # another daemon of its name dials
    RUNNING = "running"
    DRAINING = "draining"


_NOT_READY = {
    Phase.STARTING: "starting: lists and an earlier run are taken over",
    Phase.STANDBY: "standby: another daemon of this name dials",
    Phase.DRAINING: "draining: no new calls",
}


_BLOCKED = "blocked: the database takes nothing; make room, or see to its server: `dialer status` and the log say more"


class Health:
    """What is known of this run's health. `monotonic` gives seconds of the wall."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._beat_at: float | None = None
        self.phase = Phase.STARTING
        self.blocked: Callable[[], str | None] = lambda: None
        """Says why nothing can be committed, or None."""
        self.gateways: Callable[[], Sequence[GatewayStanding]] = tuple
        """Says how each gateway stands."""

    def beat(self) -> None:
        """Note that the engine made progress."""
        self._beat_at = self._monotonic()

    @property
    def is_live(self) -> bool:
        """The engine made progress a moment ago; before its first, the start is given its time."""
        return self._beat_at is None or self._monotonic() - self._beat_at <= SILENCE_S

    def reasons(self) -> list[str]:
        """Say why the daemon is not ready; nothing when it is.

        Whoever reaches the page may read it: which part it is and what to do, and no word of where the part lives.
        """
        found = [] if self.phase not in _NOT_READY else [_NOT_READY[self.phase]]
        if self.blocked() is not None:
            found.append(_BLOCKED)
        gateways = self.gateways()
        if gateways and all(each.lost is not None for each in gateways):
            found.append("gateway lost: " + "; ".join(f"{each.name}: {each.lost}" for each in gateways))
        if not self.is_live:
            found.append("stuck: the engine makes no progress")
        return found

    def collect(self) -> Iterable[Metric]:
        """Give health as metrics."""
        state = GaugeMetricFamily("dialer_daemon_state", "1 for the state the daemon is in.", labels=["state"])
        for phase in Phase:
            state.add_metric([phase.value], float(phase is self.phase))
        yield state
        yield GaugeMetricFamily("dialer_ready", "1 when the daemon would dial.", value=float(not self.reasons()))
        up = GaugeMetricFamily("dialer_gateway_up", "1 while the gateway can be given orders.", labels=["gateway"])
        for each in self.gateways():
            up.add_metric([each.name], float(each.lost is None))
        yield up
        is_blocked = self.blocked() is not None
        yield GaugeMetricFamily(
            "dialer_blocked", "1 while nothing can be committed: disk full, database lost.", value=float(is_blocked)
        )
