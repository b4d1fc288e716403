"""Bringing a list into an SQLite database: one transaction, so all of it or nothing."""

import sqlite3
from dataclasses import replace

from dialer.domain.lead import Lead, PhoneNumber
from dialer.domain.policy import CampaignPolicy
from dialer.engine.hopper import order_key
from dialer.errors import StorageError
from dialer.storage import rows
from dialer.storage.imports import Added, Tally, distinct, merge
from dialer.storage.writing import add_open_leads, counter, insert, raise_counter, register

_COLUMNS = ", ".join(rows.LEAD_COLUMNS)
_ADD_LEAD = insert("leads", rows.LEAD_COLUMNS)
_ADD_NUMBER = insert("lead_numbers", ("campaign", "e164", "lead_id"))
_OWNER = "SELECT lead_id FROM lead_numbers WHERE campaign = ? AND e164 = ?"
_GET_LEAD = f"SELECT {_COLUMNS} FROM leads WHERE lead_id = ?"
_MERGE = f"""UPDATE leads SET {", ".join(f"{name} = ?" for name in rows.LIST_COLUMNS)},
    numbers = ?, number_count = ?, order_key = ?, place = ? WHERE lead_id = ?"""
_ADD_IMPORT = insert("imports", ("campaign", "source", "digest", "at", "loaded", "merged", "unchanged"))


class SqliteImport:
    """Leads on their way into an `SqliteStore`; see `SqliteStore.importing`, which owns the transaction."""

    def __init__(self, connection: sqlite3.Connection, policy: CampaignPolicy) -> None:
        self.tally = Tally()
        self.is_rolled_back = False
        self._connection = connection
        self._policy = policy
        register(connection, policy)
        self._next_lead_id = counter(connection, "next_lead_id")
        self._opened = 0

    def add(self, candidate: Lead) -> Added:
        """Add one row's lead (its `lead_id` is ignored), or merge it into the one that shares a number."""
        if candidate.campaign != self._policy.name or not candidate.numbers:
            raise StorageError(f"import into {self._policy.name!r}: expected its own lead with a number: {candidate!r}")
        owners = {number.e164: self._owner(number.e164) for number in candidate.numbers}
        lead_id = next((owner for owner in owners.values() if owner is not None), None)
        if lead_id is None:
            self._load(candidate)
            return self.tally.count("loaded")
        known = rows.to_lead(self._connection.execute(_GET_LEAD, (lead_id,)).fetchone())
        merged = merge(known, candidate, [e164 for e164, owner in owners.items() if owner not in (None, lead_id)])
        if merged is known:
            return self.tally.count("unchanged")
        self._merge(known, merged)
        return self.tally.count("merged")

    def rollback(self) -> None:
        """Forget everything at the end, as a dry run does."""
        self.is_rolled_back = True

    def finish(self, source: str, digest: str, now: float) -> None:
        """Write what counts the session's leads, before the transaction ends."""
        add_open_leads(self._connection, self._policy.name, self._opened)
        raise_counter(self._connection, "next_lead_id", self._next_lead_id)
        tally = self.tally
        values = (self._policy.name, source, digest, now, tally.loaded, tally.merged, tally.unchanged)
        self._connection.execute(_ADD_IMPORT, values)

    def _owner(self, e164: str) -> int | None:
        found = self._connection.execute(_OWNER, (self._policy.name, e164)).fetchone()
        return None if found is None else int(found[0])

    def _load(self, candidate: Lead) -> None:
        lead = replace(candidate, lead_id=self._next_lead_id, numbers=distinct(candidate.numbers))
        self._next_lead_id += 1
        values = rows.engine_values(lead, order_key(lead, self._policy.list.order))
        self._connection.execute(_ADD_LEAD, (lead.lead_id, lead.campaign, *values, *rows.list_values(lead)))
        self._add_numbers(lead, lead.numbers)
        self._opened += values[0] != rows.FINISHED

    def _merge(self, known: Lead, merged: Lead) -> None:
        key = order_key(merged, self._policy.list.order)
        numbers = (rows.text(merged.numbers), len(merged.numbers))
        values = (*rows.list_values(merged), *numbers, key, rows.place_of(merged), merged.lead_id)
        self._connection.execute(_MERGE, values)
        self._add_numbers(merged, merged.numbers[len(known.numbers) :])

    def _add_numbers(self, lead: Lead, numbers: tuple[PhoneNumber, ...]) -> None:
        values = [(lead.campaign, number.e164, lead.lead_id) for number in numbers]
        self._connection.executemany(_ADD_NUMBER, values)
