"""Alembic's way in: it runs this for each command. The connection, within a transaction, comes with the configuration.

What else a step needs (the vault that seals) does so, too: see `attribute`.
"""

from typing import Any

from alembic import context
from sqlalchemy import text

from dialer.storage.schema import METADATA

ATTRIBUTES = context.config.attributes


def _tell_meta(ctx: Any, step: Any, heads: Any, run_args: Any) -> None:
    """Keep the number in `meta`, which every dialer looks at first, the same as Alembic's own."""
    version = int(step.up_revision_id)
    context.get_bind().execute(
        text("UPDATE meta SET value = :version WHERE key = 'schema_version'"), {"version": version}
    )


context.configure(
    connection=ATTRIBUTES["connection"],
    target_metadata=METADATA,
    render_as_batch=True,  # SQLite changes a table by making it anew
    on_version_apply=_tell_meta,
    compare_type=True,
)
context.run_migrations()
