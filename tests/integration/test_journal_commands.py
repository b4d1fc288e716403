"""`dialer journal`: export, verify and trim, from the command line."""

import json
import os
import pwd
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from dialer.cli.main import app
from dialer.config.settings import load_settings
from dialer.daemon.clock import make_clock
from dialer.daemon.stores import database_of, open_store
from dialer.domain.commands import Command, PlaceCall, RecordAttempt
from dialer.domain.events import CallDisposed, CampaignLoaded, LeadsClaimed
from dialer.storage import journal
from dialer.storage.codec import decode_entry
from dialer.storage.store import Store
from tests.servers.databases import by_hand
from tests.unit.storage.builders import make_attempt, make_lead, make_number, make_policy

ME = pwd.getpwuid(os.getuid()).pw_name
MARCH = 1773144000.0  # 2026-03-10 12:00 UTC
DAY = 86_400.0
LEAD = make_lead(5, lead_id=4, name="Nobody Known", external_id="customer-7", fields={"street": "Nowhere Lane"})


@pytest.fixture
def config(tmp_path: Path, database_line: str) -> Path:
    """A configuration in which the user of the tests may see whole numbers."""
    (tmp_path / "campaigns").mkdir()
    path = tmp_path / "config.toml"
    path.write_text(f'state_dir = "state"\n{database_line}[privacy]\nfull_view = ["{ME}"]\n', encoding="utf-8")
    return path


@contextmanager
def store_of(config: Path) -> Iterator[Store]:
    """The database of a configuration, for writing."""
    with open_store(load_settings(config)) as store:
        yield store


def placed(call_id: int, at: float, **changes: object) -> tuple[Command, ...]:
    """The order to dial and the attempt that goes with it."""
    attempt = make_attempt(call_id, at, **changes)
    order = PlaceCall(
        call_id=call_id,
        campaign=attempt.campaign,
        lead_id=attempt.lead_id,
        number=attempt.number,
        ring_timeout_s=20.0,
        caller_id=make_number(99).e164,
        agent_id=None,
    )
    return (RecordAttempt(attempt=attempt), order)


@pytest.fixture
def worked(config: Path) -> Path:
    """A configuration whose database has a journal of ten days: two entries a day, a call in the second."""
    with store_of(config) as store:
        store.commit(1, MARCH, CampaignLoaded(policy=make_policy()), [])
        store.commit(2, MARCH, LeadsClaimed(campaign="spring", leads=(LEAD,), next_due_at=None, open_leads=1), [])
        for day in range(1, 10):
            at = MARCH + day * DAY
            note = f"ask for {make_number(5).e164}"
            said = CallDisposed(call_id=day, agent_id="a1", disposition="sale", note=note)
            store.commit(2 * day + 1, at, said, [])
            store.commit(2 * day + 2, at, None, placed(day, at))
    return config


def run(*arguments: object) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


def on_database(config: Path, *statements: str) -> list[tuple[object, ...]]:
    """Change the database by hand, as somebody might; give what the last statement found."""
    with by_hand(database_of(load_settings(config))) as connection:
        for statement in statements:
            cursor = connection.execute(statement)
        return cursor.fetchall() if statement.startswith("SELECT") else []


def deeds(config: Path) -> list[dict[str, object]]:
    """What the evidence says that users did."""
    found = on_database(config, "SELECT body FROM evidence WHERE kind IN ('export', 'view', 'trim') ORDER BY seq")
    return [json.loads(body) for (body,) in found]  # type: ignore[arg-type]


def test_an_export_names_nobody(worked: Path, tmp_path: Path) -> None:
    """Numbers, names, notes and further fields are masked; who took it out, and why, is in the evidence."""
    file = tmp_path / "journal.jsonl"
    done = run("journal", "export", "-o", file, "--reason", "a question of the auditor", "--config", worked)
    assert done.exit_code == 0, done.output
    assert "20 entries written to" in done.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, 21))
    assert {line["version"] for line in lines} == {lines[0]["version"]}
    assert not any(word in text for word in ("Nobody Known", "customer-7", "Nowhere Lane", "2025550005", "2025550001"))
    lead = lines[1]["event"]["leads"][0]
    assert (lead["name"], lead["external_id"], lead["fields"]) == ("N****", "****", {"street": "****"})
    assert lead["numbers"][0]["e164"] == "+1-202-****-0005"
    assert lines[2]["event"]["note"] == "****"
    assert [(deed["kind"], deed["what"], deed["who"], deed["reason"]) for deed in deeds(worked)] == [
        ("export", "journal", ME, "a question of the auditor")
    ]


