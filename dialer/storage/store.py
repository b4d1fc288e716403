"""Leads, journal and records in one SQLite file: the daemon's store.

One rule governs this module: what belongs together is one transaction, and it is on the disk when the call returns
(write-ahead log, full sync). `commit_batch` puts many entries behind one sync; the price of a sync, not of a statement,
bounds the daemon. Every method is synchronous and keeps to one thread, so a writer thread can stand in front of it.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from dialer.domain.commands import Command, PlaceCall
from dialer.domain.events import CampaignLoaded, Event, LeadsClaimed
from dialer.domain.lead import Lead, LeadState
from dialer.domain.policy import CampaignPolicy
from dialer.errors import StorageError
from dialer.storage import retained, rows
from dialer.storage.codec import Entry
from dialer.storage.consents import ConsentImport
from dialer.storage.database import Connection, Database
from dialer.storage.evidence import EvidenceWriter, Memory, record
from dialer.storage.evidence_bodies import Body
from dialer.storage.evidence_trim import Trim, carry_out
from dialer.storage.imports import DO_NOT_CALL
from dialer.storage.proofs import introduce, refuse_dropped
from dialer.storage.reading import Records
from dialer.storage.registries import KeptCopy, add_copy, drop_old
from dialer.storage.sqlite_import import SqliteImport
from dialer.storage.vault import Vault
from dialer.storage.writing import Gathered, add_open_leads, counter, insert, register

if TYPE_CHECKING:
    from dialer.storage.registries import Hashes

_COLUMNS = ", ".join(rows.LEAD_COLUMNS)
# The state as a literal: the partial indexes hold only for the condition they were made with.
_WAKE = "UPDATE leads SET place = 0 WHERE campaign = ? AND place = 1 AND due_at <= ?"
_FIRST_READY = f"SELECT {_COLUMNS} FROM leads WHERE campaign = ? AND place = 0 ORDER BY order_key LIMIT ?"
_CLAIM = "UPDATE leads SET place = 2 WHERE lead_id = ?"
_FINISH = "UPDATE leads SET place = 3, reason = ? WHERE lead_id = ?"
# Not a lead on a call that nobody saw end, and none whose last call was a connect that waits for the agent's word.
HELD_BACK = """AND lead_id NOT IN (SELECT lead_id FROM attempts WHERE released_at IS NULL)
    AND NOT EXISTS (SELECT 1 FROM attempts WHERE attempts.lead_id = leads.lead_id AND bridged_at IS NOT NULL
        AND disposition IS NULL AND attempt_rank = leads.attempts)"""
_RELEASE = f"UPDATE leads SET place = (due_at > 0) WHERE place = 2 {HELD_BACK}"
_NEXT_DUE = "SELECT min(due_at) FROM leads WHERE campaign = ? AND place = 1"
_BLOCKED = "SELECT 1 FROM blocked WHERE seller = ? AND number_index = ?"
_APPEND = insert("journal", ("seq", "at", "entry"))


class Store(Records):
    """The one writer of a database; readers may work beside it."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._writer = database.open_writer(vault)
        self._is_importing = False
        self._remembered = Memory()  # for the evidence
        super().__init__(database, vault)

    def close(self) -> None:
        """Let go of the database."""
        super().close()
        self._writer.close()

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """Run a block as one transaction: durable at its end, undone by an exception."""
        with self.database.explained(), self.database.transaction(self._writer):
            refuse_dropped(self._writer, self.vault.key_id)
            yield self._writer

    def writing(self) -> AbstractContextManager[Connection]:
        """Run a block of plain statements as one transaction, for whoever mends by hand."""
        return self._transaction()

    def renew_keys(self) -> str:
        """Read the keyring again and seal with its newest key from now on; give the key's id."""
        self.vault.renew()
        with self.database.explained(), self.database.transaction(self._writer):
            introduce(self._writer, self.vault)
        return self.vault.key_id.hex()

    # ------------------------------------------------------------------------------ leads
    def register(self, policy: CampaignPolicy) -> None:
        """Remember a campaign's seller and order. A changed order holds for the leads that are here, too."""
        with self._transaction() as connection:
            register(connection, policy, self.vault)

    def claim(self, campaign: str, count: int, now: float) -> LeadsClaimed:
        """Claim up to `count` due leads in selection order; leads with a blocked number are finished instead."""
        with self._transaction() as connection:
            found = connection.execute("SELECT seller FROM campaigns WHERE name = ?", (campaign,)).fetchone()
            if found is None:
                return LeadsClaimed(campaign=campaign, leads=(), next_due_at=None, open_leads=0)
            connection.execute(_WAKE, (campaign, now))
            leads: list[Lead] = []
            while len(leads) < count:
                asked = count - len(leads)
                taken = connection.execute(_FIRST_READY, (campaign, asked)).fetchall()
                leads += self._take(connection, found[0], [self._to_lead(row) for row in taken], now)
                if len(taken) < asked:
                    break
            next_due_at = connection.execute(_NEXT_DUE, (campaign,)).fetchone()[0]
            still_open = connection.execute("SELECT open_leads FROM campaigns WHERE name = ?", (campaign,)).fetchone()[
                0
            ]
        return LeadsClaimed(campaign=campaign, leads=tuple(leads), next_due_at=next_due_at, open_leads=still_open)

    def _take(self, connection: Connection, seller: str, leads: list[Lead], now: float) -> list[Lead]:
        """Claim these leads, each with its standing, or finish those of them that have a blocked number."""
        free = [lead for lead in leads if not self._has_blocked(connection, seller, lead)]
        connection.executemany(_CLAIM, [(lead.lead_id,) for lead in free])
        if len(free) < len(leads):
            free_ids = {lead.lead_id for lead in free}
            refused = [lead for lead in leads if lead.lead_id not in free_ids]
            connection.executemany(_FINISH, [(DO_NOT_CALL, lead.lead_id) for lead in refused])
            add_open_leads(connection, leads[0].campaign, -len(refused))
        standings = self._standings.of(connection, free, seller, now, is_claim=True)
        return [
            replace(lead, state=LeadState.CLAIMED, standing=standing)
            for lead, standing in zip(free, standings, strict=True)
        ]

    def _has_blocked(self, connection: Connection, seller: str, lead: Lead) -> bool:
        """Say whether nobody of this seller may call one of the lead's numbers."""
        indexes = (self.vault.index(number.e164) for number in lead.numbers)
        return any(connection.execute(_BLOCKED, (seller, index)).fetchone() for index in indexes)

    def release_claims(self) -> int:
        """Put claimed leads back among the pending ones, as after a restart; give their number.

        Leads on calls stay, and those whose last call was a connect without a word: they are not to be called again.
        """
        with self._transaction() as connection:
            return connection.execute(_RELEASE).rowcount

    # ---------------------------------------------------------------------------- changes
    def apply(self, commands: Iterable[Command]) -> None:
        """Keep what the commands say, in one transaction; commands that are not for a store are ignored."""
        commands = tuple(commands)
        with self._transaction() as connection:
            evidence = EvidenceWriter(connection, self.vault, self._remembered)
            evidence.take(None, None, commands)
            evidence.flush()
            gathered = Gathered(self.vault)
            gathered.take(commands)
            gathered.flush(connection)

    def append(self, seq: int, now: float, event: Event | None, commands: Iterable[Command]) -> None:
        """Add one journal entry alone. `commit` adds it together with what it changes."""
        commands = tuple(commands)
        with self._transaction() as connection:
            self._journal(connection, [Entry(seq=seq, at=now, event=event, commands=commands)])
            gathered = Gathered(self.vault)
            gathered.take([command for command in commands if isinstance(command, PlaceCall)])
            gathered.flush(connection)

    def commit(self, seq: int, now: float, event: Event | None, commands: Iterable[Command]) -> None:
        """Append one entry and apply its commands, in one transaction."""
        self.commit_batch([Entry(seq=seq, at=now, event=event, commands=tuple(commands))])

    def commit_batch(self, entries: Iterable[Entry]) -> None:
        """Append entries and apply their commands, in order, in one transaction; durable on return, or undone."""
        entries = list(entries)
        with self._transaction() as connection:
            self._journal(connection, entries)
            evidence = EvidenceWriter(connection, self.vault, self._remembered)
            gathered = Gathered(self.vault)
            for entry in entries:
                if type(entry.event) is CampaignLoaded:
                    # A new order changes the keys of leads that earlier entries saved.
                    gathered.flush(connection)
                    gathered = Gathered(self.vault)
                    register(connection, entry.event.policy, self.vault)
                evidence.take(entry.at, entry.event, entry.commands)
                gathered.take(entry.commands)
            evidence.flush()
            gathered.flush(connection)

    def note(self, body: Body) -> None:
        """Keep in the evidence what a user did; durable on return."""
        with self._transaction() as connection:
            record(connection, self.vault, body)

    def trim_evidence(self, trim: Trim, *, at: float, who: str, reason: str) -> None:
        """Let old evidence go, as `planned_trim` said."""
        carry_out(self._transaction, self.vault, trim, at=at, who=who, reason=reason)

    def purge_retained(self, now: float) -> int:
        """Let go the numbers of erased people that no law wants kept any longer; give how many there were."""
        with self._transaction() as connection:
            return retained.purge(connection, now)

    def _journal(self, connection: Connection, entries: list[Entry]) -> None:
        """Write entries behind those that are there."""
        last = connection.execute("SELECT coalesce(max(seq), 0) FROM journal").fetchone()[0]
        lines: list[rows.Row] = []
        for entry in entries:
            if entry.seq <= last:
                raise StorageError(f"journal: expected a sequence number above {last}, found {entry.seq}")
            last = entry.seq
            lines.append(rows.entry_values(entry, self.vault))
        connection.executemany(_APPEND, lines)

    def next_call_id(self) -> int:
        """Give the first call id that neither an attempt nor an order to dial ever used."""
        with self.database.explained():
            return counter(self._writer, "next_call_id")

    # ----------------------------------------------------------------------------- import
    @contextmanager
    def importing(self, policy: CampaignPolicy, source: str, digest: str, now: float) -> Iterator[SqliteImport]:
        """Add leads, all or nothing: an exception or `rollback()` leaves the store as it was.

        Nothing is written until the session ends, so that a daemon can work beside it. Raises StorageError when another
        import ended meanwhile.
        """
        if self._is_importing:
            raise StorageError(f"database {self.database.name}: an import is running: wait for its end")
        self._is_importing = True
        try:
            with self.database.explained(), closing(self.database.open_writer(self.vault)) as connection:
                session = SqliteImport(connection, policy, self.vault)
                yield session
                session.close()
                if not session.is_rolled_back:
                    with self.database.transaction(connection):
                        session.finish(source, digest, now)
        finally:
            self._is_importing = False

    @contextmanager
    def importing_consents(self, source: str, who: str, now: float) -> Iterator[ConsentImport]:
        """Add consents, all or nothing, beside a daemon that dials."""
        with self.database.explained(), closing(self.database.open_writer(self.vault)) as connection:
            session = ConsentImport(connection, self.vault)
            yield session
            with self.database.transaction(connection):
                refuse_dropped(connection, session.key_id)
                session.finish(source, who, now)

    def add_registry(self, kept: KeptCopy, ordered: "Hashes") -> None:
        """Take a copy of a register into use, given `sorted_hashes` of its numbers."""
        self._shelf.write(kept.path, ordered)
        with self._transaction() as connection:
            add_copy(connection, kept)
            old = drop_old(connection, kept.copy.registry)
        for name in old:
            self._shelf.remove(name)
