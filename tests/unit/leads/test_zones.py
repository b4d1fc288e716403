"""Time zones of numbers: sets, never too small."""

import zoneinfo

import phonenumbers
import pytest

from dialer.leads.numbers import read_numbers
from dialer.leads.zones import SPLIT_AREA_CODES, country_zones, is_zone


@pytest.mark.parametrize("area", sorted(SPLIT_AREA_CODES))
def test_split_area_codes_give_all_their_zones(area: str) -> None:
    """Every area code of the table is real, its zones exist, and numbers in it carry all of them."""
    [number], _ = read_numbers(f"+1{area}5550123", "US")
    assert set(SPLIT_AREA_CODES[area]) <= set(number.zones)
    assert len(number.zones) > 1
    assert all(zoneinfo.ZoneInfo(zone) for zone in number.zones)


def test_the_librarys_own_zones_are_kept() -> None:
    """Where the phone library knows several zones, none is lost; they are sorted."""
    [number], _ = read_numbers("+1 605 555 0123", "US")
    assert number.zones == ("America/Denver", "America/North_Dakota/Center")


def test_mobiles_without_a_place_may_be_anywhere_in_their_country() -> None:
    """Indonesian mobiles belong to no island, though the library says Jakarta."""
    [number], _ = read_numbers(phonenumbers.format_number(phonenumbers.example_number_for_type("ID", 1), 0), "ID")
    assert number.kind == "mobile"
    assert number.zones == tuple(sorted(country_zones("ID")))
    assert len(number.zones) == 4


def test_no_number_is_in_an_unknown_zone() -> None:
    """`Etc/Unknown` never leaves: every supported country's example mobile has real zones or is refused."""
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
        if example is not None:
            e164 = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
            numbers, faults = read_numbers(e164, region)
            assert len(numbers) + len(faults) == 1, region
            assert all("Etc/Unknown" not in number.zones and number.zones for number in numbers), region


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Asia/Seoul", True),
        ("UTC", True),
        ("EST", False),
        ("Etc/Unknown", False),
        ("Mars/Olympus", False),
        ("../etc/passwd", False),
        ("/etc/passwd", False),
        ("America/", False),
    ],
)
def test_only_places_are_zones(name: str, expected: bool) -> None:
    """Abbreviations keep no summer time, and a path is no zone."""
    assert is_zone(name) is expected
