"""The open leads of a campaign in groups of which the gate says the same: one question answers for a whole group.

One rule governs this module: it knows what the gate looks at, never what it answers. Two leads share a group when
nothing that a rule may ask for tells them apart at the instant: places, hours named for contact, business with the
seller, consents, registers, the "do not call" list and earlier attempts. Instants count by the side of each limit on
which they lie: see `dialer.storage.census_limits`. Nothing sealed is opened.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dialer.compliance.gate import places
from dialer.compliance.hours import is_zone, local_hour
from dialer.domain.law import Law
from dialer.domain.lead import Lead
from dialer.domain.policy import CampaignPolicy
from dialer.engine.retry import callable_numbers
from dialer.storage import rows
from dialer.storage.census_limits import Limits, limits_of, side_of
from dialer.storage.census_marks import (
    Marks,
    Numbering,
    find_blocked,
    find_calling,
    mark_consents,
    mark_listed,
    mark_past,
    numbers_of,
)

if TYPE_CHECKING:
    import numpy as np

    from dialer.storage.census_marks import Hashes, Ids, Instants


_QUARTER_S = 900.0  # every zone's clock is a multiple of it away from UTC
_LEADS = """SELECT lead_id, due_at, last_attempt_at, number_keys, number_facts, zone, jurisdiction, source <> '',
    contact_hours, relationship, attempts >= ?2, callback IS NULL FROM leads WHERE campaign = ?1 AND place <> 3"""
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


@dataclass(slots=True, kw_only=True)
class _Facts:
    """What is gathered of each lead, in columns, and of each of their numbers."""

    lead_ids: list[int] = field(default_factory=list)
    due_at: list[float] = field(default_factory=list)
    last_at: list[float] = field(default_factory=list)
    statics: list[int] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)
    kinds: Numbering = field(default_factory=Numbering)


def take_census(
    connection: sqlite3.Connection,
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
    leads = len(facts.lead_ids)
    lead_ids = np.array(facts.lead_ids, np.int64)
    numbers = numbers_of(facts.keys)
    marks = Marks()
    for register, hashes in registers.items():
        mark_listed(numbers, register, hashes, marks)
    mark_consents(connection, policy, numbers, marks, limits)
    kinds = list(facts.kinds)
    statics = np.array(facts.statics, np.int64)
    zone_sets = Numbering()
    zones = np.array([zone_sets[_zones_of(kind)] for kind in kinds], np.int64)[statics]
    past_lead, past_at = mark_past(connection, policy, numbers, marks, limits, zones, list(zone_sets))
    known = marks.number(leads)
    # Nothing else counts of a person who is not to be called.
    known[find_blocked(connection, policy, numbers, at)] = known.max(initial=0) + 1
    hours = _hours(policy, np.array(facts.last_at, np.float64), statics, kinds, at)
    both = (known * (len(kinds) + 1) + statics) * (int(hours.max(initial=0)) + 1) + hours
    _, first, group = np.unique(both, return_index=True, return_inverse=True)
    is_calling = np.zeros(leads, np.bool_)
    is_calling[find_calling(connection, policy, numbers, at)] = True
    return Census(
        at=at,
        lead_ids=lead_ids,
        due_at=np.array(facts.due_at, np.float64),
        group=group,
        is_calling=is_calling,
        groups=_groups(lead_ids, group, first, past_lead, past_at),
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


def _read_leads(connection: sqlite3.Connection, policy: CampaignPolicy, limits: Limits) -> _Facts:
    """Read every open lead's row, without what is sealed."""
    facts = _Facts()
    known: dict[tuple[Any, ...], int] = {}
    add_id, add_due, add_last = facts.lead_ids.append, facts.due_at.append, facts.last_at.append
    add_static, add_keys = facts.statics.append, facts.keys.append
    found = connection.execute(_LEADS, (policy.name, policy.retry.attempts_max))
    for lead_id, due_at, last_at, keys, *static in found:
        add_id(lead_id)
        add_due(due_at)
        add_last(-1.0 if last_at is None else last_at)
        add_keys(keys)
        key = tuple(static)
        number = known.get(key)
        if number is None:
            number = known[key] = facts.kinds[_static(key, policy, limits)]
        add_static(number)
    return facts


def _static(key: tuple[Any, ...], policy: CampaignPolicy, limits: Limits) -> tuple[Any, ...]:
    """Reduce a lead's row to what the gate may look at: first the numbers that may be tried, the next one first."""
    number_facts, own_zone, jurisdiction, has_source, contact_hours, relationship, is_spent, is_free = key
    lead = Lead(lead_id=0, campaign=policy.name, numbers=rows.to_number_facts(number_facts), shuffle=0, zone=own_zone)
    tried = [(index, lead.numbers[index]) for index in callable_numbers(lead, policy)]
    business: tuple[Any, ...] = ()
    if relationship:
        said = json.loads(relationship)
        business = (
            side_of(said.get("bought_at"), limits, limits.business),
            side_of(said.get("inquired_at"), limits, limits.business),
            said.get("has_contract"),
        )
    numbers = tuple(
        (index, number.kind, number.region, places(lead, number), number.jurisdictions) for index, number in tried
    )
    return (numbers, jurisdiction, has_source, contact_hours, business, is_spent, is_free)


def _hours(
    policy: CampaignPolicy, last_at: "Instants", statics: "Ids", kinds: Sequence[tuple[Any, ...]], at: float
) -> "Ids":
    """Tell leads apart by whether it is now, on another day, the local hour of their last attempt, number by number."""
    import numpy as np

    hours = np.zeros(len(last_at), np.int64)
    if not policy.retry.is_hour_varied:
        return hours
    tried = np.flatnonzero(last_at >= 0.0)
    quarters = (last_at[tried] // _QUARTER_S).astype(np.int64)
    pairs, inverse = np.unique(quarters * len(kinds) + statics[tried], return_inverse=True) if len(tried) else ([], [])
    numbering = Numbering({(): 0})
    answers = np.zeros(len(pairs), np.int64)
    cache: dict[tuple[str, int], bool] = {}
    for index, pair in enumerate(pairs):
        quarter, static = divmod(int(pair), len(kinds))
        places = [number[3][0] for number in kinds[static][0] if number[3]]
        same = tuple(_is_same_hour(name, quarter, at, cache) for name in places)
        answers[index] = numbering[same] if any(same) else 0
    if len(tried):
        hours[tried] = answers[inverse]
    return hours


def _is_same_hour(name: str, quarter: int, at: float, cache: dict[tuple[str, int], bool]) -> bool:
    if (name, quarter) not in cache:
        is_same = False
        if is_zone(name):
            day, hour = local_hour(name, at)
            last_day, last_hour = local_hour(name, quarter * _QUARTER_S)
            is_same = hour == last_hour and day != last_day
        cache[name, quarter] = is_same
    return cache[name, quarter]


def _zones_of(kind: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for number in kind[0] for name in number[3]))
