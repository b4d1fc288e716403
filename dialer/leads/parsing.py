"""Plainly written numbers, parted into country code and national number by a faster parser where one is installed.

One rule governs this module: which numbers there are, and of what kind, is said by the tables of `phonenumbers` alone.
`rphonenumbers` has those of an earlier release. It finds the digits of a text without letters or odd signs; whoever
asks holds them to the tables, and asks `phonenumbers` where these do not know them.
"""

import re
from typing import cast

import phonenumbers

try:
    import rphonenumbers
except ImportError:  # the extra `fast` is not installed: the same numbers come out, later
    rphonenumbers = None

_PLAIN = re.compile(r"[+(]?[0-9][-0-9 ()]{4,30}")
_DOTTED = re.compile(r"\+?[0-9]{1,4}(?:\.[0-9]{2,4}){2,4}")


def parse_plain(text: str, region: str) -> phonenumbers.PhoneNumber | None:
    """Part a text; None when it is not plainly written, cannot be read, or nothing is there that reads it faster.

    The answer is of the other library's class, which has the same fields.
    """
    if rphonenumbers is None or not (_PLAIN.fullmatch(text) or _DOTTED.fullmatch(text)):
        return None
    try:
        return cast(phonenumbers.PhoneNumber, rphonenumbers.parse(text, region))
    except rphonenumbers.NumberParseException:
        return None
