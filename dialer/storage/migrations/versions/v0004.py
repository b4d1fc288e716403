"""Agents as they stand and their words on calls that are on: what a restart goes on from."""

import sqlalchemy as sa
from alembic import op

revision = "4"
down_revision = "3"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add two tables and an index."""
    op.create_table(
        "agents",
        sa.Column("agent_id", sa.String(), nullable=False),
        sa.Column("groups", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("since_at", sa.Float(), nullable=False),
        sa.Column("campaign", sa.String(), nullable=True),
        sa.Column("call_id", sa.Integer(), nullable=True),
        sa.Column("owed", sa.String(), nullable=True),
        sa.Column("owed_reason", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("agent_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "words",
        sa.Column("call_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("word", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("call_id"),
    )
    undisposed = sa.text("bridged_at IS NOT NULL AND disposition IS NULL")
    op.create_index(
        "attempts_undisposed", "attempts", ["lead_id"], sqlite_where=undisposed, postgresql_where=undisposed
    )
