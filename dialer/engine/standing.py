"""What the engine itself adds to what storage knew of a person when the lead was claimed.

One rule governs: whatever happens after a claim is known here before the next call is judged. A claim's standing is
good for a day at most, so attempts are remembered a little longer than that and then forgotten.
"""

from dataclasses import replace

from dialer.compliance.gate import Known
from dialer.domain.commands import BlockPerson
from dialer.domain.events import LawLoaded, PersonRefused, RegistryLoaded, StandingsChanged
from dialer.domain.lead import Lead
from dialer.domain.outcome import Outcome
from dialer.domain.records import Attempt
from dialer.domain.standing import Consent, PastAttempt
from dialer.engine.state import State

REMEMBERED_S = 26 * 3600.0


def known(state: State, seller: str, lead: Lead) -> Known:
    """Give what has come to be known of a lead's person, and of the registers, since the engine started."""
    blocked = state.blocked.get(seller, {})
    since = [blocked[number.e164] for number in lead.numbers if number.e164 in blocked]
    recent = tuple(
        attempt for number in lead.numbers for attempt in state.recent.get((seller, number.e164), {}).values()
    )
    return Known(
        registries=state.registries,
        changed_at=state.standings_changed_at,
        blocked_at=min(since, default=None),
        recent=recent,
    )


def up_to_date(state: State, lead: Lead) -> Lead:
    """Give a lead whose consents end with a refusal to the one who asked for them, also those that name another."""
    standing = lead.standing
    if standing is None or not any(each.number in state.blocked.get(each.seller, ()) for each in standing.consents):
        return lead
    return replace(lead, standing=replace(standing, consents=tuple(_ended(state, each) for each in standing.consents)))


def _ended(state: State, consent: Consent) -> Consent:
    since_at = state.blocked.get(consent.seller, {}).get(consent.number)
    if since_at is None or consent.revoked_at is not None:
        return consent
    return replace(consent, revoked_at=max(since_at, consent.obtained_at))


def is_in_flight(state: State, seller: str, lead: Lead) -> bool:
    """Say whether the person is being called for this seller right now, by any campaign."""
    return any((seller, number.e164) in state.in_flight for number in lead.numbers)


def on_placed(state: State, attempt: Attempt) -> None:
    """Remember an attempt from the instant of placing it: it counts for every campaign of the seller at once."""
    key = (attempt.seller, attempt.number)
    state.in_flight[key] = state.in_flight.get(key, 0) + 1
    state.recent.setdefault(key, {})[attempt.call_id] = PastAttempt(
        call_id=attempt.call_id, number=attempt.number, subject=attempt.subject, at=attempt.placed_at
    )
    state.recent_order.append((attempt.placed_at, *key, attempt.call_id))
    while state.recent_order and state.recent_order[0][0] < attempt.placed_at - REMEMBERED_S:
        _, seller, number, call_id = state.recent_order.popleft()
        known_calls = state.recent[seller, number]
        known_calls.pop(call_id, None)
        if not known_calls:
            del state.recent[seller, number]


def on_over(state: State, attempt: Attempt) -> None:
    """Remember how an attempt ended."""
    key = (attempt.seller, attempt.number)
    state.in_flight[key] -= 1
    if not state.in_flight[key]:
        del state.in_flight[key]
    note(state, attempt)


def note(state: State, attempt: Attempt) -> None:
    """Remember what has become known of an attempt, by its end or by the agent's word, unless it is long ago."""
    calls = state.recent.get((attempt.seller, attempt.number), {})
    if attempt.call_id in calls:
        calls[attempt.call_id] = replace(
            calls[attempt.call_id],
            is_abandoned=attempt.is_abandoned or attempt.outcome is Outcome.UNKNOWN,
            is_conversation=attempt.bridged_at is not None and attempt.is_live,
            is_refusal=attempt.is_refusal,
        )


def block(state: State, seller: str, numbers: tuple[str, ...], reason: str, who: str, now: float) -> None:
    """Let nobody of this seller call these numbers from now on."""
    known_numbers = state.blocked.setdefault(seller, {})
    for number in numbers:
        known_numbers.setdefault(number, now)
    state.out.append(BlockPerson(seller=seller, numbers=numbers, reason=reason, at=now, who=who))


def on_law_event(
    state: State, event: LawLoaded | RegistryLoaded | StandingsChanged | PersonRefused, now: float
) -> None:
    """Take in what changes who may be called."""
    match event:
        case LawLoaded():
            state.law = event.law
        case RegistryLoaded():
            state.registries[event.copy.registry] = event.copy
            state.standings_changed_at = now
        case StandingsChanged():
            state.standings_changed_at = now
        case PersonRefused():
            block(state, event.seller, event.numbers, event.reason, event.who, now)
