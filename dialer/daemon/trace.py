"""Why one number may be called at an instant, or not: every rule's finding, in order, and what was recorded then.

One rule governs this module: it asks the gate that the engine asks, with what was known at the instant, and never
answers for it. Attempts and standing are those of the instant; the lead's row, campaign file and law are those of now.
"""

from dataclasses import dataclass, replace

from dialer.compliance.applying import codes_of
from dialer.compliance.gate import Gate, Known, places
from dialer.domain.law import Law
from dialer.domain.lead import Lead, PhoneNumber
from dialer.domain.policy import CampaignPolicy
from dialer.domain.standing import RegistryCopy
from dialer.domain.verdict import Finding, Verdict
from dialer.storage.evidence_bodies import VerdictBody
from dialer.storage.reading import Records

NEAR_S = 86_400.0
"""How far from an instant a recorded verdict still tells of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What every rule says of one number of a lead at an instant, and the verdict over all.

    `lead` has the attempts and the standing of the instant. `next_allowed_at` is the first instant at which nothing
    refuses, as far as is known now (None: none is in sight). `before` and `after` are the recorded verdicts nearest to
    the instant.
    """

    lead: Lead
    number: PhoneNumber
    at: float
    codes: tuple[str, ...]
    zones: tuple[str, ...]
    findings: tuple[Finding, ...]
    verdict: Verdict
    next_allowed_at: float | None
    registries: tuple[RegistryCopy, ...]
    before: VerdictBody | None
    after: VerdictBody | None


def stranger(number: PhoneNumber, policy: CampaignPolicy) -> Lead:
    """Give a lead made of a number alone."""
    return Lead(lead_id=0, campaign=policy.name, numbers=(number,), shuffle=0)


def trace(store: Records, policy: CampaignPolicy, law: Law, lead: Lead, index: int, at: float) -> Trace:
    """Judge number `index` of a lead at an instant."""
    lead = replace(_as_tried(store, lead, at), standing=store.standing_at(lead, policy.seller, at))
    number, copies = lead.numbers[index], store.registry_copies(at)
    gate, known = Gate(policy, law), Known(registries={copy.registry: copy for copy in copies})
    before, after = store.verdicts_near(policy.name, number.e164, at, NEAR_S)
    return Trace(
        lead=lead,
        number=number,
        at=at,
        codes=codes_of(lead, number, policy),
        zones=places(lead, number),
        findings=tuple(gate.findings(lead, number, at, known)),
        verdict=gate.decide(lead, number, at, known),
        next_allowed_at=gate.next_allowed_at(lead, number, at, known),
        registries=copies,
        before=before,
        after=after,
    )


def _as_tried(store: Records, lead: Lead, at: float) -> Lead:
    """Take back the attempts of after the instant."""
    later = lead.last_attempt_at is not None and lead.last_attempt_at > at
    if not later:
        return lead
    tried = [store.tried(lead.campaign, number.e164, at) for number in lead.numbers]
    numbers = tuple(
        replace(number, attempts=each.attempts, last_attempt_at=each.last_at)
        for number, each in zip(lead.numbers, tried, strict=True)
    )
    last_at = max((each.last_at for each in tried if each.last_at is not None), default=None)
    return replace(lead, numbers=numbers, attempts=sum(each.attempts for each in tried), last_attempt_at=last_at)
