"""What an operator decided for a campaign: frozen values, parsed and checked elsewhere.

Durations are seconds, rates are shares (0.03 = 3 %), times of day are seconds since local midnight.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf

from dialer.domain.outcome import Outcome
from dialer.errors import PolicyError


class PacingMode(StrEnum):
    """Who decides when a call starts, and how many at once."""

    PREVIEW = "preview"  # the agent sees the lead and says dial
    PROGRESSIVE = "progressive"  # one call per reserved agent
    POWER = "power"  # a fixed ratio per ready agent
    PREDICTIVE = "predictive"  # the engine chooses, also for agents about to come free


class Window(StrEnum):
    """The span over which abandonment is counted for the law."""

    DAY = "24h"
    CALENDAR_MONTH = "calendar-month"
    BLOCKS_30D = "30d-blocks"


class AbandonmentUnit(StrEnum):
    """Whose abandonments count together for the law."""

    CAMPAIGN = "campaign"
    SELLER = "seller"  # of all its campaigns with this unit, and the same window and time zone


class ClockStart(StrEnum):
    """The instant from which the threshold of an abandonment runs."""

    ANSWER = "answer"
    GREETING_START = "greeting_start"
    GREETING_END = "greeting_end"


class MissedCallback(StrEnum):
    """What becomes of a personal callback whose agent is not there in time."""

    ANY_AGENT = "any-agent"
    RETRY = "retry"
    DROP = "drop"


class NumberOrder(StrEnum):
    """Which of a lead's numbers is tried first."""

    LISTED = "listed"
    MOBILE_FIRST = "mobile-first"
    FIXED_FIRST = "fixed-first"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPolicy:
    """Where the leads come from and in which order they are dialed.

    `columns` maps a field (number, name, segment, priority, zone, external_id, jurisdiction or any other name, which is
    kept as an extra field) to the column headings that hold it; `number` may have several, in order.
    `order` is the published selection order, see `dialer.engine.hopper.order_key`.
    """

    files: tuple[str, ...] = ()
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    encoding: str | None = None
    order: tuple[str, ...] = ("callback", "priority desc", "attempts asc", "shuffle")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowPolicy:
    """Another way to pace, to run beside the one in force without acting. `ratio` is for power mode only."""

    mode: PacingMode
    ratio: float = 1.5

    @property
    def name(self) -> str:
        """As a campaign file writes it."""
        return f"{self.mode}:{self.ratio:g}" if self.mode is PacingMode.POWER else str(self.mode)


