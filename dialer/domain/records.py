"""What is kept for reports and for proof. Written once by the engine, read by storage, logs and reports."""

from dataclasses import dataclass

from dialer.domain.outcome import Outcome
from dialer.domain.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One decision to dial one number of a lead, with every instant that a law may ask for (None: it did not happen).

    `is_live`: answered by a person, the denominator of abandonment. `is_abandoned`: no agent within the threshold from
    the policy's starting point, even if one came late. `ring_s` is from the first ring (else the placing) to the answer
    or the end.
    """

    call_id: int
    campaign: str
    lead_id: int
    number: str
    mode: str
    placed_at: float
    ringing_at: float | None = None
    answered_at: float | None = None
    classified_at: float | None = None
    greeting_start_at: float | None = None
    greeting_end_at: float | None = None
    abandoned_at: float | None = None
    bridged_at: float | None = None
    released_at: float | None = None
    disposed_at: float | None = None
    agent_id: str | None = None
    is_reserved: bool = False  # an agent was held for this call from the start
    is_live: bool = False
    is_abandoned: bool = False
    is_late_connect: bool = False
    outcome: Outcome | None = None
    disposition: str | None = None
    is_success: bool = False
    is_right_party: bool = False
    released_by: str = ""
    cause: str = ""
    rule: str = ""  # the verdict's rule that allowed the call
    number_rank: int = 0  # which of the lead's numbers, from 0
    attempt_rank: int = 1  # the lead's how-many-th attempt, from 1
    seller: str = ""
    subject: str = ""  # what the call was about: attempts of one subject count together where a rule says so
    message_at: float | None = None  # the abandonment message was ordered
    is_refusal: bool = False  # the person declined, by the agent's word


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictRecord:
    """A verdict with what it was given on, for the evidence.

    `registries` are the copies (registry, version) of the registers in use, `law_digest` is that of all rulesets,
    overrides and holidays, `policy_digest` that of the campaign file.
    """

    campaign: str
    seller: str
    lead_id: int
    number: str
    at: float
    verdict: Verdict
    policy_digest: str
    law_digest: str
    registries: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSpan:
    """An agent was in one state from one instant to another."""

    agent_id: str
    campaign: str | None
    state: str
    reason: str
    from_at: float
    to_at: float
    call_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRecord:
    """An agent as they stand: what a restart goes on from. `owed` is the state asked for during a call."""

    agent_id: str
    groups: tuple[str, ...]
    state: str
    reason: str
    since_at: float
    campaign: str | None = None
    call_id: int | None = None
    owed: str | None = None
    owed_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PacingDecision:
    """How many calls were started and what limited the number; `terms` are the figures behind it, in a fixed order.

    `wanted` is the pacer's own answer, `allowed` what the limits and the governor left of it, `calls` what was started.
    `runner_up` would have bound next, at `runner_up_calls` ("": nothing would).
    """

    campaign: str
    at: float
    mode: str
    calls: int
    wanted: int
    allowed: int
    limited_by: str
    runner_up: str
    runner_up_calls: int
    is_reserved: bool
    terms: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorFigures:
    """What a floor did over a span; a ratio over nothing is None.

    `wait_s` is the agents' idle time per connect.
    """

    dials: int
    live: int
    connects: int
    abandoned: int
    occupancy: float | None
    abandonment_rate: float | None
    wait_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowReport:
    """What another pacing policy would have done on the same floor, beside what was done, as of `at`.

    `since_at` None: it has not started; `resolved` says how many dials have come to an end so far.
    """

    campaign: str
    at: float
    since_at: float | None
    mode: str  # the one in force
    shadow: str
    resolved: int
    real: FloorFigures
    twin: FloorFigures
    real_hour: FloorFigures
    twin_hour: FloorFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignChange:
    """A campaign went from one state to another."""

    campaign: str
    at: float
    action: str
    before: str
    after: str
    reason: str
    who: str
    digest: str  # of the campaign file in force


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetSnapshot:
    """The counters of an abandonment budget, to be stored and handed back at the next start."""

    first_live_at: float | None
    opens_at: float | None  # of the window the counts belong to
    live: int
    abandoned: int
    hour: tuple[tuple[int, int, int], ...]  # (minute since the epoch, live answers, abandonments), ascending
    machines: int = 0  # answers that the detector called machines
    hour_machines: tuple[tuple[int, int], ...] = ()  # (minute since the epoch, machines), ascending
