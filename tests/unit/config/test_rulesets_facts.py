"""What single built-in rules say: the numbers that a wrong digit would make unlawful."""

from datetime import UTC, date, datetime

import pytest

from dialer.config.rulesets import load_law, rules_of
from dialer.domain.law import (
    HOUSE,
    AbandonmentRule,
    AttemptRule,
    ConsentException,
    ConsentRule,
    CooldownRule,
    CountedPer,
    Force,
    Grade,
    HoursRule,
    RedialRule,
    RegistryRule,
    Rule,
)

HOUR_S = 3600


@pytest.fixture(scope="module")
def rules() -> dict[str, Rule]:
    """Every built-in rule, by its id."""
    law = load_law(around=datetime(2026, 11, 22, tzinfo=UTC).timestamp())
    return {rule.rule_id: rule for ruleset in law.rulesets for _, rule in rules_of(ruleset)}


def hours(rule: Rule) -> list[str]:
    """The week of a rule: "" for a closed day, else spans such as 8-21 or 12.5-13."""
    assert isinstance(rule, HoursRule)
    return [" ".join(f"{start / HOUR_S:g}-{end / HOUR_S:g}" for start, end in day) for day in rule.week]


@pytest.mark.parametrize(
    ("rule_id", "weekday", "saturday", "sunday", "calendar"),
    [
        ("HOUSE.hours", "9-20", "9-20", "", ""),
        ("US.hours.telemarketing", "8-21", "8-21", "8-21", ""),
        ("US.hours.debt", "8-21", "8-21", "8-21", ""),
        ("US-FL.hours.telemarketing", "8-20", "8-20", "8-20", ""),
        ("US-OK.hours.telemarketing", "8-20", "8-20", "8-20", ""),
        ("US-MD.hours.telemarketing", "8-20", "8-20", "8-20", ""),
        ("US-WA.hours.telemarketing", "8-20", "8-20", "8-20", ""),
        ("US-TX.hours.telemarketing", "9-21", "9-21", "12-21", ""),
        ("US-AL.hours.telemarketing", "8-20", "8-20", "", "US-AL"),
        ("US-CT.hours.telemarketing", "9-20", "9-20", "9-20", ""),
        ("US-IL.hours.telemarketing", "8-21", "8-21", "8-21", ""),
        ("US-KY.hours.telemarketing", "10-21", "10-21", "10-21", ""),
        ("US-LA.hours.telemarketing", "8-20", "8-20", "", "US-LA"),
        ("US-MA.hours.telemarketing", "8-20", "8-20", "8-20", ""),
        ("US-MI.hours.telemarketing", "9-21", "9-21", "9-21", ""),
        ("US-MN.hours.telemarketing", "9-21", "9-21", "9-21", ""),
        ("US-MS.hours.telemarketing", "8-20", "8-20", "", "US-MS"),
        ("US-NM.hours.telemarketing", "9-21", "9-21", "9-21", ""),
        ("US-NV.hours.telemarketing", "9-20", "9-20", "9-20", ""),
        ("US-PA.hours.telemarketing", "8-21", "8-21", "", "US-PA"),
        ("US-RI.hours.telemarketing", "9-18", "", "", "US-RI"),
        ("US-UT.hours.telemarketing", "8-21", "8-21", "8-21", "US-UT"),
        ("GB.hours.telemarketing", "8-21", "8-21", "9-21", ""),
        ("GB.hours.debt", "8-21", "8-21", "", ""),
        ("CA.hours.telemarketing", "9-21.5", "10-18", "10-18", ""),
        ("AU.hours.telemarketing", "9-20", "9-17", "", "AU"),
        ("AU.hours.survey", "9-20", "", "", "AU"),
        ("KR.hours.telemarketing", "8-21", "8-21", "8-21", ""),
        ("KR.hours.finance", "8-21", "8-21", "8-21", ""),
        ("KR.hours.debt", "8-21", "8-21", "8-21", ""),
        ("JP.hours.telemarketing", "8-21", "8-21", "8-21", ""),
        ("JP.hours.debt", "8-21", "8-21", "8-21", ""),
        ("DE.hours", "8-20", "8-20", "", "DE"),
        ("FR.hours.telemarketing", "10-13 14-20", "", "", "FR"),
        ("ES.hours.telemarketing", "9-21", "", "", "ES-*"),
        ("IT.hours.telemarketing", "9-20", "10-19", "", "IT"),
        ("NL.hours.telemarketing", "9-20", "9-20", "", "NL"),
        ("IN.hours.telemarketing", "10-21", "10-21", "10-21", ""),
        ("SG.hours.telemarketing", "9-20", "9-20", "", "SG"),
        ("BR.hours.telemarketing", "9-20", "", "", "BR"),
    ],
)
def test_hours(rules: dict[str, Rule], rule_id: str, weekday: str, saturday: str, sunday: str, calendar: str) -> None:
    """Each hours rule has its spans on each day, and the calendar of days on which it is closed."""
    rule = rules[rule_id]
    assert hours(rule) == [weekday] * 5 + [saturday, sunday]
    assert isinstance(rule, HoursRule)
    assert rule.calendar == calendar


