"""Files of national do-not-call registers: ten million numbers, read without parsing each as a lead's is.

One rule governs this module: a file is taken whole or not at all. A line that holds no number of the register's
country, an archive cut short and a last line without its end are refused with their place, and never with a number.

A number becomes E.164 by the country's code, trunk prefix and lengths, as the phone library has them.
"""

import csv
import functools
import gzip
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import phonenumbers

from dialer.errors import ListError
from dialer.leads.columns import fold, say_headings

CHUNK = 1 << 20
LINE_MAX = 4096
FAULTS_SHOWN = 5
SEPARATORS = b" -().,/'\"\t\r\xc2\xa0"
TEXT_ENCODINGS = ("utf-8-sig", "cp949", "cp932", "cp1252")

HEADINGS: dict[str, tuple[str, ...]] = {
    "KR": ("전화번호", "휴대전화번호", "휴대폰번호", "수신거부번호", "번호"),
    "JP": ("電話番号",),
    "BR": ("telefone", "numero", "número"),
    "IT": ("numero", "telefono", "numerazione"),
    "ES": ("telefono", "teléfono", "numero", "número"),
    "FR": ("telephone", "téléphone", "numero", "numéro"),
    "DE": ("rufnummer", "telefonnummer"),
}
"""Headings over the numbers in a country's files, beside those of ANYWHERE."""
ANYWHERE = ("number", "phone", "phone number", "phone_number", "telephone", "telephone number", "msisdn", "e164")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a country writes its numbers: `whole` matches what its plan holds, without country code and trunk prefix."""

    region: str
    code: bytes
    trunk: bytes
    lengths: frozenset[int]
    whole: re.Pattern[bytes]


def country_of(registry: str) -> str | None:
    """Tell whose register it is by the first two letters of its id; None when they name no country with telephones."""
    region = registry[:2].upper()
    return region if region in phonenumbers.SUPPORTED_REGIONS else None


@functools.cache
def plan_of(region: str) -> Plan:
    """Give the numbering plan of a country (ISO alpha-2)."""
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    if metadata is None or metadata.general_desc is None:
        raise ListError(f"{region}: expected a country with a numbering plan, found none")
    pattern = metadata.general_desc.national_number_pattern or ""
    return Plan(
        region=region,
        code=str(metadata.country_code).encode(),
        trunk=(metadata.national_prefix or "").encode(),
        lengths=frozenset(metadata.general_desc.possible_length),
        whole=re.compile(re.sub(r"\s", "", pattern).encode()),
    )


def e164_of(text: bytes, plan: Plan) -> str | None:
    """Read one number of a register; None when it is none of the country."""
    digits = text.translate(None, SEPARATORS)
    code, trunk, fits = plan.code, plan.trunk, plan.whole.fullmatch
    if digits[:1] == b"+" or digits[:2] == b"00":
        digits = digits[1:] if digits[:1] == b"+" else digits[2:]
        if not digits.startswith(code):
            return None
        digits = digits[len(code) :]
        if trunk and digits.startswith(trunk) and not fits(digits):
            digits = digits[len(trunk) :]
    elif trunk and digits.startswith(trunk) and (fits(digits[len(trunk) :]) or not fits(digits)):
        digits = digits[len(trunk) :]
    elif digits.startswith(code) and not fits(digits):
        inner = digits[len(code) :]
        if trunk and inner.startswith(trunk) and not fits(inner):
            inner = inner[len(trunk) :]
        digits = inner if fits(inner) else digits
    if len(digits) not in plan.lengths or not digits.isdigit():
        return None
    return f"+{code.decode()}{digits.decode()}"


def read_register(path: Path, plan: Plan, column: str | None, take: Callable[[str], None], *, is_whole: bool) -> int:
    """Hand over every number of a file, as E.164, and give the number of lines that held one.

    `column` is the heading over the numbers of a CSV file. `is_whole`: the caller counts the numbers and so knows a
    file that was cut; otherwise its last line must have its end. Raises ListError, when some were handed over already.
    """
    kind = _suffix(path)
    faults: list[str] = []
    count = 0
    with _opened(path) as file:
        lines = _lines(path, file, is_whole=is_whole)
        cells = _csv_cells(path, lines, plan, column, kind) if kind in (".csv", ".tsv") else enumerate(lines, start=1)
        if column is not None and kind not in (".csv", ".tsv"):
            raise ListError(f"{path}: --column names a heading of a .csv or .tsv file, and this has no headings")
        for number, cell in cells:
            e164 = e164_of(cell, plan)
            if e164 is not None:
                take(e164)
                count += 1
            elif cell.strip():
                faults.append(f"{path}:{number}: {_what(cell, plan)}")
                if len(faults) == FAULTS_SHOWN:
                    break
    if faults:
        raise ListError("\n".join([*faults, "Nothing was imported: have the file sent again, or mend these lines."]))
    if count == 0:
        raise ListError(f"{path}: no number in it: expected one number per line. Nothing was imported.")
    return count


def _what(cell: bytes, plan: Plan) -> str:
    """Say what is wrong with a line, without saying what is in it."""
    digits = sum(48 <= byte < 58 for byte in cell)
    return f"expected one telephone number of {plan.region}, found {len(cell.strip())} characters with {digits} digits"


def _suffix(path: Path) -> str:
    """Give the ending that tells the format, without that of the compression."""
    return Path(path.stem).suffix.lower() if path.suffix.lower() == ".gz" else path.suffix.lower()


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file, plain or gzip, and say what is wrong with it while it is read."""
    try:
        is_packed = path.suffix.lower() == ".gz"
        with gzip.open(path, "rb") if is_packed else path.open("rb") as file:
            yield file  # type: ignore[misc]
    except EOFError:
        raise _refused(path, "the gzip archive is cut short") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise _refused(path, f"no whole gzip archive ({error})") from None
    except OSError as error:
        raise ListError(f"{path}: cannot be read ({error.strerror}); check the file and its permissions") from None


