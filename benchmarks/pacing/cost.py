"""What one decision costs: look at the floor, decide, govern, on the engine's own state in the middle of a busy day.

One rule governs this module: every decision that is timed is a real one, of the pacer with all that it has learned, on
a floor of the wanted size. The real decisions are carried out, in a world that answers so rarely that it takes about
that many calls; what is missing to the wanted number a stand-in adds.

The time is of the CPU, as measured in this process; beside it stands the same in units of a yardstick, a loop of 10,000
additions, so that figures of two machines can be compared.
"""

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.pacing.parts import Row
from benchmarks.pacing.scenarios import answering
from benchmarks.pacing.setting import Setting, policy_of, world_of
from dialer.domain.policy import CampaignPolicy
from dialer.domain.records import BudgetSnapshot
from dialer.engine import dialing, sight
from dialer.engine.campaign import Campaign, new_campaign
from dialer.pacing.base import DialDecision, Floor
from dialer.pacing.pace import decide
from dialer.simulator.driver import Driver

SIZES = ((100, 300, 1.0), (1000, 3000, 5.0))
"""Agents, calls in flight, and the bar in milliseconds."""

P_LIVE = 0.033  # with so few answers, so many lines ring for so many agents
_WARM_UP_S = 45.0  # rings last 22 s at most
_PATIENCE_S = 20.0  # of CPU for one size
_ADDITIONS = 10_000


class Enough(Exception):
    """As many decisions were timed as were wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Milliseconds of CPU time of one decision, and how many calls were ringing on average."""

    calls: float
    p50_ms: float
    p99_ms: float
    decisions: int
    yardstick_ms: float


class Stopwatch:
    """Adds up the CPU time of the three steps of a decision."""

    def __init__(self, wanted: int) -> None:
        self.spent: list[float] = []
        self._wanted = wanted
        self._now = 0.0

    def add(self, seconds: float, *, ends: bool) -> None:
        """Count a step; the last one ends the decision."""
        self._now += seconds
        if ends:
            self.spent.append(self._now)
            self._now = 0.0
            if len(self.spent) >= self._wanted or sum(self.spent) >= _PATIENCE_S:
                raise Enough

    def reset(self) -> None:
        """Forget a decision that was not of the wanted size."""
        self._now = 0.0


class FullHouse:
    """A pacer that gets `calls` lines ringing, and then times what the campaign's own pacer and governor do."""

    def __init__(self, campaign: Campaign, calls: int, watch: Stopwatch) -> None:
        self._campaign = campaign
        self._calls = calls
        self._watch = watch
        self._started_at: float | None = None
        self.ringing: list[int] = []

    @property
    def looks_every_s(self) -> float | None:
        """As often as the real one."""
        return self._campaign.pacer.looks_every_s

    def decide(self, floor: Floor) -> DialDecision:
        """Time the real decision once the floor has filled; give its calls, and what is missing."""
        self._started_at = floor.now if self._started_at is None else self._started_at
        if floor.now - self._started_at >= _WARM_UP_S:
            self.ringing.append(len(floor.unanswered_ages))
            began = time.process_time()
            decision = self._decide(floor)
            self._watch.add(time.process_time() - began, ends=True)
            wanted = decision.calls
        else:
            self._watch.reset()
            wanted = 0
        missing = max(0, self._calls - len(floor.unanswered_ages) - floor.answered)
        calls = max(wanted, missing)
        return DialDecision(calls=calls, reserve=False, limited_by="wanted", wanted=calls)

    def _decide(self, floor: Floor) -> DialDecision:
        """Do what the engine does between looking and dialing."""
        campaign, now = self._campaign, floor.now
        return decide(
            floor,
            campaign.pacer,
            campaign.regulator,
            campaign.governor,
            campaign.budget,
            now,
            dialing_ends_at=campaign.gate.closes_at(now),
            open_leads=campaign.open_leads,
        )


def measure(agents: int, calls: int, decisions: int) -> Cost:
    """Fill a floor, then time decisions on it."""
    setting = Setting(
        name="cost",
        agents=agents,
        hours=1.0,
        tables={**answering(P_LIVE), "network": {"calls_per_second": 1e5, "lines": calls + agents + 100}},
    )
    watch = Stopwatch(decisions)

    houses: list[FullHouse] = []

    def equip(policy: CampaignPolicy, spent: BudgetSnapshot | None) -> Campaign:
        campaign = new_campaign(policy, spent)
        houses.append(FullHouse(campaign, calls, watch))
        return replace(campaign, pacer=houses[0], governor=None)

    driver = Driver(policy_of(setting), world_of(setting), agents=agents, hours=setting.hours, seed=1, equip=equip)
    look = sight.look

    def timed_look(*floor: Any, **keys: Any) -> Floor:
        began = time.process_time()
        seen = look(*floor, **keys)
        watch.add(time.process_time() - began, ends=False)
        return seen

    vars(dialing)["look"] = timed_look
    try:
        driver.run()
    except Enough:
        pass
    finally:
        vars(dialing)["look"] = look
    spent_ms = np.array(watch.spent) * 1e3
    return Cost(
        calls=float(np.mean(houses[0].ringing)),
        p50_ms=float(np.quantile(spent_ms, 0.5)),
        p99_ms=float(np.quantile(spent_ms, 0.99)),
        decisions=len(spent_ms),
        yardstick_ms=yardstick_ms(),
    )


def yardstick_ms() -> float:
    """Give the median CPU time of a loop of additions."""
    spent = []
    for _ in range(21):
        began, total = time.process_time(), 0.0
        for number in range(_ADDITIONS):
            total += number
        spent.append(time.process_time() - began)
    return float(np.median(spent)) * 1e3


def cost_rows(decisions: int, sizes: int = len(SIZES)) -> list[Row]:
    """One row for each of the first `sizes`."""
    rows = []
    for agents, calls, bar_ms in SIZES[:sizes]:
        cost = measure(agents, calls, decisions)
        p50, p99 = cost.p50_ms / cost.yardstick_ms, cost.p99_ms / cost.yardstick_ms
        rows.append(
            Row(
                part="cost",
                name=f"one decision at {agents:,} agents and {calls:,} calls, p99, ms of CPU",
                bar=f"<= {bar_ms:g}",
                measured=f"{cost.p99_ms:.2f}",
                passed=cost.p99_ms <= bar_ms,
                note=f"p50 {cost.p50_ms:.2f} ms, {cost.decisions:,} decisions, {cost.calls:.0f} calls; in units of "
                f"the yardstick ({cost.yardstick_ms:.2f} ms): p50 {p50:.2f}, p99 {p99:.2f}",
            )
        )
    return rows


def same_as_progressive(setting: Setting) -> Row:
    """Whether a cap of zero places exactly the calls of progressive dialing, at the same instants and for the same."""
    policy = policy_of(setting)
    calls = []
    for mode in ("predictive", "progressive"):
        own = replace(policy, pacing=replace(policy.pacing, mode=type(policy.pacing.mode)(mode)))
        run = Driver(own, world_of(setting), agents=setting.agents, hours=setting.hours, seed=1).run()
        attempts = run.store.attempts(policy.name, run.shift.start_at, run.shift.end_at)
        calls.append([replace(each, mode="") for each in attempts])
    differ = sum(ours != theirs for ours, theirs in zip(*calls, strict=False)) + abs(len(calls[0]) - len(calls[1]))
    return Row(
        part="cap 0",
        name="calls that differ from progressive dialing under a cap of 0 %",
        bar="0",
        measured=f"{differ} of {len(calls[1])}",
        passed=differ == 0,
    )
