"""A proposed column mapping for a list that the campaign's own mapping does not fit: a TOML line ready to paste.

Numbers are recognised by what the cells hold, helped by the heading; other fields by heading words alone.
"""

import json
from collections.abc import Sequence
from itertools import islice

from dialer.domain.policy import CampaignPolicy
from dialer.errors import ListError
from dialer.leads.columns import clean_heading, fold, say_headings
from dialer.leads.numbers import read_numbers
from dialer.leads.source import Row, RowSource

SAMPLE = 50
WORDS: dict[str, tuple[str, ...]] = {
    "number": (
        "휴대폰", "휴대전화", "핸드폰", "전화", "연락처",
        "携帯", "電話", "連絡先", "tel",
        "phone", "mobile", "cell", "landline", "number", "msisdn",
    ),
    "name": ("이름", "성명", "고객명", "氏名", "名前", "お名前", "full name", "name", "customer"),
    "segment": ("등급", "구분", "区分", "ランク", "segment", "tier"),
    "priority": ("우선순위", "優先", "priority"),
    "zone": ("시간대", "タイムゾーン", "time zone", "timezone", "tz"),
    "external_id": ("번호", "고객번호", "顧客番号", "会員番号", "id", "customer id"),
    "jurisdiction": ("국가", "国", "country"),
}  # fmt: skip


def no_fit(source: RowSource, policy: CampaignPolicy) -> ListError:
    """Build the error for a list in which the campaign finds nothing. Reads up to 50 rows of it."""
    rows = list(islice(source.rows, SAMPLE))
    wanted = [heading for given in policy.list.columns.values() for heading in given]
    line = propose(source.headings, rows, policy.jurisdiction)
    lines = [
        f"{source.path}: the campaign's [list] columns fit nothing in this file.",
        f"  expected: {', '.join(wanted) if wanted else 'a mapping with at least a number column'}",
        f"  found: {say_headings(source.headings)}",
    ]
    if any(read_numbers(heading, policy.jurisdiction)[0] for heading in source.headings):
        lines.append("  The first line looks like a person, not like headings: put a line of headings above it.")
    elif line is None:
        lines.append("  No column looks like phone numbers: is this the right file?")
    else:
        lines += ["  If this is the right file, put this line under [list] in the campaign file:", f"    {line}"]
    return ListError("\n".join([*lines, "Nothing was loaded."]))


def propose(headings: Sequence[str], rows: Sequence[Row], region: str) -> str | None:
    """Propose `columns = { ... }` for a list; None when no column holds phone numbers."""
    shares = [_share_of_numbers(rows, at, region) for at in range(len(headings))]
    numbers = [at for at, share in enumerate(shares) if share >= (0.3 if _says(headings[at], "number") else 0.8)]
    if not numbers:
        return None
    parts = [f"number = {_toml([clean_heading(headings[at]) for at in numbers])}"]
    taken = set(numbers)
    for name in ("name", "segment", "priority", "zone", "external_id", "jurisdiction"):
        at = _best(headings, name, taken)
        if at is not None:
            taken.add(at)
            parts.append(f"{name} = {_toml(clean_heading(headings[at]))}")
    return f"columns = {{ {', '.join(parts)} }}"


def _share_of_numbers(rows: Sequence[Row], at: int, region: str) -> float:
    """Tell which share of a column's filled cells reads as phone numbers; 0 for a column that is always blank."""
    cells = [row.cells[at] for row in rows if at < len(row.cells) and row.cells[at].strip()]
    return sum(bool(read_numbers(cell, region)[0]) for cell in cells) / len(cells) if cells else 0.0


def _says(heading: str, name: str) -> bool:
    """Whether a heading contains one of the words for a field."""
    return any(word in fold(heading) for word in WORDS[name])


def _best(headings: Sequence[str], name: str, taken: set[int]) -> int | None:
    """Find the heading for a field: one that is such a word, else the first that contains a word of some length."""
    free = [at for at in range(len(headings)) if at not in taken]
    exact = [at for at in free if fold(headings[at]) in WORDS[name]]
    if exact:
        return exact[0]
    long = [word for word in WORDS[name] if len(word) > 2 or not word.isascii()]
    return next((at for at in free if any(word in fold(headings[at]) for word in long)), None)


def _toml(value: str | list[str]) -> str:
    """Write a string or a list of strings as TOML; JSON's escapes are valid there."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
