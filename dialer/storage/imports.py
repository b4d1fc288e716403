"""How rows become leads of a store, and what a second row about the same person changes. Both stores go by this.

One rule governs this module: what is known already stands. A merge adds numbers and fills blanks, so that importing a
list again changes nothing, whatever the order of its rows.
"""

from collections.abc import Collection, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from dialer.domain.lead import Lead, PhoneNumber
from dialer.domain.policy import CampaignPolicy
from dialer.domain.standing import Consent, Relationship
from dialer.errors import StorageError

Added = Literal["loaded", "merged", "unchanged"]
DO_NOT_CALL = "do_not_call"
"""The reason of a lead that is finished because one of its numbers is blocked for the seller."""
ERASED = "erased"
"""The reason of a lead whose person was erased: it names nobody, and nothing is added to it again."""


class ImportSession(Protocol):
    """Leads on their way into a store: all of them or, after an exception or `rollback`, none."""

    tally: "Tally"

    def add(self, candidate: Lead, consents: Iterable[Consent] = ()) -> Added:
        """Add one row's lead (its `lead_id` is ignored), or merge it into the one that shares a number.

        `consents` are those that the row tells of; they are kept with the leads, in the same transaction.
        """

    def rollback(self) -> None:
        """Forget everything at the end, as a dry run does."""


class ImportStore(Protocol):
    """A store that leads can be brought into."""

    def importing(
        self, policy: CampaignPolicy, source: str, digest: str, now: float
    ) -> AbstractContextManager[ImportSession]:
        """Open a session; `source` and the SHA-256 `digest` of the list are kept with what came of it."""


@dataclass(slots=True, kw_only=True)
class Tally:
    """How many rows of an import ended each way."""

    loaded: int = 0
    merged: int = 0
    unchanged: int = 0

    def count(self, added: Added) -> Added:
        """Count one row and give it back."""
        setattr(self, added, getattr(self, added) + 1)
        return added


@dataclass(frozen=True, slots=True, kw_only=True)
class ListCounts:
    """The leads of a campaign: all, those not finished, those tried at least once."""

    loaded: int
    open: int
    tried: int


def not_its_own(campaign: str, candidate: Lead) -> StorageError:
    """Say that a lead is none of a campaign's, without saying whose it is."""
    found = f"one of {candidate.campaign!r} with {len(candidate.numbers)} numbers"
    return StorageError(f"import into {campaign!r}: expected its own lead with a number, found {found}")


def own_consents(policy: CampaignPolicy, consents: Iterable[Consent]) -> list[Consent]:
    """Give the consents of a row, all of which have to be the campaign's seller's."""
    found = list(consents)
    if found and any(consent.seller != policy.seller for consent in found):
        raise StorageError(f"import into {policy.name!r}: expected consents given to its seller, found another's")
    return found


def distinct(numbers: tuple[PhoneNumber, ...]) -> tuple[PhoneNumber, ...]:
    """Keep the first of equal numbers."""
    if len(numbers) == 1:
        return numbers
    return tuple(
        {number.e164: number for number in reversed(numbers)}[e164]
        for e164 in dict.fromkeys(number.e164 for number in numbers)
    )


def merge(known: Lead, candidate: Lead, foreign: Collection[str]) -> Lead:
    """Add to a lead what a row knows beyond it; give `known` itself when that is nothing.

    `foreign` holds the row's numbers that belong to other leads of the campaign already: they stay there.
    """
    if known.reason == ERASED:
        return known
    taken = {number.e164 for number in known.numbers}.union(foreign)
    numbers = tuple(_also_in(number, known, candidate) for number in known.numbers)
    numbers += distinct(tuple(n for n in candidate.numbers if n.e164 not in taken))
    fields = {**candidate.fields, **{key: text for key, text in known.fields.items() if text}}
    merged = replace(
        known,
        numbers=numbers,
        name=known.name or candidate.name,
        segment=known.segment or candidate.segment,
        priority=known.priority or candidate.priority,
        zone=known.zone or candidate.zone,
        jurisdiction=known.jurisdiction or candidate.jurisdiction,
        external_id=known.external_id or candidate.external_id,
        source=known.source or candidate.source,
        contact_hours=known.contact_hours or candidate.contact_hours,
        relationship=_merge_relationships(known.relationship, candidate.relationship),
        fields={**known.fields, **fields},
    )
    return known if merged == known else merged


def _also_in(number: PhoneNumber, known: Lead, candidate: Lead) -> PhoneNumber:
    """Add where else a later row says that the person may be: people move, and lists are not told in order."""
    told = next((each for each in candidate.numbers if each.e164 == number.e164), number)
    zones = {*told.zones, *_other(known.zone, candidate.zone)} - set(number.zones)
    codes = number.jurisdictions or ((number.region,) if number.region else ())
    others = {*told.jurisdictions, *_other(known.jurisdiction, candidate.jurisdiction)} - set(codes)
    if not zones and not others:
        return number
    jurisdictions = (*codes, *sorted(others)) if others else number.jurisdictions
    return replace(number, zones=(*number.zones, *sorted(zones)), jurisdictions=jurisdictions)


def with_places(lead: Lead, stored: tuple[PhoneNumber, ...]) -> Lead:
    """Give a lead whose numbers may be where the same numbers in the store may be."""
    pairs = tuple(zip(lead.numbers, stored, strict=True))
    if all(one.zones == other.zones and one.jurisdictions == other.jurisdictions for one, other in pairs):
        return lead
    numbers = tuple(replace(one, zones=other.zones, jurisdictions=other.jurisdictions) for one, other in pairs)
    return replace(lead, numbers=numbers)


def _other(known: str | None, told: str | None) -> tuple[str, ...]:
    """Give a later word that contradicts what is known."""
    return (told,) if known and told and told != known else ()


def _merge_relationships(known: Relationship, candidate: Relationship) -> Relationship:
    """Fill what is not known of a person's business with the seller."""
    return Relationship(
        bought_at=candidate.bought_at if known.bought_at is None else known.bought_at,
        inquired_at=candidate.inquired_at if known.inquired_at is None else known.inquired_at,
        has_contract=known.has_contract or candidate.has_contract,
    )


def reconcile(stored: Lead, saved: Lead) -> Lead:
    """Join the engine's word on a claimed lead with what an import learned about the person meanwhile.

    The engine owns the state and each number's attempts, the list owns the person and places; numbers unknown to the
    engine follow the others.
    """
    known = {number.e164 for number in saved.numbers}
    saved = replace(saved, numbers=saved.numbers + tuple(each for each in stored.numbers if each.e164 not in known))
    saved = with_places(saved, stored.numbers)
    return replace(
        saved,
        name=stored.name,
        segment=stored.segment,
        priority=stored.priority,
        zone=stored.zone,
        jurisdiction=stored.jurisdiction,
        external_id=stored.external_id,
        source=stored.source,
        contact_hours=stored.contact_hours,
        relationship=stored.relationship,
        fields=stored.fields,
    )
