"""The shape of a campaign file, table by table, with its bounds and defaults.

One rule governs this module: every key is honoured or refused. A key that could have no effect where it stands
(a ratio without power mode) is a fault, not a decoration.
"""

import codecs
import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from dialer.config.faults import likeness, nearest
from dialer.config.toml_file import TomlModel, expected
from dialer.config.values import (
    E164,
    Audience,
    DaySpans,
    DistinctFiles,
    Exempt,
    ExistingFile,
    Language,
    MessageWord,
    Name,
    Names,
    Purpose,
    Region,
    RetryAfter,
    Text,
    Voice,
    Word,
    Zone,
    duration,
)
from dialer.domain.policy import (
    AbandonmentUnit,
    ClockStart,
    EraseAfter,
    ListPolicy,
    MissedCallback,
    NumberOrder,
    PacingMode,
    PacingPolicy,
    RetentionPolicy,
    Window,
)
from dialer.engine.hopper import check_order

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday")

KNOWN_COLUMNS = (
    "number",
    "name",
    "segment",
    "priority",
    "zone",
    "external_id",
    "jurisdiction",
    "consent_at",
    "consent_night_at",
    "source",
    "contact_hours",
    "bought_at",
    "inquired_at",
    "contract",
)
"""The fields of a lead that mean something to the dialer; every other column name is kept as an extra field."""

_MISSPELT_COLUMN = 0.8  # likeness from which an extra column's name is taken for a slip of a known one


def _encoding(value: str) -> str:
    try:
        is_text = codecs.lookup(value)._is_text_encoding
    except (LookupError, ValueError):
        is_text = False
    if not is_text:
        raise expected('the name of a text encoding such as "utf-8", "cp949" or "shift_jis"')
    return value


def _order_item(value: str) -> str:
    try:
        check_order([value])
    except ValueError:
        what = '"callback", "priority desc", "segment: a, b", "attempts asc", "due asc" or "shuffle"'
        words = ("callback", "priority desc", "priority asc", "attempts asc", "attempts desc", "due asc", "shuffle")
        meant = 'segment: a, b" with distinct names' if "segment" in value.lower() else f'{nearest(value, words)}"'
        raise expected(what, hint=f'nearest known item: "{meant}') from None
    return value


def _order(values: list[str]) -> list[str]:
    if not values:
        raise expected('at least one item, such as "shuffle"')
    keys = [value.replace(":", " ").split()[0] for value in values]
    for index, key in enumerate(keys):
        if key in keys[:index]:
            raise expected(f"{key} once", key=(index,))
    return values


def _each_once(values: list[str]) -> list[str]:
    for index, value in enumerate(values):
        if value in values[:index]:
            raise expected("each word once", key=(index,))
    return values


def _headings(value: object) -> object:
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list) or not value:
        raise expected("a column heading or an array of several")
    return value


def _column_names(columns: dict[str, list[str]]) -> dict[str, list[str]]:
    for name in columns:
        meant = nearest(name, KNOWN_COLUMNS)
        if meant is not None and name != meant and likeness(name, meant) >= _MISSPELT_COLUMN:
            hint = f"nearest known key: {meant}; call a field of your own something less alike"
            raise expected("a known column or a field of your own", key=(name,), hint=hint)
    return columns


Headings = Annotated[list[Text], BeforeValidator(_headings)]


class ListTable(TomlModel):
    """[list]"""

    files: DistinctFiles = Field(default_factory=list)
    columns: Annotated[dict[Word, Headings], AfterValidator(_column_names)] = Field(default_factory=dict)
    encoding: Annotated[str, AfterValidator(_encoding)] | None = None
    order: Annotated[list[Annotated[str, AfterValidator(_order_item)]], AfterValidator(_order)] = Field(
        default_factory=lambda: list(ListPolicy().order)
    )

    @model_validator(mode="after")
    def _has_number(self) -> Self:
        if (self.files or self.columns) and "number" not in self.columns:
            raise expected("the headings of the telephone numbers", key=("columns", "number"))
        return self

    @model_validator(mode="after")
    def _orders_by_columns(self) -> Self:
        """An order by a column that no list has would have no effect."""
        if "order" in self.model_fields_set and self.columns:
            for index, item in enumerate(self.order):
                column = item.replace(":", " ").split()[0]
                if column in {"segment", "priority"} and column not in self.columns:
                    hint = f"say in list.columns which heading holds the {column}"
                    raise expected(f"no order by {column} without that column", key=("order", index), hint=hint)
        return self


