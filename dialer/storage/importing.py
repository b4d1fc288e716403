"""Bringing a list into a database: all of it or nothing, and beside a daemon that dials.

One rule governs this module: rows are gathered in private temporary tables, which go with their connection, and move
over in one transaction at the end. Who else writes to what they change waits for that move only, never for the reading
of the list. Temporary tables may go to the disk, too, so what is personal is sealed in them.

On a server the large first list of a campaign goes straight to its place, in one transaction: nobody sees its leads
before the end, and they are written once.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from dialer.domain.lead import Lead
from dialer.domain.policy import CampaignPolicy
from dialer.domain.standing import Consent
from dialer.engine.hopper import order_key
from dialer.errors import StorageError
from dialer.storage import ownership, rows
from dialer.storage.consents import GATHERING, gather, keep_gathered
from dialer.storage.database import Connection
from dialer.storage.imports import ERASED, Added, Tally, distinct, merge, not_its_own, own_consents
from dialer.storage.proofs import refuse_dropped
from dialer.storage.vault import Keyring, Vault
from dialer.storage.writing import add_open_leads, counter, insert, raise_counter, register

LARGE = 10_000
"""New leads from which on statements may have to find their rows another way."""
MANY = 1_000
"""Rows that are looked up, and kept, together."""
_COLUMNS = ", ".join(rows.LEAD_COLUMNS)
_NUMBERS = ("number_index", "lead_id")
_IS_ERASED = f"""SELECT 1 FROM blocked WHERE seller = ? AND number_index = ? AND (reason = '{ERASED}'
    OR EXISTS (SELECT 1 FROM lead_numbers JOIN leads USING (lead_id) JOIN campaigns ON campaigns.name = leads.campaign
    WHERE lead_numbers.number_index = blocked.number_index AND leads.reason = '{ERASED}'
    AND campaigns.seller = blocked.seller))"""
"""Whether a person asked this seller to be erased; one whom a campaign's retention gave up is on no such list."""
_CHANGED = f"SELECT {_COLUMNS} FROM gathered_leads WHERE lead_id < ? ORDER BY lead_id"
_MERGED = ("lead_id", *rows.LIST_COLUMNS, *rows.NUMBER_COLUMNS, "order_key", "place")
_MOVE_LEADS = f"""INSERT INTO leads ({_COLUMNS})
    SELECT {_COLUMNS} FROM gathered_leads WHERE lead_id >= ?"""
"""In the order in which they lie there, which is that of the list: a server would sort them on its disk once more."""
_MOVE_NUMBERS = """INSERT INTO lead_numbers (number_index, campaign, lead_id)
    SELECT number_index, ?, lead_id FROM gathered_numbers WHERE lead_id >= ? ORDER BY number_index"""
_ADD_IMPORT = insert(
    "imports", ("campaign", "source", "digest", "policy_digest", "at", "loaded", "merged", "unchanged")
)
_HAS_IMPORTED = "SELECT 1 FROM imports WHERE campaign = ? LIMIT 1"
_HAS_BLOCKED = "SELECT 1 FROM blocked WHERE seller = ? LIMIT 1"
_LAST_IMPORT = "SELECT coalesce(max(import_id), 0) FROM imports"


class Prepared(NamedTuple):
    """A lead that is sealed and ready to be kept, as `prepare` makes it, in another process too.

    `values` are those of LEAD_COLUMNS without the lead's id, `indexes` the keyed hashes of its numbers.
    """

    values: rows.Row
    indexes: tuple[bytes, ...]
    consents: tuple[Consent, ...]


_PLACE, _ORDER_KEY = (1 + rows.ENGINE_COLUMNS.index(name) for name in ("place", "order_key"))
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


@dataclass(slots=True)
class _Chunk:
    """What is known of the numbers of some rows, and what becomes of the rows.

    `owners` says which lead has a number, `barred` which numbers nobody calls. `leads` are opened already; those of
    `fresh`, new in this chunk, are sealed as they came.
    """

    owners: dict[bytes, int]
    barred: set[bytes]
    leads: dict[int, Lead]
    fresh: dict[int, rows.Row] = field(default_factory=dict)
    changed: dict[int, rows.Row] = field(default_factory=dict)
    numbers: list[tuple[bytes, int]] = field(default_factory=list)
    consents: list[Consent] = field(default_factory=list)


