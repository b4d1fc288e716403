"""Reasons that users give for what they do: kept in clear for years, so no telephone number may stand in one."""

import re

DIGITS_MAX = 7
"""A word with more digits than this may be a telephone number."""

_DATE = re.compile(r"\b\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?)?\b")
_NUMBER = re.compile(r"(?<![\w#-])\+?\(?\d[\d ()./-]{5,}\d")  # not CASE-20261127 or #20261127


def has_number(reason: str) -> bool:
    """Whether something in a reason looks like a telephone number. Dates and the numbers of files do not."""
    found = _NUMBER.findall(_DATE.sub("", reason))
    return any(sum(character.isdigit() for character in each) > DIGITS_MAX for each in found)
