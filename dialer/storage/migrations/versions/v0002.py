"""Decisions say what the limits left of what was wanted, and what would have bound next.

Version 1 kept neither: `allowed` becomes the calls started, and there is no runner-up. The journal stays as it was
written: `dialer.storage.upcasters` reads it.
"""

import sqlalchemy as sa
from alembic import op

revision = "2"
down_revision = "1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add three columns."""
    # The defaults are for a daemon of version 1 that still runs: it goes on writing its own columns.
    op.add_column("decisions", sa.Column("allowed", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("decisions", sa.Column("runner_up", sa.String(), nullable=False, server_default=""))
    op.add_column("decisions", sa.Column("runner_up_calls", sa.Integer(), nullable=False, server_default="0"))
    op.execute("UPDATE decisions SET allowed = calls")
