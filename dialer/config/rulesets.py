"""Ruleset files: TOML in, one `Law` out, with the holidays that its rules speak of.

One rule governs this module: the law is loaded whole or not at all, and the error names every fault of every file. An
operator's file only adds: its rules stand beside the built-in ones, and only an [[override]] with a reason leaves a
rule out.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from dialer.config.faults import ConfigFaults, Fault, nearest, shown
from dialer.config.rulesets_model import KINDS, HoursTable, RulesetTable, RuleTable
from dialer.config.toml_file import TomlFile
from dialer.config.values import Span
from dialer.domain.law import RULE_KINDS, HoursRule, Law, Override, Rule, Ruleset, Week

OWN = "own"
"""What the ids of rules in an operator's file begin with."""

YEARS_BACK = 2

_BUILT_IN = "dialer.compliance.jurisdictions"
_SHARED = ("audiences", "since", "until", "holidays", "eve", "widened_by", "force", "grade", "confidence")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    """One file that is right in itself. `places` says where each rule stands."""

    file: TomlFile
    table: RulesetTable
    ruleset: Ruleset | None
    places: tuple[tuple[str, tuple[str, int]], ...]


def load_law(extra: Sequence[Path] = (), *, around: float, years: int = 3) -> Law:
    """Read the built-in rulesets and the operator's; raise ConfigFaults with every fault in them.

    Holidays are computed for two years before the instant `around` and for `years` after it.
    """
    loaded = list(_built_in())
    faults: list[Fault] = []
    for path in extra:
        try:
            loaded.append(_read(path, is_built_in=False))
        except ConfigFaults as error:
            faults.extend(error.faults)
    faults.extend(_twice(loaded))
    faults.extend(_unknown_parents(loaded))
    faults.extend(_wrong_overrides(loaded))
    if faults:
        raise ConfigFaults(faults)
    rulesets = tuple(each.ruleset for each in loaded if each.ruleset is not None)
    overrides = tuple(override for each in loaded for override in _overrides(each))
    calendars = sorted({rule.calendar for ruleset in rulesets for rule in ruleset.hours if rule.calendar})
    year = datetime.fromtimestamp(around, UTC).year
    first, last = _known_years(tuple(calendars), year - YEARS_BACK, year + years)
    law = Law(
        rulesets=rulesets,
        overrides=overrides,
        holidays={calendar: _holidays(calendar, first, last) for calendar in calendars},
        holiday_years=(first, last),
    )
    return replace(law, digest=_digest(law))


def load_ruleset(path: Path) -> Ruleset:
    """Read one ruleset file by itself; raise ConfigFaults with every fault in it, or if it holds overrides alone."""
    loaded = _read(path, is_built_in=False)
    if loaded.ruleset is None:
        raise ConfigFaults([loaded.file.fault((), expected="a ruleset", found="overrides alone")])
    return loaded.ruleset


def rules_of(ruleset: Ruleset) -> Iterator[tuple[str, Rule]]:
    """Give each rule of a ruleset with its kind, a name of RULE_KINDS."""
    for kind in RULE_KINDS:
        for rule in getattr(ruleset, kind):
            yield kind, rule


@cache
def _built_in() -> tuple[_Loaded, ...]:
    paths = (Path(str(entry)) for entry in files(_BUILT_IN).iterdir() if entry.name.endswith(".toml"))
    return tuple(_read(path, is_built_in=True) for path in sorted(paths))


def _read(path: Path, *, is_built_in: bool) -> _Loaded:
    file = TomlFile.read(path)
    table = file.check(RulesetTable)
    if table.code is None or table.name is None or table.version is None:
        return _Loaded(file=file, table=table, ruleset=None, places=())
    prefix = table.code if is_built_in else f"{OWN}.{table.code}"
    hours, places, faults = _hours(file, table, prefix)
    if faults:
        raise ConfigFaults(faults)
    kinds: dict[str, tuple[Rule, ...]] = {}
    for name, kind in KINDS.items():
        rows = getattr(table, name)
        kinds[kind] = tuple(row.rule(_head(table, row, _rule_id(prefix, name, row))) for row in rows)
        places += [(rule.rule_id, (name, index)) for index, rule in enumerate(kinds[kind])]
    fields: dict[str, Any] = {**kinds, "hours": tuple(hours)}
    ruleset = Ruleset(
        code=table.code,
        name=table.name,
        version=table.version,
        dated=table.dated or "",
        digest=file.digest,
        origin="built in" if is_built_in else shown(path),
        parents=tuple(table.inherits),
        regions=tuple(table.regions),
        unconfirmed=tuple(table.unconfirmed),
        **fields,
    )
    return _Loaded(file=file, table=table, ruleset=ruleset, places=tuple(places))


