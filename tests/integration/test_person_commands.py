"""`dialer person`: everything held on a person, written out or erased, for one seller and no other."""

import json
import os
import pwd
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from dialer.cli.main import app
from dialer.config.settings import load_settings
from dialer.daemon.stores import database_of, open_records, open_store
from dialer.domain.commands import PlaceCall, SaveLead
from dialer.domain.events import CallDisposed, CampaignLoaded
from dialer.domain.lead import Callback, Lead, LeadState
from dialer.domain.policy import CampaignPolicy, EraseAfter, RetentionPolicy
from dialer.domain.standing import Consent
from dialer.storage.database import Connection, Database
from dialer.storage.erasure import erase_due
from dialer.storage.evidence_trim import HOUSE_KEEP_DAYS
from dialer.storage.sqlite import SqliteDatabase
from dialer.storage.store import Store
from tests.integration.daemon_process import prepare, running
from tests.servers.databases import by_hand
from tests.unit.storage.builders import make_connect, make_lead, make_number, make_policy
from tests.unit.storage.evidence_log import attempted, verdict

ME = pwd.getpwuid(os.getuid()).pw_name
MARCH = 1773144000.0  # 2026-03-10 12:00 UTC
DAY = 86_400.0
NUMBER, SECOND = make_number(7).e164, make_number(8).e164
NAME, NOTE, FIELD = "Jane Placeholder", "asked about the garden", "42 Fictional Street"
SELLER, OTHER = "Example Telecom", "Other Seller"


LAWFUL = """
name = "survey"
seller = "Example"
purpose = "survey"
jurisdiction = "GB"
caller_id = "+442079460000"
[list]
files = ["list.csv"]
columns = { number = ["phone"], name = "name" }
[pacing]
mode = "progressive"
ring_timeout_s = 30
[abandonment]
threshold_s = 2
starts_at = "answer"
message = "sorry.wav"
message_says = ["seller_name", "seller_number", "purpose", "opt_out_number", "free_opt_out_number", "no_sales"]
[hours]
weekdays = ["09:00-20:00"]
[agents]
groups = ["floor"]
[retry]
no_answer = { after = "1h", times = 3 }
[dispositions]
done = { final = true, success = true }
"""


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


def call(store: Store, policy: CampaignPolicy, lead: Lead, call_id: int, at: float) -> None:
    """Keep a day's work on a lead: claimed, judged, dialed, talked to, disposed with a callback and a note."""
    claimed = store.claim(policy.name, 1, at)
    number = lead.numbers[0].e164
    place = PlaceCall(
        call_id=call_id,
        campaign=policy.name,
        lead_id=lead.lead_id,
        number=number,
        ring_timeout_s=22.0,
        caller_id=None,
        agent_id=None,
    )
    facts = {"campaign": policy.name, "seller": policy.seller, "lead_id": lead.lead_id, "number": number}
    judged = verdict(call_id, at, **facts)
    connect = make_connect(call_id, at + 10.0, **facts)
    done = replace(
        lead,
        state=LeadState.FINISHED,
        reason="sale",
        attempts=1,
        last_attempt_at=at,
        callback=Callback(at=at + DAY, note=NOTE),
    )
    seq = store.next_seq()
    store.commit(seq, at, claimed, [judged, place, attempted(connect)])
    disposed = CallDisposed(call_id=call_id, agent_id="a1", disposition="sale", note=NOTE)
    store.commit(seq + 1, at + 90.0, disposed, [attempted(replace(connect, disposed_at=at + 90.0))])
    store.commit(seq + 2, at + 90.0, None, [SaveLead(lead=done, order_key="k")])


