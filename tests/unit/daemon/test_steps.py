"""One call in the log: every step has the campaign, the lead and the call, and no step a number."""

import io
import json

from dialer.daemon.logs import make_logger
from dialer.daemon.steps import Steps
from dialer.domain.commands import BridgeCall, Command, HangUp, PlaceCall, RecordAttempt
from dialer.domain.events import (
    CallAnswered,
    CallBridged,
    CallClassified,
    CallReleased,
    CallRinging,
    EarlierRunFound,
    Event,
    FoundCall,
)
from dialer.domain.records import Attempt
from dialer.storage.codec import Entry
from tests.unit.storage.builders import make_lead

NUMBER = "+447700900123"
DONE = RecordAttempt(
    attempt=Attempt(
        call_id=5, campaign="survey", lead_id=7, number=NUMBER, mode="power", placed_at=0.0, released_at=9.0
    )
)


def told(level: str, *steps: tuple[Event | None, tuple[Command, ...]]) -> list[dict[str, object]]:
    """What the log says of some entries."""
    out = io.StringIO()
    hear = Steps(make_logger(level, "json", stream=out))
    for seq, (event, commands) in enumerate(steps, 1):
        hear(Entry(seq=seq, at=0.0, event=event, commands=commands))
    assert NUMBER not in out.getvalue()
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_call_is_followed_from_the_order_to_the_hang_up() -> None:
    """One search for the call's id gives every step in order, each with campaign and lead."""
    place = PlaceCall(
        call_id=5, campaign="survey", lead_id=7, number=NUMBER, ring_timeout_s=20.0, caller_id=None, agent_id="ann"
    )
    lines = told(
        "debug",
        (None, (place,)),
        (CallRinging(call_id=5), ()),
        (CallAnswered(call_id=5), ()),
        (CallClassified(call_id=5, is_machine=False), (BridgeCall(call_id=5, agent_id="ann"),)),
        (CallBridged(call_id=5, agent_id="ann"), ()),
        (None, (HangUp(call_id=5, reason="stopped"),)),
        (CallReleased(call_id=5, by="engine"), (DONE,)),
    )
    steps = ["placed", "ringing", "answered", "classified", "bridge", "bridged", "hang up", "released"]
    assert [line["step"] for line in lines] == steps
    whose = {(line["campaign"], line["lead_id"], line["call_id"], line["trace"]) for line in lines}
    assert whose == {("survey", 7, 5, "survey/7/5")}
    assert (lines[0]["agent_id"], lines[3]["is_machine"], lines[6]["reason"]) == ("ann", False, "stopped")


def test_a_call_of_an_earlier_run_keeps_its_lead() -> None:
    """What happens to it after the restart is told as before."""
    found = FoundCall(attempt=DONE.attempt, lead=make_lead(7))
    lines = told("debug", (EarlierRunFound(stopped_at=0.0, calls=(found,)), ()), (CallRinging(call_id=5), ()))
    assert (lines[-1]["campaign"], lines[-1]["lead_id"]) == ("survey", 7)


def test_steps_are_for_those_who_ask() -> None:
    """At level info a call is one line, its attempt; the steps are not told."""
    assert told("info", (CallRinging(call_id=5), ())) == []
