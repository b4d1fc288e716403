"""What a reload says about a changed campaign file."""

from dataclasses import replace

from dialer.daemon.reload import differences
from dialer.domain.outcome import Outcome
from dialer.domain.policy import PacingMode, RetryRule
from tests.parity.floor import policy


def test_each_changed_key_is_named_with_both_values() -> None:
    """Nested policies and tables give dotted keys; what is equal is not named."""
    old = policy()
    rules = {**old.retry.rules, Outcome.BUSY: RetryRule(after_s=60.0, times=3)}
    new = replace(
        old,
        pacing=replace(old.pacing, mode=PacingMode.POWER),
        retry=replace(old.retry, rules=rules),
        script="script.md",
    )
    assert list(differences(old, new)) == [
        {"key": "pacing.mode", "before": "predictive", "after": "power"},
        {"key": "retry.rules.busy.after_s", "before": "300.0", "after": "60.0"},
        {"key": "script", "before": "(absent)", "after": "script.md"},
    ]


def test_an_unchanged_file_has_no_difference_and_a_new_one_has_one() -> None:
    """Loading for the first time is one difference."""
    assert list(differences(policy(), policy())) == []
    assert [each["before"] for each in differences(None, policy())] == ["absent"]
