"""Bringing a list into an SQLite database: all of it or nothing, and beside a daemon that dials.

One rule governs this module: rows are gathered in a private temporary database, which SQLite removes by itself, and
move over in one transaction at the end. Who else writes waits for that move only, never for the reading of the list.
The temporary database may go to the disk, too, so what is personal is sealed in it.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import replace

from dialer.domain.lead import Lead, PhoneNumber
from dialer.domain.policy import CampaignPolicy
from dialer.domain.standing import Consent
from dialer.engine.hopper import order_key
from dialer.errors import StorageError
from dialer.storage import rows
from dialer.storage.consents import GATHERING, gather, keep_gathered
from dialer.storage.imports import ERASED, Added, Tally, distinct, merge, not_its_own, own_consents
from dialer.storage.proofs import refuse_dropped
from dialer.storage.vault import Vault
from dialer.storage.writing import add_open_leads, counter, insert, raise_counter, register

LOOK_EVERY = 1_000  # rows that may be read of one and the same state of the store
_COLUMNS = ", ".join(rows.LEAD_COLUMNS)
_GATHERING = (
    "ATTACH '' AS gathered",
    "PRAGMA gathered.journal_mode = OFF",
    "PRAGMA gathered.synchronous = OFF",
    "PRAGMA gathered.cache_size = -65536",
    f"CREATE TABLE gathered.leads (lead_id INTEGER PRIMARY KEY, {', '.join(rows.LEAD_COLUMNS[1:])})",
    "CREATE TABLE gathered.numbers (number_index BLOB PRIMARY KEY, lead_id INTEGER) WITHOUT ROWID",
    GATHERING,
)
_KEEP_LEAD = insert("gathered.leads", rows.LEAD_COLUMNS, verb="INSERT OR REPLACE")
_KEEP_NUMBER = insert("gathered.numbers", ("number_index", "lead_id"))
_OWNERS = (
    "SELECT lead_id FROM gathered.numbers WHERE number_index = :index",
    "SELECT lead_id FROM lead_numbers WHERE number_index = :index AND campaign = :campaign",
)
_LEADS = (
    f"SELECT {_COLUMNS} FROM gathered.leads WHERE lead_id = ?",
    f"SELECT {_COLUMNS} FROM main.leads WHERE lead_id = ?",
)
_IS_ERASED = f"""SELECT 1 FROM blocked WHERE seller = :seller AND number_index = :index AND (reason = '{ERASED}'
    OR EXISTS (SELECT 1 FROM lead_numbers JOIN leads USING (lead_id) JOIN campaigns ON campaigns.name = leads.campaign
    WHERE lead_numbers.number_index = :index AND leads.reason = '{ERASED}' AND campaigns.seller = :seller))"""
"""Whether a person asked this seller to be erased; one whom a campaign's retention gave up is on no such list."""
_CHANGED = f"SELECT {_COLUMNS} FROM gathered.leads WHERE lead_id < ? ORDER BY lead_id"
_MERGE = f"""UPDATE leads SET {", ".join(f"{name} = ?" for name in rows.LIST_COLUMNS)},
    {", ".join(f"{name} = ?" for name in rows.NUMBER_COLUMNS)}, order_key = ?, place = ? WHERE lead_id = ?"""
_ADD_NUMBER = insert("lead_numbers", ("number_index", "campaign", "lead_id"))
_MOVE_LEADS = f"""INSERT INTO main.leads ({_COLUMNS})
    SELECT {_COLUMNS} FROM gathered.leads WHERE lead_id >= ? ORDER BY lead_id"""
_MOVE_NUMBERS = """INSERT INTO lead_numbers (number_index, campaign, lead_id)
    SELECT number_index, ?, lead_id FROM gathered.numbers WHERE lead_id >= ? ORDER BY number_index"""
_COUNT_OPEN = "SELECT count(*) FROM gathered.leads WHERE lead_id >= ? AND place <> ?"
_ADD_IMPORT = insert(
    "imports", ("campaign", "source", "digest", "policy_digest", "at", "loaded", "merged", "unchanged")
)
_LAST_IMPORT = "SELECT coalesce(max(import_id), 0) FROM imports"