def test_a_span_is_taken_out_whole_with_the_right_to_it(worked: Path, tmp_path: Path) -> None:
    """Whole lines are entries as today's dialer writes them; that they were whole is recorded."""
    file = tmp_path / "journal.jsonl"
    span = ("--from-seq", 2, "--to-seq", 4, "--unmasked")
    done = run("journal", "export", "-o", file, *span, "--reason", "audit", "--config", worked)
    assert done.exit_code == 0, done.output
    with store_of(worked) as store:
        assert [decode_entry(line) for line in file.read_bytes().splitlines()] == list(store.entries())[1:4]
    details = deeds(worked)[0]["details"]
    assert details == {"first": 2, "last": 4, "output": str(file), "numbers": "whole"}


def test_an_export_without_right_or_reason_is_refused(worked: Path, tmp_path: Path) -> None:
    """Nothing is written, and nothing recorded."""
    file = tmp_path / "journal.jsonl"
    assert run("journal", "export", "-o", file, "--reason", " ", "--config", worked).exit_code == 2
    span = ("--from-seq", 4, "--to-seq", 2)
    assert run("journal", "export", "-o", file, *span, "--reason", "audit", "--config", worked).exit_code == 2
    worked.write_text(worked.read_text(encoding="utf-8").partition("[privacy]")[0], encoding="utf-8")
    refused = run("journal", "export", "-o", file, "--unmasked", "--reason", "audit", "--config", worked)
    assert refused.exit_code == 9
    assert not file.exists()
    assert deeds(worked) == []


def test_a_whole_journal_is_verified(worked: Path) -> None:
    """It says what is there, and ends with 0."""
    done = run("journal", "verify", "--config", worked)
    assert done.exit_code == 0, done.output
    assert "journal: whole: 20 entries (1 to 20), 9 calls ordered" in done.stdout
    assert "2026-03-10 12:00:00 UTC to 2026-03-19 12:00:00 UTC" in done.stdout
    assert "(a deadline)" in done.stdout
    found = json.loads(run("journal", "verify", "--json", "--config", worked).stdout)
    assert (found["entries"], found["calls"], found["fault_count"]) == (20, 9, 0)
    assert found["kinds"]["PlaceCall"] == 9


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("DELETE FROM journal WHERE seq = 7", "entry 7: missing"),
        ("DELETE FROM journal WHERE seq < 4", "entry 1 to 3: missing"),
        ("DELETE FROM journal WHERE seq > 17", "2 attempts have no order to dial"),
        ("UPDATE journal SET entry = substr(entry, 2) WHERE seq = 7", "entry 7: it cannot be read"),
        ("UPDATE journal SET entry = (SELECT entry FROM journal WHERE seq = 3) WHERE seq = 7", "that it is entry 3"),
        ("UPDATE journal SET at = at - 999999 WHERE seq = 7", "is before that of the entry before it"),
        ("DELETE FROM attempts WHERE call_id = 3", "entry 8: call 3 was ordered, and there is no attempt of it"),
        ("UPDATE attempts SET lead_id = 77 WHERE call_id = 3", "entry 8: call 3 was ordered for another lead"),
        ("UPDATE meta SET value = 9 WHERE key = 'next_call_id'", "next_call_id is 9, and 9 is in use already"),
        ("DELETE FROM meta WHERE key = 'next_lead_id'", "next_lead_id is None"),
    ],
)
def test_what_is_not_whole_is_found(worked: Path, statement: str, fault: str) -> None:
    """Each fault is named, and the exit code is 8."""
    on_database(worked, statement)
    found = run("journal", "verify", "--config", worked)
    assert found.exit_code == 8, found.output
    assert fault in found.stdout
    assert "not whole" in found.stdout


def trim(config: Path, before: str, *more: str) -> Result:
    """Trim for a test's reason."""
    return run("journal", "trim", "--before", before, "--reason", "older than a week", *more, "--config", config)


def test_a_trimmed_journal_goes_on(worked: Path, tmp_path: Path) -> None:
    """Old entries go, attempts stay, numbers go on; it can be verified, exported and trimmed again."""
    dry = trim(worked, "2026-03-13T12:00", "--dry-run")
    assert "6 entries from before 2026-03-13 12:00:00 UTC would go; the first one left is 7" in dry.stdout
    done = trim(worked, "2026-03-13T12:00")
    assert done.exit_code == 0, done.output
    assert "6 entries from before 2026-03-13 12:00:00 UTC gone; the first one left is 7" in done.stdout
    with store_of(worked) as store:
        assert [entry.seq for entry in store.entries()] == list(range(7, 21))
        assert store.next_seq() == 21
        assert len(list(store.attempts(None, 0.0, MARCH + 99 * DAY))) == 9
        store.commit(21, MARCH + 10 * DAY, None, placed(10, MARCH + 10 * DAY))
    verified = run("journal", "verify", "--config", worked)
    assert "whole: 15 entries (7 to 21), 8 calls ordered\n  up to entry 6 it was trimmed" in verified.stdout
    file = tmp_path / "journal.jsonl"
    run("journal", "export", "-o", file, "--reason", "audit", "--config", worked)
    assert json.loads(file.read_text(encoding="utf-8").splitlines()[0])["seq"] == 7
    assert "2 entries" in trim(worked, "2026-03-14T12:00").stdout
    assert run("journal", "verify", "--config", worked).exit_code == 0
    assert [deed["details"] for deed in deeds(worked) if deed["kind"] == "trim"] == [
        {"first": 1, "last": 6},
        {"first": 7, "last": 8},
    ]


