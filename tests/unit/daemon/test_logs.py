"""Log lines: one per finished attempt, one per changed decision, numbers masked, JSON where nobody sits."""

import io
import json
from dataclasses import replace
from typing import Any

from dialer.daemon.logs import Narrator, make_logger
from dialer.domain.commands import BlockPerson, Command, RecordAgentSpan, RecordAttempt, RecordChange, RecordDecision
from dialer.domain.events import StoreLagged
from dialer.domain.lag import Lag
from dialer.domain.outcome import Outcome
from dialer.domain.records import AgentSpan, Attempt, CampaignChange, PacingDecision
from dialer.storage.codec import Entry

PLACED = Attempt(
    call_id=7, campaign="survey", lead_id=3, number="+821012345678", mode="progressive", placed_at=100.0, rule="allowed"
)
FAILED = replace(PLACED, ringing_at=102.0, released_at=122.5, outcome=Outcome.NO_ANSWER)
TALKED = replace(
    PLACED,
    answered_at=110.0,
    bridged_at=110.5,
    released_at=200.0,
    agent_id="a1",
    outcome=Outcome.CONNECTED,
    is_live=True,
)
DISPOSED = replace(TALKED, disposition="sale", disposed_at=215.0)
WRAPPED = AgentSpan(agent_id="a1", campaign="survey", state="wrap_up", reason="", from_at=200.0, to_at=230.0, call_id=7)


def lines(*commands: Command, is_closed: bool = False) -> list[dict[str, Any]]:
    """What a narrator writes about entries of one command each."""
    out = io.StringIO()
    narrator = Narrator(make_logger("info", "json", stream=out))
    for seq, command in enumerate(commands, start=1):
        narrator(Entry(seq=seq, at=0.0, event=None, commands=(command,)))
    if is_closed:
        narrator.close()
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_an_attempt_without_connect_has_its_line_at_its_end() -> None:
    """Placing writes nothing; the end writes one line with trace fields, durations and the masked number."""
    [line] = lines(RecordAttempt(attempt=PLACED), RecordAttempt(attempt=FAILED))
    assert (line["event"], line["campaign"], line["lead_id"], line["call_id"]) == ("attempt", "survey", 3, 7)
    assert (line["number"], line["outcome"], line["ring_s"]) == ("+82-10-****-5678", "no_answer", 20.5)
    assert "agent_id" not in line


def test_a_connect_has_one_line_with_the_agents_word() -> None:
    """Release and disposition together are one line."""
    [line] = lines(RecordAttempt(attempt=TALKED), RecordAttempt(attempt=DISPOSED), RecordAgentSpan(span=WRAPPED))
    assert (line["disposition"], line["talk_s"], line["wait_s"]) == ("sale", 89.5, 0.5)


def test_a_connect_without_a_word_has_its_line_when_wrap_up_ends() -> None:
    """A word that comes later has a line of its own."""
    first, second = lines(RecordAttempt(attempt=TALKED), RecordAgentSpan(span=WRAPPED), RecordAttempt(attempt=DISPOSED))
    assert (first["event"], "disposition" in first) == ("attempt", False)
    assert (second["event"], second["disposition"]) == ("late disposition", "sale")


def test_a_connect_that_still_waits_at_the_end_is_told() -> None:
    """Closing writes the lines that waited for a word."""
    assert [line["event"] for line in lines(RecordAttempt(attempt=TALKED), is_closed=True)] == ["attempt"]


