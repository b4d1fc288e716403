"""Bringing a list into an SQLite database: all of it or nothing, and beside a daemon that dials.

One rule governs this module: rows are gathered in a private temporary database, which SQLite removes by itself, and
move over in one transaction at the end. Who else writes waits for that move only, never for the reading of the list.
The temporary database may go to the disk, too, so what is personal is sealed in it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from dialer.domain.lead import Lead, PhoneNumber
from dialer.domain.policy import CampaignPolicy
from dialer.domain.standing import Consent
from dialer.engine.hopper import order_key
from dialer.errors import StorageError
from dialer.storage import rows
from dialer.storage.consents import GATHERING, gather, keep_gathered
from dialer.storage.database import Connection
from dialer.storage.imports import ERASED, Added, Tally, distinct, merge, not_its_own, own_consents
from dialer.storage.proofs import refuse_dropped
from dialer.storage.vault import Keyring, Vault
from dialer.storage.writing import add_open_leads, counter, insert, raise_counter, register

MANY = 1_000
"""Rows whose numbers are looked for in one statement; SQLite takes 32,766 values in one."""
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
_OWNED = (
    "SELECT number_index FROM gathered.numbers WHERE number_index IN (%s)",
    "SELECT number_index FROM lead_numbers WHERE number_index IN (%s) AND campaign = ?",
    "SELECT number_index FROM blocked WHERE number_index IN (%s) AND seller = ?",  # may be of people who were erased
)
_OWNERS = (
    "SELECT lead_id FROM gathered.numbers WHERE number_index = ?",
    "SELECT lead_id FROM lead_numbers WHERE number_index = ? AND campaign = ?",
)
_LEADS = (
    f"SELECT {_COLUMNS} FROM gathered.leads WHERE lead_id = ?",
    f"SELECT {_COLUMNS} FROM main.leads WHERE lead_id = ?",
)
_IS_ERASED = f"""SELECT 1 FROM blocked WHERE seller = ? AND number_index = ? AND (reason = '{ERASED}'
    OR EXISTS (SELECT 1 FROM lead_numbers JOIN leads USING (lead_id) JOIN campaigns ON campaigns.name = leads.campaign
    WHERE lead_numbers.number_index = blocked.number_index AND leads.reason = '{ERASED}'
    AND campaigns.seller = blocked.seller))"""
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


class Prepared(NamedTuple):
    """A lead that is sealed and ready to be kept, as `prepare` makes it, in another process too.

    `values` are those of LEAD_COLUMNS without the lead's id, `indexes` the keyed hashes of its numbers.
    """

    values: rows.Row
    indexes: tuple[bytes, ...]
    consents: tuple[Consent, ...]


_ORDER_KEY = 1 + rows.ENGINE_COLUMNS.index("order_key")
_ID_DIGITS = 12  # with which an order key ends


def prepare(candidate: Lead, consents: Iterable[Consent], policy: CampaignPolicy, vault: Vault) -> Prepared:
    """Seal a row's lead, as if nobody had any of its numbers yet.

    Its rank is made anew, with the key: the list's own is a plain hash of the number.
    """
    rank, numbers = vault.rank(candidate.campaign, candidate.numbers[0].e164), distinct(candidate.numbers)
    lead = candidate
    if (lead.lead_id, lead.shuffle, lead.numbers) != (0, rank, numbers):
        lead = replace(candidate, lead_id=0, numbers=numbers, shuffle=rank)
    values = rows.engine_values(lead, order_key(lead, policy.list.order), vault)
    return Prepared(
        values=(lead.campaign, *values, *rows.list_values(lead, vault)),
        indexes=tuple([vault.index(number.e164) for number in lead.numbers]),
        consents=tuple(own_consents(policy, consents)),
    )


class SqliteImport:
    """Leads on their way into an `Store`; see `Store.importing`, which owns connection and transaction."""

    def __init__(self, connection: Connection, policy: CampaignPolicy, vault: Vault) -> None:
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

    @property
    def keyring(self) -> Keyring:
        """The keys with which to `prepare` leads for this import."""
        return self._vault.keyring

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

    def add_many(self, many: Sequence[Prepared]) -> list[Added]:
        """Add prepared leads, in order, as `add` would; say what became of each.

        Those whose numbers nobody has yet, nearly all of a list, are kept without being opened.
        """
        taken: set[bytes] = set()
        for start in range(0, len(many), MANY):
            taken |= self._owned([index for each in many[start : start + MANY] for index in each.indexes])
        added: list[Added] = []
        fresh: list[Prepared] = []
        for each in many:
            if taken.isdisjoint(each.indexes):
                fresh.append(each)
                added.append(self.tally.count("loaded"))
            else:
                self._keep(fresh)
                fresh = []
                lead = rows.to_lead((0, *each.values), self._vault)
                added.append(self.add(lead, each.consents))
            taken.update(each.indexes)
        self._keep(fresh)
        return added

    def _owned(self, indexes: list[bytes]) -> set[bytes]:
        """Give those of some numbers that leads have, of this import or of the store, or that nobody calls."""
        self._look_again(len(indexes))
        marks = ", ".join("?" * len(indexes))
        found: set[bytes] = set()
        for sql, more in zip(_OWNED, ((), (self._policy.name,), (self._policy.seller,)), strict=True):
            found.update(index for (index,) in self._connection.execute(sql % marks, (*indexes, *more)))
        return found

    def _keep(self, fresh: list[Prepared]) -> None:
        """Keep new leads, with ids in their order."""
        leads: list[rows.Row] = []
        numbers: list[tuple[bytes, int]] = []
        for lead_id, each in enumerate(fresh, start=self._next_lead_id):
            key = each.values[_ORDER_KEY][:-_ID_DIGITS] + f"{lead_id:0{_ID_DIGITS}d}"
            leads.append((lead_id, *each.values[:_ORDER_KEY], key, *each.values[_ORDER_KEY + 1 :]))
            numbers += [(index, lead_id) for index in each.indexes]
            if each.consents:
                gather(self._connection, self._vault, each.consents)
        self._next_lead_id += len(fresh)
        self._connection.executemany(_KEEP_LEAD, leads)
        self._connection.executemany(_KEEP_NUMBER, numbers)

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

    def _look_again(self, count: int = 1) -> None:
        """Read the store as it is now, every so many look-ups: a statement for itself costs twice the time, and a
        transaction that lasts keeps the write-ahead log from being emptied."""
        self._rows += count
        if self._rows >= LOOK_EVERY:
            self._rows = 0
            self._connection.execute("COMMIT")
            self._connection.execute("BEGIN")

    def _owner(self, index: bytes) -> int | None:
        values = ((index,), (index, self._policy.name))
        found = (self._connection.execute(*each).fetchone() for each in zip(_OWNERS, values, strict=True))
        return next((int(row[0]) for row in found if row is not None), None)

    def _lead(self, lead_id: int) -> Lead:
        """Give a lead as this import left it, else as it stands in the store."""
        found = (self._connection.execute(leads, (lead_id,)).fetchone() for leads in _LEADS)
        return next(rows.to_lead(row, self._vault) for row in found if row is not None)

    def _is_erased(self, known: Lead | None, numbers: Iterable[str]) -> bool:
        """Whether a row is of a person who was erased, in this campaign or, for good, for its seller."""
        if known is not None:
            return known.reason == ERASED
        values = [(self._policy.seller, self._vault.index(e164)) for e164 in numbers]
        return any(self._connection.execute(_IS_ERASED, each).fetchone() is not None for each in values)

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
