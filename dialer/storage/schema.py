"""The tables, as SQLModel classes: the one description of the schema, for creating and, later, migrating it.

One rule governs this module: it describes and never queries. Hot paths use hand-written SQL, so the classes are
imported only where a database is made. Columns that hold several values are JSON text made by `dialer.storage.codec`.

A lead's `place` is 0 ready (pending and found due), 1 waiting (pending, due later), 2 claimed, 3 finished. The partial
indexes follow the order in which `claim` reads, so that it never scans, however long the list is.
"""

from sqlalchemy import Column, Index, Integer, LargeBinary, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlmodel import Field, SQLModel


class LeadRow(SQLModel, table=True):
    """A lead: see `dialer.domain.lead.Lead`."""

    __tablename__ = "leads"
    __table_args__ = (
        Index(
            "leads_ready", "campaign", "order_key", sqlite_where=text("place = 0"), postgresql_where=text("place = 0")
        ),
        Index(
            "leads_waiting", "campaign", "due_at", sqlite_where=text("place = 1"), postgresql_where=text("place = 1")
        ),
        Index("leads_claimed", "lead_id", sqlite_where=text("place = 2"), postgresql_where=text("place = 2")),
    )

    lead_id: int = Field(primary_key=True)
    campaign: str
    place: int
    order_key: str
    due_at: float
    reason: str
    attempts: int
    tries: str
    last_attempt_at: float | None
    last_outcome: str
    callback: str | None
    numbers: str
    number_count: int
    shuffle: int
    name: str
    segment: str
    priority: int
    zone: str | None
    external_id: str
    fields: str


class LeadNumberRow(SQLModel, table=True):
    """Which lead of a campaign holds a number; a number has one holder per campaign."""

    __tablename__ = "lead_numbers"
    __table_args__ = (Index("lead_numbers_e164", "e164"), {"sqlite_with_rowid": False})

    campaign: str = Field(primary_key=True)
    e164: str = Field(primary_key=True)
    lead_id: int


class CampaignRow(SQLModel, table=True):
    """A campaign as it was last loaded or imported into. `open_leads` counts its unfinished leads."""

    __tablename__ = "campaigns"

    name: str = Field(primary_key=True)
    seller: str
    digest: str
    policy: str
    open_leads: int


class ImportRow(SQLModel, table=True):
    """An import that was kept, and what came of its rows."""

    __tablename__ = "imports"

    import_id: int | None = Field(default=None, primary_key=True)
    campaign: str
    source: str
    digest: str
    policy_digest: str
    at: float
    loaded: int
    merged: int
    unchanged: int


class AttemptRow(SQLModel, table=True):
    """An attempt: see `dialer.domain.records.Attempt`, whose fields are the columns."""

    __tablename__ = "attempts"
    __table_args__ = (
        Index("attempts_placed_at", "placed_at"),
        Index("attempts_campaign_placed_at", "campaign", "placed_at"),
        Index(
            "attempts_open",
            "call_id",
            sqlite_where=text("released_at IS NULL"),
            postgresql_where=text("released_at IS NULL"),
        ),
        Index(
            "attempts_live",
            "campaign",
            "answered_at",
            sqlite_where=text("is_live = 1"),
            postgresql_where=text("is_live"),
        ),
    )

    call_id: int = Field(primary_key=True)
    campaign: str
    lead_id: int
    number: str
    mode: str
    placed_at: float
    ringing_at: float | None
    answered_at: float | None
    classified_at: float | None
    greeting_start_at: float | None
    greeting_end_at: float | None
    abandoned_at: float | None
    bridged_at: float | None
    released_at: float | None
    disposed_at: float | None
    agent_id: str | None
    is_reserved: bool
    is_live: bool
    is_abandoned: bool
    is_late_connect: bool
    outcome: str | None
    disposition: str | None
    is_success: bool
    is_right_party: bool
    released_by: str
    cause: str
    rule: str
    number_rank: int
    attempt_rank: int


class AgentSpanRow(SQLModel, table=True):
    """What an agent did: see `dialer.domain.records.AgentSpan`."""

    __tablename__ = "agent_spans"
    __table_args__ = (Index("agent_spans_to_at", "to_at"), Index("agent_spans_campaign_to_at", "campaign", "to_at"))

    span_id: int | None = Field(default=None, primary_key=True)
    agent_id: str
    campaign: str | None
    state: str
    reason: str
    from_at: float
    to_at: float
    call_id: int | None


class DecisionRow(SQLModel, table=True):
    """A pacing decision: see `dialer.domain.records.PacingDecision`."""

    __tablename__ = "decisions"
    __table_args__ = (Index("decisions_campaign_at", "campaign", "at"),)

    decision_id: int | None = Field(default=None, primary_key=True)
    campaign: str
    at: float
    mode: str
    calls: int
    wanted: int
    allowed: int
    limited_by: str
    runner_up: str
    runner_up_calls: int
    is_reserved: bool
    terms: str


class ChangeRow(SQLModel, table=True):
    """A campaign's change of state: see `dialer.domain.records.CampaignChange`."""

    __tablename__ = "changes"
    __table_args__ = (Index("changes_at", "at"),)

    change_id: int | None = Field(default=None, primary_key=True)
    campaign: str
    at: float
    action: str
    before: str
    after: str
    reason: str
    who: str
    digest: str


class BlockedRow(SQLModel, table=True):
    """A number that nobody of a seller calls again."""

    __tablename__ = "blocked"
    __table_args__ = ({"sqlite_with_rowid": False},)

    seller: str = Field(primary_key=True)
    e164: str = Field(primary_key=True)
    reason: str


class JournalRow(SQLModel, table=True):
    """One journal entry, as `dialer.storage.codec.encode_entry` wrote it."""

    __tablename__ = "journal"

    seq: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    at: float
    entry: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class MetaRow(SQLModel, table=True):
    """Single values: `schema_version`, `next_lead_id`, `next_call_id`."""

    __tablename__ = "meta"

    key: str = Field(primary_key=True)
    value: int


def sqlite_statements() -> list[str]:
    """Give the statements that create every table and index that an SQLite database does not have yet."""
    dialect = sqlite.dialect()
    statements: list[str] = []
    for table in SQLModel.metadata.sorted_tables:
        statements.append(str(CreateTable(table, if_not_exists=True).compile(dialect=dialect)))
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        statements += [str(CreateIndex(index, if_not_exists=True).compile(dialect=dialect)) for index in indexes]
    return statements
