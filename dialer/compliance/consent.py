"""Has the person agreed to this call, or is it one that needs no agreement?

One rule governs: a consent counts only while all of it is true: this number, this seller, this purpose, obtained before
now, neither revoked nor expired, asked about again in time, and recorded with what the rule wants to see. A revocation
takes with it every earlier consent of its kind; that of the night leaves the day alone.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import inf

from dialer.compliance.case import Case, earliest, finding
from dialer.compliance.dates import day_of, due_at
from dialer.domain.law import ConsentException, ConsentRule, VoiceRule
from dialer.domain.standing import Consent
from dialer.domain.verdict import Finding, Inputs

CONSENT = "consent"
"""The name under which a rule is exempted by consent, beside the exceptions."""

WRITTEN_CONSENT = "written_consent"
"""The same, where the text wants it in writing."""

_MONTHS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Whether the person has agreed, or a fact bears out an exception, and until when that is so.

    `consents` are those that hold now: the first ceases to at `shrinks_at`, the last at `next_at`. Where there is none,
    `next_at` is when one begins to hold, and `why` what is wrong with those there are. At `grows_at` one more begins.
    """

    is_given: bool
    next_at: float | None
    consents: tuple[Consent, ...] = ()
    why: str = ""
    shrinks_at: float | None = None
    grows_at: float | None = None


def consents_of(case: Case, is_enough: Callable[[Consent], str] | None = None) -> Grant:
    """Find the consents to this call that hold now; `is_enough` says what one lacks for the use at hand."""
    purpose, now = case.policy.purpose, case.now
    ours = [each for each in case.standing.consents if _is_ours(each, case)]
    good: list[Consent] = []
    ends: list[float] = []
    grows_at: float | None = None
    why = "none" if not ours else f"none for {purpose}"
    for each in ours:
        if purpose not in each.purposes:
            continue
        lack = "" if is_enough is None else is_enough(each)
        if lack:
            why = lack
            continue
        from_at, end_at, end = _life_of(each, ours, case)
        if from_at > now:
            why = "not yet given" if each.obtained_at > now else end
            grows_at = earliest(grows_at, from_at)
        elif end_at <= now:
            why = end
        else:
            good.append(each)
            ends.append(end_at)
    if not good:
        return Grant(is_given=False, next_at=grows_at, why=why, grows_at=grows_at)
    return Grant(
        is_given=True,
        next_at=_or_never(max(ends)),
        consents=tuple(good),
        shrinks_at=_or_never(min(ends)),
        grows_at=grows_at,
    )


def _or_never(at: float) -> float | None:
    return None if at == inf else at


def written_consents_of(case: Case) -> Grant:
    """Find the consents to this call that hold now and were given in writing."""
    return consents_of(case, lambda consent: "" if consent.is_written else "not in writing")


def _life_of(consent: Consent, others: list[Consent], case: Case) -> tuple[float, float, str]:
    """Give from when to when a consent holds, as far as is known now, and how it ends."""
    ends = [(at, "revoked") for other in others if (at := _taken_at(other, consent)) is not None]
    if consent.expires_at is not None:
        ends.append((consent.expires_at, "expired"))
    from_at, years = consent.obtained_at, case.today.reconfirm_years
    if years is not None:
        confirm_at = confirm_by(consent, years, case.today.zones, case.now)
        if confirm_at <= case.now and (consent.confirmed_at or 0.0) > case.now:
            from_at = consent.confirmed_at or 0.0  # it lapsed, and holds again once that has come
        ends.append((confirm_at, "to be confirmed"))
    end_at, end = min(ends, default=(inf, ""))
    return from_at, end_at, end


def _is_ours(consent: Consent, case: Case) -> bool:
    seller = case.policy.seller
    is_named = consent.seller == seller or (consent.seller != "" and seller in consent.recipients)
    return is_named and consent.number == case.number.e164


def _taken_at(revoked: Consent, consent: Consent) -> float | None:
    """Say when a revocation ends a consent: its own, or one given before for a purpose of the same (None: never)."""
    at = revoked.revoked_at
    if at is None or revoked is consent:
        return at
    if (revoked.is_night and not consent.is_night) or consent.obtained_at > at:
        return None
    return at if any(purpose in consent.purposes for purpose in revoked.purposes) else None


