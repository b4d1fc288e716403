"""The shape of a ruleset file, table by table: each is a kind of rule, with the fields of its class in `domain.law`.

One rule governs this module: nothing is assumed of the law. Force, grade and source have no defaults; what a text does
not say is left out of the file, and then means that it says nothing, never that everything is allowed.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from dialer.config.faults import nearest
from dialer.config.toml_file import TomlModel, expected
from dialer.config.values import (
    Audience,
    DaySpans,
    Exempt,
    Jurisdiction,
    MessageWord,
    Name,
    Purpose,
    Region,
    Span,
    Text,
    Voice,
    duration,
)
from dialer.domain.law import (
    AbandonmentRule,
    AttemptRule,
    CallerIdRule,
    ConsentException,
    ConsentRule,
    CooldownAfter,
    CooldownRule,
    CountedPer,
    DutyRule,
    Force,
    Grade,
    NamedTimeRule,
    RecordsRule,
    RedialRule,
    RegistryRule,
    RingRule,
    Rule,
    VoiceRule,
)
from dialer.domain.policy import AbandonmentUnit, ClockStart, Window
from dialer.domain.standing import PAST_DAYS

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
RING_S = 6.0  # of one ring, where a text counts rings

_CALENDAR = re.compile(r"([A-Z]{2})(?:-([A-Z0-9]{1,3}|\*))?")
_PREFIX = re.compile(r"\+[1-9][0-9]{0,13}")


def _prose(value: str) -> str:
    if not value.strip() or value != value.strip() or not value.isprintable() or len(value) > 1000:
        raise expected("a text of 1 to 1000 characters on one line, without blanks around it")
    return value


def _day(value: object) -> int:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise expected("a date without quotes, such as 2026-08-11")
    return value.toordinal()


def _days(value: object) -> tuple[int, ...]:
    """Read "mon-fri", "sat" or "mon wed" as days of the week, Monday 0."""
    what = 'days of the week such as "mon-sat", "sun" or "mon wed"'
    if not isinstance(value, str) or not value:
        raise expected(what)
    found: list[int] = []
    for word in value.split(" "):
        first, dash, last = word.partition("-")
        for name in (first, last) if dash else (first,):
            if name not in DAYS:
                raise expected(what, hint=f"nearest known day: {nearest(name, DAYS)}")
        start, end = DAYS.index(first), DAYS.index(last if dash else first)
        if end < start:
            raise expected(what, hint="a span of days goes from left to right, Monday first")
        found += range(start, end + 1)
    if len(set(found)) < len(found):
        raise expected("each day once")
    return tuple(found)


def _calendar(value: str) -> str:
    """Let through what the holidays package has: DE, US-AL, and ES-* for Spain and all of its regions at once."""
    import holidays

    what = (
        'a calendar of public holidays: a country such as "DE", a state such as "US-AL", or "ES-*" for all of its parts'
    )
    match = _CALENDAR.fullmatch(value)
    if match is None:
        raise expected(what)
    country, part = match.groups()
    try:
        holidays.country_holidays(country, subdiv=None if part == "*" else part)
    except RuntimeError:  # of what the package does not have
        raise expected(what, hint=f"the package holidays knows none of {value}") from None
    return value


def _window(value: object) -> float | None:
    """Read a span of attempts: "day" is a calendar day on the person's wall."""
    return None if value == "day" else duration("1h", "90d")(value)


def _wait(value: object) -> float | None:
    return None if value == "forever" else duration("1h", "3650d")(value)


def _prefixes(values: list[str]) -> list[str]:
    for index, value in enumerate(values):
        if not _PREFIX.fullmatch(value):
            raise expected('the first digits of a number in E.164, such as "+91140"', key=(index,))
    return values


Prose = Annotated[str, AfterValidator(_prose)]
Day = Annotated[int, BeforeValidator(_day)]
Calendar = Annotated[str, AfterValidator(_calendar)]
Head = Mapping[str, Any]
"""What every rule says of itself, by the names of `law.Rule`."""


