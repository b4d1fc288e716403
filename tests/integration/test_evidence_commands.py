"""`dialer evidence`: export, verify, head, trim and show-number, from the command line."""

import json
import os
import pwd
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from dialer.cli.main import app
from dialer.config.settings import load_settings
from dialer.daemon.stores import open_records, open_store
from dialer.domain.commands import BlockPerson
from dialer.domain.events import CampaignLoaded, LawLoaded
from dialer.storage import retained
from dialer.storage.store import Store
from tests.integration.daemon_process import dialer
from tests.laws import open_law
from tests.unit.storage.builders import make_abandoned, make_number, make_policy
from tests.unit.storage.evidence_log import attempted, verdict

ME = pwd.getpwuid(os.getuid()).pw_name
MARCH = 1773144000.0  # 2026-03-10 12:00 UTC
DAY = 86_400.0


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


@pytest.fixture
def worked(config: Path) -> Path:
    """A configuration whose database has the evidence of a day of two campaigns of two sellers."""
    law = open_law("US")
    policies = [make_policy("spring"), make_policy("autumn", seller="Other Seller")]
    with store_of(config) as store:
        store.commit(1, MARCH, LawLoaded(law=law), [])
        for seq, policy in enumerate(policies, start=2):
            store.commit(seq, MARCH, CampaignLoaded(policy=policy), [])
        for seq in range(4, 14):
            at = MARCH + seq * 60.0
            campaign, seller = (policies[seq % 2].name, policies[seq % 2].seller)
            judged = verdict(seq, at, law_digest=law.digest, campaign=campaign, seller=seller)
            call = make_abandoned(seq, at + 10.0, campaign=campaign, seller=seller)
            store.commit(seq, at, None, [judged, attempted(call)])
        asked = BlockPerson(seller="Example Telecom", numbers=(make_number(4).e164,), reason="asked", at=MARCH + DAY)
        store.commit(14, MARCH + DAY, None, [asked])
    return config


def run(*arguments: object) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


def export(config: Path, file: Path, *arguments: str) -> Result:
    """Export evidence for a test's reason."""
    return run("evidence", "export", "-o", file, "--reason", "audit", *arguments, "--config", config)


def test_an_export_is_checked_where_there_is_nothing_else(worked: Path, tmp_path: Path) -> None:
    """In a folder with the file alone: the span, the entries by kind, the last hash, and what to compare it with."""
    file = tmp_path / "evidence.jsonl"
    done = export(worked, file)
    assert done.exit_code == 0, done.output
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    away = tmp_path / "away"
    away.mkdir()
    shutil.copy(file, away)
    shutil.rmtree(tmp_path / "state")
    shown = dialer("evidence", "verify", away / "evidence.jsonl")
    assert shown.returncode == 0, shown.stderr
    assert "whole: 35 entries (1 to 35) of all campaigns" in shown.stdout
    for kind, count in {"verdict": 10, "attempt": 10, "abandonment": 10, "law": 1, "refusal": 1, "export": 1}.items():
        assert f"  {kind:<12}{count}\n" in shown.stdout
    assert "Compare the last hash with one that was noted elsewhere" in shown.stdout


def test_a_tampered_file_is_found_with_exit_code_8(worked: Path, tmp_path: Path) -> None:
    """One digit is enough; the line is named."""
    file = tmp_path / "evidence.jsonl"
    export(worked, file)
    data = file.read_bytes()
    place = data.index(b'"allowed":true') + 13
    file.write_bytes(data[:place] + b"f" + data[place + 1 :])
    found = run("evidence", "verify", file)
    assert found.exit_code == 8
    assert f"line {data.count(bytes([10]), 0, place) + 1}: " in found.stderr
    assert run("evidence", "verify", tmp_path / "nowhere").exit_code == 2


def test_the_head_that_was_noted_is_looked_for(worked: Path, tmp_path: Path) -> None:
    """`head` says what to note; `verify --head` says where it is in the file, or fails."""
    noted = run("evidence", "head", "--config", worked).stdout.split()
    assert noted[0] == "34"
    file = tmp_path / "evidence.jsonl"
    export(worked, file)
    assert "noted elsewhere is that of entry 34" in run("evidence", "verify", file, "--head", noted[1]).stdout
    assert run("evidence", "verify", file, "--head", "0" * 63 + "1").exit_code == 8
    assert run("evidence", "verify", file, "--head", "34").exit_code == 2


