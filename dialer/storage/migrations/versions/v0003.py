"""Numbers, names and the journal are sealed; there are consents, registers, evidence and what is retained.

It needs the vault that seals: the attribute `vault` of Alembic's configuration. Versions before this one were kept in
SQLite only, so these are its statements.
"""

from alembic import context, op

from dialer.storage.upgrade_to_3 import seal_what_is_personal

revision = "3"
down_revision = "2"
branch_labels = None
depends_on = None

TABLES = (
    "CREATE INDEX attempts_campaign_placed_at ON attempts (campaign, placed_at)",
    "CREATE INDEX attempts_live ON attempts (campaign, answered_at) WHERE is_live = 1",
    "CREATE INDEX attempts_number_index_placed_at ON attempts (number_index, placed_at)",
    "CREATE INDEX attempts_open ON attempts (call_id) WHERE released_at IS NULL",
    "CREATE INDEX attempts_placed_at ON attempts (placed_at)",
    """CREATE TABLE consent_events (event_id INTEGER NOT NULL, consent_id INTEGER NOT NULL, kind VARCHAR NOT NULL,
        at FLOAT NOT NULL, recorded_at FLOAT NOT NULL, who VARCHAR NOT NULL, reason VARCHAR NOT NULL, PRIMARY KEY
        (event_id))""",
    "CREATE INDEX consent_events_consent ON consent_events (consent_id, at)",
    """CREATE TABLE consents (consent_id INTEGER NOT NULL, seller VARCHAR NOT NULL, number_index BLOB NOT NULL,
        number BLOB NOT NULL, purposes VARCHAR NOT NULL, recipients VARCHAR NOT NULL, obtained_at FLOAT NOT NULL,
        method VARCHAR NOT NULL, source VARCHAR NOT NULL, text_hash VARCHAR NOT NULL, is_written BOOLEAN NOT NULL,
        is_night BOOLEAN NOT NULL, hours VARCHAR NOT NULL, expires_at FLOAT, confirmed_at FLOAT, revoked_at FLOAT,
        revoked_by VARCHAR NOT NULL, reason VARCHAR NOT NULL, recorded_at FLOAT NOT NULL, recorded_from VARCHAR NOT
        NULL, PRIMARY KEY (consent_id))""",
    "CREATE INDEX consents_number ON consents (number_index)",
    "CREATE UNIQUE INDEX consents_one ON consents (seller, number_index, purposes, is_night, obtained_at)",
    """CREATE TABLE evidence (seq INTEGER NOT NULL, at FLOAT NOT NULL, kind VARCHAR NOT NULL, body BLOB NOT NULL,
        hash BLOB NOT NULL, PRIMARY KEY (seq))""",
    "CREATE INDEX evidence_at ON evidence (at)",
    "CREATE INDEX evidence_law ON evidence (seq) WHERE kind = 'law'",
    "CREATE TABLE evidence_texts (digest BLOB NOT NULL, body BLOB NOT NULL, PRIMARY KEY (digest)) WITHOUT ROWID",
    "CREATE TABLE keys (key_id VARCHAR NOT NULL, proof BLOB NOT NULL, made_at FLOAT NOT NULL, PRIMARY KEY (key_id))",
    "CREATE INDEX leads_claimed ON leads (lead_id) WHERE place = 2",
    "CREATE INDEX leads_ready ON leads (campaign, order_key) WHERE place = 0",
    "CREATE INDEX leads_waiting ON leads (campaign, due_at) WHERE place = 1",
    """CREATE TABLE registries (registry_id INTEGER NOT NULL, registry VARCHAR NOT NULL, version VARCHAR NOT NULL,
        digest VARCHAR NOT NULL, received_at FLOAT NOT NULL, imported_at FLOAT NOT NULL, numbers INTEGER NOT NULL,
        lines INTEGER NOT NULL, path VARCHAR NOT NULL, who VARCHAR NOT NULL, reason VARCHAR NOT NULL, PRIMARY KEY
        (registry_id))""",
    "CREATE UNIQUE INDEX registries_one ON registries (registry, version)",
    """CREATE TABLE retained (seller VARCHAR NOT NULL, number_index BLOB NOT NULL, number BLOB NOT NULL, until_at
        FLOAT NOT NULL, reason VARCHAR NOT NULL, PRIMARY KEY (seller, number_index)) WITHOUT ROWID""",
    "CREATE INDEX retained_until_at ON retained (until_at)",
)
"""What is new, and the indexes of the tables that are made anew."""


def upgrade() -> None:
    """Seal, then add."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    seal_what_is_personal(connection, context.config.attributes["vault"])
    for statement in TABLES:
        op.execute(statement)