class RuleTable(TomlModel):
    """What each table of a rule holds. `id` tells rules of one kind apart; the purpose does where there is none."""

    id: Name | None = None
    purposes: list[Purpose] = Field(default_factory=list)
    audiences: list[Audience] = Field(default_factory=list)
    since: Day | None = None
    until: Day | None = None
    force: Annotated[Force, Field(strict=False, description="law, policy, guidance, code or house")]
    grade: Annotated[Grade, Field(strict=False, description="primary, secondary or unverified")]
    source: Annotated[Prose, Field(description="the text that says so")]
    dated: Prose | None = None
    confidence: Literal["high", "medium", "low"] | None = None
    note: Prose | None = None

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.since is not None and self.until is not None and self.until <= self.since:
            raise expected("a day after since", key=("until",))
        return self


class HoursTable(RuleTable):
    """[[hours]]: a row of a week; the rows of one purpose make one rule."""

    days: Annotated[tuple[int, ...], BeforeValidator(_days), Field(description='days such as "mon-sat"')]
    open: Annotated[DaySpans, Field(description='spans such as ["08:00-21:00"]')]
    holidays: Calendar | None = None
    eve: DaySpans | None = None
    widened_by: Literal["night", "hours"] | None = None

    @model_validator(mode="after")
    def _is_open(self) -> Self:
        if not self.open:
            raise expected("at least one span", key=("open",), hint="a day that no row names is closed")
        if self.eve is not None and self.holidays is None:
            raise expected("no eve without holidays", key=("eve",))
        return self

    @property
    def spans(self) -> tuple[Span, ...]:
        """The row's spans of a day."""
        return tuple(self.open)


class ExceptionTable(TomlModel):
    """consent.exceptions[] and registry.exempt_by[]: `months` bounds what lies back, where the text bounds it."""

    name: Literal[Exempt, "consent", "written_consent"] = Field(description='an exception, such as "business"')
    months: Annotated[int, Field(ge=1, le=120)] | None = None

    @model_validator(mode="after")
    def _has_a_date(self) -> Self:
        if self.months is not None and self.name not in ("existing_customer", "inquiry"):
            raise expected("no months but for existing_customer and inquiry", key=("months",))
        return self

    @property
    def exception(self) -> ConsentException:
        """The exception as a value."""
        return ConsentException(name=self.name, months=self.months)


class ConsentTable(RuleTable):
    """[[consent]]"""

    opt_in: Annotated[bool, Field(description="true: no call without consent; false: until the person objects")]
    exceptions: list[ExceptionTable] = Field(default_factory=list)
    needs: list[Literal["text", "source", "written", "recipient"]] = Field(default_factory=list)
    reconfirm_years: Annotated[int, Field(ge=1, le=10)] | None = None

    @model_validator(mode="after")
    def _is_asked_for(self) -> Self:
        if not self.opt_in:
            for key in ("exceptions", "needs", "reconfirm_years"):
                if key in self.model_fields_set:
                    raise expected(f"no {key} where no consent is asked for", key=(key,))
        for index, each in enumerate(self.exceptions):
            if each.name in ("consent", "written_consent"):
                raise expected("an exception from consent", key=("exceptions", index, "name"))
        return self

    def rule(self, head: Head) -> Rule:
        """Give the rule."""
        return ConsentRule(
            **head,
            is_opt_in=self.opt_in,
            exceptions=tuple(each.exception for each in self.exceptions),
            needs=tuple(self.needs),
            reconfirm_years=self.reconfirm_years,
        )


class RegistryTable(RuleTable):
    """[[registry]]"""

    registry: Annotated[Name, Field(description='the name by which copies are imported, such as "us-dnc"')]
    name: Annotated[Text, Field(description="what it is called")]
    max_age_days: Annotated[int, Field(ge=0, le=3650)] | None = None
    exempt_by: list[ExceptionTable] = Field(default_factory=list)

    def rule(self, head: Head) -> Rule:
        """Give the rule."""
        return RegistryRule(
            **head,
            registry=self.registry,
            name=self.name,
            max_age_days=self.max_age_days,
            exempt_by=tuple(each.exception for each in self.exempt_by),
        )


