"""Values of the domain as rows of the tables, and back. Columns stand in the order of the tuples named here."""

from dataclasses import fields
from typing import Any

import msgspec

from dialer.domain.lead import Callback, Lead, LeadState, PhoneNumber
from dialer.domain.outcome import Outcome
from dialer.domain.policy import CampaignPolicy
from dialer.domain.records import AgentSpan, Attempt, CampaignChange, PacingDecision
from dialer.errors import StorageError
from dialer.storage.codec import dumps, terms_to_plain

READY, WAITING, CLAIMED, FINISHED = range(4)

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
)
"""What the engine says of a lead; the other columns belong to the list it came from."""
LIST_COLUMNS = ("shuffle", "name", "segment", "priority", "zone", "external_id", "fields")
LEAD_COLUMNS = ("lead_id", "campaign", *ENGINE_COLUMNS, *LIST_COLUMNS)

ATTEMPT_COLUMNS = tuple(field.name for field in fields(Attempt))
SPAN_COLUMNS = tuple(field.name for field in fields(AgentSpan))
DECISION_COLUMNS = tuple(field.name for field in fields(PacingDecision))
CHANGE_COLUMNS = tuple(field.name for field in fields(CampaignChange))

_OUTCOME = ATTEMPT_COLUMNS.index("outcome")
_ATTEMPT_FLAGS = tuple(index for index, name in enumerate(ATTEMPT_COLUMNS) if name.startswith("is_"))

_NUMBERS: msgspec.json.Decoder[tuple[PhoneNumber, ...]] = msgspec.json.Decoder(tuple[PhoneNumber, ...])
_CALLBACK: msgspec.json.Decoder[Callback] = msgspec.json.Decoder(Callback)
_TRIES: msgspec.json.Decoder[dict[str, int]] = msgspec.json.Decoder(dict[str, int])
_FIELDS: msgspec.json.Decoder[dict[str, str]] = msgspec.json.Decoder(dict[str, str])
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
    place = _PLACES.get(lead.state)
    if place is not None:
        return place
    return WAITING if lead.due_at > 0.0 else READY


def engine_values(lead: Lead, order_key: str) -> Row:
    """Give the values of ENGINE_COLUMNS."""
    return (
        place_of(lead),
        order_key,
        lead.due_at,
        lead.reason,
        lead.attempts,
        text(lead.tries),
        lead.last_attempt_at,
        lead.last_outcome,
        None if lead.callback is None else text(lead.callback),
        text(lead.numbers),
        len(lead.numbers),
    )


def list_values(lead: Lead) -> Row:
    """Give the values of LIST_COLUMNS."""
    return (lead.shuffle, lead.name, lead.segment, lead.priority, lead.zone, lead.external_id, text(lead.fields))


def to_lead(row: Row) -> Lead:
    """Read a row of LEAD_COLUMNS."""
    (lead_id, campaign, place, _, due_at, reason, attempts, tries, last_attempt_at, last_outcome, callback) = row[:11]
    numbers, _, shuffle, name, segment, priority, zone, external_id, extra = row[11:]
    return Lead(
        lead_id=lead_id,
        campaign=campaign,
        numbers=_NUMBERS.decode(numbers),
        shuffle=shuffle,
        name=name,
        segment=segment,
        priority=priority,
        zone=zone,
        external_id=external_id,
        fields=_FIELDS.decode(extra),
        state=_STATES[place],
        reason=reason,
        due_at=due_at,
        attempts=attempts,
        tries=_TRIES.decode(tries),
        last_attempt_at=last_attempt_at,
        last_outcome=last_outcome,
        callback=None if callback is None else _CALLBACK.decode(callback),
    )


def to_numbers(column: str) -> tuple[PhoneNumber, ...]:
    """Read the column `numbers`."""
    return _NUMBERS.decode(column)


def attempt_values(attempt: Attempt) -> Row:
    """Give the values of ATTEMPT_COLUMNS."""
    return tuple([getattr(attempt, name) for name in ATTEMPT_COLUMNS])


def to_attempt(row: Row) -> Attempt:
    """Read a row of ATTEMPT_COLUMNS."""
    values = list(row)
    for index in _ATTEMPT_FLAGS:
        values[index] = bool(values[index])
    if values[_OUTCOME] is not None:
        values[_OUTCOME] = Outcome(values[_OUTCOME])
    return Attempt(**dict(zip(ATTEMPT_COLUMNS, values, strict=True)))


def span_values(span: AgentSpan) -> Row:
    """Give the values of SPAN_COLUMNS."""
    return (span.agent_id, span.campaign, span.state, span.reason, span.from_at, span.to_at, span.call_id)


def to_span(row: Row) -> AgentSpan:
    """Read a row of SPAN_COLUMNS."""
    return AgentSpan(**dict(zip(SPAN_COLUMNS, row, strict=True)))


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
