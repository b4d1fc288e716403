"""A store that lives in memory: the simulator's, and the reference that every other store is held against.

One rule governs this module: it keeps the contract of `dialer.ports` and of the SQLite store exactly, and costs a few
microseconds per claim and per saved lead. Entries of its heaps are never removed: one that no longer tells the truth
about its lead is passed over when it comes up.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from dialer.domain.agent import AgentState
from dialer.domain.commands import (
    BlockPerson,
    Command,
    KeepWord,
    PlaceCall,
    RecordAgent,
    RecordAgentSpan,
    RecordAttempt,
    RecordChange,
    RecordDecision,
    RecordVerdict,
    SaveLead,
    WakeLeads,
)
from dialer.domain.events import CallDisposed, CampaignLoaded, Event, LeadsClaimed
from dialer.domain.lead import UNTIL_DUE, Lead, LeadState
from dialer.domain.policy import CampaignPolicy
from dialer.domain.records import AgentRecord, AgentSpan, Attempt, CampaignChange, PacingDecision, VerdictRecord
from dialer.domain.standing import Consent, RegistryCopy, Standing
from dialer.engine.hopper import order_key
from dialer.errors import StorageError
from dialer.storage.codec import Entry
from dialer.storage.imports import (
    DO_NOT_CALL,
    Added,
    ListCounts,
    Tally,
    distinct,
    merge,
    not_its_own,
    own_consents,
    reconcile,
)
from dialer.storage.memory_standing import MemoryStandings


@dataclass(slots=True)
class _Campaign:
    """One campaign's leads. Two heaps: `ready` of (order key, lead id), `waiting` of (due at, lead id)."""

    policy: CampaignPolicy
    ready: list[tuple[str, int]] = field(default_factory=list)
    waiting: list[tuple[float, int]] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    lead_ids: list[int] = field(default_factory=list)
    open_leads: int = 0


@dataclass(slots=True)
class _Row:
    """One lead. `is_ready`: pending and found due. `is_merged`: an import changed it while it was claimed."""

    lead: Lead
    key: str
    is_ready: bool = False
    is_merged: bool = False