def test_every_hours_rule_is_tested(rules: dict[str, Rule]) -> None:
    """The table above leaves out none."""
    (mark,) = test_hours.pytestmark  # type: ignore[attr-defined]
    assert {row[0] for row in mark.args[1]} == {key for key, rule in rules.items() if isinstance(rule, HoursRule)}


def test_consent_widens_hours_where_the_text_says_so(rules: dict[str, Rule]) -> None:
    """The separate consent for the night in Korea; elsewhere consent to that time of day."""
    widened = {key: rule.widened_by for key, rule in rules.items() if isinstance(rule, HoursRule) and rule.widened_by}
    assert widened == {
        "KR.hours.telemarketing": "night",
        "KR.hours.finance": "hours",
        "US.hours.telemarketing": "hours",
        "AU.hours.telemarketing": "hours",
        "FR.hours.telemarketing": "hours",
        "JP.hours.debt": "hours",
    }


def test_the_age_of_registers(rules: dict[str, Rule]) -> None:
    """How old a copy may be; India's is asked at the call, Spain's text names no age."""
    found = {rule.registry: rule.max_age_days for rule in rules.values() if isinstance(rule, RegistryRule)}
    assert found == {
        "us-dnc": 31,
        "ca-dncl": 31,
        "kr-donotcall": 31,
        "au-dncr": 30,
        "br-nao-me-perturbe": 30,
        "gb-tps": 28,
        "sg-dnc": 21,
        "it-rpo": 15,
        "in-ncpr": 0,
        "es-robinson": None,
    }


def test_the_caps_on_attempts(rules: dict[str, Rule]) -> None:
    """So many within so many hours (None: a local day), counted per number, person or subject."""
    found = {
        key: (rule.most, rule.window_s and rule.window_s / HOUR_S, rule.per)
        for key, rule in rules.items()
        if isinstance(rule, AttemptRule)
    }
    three = (3, 24, CountedPer.SUBJECT)
    assert found == {
        "HOUSE.attempts.day": (3, None, CountedPer.PERSON),
        "DE.attempts.day": (3, None, CountedPer.NUMBER),
        "FR.attempts.telemarketing": (4, 720, CountedPer.PERSON),
        "US-FL.attempts.subject": three,
        "US-OK.attempts.subject": three,
        "US-MD.attempts.subject": three,
        "US.attempts.debt": (7, 168, CountedPer.SUBJECT),
        "KR.attempts.debt": (7, 168, CountedPer.SUBJECT),
        "KR.attempts.finance": (1, None, CountedPer.PERSON),
    }