@pytest.fixture
def worked(config: Path) -> Path:
    """Two sellers with the same person on their lists, each having called; and a second person of the first seller."""
    with store_of(config) as store:
        policies = [make_policy("spring", SELLER), make_policy("autumn", OTHER)]
        for rank, policy in enumerate(policies):
            with store.importing(policy, "list.csv", str(rank), MARCH) as session:
                person = make_lead(7, 8, campaign=policy.name, name=NAME, fields={"street": FIELD}, external_id="X-7")
                session.add(person)
                session.add(make_lead(30, campaign=policy.name, name="Joe Placeholder"))
            store.commit(store.next_seq(), MARCH, CampaignLoaded(policy=policy), [])
            [lead] = store.find_number(NUMBER, policy.name)
            call(store, policy, lead, rank + 1, MARCH + 60.0)
            with store.importing_consents("consents.csv", "ops", MARCH) as consents:
                consents.add([a_consent(policy.seller)])
    return config


def a_consent(seller: str) -> Consent:
    """The person's consent to a seller."""
    return Consent(
        number=NUMBER,
        seller=seller,
        purposes=("survey",),
        obtained_at=MARCH - DAY,
        method="web form",
        source="sign-up form",
        text_hash="0" * 64,
    )


def run(*arguments: object) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


def person(word: str, config: Path, *more: object, seller: str = SELLER, number: str = NUMBER) -> Result:
    """Run `dialer person ...` for a test's reason."""
    return run("person", word, number, "--seller", seller, "--reason", "her letter", *more, "--config", config)


def opened(config: Path) -> str:
    """Everything in the database that can be read with the keys, in one text."""
    settings = load_settings(config)
    said: list[str] = []
    with open_records(settings) as store:
        for campaign in store.campaigns():
            said += [repr(lead) for lead in store.leads(campaign)]
        said += [repr(attempt) for attempt in store.attempts(None, 0.0, float("inf"))]
        said += [repr(entry) for entry in store.entries()]
        said += [repr(row) for row in store._reader.execute("SELECT CAST(body AS TEXT) FROM evidence")]
    return "\n".join(said)


def test_a_person_gets_everything_that_one_seller_holds(worked: Path, tmp_path: Path) -> None:
    """Leads, calls, consents, refusals, verdicts and views, with whole numbers and readable instants."""
    file = tmp_path / "person.json"
    assert run("leads", "show", NUMBER, "--campaign", "spring", "--config", worked).exit_code != 0  # no such file
    done = person("export", worked, "-o", file)
    assert done.exit_code == 0, done.output
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    held = json.loads(file.read_text(encoding="utf-8"))
    assert held["numbers"] == [NUMBER, SECOND]
    assert [lead["name"] for lead in held["leads"]] == [NAME]
    assert held["leads"][0]["fields"] == {"street": FIELD}
    assert [(attempt["number"], attempt["placed_at"]) for attempt in held["attempts"]] == [
        (NUMBER, "2026-03-10T12:01:00.000+00:00")
    ]
    assert held["consents"][0]["consent"]["method"] == "web form"
    assert [entry["rule"] for entry in held["verdicts"]] == ["allowed"]
    assert [(entry["kind"], entry["who"], entry["reason"]) for entry in held["views"]] == [("export", ME, "her letter")]
    assert held["do_not_call"] == []
    assert held["notes"] == [
        {"at": "2026-03-10T12:02:30.000+00:00", "call_id": 1, "agent_id": "a1", "disposition": "sale", "note": NOTE}
    ]


def test_a_seller_learns_nothing_of_another(worked: Path, tmp_path: Path) -> None:
    """The same number, but no lead, call, consent, verdict or view of the other seller."""
    for seller, other in ((SELLER, OTHER), (OTHER, SELLER)):
        file = tmp_path / "person.json"
        assert person("export", worked, "-o", file, seller=seller).exit_code == 0
        text = file.read_text(encoding="utf-8")
        assert other not in text
        assert {SELLER: "autumn", OTHER: "spring"}[seller] not in text
        held = json.loads(text)
        counts = [len(held[name]) for name in ("leads", "attempts", "consents", "verdicts", "views")]
        assert counts == [1, 1, 1, 1, 1]


