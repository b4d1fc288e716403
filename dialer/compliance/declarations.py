"""What a campaign file declares, against what the rules ask of it: ringing, abandonment, the number shown.

One rule governs: a campaign may be stricter than a rule, never laxer. Nothing here changes by itself.
"""

from collections.abc import Iterator

from dialer.compliance.applying import Applying
from dialer.compliance.case import finding
from dialer.domain.law import AbandonmentRule, CallerIdRule, RingRule
from dialer.domain.policy import AbandonmentPolicy, CampaignPolicy, ClockStart
from dialer.domain.verdict import Finding

_CLOCKS = (ClockStart.ANSWER, ClockStart.GREETING_START, ClockStart.GREETING_END)  # the earliest first


def check_rings(policy: CampaignPolicy, rules: Applying) -> Iterator[Finding]:
    """Ask every rule on the least time of ringing."""
    for rule in rules.rings:
        yield _check_ring(rule, policy)


def _check_ring(rule: RingRule, policy: CampaignPolicy) -> Finding:
    ring_s = policy.pacing.ring_timeout_s
    inputs = (("ring_timeout_s", f"{ring_s:g}"), ("min_ring_s", f"{rule.min_ring_s:g}"))
    return finding(rule, ring_s >= rule.min_ring_s, inputs)


def check_abandonments(policy: CampaignPolicy, rules: Applying) -> Iterator[Finding]:
    """Ask every rule on abandonments."""
    for rule in rules.abandonments:
        faults = tuple(_abandonment_faults(rule, policy.abandonment))
        yield finding(rule, not faults, faults or (("abandonment", "as declared"),))


def _abandonment_faults(rule: AbandonmentRule, declared: AbandonmentPolicy) -> Iterator[tuple[str, str]]:
    """Give what is laxer in a campaign's file than in the rule."""
    if rule.cap_rate is not None and declared.cap_rate > rule.cap_rate:
        yield "cap_rate", f"{declared.cap_rate:g}, at most {rule.cap_rate:g}"
    if rule.windows and declared.window not in rule.windows:
        yield "window", f"{declared.window}, not {' or '.join(rule.windows)}"
    if declared.threshold_s > rule.threshold_s:
        yield "threshold_s", f"{declared.threshold_s:g}, at most {rule.threshold_s:g}"
    if _CLOCKS.index(declared.starts_at) > _CLOCKS.index(rule.starts_at):
        yield "starts_at", f"{declared.starts_at}, not after {rule.starts_at}"
    if rule.is_message_required and declared.message is None:
        yield "message", "none"
    unsaid = [each for each in rule.message_says if each not in declared.message_says]
    if unsaid and (rule.is_message_required or declared.message is not None):
        yield "message_says", f"not {', '.join(unsaid)}"


def check_caller_ids(policy: CampaignPolicy, rules: Applying) -> Iterator[Finding]:
    """Ask every rule on the number shown."""
    for rule in rules.caller_ids:
        yield _check_caller_id(rule, policy)


def _check_caller_id(rule: CallerIdRule, policy: CampaignPolicy) -> Finding:
    shown = policy.caller_id
    if not shown:
        return finding(rule, not rule.is_required and not rule.prefixes, (("caller_id", "none"),))
    is_right = not rule.prefixes or shown.startswith(rule.prefixes)
    prefixes = f", must begin with {' or '.join(rule.prefixes)}" if rule.prefixes else ""
    return finding(rule, is_right, (("caller_id", f"named{prefixes}"),))
