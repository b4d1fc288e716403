"""A lead list without an end, for runs that ask how a floor behaves and not how long a list lasts.

One rule governs this module: leads that came due (retries, promised callbacks) are handed out first, and what is still
wanted is made up on the spot. Nothing is known against anybody. Everybody lives in the campaign's time zone
(`abandonment.time_zone`). The numbers have the national prefix 00, which no country assigns.
"""

from collections.abc import Iterable
from dataclasses import replace

from phonenumbers import country_code_for_region

from dialer.domain.commands import Command
from dialer.domain.events import LeadsClaimed
from dialer.domain.lead import Lead, PhoneNumber
from dialer.domain.policy import CampaignPolicy
from dialer.domain.standing import Standing
from dialer.storage.memory import MemoryStore

OPEN_LEADS = 1_000_000_000
"""What an endless list says is left of it: the governor must not take the leads made so far for the end of the list."""

_BATCH = 200  # made at once: adding to the store has a cost per import


class EndlessLeads:
    """Implements `dialer.ports.LeadStore` over a MemoryStore that it keeps filled with leads of `numbers` numbers."""

    def __init__(self, store: MemoryStore, policy: CampaignPolicy, *, numbers: int) -> None:
        self._store = store
        self._policy = policy
        self._numbers = numbers
        self._country = country_code_for_region(policy.jurisdiction)
        self._made = 0
        store.register(policy)

    def claim(self, campaign: str, count: int, now: float) -> LeadsClaimed:
        """Claim exactly `count` leads; there are always `OPEN_LEADS` more."""
        claimed = self._store.claim(campaign, count, now)
        leads = claimed.leads
        while len(leads) < count:
            self._make(now)
            claimed = self._store.claim(campaign, count - len(leads), now)
            leads += claimed.leads
        standing = Standing(as_of_at=now)
        known = tuple([replace(lead, standing=standing) for lead in leads])
        return replace(claimed, leads=known, open_leads=OPEN_LEADS)

    def apply(self, commands: Iterable[Command]) -> None:
        """Keep what the commands say."""
        self._store.apply(commands)

    def _make(self, now: float) -> None:
        with self._store.importing(self._policy, "synthetic", "", now) as session:
            for _ in range(_BATCH):
                self._made += 1
                session.add(self._lead(self._made))

    def _lead(self, rank: int) -> Lead:
        first = (rank - 1) * self._numbers
        numbers = tuple(
            PhoneNumber(
                e164=f"+{self._country}00{first + offset:08d}",
                kind="mobile" if offset == 0 else "fixed",
                region=self._policy.jurisdiction,
                zones=(self._policy.abandonment.time_zone,),
            )
            for offset in range(self._numbers)
        )
        return Lead(lead_id=0, campaign=self._policy.name, numbers=numbers, shuffle=rank)
