"""The gate under random laws: stricter is never laxer, and what it says of the future comes true."""

from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dialer.compliance.gate import Gate, Known
from dialer.domain.law import AttemptRule, CooldownRule, HoursRule, RedialRule, RegistryRule, RingRule, Rule
from dialer.domain.standing import Standing
from tests import laws
from tests.properties.legal import (
    CODES,
    DAY_0,
    DAY_S,
    HOUR_S,
    NUMBERS,
    ZONES,
    Question,
    attempts,
    questions,
    rules,
    rulesets,
    shorter,
    with_rule,
)


def check_no_laxer(before: Question, after: Question) -> None:
    """What was refused is refused, and what needed an agent does."""
    one, other = before.ask(), after.ask()
    if other.allowed:
        assert one.allowed, one
        assert other.needs_agent or not one.needs_agent


@settings(max_examples=120)
@given(question=questions(), data=st.data())
def test_one_more_rule_allows_no_more(question: Question, data: st.DataObject) -> None:
    """Of whatever kind, in whatever place."""
    code = data.draw(st.sampled_from(CODES))
    more = with_rule(question.law, code, None, data.draw(rules("one more")))
    check_no_laxer(question, replace(question, law=more))


@settings(max_examples=80)
@given(question=questions(has_house=True), data=st.data())
def test_an_operators_own_file_only_narrows(question: Question, data: st.DataObject) -> None:
    """Also where the house stands in: a file of one's own takes no rule's place."""
    code = data.draw(st.sampled_from([*CODES, "HOUSE", "US-OH"]))
    own = data.draw(rulesets(code, origin="rules/own.toml"))
    law = replace(question.law, rulesets=(*question.law.rulesets, own))
    check_no_laxer(question, replace(question, law=law))


@settings(max_examples=150)
@given(question=questions(has_house=True), data=st.data())
def test_a_stricter_rule_allows_no_more(question: Question, data: st.DataObject) -> None:
    """A shorter window, a lower cap, a longer wait, a younger register."""
    every = [rule for each in question.law.rulesets for kind in laws.KINDS for rule in getattr(each, kind)]
    narrowable = [each for each in every if isinstance(each, _NARROWABLE)]
    assume(narrowable)
    rule = data.draw(st.sampled_from(narrowable))
    law = with_rule(question.law, "", rule, stricter(rule, data))
    check_no_laxer(question, replace(question, law=law))


_NARROWABLE = (HoursRule, AttemptRule, RegistryRule, CooldownRule, RedialRule, RingRule)


def stricter(rule: Rule, data: st.DataObject) -> Rule:
    """Make a rule stricter in one respect."""
    match rule:
        case HoursRule():
            start = data.draw(st.integers(0, 23)) * 3600
            return shorter(rule, data.draw(st.integers(0, 6)), (start, start + 2 * 3600))
        case AttemptRule():
            return replace(rule, most=rule.most - 1)
        case RegistryRule():
            return replace(rule, max_age_days=1 if rule.max_age_days is None else rule.max_age_days - 1)
        case CooldownRule():
            return replace(rule, wait_s=None if rule.wait_s is None else rule.wait_s + HOUR_S)
        case RedialRule():
            return replace(rule, wait_s=rule.wait_s + DAY_S)
        case RingRule():
            return replace(rule, min_ring_s=rule.min_ring_s + 5.0)
    raise AssertionError(rule)


@settings(max_examples=80)
@given(question=questions(has_house=True), day=st.integers(DAY_0 - 1, DAY_0 + 3))
def test_one_more_holiday_allows_no_more(question: Question, day: int) -> None:
    """Also on the day before it."""
    days = tuple(sorted({*question.law.holidays["c"], day}))
    check_no_laxer(question, replace(question, law=replace(question.law, holidays={"c": days})))


@settings(max_examples=80)
@given(question=questions(), zone=st.sampled_from(ZONES), code=st.sampled_from(CODES))
def test_one_more_place_allows_no_more(question: Question, zone: str, code: str) -> None:
    """Where the person may be in one more zone, or under one more law."""
    check_no_laxer(question, replace(question, lead=replace(question.lead, zone=zone)))
    check_no_laxer(question, replace(question, lead=replace(question.lead, jurisdiction=code)))


