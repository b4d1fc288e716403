"""Parameters known: a campaign whose estimates are the world's truth from the first dial, for benchmarks and bounds.

One rule governs this module: nothing is learned and nothing is guessed. What a learner would see of endless dials of
the world is computed from the world file and the campaign's time-outs; a world that changes by the hour is refused.

Model: every number is called for the first time, calls are never refused for want of a line, and an agent is free at
once. Method: each kind of dial is taken apart and weighted by its share; of each, every distribution is read at the
midpoints of `DRAWS` equal slices of probability, and the slices of different distributions are paired at random: Latin
hypercube sampling (McKay, Beckman and Conover, Technometrics 21, 1979). So the distribution of every single time is
exact to 1 / DRAWS, and only sums of times carry sampling noise.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from dialer.domain.policy import CampaignPolicy
from dialer.domain.records import BudgetSnapshot
from dialer.engine.calls import CLASSIFY_MAX_S
from dialer.engine.campaign import Campaign, new_campaign
from dialer.errors import UsageError
from dialer.queueing.estimators import Estimates, Learner
from dialer.queueing.times import RING_GRID_S, TALK_GRID_S, Times
from dialer.simulator.families import DistributionTable
from dialer.simulator.scenario import Scenario

DRAWS = 50_000
_SEED = 1
_VARYING = ("by_hour", "clumps", "drifts")  # and all keys that end in steps
_REFRESH_S = 600.0  # well before the governor calls estimates stale

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dials:
    """Dials of a world as they would go if rings could last for ever, one per element; times are seconds."""

    weight: Floats  # of the dial among all, sum 1
    setup_s: Floats  # to the first ring, or to the failure of a dial that never rings
    ring_s: Floats  # to the answer or the refusal; infinite where nobody answers, 0 where it never rings
    is_answered: Flags  # by a person or a machine, if it rings for long enough
    is_heard: Flags  # nobody hangs up before the engine takes the answer for a person or a machine
    is_live: Flags  # of those, the ones taken for a person
    ends_s: Floats  # from any other answer to the word that it is a machine, or to the hanging up before it
    talk_s: Floats  # with whoever is on the line


class InformedLearner(Learner):
    """Gives the truth, whatever it observes. The dials behind it are many, and the last was a moment ago."""

    def __init__(self, known: Estimates) -> None:
        super().__init__()
        self._known = known

    def snapshot(self, now: float, talking_ages: Sequence[float] = (), wrap_ages: Sequence[float] = ()) -> Estimates:
        """Give the truth; the same object until it would look stale."""
        seen_at = self._known.observed_at
        if seen_at is None or not 0.0 <= now - seen_at < _REFRESH_S:
            self._known = replace(self._known, built_at=now, observed_at=now)
        return self._known


def informed(scenario: Scenario) -> Callable[[CampaignPolicy, BudgetSnapshot | None], Campaign]:
    """Give what sets up a campaign that knows `scenario`, for `Driver(equip=...)`; raise UsageError if that varies."""
    varying = [
        f"{name}.{key}"
        for name in ("network", "answers", "talk")
        for key in type(getattr(scenario, name)).model_fields
        if (key.endswith("steps") or key in _VARYING) and getattr(getattr(scenario, name), key)
    ]
    if varying:
        raise UsageError(
            "--known: expected a world that is the same at all hours and along the whole list, found "
            f"{', '.join(varying)}; leave these out of its file, or take another such as --world realistic"
        )
    return partial(_equip, scenario, dials_of(scenario))


def dials_of(scenario: Scenario) -> Dials:
    """Draw the dials of a world that the switch takes; see the module's method. Refusals say nothing about people."""
    draws = _Draws(np.random.default_rng(_SEED))
    network, numbers, answers = scenario.network, scenario.numbers, scenario.answers
    reached = 1.0 - numbers.p_invalid
    silent = max(0.0, 1.0 - answers.p_live - answers.p_machine - answers.p_busy - answers.p_rejected)
    at_once, never = np.zeros(DRAWS), np.full(DRAWS, np.inf)
    kinds = [
        _unanswered(numbers.p_invalid, draws.of(numbers.invalid_after_s), at_once),
        _unanswered(reached * answers.p_busy, draws.of(answers.busy_after_s), at_once),
        _unanswered(reached * answers.p_rejected, draws.of(network.setup_s), draws.of(answers.rejected_after_s)),
        _unanswered(reached * silent, draws.of(network.setup_s), never),
        _people(scenario, draws, reached * answers.p_live),
        _machines(scenario, draws, reached * answers.p_machine),
    ]
    columns = {each.name: np.concatenate([getattr(kind, each.name) for kind in kinds]) for each in fields(Dials)}
    return Dials(**columns)


