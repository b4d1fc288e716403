"""Leads, journal and records in one database: the daemon's store.

One rule governs this module: what belongs together is one transaction, and it is on the disk when the call returns.
What can be tried again after a DatabaseLost happens once, however often it is. `commit_batch` puts many entries behind
one sync; the price of a sync, not of a statement, bounds the daemon. Every method is synchronous and keeps to one
thread, so a writer thread can stand in front of it.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from itertools import pairwise
from operator import itemgetter
from typing import TYPE_CHECKING

from dialer.domain.commands import BlockPerson, Command, PlaceCall
from dialer.domain.events import CampaignLoaded, Event, LeadsClaimed
from dialer.domain.lead import Lead
from dialer.domain.policy import CampaignPolicy
from dialer.errors import DatabaseLost, StorageError
from dialer.storage import ownership, retained, rows
from dialer.storage.announcing import Kind, announce
from dialer.storage.codec import Entry
from dialer.storage.consents import ConsentImport
from dialer.storage.database import Connection, Database
from dialer.storage.evidence import EvidenceWriter, Memory, record
from dialer.storage.evidence_bodies import Body
from dialer.storage.evidence_trim import Trim, carry_out
from dialer.storage.importing import LARGE, LeadImport
from dialer.storage.imports import DO_NOT_CALL
from dialer.storage.ownership import Lease
from dialer.storage.proofs import introduce, refuse_dropped, refusing_dropped
from dialer.storage.reading import Records
from dialer.storage.registries import KeptCopy, add_copy, drop_old
from dialer.storage.standing import Person, number_keys
from dialer.storage.vault import Vault
from dialer.storage.writing import Gathered, add_open_leads, counter, register

if TYPE_CHECKING:
    from dialer.storage.registries import Hashes

WAKE_MAX = 2_000
"""Leads that join the published order with one claim, those due first, beside all who were promised a call: half a list
may be due at nine sharp, and nobody waits for an agent meanwhile."""
_COLUMNS = ", ".join(rows.LEAD_COLUMNS)
# The state as a literal: the partial indexes hold only for the condition they were made with.
_WAKE = f"""UPDATE leads SET place = 0 WHERE lead_id IN (SELECT lead_id FROM leads
    WHERE campaign = ? AND place = 1 AND due_at <= ? ORDER BY due_at LIMIT {WAKE_MAX}{{skip_claimed}})"""
_WAKE_PROMISED = """UPDATE leads SET place = 0 WHERE lead_id IN (SELECT lead_id FROM leads
    WHERE campaign = ? AND place = 1 AND callback IS NOT NULL AND due_at <= ?{skip_claimed})"""
_CLAIM = f"""WITH first AS MATERIALIZED
    (SELECT lead_id FROM leads WHERE campaign = ? AND place = 0 ORDER BY order_key LIMIT ?{{skip_claimed}})
    UPDATE leads SET place = 2 WHERE lead_id IN (SELECT lead_id FROM first) RETURNING {_COLUMNS}"""
_ORDER_KEY, _KEYS = (rows.LEAD_COLUMNS.index(name) for name in ("order_key", "number_keys"))
# Not a lead on a call that nobody saw end, and none whose last call was a connect that waits for the agent's word.
HELD_BACK = """AND lead_id NOT IN (SELECT lead_id FROM attempts WHERE released_at IS NULL)
    AND NOT EXISTS (SELECT 1 FROM attempts WHERE attempts.lead_id = leads.lead_id AND bridged_at IS NOT NULL
        AND disposition IS NULL AND attempt_rank = leads.attempts)"""
_NEXT_DUE = "SELECT min(due_at) FROM leads WHERE campaign = ? AND place = 1"
_LEFT = f"SELECT seller, ({_NEXT_DUE}), open_leads FROM campaigns WHERE name = ?"
_GIVE_BACK = "UPDATE leads SET place = (CASE WHEN due_at > 0 THEN 1 ELSE 0 END) WHERE place = 2"
_RELEASE = f"{_GIVE_BACK} {HELD_BACK}"
_LAST_SEQ = "SELECT coalesce(max(seq), ?) FROM journal WHERE seq BETWEEN ? AND ?"


class _Undone(Exception):
    """Ends a transaction of which nothing is to stay."""


class Store(Records):
    """A writer of a database, on SQLite the only one at a time; readers may work beside it."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._writer = database.open_writer(vault)
        self._is_importing = False
        self._unsure: dict[str, list[int]] = {}  # leads of claims of which nobody knows whether they were kept
        self._remembered = Memory()  # for the evidence
        self._kept_seq = 0  # the last entry that this store made durable
        super().__init__(database, vault)

    def close(self) -> None:
        """Let go of the database."""
        super().close()
        self._writer.close()

    @contextmanager
    def _transaction(self, *, is_quick: bool = False) -> Iterator[Connection]:
        """Run a block as one transaction: durable at its end, undone by an exception."""
        begin = self.database.quick_transaction if is_quick else self.database.transaction
        with (
            self.database.explained(),
            begin(self._writer),
            refusing_dropped(self._writer, self.vault.key_id),
        ):
            if self.lease is not None:
                ownership.hold(self._writer, self.lease)
            yield self._writer

    def own(self, lease: Lease) -> None:
        """Work for an engine from now on: each transaction holds its lease, or raises LeaseLost."""
        self.lease = lease
        self._kept_seq = 0  # it may have counted for another engine
        with self.database.explained():
            self._writer.limit_waits(ownership.ANSWER_S)
        with self._transaction() as connection:
            ownership.begin_counting(connection, lease.engine_id)

    def take_campaign(self, policy: CampaignPolicy) -> None:
        """Make a campaign this engine's, to dial it; raise StorageError while another engine has it.

        Leads that the one before it had only claimed are given back.
        """
        if self.lease is None:
            return
        with self._transaction() as connection:
            if self.policy(policy.name) is None:
                register(connection, policy, self.vault)
            if ownership.take_campaign(connection, self.lease, policy.name):
                connection.execute(f"{_RELEASE} AND campaign = ?", (policy.name,))

    def give_up_campaign(self, name: str) -> bool:
        """Leave a campaign that is not loaded any more to other engines, once all its calls have ended; say whether."""
        if self.lease is None:
            return True
        with self._transaction() as connection:
            return ownership.give_up_campaign(connection, self.lease, name)

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
        taken: list[int] = []
        try:
            with self._transaction(is_quick=True) as connection:
                self._give_back(connection, campaign)
                claimed = self._claim(connection, campaign, count, now, taken)
        except DatabaseLost:
            self._unsure.setdefault(campaign, []).extend(taken)
            raise
        self._unsure.pop(campaign, None)
        return claimed

    def _give_back(self, connection: Connection, campaign: str) -> None:
        """Put back what a claim took whose end nobody heard of: it was never handed out."""
        if unsure := self._unsure.get(campaign):
            where, values = connection.among("lead_id", unsure)
            connection.execute(f"{_GIVE_BACK} AND {where}", values)

    def _claim(self, connection: Connection, campaign: str, count: int, now: float, ids: list[int]) -> LeadsClaimed:
        """Claim within a transaction; `ids` takes what is claimed."""
        how = {"skip_claimed": connection.skip_claimed}
        # Asked together, before the first answer is read: on a server the others cost no wait of their own.
        for statement in (_WAKE_PROMISED, _WAKE):
            connection.execute(statement.format(**how), (campaign, now))
        claimed = connection.execute(_CLAIM.format(**how), (campaign, count))
        found = connection.execute(_LEFT, (campaign, campaign)).fetchone()
        if found is None:
            return LeadsClaimed(campaign=campaign, leads=(), next_due_at=None, open_leads=0)
        seller, next_due_at, still_open = found
        leads: list[Lead] = []
        blocked, asked = 0, count
        while asked:
            taken = claimed.fetchall()
            ids += [row[0] for row in taken]
            taken.sort(key=itemgetter(_ORDER_KEY))
            free = self._take(connection, campaign, seller, taken, now)
            leads += free
            blocked += len(taken) - len(free)
            asked = count - len(leads) if len(taken) == asked else 0
            if asked:
                claimed = connection.execute(_CLAIM.format(**how), (campaign, asked))
        still_open -= blocked
        return LeadsClaimed(campaign=campaign, leads=tuple(leads), next_due_at=next_due_at, open_leads=still_open)

    def _take(
        self, connection: Connection, campaign: str, seller: str, taken: list[rows.Row], now: float
    ) -> list[Lead]:
        """Give claimed leads with their standings; finish those of them that have a blocked number."""
        if not taken:
            return []
        keys = [number_keys(row[_KEYS]) for row in taken]
        holders = {key: row[0] for row, own in zip(taken, keys, strict=True) for key in own}
        where, values = connection.among("number_index", list(holders))
        barred = connection.execute(f"SELECT number_index FROM blocked WHERE seller = ? AND {where}", (seller, *values))
        asked = self._standings.ask(connection, holders, seller, now, is_claim=True)
        # Put together while a server looks.
        opened = [rows.lead_values(row, self.vault) for row in taken]
        people = [
            Person(row[0], campaign, dict(zip(own, [each.e164 for each in values["numbers"]], strict=True)))
            for row, own, values in zip(taken, keys, opened, strict=True)
        ]
        standings = self._standings.of(connection, people, seller, now, claimed=asked)
        blocked = {holders[index] for (index,) in barred}
        if blocked:
            where, values = connection.among("lead_id", sorted(blocked))
            connection.execute(f"UPDATE leads SET place = 3, reason = ? WHERE {where}", (DO_NOT_CALL, *values))
            add_open_leads(connection, campaign, -len(blocked))
        return [
            Lead(**values, standing=standing)
            for row, values, standing in zip(taken, opened, standings, strict=True)
            if row[0] not in blocked
        ]

    def release_claims(self) -> int:
        """Put claimed leads back among the pending ones, as after a restart; give their number.

        Leads on calls stay, and those whose last call was a connect without a word: they are not to be called again.
        """
        with self._transaction() as connection:
            own, values = self._own()
            return connection.execute(f"{_RELEASE} {own}", values).rowcount

    # ---------------------------------------------------------------------------- changes
    def apply(self, commands: Iterable[Command]) -> None:
        """Keep what the commands say, in one transaction; commands that are not for a store are ignored."""
        commands = tuple(commands)
        with self._transaction(is_quick=True) as connection:
            evidence = EvidenceWriter(connection, self.vault, self._remembered)
            evidence.take(None, None, commands)
            gathered = Gathered(self.vault, self._engine_id)
            gathered.take(commands)
            gathered.flush(connection)
            evidence.flush()

    def append(self, seq: int, now: float, event: Event | None, commands: Iterable[Command]) -> None:
        """Add one journal entry alone. `commit` adds it together with what it changes."""
        commands = tuple(commands)
        entry = Entry(seq=seq, at=now, event=event, commands=commands)
        with self._transaction(is_quick=True) as connection:
            self._journal(connection, self._unwritten(connection, [entry]))
            gathered = Gathered(self.vault, self._engine_id)
            gathered.take([command for command in commands if isinstance(command, PlaceCall)])
            gathered.flush(connection)

    def commit(self, seq: int, now: float, event: Event | None, commands: Iterable[Command]) -> None:
        """Append one entry and apply its commands, in one transaction."""
        self.commit_batch([Entry(seq=seq, at=now, event=event, commands=tuple(commands))])

    def commit_batch(self, entries: Iterable[Entry]) -> None:
        """Append entries and apply their commands, in order, in one transaction; durable on return, or undone.

        Entries that are there already, as after a commit whose answer was lost, change nothing.
        """
        given = list(entries)
        with self._transaction(is_quick=True) as connection:
            evidence = EvidenceWriter(connection, self.vault, self._remembered)
            entries = self._unwritten(connection, given)
            self._refuse_foreign(connection, entries)
            self._journal(connection, entries)
            gathered = Gathered(self.vault, self._engine_id)
            for entry in entries:
                if type(entry.event) is CampaignLoaded:
                    # A new order changes the keys of leads that earlier entries saved.
                    gathered.flush(connection)
                    gathered = Gathered(self.vault, self._engine_id)
                    register(connection, entry.event.policy, self.vault)
                evidence.take(entry.at, entry.event, entry.commands)
                gathered.take(entry.commands)
            gathered.flush(connection)
            self._announce(connection, entries)
            evidence.flush()  # last: whoever else writes evidence waits until this transaction ends
        if given:
            self._kept_seq = given[-1].seq

    def _refuse_foreign(self, connection: Connection, entries: list[Entry]) -> None:
        """Raise LeaseLost when a call is ordered of a campaign that another engine has come to dial."""
        if self.lease is not None:
            orders = (command for entry in entries for command in entry.commands if isinstance(command, PlaceCall))
            ownership.refuse_foreign(connection, self.lease, (order.campaign for order in orders))

    def _announce(self, connection: Connection, entries: list[Entry]) -> None:
        """Let the daemons of other engines look again at leads of people who refused, or who are being called."""
        if self.lease is None:
            return
        index = self.vault.index
        refused: dict[str, None] = {}
        called: dict[str, None] = {}
        for entry in entries:
            for command in entry.commands:
                if isinstance(command, BlockPerson):
                    refused |= dict.fromkeys(index(e164).hex() for e164 in command.numbers)
                elif isinstance(command, PlaceCall):
                    called[index(command.number).hex()] = None
        for kind, keys in ((Kind.REFUSED, refused), (Kind.CALLED, called)):
            if keys:
                announce(connection, self.origin, kind, tuple(keys))

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

    def _unwritten(self, connection: Connection, entries: list[Entry]) -> list[Entry]:
        """Give the entries that are to be written behind those that are there; the others have to be the same."""
        first = ownership.first_number(self._engine_id)
        last = connection.execute(_LAST_SEQ, (first - 1, first, ownership.last_number(self._engine_id))).fetchone()[0]
        if last < self._kept_seq:
            # What the engine has in memory is not what is there: it could go on to call people a second time.
            raise StorageError(
                f"database {self.database.name}: entries {last + 1} to {self._kept_seq} of the journal were kept and "
                "are gone: it was put back to an earlier state. Started again, the dialer settles what is "
                "up; of what is gone it knows no more"
            )
        written = [entry for entry in entries if entry.seq <= last]
        if written:
            span = (written[0].seq, last)
            there = dict(connection.execute("SELECT seq, entry FROM journal WHERE seq BETWEEN ? AND ?", span))
            for entry in written:
                if entry.seq not in there or not rows.is_entry(there[entry.seq], entry, self.vault):
                    raise StorageError(f"journal: expected a sequence number above {last}, found {entry.seq}")
        for before, entry in pairwise(entries):
            if entry.seq <= before.seq:
                raise StorageError(f"journal: expected a sequence number above {before.seq}, found {entry.seq}")
        return entries[len(written) :]

    def _journal(self, connection: Connection, entries: list[Entry]) -> None:
        if entries:
            connection.load(
                "journal", ("seq", "at", "entry"), [rows.entry_values(entry, self.vault) for entry in entries]
            )

    def next_call_id(self) -> int:
        """Give the first call id that neither an attempt nor an order to dial ever used."""
        with self.database.explained():
            return counter(self._writer, ownership.next_call_key(self._engine_id))

    # ----------------------------------------------------------------------------- import
    @contextmanager
    def importing(self, policy: CampaignPolicy, source: str, digest: str, now: float) -> Iterator[LeadImport]:
        """Add leads, all or nothing: an exception or `rollback()` leaves the store as it was.

        Nothing is written until the session ends, so that a daemon can work beside it. Raises StorageError when another
        import ended meanwhile.
        """
        if self._is_importing:
            raise StorageError(f"database {self.database.name}: an import is running: wait for its end")
        self._is_importing = True
        try:
            with self.database.explained(), closing(self.database.open_writer(self.vault)) as connection:
                with suppress(_Undone), ExitStack() as block:
                    transaction = self.database.transaction(connection)
                    session = LeadImport(connection, policy, self.vault, lambda: block.enter_context(transaction))
                    yield session
                    if session.is_rolled_back:
                        raise _Undone
                    session.finish(source, digest, now)
                if session.tally.loaded >= LARGE and not session.is_rolled_back:
                    connection.grown("leads", "lead_numbers")
                    announce(connection, self.origin, Kind.IMPORTED, [policy.name])
                    announce(connection, self.origin, Kind.PEOPLE)
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
                announce(connection, self.origin, Kind.PEOPLE)

    def bring_registry(self, kept: KeptCopy, ordered: "Hashes") -> None:
        """Put the file of a copy, which another machine brought into use, on this one."""
        self._shelf.write(kept.path, ordered)

    def add_registry(self, kept: KeptCopy, ordered: "Hashes") -> None:
        """Take a copy of a register into use, given `sorted_hashes` of its numbers."""
        self._shelf.write(kept.path, ordered)
        with self._transaction() as connection:
            add_copy(connection, kept)
            announce(connection, self.origin, Kind.REGISTRY)
            old = drop_old(connection, kept.copy.registry)
        for name in old:
            self._shelf.remove(name)
