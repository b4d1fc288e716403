"""The gate's answer for one number: the first refusal wins, and it says when to ask again."""

from dataclasses import replace
from typing import Any

import pytest

from dialer.compliance.gate import Gate, Known, places
from dialer.domain.law import Force, Grade, Law
from dialer.domain.policy import HoursPolicy
from tests.laws import ALL_DAY, hours_rule, law, open_law, past, ruleset, standing, week
from tests.properties.floor import HOURS
from tests.unit.compliance.asking import (
    DAY_S,
    NOW,
    NUMBER,
    ask,
    at,
    campaign,
    fresh,
    korea,
    number,
    of_rule,
    outcome,
    person,
    trace,
)

OFFICE = replace(campaign(), hours=HOURS)  # nine to six, with a lunch break


def test_an_open_place_is_allowed_until_it_closes() -> None:
    """At two in the afternoon, until six; the verdict says where and by which rules."""
    verdict = ask(open_law(), policy=OFFICE)
    assert outcome(verdict) == (True, "allowed", NOW + 4 * 3600.0)
    assert not verdict.needs_agent
    told = dict(verdict.inputs)
    assert (told["zones"], told["local"]) == ("Asia/Seoul", "Mon 2026-11-23 14:00")
    assert (told["jurisdictions"], told["rulesets"]) == ("KR", "KR 1")


def test_a_closed_place_says_when_it_opens() -> None:
    """At eight in the morning the campaign's own hours say no, until nine."""
    assert outcome(ask(open_law(), now=NOW - 6 * 3600.0, policy=OFFICE)) == (False, "calling_hours", NOW - 5 * 3600.0)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"attempts": 5}, "attempts_max"),
        ({"numbers": (number(attempts=2),)}, "attempts_each"),
        ({"numbers": (number(is_invalid=True),)}, "number_invalid"),
        ({"numbers": (replace(number(), zones=()),)}, "calling_hours"),
        ({"zone": "Mars/Olympus"}, "calling_hours"),
        ({"jurisdiction": "MX"}, "no_ruleset"),
    ],
)
def test_what_will_not_change_refuses_for_good(changes: dict[str, Any], rule: str) -> None:
    """Spent attempts, an invalid number, an unknown place or law: no instant at which to ask again."""
    assert outcome(ask(open_law(), lead=replace(person(), **changes))) == (False, rule, None)


@pytest.mark.parametrize("facts", [{"blocked_at": NOW - 1.0}, {"blocked_at": NOW + 60.0}])
def test_do_not_call_comes_first(facts: dict[str, float]) -> None:
    """Whatever else is wrong, that is the reason given; a clock that is ahead does not let a call through."""
    lead = replace(person(), attempts=9)
    assert outcome(ask(Law(), lead=lead, **facts)) == (False, "do_not_call", None)
    assert outcome(ask(Law(), lead=lead, known=Known(**facts))) == (False, "do_not_call", None)


def test_a_law_without_rulesets_allows_nothing() -> None:
    """What is not known refuses."""
    assert outcome(ask(Law())) == (False, "no_ruleset", None)


@pytest.mark.parametrize(
    ("known_of", "changed_at"),
    [(None, 0.0), (standing(NOW - 10.0), NOW - 5.0), (standing(NOW - DAY_S), 0.0)],
    ids=["missing", "before a change", "a day old"],
)
def test_without_fresh_knowledge_storage_is_asked_again(known_of: Any, changed_at: float) -> None:
    """No standing, one from before something changed, and one that is a day old: ask again at once."""
    lead = replace(person(), standing=known_of)
    verdict = Gate(campaign(), open_law()).decide(lead, lead.numbers[0], NOW, Known(changed_at=changed_at))
    assert outcome(verdict) == (False, "standing", NOW)


def test_a_standing_is_good_for_a_day() -> None:
    """Until then, and not for longer, what it knew is relied on."""
    lead = replace(person(), standing=standing(NOW - DAY_S + 60.0))
    verdict = Gate(campaign(), open_law()).decide(lead, lead.numbers[0], NOW, Known(changed_at=NOW - DAY_S))
    assert outcome(verdict) == (True, "allowed", NOW + 60.0)


def test_findings_go_on_after_a_refusal_in_the_published_order() -> None:
    """The trace holds every rule, the campaign's own first."""
    rules = (hours_rule(week((8, 12)), "KR.hours.early"), hours_rule(ALL_DAY, "KR.hours.any"))
    found = trace(korea(*rules), lead=person(attempts=9), policy=OFFICE)
    expected = ["standing", "do_not_call", "number_invalid", "attempts_max", "attempts_each", "jurisdiction"]
    assert [each.rule for each in found] == [*expected, "calling_hours", "KR.hours.early", "KR.hours.any"]
    assert [each.rule for each in found if not each.allowed] == ["attempts_max", "KR.hours.early"]
    cap = of_rule(found, "attempts_max")
    assert (cap.force, cap.grade, cap.source) == (Force.HOUSE, Grade.PRIMARY, "the campaign file")
    assert cap.inputs == (("attempts_max_made", "9"), ("attempts_max", "5"))


