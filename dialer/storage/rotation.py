"""Bringing every sealed value under the newest key while a daemon works, and letting go of an old key.

One rule governs this module: a value is sealed anew in the transaction that reads it, a few rows at a time, so that
whoever writes beside it waits for milliseconds and a crash at any instant leaves each value under the one key or the
other. Going on after a crash is doing it again: what is under the newest key is passed over.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from dialer.errors import KeysError
from dialer.storage.database import Connection
from dialer.storage.reading import Records
from dialer.storage.rows import SEALED, SealedColumns
from dialer.storage.store import Store
from dialer.storage.vault import Vault

_GIVE_BACK = "INSERT INTO keys (key_id, proof, made_at) VALUES (?, ?, ?) ON CONFLICT (key_id) DO NOTHING"
CHUNK = 200  # rows sealed anew in one transaction: some milliseconds


def rows_per_key(store: Records) -> Counter[str]:
    """Count the rows that have a value under each key, by the key's id; a row may count for several."""
    with store.database.explained(), closing(store.database.open_reader(store.vault)) as connection:
        return _rows_per_key(connection)


def _rows_per_key(connection: Connection) -> Counter[str]:
    counts: Counter[str] = Counter()
    for place in SEALED:
        heads = ", ".join(f"substr({column}, 2, 4)" for column in place.columns)
        ranks = ", ".join(str(rank + 1) for rank in range(len(place.columns)))
        for *ids, count in connection.execute(f"SELECT {heads}, count(*) FROM {place.table} GROUP BY {ranks}"):
            for key_id in {key_id.hex() for key_id in ids if key_id}:
                counts[key_id] += count
    return counts


def reseal(store: Store) -> Iterator[tuple[str, int]]:
    """Seal every value anew that is not under the vault's key in use; give table and number of rows after each step.

    Whoever iterates decides how much time others get in between.
    """
    with store.database.explained(), closing(store.database.open_writer(store.vault)) as connection:
        for place in SEALED:
            last: tuple[Any, ...] | None = None
            while keys := _next_keys(connection, place, store.vault.key_id, last):
                with store.database.transaction(connection):
                    changed = _reseal(connection, place, store.vault, keys[0], keys[-1])
                last = keys[-1]
                yield place.table, changed


def drop_key(store: Store, key_id: str) -> None:
    """Let no process seal under a key any more; raise KeysError, and let them, while rows need it.

    Who holds an older keyring is refused at its next transaction, so what is counted here cannot grow. What the
    write-ahead log still has under the key goes, too: the key may be dropped because somebody else knows it.
    """
    with store.database.explained(), closing(store.database.open_writer(store.vault)) as connection:
        with store.database.transaction(connection):
            connection.shut("keys")  # whoever looked whether the key is there has written what it seals
            kept = connection.execute("SELECT key_id, proof, made_at FROM keys WHERE key_id = ?", (key_id,)).fetchone()
            connection.execute("DELETE FROM keys WHERE key_id = ?", (key_id,))
        used = _rows_per_key(connection)[key_id]
        if used:
            if kept is not None:
                connection.execute(_GIVE_BACK, kept)
            raise KeysError(
                f"key {key_id}: {used:,} rows are sealed under it: `dialer keys rotate` seals them anew, then drop it"
            )
        connection.scrub()


def _is_old(place: SealedColumns) -> str:
    return " OR ".join(f"(length({name}) > 0 AND substr({name}, 2, 4) <> ?)" for name in place.columns)


def _bound(place: SealedColumns) -> str:
    """Give the marks for a key that bounds a range; a key of several columns compares as one value."""
    return f"({', '.join('?' * len(place.key))})"


def _next_keys(
    connection: Connection, place: SealedColumns, in_use: bytes, last: tuple[Any, ...] | None
) -> list[tuple[Any, ...]]:
    """Find the next rows with a value under another key. Reading needs no lock, however long the way to them."""
    key = ", ".join(place.key)
    beyond = "" if last is None else f"AND ({key}) > {_bound(place)}"
    sql = f"SELECT {key} FROM {place.table} WHERE ({_is_old(place)}) {beyond} ORDER BY {key} LIMIT {CHUNK}"
    return connection.execute(sql, (*[in_use] * len(place.columns), *(last or ()))).fetchall()


def _reseal(
    connection: Connection, place: SealedColumns, vault: Vault, first: tuple[Any, ...], last: tuple[Any, ...]
) -> int:
    """Seal the values of a range of rows anew, within a transaction; give the number of rows."""
    key, columns = ", ".join(place.key), ", ".join(place.columns)
    between = f"({key}) >= {_bound(place)} AND ({key}) <= {_bound(place)}"
    found = connection.execute(
        f"SELECT {columns}, {key} FROM {place.table} WHERE ({_is_old(place)}) AND {between}{connection.for_update}",
        (*[vault.key_id] * len(place.columns), *first, *last),
    ).fetchall()
    names = [f"{place.table}.{column}".encode() for column in place.columns]
    changed = []
    for row in found:
        values = [
            vault.seal(vault.open(value, name), name) if value else value
            for name, value in zip(names, row, strict=False)
        ]
        changed.append((*values, *row[len(names) :]))
    settings, conditions = (" = ?, ".join(place.columns) + " = ?", " = ? AND ".join(place.key) + " = ?")
    connection.executemany(f"UPDATE {place.table} SET {settings} WHERE {conditions}", changed)
    return len(changed)
