"""What an entry of the evidence says, kind by kind.

One rule governs this module: `at` and `kind` come first, and no field holds a telephone number or a name of a person. A
person is a `subject`: the keyed hash of a number, in hexadecimal.
"""

from dataclasses import dataclass

import msgspec

import dialer
from dialer.domain.law import Override
from dialer.domain.policy import CampaignPolicy
from dialer.domain.records import Attempt, CampaignChange, VerdictRecord
from dialer.domain.standing import RegistryCopy


class VerdictBody(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What the gate said of a number, and on what grounds.

    `law` is the SHA-256 of the last law's entry, when that is the law it went by; else `law_digest` names that law.
    """

    at: float
    kind: str
    campaign: str
    seller: str
    lead_id: int
    subject: str
    allowed: bool
    rule: str
    inputs: tuple[tuple[str, str], ...]
    next_at: float | None
    needs_agent: bool
    policy_digest: str
    law: str = ""
    law_digest: str = ""
    registries: tuple[tuple[str, str], ...]


class AttemptBody(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A call's detail as far as it was known at `at`; what is absent did not happen (yet).

    `about` is the subject matter of the call, `duration_s` runs from the answer to the end.
    """

    at: float
    kind: str
    call_id: int
    campaign: str
    seller: str
    lead_id: int
    subject: str
    about: str
    mode: str
    rule: str
    caller_id: str | None
    placed_at: float
    ringing_at: float | None = None
    answered_at: float | None = None
    classified_at: float | None = None
    greeting_start_at: float | None = None
    greeting_end_at: float | None = None
    abandoned_at: float | None = None
    message_at: float | None = None
    bridged_at: float | None = None
    released_at: float | None = None
    disposed_at: float | None = None
    duration_s: float | None = None
    agent_id: str | None = None
    is_reserved: bool = False
    is_live: bool = False
    is_abandoned: bool = False
    is_late_connect: bool = False
    outcome: str | None = None
    disposition: str | None = None
    is_success: bool = False
    is_right_party: bool = False
    is_refusal: bool = False
    released_by: str = ""
    cause: str = ""
    number_rank: int = 0
    attempt_rank: int = 1


class AbandonmentBody(msgspec.Struct, kw_only=True):
    """An abandonment, the instants it was judged by, and the campaign's measure for it."""

    at: float
    kind: str = "abandonment"
    call_id: int
    campaign: str
    seller: str
    lead_id: int
    subject: str
    answered_at: float | None
    greeting_start_at: float | None
    greeting_end_at: float | None
    abandoned_at: float | None
    message_at: float | None
    bridged_at: float | None
    released_at: float | None
    starts_at: str | None
    threshold_s: float | None


class RefusalBody(msgspec.Struct, kw_only=True):
    """Somebody is not to be called by this seller again."""

    at: float
    kind: str = "refusal"
    seller: str
    subjects: tuple[str, ...]
    reason: str
    who: str


class RulesetBody(msgspec.Struct, kw_only=True):
    """Which ruleset was in force. `digest` is that of its file, `text` that of its rules as kept beside the log."""

    code: str
    version: str
    digest: str
    origin: str
    text: str


class LawBody(msgspec.Struct, kw_only=True):
    """All rulesets in force from here on, what was left out of them and why; `holidays` names a text, too."""

    at: float
    kind: str = "law"
    digest: str
    dialer: str
    rulesets: tuple[RulesetBody, ...]
    overrides: tuple[Override, ...]
    holidays: str
    holiday_years: tuple[int, int]


class CampaignBody(msgspec.Struct, kw_only=True):
    """A campaign file in force from here on."""

    at: float
    kind: str = "campaign"
    campaign: str
    seller: str
    digest: str
    dialer: str
    purpose: str
    about: str
    jurisdiction: str
    caller_id: str | None
    starts_at: str
    threshold_s: float
    target_rate: float
    cap_rate: float
    window: str


class RegistryBody(msgspec.Struct, kw_only=True):
    """A copy of a register in use from here on."""

    at: float
    kind: str = "registry"
    registry: str
    version: str
    digest: str
    received_at: float
    numbers: int


class ChangeBody(msgspec.Struct, kw_only=True):
    """A campaign went from one state to another."""

    at: float
    kind: str = "change"
    campaign: str
    action: str
    before: str
    after: str
    reason: str
    who: str
    digest: str


class DeedBody(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a user did with personal data or with the log: `view`, `export`, `erasure`, `trim` or `mend`, and why."""

    at: float
    kind: str
    who: str
    what: str
    reason: str
    campaign: str | None = None
    seller: str | None = None
    subjects: tuple[str, ...] = ()
    details: dict[str, str | int] = {}


Body = (
    VerdictBody
    | AttemptBody
    | AbandonmentBody
    | RefusalBody
    | LawBody
    | CampaignBody
    | RegistryBody
    | ChangeBody
    | DeedBody
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What of a campaign's policy goes into each of its calls' entries."""

    caller_id: str | None
    starts_at: str
    threshold_s: float

    @classmethod
    def of(cls, policy: CampaignPolicy) -> "Terms":
        """Read them from a policy."""
        measure = policy.abandonment
        return cls(caller_id=policy.caller_id, starts_at=measure.starts_at.value, threshold_s=measure.threshold_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class LawInForce:
    """The last law in the log: its own digest, the SHA-256 of its entry's body, and the entry's hash."""

    digest: str
    body: str
    hash: bytes


NO_TERMS = Terms(caller_id=None, starts_at="", threshold_s=0.0)
"""Of a campaign that storage does not know."""


def last_instant(attempt: Attempt) -> float:
    """Give the latest instant that an attempt knows."""
    instants = (attempt.placed_at, attempt.answered_at, attempt.bridged_at, attempt.released_at, attempt.disposed_at)
    return max(at for at in instants if at is not None)


def attempt_body(at: float, attempt: Attempt, subject: str, terms: Terms) -> AttemptBody:
    """Make the entry of an attempt as it was known at `at`."""
    answered_at, released_at = attempt.answered_at, attempt.released_at
    return AttemptBody(
        at=at,
        kind="attempt",
        call_id=attempt.call_id,
        campaign=attempt.campaign,
        seller=attempt.seller,
        lead_id=attempt.lead_id,
        subject=subject,
        about=attempt.subject,
        mode=attempt.mode,
        rule=attempt.rule,
        caller_id=terms.caller_id,
        placed_at=attempt.placed_at,
        ringing_at=attempt.ringing_at,
        answered_at=answered_at,
        classified_at=attempt.classified_at,
        greeting_start_at=attempt.greeting_start_at,
        greeting_end_at=attempt.greeting_end_at,
        abandoned_at=attempt.abandoned_at,
        message_at=attempt.message_at,
        bridged_at=attempt.bridged_at,
        released_at=released_at,
        disposed_at=attempt.disposed_at,
        duration_s=None if answered_at is None or released_at is None else released_at - answered_at,
        agent_id=attempt.agent_id,
        is_reserved=attempt.is_reserved,
        is_live=attempt.is_live,
        is_abandoned=attempt.is_abandoned,
        is_late_connect=attempt.is_late_connect,
        outcome=attempt.outcome,
        disposition=attempt.disposition,
        is_success=attempt.is_success,
        is_right_party=attempt.is_right_party,
        is_refusal=attempt.is_refusal,
        released_by=attempt.released_by,
        cause=attempt.cause,
        number_rank=attempt.number_rank,
        attempt_rank=attempt.attempt_rank,
    )


def abandonment_body(at: float, attempt: Attempt, subject: str, terms: Terms) -> AbandonmentBody:
    """Make the entry of an abandonment."""
    return AbandonmentBody(
        at=at,
        call_id=attempt.call_id,
        campaign=attempt.campaign,
        seller=attempt.seller,
        lead_id=attempt.lead_id,
        subject=subject,
        answered_at=attempt.answered_at,
        greeting_start_at=attempt.greeting_start_at,
        greeting_end_at=attempt.greeting_end_at,
        abandoned_at=attempt.abandoned_at,
        message_at=attempt.message_at,
        bridged_at=attempt.bridged_at,
        released_at=attempt.released_at,
        starts_at=terms.starts_at,
        threshold_s=terms.threshold_s,
    )


def campaign_body(at: float, policy: CampaignPolicy) -> CampaignBody:
    """Make the entry of a campaign file."""
    measure = policy.abandonment
    return CampaignBody(
        at=at,
        campaign=policy.name,
        seller=policy.seller,
        digest=policy.digest,
        dialer=dialer.__version__,
        purpose=policy.purpose,
        about=policy.compliance.subject,
        jurisdiction=policy.jurisdiction,
        caller_id=policy.caller_id,
        starts_at=measure.starts_at.value,
        threshold_s=measure.threshold_s,
        target_rate=measure.target_rate,
        cap_rate=measure.cap_rate,
        window=measure.window.value,
    )


def verdict_body(record: VerdictRecord, subject: str, law: LawInForce | None) -> VerdictBody:
    """Make the entry of a verdict."""
    verdict = record.verdict
    is_by_it = law is not None and law.digest == record.law_digest
    return VerdictBody(
        at=record.at,
        kind="verdict",
        campaign=record.campaign,
        seller=record.seller,
        lead_id=record.lead_id,
        subject=subject,
        allowed=verdict.allowed,
        rule=verdict.rule,
        inputs=verdict.inputs,
        next_at=verdict.next_at,
        needs_agent=verdict.needs_agent,
        policy_digest=record.policy_digest,
        law=law.body if law is not None and is_by_it else "",
        law_digest="" if is_by_it else record.law_digest,
        registries=record.registries,
    )


def registry_body(at: float, copy: RegistryCopy) -> RegistryBody:
    """Make the entry of a register's copy."""
    return RegistryBody(
        at=at,
        registry=copy.registry,
        version=copy.version,
        digest=copy.digest,
        received_at=copy.received_at,
        numbers=copy.numbers,
    )


def change_body(change: CampaignChange) -> ChangeBody:
    """Make the entry of a campaign's change."""
    return ChangeBody(
        at=change.at,
        campaign=change.campaign,
        action=change.action,
        before=change.before,
        after=change.after,
        reason=change.reason,
        who=change.who,
        digest=change.digest,
    )
