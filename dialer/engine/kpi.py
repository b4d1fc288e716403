"""What a span of attempts and agents' work amounts to: the figures of every report, each with its formula.

One rule governs this module: a rate carries its numerator and denominator, and has no value where the denominator is 0.

The letters of the formulas, over the attempts placed in the span:

    T  dials that reached the network (all outcomes but `congestion`)
    L  live answers            M  answers by a machine
    C  leads tried             K  connects: live answers joined to an agent, late ones included
    R  right-party contacts    S  successes
    A  abandonments: live answers with no agent within the threshold from the policy's starting point, even if one came
       late

A machine that the detector took for a person and an agent heard is in M, not in L, A or K, once the agent says so. It
took the agent's time like a connect: both are conversations.

Agents' time is the part of each span that lies inside the span asked for. A wait is the time an agent was ready or
reserved, without interruption, up to a conversation that began in the span; a break or a log-out in between ends the
wait uncounted. In preview mode the reserved agent reads the lead, so that time is work, not waiting. A pause belongs to
no campaign; a campaign's figures count those of the agents who worked for it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil

from dialer.domain.agent import AgentState
from dialer.domain.outcome import Outcome
from dialer.domain.policy import AbandonmentPolicy, CampaignPolicy, ClockStart, PacingMode
from dialer.domain.records import AgentSpan, Attempt

HOUR_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure. `unit` is count, share, s, per_hour or per_connect; `value` is None where nothing can be said.

    Rates, means and shares have `numerator` and `denominator`; counts and percentiles have neither.
    """

    name: str
    value: float | None
    unit: str
    formula: str
    numerator: float | None = None
    denominator: float | None = None


@dataclass(slots=True, kw_only=True)
class WorkTime:
    """What one or more agents did inside a span, in seconds by state, with the waits before their conversations.

    `conversations` are those that began in the span, `connects` the ones among them with a person.
    `preview_s`: reserved by a campaign in preview mode, not in `seconds`; `has_preview`: there is such a campaign.
    """

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    waits: list[float] = field(default_factory=list)
    conversations: int = 0
    connects: int = 0
    preview_s: float = 0.0
    has_preview: bool = False

    def of(self, *states: AgentState) -> float:
        """Add up the seconds of some states."""
        return sum(self.seconds.get(state, 0.0) for state in states)

    @property
    def work_s(self) -> float:
        """Talk, wrap-up and, in preview mode, the time with an offered lead."""
        return self.of(AgentState.TALKING, AgentState.WRAP_UP) + self.preview_s

    @property
    def staffed_s(self) -> float:
        """Logged in without breaks."""
        return self.work_s + self.of(AgentState.READY, AgentState.RESERVED)


def campaign_figures(
    attempts: Iterable[Attempt],
    spans: Iterable[AgentSpan],
    policy: CampaignPolicy,
    from_at: float,
    to_at: float,
    *,
    loaded: int | None = None,
) -> tuple[Figure, ...]:
    """Give a campaign's figures over the half-open span from `from_at` to `to_at`.

    `attempts` are the campaign's; `spans` may hold those of other campaigns, which count for nothing. `loaded` is the
    number of leads on its list (None: not known).
    """
    attempts = list(attempts)
    preview = (policy.name,) if policy.pacing.mode is PacingMode.PREVIEW else ()
    machines = machines_joined(attempts)
    work = work_time(spans_of(policy.name, spans), from_at, to_at, preview=preview, machines=machines)
    return (
        *_dialing_figures(attempts, loaded),
        *_abandonment_figures(attempts, policy.abandonment),
        *_agent_figures(work),
        *_time_to_agent_figures(attempts, policy.abandonment),
    )


def spans_of(campaign: str, spans: Iterable[AgentSpan]) -> list[AgentSpan]:
    """Pick a campaign's spans, and the pauses of the agents who have one of them."""
    spans = list(spans)
    agents = {span.agent_id for span in spans if span.campaign == campaign}
    return [s for s in spans if s.campaign == campaign or (s.campaign is None and s.agent_id in agents)]


