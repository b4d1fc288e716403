"""The type of a number is what the library says, however much faster it is found."""

from collections.abc import Iterator

import phonenumbers
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberType

from dialer.leads.kinds import region_of, type_of

TYPES = [kind for kind in range(11) if kind != PhoneNumberType.FIXED_LINE_OR_MOBILE]
CODES = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)


def examples() -> Iterator[phonenumbers.PhoneNumber]:
    """One number of each type of each region, and of what belongs to no region."""
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        found = [phonenumbers.example_number_for_type(region, kind) for kind in TYPES]
        yield from (number for number in found if number is not None)
    for code in phonenumbers.COUNTRY_CODES_FOR_NON_GEO_REGIONS:
        if (number := phonenumbers.example_number_for_non_geo_entity(code)) is not None:
            yield number


def check(number: phonenumbers.PhoneNumber) -> None:
    """Hold region and type to the library's."""
    region, national = region_of(number), phonenumbers.national_significant_number(number)
    assert region == phonenumbers.region_code_for_number(number), number
    assert type_of(national, number.country_code or 0, region) == phonenumbers.number_type(number), number
    assert f"+{number.country_code}{national}" == phonenumbers.format_number(
        number, phonenumbers.PhoneNumberFormat.E164
    )


def test_the_examples_of_all_regions_are_of_the_librarys_types() -> None:
    """Each of the hundreds of examples, and the numbers beside it, have the region and the type of the library."""
    found = list(examples())
    assert len(found) > 1_000
    for number in found:
        check(number)
        for step in (-1, 1, 1_000, 1_000_000):
            beside = phonenumbers.PhoneNumber()
            beside.merge_from(number)
            beside.national_number = abs((number.national_number or 0) + step)
            check(beside)


@given(code=st.sampled_from([*CODES, 999]), national=st.integers(0, 10**13), zeros=st.sampled_from([None, 1, 2]))
def test_any_digits_are_of_the_librarys_type(code: int, national: int, zeros: int | None) -> None:
    """So have any digits behind any country code, those that nobody has, and with zeros in front."""
    has_zero = True if zeros else None
    check(
        phonenumbers.PhoneNumber(
            country_code=code, national_number=national, italian_leading_zero=has_zero, number_of_leading_zeros=zeros
        )
    )
