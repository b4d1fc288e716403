"""Files of consents: who agreed to be called, by whom, for what, when and how; read row by row into records.

One rule governs this module: a consent that is not sure is none. A row with a fault, a heading that nobody knows or a
date to come refuses the whole file, with the first faults and their lines, and without a number.

A date or time without an offset from UTC is the person's local time; where the person may be in several zones, the
earliest instant counts, so that a consent ends sooner rather than later.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from zoneinfo import ZoneInfo

from dialer.domain.law import Span
from dialer.domain.lead import PhoneNumber
from dialer.domain.policy import ListPolicy
from dialer.domain.standing import Consent
from dialer.errors import ListError
from dialer.leads.columns import clean_heading, fold, say_cell, say_headings
from dialer.leads.numbers import read_numbers
from dialer.leads.reader import read_rows
from dialer.leads.source import Row, RowSource

PURPOSES = ("telemarketing", "survey", "debt", "service", "charity", "finance")
REQUIRED = ("number", "purposes", "obtained_at", "method")
OPTIONAL = (
    "source",
    "text",
    "text_hash",
    "recipients",
    "night",
    "written",
    "hours",
    "expires_at",
    "confirmed_at",
    "revoked_at",
)
FAULTS_SHOWN = 10
EXAMPLES = {"number": "+8210...", "obtained_at": '"2026-03-02T09:00:00+09:00"'}
YES = frozenset({"yes", "y", "true", "1", "예"})
NO = frozenset({"no", "n", "false", "0", "아니오", ""})

_SPAN = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")
_HASH = re.compile(r"[0-9a-f]{64}")
_DAY_S = 86_400


class _Fault(Exception):
    """What is wrong with a cell: the column, what was expected, what was found."""


def read_consents(path: Path, seller: str, now: float, country: str | None = None) -> Iterator[Consent]:
    """Read every consent of a file, for a seller.

    `country` (ISO alpha-2) holds for numbers written without a country code. Raises ListError for the first faults: the
    caller must keep nothing of what came before.
    """
    columns = {name: (name,) for name in (*REQUIRED, *OPTIONAL)}
    with read_rows(path, ListPolicy(columns=columns)) as source:
        places = _places(source)
        faults: list[str] = []
        count = 0
        for row in source.rows:
            if not any(cell.strip() for cell in row.cells):
                continue
            count += 1
            try:
                consent = _to_consent(_Cells(row, places), seller, now, country)
            except _Fault as fault:
                faults.append(f"{path}:{row.line}: {fault}")
                if len(faults) == FAULTS_SHOWN:
                    break
            else:
                if not faults:
                    yield consent
        if faults:
            raise ListError("\n".join([*faults, "Nothing was imported."]))
        if not count:
            raise ListError(f"{path}: headings but no row under them. Nothing was imported.")


def _places(source: RowSource) -> dict[str, int]:
    """Find the columns by their headings; refuse headings that nobody knows, and files without those that must be."""
    known = {fold(name): name for name in (*REQUIRED, *OPTIONAL)}
    places: dict[str, int] = {}
    faults: list[str] = []
    for at, heading in enumerate(source.headings):
        name = known.get(fold(heading).replace(" ", "_"))
        if name is None:
            near = get_close_matches(fold(heading), known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            faults.append(f"{clean_heading(heading)!r} is no column of consents{hint}")
        elif name in places:
            faults.append(f"{name!r} stands over two columns")
        else:
            places[name] = at
    faults += [f"{name!r} is missing" for name in REQUIRED if name not in places]
    if "number" not in places:
        faults = [f"'number' is missing; found {say_headings(source.headings)}"]
    if faults:
        raise ListError(
            f"{source.path}: the headings do not fit: {'; '.join(faults)}. Expected {', '.join(REQUIRED)} and any of "
            f"{', '.join(OPTIONAL)}. Nothing was imported."
        )
    return places


@dataclass(frozen=True, slots=True)
class _Cells:
    """The cells of a row by the names of their columns."""

    row: Row
    places: Mapping[str, int]

    def text(self, name: str) -> str:
        """Give a cell as one line of visible text; "" when it is not there."""
        at = self.places.get(name)
        raw = self.row.cells[at] if at is not None and at < len(self.row.cells) else ""
        visible = "".join(char if unicodedata.category(char)[0] != "C" else " " for char in raw)
        return " ".join(unicodedata.normalize("NFC", visible).split())

    def raw(self, name: str) -> str:
        """Give a cell as it is, without blanks at its ends."""
        at = self.places.get(name)
        return self.row.cells[at].strip() if at is not None and at < len(self.row.cells) else ""

    def texts(self, name: str) -> tuple[str, ...]:
        """Give the parts of a cell between semicolons."""
        return tuple(part.strip() for part in self.text(name).split(";") if part.strip())

    def is_yes(self, name: str) -> bool:
        """Read a yes or a no; blank is no."""
        word = self.text(name).casefold()
        if word not in YES and word not in NO:
            raise _Fault(f"{name}: expected yes or no, found {say_cell(self.text(name))}")
        return word in YES


def _to_consent(cells: _Cells, seller: str, now: float, country: str | None) -> Consent:
    """Read a row; raise _Fault for what is wrong with it."""
    number = _number(cells, country)
    instant = _instants(cells, number)
    purposes = cells.texts("purposes")
    unknown = [purpose for purpose in purposes if purpose not in PURPOSES]
    if unknown or not purposes:
        found = "; ".join(map(say_cell, unknown)) or "nothing"
        raise _Fault(f"purposes: expected some of {'; '.join(PURPOSES)}, found {found}")
    method = cells.text("method")
    if not method:
        raise _Fault("method: expected how the consent was obtained, such as web form, found nothing")
    obtained_at = instant("obtained_at")
    if obtained_at is None:
        raise _Fault(f"obtained_at: expected an instant such as {EXAMPLES['obtained_at']}, found nothing")
    later = {name: instant(name) for name in ("confirmed_at", "revoked_at", "expires_at")}
    for name, at in {"obtained_at": obtained_at, **later}.items():
        if at is not None and at < obtained_at:
            raise _Fault(f"{name}: expected an instant after obtained_at, found {say_cell(cells.text(name))}")
        if at is not None and at > now and name != "expires_at":
            raise _Fault(f"{name}: expected an instant of the past, found {say_cell(cells.text(name))}")
    return Consent(
        number=number.e164,
        seller=seller,
        purposes=purposes,
        obtained_at=obtained_at,
        method=method,
        source=cells.text("source"),
        text_hash=_text_hash(cells),
        recipients=cells.texts("recipients"),
        is_written=cells.is_yes("written"),
        is_night=cells.is_yes("night"),
        hours=_hours(cells),
        expires_at=later["expires_at"],
        confirmed_at=later["confirmed_at"],
        revoked_at=later["revoked_at"],
    )


def _number(cells: _Cells, country: str | None) -> PhoneNumber:
    """Read the one number of a row."""
    text = cells.raw("number")
    if country is None and not text.lstrip(" '\"(").startswith(("+", "＋")):
        raise _Fault(f"number: expected one with + and country code, or --country, found {len(text)} characters")
    # UTC serves where a number tells no zone: that only shifts dates without an offset.
    numbers, faults = read_numbers(text, country or "ZZ", "UTC")
    if len(numbers) != 1 or faults:
        raise _Fault(f"number: expected one telephone number in use, found {len(text)} characters that are not")
    return numbers[0]


def _instants(cells: _Cells, number: PhoneNumber) -> Callable[[str], float | None]:
    def instant(name: str) -> float | None:
        text = cells.text(name)
        if not text:
            return None
        at = read_instant(text, number.zones)
        if at is None:
            raise _Fault(f"{name}: expected an instant such as {EXAMPLES['obtained_at']}, found {say_cell(text)}")
        return at

    return instant


def read_instant(text: str, zones: Sequence[str] = ("UTC",)) -> float | None:
    """Read an ISO 8601 date or instant; without an offset it is the earliest in these zones. None: it is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    if not 1990 <= found.year < 2200:
        return None
    if found.tzinfo is not None:
        return found.timestamp()
    return min((found.replace(tzinfo=ZoneInfo(zone)) for zone in zones), default=found.replace(tzinfo=UTC)).timestamp()


