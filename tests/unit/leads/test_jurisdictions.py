"""In which jurisdiction a number may be."""

import phonenumbers
import pytest
from phonenumbers import geocoder

from dialer.leads.jurisdictions import country_of, jurisdictions_of
from dialer.leads.numbers import read_numbers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+1 305 555 0100", ("US-FL",)),
        ("+1 202 555 0100", ("US-DC",)),
        ("+1 212 555 0100", ("US-NY",)),
        ("+1 800 555 0100", ("US", "CA")),  # toll-free: anywhere in either
        ("+1 613 555 0100", ("CA",)),
        ("+1 787 555 0100", ("PR",)),
        ("+44 20 7946 0000", ("GB",)),
        ("+82 10-0123-4567", ("KR",)),
    ],
)
def test_a_number_tells_its_jurisdiction(text: str, expected: tuple[str, ...]) -> None:
    """The state by the area code in the United States, else the country; where nothing tells the state, the country."""
    (number,), faults = read_numbers(text, "US")
    assert faults == []
    assert number.jurisdictions == expected


NAMES = {"US-CA": ("California", "CA"), "US-TX": ("Texas", "TX"), "US-WA": ("Washington State", "WA")}


def test_the_area_codes_agree_with_the_phone_library() -> None:
    """Each area code of these states, and no other, is one by the library's geographic data."""
    for code in range(200, 1000):
        number = phonenumbers.parse(f"+1{code}5550100")
        if phonenumbers.region_code_for_number(number) != "US":
            continue
        told = geocoder.description_for_number(number, "en").rsplit(", ", 1)[-1]
        states = [state for state, names in NAMES.items() if told in names]
        ours = jurisdictions_of(number, "US")[0]
        assert (ours if ours in NAMES else None) == (states[0] if states else None), code


@pytest.mark.parametrize(
    ("code", "country"),
    [
        ("KR", "KR"),
        ("US-FL", "US"),
        ("US-ZZ", None),
        ("UK", None),
        ("CA-QC", "CA"),
        ("CA-", None),
        ("CA-Quebec", None),
        ("", None),
        ("US-FL-1", None),
    ],
)
def test_a_jurisdiction_is_a_country_or_a_part_of_one(code: str, country: str | None) -> None:
    """Codes as ISO 3166 writes them; of the United States only states that there are."""
    assert country_of(code) == country
