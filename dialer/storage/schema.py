"""The tables, as SQLModel classes: the one description of the schema, for creating and, later, migrating it.

One rule governs this module: it describes and never queries. Hot paths use hand-written SQL, so the classes are
imported only where a database is made. Columns that hold several values are JSON text made by `dialer.storage.codec`.
Columns of bytes hold what is personal, sealed by `dialer.storage.vault`, or the keyed hash by which a number is found.

A lead's `place` is 0 ready (pending and found due), 1 waiting (pending, due later), 2 claimed, 3 finished. The partial
indexes follow the order in which `claim` reads, so that it never scans, however long the list is.

On PostgreSQL whole numbers have 64 bits, and text is compared byte by byte: both are what SQLite does by itself.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlmodel import AutoString, Field, SQLModel

METADATA = SQLModel.metadata
# A constraint without a name cannot be changed by a later step: see `dialer.storage.migrations`.
METADATA.naming_convention = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
}


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
        Index(
            "leads_promised",
            "campaign",
            "due_at",
            sqlite_where=text("place = 1 AND callback IS NOT NULL"),
            postgresql_where=text("place = 1 AND callback IS NOT NULL"),
        ),
        Index("leads_claimed", "lead_id", sqlite_where=text("place = 2"), postgresql_where=text("place = 2")),
    )

    lead_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    campaign: str
    place: int
    order_key: str
    due_at: float
    reason: str
    attempts: int
    tries: str
    last_attempt_at: float | None
    last_outcome: str
    callback: bytes | None
    numbers: bytes
    number_count: int
    number_keys: bytes
    number_facts: str
    shuffle: int
    name: bytes
    segment: str
    priority: int
    zone: str | None
    external_id: bytes
    fields: bytes
    jurisdiction: str | None
    source: str
    contact_hours: str
    relationship: str


class LeadNumberRow(SQLModel, table=True):
    """Which lead of a campaign holds a number; a number has one holder per campaign."""

    __tablename__ = "lead_numbers"
    __table_args__ = ({"sqlite_with_rowid": False},)

    number_index: bytes = Field(primary_key=True)
    campaign: str = Field(primary_key=True)
    lead_id: int


class CampaignRow(SQLModel, table=True):
    """A campaign as it was last loaded or imported into. `open_leads` counts its unfinished leads.

    `engine_id` is the engine that dials it, NULL while none does; SQLite has one engine and does not say.
    """

    __tablename__ = "campaigns"

    name: str = Field(primary_key=True)
    seller: str
    digest: str
    policy: str
    open_leads: int
    engine_id: int | None


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
    """An attempt: see `dialer.domain.records.Attempt`, whose fields are the columns, and its number's keyed hash."""

    __tablename__ = "attempts"
    __table_args__ = (
        Index("attempts_placed_at", "placed_at"),
        Index("attempts_campaign_placed_at", "campaign", "placed_at"),
        Index("attempts_number_index_placed_at", "number_index", "placed_at"),
        Index(
            "attempts_open",
            "call_id",
            sqlite_where=text("released_at IS NULL"),
            postgresql_where=text("released_at IS NULL"),
        ),
        Index(
            "attempts_undisposed",
            "lead_id",
            sqlite_where=text("bridged_at IS NOT NULL AND disposition IS NULL"),
            postgresql_where=text("bridged_at IS NOT NULL AND disposition IS NULL"),
        ),
        Index(
            "attempts_live",
            "campaign",
            "answered_at",
            sqlite_where=text("is_live"),
            postgresql_where=text("is_live"),
        ),
    )

    call_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    campaign: str
    lead_id: int
    number: bytes
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
    seller: str
    subject: str
    message_at: float | None
    is_refusal: bool
    number_index: bytes


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


class AgentRow(SQLModel, table=True):
    """An agent as they stand: see `dialer.domain.records.AgentRecord`. Who is logged out has no row."""

    __tablename__ = "agents"
    __table_args__ = ({"sqlite_with_rowid": False},)

    agent_id: str = Field(primary_key=True)
    groups: str
    state: str
    reason: str
    since_at: float
    campaign: str | None
    call_id: int | None
    owed: str | None
    owed_reason: str
    engine_id: int = Field(sa_column_kwargs={"server_default": "0"})


class EngineRow(SQLModel, table=True):
    """An engine, and who dials for it: see `dialer.storage.ownership`. SQLite has one and keeps no row of it."""

    __tablename__ = "engines"

    engine_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    name: str = Field(unique=True)
    token: int
    holder: str
    until_at: float


class WordRow(SQLModel, table=True):
    """An agent's word on a call that is still on, sealed."""

    __tablename__ = "words"

    call_id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    word: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


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
    number_index: bytes = Field(primary_key=True)
    reason: str
    at: float
    who: str


