"""Leads that come due all at once: no claim waits for all of them, and none is forgotten."""

from contextlib import closing
from dataclasses import replace

from dialer.domain.commands import SaveLead
from dialer.domain.lead import Callback
from dialer.engine.hopper import order_key
from dialer.storage.database import Database
from dialer.storage.importing import prepare
from dialer.storage.store import WAKE_MAX, Store
from tests.unit.storage.builders import VAULT, make_lead, make_policy

POLICY = make_policy()
LATE = 100  # leads beyond those that join with one claim


def test_what_comes_due_all_at_once_joins_a_part_with_each_claim(any_database: Database) -> None:
    """Those due first come first; as long as some are left the answer says that they are due."""
    with closing(Store(any_database, VAULT)) as store:
        with store.importing(POLICY, "list.csv", "cd" * 32, 0.0) as session:
            leads = (make_lead(index) for index in range(WAKE_MAX + LATE))
            session.add_many([prepare(lead, (), POLICY, VAULT) for lead in leads])
        with store.writing() as connection:
            connection.execute("UPDATE leads SET place = 1, due_at = lead_id")
        now = float(WAKE_MAX + LATE)
        first = store.claim(POLICY.name, 50, now)
        assert len(first.leads) == 50
        assert max(lead.lead_id for lead in first.leads) <= WAKE_MAX
        assert first.next_due_at == WAKE_MAX + 1
        assert first.open_leads == WAKE_MAX + LATE
        second = store.claim(POLICY.name, WAKE_MAX + LATE, now)
        assert (len(second.leads), second.next_due_at) == (WAKE_MAX + LATE - 50, None)


def test_who_was_promised_a_call_waits_for_nobody(any_database: Database) -> None:
    """A promised call is claimed when it is due, however many others came due before it."""
    with closing(Store(any_database, VAULT)) as store:
        with store.importing(POLICY, "list.csv", "cd" * 32, 0.0) as session:
            leads = (make_lead(index) for index in range(WAKE_MAX + LATE))
            session.add_many([prepare(lead, (), POLICY, VAULT) for lead in leads])
        store.claim(POLICY.name, WAKE_MAX + LATE, 0.0)
        last = WAKE_MAX + LATE
        with store.writing() as connection:
            connection.execute("UPDATE leads SET place = 1, due_at = 10.0")
        found = store.lead(last)
        assert found is not None
        promised = replace(found, due_at=20.0, callback=Callback(at=20.0))
        store.apply([SaveLead(lead=promised, order_key=order_key(promised, POLICY.list.order))])
        assert store.claim(POLICY.name, 1, 20.0).leads[0].lead_id == last
