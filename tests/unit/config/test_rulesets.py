"""The built-in rulesets: what they say, and that they load as one law."""

from datetime import UTC, date, datetime
from itertools import chain

import pytest

from dialer.config.rulesets import load_law, rules_of
from dialer.domain.law import HOUSE, AbandonmentRule, Force, Grade, Law, Rule

AROUND = datetime(2026, 11, 22, tzinfo=UTC).timestamp()


@pytest.fixture(scope="module")
def law() -> Law:
    """The built-in law."""
    return load_law(around=AROUND)


@pytest.fixture(scope="module")
def rules(law: Law) -> dict[str, Rule]:
    """Every built-in rule, by its id."""
    return {rule.rule_id: rule for ruleset in law.rulesets for _, rule in rules_of(ruleset)}


def test_every_rule_says_on_what_it_rests(rules: dict[str, Rule]) -> None:
    """Each rule has a source, and one that nobody verified is applied as a house rule."""
    assert len(rules) > 60
    assert all(rule.source for rule in rules.values())
    assert {rule.applied_force for rule in rules.values() if rule.grade is Grade.UNVERIFIED} == {Force.HOUSE}


def test_a_house_rule_is_never_called_law(rules: dict[str, Rule]) -> None:
    """Whatever the HOUSE ruleset holds is the house's own."""
    house = [rule for rule in rules.values() if rule.rule_id.startswith(f"{HOUSE}.")]
    assert len(house) > 5
    assert {rule.force for rule in house} == {Force.HOUSE}


def test_counting_by_the_day_is_lawful_everywhere(rules: dict[str, Rule]) -> None:
    """Each abandonment rule accepts the window of 24 hours, which is stricter than any longer one."""
    found = [rule for rule in rules.values() if isinstance(rule, AbandonmentRule)]
    assert len(found) >= 4
    assert all("24h" in rule.windows for rule in found)


def test_holidays_are_known_for_all_years_of_the_span(law: Law) -> None:
    """Each calendar that a rule names has days in each year from two before to three after."""
    assert law.holiday_years == (2024, 2029)
    named = {rule.calendar for rule in chain.from_iterable(ruleset.hours for ruleset in law.rulesets)} - {""}
    assert set(law.holidays) == named
    for days in law.holidays.values():
        assert list(days) == sorted(days)
        assert {date.fromordinal(day).year for day in days} == set(range(2024, 2030))
    assert date(2026, 7, 14).toordinal() in law.holidays["FR"]