def agent_figures(
    spans: Iterable[AgentSpan],
    from_at: float,
    to_at: float,
    *,
    preview: Collection[str] = (),
    machines: Collection[int] = (),
) -> dict[str, tuple[Figure, ...]]:
    """Give each agent's figures, by agent in alphabetical order.

    `preview` names the campaigns in preview mode, `machines` the calls on which an agent heard a machine.
    """
    by_agent: dict[str, list[AgentSpan]] = defaultdict(list)
    for span in spans:
        by_agent[span.agent_id].append(span)
    return {
        agent_id: _agent_figures(work_time(by_agent[agent_id], from_at, to_at, preview=preview, machines=machines))
        for agent_id in sorted(by_agent)
    }


def work_time(
    spans: Iterable[AgentSpan],
    from_at: float,
    to_at: float,
    *,
    preview: Collection[str] = (),
    machines: Collection[int] = (),
) -> WorkTime:
    """Add up agents' spans inside a span of time, and find the waits before the conversations that begin in it."""
    work = WorkTime(has_preview=bool(preview))
    by_agent: dict[str, list[AgentSpan]] = defaultdict(list)
    for span in spans:
        by_agent[span.agent_id].append(span)
        inside_s = min(span.to_at, to_at) - max(span.from_at, from_at)
        if inside_s > 0.0 and _is_preview(span, preview):
            work.preview_s += inside_s
        elif inside_s > 0.0:
            work.seconds[span.state] += inside_s
        if span.state == AgentState.TALKING and from_at <= span.from_at < to_at:
            work.conversations += 1
            work.connects += span.call_id not in machines
    for spans_of_one in by_agent.values():
        in_order = sorted(spans_of_one, key=lambda span: (span.from_at, span.to_at))
        work.waits += [wait_s for at, wait_s in _waits(in_order, preview) if from_at <= at < to_at]
    return work


def _is_preview(span: AgentSpan, preview: Collection[str]) -> bool:
    return span.state == AgentState.RESERVED and span.campaign in preview


def _waits(spans: Sequence[AgentSpan], preview: Collection[str]) -> Iterator[tuple[float, float]]:
    """Give (instant, seconds waited before) for each conversation of one agent that followed a wait."""
    waited_s: float | None = None
    ended_at = float("-inf")
    for span in spans:
        if span.from_at > ended_at:
            waited_s = None
        ended_at = span.to_at
        if _is_preview(span, preview):
            continue
        if span.state in (AgentState.READY, AgentState.RESERVED):
            waited_s = (waited_s or 0.0) + span.to_at - span.from_at
        elif span.state == AgentState.TALKING:
            if waited_s is not None:
                yield span.from_at, waited_s
            waited_s = None
        else:
            waited_s = None


def percentile(values: Iterable[float], share: float) -> float | None:
    """Give the smallest value with at least `share` of all values at or below it; None of none."""
    in_order = sorted(values)
    return in_order[max(ceil(share * len(in_order) - 1e-9), 1) - 1] if in_order else None


def live_answers(attempts: Iterable[Attempt]) -> int:
    """Count the live answers."""
    return sum(attempt.is_live for attempt in attempts)


def abandonments(attempts: Iterable[Attempt]) -> int:
    """Count the abandonments; an agent's word that it was a machine takes one back."""
    return sum(attempt.is_abandoned and attempt.is_live for attempt in attempts)


def late_connects(attempts: Iterable[Attempt]) -> int:
    """Count the connects after the threshold."""
    return sum(attempt.is_late_connect and attempt.is_live for attempt in attempts)


def machines_joined(attempts: Iterable[Attempt]) -> frozenset[int]:
    """Give the calls on which an agent heard a machine, by the agent's word."""
    return frozenset(attempt.call_id for attempt in attempts if attempt.bridged_at is not None and not attempt.is_live)


def is_abandoned_by_callee(attempt: Attempt) -> bool:
    """Whether a person hung up while waiting, before the threshold."""
    return attempt.outcome is Outcome.ABANDONED_BY_CALLEE and attempt.is_live


