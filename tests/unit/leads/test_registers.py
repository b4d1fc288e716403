"""Files of do-not-call registers: every number of a country's is read as the phone library reads it, or refused."""

import gzip
from pathlib import Path

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat

from dialer.errors import ListError
from dialer.leads.registers import CHUNK, country_of, e164_of, plan_of, read_register

COUNTRIES = ("US", "CA", "GB", "AU", "KR", "JP", "DE", "FR", "ES", "IT", "NL", "IN", "SG", "BR", "AT", "BE", "CH", "IE")
KINDS = range(11)
KR = plan_of("KR")


def read(path: Path, country: str = "KR", column: str | None = None, *, is_whole: bool = False) -> list[str]:
    """Read a file of a country's register."""
    numbers: list[str] = []
    lines = read_register(path, plan_of(country), column, numbers.append, is_whole=is_whole)
    assert lines == len(numbers)
    return numbers


def write(folder: Path, name: str, text: str | bytes) -> Path:
    """Write a file; gzip where the name says so."""
    data = text.encode() if isinstance(text, str) else text
    path = folder / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


@pytest.mark.parametrize("country", COUNTRIES)
def test_a_countrys_numbers_are_read_however_they_are_written(country: str) -> None:
    """Of every kind: nationally with separators or without, internationally with +, 00 or, as the library can, none."""
    plan = plan_of(country)
    for kind in KINDS:
        example = phonenumbers.example_number_for_type(country, kind)
        if example is None:
            continue
        e164 = phonenumbers.format_number(example, PhoneNumberFormat.E164)
        national = phonenumbers.format_number(example, PhoneNumberFormat.NATIONAL)
        international = phonenumbers.format_number(example, PhoneNumberFormat.INTERNATIONAL)
        for text in (e164, national, international, "00" + e164[1:], "".join(filter(str.isdigit, national))):
            assert e164_of(text.encode(), plan) == e164, text
        bare = phonenumbers.parse(e164[1:], country)
        assert e164_of(e164[1:].encode(), plan) == phonenumbers.format_number(bare, PhoneNumberFormat.E164)


@given(st.sampled_from(COUNTRIES), st.from_regex(r"[0-9 ().-]{0,16}", fullmatch=True))
def test_what_is_read_is_what_the_library_reads(country: str, text: str) -> None:
    """Whatever digits stand there: a number that comes out is the library's, too, where that has one in use."""
    found = e164_of(text.encode(), plan_of(country))
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return
    if found is None or not phonenumbers.is_valid_number_for_region(number, country):
        return
    assert found == phonenumbers.format_number(number, PhoneNumberFormat.E164)


@given(st.sampled_from(COUNTRIES), st.binary(max_size=24))
def test_no_line_breaks_the_reader(country: str, line: bytes) -> None:
    """Any bytes are a number in E.164 or none."""
    found = e164_of(line, plan_of(country))
    assert found is None or (found.startswith("+") and found[1:].isdecimal())


@pytest.mark.parametrize("text", ["", "hello", "+1 202 555 0100", "010-12", "0100000000100000000", "01000000001x"])
def test_what_is_no_number_of_the_country_is_none(text: str) -> None:
    """Words, another country's numbers, too few digits, too many."""
    assert e164_of(text.encode(), KR) is None


def test_the_country_is_in_the_registers_id() -> None:
    """Its first two letters, small or large; other letters name none."""
    assert [country_of(each) for each in ("kr-donotcall", "US-dnc", "xx-dnc", "")] == ["KR", "US", None, None]


def test_a_plain_file_has_one_number_a_line(tmp_path: Path) -> None:
    """Blank lines, a byte order mark and the line ends of any system do not matter."""
    path = write(tmp_path, "r.txt", "\ufeff010-0000-0001\r\n\r\n+82 10 0000 0002\n0100000003\n")
    assert read(path) == ["+821000000001", "+821000000002", "+82100000003"]


