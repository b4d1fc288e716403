"""Whether a number is on a register, as far as the copy in use can tell."""

from dataclasses import replace

import pytest

from dialer.compliance.gate import Known
from dialer.domain.law import ConsentException, Force, Grade
from dialer.domain.standing import Relationship
from tests.laws import consent, copy_of, registry_rule
from tests.unit.compliance.asking import (
    DAY_S,
    NOW,
    NUMBER,
    SECOND,
    ask,
    at,
    declared,
    korea,
    of_rule,
    outcome,
    person,
    trace,
)

RULES = korea(registry_rule("kr-dnc", "KR.registry"))
LISTED = [("kr-dnc", NUMBER)]
CUSTOMER = ConsentException(name="existing_customer")


def received(days_ago: float) -> Known:
    """The copy in use."""
    return Known(registries={"kr-dnc": copy_of("kr-dnc", NOW - days_ago * DAY_S)})


def test_a_number_that_is_not_listed_is_allowed_while_the_copy_is_fresh() -> None:
    """The answer holds until the copy is too old."""
    assert ask(RULES, known=received(1.0)).allowed
    assert ask(RULES, known=received(29.75)).next_at == NOW + DAY_S / 4.0


def test_a_listed_number_is_refused() -> None:
    """For good, as far as this copy goes; another number or register lists nothing."""
    assert outcome(ask(RULES, known=received(1.0), listed=LISTED)) == (False, "KR.registry", None)
    assert ask(RULES, known=received(1.0), listed=[("kr-dnc", SECOND), ("jp-dnc", NUMBER)]).allowed


@pytest.mark.parametrize("known", [Known(), Known(registries={"jp-dnc": copy_of("jp-dnc", NOW)}), received(30.0)])
def test_a_copy_that_is_missing_or_stale_refuses(known: Known) -> None:
    """It proves nothing; the rule is named, and nothing changes by itself."""
    assert outcome(ask(RULES, known=known)) == (False, "KR.registry", None)


def test_a_copy_dated_ahead_is_not_one_yet() -> None:
    """Until it is received."""
    assert outcome(ask(RULES, known=received(-1.0))) == (False, "KR.registry", NOW + DAY_S)


def test_a_register_without_an_age_limit_serves_for_ever() -> None:
    """Where the rule gives none."""
    rules = korea(registry_rule("kr-dnc", max_age_days=None))
    assert ask(rules, known=received(4000.0)).allowed


def test_who_is_exempt_need_not_be_looked_up() -> None:
    """By consent, or by an exception that the campaign claims; then not even a copy is needed."""
    rules = korea(registry_rule("kr-dnc", "KR.registry", exempt_by=(ConsentException(name="consent"), CUSTOMER)))
    assert ask(rules, listed=LISTED, consents=[consent(NUMBER, at(2026, 1, 1))]).allowed
    assert not ask(rules, listed=LISTED, consents=[consent(NUMBER, at(2026, 1, 1), revoked_at=NOW)]).allowed
    customer = person(relationship=Relationship(bought_at=at(2020, 1, 1)))
    assert not ask(rules, lead=customer).allowed
    assert ask(rules, lead=customer, policy=declared(exceptions=("existing_customer",))).allowed


def test_a_refusal_ends_when_an_exemption_begins() -> None:
    """A consent dated ahead exempts when its day comes."""
    rules = korea(registry_rule("kr-dnc", "KR.registry", exempt_by=(ConsentException(name="consent"),)))
    given = [consent(NUMBER, NOW + 60.0)]
    assert outcome(ask(rules, known=received(1.0), listed=LISTED, consents=given)) == (False, "KR.registry", NOW + 60.0)


def test_a_finding_names_the_copy_and_its_rule() -> None:
    """Version and receipt, and where the rule is from; never a number."""
    rule = replace(registry_rule("kr-dnc", "KR.registry"), grade=Grade.SECONDARY, source="art. 42(2)")
    found = of_rule(trace(korea(rule), known=received(1.0)), "KR.registry")
    assert (found.force, found.grade, found.source) == (Force.LAW, Grade.SECONDARY, "art. 42(2)")
    assert found.inputs == (("register kr-dnc", "1 received 2026-11-22T05:00:00Z: not listed"),)
