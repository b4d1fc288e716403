"""The part of `dialer report abandonment` that says how each law counts the same calls.

One rule governs this module: every rate stands beside the rule that it is counted by, with what the rule is applied as,
its grade and its source. Nothing is computed here.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dialer.cli.report_rows import Row, Span, chosen_campaigns
from dialer.cli.tables import parts, table_of
from dialer.compliance.abandonment import Tally
from dialer.daemon.legal import LegalCount, legal_windows
from dialer.domain.law import Law
from dialer.storage.reading import Records

if TYPE_CHECKING:
    from rich.console import Console

LEGAL = "as_the_law_counts"
"""The name of this part in JSON."""

LEGAL_COLUMNS = {
    "unit": "text",
    "name": "text",
    "ruleset": "text",
    "rule": "text",
    "force": "text",
    "grade": "text",
    "source": "text",
    "window": "text",
    "window_zone": "text",
    "from": "instant",
    "to": "instant",
    "live_answers": "int",
    "abandonments": "int",
    "machines": "int",
    "people_estimated": "float",
    "people_low": "float",
    "people_high": "float",
    "rate": "float",
    "rate_low": "float",
    "rate_high": "float",
    "cap_rate": "float",
    "is_over_cap": "bool",
    "threshold_s": "float",
    "starts_at": "text",
    "late_connects": "int",
    "without_message": "int",
    "abandoned_by_callee": "int",
    "hung_up_unclassified": "int",
    "unknown_fates": "int",
    "rings_cut_short": "int",
    "rolling_24h_live_answers": "int",
    "rolling_24h_abandonments": "int",
    "rolling_30d_live_answers": "int",
    "rolling_30d_abandonments": "int",
}
NOTES = (
    "of = abandonments / live answers, counted from the instants kept by the rule's own clock, whatever the campaign's",
    "rate = with the people estimated among the machines in both, and the 95 % interval of that estimate",
    "no message = abandonments for whom no message began within the limit",
    "24 h, 30 d = rolling, up to the last call counted in the window: for steering, no rule here counts by them",
    "This is what the rulesets say, with their sources and grades. It is no legal advice.",
)


def legal_rows(store: Records, law: Law, campaign: str | None, span: Span) -> Iterator[Row]:
    """Give each window of each rule that applies to numbers called in the span, counted as a whole."""
    chosen_campaigns(store, campaign)
    for count in legal_windows(store, law, campaign, span.from_at, span.to_at):
        yield _cells(count, span)


def _cells(count: LegalCount, span: Span) -> Row:
    rule, window = count.rule, count.window
    rate, people = window.counted.rate, window.counted.people
    return {
        "unit": count.unit.value,
        "name": count.name,
        "ruleset": count.ruleset,
        "rule": rule.rule_id,
        "force": rule.applied_force.value,
        "grade": rule.grade.value,
        "source": rule.source,
        "window": rule.windows[0].value,
        "window_zone": count.zone,
        "from": span.instant(window.from_at),
        "to": span.instant(window.to_at),
        "live_answers": window.counted.live,
        "abandonments": window.counted.abandoned,
        "machines": window.counted.machines,
        "people_estimated": None if people is None else people.mean,
        "people_low": None if people is None else people.low,
        "people_high": None if people is None else people.high,
        "rate": None if rate is None else rate.mean,
        "rate_low": None if rate is None else rate.low,
        "rate_high": None if rate is None else rate.high,
        "cap_rate": rule.cap_rate,
        "is_over_cap": count.is_over_cap,
        "threshold_s": rule.threshold_s,
        "starts_at": rule.starts_at.value,
        "late_connects": window.late,
        "without_message": window.silent,
        "abandoned_by_callee": window.by_callee,
        "hung_up_unclassified": window.unclassified,
        "unknown_fates": window.unknown,
        "rings_cut_short": window.cut_short,
        **_rolling("rolling_24h", window.rolling_24h),
        **_rolling("rolling_30d", window.rolling_30d),
    }


def _rolling(name: str, tally: Tally) -> Row:
    return {f"{name}_live_answers": tally.live, f"{name}_abandonments": tally.abandoned}


def print_legal(console: "Console", rows: list[Row]) -> None:
    """Print the rows as a table, and below it what each rule is and rests on."""
    console.print("\nas the law counts it", soft_wrap=True)
    if not rows:
        console.print("no call of the span counts under any rule: 0 rows", soft_wrap=True)
        return
    columns = {
        "counted": [
            f"{row['name']}\n{row['rule']}\n{row['from']:%Y-%m-%d %H:%M}\n{row['to']:%Y-%m-%d %H:%M}" for row in rows
        ],
        "rate": [_rate(row) + (" OVER CAP" if row["is_over_cap"] else "") for row in rows],
        "of": [f"{row['abandonments']} / {row['live_answers']}" for row in rows],
        "cap": [_percent(row["cap_rate"]) for row in rows],
        "applied as": [f"{row['force']}, {row['grade']}" for row in rows],
        "late": [str(row["late_connects"]) for row in rows],
        "no message": [str(row["without_message"]) for row in rows],
        "by callee": [str(row["abandoned_by_callee"]) for row in rows],
        "unclassified": [str(row["hung_up_unclassified"]) for row in rows],
        "unknown": [str(row["unknown_fates"]) for row in rows],
        "cut short": [str(row["rings_cut_short"]) for row in rows],
        "machines": [_machines(row) for row in rows],
        "24 h": [_fraction(row, "rolling_24h") for row in rows],
        "30 d": [_fraction(row, "rolling_30d") for row in rows],
    }
    left = ("counted", "applied as")
    for part in parts(columns, "counted", console.width):
        console.print(table_of(part, left=left))
    for rule, formula in {str(row["rule"]): _formula(row) for row in rows}.items():
        console.print(f"{rule}: {formula}", soft_wrap=True)
    for line in NOTES:
        console.print(line, soft_wrap=True)


def _formula(row: Row) -> str:
    return (
        f"no agent within {row['threshold_s']:g} s of {row['starts_at']}; window {row['window']} "
        f"({row['window_zone']}), per {row['unit']}; {row['force']}, {row['grade']}: {row['source']}"
    )


def _rate(row: Row) -> str:
    if row["rate"] is None:
        return "-"
    interval = "" if not row["people_high"] else f" [{_percent(row['rate_low'])}, {_percent(row['rate_high'])}]"
    return _percent(row["rate"]) + interval


def _machines(row: Row) -> str:
    if not row["machines"] or row["people_estimated"] is None:
        return str(row["machines"])
    return f"{row['machines']} (people: {row['people_estimated']:.2f})"


def _fraction(row: Row, name: str) -> str:
    return f"{row[f'{name}_abandonments']} / {row[f'{name}_live_answers']}"


def _percent(share: object) -> str:
    return f"{share:.2%}" if isinstance(share, int | float) else "-"