_RATIO = re.compile(r"\d{1,2}(\.\d{1,3})?")


def _shadow(value: str) -> str:
    mode, colon, ratio = value.partition(":")
    if mode == PacingMode.POWER:
        if not _RATIO.fullmatch(ratio) or not 1.0 <= float(ratio) <= 10.0:
            raise expected('"power:" and a ratio from 1 to 10, such as "power:1.8"')
    elif colon or mode not in (PacingMode.PROGRESSIVE, PacingMode.PREDICTIVE):
        meant = nearest(mode, (PacingMode.PROGRESSIVE, PacingMode.PREDICTIVE, PacingMode.POWER))
        hint = "" if meant is None else f"nearest known mode: {meant}"
        raise expected('"progressive", "predictive" or "power:RATIO" such as "power:1.8"', hint=hint)
    return value


class PacingTable(TomlModel):
    """[pacing]"""

    mode: Annotated[PacingMode, Field(strict=False)] = PacingMode.PROGRESSIVE
    ratio: Annotated[float, Field(ge=1, le=10)] | None = None
    # Shorter rings are unlawful in several places: the United States and Canada ask for 15 s.
    ring_timeout_s: Annotated[float, Field(ge=15, le=120)] = 22.0
    lines: Annotated[int, Field(ge=1, le=10_000)] | None = None
    preview_timeout_s: Annotated[float, Field(ge=5, le=3600)] | None = None
    shadow: Annotated[str, AfterValidator(_shadow)] | None = None
    detector: bool = True

    @model_validator(mode="after")
    def _fits_mode(self) -> Self:
        if self.ratio is not None and self.mode is not PacingMode.POWER:
            raise expected('no ratio, or mode "power"', key=("ratio",))
        if self.preview_timeout_s is not None and self.mode is not PacingMode.PREVIEW:
            raise expected('no preview_timeout_s, or mode "preview"', key=("preview_timeout_s",))
        return self

    @model_validator(mode="after")
    def _shadows_another(self) -> Self:
        if self.shadow is None:
            return self
        if self.mode is PacingMode.PREVIEW:
            hint = "in preview the agents say when to dial: there is no pace to compare with"
            raise expected('no shadow, or another mode than "preview"', key=("shadow",), hint=hint)
        ratio = PacingPolicy().ratio if self.ratio is None else self.ratio
        mode, _, shadow_ratio = self.shadow.partition(":")
        if mode == self.mode and (not shadow_ratio or float(shadow_ratio) == ratio):
            raise expected(f"another policy than the one in force, {self.shadow}", key=("shadow",))
        return self


class AbandonmentTable(TomlModel):
    """[abandonment]"""

    # A cap of 1 would allow everything: that is no cap.
    target: Annotated[float, Field(ge=0, lt=1)] = 0.025
    cap: Annotated[float, Field(ge=0, lt=1)] = 0.03
    window: Annotated[Window, Field(strict=False)] = Window.DAY
    threshold_s: Annotated[float, Field(ge=0, le=10)] = 2.0
    starts_at: Annotated[ClockStart, Field(strict=False)] = ClockStart.GREETING_END
    message: ExistingFile | None = None
    message_says: Annotated[list[MessageWord], AfterValidator(_each_once)] = Field(default_factory=list)
    time_zone: Zone = "UTC"
    unit: Annotated[AbandonmentUnit, Field(strict=False)] = AbandonmentUnit.CAMPAIGN
    amd_checked: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    amd_people: Annotated[int, Field(ge=0, le=1_000_000)] | None = None

    @model_validator(mode="after")
    def _target_under_cap(self) -> Self:
        if self.target > self.cap and "target" not in self.model_fields_set:
            raise expected(f"at least the target, {self.target:g} unless set", key=("cap",), hint="set target, too")
        if self.target > self.cap:
            raise expected(f"at most the cap, {self.cap:g}", key=("target",))
        return self

    @model_validator(mode="after")
    def _says_in_a_message(self) -> Self:
        if self.message is None and "message_says" in self.model_fields_set:
            raise expected("no message_says, or a message", key=("message_says",))
        return self

    @model_validator(mode="after")
    def _check_is_whole(self) -> Self:
        checked, people = self.amd_checked, self.amd_people
        if (checked is None) != (people is None):
            given, missing = ("amd_checked", "amd_people") if people is None else ("amd_people", "amd_checked")
            hint = "amd_checked calls taken for machines were listened to, amd_people of them were people"
            raise expected(f"{given} and {missing}, or neither", key=(given,), hint=hint)
        if checked is not None and people is not None and people > checked:
            raise expected(f"at most amd_checked, {checked}", key=("amd_people",))
        return self


