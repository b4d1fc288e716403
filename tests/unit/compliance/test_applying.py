"""Whose law applies to a call, and which of its rules."""

from dataclasses import replace

import pytest

from dialer.compliance.applying import Applying, applying, codes_of
from dialer.domain.law import HOUSE, Law, Rule
from tests.laws import ALL_DAY, hours_rule, law, override, ring_rule, ruleset, voice_rule, week
from tests.unit.compliance.asking import ask, at, campaign, korea, number, outcome, person

DAY = hours_rule(ALL_DAY, "D")


def ids(found: Applying) -> list[str]:
    """Which rules apply."""
    return [rule.rule_id for rule in found.rules()]


def apply(rules: Law, *codes: str, purpose: str = "survey", audience: str = "consumer") -> list[str]:
    """Which rules apply in these places."""
    return ids(applying(rules, codes, purpose, audience))


def day(*when: int) -> int:
    """The ordinal of a day."""
    return int(at(*when, 12, zone="UTC") // 86400) + 719163


def test_every_place_has_its_say() -> None:
    """Those of the number and that of the known address; the campaign's country only where nothing else is known."""
    lead, policy = replace(person(), jurisdiction="JP"), campaign()
    assert codes_of(lead, number(), policy) == ("KR", "JP")
    assert codes_of(lead, number(jurisdictions=("US-FL", "JP")), policy) == ("US-FL", "JP")
    assert codes_of(person(), number(region=""), policy) == ("GB",)


def test_parents_and_countries_apply_too() -> None:
    """A state is under its country, whether its ruleset says so or not; a member of the union under the union."""
    rules = law(
        ruleset("US", ring_rule(1, "US.ring")),
        ruleset("US-FL", ring_rule(2, "US-FL.ring")),
        ruleset("DE", ring_rule(3, "DE.ring"), parents=("EU",)),
        ruleset("EU", ring_rule(4, "EU.ring"), regions=("AT", "DE")),
    )
    assert apply(rules, "US-FL") == ["US-FL.ring", "US.ring"]
    assert apply(rules, "US-OH") == ["US.ring"]
    assert sorted(apply(rules, "DE")) == ["DE.ring", "EU.ring"]
    assert apply(rules, "AT") == ["EU.ring"]
    assert applying(rules, ("MX", "US-OH", "FR-75"), "survey", "consumer").missing == ("MX", "FR-75")


def test_a_parent_that_is_not_known_leaves_the_place_unknown() -> None:
    """Half of a place's law is not enough to call there."""
    assert applying(law(ruleset("DE", parents=("EU",))), ("DE",), "survey", "consumer").missing == ("DE",)


def test_parents_in_a_circle_apply_once() -> None:
    """However the files are written."""
    rules = law(ruleset("AA", ring_rule(1, "A"), parents=("BB",)), ruleset("BB", ring_rule(2, "B"), parents=("AA",)))
    assert apply(rules, "AA") == ["A", "B"]


def test_a_country_without_a_state_means_each_of_its_states() -> None:
    """Of a number that may be anywhere in the country, all rules of all states have to allow the call."""
    rules = law(ruleset("US", ring_rule(1, "US")), ruleset("US-FL", ring_rule(2, "FL")), ruleset("US-TX", DAY))
    assert sorted(apply(rules, "US")) == ["D", "FL", "US"]
    assert apply(rules, "PR") == []


def test_a_region_under_a_country_is_not_one_of_its_states() -> None:
    """Puerto Rico is under federal law and in none of the states."""
    rules = law(ruleset("US", ring_rule(1, "US"), regions=("PR",)), ruleset("US-FL", ring_rule(2, "FL")))
    assert apply(rules, "PR") == ["US"]


def test_rules_are_for_purposes_and_audiences() -> None:
    """A rule that names some holds for no others."""
    rules = korea(ring_rule(1, "debt", purposes=("debt",)), ring_rule(2, "firms", audiences=("business",)))
    assert apply(rules, "KR") == []
    assert apply(rules, "KR", purpose="debt") == ["debt"]
    assert apply(rules, "KR", audience="business") == ["firms"]


def test_the_house_stands_in_by_kind_and_purpose() -> None:
    """Where one place has no rule of a kind for such calls, also beside a place that has one."""
    house = ruleset(HOUSE, ring_rule(15, "house.ring"), voice_rule("human", rule_id="house.voice"))
    own = ruleset("KR", ring_rule(5, "KR.ring", purposes=("debt",)), voice_rule(rule_id="KR.voice"))
    assert apply(law(own, house), "KR", purpose="debt") == ["KR.ring", "KR.voice"]
    assert apply(law(own, house), "KR") == ["house.ring", "KR.voice"]
    both = law(own, ruleset("JP"), house)
    assert apply(both, "KR", "JP", purpose="debt") == ["KR.ring", "house.ring", "KR.voice", "house.voice"]


def test_the_house_stands_in_until_a_rule_begins_and_after_it_ended() -> None:
    """Not a day is left without a rule."""
    first, last = day(2026, 6, 1), day(2026, 9, 1)
    house = ruleset(HOUSE, ring_rule(15, "house.ring"))
    found = applying(law(ruleset("KR", ring_rule(5, "KR.ring", since=first, until=last)), house), ("KR",), "survey", "")
    assert [(rule.rule_id, rule.since, rule.until) for rule in found.rings] == [
        ("KR.ring", first, last),
        ("house.ring", None, first),
        ("house.ring", last, None),
    ]


@pytest.mark.parametrize("code", ["KR", HOUSE])
def test_an_operators_own_rules_come_on_top(code: str) -> None:
    """They take no rule's place, not even the house's; its own house rules hold everywhere."""
    house = ruleset(HOUSE, ring_rule(15, "house.ring"))
    mine = ruleset(code, ring_rule(1, "mine"), origin="rules/house.toml")
    assert sorted(apply(law(ruleset("KR"), house, mine), "KR")) == ["house.ring", "mine"]
    assert sorted(apply(law(ruleset("KR", ring_rule(2, "KR")), house, mine), "KR")) == ["KR", "mine"]


def test_an_overridden_rule_is_left_out_and_not_replaced() -> None:
    """The house does not stand in for what an officer left out."""
    house = ruleset(HOUSE, ring_rule(15, "house.ring"))
    rules = law(ruleset("KR", ring_rule(60, "KR.ring")), house, overrides=(override("KR.ring"),))
    assert apply(rules, "KR") == []
    assert apply(law(ruleset("KR"), house, overrides=(override("house.ring"),)), "KR") == []


def test_rules_hold_by_the_persons_date() -> None:
    """From the first moment of the day `since` until before the day `until`, where the person is."""
    rule = ring_rule(60, "KR.ring", since=day(2026, 11, 24), until=day(2026, 11, 26))
    allowed = ask(korea(rule))
    assert (allowed.allowed, allowed.next_at) == (True, at(2026, 11, 24))
    assert outcome(ask(korea(rule), now=at(2026, 11, 24))) == (False, "KR.ring", at(2026, 11, 26))
    assert outcome(ask(korea(rule), now=at(2026, 11, 25, 23, 59)))[0] is False
    assert ask(korea(rule), now=at(2026, 11, 26)).allowed


def test_a_rule_holds_while_it_does_in_one_of_the_zones() -> None:
    """In Seoul it is the 24th already, in New York not before two in the afternoon."""
    rule: Rule = ring_rule(60, "KR.ring", since=day(2026, 11, 24))
    lead = person(number("+821000000001", "KR", "Asia/Seoul", "America/New_York"))
    assert not ask(korea(rule), lead=lead, now=at(2026, 11, 24, 0)).allowed
    ended = ring_rule(60, "KR.ring", until=day(2026, 11, 24))
    assert not ask(korea(ended), lead=lead, now=at(2026, 11, 24, 13, 59)).allowed
    assert ask(korea(ended), lead=lead, now=at(2026, 11, 24, 14)).allowed


def test_bare_country_hours_are_those_that_suit_every_state() -> None:
    """Nine where one state says so, and eight in the evening where another does."""
    rules = law(
        ruleset("US", hours_rule(week((8, 21)), "US.hours")),
        ruleset("US-FL", hours_rule(week((8, 20)), "FL.hours")),
        ruleset("US-TX", hours_rule(week((9, 21)), "TX.hours")),
    )
    lead = person(number("+12125550100", "US", "America/New_York"))
    new_york = "America/New_York"
    assert ask(rules, lead=lead, now=at(2026, 11, 23, 8, 30, zone=new_york)).rule == "TX.hours"
    assert ask(rules, lead=lead, now=at(2026, 11, 23, 20, zone=new_york)).rule == "FL.hours"
    ohio = person(number("+12125550100", "US", "America/New_York", jurisdictions=("US-OH",)))
    assert ask(rules, lead=ohio, now=at(2026, 11, 23, 20, zone=new_york)).allowed
