"""The open leads of a campaign in groups of which the gate says the same: one question answers for a whole group.

One rule governs this module: it knows what the gate looks at, never what it answers. Two leads share a group when
nothing that a rule may ask for tells them apart at the instant: places, hours named for contact, business with the
seller, consents, registers, the "do not call" list and earlier attempts. Instants count by the side of each limit on
which they lie: see `dialer.storage.census_limits`. Nothing sealed is opened.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dialer.compliance.applying import codes_of
from dialer.compliance.gate import places
from dialer.compliance.hours import is_zone, local_hour
from dialer.domain.law import Law
from dialer.domain.lead import Lead, PhoneNumber
from dialer.domain.policy import CampaignPolicy
from dialer.engine.retry import callable_numbers
from dialer.storage import rows
from dialer.storage.census_limits import (
    FORGETFUL,
    QUARTER_S,
    Limits,
    Memory,
    limits_of,
    memory_of,
    side_of,
)
from dialer.storage.census_marks import (
    Marks,
    Numbering,
    Numbers,
    columns,
    find_blocked,
    find_calling,
    mark_consents,
    mark_listed,
    mark_past,
    numbers_of,
    renumbered,
)
from dialer.storage.database import Connection
from dialer.storage.vault import INDEX_BYTES

if TYPE_CHECKING:
    import numpy as np

    from dialer.storage.census_marks import Hashes, Ids, Instants


# One text holds all that is looked at of a row, for one text is compared at once: where there is nothing else, the
# facts of the numbers alone; \x1f is in none of the parts.
_LEADS = """SELECT lead_id, due_at, coalesce(last_attempt_at, -1.0), number_keys, CASE WHEN zone IS NULL
    AND jurisdiction IS NULL AND source = '' AND contact_hours = '' AND relationship = '' AND attempts < ?
    AND callback IS NULL THEN number_facts ELSE number_facts || '\x1f' || coalesce(zone, '') || '\x1f' ||
    coalesce(jurisdiction, '') || '\x1f' || CASE WHEN source <> '' THEN '1' ELSE '0' END || '\x1f' || contact_hours ||
    '\x1f' || relationship || '\x1f' || CASE WHEN attempts >= ? THEN '1' ELSE '0' END || '\x1f' ||
    CASE WHEN callback IS NULL THEN '1' ELSE '0' END END FROM leads WHERE campaign = ? AND place <> 3
    ORDER BY lead_id"""
_PLAIN = ("", "", "0", "", "", "0", "1")  # what the rest of the text says where it is left out
_FINISHED = "SELECT reason, count(*) FROM leads WHERE campaign = ? AND place = 3 GROUP BY reason"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Leads of which the gate says the same. `asked` are to be judged for all of them: the instants at which an answer
    changes lie with them, if they differ at all."""

    leads: int
    asked: tuple[int, ...]  # lead ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """The open leads of a campaign at an instant; arrays are by lead, in the order of the table."""

    at: float
    lead_ids: "Ids"
    due_at: "Instants"
    group: "Ids"  # index in `groups`
    is_calling: "np.ndarray[tuple[int], np.dtype[np.bool_]]"  # on a call right now
    groups: tuple[Group, ...]
    finished: Mapping[str, int]  # leads by reason


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """What the gate may look at of a lead's row: `numbers` that may be tried, the next one first."""

    numbers: tuple[tuple[int, PhoneNumber], ...]  # with their ranks
    zones: tuple[tuple[str, ...], ...]  # of each of these numbers
    codes: tuple[tuple[str, ...], ...]
    jurisdiction: str
    has_source: bool
    contact_hours: str
    business: tuple[Any, ...]
    is_spent: bool
    is_free: bool  # of any promised call


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """What is gathered of each lead, in columns; `kind` is an index in `kinds`."""

    lead_ids: "Ids"
    due_at: "Instants"
    last_at: "Instants"
    numbers: Numbers
    kind: "Ids"
    kinds: tuple[_Kind, ...]


