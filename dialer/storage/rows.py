"""Values of the domain as rows of the tables, and back. Columns stand in the order of the tuples named here.

One rule governs this module: what is personal is sealed here on its way into a table, and opened here on its way out.
What is empty says nothing of anybody and stays empty.
"""

from dataclasses import dataclass, fields
from typing import Any

import msgspec

from dialer.domain.events import CallDisposed
from dialer.domain.law import Span
from dialer.domain.lead import Callback, Lead, LeadState, PhoneNumber
from dialer.domain.outcome import Outcome
from dialer.domain.policy import CampaignPolicy
from dialer.domain.records import AgentRecord, AgentSpan, Attempt, CampaignChange, PacingDecision
from dialer.domain.standing import NO_RELATIONSHIP, Relationship
from dialer.errors import StorageError
from dialer.storage.codec import Entry, decode_entry, dumps, encode_entry, terms_to_plain
from dialer.storage.vault import Vault

READY, WAITING, CLAIMED, FINISHED = range(4)

_PENDING = LeadState.PENDING
_PLACES = {LeadState.CLAIMED: CLAIMED, LeadState.FINISHED: FINISHED}
_STATES = (LeadState.PENDING, LeadState.PENDING, LeadState.CLAIMED, LeadState.FINISHED)

ENGINE_COLUMNS = (
    "place",
    "order_key",
    "due_at",
    "reason",
    "attempts",
    "tries",
    "last_attempt_at",
    "last_outcome",
    "callback",
    "numbers",
    "number_count",
    "number_keys",
    "number_facts",
)
"""What the engine says of a lead; the other columns belong to the list it came from."""
LIST_COLUMNS = (
    "shuffle",
    "name",
    "segment",
    "priority",
    "zone",
    "external_id",
    "fields",
    "jurisdiction",
    "source",
    "contact_hours",
    "relationship",
)
LEAD_COLUMNS = ("lead_id", "campaign", *ENGINE_COLUMNS, *LIST_COLUMNS)
NUMBER_COLUMNS = ("numbers", "number_count", "number_keys", "number_facts")
"""What is kept of a lead's numbers."""
ORDER_COLUMNS = ("lead_id", "campaign", "shuffle", "segment", "priority", "due_at", "attempts", "callback")
"""What a lead's place in the published order follows from."""

_ATTEMPT_FIELDS = tuple(field.name for field in fields(Attempt))
ATTEMPT_COLUMNS = (*_ATTEMPT_FIELDS, "number_index")
AGENT_COLUMNS = tuple(field.name for field in fields(AgentRecord))
SPAN_COLUMNS = tuple(field.name for field in fields(AgentSpan))
DECISION_COLUMNS = tuple(field.name for field in fields(PacingDecision))
CHANGE_COLUMNS = tuple(field.name for field in fields(CampaignChange))


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedColumns:
    """The columns of a table that hold sealed values, and the table's key."""

    table: str
    key: tuple[str, ...]
    columns: tuple[str, ...]


SEALED = (
    SealedColumns(table="leads", key=("lead_id",), columns=("numbers", "name", "external_id", "fields", "callback")),
    SealedColumns(table="attempts", key=("call_id",), columns=("number",)),
    SealedColumns(table="words", key=("call_id",), columns=("word",)),
    SealedColumns(table="journal", key=("seq",), columns=("entry",)),
    SealedColumns(table="consents", key=("consent_id",), columns=("number",)),
    SealedColumns(table="retained", key=("seller", "number_index"), columns=("number",)),
)
"""Every place with sealed values: what a change of keys has to go through."""

NUMBERS = b"leads.numbers"
NAME = b"leads.name"
EXTERNAL_ID = b"leads.external_id"
FIELDS = b"leads.fields"
CALLBACK = b"leads.callback"
ATTEMPT_NUMBER = b"attempts.number"
WORD = b"words.word"
ENTRY = b"journal.entry"

_OUTCOME = _ATTEMPT_FIELDS.index("outcome")
_NUMBER = _ATTEMPT_FIELDS.index("number")
_ATTEMPT_FLAGS = tuple(index for index, name in enumerate(_ATTEMPT_FIELDS) if name.startswith("is_"))

_NUMBERS: msgspec.json.Decoder[tuple[PhoneNumber, ...]] = msgspec.json.Decoder(tuple[PhoneNumber, ...])
_CALLBACK: msgspec.json.Decoder[Callback] = msgspec.json.Decoder(Callback)
_GROUPS: msgspec.json.Decoder[tuple[str, ...]] = msgspec.json.Decoder(tuple[str, ...])
_WORD: msgspec.json.Decoder[CallDisposed] = msgspec.json.Decoder(CallDisposed)
_TRIES: msgspec.json.Decoder[dict[str, int]] = msgspec.json.Decoder(dict[str, int])
_FIELDS: msgspec.json.Decoder[dict[str, str]] = msgspec.json.Decoder(dict[str, str])
_HOURS: msgspec.json.Decoder[tuple[Span, ...]] = msgspec.json.Decoder(tuple[Span, ...])
_RELATIONSHIP: msgspec.json.Decoder[Relationship] = msgspec.json.Decoder(Relationship)
_FACTS: msgspec.json.Decoder[tuple[tuple[str, str, tuple[str, ...], tuple[str, ...], int, bool], ...]] = (
    msgspec.json.Decoder(tuple[tuple[str, str, tuple[str, ...], tuple[str, ...], int, bool], ...])
)
_TERMS: msgspec.json.Decoder[tuple[tuple[str, float], ...]] = msgspec.json.Decoder(
    tuple[tuple[str, float], ...], strict=False
)
_POLICY: msgspec.json.Decoder[CampaignPolicy] = msgspec.json.Decoder(CampaignPolicy)

