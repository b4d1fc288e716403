"""What the engine itself adds to what storage knew of a person when the lead was claimed.

One rule governs: whatever happens after a claim is known here before the next call is judged. An attempt is forgotten
once storage told all of it with every lead in hand: memory grows with the calls of minutes, not with those of the day.
"""

from dataclasses import replace
from itertools import islice

from dialer.compliance.gate import Known
from dialer.domain.commands import BlockPerson
from dialer.domain.events import LawLoaded, PersonRefused, RegistryLoaded, StandingsChanged
from dialer.domain.lead import Lead
from dialer.domain.outcome import Outcome
from dialer.domain.records import Attempt
from dialer.domain.standing import Consent, PastAttempt
from dialer.engine.state import Recent, State

REMEMBERED_S = 300.0
"""What became known so long before the oldest lead in hand was claimed was on the disk by then."""
GOOD_FOR_S = 26 * 3600.0
"""A claim's standing is good for a day at most."""
_LOOK_EVERY_S = 30.0
_FORGET_MAX = 100_000  # at once


def known(state: State, seller: str, lead: Lead) -> Known:
    """Give what has come to be known of a lead's person, and of the registers, since the engine started."""
    blocked = state.blocked.get(seller, {})
    since = [blocked[number.e164] for number in lead.numbers if number.e164 in blocked]
    calls = {
        call_id: state.recent[call_id].attempt
        for number in lead.numbers
        for call_id in state.recent_calls.get((seller, number.e164), ())
    }
    return Known(
        registries=state.registries,
        changed_at=state.standings_changed_at,
        blocked_at=min(since, default=None),
        recent=tuple(calls.values()),
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


def on_placed(state: State, attempt: Attempt, lead: Lead) -> None:
    """Remember an attempt from the instant of placing it: it counts for every campaign of the seller at once.

    The person called is known by every number of the lead, and counts as called by each of them.
    """
    if attempt.placed_at >= state.forget_at:
        _forget(state, attempt.placed_at)
    numbers = tuple(dict.fromkeys((attempt.number, *(number.e164 for number in lead.numbers))))
    past = PastAttempt(call_id=attempt.call_id, number=attempt.number, subject=attempt.subject, at=attempt.placed_at)
    _remember(state, Recent(seller=attempt.seller, numbers=numbers, attempt=past, known_at=attempt.placed_at))
    for number in numbers:
        key = (attempt.seller, number)
        state.in_flight[key] = state.in_flight.get(key, 0) + 1


def _remember(state: State, recent: Recent) -> None:
    """Keep an attempt as what became known last."""
    call_id = recent.attempt.call_id
    state.recent.pop(call_id, None)
    state.recent[call_id] = recent
    for number in recent.numbers:
        state.recent_calls.setdefault((recent.seller, number), {})[call_id] = None


def _forget(state: State, now: float) -> None:
    """Let go of attempts that the standing of every lead in hand has by now; none while its call is up."""
    state.forget_at = now + _LOOK_EVERY_S
    in_hand = [lead for campaign in state.campaigns.values() for lead in campaign.hopper.leads()]
    in_hand += [offer.lead for offer in state.offers.values()]
    claimed_at = min((0.0 if lead.standing is None else lead.standing.as_of_at for lead in in_hand), default=now)
    before_at = max(min(claimed_at, now) - REMEMBERED_S, now - GOOD_FOR_S)
    for call_id, oldest in tuple(islice(state.recent.items(), _FORGET_MAX)):
        if oldest.known_at >= before_at:
            return
        if call_id in state.calls:
            _remember(state, oldest)  # behind the others, which need not wait for its end
            continue
        del state.recent[call_id]
        for number in oldest.numbers:
            calls = state.recent_calls[oldest.seller, number]
            del calls[call_id]
            if not calls:
                del state.recent_calls[oldest.seller, number]


def on_over(state: State, attempt: Attempt) -> None:
    """Remember how an attempt ended."""
    for number in state.recent[attempt.call_id].numbers:
        key = (attempt.seller, number)
        state.in_flight[key] -= 1
        if not state.in_flight[key]:
            del state.in_flight[key]
    note(state, attempt)


def note(state: State, attempt: Attempt) -> None:
    """Remember what has become known of an attempt, by its end or by the agent's word."""
    recent = state.recent.get(attempt.call_id)
    past = PastAttempt(
        call_id=attempt.call_id,
        number=attempt.number,
        subject=attempt.subject,
        at=attempt.placed_at,
        is_abandoned=attempt.is_abandoned or attempt.outcome is Outcome.UNKNOWN,
        is_conversation=attempt.bridged_at is not None and attempt.is_live,
        is_refusal=attempt.is_refusal,
    )
    _remember(
        state,
        Recent(
            seller=attempt.seller,
            numbers=(attempt.number,) if recent is None else recent.numbers,
            attempt=past,
            known_at=max(attempt.placed_at, attempt.released_at or 0.0, attempt.disposed_at or 0.0),
        ),
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