def take_census(
    connection: Connection,
    policy: CampaignPolicy,
    law: Law,
    registers: "Mapping[str, Hashes]",
    at: float,
) -> Census:
    """Group the open leads of a campaign by what the gate would look at at `at`.

    `registers` holds the sorted hashes (the first eight bytes, as a number of this machine) of each register in use.
    """
    import numpy as np

    limits = limits_of(policy, law, at)
    facts = _read_leads(connection, policy, limits)
    leads, numbers, kinds = len(facts.lead_ids), facts.numbers, facts.kinds
    marks = Marks()
    for register, hashes in registers.items():
        mark_listed(numbers, register, hashes, marks)
    mark_consents(connection, policy, numbers, marks, limits)
    memories = Numbering()
    remembered = np.array([memories[_memory_of(kind, policy, law, at)] for kind in kinds], np.int64)[facts.kind]
    past_lead, past_at = mark_past(connection, policy, numbers, marks, at, remembered, list(memories))
    known = marks.number(leads)
    # Nothing else counts of a person who is not to be called.
    known[find_blocked(connection, policy, numbers, at)] = known.max(initial=0) + 1
    hours = _hours(policy, facts, at)
    group = renumbered((known * (len(kinds) + 1) + facts.kind) * (int(hours.max(initial=0)) + 1) + hours)
    first = np.zeros(int(group.max(initial=-1)) + 1, np.int64)
    first[group[::-1]] = np.arange(leads)[::-1]
    is_calling = np.zeros(leads, np.bool_)
    is_calling[find_calling(connection, policy, numbers, at)] = True
    return Census(
        at=at,
        lead_ids=facts.lead_ids,
        due_at=facts.due_at,
        group=group,
        is_calling=is_calling,
        groups=_groups(facts.lead_ids, group, first, past_lead, past_at),
        finished=dict(connection.execute(_FINISHED, (policy.name,)).fetchall()),
    )


def _groups(lead_ids: "Ids", group: "Ids", first: "Ids", past_lead: "Ids", past_at: "Instants") -> tuple[Group, ...]:
    """Name for each group a lead to ask about, and those whose earlier attempts are the oldest, one by one."""
    import numpy as np

    asked: list[dict[int, None]] = [{int(lead): None} for lead in first]
    if len(past_lead):
        # Both are ordered by lead, then instant: the how-manieth attempt of its lead each one is.
        place = np.arange(len(past_lead)) - np.searchsorted(past_lead, past_lead)
        order = np.lexsort((past_at, place, group[past_lead]))
        owner, step = group[past_lead][order], place[order]
        is_first = np.ones(len(order), np.bool_)
        is_first[1:] = (owner[1:] != owner[:-1]) | (step[1:] != step[:-1])
        for index in order[is_first]:
            asked[int(group[past_lead[index]])][int(past_lead[index])] = None
    counts = np.bincount(group, minlength=len(first))
    return tuple(
        Group(leads=int(count), asked=tuple(int(lead_ids[index]) for index in each))
        for count, each in zip(counts, asked, strict=True)
    )


