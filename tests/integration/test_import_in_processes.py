"""Other processes help to read a large list, and what comes of it is what one process makes, row by row."""

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dialer.config.campaign import load_campaign
from dialer.daemon.imports import ImportReport, import_list
from dialer.daemon.preparing import Job, _prepare, prepared
from dialer.domain.policy import CampaignPolicy, ListPolicy
from dialer.errors import ListError
from dialer.leads.columns import locate
from dialer.leads.reader import read_rows
from dialer.leads.source import Row
from dialer.storage.database import Database
from dialer.storage.postgres import PostgresDatabase
from dialer.storage.sqlite import SqliteDatabase
from dialer.storage.store import Store
from tests.architecture.tree import ROOT
from tests.unit.storage.builders import VAULT, make_number, make_policy

NOW = 1_773_144_000.0
LISTS = ROOT / "campaigns" / "lists"
SHIPPED = [
    (path, load_campaign(campaign))
    for campaign in sorted((ROOT / "campaigns").glob("*.toml"))
    for path in map(Path, load_campaign(campaign).list.files)
    if path.name in ("renewal-kr.csv", "survey-us.xlsx")
]


def brought_in(
    path: Path, policy: CampaignPolicy, database: Path | Database, *, large: int, times: int = 1
) -> dict[str, Any]:
    """Import a list into a database; give all that came of it."""
    database = SqliteDatabase(database) if isinstance(database, Path) else database
    with closing(Store(database, VAULT)) as store:
        reports = [import_list(path, policy, store, NOW, large=large) for _ in range(times)]
        rejects = Path(reports[-1].rejects_path).read_bytes() if reports[-1].rejects_path else b""
        leads = list(store.leads(policy.name))
        keys = list(store._rows("SELECT lead_id, place, order_key, number_keys, number_facts FROM leads ORDER BY 1"))
        consents = [
            sorted(each.consent.obtained_at for each in store.consents(policy.seller, number.e164))
            for lead in leads
            for number in lead.numbers
        ]
        claimed = store.claim(policy.name, 20, NOW)
    return {
        "reports": [replace(report, elapsed_s=0.0) for report in reports],
        "rejects": rejects,
        "leads": leads,
        "keys": keys,
        "consents": consents,
        "claimed": claimed,
    }


@pytest.mark.parametrize(("path", "policy"), SHIPPED, ids=[path.name for path, _ in SHIPPED])
def test_helpers_make_the_same_of_a_list(path: Path, policy: CampaignPolicy, tmp_path: Path) -> None:
    """Leads, ids, order, rejects and counts of two shipped lists, and nothing new when it is imported again."""
    there = tmp_path / path.name
    there.write_bytes(path.read_bytes())
    alone = brought_in(there, policy, tmp_path / "alone.db", large=1 << 60, times=2)
    helped = brought_in(there, policy, tmp_path / "helped.db", large=0, times=2)
    assert helped == alone
    report: ImportReport = helped["reports"][1]
    assert report.loaded == 0


SHARING = make_policy(
    list=ListPolicy(
        columns={
            "number": ("phone", "phone2"),
            "name": ("name",),
            "zone": ("zone",),
            "consent_at": ("consent",),
            "priority": ("priority",),
        },
        order=("priority desc", "shuffle"),
    )
)


def sharing_rows() -> list[str]:
    """A list in which most rows share a number with another."""
    rows = ["phone,phone2,name,zone,consent,priority"]
    for rank in range(2_500):
        first = make_number(100 + rank % 97).e164
        second = make_number(100 + rank * 7 % 100).e164 if rank % 3 else ""
        zone = "Nowhere/Land" if rank % 50 == 7 else ""
        consent = "2026-01-05" if rank % 5 == 0 else ""
        rows.append(f"{first},{second},Nobody {rank % 40 or ''},{zone},{consent},{rank % 4}")
        rows += ["", "no number,,Nobody,,,", ",,,,,,,too many"] if rank % 400 == 9 else []
    return rows


def test_numbers_that_rows_share_are_found(tmp_path: Path) -> None:
    """Within a chunk, over chunks, with what was there before, with consents, and whatever a row is rejected for."""
    policy, rows = SHARING, sharing_rows()
    before, file = tmp_path / "before.csv", tmp_path / "list.csv"
    before.write_text("\n".join(rows[:40]), encoding="utf-8")
    file.write_text("\n".join(rows), encoding="utf-8")
    found = []
    for large in (1 << 60, 0):
        database = tmp_path / f"{large}.db"
        brought_in(before, policy, database, large=1 << 60)
        found.append(brought_in(file, policy, database, large=large))
    assert found[0] == found[1]
    assert found[1]["reports"][0].merged > 2_000
    assert any(found[1]["consents"])


