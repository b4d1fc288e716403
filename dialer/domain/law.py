"""What the law, and the house, ask of a call: rules as values, each with the source it rests on.

One rule governs: rules only narrow. Every rule of every jurisdiction that may apply has to allow a call; an `Override`
that names a rule, with a reason, is the only way to leave one out. None of this is legal advice.

Spans of the day are half-open, in seconds since local midnight; durations are seconds; days of the calendar are
ordinals (`datetime.date.toordinal`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from dialer.domain.policy import AbandonmentUnit, ClockStart, Window

Span = tuple[int, int]
Week = tuple[tuple[Span, ...], ...]
"""Seven tuples of spans, Monday first."""

HOUSE = "HOUSE"
"""The ruleset that stands in where a jurisdiction has no rule of a kind; its rules are nobody's law."""


class Force(StrEnum):
    """What a rule is."""

    LAW = "law"
    POLICY = "policy"  # of a regulator
    GUIDANCE = "guidance"  # of a regulator or supervisor
    CODE = "code"  # of an industry, binds who joined it
    HOUSE = "house"  # ours: no rule was found


class Grade(StrEnum):
    """How well a rule is known."""

    PRIMARY = "primary"  # the statute, regulation or regulator's page was read
    SECONDARY = "secondary"  # read of in a law firm's, press or trade page
    UNVERIFIED = "unverified"  # general knowledge


class CountedPer(StrEnum):
    """Whose attempts a cap counts together; all of one seller."""

    NUMBER = "number"
    PERSON = "person"  # every number of the lead
    SUBJECT = "subject"  # every number of the lead, about the campaign's subject