def test_a_finding_speaks_with_the_force_of_its_rule() -> None:
    """Force, grade and source are the rule's; one that nobody verified is a house rule."""
    known = hours_rule(ALL_DAY, "KR.known", force=Force.CODE, grade=Grade.SECONDARY, source="a press page")
    found = trace(korea(known, hours_rule(ALL_DAY, "KR.hearsay", grade=Grade.UNVERIFIED)))
    assert [(each.force, each.grade, each.source) for each in found[-2:]] == [
        (Force.CODE, Grade.SECONDARY, "a press page"),
        (Force.HOUSE, Grade.UNVERIFIED, "a test"),
    ]


def test_the_next_allowed_instant_suits_every_rule() -> None:
    """Campaign from nine, one rule from ten, another from four in the afternoon: four, whichever refused first."""
    rules = korea(hours_rule(week((10, 20)), "KR.a"), hours_rule(week((16, 17)), "KR.b"))
    gate, lead = Gate(OFFICE, rules), person()
    night = at(2026, 11, 22, 23)
    assert gate.next_allowed_at(fresh(lead, night), lead.numbers[0], night, Known()) == at(2026, 11, 23, 16)
    assert gate.next_allowed_at(lead, lead.numbers[0], at(2026, 11, 23, 16, 30), Known()) == at(2026, 11, 23, 16, 30)
    never = Gate(OFFICE, korea(hours_rule(week((20, 21)))))
    assert never.next_allowed_at(lead, lead.numbers[0], NOW, Known()) is None  # each opens, never together
    assert gate.next_allowed_at(person(attempts=9), lead.numbers[0], NOW, Known()) is None
    assert gate.next_allowed_at(replace(lead, standing=None), lead.numbers[0], NOW, Known()) == NOW


def test_the_place_that_closes_last_is_remembered() -> None:
    """Only of places that were found open, and until they close."""
    gate = Gate(campaign(), korea(hours_rule(week((8, 21)))))
    near, far = person(), person(number(NUMBER, "KR", "America/New_York"))
    assert (gate.closes_at(NOW), gate.open_last(NOW)) == (float("inf"), None)
    for lead in (near, far):  # it is midnight in New York
        gate.decide(lead, lead.numbers[0], NOW, Known())
    assert gate.closes_at(NOW) == at(2026, 11, 23, 21)
    assert gate.open_last(NOW) == ("Asia/Seoul",)
    assert gate.open_last(at(2026, 11, 23, 21)) is None


def test_looking_ahead_forgets_nothing_of_today() -> None:
    """What a trace or a look into the future asks about does not count as open."""
    gate, lead = Gate(campaign(), korea(hours_rule(week((8, 21))))), person()
    list(gate.findings(lead, lead.numbers[0], NOW, Known()))
    gate.next_allowed_at(lead, lead.numbers[0], NOW + DAY_S, Known())
    assert gate.closes_at(NOW) == float("inf")


def test_the_lists_word_narrows_nothing() -> None:
    """A zone from the list is added to those that the number allows, never put in their place."""
    lead = person()
    assert places(replace(lead, zone="Europe/London"), lead.numbers[0]) == ("Europe/London", "Asia/Seoul")
    assert places(replace(lead, zone="Asia/Seoul"), lead.numbers[0]) == ("Asia/Seoul",)


def test_an_attempt_dated_ahead_is_looked_at_when_it_comes() -> None:
    """It does not count yet, and the answer is not said to hold beyond it."""
    verdict = ask(open_law(), past=[past(1, NUMBER, NOW + 60.0)])
    assert outcome(verdict) == (True, "allowed", NOW + 60.0)


def test_no_input_holds_a_number() -> None:
    """Verdicts are logged and kept."""
    lead = person(name="Example Person")
    for each in trace(law(ruleset("KR", hours_rule(week((8, 21))))), lead=lead):
        assert NUMBER[3:] not in repr(each.inputs) and "Example Person" not in repr(each.inputs)


def test_campaign_hours_only_narrow() -> None:
    """A rule that is open all day does not open the campaign."""
    closed = replace(campaign(), hours=HoursPolicy(week=((),) * 7))
    assert outcome(ask(open_law(), policy=closed)) == (False, "calling_hours", None)