class MemoryStore:
    """Leads, journal and records of one run; see `dialer.ports` for the promises."""

    def __init__(self) -> None:
        self._campaigns: dict[str, _Campaign] = {}
        self._rows: dict[int, _Row] = {}
        self._standings = MemoryStandings()
        self._attempts = self._standings.attempts
        self._agents: dict[str, AgentRecord] = {}
        self._words: dict[int, CallDisposed] = {}
        self._spans: list[AgentSpan] = []
        self._decisions: list[PacingDecision] = []
        self._changes: list[CampaignChange] = []
        self._verdicts: list[VerdictRecord] = []
        self._journal: list[Entry] = []
        self._next_lead_id = 1
        self._next_call_id = 1
        self._is_importing = False
        self._appliers: dict[type, Callable[[Any], None]] = {
            SaveLead: self._save_lead,
            WakeLeads: self._wake,
            BlockPerson: self._block,
            RecordAttempt: self._record_attempt,
            RecordAgent: self._record_agent,
            KeepWord: self._keep_word,
            RecordAgentSpan: lambda command: self._spans.append(command.span),
            RecordDecision: lambda command: self._decisions.append(command.decision),
            RecordChange: lambda command: self._changes.append(command.change),
            RecordVerdict: lambda command: self._verdicts.append(command.record),
        }

    # ------------------------------------------------------------------------------ leads
    def register(self, policy: CampaignPolicy) -> None:
        """Remember a campaign's seller and order. A changed order holds for the leads that are here, too."""
        campaign = self._campaigns.get(policy.name)
        if campaign is None:
            self._campaigns[policy.name] = _Campaign(policy)
            return
        has_new_order = campaign.policy.list.order != policy.list.order
        campaign.policy = policy
        if has_new_order:
            for lead_id in campaign.lead_ids:
                row = self._rows[lead_id]
                row.key = order_key(row.lead, policy.list.order)
            campaign.ready = [(self._rows[i].key, i) for i in campaign.lead_ids if self._rows[i].is_ready]
            heapq.heapify(campaign.ready)

    def claim(self, campaign: str, count: int, now: float) -> LeadsClaimed:
        """Claim up to `count` due leads in selection order; leads with a blocked number are finished instead."""
        home = self._campaigns.get(campaign)
        if home is None:
            return LeadsClaimed(campaign=campaign, leads=(), next_due_at=None, open_leads=0)
        waiting = home.waiting
        while waiting and waiting[0][0] <= now:
            due_at, lead_id = heapq.heappop(waiting)
            row = self._rows[lead_id]
            if self._waits(row, due_at):
                row.is_ready = True
                heapq.heappush(home.ready, (row.key, lead_id))
        leads = self._take(home, count, now)
        while waiting and not self._waits(self._rows[waiting[0][1]], waiting[0][0]):
            heapq.heappop(waiting)
        next_due_at = waiting[0][0] if waiting else None
        return LeadsClaimed(campaign=campaign, leads=leads, next_due_at=next_due_at, open_leads=home.open_leads)

    @staticmethod
    def _waits(row: _Row, due_at: float) -> bool:
        return not row.is_ready and row.lead.due_at == due_at and row.lead.state is LeadState.PENDING

    def _take(self, home: _Campaign, count: int, now: float) -> tuple[Lead, ...]:
        """Take the first ready leads out of their heap, each with its standing."""
        leads: list[Lead] = []
        standings, seller = self._standings, home.policy.seller
        while home.ready and len(leads) < count:
            key, lead_id = heapq.heappop(home.ready)
            row = self._rows[lead_id]
            if not row.is_ready or row.key != key:
                continue
            row.is_ready = False
            if standings.blocked_at(seller, row.lead) is not None:
                row.lead = replace(row.lead, state=LeadState.FINISHED, reason=DO_NOT_CALL)
                home.open_leads -= 1
                continue
            row.lead = replace(row.lead, state=LeadState.CLAIMED)
            leads.append(
                replace(row.lead, standing=standings.of(row.lead, seller, now, self._others(row.lead, seller)))
            )
        return tuple(leads)

    def _others(self, lead: Lead, seller: str) -> list[int]:
        """Give the leads of the seller's other campaigns that have a number of this one's."""
        homes = [
            home for name, home in self._campaigns.items() if name != lead.campaign and home.policy.seller == seller
        ]
        return [home.numbers[n.e164] for home in homes for n in lead.numbers if n.e164 in home.numbers]

    def release_claims(self) -> int:
        """Put claimed leads back among the pending ones, as after a restart; give their number.

        Leads on calls stay, and those whose last call was a connect without a word: they are not to be called again.
        """
        held = {
            (each.lead_id, each.attempt_rank)
            for each in self._attempts.values()
            if each.released_at is None or (each.bridged_at is not None and each.disposition is None)
        }
        released = 0
        for row in self._rows.values():
            if row.lead.state is LeadState.CLAIMED and (row.lead.lead_id, row.lead.attempts) not in held:
                row.lead = replace(row.lead, state=LeadState.PENDING)
                row.is_merged = False
                self._place(self._campaigns[row.lead.campaign], row)
                released += 1
        return released

    def _place(self, home: _Campaign, row: _Row) -> None:
        """Put a pending lead where `claim` finds it: at once when it never had to wait, else when it is due."""
        row.is_ready = row.lead.due_at <= 0.0
        if row.is_ready:
            heapq.heappush(home.ready, (row.key, row.lead.lead_id))
        else:
            heapq.heappush(home.waiting, (row.lead.due_at, row.lead.lead_id))

    def lead(self, lead_id: int) -> Lead | None:
        """Give one lead; None when there is none of this id."""
        row = self._rows.get(lead_id)
        return None if row is None else row.lead

    def leads_by_id(self, lead_ids: Iterable[int]) -> dict[int, Lead]:
        """Give leads by their ids; one that is not there is left out."""
        return {lead_id: self._rows[lead_id].lead for lead_id in lead_ids if lead_id in self._rows}

    def find_number(self, e164: str, campaign: str | None = None) -> list[Lead]:
        """Give the leads that hold a number, at most one per campaign, by lead id."""
        homes = [home for name, home in self._campaigns.items() if campaign in (None, name)]
        ids = sorted(home.numbers[e164] for home in homes if e164 in home.numbers)
        return [self._rows[lead_id].lead for lead_id in ids]

    def leads(self, campaign: str) -> Iterator[Lead]:
        """Give every lead of a campaign, by lead id."""
        home = self._campaigns.get(campaign)
        return iter([self._rows[lead_id].lead for lead_id in home.lead_ids] if home else [])

    def counts(self, campaign: str) -> ListCounts:
        """Count a campaign's leads."""
        leads = list(self.leads(campaign))
        return ListCounts(
            loaded=len(leads),
            open=sum(lead.state is not LeadState.FINISHED for lead in leads),
            tried=sum(lead.attempts > 0 for lead in leads),
        )

    def campaigns(self) -> list[str]:
        """Name the campaigns that were ever loaded or imported into."""
        return sorted(self._campaigns)

    def policy(self, campaign: str) -> CampaignPolicy | None:
        """Give the policy under which a campaign was last loaded or imported into."""
        home = self._campaigns.get(campaign)
        return None if home is None else home.policy

    def is_blocked(self, seller: str, e164: str) -> bool:
        """Say whether nobody of this seller may call the number."""
        return self._standings.is_blocked(seller, e164)

    def add_consents(self, consents: Iterable[Consent]) -> None:
        """Keep consents; one that is here already only takes a later confirmation, or its revocation."""
        self._standings.add_consents(consents)

    def add_registry(self, copy: RegistryCopy, numbers: Iterable[str]) -> None:
        """Take a copy of a register into use."""
        self._standings.add_registry(copy, numbers)

    def registry_copies(self) -> tuple[RegistryCopy, ...]:
        """Give the copies of registers in use, by register."""
        return self._standings.registry_copies()

    def standing_at(self, lead: Lead, seller: str, at: float) -> Standing:
        """Give what was known of a lead's person at an instant."""
        return self._standings.of(lead, seller, at, self._others(lead, seller))

    # ---------------------------------------------------------------------------- changes
    def apply(self, commands: Iterable[Command]) -> None:
        """Keep what the commands say; commands that are not for a store are ignored."""
        appliers = self._appliers
        for command in commands:
            applier = appliers.get(type(command))
            if applier is not None:
                applier(command)

    def append(self, seq: int, now: float, event: Event | None, commands: Iterable[Command]) -> None:
        """Add one journal entry."""
        if self._journal and seq <= self._journal[-1].seq:
            raise StorageError(f"journal: expected a sequence number above {self._journal[-1].seq}, found {seq}")
        entry = Entry(seq=seq, at=now, event=event, commands=tuple(commands))
        self._journal.append(entry)
        for command in entry.commands:
            if type(command) is PlaceCall:
                self._next_call_id = max(self._next_call_id, command.call_id + 1)

    def commit(self, seq: int, now: float, event: Event | None, commands: Iterable[Command]) -> None:
        """Append one entry and apply its commands."""
        self.commit_batch([Entry(seq=seq, at=now, event=event, commands=tuple(commands))])

    def commit_batch(self, entries: Iterable[Entry]) -> None:
        """Append entries and apply their commands, in order; those that are there already change nothing."""
        for entry in entries:
            if self._journal and entry.seq <= self._journal[-1].seq and entry in self._journal:
                continue
            self.append(entry.seq, entry.at, entry.event, entry.commands)
            if type(entry.event) is CampaignLoaded:
                self.register(entry.event.policy)
            self.apply(entry.commands)

    def _save_lead(self, command: SaveLead) -> None:
        lead = command.lead if command.lead.standing is None else replace(command.lead, standing=None)
        row = self._rows.get(lead.lead_id)
        if row is None or row.lead.campaign != lead.campaign:
            raise StorageError(f"lead {lead.lead_id} of campaign {lead.campaign!r}: not in the store, so not saved")
        home = self._campaigns[lead.campaign]
        home.open_leads += (row.lead.state is LeadState.FINISHED) - (lead.state is LeadState.FINISHED)
        row.lead = reconcile(row.lead, lead) if row.is_merged else lead
        row.key = command.order_key
        if lead.state is LeadState.PENDING:
            row.is_merged = False
            self._place(home, row)
        else:
            row.is_ready = False

    def _wake(self, command: WakeLeads) -> None:
        home = self._campaigns.get(command.campaign)
        for lead_id in () if home is None else home.lead_ids:
            row = self._rows[lead_id]
            is_put_off = row.lead.reason and (command.is_rule_change or not row.lead.reason.startswith(UNTIL_DUE))
            if home is not None and row.lead.state is LeadState.PENDING and is_put_off:
                row.lead = replace(row.lead, due_at=command.at, reason="")
                self._place(home, row)

    def _record_agent(self, command: RecordAgent) -> None:
        if command.agent.state == AgentState.LOGGED_OUT:
            self._agents.pop(command.agent.agent_id, None)
        else:
            self._agents[command.agent.agent_id] = command.agent

    def _keep_word(self, command: KeepWord) -> None:
        self._words[command.word.call_id] = command.word

    def _block(self, command: BlockPerson) -> None:
        self._standings.block(command.seller, command.numbers, command.at)

    def _record_attempt(self, command: RecordAttempt) -> None:
        attempt = command.attempt
        self._standings.record(attempt)
        if attempt.released_at is not None:
            self._words.pop(attempt.call_id, None)
        if attempt.call_id >= self._next_call_id:
            self._next_call_id = attempt.call_id + 1

    # ---------------------------------------------------------------------------- journal
    def next_call_id(self) -> int:
        """Give the first call id that neither an attempt nor an order to dial ever used."""
        return self._next_call_id

    def next_seq(self) -> int:
        """Give the sequence number of the next journal entry; the first is 1."""
        return self._journal[-1].seq + 1 if self._journal else 1

    def entries(self, from_seq: int = 1) -> Iterator[Entry]:
        """Give the journal from a sequence number on, in order."""
        return (entry for entry in self._journal if entry.seq >= from_seq)

    # ---------------------------------------------------------------------------- records
    def attempts(self, campaign: str | None, from_at: float, to_at: float) -> list[Attempt]:
        """Give the attempts placed in the span, by instant and call id."""
        found = [
            a for a in self._attempts.values() if campaign in (None, a.campaign) and from_at <= a.placed_at < to_at
        ]
        return sorted(found, key=lambda attempt: (attempt.placed_at, attempt.call_id))

    def open_attempts(self) -> list[Attempt]:
        """Give the attempts that nobody has seen end, by call id."""
        return sorted((a for a in self._attempts.values() if a.released_at is None), key=lambda a: a.call_id)

    def undisposed(self, since_at: float) -> list[Attempt]:
        """Give connects that are over without a word, by call id: those from `since_at` on, or still waited for."""
        found = [
            a
            for a in self._attempts.values()
            if a.bridged_at is not None and a.disposition is None and a.released_at is not None
            if a.released_at >= since_at or self._rows[a.lead_id].lead.state is LeadState.CLAIMED
        ]
        return sorted(found, key=lambda attempt: attempt.call_id)

    def disposed(self, since_at: float, limit: int) -> list[Attempt]:
        """Give the last connects, placed from `since_at` on, that are over and have their word, by call id."""
        found = [
            a
            for a in self._attempts.values()
            if a.placed_at >= since_at
            if a.bridged_at is not None and a.disposition is not None and a.released_at is not None
        ]
        last = sorted(found, key=lambda attempt: attempt.placed_at)[-limit:]
        return sorted(last, key=lambda attempt: attempt.call_id)

    def words(self) -> dict[int, CallDisposed]:
        """Give what agents said of calls that nobody has seen end, by call id."""
        return dict(sorted(self._words.items()))

    def agents(self) -> list[AgentRecord]:
        """Give the agents who are logged in, as they stood last, by name."""
        return [agent for _, agent in sorted(self._agents.items())]

    def agent_spans(self, campaign: str | None, from_at: float, to_at: float) -> list[AgentSpan]:
        """Give the agents' spans that share an instant with the span asked for, whole, by their beginning."""
        found = [
            span
            for span in self._spans
            if campaign in (None, span.campaign)
            and span.from_at < to_at
            and (span.to_at > from_at or span.from_at >= from_at)
        ]
        return sorted(found, key=lambda span: span.from_at)

    def decisions(self, campaign: str, from_at: float, to_at: float) -> list[PacingDecision]:
        """Give a campaign's pacing decisions of the span, by instant."""
        found = [d for d in self._decisions if d.campaign == campaign and from_at <= d.at < to_at]
        return sorted(found, key=lambda decision: decision.at)

    def changes(self, campaign: str | None, from_at: float, to_at: float) -> list[CampaignChange]:
        """Give the campaigns' changes of state in the span, by instant."""
        found = [c for c in self._changes if campaign in (None, c.campaign) and from_at <= c.at < to_at]
        return sorted(found, key=lambda change: change.at)

    def verdicts(self) -> list[VerdictRecord]:
        """Give what the gate said, in order."""
        return list(self._verdicts)

    def first_live_at(self, campaign: str) -> float | None:
        """Give the instant of a campaign's first live answer, from which blocks of 30 days are counted."""
        return min(
            (
                a.answered_at
                for a in self._attempts.values()
                if a.campaign == campaign and a.is_live and a.answered_at is not None
            ),
            default=None,
        )

    # ----------------------------------------------------------------------------- import
    @contextmanager
    def importing(self, policy: CampaignPolicy, source: str, digest: str, now: float) -> Iterator["MemoryImport"]:
        """Add leads, all or nothing: an exception or `rollback()` leaves the store as it was."""
        if self._is_importing:
            raise StorageError("another import is running: wait for its end")
        self._is_importing = True
        session = MemoryImport(self, policy)
        try:
            yield session
            if not session.is_rolled_back:
                session.keep()
        finally:
            self._is_importing = False


