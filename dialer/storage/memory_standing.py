"""What a store in memory knows of people: the reference for `dialer.storage.standing`."""

from collections.abc import Iterable
from dataclasses import replace

from dialer.domain.lead import Lead
from dialer.domain.records import Attempt
from dialer.domain.standing import Consent, PastAttempt, RegistryCopy, Standing
from dialer.storage.standing import PAST_S, past_attempt

_Key = tuple[str, str, tuple[str, ...], bool, float]


class MemoryStandings:
    """Consents, past attempts, registers and refusals of one run, by seller and number."""

    def __init__(self) -> None:
        self.attempts: dict[int, Attempt] = {}
        self._calls: dict[tuple[str, str], list[int]] = {}
        self._calls_of_lead: dict[int, list[int]] = {}
        self._consents: dict[str, dict[_Key, Consent]] = {}
        self._registries: dict[str, tuple[RegistryCopy, frozenset[str]]] = {}
        self._blocked: dict[str, dict[str, float]] = {}

    def record(self, attempt: Attempt) -> None:
        """Keep an attempt, replacing what was kept under the same id."""
        if attempt.call_id not in self.attempts:
            self._calls.setdefault((attempt.seller, attempt.number), []).append(attempt.call_id)
            self._calls_of_lead.setdefault(attempt.lead_id, []).append(attempt.call_id)
        self.attempts[attempt.call_id] = attempt

    def add_consents(self, consents: Iterable[Consent]) -> None:
        """Keep consents; one that is here already only takes a later confirmation, or its revocation."""
        for consent in consents:
            consent = replace(consent, purposes=tuple(sorted(set(consent.purposes))))
            key = (consent.seller, consent.number, consent.purposes, consent.is_night, consent.obtained_at)
            kept = self._consents.setdefault(consent.number, {})
            known = kept.get(key)
            if known is None:
                kept[key] = replace(consent, revoked_at=None, consent_id=consent.consent_id or self._next_id())
            elif consent.confirmed_at is not None and consent.confirmed_at > (known.confirmed_at or float("-inf")):
                kept[key] = replace(known, confirmed_at=consent.confirmed_at)
            if consent.revoked_at is not None:
                self.block(consent.seller, [consent.number], consent.revoked_at)

    def add_registry(self, copy: RegistryCopy, numbers: Iterable[str]) -> None:
        """Take a copy of a register into use."""
        self._registries[copy.registry] = (copy, frozenset(numbers))

    def registry_copies(self) -> tuple[RegistryCopy, ...]:
        """Give the copies in use, by register."""
        return tuple(self._registries[name][0] for name in sorted(self._registries))

    def block(self, seller: str, numbers: Iterable[str], at: float) -> None:
        """Take down a "do not call": it ends every consent to this seller, too, and stays."""
        blocked = self._blocked.setdefault(seller, {})
        for number in numbers:
            blocked.setdefault(number, at)
            for key, consent in self._consents.get(number, {}).items():
                if consent.seller == seller and consent.revoked_at is None:
                    self._consents[number][key] = replace(consent, revoked_at=max(at, consent.obtained_at))

    def blocked_at(self, seller: str, lead: Lead) -> float | None:
        """Say since when a number of the lead is on the seller's list."""
        blocked = self._blocked.get(seller)
        if not blocked:
            return None
        return min((blocked[n.e164] for n in lead.numbers if n.e164 in blocked), default=None)

    def is_blocked(self, seller: str, e164: str) -> bool:
        """Whether nobody of this seller may call the number."""
        return e164 in self._blocked.get(seller, ())

    def of(self, lead: Lead, seller: str, at: float, others: Iterable[int] = ()) -> Standing:
        """Give the standing of a lead with a seller; `others` are the seller's other leads with a number of its."""
        blocked_at = self.blocked_at(seller, lead)
        return Standing(
            as_of_at=at,
            consents=self._consents_of(lead, seller),
            past=self._past(lead, seller, at, others),
            listed=self._listed(lead),
            blocked_at=blocked_at if blocked_at is None or blocked_at <= at else None,
        )

    def _consents_of(self, lead: Lead, seller: str) -> tuple[Consent, ...]:
        if not self._consents:
            return ()
        return tuple(
            consent
            for number in lead.numbers
            for consent in sorted(self._consents.get(number.e164, {}).values(), key=lambda each: each.obtained_at)
            if consent.seller == seller or seller in consent.recipients
        )

    def _past(self, lead: Lead, seller: str, at: float, others: Iterable[int]) -> tuple[PastAttempt, ...]:
        own = {number.e164 for number in lead.numbers}
        calls = [call_id for number in own for call_id in self._calls.get((seller, number), ())]
        calls += [call_id for lead_id in others for call_id in self._calls_of_lead.get(lead_id, ())]
        attempts = [self.attempts[call_id] for call_id in dict.fromkeys(calls)]
        found = [
            past_attempt(attempt if attempt.number in own else replace(attempt, number=""), at)
            for attempt in attempts
            if attempt.seller == seller
            and (at - PAST_S <= attempt.placed_at or attempt.is_refusal or attempt.is_abandoned)
            and attempt.placed_at <= at
        ]
        found.sort(key=lambda attempt: (attempt.at, attempt.call_id))
        return tuple(found)

    def _listed(self, lead: Lead) -> tuple[tuple[str, str], ...]:
        if not self._registries:
            return ()
        return tuple(
            (name, number.e164)
            for number in lead.numbers
            for name in sorted(self._registries)
            if number.e164 in self._registries[name][1]
        )

    def _next_id(self) -> int:
        return sum(map(len, self._consents.values())) + 1
