"""The steps from one version of the database to the next, for Alembic. `dialer.storage.upgrade` takes them.

One rule governs this package: a revision is named after the schema version that it leads to, and speaks of the tables
as they were then, whatever later versions make of them. A revision that a release had is never changed.

A new version: change `dialer.storage.schema`, raise SCHEMA_VERSION in `dialer.storage.versions`, and add a module
with the revision to `versions`.

Only `dialer.storage.schema` says what the tables are. A test holds a database that took every step to one that was made
new, and both to the schema; `alembic.ini` is not needed: `dialer.storage.upgrade.configuration` stands in for it.
"""
