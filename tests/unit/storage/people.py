"""Consents, registers and refusals for the tests of what a store knows of people."""

from collections.abc import Iterable
from dataclasses import replace

from dialer.domain.standing import Consent, RegistryCopy
from dialer.storage.memory import MemoryStore
from dialer.storage.registries import HASH_BYTES, KeptCopy, file_name, sorted_hashes
from dialer.storage.store import Store
from tests.unit.storage.builders import make_number

AnyStore = MemoryStore | Store
SELLER = "Example Telecom"
OTHER = "Example Bank"
DAY_S = 86_400.0


def make_consent(index: int, **changes: object) -> Consent:
    """A consent of one of the numbers kept for fiction, to SELLER, unless told otherwise."""
    consent = Consent(
        number=make_number(index).e164,
        seller=SELLER,
        purposes=("survey",),
        obtained_at=1000.0,
        method="web form",
        source="own shop",
    )
    return replace(consent, **changes)  # type: ignore[arg-type]


def give(store: AnyStore, *consents: Consent, now: float = 5000.0) -> None:
    """Bring consents into a store."""
    if isinstance(store, MemoryStore):
        store.add_consents(consents)
        return
    with store.importing_consents("consents.csv", "clerk", now) as session:
        session.add(consents)


def register(
    store: AnyStore, registry: str, numbers: Iterable[str], *, version: str = "1", imported_at: float = 0.0
) -> RegistryCopy:
    """Take a copy of a register into use."""
    numbers = list(numbers)
    copy = RegistryCopy(
        registry=registry, version=version, digest="ab" * 32, received_at=imported_at, numbers=len(set(numbers))
    )
    if isinstance(store, MemoryStore):
        store.add_registry(copy, numbers)
        return copy
    hashes = b"".join(store.vault.index(number)[:HASH_BYTES] for number in numbers)
    kept = KeptCopy(
        copy=copy, imported_at=imported_at, lines=len(numbers), path=file_name(registry, version), who="clerk"
    )
    store.add_registry(kept, sorted_hashes(hashes))
    return copy
