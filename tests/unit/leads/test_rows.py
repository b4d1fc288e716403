"""Headings found, rows turned into leads, proposals made."""

import tomllib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from dialer.errors import ListError
from dialer.leads.columns import fits_nothing, fold, locate
from dialer.leads.numbers import Reason
from dialer.leads.proposal import no_fit, propose
from dialer.leads.rows import ReadRow, shuffle_rank, to_lead
from dialer.leads.source import Row, RowSource
from tests.unit.leads.campaigns import campaign


def listed(headings: Sequence[str], *rows: Sequence[str]) -> RowSource:
    """Make a list without a file."""
    made = [Row(line=line, cells=tuple(cells)) for line, cells in enumerate(rows, start=2)]
    return RowSource(
        path=Path("list.csv"), format="csv", headings=tuple(headings), rows=iter(made), share_read=lambda: 1.0
    )


def read(headings: str, cells: str, columns: dict[str, tuple[str, ...]], jurisdiction: str = "KR") -> ReadRow:
    """Read one row, written with `|` between cells."""
    policy = campaign(jurisdiction, columns)
    source = listed(headings.split("|"), cells.split("|"))
    return to_lead(next(source.rows), locate(source, columns), policy, NOW)


ALL = {
    "number": ("phone", "phone2"),
    "name": ("name",),
    "segment": ("seg",),
    "priority": ("prio",),
    "zone": ("tz",),
    "external_id": ("id",),
    "jurisdiction": ("country",),
    "note": ("remark",),
}
HEADINGS = "id|name|phone|phone2|seg|prio|tz|country|remark"
NOW = datetime(2026, 3, 2, 12, tzinfo=ZoneInfo("Asia/Seoul")).timestamp()


def test_a_full_row_becomes_a_lead() -> None:
    """Every field finds its place, extra ones are kept by name, and the shuffle rank is stable."""
    found = read(HEADINGS, "7| Kim  A |010-0123-4567|02-0001-1234|vip|3.0|Asia/Seoul||call early", ALL)
    lead = found.lead
    assert lead is not None
    assert [number.e164 for number in lead.numbers] == ["+821001234567", "+82200011234"]
    assert (lead.lead_id, lead.campaign, lead.name, lead.segment) == (0, "try-out", "Kim A", "vip")
    assert (lead.priority, lead.zone, lead.external_id) == (3, "Asia/Seoul", "7")
    assert lead.fields == {"note": "call early"}
    assert lead.shuffle == shuffle_rank("try-out", "+821001234567") == 119946412040745
    assert found.faults == ()


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ("1|a||||||| ", Reason.NO_NUMBER),
        ("1|a|없음|-|||||", Reason.MALFORMED_NUMBER),
        ("1|a|010-0123-4567|||high|||", Reason.BAD_PRIORITY),
        ("1|a|010-0123-4567|||99999999999|||", Reason.BAD_PRIORITY),
        ("1|a|010-0123-4567||||EST||", Reason.UNKNOWN_TIME_ZONE),
        ("1|a|010-0123-4567|||||ZZ|", Reason.UNKNOWN_JURISDICTION),
        ("1|a|010-0123-4567|||||||extra", Reason.TOO_MANY_CELLS),
    ],
)
def test_a_row_that_cannot_be_used_says_why(cells: str, reason: Reason) -> None:
    """One reason code per rejected row."""
    found = read(HEADINGS, cells, ALL)
    assert found.lead is None
    assert found.faults[0].reason is reason


def test_a_row_keeps_its_good_number() -> None:
    """One bad number does not cost the person; it is told beside the lead."""
    found = read("phone|phone2", "없음|010-0123-4567", {"number": ("phone", "phone2")})
    assert found.lead is not None
    assert len(found.lead.numbers) == 1
    assert [fault.reason for fault in found.faults] == [Reason.MALFORMED_NUMBER]


def test_the_same_number_twice_in_a_row_is_one() -> None:
    """However it is written."""
    found = read("phone|phone2", "010-0123-4567|+82 10 0123 4567", {"number": ("phone", "phone2")})
    assert found.lead is not None
    assert len(found.lead.numbers) == 1


def test_the_jurisdiction_column_decides_over_the_campaign() -> None:
    """A number without a country code is read in the row's country."""
    found = read("phone|country", "090-0123-4567|jp", {"number": ("phone",), "jurisdiction": ("country",)})
    assert found.lead is not None
    assert found.lead.numbers[0].region == "JP"


@pytest.mark.parametrize(
    ("phone", "place", "zones"),
    [
        ("+1 212 555 0100", "US-CA", ("America/New_York", "America/Los_Angeles")),
        ("+1 212 555 0100", "US-NY", ("America/New_York",)),
        ("+1 212 555 0100", "US", ("America/New_York",)),  # the area code tells more
        ("+1 212 555 0100", "", ("America/New_York",)),
        ("+1 206 555 0100", "US-FL", ("America/Los_Angeles", "America/Chicago", "America/New_York")),
        ("+1 212 555 0100", "KR", ("America/New_York", "Asia/Seoul")),
        ("+82 10-0123-4567", "JP", ("Asia/Seoul", "Asia/Tokyo")),
        ("+1 415 555 0100", "US-HI", ("America/Los_Angeles", "Pacific/Honolulu")),
    ],
)
def test_a_known_address_adds_its_zones_to_a_number_from_elsewhere(
    phone: str, place: str, zones: tuple[str, ...]
) -> None:
    """Somebody with a number of New York who lives in California is not rung at six in the morning."""
    found = read("phone|place", f"{phone}|{place}", {"number": ("phone",), "jurisdiction": ("place",)})
    assert found.lead is not None
    assert found.lead.numbers[0].zones == zones


