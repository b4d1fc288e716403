"""The parts of the benchmark: which runs each needs, and which rows it gives.

One rule governs this module: a bar is written beside what was measured, with its interval. A row passes when the
interval reaches the bar, and says so when the bar itself was not reached.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.pacing.figures import (
    abandonment,
    abandonment_with_silent,
    at_rate,
    first_hour,
    gap_closed,
    is_beyond,
    lead_at_equal_abandonment,
    occupancy,
    ratio,
    recovery_minutes,
)
from benchmarks.pacing.pool import Case, Results, runs_of
from benchmarks.pacing.references import TARGET, Reference
from benchmarks.pacing.run import AT, KNOWN, PREDICTIVE, PROGRESSIVE, Result
from benchmarks.pacing.setting import OPENS_S, Setting
from dialer.queueing.intervals import Interval, clopper_pearson

CURVE = tuple(f"{PREDICTIVE}{AT}{target:g}" for target in (0.01, 0.03, 0.06, 0.12))
MARKOV_WITHIN = 0.003
GAP_DAY, GAP_FIRST_HOUR = 0.95, 0.80
RECOVERY_MINUTES = 5.0
HOUR_FACTOR = 2.0
LEARNING_EFFORT = 3.0  # times the usual: a share of a gap is known less well than either end
LEARNING = ("five-mid", "ten-base", "twenty-p30", "fifty-base")
HAPPENING = range(13, 27)
GAMING_WITHIN = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing that must hold."""

    part: str
    name: str
    bar: str
    measured: str
    passed: bool | None  # None: nothing could be said
    note: str = ""


def share(interval: Interval, digits: int = 2) -> str:
    """Write a share with its interval, in per cent."""
    if interval.low == float("-inf"):
        return f"{100 * interval.mean:.{digits}f}"
    return f"{100 * interval.mean:.{digits}f} ({100 * interval.low:.{digits}f} to {100 * interval.high:.{digits}f})"


# --------------------------------------------------------------------------------------------------- parameters known


def reference_cases(references: Sequence[Reference], agent_hours: float, least: int) -> list[Case]:
    """The runs that the references are compared with."""
    return [
        Case(setting=each.setting, controller=KNOWN, runs=runs_of(each.setting, agent_hours, least))
        for each in references
    ]


def reference_rows(part: str, references: Sequence[Reference], results: Results, within: float) -> list[Row]:
    """One row per world: occupancy at 3 % against the reference less `within`, each with its error."""
    rows = []
    for each in references:
        runs = results.of(each.setting, KNOWN)
        if not runs:
            continue
        reached = at_rate(runs, TARGET, each.slope)
        room = each.error + reached.high - reached.mean
        is_above = part == "markov" and reached.low > each.occupancy
        rows.append(
            Row(
                part=part,
                name=each.setting.name,
                bar=f">= {100 * (each.occupancy - within):.2f}",
                measured=f"{share(reached)} at 3 %; measured at {share(abandonment(runs))}",
                passed=bool(reached.mean + room >= each.occupancy - within) and not is_above,
                note=f"reference {100 * each.occupancy:.2f}, {100 * (reached.mean - each.occupancy):+.2f} points, "
                f"{len(runs)} runs" + ("; ABOVE THE OPTIMUM: the measurement is wrong" if is_above else ""),
            )
        )
    return rows


# ------------------------------------------------------------------------------------------------------------ learning


def learning_rows(settings: Sequence[Setting], results: Results) -> list[Row]:
    """How much of the way from progressive dialing to known parameters is closed, over the day and at its start."""
    rows = []
    for setting in settings:
        if setting.name not in LEARNING:
            continue
        base, ours, known = (results.of(setting, each) for each in (PROGRESSIVE, PREDICTIVE, KNOWN))
        if not (base and ours and known):
            continue
        lost = abandonment(ours)
        day, start = gap_closed(base, ours, known), gap_closed(base, ours, known, first_hour)
        about = f"N = {setting.agents}, {len(ours)} days"
        reached = f"{share(occupancy(base))} -> {share(occupancy(ours))} of {share(occupancy(known))}"
        began = f"{share(occupancy(ours, first_hour))}, abandonment {share(abandonment(ours, first_hour))}"
        rows += [
            _bar("learning", f"{about}: gap closed over the day, %", GAP_DAY, day, reached),
            _bar("learning", f"{about}: gap closed in the first hour, %", GAP_FIRST_HOUR, start, began),
            Row(
                part="learning",
                name=f"{about}: abandonment over the day, %",
                bar=f"<= {100 * setting.cap:g}",
                measured=share(lost),
                passed=lost.low <= setting.cap,
            ),
        ]
    return rows