def confirm_by(consent: Consent, years: int, zones: Iterable[str], now: float) -> float:
    """Give the instant by which the person must have been asked again: the day begins, so many years after the last.

    A confirmation of later than `now` has not been made yet; one of before the consent confirms nothing.
    """
    asked_at = consent.obtained_at
    if consent.confirmed_at is not None and asked_at < consent.confirmed_at <= now:
        asked_at = consent.confirmed_at
    return due_at(asked_at, years * _MONTHS, tuple(zones))


def exception_of(exception: ConsentException, case: Case) -> Grant:
    """Say whether the campaign claims an exception and the facts bear it out; one of an unknown name never holds."""
    policy, lead = case.policy, case.lead
    if exception.name not in policy.compliance.exceptions:
        return Grant(is_given=False, next_at=None)
    match exception.name:
        case "existing_customer":
            return _since(lead.relationship.bought_at, exception.months, case)
        case "inquiry":
            return _since(lead.relationship.inquired_at, exception.months, case)
        case "contract":
            is_given = lead.relationship.has_contract
        case "business":
            is_given = policy.compliance.audience == "business"
        case "charity":
            is_given = policy.purpose == "charity"
        case "solicitation":
            is_given = policy.compliance.voice == "human" and lead.source != ""
        case name:
            is_given = name == "press"
    return Grant(is_given=is_given, next_at=None)


def _since(at: float | None, months: int | None, case: Case) -> Grant:
    """Say whether something happened within so many months (None: ever)."""
    if at is None:
        return Grant(is_given=False, next_at=None)
    if at > case.now:
        return Grant(is_given=False, next_at=at)
    if months is None:
        return Grant(is_given=True, next_at=None)
    end_at = due_at(at, months, case.today.zones)
    return Grant(is_given=True, next_at=end_at) if case.now < end_at else Grant(is_given=False, next_at=None)


def check_consents(case: Case) -> Iterator[Finding]:
    """Ask every rule on consent."""
    for rule in case.today.rules.consents:
        yield _check_consent(rule, case)


def _check_consent(rule: ConsentRule, case: Case) -> Finding:
    if not rule.is_opt_in:
        return finding(rule, True, (("consent", "not needed"),))
    next_at: float | None = None
    for exception in rule.exceptions:
        grant = exception_of(exception, case)
        if grant.is_given:
            return finding(rule, True, (("exception", exception.name),), grant.next_at)
        next_at = earliest(next_at, grant.next_at)
    grant = consents_of(case, lambda consent: lacks(rule, consent))
    if grant.is_given:
        return finding(rule, True, described(grant), grant.next_at)
    return finding(rule, False, (("consent", grant.why),), earliest(next_at, grant.next_at))


def lacks(rule: ConsentRule, consent: Consent) -> str:
    """Say what a consent's record lacks of what a rule wants to see; empty when nothing."""
    for need in rule.needs:
        match need:
            case "text":
                is_there = consent.text_hash != ""
            case "source":
                is_there = consent.source != ""
            case "written":
                is_there = consent.is_written
            case _:  # the seller is the one who asked or is named as a recipient: no other consent gets here
                is_there = need == "recipient"
        if not is_there:
            return f"without {need}"
    return ""


def described(grant: Grant) -> Inputs:
    """Give the consents relied on, by number and day: never whose."""
    first = grant.consents[0]
    return (("consent", f"no. {first.consent_id} of {day_of(first.obtained_at)}"),)


def check_voices(case: Case) -> Iterator[Finding]:
    """Ask every rule on the voice that speaks."""
    for rule in case.today.rules.voices:
        yield _check_voice(rule, case)


def _check_voice(rule: VoiceRule, case: Case) -> Finding:
    voice = case.policy.compliance.voice
    if voice in rule.free:
        return finding(rule, True, (("voice", voice),))
    grant = written_consents_of(case)
    if grant.is_given:
        return finding(rule, True, (("voice", voice), *described(grant)), grant.next_at)
    return finding(rule, False, (("voice", voice), ("written_consent", grant.why)), grant.next_at)
