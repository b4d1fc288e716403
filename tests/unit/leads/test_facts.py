"""What a list says of a person beside the number."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from dialer.domain.policy import ListConsentPolicy
from dialer.domain.standing import Relationship
from dialer.leads.columns import locate
from dialer.leads.facts import FACT_FIELDS, read_day, read_hours
from dialer.leads.numbers import Reason
from dialer.leads.rows import ReadRow, to_lead
from tests.unit.leads.campaigns import campaign
from tests.unit.leads.test_rows import listed

SEOUL = ZoneInfo("Asia/Seoul")
NOW = datetime(2026, 3, 2, 12, tzinfo=SEOUL).timestamp()
GIVEN = ListConsentPolicy(
    text_hash="ab" * 32, method="web form", source="own customers", recipients=("Partner",), is_written=True
)


def read(phone: str = "010-0123-4567", zone: str = "", country: str = "", **facts: str) -> ReadRow:
    """Read a row with these facts."""
    cells = {"phone": phone, "zone": zone, "jurisdiction": country} | facts
    columns = {"number": ("phone",), "zone": ("zone",), "jurisdiction": ("jurisdiction",)}
    policy = replace(campaign("KR", columns | {name: (name,) for name in facts}), consent=GIVEN)
    source = listed(list(cells), list(cells.values()))
    return to_lead(next(source.rows), locate(source, policy.list.columns), policy, NOW)


def seoul(*parts: int) -> float:
    """An instant by the clock in Seoul."""
    year, month, day, *rest = parts
    return datetime(year, month, day, *rest, tzinfo=SEOUL).timestamp()


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-03-01", seoul(2026, 3, 1)),
        ("2026.03.01", seoul(2026, 3, 1)),
        ("2026. 3. 1.", seoul(2026, 3, 1)),
        ("2026/3/1", seoul(2026, 3, 1)),
        ("20260301", seoul(2026, 3, 1)),
        ("２０２６-０３-０１", seoul(2026, 3, 1)),
        ("2026-03-01T00:00:00", seoul(2026, 3, 1)),
        ("2026-03-01 09:30", seoul(2026, 3, 1, 9, 30)),
        ("2026-03-01T00:30:00Z", seoul(2026, 3, 1, 9, 30)),
        ("2024-02-29", seoul(2024, 2, 29)),
        ("2026-02-29", None),
        ("2026-13-01", None),
        ("01.03.2026", None),
        ("3/1/2026", None),
        ("20260230", None),
        ("26-03-01", None),
        ("2026-03/01", None),
        ("46082", None),
        ("yes", None),
    ],
)
def test_a_day_begins_where_the_person_is(text: str, at: float | None) -> None:
    """Dates in the order of year, month, day, by the person's clock; nothing else is guessed to be one."""
    assert read_day(text, "Asia/Seoul") == at


def test_a_date_of_consent_becomes_a_consent_for_each_number() -> None:
    """Of this seller, for the campaign's purpose, in the way that the campaign says; the night's is a record apart."""
    found = read(phone="010-0123-4567 / 02-0001-1234", consent_at="2026-01-05", consent_night_at="20260210")
    assert found.lead is not None
    assert [(each.number, each.obtained_at, each.is_night) for each in found.consents] == [
        ("+821001234567", seoul(2026, 1, 5), False),
        ("+82200011234", seoul(2026, 1, 5), False),
        ("+821001234567", seoul(2026, 2, 10), True),
        ("+82200011234", seoul(2026, 2, 10), True),
    ]
    consent = found.consents[0]
    assert (consent.seller, consent.purposes, consent.method) == ("Seller", ("survey",), "web form")
    assert (consent.text_hash, consent.recipients, consent.is_written) == ("ab" * 32, ("Partner",), True)
    assert (consent.source, found.lead.source) == ("own customers", "own customers")


