"""What the daemon says: one canonical line per finished attempt, per pacing decision that changed, per campaign change.

Under systemd, and wherever nobody sits at a terminal, a line is one JSON object. Numbers are masked.
"""

import logging
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from dialer.daemon.systemd import is_service
from dialer.domain.agent import AgentState
from dialer.domain.commands import (
    BlockPerson,
    RecordAgentSpan,
    RecordAttempt,
    RecordChange,
    RecordDecision,
    RecordShadow,
)
from dialer.domain.events import StoreLagged
from dialer.domain.lag import Lag
from dialer.domain.records import Attempt, FloorFigures, PacingDecision, ShadowReport
from dialer.gateways.contract import trace_of
from dialer.leads.numbers import mask, mask_in
from dialer.pacing.explain import explain
from dialer.ports import Clock
from dialer.storage.codec import Entry

Logger = FilteringBoundLogger
_FAULTS = ("error", "exception")


def make_logger(level: str, form: str, clock: Clock | None = None, *, stream: TextIO | None = None) -> Logger:
    """Make the daemon's logger. `form` is auto, json or console; instants come from the clock (None: the machine's)."""
    out = sys.stderr if stream is None else stream
    lasting = _Lasting(out)
    is_json = form == "json" or (form == "auto" and (is_service() or not out.isatty()))
    renderer: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if is_json
        else structlog.dev.ConsoleRenderer(colors=out.isatty(), pad_event_to=24, sort_keys=False)
    )
    logger: Logger = structlog.wrap_logger(
        structlog.WriteLogger(lasting),  # type: ignore[arg-type]  # all it needs is write and flush
        processors=[
            structlog.processors.add_log_level,
            _stamp(clock),
            lasting.own_up,
            structlog.processors.format_exc_info,
            _hide_numbers,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
    )
    return logger


class _Lasting:
    """A stream that outlives its reader. A full disk or a closed pipe costs log lines, never the calls that live.

    The next line that can be written says how many could not.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lost = 0

    def write(self, line: str) -> None:
        """Write a line and flush it, or count it as lost."""
        try:
            self._out.write(line)
            self._out.flush()
            self._lost = 0
        except OSError:
            self._lost += 1

    def flush(self) -> None:
        """Do nothing: every line is flushed."""

    def own_up(self, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
        """Say in a line how many were lost before it."""
        return {**event, "lost_lines": self._lost} if self._lost else event


def _hide_numbers(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Mask the numbers in what Python says of a fault: they are in E.164 wherever the daemon has them."""
    hidden = {name: mask_in(str(event[name])) for name in _FAULTS if name in event}
    return {**event, **hidden}


def _stamp(clock: Clock | None) -> Processor:
    """Put the instant first: UTC, milliseconds. On a scaled clock it is the simulated one."""

    def stamp(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        at = datetime.now(UTC) if clock is None else datetime.fromtimestamp(clock.now(), UTC)
        return {"at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"), **event}

    return stamp


class Narrator:
    """Turns what the driver made durable into log lines.

    The line of a connect waits for the agent's word, at most until the agent's wrap-up is over; a word that comes later
    has a line of its own.
    """

    def __init__(self, logger: Logger) -> None:
        self._logger = logger
        self._paced: dict[str, tuple[object, ...]] = {}
        self._unspoken: dict[int, Attempt] = {}

    def __call__(self, entry: Entry) -> None:
        """Tell what came of one journal entry."""
        if isinstance(entry.event, StoreLagged):
            self._lag(entry.event)
        for command in entry.commands:
            match command:
                case RecordAttempt(attempt=attempt) if attempt.released_at is not None:
                    self._finish(attempt)
                case RecordAgentSpan(span=span) if span.state == AgentState.WRAP_UP and span.call_id is not None:
                    self._let_go(span.call_id)
                case RecordDecision(decision=decision):
                    self._pace(decision)
                case RecordChange(change=change):
                    self._logger.info(
                        "campaign",
                        campaign=change.campaign,
                        action=change.action,
                        before=change.before,
                        after=change.after,
                        reason=change.reason,
                        who=change.who,
                        digest=change.digest[:12],
                    )
                case RecordShadow(report=report):
                    self._logger.info("shadow", **shadow_fields(report))
                case BlockPerson(seller=seller, numbers=numbers, reason=reason):
                    masked = [mask(number) for number in numbers]
                    self._logger.info("do not call", seller=seller, numbers=masked, reason=reason)
                case _:
                    pass

    def _lag(self, event: StoreLagged) -> None:
        if event.lag is Lag.NONE:
            self._logger.warning("the store is fast enough again")
        else:
            dialing = "one call per reserved agent" if event.lag is Lag.SLOW else "no new calls"
            self._logger.warning("the store lags", lag=event.lag, lag_s=round(event.lag_s, 3), dialing=dialing)

    def close(self) -> None:
        """Tell of the connects whose agents never said a word."""
        for call_id in tuple(self._unspoken):
            self._let_go(call_id)

    def _finish(self, attempt: Attempt) -> None:
        if attempt.bridged_at is not None and attempt.disposed_at is None:
            self._unspoken[attempt.call_id] = attempt
        elif attempt.bridged_at is None or self._unspoken.pop(attempt.call_id, None) is not None:
            self._logger.info("attempt", **attempt_fields(attempt))
        else:
            self._logger.info(
                "late disposition",
                campaign=attempt.campaign,
                lead_id=attempt.lead_id,
                call_id=attempt.call_id,
                trace=trace_of(attempt.campaign, attempt.lead_id, attempt.call_id),
                agent_id=attempt.agent_id,
                disposition=attempt.disposition,
            )

    def _let_go(self, call_id: int) -> None:
        attempt = self._unspoken.pop(call_id, None)
        if attempt is not None:
            self._logger.info("attempt", **attempt_fields(attempt))

    def _pace(self, decision: PacingDecision) -> None:
        paced = (decision.calls, decision.wanted, decision.limited_by, decision.mode, decision.is_reserved)
        if self._paced.get(decision.campaign) == paced:
            return
        self._paced[decision.campaign] = paced
        self._logger.info(
            "pacing",
            campaign=decision.campaign,
            mode=decision.mode,
            calls=decision.calls,
            wanted=decision.wanted,
            limited_by=decision.limited_by,
            is_reserved=decision.is_reserved,
            reason=explain(decision),
            terms={name: _short(value) for name, value in decision.terms},
        )


def shadow_fields(report: ShadowReport) -> dict[str, Any]:
    """Give the figures of a campaign's floor and of its shadow's, since the shadow started and over the last hour."""

    def figures(floor: FloorFigures) -> dict[str, Any]:
        values = ((name, getattr(floor, name)) for name in FloorFigures.__slots__)
        return {name: _short(value) if isinstance(value, float) else value for name, value in values}

    return {
        "campaign": report.campaign,
        "mode": report.mode,
        "shadow": report.shadow,
        "hours": None if report.since_at is None else _short((report.at - report.since_at) / 3600.0),
        "real": figures(report.real),
        "as_if": figures(report.twin),
        "real_hour": figures(report.real_hour),
        "as_if_hour": figures(report.twin_hour),
    }


def attempt_fields(attempt: Attempt) -> dict[str, Any]:
    """Give the canonical fields of a finished attempt; None and empty ones are left out. Durations in seconds."""
    ended_at = attempt.released_at
    fields: dict[str, Any] = {
        "campaign": attempt.campaign,
        "lead_id": attempt.lead_id,
        "call_id": attempt.call_id,
        "trace": trace_of(attempt.campaign, attempt.lead_id, attempt.call_id),
        "number": mask(attempt.number),
        "outcome": None if attempt.outcome is None else attempt.outcome.value,
        "disposition": attempt.disposition,
        "agent_id": attempt.agent_id,
        "mode": attempt.mode,
        "rule": attempt.rule,
        "attempt_rank": attempt.attempt_rank,
        "ring_s": _between(attempt.ringing_at or attempt.placed_at, attempt.answered_at or ended_at),
        "wait_s": _between(attempt.answered_at, attempt.bridged_at),
        "talk_s": _between(attempt.bridged_at, ended_at),
        "is_live": attempt.is_live or None,
        "is_abandoned": attempt.is_abandoned or None,
        "released_by": attempt.released_by,
        "cause": attempt.cause,
    }
    return {name: value for name, value in fields.items() if value not in (None, "")}


def _between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else round(end - start, 3)


def _short(value: float) -> float:
    return float(f"{value:.5g}")