def test_an_erased_person_is_nowhere(worked: Path) -> None:
    """Not in leads, calls, consents, journal or evidence; the journal still reads, and the counts still stand."""
    before = opened(worked)
    assert all(before.count(word) >= 2 for word in (NUMBER, NAME, NOTE, FIELD))
    done = person("erase", worked)
    assert done.exit_code == 0, done.output
    assert "1 leads, the numbers of 1 calls and of 1 consents" in done.stdout
    assert "so that no list brings the person back" in done.stdout
    assert person("erase", worked, seller=OTHER).exit_code == 0
    after = opened(worked)
    assert [word for word in (NUMBER, SECOND, NAME, NOTE, FIELD, "X-7") if word in after] == []
    assert "Joe Placeholder" in after
    with open_records(load_settings(worked)) as store:
        assert [lead.reason for lead in store.find_number(NUMBER)] == ["erased", "erased"]
        assert store.counts("spring").open == 1
        assert [attempt.number for attempt in store.attempts("spring", 0.0, MARCH * 2)] == [""]
        assert store.is_blocked(SELLER, NUMBER)


def test_an_erasure_leaves_other_sellers_and_other_people_alone(worked: Path) -> None:
    """What the other seller holds of the same number is as it was, and so is the next lead."""

    def others(config: Path) -> list[object]:
        with open_records(load_settings(config)) as store:
            [lead] = [lead for lead in store.leads("spring") if lead.name == "Joe Placeholder"]
            entries = [entry for entry in store.entries() if "autumn" in repr(entry)]
            calls = list(store.attempts("autumn", 0.0, MARCH * 2))
            consents = store.consents(OTHER, NUMBER)
            return [lead, list(store.leads("autumn")), calls, consents, entries, store.is_blocked(OTHER, NUMBER)]

    before = others(worked)
    assert person("erase", worked).exit_code == 0
    assert others(worked) == before
    file = worked.parent / "person.json"
    assert person("export", worked, "-o", file, seller=OTHER).exit_code == 0
    held = json.loads(file.read_text(encoding="utf-8"))
    assert (held["leads"][0]["name"], held["attempts"][0]["number"]) == (NAME, NUMBER)


def test_no_list_brings_an_erased_person_back(worked: Path) -> None:
    """A row with one of the numbers adds nothing to the finished lead, and consents of the row are not kept."""
    assert person("erase", worked).exit_code == 0
    policy = make_policy("spring", SELLER, digest="cd" * 32)
    with store_of(worked) as store:
        with store.importing(policy, "list.csv", "new", MARCH + DAY) as session:
            row = make_lead(8, 99, campaign="spring", name=NAME)
            assert session.add(row, [replace(a_consent(SELLER), number=SECOND)]) == "unchanged"
        assert store.claim("spring", 9, MARCH + DAY).leads[0].name == "Joe Placeholder"
        assert store.consents(SELLER, SECOND) == []
    with open_records(load_settings(worked)) as store:
        assert {lead.name for lead in store.leads("spring")} == {"", "Joe Placeholder"}


def test_no_other_campaign_of_the_seller_brings_an_erased_person_back(worked: Path) -> None:
    """Nothing is kept of a row that names the person; another seller's list is its own affair."""
    assert person("erase", worked).exit_code == 0
    with store_of(worked) as store:
        for name, seller, loaded in (("summer", SELLER, 1), ("winter", OTHER, 2)):
            with store.importing(make_policy(name, seller), "new.csv", name, MARCH + DAY) as session:
                session.add(make_lead(7, campaign=name, name=NAME), [replace(a_consent(seller), purposes=("debt",))])
                session.add(make_lead(31, campaign=name, name="New Person"))
            assert (session.tally.loaded, session.tally.unchanged) == (loaded, 2 - loaded)
            assert [lead.name for lead in store.leads(name)] == [NAME, "New Person"][2 - loaded :]
        assert [len(store.consents(seller, NUMBER)) for seller in (SELLER, OTHER)] == [1, 2]