def test_a_decision_is_told_when_it_changed() -> None:
    """The same number for the same reason is one line, however the figures behind it move."""
    decision = PacingDecision(
        campaign="survey",
        at=1.0,
        mode="predictive",
        calls=2,
        wanted=3,
        allowed=3,
        runner_up="lines",
        runner_up_calls=7,
        limited_by="lines",
        is_reserved=False,
        terms=(("p_answer", 0.123456789),),
    )
    told = lines(
        RecordDecision(decision=decision),
        RecordDecision(decision=replace(decision, at=2.0, terms=(("p_answer", 0.2),))),
        RecordDecision(decision=replace(decision, at=3.0, limited_by="budget")),
    )
    assert [(line["limited_by"], line["terms"]) for line in told] == [
        ("lines", {"p_answer": 0.12346}),
        ("budget", {"p_answer": 0.12346}),
    ]
    assert told[0]["reason"] == "started 2 of 3 wanted: 3 lines were free; next limit: lines (7)"


def test_changes_and_blocks_are_told_with_their_reasons() -> None:
    """Who, why and what before and after; numbers of a blocked person are masked."""
    change = CampaignChange(
        campaign="survey",
        at=1.0,
        action="pause",
        before="running",
        after="paused",
        reason="drill",
        who="kim",
        digest="ab",
    )
    changed, blocked = lines(
        RecordChange(change=change), BlockPerson(seller="S", numbers=("+821012345678",), reason="refused")
    )
    assert (changed["who"], changed["reason"], changed["after"]) == ("kim", "drill", "paused")
    assert blocked["numbers"] == ["+82-10-****-5678"]


def test_the_form_follows_the_place() -> None:
    """`auto` writes JSON where there is no terminal; `console` is for people; a level hides what is below."""
    for form, is_json in (("auto", True), ("json", True), ("console", False)):
        out = io.StringIO()
        logger = make_logger("warning", form, stream=out)
        logger.info("hidden")
        logger.warning("shown", lead_id=3)
        assert out.getvalue().startswith("{") is is_json
        assert "hidden" not in out.getvalue()


def test_a_fault_of_the_dialer_tells_no_number() -> None:
    """Whatever Python says of it: the key that was not found, the object that did not fit, its causes."""
    for form in ("json", "console"):
        out = io.StringIO()
        logger = make_logger("info", form, stream=out)
        try:
            try:
                {}[PLACED.number]
            except KeyError as error:
                raise RuntimeError(f"no such call: {PLACED}") from error
        except RuntimeError as error:
            logger.error("crashed", error=str(error), exc_info=error)
        assert "KeyError" in out.getvalue()
        assert "+82-10-****-5678" in out.getvalue()
        assert PLACED.number not in out.getvalue()


class Leaky(io.StringIO):
    """A stream that cannot be written to while it is full."""

    is_full = False

    def write(self, text: str) -> int:
        if self.is_full:
            raise OSError(28, "No space left on device")
        return super().write(text)


def test_a_stream_that_fails_costs_lines_only() -> None:
    """With the disk full or the reader gone nothing is raised; the next line that is kept says how many are not."""
    out = Leaky()
    logger = make_logger("info", "json", stream=out)
    for is_full, event in ((False, "one"), (True, "two"), (True, "three"), (False, "four"), (False, "five")):
        out.is_full = is_full
        logger.info(event)
    kept = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [(line["event"], line.get("lost_lines")) for line in kept] == [("one", None), ("four", 2), ("five", None)]


def test_a_store_that_lags_is_told_when_it_changes() -> None:
    """With what is dialed meanwhile; and when it is over."""
    out = io.StringIO()
    narrator = Narrator(make_logger("info", "json", stream=out))
    for seq, (lag, lag_s) in enumerate(((Lag.SLOW, 0.4), (Lag.STALLED, 1.5), (Lag.NONE, 0.01)), start=1):
        narrator(Entry(seq=seq, at=0.0, event=StoreLagged(lag=lag, lag_s=lag_s), commands=()))
    slow, stalled, over = (json.loads(line) for line in out.getvalue().splitlines())
    assert (slow["event"], slow["lag_s"], slow["dialing"]) == ("the store lags", 0.4, "one call per reserved agent")
    assert (stalled["event"], stalled["dialing"]) == ("the store lags", "no new calls")
    assert over["event"] == "the store is fast enough again"
