"""How often, and how soon again, may a person be called?

One rule governs: every attempt counts, of any campaign of the seller's and however it ended, from the instant at which
it was placed.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from dialer.compliance.applying import Applying
from dialer.compliance.case import Case, earliest, finding
from dialer.compliance.dates import duration
from dialer.domain.law import AttemptRule, CooldownAfter, CooldownRule, CountedPer, RedialRule
from dialer.domain.standing import PastAttempt
from dialer.domain.verdict import Finding, Inputs

_NOT_ABANDONED: Inputs = (("last abandonment", "none"),)


def check_attempts(case: Case) -> Iterator[Finding]:
    """Ask every cap on attempts."""
    for rule in case.today.rules.attempts:
        counted = _counted(rule, case)
        count, next_at = _daily(rule, counted, case) if rule.window_s is None else _rolling(rule, counted, case)
        inputs = ((_name_of(rule.per, rule.window_s), f"{count} of {rule.most}"),)
        yield finding(rule, count < rule.most, inputs, next_at)


@lru_cache(maxsize=256)
def _name_of(per: CountedPer, window_s: float | None) -> str:
    """Write what is counted."""
    return f"attempts per {per} and {'day' if window_s is None else duration(window_s)}"


def _counted(rule: AttemptRule, case: Case) -> Sequence[PastAttempt]:
    match rule.per:
        case CountedPer.NUMBER:
            return [each for each in case.past if each.number == case.number.e164]
        case CountedPer.PERSON:
            return case.past
        case CountedPer.SUBJECT:
            return case.about_subject


def _rolling(rule: AttemptRule, counted: Sequence[PastAttempt], case: Case) -> tuple[int, float | None]:
    """Give the attempts in the window that ends now, and when so many of them have left it that one more fits in."""
    window_s, now = rule.window_s or 0.0, case.now
    inside = [at for each in counted if (at := each.at + window_s) > now]
    if len(inside) < rule.most or rule.most < 1:
        return len(inside), None
    return len(inside), inside[len(inside) - rule.most]


def _daily(rule: AttemptRule, counted: Sequence[PastAttempt], case: Case) -> tuple[int, float | None]:
    """Give the most attempts on today's date in one of the zones, and when the last zone that is full has a new day."""
    most, next_at = 0, None
    for start_at, end_at in case.today.spans:
        count = 0
        for each in counted:
            if each.at >= start_at:
                count += 1
        most = max(most, count)
        if 1 <= rule.most <= count:
            next_at = end_at if next_at is None else max(next_at, end_at)
    return most, next_at


def check_waits(case: Case) -> Iterable[Finding]:
    """Ask every wait after a conversation or refusal, and every rule on the next call after an abandonment."""
    abandoned_at: float | None = None
    is_silent = True
    for each in case.past:
        if each.is_abandoned:
            abandoned_at, is_silent = each.at, False
        elif each.is_conversation:
            abandoned_at, is_silent = None, False
        elif each.is_refusal:
            is_silent = False
    return case.today.waits if is_silent else _check_waits(case, abandoned_at)


def check_no_waits(rules: Applying) -> Iterator[Finding]:
    """Give what the same rules say of a person who was neither spoken with nor abandoned."""
    for rule in rules.cooldowns:
        yield finding(rule, True, ((f"last {rule.after}", "none"),))
    for redial in rules.redials:
        yield finding(redial, True, _NOT_ABANDONED)


def _check_waits(case: Case, abandoned_at: float | None) -> Iterator[Finding]:
    for rule in case.today.rules.cooldowns:
        yield _check_cooldown(rule, case)
    for redial in case.today.rules.redials:
        yield _check_redial(redial, case, abandoned_at)


def _check_cooldown(rule: CooldownRule, case: Case) -> Finding:
    of_conversation = rule.after is CooldownAfter.CONVERSATION
    last_at: float | None = None
    for each in case.about_subject:
        if each.is_conversation if of_conversation else each.is_refusal:
            last_at = each.at
    key = f"last {rule.after}"
    if last_at is None:
        return finding(rule, True, ((key, "none"),))
    ago = ((key, f"{duration(float(int(case.now - last_at)))} ago"),)
    if rule.wait_s is None:
        return finding(rule, False, ago)
    is_over = case.now >= last_at + rule.wait_s
    return finding(rule, is_over, ago, None if is_over else last_at + rule.wait_s)


def _check_redial(rule: RedialRule, case: Case, abandoned_at: float | None) -> Finding:
    if abandoned_at is None:
        return finding(rule, True, _NOT_ABANDONED)
    ago = (("last abandonment", f"{duration(float(int(case.now - abandoned_at)))} ago"),)
    over_at = abandoned_at + rule.wait_s
    if case.now >= over_at:
        return finding(rule, True, ago, needs_agent=rule.is_agent_needed)
    return finding(rule, rule.is_waived_by_agent, ago, earliest(over_at), needs_agent=rule.is_waived_by_agent)
