"""What is counted for Prometheus: each thing once, under a bounded number of labels, and nobody's number."""

from contextlib import suppress

from prometheus_client import generate_latest

from dialer.daemon.metrics import RULES_MAX, Metrics, TimedLedger
from dialer.domain.commands import Command, PlaceCall, RecordAgentSpan, RecordAttempt, RecordVerdict
from dialer.domain.events import CallReleased, EarlierRunFound, Event, FoundCall, LeadsClaimed
from dialer.domain.outcome import Outcome
from dialer.domain.records import AgentSpan, Attempt, VerdictRecord
from dialer.domain.verdict import Verdict
from dialer.storage.codec import Entry
from tests.unit.storage.builders import make_lead

NUMBER = "+447700900123"


def attempt(call_id: int, **fields: object) -> Attempt:
    """An attempt of one campaign."""
    base = {"call_id": call_id, "campaign": "survey", "lead_id": 7, "number": NUMBER, "mode": "power"}
    return Attempt(**base, placed_at=0.0, **fields)  # type: ignore[arg-type]


def place(call_id: int) -> PlaceCall:
    """An order to dial."""
    return PlaceCall(
        call_id=call_id,
        campaign="survey",
        lead_id=7,
        number=NUMBER,
        ring_timeout_s=20.0,
        caller_id=None,
        agent_id=None,
    )


def ended(call_id: int) -> RecordAttempt:
    """The record of a connect that is over: answered at 10, with an agent from 10.5."""
    return RecordAttempt(
        attempt=attempt(
            call_id, answered_at=10.0, bridged_at=10.5, released_at=60.0, is_live=True, outcome=Outcome.CONNECTED
        )
    )


def refused(rule: str) -> RecordVerdict:
    """A verdict that does not allow a call."""
    verdict = Verdict(allowed=False, rule=rule, inputs=(), next_at=None)
    return RecordVerdict(
        record=VerdictRecord(
            campaign="survey",
            seller="Example",
            lead_id=7,
            number=NUMBER,
            at=0.0,
            verdict=verdict,
            policy_digest="",
            law_digest="",
            registries=(),
        )
    )


def span(state: str, from_at: float, to_at: float, campaign: str | None = "survey") -> RecordAgentSpan:
    """What an agent did."""
    return RecordAgentSpan(
        span=AgentSpan(agent_id="ann", campaign=campaign, state=state, reason="", from_at=from_at, to_at=to_at)
    )


def hear(metrics: Metrics, *commands: Command, event: Event | None = None, now: float = 0.0) -> None:
    """Let one durable entry of instant 0 be heard."""
    metrics.hear(Entry(seq=1, at=0.0, event=event, commands=commands), now)


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    """The value of one series, None when there is none."""
    return metrics.registry.get_sample_value(name, labels)


def test_an_attempt_is_counted_at_its_end_and_once() -> None:
    """What is recorded after the end, such as the agent's word, counts nothing more."""
    metrics = Metrics()
    hear(metrics, place(1), RecordAttempt(attempt=attempt(1)))
    assert value(metrics, "dialer_attempts_total", campaign="survey", outcome="connected") is None
    hear(metrics, ended(1))
    hear(metrics, ended(1))
    assert value(metrics, "dialer_attempts_total", campaign="survey", outcome="connected") == 1.0
    assert value(metrics, "dialer_answer_wait_seconds_sum", campaign="survey") == 0.5


def test_a_call_of_an_earlier_run_is_counted_at_its_end() -> None:
    """It was placed by another process, and ends here."""
    metrics = Metrics()
    found = FoundCall(attempt=attempt(9), lead=make_lead(7))
    hear(metrics, event=EarlierRunFound(stopped_at=0.0, calls=(found,)))
    hear(metrics, ended(9))
    assert value(metrics, "dialer_attempts_total", campaign="survey", outcome="connected") == 1.0


def test_a_wait_is_what_lies_between_two_conversations() -> None:
    """Ready and reserved count together; a pause in between starts the wait anew."""
    metrics = Metrics()
    hear(
        metrics, span("ready", 0.0, 3.0), span("reserved", 3.0, 4.0), span("ready", 4.0, 6.0), span("talking", 6.0, 9.0)
    )
    assert value(metrics, "dialer_agent_wait_seconds_sum", campaign="survey") == 6.0
    hear(metrics, span("ready", 9.0, 20.0), span("paused", 20.0, 30.0), span("ready", 30.0, 31.0))
    hear(metrics, span("talking", 31.0, 40.0))
    assert value(metrics, "dialer_agent_wait_seconds_sum", campaign="survey") == 7.0
    assert metrics.agent_seconds["survey", "talking"] == 12.0


def test_rules_beyond_the_limit_share_a_series() -> None:
    """However many rules refuse, the number of series is bounded and no refusal is lost."""
    metrics = Metrics()
    for rank in range(RULES_MAX + 50):
        hear(metrics, refused(f"rule-{rank}"), refused("rule-0"))
    assert value(metrics, "dialer_verdict_refusals_total", campaign="survey", rule="rule-0") == RULES_MAX + 51.0
    assert value(metrics, "dialer_verdict_refusals_total", campaign="survey", rule="other") == 50.0


def test_the_lag_is_that_of_news() -> None:
    """An event's way from its arrival counts; deadlines and the store's own answers do not."""
    metrics = Metrics()
    hear(metrics, event=CallReleased(call_id=1, by="callee"), now=0.2)
    hear(metrics, now=5.0)
    hear(metrics, event=LeadsClaimed(campaign="survey", leads=(), next_due_at=None, open_leads=0), now=5.0)
    assert value(metrics, "dialer_event_lag_seconds_count") == 1.0
    assert value(metrics, "dialer_event_lag_seconds_sum") == 0.2


def test_no_page_holds_a_number() -> None:
    """Whatever was heard, no telephone number and no lead is in the answer."""
    metrics = Metrics()
    hear(metrics, place(1), ended(1), refused("gb-hours"), span("talking", 0.0, 1.0))
    page = generate_latest(metrics.registry).decode()
    assert NUMBER[1:] not in page
    assert "lead_id" not in page


class Kept:
    """A ledger that keeps nothing."""

    def commit_batch(self, entries: object) -> None:
        """Take a batch."""

    def claim(self, campaign: str, count: int, now: float) -> LeadsClaimed:
        """Have nothing."""
        return LeadsClaimed(campaign=campaign, leads=(), next_due_at=None, open_leads=0)


class Full(Kept):
    """A ledger that fails."""

    def commit_batch(self, entries: object) -> None:
        """Fail."""
        raise OSError("no room")


def test_only_commits_that_return_are_timed() -> None:
    """A failed one is told by the state, and would make the rest look fast or slow."""
    metrics = Metrics()
    TimedLedger(Kept(), metrics).commit_batch([Entry(seq=1, at=0.0, event=None, commands=())])
    TimedLedger(Kept(), metrics).claim("survey", 10, 0.0)
    with suppress(OSError):
        TimedLedger(Full(), metrics).commit_batch([])
    assert value(metrics, "dialer_commit_seconds_count") == 1.0
    assert value(metrics, "dialer_journal_entries_total") == 1.0
    assert value(metrics, "dialer_claim_seconds_count") == 1.0