def test_no_file_brings_an_erased_person_back(worked: Path) -> None:
    """Neither a list of another campaign, read as the command reads it, nor a file of consents."""
    campaigns = worked.parent / "campaigns"
    text = LAWFUL.replace('"survey"\nseller = "Example"', f'"summer"\nseller = "{SELLER}"', 1)
    (campaigns / "summer.toml").write_text(text, encoding="utf-8")
    (campaigns / "sorry.wav").touch()
    (campaigns / "list.csv").write_text(f"phone,name\n{NUMBER},{NAME}\n+442079460999,New Person\n", encoding="utf-8")
    given = worked.parent / "given.csv"
    given.write_text(f"number,purposes,obtained_at,method\n{NUMBER},debt,2025-04-02,paper\n", encoding="utf-8")
    assert person("erase", worked).exit_code == 0
    done = run("leads", "import", campaigns / "list.csv", "--campaign", "summer", "--config", worked)
    assert done.exit_code == 0, done.output
    done = run("consent", "import", given, "--seller", SELLER, "--config", worked)
    assert done.exit_code == 0, done.output
    assert "unchanged  1" in done.output
    with open_records(load_settings(worked)) as store:
        assert [lead.name for lead in store.leads("summer")] == ["New Person"]
        assert len(store.consents(SELLER, NUMBER)) == 1


def test_a_number_of_an_erased_person_is_judged_as_a_stranger(worked: Path) -> None:
    """Nothing of the lead is left to show; that nobody may call the number is."""
    path = worked.parent / "campaigns" / "spring.toml"
    path.write_text(
        LAWFUL.replace('"survey"\nseller = "Example"', f'"spring"\nseller = "{SELLER}"', 1), encoding="utf-8"
    )
    for name in ("list.csv", "sorry.wav"):
        (path.parent / name).write_text("phone,name\n", encoding="utf-8")
    assert person("erase", worked).exit_code == 0
    said = run("why", NUMBER, "--campaign", "spring", "--config", worked)
    assert said.exit_code == 0, said.output
    assert "judged as a stranger's number" in said.output
    assert "not allowed: do_not_call" in said.output


def test_a_late_word_on_an_erased_lead_changes_nothing(worked: Path) -> None:
    """What the engine says of a lead that it claimed before the erasure does not bring the person back."""
    with open_records(load_settings(worked)) as store:
        [lead] = store.find_number(NUMBER, "spring")
    assert person("erase", worked).exit_code == 0
    with store_of(worked) as store:
        store.apply([SaveLead(lead=replace(lead, state=LeadState.PENDING), order_key="k")])
        kept = store.lead(lead.lead_id)
    assert kept is not None
    assert (kept.reason, kept.numbers, kept.name) == ("erased", (), "")


def test_what_the_law_keeps_is_kept_apart(worked: Path) -> None:
    """The number of a called person stays sealed in a table of its own until its day, then it goes, proofs too."""
    assert person("erase", worked).exit_code == 0
    with store_of(worked) as store:
        kept = store.retained(SELLER, store.vault.index(NUMBER).hex())
        assert kept is not None
        assert kept.number == NUMBER
        assert store.retained(OTHER, store.vault.index(NUMBER).hex()) is None
        assert store.retained(SELLER, store.vault.index(SECOND).hex()) is None
        assert store.purge_retained(kept.until_at - 1.0) == 0
        assert len(store.consents(SELLER, NUMBER)) == 1
        assert store.purge_retained(kept.until_at) == 1
        assert store.retained(SELLER, store.vault.index(NUMBER).hex()) is None
        assert store.consents(SELLER, NUMBER) == []
        assert len(store.consents(OTHER, NUMBER)) == 1


