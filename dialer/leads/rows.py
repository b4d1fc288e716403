"""One row of a list, turned into a lead. Either a lead comes out, or the reason why none does."""

import hashlib
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

from dialer.domain.lead import Lead, PhoneNumber
from dialer.domain.policy import CampaignPolicy
from dialer.domain.standing import Consent
from dialer.leads.columns import ColumnMap
from dialer.leads.facts import FACT_FIELDS, BadFact, no_facts, read_facts
from dialer.leads.jurisdictions import country_of
from dialer.leads.numbers import Fault, Reason, read_numbers
from dialer.leads.source import Row
from dialer.leads.zones import is_zone, place_zones

KNOWN_FIELDS = frozenset(("number", "name", "segment", "priority", "zone", "external_id", "jurisdiction", *FACT_FIELDS))
WHOLE = re.compile(r"[+-]?\d{1,9}(?:\.0+)?")
SHUFFLE_BYTES = 6  # 48 bits: distinct for any real list, and exact in every JSON reader


Rank = Callable[[str, str], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRow:
    """What became of a row: without a lead, rejected for its first fault; with one, the faults are of lost numbers.

    `consents` are those that the row says its person gave.
    """

    lead: Lead | None
    faults: tuple[Fault, ...] = ()
    consents: tuple[Consent, ...] = ()


def to_lead(row: Row, columns: ColumnMap, policy: CampaignPolicy, now: float, rank: Rank | None = None) -> ReadRow:
    """Turn a row into a lead with `lead_id` 0, as of `now`. Never raises for what a row may hold.

    `rank` gives a lead its pseudo-random rank, from campaign and number (None: `shuffle_rank`).
    """
    if len(row.cells) > columns.width and any(cell.strip() for cell in row.cells[columns.width :]):
        found = f"{len(row.cells)} cells under {columns.width} headings: a delimiter inside a cell that is not quoted?"
        return _rejected(Reason.TOO_MANY_CELLS, found)
    place = _text(row, columns, "jurisdiction").upper()
    region = country_of(place or policy.jurisdiction)
    if region is None:
        found = f"{place!r} is no country code of two letters, such as KR, and no state such as US-FL"
        return _rejected(Reason.UNKNOWN_JURISDICTION, found)
    zone = _text(row, columns, "zone") or None
    if zone is not None and not is_zone(zone):
        return _rejected(Reason.UNKNOWN_TIME_ZONE, f"{zone!r} is no zone of the tz database, such as Asia/Seoul")
    said = _text(row, columns, "priority")
    priority = _priority(said)
    if priority is None:
        found = f"{unicodedata.normalize('NFKC', said)!r} is no whole number of up to nine digits"
        return _rejected(Reason.BAD_PRIORITY, found)
    numbers, faults = _numbers(row, columns, region, zone)
    if place and zone is None:
        numbers = tuple(_also_at(number, place) for number in numbers)
    if not numbers:
        nothing = Fault(reason=Reason.NO_NUMBER, text="no number in any of the number columns")
        return ReadRow(lead=None, faults=faults or (nothing,))
    try:
        if columns.indexes.keys().isdisjoint(FACT_FIELDS):
            facts = no_facts(policy)
        else:
            facts = read_facts(lambda name: _text(row, columns, name), policy, numbers, zone, now)
    except BadFact as error:
        return ReadRow(lead=None, faults=(error.fault,))
    lead = Lead(
        lead_id=0,
        campaign=policy.name,
        numbers=numbers,
        shuffle=(rank or shuffle_rank)(policy.name, numbers[0].e164),
        name=_text(row, columns, "name"),
        segment=_text(row, columns, "segment"),
        priority=priority,
        zone=zone,
        jurisdiction=_jurisdiction(place, numbers) if place else None,
        external_id=_text(row, columns, "external_id"),
        source=facts.source,
        contact_hours=facts.contact_hours,
        relationship=facts.relationship,
        fields={name: _text(row, columns, name) for name in columns.indexes if name not in KNOWN_FIELDS},
    )
    return ReadRow(lead=lead, faults=faults, consents=facts.consents)


@lru_cache(maxsize=1_024)
def _priority(text: str) -> int | None:
    """Read a priority, 0 where it is blank; None when it is no whole number of up to nine digits."""
    plain = unicodedata.normalize("NFKC", text) or "0"
    return None if WHOLE.fullmatch(plain) is None else int(plain.split(".")[0])


def _jurisdiction(place: str, numbers: tuple[PhoneNumber, ...]) -> str | None:
    """Give the place that the row says, unless the numbers tell more of it: "US" says less than an area code."""
    told = any(code.startswith(f"{place}-") for number in numbers for code in number.jurisdictions)
    return None if told else place


def _also_at(number: PhoneNumber, place: str) -> PhoneNumber:
    """Add the zones of a known address of which the number tells nothing: people move, and area codes do not."""
    if any(code == place or code.startswith(f"{place}-") for code in number.jurisdictions):
        return number
    return replace(number, zones=tuple(dict.fromkeys((*number.zones, *place_zones(place)))))


def shuffle_rank(campaign: str, e164: str) -> int:
    """Give a lead its fixed pseudo-random rank: the same on every machine and at every import."""
    digest = hashlib.blake2b(f"{campaign}\n{e164}".encode(), digest_size=SHUFFLE_BYTES)
    return int.from_bytes(digest.digest())


def _rejected(reason: Reason, text: str) -> ReadRow:
    return ReadRow(lead=None, faults=(Fault(reason=reason, text=text),))


def _cell(row: Row, at: int) -> str:
    """Return a cell; a row that ends early has blanks there."""
    return row.cells[at] if at < len(row.cells) else ""


def _text(row: Row, columns: ColumnMap, name: str) -> str:
    """Return a field as one line of visible text; several columns of one field are joined with a space."""
    places = columns.indexes.get(name)
    if not places:
        return ""
    if len(places) == 1:
        cells, at = row.cells, places[0]
        joined = cells[at] if at < len(cells) else ""
    else:
        joined = " ".join([_cell(row, at) for at in places])
    if joined.isascii() and joined.isprintable():  # as most cells are: nothing to hide, nothing to compose
        return " ".join(joined.split()) if " " in joined else joined
    visible = "".join(char if unicodedata.category(char)[0] != "C" else " " for char in joined)
    return " ".join(unicodedata.normalize("NFC", visible).split())


def _numbers(
    row: Row, columns: ColumnMap, region: str, zone: str | None
) -> tuple[tuple[PhoneNumber, ...], tuple[Fault, ...]]:
    """Read all numbers of a row in the order of the campaign's columns, each once."""
    found: list[PhoneNumber] = []
    faults: list[Fault] = []
    for at in columns.indexes["number"]:
        read, wrong = read_numbers(_cell(row, at), region, zone)
        found += read
        faults += wrong
    if len(found) > 1:
        firsts: dict[str, PhoneNumber] = {}
        for number in found:
            firsts.setdefault(number.e164, number)
        found = list(firsts.values())
    return tuple(found), tuple(faults)
