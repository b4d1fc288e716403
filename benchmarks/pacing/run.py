"""One run of one controller in one setting, and the figures by which it is judged.

One rule governs this module: the law's count and the agents' time are taken from the records that a real day leaves,
by the instant of the answer. Nobody's own statistics are believed.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from benchmarks.pacing.setting import NO_CAP, Setting, policy_of, world_of
from dialer.domain.agent import AgentState
from dialer.domain.policy import CampaignPolicy, Window
from dialer.domain.records import AgentSpan, BudgetSnapshot
from dialer.engine.campaign import Campaign, new_campaign
from dialer.engine.kpi import percentile, work_time
from dialer.simulator.agents import Doing
from dialer.simulator.driver import Driver, Run
from dialer.simulator.informed import informed
from dialer.simulator.peers.names import contestant

PREDICTIVE, KNOWN, PROGRESSIVE = "predictive", "predictive-known", "progressive"
AT = "@"
"""predictive@0.06: with that target and no cap, for the curve of occupancy over abandonment."""

HOUR_S, MINUTE_S = 3600.0, 60.0
HOUR_LIVE_MIN = 50
SEEDS = 100_000

_OPEN = {Doing.TALKING: AgentState.TALKING, Doing.WRAPPING: AgentState.WRAP_UP}
_IDLE = (Doing.FREE, Doing.JOINING)
_WORK = (AgentState.TALKING, AgentState.WRAP_UP)
_STAFFED = (*_WORK, AgentState.READY, AgentState.RESERVED)

Equip = Callable[[CampaignPolicy, BudgetSnapshot | None], Campaign]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Live answers and abandonments by instant of answer, and agents' seconds, within one span of a run."""

    live: int = 0
    abandoned: int = 0
    work_s: float = 0.0
    staffed_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one run showed. `minutes` are tallies by minute of the first day, kept for settings with steps only."""

    whole: Tally
    first_hour: Tally
    halves: tuple[Tally, Tally]
    dials: int
    connects: int
    silent: int  # people whom the detector took for machines
    wait_s: float
    waits: int
    wait_p95_s: float | None
    worst_hour: float | None  # abandonment of the worst 60 minutes with at least 50 live answers
    windows: int  # that the law counts
    windows_over: int  # that closed above the cap
    at_marks: int  # abandonments of people who answered within 30 s after a mark
    cpu_s: float
    minutes: tuple[Tally, ...] = field(default_factory=tuple)


def as_json(result: Result) -> dict[str, Any]:
    """Give a result as plain values; the minutes as rows of four."""
    plain = asdict(result)
    plain["minutes"] = [[each.live, each.abandoned, each.work_s, each.staffed_s]
                        for each in result.minutes]  # fmt: skip
    return plain


def from_json(plain: dict[str, Any]) -> Result:
    """Read what `as_json` wrote."""
    rows = plain.pop("minutes")
    minutes = tuple(Tally(live=row[0], abandoned=row[1], work_s=row[2], staffed_s=row[3]) for row in rows)
    first, second = plain.pop("halves")
    return Result(
        whole=Tally(**plain.pop("whole")),
        first_hour=Tally(**plain.pop("first_hour")),
        halves=(Tally(**first), Tally(**second)),
        minutes=minutes,
        **plain,
    )


def controlled(setting: Setting, controller: str) -> tuple[CampaignPolicy, Equip]:
    """Give the campaign as a controller paces it, and what sets it up."""
    policy = policy_of(setting)
    if controller == KNOWN:
        return policy, _informed(setting)
    if controller.startswith(PREDICTIVE + AT):
        target = float(controller.partition(AT)[2])
        return replace(policy, abandonment=replace(policy.abandonment, target_rate=target, cap_rate=NO_CAP)), (
            new_campaign
        )
    peer = contestant(controller, policy)
    return peer.policy, peer.equip


_EQUIPPED: dict[str, Equip] = {}
"""By the setting's words: working the truth out takes as long as a short run."""


def _informed(setting: Setting) -> Equip:
    key = repr(setting)
    if key not in _EQUIPPED:
        _EQUIPPED[key] = informed(world_of(setting))
    return _EQUIPPED[key]


def run(setting: Setting, controller: str, rank: int) -> Result:
    """Run one controller through one setting; the same `rank` meets the same people under every controller."""
    policy, equip = controlled(setting, controller)
    driver = Driver(
        policy,
        world_of(setting),
        agents=setting.agents,
        hours=setting.hours * setting.days,
        seed=SEEDS + rank,
        equip=equip,
    )
    began = time.process_time()
    done = driver.run()
    return judge(done, policy, setting, time.process_time() - began)


def judge(done: Run, policy: CampaignPolicy, setting: Setting, cpu_s: float = 0.0) -> Result:
    """Take the figures of a run."""
    from_at, to_at = done.shift.start_at, done.shift.end_at
    attempts = done.store.attempts(policy.name, from_at, to_at)
    answers = sorted(
        (each.answered_at, each.is_abandoned) for each in attempts if each.is_live and each.answered_at is not None
    )
    spans = _with_open(done, to_at)
    middle_at = _middle(done)
    minutes = by_minute(answers, spans, from_at, round(setting.hours * 60)) if setting.marks else ()
    worked = work_time(spans, from_at, to_at)
    windows = _windows(answers, done, policy, setting)
    return Result(
        whole=tally(answers, spans, from_at, to_at),
        first_hour=tally(answers, spans, from_at, from_at + HOUR_S),
        halves=(tally(answers, spans, from_at, middle_at), tally(answers, spans, middle_at, to_at)),
        dials=len(attempts),
        connects=sum(each.is_live and each.bridged_at is not None for each in attempts),
        silent=done.world.people_called_machine,
        wait_s=sum(worked.waits),
        waits=len(worked.waits),
        wait_p95_s=percentile(worked.waits, 0.95),
        worst_hour=worst_hour(answers),
        windows=len(windows),
        windows_over=sum(abandoned > setting.cap * live + 1e-9 for live, abandoned in windows),
        at_marks=_at_marks(answers, from_at, setting),
        cpu_s=cpu_s,
        minutes=minutes,
    )


