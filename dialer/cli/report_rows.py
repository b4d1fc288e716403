"""The rows of the reports, as plain values in named columns, whatever they are written as afterwards.

One rule governs this module: what is printed is what `dialer.engine.kpi` and `dialer.engine.windows` computed; nothing
is computed here. Numbers are masked as they enter a row.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from dialer.domain.policy import AbandonmentPolicy, CampaignPolicy, PacingMode
from dialer.domain.records import Attempt
from dialer.engine.kpi import Figure, agent_figures, campaign_figures, machines_joined, spans_of
from dialer.engine.windows import WORST_ANSWERS_MIN, AbandonmentWindow, WorstSpan, window_of, windows
from dialer.errors import UsageError
from dialer.leads.numbers import mask
from dialer.storage.reading import Records

Cell = str | int | float | bool | datetime | None
Row = dict[str, Cell]

LONGEST_RING_S = 3600.0
"""A call answered in a window was placed at most this long before it."""

FIGURE_COLUMNS = {
    "figure": "text",
    "value": "float",
    "unit": "text",
    "numerator": "float",
    "denominator": "float",
    "formula": "text",
}
CAMPAIGN_COLUMNS = {"campaign": "text", **FIGURE_COLUMNS}
AGENT_COLUMNS = {"agent": "text", **FIGURE_COLUMNS}
ABANDONMENT_COLUMNS = {
    "campaign": "text",
    "window": "text",
    "window_zone": "text",
    "from": "instant",
    "to": "instant",
    "live_answers": "int",
    "abandonments": "int",
    "rate": "float",
    "target_rate": "float",
    "cap_rate": "float",
    "is_over_cap": "bool",
    "threshold_s": "float",
    "starts_at": "text",
    "abandoned_by_callee": "int",
    "hung_up_unclassified": "int",
    "late_connects": "int",
    "unknown_fates": "int",
    "rings_cut_short": "int",
    "worst_hour_from": "instant",
    "worst_hour_live_answers": "int",
    "worst_hour_abandonments": "int",
    "worst_day_from": "instant",
    "worst_day_live_answers": "int",
    "worst_day_abandonments": "int",
    "formula": "text",
}
_KINDS: Mapping[object, str] = {int: "int", float: "float", bool: "bool"}
ATTEMPT_COLUMNS = {
    field.name: "instant" if field.name.endswith("_at") else _KINDS.get(field.type, "text") for field in fields(Attempt)
}

CHANGE_COLUMNS = {
    "at": "instant",
    "campaign": "text",
    "action": "text",
    "before": "text",
    "after": "text",
    "reason": "text",
    "who": "text",
    "digest": "text",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What is asked for: half-open, in POSIX seconds, infinite where no bound was given; shown in `zone`."""

    from_at: float
    to_at: float
    zone: ZoneInfo

    def instant(self, at: float | None) -> datetime | None:
        """Give an instant in the span's zone."""
        return None if at is None else datetime.fromtimestamp(at, self.zone)


def chosen_campaigns(store: Records, campaign: str | None) -> dict[str, CampaignPolicy]:
    """Give the policies in force of the campaign asked for, or of all."""
    known = store.campaigns()
    if campaign is not None and campaign not in known:
        there = ", ".join(known) or "none"
        raise UsageError(f"--campaign {campaign}: no such campaign in {store.database.name}; there: {there}")
    names = known if campaign is None else [campaign]
    return {name: policy for name in names if (policy := store.policy(name)) is not None}


def campaign_rows(store: Records, campaign: str | None, span: Span) -> Iterator[Row]:
    """Give the figures of each campaign that did anything in the span."""
    for name, policy in chosen_campaigns(store, campaign).items():
        attempts = list(store.attempts(name, span.from_at, span.to_at))
        spans = spans_of(name, store.agent_spans(None, span.from_at, span.to_at))
        if not attempts and not spans:
            continue
        figures = campaign_figures(
            attempts,
            spans,
            policy,
            span.from_at,
            span.to_at,
            loaded=store.counts(name).loaded,
        )
        yield from ({"campaign": name, **_figure_cells(figure)} for figure in figures)


def agent_rows(store: Records, campaign: str | None, span: Span) -> Iterator[Row]:
    """Give each agent's figures, over all campaigns or in one."""
    chosen = chosen_campaigns(store, campaign)
    preview = [name for name, policy in chosen.items() if policy.pacing.mode is PacingMode.PREVIEW]
    spans = list(store.agent_spans(None, span.from_at, span.to_at))
    if campaign is not None:
        spans = spans_of(campaign, spans)
    machines = machines_joined(store.attempts(campaign, span.from_at - LONGEST_RING_S, span.to_at))
    by_agent = agent_figures(spans, span.from_at, span.to_at, preview=preview, machines=machines)
    for agent_id, figures in by_agent.items():
        yield from ({"agent": agent_id, **_figure_cells(figure)} for figure in figures)


