"""The file of rejected rows beside a list: UTF-8 CSV with a byte order mark, so that spreadsheets read it right.

It is written under a temporary name and takes its place only when the import is done. Original cells stay as they were,
with whole phone numbers: only this user may read the file.
"""

import contextlib
import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from dialer.errors import ListError
from dialer.leads.columns import clean_heading
from dialer.leads.numbers import Fault
from dialer.leads.source import Row, refuse

COLUMNS = ("line", "rejected", "reason", "explanation")


class RejectsFile:
    """Collects the rejects of one import. Opens at once: a folder that cannot be written to stops the import early."""

    def __init__(self, list_path: Path, headings: Sequence[str]) -> None:
        self.path = list_path.with_name(f"{list_path.name}.rejects.csv")
        self.count = 0
        self._temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        self._list_path = list_path
        try:
            if self.path.is_dir():
                raise IsADirectoryError(0, "a directory of that name is in the way")
            descriptor = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            self._file: TextIO = os.fdopen(descriptor, "w", encoding="utf-8-sig", newline="")
        except OSError as error:
            raise refuse(
                list_path,
                f"rejected rows go to {self.path}, which cannot be written ({error.strerror})",
                "make the folder writable or copy the list to one that is",
            ) from None
        self._writer = csv.writer(self._file)
        self._writer.writerow([*COLUMNS, *(clean_heading(heading) for heading in headings)])

    def __enter__(self) -> "RejectsFile":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # closing writes what is left, onto a disk that may be full: it goes anyway
            self._file.close()
        self._temporary.unlink(missing_ok=True)

    def add(self, row: Row, fault: Fault, what: str) -> None:
        """Write one fault; `what` is `row` or `number`: all of the row was rejected, or only one of its numbers."""
        self.count += 1
        try:
            self._writer.writerow([row.line, what, fault.reason.value, fault.text, *row.cells])
        except OSError as error:
            raise self._unwritable(error) from None

    def flush(self) -> None:
        """Make sure everything is on disk, while the import can still be undone."""
        try:
            self._file.flush()
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> ListError:
        """Build the error for a disk that fills up on the way."""
        found = f"cannot write {self.path} ({error.strerror})"
        return refuse(self._list_path, found, "make room and import again")

    def keep(self) -> Path | None:
        """Put the file in its place and name it; without rejects, remove the one of an earlier import."""
        self._file.close()
        if self.count:
            self._temporary.replace(self.path)
            return self.path
        self.path.unlink(missing_ok=True)
        return None