class HoursTable(TomlModel):
    """[hours]: a day of its own replaces what weekdays says of it; a day not named is closed."""

    weekdays: DaySpans | None = None
    monday: DaySpans | None = None
    tuesday: DaySpans | None = None
    wednesday: DaySpans | None = None
    thursday: DaySpans | None = None
    friday: DaySpans | None = None
    saturday: DaySpans | None = None
    sunday: DaySpans | None = None

    @model_validator(mode="after")
    def _is_ever_open(self) -> Self:
        if not any(self.week()):
            raise expected("at least one span on one day of the week", hint="pause the campaign to stop all calls")
        if self.weekdays is not None and all(getattr(self, day) is not None for day in WEEKDAYS):
            raise expected("no weekdays where monday to friday all have their own spans", key=("weekdays",))
        return self

    def week(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        """Seven days, Monday first, each a tuple of spans in seconds since local midnight."""
        own = [getattr(self, day) for day in WEEKDAYS]
        days = [self.weekdays if day is None else day for day in own]
        return tuple(tuple(day or ()) for day in (*days, self.saturday, self.sunday))


class RetryRuleTable(TomlModel):
    """retry.OUTCOME"""

    after: RetryAfter = Field(description='a duration such as "27h" or "10m"')
    times: int = Field(ge=1, le=100, description="how many times at most")


class RetryTable(TomlModel):
    """[retry]: a rule for each outcome after which a lead may be called again.

    Two outcomes have none: after a connect the disposition decides, and an invalid number is never tried again.
    """

    attempts_max: Annotated[int, Field(ge=1, le=100)] = 8
    vary_hour: bool = True
    no_answer: RetryRuleTable | None = None
    busy: RetryRuleTable | None = None
    machine: RetryRuleTable | None = None
    rejected: RetryRuleTable | None = None
    congestion: RetryRuleTable | None = None
    abandoned: RetryRuleTable | None = None
    abandoned_by_callee: RetryRuleTable | None = None
    cancelled: RetryRuleTable | None = None
    unknown: RetryRuleTable | None = None


class NumbersTable(TomlModel):
    """[numbers]"""

    order: Annotated[NumberOrder, Field(strict=False)] = NumberOrder.LISTED
    attempts_each: Annotated[int, Field(ge=1, le=100)] = 3
    next_after: Annotated[float, BeforeValidator(duration("0s", "30d"))] = 600.0


class CallbacksTable(TomlModel):
    """[callbacks]"""

    missed: Annotated[MissedCallback, Field(strict=False)] = MissedCallback.ANY_AGENT
    wait: Annotated[float, BeforeValidator(duration("0s", "1d"))] = 600.0
    retry_after: RetryAfter | None = None

    @model_validator(mode="after")
    def _fits_missed(self) -> Self:
        if self.retry_after is not None and self.missed is not MissedCallback.RETRY:
            raise expected('no retry_after, or missed = "retry"', key=("retry_after",))
        return self


class AgentsTable(TomlModel):
    """[agents]"""

    groups: Names = Field(description='the groups of agents that work the campaign, such as ["renewals"]')
    wrap_up_max_s: Annotated[float, Field(ge=1, le=3600)] = 60.0
    min_gap_s: Annotated[float, Field(ge=0, le=600)] = 0.0
    occupancy_max: Annotated[float, Field(ge=0.5, le=1)] = 1.0


class ComplianceTable(TomlModel):
    """[compliance]"""

    subject: Text | None = None
    audience: Audience = "consumer"
    voice: Voice = "human"
    exceptions: Annotated[list[Exempt], AfterValidator(_each_once)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _exceptions_can_hold(self) -> Self:
        can_hold = {"business": self.audience == "business", "solicitation": self.voice == "human"}
        needs = {"business": 'audience "business"', "solicitation": 'voice "human"'}
        for index, name in enumerate(self.exceptions):
            if not can_hold.get(name, True):
                raise expected(f"no {name}, or {needs[name]}", key=("exceptions", index))
        return self


class ConsentTable(TomlModel):
    """[consent]: what a date in the columns consent_at and consent_night_at stands for."""

    text: ExistingFile | None = None
    method: Text = "list"
    source: Text | None = None
    recipients: Annotated[list[Text], AfterValidator(_each_once)] = Field(default_factory=list)
    written: bool = False


_DAYS = re.compile(r"([1-9][0-9]{0,4}) days?")


def _erase_after(value: str) -> str:
    if value not in (EraseAfter.NEVER, EraseAfter.CAMPAIGN) and not _DAYS.fullmatch(value):
        raise expected('"never", "after-campaign" or a number of days such as "90 days"')
    return value


class RetentionTable(TomlModel):
    """[retention]"""

    erase_after: Annotated[str, AfterValidator(_erase_after)] = "never"

    def policy(self) -> RetentionPolicy:
        """Give the word and its days."""
        days = _DAYS.fullmatch(self.erase_after)
        if days is None:
            return RetentionPolicy(erase_after=EraseAfter(self.erase_after))
        return RetentionPolicy(erase_after=EraseAfter.DAYS, days=int(days[1]))


class ScriptTable(TomlModel):
    """[script]"""

    file: ExistingFile = Field(description="the text that the agent reads")


class DispositionTable(TomlModel):
    """dispositions.NAME"""

    final: bool = False
    success: bool = False
    right_party: bool | None = None
    schedule: bool = False
    machine: bool = False
    number: Literal["invalid"] | None = None
    do_not_call: Literal["seller"] | None = None
    refusal: bool = False
    retry_after: RetryAfter | None = None

    @model_validator(mode="after")
    def _leads_somewhere(self) -> Self:
        following = {"final": self.final, "schedule": self.schedule, "retry_after": self.retry_after is not None}
        said = [key for key, is_said in following.items() if is_said]
        if len(said) > 1:
            raise expected("one of final, schedule and retry_after", key=(said[1],))
        for key, does_retry in (("machine", self.machine), ("number", self.number is not None)):
            if does_retry and said and said != ["final"]:
                rule = "retry.machine" if key == "machine" else "numbers.next_after"
                raise expected(f"no {said[0]} beside {key}", key=(said[0],), hint=f"{rule} says when to call again")
        if not said and not self.machine and self.number is None:
            raise expected("what follows: final = true, schedule = true or retry_after", hint="add one of them")
        if self.do_not_call is not None and not self.final:
            raise expected("final = true beside do_not_call", key=("do_not_call",))
        if self.success and not self.is_right_party:
            raise expected("no success where the wanted person did not speak", key=("success",))
        if self.refusal and (self.success or self.schedule or not self.is_right_party):
            raise expected(
                "no refusal beside success or schedule, or where the wanted person did not speak", key=("refusal",)
            )
        if self.right_party and self.machine:
            raise expected("no right party where a machine answered", key=("right_party",))
        return self

    @property
    def is_right_party(self) -> bool:
        """Whether the wanted person spoke: true unless said otherwise or a machine or a wrong number answered."""
        if self.right_party is None:
            return not self.machine and self.number is None
        return self.right_party


class CampaignTable(TomlModel):
    """A whole campaign file."""

    name: Name = Field(description="the campaign's name, by which the commands call it")
    seller: Text = Field(description="who is calling")
    purpose: Purpose = Field(description="telemarketing, survey, debt, service, charity or finance")
    jurisdiction: Region = Field(description='the country of numbers written without one, such as "KR"')
    languages: list[Language] = Field(default_factory=list)
    caller_id: E164 | None = None
    started: bool = True
    list_: ListTable = Field(alias="list", default=ListTable())
    pacing: PacingTable = PacingTable()
    abandonment: AbandonmentTable = AbandonmentTable()
    hours: HoursTable | None = None
    retry: RetryTable = RetryTable()
    numbers: NumbersTable = NumbersTable()
    callbacks: CallbacksTable = CallbacksTable()
    agents: AgentsTable = Field(description="the table [agents] with its groups")
    script: ScriptTable | None = None
    compliance: ComplianceTable = ComplianceTable()
    consent: ConsentTable | None = None
    retention: RetentionTable = RetentionTable()
    dispositions: Annotated[dict[Word, DispositionTable], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _consent_has_dates(self) -> Self:
        if self.consent is not None and not {"consent_at", "consent_night_at"} & set(self.list_.columns):
            hint = "say in list.columns which heading holds the date of consent"
            raise expected(
                "no [consent] without the column consent_at or consent_night_at", key=("consent",), hint=hint
            )
        return self

    @model_validator(mode="after")
    def _charity_is_one(self) -> Self:
        if "charity" in self.compliance.exceptions and self.purpose != "charity":
            index = self.compliance.exceptions.index("charity")
            raise expected('no charity, or purpose "charity"', key=("compliance", "exceptions", index))
        return self