Row = tuple[Any, ...]


def text(value: object) -> str:
    """Encode a value as JSON text."""
    return dumps(value).decode()


def place_of(lead: Lead) -> int:
    """Say where a lead stands. A pending one that has an instant to wait for waits, until a claim finds it due."""
    if lead.state is not _PENDING:
        return _PLACES[lead.state]
    return WAITING if lead.due_at > 0.0 else READY


def seal_text(vault: Vault, value: str, place: bytes) -> bytes:
    """Seal a text; an empty one stays empty."""
    return vault.seal(value.encode(), place) if value else b""


def open_text(vault: Vault, column: bytes, place: bytes) -> str:
    """Open what `seal_text` made."""
    return vault.open(column, place).decode() if column else ""


def engine_values(lead: Lead, order_key: str, vault: Vault) -> Row:
    """Give the values of ENGINE_COLUMNS."""
    return (
        place_of(lead),
        order_key,
        lead.due_at,
        lead.reason,
        lead.attempts,
        text(lead.tries) if lead.tries else "",
        lead.last_attempt_at,
        lead.last_outcome,
        None if lead.callback is None else vault.seal(dumps(lead.callback), CALLBACK),
        *number_values(lead.numbers, vault),
    )


def list_values(lead: Lead, vault: Vault) -> Row:
    """Give the values of LIST_COLUMNS."""
    return (
        lead.shuffle,
        seal_text(vault, lead.name, NAME),
        lead.segment,
        lead.priority,
        lead.zone,
        seal_text(vault, lead.external_id, EXTERNAL_ID),
        vault.seal(dumps(lead.fields), FIELDS) if lead.fields else b"",
        lead.jurisdiction,
        lead.source,
        text(lead.contact_hours) if lead.contact_hours else "",
        "" if _is_unknown(lead.relationship) else text(lead.relationship),
    )


def _is_unknown(relationship: Relationship) -> bool:
    return relationship is NO_RELATIONSHIP or relationship == NO_RELATIONSHIP


def to_lead(row: Row, vault: Vault) -> Lead:
    """Read a row of LEAD_COLUMNS."""
    return Lead(**lead_values(row, vault))


def lead_values(row: Row, vault: Vault) -> dict[str, Any]:
    """Read a row of LEAD_COLUMNS, for a lead that is yet to be given its person's standing."""
    (lead_id, campaign, place, _, due_at, reason, attempts, tries, last_attempt_at, last_outcome, callback) = row[:11]
    numbers, shuffle, name, segment, priority, zone, external_id, extra = row[11], *row[15:22]
    jurisdiction, source, contact_hours, relationship = row[22:]
    return {
        "lead_id": lead_id,
        "campaign": campaign,
        "numbers": to_numbers(numbers, vault),
        "shuffle": shuffle,
        "name": open_text(vault, name, NAME),
        "segment": segment,
        "priority": priority,
        "zone": zone,
        "jurisdiction": jurisdiction,
        "external_id": open_text(vault, external_id, EXTERNAL_ID),
        "source": source,
        "contact_hours": _HOURS.decode(contact_hours) if contact_hours else (),
        "relationship": _RELATIONSHIP.decode(relationship) if relationship else NO_RELATIONSHIP,
        "fields": _FIELDS.decode(vault.open(extra, FIELDS)) if extra else {},
        "state": _STATES[place],
        "reason": reason,
        "due_at": due_at,
        "attempts": attempts,
        "tries": _TRIES.decode(tries) if tries else {},
        "last_attempt_at": last_attempt_at,
        "last_outcome": last_outcome,
        "callback": _to_callback(callback, vault),
    }


def to_ordered(row: Row, vault: Vault) -> Lead:
    """Read a row of ORDER_COLUMNS: a lead without the person."""
    lead_id, campaign, shuffle, segment, priority, due_at, attempts, callback = row
    return Lead(
        lead_id=lead_id,
        campaign=campaign,
        numbers=(),
        shuffle=shuffle,
        segment=segment,
        priority=priority,
        due_at=due_at,
        attempts=attempts,
        callback=_to_callback(callback, vault),
    )


def _to_callback(column: bytes | None, vault: Vault) -> Callback | None:
    return None if column is None else _CALLBACK.decode(vault.open(column, CALLBACK))