def test_the_row_says_first_where_its_number_is_from() -> None:
    """The column source comes before the campaign's word."""
    found = read(consent_at="2026-01-05", source="fair of 2025")
    assert found.lead is not None
    assert (found.lead.source, found.consents[0].source) == ("fair of 2025", "fair of 2025")


def test_a_row_without_facts_has_none() -> None:
    """Blank cells are no facts: no consent, no dealings, any time of the day."""
    found = read(**dict.fromkeys(FACT_FIELDS, ""))
    assert found.lead is not None
    assert (found.consents, found.lead.contact_hours, found.lead.relationship) == ((), (), Relationship())
    assert found.lead.fields == {}


def test_dealings_with_the_seller_are_read() -> None:
    """Purchase and inquiry as instants, a running contract as yes or no."""
    found = read(bought_at="2026-02-01", inquired_at="2026.02.15", contract="Yes")
    assert found.lead is not None
    assert found.lead.relationship == Relationship(
        bought_at=seoul(2026, 2, 1), inquired_at=seoul(2026, 2, 15), has_contract=True
    )


def test_a_day_is_that_of_the_persons_own_zone() -> None:
    """The list's own zone comes before that of the number."""
    (consent,) = read(zone="America/New_York", consent_at="2026-01-05").consents
    assert consent.obtained_at == datetime(2026, 1, 5, tzinfo=ZoneInfo("America/New_York")).timestamp()


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("consent_at", "2026-03-03", Reason.BAD_DATE),
        ("consent_night_at", "2026-03-02 12:01", Reason.BAD_DATE),
        ("bought_at", "2027-01-01", Reason.BAD_DATE),
        ("inquired_at", "last week", Reason.BAD_DATE),
        ("consent_at", "yes", Reason.BAD_DATE),
        ("contract", "maybe", Reason.BAD_CONTRACT),
        ("contact_hours", "evenings", Reason.BAD_HOURS),
        ("contact_hours", "20:00-18:00", Reason.BAD_HOURS),
        ("contact_hours", "18:00-24:01", Reason.BAD_HOURS),
        ("contact_hours", "18:60-19:00", Reason.BAD_HOURS),
        ("contact_hours", "18:00-20:00, 19:00-21:00", Reason.BAD_HOURS),
    ],
)
def test_a_fact_that_cannot_be_is_a_reject(name: str, text: str, reason: Reason) -> None:
    """A consent or purchase dated in the future, or no date at all, rejects the row: it is not called on a guess."""
    found = read(**{name: text})
    assert (found.lead, found.consents) == (None, ())
    assert [fault.reason for fault in found.faults] == [reason]


def test_consent_of_today_is_in_the_past() -> None:
    """A date is the beginning of its day."""
    assert len(read(consent_at="2026-03-02").consents) == 1


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("18:00-20:00, 21:00-21:30", ((64_800, 72_000), (75_600, 77_400))),
        ("21:00~21:30; 9:00-10:00", ((32_400, 36_000), (75_600, 77_400))),
        ("１８:００〜２４:００", ((64_800, 86_400),)),
        ("", ()),
    ],
)
def test_the_hours_a_person_named_are_read(text: str, spans: tuple[tuple[int, int], ...]) -> None:
    """Spans of the day in any order."""
    assert read_hours(text) == spans


@pytest.mark.parametrize(
    ("phone", "country", "kept"),
    [
        ("010-0123-4567", "", None),
        ("010-0123-4567", "KR", "KR"),
        ("+1 305 555 0100", "us", None),  # the area code tells more
        ("+1 305 555 0100", "US-NY", "US-NY"),
        ("(305) 555-0100", "US-NY", "US-NY"),
        ("+1 800 555 0100", "US", "US"),
    ],
)
def test_the_known_address_is_kept(phone: str, country: str, kept: str | None) -> None:
    """The row's country or state is the person's address, and the country of numbers without one."""
    found = read(phone=phone, zone="America/New_York", country=country)
    assert found.lead is not None
    assert found.lead.jurisdiction == kept