@dataclass(frozen=True, slots=True, kw_only=True)
class PacingPolicy:
    """How fast to dial. `ratio` is for power mode only: calls per ready agent."""

    mode: PacingMode = PacingMode.PROGRESSIVE
    ratio: float = 1.5
    ring_timeout_s: float = 22.0
    lines: int | None = None  # of this campaign; None: only the gateway's own limit
    preview_timeout_s: float = 60.0  # an offer not taken by then goes back, and the agent is paused
    shadow: ShadowPolicy | None = None
    has_detector: bool = True  # an answering machine detector speaks first; without, every answer is taken for a person

    def __post_init__(self) -> None:
        """Refuse what no campaign file could say: a ratio or time that is no positive number, less than one line."""
        for name, value in (
            ("ratio", self.ratio),
            ("ring_timeout_s", self.ring_timeout_s),
            ("preview_timeout_s", self.preview_timeout_s),
        ):
            if not 0.0 < value < inf:
                raise PolicyError(f"pacing policy: {name}: expected a number above 0, found {value!r}")
        if self.lines is not None and self.lines < 1:
            raise PolicyError(f"pacing policy: lines: expected at least 1, or None, found {self.lines!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AbandonmentPolicy:
    """What counts as an abandonment, and how many there may be.

    Of `amd_checked` calls that the detector called machines and somebody listened to, `amd_people` were people; both
    None: nobody has checked.
    """

    target_rate: float = 0.025
    cap_rate: float = 0.03
    window: Window = Window.DAY
    threshold_s: float = 2.0
    starts_at: ClockStart = ClockStart.GREETING_END
    message: str | None = None
    time_zone: str = "UTC"  # of the window's day or month
    unit: AbandonmentUnit = AbandonmentUnit.CAMPAIGN
    amd_checked: int | None = None
    amd_people: int | None = None
    message_says: tuple[str, ...] = ()  # what the message says, in the words of `AbandonmentRule.message_says`

    def __post_init__(self) -> None:
        """Refuse what a campaign file could not say either."""
        for name, value, expected, is_right in (
            ("cap_rate", self.cap_rate, "a share from 0 to below 1", 0.0 <= self.cap_rate < 1.0),
            ("target_rate", self.target_rate, "a share from 0 to cap_rate", 0.0 <= self.target_rate <= self.cap_rate),
            ("threshold_s", self.threshold_s, "a finite number of seconds from 0", 0.0 <= self.threshold_s < inf),
            ("window", self.window, "a Window", isinstance(self.window, Window)),
            ("starts_at", self.starts_at, "a ClockStart", isinstance(self.starts_at, ClockStart)),
            ("unit", self.unit, "an AbandonmentUnit", isinstance(self.unit, AbandonmentUnit)),
            ("amd_people", self.amd_people, "a count from 0 to amd_checked, or both None", self._is_check_possible()),
        ):
            if not is_right:
                raise PolicyError(f"abandonment policy: {name}: expected {expected}, found {value!r}")

    def _is_check_possible(self) -> bool:
        if self.amd_checked is None or self.amd_people is None:
            return self.amd_checked is self.amd_people
        return self.amd_checked >= 1 and 0 <= self.amd_people <= self.amd_checked

    @property
    def machine_check(self) -> tuple[int, int] | None:
        """Give (people, checked) of the check of the detector, or None when nobody has checked."""
        return None if self.amd_people is None or self.amd_checked is None else (self.amd_people, self.amd_checked)


@dataclass(frozen=True, slots=True, kw_only=True)
class HoursPolicy:
    """When a person may be called, in that person's local time.

    `week` holds seven tuples, Monday first, each of half-open spans (start, end) in seconds since local midnight.
    """

    week: tuple[tuple[tuple[int, int], ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRule:
    """After this outcome, call again after so many seconds, at most so many times."""

    after_s: float
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """When a lead becomes callable again. An outcome without a rule ends the lead."""

    rules: Mapping[Outcome, RetryRule] = field(default_factory=dict)
    attempts_max: int = 8  # of one lead, over all its numbers
    is_hour_varied: bool = True  # never the same local hour as the attempt before


@dataclass(frozen=True, slots=True, kw_only=True)
class NumbersPolicy:
    """How a lead's several numbers are used."""

    order: NumberOrder = NumberOrder.LISTED
    attempts_each: int = 3
    next_after_s: float = 600.0  # before another number of the same lead, when the one just tried failed


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackPolicy:
    """Promised calls. `missed` says what to do when the promised agent is not ready within `wait_s`."""

    missed: MissedCallback = MissedCallback.ANY_AGENT
    wait_s: float = 600.0
    retry_after_s: float = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentsPolicy:
    """Who works the campaign, and what the pacer may ask of them."""

    groups: tuple[str, ...]
    wrap_up_max_s: float = 60.0
    min_gap_s: float = 0.0  # rest between wrap-up and the next call
    occupancy_max: float = 1.0  # per agent and rolling hour; at the limit the agent rests


@dataclass(frozen=True, slots=True, kw_only=True)
class DispositionPolicy:
    """What follows from the agent's word on a connect."""

    name: str
    is_final: bool = False
    is_success: bool = False
    is_right_party: bool = True
    is_schedule: bool = False  # asks for a callback instant
    is_machine: bool = False  # a machine after all: not a live answer
    is_number_invalid: bool = False  # this number is never tried again; the lead's others are
    is_do_not_call: bool = False  # no further call for this seller, to any number of the person
    is_refusal: bool = False  # the person declined what was offered
    retry_after_s: float | None = None  # not final: when to call again


@dataclass(frozen=True, slots=True, kw_only=True)
class CompliancePolicy:
    """What a campaign declares about its calls, for rules that ask.

    `subject`: what the calls are about; attempts of all the seller's campaigns of one subject count together where a
    rule says so. `exceptions` names the exceptions from consent and registers that it relies on.
    """

    subject: str = ""
    audience: str = "consumer"  # consumer | business
    voice: str = "human"  # human | recorded | synthetic
    exceptions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListConsentPolicy:
    """What the date in the list column `consent_at` means: the text shown (its SHA-256), how, and for whom else."""

    text_hash: str = ""
    method: str = "list"
    source: str = ""
    recipients: tuple[str, ...] = ()
    is_written: bool = False


class EraseAfter(StrEnum):
    """When names and numbers of a campaign's finished leads are erased."""

    NEVER = "never"
    DAYS = "days"  # so many days after the lead was finished
    CAMPAIGN = "after-campaign"  # once every lead is finished


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicy:
    """How long personal data of finished leads stays. `days` is for DAYS only."""

    erase_after: EraseAfter = EraseAfter.NEVER
    days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignPolicy:
    """One campaign file, checked. `digest` is the SHA-256 of the file's bytes."""

    name: str
    seller: str
    purpose: str
    jurisdiction: str  # ISO 3166 alpha-2: of numbers and people whose country nothing else tells
    list: ListPolicy
    pacing: PacingPolicy
    abandonment: AbandonmentPolicy
    hours: HoursPolicy
    retry: RetryPolicy
    numbers: NumbersPolicy
    callbacks: CallbackPolicy
    agents: AgentsPolicy
    dispositions: Mapping[str, DispositionPolicy]
    caller_id: str | None = None
    languages: tuple[str, ...] = ()
    script: str | None = None
    is_started: bool = True  # dials as soon as it is loaded
    compliance: CompliancePolicy = CompliancePolicy()
    consent: ListConsentPolicy = ListConsentPolicy()
    retention: RetentionPolicy = RetentionPolicy()
    digest: str = ""
