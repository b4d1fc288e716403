"""Hours of rules: holidays, eves, several places, what consent opens, and times that a person named."""

from dataclasses import replace

import pytest

from dialer.domain.law import HoursRule
from dialer.domain.lead import Lead
from dialer.domain.policy import HoursPolicy
from tests.laws import ALL_DAY, consent, hours_rule, law, named_time_rule, ruleset, spans, week
from tests.unit.compliance.asking import (
    DAY_S,
    NOW,
    NUMBER,
    ask,
    at,
    campaign,
    declared,
    korea,
    number,
    of_rule,
    outcome,
    person,
    trace,
)

TUESDAY = int(at(2026, 11, 24, 12, zone="UTC") // DAY_S) + 719163
NIGHT = hours_rule(week((8, 21)), "KR.hours", widened_by="night")
ODD = hours_rule((spans((9, 20)),) * 6 + ((),), "KR.hours", widened_by="hours")
YEAR = at(2026, 1, 1)


def open_at(rule: HoursRule, *when: int, holidays: tuple[int, ...] = (), years: tuple[int, int] = (2026, 2027)) -> bool:
    """Whether a rule allows a call at a wall clock's time in Seoul."""
    rules = law(ruleset("KR", rule), holidays={"KR": holidays}, years=years)
    return ask(rules, now=at(*when)).allowed


@pytest.mark.parametrize(("when", "allowed"), [((7, 59), False), ((8, 0), True), ((20, 59), True), ((21, 0), False)])
def test_the_minute_at_which_a_window_opens_and_closes(when: tuple[int, int], allowed: bool) -> None:
    """Eight is in, nine in the evening is out."""
    assert open_at(hours_rule(week((8, 21))), 2026, 11, 23, *when) is allowed


def test_a_lunch_break_is_closed() -> None:
    """At half past one, until two."""
    verdict = ask(korea(hours_rule(week((10, 13), (14, 20)))), now=at(2026, 11, 23, 13, 30))
    assert outcome(verdict) == (False, "XX.hours", at(2026, 11, 23, 14))
    assert dict(verdict.inputs)["hours"] == "10:00-13:00, 14:00-20:00"


def test_nobody_is_called_on_a_holiday() -> None:
    """Of the calendar that the rule names, by the person's own date; a rule that names none does not ask."""
    rule = hours_rule(ALL_DAY, calendar="KR")
    assert open_at(rule, 2026, 11, 23, 23, 59, holidays=(TUESDAY,))
    assert not open_at(rule, 2026, 11, 24, 0, 0, holidays=(TUESDAY,))
    assert not open_at(rule, 2026, 11, 24, 23, 59, holidays=(TUESDAY,))
    assert open_at(rule, 2026, 11, 25, 0, 0, holidays=(TUESDAY,))
    assert open_at(hours_rule(ALL_DAY), 2026, 11, 24, 12, holidays=(TUESDAY,))
    rules = law(ruleset("KR", rule), holidays={"KR": (TUESDAY,)}, years=(2026, 2027))
    verdict = ask(rules, now=at(2026, 11, 24, 12))
    assert outcome(verdict) == (False, "XX.hours", at(2026, 11, 25))
    assert verdict.inputs[2:] == (("hours", "closed"), ("holidays", "KR, today is one"))


def test_the_eve_of_a_holiday_is_shorter() -> None:
    """And never longer than the same day in another week."""
    rule = hours_rule(week((9, 20)), calendar="KR", eve=spans((10, 22)))
    assert not open_at(rule, 2026, 11, 23, 9, 30, holidays=(TUESDAY,))
    assert open_at(rule, 2026, 11, 23, 19, 30, holidays=(TUESDAY,))
    assert not open_at(rule, 2026, 11, 23, 20, 30, holidays=(TUESDAY,))
    assert open_at(rule, 2026, 11, 25, 9, 30, holidays=(TUESDAY,))


@pytest.mark.parametrize(("years", "calendar"), [((2024, 2025), "KR"), ((0, 0), "KR"), ((2026, 2027), "XX")])
def test_a_day_whose_holidays_are_not_known_is_closed(years: tuple[int, int], calendar: str) -> None:
    """Outside the years of the calendar, and with a calendar that the law does not hold."""
    assert not open_at(hours_rule(ALL_DAY, calendar=calendar), 2026, 11, 23, 12, years=years)


def test_the_last_day_of_the_known_years_is_known_and_its_morrow_is_not() -> None:
    """A calendar that has run out closes; a day before it, as before a holiday."""
    rule = hours_rule(ALL_DAY, calendar="KR", eve=spans((10, 12)))
    assert open_at(rule, 2026, 12, 30, 18, years=(2026, 2026))
    assert open_at(rule, 2026, 12, 31, 11, years=(2026, 2026))
    assert not open_at(rule, 2026, 12, 31, 18, years=(2026, 2026))
    assert not open_at(rule, 2027, 1, 1, 11, years=(2026, 2026))


def test_every_rule_in_every_zone_has_to_be_open() -> None:
    """Two rules, two zones: the hours that all four leave."""
    lead = person(number(NUMBER, "KR", "Asia/Seoul", "Asia/Kathmandu"))
    rules = korea(hours_rule(week((9, 21)), "A"), hours_rule(week((8, 20)), "B"))
    early, late = at(2026, 11, 23, 9, zone="Asia/Kathmandu"), at(2026, 11, 23, 20)
    assert outcome(ask(rules, lead=lead, now=early - 60.0)) == (False, "A", early)
    assert ask(rules, lead=lead, now=early).next_at == late
    assert ask(rules, lead=lead, now=late).rule == "B"


def test_hours_begin_and_end_with_their_rule() -> None:
    """Before it holds and once it has ended it closes nothing."""
    rule = hours_rule(((),) * 7, since=TUESDAY, until=TUESDAY + 30)
    assert open_at(rule, 2026, 11, 23, 23)
    verdict = ask(korea(rule), now=at(2026, 11, 24, 0))
    assert outcome(verdict) == (False, "XX.hours", at(2026, 12, 24))
    assert open_at(rule, 2026, 12, 24, 0)


def test_a_night_needs_its_own_consent() -> None:
    """At half past nine in the evening a Korean is called who agreed to that, apart from agreeing to be called."""
    night = at(2026, 11, 23, 21, 30)
    plain = ask(korea(NIGHT), now=night, consents=[consent(NUMBER, YEAR)])
    assert outcome(plain) == (False, "KR.hours", at(2026, 11, 24, 8))
    assert ("night_consent", "none for the night") in plain.inputs
    agreed = ask(korea(NIGHT), now=night, consents=[consent(NUMBER, YEAR, is_night=True, consent_id=7)])
    assert agreed.allowed and ("night_consent", "no. 7 of 2025-12-31") in agreed.inputs


def test_a_night_ends_with_its_consent() -> None:
    """And begins with one that is given in the night."""
    night = at(2026, 11, 23, 21, 30)
    assert ask(korea(NIGHT), now=night, consents=[consent(NUMBER, YEAR, is_night=True, expires_at=night + 60.0)]) == (
        replace(ask(korea(NIGHT), now=night, consents=[consent(NUMBER, YEAR, is_night=True)]), next_at=night + 60.0)
    )
    soon = ask(korea(NIGHT), now=night, consents=[consent(NUMBER, night + 60.0, is_night=True)])
    assert outcome(soon) == (False, "KR.hours", night + 60.0)


def test_consent_opens_a_rule_and_not_the_campaign() -> None:
    """A campaign that ends at nine ends at nine."""
    rules = korea(NIGHT)
    night = at(2026, 11, 23, 21, 30)
    evening = campaign(hours=HoursPolicy(week=week((8, 21))))
    verdict = ask(rules, now=night, policy=evening, consents=[consent(NUMBER, YEAR, is_night=True)])
    assert outcome(verdict) == (False, "calling_hours", at(2026, 11, 24, 8))


def test_consent_to_other_hours_opens_those() -> None:
    """At seven in the evening of a Sunday, where the rule knows no Sundays; and to the minute."""
    given = [consent(NUMBER, YEAR, hours=spans((19, 21)))]
    assert ask(korea(ODD), now=at(2026, 11, 22, 19), consents=given).next_at == at(2026, 11, 22, 21)
    assert outcome(ask(korea(ODD), now=at(2026, 11, 22, 21), consents=given)) == (
        False,
        "KR.hours",
        at(2026, 11, 23, 9),
    )
    assert ask(korea(ODD), now=at(2026, 11, 23, 20, 30), consents=given).allowed
    assert not ask(korea(ODD), now=at(2026, 11, 23, 20, 30), consents=[consent(NUMBER, YEAR, is_night=True)]).allowed


def test_consent_to_hours_opens_no_holiday() -> None:
    """It is about the time of day."""
    rules = law(ruleset("KR", replace(ODD, calendar="KR")), holidays={"KR": (TUESDAY,)})
    given = [consent(NUMBER, YEAR, hours=spans((0, 24)))]
    assert not ask(rules, now=at(2026, 11, 24, 12), consents=given).allowed
    assert ask(rules, now=at(2026, 11, 25, 23), consents=given).allowed


def named(*hours: tuple[float, float]) -> Lead:
    """A person who named times."""
    return person(contact_hours=spans(*hours))


def test_a_named_time_binds_by_day() -> None:
    """A debtor who said "after six" is not called at two, whatever the rules allow; the rule that says so is named."""
    rules = korea(hours_rule(week((8, 21)), "KR.hours"), named_time_rule("KR.named"))
    assert outcome(ask(rules, lead=named((18, 20)))) == (False, "KR.named", at(2026, 11, 23, 18))
    assert ask(rules, lead=named((18, 20)), now=at(2026, 11, 23, 19)).next_at == at(2026, 11, 23, 20)
    assert ask(rules, lead=person()).allowed


def test_a_named_time_is_kept_without_a_rule() -> None:
    """As the house does it."""
    found = of_rule(trace(korea(), lead=named((18, 20), (20, 21))), "named_time")
    assert (found.allowed, found.next_at, str(found.force)) == (False, at(2026, 11, 23, 18), "house")
    assert ("named", "18:00-20:00, 20:00-21:00") in found.inputs
    assert ask(korea(), lead=named((18, 20), (20, 21)), now=at(2026, 11, 23, 19)).next_at == at(2026, 11, 23, 21)


def test_a_named_time_is_one_in_every_zone() -> None:
    """Where the person may be in either of two."""
    lead = replace(named((9, 12)), numbers=(number(NUMBER, "KR", "Asia/Seoul", "Asia/Kathmandu"),))
    assert not ask(korea(), lead=lead, now=at(2026, 11, 23, 10)).allowed
    assert not ask(korea(), lead=lead, now=at(2026, 11, 23, 11, zone="Asia/Kathmandu")).allowed


def test_consent_does_not_widen_a_named_time() -> None:
    """The person's latest word on when to call is the narrower one."""
    given = [consent(NUMBER, YEAR, is_night=True, hours=spans((0, 24)))]
    verdict = ask(korea(NIGHT), now=at(2026, 11, 23, 22), lead=named((18, 20)), consents=given, policy=declared())
    assert verdict.rule == "named_time"


def test_what_a_gate_remembers_of_hours_is_what_it_would_find_anew() -> None:
    """Asked again at any time, also an earlier one, the answer is the clock's."""
    assert [ask(korea(NIGHT), now=NOW + hour * 3600.0).allowed for hour in (0, 8, -6.5, 24)] == [
        True,
        False,
        False,
        True,
    ]