def test_the_lists_own_zone_stands_for_the_address() -> None:
    """Where the row names the zone, the whole of the state is not asked about."""
    columns = {"number": ("phone",), "jurisdiction": ("place",), "zone": ("zone",)}
    found = read("phone|place|zone", "+1 212 555 0100|US-FL|America/New_York", columns)
    assert found.lead is not None
    assert found.lead.numbers[0].zones == ("America/New_York",)


def test_short_rows_and_trailing_blanks_are_taken() -> None:
    """Cells missing at the end are blank, blank cells too many are nothing."""
    columns = {"number": ("phone",), "name": ("name",)}
    assert read("phone|name", "010-0123-4567", columns).lead is not None
    assert read("phone|name", "010-0123-4567|a| |", columns).lead is not None


def test_control_characters_do_not_reach_the_lead() -> None:
    """A name cannot move a terminal's cursor or forge a second line."""
    found = read("phone|name", "010-0123-4567|a\x1b[2J\nb\u202ec", {"number": ("phone",), "name": ("name",)})
    assert found.lead is not None
    assert found.lead.name == "a [2J b c"


@pytest.mark.parametrize("heading", ["휴대폰", " 휴대폰 ", "\ufeff휴대폰", "휴대폰\n"])
def test_headings_are_compared_kindly(heading: str) -> None:
    """Byte order marks, spaces and line breaks do not count; full-width letters and capitals are as others."""
    assert fold(heading) == "휴대폰"
    assert fold("Ｐhone　NO") == "phone no"


def test_missing_columns_are_named_all_at_once() -> None:
    """With what was expected and the nearest heading of the file."""
    source = listed(["phone", "nmae", "x"])
    with pytest.raises(ListError) as caught:
        locate(source, {"number": ("phone",), "name": ("name",), "segment": ("tier",)})
    text = str(caught.value)
    assert "name: expected 'name', found no such heading; did you mean 'nmae'?" in text
    assert "segment: expected 'tier'" in text
    assert "headings found: phone, nmae, x" in text


def test_one_of_several_headings_is_enough() -> None:
    """Lists of one campaign may differ; what is absent is told."""
    columns = locate(listed(["phone", "name"]), {"number": ("phone", "mobile"), "name": ("name",)})
    assert columns.indexes == {"number": (0,), "name": (1,)}
    assert columns.absent == ("mobile",)


def test_ambiguous_headings_are_refused_unless_they_hold_numbers() -> None:
    """Two columns named phone are both numbers; two columns named name are a question."""
    columns = locate(listed(["phone", "phone"]), {"number": ("phone",)})
    assert columns.indexes["number"] == (0, 1)
    with pytest.raises(ListError, match="stands over 2 columns"):
        locate(listed(["phone", "name", "Name"]), {"number": ("phone",), "name": ("name",)})


@pytest.mark.parametrize(
    ("headings", "cells", "region", "line"),
    [
        (
            "번호|이름|휴대폰|집전화|등급|메모",
            "1|고객1|010-0123-4567|02-0001-1234|우수|x",
            "KR",
            'columns = { number = ["휴대폰", "집전화"], name = "이름", segment = "등급", external_id = "번호" }',
        ),
        (
            "顧客番号|氏名|携帯電話|区分",
            "J1|利用者1|090-0123-4567|一般",
            "JP",
            'columns = { number = ["携帯電話"], name = "氏名", segment = "区分", external_id = "顧客番号" }',
        ),
        (
            'id|full name|"ring" me|time zone',
            "1|Respondent|(212) 555-0123|America/New_York",
            "US",
            'columns = { number = ["\\"ring\\" me"], name = "full name", zone = "time zone", external_id = "id" }',
        ),
    ],
)
def test_a_mapping_is_proposed_as_toml(headings: str, cells: str, region: str, line: str) -> None:
    """Known words in three languages and cells that read as numbers make a line that parses."""
    names = headings.split("|")
    proposed = propose(names, [Row(line=2, cells=tuple(cells.split("|")))], region)
    assert proposed == line
    assert tomllib.loads(proposed)["columns"]["number"]


def test_a_list_that_fits_nothing_is_answered_with_a_proposal() -> None:
    """The error shows what was expected, what was found, and the line to paste."""
    source = listed(["Mobile", "Who"], ["010-0123-4567", "a"])
    policy = campaign()
    assert fits_nothing(source, policy.list.columns)
    text = str(no_fit(source, policy))
    assert "expected: phone, phone2, name" in text
    assert 'columns = { number = ["Mobile"] }' in text


def test_a_list_without_headings_is_recognised() -> None:
    """The first line looks like a person: say so instead of proposing it as headings."""
    source = listed(["010-0123-4567", "a"], ["010-0123-4568", "b"])
    said = str(no_fit(source, campaign()))
    assert "looks like a person" in said
    assert "4567" not in said
    with pytest.raises(ListError) as caught:
        locate(listed(["010-0123-4567", "Kim Cheol-su"]), {"number": ("phone",)})
    assert "4567" not in str(caught.value)
    assert "Kim" not in str(caught.value)


def test_a_list_without_numbers_gets_no_proposal() -> None:
    """Nothing is guessed where nothing looks like a number."""
    assert "is this the right file?" in str(no_fit(listed(["a", "b"], ["x", "y"]), campaign()))
