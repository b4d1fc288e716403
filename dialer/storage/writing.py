"""Statements that keep what the engine says, inside a transaction that somebody else began.

One rule governs this module: commands are gathered and written kind by kind, so that a batch of many entries costs one
pass over each table; the last word on a lead or an attempt is the one that stays.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

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
    SaveLead,
    WakeLeads,
)
from dialer.domain.events import CallDisposed
from dialer.domain.lead import UNTIL_DUE, Lead
from dialer.domain.policy import CampaignPolicy
from dialer.domain.records import AgentRecord
from dialer.engine.hopper import order_key
from dialer.errors import StorageError
from dialer.storage import rows
from dialer.storage.consents import revoke
from dialer.storage.database import Connection
from dialer.storage.imports import ERASED, with_places
from dialer.storage.ownership import next_call_key
from dialer.storage.vault import Vault


def insert(table: str, columns: tuple[str, ...]) -> str:
    """Give the statement that inserts a row of these columns."""
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


_AT_ONCE = 1_000
_SAVED = ("lead_id", *rows.ENGINE_COLUMNS)
_AGENT = (*rows.AGENT_COLUMNS, "engine_id")
_WORD = ("call_id", "word")
_DROP_AGENT = "DELETE FROM agents WHERE agent_id = ? AND engine_id = ?"
_BLOCK = (
    insert("blocked", ("seller", "number_index", "reason", "at", "who"))
    + " ON CONFLICT (seller, number_index) DO NOTHING"
)
_WAKE_ALL = "UPDATE leads SET due_at = ?, reason = '' WHERE campaign = ? AND place = 1 AND reason <> ''"
_WAKE = f"{_WAKE_ALL} AND substr(reason, 1, {len(UNTIL_DUE)}) <> '{UNTIL_DUE}'"
_SAVE_CAMPAIGN = (
    "INSERT INTO campaigns (name, seller, digest, policy, open_leads) VALUES (?, ?, ?, ?, 0)"
    " ON CONFLICT (name) DO UPDATE SET seller = excluded.seller, digest = excluded.digest, policy = excluded.policy"
)


class Gathered:
    """What commands of an engine want kept, by kind, until `flush`."""

    def __init__(self, vault: Vault, engine_id: int = 0) -> None:
        self._vault = vault
        self._engine_id = engine_id
        self._leads: dict[int, SaveLead] = {}
        self._attempts: dict[int, rows.Row] = {}
        self._spans: list[rows.Row] = []
        self._agents: dict[str, AgentRecord] = {}
        self._words: dict[int, CallDisposed | None] = {}  # None: applied
        self._decisions: list[rows.Row] = []
        self._changes: list[rows.Row] = []
        self._blocked: list[rows.Row] = []
        self._woken: dict[tuple[str, bool], float] = {}  # campaign, and whether its rules changed -> from when
        self._last_call_id = 0

    def take(self, commands: Iterable[Command]) -> None:
        """Add commands; those that are not for a store are ignored."""
        for command in commands:
            match command:
                case SaveLead():
                    self._leads[command.lead.lead_id] = command
                case RecordAttempt(attempt=attempt):
                    self._attempts[attempt.call_id] = rows.attempt_values(attempt, self._vault)
                    self._last_call_id = max(self._last_call_id, attempt.call_id)
                    if attempt.released_at is not None:
                        self._words[attempt.call_id] = None
                case PlaceCall(call_id=call_id):
                    self._last_call_id = max(self._last_call_id, call_id)
                case RecordAgentSpan(span=span):
                    self._spans.append(rows.span_values(span))
                case RecordAgent(agent=agent):
                    self._agents[agent.agent_id] = agent
                case KeepWord(word=word):
                    self._words[word.call_id] = word
                case RecordDecision(decision=decision):
                    self._decisions.append(rows.decision_values(decision))
                case RecordChange(change=change):
                    self._changes.append(rows.change_values(change))
                case WakeLeads():
                    self._woken[command.campaign, command.is_rule_change] = command.at
                case BlockPerson():
                    self._blocked += [
                        (command.seller, self._vault.index(e164), command.reason, command.at, command.who)
                        for e164 in command.numbers
                    ]
                case _:
                    pass

    def flush(self, connection: Connection) -> None:
        """Write everything, once."""
        save_leads(connection, list(self._leads.values()), self._vault)
        for (name, is_rule_change), at in self._woken.items():
            connection.execute(_WAKE_ALL if is_rule_change else _WAKE, (at, name))
        present = [each for each in self._agents.values() if each.state != AgentState.LOGGED_OUT]
        gone = [each for each in self._agents.values() if each.state == AgentState.LOGGED_OUT]
        words = [word for word in self._words.values() if word is not None]
        for table, columns, lines in (
            ("attempts", rows.ATTEMPT_COLUMNS, list(self._attempts.values())),
            ("agents", _AGENT, [(*rows.agent_values(agent), self._engine_id) for agent in present]),
            ("words", _WORD, [rows.word_values(word, self._vault) for word in words]),
        ):
            if lines:
                connection.upsert(table, columns, lines)
        for table, columns, lines in (
            ("agent_spans", rows.SPAN_COLUMNS, self._spans),
            ("decisions", rows.DECISION_COLUMNS, self._decisions),
            ("changes", rows.CHANGE_COLUMNS, self._changes),
        ):
            if lines:
                connection.load(table, columns, lines)
        for statement, values in (
            (_DROP_AGENT, [(agent.agent_id, self._engine_id) for agent in gone]),
            (_BLOCK, self._blocked),
        ):
            if values:
                connection.executemany(statement, values)
        applied = [call_id for call_id, word in self._words.items() if word is None]
        for start in range(0, len(applied), _AT_ONCE):
            where, ids = connection.among("call_id", applied[start : start + _AT_ONCE])
            connection.execute(f"DELETE FROM words WHERE {where}", ids)
        for seller, index, reason, at, who in self._blocked:
            revoke(connection, seller, [index], at, who=who, reason=reason)
        if self._last_call_id:
            raise_counter(connection, next_call_key(self._engine_id), self._last_call_id + 1)


def save_leads(connection: Connection, commands: Sequence[SaveLead], vault: Vault) -> None:
    """Keep the engine's word on leads, each named once. Numbers that an import added while one was claimed follow the
    others, and where a number may be is the list's word.

    A lead whose person was erased stays as it is: the word is from before.
    """
    lines: list[rows.Row] = []
    opened: Counter[str] = Counter()
    for start in range(0, len(commands), _AT_ONCE):
        chunk = commands[start : start + _AT_ONCE]
        stored = _stored(connection, chunk)
        for command in chunk:
            line = _saved(connection, command, stored.get(command.lead.lead_id), vault)
            if line is not None:
                was_finished = stored[command.lead.lead_id].place == rows.FINISHED
                opened[command.lead.campaign] += was_finished - (line[1] == rows.FINISHED)
                lines.append(line)
    if lines:
        connection.change("leads", _SAVED, lines)
    for campaign, change in sorted(opened.items()):
        add_open_leads(connection, campaign, change)


class _Stored(NamedTuple):
    """What of a lead in the store the engine's word on it has to fit."""

    lead_id: int
    campaign: str
    place: int
    number_count: int
    reason: str
    number_facts: str


