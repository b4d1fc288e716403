"""Reading leads, journal and records from a database, beside a daemon that writes it."""

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from math import inf
from types import TracebackType
from typing import Any, BinaryIO, Self

from dialer.domain.events import CallDisposed
from dialer.domain.law import Law
from dialer.domain.lead import Lead
from dialer.domain.policy import CampaignPolicy
from dialer.domain.records import AgentRecord, AgentSpan, Attempt, CampaignChange, PacingDecision
from dialer.domain.standing import RegistryCopy, Standing
from dialer.storage import retained, rows
from dialer.storage.census import Census, take_census
from dialer.storage.codec import Entry
from dialer.storage.consents import KeptConsent, consents_of, standing_consents
from dialer.storage.database import Database
from dialer.storage.evidence import last_link
from dialer.storage.evidence_bodies import VerdictBody
from dialer.storage.evidence_file import EvidenceExport, Wanted, Written
from dialer.storage.evidence_trim import Trim, plan_trim
from dialer.storage.hindsight import Tried, tried_by, verdicts_near
from dialer.storage.imports import ListCounts
from dialer.storage.ownership import Lease, first_number, last_number
from dialer.storage.registries import FOLDER, KeptCopy, Shelf, copies_in_use, kept_copies
from dialer.storage.retained import Retained
from dialer.storage.standing import Person, Standings
from dialer.storage.vault import Vault

_AT_ONCE = 1_000  # leads read with one statement
_LEAD = ", ".join(rows.LEAD_COLUMNS)
_ATTEMPT = ", ".join(rows.ATTEMPT_COLUMNS)
_AGENT = ", ".join(rows.AGENT_COLUMNS)
_SPAN = ", ".join(rows.SPAN_COLUMNS)
_DECISION = ", ".join(rows.DECISION_COLUMNS)
_CHANGE = ", ".join(rows.CHANGE_COLUMNS)
_ALL = (1 << 63) - 1


