"""Consents from outside: bringing a file of them in, and telling who must be asked again by when.

One rule governs this module: a file comes in whole or not at all, and nothing in it undoes a revocation.
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dialer.compliance.applying import applying
from dialer.compliance.consent import confirm_by
from dialer.domain.law import Law
from dialer.domain.standing import Consent
from dialer.leads.consents import read_consents
from dialer.leads.numbers import read_numbers
from dialer.storage.consents import ConsentTally
from dialer.storage.reading import Records
from dialer.storage.store import Store

AUDIENCE = "consumer"
"""Whose rules on consent are asked: a consumer's are the stricter ones."""
_CHUNK = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentReport:
    """What became of a file: `rows` = new + confirmed + unchanged + those that repeat another of the file."""

    path: str
    seller: str
    rows: int
    tally: ConsentTally


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """By when a person must be asked again, as every so many years: the day begins then in the person's zone."""

    by_at: float
    years: int
    zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A consent whose person must be asked again, and the leads whose number it is."""

    consent: Consent
    again: Again
    lead_ids: tuple[int, ...]


def import_consents(
    path: Path, seller: str, store: Store, now: float, *, who: str, country: str | None = None
) -> ConsentReport:
    """Import a file of consents given to a seller; raise ListError, and keep nothing, when a row of it is wrong."""
    rows = 0
    with store.importing_consents(path.name, who, now) as session:
        chunk: list[Consent] = []
        for consent in read_consents(path, seller, now, country):
            rows += 1
            chunk.append(consent)
            if len(chunk) == _CHUNK:
                session.add(chunk)
                chunk.clear()
        session.add(chunk)
    return ConsentReport(path=str(path), seller=seller, rows=rows, tally=session.tally)


Confirm = Callable[[Consent], Again | None]
"""Says by when the person of a consent must be asked again; None when no rule wants it."""


def confirmer(law: Law, now: float) -> Confirm:
    """Make that function for the rules of a law, as of an instant."""

    @functools.cache
    def years_of(codes: tuple[str, ...], purpose: str) -> int | None:
        rules = applying(law, codes, purpose, AUDIENCE).consents
        return min((rule.reconfirm_years for rule in rules if rule.reconfirm_years is not None), default=None)

    def confirm(consent: Consent) -> Again | None:
        numbers, _ = read_numbers(consent.number, "ZZ", "UTC")
        if not numbers:
            return None
        number = numbers[0]
        codes = number.jurisdictions or (number.region,)
        every = [years for purpose in consent.purposes if (years := years_of(codes, purpose)) is not None]
        if not every:
            return None
        by_at, zone = min((confirm_by(consent, min(every), (zone,), now), zone) for zone in number.zones)
        return Again(by_at=by_at, years=min(every), zone=zone)

    return confirm


def due_consents(store: Records, seller: str, confirm: Confirm, until: float, now: float) -> Iterator[Due]:
    """Give the consents of a seller that have to be confirmed before `until`, overdue ones too, in no order."""
    for kept in store.standing_consents(seller):
        consent = kept.consent
        if consent.expires_at is not None and consent.expires_at <= now:
            continue
        again = confirm(consent)
        if again is not None and again.by_at < until:
            leads = store.leads_of(seller, consent.number)
            yield Due(consent=consent, again=again, lead_ids=tuple(lead.lead_id for lead in leads))