def _unanswered(share: float, setup_s: Floats, ring_s: Floats) -> Dials:
    no = np.zeros(DRAWS, dtype=np.bool_)
    none = np.zeros(DRAWS)
    weight = np.full(DRAWS, share / DRAWS)
    return Dials(
        weight=weight,
        setup_s=setup_s,
        ring_s=ring_s,
        is_answered=no,
        is_heard=no,
        is_live=no,
        ends_s=none,
        talk_s=none,
    )


def _people(scenario: Scenario, draws: "_Draws", share: float) -> Dials:
    person, detection, talk = scenario.person, scenario.detection, scenario.talk
    greeted_s = draws.of(person.greeting_after_s) + draws.of(person.greeting_s)
    is_called_machine = draws.uniform() < detection.p_human_as_machine
    word_s = np.where(
        is_called_machine, draws.of(detection.machine_after_s), greeted_s + draws.of(detection.human_after_s)
    )
    gone_s = np.full(DRAWS, np.inf) if person.patience_s is None else greeted_s + draws.of(person.patience_s)
    # A detector that is mute for too long has said person.
    is_taken = ~is_called_machine | (word_s > CLASSIFY_MAX_S)
    is_heard = gone_s >= np.minimum(word_s, CLASSIFY_MAX_S)
    is_wrong = draws.uniform() < scenario.numbers.p_wrong
    is_refused = draws.uniform() < talk.p_refused
    said_s = np.where(is_refused, draws.of(talk.refused_s), draws.of(talk.talk_s))
    said_s = np.where(is_wrong, draws.of(talk.wrong_number_s), said_s)
    return Dials(
        weight=np.full(DRAWS, share / DRAWS),
        setup_s=draws.of(scenario.network.setup_s),
        ring_s=draws.of(scenario.answers.ring_s),
        is_answered=np.ones(DRAWS, dtype=np.bool_),
        is_heard=is_heard,
        is_live=is_taken & is_heard,
        ends_s=np.minimum(word_s, gone_s),
        talk_s=_spoken(scenario, draws, said_s),
    )


def _machines(scenario: Scenario, draws: "_Draws", share: float) -> Dials:
    detection = scenario.detection
    word_s = draws.of(detection.machine_after_s)
    return Dials(
        weight=np.full(DRAWS, share / DRAWS),
        setup_s=draws.of(scenario.network.setup_s),
        ring_s=draws.of(scenario.answers.machine_after_s),
        is_answered=np.ones(DRAWS, dtype=np.bool_),
        is_heard=np.ones(DRAWS, dtype=np.bool_),
        is_live=(draws.uniform() < detection.p_machine_as_human) | (word_s > CLASSIFY_MAX_S),
        ends_s=word_s,
        talk_s=_spoken(scenario, draws, draws.of(scenario.talk.machine_s)),
    )


def _spoken(scenario: Scenario, draws: "_Draws", said_s: Floats) -> Floats:
    """Give the length of conversations as the network and the agents' speed leave it."""
    cut_s = np.where(draws.uniform() < scenario.network.p_dropped, said_s * draws.uniform(), said_s)
    return cut_s * draws.of(scenario.agents.speed)


