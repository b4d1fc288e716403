"""Files of consents: a row is a record with all that a rule may ask for, or the reason why the file is refused."""

import hashlib
from datetime import datetime
from pathlib import Path

import pytest

from dialer.config.campaign_model import CampaignTable
from dialer.domain.standing import Consent
from dialer.errors import ListError
from dialer.leads.consents import FAULTS_SHOWN, PURPOSES, read_consents

SELLER = "Example Telecom"
NOW = datetime.fromisoformat("2026-03-10T12:00:00+00:00").timestamp()
HEAD = "number,purposes,obtained_at,method"
ROW = "+82 10-0000-0001,survey,2026-01-02T09:00:00+09:00,web form"


def at(text: str) -> float:
    """An instant in POSIX seconds."""
    return datetime.fromisoformat(text).timestamp()


def read(folder: Path, text: str, *, country: str | None = None, name: str = "c.csv") -> list[Consent]:
    """Read a file of this text."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return list(read_consents(path, SELLER, NOW, country))


def read_with(folder: Path, **cells: str) -> Consent:
    """Read one row with further cells."""
    quoted = ",".join(f'"{cell}"' for cell in cells.values())
    (consent,) = read(folder, f"{HEAD},{','.join(cells)}\n{ROW},{quoted}\n")
    return consent


def refusal(folder: Path, text: str, *, country: str | None = None) -> str:
    """Read a file that is refused, and give the error without the file's path."""
    with pytest.raises(ListError) as caught:
        read(folder, text, country=country)
    return str(caught.value).replace(str(folder / "c.csv"), "FILE")


def test_a_row_needs_who_what_when_and_how(tmp_path: Path) -> None:
    """With those alone, everything else is not known, and nothing is assumed."""
    assert read(tmp_path, f"{HEAD}\n{ROW}\n\n") == [
        Consent(
            number="+821000000001",
            seller=SELLER,
            purposes=("survey",),
            obtained_at=at("2026-01-02T09:00:00+09:00"),
            method="web form",
            source="",
        )
    ]


def test_a_row_may_say_everything_else(tmp_path: Path) -> None:
    """Source, text, recipients, night, writing, hours, expiry, confirmation and revocation."""
    consent = read_with(
        tmp_path,
        source="own shop",
        text="전화를 받겠습니다",
        recipients="Example Bank; Example Post",
        night="yes",
        written="Y",
        hours="20:00-21:30; 07:00-08:00",
        expires_at="2028-01-02T00:00:00Z",
        confirmed_at="2026-02-01T00:00:00Z",
        revoked_at="2026-03-01T00:00:00Z",
    )
    assert (consent.source, consent.recipients) == ("own shop", ("Example Bank", "Example Post"))
    assert consent.text_hash == hashlib.sha256("전화를 받겠습니다".encode()).hexdigest()
    assert (consent.is_night, consent.is_written) == (True, True)
    assert consent.hours == ((25_200, 28_800), (72_000, 77_400))
    assert consent.expires_at == at("2028-01-02T00:00:00Z")
    assert consent.confirmed_at == at("2026-02-01T00:00:00Z")
    assert consent.revoked_at == at("2026-03-01T00:00:00Z")


def test_several_purposes_stand_between_semicolons(tmp_path: Path) -> None:
    """Headings may be written with blanks and capitals."""
    text = 'Number,Purposes,Obtained At,Method\n+82 10-0000-0001,"telemarketing; survey",2026-01-02T00:00:00Z,paper\n'
    assert read(tmp_path, text)[0].purposes == ("telemarketing", "survey")


def test_a_file_of_json_lines_is_read_the_same(tmp_path: Path) -> None:
    """As lists are: any format of lists will do."""
    line = '{"number": "+821000000001", "purposes": "survey", "obtained_at": "2026-01-02T00:00:00Z", "method": "paper"}'
    assert read(tmp_path, line + "\n", name="c.jsonl")[0].number == "+821000000001"


def test_a_date_alone_is_the_persons_own(tmp_path: Path) -> None:
    """A date or time without an offset is local: where the person may be in several zones, the earliest instant."""
    text = (
        f"{HEAD}\n+82 10-0000-0001,survey,2026-01-02,x\n+1 202-555-0100,survey,2026-01-02 10:00,x\n"
        "+44 7700 900001,survey,2026-01-02T10:00:00,x\n"
    )
    found = [each.obtained_at for each in read(tmp_path, text)]
    assert found[0] == at("2026-01-02T00:00:00+09:00")
    assert found[1] == at("2026-01-02T10:00:00-05:00")
    assert found[2] <= at("2026-01-02T10:00:00+00:00")


