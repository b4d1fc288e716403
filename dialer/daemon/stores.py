"""Opening the database that the settings name, with its keyring: what the daemon and every command share."""

from dialer.config.settings import Settings
from dialer.errors import StorageError
from dialer.storage.keyring import open_vault
from dialer.storage.reading import SqliteRecords
from dialer.storage.sqlite import SqliteStore


def open_store(settings: Settings) -> SqliteStore:
    """Open the database for writing, making it, and a keyring for it, where there is none yet."""
    return SqliteStore(settings.database, open_vault(settings.keys_file, settings.database))


def open_records(settings: Settings) -> SqliteRecords:
    """Open the database for reading; raise StorageError when there is none."""
    if not settings.database.exists():
        raise StorageError(
            f"database {settings.database}: there is none yet; the daemon makes it, or `dialer leads import`"
        )
    return SqliteRecords(settings.database, open_vault(settings.keys_file, settings.database))