@settings(max_examples=80)
@given(question=questions(has_house=True), data=st.data())
def test_what_counts_against_a_call_allows_no_more(question: Question, data: st.DataObject) -> None:
    """One more attempt that was no conversation, a number on a register, a revocation, a missing copy."""
    standing = question.lead.standing
    assert standing is not None
    attempt = replace(data.draw(attempts(question.now, 99)), is_conversation=False, is_refusal=False)
    past = tuple(sorted((*standing.past, attempt), key=lambda each: each.at))
    _check_standing(question, replace(standing, past=past))
    _check_standing(question, replace(standing, listed=(*standing.listed, ("b", NUMBERS[0]))))
    revoked = tuple(replace(each, revoked_at=question.now) for each in standing.consents)
    _check_standing(question, replace(standing, consents=revoked))
    _check_standing(question, replace(standing, consents=standing.consents[:1]))
    check_no_laxer(question, replace(question, known=replace(question.known, registries={})))


def _check_standing(question: Question, standing: Standing) -> None:
    check_no_laxer(question, replace(question, lead=replace(question.lead, standing=standing)))


@settings(max_examples=80)
@given(question=questions(jurisdictions=("US",)), state=st.sampled_from(["US-FL", "US-TX", "US-OH"]))
def test_a_country_without_a_state_is_never_laxer_than_a_state(question: Question, state: str) -> None:
    """A number that may be anywhere is called only when all states would allow it."""
    number = replace(question.number, jurisdictions=(state,))
    somewhere = replace(question, lead=replace(question.lead, numbers=(number, *question.lead.numbers[1:])))
    check_no_laxer(somewhere, question)


@settings(max_examples=80)
@given(question=questions(has_house=True))
def test_a_decision_is_the_first_refusal_of_the_findings(question: Question) -> None:
    """And when there is none, the call is allowed until the first of them may change."""
    gate = Gate(question.policy, question.law)
    found = list(gate.findings(question.lead, question.number, question.now, question.known))
    verdict = question.ask()
    refusals = [each for each in found if not each.allowed]
    assert verdict.allowed is (not refusals)
    if refusals:
        first = refusals[0]
        assert (verdict.rule, verdict.inputs, verdict.next_at) == (first.rule, first.inputs, first.next_at)
    else:
        assert verdict.rule == "allowed" and verdict.needs_agent is any(each.needs_agent for each in found)
        assert verdict.next_at is not None
        assert all(each.next_at is None or verdict.next_at <= each.next_at for each in found)


@settings(max_examples=120)
@given(question=questions(has_house=True), shares=st.lists(st.floats(0.0, 1.0, exclude_max=True), max_size=6))
def test_a_verdict_holds_until_it_may_change(question: Question, shares: list[float]) -> None:
    """At every instant before, and whether the gate was asked before or not."""
    gate = Gate(question.policy, question.law)
    verdict = gate.decide(question.lead, question.number, question.now, question.known)
    assert verdict.next_at is None or verdict.next_at > question.now
    end_at = question.now + 4 * DAY_S if verdict.next_at is None else verdict.next_at
    instants = [question.now + share * (end_at - question.now) for share in shares]
    near = [edge for edge in (end_at - 1.0, question.now + 1.0) if question.now <= edge < end_at]
    for at in [each for each in (*instants, *near) if each < end_at]:
        then = replace(question, now=at) if verdict.allowed else question.later(at)
        again = gate.decide(then.lead, then.number, then.now, then.known)
        assert again == then.ask()
        assert (again.allowed, again.needs_agent) == (verdict.allowed, verdict.needs_agent), (verdict, again)


@settings(max_examples=80)
@given(question=questions(has_house=True), shares=st.lists(st.floats(0.0, 1.0, exclude_max=True), max_size=6))
def test_the_next_allowed_instant_allows_and_none_before_does(question: Question, shares: list[float]) -> None:
    """By what is known now."""
    gate = Gate(question.policy, question.law)
    found_at = gate.next_allowed_at(question.lead, question.number, question.now, question.known)
    if found_at is not None:
        assert question.later(found_at).ask().allowed
    end_at = question.now + 4 * DAY_S if found_at is None else found_at
    for share in shares:
        at = question.now + share * (end_at - question.now)
        assert at >= end_at or not question.later(at).ask().allowed


@given(question=questions(), changed_s=st.floats(0.5, DAY_S))
def test_a_change_since_the_standing_was_taken_refuses(question: Question, changed_s: float) -> None:
    """Whatever else holds, storage is asked again."""
    assert question.lead.standing is not None
    known = Known(registries=question.known.registries, changed_at=question.lead.standing.as_of_at + changed_s)
    verdict = question.ask(known=known)
    assert (verdict.allowed, verdict.rule, verdict.next_at) == (False, "standing", question.now)
