"""Which column of a list holds what: the campaign's mapping, applied to the headings that a file really has.

Headings are compared after Unicode NFKC, trimming, case folding and removal of a byte order mark.
"""

import difflib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dialer.errors import ListError
from dialer.leads.reasons import has_number
from dialer.leads.source import RowSource

_SAYABLE = re.compile(r"[a-z_]{1,12}|[0-9T:+Z ./-]{1,30}")
_PERSON_DIGITS = 7


def fold(heading: str) -> str:
    """Bring a heading to the form in which headings are compared."""
    return " ".join(unicodedata.normalize("NFKC", heading.replace("\ufeff", "")).casefold().split())


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnMap:
    """Where each field stands in a row: `indexes` by field, in the campaign's order.

    `width` is the number of headings, `absent` the campaign's headings that this file does not have though the field
    has another one.
    """

    indexes: Mapping[str, tuple[int, ...]]
    width: int
    absent: tuple[str, ...]

    @property
    def unused(self) -> int:
        """How many columns of the file nobody asked for."""
        return self.width - len({at for found in self.indexes.values() for at in found})

    def used(self, headings: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Name the headings behind each field."""
        return {name: tuple(clean_heading(headings[at]) for at in found) for name, found in self.indexes.items()}


def clean_heading(heading: str) -> str:
    """Write a heading as people read it: no byte order mark, no line breaks."""
    return " ".join(heading.replace("\ufeff", "").split())


def say_headings(headings: Sequence[str]) -> str:
    """Write headings for a message; where they are a person's row, with a number among them, only how many."""
    if any(sum(map(str.isdigit, heading)) >= _PERSON_DIGITS for heading in headings):
        return f"{len(headings)} cells that look like a person's: is the line of headings missing?"
    return ", ".join(map(clean_heading, headings))


def say_cell(text: str) -> str:
    """Write a cell for a message: a small word or an instant; of all else, which may be a person's, only how long."""
    if _SAYABLE.fullmatch(text) and not has_number(text):
        return repr(text)
    return f"{len(text)} characters"


def fits_nothing(source: RowSource, columns: Mapping[str, Sequence[str]]) -> bool:
    """Whether not one heading of the campaign is in the file, or the campaign maps no number at all."""
    found = {fold(heading) for heading in source.headings}
    wanted = {fold(heading) for headings in columns.values() for heading in headings}
    return "number" not in columns or not wanted & found


def locate(source: RowSource, columns: Mapping[str, Sequence[str]]) -> ColumnMap:
    """Find the campaign's columns in a file.

    Each field needs at least one of its headings. Raises `ListError` with all missing or ambiguous ones at once.
    """
    places: dict[str, list[int]] = {}
    for at, heading in enumerate(source.headings):
        places.setdefault(fold(heading), []).append(at)
    indexes: dict[str, tuple[int, ...]] = {}
    absent: list[str] = []
    faults: list[str] = []
    for name, headings in columns.items():
        found = {heading: places.get(fold(heading), []) for heading in headings}
        if not any(found.values()):
            faults.append(_missing(name, headings, source.headings))
        for heading, where in found.items():
            if not where:
                absent.append(heading)
            elif len(where) > 1 and name != "number":
                faults.append(f"{name}: the heading {heading!r} stands over {len(where)} columns; rename all but one")
        indexes[name] = tuple(at for where in found.values() for at in where)
    if faults:
        raise ListError(
            f"{source.path}: the campaign's [list] columns do not fit this file:\n  "
            + "\n  ".join(faults)
            + f"\n  headings found: {say_headings(source.headings)}"
            + "\nNothing was loaded."
        )
    return ColumnMap(indexes=indexes, width=len(source.headings), absent=tuple(absent))


def _missing(name: str, headings: Sequence[str], found: Sequence[str]) -> str:
    """Say which heading a field expected and which one of the file is nearest."""
    by_fold = {fold(heading): clean_heading(heading) for heading in found}
    near = [match for heading in headings for match in difflib.get_close_matches(fold(heading), by_fold, n=1)]
    hint = f"; did you mean {by_fold[near[0]]!r}?" if near else ""
    return f"{name}: expected {' or '.join(repr(heading) for heading in headings)}, found no such heading{hint}"
