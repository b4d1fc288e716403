"""Commands say the same on a database of a PostgreSQL server as on one in a file."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from dialer.config.settings import load_settings
from dialer.daemon.stores import open_store
from dialer.domain.commands import BlockPerson, PlaceCall, RecordAgentSpan, RecordAttempt, RecordChange
from dialer.domain.records import CampaignChange
from tests.integration.callers import FL, FL_NUMBER, FR, FR_NUMBER, JP, KR, KR_NUMBER, SELLER, at, prepare, run
from tests.servers.postgres import PostgresServer
from tests.unit.storage.builders import make_abandoned, make_attempt, make_connect, make_span
from tests.unit.storage.evidence_log import verdict

NOON = at("2026-11-27T12:00", "America/New_York")
SPAN = ("--from", "2026-11-27", "--to", "2026-11-29", "--format", "json")
READING = (
    ("why", KR_NUMBER, "--campaign", KR, "--at", "2026-11-27T21:30"),
    ("why", FL_NUMBER, "--campaign", FL, "--at", "2026-11-27T14:00"),
    ("why", "1", "--campaign", KR, "--at", "2026-11-28T10:00", "--json"),
    ("why-not", KR, "--at", "2026-11-27T21:30"),
    ("why-not", JP, "--at", "2026-11-27T14:00", "--reason", "hours"),
    ("why-not", FL, "--at", "2026-11-28T14:00"),
    ("why-not", FR, "--at", "2026-11-28T14:00", "--json"),
    ("leads", "show", FL_NUMBER, "--campaign", FL),
    ("report", "campaign", *SPAN),
    ("report", "agents", *SPAN),
    ("report", "attempts", *SPAN),
    ("report", "abandonment", *SPAN),
    ("report", "abandonment", "--legal", *SPAN),
    ("report", "changes", *SPAN),
    ("consent", "show", FR_NUMBER, "--seller", SELLER),
    ("consent", "due", "--seller", SELLER, "--within", "4000d"),
    ("registry", "list"),
    ("pacing", "limits", FL, "--from", "2026-11-27", "--to", "2026-11-29"),
    ("journal", "verify"),
    ("evidence", "trim", "--dry-run", "--reason", "yearly"),
    ("doctor",),
)


def work(config: Path) -> Path:
    """Let a day pass: calls, an abandonment, a pause, a refusal."""
    mine = {"campaign": FL, "seller": SELLER, "subject": "telemarketing", "lead_id": 1, "number": FL_NUMBER}
    calls = [make_attempt(1, NOON, **mine), make_connect(2, NOON + 600.0, **mine, agent_id="amy")]
    calls.append(make_abandoned(3, NOON + 1200.0, **mine))
    change = CampaignChange(
        campaign=FL,
        at=NOON,
        action="pause",
        before="running",
        after="paused",
        reason="drill",
        who="op",
        digest="0" * 64,
    )
    with open_store(load_settings(config)) as store:
        for seq, call in enumerate(calls, start=1):
            judged = verdict(1, call.placed_at, campaign=FL, seller=SELLER, number=FL_NUMBER)
            place = PlaceCall(
                call_id=seq,
                campaign=FL,
                lead_id=1,
                number=FL_NUMBER,
                ring_timeout_s=30.0,
                caller_id=None,
                agent_id=None,
            )
            store.commit(seq, call.placed_at, None, [judged, place, RecordAttempt(attempt=call)])
        span = make_span("talking", NOON, NOON + 60.0, campaign=FL)
        block = BlockPerson(seller=SELLER, numbers=("+33199001235",), reason="by letter", at=NOON, who="op")
        store.commit(4, NOON + 1300.0, None, [RecordAgentSpan(span=span), RecordChange(change=change), block])
    return config


@pytest.fixture(scope="module")
def both(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same day in a file, and on a server."""
    lines = ("", f'database = "{postgres_server.new_database()}"\n')
    return [work(prepare(tmp_path_factory.mktemp("both"), line)) for line in lines]


def said(config: Path, *words: str) -> tuple[int, str]:
    """What a command says, without the name of its database and without ids and times that are of the moment."""
    result = run(config, *words)
    output = result.output.replace(str(load_settings(config).database), "DATABASE")
    output = output.replace(str(config.parent), "FOLDER")
    return result.exit_code, re.sub(r"[0-9]+(\.[0-9]+)? s\b|\b[0-9a-f]{8}\b|\b[0-9a-f]{64}\b", "...", output)


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_what_is_read_is_the_same(both: list[Path], words: tuple[str, ...]) -> None:
    """Word for word."""
    file, server = (said(config, *words) for config in both)
    assert file == server
    assert file[0] in (0, 1)


def test_what_is_written_is_the_same(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Consents, refusals, a register, new keys, lists: what the commands say, and what is there afterwards."""
    found = []
    for line in ("", f'database = "{postgres_server.new_database()}"\n'):
        folder = tmp_path_factory.mktemp("written")
        config = work(prepare(folder, line))
        (folder / "consents.csv").write_text(
            f"number,purposes,obtained_at,method,source\n{KR_NUMBER},telemarketing,2026-03-02,paper,own shop\n",
            encoding="utf-8",
        )
        (folder / "tps.txt").write_text("01632 960001\n01632 960002\n", encoding="utf-8")
        written = [
            said(config, "consent", "import", str(folder / "consents.csv"), "--seller", SELLER),
            said(config, "consent", "revoke", KR_NUMBER, "--seller", SELLER, "--reason", "rang"),
            said(config, "leads", "import", str(folder / "campaigns" / f"{FR}.csv"), "--campaign", FR),
            said(
                config, "registry", "import", str(folder / "tps.txt"), "--registry", "gb-tps", "--received-at",
                "2026-11-01T00:00Z", "--version", "1",
            ),
            said(config, "keys", "rotate"),
            said(config, "keys", "drop", json.loads(run(config, "keys", "list", "--json").stdout)[0]["key"]),
            said(config, "journal", "trim", "--before", "2026-11-28", "--reason", "old"),
            said(config, "journal", "verify"),
            said(config, "consent", "show", KR_NUMBER, "--seller", SELLER),
            said(config, "registry", "check", "+441632960001"),
            said(config, "db", "upgrade"),
        ]  # fmt: skip
        assert [code for code, _ in written] == [0] * len(written), written
        written = [(code, re.sub(r"\d\d:\d\d:\d\d", "now", output)) for code, output in written]
        with open_store(load_settings(config)) as store:
            # A rank follows from the keys, which are others.
            people = [replace(lead, shuffle=0) for name in store.campaigns() for lead in store.leads(name)]
        found.append((written, people, said(config, "evidence", "head")[1].split()[0]))
    for file, server in zip(*found, strict=True):
        assert file == server
