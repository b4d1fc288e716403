"""What is known of a person that a rule may ask for: consents, earlier attempts, registers, a "do not call".

One rule governs: it is knowledge of one seller. Nothing of another seller's is in it, but for registers, which are
nobody's own. It is as of one instant; what comes later is brought by events.
"""

from dataclasses import dataclass

from dialer.domain.law import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A person's word that this seller may call this number for this purpose, as it was recorded.

    `recipients` are the third parties named in it who may call, too. `is_night`: the separate consent for the night;
    `hours` are other times of day the person agreed to. `confirmed_at`: when the person was last asked again.
    `text_hash` is the SHA-256 of the text shown ("": not kept). Instants are POSIX seconds.
    """

    number: str  # E.164
    seller: str
    purposes: tuple[str, ...]
    obtained_at: float
    method: str  # how: web form, paper, telephone, ...
    source: str  # where the number came from ("": not known)
    text_hash: str = ""
    recipients: tuple[str, ...] = ()
    is_written: bool = False
    is_night: bool = False
    hours: tuple[Span, ...] = ()
    expires_at: float | None = None
    confirmed_at: float | None = None
    revoked_at: float | None = None
    consent_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PastAttempt:
    """An attempt of the seller's to one of the person's numbers, as far as rules count it.

    Whoever shares a number with the lead that was called counts as the same person.
    """

    call_id: int
    number: str  # "": one that only the other lead has
    subject: str
    at: float
    is_abandoned: bool = False  # or of unknown fate
    is_conversation: bool = False  # joined to an agent
    is_refusal: bool = False  # by the agent's word


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryCopy:
    """The copy of a register that is in use: counts and hashes, never its numbers."""

    registry: str
    version: str
    digest: str  # SHA-256 of the file as received
    received_at: float  # of the file by the seller, from which its age runs
    numbers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """All of it for one lead, as of `as_of_at`. Revoked consents are in.

    `past` is ascending and goes back 90 days; a refusal or an abandonment is never forgotten: some rules know no end.
    """

    as_of_at: float
    consents: tuple[Consent, ...] = ()
    past: tuple[PastAttempt, ...] = ()
    listed: tuple[tuple[str, str], ...] = ()  # (registry, number) of each number that is on one
    blocked_at: float | None = None  # since when a number of the person is on the seller's own "do not call" list


PAST_DAYS = 90
"""How far `Standing.past` goes back for what is only counted: longer than any window of any rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relationship:
    """What a list says of the person's business with the seller; instants are POSIX seconds (None: it says nothing)."""

    bought_at: float | None = None
    inquired_at: float | None = None
    has_contract: bool = False


NO_RELATIONSHIP = Relationship()
"""Of whom the list says nothing."""
