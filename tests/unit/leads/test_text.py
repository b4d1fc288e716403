"""Encodings, delimiters and the limits of text lists."""

import csv
import io
from pathlib import Path

import pytest

from dialer.domain.policy import ListPolicy
from dialer.errors import ListError
from dialer.leads.reader import read_rows
from dialer.leads.text import MAX_LINE, detect

KOREAN = ["이름,휴대폰"] + [f"고객{n:03},010-0{n:03}-0000" for n in range(40)]
JAPANESE = ["氏名,携帯電話"] + [f"利用者{n:03},090-0{n:03}-0000" for n in range(40)]
GERMAN = ["name,straße"] + [f"Müller {n},Große Gärten {n}, für Köln" for n in range(40)]


def write(path: Path, lines: list[str], encoding: str) -> Path:
    path.write_bytes("\r\n".join(lines).encode(encoding))
    return path


@pytest.mark.parametrize(
    ("lines", "encoding", "wanted", "name", "is_sure"),
    [
        (KOREAN, "utf-8", [], "utf-8", True),
        (KOREAN, "utf-8-sig", [], "utf-8-sig", True),
        (KOREAN, "utf-16", [], "utf-16", True),
        (KOREAN, "cp949", ["휴대폰"], "cp949", True),
        (JAPANESE, "cp932", ["携帯電話"], "cp932", True),
        (JAPANESE, "euc_jp", ["携帯電話"], "euc_jp", True),
        (KOREAN, "cp949", ["phone"], "cp949", False),
        (JAPANESE, "cp932", ["phone"], "cp932", False),
        (GERMAN, "cp1252", ["phone"], "cp1252", False),
    ],
)
def test_the_encoding_is_found_and_its_certainty_said(
    tmp_path: Path, lines: list[str], encoding: str, wanted: list[str], name: str, is_sure: bool
) -> None:
    """Marks, strict UTF-8 and the campaign's headings are proof; statistics are a guess."""
    found = detect(write(tmp_path / "list.csv", lines, encoding), None, wanted)
    assert (found.name, found.is_sure) == (name, is_sure)
    assert found.how


def test_the_campaigns_encoding_overrides(tmp_path: Path) -> None:
    """Big5 is not among the candidates, but a campaign may name it."""
    path = write(tmp_path / "list.csv", ["姓名,phone", "用戶,010-0123-4567"], "big5")
    with read_rows(path, ListPolicy(columns={"number": ("phone",)}, encoding="big5")) as source:
        assert source.headings == ("姓名", "phone")
        assert [row.cells for row in source.rows] == [("用戶", "010-0123-4567")]
    assert source.encoding is not None
    assert source.encoding.how == "set by the campaign"


def test_a_wrong_encoding_of_the_campaign_is_refused_with_the_line(tmp_path: Path) -> None:
    """Nothing is replaced by question marks."""
    path = write(tmp_path / "list.csv", KOREAN, "cp949")
    with (
        pytest.raises(ListError, match=r"list\.csv:1: bytes that are not utf-8"),
        read_rows(path, ListPolicy(encoding="utf-8")) as source,
    ):
        list(source.rows)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters_are_told_apart(tmp_path: Path, delimiter: str) -> None:
    """Comma, semicolon or tab, though the others stand in the cells."""
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter).writerows([["name", "phone", "note, or; more"], ["a", "010-0123-4567", ""]])
    path = write(tmp_path / "list.csv", [buffer.getvalue()], "utf-8")
    with read_rows(path, ListPolicy(columns={"number": ("phone",)})) as source:
        assert source.headings == ("name", "phone", "note, or; more")


def test_newlines_in_quotes_keep_the_line_numbers_right(tmp_path: Path) -> None:
    """A row's line is where it starts in the file."""
    path = write(tmp_path / "list.csv", ["name,note", 'a,"one\r\ntwo"', "", "b,x"], "utf-8")
    with read_rows(path, ListPolicy()) as source:
        assert [(row.line, row.cells) for row in source.rows] == [(2, ("a", "one\r\ntwo")), (5, ("b", "x"))]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"name,phone\n" + b"x" * 10_000_000,
            r"list\.csv:2: a line or quoted record of more than 1,048,576 characters",
        ),
        (b"x" * 10_000_000, r"list\.csv:1: a line or quoted record of more than 1,048,576 characters"),
        (b'name,phone\na,b\n"c' + b"\nd,e" * 50, r"list\.csv:3: the file ends inside a quoted cell"),
        (b'name,phone\na,b\n"c' + b"\nd,e" * 50_000, r"list\.csv:3: not readable as CSV .* is a quote left open"),
        (b"name,phone\na,b\nc,\0d\n", r"list\.csv:3: a NUL byte"),
        (b"name,phone\n\xff\xfe\0\x81\x20", r"list\.csv:2: a NUL byte"),
        (b"name,phone\n\x81\x20\xff\xfd\xa0", r"list\.csv: the bytes are neither UTF-8 nor any of cp949"),
        (b"a," * 5_000, r"5001 cells in one row"),
        (b"\n\n \n", r"no line with text"),
        (b"", r"the file is empty"),
        (b"PK\3\4rest", r"a zip archive, as \.xlsx workbooks are, the name says csv; name it \.xlsx"),
        (b"%PDF-1.7", r"a PDF document"),
    ],
)
def test_what_is_no_text_list_is_refused_with_its_place(tmp_path: Path, content: bytes, message: str) -> None:
    """Endless lines, open quotes, NUL bytes, binaries in disguise: one error that says where and what to do."""
    path = tmp_path / "list.csv"
    path.write_bytes(content)
    with pytest.raises(ListError, match=message), read_rows(path, ListPolicy()) as source:
        list(source.rows)


def test_a_long_line_is_not_read_whole() -> None:
    """The limit is far below what a hostile line could hold."""
    assert MAX_LINE <= 2**20


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "a directory, expected a file"),
        ("missing.csv", "no such file"),
        ("list.doc", r"the ending '\.doc' names no known format"),
    ],
)
def test_what_is_no_file_is_refused(tmp_path: Path, name: str, message: str) -> None:
    """Directories, missing files and unknown endings, each with what to do."""
    (tmp_path / "list.doc").write_text("name,phone\n")
    with pytest.raises(ListError, match=message):
        read_rows(tmp_path / name, ListPolicy())
