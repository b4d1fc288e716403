"""Erasing people: what is personal goes from leads, calls, consents and the journal; what a law wants kept stays apart.

One rule governs this module: the journal first, the rows after it. A row still names the person until the journal no
longer does, so that an erasure that was interrupted is found and done again. Every statement is about leads that the
caller named: no number leads from one seller to another's.

A lead stays as a finished one without a person. The keyed hashes of its numbers stay with it, with its calls and on the
"do not call" list: so caps of attempts go on counting, and a list that brings the person back changes nothing.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from dialer.domain.lead import Lead, LeadState
from dialer.domain.policy import CampaignPolicy, EraseAfter, RetentionPolicy
from dialer.domain.standing import Relationship
from dialer.storage import retained, rows
from dialer.storage.database import Connection
from dialer.storage.evidence import record
from dialer.storage.evidence_bodies import DeedBody
from dialer.storage.evidence_trim import DAY_S
from dialer.storage.forgetting import Forgotten, forget_in_journal, never_mind
from dialer.storage.imports import ERASED
from dialer.storage.store import Store
from dialer.storage.vault import Vault
from dialer.storage.writing import add_open_leads

CHUNK = 100
"""Leads in one transaction: some ten milliseconds, for which a daemon beside it waits."""

QUIET_S = 3600.0
"""How long after its last call a lead is left alone: an agent may not have had the last word yet."""
BATCH = 20_000
"""Leads that one pass over the journal is made for."""

_COLUMNS = ", ".join(rows.LEAD_COLUMNS)
_CHANGED = (*rows.ENGINE_COLUMNS, *rows.LIST_COLUMNS)
_LEAD = f"SELECT {_COLUMNS} FROM leads WHERE lead_id = ?"
_FINISHED = f"""SELECT {_COLUMNS} FROM leads WHERE campaign = ? AND place = 3 AND reason <> ? AND coalesce(
    last_attempt_at, (SELECT max(at) FROM imports WHERE campaign = ?), 0) <= ? ORDER BY lead_id LIMIT ?"""
_BLANK_LEAD = f"UPDATE leads SET {', '.join(f'{name} = ?' for name in _CHANGED)} WHERE lead_id = ?"
_CALLS = "SELECT call_id FROM attempts WHERE number_index = ? AND campaign = ? AND lead_id = ?"
_LAST_CALL = """SELECT max(placed_at) FROM attempts WHERE number_index = ? AND campaign IN
    (SELECT name FROM campaigns WHERE seller = ?)"""
_BLANK_CALLS = "UPDATE attempts SET number = ? WHERE number_index = ? AND campaign = ? AND lead_id = ?"
_BLANK_CONSENTS = "UPDATE consents SET number = ? WHERE seller = ? AND number_index = ? AND length(number) > 0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """Who is erased: leads of one seller, and all numbers of that person.

    `keep_days`: for how long a law wants proof of calls and consents.
    """

    seller: str
    leads: tuple[Lead, ...]
    numbers: tuple[str, ...]
    keep_days: int
    has_consents: bool = True  # the person's consents go, too


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What was erased. `retained` numbers are kept apart until a law no longer wants proof of calls to them."""

    leads: int = 0
    attempts: int = 0
    consents: int = 0
    journal_entries: int = 0
    retained: int = 0

    def __add__(self, other: "Erased") -> "Erased":
        """Add up two erasures."""
        return Erased(
            leads=self.leads + other.leads,
            attempts=self.attempts + other.attempts,
            consents=self.consents + other.consents,
            journal_entries=self.journal_entries + other.journal_entries,
            retained=self.retained + other.retained,
        )