def _text_hash(cells: _Cells) -> str:
    """Give the SHA-256 of the text that was agreed to, from the text or as the file says it."""
    text, said = cells.raw("text"), cells.text("text_hash").casefold()
    made = hashlib.sha256(text.encode()).hexdigest() if text else ""
    if said and _HASH.fullmatch(said) is None:
        raise _Fault(f"text_hash: expected the 64 hexadecimal digits of a SHA-256, found {len(said)} characters")
    if said and made and said != made:
        raise _Fault("text_hash: expected the SHA-256 of the cell under text, found another")
    return said or made


def _hours(cells: _Cells) -> tuple[Span, ...]:
    """Read spans of the day."""
    spans: list[Span] = []
    for part in cells.texts("hours"):
        found = _SPAN.fullmatch(part)
        start, end = (_seconds(found[1], found[2]), _seconds(found[3], found[4])) if found else (0, 0)
        if not 0 <= start < end <= _DAY_S:
            raise _Fault(f"hours: expected spans of one day such as 20:00-21:30; 07:00-08:00, found {say_cell(part)}")
        if any(start < other_end and other_start < end for other_start, other_end in spans):
            raise _Fault(f"hours: expected spans that do not overlap, found {say_cell(part)}")
        spans.append((start, end))
    return tuple(sorted(spans))


def _seconds(hours: str, minutes: str) -> int:
    """Give a time of day in seconds since midnight; -1 for a minute that no clock shows."""
    return int(hours) * 3600 + int(minutes) * 60 if int(minutes) < 60 else -1
