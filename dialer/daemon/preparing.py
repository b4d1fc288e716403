"""Reading and sealing the rows of a large list in several processes.

One rule governs this module: what comes out is what one process would have made, in the order of the list. Each
helper has one chunk of rows at a time, so that memory does not grow with the list.

Reading a number is most of an import's work. A helper does that and seals what is personal; finding who shares a number
with whom, and writing, are left to the one process that has the database open.
"""

import gc
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import islice
from multiprocessing.context import SpawnContext
from typing import TYPE_CHECKING, Any, NamedTuple

from dialer.domain.policy import CampaignPolicy
from dialer.domain.standing import Consent
from dialer.errors import ListError
from dialer.leads.columns import ColumnMap
from dialer.leads.numbers import Fault
from dialer.leads.rows import to_lead
from dialer.leads.source import Row
from dialer.storage.importing import Prepared, prepare
from dialer.storage.vault import Keyring, Vault, nonces

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

LARGE = 4 << 20
"""Bytes of a list from which on helpers are worth their start, which takes most of a second."""
FEW = 250  # rows, where nobody helps
CHUNK = 2_000  # rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a helper has to know."""

    columns: ColumnMap
    policy: CampaignPolicy
    now: float
    keyring: Keyring


class PreparedRow(NamedTuple):
    """What became of a row: see `dialer.leads.rows.ReadRow`, with the lead sealed."""

    lead: Prepared | None
    faults: tuple[Fault, ...]


Chunk = tuple[list[Row], list[PreparedRow]]
# What goes to and fro is plain tuples: classes take up to ten times as long on their way to another process.
_Asked = tuple[int, tuple[str, ...]]
_Told = tuple[tuple[Any, ...] | None, tuple[bytes, ...], tuple[Consent, ...], tuple[Fault, ...]]


def prepared(rows: Iterable[Row], job: Job, helpers: int | None = None) -> Iterator[Chunk]:
    """Give the rows that are not blank, in chunks, each with what became of it; raise ListError when a helper died."""
    wanted = filter(is_row, rows)
    waiting: deque[tuple[list[Row], _Helper]] = deque()
    # Not fork: the process has a database open, and maybe threads.
    context = multiprocessing.get_context("spawn")
    with ExitStack() as team:
        for _ in range(helpers or os.cpu_count() or 1):
            if chunk := list(islice(wanted, CHUNK)):
                helper = team.enter_context(_Helper(context, job))
                helper.send(chunk)
                waiting.append((chunk, helper))
        while waiting:
            chunk, helper = waiting.popleft()
            became = helper.receive()
            # It has handed over, so it listens: neither waits for the other, however large a chunk is.
            if following := list(islice(wanted, CHUNK)):
                helper.send(following)
                waiting.append((following, helper))
            yield chunk, became


def is_row(row: Row) -> bool:
    """Say whether a row holds anything but blanks."""
    return any(map(str.strip, row.cells))


def prepared_here(rows: Iterable[Row], job: Job) -> Iterator[Chunk]:
    """Give the same, made in this process: a short list is read before a helper has started."""
    wanted = filter(is_row, rows)
    vault = Vault(job.keyring)
    while chunk := list(islice(wanted, FEW)):
        yield chunk, [_to_prepared(_prepare(row, job, vault)) for row in chunk]


class _Helper:
    """A process that reads and seals a chunk at a time; it ends when nobody is there to send another."""

    def __init__(self, context: SpawnContext, job: Job) -> None:
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, job), daemon=True)
        self._process.start()
        theirs.close()

    def __enter__(self) -> "_Helper":
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.close()
        self._process.terminate()
        self._process.join()
        self._process.close()

    def send(self, chunk: list[Row]) -> None:
        """Hand a chunk over."""
        try:
            self._pipe.send([(row.line, row.cells) for row in chunk])
        except OSError as error:
            raise _ended(error) from error

    def receive(self) -> list[PreparedRow]:
        """Wait for what became of the chunk."""
        try:
            told: list[_Told] = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise _ended(error) from error
        return [_to_prepared(each) for each in told]


def _to_prepared(told: _Told) -> PreparedRow:
    values, indexes, consents, faults = told
    return PreparedRow(None if values is None else Prepared(values, indexes, consents), faults)


def _ended(error: Exception) -> ListError:
    return ListError(
        f"a process that helped to read the list was ended ({type(error).__name__}), perhaps because memory ran out. "
        "Nothing was loaded."
    )


# ------------------------------------------------------------------------------------- in the helper
def _work(pipe: "Connection[list[_Told], list[_Asked]]", job: Job) -> None:
    """Prepare chunks until the other end is closed. A key on the terminal reaches all of us, and is not for us."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()  # a row is made of no cycles, and a chunk of so much that looking for some costs a tenth of the time
    vault = Vault(job.keyring, nonce=nonces().__next__)
    with suppress(EOFError, OSError):
        while True:
            pipe.send([_prepare(Row(line=line, cells=cells), job, vault) for line, cells in pipe.recv()])


def _prepare(row: Row, job: Job, vault: Vault) -> _Told:
    """Read a row and seal its lead."""
    read = to_lead(row, job.columns, job.policy, job.now, vault.rank)
    if read.lead is None:
        return None, (), (), read.faults
    return (*prepare(read.lead, read.consents, job.policy, vault), read.faults)