def test_numbers_without_a_country_code_need_the_country(tmp_path: Path) -> None:
    """Told with the command, or refused: nobody's consent is guessed."""
    text = f"{HEAD}\n010-0000-0001,survey,2026-01-02,x\n"
    assert read(tmp_path, text, country="KR")[0].number == "+821000000001"
    assert "FILE:2: number: expected one with + and country code, or --country" in refusal(tmp_path, text)


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        ({"obtained_at": "2026-03-10T12:00:01Z"}, "obtained_at: expected an instant of the past"),
        ({"obtained_at": "2. 1. 2026"}, "obtained_at: expected an instant such as"),
        ({"obtained_at": ""}, "obtained_at: expected an instant such as"),
        ({"obtained_at": "1026-01-02"}, "obtained_at: expected an instant such as"),
        ({"purposes": "survey; selling"}, "purposes: expected some of telemarketing; .*, found 'selling'"),
        ({"purposes": " ; "}, "purposes: expected some of .*, found nothing"),
        ({"method": " "}, "method: expected how the consent was obtained"),
        ({"number": ""}, "number: expected one"),
        ({"number": "+82 10-0000-0001; +82 10-0000-0002"}, "number: expected one telephone number"),
        ({"number": "+82 99-1"}, "number: expected one telephone number in use, found 8 characters"),
        ({"confirmed_at": "2026-04-01"}, "confirmed_at: expected an instant of the past"),
        ({"confirmed_at": "2025-12-31"}, "confirmed_at: expected an instant after obtained_at"),
        ({"revoked_at": "2025-12-31"}, "revoked_at: expected an instant after obtained_at"),
        ({"revoked_at": "2026-04-01"}, "revoked_at: expected an instant of the past"),
        ({"expires_at": "2025-12-31"}, "expires_at: expected an instant after obtained_at"),
        ({"expires_at": "soon"}, "expires_at: expected an instant such as"),
        ({"night": "maybe"}, "night: expected yes or no, found 'maybe'"),
        ({"written": "2"}, "written: expected yes or no"),
        ({"hours": "21:00-08:00"}, "hours: expected spans of one day"),
        ({"hours": "20:00-21:75"}, "hours: expected spans of one day"),
        ({"hours": "evenings"}, "hours: expected spans of one day"),
        ({"hours": "20:00-21:30; 21:00-22:00"}, "hours: expected spans that do not overlap"),
        ({"text_hash": "abc"}, "text_hash: expected the 64 hexadecimal digits"),
        ({"text": "I agree", "text_hash": "00" * 32}, "text_hash: expected the SHA-256 of the cell under text"),
    ],
)
def test_a_row_with_a_fault_refuses_the_file(tmp_path: Path, cells: dict[str, str], found: str) -> None:
    """With the line, the column, what was expected, and never a number."""
    values = dict(zip(HEAD.split(","), ROW.split(","), strict=True)) | cells
    row = ",".join(f'"{cell}"' for cell in values.values())
    good = ",".join(f'"{cell}"' for cell in (*ROW.split(","), *[""] * (len(values) - 4)))
    with pytest.raises(ListError, match=rf":3: {found}") as caught:
        read(tmp_path, f"{','.join(values)}\n{good}\n{row}\n")
    message = str(caught.value).replace(str(tmp_path), "")
    assert message.endswith("Nothing was imported.")
    assert "0000" not in message.replace("00" * 32, "")


def test_the_first_faults_are_told_together(tmp_path: Path) -> None:
    """Not one by one, and not all of a million."""
    text = f"{HEAD}\n" + "+82 10-0000-0001,spying,2026-01-02,x\n" * (FAULTS_SHOWN + 5)
    lines = refusal(tmp_path, text).splitlines()
    assert [line.split(": ")[0] for line in lines[:-1]] == [f"FILE:{rank + 2}" for rank in range(FAULTS_SHOWN)]


def test_nothing_is_handed_over_after_a_fault(tmp_path: Path) -> None:
    """What came before it may have been: whoever reads keeps nothing until the end."""
    path = tmp_path / "c.csv"
    path.write_text(f"{HEAD}\n{ROW}\n{ROW.replace('survey', 'spying')}\n{ROW}\n", encoding="utf-8")
    read_so_far: list[Consent] = []
    with pytest.raises(ListError):
        read_so_far.extend(read_consents(path, SELLER, NOW))
    assert len(read_so_far) <= 1


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (f"{HEAD},expire_at", "'expire_at' is no column of consents; did you mean 'expires_at'?"),
        ("number,purposes,obtained_at", "'method' is missing"),
        (f"{HEAD},Method", "'method' stands over two columns"),
    ],
)
def test_headings_must_be_those_of_consents(tmp_path: Path, head: str, found: str) -> None:
    """A misspelt heading would leave an expiry or a revocation out, so it is refused."""
    assert found in refusal(tmp_path, f"{head}\n{ROW},\n")


@pytest.mark.parametrize("cell", ["+821000000001", "010-0000-0001", "Kim Cheol-su", "김철수"])
@pytest.mark.parametrize("column", ["purposes", "obtained_at", "night", "hours", "confirmed_at"])
def test_what_stands_in_the_wrong_column_is_not_told(tmp_path: Path, column: str, cell: str) -> None:
    """A file whose columns are shifted has numbers and names everywhere."""
    values = dict(zip(HEAD.split(","), ROW.split(","), strict=True)) | {column: cell}
    said = refusal(tmp_path, f"{','.join(values)}\n{','.join(values.values())}\n")
    assert f"FILE:2: {column}: expected" in said
    assert cell not in said


def test_a_file_without_headings_tells_nobody(tmp_path: Path) -> None:
    """Its first line is a person."""
    said = refusal(tmp_path, "+82 10-0000-0001,Kim Cheol-su,2026-01-02,paper\n")
    assert "4 cells that look like a person's" in said
    assert "0000" not in said
    assert "Kim" not in said


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    """An import of nothing is a mistake."""
    assert "headings but no row" in refusal(tmp_path, f"{HEAD}\n")


def test_a_file_cut_in_half_is_refused(tmp_path: Path) -> None:
    """A row that ends in the middle of an instant or before the last cells that must be."""
    whole = f"{HEAD}\n{ROW}\n{ROW}\n"
    for cut in (len(whole) - 12, len(whole) - 20):
        assert "FILE:3: " in refusal(tmp_path, whole[:cut])


def test_purposes_are_those_of_campaigns() -> None:
    """A consent can be given for whatever a campaign may call for."""
    assert set(PURPOSES) == set(CampaignTable.model_fields["purpose"].annotation.__args__)  # type: ignore[union-attr]