def abandonment_rows(store: Records, campaign: str | None, span: Span) -> Iterator[Row]:
    """Give each window that shares an instant with the span, counted as a whole."""
    for name, campaign_policy in chosen_campaigns(store, campaign).items():
        policy = campaign_policy.abandonment
        first_live_at = store.first_live_at(name)
        from_at, to_at = span.from_at, span.to_at
        if from_at > float("-inf"):
            from_at = window_of(policy, from_at, first_live_at)[0]
        if to_at < float("inf"):
            opens_at, closes_at = window_of(policy, to_at, first_live_at)
            to_at = to_at if opens_at == to_at else closes_at
        attempts = store.attempts(name, from_at - LONGEST_RING_S, to_at)
        for window in windows(attempts, policy, first_live_at=first_live_at):
            if from_at <= window.from_at < to_at:
                yield _window_cells(name, policy, window, span)


def attempt_rows(store: Records, campaign: str | None, span: Span) -> Iterator[Row]:
    """Give each attempt placed in the span, its number masked."""
    chosen_campaigns(store, campaign)
    # A list tries the same numbers again and again, and parsing one is most of a row's cost.
    masked = lru_cache(maxsize=100_000)(mask)
    for attempt in store.attempts(campaign, span.from_at, span.to_at):
        row: Row = {}
        for name, kind in ATTEMPT_COLUMNS.items():
            value = getattr(attempt, name)
            row[name] = span.instant(value) if kind == "instant" else value
        row["number"] = masked(attempt.number)
        row["outcome"] = None if attempt.outcome is None else attempt.outcome.value
        yield row


def change_rows(store: Records, campaign: str | None, span: Span) -> Iterator[Row]:
    """Give each change of a campaign in the span, with its reason."""
    chosen_campaigns(store, campaign)
    for change in store.changes(campaign, span.from_at, span.to_at):
        yield {name: getattr(change, name) for name in CHANGE_COLUMNS} | {"at": span.instant(change.at)}


def formulas_of(rows: Iterable[Row]) -> dict[str, str]:
    """Give the formula of each figure that the rows hold."""
    return {str(row["figure"]): str(row["formula"]) for row in rows}


def _figure_cells(figure: Figure) -> Row:
    return {
        "figure": figure.name,
        "value": figure.value,
        "unit": figure.unit,
        "numerator": figure.numerator,
        "denominator": figure.denominator,
        "formula": figure.formula,
    }


def _window_cells(campaign: str, policy: AbandonmentPolicy, window: AbandonmentWindow, span: Span) -> Row:
    rate = window.rate
    return {
        "campaign": campaign,
        "window": policy.window.value,
        "window_zone": policy.time_zone,
        "from": span.instant(window.from_at),
        "to": span.instant(window.to_at),
        "live_answers": window.live,
        "abandonments": window.abandoned,
        "rate": rate,
        "target_rate": policy.target_rate,
        "cap_rate": policy.cap_rate,
        "is_over_cap": None if rate is None else rate > policy.cap_rate,
        "threshold_s": policy.threshold_s,
        "starts_at": policy.starts_at.value,
        "abandoned_by_callee": window.by_callee,
        "hung_up_unclassified": window.hung_up_unclassified,
        "late_connects": window.late_connects,
        "unknown_fates": window.unknown,
        "rings_cut_short": window.cut_short,
        **_worst_cells("worst_hour", window.worst_hour, span),
        **_worst_cells("worst_day", window.worst_day, span),
        "formula": abandonment_formula(policy),
    }


def _worst_cells(name: str, worst: WorstSpan | None, span: Span) -> Row:
    return {
        f"{name}_from": None if worst is None else span.instant(worst.from_at),
        f"{name}_live_answers": None if worst is None else worst.live,
        f"{name}_abandonments": None if worst is None else worst.abandoned,
    }


def abandonment_formula(policy: AbandonmentPolicy) -> str:
    """Say how a window's rate is counted."""
    return (
        f"abandonments / live answers of the window ({policy.window.value}, {policy.time_zone}) in which the person "
        f"picked up; abandonment: no agent within {policy.threshold_s:g} s of {policy.starts_at.value}; worst hour and "
        f"day: of those with at least {WORST_ANSWERS_MIN} live answers"
    )