def _rule_id(prefix: str, name: str, row: RuleTable, purpose: str | None = None) -> str:
    own = row.id or purpose or (row.purposes[0] if row.purposes else "")
    return ".".join(filter(None, (prefix, name, own)))


def _head(table: RulesetTable, row: RuleTable, rule_id: str) -> dict[str, Any]:
    return {
        "rule_id": rule_id,
        "force": row.force,
        "grade": row.grade,
        "source": row.source,
        "dated": row.dated or table.dated or "",
        "confidence": row.confidence or "",
        "note": row.note or "",
        "purposes": tuple(row.purposes),
        "audiences": tuple(row.audiences),
        "since": row.since,
        "until": row.until,
    }


def _hours(
    file: TomlFile, table: RulesetTable, prefix: str
) -> tuple[list[HoursRule], list[tuple[str, tuple[str, int]]], list[Fault]]:
    """Make one rule of all rows that hold for the same purposes."""
    rows_of: dict[tuple[str | None, str], list[int]] = {}
    for index, row in enumerate(table.hours):
        for purpose in row.purposes or ("",):
            rows_of.setdefault((row.id, purpose), []).append(index)
    purposes_of: dict[tuple[int, ...], list[str]] = {}
    for (_, purpose), indexes in rows_of.items():
        purposes_of.setdefault(tuple(indexes), []).append(purpose)
    rules: list[HoursRule] = []
    places: list[tuple[str, tuple[str, int]]] = []
    faults: list[Fault] = []
    for rows, purposes in purposes_of.items():
        faults += _hours_faults(file, table.hours, rows)
        rule_id = _rule_id(prefix, "hours", table.hours[rows[0]], purposes[0])
        rules.append(_hours_rule(table, [table.hours[index] for index in rows], rule_id, purposes))
        places.append((rule_id, ("hours", rows[0])))
    return rules, places, list(dict.fromkeys(faults))


def _hours_faults(file: TomlFile, rows: Sequence[HoursTable], indexes: Sequence[int]) -> Iterator[Fault]:
    """A fault for each row that overlaps an earlier one of its rule, or differs where one rule has one answer."""
    first = rows[indexes[0]]
    for rank, index in enumerate(indexes):
        row = rows[index]
        for key in _SHARED:
            if getattr(row, key) != getattr(first, key):
                path = ("hours", index, key)
                wanted = f"the same {key} in all rows of one purpose, or an id of the row's own"
                yield file.fault(path, expected=wanted, found=file.found(path))
        for other in indexes[:rank]:
            if set(row.days) & set(rows[other].days) and _overlap(row.spans, rows[other].spans):
                place = file.place(("hours", other, "open"))
                wanted = f"hours that do not overlap those of {place}"
                yield file.fault(("hours", index, "open"), expected=wanted, found="the same time of a day twice")


def _overlap(left: Iterable[Span], right: Sequence[Span]) -> bool:
    return any(start < other_end and other_start < end for start, end in left for other_start, other_end in right)


def _hours_rule(table: RulesetTable, rows: Sequence[HoursTable], rule_id: str, purposes: Sequence[str]) -> HoursRule:
    first = rows[0]
    week: Week = tuple(tuple(sorted(span for row in rows if day in row.days for span in row.spans)) for day in range(7))
    head = {
        **_head(table, first, rule_id),
        "source": "; ".join(dict.fromkeys(row.source for row in rows)),
        "note": " ".join(dict.fromkeys(row.note for row in rows if row.note)),
        "purposes": tuple(filter(None, purposes)),
    }
    return HoursRule(
        **head,
        week=week,
        calendar=first.holidays or "",
        eve=None if first.eve is None else tuple(first.eve),
        widened_by=first.widened_by or "",
    )