def _bar(part: str, name: str, least: float, measured: Interval, note: str) -> Row:
    return Row(
        part=part,
        name=name,
        bar=f">= {100 * least:g}",
        measured=share(measured, 1),
        passed=measured.high >= least,
        note=note,
    )


# ----------------------------------------------------------------------------------------------------------- scenarios


def scenario_cases(
    settings: Sequence[Setting], agent_hours: float, least: int, curve: Sequence[str], peers: Sequence[str]
) -> list[Case]:
    """Predictive dialing and its bounds, with the curve and the peers at a quarter of the effort."""
    cases = []
    for setting in settings:
        effort = LEARNING_EFFORT if setting.name in LEARNING else 1.0
        main = runs_of(setting, agent_hours * effort, least)
        few = runs_of(setting, agent_hours / 4.0, least)
        cases += [Case(setting=setting, controller=each, runs=main) for each in (PROGRESSIVE, PREDICTIVE)]
        if setting.is_stationary:
            cases.append(Case(setting=setting, controller=KNOWN, runs=main))
        if setting.cap:
            cases += [Case(setting=setting, controller=each, runs=few) for each in (*curve, *peers)]
    return cases


def scenario_rows(settings: Sequence[Setting], results: Results) -> list[Row]:
    """The cap, the worst hour and the recovery of each scenario in which something happens, and the strict laws."""
    rows: list[Row | None] = []
    for setting in settings:
        runs = results.of(setting, PREDICTIVE)
        if not runs or not (setting.number in HAPPENING or setting.number == 29):
            continue
        rows += [_cap_row(setting, runs), _hour_row(setting, runs)]
        rows += [_recovery_row(setting, mark, runs) for mark in setting.marks]
    rows += [_gaming_row(setting, results.of(setting, PREDICTIVE)) for setting in settings if setting.number == 5]
    return [row for row in rows if row is not None]


def _cap_row(setting: Setting, runs: Sequence[Result]) -> Row:
    over, windows = sum(each.windows_over for each in runs), sum(each.windows for each in runs)
    note = f"{over} of {windows} days above the cap"
    lost = abandonment(runs)
    if any(each.silent for each in runs):
        lost = abandonment_with_silent(runs)
        note += f"; of which without people taken for machines {share(abandonment(runs))}"
    if setting.marks:
        note += f"; {sum(each.at_marks for each in runs) / len(runs):.2f} a day within 30 s after a step"
    return Row(
        part="scenarios",
        name=f"{setting.number} {setting.name}: abandonment, %",
        bar=f"<= {100 * setting.cap:g}, every day",
        measured=share(lost),
        passed=lost.mean <= setting.cap and over == 0,
        note=note,
    )


def _hour_row(setting: Setting, runs: Sequence[Result]) -> Row:
    hours = [each.worst_hour for each in runs if each.worst_hour is not None]
    limit = HOUR_FACTOR * setting.cap
    over = sum(hour > limit + 1e-9 for hour in hours)
    return Row(
        part="scenarios",
        name=f"{setting.number} {setting.name}: worst rolling hour, %",
        bar=f"<= {100 * limit:g}",
        measured=f"{100 * max(hours):.2f}" if hours else "no hour with 50 answers",
        passed=over == 0,
        note=f"{over} of {len(hours)} days with a worse one; mean of their worst {100 * sum(hours) / len(hours):.2f}"
        if hours
        else "",
    )


def _minute(mark: str) -> int:
    return int(mark[:2]) * 60 + int(mark[3:]) - OPENS_S // 60


def _recovery_row(setting: Setting, mark: str, runs: Sequence[Result]) -> Row | None:
    later = [_minute(other) for other in setting.marks if other > mark]
    until = min([*later, round(setting.hours * 60)])
    found = recovery_minutes(runs, _minute(mark), until)
    if found is None:
        return None
    minutes, level = found
    return Row(
        part="scenarios",
        name=f"{setting.number} {setting.name}: minutes to recover from {mark}",
        bar=f"<= {RECOVERY_MINUTES:g}",
        measured=f"{minutes:g}",
        passed=minutes <= RECOVERY_MINUTES,
        note=f"to within 1 point of {100 * level:.2f}, {len(runs)} days",
    )


