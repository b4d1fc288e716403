"""Events and commands survive their journey through JSON, and always look the same."""

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.domain.commands import BridgeCall, Command, RecordDecision
from dialer.domain.events import CallFailed, CampaignLoaded, Event
from dialer.domain.outcome import Outcome
from dialer.domain.policy import (
    AbandonmentPolicy,
    AbandonmentUnit,
    CampaignPolicy,
    ClockStart,
    PacingMode,
    PacingPolicy,
    RetryPolicy,
    RetryRule,
    ShadowPolicy,
    Window,
)
from dialer.domain.records import PacingDecision
from dialer.errors import StorageError
from dialer.storage.codec import Entry, decode, decode_entry, encode, encode_entry, to_object
from tests.unit.storage.builders import make_policy

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
st.register_type_strategy(float, FLOATS)
st.register_type_strategy(int, st.integers(min_value=-(2**63), max_value=2**63 - 1))
st.register_type_strategy(str, st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
st.register_type_strategy(
    Mapping,
    lambda kind: st.dictionaries(*[st.from_type(part) for part in get_args(kind)], max_size=3),
)
DECISION = st.builds(
    PacingDecision,
    **{field.name: st.from_type(field.type) for field in fields(PacingDecision) if field.name != "terms"},  # type: ignore[arg-type]
    terms=st.lists(
        st.tuples(st.text(max_size=5), st.floats(allow_nan=False)),
        max_size=4,
    ).map(tuple),
)
st.register_type_strategy(PacingDecision, DECISION)
# Only policies that may be are built: any others refuse to be.
ABANDONMENT = st.builds(
    AbandonmentPolicy,
    window=st.sampled_from(Window),
    starts_at=st.sampled_from(ClockStart),
    unit=st.sampled_from(AbandonmentUnit),
    message=st.none() | st.text(max_size=5),
    time_zone=st.text(max_size=5),
    target_rate=st.just(0.0),
    cap_rate=st.floats(0.0, 1.0, exclude_max=True),
    threshold_s=st.floats(0.0, 1e9),
    amd_checked=st.integers(100, 2**63 - 1),
    amd_people=st.integers(0, 100),
) | st.builds(AbandonmentPolicy)
st.register_type_strategy(AbandonmentPolicy, ABANDONMENT)
ABOVE_0 = st.floats(0.0, 1e9, exclude_min=True)
PACING = st.builds(
    PacingPolicy,
    mode=st.sampled_from(PacingMode),
    ratio=ABOVE_0,
    ring_timeout_s=ABOVE_0,
    preview_timeout_s=ABOVE_0,
    lines=st.none() | st.integers(1, 2**63 - 1),
    shadow=st.none() | st.builds(ShadowPolicy, mode=st.sampled_from(PacingMode), ratio=st.floats(1.0, 10.0)),
)
st.register_type_strategy(PacingPolicy, PACING)
KINDS = (*get_args(Event), *get_args(Command))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_every_event_and_command_comes_back_equal(kind: type[Any], data: st.DataObject) -> None:
    """Decoding what was encoded gives an equal value of the same class, and encoding that the same bytes."""
    value = data.draw(st.builds(kind))
    encoded = encode(value)
    decoded = decode(encoded)
    assert type(decoded) is kind
    assert decoded == value
    assert encode(decoded) == encoded
    assert to_object(value)["type"] == kind.__name__


@given(
    seq=st.integers(min_value=1, max_value=2**62),
    at=FLOATS,
    event=st.none() | st.from_type(Event),
    commands=st.lists(st.from_type(Command), max_size=3).map(tuple),
)
def test_entries_come_back_equal(seq: int, at: float, event: Event | None, commands: tuple[Command, ...]) -> None:
    """A journal entry is one line of JSON that decodes to itself."""
    line = encode_entry(seq, at, event, commands)
    assert b"\n" not in line
    assert decode_entry(line) == Entry(seq=seq, at=at, event=event, commands=commands)
    assert list(json.loads(line)) == ["version", "seq", "at", "event", "commands"]


def test_the_bytes_of_an_entry_are_known() -> None:
    """Fields stand in the order of their class, the type first, without spaces."""
    line = encode_entry(3, 12, CallFailed(call_id=7, outcome=Outcome.BUSY), [])
    assert line == (
        b'{"version":5,"seq":3,"at":12.0,"event":{"type":"CallFailed","call_id":7,"outcome":"busy","cause":""},'
        b'"commands":[]}'
    )
    assert encode_entry(4, 0.1 + 0.2, None, []) == (
        b'{"version":5,"seq":4,"at":0.30000000000000004,"event":null,"commands":[]}'
    )


def test_the_order_of_a_mapping_does_not_show() -> None:
    """Equal policies give equal bytes, however their mappings were filled."""
    rules = {Outcome.BUSY: RetryRule(after_s=1.0, times=1), Outcome.NO_ANSWER: RetryRule(after_s=2.0, times=2)}
    policies: list[CampaignPolicy] = [
        make_policy(retry=RetryPolicy(rules=dict(items))) for items in (rules.items(), reversed(rules.items()))
    ]
    one, two = (encode(CampaignLoaded(policy=policy)) for policy in policies)
    assert one == two


def test_infinite_terms_of_a_decision_survive() -> None:
    """A term that JSON has no number for comes back as it was."""
    decision = PacingDecision(
        campaign="null",
        at=1.0,
        mode="power",
        calls=0,
        wanted=0,
        allowed=3,
        runner_up="lines",
        runner_up_calls=7,
        limited_by="inf",
        is_reserved=True,
        terms=(("a", float("inf")), ("b", float("-inf")), ("c", 1.5)),
    )
    assert decode(encode(RecordDecision(decision=decision))) == RecordDecision(decision=decision)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"", "expected one entry"),
        (b"[1]", "expected one entry"),
        (b'{"seq":1,"at":0.0,"event":{"type":"Moon"},"commands":[]}', "type 'Moon' is neither an event nor a command"),
        (b'{"seq":1,"at":0.0,"event":{"call_id":1},"commands":[]}', "expected an event or a command"),
        (b'{"seq":1,"at":0.0,"event":{"type":"CallRinging"},"commands":[]}', "missing required field `call_id`"),
        (b'{"seq":1,"at":0.0,"event":{"type":"CallRinging","call_id":"1"},"commands":[]}', "Expected `int`"),
        (
            b'{"seq":9,"at":0.0,"event":{"type":"ClaimLeads","campaign":"c","count":1},"commands":[]}',
            "expected an event",
        ),
        (b'{"seq":9,"at":0.0,"event":null,"commands":[{"type":"CallRinging","call_id":1}]}', "expected commands"),
    ],
)
def test_what_is_no_entry_is_refused(line: bytes, message: str) -> None:
    """A damaged line gives a StorageError that names the entry and quotes nothing of it."""
    with pytest.raises(StorageError, match=message):
        decode_entry(line)


def test_a_word_for_nothing_stays_a_word() -> None:
    """An agent who is called null comes back as that agent."""
    value = BridgeCall(call_id=1, agent_id="null")
    assert decode(encode(value)) == value