class Records:
    """What reports and exports read; sees only what is committed. Results stream: a list of millions fits."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self.database = database
        self.vault = vault
        self.lease: Lease | None = None  # of the engine that this process dials for; only its own things are looked at
        self._reader = database.open_reader(vault)
        self._shelf = Shelf(database.folder / FOLDER, vault, is_shared=database.shared_at is not None)
        self._standings = Standings(vault, self._shelf)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self._reader.close()

    def _rows(self, sql: str, *parameters: Any) -> Iterator[Any]:
        with self.database.explained():
            # Not `yield from`: that would close the cursor of a reader who left early, when the database is closed.
            for row in self._reader.execute(sql, parameters):  # noqa: UP028
                yield row

    def _stream(self, sql: str, *parameters: Any) -> Iterator[Any]:
        """Give rows of which there may be millions."""
        with self.database.explained():
            for row in self._reader.stream(sql, parameters):  # noqa: UP028
                yield row

    def _to_lead(self, row: rows.Row) -> Lead:
        return rows.to_lead(row, self.vault)

    def _to_attempt(self, row: rows.Row) -> Attempt:
        return rows.to_attempt(row, self.vault)

    # ------------------------------------------------------------------------------ leads
    def lead(self, lead_id: int) -> Lead | None:
        """Give one lead; None when there is none of this id."""
        found = self._rows(f"SELECT {_LEAD} FROM leads WHERE lead_id = ?", lead_id)
        return next(map(self._to_lead, found), None)

    def leads_by_id(self, lead_ids: Iterable[int]) -> dict[int, Lead]:
        """Give leads by their ids; one that is not there is left out."""
        wanted = iter(dict.fromkeys(lead_ids))
        found: dict[int, Lead] = {}
        while some := list(islice(wanted, _AT_ONCE)):
            where, values = self._reader.among("lead_id", some)
            for lead in map(self._to_lead, self._rows(f"SELECT {_LEAD} FROM leads WHERE {where}", *values)):
                found[lead.lead_id] = lead
        return found

    def find_number(self, e164: str, campaign: str | None = None) -> list[Lead]:
        """Give the leads that hold a number, at most one per campaign, by lead id."""
        where, parameters = _of_campaign(campaign)
        found = self._rows(
            f"SELECT {_LEAD} FROM leads WHERE {where} lead_id IN"
            f" (SELECT lead_id FROM lead_numbers WHERE {where} number_index = ?) ORDER BY lead_id",
            *parameters,
            *parameters,
            self.vault.index(e164),
        )
        return [self._to_lead(row) for row in found]

    def leads(self, campaign: str) -> Iterator[Lead]:
        """Give every lead of a campaign, by lead id."""
        found = self._stream(f"SELECT {_LEAD} FROM leads WHERE campaign = ? ORDER BY lead_id", campaign)
        return map(self._to_lead, found)

    def called_leads(self, campaign: str) -> Iterator[Lead]:
        """Give every lead of a campaign that was called, without the person: the places of its numbers and address."""
        found = self._stream(
            "SELECT lead_id, number_facts, zone, jurisdiction FROM leads WHERE campaign = ?"
            " AND lead_id IN (SELECT lead_id FROM attempts WHERE campaign = ?)",
            campaign,
            campaign,
        )
        for lead_id, facts, zone, jurisdiction in found:
            numbers = rows.to_number_facts(facts)
            yield Lead(
                lead_id=lead_id, campaign=campaign, numbers=numbers, shuffle=0, zone=zone, jurisdiction=jurisdiction
            )

    def counts(self, campaign: str) -> ListCounts:
        """Count a campaign's leads."""
        sums = "count(*), count(CASE WHEN place <> 3 THEN 1 END), count(CASE WHEN attempts > 0 THEN 1 END)"
        loaded, still_open, tried = next(self._rows(f"SELECT {sums} FROM leads WHERE campaign = ?", campaign))
        return ListCounts(loaded=loaded, open=still_open, tried=tried)

    def campaigns(self) -> list[str]:
        """Name the campaigns that were ever loaded or imported into."""
        return [name for (name,) in self._rows("SELECT name FROM campaigns ORDER BY name")]

    def policy(self, campaign: str) -> CampaignPolicy | None:
        """Give the policy under which a campaign was last loaded or imported into."""
        found = self._rows("SELECT policy FROM campaigns WHERE name = ?", campaign)
        return next((rows.to_policy(column) for (column,) in found), None)

    def is_blocked(self, seller: str, e164: str) -> bool:
        """Say whether nobody of this seller may call the number."""
        found = self._rows(
            "SELECT 1 FROM blocked WHERE seller = ? AND number_index = ?", seller, self.vault.index(e164)
        )
        return next(found, None) is not None

    def leads_of(self, seller: str, e164: str) -> list[Lead]:
        """Give the leads of a seller's campaigns that hold a number, by lead id."""
        sellers = dict(self._rows("SELECT name, seller FROM campaigns"))
        return [lead for lead in self.find_number(e164) if sellers.get(lead.campaign) == seller]

    # --------------------------------------------------------------------------- standing
    def standing_at(self, lead: Lead, seller: str, at: float) -> Standing:
        """Give what was known of a lead's person at an instant, for this seller."""
        person = Person(lead.lead_id, lead.campaign, {self.vault.index(each.e164): each.e164 for each in lead.numbers})
        with self.database.explained():
            return self._standings.of(self._reader, [person], seller, at)[0]

    def consents(self, seller: str, e164: str) -> list[KeptConsent]:
        """Give every consent of a number to a seller or naming it as a recipient, revoked ones too, oldest first."""
        with self.database.explained():
            return consents_of(self._reader, seller, {self.vault.index(e164): e164})

    def standing_consents(self, seller: str) -> Iterator[KeptConsent]:
        """Give every consent of a seller's that nobody revoked."""
        with self.database.explained():
            yield from standing_consents(self._reader, seller, self.vault)

    def registry_copies(self, at: float = inf) -> tuple[RegistryCopy, ...]:
        """Give the copy of each register that is in use, or was at an instant."""
        return tuple(kept.copy for kept in self.copies_in_use(at))

    def copies_in_use(self, at: float = inf) -> list[KeptCopy]:
        """Give the copy of each register that is in use, or was at an instant, and how it came."""
        with self.database.explained():
            return copies_in_use(self._reader, at)

    def kept_copies(self, registry: str | None = None) -> list[KeptCopy]:
        """Give every copy ever imported, of one register or of all (None), the oldest first."""
        with self.database.explained():
            return kept_copies(self._reader, registry)

    def has_file(self, kept: KeptCopy) -> bool:
        """Say whether the file of a copy is on this machine, as it is unless another machine brought it into use."""
        return self._shelf.has(kept.path)

    def is_listed(self, copy: KeptCopy, e164: str) -> bool:
        """Say whether a copy of a register holds a number."""
        return self._shelf.holds(copy.path, self.vault.index(e164))

    # ------------------------------------------------------------------------- explaining
    def census(self, policy: CampaignPolicy, law: Law, at: float) -> Census:
        """Group a campaign's open leads by what the gate would look at, at an instant."""
        import numpy as np

        with self.database.explained(), self.database.snapshot(self._reader):
            copies = [kept for kept in copies_in_use(self._reader, at) if kept.path]
            hashes = {kept.copy.registry: np.asarray(self._shelf.hashes(kept.path)) for kept in copies}
            return take_census(self._reader, policy, law, hashes, at)

    def tried(self, campaign: str, e164: str, at: float) -> Tried:
        """Count a campaign's attempts on a number up to an instant."""
        with self.database.explained():
            return tried_by(self._reader, campaign, self.vault.index(e164), at)

    def verdicts_near(
        self, campaign: str, e164: str, at: float, within_s: float
    ) -> tuple[VerdictBody | None, VerdictBody | None]:
        """Give what a campaign's gate last said of a number by an instant, and what it said next; within so long."""
        with self.database.explained():
            return verdicts_near(self._reader, campaign, self.vault.index(e164), at, within_s)

    # ---------------------------------------------------------------------------- journal
    def next_seq(self) -> int:
        """Give the sequence number of the engine's next journal entry; the first is 1."""
        first = first_number(self._engine_id)
        found = self._rows(
            "SELECT coalesce(max(seq) + 1, ?) FROM journal WHERE seq BETWEEN ? AND ?",
            first,
            first,
            last_number(self._engine_id),
        )
        return int(next(found)[0])

    @property
    def origin(self) -> str:
        """Who says what this process announces: its engine and token, or "-"."""
        return "-" if self.lease is None else f"{self.lease.engine_id}.{self.lease.token}"

    def has_claimed(self, keys: Collection[str]) -> bool:
        """Say whether this engine has a lead in hand with one of the numbers that have these keyed hashes, in hex."""
        own, values = self._own()
        condition, numbers = self._reader.among("number_index", [bytes.fromhex(key) for key in keys])
        found = self._rows(
            "SELECT 1 FROM leads WHERE place = 2 AND lead_id IN"
            f" (SELECT lead_id FROM lead_numbers WHERE {condition}) {own} LIMIT 1",
            *numbers,
            *values,
        )
        return any(True for _ in found)

    @property
    def _engine_id(self) -> int:
        return 0 if self.lease is None else self.lease.engine_id

    def _own(self) -> tuple[str, tuple[int, ...]]:
        """Give the condition that narrows a query to campaigns of this engine, and its parameter."""
        if self.lease is None:
            return "", ()
        return "AND campaign IN (SELECT name FROM campaigns WHERE engine_id = ?)", (self.lease.engine_id,)

    def entries(self, from_seq: int = 1) -> Iterator[Entry]:
        """Give the journal from a sequence number on, in order."""
        to_seq = _ALL if self.lease is None else last_number(self.lease.engine_id)
        found = self._stream("SELECT entry FROM journal WHERE seq BETWEEN ? AND ? ORDER BY seq", from_seq, to_seq)
        return (rows.to_entry(entry, self.vault) for (entry,) in found)

    # ---------------------------------------------------------------------------- records
    def attempts(self, campaign: str | None, from_at: float, to_at: float) -> Iterator[Attempt]:
        """Give the attempts placed in the span, by instant and call id."""
        where, parameters = _of_campaign(campaign)
        found = self._stream(
            f"SELECT {_ATTEMPT} FROM attempts WHERE {where} placed_at >= ? AND placed_at < ?"
            " ORDER BY placed_at, call_id",
            *parameters,
            from_at,
            to_at,
        )
        return map(self._to_attempt, found)

    def has_imported(self, policy: CampaignPolicy, digest: str) -> bool:
        """Tell whether a list of this digest was imported under the campaign file as it is now."""
        found = self._rows(
            "SELECT 1 FROM imports WHERE campaign = ? AND digest = ? AND policy_digest = ? LIMIT 1",
            policy.name,
            digest,
            policy.digest,
        )
        return any(True for _ in found)

    def open_attempts(self) -> Iterator[Attempt]:
        """Give the attempts that nobody has seen end, by call id."""
        own, values = self._own()
        found = self._rows(f"SELECT {_ATTEMPT} FROM attempts WHERE released_at IS NULL {own} ORDER BY call_id", *values)
        return map(self._to_attempt, found)

    def undisposed(self, since_at: float) -> Iterator[Attempt]:
        """Give connects that are over without a word, by call id: those from `since_at` on, or still waited for."""
        own, values = self._own()
        found = self._rows(
            f"SELECT {_ATTEMPT} FROM attempts WHERE bridged_at IS NOT NULL AND disposition IS NULL"
            " AND (released_at >= ? OR released_at IS NOT NULL AND lead_id IN"
            f" (SELECT lead_id FROM leads WHERE place = 2)) {own} ORDER BY call_id",
            since_at,
            *values,
        )
        return map(self._to_attempt, found)

    def disposed(self, since_at: float, limit: int) -> list[Attempt]:
        """Give the last connects, placed from `since_at` on, that are over and have their word, by call id."""
        own, values = self._own()
        found = self._rows(
            f"SELECT {_ATTEMPT} FROM attempts WHERE placed_at >= ? AND bridged_at IS NOT NULL"
            f" AND disposition IS NOT NULL AND released_at IS NOT NULL {own} ORDER BY placed_at DESC LIMIT ?",
            since_at,
            *values,
            limit,
        )
        return sorted(map(self._to_attempt, found), key=lambda attempt: attempt.call_id)

    def words(self) -> dict[int, CallDisposed]:
        """Give what agents said of calls that nobody has seen end, by call id."""
        found = self._rows("SELECT call_id, word FROM words ORDER BY call_id")
        return {call_id: rows.to_word(word, self.vault) for call_id, word in found}

    def agents(self) -> list[AgentRecord]:
        """Give the agents who are logged in, as they stood last, by name."""
        found = self._rows(f"SELECT {_AGENT} FROM agents WHERE engine_id = ? ORDER BY agent_id", self._engine_id)
        return list(map(rows.to_agent, found))

    def agent_spans(self, campaign: str | None, from_at: float, to_at: float) -> Iterator[AgentSpan]:
        """Give the agents' spans that share an instant with the span asked for, whole, by their beginning."""
        where, parameters = _of_campaign(campaign)
        found = self._stream(
            f"SELECT {_SPAN} FROM agent_spans WHERE {where} to_at >= ? AND from_at < ? AND (to_at > ? OR from_at >= ?)"
            " ORDER BY from_at, span_id",
            *parameters,
            from_at,
            to_at,
            from_at,
            from_at,
        )
        return map(rows.to_span, found)

    def decisions(self, campaign: str, from_at: float, to_at: float) -> Iterator[PacingDecision]:
        """Give a campaign's pacing decisions of the span, by instant."""
        found = self._stream(
            f"SELECT {_DECISION} FROM decisions WHERE campaign = ? AND at >= ? AND at < ? ORDER BY at, decision_id",
            campaign,
            from_at,
            to_at,
        )
        return map(rows.to_decision, found)

    def last_decision(self, campaign: str, at: float = float("inf")) -> PacingDecision | None:
        """Give a campaign's last pacing decision at or before `at`."""
        found = self._rows(
            f"SELECT {_DECISION} FROM decisions WHERE campaign = ? AND at <= ?"
            " ORDER BY at DESC, decision_id DESC LIMIT 1",
            campaign,
            at,
        )
        return next(map(rows.to_decision, found), None)

    def next_decision_at(self, campaign: str, at: float) -> float | None:
        """Give the instant of a campaign's first pacing decision after `at`."""
        found = self._rows("SELECT min(at) FROM decisions WHERE campaign = ? AND at > ?", campaign, at)
        first: float | None = next(found)[0]
        return first

    def changes(self, campaign: str | None, from_at: float, to_at: float) -> Iterator[CampaignChange]:
        """Give the campaigns' changes of state in the span, by instant."""
        where, parameters = _of_campaign(campaign)
        found = self._rows(
            f"SELECT {_CHANGE} FROM changes WHERE {where} at >= ? AND at < ? ORDER BY at, change_id",
            *parameters,
            from_at,
            to_at,
        )
        return map(rows.to_change, found)

    def first_live_at(self, campaign: str) -> float | None:
        """Give the instant of a campaign's first live answer, from which blocks of 30 days are counted."""
        found = self._rows("SELECT min(answered_at) FROM attempts WHERE campaign = ? AND is_live", campaign)
        first: float | None = next(found)[0]
        return first

    # --------------------------------------------------------------------------- evidence
    def evidence_head(self) -> tuple[int, str]:
        """Give number and hash of the last entry of the evidence; (0, zeros) when there is none."""
        with self.database.explained():
            seq, hash_ = last_link(self._reader)
        return seq, hash_.hex()

    def export_evidence(self, out: BinaryIO, wanted: Wanted) -> Written:
        """Write evidence as a file that stands alone; raise EvidenceError when the log is not whole."""
        with self.database.explained():
            return EvidenceExport(self._reader, out).write(wanted)

    def retained(self, seller: str, subject: str) -> Retained | None:
        """Give the number of an erased person whom the evidence names by this hash, while a law wants it kept."""
        with self.database.explained():
            return retained.find(self._reader, self.vault, seller, subject)

    def planned_trim(self, now: float, keep_days: int) -> Trim:
        """Say which entries of the evidence are older than the law and the house want them kept."""
        with self.database.explained():
            return plan_trim(self._reader, now, keep_days)


def _of_campaign(campaign: str | None) -> tuple[str, tuple[str, ...]]:
    """Give the condition that narrows a query to one campaign, and its parameter."""
    return ("", ()) if campaign is None else ("campaign = ? AND", (campaign,))