def _gaming_row(setting: Setting, runs: Sequence[Result]) -> Row | None:
    if not runs:
        return None
    first, second = (abandonment(runs, lambda each, half=half: each.halves[half]) for half in (0, 1))  # type: ignore[misc]
    gap = abs(first.mean - second.mean)
    room = ((first.high - first.mean) ** 2 + (second.high - second.mean) ** 2) ** 0.5
    return Row(
        part="scenarios",
        name=f"30 gaming audit of {setting.name}: halves of the day differ by, points",
        bar=f"<= {100 * GAMING_WITHIN:g}",
        measured=f"{100 * gap:.2f} (+- {100 * room:.2f})",
        passed=gap - room <= GAMING_WITHIN,
        note=f"{share(first)} and {share(second)}",
    )


# --------------------------------------------------------------------------------------------------------------- peers


def peer_rows(settings: Sequence[Setting], results: Results, peers: Sequence[str]) -> list[Row]:
    """One row per peer: how often predictive dialing is ahead or behind at the peer's abandonment."""
    rows = []
    for peer in peers:
        run = [setting for setting in settings if results.of(setting, peer)]
        leads = {each.name: lead for each in run if (lead := lead_over(each, results, peer)) is not None}
        if not run:
            continue
        behind = [f"{name} {share(lead)}" for name, lead in leads.items() if lead.high < 0.0]
        ahead = sum(lead.low > 0.0 for lead in leads.values())
        beyond = len(run) - len(leads)
        notes = ["; ".join(behind)] if behind else []
        if leads and not behind:
            least = min(leads, key=lambda name: leads[name].mean)
            notes.append(f"smallest lead: {least}, {share(leads[least])} points")
        if beyond:
            notes.append(f"in {beyond} more it abandons more than any point of our curve")
        rows.append(
            Row(
                part="peers",
                name=f"{peer}: behind it at equal abandonment in",
                bar="0 scenarios",
                measured=f"{len(behind)} of {len(leads)}; ahead in {ahead}",
                passed=None if not leads else not behind,
                note="; ".join(notes),
            )
        )
    return rows


def lead_over(setting: Setting, results: Results, peer: str) -> Interval | None:
    """Our lead over a peer in one scenario, in occupancy at the peer's abandonment.

    None when it was not run, or is busier only where it abandons more than any point of our curve: nothing can be said.
    """
    theirs = results.of(setting, peer)
    curve = [found for each in (PROGRESSIVE, *CURVE) if (found := results.of(setting, each))]
    if not theirs or len(curve) < 2:
        return None
    lead = lead_at_equal_abandonment(theirs, curve)
    return None if lead.mean < 0.0 and is_beyond(theirs, curve) else lead


# -------------------------------------------------------------------------------------------------------------- blocks


def block_cases(settings: Sequence[Setting]) -> list[Case]:
    """One run of each block."""
    return [Case(setting=setting, controller=PREDICTIVE, runs=1) for setting in settings]


def block_rows(settings: Sequence[Setting], results: Results) -> list[Row]:
    """How many blocks closed above the cap."""
    runs = [(setting, each) for setting in settings for each in results.of(setting, PREDICTIVE)]
    if not runs:
        return []
    over = [setting.name for setting, each in runs if each.windows_over]
    found = clopper_pearson(len(over), len(runs))
    lost = abandonment([each for _, each in runs])
    days = sum(setting.days for setting, _ in runs)
    return [
        Row(
            part="blocks",
            name=f"of {len(runs)} blocks of mixed worlds ({days} days) above their cap",
            bar="<= 1 in 1,000",
            measured=f"{len(over)} ({share(found, 3)} %)",
            passed=len(over) <= max(1, len(runs) // 1000),
            note=f"abandonment over all {share(lost)} %" + (f"; {', '.join(over)}" if over else ""),
        )
    ]


def wait_mean(runs: Sequence[Result]) -> Interval:
    """Seconds that an agent waits between two conversations."""
    import numpy as np

    return ratio(
        np.array([each.wait_s for each in runs], dtype=np.float64),
        np.array([each.waits for each in runs], dtype=np.float64),
    )