def truth(scenario: Scenario, dials: Dials, policy: CampaignPolicy) -> Estimates:
    """Give the estimates that endless dials of a world lead to under the time-outs of `policy`."""
    limit_s, staff = policy.pacing.ring_timeout_s, policy.agents
    is_answered = dials.is_answered & (dials.ring_s <= limit_s)
    is_live = is_answered & dials.is_live
    live, other = np.where(is_live, dials.weight, 0.0), np.where(is_live, 0.0, dials.weight)
    p_live, p_heard = float(dials.weight[is_live].sum()), float(dials.weight[is_answered & dials.is_heard].sum())
    if not p_live:
        raise UsageError("--known: expected a world in which some dial becomes a live answer, found none")
    line_s = dials.setup_s + np.minimum(dials.ring_s, limit_s) + np.where(is_answered & ~is_live, dials.ends_s, 0.0)
    draws = _Draws(np.random.default_rng(_SEED))
    wrap_s = draws.of(scenario.talk.wrap_up_s) * draws.of(scenario.agents.speed)
    wrap_s = np.minimum(wrap_s, staff.wrap_up_max_s) + staff.min_gap_s
    even = np.full(DRAWS, 1.0 / DRAWS)
    return Estimates(
        built_at=0.0,
        observed_at=None,
        dials=DRAWS,
        p_live=p_live,
        p_nodes=((p_live, 1.0),),
        p_by_group={},
        p_live_if_answered=p_live / p_heard,
        p_return=1.0 - scenario.agents.p_not_ready,
        changed_at=None,
        times=Times(
            built_at=0.0,
            live_cdf=_cdf(line_s, live, RING_GRID_S),
            other_cdf=_cdf(line_s, other, RING_GRID_S),
            talk_cdf=_cdf(dials.talk_s, live, TALK_GRID_S),
            wrap_cdf=_cdf(wrap_s, even, TALK_GRID_S),
            mean_live_s=_mean(line_s, live),
            mean_other_s=_mean(line_s, other),
            mean_talk_s=_mean(dials.talk_s, live),
            mean_wrap_s=_mean(wrap_s, even),
        ),
    )


def _equip(scenario: Scenario, dials: Dials, policy: CampaignPolicy, spent: BudgetSnapshot | None) -> Campaign:
    if policy.agents.occupancy_max < 1.0:
        raise UsageError(
            f"--known: expected occupancy_max = 1, found {policy.agents.occupancy_max:g}: how long agents "
            "rest would depend on the pacing; leave it out of the campaign"
        )
    if not policy.pacing.has_detector:
        raise UsageError("--known: expected a campaign with a detector, found detector = false; leave it out")
    return replace(new_campaign(policy, spent), learner=InformedLearner(truth(scenario, dials, policy)))


class _Draws:
    """Columns of a Latin hypercube."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._levels: Floats = (np.arange(DRAWS) + 0.5) / DRAWS

    def uniform(self) -> Floats:
        """Give the midpoints of equal slices of (0, 1), in random order."""
        return self._rng.permutation(self._levels)

    def of(self, table: DistributionTable) -> Floats:
        """Give the midpoints' quantiles of a distribution, in random order."""
        draw = table.build().draw
        values = np.fromiter((draw(level) for level in self._levels.tolist()), dtype=np.float64, count=DRAWS)
        return self._rng.permutation(values)


def _cdf(values: Floats, weights: Floats, grid_s: Floats) -> Floats:
    """Give the weighted share of `values` at or below each point of the grid; 1 where nothing has weight."""
    order = np.argsort(values)
    reached = np.concatenate([[0.0], np.cumsum(weights[order])])
    if not reached[-1]:
        return np.ones_like(grid_s)
    return np.asarray(reached[np.searchsorted(values[order], grid_s, side="right")] / reached[-1], dtype=np.float64)


def _mean(values: Floats, weights: Floats) -> float:
    return float(values @ weights / weights.sum()) if weights.any() else 0.0