class SqliteImport:
    """Leads on their way into an `SqliteStore`; see `SqliteStore.importing`, which owns connection and transaction."""

    def __init__(self, connection: sqlite3.Connection, policy: CampaignPolicy, vault: Vault) -> None:
        self.tally = Tally()
        self.is_rolled_back = False
        self._connection = connection
        self._policy = policy
        self._vault = vault
        self._key_id = vault.key_id
        for statement in _GATHERING:
            connection.execute(statement)
        self._last_import = connection.execute(_LAST_IMPORT).fetchone()[0]
        self._first_lead_id = self._next_lead_id = counter(connection, "next_lead_id")
        self._rows = 0
        connection.execute("BEGIN")

    def add(self, candidate: Lead, consents: Iterable[Consent] = ()) -> Added:
        """Add one row's lead (its `lead_id` is ignored), or merge it into the one that shares a number."""
        if candidate.campaign != self._policy.name or not candidate.numbers:
            raise not_its_own(self._policy.name, candidate)
        self._look_again()
        owners = {number.e164: self._owner(self._vault.index(number.e164)) for number in candidate.numbers}
        lead_id = next((owner for owner in owners.values() if owner is not None), None)
        known = None if lead_id is None else self._lead(lead_id)
        if self._is_erased(known, owners):
            return self.tally.count("unchanged")
        gather(self._connection, self._vault, own_consents(self._policy, consents))
        if known is None:
            self._load(candidate)
            return self.tally.count("loaded")
        merged = merge(known, candidate, [e164 for e164, owner in owners.items() if owner not in (None, lead_id)])
        if merged is known:
            return self.tally.count("unchanged")
        self._gather(merged, merged.numbers[len(known.numbers) :])
        return self.tally.count("merged")

    def rollback(self) -> None:
        """Forget everything at the end, as a dry run does."""
        self.is_rolled_back = True

    def close(self) -> None:
        """End the gathering, before the transaction that moves what was gathered."""
        self._connection.execute("COMMIT")

    def finish(self, source: str, digest: str, now: float) -> None:
        """Move what was gathered to its place, within a transaction. Raises StorageError after another import."""
        connection, name, first = self._connection, self._policy.name, self._first_lead_id
        if connection.execute(_LAST_IMPORT).fetchone()[0] != self._last_import:
            raise StorageError("another import ended while this one ran: nothing was loaded; import again")
        refuse_dropped(connection, self._key_id)
        register(connection, self._policy, self._vault)
        for row in connection.execute(_CHANGED, (first,)).fetchall():
            self._merge(rows.to_lead(row, self._vault))
        connection.execute(_MOVE_LEADS, (first,))
        connection.execute(_MOVE_NUMBERS, (name, first))
        add_open_leads(connection, name, connection.execute(_COUNT_OPEN, (first, rows.FINISHED)).fetchone()[0])
        raise_counter(connection, "next_lead_id", self._next_lead_id)
        tally = self.tally
        values = (name, source, digest, self._policy.digest, now, tally.loaded, tally.merged, tally.unchanged)
        connection.execute(_ADD_IMPORT, values)
        keep_gathered(connection, source, "", now)

    def _look_again(self) -> None:
        """Read the store as it is now, every so often: a statement for itself costs twice the time, and a transaction
        that lasts keeps the write-ahead log from being emptied."""
        self._rows += 1
        if self._rows % LOOK_EVERY == 0:
            self._connection.execute("COMMIT")
            self._connection.execute("BEGIN")

    def _owner(self, index: bytes) -> int | None:
        named = {"campaign": self._policy.name, "index": index}
        found = (self._connection.execute(owners, named).fetchone() for owners in _OWNERS)
        return next((int(row[0]) for row in found if row is not None), None)

    def _lead(self, lead_id: int) -> Lead:
        """Give a lead as this import left it, else as it stands in the store."""
        found = (self._connection.execute(leads, (lead_id,)).fetchone() for leads in _LEADS)
        return next(rows.to_lead(row, self._vault) for row in found if row is not None)

    def _is_erased(self, known: Lead | None, numbers: Iterable[str]) -> bool:
        """Whether a row is of a person who was erased, in this campaign or, for good, for its seller."""
        if known is not None:
            return known.reason == ERASED
        named = [{"seller": self._policy.seller, "index": self._vault.index(e164)} for e164 in numbers]
        return any(self._connection.execute(_IS_ERASED, each).fetchone() is not None for each in named)

    def _load(self, candidate: Lead) -> None:
        """Keep a new lead. Its rank is made anew, with the key: the list's own is a plain hash of the number."""
        rank = self._vault.rank(candidate.campaign, candidate.numbers[0].e164)
        lead = replace(candidate, lead_id=self._next_lead_id, numbers=distinct(candidate.numbers), shuffle=rank)
        self._next_lead_id += 1
        self._gather(lead, lead.numbers)

    def _gather(self, lead: Lead, new: tuple[PhoneNumber, ...]) -> None:
        """Keep a lead, and those of its numbers that are new, until the end."""
        values = rows.engine_values(lead, order_key(lead, self._policy.list.order), self._vault)
        values = (lead.lead_id, lead.campaign, *values, *rows.list_values(lead, self._vault))
        self._connection.execute(_KEEP_LEAD, values)
        self._connection.executemany(_KEEP_NUMBER, [(self._vault.index(n.e164), lead.lead_id) for n in new])

    def _merge(self, gathered: Lead) -> None:
        """Add what the list knows to a lead that was here before, as it stands now: it may have been called since."""
        known = rows.to_lead(self._connection.execute(_LEADS[1], (gathered.lead_id,)).fetchone(), self._vault)
        merged = merge(known, gathered, ())
        key = order_key(merged, self._policy.list.order)
        numbers = rows.number_values(merged.numbers, self._vault)
        values = (*rows.list_values(merged, self._vault), *numbers, key, rows.place_of(merged), merged.lead_id)
        self._connection.execute(_MERGE, values)
        added = merged.numbers[len(known.numbers) :]
        found = [(self._vault.index(number.e164), merged.campaign, merged.lead_id) for number in added]
        self._connection.executemany(_ADD_NUMBER, found)
