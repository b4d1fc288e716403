"""Whether the person agreed to a call, or it is one that needs no agreement."""

from dataclasses import replace
from typing import Any

import pytest

from dialer.domain.law import ConsentException
from dialer.domain.standing import Consent, Relationship
from dialer.domain.verdict import Verdict
from tests.laws import consent, consent_rule, voice_rule
from tests.unit.compliance.asking import DAY_S, NOW, NUMBER, SECOND, ask, at, campaign, declared, korea, outcome, person

YEAR = at(2026, 1, 1)
OPT_IN = korea(consent_rule("KR.consent"))


def asked(*given: Consent, now: float = NOW, **rule: Any) -> Verdict:
    """The answer of a rule that asks for consent."""
    return ask(korea(consent_rule("KR.consent", **rule)), now=now, consents=given)


def why(verdict: Verdict) -> str:
    """What was wrong with the consents."""
    assert (verdict.allowed, verdict.rule) == (False, "KR.consent")
    return dict(verdict.inputs)["consent"]


def test_without_consent_nobody_is_called_where_it_is_asked_for() -> None:
    """Where it is not, nobody asks."""
    assert (why(asked()), asked().next_at) == ("none", None)
    assert asked(is_opt_in=False).allowed


def test_consent_allows_and_is_named_by_its_number() -> None:
    """Not by whose it is."""
    verdict = asked(consent(NUMBER, YEAR, consent_id=12))
    assert verdict.allowed and ("consent", "no. 12 of 2025-12-31") in verdict.inputs


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"number": SECOND}, "none"),
        ({"seller": "Another Seller"}, "none"),
        ({"seller": "", "recipients": ("Example Seller",)}, "none"),
        ({"purposes": ("telemarketing",)}, "none for survey"),
        ({"revoked_at": NOW}, "revoked"),
        ({"expires_at": NOW}, "expired"),
    ],
)
def test_a_consent_to_something_else_is_none(changes: dict[str, Any], reason: str) -> None:
    """Another number, seller or purpose; revoked or expired."""
    verdict = asked(replace(consent(NUMBER, YEAR), **changes))
    assert (why(verdict), verdict.next_at) == (reason, None)


def test_a_consent_dated_in_the_future_is_none_yet() -> None:
    """It may be when its day has come."""
    verdict = asked(consent(NUMBER, NOW + DAY_S))
    assert (why(verdict), verdict.next_at) == ("not yet given", NOW + DAY_S)


@pytest.mark.parametrize("end", ["expires_at", "revoked_at"])
def test_a_verdict_holds_no_longer_than_the_consent(end: str) -> None:
    """Or than the last of several."""
    first, second = replace(consent(NUMBER, YEAR), **{end: NOW + 60.0}), consent(NUMBER, YEAR + 1.0)
    assert asked(first).next_at == NOW + 60.0
    both = asked(replace(first, purposes=("survey",)), replace(second, obtained_at=NOW - 60.0, expires_at=NOW + 90.0))
    assert both.allowed and both.next_at == (NOW + 90.0 if end == "expires_at" else NOW + 60.0)


def test_a_third_party_calls_only_if_it_was_named() -> None:
    """The consent to another seller that names this one."""
    given = consent(NUMBER, YEAR, seller="Another Seller", recipients=("Example Seller",))
    assert asked(given, needs=("recipient",)).allowed
    assert not asked(replace(given, recipients=("Third Seller",))).allowed


@pytest.mark.parametrize(
    ("need", "lacking"),
    [("text", {"text_hash": ""}), ("source", {"source": ""}), ("written", {"is_written": False}), ("seal", {})],
)
def test_the_record_holds_what_the_rule_wants_to_see(need: str, lacking: dict[str, Any]) -> None:
    """What is not recorded cannot be shown; a need of an unknown name is never met."""
    full = consent(NUMBER, YEAR)
    assert asked(full, needs=(need,)).allowed is (need != "seal")
    assert why(asked(replace(full, **lacking), needs=(need,))) == f"without {need}"


def test_people_are_asked_again_by_the_same_date_of_every_second_year() -> None:
    """The day before is in time; the day itself is not, from its first moment in the person's zone."""
    given = consent(NUMBER, at(2024, 5, 10, 15))
    assert asked(given, now=at(2026, 5, 9, 23, 59), reconfirm_years=2).next_at == at(2026, 5, 10)
    late = asked(given, now=at(2026, 5, 10), reconfirm_years=2)
    assert (why(late), late.next_at) == ("to be confirmed", None)
    confirmed = replace(given, confirmed_at=at(2026, 5, 9))
    assert asked(confirmed, now=at(2028, 5, 8), reconfirm_years=2).allowed
    assert not asked(confirmed, now=at(2028, 5, 9), reconfirm_years=2).allowed


def test_a_leap_day_comes_round_on_the_28th() -> None:
    """Where the year has none."""
    given = consent(NUMBER, at(2024, 2, 29, 12))
    assert asked(given, now=at(2026, 2, 27, 23), reconfirm_years=2).next_at == at(2026, 2, 28)
    assert not asked(given, now=at(2026, 2, 28), reconfirm_years=2).allowed
    assert asked(given, now=at(2028, 2, 28, 23), reconfirm_years=4).next_at == at(2028, 2, 29)


