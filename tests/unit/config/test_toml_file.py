"""Files that cannot be read, or are not TOML."""

from pathlib import Path

import pytest

from dialer.config.faults import ConfigFaults, Fault
from dialer.config.toml_file import TomlFile
from dialer.errors import ConfigError


def fault_of(path: Path) -> Fault:
    """The one fault of a file."""
    with pytest.raises(ConfigFaults) as caught:
        TomlFile.read(path)
    (fault,) = caught.value.faults
    return fault


@pytest.mark.parametrize(
    ("data", "line", "expected"),
    [
        (b"a = 1\nb = \n", 2, "TOML"),
        (b"a = 1\nb = \x00\n", 2, "TOML"),
        (b"a = 1\na = 2\n", 2, "TOML"),
        (b"a = 1\nb = '\xb0\xa1'\n", 2, "UTF-8 text"),
        (b"\xff\xfea\x00", 1, "UTF-8 text"),
        (b"a = 1\n" + b"x" * 20_000, 2, "lines of at most 10,000 characters"),
        (b"x" * 10_000_000, None, "at most 1,048,576 bytes of TOML"),
        (b"a = " + b"[" * 5_000, None, "TOML with arrays and tables in each other a few deep"),
        (b"a = " + b"9" * 5_000, None, "TOML"),
        (b"a = [", None, "TOML"),
    ],
)
def test_bytes_that_are_no_toml_are_refused_with_a_place(
    tmp_path: Path, data: bytes, line: int | None, expected: str
) -> None:
    """Broken syntax, other encodings, NUL bytes, endless lines, huge files and deep nesting name file and line."""
    path = tmp_path / "x.toml"
    path.write_bytes(data)
    fault = fault_of(path)
    assert (fault.file, fault.line, fault.expected) == (str(path), line, expected)


def test_a_syntax_error_names_its_column(tmp_path: Path) -> None:
    """The column is told where the parser knows it."""
    path = tmp_path / "x.toml"
    path.write_text("ab = ?\n")
    assert str(fault_of(path)).startswith(f"{path}:1:6: expected TOML, found ")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A directory, an absent file, a device, a path with a NUL: each is told, with exit code 3."""
    assert fault_of(tmp_path).found == "a directory"
    assert fault_of(tmp_path / "absent.toml").found == "nothing"
    assert fault_of(Path("/dev/zero")).found == "a device"
    assert fault_of(Path("a\0b")).expected == "a readable TOML file"
    assert ConfigFaults.exit_code == ConfigError.exit_code == 3


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    """A file saved with a UTF-8 byte order mark reads the same."""
    path = tmp_path / "x.toml"
    path.write_bytes(b"\xef\xbb\xbfa = 1\n")
    assert TomlFile.read(path).values == {"a": 1}


def test_a_fault_reads_as_one_line() -> None:
    """Place, key, expected, found and hint stand in one line that an editor can jump to."""
    fault = Fault(file="x.toml", line=14, key="retry.busy.after", expected="a duration", found='"10"', hint="do this")
    assert str(fault) == 'x.toml:14: retry.busy.after: expected a duration, found "10"; do this'


def test_several_faults_are_counted() -> None:
    """The message of several faults begins with their number and has one line for each."""
    fault = Fault(file="x.toml", line=1, key="a", expected="b", found="c")
    assert str(ConfigFaults([fault, fault])).splitlines() == ["2 faults", str(fault), str(fault)]
