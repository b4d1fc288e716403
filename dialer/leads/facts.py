"""What a list says of a person beside the number: consents, dealings with the seller, times named for contact.

One rule governs this module: a fact that cannot be read is a fault of its row, never a blank. A date without a time is
the beginning of that day where the person is.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from dialer.domain.law import Span
from dialer.domain.lead import PhoneNumber
from dialer.domain.policy import CampaignPolicy
from dialer.domain.standing import NO_RELATIONSHIP, Consent, Relationship
from dialer.leads.consents import NO, YES, read_instant
from dialer.leads.numbers import Fault, Reason

FACT_FIELDS = ("consent_at", "consent_night_at", "source", "contact_hours", "bought_at", "inquired_at", "contract")

_DAY = re.compile(r"(\d{4})([-./])\s?(\d{1,2})\2\s?(\d{1,2})\.?")
_PLAIN_DAY = re.compile(r"(\d{4})(\d{2})(\d{2})")
_SPAN = re.compile(r"(\d{1,2}):(\d{2})\s?[-~\u2013\u301c\u223c]\s?(\d{1,2}):(\d{2})")
_PARTED = re.compile(r"\s*[,;\u3001]\s*")
_YES = YES | {"네", "はい"}
_NO = NO | {"いいえ"}

Text = Callable[[str], str]
"""Gives a field of the row as one line of text."""


class BadFact(Exception):
    """A cell that cannot be read; the fault says why, without what the cell holds when that may be a number."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.fault = Fault(reason=reason, text=text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The facts of one row. `consents` has one for each number and date of consent."""

    source: str
    contact_hours: tuple[Span, ...]
    relationship: Relationship
    consents: tuple[Consent, ...]


def no_facts(policy: CampaignPolicy) -> Facts:
    """Give what `read_facts` does of a row whose list has no column with a fact."""
    return _only_source(policy.consent.source)


@lru_cache(maxsize=64)
def _only_source(source: str) -> Facts:
    return Facts(source=source, contact_hours=(), relationship=NO_RELATIONSHIP, consents=())


def read_facts(
    text: Text, policy: CampaignPolicy, numbers: Sequence[PhoneNumber], zone: str | None, now: float
) -> Facts:
    """Read the facts of a row; raise BadFact for the first that cannot be read or lies after `now`."""
    zones = [zone or number.zones[0] for number in numbers]
    source = text("source") or policy.consent.source
    return Facts(
        source=source,
        contact_hours=read_hours(text("contact_hours")),
        relationship=Relationship(
            bought_at=_past(text, "bought_at", zones[0], now),
            inquired_at=_past(text, "inquired_at", zones[0], now),
            has_contract=_is_yes(text, "contract"),
        ),
        consents=tuple(
            _consent(policy, number, obtained_at, source, is_night=name == "consent_night_at")
            for name in ("consent_at", "consent_night_at")
            for number, zone_ in zip(numbers, zones, strict=True)
            if (obtained_at := _past(text, name, zone_, now)) is not None
        ),
    )


def read_hours(text: str) -> tuple[Span, ...]:
    """Read "18:00-20:00, 21:00-21:30"; raise BadFact for anything that is not such a list."""
    spans: list[Span] = []
    for part in filter(None, _PARTED.split(unicodedata.normalize("NFKC", text))):
        match = _SPAN.fullmatch(part)
        start_h, start_m, end_h, end_m = map(int, match.groups()) if match else (0, 0, 0, 0)
        start_s, end_s = start_h * 3600 + start_m * 60, end_h * 3600 + end_m * 60
        if max(start_m, end_m) > 59 or not 0 <= start_s < end_s <= 86_400:
            raise BadFact(Reason.BAD_HOURS, f"contact_hours: {part!r} is no span of a day such as 18:00-20:00")
        if any(start_s < other_end_s and other_start_s < end_s for other_start_s, other_end_s in spans):
            raise BadFact(Reason.BAD_HOURS, f"contact_hours: {part!r} overlaps another span")
        spans.append((start_s, end_s))
    return tuple(sorted(spans))


def read_day(text: str, zone: str) -> float | None:
    """Read a date (2026-03-01, 2026.3.1, 2026/03/01, 20260301) or an ISO 8601 instant; None: it is none."""
    plain = unicodedata.normalize("NFKC", text)
    match = _DAY.fullmatch(plain)
    if match is not None:
        plain = f"{match[1]}-{match[3]:0>2}-{match[4]:0>2}"
    elif (match := _PLAIN_DAY.fullmatch(plain)) is not None:
        plain = "-".join(match.groups())
    elif plain[4:5] != "-":
        return None
    return read_instant(plain, (zone,))


def _past(text: Text, name: str, zone: str, now: float) -> float | None:
    """Read a date that may be blank but not to come."""
    found = text(name)
    if not found:
        return None
    at = read_day(found, zone)
    if at is None:
        raise BadFact(Reason.BAD_DATE, f"{name}: {found!r} is no date such as 2026-03-01")
    if at > now:
        raise BadFact(Reason.BAD_DATE, f"{name}: {found!r} is still to come")
    return at


def _is_yes(text: Text, name: str) -> bool:
    found = text(name).casefold()
    if found not in _YES and found not in _NO:
        raise BadFact(Reason.BAD_CONTRACT, f"{name}: {found!r} is neither yes nor no")
    return found in _YES


def _consent(
    policy: CampaignPolicy, number: PhoneNumber, obtained_at: float, source: str, *, is_night: bool
) -> Consent:
    return Consent(
        number=number.e164,
        seller=policy.seller,
        purposes=(policy.purpose,),
        obtained_at=obtained_at,
        method=policy.consent.method,
        source=source,
        text_hash=policy.consent.text_hash,
        recipients=policy.consent.recipients,
        is_written=policy.consent.is_written,
        is_night=is_night,
    )
