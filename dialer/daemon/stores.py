"""Opening the database that the settings name, with its keyring: what the daemon and every command share."""

import os
from pathlib import Path

from dialer.config.credentials import POSTGRES, secret
from dialer.config.settings import Settings
from dialer.storage.database import Database
from dialer.storage.keyring import open_vault
from dialer.storage.reading import Records
from dialer.storage.sqlite import SqliteDatabase
from dialer.storage.store import Store


def database_of(settings: Settings) -> Database:
    """Give the database that the settings name."""
    if isinstance(settings.database, Path):
        return SqliteDatabase(settings.database)
    password = secret(POSTGRES)
    if password is not None:
        os.environ.setdefault("PGPASSWORD", password)  # where every connection of this process looks
    # psycopg takes a while to import, and most machines do without.
    from dialer.storage.postgres import PostgresDatabase

    return PostgresDatabase(settings.database, settings.state_dir)


def open_store(settings: Settings) -> Store:
    """Open the database for writing, making it, and a keyring for it, where there is none yet."""
    database = database_of(settings)
    return Store(database, open_vault(settings.keys_file, database))


def open_records(settings: Settings) -> Records:
    """Open the database for reading; raise StorageError when there is none."""
    database = database_of(settings)
    database.require()
    return Records(database, open_vault(settings.keys_file, database))