def number_values(numbers: tuple[PhoneNumber, ...], vault: Vault) -> Row:
    """Give the values of NUMBER_COLUMNS: sealed, counted, their keyed hashes, and what of them tells of nobody."""
    facts = [(n.kind, n.region, n.zones, n.jurisdictions, n.attempts, n.is_invalid) for n in numbers]
    keys = b"".join([vault.index(number.e164) for number in numbers])
    return (vault.seal(dumps(numbers), NUMBERS), len(numbers), keys, text(facts))


def to_number_facts(column: str) -> tuple[PhoneNumber, ...]:
    """Read the column `number_facts`: numbers without their digits."""
    return tuple(
        PhoneNumber(
            e164="",
            kind=kind,
            region=region,
            zones=zones,
            jurisdictions=jurisdictions,
            attempts=attempts,
            is_invalid=is_invalid,
        )
        for kind, region, zones, jurisdictions, attempts, is_invalid in _FACTS.decode(column)
    )


def to_numbers(column: bytes, vault: Vault) -> tuple[PhoneNumber, ...]:
    """Read the column `numbers`."""
    return _NUMBERS.decode(vault.open(column, NUMBERS))


def attempt_values(attempt: Attempt, vault: Vault) -> Row:
    """Give the values of ATTEMPT_COLUMNS."""
    values = [getattr(attempt, name) for name in _ATTEMPT_FIELDS]
    values[_NUMBER] = seal_text(vault, attempt.number, ATTEMPT_NUMBER)
    return (*values, vault.index(attempt.number))


def to_attempt(row: Row, vault: Vault) -> Attempt:
    """Read a row of ATTEMPT_COLUMNS."""
    values = list(row[:-1])
    for index in _ATTEMPT_FLAGS:
        values[index] = bool(values[index])
    values[_NUMBER] = open_text(vault, values[_NUMBER], ATTEMPT_NUMBER)
    if values[_OUTCOME] is not None:
        values[_OUTCOME] = Outcome(values[_OUTCOME])
    return Attempt(**dict(zip(_ATTEMPT_FIELDS, values, strict=True)))


def entry_values(entry: Entry, vault: Vault) -> Row:
    """Give the values of the columns seq, at and entry of the journal."""
    line = encode_entry(entry.seq, entry.at, entry.event, entry.commands)
    return (entry.seq, entry.at, vault.seal(line, ENTRY))


def is_entry(column: bytes, entry: Entry, vault: Vault) -> bool:
    """Say whether the column `entry` holds this very entry."""
    return vault.open(column, ENTRY) == encode_entry(entry.seq, entry.at, entry.event, entry.commands)


def to_entry(column: bytes, vault: Vault) -> Entry:
    """Read the column `entry`."""
    return decode_entry(vault.open(column, ENTRY))


def span_values(span: AgentSpan) -> Row:
    """Give the values of SPAN_COLUMNS."""
    return (span.agent_id, span.campaign, span.state, span.reason, span.from_at, span.to_at, span.call_id)


def to_span(row: Row) -> AgentSpan:
    """Read a row of SPAN_COLUMNS."""
    return AgentSpan(**dict(zip(SPAN_COLUMNS, row, strict=True)))


def agent_values(agent: AgentRecord) -> Row:
    """Give the values of AGENT_COLUMNS."""
    groups, *others = (getattr(agent, name) for name in AGENT_COLUMNS[1:])
    return (agent.agent_id, text(groups), *others)


def to_agent(row: Row) -> AgentRecord:
    """Read a row of AGENT_COLUMNS."""
    values = dict(zip(AGENT_COLUMNS, row, strict=True))
    return AgentRecord(**values | {"groups": _GROUPS.decode(values["groups"])})


def word_values(word: CallDisposed, vault: Vault) -> Row:
    """Give the values of a row of words."""
    return (word.call_id, vault.seal(dumps(word), WORD))


def to_word(column: bytes, vault: Vault) -> CallDisposed:
    """Read a word."""
    return _WORD.decode(vault.open(column, WORD))


def decision_values(decision: PacingDecision) -> Row:
    """Give the values of DECISION_COLUMNS."""
    values = [getattr(decision, name) for name in DECISION_COLUMNS[:-1]]
    return (*values, text(terms_to_plain(decision.terms)))


def to_decision(row: Row) -> PacingDecision:
    """Read a row of DECISION_COLUMNS."""
    values = dict(zip(DECISION_COLUMNS, row, strict=True))
    values["is_reserved"] = bool(values["is_reserved"])
    values["terms"] = _TERMS.decode(values["terms"])
    return PacingDecision(**values)


def change_values(change: CampaignChange) -> Row:
    """Give the values of CHANGE_COLUMNS."""
    return tuple([getattr(change, name) for name in CHANGE_COLUMNS])


def to_change(row: Row) -> CampaignChange:
    """Read a row of CHANGE_COLUMNS."""
    return CampaignChange(**dict(zip(CHANGE_COLUMNS, row, strict=True)))


def to_policy(column: str) -> CampaignPolicy:
    """Read the column `policy`."""
    try:
        return _POLICY.decode(column)
    except msgspec.MsgspecError as error:
        raise StorageError(f"campaigns: the stored policy is not one of this version: {error}") from error
