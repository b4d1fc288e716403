"""The tables of the first version.

A database of this version was made before there were steps, so this one has nothing to do: the history begins here.
"""

revision = "1"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Do nothing: the tables are there."""
