"""Opens a lead list of any format. The name's ending says which format; the first bytes must agree with it."""

import hashlib
import stat
from pathlib import Path

from dialer.domain.policy import ListPolicy
from dialer.leads.delimited import read_csv
from dialer.leads.excel import read_xlsx
from dialer.leads.jsonl import read_jsonl
from dialer.leads.parquet import read_parquet
from dialer.leads.source import RowSource, refuse

FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".xlsx": "xlsx",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
SIGNATURES = (
    (b"PK\3\4", "xlsx", "a zip archive, as .xlsx workbooks are"),
    (b"PAR1", "parquet", "a Parquet file"),
    (b"\xd0\xcf\x11\xe0", "", "an old .xls workbook or one with a password"),
    (b"%PDF", "", "a PDF document"),
    (b"\x1f\x8b", "", "a gzip archive"),
    (b"\xff\xd8\xff", "", "a picture"),
    (b"\x89PNG", "", "a picture"),
)


def read_rows(path: Path, policy: ListPolicy) -> RowSource:
    """Open a list for reading, headings first. Raises `ListError` when the file is no list."""
    kind = _format(path)
    wanted = [heading for headings in policy.columns.values() for heading in headings]
    try:
        if kind == "xlsx":
            return read_xlsx(path)
        if kind == "parquet":
            return read_parquet(path)
        if kind == "jsonl":
            return read_jsonl(path, policy.encoding, wanted)
        return read_csv(path, policy.encoding, wanted)
    except OSError as error:
        raise refuse(path, f"cannot be read ({error.strerror})", "check the file and its permissions") from None


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, as hexadecimal."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise refuse(path, f"cannot be read ({error.strerror})", "check the file and its permissions") from None


def _format(path: Path) -> str:
    """Tell the format by the name's ending, and refuse what cannot be a list."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise refuse(path, "a directory, expected a file", "name one list file")
        if not stat.S_ISREG(status.st_mode):
            raise refuse(path, "not a regular file", "copy the list into a file first")
        if status.st_size == 0:
            raise refuse(path, "the file is empty", "a list has a line of headings and one line per person")
        with path.open("rb") as file:
            head = file.read(8)
    except FileNotFoundError:
        raise refuse(path, "no such file", "check the path; a campaign's are relative to its TOML file") from None
    except (OSError, ValueError) as error:
        raise refuse(path, f"cannot be read ({error})", "check the file and its permissions") from None
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise refuse(path, f"the ending {path.suffix!r} names no known format", f"known are {', '.join(FORMATS)}")
    for signature, really, description in SIGNATURES:
        if head.startswith(signature) and kind != really:
            raise refuse(path, f"the content is {description}, the name says {kind}", _remedy(really))
    return kind


def _remedy(really: str) -> str:
    """Say what to do with a file whose content is not what its name says."""
    if really:
        return f"name it .{really}"
    return "export the list as CSV in UTF-8 or as .xlsx"