def _with_open(done: Run, to_at: float) -> list[AgentSpan]:
    """Give the agents' spans with those that were still open at the end, which no record holds.

    What an agent does then is asked of the world. Without them the end of a run would lack the longest conversations.
    """
    spans = done.store.agent_spans(None, done.shift.start_at, to_at)
    last: dict[str, float] = {}
    for span in spans:
        last[span.agent_id] = max(span.to_at, last.get(span.agent_id, span.to_at))
    for agent_id, from_at in last.items():
        agent = done.world.agents.find(agent_id)
        doing = Doing.OUT if agent is None else agent.doing
        state = AgentState.READY if doing in _IDLE else _OPEN.get(doing)
        if state is not None and from_at < to_at:
            open_span = AgentSpan(
                agent_id=agent_id, campaign=None, state=state, reason="", from_at=from_at, to_at=to_at
            )
            spans.append(open_span)
    return spans


def tally(
    answers: Sequence[tuple[float, bool]], spans: Sequence[AgentSpan], from_at: float, to_at: float
) -> Tally:  # fmt: skip
    """Count the answers and add up the agents' time between two instants."""
    inside = answers[bisect_left(answers, (from_at,)) : bisect_left(answers, (to_at,))]
    work_s = staffed_s = 0.0
    for span in spans:
        inside_s = min(span.to_at, to_at) - max(span.from_at, from_at)
        if inside_s > 0.0 and span.state in _STAFFED:
            staffed_s += inside_s
            work_s += inside_s if span.state in _WORK else 0.0
    return Tally(
        live=len(inside),
        abandoned=sum(is_abandoned for _, is_abandoned in inside),
        work_s=work_s,
        staffed_s=staffed_s,
    )


def by_minute(
    answers: Sequence[tuple[float, bool]], spans: Sequence[AgentSpan], from_at: float, count: int
) -> tuple[Tally, ...]:
    """Give the tallies of the first `count` minutes."""
    work_s, staffed_s = [0.0] * count, [0.0] * count
    for span in spans:
        if span.state not in _STAFFED:
            continue
        since_s, until_s = max(span.from_at - from_at, 0.0), min(span.to_at - from_at, count * MINUTE_S)
        minute = int(since_s // MINUTE_S)
        while since_s < until_s:
            upto_s = min((minute + 1) * MINUTE_S, until_s)
            staffed_s[minute] += upto_s - since_s
            work_s[minute] += upto_s - since_s if span.state in _WORK else 0.0
            since_s, minute = upto_s, minute + 1
    live, abandoned = [0] * count, [0] * count
    for at, is_abandoned in answers:
        minute = int((at - from_at) // MINUTE_S)
        if 0 <= minute < count:
            live[minute] += 1
            abandoned[minute] += is_abandoned
    return tuple(
        Tally(live=live[minute], abandoned=abandoned[minute], work_s=work_s[minute], staffed_s=staffed_s[minute])
        for minute in range(count)
    )


def worst_hour(answers: Sequence[tuple[float, bool]]) -> float | None:
    """Give the abandonment of the worst 60 minutes that hold at least 50 answers; None: there are none."""
    worst: float | None = None
    first = abandoned = 0
    for last, (at, is_abandoned) in enumerate(answers):
        abandoned += is_abandoned
        while answers[first][0] <= at - HOUR_S:
            abandoned -= answers[first][1]
            first += 1
        live = last - first + 1
        if live >= HOUR_LIVE_MIN:
            worst = max(worst or 0.0, abandoned / live)
    return worst


def _middle(done: Run) -> float:
    """Give the instant at which half of the open time is over."""
    shift = done.shift
    closed_s = sum(until - since for since, until in shift.closed)
    left_s, at = (shift.end_at - shift.start_at - closed_s) / 2.0, shift.start_at
    for since, until in shift.closed:
        if left_s <= since - at:
            break
        left_s -= since - at
        at = until
    return at + left_s


def _windows(
    answers: Sequence[tuple[float, bool]], done: Run, policy: CampaignPolicy, setting: Setting
) -> list[tuple[int, int]]:
    """Give (live answers, abandonments) of each window of the law: of each day, or of the whole run."""
    if policy.abandonment.window is not Window.DAY:
        return [(len(answers), sum(is_abandoned for _, is_abandoned in answers))]
    days: dict[int, tuple[int, int]] = {}
    for at, is_abandoned in answers:
        day = int(at // 86400.0)  # the bench's campaigns live in UTC
        live, abandoned = days.get(day, (0, 0))
        days[day] = (live + 1, abandoned + is_abandoned)
    return list(days.values())


def _at_marks(answers: Sequence[tuple[float, bool]], from_at: float, setting: Setting) -> int:
    midnight_at = from_at // 86400.0 * 86400.0
    marks = [midnight_at + int(mark[:2]) * HOUR_S + int(mark[3:]) * MINUTE_S for mark in setting.marks]
    return sum(is_abandoned and any(mark <= at < mark + 30.0 for mark in marks) for at, is_abandoned in answers)
