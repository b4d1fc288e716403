"""Phone numbers as lists write them."""

import pytest

from dialer.leads.numbers import Reason, mask, mask_in, read_numbers

KOREAN_MOBILE = "+821001234567"


@pytest.mark.parametrize(
    "cell",
    [
        "010-0123-4567",
        " 010-0123-4567   ",
        "010.0123.4567",
        "01001234567",
        "０１０－０１２３－４５６７",
        "+82 (0)10 0123 4567",
        "+82 10 0123 4567",
        "82 10 0123 4567",
        "82-(0)10-0123-4567",
        "0082 10 0123 4567",
        "1001234567",
        "1001234567.0",
        "1.001234567E+09",
        "1.0012345670e9",
        "010-0123-4567 내선 12",
        "010-0123-4567 (내선번호: 12)",
        "010-0123-4567 ext. 12",
        "010-0123-4567 x12",
        "'010-0123-4567",
        "\u202a010-0123-4567\u202c",
        "tel:010-0123-4567",
    ],
)
def test_every_way_to_write_a_korean_mobile_means_the_same(cell: str) -> None:
    """Full-width digits, lost zeros, country codes in all forms and extensions all give one E.164 number."""
    numbers, faults = read_numbers(cell, "KR")
    assert [number.e164 for number in numbers] == [KOREAN_MOBILE]
    assert faults == []


@pytest.mark.parametrize(
    ("cell", "region", "e164", "kind", "country", "zones"),
    [
        ("010-0123-4567", "KR", KOREAN_MOBILE, "mobile", "KR", ("Asia/Seoul",)),
        ("02-0012-3456", "KR", "+82200123456", "fixed", "KR", ("Asia/Seoul",)),
        ("031-001-3456", "KR", "+82310013456", "fixed", "KR", ("Asia/Seoul",)),
        ("090-0123-4567", "JP", "+819001234567", "mobile", "JP", ("Asia/Tokyo",)),
        ("０３－００１２－３４５６", "JP", "+81300123456", "fixed", "JP", ("Asia/Tokyo",)),
        ("052-001-1234 内線12", "JP", "+81520011234", "fixed", "JP", ("Asia/Tokyo",)),
        ("092-001-1234", "JP", "+81920011234", "fixed", "JP", ("Asia/Tokyo",)),
        ("07700 900123", "GB", "+447700900123", "mobile", "GB", ("Europe/London",)),
        ("+44 (0)7700 900123", "US", "+447700900123", "mobile", "GB", ("Europe/London",)),
        ("01632 960123", "GB", "+441632960123", "fixed", "GB", ("Europe/London",)),
        ("020 7946 0123", "GB", "+442079460123", "fixed", "GB", ("Europe/London",)),
        ("(212) 555-0123", "US", "+12125550123", "fixed_or_mobile", "US", ("America/New_York",)),
    ],
)
def test_numbers_that_reach_nobody_have_kind_country_and_zone(
    cell: str, region: str, e164: str, kind: str, country: str, zones: tuple[str, ...]
) -> None:
    """Numbers kept for fiction or never assigned are taken, as what they stand for."""
    [number], faults = read_numbers(cell, region)
    assert (number.e164, number.kind, number.region, number.zones) == (e164, kind, country, zones)
    assert faults == []


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("없음", Reason.MALFORMED_NUMBER),
        ("010-01", Reason.NOT_ASSIGNED),
        ("112", Reason.MALFORMED_NUMBER),
        ("0" * 300, Reason.MALFORMED_NUMBER),
        ("2024-01-01", Reason.NOT_ASSIGNED),
        ("20240101", Reason.NOT_ASSIGNED),
        ("1.00123E+09", Reason.PRECISION_LOST),
        ("1.00123457E+09", Reason.PRECISION_LOST),
        ("８．２１E＋１１", Reason.PRECISION_LOST),
    ],
)
def test_what_is_no_number_says_why(cell: str, reason: Reason) -> None:
    """Words, emergency numbers, dates and rounded numbers are refused, each for its reason."""
    numbers, faults = read_numbers(cell, "KR")
    assert numbers == []
    assert [fault.reason for fault in faults] == [reason]


@pytest.mark.parametrize("cell", ["", "   ", "-", "—", "\t\n", "..."])
def test_blank_cells_are_neither_numbers_nor_faults(cell: str) -> None:
    """A dash, too, is how lists write nothing."""
    assert read_numbers(cell, "KR") == ([], [])


@pytest.mark.parametrize(
    "cell",
    [
        "010-0123-4567, 02-0001-1234",
        "010-0123-4567 / 02-0001-1234",
        "010-0123-4567;02-0001-1234",
        "010-0123-4567\n02-0001-1234",
        "010-0123-4567、02-0001-1234",
        "010-0123-4567 또는 02-0001-1234",
        "010-0123-4567 02-0001-1234",
        "010 0123 4567 02 0001 1234",
        "010-0123-4567 내선 3, 02-0001-1234 내선 4",
    ],
)
def test_two_numbers_in_one_cell_are_both_read(cell: str) -> None:
    """Whatever parts them, a space included, in the order of the cell."""
    numbers, faults = read_numbers(cell, "KR")
    assert [number.e164 for number in numbers] == [KOREAN_MOBILE, "+82200011234"]
    assert faults == []


def test_a_good_number_beside_a_bad_one_survives() -> None:
    """The bad one is reported."""
    numbers, faults = read_numbers("010-0123-4567 / 없는 번호 1", "KR")
    assert [number.e164 for number in numbers] == [KOREAN_MOBILE]
    assert [fault.reason for fault in faults] == [Reason.MALFORMED_NUMBER]


def test_a_country_without_one_zone_needs_the_persons_own() -> None:
    """A number of no place is refused for want of a time zone, unless the list says where the person is."""
    satellite = "+881612345678"  # Iridium: no country, no zone
    numbers, faults = read_numbers(satellite, "US")
    assert (numbers, [fault.reason for fault in faults]) == ([], [Reason.NO_TIME_ZONE])
    [number], _ = read_numbers(satellite, "US", "Pacific/Honolulu")
    assert number.zones == ("Pacific/Honolulu",)


@pytest.mark.parametrize(
    ("e164", "masked"),
    [
        ("+821012345678", "+82-10-****-5678"),
        ("+12125550123", "+1-212-****-0123"),
        ("+447700900123", "+44-****-23"),
        ("nonsense", "****"),
    ],
)
def test_masks_hide_the_middle(e164: str, masked: str) -> None:
    """Country, area and the last four stay; where that would show too much, only the last two; no number, nothing."""
    assert mask(e164) == masked


def test_a_text_keeps_no_number() -> None:
    """What Python says of a fault is masked number by number; other digits stay."""
    text = "KeyError: '+821003530618' beside +14155550100 in line 12345678"
    assert mask_in(text) == f"KeyError: '{mask('+821003530618')}' beside {mask('+14155550100')} in line 12345678"
