"""Engines, each dialed for by one daemon of several on a PostgreSQL database; promised calls are found by themselves.

From this version on a database may be on a PostgreSQL server: numbers have 64 bits there, and text is compared byte by
byte. SQLite has one engine, with the number 0 and no row.
"""

import sqlalchemy as sa
from alembic import op

revision = "5"
down_revision = "4"
branch_labels = None
depends_on = None


NUMBER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Add a table, two columns and an index, and make another index anew with its condition in other words."""
    op.create_table(
        "engines",
        sa.Column("engine_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("token", NUMBER, nullable=False),
        sa.Column("holder", TEXT, nullable=False),
        sa.Column("until_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("engine_id"),
        sa.UniqueConstraint("name", name="uq_engines_name"),
    )
    op.add_column("agents", sa.Column("engine_id", NUMBER, nullable=False, server_default="0"))
    op.add_column("campaigns", sa.Column("engine_id", NUMBER, nullable=True))
    promised = sa.text("place = 1 AND callback IS NOT NULL")
    op.create_index("leads_promised", "leads", ["campaign", "due_at"], sqlite_where=promised, postgresql_where=promised)
    op.drop_index("attempts_live", "attempts")
    live = sa.text("is_live")
    op.create_index("attempts_live", "attempts", ["campaign", "answered_at"], sqlite_where=live, postgresql_where=live)
