"""Phone numbers as lists write them, turned into E.164 with kind, country and zones; and masked for logs.

A number must be possible and assigned by its country's numbering plan. The exceptions are the ranges in `NOBODY`, kept
out of use for fiction or simply never assigned, so that a campaign can be tried out without reaching a person.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from dialer.domain.lead import PhoneNumber
from dialer.leads.jurisdictions import jurisdictions_of
from dialer.leads.kinds import region_of, type_of
from dialer.leads.parsing import parse_plain
from dialer.leads.zones import zones_of

_IN_TEXT = re.compile(r"\+[1-9][0-9]{6,14}")


class Reason(StrEnum):
    """Why a row, or one number of a row, was not taken. The values are the codes of the rejects file."""

    NO_NUMBER = "no_number"
    MALFORMED_NUMBER = "malformed_number"
    NOT_ASSIGNED = "not_assigned"
    PRECISION_LOST = "precision_lost"
    NO_TIME_ZONE = "no_time_zone"
    UNKNOWN_TIME_ZONE = "unknown_time_zone"
    UNKNOWN_JURISDICTION = "unknown_jurisdiction"
    BAD_PRIORITY = "bad_priority"
    BAD_DATE = "bad_date"
    BAD_HOURS = "bad_hours"
    BAD_CONTRACT = "bad_contract"
    TOO_MANY_CELLS = "too_many_cells"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong with a row or one of its numbers."""

    reason: Reason
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Numbers of one country that reach nobody: a pattern over the national number, and what they stand for."""

    region: str
    pattern: re.Pattern[str]
    kind: str


# Most ranges kept for fiction are part of a country's plan as the phone library knows it (US 555-0100 to 555-0199, the
# UK's 020 7946 0xxx, Australia's 0491 570 xxx) and need no entry. These do.
NOBODY: dict[int, tuple[Range, ...]] = {
    44: (  # Ofcom, numbers for drama use
        Range(region="GB", pattern=re.compile(r"7700900\d{3}"), kind="mobile"),
        Range(region="GB", pattern=re.compile(r"1632960\d{3}"), kind="fixed"),
    ),
    82: (  # no range for fiction exists; no Korean exchange begins with 0, neither 010-0xxx nor 02-00xx
        Range(region="KR", pattern=re.compile(r"100\d{7}"), kind="mobile"),
        Range(region="KR", pattern=re.compile(r"200\d{6}|(3[1-3]|4[1-4]|5[1-5]|6[1-4])00\d{5,6}"), kind="fixed"),
    ),
    81: (  # no range for fiction exists; no Japanese exchange begins with 0, neither 090-0xxx nor 03-00xx
        Range(region="JP", pattern=re.compile(r"900\d{7}"), kind="mobile"),
        Range(region="JP", pattern=re.compile(r"300\d{6}|(52|92)00\d{5}"), kind="fixed"),
    ),
}
# Python itself keeps 512 patterns, fewer than a list of several countries asks for, and looks long for each.
phonenumbers.enable_pattern_cache()

KINDS = {
    PhoneNumberType.MOBILE: "mobile",
    PhoneNumberType.FIXED_LINE: "fixed",
    PhoneNumberType.FIXED_LINE_OR_MOBILE: "fixed_or_mobile",
    PhoneNumberType.TOLL_FREE: "toll_free",
    PhoneNumberType.VOIP: "voip",
}
MAX_CELL = 250  # characters; longer text holds no number, and must not cost time
EXTENSION = re.compile(
    r"[\s,;(]*(?:내선\s*(?:번호)?|内線\s*(?:番号)?|ext(?:ension)?\b|\bx(?=\s*\d)|#)[\s.:#]*\d{1,7}\s*\)?\s*$",
    re.IGNORECASE,
)
SEPARATOR = re.compile(r"\s*(?:[/;,|、\n]|\bor\b|\band\b|또는|및|または)\s*", re.IGNORECASE)
SCIENTIFIC = re.compile(r"([1-9])(?:\.(\d+))?E\+?(\d{1,2})", re.IGNORECASE)
_NO_DIGIT = re.compile(r"[^0-9]+")
WHOLE_FLOAT = re.compile(r"(\d+)\.0+")


def read_numbers(cell: str, region: str, own_zone: str | None = None) -> tuple[list[PhoneNumber], list[Fault]]:
    """Read the numbers in one cell, and the faults of those that cannot be used.

    `region` (ISO alpha-2) holds for numbers without a country code; `own_zone` is the person's zone where the list says
    it, and serves when the number itself tells none. A blank cell gives neither numbers nor faults.
    """
    text = _clean(cell)
    if not (text[-1:].isalnum() or any(char.isalnum() for char in text)):  # a dash is how many lists write nothing
        return [], []
    if len(text) > MAX_CELL:
        return [], [Fault(reason=Reason.MALFORMED_NUMBER, text=f"{len(text)} characters are no phone number")]
    whole = _read(text, region, own_zone)
    if isinstance(whole, PhoneNumber):
        return [whole], []
    pieces = _split(text, region)
    if len(pieces) < 2:
        return [], [whole]
    read = [_read(piece, region, own_zone) for piece in pieces]
    numbers = [number for number in read if isinstance(number, PhoneNumber)]
    return numbers, [fault for fault in read if isinstance(fault, Fault)]


def _clean(cell: str) -> str:
    """Bring full-width digits and signs to ASCII, drop invisible characters and the ends' spaces."""
    if cell.isascii() and cell.isprintable():  # as most cells are: nothing to bring anywhere
        return cell.strip(" \t\n'\"`")
    text = unicodedata.normalize("NFKC", cell)
    return "".join(char for char in text if char in "\n\t" or unicodedata.category(char)[0] != "C").strip(" \t\n'\"`")


