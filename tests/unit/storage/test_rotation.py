"""Every sealed value comes under the newest key, beside others who write, and after a crash at any step."""

from contextlib import closing
from pathlib import Path

import pytest

from dialer.domain.commands import BlockPerson, PlaceCall, RecordAttempt, SaveLead
from dialer.domain.lead import Callback
from dialer.errors import KeysError
from dialer.storage import rotation
from dialer.storage.database import Database
from dialer.storage.reading import Records
from dialer.storage.rotation import CHUNK, drop_key, reseal, rows_per_key
from dialer.storage.rows import SEALED
from dialer.storage.sqlite import SqliteDatabase
from dialer.storage.store import Store
from tests.unit.storage.builders import make_attempt, make_lead, make_number, make_policy
from tests.vaults import make_vault

OLD, BOTH, NEW = make_vault("00000001"), make_vault("00000001", "00000002"), make_vault("00000002")
POLICY = make_policy()
LEADS = 3 * CHUNK + 7


@pytest.fixture
def filled(any_database: Database) -> Database:
    """A database with more leads than one step takes, attempts and a journal, all under the old key."""
    with closing(Store(any_database, OLD)) as store:
        fill(store)
    return any_database


def fill(store: Store) -> None:
    """Write something into every table with sealed values."""
    with store.importing(POLICY, "list.csv", "", 0.0) as session:
        for index in range(LEADS):
            named = {"name": "Somebody"} if index % 2 else {}
            session.add(make_lead(index, external_id=f"x{index}", fields={"plan": "B"}, **named))
    lead = store.claim("spring", 1, 0.0).leads[0]
    place = PlaceCall(
        call_id=1, campaign="spring", lead_id=lead.lead_id, number=lead.numbers[0].e164, ring_timeout_s=22.0,
        caller_id=None, agent_id=None,
    )  # fmt: skip
    promised = make_lead(0, lead_id=lead.lead_id, due_at=9.0, callback=Callback(at=9.0, note="later"))
    commands = (
        place,
        RecordAttempt(attempt=make_attempt(1, 5.0, number=lead.numbers[0].e164)),
        SaveLead(lead=promised, order_key="k"),
        BlockPerson(seller=POLICY.seller, numbers=(make_number(3).e164,), reason="refused"),
    )
    store.commit(1, 5.0, None, commands)


def everything(records: Records) -> list[object]:
    """All that is sealed, opened."""
    return [list(records.leads("spring")), list(records.attempts(None, 0.0, 99.0)), list(records.entries())]


def test_rows_are_counted_by_key(filled: Database) -> None:
    """A row counts once for each key that it has a value under; what is empty counts for none."""
    with closing(Store(filled, BOTH)) as store:
        assert rows_per_key(store) == {"00000001": LEADS + 2}
        (lead,) = store.claim("spring", 1, 5.0).leads
        store.apply([SaveLead(lead=lead, order_key="k")])
        assert rows_per_key(store) == {"00000001": LEADS + 2, "00000002": 1}


def test_everything_comes_under_the_newest_key(filled: Database) -> None:
    """In steps of a bounded size, each row once; then the newest key alone opens it all, and finds all numbers."""
    with closing(Store(filled, BOTH)) as store:
        before = everything(store)
        steps = list(reseal(store))
        assert sum(rows for _, rows in steps) == LEADS + 2
        assert max(rows for _, rows in steps) == CHUNK
        assert rows_per_key(store) == {"00000002": LEADS + 2}
        assert list(reseal(store)) == []
        drop_key(store, "00000001")
    with closing(Store(filled, NEW)) as store:
        assert everything(store) == before
        assert [lead.lead_id for lead in store.find_number(make_number(7).e164)] == [8]
        assert store.is_blocked(POLICY.seller, make_number(3).e164)


def test_a_rotation_that_was_cut_short_goes_on(filled: Database) -> None:
    """After any number of steps all reads as before, under two keys, and the next run does only what is left."""
    with closing(Store(filled, BOTH)) as store:
        before = everything(store)
        total = 0
        for _ in range(10):
            steps = reseal(store)
            total += next(steps, ("", 0))[1]
            steps.close()
            assert everything(store) == before
        assert total == LEADS + 2
        assert rows_per_key(store) == {"00000002": LEADS + 2}


def test_others_write_between_the_steps(filled: Database) -> None:
    """A daemon under the new key and one that was not told yet both save leads; a value under the old key is found."""
    with closing(Store(filled, OLD)) as untold, closing(Store(filled, BOTH)) as store:
        steps = reseal(store)
        next(steps)
        for lead_id in (LEADS, 1):
            lead = store.lead(lead_id)
            assert lead is not None
            untold.apply([SaveLead(lead=lead, order_key="k")])
        for _ in steps:
            pass
        assert rows_per_key(store)["00000001"] == 1
        with pytest.raises(KeysError, match="00000001: 1 rows are sealed under it"):
            drop_key(store, "00000001")
        assert sum(rows for _, rows in reseal(store)) == 1
        drop_key(store, "00000001")


def test_nothing_is_sealed_under_a_key_that_was_dropped(filled: Database) -> None:
    """A process that still has the old keyring is refused at its next transaction, an import at its end."""
    with closing(Store(filled, OLD)) as late:
        imported = late.importing(POLICY, "late.csv", "", 0.0)
        session = imported.__enter__()
        session.add(make_lead(9001))
        with closing(Store(filled, BOTH)) as store:
            assert sum(rows for _, rows in reseal(store)) == LEADS + 2
            drop_key(store, "00000001")
            with pytest.raises(KeysError, match="the key 00000001 was dropped"):
                imported.__exit__(None, None, None)
            with pytest.raises(KeysError, match="the key 00000001 was dropped"):
                late.apply([])
            assert store.counts("spring").loaded == LEADS
            assert rows_per_key(store) == {"00000002": LEADS + 2}


def test_the_files_hold_nothing_under_a_key_that_was_dropped(tmp_path: Path) -> None:
    """While others have the database open, too: whoever learned the old key reads nothing in file or log."""
    path, old, new = tmp_path / "dialer.db", "5ea1ed01", "5ea1ed02"
    with closing(Store(SqliteDatabase(path), make_vault(old))) as store:
        fill(store)
    both = make_vault(old, new)
    with closing(Store(SqliteDatabase(path), both)) as daemon, closing(Store(SqliteDatabase(path), both)) as store:
        daemon.apply([])
        assert sum(rows for _, rows in reseal(store)) == LEADS + 2
        drop_key(store, old)
        written = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"\x01" + bytes.fromhex(old) not in written
    assert b"\x01" + bytes.fromhex(new) in written


def test_every_table_with_sealed_values_can_be_gone_through(filled: Database) -> None:
    """The statements fit each table, from its beginning and from any key on."""
    with closing(Store(filled, BOTH)) as store:
        for place in SEALED:
            found = rotation._next_keys(store._writer, place, BOTH.key_id, None)
            key = found[-1] if found else ("", b"")[: len(place.key)] if place.table == "retained" else (0,)
            assert key not in rotation._next_keys(store._writer, place, BOTH.key_id, key)
            rotation._reseal(store._writer, place, BOTH, key, key)