def test_waits(rules: dict[str, Rule]) -> None:
    """After a conversation, a refusal and an abandonment."""
    cooldowns = {
        key: rule.wait_s and rule.wait_s / 86_400 for key, rule in rules.items() if isinstance(rule, CooldownRule)
    }
    assert cooldowns == {
        "US.cooldown.debt": 7,
        "FR.cooldown.telemarketing": 60,
        "FR.cooldown.objection": None,
        "JP.cooldown.telemarketing": None,
    }
    redials = {
        key: (rule.wait_s / HOUR_S, rule.is_waived_by_agent, rule.is_agent_needed)
        for key, rule in rules.items()
        if isinstance(rule, RedialRule)
    }
    assert redials == {
        "HOUSE.redial": (72, True, True),
        "GB.redial": (72, True, False),
        "IT.redial": (120, False, True),
    }


def test_abandonment(rules: dict[str, Rule]) -> None:
    """The share, the first window, the seconds and their clock."""
    found = {
        key: (rule.cap_rate, rule.windows[0], rule.threshold_s, rule.starts_at)
        for key, rule in rules.items()
        if isinstance(rule, AbandonmentRule)
    }
    assert found == {
        "HOUSE.abandonment": (0.03, "24h", 2.0, "greeting_end"),
        "US.abandonment.safe-harbor": (0.03, "30d-blocks", 2.0, "greeting_end"),
        "US.abandonment.message": (None, "30d-blocks", 2.0, "greeting_end"),
        "US-CA.abandonment": (0.03, "30d-blocks", 2.0, "greeting_end"),
        "GB.abandonment": (0.03, "24h", 2.0, "answer"),
        "CA.abandonment.telemarketing": (0.05, "calendar-month", 2.0, "answer"),
        "IT.abandonment": (0.03, "24h", 3.0, "answer"),
    }
    assert rules["US-CA.abandonment"].purposes == ()
    assert rules["US.abandonment.message"].applied_force is Force.HOUSE
    assert rules["GB.abandonment"].force is Force.POLICY


def test_consent_in_korea(rules: dict[str, Rule]) -> None:
    """Opt-in with text and source, asked again every two years; finance has no exception of telephone solicitation."""
    sales, finance = rules["KR.consent.telemarketing"], rules["KR.consent.finance"]
    assert isinstance(sales, ConsentRule)
    assert isinstance(finance, ConsentRule)
    customer, solicitation = ConsentException(name="existing_customer", months=6), ConsentException(name="solicitation")
    assert (sales.is_opt_in, sales.needs, sales.reconfirm_years) == (True, ("text", "source"), 2)
    assert sales.exceptions == (customer, solicitation)
    assert finance.exceptions == (customer,)
    assert (finance.is_opt_in, finance.needs, finance.reconfirm_years) == (True, ("text", "source"), 2)


def test_where_consent_comes_first(rules: dict[str, Rule]) -> None:
    """The countries and states that ask for consent before a sales call by a person."""
    found = {key.split(".")[0] for key, rule in rules.items() if isinstance(rule, ConsentRule) and rule.is_opt_in}
    assert found == {"KR", "DE", "FR", "ES", "IT", "NL", "US-FL", "US-OK", "US-MD"}


def test_france_changed_over_on_one_day(rules: dict[str, Rule]) -> None:
    """Opt-out ends and opt-in begins with 11 August 2026."""
    day = date(2026, 8, 11).toordinal()
    assert rules["FR.consent.telemarketing"].since == day
    assert rules["FR.consent.before-2026-08-11"].until == day


def test_what_vendor_tables_say_is_of_low_confidence(rules: dict[str, Rule]) -> None:
    """A state of which no statute was read says so."""
    vendor = [rule for rule in rules.values() if rule.source.startswith("vendor tables")]
    assert len(vendor) == 14
    assert {(rule.confidence, rule.grade) for rule in vendor} == {("low", Grade.SECONDARY)}


def test_nothing_is_law_that_nobody_found(rules: dict[str, Rule]) -> None:
    """Korea and Japan have no number for abandonment, ringing or redialing: the house rules stand in."""
    kinds = ("abandonment", "ring", "redial")
    assert [key for key in rules if key.split(".")[0] in ("KR", "JP", "AU") and key.split(".")[1] in kinds] == []
    assert {f"{HOUSE}.{kind}" for kind in kinds} <= rules.keys()
