"""Nothing that a daemon writes down holds a whole number or a name: database, log, lock, what a kill leaves."""

import base64
import json
import re
import signal
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import phonenumbers
import pytest

from dialer.config.settings import load_settings
from dialer.daemon.stores import open_store
from dialer.domain.lead import Lead
from dialer.storage.keyring import VARIABLE
from tests.integration.daemon_process import dialer, prepare, running
from tests.servers.postgres import PostgresServer
from tests.vaults import open_state

ROOT = Path(__file__).parents[2]
SECRET = base64.b64encode(b"of the tests: never seal with it").decode()
RING = json.dumps({"index": SECRET, "keys": [{"id": "0a0b0c0d", "secret": SECRET, "made_at": "2026-03-10T09:00:00Z"}]})
"""Always the same keys: pseudo-random ranks are the same in every run, and none looks like a number by chance."""

DIGITS = re.compile(rb"[0-9]{7,}")
NAME_BYTES_MIN = 6  # a shorter name may stand in random bytes by chance


def found_in(written: bytes, leads: Iterable[Lead]) -> set[str]:
    """The numbers (national digits, which the international form ends with) and names of leads that stand in bytes."""
    nationals = {national_of(number.e164) for lead in leads for number in lead.numbers}
    lengths = sorted({len(national) for national in nationals})
    found = set()
    for run in map(bytes.decode, DIGITS.findall(written)):
        for length in lengths:
            pieces = {run[start : start + length] for start in range(len(run) - length + 1)}
            found |= pieces & nationals
    return found | names_in(written, {lead.name for lead in leads})


def names_in(written: bytes, names: Iterable[str]) -> set[str]:
    """The names that stand in bytes: first where any of them begins, then which."""
    by_head: dict[int, list[bytes]] = {}
    for name in map(str.encode, names):
        if len(name) >= NAME_BYTES_MIN:
            by_head.setdefault(int.from_bytes(name[:4], "little"), []).append(name)
    found = set()
    for shift in range(4):
        heads = np.frombuffer(written, dtype="<u4", offset=shift, count=max(0, (len(written) - shift) // 4))
        for at in np.flatnonzero(np.isin(heads, list(by_head))).tolist():
            start = 4 * at + shift
            found |= {name.decode() for name in by_head[int(heads[at])] if written.startswith(name, start)}
    return found


def national_of(e164: str) -> str:
    """The digits of a number without its country's code."""
    return phonenumbers.national_significant_number(phonenumbers.parse(e164))


def everything_under(folder: Path) -> bytes:
    """The bytes of every file in a folder, one after another."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return b"\n".join(path.name.encode() + b"\n" + path.read_bytes() for path in files)


def everybody(state: Path) -> list[Lead]:
    """All leads of all campaigns."""
    with open_state(state) as store:
        return [lead for campaign in store.campaigns() for lead in store.leads(campaign)]


@pytest.mark.timeout(600)
def test_a_day_leaves_no_number_and_no_name(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The shipped campaigns are called for a while; their whole lists are searched for in all that was written."""
    folder = tmp_path_factory.mktemp("d")
    day = ("--hours", "0.2", "--speed", "1000", "--agents", "8")
    result = dialer("demo", "--campaigns", ROOT / "campaigns", *day, TMPDIR=str(folder), **{VARIABLE: RING})
    assert result.returncode == 0, result.stdout + result.stderr
    state = next(folder.glob("dialer-demo-*/state"))
    written = everything_under(state)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, RING)
        leads = everybody(state)
        with open_state(state) as store:
            called = {attempt.lead_id for attempt in store.attempts(None, 0.0, 1e11)}
    assert len(leads) > 5000
    assert len(called) > 20
    assert b'"event": "attempt"' in written
    assert found_in(written, leads) == set()
    assert found_in(result.stdout.encode() + result.stderr.encode(), leads) == set()
    person = next(lead for lead in leads if len(lead.name.encode()) >= NAME_BYTES_MIN)
    for plain in (person.numbers[0].e164, f"x00{national_of(person.numbers[0].e164)}7", f" {person.name}."):
        assert found_in(written[-1001:] + plain.encode(), leads), plain


def test_a_killed_daemon_leaves_no_number_and_no_name(tmp_path: Path) -> None:
    """After kill -9 the write-ahead log and its index are still there, and hold none either, nor does the log."""
    config = prepare(tmp_path)
    state = tmp_path / "state"
    with running(config) as daemon:
        for _ in range(5):
            daemon.wait_log("attempt")
        shown = dialer("leads", "show", "1", "--campaign", "survey", "--config", config)
        asked = dialer("report", "attempts", "--config", config)
        wrong = dialer("leads", "show", "07700 900999", "--campaign", "survey", "--config", config)
        daemon.signal(signal.SIGKILL)
        assert daemon.wait_end() == -signal.SIGKILL
        log = json.dumps(daemon.log, ensure_ascii=False).encode()
    assert {path.name for path in state.iterdir()} >= {"dialer.db", "dialer.db-wal", "dialer.db-shm"}
    written = everything_under(state)
    leads = everybody(state)
    assert len(leads) == 200
    assert found_in(written, leads) == set()
    assert found_in(log, leads) == set()
    said = "".join((asked.stdout, asked.stderr, wrong.stderr, shown.stderr))
    assert found_in(said.encode(), leads) == set()
    assert "900999" not in wrong.stderr


def test_a_servers_files_hold_no_number_and_no_name(own_postgres: PostgresServer, tmp_path: Path) -> None:
    """Neither its tables, nor its write-ahead log, nor what it logged: who looks after the server reads of nobody."""
    address = own_postgres.new_database()
    config = prepare(tmp_path, top=f'database = "{address}"\n')
    with running(config) as daemon:
        for _ in range(5):
            daemon.wait_log("attempt")
        daemon.signal(signal.SIGKILL)
        assert daemon.wait_end() == -signal.SIGKILL
    with open_store(load_settings(config)) as store:
        leads = list(store.leads("survey"))
        assert len(list(store.entries())) > 10
    own_postgres.shell(f"psql --quiet --command=CHECKPOINT {address}")
    written = b"\n".join(everything_under(own_postgres.folder / "data" / name) for name in ("base", "pg_wal"))
    assert b"survey" in written
    assert len(leads) == 200
    assert found_in(written, leads) == set()
    assert found_in(own_postgres.log().encode() + everything_under(tmp_path / "state"), leads) == set()
