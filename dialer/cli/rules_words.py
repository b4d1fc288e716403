"""Rules in words: what one says, what it is applied as, and for which calls it holds.

One rule governs this module: it says what the rule says and no more; a rule that nobody verified is never called law.
"""

from collections.abc import Sequence
from dataclasses import fields
from datetime import date
from typing import Any

from dialer.domain.law import (
    AbandonmentRule,
    AttemptRule,
    CallerIdRule,
    ConsentException,
    ConsentRule,
    CooldownRule,
    CountedPer,
    DutyRule,
    Grade,
    HoursRule,
    NamedTimeRule,
    RecordsRule,
    RedialRule,
    RegistryRule,
    RingRule,
    Rule,
    Span,
    VoiceRule,
)

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY_S = 86_400
_HOUR_S = 3600
_PER = {CountedPer.NUMBER: "number", CountedPer.PERSON: "person", CountedPer.SUBJECT: "person and subject"}
_WIDENED = {
    "night": "; a separate consent for the night opens the rest",
    "hours": "; a consent to other hours opens these",
}


def says(rule: Rule) -> str:
    """Say in one sentence what a rule asks for."""
    match rule:
        case HoursRule():
            return _hours(rule)
        case ConsentRule():
            return _consent(rule)
        case RegistryRule():
            age = "of any age" if rule.max_age_days is None else f"at most {rule.max_age_days} days old"
            return f"nobody on {rule.name} ({rule.registry}), by a copy {age}{_unless(rule.exempt_by)}"
        case AttemptRule():
            window = "in one day" if rule.window_s is None else f"in {duration(rule.window_s)}"
            return f"at most {rule.most} attempts {window} for each {_PER[rule.per]}"
        case CooldownRule():
            wait = "never again" if rule.wait_s is None else f"not for {duration(rule.wait_s)}"
            return f"after a {rule.after} about the same subject: {wait}"
        case RedialRule():
            return _redial(rule)
        case RingRule():
            rings = "" if rule.rings is None else f" ({rule.rings} rings)"
            return f"rings at least {rule.min_ring_s:g} s{rings} before it is given up"
        case VoiceRule():
            return f"without consent in writing only these voices: {', '.join(rule.free) or 'none'}"
        case AbandonmentRule():
            return _abandonment(rule)
        case CallerIdRule():
            begins = f", beginning with {' or '.join(rule.prefixes)}" if rule.prefixes else ""
            return f"the campaign {'names' if rule.is_required else 'may name'} the number that is shown{begins}"
        case NamedTimeRule():
            return "a time that the person named for contact binds"
        case RecordsRule():
            return f"records are kept for {rule.keep_days} days"
        case DutyRule():
            return rule.text
    raise AssertionError(f"no words for {type(rule).__name__}")


def applied(rule: Rule) -> str:
    """Say what a rule is applied as, and what it would be if somebody had verified it."""
    if rule.applied_force is rule.force:
        return str(rule.force)
    return f"{rule.applied_force}: {Grade.UNVERIFIED} {rule.force}"


def holds_for(rule: Rule) -> str:
    """Say for which calls, people and days a rule holds."""
    parts = [", ".join(rule.purposes) or "every purpose"]
    if rule.audiences:
        parts.append(f"{' and '.join(rule.audiences)} only")
    if rule.since is not None:
        parts.append(f"from {date.fromordinal(rule.since)}")
    if rule.until is not None:
        parts.append(f"until before {date.fromordinal(rule.until)}")
    return "; ".join(parts)


def values_of(rule: Rule) -> dict[str, Any]:
    """Give every field of a rule for machines: days as dates, spans as times, the rest as it is."""
    found = {field.name: getattr(rule, field.name) for field in fields(rule)}
    for name in ("since", "until"):
        found[name] = None if found[name] is None else str(date.fromordinal(found[name]))
    if isinstance(rule, HoursRule):
        found["week"] = {
            day.lower(): [span_text(span) for span in spans] for day, spans in zip(DAYS, rule.week, strict=True)
        }
        found["eve"] = None if rule.eve is None else [span_text(span) for span in rule.eve]
    return found


def span_text(span: Span) -> str:
    """Write a span of the day as files do."""
    return "-".join(f"{second // _HOUR_S:02}:{second % _HOUR_S // 60:02}" for second in span)


def duration(seconds: float) -> str:
    """Write a duration in days or hours."""
    if seconds > _DAY_S and seconds % _DAY_S == 0:
        return f"{seconds / _DAY_S:g} days"
    return f"{seconds / _HOUR_S:g} hours" if seconds >= _HOUR_S else f"{seconds:g} s"


def _hours(rule: HoursRule) -> str:
    runs: list[tuple[int, int]] = []
    for day, spans in enumerate(rule.week):
        if runs and rule.week[runs[-1][0]] == spans:
            runs[-1] = (runs[-1][0], day)
        else:
            runs.append((day, day))
    text = "; ".join(
        f"{DAYS[first] if first == last else f'{DAYS[first]}-{DAYS[last]}'} {_spans(rule.week[first])}"
        for first, last in runs
    )
    if rule.calendar:
        text += f"; not on holidays ({rule.calendar})"
    if rule.eve is not None:
        text += f"; on the day before one {_spans(rule.eve)}"
    return text + _WIDENED.get(rule.widened_by, "")


def _spans(spans: Sequence[Span]) -> str:
    return " and ".join(map(span_text, spans)) or "never"


def _unless(exceptions: Sequence[ConsentException]) -> str:
    names = [
        each.name.replace("_", " ") + (f" within {each.months} months" if each.months is not None else "")
        for each in exceptions
    ]
    return f"; unless {' or '.join(names)}" if names else ""


def _consent(rule: ConsentRule) -> str:
    if not rule.is_opt_in:
        return "no consent needed before; nobody who objected"
    needs = f"; the record has {' and '.join(rule.needs)}" if rule.needs else ""
    again = "" if rule.reconfirm_years is None else f"; asked again every {rule.reconfirm_years} years"
    return f"only with consent{needs}{again}{_unless(rule.exceptions)}"


def _redial(rule: RedialRule) -> str:
    wait = f"after an abandonment not for {duration(rule.wait_s)}"
    waived = ", unless an agent is reserved" if rule.is_waived_by_agent else ""
    return f"{wait}{waived}" + ("; after that, too, only with an agent reserved" if rule.is_agent_needed else "")


def _abandonment(rule: AbandonmentRule) -> str:
    cap = "no number" if rule.cap_rate is None else f"at most {100 * rule.cap_rate:g} %"
    text = (
        f"abandoned: {cap} of each {rule.unit}, counted over {' or '.join(rule.windows)}; "
        f"an agent within {rule.threshold_s:g} s of {rule.starts_at.replace('_', ' ')}"
    )
    if rule.is_message_required:
        text += "; else a message"
    if rule.message_says:
        text += f" that says {', '.join(word.replace('_', ' ') for word in rule.message_says)}"
    return text