class AttemptsTable(RuleTable):
    """[[attempts]]"""

    most: Annotated[int, Field(ge=0, le=1000, description="how many attempts at most")]
    window: Annotated[float | None, BeforeValidator(_window), Field(description='"day", or a duration such as "24h"')]
    per: Annotated[CountedPer, Field(strict=False, description="number, person or subject")]

    def rule(self, head: Head) -> Rule:
        """Give the rule."""
        return AttemptRule(**head, most=self.most, window_s=self.window, per=self.per)


class CooldownTable(RuleTable):
    """[[cooldown]]"""

    after: Annotated[CooldownAfter, Field(strict=False, description="conversation or refusal")]
    wait: Annotated[float | None, BeforeValidator(_wait), Field(description='"forever", or a duration such as "7d"')]

    @model_validator(mode="after")
    def _is_remembered(self) -> Self:
        longest_s = PAST_DAYS * 86_400.0  # a refusal is never forgotten, a conversation is
        if self.after is CooldownAfter.CONVERSATION and (self.wait is None or self.wait > longest_s):
            raise expected(f"at most {PAST_DAYS} days after a conversation", key=("wait",))
        return self

    def rule(self, head: Head) -> Rule:
        """Give the rule."""
        return CooldownRule(**head, after=self.after, wait_s=self.wait)


class RedialTable(RuleTable):
    """[[redial]]"""

    wait: Annotated[float, BeforeValidator(duration("1h", "90d")), Field(description='a duration such as "72h"')]
    waived_by_agent: Annotated[bool, Field(description="whether a reserved agent makes the wait needless")]
    agent_needed: Annotated[bool, Field(description="whether an agent is reserved for the call after the wait, too")]

    def rule(self, head: Head) -> Rule:
        """Give the rule."""
        return RedialRule(
            **head, wait_s=self.wait, is_waived_by_agent=self.waived_by_agent, is_agent_needed=self.agent_needed
        )


class RingTable(RuleTable):
    """[[ring]]: seconds, or rings."""

    min_s: Annotated[float, Field(gt=0, le=60)] | None = None
    rings: Annotated[int, Field(ge=1, le=10)] | None = None

    @model_validator(mode="after")
    def _says_how_long(self) -> Self:
        if (self.min_s is None) == (self.rings is None):
            raise expected("min_s or rings", key=("min_s",))
        return self

    def rule(self, head: Head) -> Rule:
        """Give the rule."""
        least_s = RING_S * (self.rings or 0) if self.min_s is None else self.min_s
        return RingRule(**head, min_ring_s=least_s, rings=self.rings)


class VoiceTable(RuleTable):
    """[[voice]]"""

    free: Annotated[list[Voice], Field(description="the voices that need no consent in writing")]

    def rule(self, head: Head) -> Rule:
        """Give the rule."""
        return VoiceRule(**head, free=tuple(self.free))


class AbandonmentTable(RuleTable):
    """[[abandonment]]"""

    cap: Annotated[float, Field(ge=0, lt=1)] | None = None
    windows: Annotated[
        list[Annotated[Window, Field(strict=False)]],
        Field(min_length=1, description='the spans that a campaign may count over, such as ["24h"]'),
    ]
    threshold_s: Annotated[float, Field(gt=0, le=60, description="seconds that a person may wait for an agent")]
    starts_at: Annotated[ClockStart, Field(strict=False, description="answer, greeting_start or greeting_end")]
    unit: Annotated[AbandonmentUnit, Field(strict=False)] = AbandonmentUnit.CAMPAIGN
    message_required: bool = False
    message_says: list[MessageWord] = Field(default_factory=list)

    def rule(self, head: Head) -> Rule:
        """Give the rule."""
        return AbandonmentRule(
            **head,
            cap_rate=self.cap,
            windows=tuple(self.windows),
            threshold_s=self.threshold_s,
            starts_at=self.starts_at,
            unit=self.unit,
            is_message_required=self.message_required,
            message_says=tuple(self.message_says),
        )


