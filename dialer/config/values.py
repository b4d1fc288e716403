"""The kinds of values that configuration files hold: durations, spans of the day, files, names, zones.

One rule governs this module: a validator refuses or converts exactly; it never rounds, trims or clamps.
"""

import os
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import available_timezones

from phonenumbers import SUPPORTED_REGIONS
from pydantic import AfterValidator, BeforeValidator, ValidationInfo

from dialer.config.faults import nearest, shown
from dialer.config.toml_file import expected

DAY_S = 86_400

_DURATION = re.compile(r"(?:([0-9]{1,6})d)?(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,6})s)?")
_UNITS_S = (DAY_S, 3600, 60, 1)
_SPAN = re.compile(r"([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_WORD = re.compile(r"[a-z][a-z0-9_]{0,39}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_PART = re.compile(r"[A-Z0-9]{1,3}")
_UNIONS = ("HOUSE", "EU")  # rulesets that are no country's
_MISTAKEN_REGIONS = {"UK": "GB", "EN": "GB or US", "KO": "KR", "JA": "JP"}

Span = tuple[int, int]
"""Half-open, in seconds since local midnight."""


def seconds(text: str) -> int | None:
    """Read "27h", "10m", "1d", "90s" or "1h30m" as seconds; None when the text is no duration."""
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        return None
    return sum(int(amount) * unit for amount, unit in zip(match.groups(), _UNITS_S, strict=True) if amount)


def duration(shortest: str, longest: str) -> Callable[[object], float]:
    """Make the validator of a duration between two others, both allowed."""
    least_s, most_s = seconds(shortest), seconds(longest)
    what = f'a duration from "{shortest}" to "{longest}", such as "27h", "10m" or "1h30m"'

    def check(value: object) -> float:
        found_s = seconds(value) if isinstance(value, str) else None
        if found_s is None or least_s is None or most_s is None or not least_s <= found_s <= most_s:
            raise expected(what)
        return float(found_s)

    return check


def _span(value: object) -> Span:
    what = 'a span of the day such as "09:00-12:30"'
    match = _SPAN.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise expected(what)
    start_h, start_m, end_h, end_m = (int(part) for part in match.groups())
    start_s, end_s = start_h * 3600 + start_m * 60, end_h * 3600 + end_m * 60
    if start_m > 59 or end_m > 59 or end_s > DAY_S:
        raise expected(what, hint="the day goes from 00:00 to 24:00")
    if start_s >= end_s:
        raise expected(what, hint="a span ends after it starts; one over midnight is two, on two days")
    return start_s, end_s


def _disjoint(spans: list[Span]) -> list[Span]:
    for index, (start_s, end_s) in enumerate(spans):
        for other_start_s, other_end_s in spans[:index]:
            if start_s < other_end_s and other_start_s < end_s:
                raise expected("spans that do not overlap", key=(index,))
    return sorted(spans)


def matching(pattern: re.Pattern[str], what: str) -> AfterValidator:
    """Make the validator of a text that a pattern describes to programs, and `what` to people."""

    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise expected(what)
        return value

    return AfterValidator(check)


def _filled(value: str) -> str:
    if not value.strip() or value != value.strip() or not value.isprintable() or len(value) > 200:
        raise expected("a text of 1 to 200 characters on one line, without blanks around it")
    return value


def _distinct(values: list[str]) -> list[str]:
    if not values:
        raise expected("at least one item")
    for index, value in enumerate(values):
        if value in values[:index]:
            raise expected("each item once", key=(index,))
    return values


def _region(value: str) -> str:
    if value not in SUPPORTED_REGIONS:
        meant = _MISTAKEN_REGIONS.get(value.upper()) or (value.upper() if value.upper() in SUPPORTED_REGIONS else None)
        raise expected('an ISO 3166 country code such as "KR"', hint=f"did you mean {meant}?" if meant else "")
    return value


def _jurisdiction(value: str) -> str:
    country, dash, part = value.partition("-")
    if value in _UNIONS:
        return value
    if dash and not _PART.fullmatch(part):
        raise expected('a country code, or one with a state such as "US-FL"')
    _region(country)
    return value


@cache
def _zones() -> tuple[str, ...]:
    return tuple(sorted(available_timezones()))


def _zone(value: str) -> str:
    if value not in _zones():
        meant = nearest(value, _zones())
        raise expected('an IANA time zone such as "Asia/Seoul"', hint=f"nearest known zone: {meant}")
    return value


def resolved(value: str, info: ValidationInfo) -> Path:
    """Resolve a path against the folder of the file that names it."""
    folder: Path = info.context["folder"] if info.context else Path()
    if not value or "\0" in value:
        raise expected("a path")
    return Path(os.path.abspath(folder / value))


def _existing_file(value: str, info: ValidationInfo) -> str:
    path = resolved(value, info)
    if os.path.isfile(path):
        return str(path)
    problem = f"{shown(path)} is a folder" if os.path.isdir(path) else f"there is no file {shown(path)}"
    raise expected("an existing file, its path relative to this file's folder", hint=problem)


def _distinct_files(values: list[str]) -> list[str]:
    for index, value in enumerate(values):
        if value in values[:index]:
            raise expected("each file once", key=(index,))
    return values


Purpose = Literal["telemarketing", "survey", "debt", "service", "charity", "finance"]
Audience = Literal["consumer", "business"]
Voice = Literal["human", "recorded", "synthetic"]
Exempt = Literal["existing_customer", "inquiry", "contract", "business", "charity", "solicitation", "press"]
"""The exceptions from consent and registers, as `domain.law.ConsentException` has them."""
MessageWord = Literal[
    "seller_name", "seller_number", "purpose", "opt_out_number", "free_opt_out_number", "automated_opt_out", "no_sales"
]
"""What a message to a person for whom no agent is free may have to say; `no_sales`: nothing that sells."""
Text = Annotated[str, AfterValidator(_filled)]
Name = Annotated[str, matching(_NAME, "1 to 64 letters, digits, - or _, beginning with a letter or digit")]
Word = Annotated[str, matching(_WORD, "1 to 40 small letters, digits or _, beginning with a letter")]
Language = Annotated[str, matching(_LANGUAGE, 'a language tag such as "ko" or "en-GB"')]
E164 = Annotated[str, matching(_E164, 'a number in E.164 such as "+15550100"')]
Region = Annotated[str, AfterValidator(_region)]
Jurisdiction = Annotated[str, AfterValidator(_jurisdiction)]
Zone = Annotated[str, AfterValidator(_zone)]
Names = Annotated[list[Name], AfterValidator(_distinct)]
ExistingFile = Annotated[str, AfterValidator(_existing_file)]
DistinctFiles = Annotated[list[ExistingFile], AfterValidator(_distinct_files)]
DaySpans = Annotated[list[Annotated[Span, BeforeValidator(_span)]], AfterValidator(_disjoint)]
RetryAfter = Annotated[float, BeforeValidator(duration("10s", "90d"))]
