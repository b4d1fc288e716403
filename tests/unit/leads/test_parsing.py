"""The faster parser is held to `phonenumbers`: over many countries, ways of writing and much that is no number."""

import random
from collections.abc import Iterator

import phonenumbers
import pytest
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from dialer.leads.numbers import NOBODY, read_numbers
from dialer.leads.parsing import parse_plain

REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
SIGNS = "0123456789" * 3 + " -()+."
EACH = 12


def changed(number: phonenumbers.PhoneNumber, dice: random.Random) -> phonenumbers.PhoneNumber:
    """A number like this one, with some other digits, and now and then one more or less."""
    digits = list(str(number.national_number))
    for place in range(len(digits)):
        if dice.random() < 0.35:
            digits[place] = str(dice.randrange(10))
    if dice.random() < 0.1:
        digits = digits[:-1] or digits
    elif dice.random() < 0.1:
        digits.append(str(dice.randrange(10)))
    made = phonenumbers.PhoneNumber()
    made.merge_from(number)
    made.national_number = int("".join(digits))
    return made


def written(number: phonenumbers.PhoneNumber, region: str, dice: random.Random) -> Iterator[tuple[str, str]]:
    """A number in the ways that lists have it, with the country that the list is of: its own, or another."""
    national = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
    world = phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)
    plain = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    yield national, region
    yield "".join(char for char in national if char.isdigit()), region
    yield str(number.national_number), region
    yield national.replace(" ", "."), region
    yield world, dice.choice(REGIONS)
    yield plain, dice.choice(REGIONS)
    yield plain[1:], region
    yield f"00{plain[1:]}", region
    yield world.replace(" ", " (0)", 1), region


def texts() -> Iterator[tuple[str, str]]:
    """Numbers of every country and kind, those that reach nobody, and what only looks like numbers."""
    dice = random.Random(20_261_127)
    for region in REGIONS:
        for number_type in PhoneNumberType.values():
            example = phonenumbers.example_number_for_type(region, number_type)
            for _ in range(EACH if example else 0):
                yield from written(changed(example, dice), region, dice)
    for code, ranges in NOBODY.items():
        for entry in ranges:
            lead = entry.pattern.pattern.split("\\d")[0].split("|")[0].strip("()[]?")
            for _ in range(500):
                national = int((lead if lead.isdigit() else "100") + f"{dice.randrange(10_000_000):07d}")
                number = phonenumbers.PhoneNumber(country_code=code, national_number=national)
                yield from written(number, entry.region, dice)
    for _ in range(40_000):
        yield "".join(dice.choices(SIGNS, k=dice.randrange(1, 18))), dice.choice(REGIONS)


def test_what_the_faster_parser_reads_and_the_tables_know_is_what_the_slower_one_reads() -> None:
    """Over a hundred thousand texts: the same country code and number, and most of those that are numbers are read."""
    asked = taken = refused = 0
    for text, region in texts():
        asked += 1
        quick = parse_plain(text, region)
        if quick is None:
            refused += 1
            continue
        national = phonenumbers.national_significant_number(quick)
        ranges = NOBODY.get(quick.country_code or 0, ())
        is_kept = any(entry.pattern.fullmatch(national) for entry in ranges)
        if phonenumbers.number_type(quick) == PhoneNumberType.UNKNOWN and not is_kept:
            continue
        taken += 1
        slow = phonenumbers.parse(text, region)
        assert (slow.country_code, phonenumbers.national_significant_number(slow)) == (quick.country_code, national), (
            text,
            region,
        )
        assert phonenumbers.is_possible_number(slow), (text, region)
    assert asked > 100_000
    assert taken > asked / 4
    assert refused < asked / 2


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("010-0123-4567 내선 12", "KR"),
        ("1-800-FLOWERS", "US"),
        ("0123", "KR"),
        ("1.001234567E+09", "KR"),
        ("1001234567.0", "KR"),
        ("１０-0123", "KR"),
        ("020 7946 0123 / 020 7946 0124", "GB"),
        ("", "GB"),
    ],
)
def test_what_is_not_plainly_written_is_left_to_the_slower_parser(text: str, region: str) -> None:
    """Letters, extensions, other digits and several numbers have to be understood first."""
    assert parse_plain(text, region) is None


def test_dotted_numbers_are_plain() -> None:
    """As much of Europe writes them."""
    assert [number.e164 for number in read_numbers("020.7946.0123", "GB")[0]] == ["+442079460123"]
    assert parse_plain("020.7946.0123", "GB") is not None
