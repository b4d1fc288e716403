"""One question to the gate: everything that the rules look at, gathered once.

One rule governs: what is not known counts against the call. An attempt whose subject is not known is about every
subject; a consent that was revoked takes with it all that were given before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dialer.compliance.applying import Applying
from dialer.compliance.hours import DAY_S
from dialer.domain.law import Rule
from dialer.domain.lead import Lead, PhoneNumber
from dialer.domain.policy import CampaignPolicy
from dialer.domain.standing import PastAttempt, RegistryCopy, Standing
from dialer.domain.verdict import Finding, Inputs

GOOD_FOR_S = DAY_S  # a standing: knowledge older than this is no knowledge


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What has come to be known since a lead's standing was taken.

    A standing from before `changed_at` is out of date. `recent` are attempts placed since the engine started; where the
    standing has the same call, `recent` knows more of it.
    """

    registries: Mapping[str, RegistryCopy] = field(default_factory=dict)
    changed_at: float = 0.0
    blocked_at: float | None = None
    recent: tuple[PastAttempt, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Today:
    """Where and by which rules a call is judged, until the next midnight in one of its zones.

    `zones` are those of the person's that exist; `days` the local days, by zone; `spans` when they begin and end.
    `rules` are those in force today; `places`, `rings` and `declared` what they say by themselves, `unnamed` what they
    say of a person who named no time, and `waits` of one whom nothing has to be waited for. Consents are confirmed
    every `reconfirm_years` by the strictest of them. The first rule ceases to hold at `lapses_at` (None: none does).
    """

    zones: tuple[str, ...]
    days: tuple[int, ...]
    spans: tuple[tuple[float, float], ...]
    rules: Applying
    places: Finding
    unnamed: tuple[Finding, ...]
    waits: tuple[Finding, ...]
    rings: tuple[Finding, ...]
    declared: tuple[Finding, ...]
    reconfirm_years: int | None
    lapses_at: float | None
    from_at: float
    until_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One lead and number at one instant. `past` holds every attempt known of up to `now`, ascending."""

    policy: CampaignPolicy
    lead: Lead
    number: PhoneNumber
    now: float
    known: Known
    standing: Standing
    today: Today
    past: tuple[PastAttempt, ...]

    @property
    def about_subject(self) -> list[PastAttempt]:
        """The attempts about the campaign's subject; one that names none is about any."""
        subject = self.policy.compliance.subject
        return [each for each in self.past if not subject or not each.subject or each.subject == subject]


def past_of(standing: Standing, known: Known, now: float) -> tuple[PastAttempt, ...]:
    """Give the attempts that the standing and `recent` know of, each once, up to `now`."""
    if not known.recent:
        return tuple(each for each in standing.past if each.at <= now)
    merged = {each.call_id: each for each in standing.past}
    merged.update((each.call_id, each) for each in known.recent)
    return tuple(sorted((each for each in merged.values() if each.at <= now), key=lambda each: (each.at, each.call_id)))


def finding(
    rule: Rule, allowed: bool, inputs: Inputs, next_at: float | None = None, *, needs_agent: bool = False
) -> Finding:
    """Say what a rule found. One that nobody verified speaks as the house."""
    return Finding(
        rule=rule.rule_id,
        allowed=allowed,
        inputs=inputs,
        next_at=next_at,
        force=rule.applied_force,
        grade=rule.grade,
        source=rule.source,
        needs_agent=needs_agent,
    )


def earliest(*instants: float | None) -> float | None:
    """Give the first of some instants, of which None is never."""
    return min((at for at in instants if at is not None), default=None)