class _Sieve:
    """Which numbers may have been gathered: those that may not are not looked for. 16 MiB, whatever the list."""

    def __init__(self) -> None:
        self._places = bytearray(1 << 24)

    def add(self, numbers: Iterable[tuple[bytes, int]]) -> None:
        """Take note of numbers, by their keyed hashes, of which three bytes tell a place."""
        places = self._places
        for index, _ in numbers:
            places[int.from_bytes(index[:3])] = 1

    def caught(self, indexes: Iterable[bytes]) -> list[bytes]:
        """Give those that may be there: all that are and, of a million others, one in sixteen."""
        places = self._places
        return [index for index in indexes if places[int.from_bytes(index[:3])]]


class LeadImport:
    """Leads on their way into a `Store`; see `Store.importing`, which owns connection and transaction.

    `begin` begins the transaction, at the end or, with `go_straight`, before.
    """

    def __init__(self, connection: Connection, policy: CampaignPolicy, vault: Vault, begin: Callable[[], None]) -> None:
        self.tally = Tally()
        self._begin = begin
        self._has_begun = False
        self.is_rolled_back = False
        self._connection = connection
        self._policy = policy
        self._vault = vault
        self._key_id = vault.key_id
        connection.make_private("gathered_leads", "leads", rows.LEAD_COLUMNS)
        connection.make_private("gathered_numbers", "lead_numbers", _NUMBERS)
        self._is_straight = False
        self._leads_at, self._numbers_at = "gathered_leads", "gathered_numbers"
        connection.execute(GATHERING)
        self._gathered = _Sieve()
        self._open_leads = 0  # among those that are new
        self._look_around()

    def _look_around(self) -> None:
        """Take note of what other imports left."""
        self._last_import = self._connection.execute(_LAST_IMPORT).fetchone()[0]
        self._has_leads = bool(self._all(_HAS_IMPORTED, self._policy.name))
        self._first_lead_id = self._next_lead_id = counter(self._connection, "next_lead_id")

    @property
    def keyring(self) -> Keyring:
        """The keys with which to `prepare` leads for this import."""
        return self._vault.keyring

    def go_straight(self) -> None:
        """Write to where leads stay, before anything was added, where nobody but another import would have to wait.

        Not beside a daemon: what it changes while a transaction is open can not be swept, and its claims walk over it.
        """
        connection = self._connection
        if connection.has_many_writers and not (self._has_leads or ownership.is_anybody_at_work(connection)):
            self._begin_once()
            self._connection.hold("import")
            self._look_around()
            if not self._has_leads:
                self._is_straight = True
                self._leads_at, self._numbers_at = "leads", "lead_numbers"

    def _begin_once(self) -> None:
        if not self._has_begun:
            self._has_begun = True
            self._begin()

    def add(self, candidate: Lead, consents: Iterable[Consent] = ()) -> Added:
        """Add one row's lead (its `lead_id` is ignored), or merge it into the one that shares a number."""
        if candidate.campaign != self._policy.name or not candidate.numbers:
            raise not_its_own(self._policy.name, candidate)
        return self.add_many([prepare(candidate, consents, self._policy, self._vault)])[0]

    def add_many(self, many: Sequence[Prepared]) -> list[Added]:
        """Add prepared leads, in order, as `add` would; say what became of each.

        Those whose numbers nobody has yet, nearly all of a list, are kept without being opened.
        """
        added: list[Added] = []
        for start in range(0, len(many), MANY):
            part = many[start : start + MANY]
            with self._connection.glance():
                chunk = self._look_up([index for each in part for index in each.indexes])
                added += [self.tally.count(self._place(each, chunk)) for each in part]
                self._keep(chunk)
        return added

    def rollback(self) -> None:
        """Forget everything at the end, as a dry run does."""
        self.is_rolled_back = True

    def finish(self, source: str, digest: str, now: float) -> None:
        """Move what was gathered to its place, in a transaction. Raises StorageError after another import."""
        self._begin_once()
        connection, name, first = self._connection, self._policy.name, self._first_lead_id
        connection.hold("import")
        if connection.execute(_LAST_IMPORT).fetchone()[0] != self._last_import:
            raise StorageError("another import ended while this one ran: nothing was loaded; import again")
        refuse_dropped(connection, self._key_id)
        if not self._all("SELECT 1 FROM campaigns WHERE name = ?", name):
            register(connection, self._policy, self._vault)
        # What a daemon at work may wait for comes last.
        if not self._is_straight:
            connection.execute(_MOVE_LEADS, (first,))
            connection.execute(_MOVE_NUMBERS, (name, first))
        keep_gathered(connection, source, "", now)
        changed = connection.stream(_CHANGED, (first,))
        while part := changed.fetchmany(MANY):
            self._merge({row[0]: rows.to_lead(row, self._vault) for row in part})
        register(connection, self._policy, self._vault)
        add_open_leads(connection, name, self._open_leads)
        raise_counter(connection, "next_lead_id", self._next_lead_id)
        tally = self.tally
        values = (name, source, digest, self._policy.digest, now, tally.loaded, tally.merged, tally.unchanged)
        connection.execute(_ADD_IMPORT, values)

    # ----------------------------------------------------------------------------- looking up
    def _look_up(self, indexes: list[bytes]) -> _Chunk:
        """Find who has these numbers: of this import, else of the store as it is now; and who is not to be called.

        A look-up that can find nothing is left out: of a new list they would take as long as writing it.
        """
        name, seller = self._policy.name, self._policy.seller
        owners: dict[bytes, int] = {}
        if self._has_leads:
            owners.update(self._among("lead_numbers", "number_index, lead_id", indexes, "campaign", name))
        if known := self._gathered.caught(indexes):
            own = ("campaign", name) if self._is_straight else ()
            owners.update(self._among(self._numbers_at, "number_index, lead_id", known, *own))
        barred: list[rows.Row] = []
        if self._all(_HAS_BLOCKED, seller):
            barred = self._among("blocked", "number_index", indexes, "seller", seller)
        return _Chunk(owners=owners, barred={index for (index,) in barred}, leads=self._leads(set(owners.values())))

    def _among(self, table: str, columns: str, indexes: list[bytes], *equal: str) -> list[rows.Row]:
        """Give the rows of a table with one of these numbers and, where a column is named, that value in it."""
        where, values = self._connection.among("number_index", indexes)
        and_, more = (f" AND {equal[0]} = ?", equal[1:]) if equal else ("", ())
        return self._all(f"SELECT {columns} FROM {table} WHERE {where}{and_}", *values, *more)

    def _leads(self, ids: set[int]) -> dict[int, Lead]:
        """Give leads as this import left them, else as they stand in the store."""
        found: dict[int, Lead] = {}
        for table in dict.fromkeys(("leads", self._leads_at)) if ids else ():
            where, values = self._connection.among("lead_id", sorted(ids))
            for row in self._all(f"SELECT {_COLUMNS} FROM {table} WHERE {where}", *values):
                found[row[0]] = rows.to_lead(row, self._vault)
        return found

    def _all(self, sql: str, *values: object) -> list[rows.Row]:
        return self._connection.execute(sql, values).fetchall()

    # -------------------------------------------------------------------------------- placing
    def _place(self, each: Prepared, chunk: _Chunk) -> Added:
        """Decide what becomes of one row."""
        lead_id = next((chunk.owners[index] for index in each.indexes if index in chunk.owners), None)
        known = None if lead_id is None else self._known(lead_id, chunk)
        if known is None:
            if chunk.barred and self._is_erased([index for index in each.indexes if index in chunk.barred]):
                return "unchanged"
            chunk.consents += each.consents
            self._load(each, chunk)
            return "loaded"
        if known.reason == ERASED:
            return "unchanged"
        chunk.consents += each.consents
        candidate = rows.to_lead((0, *each.values), self._vault)
        pairs = zip(candidate.numbers, each.indexes, strict=True)
        foreign = [n.e164 for n, index in pairs if chunk.owners.get(index) not in (None, known.lead_id)]
        merged = merge(known, candidate, foreign)
        if merged is known:
            return "unchanged"
        new = [(self._vault.index(number.e164), merged.lead_id) for number in merged.numbers[len(known.numbers) :]]
        self._change(merged, new, chunk)
        return "merged"

    def _known(self, lead_id: int, chunk: _Chunk) -> Lead:
        lead = chunk.leads.get(lead_id)
        if lead is None:
            lead = chunk.leads[lead_id] = rows.to_lead(chunk.fresh[lead_id], self._vault)
        return lead

    def _is_erased(self, barred: list[bytes]) -> bool:
        """Whether a person whose numbers nobody has was erased, for good, for the seller."""
        return any(self._all(_IS_ERASED, self._policy.seller, index) for index in barred)

    def _load(self, each: Prepared, chunk: _Chunk) -> None:
        """Keep a new lead; ids follow each other in the order of the list."""
        lead_id = self._next_lead_id
        self._next_lead_id += 1
        self._open_leads += each.values[_PLACE] != rows.FINISHED
        key = each.values[_ORDER_KEY][:-_ID_DIGITS] + f"{lead_id:0{_ID_DIGITS}d}"
        chunk.fresh[lead_id] = (lead_id, *each.values[:_ORDER_KEY], key, *each.values[_ORDER_KEY + 1 :])
        numbers = [(index, lead_id) for index in each.indexes]
        chunk.numbers += numbers
        chunk.owners.update(numbers)

    def _change(self, lead: Lead, new: list[tuple[bytes, int]], chunk: _Chunk) -> None:
        """Keep a lead that a row added to, and those of its numbers that are new."""
        values = rows.engine_values(lead, order_key(lead, self._policy.list.order), self._vault)
        row = (lead.lead_id, lead.campaign, *values, *rows.list_values(lead, self._vault))
        chunk.leads[lead.lead_id] = lead
        (chunk.fresh if lead.lead_id in chunk.fresh else chunk.changed)[lead.lead_id] = row
        chunk.numbers += new
        chunk.owners.update(new)

    def _keep(self, chunk: _Chunk) -> None:
        """Gather what became of a chunk."""
        self._connection.load(self._leads_at, rows.LEAD_COLUMNS, chunk.fresh.values())
        if self._is_straight:
            name = self._policy.name
            placed = [(index, name, lead_id) for index, lead_id in chunk.numbers]
            self._connection.load("lead_numbers", ("number_index", "campaign", "lead_id"), placed)
        else:
            self._connection.load("gathered_numbers", _NUMBERS, chunk.numbers)
        self._gathered.add(chunk.numbers)
        if chunk.changed:
            self._connection.upsert(self._leads_at, rows.LEAD_COLUMNS, list(chunk.changed.values()))
        if chunk.consents:
            gather(self._connection, self._vault, chunk.consents)

    # --------------------------------------------------------------------------------- moving
    def _merge(self, gathered: dict[int, Lead]) -> None:
        """Add what the list knows to leads of before, as they stand now: they may have been called since."""
        connection = self._connection
        where, values = connection.among("lead_id", list(gathered))
        sql = f"SELECT {_COLUMNS} FROM leads WHERE {where} ORDER BY lead_id{connection.for_update}"
        lines: list[rows.Row] = []
        added: list[tuple[bytes, str, int]] = []
        for row in self._all(sql, *values):
            known = rows.to_lead(row, self._vault)
            merged = merge(known, gathered[known.lead_id], ())
            key = order_key(merged, self._policy.list.order)
            numbers = rows.number_values(merged.numbers, self._vault)
            lines.append((merged.lead_id, *rows.list_values(merged, self._vault), *numbers, key, rows.place_of(merged)))
            new = merged.numbers[len(known.numbers) :]
            added += [(self._vault.index(number.e164), merged.campaign, merged.lead_id) for number in new]
        connection.change("leads", _MERGED, lines)
        connection.load("lead_numbers", ("number_index", "campaign", "lead_id"), added)
