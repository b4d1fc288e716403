"""Statements that keep what the engine says, inside a transaction that somebody else began.

One rule governs this module: commands are gathered and written kind by kind, so that a batch of many entries costs one
pass over each table; the last word on a lead or an attempt is the one that stays.
"""

from collections.abc import Iterable
from dataclasses import replace
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
from dialer.storage.vault import Vault


def insert(table: str, columns: tuple[str, ...], *, verb: str = "INSERT") -> str:
    """Give the statement that inserts a row of these columns."""
    return f"{verb} INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


_SAVE_LEAD = f"UPDATE leads SET {', '.join(f'{name} = ?' for name in rows.ENGINE_COLUMNS)} WHERE lead_id = ?"
_SAVE_ATTEMPT = insert("attempts", rows.ATTEMPT_COLUMNS, verb="INSERT OR REPLACE")
_ADD_SPAN = insert("agent_spans", rows.SPAN_COLUMNS)
_SAVE_AGENT = insert("agents", rows.AGENT_COLUMNS, verb="INSERT OR REPLACE")
_DROP_AGENT = "DELETE FROM agents WHERE agent_id = ?"
_KEEP_WORD = insert("words", ("call_id", "word"), verb="INSERT OR REPLACE")
_DROP_WORD = "DELETE FROM words WHERE call_id = ?"
_ADD_DECISION = insert("decisions", rows.DECISION_COLUMNS)
_ADD_CHANGE = insert("changes", rows.CHANGE_COLUMNS)
_BLOCK = insert("blocked", ("seller", "number_index", "reason", "at", "who"), verb="INSERT OR IGNORE")
_WAKE_ALL = "UPDATE leads SET due_at = ?, reason = '' WHERE campaign = ? AND place = 1 AND reason <> ''"
_WAKE = f"{_WAKE_ALL} AND substr(reason, 1, {len(UNTIL_DUE)}) <> '{UNTIL_DUE}'"
_SAVE_CAMPAIGN = (
    "INSERT INTO campaigns (name, seller, digest, policy, open_leads) VALUES (?, ?, ?, ?, 0)"
    " ON CONFLICT (name) DO UPDATE SET seller = excluded.seller, digest = excluded.digest, policy = excluded.policy"
)


class Gathered:
    """What commands want kept, by kind, until `flush`."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
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
        for command in self._leads.values():
            save_lead(connection, command, self._vault)
        for (name, is_rule_change), at in self._woken.items():
            connection.execute(_WAKE_ALL if is_rule_change else _WAKE, (at, name))
        present = [each for each in self._agents.values() if each.state != AgentState.LOGGED_OUT]
        gone = [each for each in self._agents.values() if each.state == AgentState.LOGGED_OUT]
        words = [word for word in self._words.values() if word is not None]
        for statement, values in (
            (_SAVE_AGENT, [rows.agent_values(agent) for agent in present]),
            (_DROP_AGENT, [(agent.agent_id,) for agent in gone]),
            (_KEEP_WORD, [rows.word_values(word, self._vault) for word in words]),
            (_DROP_WORD, [(call_id,) for call_id, word in self._words.items() if word is None]),
            (_SAVE_ATTEMPT, list(self._attempts.values())),
            (_ADD_SPAN, self._spans),
            (_ADD_DECISION, self._decisions),
            (_ADD_CHANGE, self._changes),
            (_BLOCK, self._blocked),
        ):
            if values:
                connection.executemany(statement, values)
        for seller, index, reason, at, who in self._blocked:
            revoke(connection, seller, [index], at, who=who, reason=reason)
        if self._last_call_id:
            raise_counter(connection, "next_call_id", self._last_call_id + 1)


def save_lead(connection: Connection, command: SaveLead, vault: Vault) -> None:
    """Keep the engine's word on a lead. Numbers that an import added while it was claimed follow the others, and where
    a number may be is the list's word.

    A lead whose person was erased stays as it is: the word is from before.
    """
    lead = command.lead
    found = connection.execute(
        "SELECT campaign, place, number_count, reason, number_facts FROM leads WHERE lead_id = ?", (lead.lead_id,)
    ).fetchone()
    if found is None or found[0] != lead.campaign:
        raise StorageError(f"lead {lead.lead_id} of campaign {lead.campaign!r}: not in the store, so not saved")
    _, place, number_count, reason, facts = found
    if reason == ERASED:
        return
    if number_count != len(lead.numbers):
        lead = _with_new_numbers(connection, lead, vault)
    lead = with_places(lead, rows.to_number_facts(facts))
    values = rows.engine_values(lead, command.order_key, vault)
    connection.execute(_SAVE_LEAD, (*values, lead.lead_id))
    add_open_leads(connection, lead.campaign, (place == rows.FINISHED) - (values[0] == rows.FINISHED))


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
    connection.execute("UPDATE meta SET value = max(value, ?) WHERE key = ?", (value, key))


def register(connection: Connection, policy: CampaignPolicy, vault: Vault) -> None:
    """Remember a campaign's seller, order and policy. A changed order holds for the leads that are here, too."""
    found = connection.execute("SELECT policy FROM campaigns WHERE name = ?", (policy.name,)).fetchone()
    column = rows.text(policy)
    if found is not None and found[0] == column:
        return
    connection.execute(_SAVE_CAMPAIGN, (policy.name, policy.seller, policy.digest, column))
    if found is not None and rows.to_policy(found[0]).list.order != policy.list.order:
        _reorder(connection, policy, vault)


def _reorder(connection: Connection, policy: CampaignPolicy, vault: Vault) -> None:
    """Give every lead of a campaign that may still be called the key of a new order."""
    columns = ", ".join(rows.ORDER_COLUMNS)
    found = connection.execute(f"SELECT {columns} FROM leads WHERE campaign = ? AND place <> 3", (policy.name,))
    while chunk := found.fetchmany(10_000):
        leads = [rows.to_ordered(row, vault) for row in chunk]
        keys: list[tuple[Any, ...]] = [(order_key(lead, policy.list.order), lead.lead_id) for lead in leads]
        connection.executemany("UPDATE leads SET order_key = ? WHERE lead_id = ?", keys)