def _twice(loaded: Iterable[_Loaded]) -> Iterator[Fault]:
    """A fault for each rule whose id another has already."""
    first: dict[str, str] = {}
    for each in loaded:
        for rule_id, path in each.places:
            other = first.setdefault(rule_id, each.file.place(path))
            if other != each.file.place(path):
                hint = f"{other} has it already: give one of them an id"
                wanted = "an id of its own for each rule"
                yield each.file.fault((*path, "id"), expected=wanted, found=rule_id, hint=hint)


def _unknown_parents(loaded: Sequence[_Loaded]) -> Iterator[Fault]:
    """A fault for each ruleset that inherits from one that is not there, or from itself."""
    parents = {each.ruleset.code: each.ruleset.parents for each in loaded if each.ruleset is not None}
    for each in loaded:
        for index, code in enumerate(each.table.inherits):
            path = ("inherits", index)
            if code not in parents:
                hint = f"nearest known ruleset: {nearest(code, list(parents))}"
                yield each.file.fault(path, expected="a ruleset that is there", found=each.file.found(path), hint=hint)
            elif each.table.code in _ancestors(code, parents):
                yield each.file.fault(path, expected="no ruleset that inherits this one", found=each.file.found(path))


def _ancestors(code: str, parents: dict[str, tuple[str, ...]]) -> set[str]:
    found, rest = set[str](), [code]
    while rest:
        code = rest.pop()
        if code not in found:
            found.add(code)
            rest += parents.get(code, ())
    return found


def _wrong_overrides(loaded: Sequence[_Loaded]) -> Iterator[Fault]:
    """A fault for each override of a rule that is not there, or that another override names already."""
    known = [rule_id for each in loaded for rule_id, _ in each.places]
    first: dict[str, str] = {}
    for each in loaded:
        for index, override in enumerate(each.table.override):
            path = ("override", index, "rule")
            place = each.file.place(path)
            if override.rule not in known:
                hint = f"nearest known rule: {nearest(override.rule, known)}"
                yield each.file.fault(path, expected="the id of a rule", found=each.file.found(path), hint=hint)
            elif first.setdefault(override.rule, place) != place:
                hint = f"{first[override.rule]} overrides it already"
                wanted = "one override for each rule"
                yield each.file.fault(path, expected=wanted, found=each.file.found(path), hint=hint)


def _overrides(loaded: _Loaded) -> Iterator[Override]:
    for table in loaded.table.override:
        yield Override(
            rule_id=table.rule, reason=table.reason, approved_by=table.approved_by, origin=shown(loaded.file.path)
        )


@cache
def _known_years(calendars: tuple[str, ...], first: int, last: int) -> tuple[int, int]:
    """Narrow a span of years to those of which the holidays package knows every calendar."""
    import holidays

    for calendar in calendars:
        known = holidays.country_holidays(calendar.partition("-")[0])
        first, last = max(first, known.start_year), min(last, known.end_year)
    return first, last


@cache
def _holidays(calendar: str, first: int, last: int) -> tuple[int, ...]:
    """Give the days of a calendar, ascending. "ES-*": those of the country and of each of its parts."""
    import holidays

    country, _, part = calendar.partition("-")
    parts = holidays.country_holidays(country).subdivisions if part == "*" else ()
    days: set[date] = set()
    for subdivision in (None, *parts) if part in ("", "*") else (part,):
        days.update(holidays.country_holidays(country, subdiv=subdivision, years=range(first, last + 1)))
    return tuple(sorted(day.toordinal() for day in days))


def _digest(law: Law) -> str:
    """Give the SHA-256 over all that decides: the files, what is left out of them, and the holidays."""
    lines = sorted(ruleset.digest for ruleset in law.rulesets)
    lines += sorted(repr((each.rule_id, each.reason, each.approved_by)) for each in law.overrides)
    lines += [f"{calendar} {days}" for calendar, days in sorted(law.holidays.items())]
    lines.append(str(law.holiday_years))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
