"""How often, and how soon again, a person may be called."""

from dataclasses import replace

import pytest

from dialer.compliance.gate import Known
from dialer.domain.law import CooldownAfter, CountedPer
from dialer.domain.standing import PastAttempt
from dialer.domain.verdict import Verdict
from tests.laws import attempt_rule, cooldown_rule, past, redial_rule
from tests.unit.compliance.asking import (
    DAY_S,
    NOW,
    NUMBER,
    SECOND,
    ask,
    at,
    campaign,
    declared,
    korea,
    number,
    outcome,
    person,
)

HOUR_S = 3600.0
WEEK_S = 7 * DAY_S


def ago(*hours: float, e164: str = NUMBER, **facts: object) -> list[PastAttempt]:
    """Attempts so many hours ago, the longest ago first."""
    return [past(index, e164, NOW - hour * HOUR_S, **facts) for index, hour in enumerate(hours, start=1)]


def test_a_person_is_called_so_often_in_any_window() -> None:
    """Three in 24 hours: the fourth when the first has left the window, to the second."""
    rules = korea(attempt_rule(3))
    assert ask(rules, past=ago(23, 1)).allowed
    refused = ask(rules, past=ago(23, 2, 1))
    assert outcome(refused) == (False, "XX.attempts", NOW + HOUR_S)
    assert refused.inputs == (("attempts per person and 1 d", "3 of 3"),)
    assert ask(rules, past=ago(23, 2, 1), now=NOW + HOUR_S).allowed
    assert ask(rules, past=ago(24, 2, 1)).allowed
    assert ask(rules, past=ago(23, 22, 21, 2, 1)).next_at == NOW + 3 * HOUR_S


def test_a_cap_of_none_is_for_good() -> None:
    """Nothing leaves a window that may hold nothing."""
    assert outcome(ask(korea(attempt_rule(0)))) == (False, "XX.attempts", None)
    assert outcome(ask(korea(attempt_rule(0, None)), past=ago(1))) == (False, "XX.attempts", None)


@pytest.mark.parametrize(
    ("per", "allowed"),
    [(CountedPer.NUMBER, (True, True)), (CountedPer.PERSON, (False, False)), (CountedPer.SUBJECT, (False, True))],
)
def test_caps_count_by_number_person_or_subject(per: CountedPer, allowed: tuple[bool, bool]) -> None:
    """A call to another number of the person's, about the same and about something else."""
    lead = person(number(), number(SECOND))
    same, other = ago(1, e164=SECOND), ago(1, e164=SECOND, subject="a loan")
    answers = tuple(ask(korea(attempt_rule(1, per=per)), lead=lead, past=each).allowed for each in (same, other))
    assert answers == allowed


def test_an_unnamed_subject_is_any() -> None:
    """Of an attempt, or of the campaign: what is not known counts."""
    rules = korea(attempt_rule(1, per=CountedPer.SUBJECT))
    assert not ask(rules, past=ago(1, subject="")).allowed
    assert not ask(rules, past=ago(1, subject="a loan"), policy=declared(subject="")).allowed


def test_a_day_is_the_persons_own() -> None:
    """Three a day: at midnight there, not after 24 hours."""
    rules = korea(attempt_rule(1, None))
    assert outcome(ask(rules, past=ago(1))) == (False, "XX.attempts", at(2026, 11, 24))
    assert ask(rules, past=ago(1)).inputs == (("attempts per person and day", "1 of 1"),)
    assert ask(rules, past=ago(1), now=at(2026, 11, 24)).allowed
    assert ask(rules, past=ago(14.5)).allowed


