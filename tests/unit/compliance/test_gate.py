"""The gate's answer for one number: the first refusal wins, and it says when to ask again."""

from dataclasses import replace

import pytest

from dialer.compliance.gate import Gate, places
from tests.unit.engine.rig import AT, lead, policy

KNOWN = lead(1)
NUMBER = KNOWN.numbers[0]


def test_an_open_place_is_allowed_until_it_closes() -> None:
    """Half past nine in London: until the lunch break."""
    verdict = Gate(policy()).decide(KNOWN, NUMBER, AT, is_blocked=False)
    assert (verdict.allowed, verdict.rule, verdict.next_at) == (True, "allowed", AT + 2.5 * 3600.0)


def test_a_closed_place_says_when_it_opens() -> None:
    """An hour before nine."""
    verdict = Gate(policy()).decide(KNOWN, NUMBER, AT - 5400.0, is_blocked=False)
    assert (verdict.allowed, verdict.rule, verdict.next_at) == (False, "calling_hours", AT - 1800.0)


@pytest.mark.parametrize(
    ("known", "rule"),
    [
        (replace(KNOWN, attempts=5), "attempts_max"),
        (replace(KNOWN, numbers=(replace(NUMBER, attempts=2),)), "attempts_each"),
        (replace(KNOWN, numbers=(replace(NUMBER, is_invalid=True),)), "number_invalid"),
        (replace(KNOWN, numbers=(replace(NUMBER, zones=()),)), "calling_hours"),
        (replace(KNOWN, zone="Mars/Olympus"), "calling_hours"),
    ],
)
def test_what_will_not_change_refuses_for_good(known: object, rule: str) -> None:
    """Spent attempts, an invalid number, an unknown place: no instant at which to ask again."""
    assert isinstance(known, type(KNOWN))
    verdict = Gate(policy()).decide(known, known.numbers[0], AT, is_blocked=False)
    assert (verdict.allowed, verdict.rule, verdict.next_at) == (False, rule, None)


def test_do_not_call_comes_first() -> None:
    """Whatever else is wrong, that is the reason given."""
    verdict = Gate(policy()).decide(replace(KNOWN, attempts=9), NUMBER, AT, is_blocked=True)
    assert (verdict.allowed, verdict.rule) == (False, "do_not_call")


def test_the_lists_word_narrows_nothing() -> None:
    """A zone from the list is added to those that the number allows, never put in their place."""
    assert places(replace(KNOWN, zone="Asia/Seoul"), NUMBER) == ("Asia/Seoul", "Europe/London")
    assert places(replace(KNOWN, zone="Europe/London"), NUMBER) == ("Europe/London",)