def _refused(path: Path, found: str) -> ListError:
    return ListError(f"{path}: {found}; have it sent again. Nothing was imported.")


def _lines(path: Path, file: BinaryIO, *, is_whole: bool) -> Iterator[bytes]:
    """Give the lines of a file without their ends; memory stays bounded."""
    rest = b""
    is_first = True
    while chunk := file.read(CHUNK):
        if is_first and chunk[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise _refused(path, "text in UTF-16; save it as UTF-8")
        lines = (rest + chunk).split(b"\n")
        if is_first:
            lines[0] = lines[0].removeprefix(b"\xef\xbb\xbf")
            is_first = False
        rest = lines.pop()
        yield from lines
        if len(rest) > LINE_MAX:
            raise _refused(path, f"a line of more than {LINE_MAX} characters, so no list of numbers")
    if rest.strip():
        if not is_whole:
            raise ListError(
                f"{path}: the last line does not end, as when a file is cut: have it sent again, or say with --count "
                "how many numbers it has to hold. Nothing was imported."
            )
        yield rest


def _csv_cells(
    path: Path, lines: Iterator[bytes], plan: Plan, column: str | None, kind: str
) -> Iterator[tuple[int, bytes]]:
    """Give the cell with the number of each record, and its line. The first line holds the headings."""
    first = next(lines, b"")
    text = _decoded(first)
    delimiter = "\t" if kind == ".tsv" else max(",;\t", key=text.count)
    headings = next(csv.reader([text], delimiter=delimiter), [])
    at = _column(path, headings, plan, column)
    # Latin-1 keeps every byte, and in no encoding of these files is one of a delimiter part of a letter.
    reader = csv.reader((line.decode("latin-1") for line in lines), delimiter=delimiter, strict=True)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ListError(
                f"{path}:{reader.line_num + 1}: not readable as CSV ({error}). Nothing was imported."
            ) from None
        if any(cell.strip() for cell in cells):
            cell = cells[at] if at < len(cells) else ""
            yield reader.line_num + 1, cell.encode("latin-1") if cell.strip() else b"?"


def _decoded(line: bytes) -> str:
    for encoding in TEXT_ENCODINGS:
        try:
            return line.decode(encoding)
        except UnicodeDecodeError:
            continue
    return line.decode("latin-1")


def _column(path: Path, headings: Sequence[str], plan: Plan, column: str | None) -> int:
    """Find the column with the numbers."""
    places = {fold(heading): at for at, heading in reversed(list(enumerate(headings)))}
    wanted = (column,) if column is not None else (*HEADINGS.get(plan.region, ()), *ANYWHERE)
    found = next((places[fold(name)] for name in wanted if fold(name) in places), None)
    if found is None:
        there = say_headings(headings)
        raise ListError(
            f"{path}: expected a heading {' or '.join(map(repr, wanted))} in the first line, found {there or 'none'}; "
            "name the column with --column, or, without headings, the file .txt. Nothing was imported."
        )
    return found