def test_a_first_list_goes_straight_to_its_place_on_a_server(postgres_address: str, tmp_path: Path) -> None:
    """The same comes of it, also when it is imported again; nobody sees a lead of it before its end."""
    server, file = PostgresDatabase(postgres_address, tmp_path), tmp_path / "list.csv"
    file.write_text("\n".join(sharing_rows()), encoding="utf-8")
    seen = []
    with closing(Store(server, VAULT)) as store, closing(Store(server, VAULT)) as daemon:

        def look(rows: int, share: float) -> None:
            daemon.register(SHARING)
            seen.append((daemon.counts(SHARING.name).loaded, len(daemon.claim(SHARING.name, 9, NOW).leads)))
            if len(seen) == 2:
                raise ListError("stopped")

        with pytest.raises(ListError, match="stopped"):
            import_list(file, SHARING, store, NOW, large=0, progress=look)
        assert seen == [(0, 0), (0, 0)]
        assert daemon.counts(SHARING.name).loaded == 0
        assert import_list(file, SHARING, store, NOW, large=0, is_dry_run=True).merged > 2_000
        assert daemon.counts(SHARING.name).loaded == 0
    straight = brought_in(file, SHARING, server, large=0, times=2)
    alone = brought_in(file, SHARING, tmp_path / "alone.db", large=1 << 60, times=2)
    for each in (straight, alone):  # consents have other ids where some were undone
        each["claimed"] = [replace(lead, standing=None) for lead in each["claimed"].leads]
    assert straight == alone


def test_beside_a_daemon_a_list_waits_for_its_move(postgres_address: str, tmp_path: Path) -> None:
    """While a server's daemon dials, an import has no transaction open: what the daemon changes can be swept."""
    server, file = PostgresDatabase(postgres_address, tmp_path), tmp_path / "list.csv"
    file.write_text("\n".join(sharing_rows()), encoding="utf-8")
    begun: list[int] = []
    with (
        closing(Store(server, VAULT)) as store,
        psycopg.connect(postgres_address, autocommit=True) as other,
    ):

        def look(rows: int, share: float) -> None:
            sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_xid IS NOT NULL"
            begun.extend(other.execute(sql).fetchone() or ())
            raise ListError("stopped")

        for is_at_work in (False, True):
            if is_at_work:
                other.execute("INSERT INTO engines VALUES (7, 'north', 1, 'a daemon', extract(epoch FROM now()) + 60)")
            with pytest.raises(ListError, match="stopped"):
                import_list(file, SHARING, store, NOW, large=0, progress=look)
    assert begun == [1, 0]


def test_an_import_that_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    """The helpers end with it."""
    path, policy = SHIPPED[0]
    there = tmp_path / path.name
    there.write_bytes(path.read_bytes())

    def stop(rows: int, _: float) -> None:
        raise ListError(f"stopped after {rows} rows")

    with closing(Store(SqliteDatabase(tmp_path / "a.db"), VAULT)) as store:
        with pytest.raises(ListError, match="stopped after"):
            import_list(there, policy, store, NOW, large=0, progress=stop)
        assert store.counts(policy.name).loaded == 0
        assert import_list(there, policy, store, NOW, large=0, is_dry_run=True).loaded > 0
        assert store.counts(policy.name).loaded == 0


def job_of(path: Path, policy: CampaignPolicy) -> tuple[Job, list[Row]]:
    """What helpers are told of a list, and its rows."""
    with read_rows(path, policy.list) as source:
        rows = list(source.rows)
        columns = locate(source, policy.list.columns)
    return Job(columns=columns, policy=policy, now=NOW, keyring=VAULT.keyring), rows


def test_few_rows_are_under_way_at_once() -> None:
    """However long the list: helpers are given a few chunks, and more only when those were taken."""
    job, rows = job_of(*SHIPPED[0])
    read = [0]

    def endless() -> Iterator[Row]:
        while True:
            for row in rows:
                read[0] += 1
                yield row

    chunks = prepared(endless(), job, helpers=2)
    with closing(chunks):  # type: ignore[type-var]
        for _ in range(3):
            next(chunks)
        assert read[0] < 15_000


def test_a_helper_that_dies_is_told_of(tmp_path: Path) -> None:
    """Nothing is loaded, and the error says so."""
    job, rows = job_of(*SHIPPED[0])

    def kill_children(rows: Iterable[Row]) -> Iterator[Row]:
        for rank, row in enumerate(rows):
            if rank == 20_000:  # by now every helper has handed something over, so it is past its own start
                children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text(encoding="ascii").split()
                for child in children:
                    command = Path(f"/proc/{child}/cmdline").read_bytes()
                    if b"spawn_main" in command:
                        os.kill(int(child), signal.SIGKILL)
            yield row

    with pytest.raises(ListError, match=r"a process that helped to read the list was ended.*Nothing was loaded"):
        for _ in prepared(kill_children(rows * 10), job, helpers=2):
            pass


def test_a_row_is_sealed_where_it_is_read() -> None:
    """What a helper hands over holds no number and no name in plain text."""
    job, rows = job_of(*SHIPPED[0])
    sealed = [_prepare(row, job, VAULT)[0] for row in rows[:50]]
    assert sum(values is not None for values in sealed) > 20
    for values in sealed:
        if values is not None:
            joined = b" ".join(value for value in values if isinstance(value, bytes))
            assert not any(cell.encode() in joined for row in rows[:50] for cell in row.cells if len(cell) > 6)
