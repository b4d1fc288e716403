"""A person to reach, with one or more numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from dialer.domain.law import Span
from dialer.domain.standing import Relationship, Standing


class LeadState(StrEnum):
    """Where a lead stands. Only the engine moves it."""

    PENDING = "pending"  # callable from `due_at` on
    CLAIMED = "claimed"  # in the hopper or on a call
    FINISHED = "finished"  # never called again by this campaign; `reason` says why


UNTIL_DUE = "until due: "
"""Before the rule that put a pending lead off until an instant; a rule alone waits for something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneNumber:
    """One number of a lead. `zones` holds every time zone in which its holder may plausibly be.

    `jurisdictions` holds every place whose law may apply ("US-FL"); "US" alone means any of its states. With none it is
    `region`.
    """

    e164: str  # "+821012345678"
    kind: str  # mobile | fixed | fixed_or_mobile | toll_free | voip | other
    region: str  # ISO 3166 alpha-2
    zones: tuple[str, ...]
    jurisdictions: tuple[str, ...] = ()
    attempts: int = 0
    last_attempt_at: float | None = None
    is_invalid: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """A promised call: at this instant, by this agent or (None) by any."""

    at: float
    agent_id: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """A person on a campaign's list.

    `zone` is the person's own time zone where the list says it. `tries` counts how often each retry
    rule was used. `shuffle` is a fixed pseudo-random rank, so that a list sorted by street is not dialed in clumps.
    `jurisdiction` is that of the person's known address, `source` where the list has the person from ("": it does not
    say), `contact_hours` the only times of day the person named for contact. `standing` travels with a lead that was
    claimed and is kept nowhere.
    """

    lead_id: int
    campaign: str
    numbers: tuple[PhoneNumber, ...]
    shuffle: int
    name: str = ""
    segment: str = ""
    priority: int = 0
    zone: str | None = None
    jurisdiction: str | None = None
    external_id: str = ""
    source: str = ""
    contact_hours: tuple[Span, ...] = ()
    relationship: Relationship = field(default_factory=Relationship)
    fields: Mapping[str, str] = field(default_factory=dict)
    state: LeadState = LeadState.PENDING
    reason: str = ""
    due_at: float = 0.0
    attempts: int = 0
    tries: Mapping[str, int] = field(default_factory=dict)
    last_attempt_at: float | None = None
    last_outcome: str = ""
    callback: Callback | None = None
    standing: Standing | None = None