class CallerIdTable(RuleTable):
    """[[caller_id]]"""

    required: Annotated[bool, Field(description="whether a campaign has to name its caller_id")]
    prefixes: Annotated[list[str], AfterValidator(_prefixes)] = Field(default_factory=list)

    def rule(self, head: Head) -> Rule:
        """Give the rule."""
        return CallerIdRule(**head, is_required=self.required, prefixes=tuple(self.prefixes))


class NamedTimeTable(RuleTable):
    """[[named_time]]"""

    def rule(self, head: Head) -> Rule:
        """Give the rule."""
        return NamedTimeRule(**head)


class RecordsTable(RuleTable):
    """[[records]]"""

    keep_days: Annotated[int, Field(ge=1, le=36_500, description="days from the call")]

    def rule(self, head: Head) -> Rule:
        """Give the rule."""
        return RecordsRule(**head, keep_days=self.keep_days)


class DutyTable(RuleTable):
    """[[duty]]"""

    text: Annotated[Prose, Field(description="what has to be done")]

    def rule(self, head: Head) -> Rule:
        """Give the rule."""
        return DutyRule(**head, text=self.text)


class OverrideTable(TomlModel):
    """[[override]]"""

    rule: Annotated[Text, Field(description="the id of a rule, as `dialer rules show` gives it")]
    reason: Annotated[Prose, Field(description="why the rule is left out")]
    approved_by: Annotated[Text, Field(description="who decided it")]


class RulesetTable(TomlModel):
    """A whole ruleset file. One of an operator's may hold overrides alone."""

    code: Jurisdiction | None = None
    name: Text | None = None
    version: Text | None = None
    dated: Prose | None = None
    inherits: list[Jurisdiction] = Field(default_factory=list)
    regions: list[Region] = Field(default_factory=list)
    unconfirmed: list[Prose] = Field(default_factory=list)
    hours: list[HoursTable] = Field(default_factory=list)
    consent: list[ConsentTable] = Field(default_factory=list)
    registry: list[RegistryTable] = Field(default_factory=list)
    attempts: list[AttemptsTable] = Field(default_factory=list)
    cooldown: list[CooldownTable] = Field(default_factory=list)
    redial: list[RedialTable] = Field(default_factory=list)
    ring: list[RingTable] = Field(default_factory=list)
    voice: list[VoiceTable] = Field(default_factory=list)
    abandonment: list[AbandonmentTable] = Field(default_factory=list)
    caller_id: list[CallerIdTable] = Field(default_factory=list)
    named_time: list[NamedTimeTable] = Field(default_factory=list)
    records: list[RecordsTable] = Field(default_factory=list)
    duty: list[DutyTable] = Field(default_factory=list)
    override: list[OverrideTable] = Field(default_factory=list)

    @model_validator(mode="after")
    def _says_whose(self) -> Self:
        if self.model_fields_set == {"override"}:
            return self
        wanted = {
            "code": 'the jurisdiction, such as "KR" or "US-FL"',
            "name": "what it is called",
            "version": "the version of this file",
        }
        for key, what in wanted.items():
            if getattr(self, key) is None:
                raise expected(what, key=(key,))
        return self


KINDS = {
    "consent": "consents",
    "registry": "registries",
    "attempts": "attempts",
    "cooldown": "cooldowns",
    "redial": "redials",
    "ring": "rings",
    "voice": "voices",
    "abandonment": "abandonments",
    "caller_id": "caller_ids",
    "named_time": "named_times",
    "records": "records",
    "duty": "duties",
}
"""The tables of a ruleset file but [[hours]], and the field of `law.Ruleset` that each fills."""
