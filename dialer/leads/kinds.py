"""The type of a number, read from the tables of `phonenumbers` at a third of the library's own time.

One rule governs this module: it says what `phonenumbers.number_type` says, of whatever number. The patterns of a region
are compiled once, and what the library looks up anew for each of a dozen types is at hand.
"""

import functools
import re
from collections.abc import Callable
from typing import NamedTuple

import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumberDesc, PhoneNumberType

_Match = Callable[[str], object]
_NOTHING = "(?!)"  # a pattern that matches no text


class _Tables(NamedTuple):
    """The patterns of a region's numbers of one length; of `special` the first that matches is the type.

    `is_special` is all of those in one: most numbers match none, and are asked once.
    """

    general: _Match
    is_special: _Match
    special: tuple[tuple[_Match, int], ...]
    fixed: _Match | None
    mobile: _Match | None
    is_one_pattern: bool  # for fixed lines and mobiles


def region_of(number: phonenumbers.PhoneNumber) -> str | None:
    """Give the region of a number; only where several share a country code does the number itself tell."""
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(number.country_code or 0, ())
    if len(regions) == 1:
        region: str = regions[0]
        return region
    return phonenumbers.region_code_for_number(number)


def type_of(national: str, country_code: int, region: str | None) -> int:
    """Give the `PhoneNumberType` of a national number of a region."""
    tables = _tables(country_code, region, len(national))
    if tables is None or tables.general(national) is None:
        return PhoneNumberType.UNKNOWN
    _, is_special, special, fixed, mobile, is_one_pattern = tables
    if is_special(national) is not None:
        return next(number_type for is_match, number_type in special if is_match(national) is not None)
    if fixed is not None and fixed(national) is not None:
        if is_one_pattern or (mobile is not None and mobile(national) is not None):
            return PhoneNumberType.FIXED_LINE_OR_MOBILE
        return PhoneNumberType.FIXED_LINE
    if not is_one_pattern and mobile is not None and mobile(national) is not None:
        return PhoneNumberType.MOBILE
    return PhoneNumberType.UNKNOWN


@functools.cache
def _tables(country_code: int, region: str | None, length: int) -> _Tables | None:
    metadata = None if region is None else PhoneMetadata.metadata_for_region_or_calling_code(country_code, region)
    general = None if metadata is None else _pattern(metadata.general_desc, length)
    if metadata is None or general is None:
        return None
    found = (
        (_pattern(metadata.premium_rate, length), PhoneNumberType.PREMIUM_RATE),
        (_pattern(metadata.toll_free, length), PhoneNumberType.TOLL_FREE),
        (_pattern(metadata.shared_cost, length), PhoneNumberType.SHARED_COST),
        (_pattern(metadata.voip, length), PhoneNumberType.VOIP),
        (_pattern(metadata.personal_number, length), PhoneNumberType.PERSONAL_NUMBER),
        (_pattern(metadata.pager, length), PhoneNumberType.PAGER),
        (_pattern(metadata.uan, length), PhoneNumberType.UAN),
        (_pattern(metadata.voicemail, length), PhoneNumberType.VOICEMAIL),
    )
    special = tuple([(pattern, number_type) for pattern, number_type in found if pattern is not None])
    fixed, mobile = _pattern(metadata.fixed_line, length), _pattern(metadata.mobile, length)
    return _Tables(
        general=_match(general),
        is_special=_match("|".join([f"(?:{pattern})" for pattern, _ in special]) or _NOTHING),
        special=tuple([(_match(pattern), number_type) for pattern, number_type in special]),
        fixed=None if fixed is None else _match(fixed),
        mobile=None if mobile is None else _match(mobile),
        is_one_pattern=bool(metadata.same_mobile_and_fixed_line_pattern),
    )


def _match(pattern: str) -> _Match:
    return re.compile(pattern).fullmatch


def _pattern(desc: PhoneNumberDesc | None, length: int) -> str | None:
    """Give the pattern of a type; None where no number of the type is so long. It may be said only in general how long
    they are."""
    if desc is None or not desc.national_number_pattern:
        return None
    lengths = tuple(desc.possible_length)
    if lengths and length not in lengths:
        return None
    return str(desc.national_number_pattern)
