"""What the daemon counts, for Prometheus: the field's names, base units, and labels of bounded number.

One rule governs this module: a label is a campaign, a gateway, a register or a word of the dialer's own, never a
telephone number, a lead, a call or an agent. What runs is counted from journal entries once they are durable; how
things stand is read when somebody asks. Seconds of calls and agents are those of the daemon's clock.
"""

import time
from collections.abc import Iterable
from typing import Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import Metric

import dialer
from dialer.daemon.clock import DaemonClock
from dialer.daemon.writer import Ledger
from dialer.domain.agent import AgentState
from dialer.domain.commands import PlaceCall, RecordAgentSpan, RecordAttempt, RecordVerdict
from dialer.domain.events import EarlierRunFound, LeadsClaimed
from dialer.domain.records import AgentSpan, Attempt
from dialer.storage.codec import Entry

RULES_MAX = 200
"""As many rules have a series of their own per process; refusals by further ones are counted as `other`."""
_COMMITS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_LAGS_S = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0)
_TRIPS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
_WAITS_S = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_ANSWER_WAITS_S = (0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)


class Collector(Protocol):
    """Reads how things stand when somebody asks."""

    def collect(self) -> Iterable[Metric]:
        """Give the families of one answer."""


class Metrics:
    """All that is counted in one run of the daemon, in a registry of its own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, of no use here
        self.registry = CollectorRegistry()
        registry = self.registry
        ProcessCollector(registry=registry)
        build = Gauge("dialer_build_info", "The version that runs.", ["version"], registry=registry)
        build.labels(dialer.__version__).set(1)
        self._attempts = Counter(
            "dialer_attempts", "Attempts that came to their end.", ["campaign", "outcome"], registry=registry
        )
        self._refusals = Counter(
            "dialer_verdict_refusals",
            "Verdicts that did not allow a call.",
            ["campaign", "rule"],
            registry=registry,
        )
        self._answer_wait = Histogram(
            "dialer_answer_wait_seconds",
            "From a person's answer to the agent.",
            ["campaign"],
            buckets=_ANSWER_WAITS_S,
            registry=registry,
        )
        self._agent_wait = Histogram(
            "dialer_agent_wait_seconds",
            "How long an agent was ready or reserved before a conversation.",
            ["campaign"],
            buckets=_WAITS_S,
            registry=registry,
        )
        self._commit = Histogram(
            "dialer_commit_seconds", "Time of one commit, on the wall.", buckets=_COMMITS_S, registry=registry
        )
        self._claim = Histogram(
            "dialer_claim_seconds", "Time of one claim of leads, on the wall.", buckets=_COMMITS_S, registry=registry
        )
        self._entries = Counter("dialer_journal_entries", "Journal entries made durable.", registry=registry)
        self._lag = Histogram(
            "dialer_event_lag_seconds",
            "From an event's arrival until it and what it caused are durable and ordered.",
            buckets=_LAGS_S,
            registry=registry,
        )
        self._trip = Histogram(
            "dialer_gateway_round_trip_seconds",
            "From a ping to the gateway's answer, once a second.",
            ["gateway"],
            buckets=_TRIPS_S,
            registry=registry,
        )
        self._open: set[int] = set()  # calls that are not over
        self._rules: set[tuple[str, str]] = set()
        self._waited: dict[str, float] = {}  # by agent, since the last conversation or pause
        self.agent_seconds: dict[tuple[str, str], float] = {}
        """What agents did in spans that are over, by campaign and state."""

    def add(self, collector: Collector) -> None:
        """Ask a collector, too, from now on."""
        self.registry.register(collector)

    def observer(self, clock: DaemonClock) -> "Observer":
        """Give what the driver tells of each entry."""
        return Observer(self, clock)

    # ------------------------------------------------------------------------------------- from outside
    def committed(self, entries: int, elapsed_s: float) -> None:
        """Count one commit; called by the thread that writes."""
        self._commit.observe(elapsed_s)
        self._entries.inc(entries)

    def claimed(self, elapsed_s: float) -> None:
        """Count one claim; called by the thread that writes."""
        self._claim.observe(elapsed_s)

    def answered(self, gateway: str, elapsed_s: float) -> None:
        """Count a gateway's answer to a ping."""
        self._trip.labels(gateway).observe(elapsed_s)

    # ---------------------------------------------------------------------------------- from the journal
    def hear(self, entry: Entry, now: float) -> None:
        """Count what one durable entry says."""
        if entry.event is not None and not isinstance(entry.event, LeadsClaimed):
            self._lag.observe(max(0.0, now - entry.at))
        if isinstance(entry.event, EarlierRunFound):
            self._open.update(found.attempt.call_id for found in entry.event.calls)
        for command in entry.commands:
            match command:
                case PlaceCall(call_id=call_id):
                    self._open.add(call_id)
                case RecordAttempt(attempt=attempt) if attempt.released_at is not None:
                    self._finish(attempt)
                case RecordAgentSpan(span=span):
                    self._leave(span)
                case RecordVerdict(record=record) if not record.verdict.allowed:
                    self._refuse(record.campaign, record.verdict.rule)
                case _:
                    pass

    def _finish(self, attempt: Attempt) -> None:
        """Count an attempt's end once; what is recorded of it later is the agent's word."""
        if attempt.call_id not in self._open:
            return
        self._open.remove(attempt.call_id)
        outcome = "none" if attempt.outcome is None else attempt.outcome.value
        self._attempts.labels(attempt.campaign, outcome).inc()
        if attempt.is_live and attempt.answered_at is not None and attempt.bridged_at is not None:
            self._answer_wait.labels(attempt.campaign).observe(max(0.0, attempt.bridged_at - attempt.answered_at))

    def _leave(self, span: AgentSpan) -> None:
        length_s = max(0.0, span.to_at - span.from_at)
        key = (span.campaign or "", str(span.state))
        self.agent_seconds[key] = self.agent_seconds.get(key, 0.0) + length_s
        waited_s = self._waited.pop(span.agent_id, 0.0)
        if span.state in (AgentState.READY, AgentState.RESERVED):
            self._waited[span.agent_id] = waited_s + length_s
        elif span.state == AgentState.TALKING and span.campaign is not None:
            self._agent_wait.labels(span.campaign).observe(waited_s)

    def _refuse(self, campaign: str, rule: str) -> None:
        if (campaign, rule) not in self._rules:
            if len(self._rules) >= RULES_MAX:
                rule = "other"
            self._rules.add((campaign, rule))
        self._refusals.labels(campaign, rule).inc()


class Observer:
    """Hears entries for a registry, by a clock."""

    def __init__(self, metrics: Metrics, clock: DaemonClock) -> None:
        self._metrics = metrics
        self._clock = clock

    def __call__(self, entry: Entry) -> None:
        """Hear one durable entry."""
        self._metrics.hear(entry, self._clock.now())


class TimedLedger:
    """A ledger whose commits and claims are timed."""

    def __init__(self, ledger: Ledger, metrics: Metrics) -> None:
        self._ledger = ledger
        self._metrics = metrics

    def commit_batch(self, entries: Iterable[Entry]) -> None:
        """Commit, and time it."""
        batch = list(entries)
        began = time.perf_counter()
        self._ledger.commit_batch(batch)
        self._metrics.committed(len(batch), time.perf_counter() - began)

    def claim(self, campaign: str, count: int, now: float) -> LeadsClaimed:
        """Claim, and time it."""
        began = time.perf_counter()
        claimed = self._ledger.claim(campaign, count, now)
        self._metrics.claimed(time.perf_counter() - began)
        return claimed