def is_hung_up_unclassified(attempt: Attempt) -> bool:
    """Whether somebody or something picked up and was gone before it was known whether it was a person."""
    return attempt.outcome is Outcome.ABANDONED_BY_CALLEE and not attempt.is_live


def is_cut_short(attempt: Attempt) -> bool:
    """Whether the dialer took the call back before anybody answered: a ring that stops, which no rate counts."""
    return attempt.outcome is Outcome.CANCELLED


def wait_for_agent_s(attempt: Attempt, starts_at: ClockStart) -> float | None:
    """Give the seconds that a person waited from the policy's starting point for the agent; None without a connect.

    The answer's instant stands where the greeting was not measured. 0 when the agent was there first.
    """
    if attempt.bridged_at is None or attempt.answered_at is None or not attempt.is_live:
        return None
    measured = {
        ClockStart.ANSWER: attempt.answered_at,
        ClockStart.GREETING_START: attempt.greeting_start_at,
        ClockStart.GREETING_END: attempt.greeting_end_at,
    }[starts_at]
    started_at = attempt.answered_at if measured is None else measured
    return max(attempt.bridged_at - started_at, 0.0)


def _dialing_figures(attempts: Sequence[Attempt], loaded: int | None) -> tuple[Figure, ...]:
    dials = sum(attempt.outcome is not Outcome.CONGESTION for attempt in attempts)
    live = live_answers(attempts)
    joined = len(machines_joined(attempts))
    machines = joined + sum(attempt.outcome is Outcome.MACHINE for attempt in attempts)
    connects = sum(attempt.bridged_at is not None and attempt.is_live for attempt in attempts)
    right_party = sum(attempt.is_right_party for attempt in attempts)
    successes = sum(attempt.is_success for attempt in attempts)
    tried = len({attempt.lead_id for attempt in attempts})
    penetration = () if loaded is None else (_share("penetration", tried, loaded, "C / leads on the list"),)
    return (
        _count("dials", dials, "T: calls placed, except those that found no line"),
        _count("no_line", len(attempts) - dials, "calls placed that ended in congestion"),
        _count("live_answers", live, "L: answered by a person"),
        _count("machines", machines, "M: answered by a machine, by the detector or by disposition"),
        _count("connects", connects, "K: live answers joined to an agent, late ones included"),
        _count("machines_joined", joined, "machines that an agent heard, by disposition; in M, not in L, A or K"),
        _count("right_party_contacts", right_party, "R: the wanted person spoke, by disposition"),
        _count("successes", successes, "S: successes, by disposition"),
        _count("leads_tried", tried, "C: leads with an attempt"),
        _share("contact_rate", live, dials, "L / T"),
        _share("answer_rate", live + machines, dials, "(L + M) / T"),
        _share("rpc_rate", right_party, live, "R / L"),
        _share("conversion", successes, right_party, "S / R"),
        _ratio("dials_per_connect", dials, connects, "per_connect", "T / K"),
        *penetration,
    )


def _abandonment_figures(attempts: Sequence[Attempt], policy: AbandonmentPolicy) -> tuple[Figure, ...]:
    live, abandoned = live_answers(attempts), abandonments(attempts)
    unknown = sum(attempt.outcome is Outcome.UNKNOWN and not attempt.is_live for attempt in attempts)
    rule = f"no agent within {policy.threshold_s:g} s of {policy.starts_at}"
    return (
        _count("abandonments", abandoned, f"A: live answers with {rule}"),
        _share("abandonment_rate", abandoned, live, f"A / L over the span; A: {rule}"),
        _count("unknown_fates", unknown, "U: calls of which the switch never said what became"),
        _share("abandonment_rate_at_worst", abandoned + unknown, live + unknown, "(A + U) / (L + U)"),
        _count(
            "abandoned_by_callee",
            sum(map(is_abandoned_by_callee, attempts)),
            "people who hung up while waiting, before the threshold; in L, not in A",
        ),
        _count(
            "hung_up_unclassified",
            sum(map(is_hung_up_unclassified, attempts)),
            "hung up before it was known whether a person; neither in L nor in A",
        ),
        _count("late_connects", late_connects(attempts), "connects after the threshold; in A and in K"),
        _count(
            "rings_cut_short",
            sum(map(is_cut_short, attempts)),
            "calls that the dialer took back before an answer (cancelled); in T, not in A",
        ),
    )


