"""Is the number on a register of people who must not be called?

One rule governs: no copy, or one that is too old, proves nothing, and the call is not made.
"""

from collections.abc import Iterator

from dialer.compliance.case import Case, earliest, finding
from dialer.compliance.consent import (
    CONSENT,
    WRITTEN_CONSENT,
    Grant,
    consents_of,
    exception_of,
    written_consents_of,
)
from dialer.compliance.dates import utc
from dialer.compliance.hours import DAY_S
from dialer.domain.law import ConsentException, RegistryRule
from dialer.domain.verdict import Finding


def check_registries(case: Case) -> Iterator[Finding]:
    """Ask every rule on registers."""
    for rule in case.today.rules.registries:
        yield _check_registry(rule, case)


def _check_registry(rule: RegistryRule, case: Case) -> Finding:
    key = f"register {rule.registry}"
    later: float | None = None
    for exception in rule.exempt_by:
        grant = _exemption(exception, case)
        if grant.is_given:
            return finding(rule, True, ((key, f"exempt by {exception.name}"),), grant.next_at)
        later = earliest(later, grant.next_at)
    copy = case.known.registries.get(rule.registry)
    if copy is None:
        return finding(rule, False, ((key, "no copy"),), later)
    text = f"{copy.version} received {utc(copy.received_at)}"
    if copy.received_at > case.now:
        return finding(rule, False, ((key, f"{text}: not yet"),), earliest(later, copy.received_at))
    stale_at = None if rule.max_age_days is None else copy.received_at + rule.max_age_days * DAY_S
    if stale_at is not None and case.now >= stale_at:
        return finding(rule, False, ((key, f"{text}: older than {rule.max_age_days} d"),), later)
    if (rule.registry, case.number.e164) in case.standing.listed:
        return finding(rule, False, ((key, f"{text}: listed"),), later)
    return finding(rule, True, ((key, f"{text}: not listed"),), stale_at)


def _exemption(exception: ConsentException, case: Case) -> Grant:
    if exception.name == CONSENT:
        return consents_of(case)
    if exception.name == WRITTEN_CONSENT:
        return written_consents_of(case)
    return exception_of(exception, case)