class CooldownAfter(StrEnum):
    """What a wait follows."""

    CONVERSATION = "conversation"
    REFUSAL = "refusal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What every rule says of itself.

    `rule_id` is unique over all rulesets ("US-FL.hours.telemarketing"). `purposes` and `audiences` (consumer, business)
    name the calls it holds for; empty: all. It holds from the day `since` until before the day `until`.
    """

    rule_id: str
    force: Force
    grade: Grade
    source: str
    dated: str = ""  # the version of the text, as the ruleset gives it
    confidence: str = ""  # that the rule says what the text does: high, medium or low
    note: str = ""
    purposes: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None

    @property
    def applied_force(self) -> Force:
        """What the rule is applied as: one that nobody verified is a house rule."""
        return Force.HOUSE if self.grade is Grade.UNVERIFIED else self.force


@dataclass(frozen=True, slots=True, kw_only=True)
class HoursRule(Rule):
    """When a person may be called, by the clock on that person's wall.

    `calendar` names the holidays on which nobody is called ("": none); `eve` are the spans of the day before one (None:
    as any day). `widened_by` says which consent of the person opens other hours: `night` or `hours` ("": none does).
    """

    week: Week
    calendar: str = ""
    eve: tuple[Span, ...] | None = None
    widened_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentException:
    """A case in which no consent is needed, when the campaign claims it and the lead's facts bear it out.

    `existing_customer`: bought within `months`. `inquiry`: asked within `months`. `contract`: has one running.
    `business`: a business is called. `charity`: the campaign's purpose is. `solicitation`: a human voice, and the
    source of the number is known. `press`: the seller publishes newspapers or magazines.
    """

    name: str
    months: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRule(Rule):
    """Whether a call needs the person's consent before (`is_opt_in`), and what the record of it has to hold.

    `needs` are of text, source, written, recipient. `reconfirm_years`: the same date of every so-maniest year from the
    day of consent or of the last confirmation, by which the person must have been asked again.
    """

    is_opt_in: bool
    exceptions: tuple[ConsentException, ...] = ()
    needs: tuple[str, ...] = ()
    reconfirm_years: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryRule(Rule):
    """A register of people who must not be called; a copy older than `max_age_days` proves nothing (None: no limit).

    `exempt_by`: `consent` (of this seller's, for this purpose) or the names of exceptions as in ConsentException.
    """

    registry: str
    name: str
    max_age_days: int | None
    exempt_by: tuple[ConsentException, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRule(Rule):
    """At most `most` attempts within any `window_s` (None: within a local calendar day)."""

    most: int
    window_s: float | None
    per: CountedPer


@dataclass(frozen=True, slots=True, kw_only=True)
class CooldownRule(Rule):
    """No call for `wait_s` (None: never again) after the last conversation or refusal about the campaign's subject."""

    after: CooldownAfter
    wait_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RedialRule(Rule):
    """After an abandonment: no call within `wait_s`, unless an agent is reserved where `is_waived_by_agent`.

    `is_agent_needed`: also after the wait the next call has its agent reserved.
    """

    wait_s: float
    is_waived_by_agent: bool
    is_agent_needed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RingRule(Rule):
    """A call rings at least so long before it is given up; `rings` where the text counts them (6 s each)."""

    min_ring_s: float
    rings: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceRule(Rule):
    """Voices (human, recorded, synthetic) that may speak to a person without consent in writing."""

    free: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AbandonmentRule(Rule):
    """How the law counts abandonments, and how many it allows (`cap_rate` None: no number is in the text).

    `windows` are those in which a campaign may count to comply, the law's own first. `starts_at` is the law's clock; a
    campaign may start its own earlier, never later. `unit` is whose abandonments the law counts together.
    `message_says` must all be in the campaign's declared message.
    """

    cap_rate: float | None
    windows: tuple[Window, ...]
    threshold_s: float
    starts_at: ClockStart
    unit: AbandonmentUnit = AbandonmentUnit.CAMPAIGN
    is_message_required: bool = False
    message_says: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerIdRule(Rule):
    """The number shown: a campaign has to name it (`is_required`), and it begins with one of `prefixes` if any."""

    is_required: bool
    prefixes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedTimeRule(Rule):
    """A time that the person named for contact binds, even by day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsRule(Rule):
    """How long the records that prove a call was lawful are kept."""

    keep_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyRule(Rule):
    """A duty that the dialer cannot check, such as the first words of a call; shown, never enforced."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruleset:
    """The rules of one jurisdiction: an ISO 3166 code such as KR or US-FL, EU, or HOUSE.

    `parents` apply, too. `regions` are the phone library's regions that it covers ("PR" is under US). An operator's own
    file adds a ruleset with a `code` that is there already; `origin` tells the files apart.
    """

    code: str
    name: str
    version: str
    dated: str
    digest: str  # SHA-256 of the file
    origin: str = "built in"
    parents: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    unconfirmed: tuple[str, ...] = ()
    hours: tuple[HoursRule, ...] = ()
    consents: tuple[ConsentRule, ...] = ()
    registries: tuple[RegistryRule, ...] = ()
    attempts: tuple[AttemptRule, ...] = ()
    cooldowns: tuple[CooldownRule, ...] = ()
    redials: tuple[RedialRule, ...] = ()
    rings: tuple[RingRule, ...] = ()
    voices: tuple[VoiceRule, ...] = ()
    abandonments: tuple[AbandonmentRule, ...] = ()
    caller_ids: tuple[CallerIdRule, ...] = ()
    named_times: tuple[NamedTimeRule, ...] = ()
    records: tuple[RecordsRule, ...] = ()
    duties: tuple[DutyRule, ...] = ()


RULE_KINDS = (
    "hours",
    "consents",
    "registries",
    "attempts",
    "cooldowns",
    "redials",
    "rings",
    "voices",
    "abandonments",
    "caller_ids",
    "named_times",
    "records",
    "duties",
)
"""The fields of a Ruleset that hold rules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A rule that an operator leaves out, and why. Kept in the evidence."""

    rule_id: str
    reason: str
    approved_by: str
    origin: str  # the file that says so


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """Every ruleset in force, what is left out of them, and the holidays they speak of.

    `holidays` holds for each calendar its days, ascending; they are complete for the years of `holiday_years` (first,
    last), and a day outside them is not known to be none. With no rulesets nothing may be called.
    """

    rulesets: tuple[Ruleset, ...] = ()
    overrides: tuple[Override, ...] = ()
    holidays: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    holiday_years: tuple[int, int] = (0, 0)
    digest: str = ""  # over all of the above