class KeyRow(SQLModel, table=True):
    """A key under which values of this database are sealed; `proof` opens under the right key only.

    `made_at` is the instant from which the database has known it.
    """

    __tablename__ = "keys"

    key_id: str = Field(primary_key=True)
    proof: bytes
    made_at: float


class JournalRow(SQLModel, table=True):
    """One journal entry: what `dialer.storage.codec.encode_entry` wrote, sealed."""

    __tablename__ = "journal"

    seq: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    at: float
    entry: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class EvidenceRow(SQLModel, table=True):
    """One entry of the evidence: see `dialer.storage.evidence`. `at` and `kind` repeat what is in the body."""

    __tablename__ = "evidence"
    __table_args__ = (
        Index("evidence_at", "at"),
        Index("evidence_law", "seq", sqlite_where=text("kind = 'law'"), postgresql_where=text("kind = 'law'")),
    )

    seq: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    at: float
    kind: str
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class EvidenceTextRow(SQLModel, table=True):
    """A long value that entries of the evidence name by its SHA-256: the rules of a ruleset, the holidays."""

    __tablename__ = "evidence_texts"
    __table_args__ = ({"sqlite_with_rowid": False},)

    digest: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class RetainedRow(SQLModel, table=True):
    """The number of an erased person, apart from all else, for as long as a law wants records of calls to it kept."""

    __tablename__ = "retained"
    __table_args__ = (Index("retained_until_at", "until_at"), {"sqlite_with_rowid": False})

    seller: str = Field(primary_key=True)
    number_index: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    number: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    until_at: float
    reason: str


class ConsentRow(SQLModel, table=True):
    """A consent as it was recorded: see `dialer.domain.standing.Consent`. `number` is sealed."""

    __tablename__ = "consents"
    __table_args__ = (
        Index("consents_one", "seller", "number_index", "purposes", "is_night", "obtained_at", unique=True),
        Index("consents_number", "number_index"),
    )

    consent_id: int | None = Field(default=None, primary_key=True)
    seller: str
    number_index: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    number: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    purposes: str
    recipients: str
    obtained_at: float
    method: str
    source: str
    text_hash: str
    is_written: bool
    is_night: bool
    hours: str
    expires_at: float | None
    confirmed_at: float | None
    revoked_at: float | None
    revoked_by: str
    reason: str
    recorded_at: float
    recorded_from: str


class ConsentEventRow(SQLModel, table=True):
    """What became of a consent: `recorded`, `confirmed` or `revoked`, when it was and when it came to be known."""

    __tablename__ = "consent_events"
    __table_args__ = (Index("consent_events_consent", "consent_id", "at"),)

    event_id: int | None = Field(default=None, primary_key=True)
    consent_id: int
    kind: str
    at: float
    recorded_at: float
    who: str
    reason: str


class RegistryRow(SQLModel, table=True):
    """A copy of a register: see `dialer.storage.registries`. `path` is "" once its hashes are no longer kept."""

    __tablename__ = "registries"
    __table_args__ = (Index("registries_one", "registry", "version", unique=True),)

    registry_id: int | None = Field(default=None, primary_key=True)
    # SQLAlchemy keeps the attribute `registry` for itself.
    which: str = Field(sa_column=Column("registry", String, nullable=False))
    version: str
    digest: str
    received_at: float
    imported_at: float
    numbers: int
    lines: int
    path: str
    who: str
    reason: str


class MetaRow(SQLModel, table=True):
    """Single values: `schema_version`, `next_lead_id`, `next_call_id`, and what an upgrade has left to do."""

    __tablename__ = "meta"

    key: str = Field(primary_key=True)
    value: int


def _suit_postgresql() -> None:
    for table in METADATA.tables.values():
        for column in table.columns:
            if isinstance(column.type, Integer):
                column.type = column.type.with_variant(BigInteger(), "postgresql")
            elif isinstance(column.type, String | AutoString):
                column.type = String().with_variant(String(collation="C"), "postgresql")


_suit_postgresql()


def sqlite_statements() -> list[str]:
    """Give the statements that create every table and index that an SQLite database does not have yet."""
    return _statements(sqlite.dialect())


def postgresql_statements() -> list[str]:
    """Give the statements that create every table and index that a PostgreSQL database does not have yet."""
    # Both tables change all the time: with the usual settings millions of dead rows would wait to be swept.
    swept = [
        f"ALTER TABLE {table} SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_analyze_scale_factor = 0.02)"
        for table in ("leads", "attempts")
    ]
    return _statements(postgresql.dialect()) + swept  # type: ignore[no-untyped-call]


def _statements(dialect: Dialect) -> list[str]:
    statements: list[str] = []
    for table in METADATA.sorted_tables:
        statements.append(str(CreateTable(table, if_not_exists=True).compile(dialect=dialect)))
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        statements += [str(CreateIndex(index, if_not_exists=True).compile(dialect=dialect)) for index in indexes]
    return statements
