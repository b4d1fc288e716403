"""What reaches the running daemon about people and registers from outside: refusals, consents, copies of registers.

One rule governs this module: what another process changed in the store is asked of the store again, and a refusal is
in force when the answer is given.
"""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from dialer.daemon.control import RefusedRequest, RegistryRequest, StandingsRequest
from dialer.daemon.driver import Driver
from dialer.domain.commands import BlockPerson
from dialer.domain.events import PersonRefused, RegistryLoaded, StandingsChanged
from dialer.domain.standing import RegistryCopy
from dialer.errors import DatabaseLost
from dialer.storage.codec import Entry
from dialer.storage.reading import Records
from dialer.storage.store import Store

AGAIN_S = 1.0
COMMANDS = "commands"
"""The engine whose journal commands write, where daemons share a database."""

PersonRequest = RefusedRequest | StandingsRequest | RegistryRequest


class People:
    """Carries such requests out. `told` are the copies of registers that the engine knows."""

    def __init__(self, store: Store, driver: Driver) -> None:
        self._store = store
        self._driver = driver
        self._told: dict[str, RegistryCopy] = {}

    @property
    def copies(self) -> tuple[RegistryCopy, ...]:
        """The copies of registers in use."""
        return tuple(self._told.values())

    def begin(self) -> None:
        """Tell the engine of the registers' copies that are here at the start."""
        for copy in self._store.registry_copies():
            self._told[copy.registry] = copy
            self._driver.post(RegistryLoaded(copy=copy))

    def hear(self, entry: Entry) -> None:
        """Let a "do not call" that an agent heard hold for every number of the person that the seller's lists know."""
        if isinstance(entry.event, PersonRefused):
            return
        for command in entry.commands:
            if isinstance(command, BlockPerson):
                self._spread(command)

    def _spread(self, said: BlockPerson) -> None:
        """Refuse for the person's other numbers; a database that is away is asked again, for as long as it takes."""
        try:
            known = [other for number in said.numbers for other in numbers_of(self._store, said.seller, number)]
        except DatabaseLost:
            asyncio.get_running_loop().call_later(AGAIN_S, self._spread, said)
            return
        others = tuple(dict.fromkeys(other for other in known if other not in said.numbers))
        if others:
            self._driver.post(PersonRefused(seller=said.seller, numbers=others, reason=said.reason, who=said.who))

    def look_for_copies(self) -> None:
        """Tell the engine of copies of registers that came into use meanwhile."""
        for copy in self._new_copies():
            self._driver.post(RegistryLoaded(copy=copy))

    def _new_copies(self) -> list[RegistryCopy]:
        news = [copy for copy in self._store.registry_copies() if self._told.get(copy.registry) != copy]
        self._told |= {copy.registry: copy for copy in news}
        return news

    async def answer(self, request: PersonRequest, who: str) -> dict[str, object]:
        """Carry out a request for a user."""
        match request:
            case RefusedRequest(seller=seller, number=number, reason=reason):
                numbers = numbers_of(self._store, seller, number)
                await self._driver.settle(PersonRefused(seller=seller, numbers=numbers, reason=reason, who=who))
                return {"numbers": len(numbers)}
            case StandingsRequest(reason=reason):
                await self._driver.settle(StandingsChanged(reason=reason))
                return {}
            case RegistryRequest():
                news = self._new_copies()
                for copy in news:
                    await self._driver.settle(RegistryLoaded(copy=copy))
                return {"registries": [copy.registry for copy in news]}


def refuse_without_daemon(store: Store, refused: RefusedRequest, who: str, now: float) -> int:
    """Take a refusal down where no daemon dials; it is in journal and evidence as with one. Count the numbers."""
    with for_a_moment(store):
        numbers = numbers_of(store, refused.seller, refused.number)
        event = PersonRefused(seller=refused.seller, numbers=numbers, reason=refused.reason, who=who)
        block = BlockPerson(seller=refused.seller, numbers=numbers, reason=refused.reason, at=now, who=who)
        store.commit(store.next_seq(), now, event, [block])
    return len(numbers)


@contextmanager
def for_a_moment(store: Store) -> Iterator[None]:
    """Let a store write a journal: on a database that is shared, that of an engine which no daemon dials for."""
    if store.database.shared_at is None:
        yield
        return
    from dialer.storage.ownership_keeper import leased

    with leased(store.database.shared_at, COMMANDS, holder()) as lease:
        store.own(lease)
        try:
            yield
        finally:
            store.lease = None


def holder(process: str | None = None) -> str:
    """Say which process of this machine it is, this one unless told, for others that wait for it."""
    return f"{socket.gethostname()}, process {process or os.getpid()}"


def numbers_of(store: Records, seller: str, number: str) -> tuple[str, ...]:
    """Give every number known of the person who has this one, as far as the seller's own lists tell: it comes first."""
    leads = store.leads_of(seller, number)
    return tuple(dict.fromkeys([number, *(each.e164 for lead in leads for each in lead.numbers)]))
