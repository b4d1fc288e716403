"""Brings a lead list into the store: read, clean, merge, report. All of a list is loaded, or nothing of it."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dialer.daemon.preparing import LARGE, Chunk, Job, PreparedRow, is_row, prepared, prepared_here
from dialer.domain.policy import CampaignPolicy
from dialer.errors import ListError
from dialer.leads.columns import ColumnMap, fits_nothing, locate
from dialer.leads.numbers import Fault
from dialer.leads.proposal import no_fit
from dialer.leads.reader import digest_of, read_rows
from dialer.leads.rejects import RejectsFile
from dialer.leads.rows import ReadRow, to_lead
from dialer.leads.source import Encoding, Row, RowSource, refuse
from dialer.storage.importing import LeadImport
from dialer.storage.imports import Added, ImportSession, ImportStore

PROGRESS_EVERY = 250

Progress = Callable[[int, float], None]
"""Told every so often how many rows are done, and which share of the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What became of a list. `rows` = `loaded` + `merged` + `rejected`; blank rows are not rows.

    `unchanged` counts those of `merged` that told nothing new; `reasons` counts rejected rows by reason code and
    `lost_numbers` the bad numbers of rows that were taken with another number.
    """

    path: str
    campaign: str
    digest: str
    format: str
    detail: str
    encoding: Encoding | None
    columns: Mapping[str, tuple[str, ...]]
    absent_columns: tuple[str, ...]
    unused_columns: int
    rows: int
    loaded: int
    merged: int
    unchanged: int
    rejected: int
    reasons: Mapping[str, int]
    lost_numbers: Mapping[str, int]
    consents: int  # that rows tell of, known ones too
    rejects_path: str | None
    is_dry_run: bool
    elapsed_s: float


def import_list(
    path: str | Path,
    policy: CampaignPolicy,
    store: ImportStore,
    now: float,
    *,
    is_dry_run: bool = False,
    progress: Progress | None = None,
    large: int = LARGE,
) -> ImportReport:
    """Import one list into a campaign. From `large` bytes on, other processes help to read it.

    Raises `ListError` when the file as a whole cannot be read or its rejects cannot be written; the store is then as it
    was before, as it is after a dry run. Rejected rows go to `<list>.rejects.csv` in both cases of success.
    """
    started_at = time.perf_counter()
    path, tell = Path(path), progress or _never_mind
    with read_rows(path, policy.list) as source:
        columns = _columns(source, policy)
        digest = digest_of(path)
        counts = _Counts()
        with RejectsFile(path, source.headings) as rejects:
            with store.importing(policy, str(path), digest, now) as session:
                if isinstance(session, LeadImport):
                    job = Job(columns=columns, policy=policy, now=now, keyring=session.keyring)
                    is_alone = path.stat().st_size < large
                    for rows, became in _prepared(source, job, session, is_alone, is_dry_run):
                        _take_many(rows, became, session, rejects, counts)
                        tell(counts.rows, source.share_read())
                else:
                    for row in source.rows:
                        if is_row(row):
                            _take(row, to_lead(row, columns, policy, now), session, rejects, counts)
                            if counts.rows % PROGRESS_EVERY == 0:
                                tell(counts.rows, source.share_read())
                _finish(source, session, rejects, counts.rows, is_dry_run)
            rejects_path = rejects.keep()
    tell(counts.rows, 1.0)
    return ImportReport(
        path=str(path),
        campaign=policy.name,
        digest=digest,
        format=source.format,
        detail=source.detail,
        encoding=source.encoding,
        columns=columns.used(source.headings),
        absent_columns=columns.absent,
        unused_columns=columns.unused,
        rows=counts.rows,
        loaded=counts.ends["loaded"],
        merged=counts.ends["merged"] + counts.ends["unchanged"],
        unchanged=counts.ends["unchanged"],
        rejected=counts.ends["rejected"],
        reasons=dict(counts.reasons),
        lost_numbers=dict(counts.lost_numbers),
        consents=counts.consents,
        rejects_path=str(rejects_path) if rejects_path is not None else None,
        is_dry_run=is_dry_run,
        elapsed_s=time.perf_counter() - started_at,
    )


def _prepared(source: RowSource, job: Job, session: LeadImport, is_alone: bool, is_dry_run: bool) -> Iterator[Chunk]:
    """Have a list prepared, a large one by helpers: from its first rows on it may go straight to its place."""
    if is_alone:
        yield from prepared_here(source.rows, job)
        return
    for rank, chunk in enumerate(prepared(source.rows, job)):
        if rank == 0 and not is_dry_run:  # a dry run would leave its rows to a server's vacuum
            session.go_straight()
        yield chunk


def check_list(path: str | Path, policy: CampaignPolicy) -> None:
    """Read the headings of a list and no further than its first row.

    Raises the `ListError` of an import when the file cannot be read, does not have the campaign's columns, or has no
    row. What is wrong further down is an import's to find.
    """
    with read_rows(Path(path), policy.list) as source:
        _columns(source, policy)
        if not any(cell.strip() for row in source.rows for cell in row.cells):
            raise _no_row(source)


def _columns(source: RowSource, policy: CampaignPolicy) -> ColumnMap:
    """Find the campaign's columns; with none of them, raise a `ListError` with a proposal."""
    if fits_nothing(source, policy.list.columns):
        raise no_fit(source, policy)
    return locate(source, policy.list.columns)


def _no_row(source: RowSource) -> ListError:
    return refuse(source.path, "headings but no row under them", "a list has one line per person")


@dataclass(slots=True)
class _Counts:
    """What has become of the rows so far."""

    rows: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    lost_numbers: Counter[str] = field(default_factory=Counter)
    consents: int = 0


def _never_mind(_: int, __: float) -> None:
    """Take note of nothing."""


def _take(row: Row, read: ReadRow, session: ImportSession, rejects: RejectsFile, counts: _Counts) -> None:
    """Bring one row to its end: loaded, merged or rejected."""
    added = None if read.lead is None else session.add(read.lead, read.consents)
    _count(row, added, read.faults, len(read.consents), rejects, counts)


def _take_many(
    rows: list[Row], became: list[PreparedRow], session: LeadImport, rejects: RejectsFile, counts: _Counts
) -> None:
    """Bring rows that were read elsewhere to their ends, in order."""
    ends = iter(session.add_many([each.lead for each in became if each.lead is not None]))
    for row, each in zip(rows, became, strict=True):
        added = None if each.lead is None else next(ends)
        consents = 0 if each.lead is None else len(each.lead.consents)
        _count(row, added, each.faults, consents, rejects, counts)


def _count(
    row: Row, added: Added | None, faults: tuple[Fault, ...], consents: int, rejects: RejectsFile, counts: _Counts
) -> None:
    """Count a row's end (None: rejected for its first fault) and keep what of it was not taken."""
    counts.rows += 1
    if added is None:
        counts.ends["rejected"] += 1
        counts.reasons[faults[0].reason.value] += 1
        rejects.add(row, faults[0], "row")
        return
    counts.ends[added] += 1
    counts.consents += consents
    for fault in faults:
        counts.lost_numbers[fault.reason.value] += 1
        rejects.add(row, fault, "number")


def _finish(source: RowSource, session: ImportSession, rejects: RejectsFile, rows: int, is_dry_run: bool) -> None:
    """Settle what must be settled while the import can still be undone."""
    if rows == 0:
        raise _no_row(source)
    rejects.flush()
    if is_dry_run:
        session.rollback()