def test_the_last_entry_always_stays(worked: Path) -> None:
    """Whatever the instant: the next number and the clock of the next start follow from it."""
    assert "19 entries" in trim(worked, "2099-01-01").stdout
    assert "0 entries" in trim(worked, "2099-01-01").stdout
    with store_of(worked) as store:
        assert [entry.seq for entry in store.entries()] == [20]
        assert store.next_seq() == 21
    assert run("journal", "verify", "--config", worked).exit_code == 0


async def test_a_daemon_starts_on_a_trimmed_journal(worked: Path) -> None:
    """Its clock is never before the last entry, and its numbers go on; keys can be changed as before."""
    trim(worked, "2099-01-01")
    settings = load_settings(worked)
    with store_of(worked) as store:
        assert make_clock(settings, store).now() >= MARCH + 9 * DAY
    assert run("keys", "rotate", "--config", worked).exit_code == 0
    assert run("journal", "verify", "--config", worked).exit_code == 0


def test_what_a_call_without_an_end_needs_stays(worked: Path) -> None:
    """Entries from its beginning on are kept, and the command says so."""
    on_database(worked, "UPDATE attempts SET released_at = NULL WHERE call_id = 2")
    done = trim(worked, "2026-03-15")
    assert "4 entries from before 2026-03-15 00:00:00 UTC gone; the first one left is 5" in done.stdout
    assert "A call of 2026-03-12 12:00:00 UTC has no end yet" in done.stdout


@pytest.mark.parametrize(
    "statement", ["DELETE FROM journal WHERE seq = 3", "UPDATE journal SET entry = substr(entry, 2) WHERE seq = 3"]
)
def test_a_damaged_journal_is_not_trimmed(worked: Path, statement: str) -> None:
    """The damage would be gone with it: exit code 8, and nothing went."""
    on_database(worked, statement)
    refused = trim(worked, "2026-03-13T12:00")
    assert refused.exit_code == 8
    assert "entry 3 is missing or cannot be read, so nothing was let go" in refused.stderr
    assert on_database(worked, "SELECT min(seq) FROM journal") == [(1,)]
    assert deeds(worked) == []


def test_a_trim_that_was_cut_short_is_finished_by_the_next(worked: Path) -> None:
    """What it said would go is not missed, and goes."""
    lines = on_database(worked, "SELECT seq, at, entry FROM journal WHERE seq IN (2, 5)")
    trim(worked, "2026-03-13T12:00")
    with by_hand(database_of(load_settings(worked))) as connection:
        connection.executemany("INSERT INTO journal VALUES (?, ?, ?)", lines)
    assert "(7 to 20)" in run("journal", "verify", "--config", worked).stdout
    assert "0 entries" in trim(worked, "2026-03-13T12:00").stdout
    assert on_database(worked, "SELECT min(seq) FROM journal") == [(7,)]


def test_a_trim_needs_a_reason_and_an_instant(worked: Path) -> None:
    """Else nothing happens."""
    blank = run("journal", "trim", "--before", "2026-03-13", "--reason", "  ", "--config", worked)
    assert blank.exit_code == 2
    assert trim(worked, "yesterday").exit_code == 2
    assert on_database(worked, "SELECT min(seq) FROM journal") == [(1,)]


def test_a_person_is_erased_from_what_is_left(worked: Path) -> None:
    """Erasing goes through the journal that is there, wherever it begins."""
    from dialer.storage.forgetting import Forgotten, forget_in_journal

    trim(worked, "2026-03-13T12:00")
    with store_of(worked) as store:
        number = make_number(5).e164
        forgotten = Forgotten(
            seller="Example Telecom", lead_ids=frozenset({5}), call_ids=frozenset({5}), numbers={number: "erased-5"}
        )
        changed: Callable[[], int] = lambda: forget_in_journal(  # noqa: E731
            store.database, store._writer, store.vault, forgotten
        )
        assert changed() == 2
        assert changed() == 0
        assert journal.verify(store).fault_count == 0
