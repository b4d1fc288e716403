"""What a campaign file declares, against what the rules ask of it."""

from dataclasses import replace
from typing import Any

import pytest

from dialer.domain.law import Rule
from dialer.domain.policy import AbandonmentPolicy, CampaignPolicy, ClockStart, Window
from dialer.domain.verdict import Finding
from tests.laws import abandonment_rule, caller_id_rule, ring_rule
from tests.unit.compliance.asking import campaign, korea, of_rule, trace

STRICT = AbandonmentPolicy(
    target_rate=0.01,
    cap_rate=0.02,
    window=Window.DAY,
    threshold_s=2.0,
    starts_at=ClockStart.ANSWER,
    message="sorry.wav",
    message_says=("seller", "number"),
)


def found(rule: Rule, **changes: Any) -> Finding:
    """What a rule says of a campaign that declares this."""
    policy: CampaignPolicy = replace(campaign(abandonment=STRICT), **changes)
    return of_rule(trace(korea(rule), policy=policy), rule.rule_id)


@pytest.mark.parametrize(("ring_s", "allowed"), [(14.9, False), (15.0, True), (22.0, True)])
def test_a_call_rings_long_enough(ring_s: float, allowed: bool) -> None:
    """At least as long as the rule asks."""
    answer = found(ring_rule(15.0), pacing=replace(campaign().pacing, ring_timeout_s=ring_s))
    assert (answer.allowed, answer.next_at) == (allowed, None)
    assert answer.inputs == (("ring_timeout_s", f"{ring_s:g}"), ("min_ring_s", "15"))


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        ({}, None),
        ({"cap_rate": 0.02}, None),
        ({"cap_rate": 0.01}, "cap_rate"),
        ({"cap_rate": None}, None),
        ({"windows": (Window.BLOCKS_30D, Window.DAY)}, None),
        ({"windows": (Window.BLOCKS_30D,)}, "window"),
        ({"windows": ()}, None),
        ({"threshold_s": 1.0}, "threshold_s"),
        ({"starts_at": ClockStart.ANSWER}, None),
        ({"is_message_required": True}, None),
        ({"is_message_required": True, "message_says": ("number",)}, None),
        ({"message_says": ("number", "free objection")}, "message_says"),
    ],
)
def test_a_campaign_counts_abandonments_as_strictly_as_the_law(rule: dict[str, Any], fault: str | None) -> None:
    """Or more so; what is laxer is named."""
    answer = found(abandonment_rule(rule.pop("cap_rate", 0.03), **rule))
    assert answer.allowed is (fault is None)
    if fault is not None:
        assert [name for name, _ in answer.inputs] == [fault]


def test_the_clock_may_start_earlier_and_not_later() -> None:
    """A campaign that waits for the end of the greeting where the law counts from the answer is refused."""
    late = replace(STRICT, starts_at=ClockStart.GREETING_END)
    answer = found(abandonment_rule(starts_at=ClockStart.GREETING_START), abandonment=late)
    assert answer.inputs == (("starts_at", "greeting_end, not after greeting_start"),)
    assert found(abandonment_rule(starts_at=ClockStart.GREETING_START)).allowed


def test_a_message_is_asked_for_where_the_law_does() -> None:
    """Without one there is nothing to say; where it is not asked for, silence says nothing wrong."""
    silent = replace(STRICT, message=None, message_says=())
    needed = found(abandonment_rule(is_message_required=True, message_says=("seller",)), abandonment=silent)
    assert [name for name, _ in needed.inputs] == ["message", "message_says"]
    assert found(abandonment_rule(message_says=("seller",)), abandonment=silent).allowed


@pytest.mark.parametrize(
    ("rule", "shown", "allowed"),
    [
        ({}, None, False),
        ({}, "", False),
        ({}, "+820200000001", True),
        ({"is_required": False}, None, True),
        ({"is_required": False, "prefixes": ("+8215",)}, None, False),
        ({"is_required": False, "prefixes": ("+8215", "+822")}, "+82200000001", True),
        ({"prefixes": ("+8215",)}, "+82200000001", False),
    ],
)
def test_the_number_shown_is_the_right_one(rule: dict[str, Any], shown: str | None, allowed: bool) -> None:
    """Named where one has to be, and of the right kind; the finding does not repeat it."""
    answer = found(caller_id_rule(**rule), caller_id=shown)
    assert answer.allowed is allowed
    assert not shown or shown not in repr(answer.inputs)