class MemoryImport:
    """Leads on their way into a `MemoryStore`; see `MemoryStore.importing`."""

    def __init__(self, store: MemoryStore, policy: CampaignPolicy) -> None:
        self.tally = Tally()
        self.is_rolled_back = False
        self._store = store
        self._policy = policy
        self._home = store._campaigns.get(policy.name) or _Campaign(policy)
        self._next_lead_id = store._next_lead_id
        self._numbers: dict[str, int] = {}
        self._leads: dict[int, Lead] = {}
        self._consents: list[Consent] = []

    def add(self, candidate: Lead, consents: Iterable[Consent] = ()) -> Added:
        """Add one row's lead (its `lead_id` is ignored), or merge it into the one that shares a number."""
        if candidate.campaign != self._policy.name or not candidate.numbers:
            raise not_its_own(self._policy.name, candidate)
        self._consents += own_consents(self._policy, consents)
        owners = {number.e164: self._owner(number.e164) for number in candidate.numbers}
        lead_id = next((owner for owner in owners.values() if owner is not None), None)
        if lead_id is None:
            lead_id, self._next_lead_id = self._next_lead_id, self._next_lead_id + 1
            self._keep_lead(replace(candidate, lead_id=lead_id, numbers=distinct(candidate.numbers)))
            return self.tally.count("loaded")
        known = self._leads.get(lead_id) or self._store._rows[lead_id].lead
        merged = merge(known, candidate, [e164 for e164, owner in owners.items() if owner not in (None, lead_id)])
        if merged is known:
            return self.tally.count("unchanged")
        self._keep_lead(merged)
        return self.tally.count("merged")

    def rollback(self) -> None:
        """Forget everything at the end, as a dry run does."""
        self.is_rolled_back = True

    def _owner(self, e164: str) -> int | None:
        return self._numbers.get(e164) or self._home.numbers.get(e164)

    def _keep_lead(self, lead: Lead) -> None:
        self._leads[lead.lead_id] = lead
        for number in lead.numbers:
            self._numbers[number.e164] = lead.lead_id

    def keep(self) -> None:
        """Hand everything over to the store."""
        store, order = self._store, self._policy.list.order
        store.register(self._policy)
        home = store._campaigns[self._policy.name]
        home.numbers.update(self._numbers)
        for lead_id, lead in self._leads.items():
            row = store._rows.get(lead_id)
            if row is None:
                row = store._rows[lead_id] = _Row(lead, order_key(lead, order))
                home.lead_ids.append(lead_id)
                home.open_leads += lead.state is not LeadState.FINISHED
            else:
                row.lead, row.key = lead, order_key(lead, order)
                row.is_merged = lead.state is LeadState.CLAIMED
            if lead.state is LeadState.PENDING:
                store._place(home, row)
        store._next_lead_id = self._next_lead_id
        store.add_consents(self._consents)