def _agent_figures(work: WorkTime) -> tuple[Figure, ...]:
    talk_s, wrap_s = work.of(AgentState.TALKING), work.of(AgentState.WRAP_UP)
    logged_in_s = work.staffed_s + work.of(AgentState.PAUSED)
    worked = "talk + wrap-up + preview" if work.has_preview else "talk + wrap-up"
    idle = "ready + reserved"
    waits = work.waits
    return (
        _seconds("talk_time", talk_s, "time talking"),
        _seconds("wrap_up_time", wrap_s, "time in wrap-up"),
        _seconds("waiting_time", work.staffed_s - work.work_s, f"time {idle}"),
        _seconds("pause_time", work.of(AgentState.PAUSED), "time paused"),
        _seconds("logged_in_time", logged_in_s, f"{worked} + {idle} + paused"),
        _share("occupancy", work.work_s, work.staffed_s, f"({worked}) / ({worked} + {idle}); pauses excluded"),
        _share("utilisation", work.work_s, logged_in_s, f"({worked}) / logged-in time; pauses included"),
        _count("conversations", work.conversations, "H: connects and machines that an agent heard, begun in the span"),
        _ratio("talk_mean", talk_s, work.conversations, "s", "ATT: talk / H, all conversations"),
        _ratio("wrap_up_mean", wrap_s, work.conversations, "s", "ACW: wrap-up / H, all conversations"),
        _ratio("handle_mean", talk_s + wrap_s, work.conversations, "s", "AHT: (talk + wrap-up) / H, all conversations"),
        _ratio("wait_mean", sum(waits), len(waits), "s", "uninterrupted waits before conversations / their number"),
        *(
            Figure(
                name=f"wait_p{round(share * 100)}",
                value=percentile(waits, share),
                unit="s",
                formula=f"the shortest wait that {share:.0%} of waits do not exceed",
            )
            for share in (0.5, 0.9, 0.95, 0.99)
        ),
        _ratio(
            "connects_per_agent_hour",
            work.connects,
            work.staffed_s / HOUR_S,
            "per_hour",
            f"connects begun in the span / hours of {worked} + {idle}",
        ),
    )


def _time_to_agent_figures(attempts: Sequence[Attempt], policy: AbandonmentPolicy) -> tuple[Figure, ...]:
    found = [wait_for_agent_s(attempt, policy.starts_at) for attempt in attempts]
    waits = [wait_s for wait_s in found if wait_s is not None]
    over = sum(wait_s > policy.threshold_s for wait_s in waits)
    start = f"from {policy.starts_at} to the agent"
    return (
        _ratio("time_to_agent_mean", sum(waits), len(waits), "s", f"seconds {start} / connects"),
        Figure(
            name="time_to_agent_p95",
            value=percentile(waits, 0.95),
            unit="s",
            formula=f"the shortest time {start} that 95% of connects do not exceed",
        ),
        _share("time_to_agent_over", over, len(waits), f"connects over {policy.threshold_s:g} s {start} / connects"),
    )


def _count(name: str, value: int, formula: str) -> Figure:
    return Figure(name=name, value=value, unit="count", formula=formula)


def _seconds(name: str, value: float, formula: str) -> Figure:
    return Figure(name=name, value=value, unit="s", formula=formula)


def _share(name: str, numerator: float, denominator: float, formula: str) -> Figure:
    return _ratio(name, numerator, denominator, "share", formula)


def _ratio(name: str, numerator: float, denominator: float, unit: str, formula: str) -> Figure:
    return Figure(
        name=name,
        value=numerator / denominator if denominator else None,
        unit=unit,
        formula=formula,
        numerator=numerator,
        denominator=denominator,
    )