def test_a_span_and_a_campaign_are_taken_out(worked: Path, tmp_path: Path) -> None:
    """Other campaigns are there as hashes only, and the law before the span is in the file."""
    file = tmp_path / "evidence.jsonl"
    done = export(worked, file, "--from", "2026-03-10T12:05", "--to", "2026-03-10T12:10", "--campaign", "spring")
    assert done.exit_code == 0, done.output
    found = json.loads(run("evidence", "verify", file, "--json").stdout)
    assert (found["count"], found["hidden"], found["verdicts_by_other_law"]) == (15, 9, 0)
    assert found["kinds"] == {"verdict": 2, "attempt": 2, "abandonment": 2}
    text = file.read_text(encoding="utf-8")
    assert "Other Seller" not in text
    assert "autumn" not in text
    assert export(worked, file, "--campaign", "winter").exit_code == 2
    assert export(worked, file, "--from", "2026-03-11", "--to", "2026-03-10").exit_code == 2


def test_an_export_is_itself_in_the_evidence(worked: Path, tmp_path: Path) -> None:
    """Who took what out, and why; a reason that says nothing is none."""
    assert export(worked, tmp_path / "a.jsonl").exit_code == 0
    blank = run("evidence", "export", "-o", tmp_path / "b.jsonl", "--reason", " ", "--config", worked)
    assert blank.exit_code == 2
    assert not (tmp_path / "b.jsonl").exists()
    last = json.loads((tmp_path / "a.jsonl").read_bytes().splitlines()[-2])["body"]
    assert (last["kind"], last["who"], last["what"], last["reason"]) == ("export", ME, "evidence", "audit")


def test_a_file_that_cannot_be_written_leaves_nothing(worked: Path, tmp_path: Path) -> None:
    """Neither a part nor a fault."""
    done = export(worked, tmp_path / "nowhere" / "evidence.jsonl")
    assert done.exit_code == 2
    assert "cannot be written" in done.stderr


def test_old_evidence_goes_and_the_rest_still_proves(config: Path, tmp_path: Path) -> None:
    """Nothing younger than five years goes; what is left begins with the hash before it, and names the law."""
    law = open_law("US")
    now = time.time()
    with store_of(config) as store:
        store.commit(1, now - 2000 * DAY, LawLoaded(law=law), [])
        store.commit(2, now - 1900 * DAY, None, [verdict(1, now - 1900 * DAY, law_digest=law.digest)])
        store.commit(3, now - 1830 * DAY, None, [verdict(2, now - 1830 * DAY, law_digest=law.digest)])
        store.commit(4, now - 1800 * DAY, None, [verdict(3, now - 1800 * DAY, law_digest=law.digest)])
    planned = run("evidence", "trim", "--dry-run", "--reason", "yearly", "--config", config)
    assert planned.stdout.startswith("3 entries from before ")
    assert run("evidence", "trim", "--reason", "yearly", "--config", config).exit_code == 0
    file = tmp_path / "evidence.jsonl"
    assert export(config, file).exit_code == 0
    found = json.loads(run("evidence", "verify", file, "--json").stdout)
    assert (found["first"], found["kinds"]) == (4, {"verdict": 1, "trim": 1, "export": 1})
    assert found["verdicts_by_other_law"] == 0
    trim = json.loads(file.read_bytes().splitlines()[-3])["body"]
    assert trim["details"] == {"first": 1, "last": 3, "hash": found["before"]}
    again = run("evidence", "trim", "--reason", "yearly", "--config", config)
    assert again.stdout.startswith("0 entries")
    with open_records(load_settings(config)) as records:
        assert [seq for (seq,) in records._reader.execute("SELECT seq FROM evidence ORDER BY seq")] == [1, 3, 4, 5, 6]


def test_a_retained_number_is_shown_to_those_who_may_see_it(worked: Path) -> None:
    """With a reason, recorded before it is shown; nobody else learns it."""
    number = make_number(5).e164
    with store_of(worked) as store:
        subject = store.vault.index(number).hex()
        with store._transaction() as connection:
            until = [(number, MARCH + 1827 * DAY)]
            retained.keep(connection, store.vault, "Example Telecom", until, "calls within 1827 days")
    ask = ("evidence", "show-number", subject, "--reason", "regulator", "--config", worked)
    shown = run(*ask, "--seller", "Example Telecom")
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.startswith(f"{number}\nretained until 2031-03-11")
    assert run(*ask, "--seller", "Other Seller").exit_code == 2
    worked.write_text(worked.read_text(encoding="utf-8").partition("[privacy]")[0], encoding="utf-8")
    refused = run(*ask, "--seller", "Example Telecom")
    assert refused.exit_code == 9
    assert number not in refused.output
    assert "privacy.full_view" in refused.stderr
    with open_records(load_settings(worked)) as records:
        kinds = [kind for (kind,) in records._reader.execute("SELECT kind FROM evidence WHERE seq > 34")]
    assert kinds == ["view", "view"]