def test_a_confirmation_that_has_not_come_confirms_nothing_yet() -> None:
    """Neither one dated ahead nor one of before the consent."""
    given = consent(NUMBER, at(2024, 5, 10))
    ahead = asked(replace(given, confirmed_at=NOW + 60.0), reconfirm_years=2)
    assert (why(ahead), ahead.next_at) == ("to be confirmed", NOW + 60.0)
    before = replace(consent(NUMBER, at(2024, 5, 10)), confirmed_at=at(2024, 1, 1))
    assert asked(before, now=at(2026, 5, 9), reconfirm_years=2).allowed


def test_a_revocation_takes_what_was_given_before() -> None:
    """An older record of the same purpose does not outlive it; a newer one is a new word."""
    revoked = consent(NUMBER, YEAR, revoked_at=at(2026, 6, 1))
    assert why(asked(revoked, consent(NUMBER, YEAR - DAY_S))) == "revoked"
    assert asked(revoked, consent(NUMBER, at(2026, 6, 2))).allowed
    other = replace(revoked, purposes=("telemarketing",))
    assert asked(other, consent(NUMBER, YEAR - DAY_S)).allowed


def test_revoking_the_night_leaves_the_day() -> None:
    """The separate consent is revoked by itself."""
    night = consent(NUMBER, YEAR, is_night=True, revoked_at=at(2026, 6, 1))
    assert asked(night, consent(NUMBER, YEAR - DAY_S)).allowed


CUSTOMER = Relationship(bought_at=at(2026, 6, 1, 12))


@pytest.mark.parametrize(
    ("name", "policy", "changes", "holds"),
    [
        ("existing_customer", {}, {"relationship": CUSTOMER}, True),
        ("existing_customer", {}, {"relationship": Relationship(bought_at=at(2026, 5, 23))}, False),
        ("existing_customer", {}, {"relationship": Relationship(bought_at=NOW + 1.0)}, False),
        ("existing_customer", {}, {}, False),
        ("inquiry", {}, {"relationship": Relationship(inquired_at=at(2026, 6, 1))}, True),
        ("inquiry", {}, {"relationship": CUSTOMER}, False),
        ("contract", {}, {"relationship": Relationship(has_contract=True)}, True),
        ("contract", {}, {"relationship": CUSTOMER}, False),
        ("business", {"audience": "business"}, {}, True),
        ("business", {}, {}, False),
        ("solicitation", {}, {"source": "customer file"}, True),
        ("solicitation", {}, {}, False),
        ("solicitation", {"voice": "synthetic"}, {"source": "customer file"}, False),
        ("charity", {}, {}, False),
        ("press", {}, {}, True),
        ("somehow", {}, {}, False),
    ],
)
def test_an_exception_is_claimed_and_borne_out(
    name: str, policy: dict[str, Any], changes: dict[str, Any], holds: bool
) -> None:
    """By the campaign, and by the lead's facts."""
    rules = korea(consent_rule("KR.consent", exceptions=(ConsentException(name=name, months=6),)))
    lead = person(**changes)
    assert ask(rules, lead=lead, policy=declared(exceptions=(name,), **policy)).allowed is holds
    assert not ask(rules, lead=lead, policy=declared(**policy)).allowed


def test_a_charity_is_one_by_its_purpose() -> None:
    """Whatever else it claims."""
    rules = korea(consent_rule("KR.consent", exceptions=(ConsentException(name="charity"),)))
    policy = replace(declared(exceptions=("charity",)), purpose="charity")
    assert ask(rules, policy=policy).allowed


def test_a_customer_is_one_for_so_many_months() -> None:
    """To the beginning of the same day; a purchase dated ahead makes one when it comes."""
    rules = korea(consent_rule("KR.consent", exceptions=(ConsentException(name="existing_customer", months=6),)))
    policy = declared(exceptions=("existing_customer",))
    eve = ask(rules, lead=person(relationship=CUSTOMER), policy=policy, now=at(2026, 11, 30, 23))
    assert (eve.allowed, eve.next_at) == (True, at(2026, 12, 1))
    end = ask(rules, lead=person(relationship=CUSTOMER), policy=policy, now=at(2026, 12, 1))
    assert outcome(end) == (False, "KR.consent", None)
    ahead = person(relationship=Relationship(bought_at=NOW + 60.0))
    assert ask(rules, lead=ahead, policy=policy).next_at == NOW + 60.0


def test_a_voice_that_is_not_free_needs_consent_in_writing() -> None:
    """A recorded message, and the rule's own word on which are free."""
    rules = korea(voice_rule("human", rule_id="KR.voice"))
    assert ask(rules).allowed
    recorded = declared(voice="recorded")
    assert outcome(ask(rules, policy=recorded)) == (False, "KR.voice", None)
    spoken = consent(NUMBER, YEAR, is_written=False)
    assert ("written_consent", "not in writing") in ask(rules, policy=recorded, consents=[spoken]).inputs
    assert ask(rules, policy=recorded, consents=[consent(NUMBER, YEAR, expires_at=NOW + 60.0)]).next_at == NOW + 60.0


def test_every_use_of_a_consent_asks_for_its_confirmation() -> None:
    """A consent that was not confirmed in time frees no voice either."""
    given = [consent(NUMBER, at(2023, 1, 1), is_night=True)]
    rules = korea(consent_rule("KR.opt", is_opt_in=False, reconfirm_years=2), voice_rule(rule_id="KR.voice"))
    assert outcome(ask(rules, consents=given)) == (False, "KR.voice", None)


def test_an_unknown_purpose_of_the_campaign_has_no_consent() -> None:
    """A consent is for the purposes it names."""
    policy = replace(campaign(), purpose="debt")
    assert not ask(OPT_IN, policy=policy, consents=[consent(NUMBER, YEAR)]).allowed