def _read_leads(connection: Connection, policy: CampaignPolicy, limits: Limits) -> _Facts:
    """Read every open lead's row, without what is sealed."""
    import numpy as np

    kinds = Numbering()
    texts = _Texts(policy, limits, kinds)
    ids: list[Any] = [np.zeros(0, np.int64)]
    instants: list[Any] = [np.zeros((2, 0))]
    counts: list[Any] = [np.zeros(0, np.int64)]
    kind: list[Any] = [np.zeros(0, np.int64)]
    keys: list[bytes] = []
    attempts_max = policy.retry.attempts_max
    for lead_ids, due_at, last_at, number_keys, rest in columns(
        connection.stream(_LEADS, (attempts_max, attempts_max, policy.name))
    ):
        ids.append(np.array(lead_ids, np.int64))
        instants.append(np.array((due_at, last_at), np.float64))
        counts.append(np.fromiter(map(len, number_keys), np.int64, len(number_keys)) // INDEX_BYTES)
        kind.append(np.fromiter(map(texts.__getitem__, rest), np.int64, len(rest)))
        keys.append(b"".join(number_keys))
    due_at_, last_at_ = np.concatenate(instants, axis=1)
    return _Facts(
        lead_ids=np.concatenate(ids),
        due_at=due_at_,
        last_at=last_at_,
        numbers=numbers_of(b"".join(keys), np.concatenate(counts)),
        kind=np.concatenate(kind),
        kinds=tuple(kinds),
    )


class _Texts(dict[str, int]):
    """Gives each text of `_LEADS` the number of its kind, the same to those that say the same."""

    def __init__(self, policy: CampaignPolicy, limits: Limits, kinds: Numbering) -> None:
        self._policy = policy
        self._limits = limits
        self._kinds = kinds

    def __missing__(self, text: str) -> int:
        self[text] = number = self._kinds[_kind_of(text, self._policy, self._limits)]
        return number


def _kind_of(text: str, policy: CampaignPolicy, limits: Limits) -> _Kind:
    facts, *rest = text.split("\x1f")
    own_zone, jurisdiction, has_source, contact_hours, relationship, is_spent, is_free = rest or _PLAIN
    lead = Lead(
        lead_id=0,
        campaign=policy.name,
        numbers=rows.to_number_facts(facts),
        shuffle=0,
        zone=own_zone or None,
        jurisdiction=jurisdiction or None,
    )
    tried = [(index, lead.numbers[index]) for index in callable_numbers(lead, policy)]
    business: tuple[Any, ...] = ()
    if relationship:
        said = json.loads(relationship)
        business = (
            side_of(said.get("bought_at"), limits, limits.business),
            side_of(said.get("inquired_at"), limits, limits.business),
            said.get("has_contract"),
        )
    return _Kind(
        numbers=tuple((index, replace(number, attempts=0)) for index, number in tried),
        zones=tuple(places(lead, number) for _, number in tried),
        codes=tuple(codes_of(lead, number, policy) for _, number in tried),
        jurisdiction=jurisdiction,
        has_source=has_source == "1",
        contact_hours=contact_hours,
        business=business,
        is_spent=is_spent == "1",
        is_free=is_free == "1",
    )


def _memory_of(kind: _Kind, policy: CampaignPolicy, law: Law, at: float) -> Memory:
    """Say what is remembered of earlier attempts on a lead; nothing where the campaign's own cap is reached."""
    if kind.is_spent or not kind.numbers:
        return FORGETFUL
    zones = dict.fromkeys(name for zones in kind.zones for name in zones)
    return memory_of(policy, law, dict.fromkeys(kind.codes), zones, at)


def _hours(policy: CampaignPolicy, facts: _Facts, at: float) -> "Ids":
    """Tell leads apart by whether it is now, on another day, the local hour of their last attempt, number by number."""
    import numpy as np

    hours = np.zeros(len(facts.lead_ids), np.int64)
    tried = np.flatnonzero(facts.last_at >= 0.0)
    if not policy.retry.is_hour_varied or not len(tried):
        return hours
    quarters = (facts.last_at[tried] // QUARTER_S).astype(np.int64)
    pairs, inverse = np.unique(quarters * len(facts.kinds) + facts.kind[tried], return_inverse=True)
    numbering = Numbering({(): 0})
    answers = np.zeros(len(pairs), np.int64)
    known: dict[tuple[str, int], bool] = {}
    for index, pair in enumerate(pairs.tolist()):
        quarter, kind = divmod(pair, len(facts.kinds))
        same = tuple(_is_same_hour(zones[0], quarter, at, known) for zones in facts.kinds[kind].zones if zones)
        answers[index] = numbering[same] if any(same) else 0
    hours[tried] = answers[inverse]
    return hours


def _is_same_hour(name: str, quarter: int, at: float, cache: dict[tuple[str, int], bool]) -> bool:
    if (name, quarter) not in cache:
        is_same = False
        if is_zone(name):
            day, hour = local_hour(name, at)
            last_day, last_hour = local_hour(name, quarter * QUARTER_S)
            is_same = hour == last_hour and day != last_day
        cache[name, quarter] = is_same
    return cache[name, quarter]
