"""Engines, each dialed for by one daemon of several on a PostgreSQL database; a condition that both databases read.

Versions before this one were kept in SQLite only. There the one engine has the number 0, and no row.
"""

import sqlalchemy as sa
from alembic import op

revision = "5"
down_revision = "4"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a table and two columns, and make an index anew with its condition in other words."""
    op.create_table(
        "engines",
        sa.Column("engine_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("until_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("engine_id"),
        sa.UniqueConstraint("name", name="uq_engines_name"),
    )
    op.add_column("agents", sa.Column("engine_id", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("campaigns", sa.Column("engine_id", sa.Integer(), nullable=True))
    op.drop_index("attempts_live", "attempts")
    op.create_index("attempts_live", "attempts", ["campaign", "answered_at"], sqlite_where=sa.text("is_live"))