def erase_person(store: Store, erasure: Erasure, *, at: float, who: str, reason: str) -> Erased:
    """Erase one person for one seller, with a word in the evidence that does not name the person."""
    with store.database.explained(), closing(store.database.open_writer(store.vault)) as connection:
        forgotten = _forgotten(connection, store.vault, [erasure])
        entries = forget_in_journal(store.database, connection, store.vault, forgotten)
        with store.database.transaction(connection):
            erased = _erase(connection, store.vault, erasure, at)
            details: dict[str, str | int] = {
                "leads": erased.leads,
                "attempts": erased.attempts,
                "consents": erased.consents,
                "journal_entries": entries,
                "retained": erased.retained,
            }
            deed = DeedBody(
                at=at,
                kind="erasure",
                who=who,
                what="person",
                reason=reason,
                seller=erasure.seller,
                subjects=tuple(store.vault.index(number).hex() for number in erasure.numbers),
                details=details,
            )
            record(connection, store.vault, deed)
        connection.scrub()
    return replace(erased, journal_entries=entries)


def erase_leads(
    store: Store,
    campaign: str,
    erasures: Sequence[Erasure],
    *,
    at: float,
    reason: str,
    tick: Callable[[], None] = never_mind,
) -> Erased:
    """Erase people of one campaign whose time has come, few at a time. `tick` is called in between, and may raise."""
    total = Erased()
    if not erasures:
        return total
    with store.database.explained(), closing(store.database.open_writer(store.vault)) as connection:
        forgotten = _forgotten(connection, store.vault, erasures)
        entries = forget_in_journal(store.database, connection, store.vault, forgotten, tick)
        for start in range(0, len(erasures), CHUNK):
            tick()
            with store.database.transaction(connection):
                for erasure in erasures[start : start + CHUNK]:
                    total += _erase(connection, store.vault, erasure, at)
        details: dict[str, str | int] = {"leads": total.leads, "retained": total.retained}
        deed = DeedBody(
            at=at,
            kind="erasure",
            who="dialer",
            what="finished leads",
            reason=reason,
            campaign=campaign,
            seller=erasures[0].seller,
            details=details,
        )
        with store.database.transaction(connection):
            record(connection, store.vault, deed)
        connection.scrub()
    return replace(total, journal_entries=entries)


def _forgotten(connection: Connection, vault: Vault, erasures: Sequence[Erasure]) -> Forgotten:
    """Say by what the journal names people."""
    leads = [lead for erasure in erasures for lead in erasure.leads]
    calls: set[int] = set()
    for lead in leads:
        for number in lead.numbers:
            found = connection.execute(_CALLS, (vault.index(number.e164), lead.campaign, lead.lead_id))
            calls.update(call_id for (call_id,) in found)
    return Forgotten(
        seller=erasures[0].seller,
        lead_ids=frozenset(lead.lead_id for lead in leads),
        call_ids=frozenset(calls),
        numbers={number: f"erased-{vault.index(number).hex()}" for each in erasures for number in each.numbers},
    )


def _erase(connection: Connection, vault: Vault, erasure: Erasure, at: float) -> Erased:
    """Take a person out of the tables, within a transaction."""
    kept = list(_kept(connection, vault, erasure, at))
    attempts = consents = 0
    closed: Counter[str] = Counter()
    for lead in erasure.leads:
        calls, was_open = _erase_lead(connection, vault, lead.lead_id)
        attempts += calls
        closed[lead.campaign] += was_open
    for campaign, count in sorted(closed.items()):  # after all leads, as everybody who changes both takes them
        add_open_leads(connection, campaign, -count)
    if erasure.has_consents:
        for number in erasure.numbers:
            consents += connection.execute(_BLANK_CONSENTS, (b"", erasure.seller, vault.index(number))).rowcount
    reason = f"proof of calls and consents for {erasure.keep_days} days"
    return Erased(
        leads=len(erasure.leads),
        attempts=attempts,
        consents=consents,
        retained=retained.keep(connection, vault, erasure.seller, kept, reason),
    )


def _kept(connection: Connection, vault: Vault, erasure: Erasure, at: float) -> Iterator[tuple[str, float]]:
    """Give the numbers of which a law wants proof, and until when: from the last call, or from now for a consent."""
    for number in erasure.numbers:
        index = vault.index(number)
        until = connection.execute(_LAST_CALL, (index, erasure.seller)).fetchone()[0]
        if erasure.has_consents and _has_consent(connection, erasure.seller, index):
            until = at
        if until is not None and until + erasure.keep_days * DAY_S > at:
            yield number, until + erasure.keep_days * DAY_S