def _stored(connection: Connection, commands: Sequence[SaveLead]) -> dict[int, _Stored]:
    """Give the leads as they are, to be changed. Whoever changes several takes them in the order of their ids."""
    where, values = connection.among("lead_id", [command.lead.lead_id for command in commands])
    found = connection.execute(
        f"SELECT {', '.join(_Stored._fields)} FROM leads WHERE {where} ORDER BY lead_id{connection.for_update}", values
    )
    return {row[0]: _Stored(*row) for row in found}


def _saved(connection: Connection, command: SaveLead, stored: _Stored | None, vault: Vault) -> rows.Row | None:
    """Give the values of _SAVED; None for a lead that stays as it is."""
    lead = command.lead
    if stored is None or stored.campaign != lead.campaign:
        raise StorageError(f"lead {lead.lead_id} of campaign {lead.campaign!r}: not in the store, so not saved")
    if stored.reason == ERASED:
        return None
    if stored.number_count != len(lead.numbers):
        lead = _with_new_numbers(connection, lead, vault)
    lead = with_places(lead, rows.to_number_facts(stored.number_facts))
    return (lead.lead_id, *rows.engine_values(lead, command.order_key, vault))


def _with_new_numbers(connection: Connection, lead: Lead, vault: Vault) -> Lead:
    column = connection.execute("SELECT numbers FROM leads WHERE lead_id = ?", (lead.lead_id,)).fetchone()[0]
    known = {number.e164 for number in lead.numbers}
    added = tuple(number for number in rows.to_numbers(column, vault) if number.e164 not in known)
    return replace(lead, numbers=lead.numbers + added)


def add_open_leads(connection: Connection, campaign: str, change: int) -> None:
    """Move a campaign's count of unfinished leads."""
    if change:
        connection.execute("UPDATE campaigns SET open_leads = open_leads + ? WHERE name = ?", (change, campaign))


def counter(connection: Connection, key: str) -> int:
    """Read a counter."""
    value: int = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()[0]
    return value


def raise_counter(connection: Connection, key: str, value: int) -> None:
    """Bring a counter up to `value`; it never goes back."""
    connection.execute("UPDATE meta SET value = ? WHERE key = ? AND value < ?", (value, key, value))


def register(connection: Connection, policy: CampaignPolicy, vault: Vault) -> None:
    """Remember a campaign's seller, order and policy. A changed order holds for the leads that are here, too."""
    sql = f"SELECT policy FROM campaigns WHERE name = ?{connection.for_update}"
    found = connection.execute(sql, (policy.name,)).fetchone()
    column = rows.text(policy)
    if found is not None and found[0] == column:
        return
    connection.execute(_SAVE_CAMPAIGN, (policy.name, policy.seller, policy.digest, column))
    if found is not None and rows.to_policy(found[0]).list.order != policy.list.order:
        _reorder(connection, policy, vault)


def _reorder(connection: Connection, policy: CampaignPolicy, vault: Vault) -> None:
    """Give every lead of a campaign that may still be called the key of a new order."""
    columns = ", ".join(rows.ORDER_COLUMNS)
    sql = f"SELECT {columns} FROM leads WHERE campaign = ? AND place <> 3 ORDER BY lead_id"
    found = connection.stream(sql, (policy.name,))
    while chunk := found.fetchmany(10_000):
        leads = [rows.to_ordered(row, vault) for row in chunk]
        keys = [(lead.lead_id, order_key(lead, policy.list.order)) for lead in leads]
        connection.change("leads", ("lead_id", "order_key"), keys)