def test_a_file_is_read_across_its_chunks(tmp_path: Path) -> None:
    """No number is lost or doubled where one chunk ends and the next begins."""
    wanted = [f"+8210{rank:08d}" for rank in range(2 * CHUNK // 12)]
    path = write(tmp_path, "r.txt", "".join(f"0{each[3:]}\n" for each in wanted))
    assert path.stat().st_size > CHUNK
    assert read(path) == wanted


@pytest.mark.parametrize("name", ["r.csv", "r.csv.gz"])
def test_a_csv_file_has_a_column_of_numbers(tmp_path: Path, name: str) -> None:
    """Found by a heading that is usual in the country, in its own encoding, with cells in quotes."""
    text = '등록일;전화번호;비고\n2026-01-02;010-0000-0001;"a;\nb"\n2026-01-03;"010-0000-0002";\n'
    for encoding in ("utf-8", "cp949"):
        assert read(write(tmp_path, name, text.encode(encoding))) == ["+821000000001", "+821000000002"]


def test_the_column_may_be_named(tmp_path: Path) -> None:
    """And is needed where no usual heading is there."""
    path = write(tmp_path, "r.csv", "id,line a\n1,010-0000-0001\n")
    assert read(path, column="Line A") == ["+821000000001"]
    with pytest.raises(
        ListError, match=r"expected a heading .*'전화번호'.*found id, line a; name the column with --column"
    ):
        read(path)


def test_headings_that_are_numbers_are_not_told(tmp_path: Path) -> None:
    """A file without headings is refused without quoting its first line."""
    with pytest.raises(ListError) as caught:
        read(write(tmp_path, "r.csv", "010-0000-0001\n010-0000-0002\n"))
    assert "0000-0001" not in str(caught.value)


def test_faults_come_with_their_lines_and_without_numbers(tmp_path: Path) -> None:
    """The first few of them; nothing else of the lines is said."""
    path = write(tmp_path, "r.txt", "010-0000-0001\n010-99\nspam 010-0000-0003\n" + "7\n" * 9)
    with pytest.raises(ListError) as caught:
        read(path)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{path}:2: expected one telephone number of KR, found 6 characters with 5 digits"
    assert lines[1].startswith(f"{path}:3: ")
    assert len(lines) == 6
    assert "0000" not in str(caught.value).replace(str(path), "")


def test_a_csv_row_without_its_cell_is_a_fault(tmp_path: Path) -> None:
    """A row that ends before the column of numbers is not passed over."""
    with pytest.raises(ListError, match=r":3: expected one telephone number"):
        read(write(tmp_path, "r.csv", "id,number\n1,010-0000-0001\n2\n"))


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9, 0.999])
def test_an_archive_cut_short_is_refused(tmp_path: Path, share: float) -> None:
    """Wherever it was cut."""
    path = write(tmp_path, "r.txt.gz", "".join(f"010{rank * 7919 % 10**8:08d}\n" for rank in range(5000)))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ListError, match="cut short"):
        read(path)


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    """A name that promises gzip over other bytes."""
    path = tmp_path / "r.txt.gz"
    path.write_bytes(b"010-0000-0001\n")
    with pytest.raises(ListError, match="no whole gzip archive"):
        read(path)


def test_a_last_line_without_its_end_is_refused(tmp_path: Path) -> None:
    """It may be the beginning of a number, unless the caller counts the numbers."""
    path = write(tmp_path, "r.txt", "010-0000-0001\n010-0000-0002")
    with pytest.raises(ListError, match=r"the last line does not end.*--count"):
        read(path)
    assert len(read(path, is_whole=True)) == 2


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "no number in it"),
        (b"\n\n", "no number in it"),
        ("010-0000-0001\n".encode("utf-16"), "UTF-16"),
        (b"0" * 3_000_000, "no list of numbers"),
    ],
)
def test_what_is_no_list_of_numbers_is_refused(tmp_path: Path, data: bytes, found: str) -> None:
    """Empty files, other encodings, and bytes without an end."""
    with pytest.raises(ListError, match=found):
        read(write(tmp_path, "r.txt", data))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """With its path and what to do."""
    with pytest.raises(ListError, match=r"none\.txt: cannot be read"):
        read(tmp_path / "none.txt")
