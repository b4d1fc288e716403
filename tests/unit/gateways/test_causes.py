"""Every cause comes to an outcome, and to the right one."""

import pytest

from dialer.domain.outcome import FAILURES, Outcome
from dialer.gateways.causes import NO_REPLY, Q850, SIP, outcome_of, words

# What Asterisk 22 makes of each SIP answer, measured: (SIP code, Q.850 cause).
MEASURED = [
    (400, 127), (401, 21), (402, 127), (403, 21), (404, 1), (405, 127), (406, 127), (407, 21), (408, 18), (410, 22),
    (413, 127), (414, 127), (415, 127), (416, 127), (420, 3), (421, 127), (423, 127), (480, 19), (481, 127), (482, 127),
    (483, 19), (484, 28), (485, 1), (486, 17), (487, 127), (488, 58), (491, 127), (500, 38), (501, 29), (502, 27),
    (503, 34), (504, 102), (505, 127), (513, 34), (600, 17), (603, 21), (604, 1), (606, 58), (607, 127), (608, 127),
]  # fmt: skip


@pytest.mark.parametrize(("sip", "cause"), MEASURED)
def test_what_asterisk_makes_of_a_sip_answer_is_what_the_answer_says(sip: int, cause: int) -> None:
    """With the cause that Asterisk puts beside it, a SIP answer comes to the outcome of its own row."""
    assert outcome_of(cause, sip, has_far_end=True) is SIP[sip]


@pytest.mark.parametrize("sip", range(300, 700))
def test_every_sip_final_has_an_outcome(sip: int) -> None:
    """Known or not, a final answer without a cause comes to one of the failures that a gateway may report."""
    assert outcome_of(127, sip, has_far_end=True) in FAILURES


@pytest.mark.parametrize("cause", range(128))
@pytest.mark.parametrize("has_far_end", [True, False])
def test_every_cause_has_an_outcome(cause: int, has_far_end: bool) -> None:
    """Known or not, a cause without a SIP answer comes to one of the failures that a gateway may report."""
    assert outcome_of(cause, None, has_far_end=has_far_end) in FAILURES


def test_the_tables_hold_failures_only() -> None:
    """No row says what only the engine or a person can bring about."""
    assert set(Q850.values()) | set(SIP.values()) <= FAILURES


@pytest.mark.parametrize(
    ("cause", "sip", "outcome"),
    [
        (17, 503, Outcome.BUSY),  # a Reason header from the telephone network behind the carrier
        (1, 480, Outcome.INVALID),
        (21, 407, Outcome.CONGESTION),  # the carrier asks who we are: the person knows nothing of it
        (127, 607, Outcome.REJECTED),  # unwanted
        (16, 486, Outcome.BUSY),  # a cause that says nothing
        (0, None, Outcome.NO_ANSWER),  # how older versions report their own time-out
        (19, 480, Outcome.NO_ANSWER),
    ],
)
def test_the_cause_goes_before_the_code_where_it_says_more(cause: int, sip: int | None, outcome: Outcome) -> None:
    """The far network's cause decides, but for the codes that a switch can only put badly."""
    assert outcome_of(cause, sip, has_far_end=True) is outcome


@pytest.mark.parametrize(("cause", "sip"), [(19, 480), (19, None), (0, None), (18, 408)])
def test_a_time_out_without_any_reply_says_nothing_about_the_person(cause: int, sip: int | None) -> None:
    """Without ringing, early sound or a refusal, the carrier is dead and nobody's telephone rang."""
    assert outcome_of(cause, sip, has_far_end=False) is Outcome.CONGESTION
    assert words(cause, sip, has_far_end=False) == NO_REPLY


def test_a_cause_is_kept_in_words() -> None:
    """Both numbers are kept, since both are asked for when a carrier is asked."""
    assert words(17, 486) == "Q.850 17, SIP 486"
    assert words(34, None) == "Q.850 34"
