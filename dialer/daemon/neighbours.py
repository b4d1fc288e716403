"""What other processes on the same database announce, brought to the engine at once.

One rule governs this module: an announcement says only that something changed. What it is now, the tables say; and one
that was missed, while the database was not reachable, is made up for by asking for everything.
"""

import asyncio

from dialer.daemon.campaigns import Campaigns
from dialer.daemon.driver import Driver
from dialer.daemon.people import People
from dialer.domain.events import LeadsImported, StandingsChanged
from dialer.errors import DatabaseLost
from dialer.storage.announcing import Announcement, Kind
from dialer.storage.store import Store

AGAIN_S = 1.0


class Neighbours:
    """Hears announcements for the engine that this daemon dials for."""

    def __init__(self, store: Store, driver: Driver, campaigns: Campaigns, people: People) -> None:
        self._store = store
        self._driver = driver
        self._campaigns = campaigns
        self._people = people

    def hear(self, words: str | None) -> None:
        """Take an announcement; None: some may have been missed."""
        try:
            self._hear(words)
        except DatabaseLost:
            asyncio.get_running_loop().call_later(AGAIN_S, self.hear, words)

    def _hear(self, words: str | None) -> None:
        if words is None:
            self._people.look_for_copies()
            self._driver.post(StandingsChanged(reason="the database was out of reach"))
            for name in self._campaigns.names:
                self._driver.post(LeadsImported(campaign=name))
            return
        told = Announcement.read(words)
        if told is None or told.origin == self._store.origin:
            return
        match told.kind:
            case Kind.REFUSED | Kind.CALLED:
                if self._store.has_claimed(told.words):
                    what = "refused" if told.kind is Kind.REFUSED else "called"
                    self._driver.post(StandingsChanged(reason=f"people in hand: {what} by way of another engine"))
            case Kind.PEOPLE:
                self._driver.post(StandingsChanged(reason="people changed in the database"))
            case Kind.REGISTRY:
                self._people.look_for_copies()
            case Kind.IMPORTED:
                for name in told.words:
                    if name in self._campaigns.names:
                        self._driver.post(LeadsImported(campaign=name))