def _split(text: str, region: str) -> list[str]:
    """Part a cell with several numbers: at separators, else at the one space that leaves two numbers."""
    pieces = [piece for piece in SEPARATOR.split(text) if any(char.isdigit() for char in piece)]
    if len(pieces) > 1:
        return pieces
    words = text.split()
    for at in range(1, min(len(words), 12)):
        halves = [" ".join(words[:at]), " ".join(words[at:])]
        if all(isinstance(_read(half, region, None), PhoneNumber) for half in halves):
            return halves
    return [text]


def _read(text: str, region: str, own_zone: str | None) -> PhoneNumber | Fault:
    """Read one number, without its extension."""
    quick = parse_plain(text, region)
    if quick is not None and (usable := _usable(quick, own_zone)) is not None:
        return usable  # as written, the first of its interpretations, it is one that the tables know
    plain = EXTENSION.sub("", text)
    if (whole := WHOLE_FLOAT.fullmatch(plain)) is not None:
        plain = whole.group(1)
    if (scientific := SCIENTIFIC.fullmatch(plain)) is not None:
        first, rest, exponent = scientific.group(1), scientific.group(2) or "", int(scientific.group(3))
        digits = first + (rest if rest[exponent:].strip("0") else rest[:exponent])
        if len(digits) != exponent + 1:
            found = f"{text!r} shows {len(digits)} of {exponent + 1} digits"
            return Fault(reason=Reason.PRECISION_LOST, text=f"{found}; format the column as text and export again")
        plain = digits
    possible = [number for number in _interpretations(plain, region) if _is_possible(number)]
    for number in possible:
        usable = _usable(number, own_zone)
        if usable is not None:
            return usable
    if not possible:
        return Fault(reason=Reason.MALFORMED_NUMBER, text=f"{text!r} is no phone number of {region}")
    e164 = phonenumbers.format_number(possible[0], PhoneNumberFormat.E164)
    return Fault(reason=Reason.NOT_ASSIGNED, text=f"{text!r} read as {e164}, which no numbering plan assigns")


def _is_possible(number: phonenumbers.PhoneNumber) -> bool:
    """Whether a number has the length of one that can be dialed from anywhere; 112 and local forms do not."""
    return phonenumbers.is_possible_number_with_reason(number) == phonenumbers.ValidationResult.IS_POSSIBLE


def _interpretations(text: str, region: str) -> list[phonenumbers.PhoneNumber]:
    """List what a text may mean: as written, with a country code that lacks its plus, with 00 for the plus."""
    readings = [text]
    if not text.startswith("+"):
        digits = _NO_DIGIT.sub("", text) if text.isascii() else "".join(char for char in text if char.isdigit())
        code = str(phonenumbers.country_code_for_region(region))
        if digits.startswith("00"):
            readings.append(f"+{digits[2:]}")
        if digits.startswith(code):
            readings.append(f"+{digits}")
    numbers = []
    for reading in readings:
        try:
            numbers.append(phonenumbers.parse(reading, region))
        except phonenumbers.NumberParseException:
            continue
    return numbers


def _usable(number: phonenumbers.PhoneNumber, own_zone: str | None) -> PhoneNumber | Fault | None:
    """Turn a possible number into a domain number; None when it is not assigned, a fault when its zone is unknown."""
    region, national = region_of(number), phonenumbers.national_significant_number(number)
    number_type = type_of(national, number.country_code or 0, region)
    kind = KINDS.get(number_type, "other")
    if region is None or number_type == PhoneNumberType.UNKNOWN:
        reserved = _nobody(national, number.country_code or 0)
        if reserved is None:
            return None
        region, kind = reserved.region, reserved.kind
    e164 = f"+{number.country_code}{national}"
    zones = zones_of(number, region, kind, number_type) or ((own_zone,) if own_zone is not None else ())
    if not zones:
        found = f"{e164} may be in several time zones of {region}, and nothing tells which"
        return Fault(reason=Reason.NO_TIME_ZONE, text=f"{found}; add a column with the person's zone")
    jurisdictions = jurisdictions_of(number, region, number_type)
    return PhoneNumber(e164=e164, kind=kind, region=region, zones=zones, jurisdictions=jurisdictions)


def _nobody(national: str, country_code: int) -> Range | None:
    """Return the range of numbers that reach nobody in which this one lies."""
    ranges: Sequence[Range] = NOBODY.get(country_code, ())
    return next((entry for entry in ranges if entry.pattern.fullmatch(national)), None)


def mask(e164: str) -> str:
    """Hide the middle of a number: `+821012345678` becomes `+82-10-****-5678`. What is no number is hidden whole."""
    try:
        number = phonenumbers.parse(e164, None)
    except phonenumbers.NumberParseException:
        return "****"
    national = phonenumbers.national_significant_number(number)
    area = phonenumbers.length_of_national_destination_code(number)
    if area and len(national) - area >= 7:
        return f"+{number.country_code}-{national[:area]}-****-{national[-4:]}"
    return f"+{number.country_code}-****-{national[-2:]}"


def mask_in(text: str) -> str:
    """Mask every number in E.164 that a text names: what Python says of a fault may hold the one that was in hand."""
    return _IN_TEXT.sub(lambda found: mask(found[0]), text)