def test_the_evidence_says_who_erased_and_why_but_not_whom(worked: Path, tmp_path: Path) -> None:
    """The entry has the keyed hashes; and the chain is whole, for an erasure changes no entry."""
    assert person("erase", worked).exit_code == 0
    file = tmp_path / "evidence.jsonl"
    assert run("evidence", "export", "-o", file, "-r", "audit", "--config", worked).exit_code == 0
    assert run("evidence", "verify", file).exit_code == 0
    bodies = [json.loads(line).get("body", {}) for line in file.read_text(encoding="utf-8").splitlines()]
    [deed] = [body for body in bodies if body.get("kind") == "erasure"]
    assert (deed["who"], deed["reason"], deed["seller"], deed["details"]["leads"]) == (ME, "her letter", SELLER, 1)
    assert len(deed["subjects"]) == 2


def test_who_may_not_see_may_neither_export_nor_erase(worked: Path, tmp_path: Path) -> None:
    """Without full view nothing is written, erased or recorded."""
    worked.write_text(worked.read_text(encoding="utf-8").partition("[privacy]")[0], encoding="utf-8")
    before = opened(worked)
    assert person("export", worked, "-o", tmp_path / "p.json").exit_code == 9
    assert person("erase", worked).exit_code == 9
    assert not (tmp_path / "p.json").exists()
    assert opened(worked) == before


@pytest.mark.parametrize("word", ["export", "erase"])
def test_a_wrong_seller_number_or_reason_is_refused(worked: Path, tmp_path: Path, word: str) -> None:
    """Each says what was expected; nothing is written or erased."""
    before = opened(worked)
    more = ("-o", tmp_path / "p.json") if word == "export" else ()
    assert person(word, worked, *more, seller="Nobody").exit_code == 2
    assert person(word, worked, *more, number="+1202").exit_code == 2
    blank = run("person", word, NUMBER, "--seller", SELLER, "--reason", " ", *more, "--config", worked)
    assert blank.exit_code == 2
    assert not (tmp_path / "p.json").exists()
    assert opened(worked) == before


def test_a_call_without_an_end_is_waited_for(worked: Path) -> None:
    """While a call lives nothing is erased, but nobody calls the person again."""
    with store_of(worked) as store:
        [lead] = store.find_number(NUMBER, "spring")
        open_call = replace(make_connect(9, MARCH, lead_id=lead.lead_id, number=NUMBER), released_at=None)
        store.commit(store.next_seq(), MARCH + DAY, None, [attempted(open_call)])
    refused = person("erase", worked)
    assert refused.exit_code == 6
    assert "on a call" in refused.stderr
    with open_records(load_settings(worked)) as store:
        assert store.is_blocked(SELLER, NUMBER)
        assert store.find_number(NUMBER, "spring")[0].name == NAME


def test_erased_values_are_overwritten_in_the_file(worked: Path) -> None:
    """Even sealed, what was erased does not stay behind in free pages of the database.

    On a server they are in no row of any table; when its pages are written again is the server's affair.
    """
    database = database_of(load_settings(worked))
    with by_hand(database) as connection:
        [name] = [name for (name,) in connection.execute("SELECT name FROM leads WHERE lead_id = 1")]
        assert name in kept(database, connection)
        assert person("erase", worked).exit_code == 0
        assert name not in kept(database, connection)
        assert NAME.encode() not in kept(database, connection)


def kept(database: Database, connection: Connection) -> bytes:
    """All bytes of a database's files, or of the rows of all its tables."""
    if isinstance(database, SqliteDatabase):
        files = [database.path, database.path.with_name(f"{database.path.name}-wal")]
        return b"".join(file.read_bytes() for file in files if file.exists())
    tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema").fetchall()
    values = [value for (table,) in tables for row in connection.execute(f"SELECT * FROM {table}") for value in row]
    return b"\n".join(value if isinstance(value, bytes) else str(value).encode() for value in values)