def _has_consent(connection: Connection, seller: str, index: bytes) -> bool:
    found = connection.execute("SELECT 1 FROM consents WHERE seller = ? AND number_index = ? LIMIT 1", (seller, index))
    return found.fetchone() is not None


def _erase_lead(connection: Connection, vault: Vault, lead_id: int) -> tuple[int, bool]:
    """Leave a finished lead without a person; give the number of its calls, and whether it was open before."""
    row = connection.execute(f"{_LEAD}{connection.for_update}", (lead_id,)).fetchone()
    lead = rows.to_lead(row, vault)
    calls = 0
    for number in lead.numbers:
        index = vault.index(number.e164)
        calls += connection.execute(_BLANK_CALLS, (b"", index, lead.campaign, lead_id)).rowcount
    nobody = _without_person(lead)
    values = (*rows.engine_values(nobody, "", vault), *rows.list_values(nobody, vault))
    connection.execute(_BLANK_LEAD, (*values, lead_id))
    return calls, lead.state is not LeadState.FINISHED


def _without_person(lead: Lead) -> Lead:
    return replace(
        lead,
        numbers=(),
        shuffle=0,
        name="",
        segment="",
        zone=None,
        jurisdiction=None,
        external_id="",
        source="",
        contact_hours=(),
        relationship=Relationship(),
        fields={},
        callback=None,
        state=LeadState.FINISHED,
        reason=ERASED,
    )


def erasures_of(seller: str, leads: Collection[Lead], keep_days: int) -> list[Erasure]:
    """Give the erasure of each lead for itself; its consents stay: they are not of the campaign."""
    return [
        Erasure(
            seller=seller,
            leads=(lead,),
            numbers=tuple(number.e164 for number in lead.numbers),
            keep_days=keep_days,
            has_consents=False,
        )
        for lead in leads
    ]


def erase_due(store: Store, now: float, keep_days: int, tick: Callable[[], None] = never_mind) -> Erased:
    """Erase what each campaign's word on retention gives up by now: finished leads whose time has come.

    `tick` is called in between and may raise, to stop; what is not done then is done the next time.
    """
    total = Erased()
    for campaign in store.campaigns():
        policy = store.policy(campaign)
        if policy is None:
            continue
        before_at = _erased_before(store, policy, now)
        while before_at is not None and (leads := finished_before(store, campaign, before_at)):
            erasures = erasures_of(policy.seller, leads, keep_days)
            total += erase_leads(store, campaign, erasures, at=now, reason=_in_words(policy.retention), tick=tick)
    store.purge_retained(now)
    return total


def _erased_before(store: Store, policy: CampaignPolicy, now: float) -> float | None:
    """Give the instant before which finished leads of a campaign ended that are to be erased; None: none is."""
    retention = policy.retention
    match retention.erase_after:
        case EraseAfter.DAYS:
            return now - (retention.days or 0) * DAY_S
        case EraseAfter.CAMPAIGN:
            return None if store.counts(policy.name).open else now - QUIET_S
        case EraseAfter.NEVER:
            return None


def _in_words(retention: RetentionPolicy) -> str:
    days = f"{retention.days} days" if retention.erase_after is EraseAfter.DAYS else retention.erase_after.value
    return f"retention.erase_after: {days}"


def finished_before(store: Store, campaign: str, before_at: float, limit: int = BATCH) -> list[Lead]:
    """Give finished leads that were last called, or else last imported, before an instant and still name a person."""
    with store.database.explained(), closing(store.database.open_reader(store.vault)) as connection:
        found = connection.execute(_FINISHED, (campaign, ERASED, campaign, before_at, limit)).fetchall()
    return [rows.to_lead(row, store.vault) for row in found]
