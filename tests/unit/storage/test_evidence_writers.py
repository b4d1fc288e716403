"""Several writers of one log: each entry has one place in it, and what it says fits that place."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from threading import Thread

import pytest

from dialer.domain.commands import Command
from dialer.domain.events import LawLoaded
from dialer.storage.database import Database
from dialer.storage.evidence import EvidenceWriter, Memory
from dialer.storage.evidence_bodies import DeedBody
from dialer.storage.evidence_check import Checked, check
from dialer.storage.evidence_file import Wanted
from dialer.storage.postgres import PostgresDatabase
from dialer.storage.store import Store
from tests.laws import ALL_DAY, hours_rule, law, ruleset
from tests.unit.storage.builders import VAULT
from tests.unit.storage.evidence_log import verdict

WRITERS, TURNS = 4, 25
LAW = law(ruleset("US", hours_rule(ALL_DAY, "US.hours")))
OTHER = replace(law(ruleset("GB", hours_rule(ALL_DAY, "GB.hours"))), digest="2b" * 32)


def exported(store: Store, wanted: Wanted | None = None) -> tuple[list[dict[str, object]], Checked]:
    """The entries of a log, and what a check says of them."""
    out = BytesIO()
    store.export_evidence(out, wanted or Wanted())
    lines = map(json.loads, out.getvalue().splitlines())
    return [line["body"] for line in lines if line["line"] == "entry"], check(BytesIO(out.getvalue()), "evidence.jsonl")


def write(database: Database, writer: int) -> None:
    """Add entries to a log, one transaction after the other."""
    with closing(Store(database, VAULT)) as store:
        for turn in range(TURNS):
            at = float(turn)
            if turn % 2:
                commands: Iterator[Command] = (verdict(index, at) for index in (writer, turn))
                store.apply(commands)
            else:
                store.note(DeedBody(at=at, kind="view", who=f"user-{writer}", what="lead", reason=str(turn)))


def test_writers_at_once_leave_neither_gap_nor_fork(any_database: Database) -> None:
    """Every entry of every writer is in the one chain, in the order in which that writer wrote."""
    with closing(Store(any_database, VAULT)) as store:
        writers = [Thread(target=write, args=(any_database, writer)) for writer in range(WRITERS)]
        for thread in writers:
            thread.start()
        for thread in writers:
            thread.join()
        bodies, found = exported(store)
    views, verdicts = (TURNS + 1) // 2, TURNS // 2 * 2
    assert dict(found.kinds) == {"view": WRITERS * views, "verdict": WRITERS * verdicts}
    for writer in range(WRITERS):
        said = [body["reason"] for body in bodies if body.get("who") == f"user-{writer}"]
        assert said == [str(turn) for turn in range(0, TURNS, 2)]


@pytest.mark.parametrize("since", [float("-inf"), 2.5])
def test_a_verdict_names_the_law_before_it_that_another_writer_put_there_meanwhile(
    postgres_address: str, tmp_path: Path, since: float
) -> None:
    """A law that came between the decision and its entry is the last one for the log, so that any span is whole."""
    database = PostgresDatabase(postgres_address, tmp_path)
    with closing(Store(database, VAULT)) as other, closing(database.open_writer(VAULT)) as connection:
        other.commit(1, 1.0, LawLoaded(law=LAW), ())
        with database.transaction(connection):
            writer = EvidenceWriter(connection, VAULT, Memory())
            writer.take(3.0, None, [verdict(1, 3.0, law_digest=LAW.digest), verdict(2, 3.0, law_digest=OTHER.digest)])
            other.commit(2, 2.0, LawLoaded(law=OTHER), ())
            writer.flush()
        bodies, found = exported(other, Wanted(since=since))
    assert [body.get("law_digest", "the last") for body in bodies if body["kind"] == "verdict"] == [
        LAW.digest,
        "the last",
    ]
    assert found.lawless == 1