def test_retention_erases_what_a_campaign_gives_up(config: Path) -> None:
    """`N days` after the last call, `after-campaign` once nothing is open, `never` never; unfinished leads stay."""
    words = {
        "never": RetentionPolicy(),
        "days": RetentionPolicy(erase_after=EraseAfter.DAYS, days=30),
        "after": RetentionPolicy(erase_after=EraseAfter.CAMPAIGN),
    }
    with store_of(config) as store:
        for rank, (name, retention) in enumerate(words.items()):
            policy = make_policy(name, SELLER, retention=retention)
            with store.importing(policy, "list.csv", name, MARCH) as session:
                session.add(make_lead(7, campaign=name, name=NAME))
                session.add(make_lead(30, campaign=name, name="Joe Placeholder"))
            [lead] = store.find_number(NUMBER, name)
            call(store, policy, lead, rank + 1, MARCH)
        assert erase_due(store, MARCH + 29 * DAY, HOUSE_KEEP_DAYS).leads == 0
        assert erase_due(store, MARCH + 31 * DAY, HOUSE_KEEP_DAYS).leads == 1
        assert erase_due(store, MARCH + 31 * DAY, HOUSE_KEEP_DAYS).leads == 0
        [open_lead] = store.find_number(make_number(30).e164, "after")
        store.apply([SaveLead(lead=replace(open_lead, state=LeadState.FINISHED, reason="busy"), order_key="k")])
        assert erase_due(store, MARCH + 31 * DAY, HOUSE_KEEP_DAYS).leads == 2
        names = {name: sorted(lead.name for lead in store.leads(name)) for name in words}
        assert names == {"never": [NAME, "Joe Placeholder"], "days": ["", "Joe Placeholder"], "after": ["", ""]}
        journal = "\n".join(repr(entry) for entry in store.entries() if "campaign='never'" not in repr(entry))
        assert NAME not in journal
        assert store.retained(SELLER, store.vault.index(NUMBER).hex()) is not None
        assert not store.is_blocked(SELLER, NUMBER)
        deeds = [body for (body,) in store._reader.execute("SELECT body FROM evidence WHERE kind = 'erasure'")]
        assert [json.loads(body)["reason"] for body in deeds] == [
            "retention.erase_after: 30 days",
            "retention.erase_after: after-campaign",
        ]


def live_person(config: Path) -> tuple[str, str]:
    """Wait until somebody is on a call; give number and name."""
    while True:
        with open_records(load_settings(config)) as store:
            for attempt in store.open_attempts():
                lead = store.lead(attempt.lead_id)
                if attempt.bridged_at is not None and lead is not None:
                    return attempt.number, lead.name


def test_a_person_on_a_call_is_erased_after_it(tmp_path: Path) -> None:
    """The daemon gives its leads back, the call is waited for, and nothing that is written later names the person.

    What the daemon did meanwhile is in an evidence file that is whole.
    """
    config = prepare(tmp_path, speed=100.0, loopback='world = "talkative.toml"')
    (tmp_path / "campaigns" / "survey.toml").write_text(LAWFUL, encoding="utf-8")
    (tmp_path / "campaigns" / "sorry.wav").write_bytes(b"")
    with config.open("a", encoding="utf-8") as file:
        file.write(f'[privacy]\nfull_view = ["{ME}"]\n')
    with running(config) as daemon:
        number, name = live_person(config)
        codes = [person("erase", config, seller="Example", number=number).exit_code]
        while codes[-1] == 6:
            codes.append(person("erase", config, seller="Example", number=number).exit_code)
        assert (codes[0], codes[-1]) == (6, 0)
        daemon.signal(signal.SIGTERM)
        daemon.signal(signal.SIGINT)
        assert daemon.wait_end() == 0
    said = opened(config)
    assert number not in said
    assert f"name='{name}'" not in said
    assert said.count("name='Person ") > 190
    file_ = tmp_path / "evidence.jsonl"
    assert run("evidence", "export", "-o", file_, "-r", "audit", "--config", config).exit_code == 0
    found = json.loads(run("evidence", "verify", file_, "--json").stdout)
    assert {"law", "campaign", "change", "erasure", "refusal", "verdict", "attempt"} <= found["kinds"].keys()
    assert found["verdicts_by_other_law"] == 0