def test_a_day_ends_in_the_last_zone_where_it_is_full() -> None:
    """The place of a person with two plausible zones is full until both have a new day."""
    lead = person(number(NUMBER, "KR", "Asia/Seoul", "Asia/Kathmandu"))
    rules = korea(attempt_rule(1, None))
    assert ask(rules, lead=lead, past=ago(1)).next_at == at(2026, 11, 24, zone="Asia/Kathmandu")
    before = [past(1, NUMBER, at(2026, 11, 22, 23, 30))]  # yesterday in Seoul and in Kathmandu
    assert ask(rules, lead=lead, past=before).allowed
    night = [past(1, NUMBER, at(2026, 11, 23, 1))]  # today in Seoul, yesterday in Kathmandu
    assert ask(rules, lead=lead, past=night).next_at == at(2026, 11, 24)


def test_attempts_of_this_run_count_once() -> None:
    """The one that both storage and the engine know of is the engine's."""
    rules = korea(attempt_rule(2), redial_rule(is_waived_by_agent=False))
    known = Known(recent=(past(1, NUMBER, NOW - HOUR_S, is_abandoned=True),))
    assert ask(korea(attempt_rule(2)), past=ago(1), known=known).allowed
    assert ask(rules, past=ago(1), known=known).rule == "XX.redial"
    more = Known(recent=(past(2, NUMBER, NOW - 60.0),))
    assert ask(rules, past=ago(1), known=more).rule == "XX.attempts"


def test_after_a_refusal_there_is_a_wait() -> None:
    """From the last one about the subject; for good where the rule says so."""
    refused = ago(50, 2, is_refusal=True)
    assert outcome(ask(korea(cooldown_rule(60 * DAY_S)), past=refused)) == (
        False,
        "XX.cooldown",
        NOW + 60 * DAY_S - 2 * HOUR_S,
    )
    assert outcome(ask(korea(cooldown_rule(None)), past=refused)) == (False, "XX.cooldown", None)
    assert ask(korea(cooldown_rule(2 * HOUR_S)), past=refused).allowed
    assert ask(korea(cooldown_rule(None)), past=ago(2, is_refusal=True, subject="a loan")).allowed
    assert ask(korea(cooldown_rule(None)), past=ago(2, is_conversation=True)).allowed


def test_after_a_conversation_there_is_a_wait() -> None:
    """A week after the last."""
    rules = korea(cooldown_rule(WEEK_S, CooldownAfter.CONVERSATION))
    assert ask(rules, past=ago(2, is_conversation=True)).next_at == NOW + WEEK_S - 2 * HOUR_S
    assert ask(rules, past=ago(2, is_refusal=True)).allowed


def redial(verdict: Verdict) -> tuple[bool, bool, float | None]:
    """Allowed, only with an agent, and until when."""
    return verdict.allowed, verdict.needs_agent, verdict.next_at


def test_after_an_abandonment_the_next_call_waits() -> None:
    """Three days, unless an agent is reserved where the rule lets that do."""
    strict = korea(redial_rule(is_waived_by_agent=False))
    assert redial(ask(strict, past=ago(71, is_abandoned=True))) == (False, False, NOW + HOUR_S)
    waived = korea(redial_rule())
    assert redial(ask(waived, past=ago(71, is_abandoned=True))) == (True, True, NOW + HOUR_S)
    assert redial(ask(waived, past=ago(72, is_abandoned=True))) == (True, False, NOW + DAY_S)
    after = korea(redial_rule(is_waived_by_agent=False, is_agent_needed=True))
    assert redial(ask(after, past=ago(72, is_abandoned=True))) == (True, True, NOW + DAY_S)


def test_the_debt_of_an_abandonment_is_paid_by_a_conversation() -> None:
    """Whatever number was called; an attempt that came to nothing pays nothing."""
    rules = korea(redial_rule(is_waived_by_agent=False))
    abandoned = past(1, SECOND, NOW - 5 * HOUR_S, is_abandoned=True)
    missed = past(2, NUMBER, NOW - 4 * HOUR_S)
    talked = replace(missed, is_conversation=True)
    assert not ask(rules, past=[abandoned, missed]).allowed
    assert ask(rules, past=[abandoned, talked]).allowed
    assert not ask(rules, past=[talked, replace(abandoned, at=NOW - HOUR_S)], policy=campaign()).allowed
