"""Issabel, Impact Dialing and the open-loop rate, and what they see of single calls."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle

import pytest

from dialer.pacing.base import Totals
from dialer.queueing.erlang import offered_load
from dialer.queueing.estimators import Learner
from dialer.simulator.peers.erlang_rate import ErlangPacer
from dialer.simulator.peers.impact import ImpactPacer, best_ratio, candidates, dials_per_idle, rehearse
from dialer.simulator.peers.issabel import IssabelPacer, age_of_soon, free_soon, overcommitted
from dialer.simulator.peers.watching import CallWatch, Seen
from dialer.simulator.streams import Streams
from tests.unit.simulator.peers.floor import floor

# -------------------------------------------------------------------------------------------------------- watching


def test_ends_are_seen() -> None:
    """A conversation that is gone has ended; of the calls gone as many were answered as answers were counted."""
    watch = CallWatch()
    before = Totals(dials=10, live=3, machines=1, connects=3, abandoned=0)
    assert watch.look(floor(100.0, talking_ages=(30.0, 5.0), unanswered_ages=(9.0, 4.0, 2.0), totals=before)) == Seen()
    after = Totals(dials=11, live=4, machines=1, connects=4, abandoned=1)
    seen = watch.look(floor(101.0, talking_ages=(6.0, 0.0), unanswered_ages=(5.0, 0.0), totals=after))
    assert seen.talks == pytest.approx((31.0,))
    assert seen.rings == pytest.approx((10.0,))
    assert (seen.failures, seen.machines, seen.abandoned) == (1, 0, 1)


def test_an_agent_about_to_leave_still_talks() -> None:
    """A conversation that disappears because its agent announced a break has not ended."""
    watch = CallWatch()
    here = floor(0.0, talking_ages=(30.0, 5.0))
    watch.look(here)
    assert watch.look(replace(here, now=1.0, talking_ages=(6.0,), departing=1)).talks == ()


# --------------------------------------------------------------------------------------------------------- Issabel


def test_soon_is_three_and_a_half_means() -> None:
    """At 0.97 an agent counts as about to be free from 3.51 mean conversations on: 631 s for a mean of 180 s."""
    assert age_of_soon(1.0) == pytest.approx(3.51, abs=0.005)
    assert age_of_soon(180.0) == pytest.approx(631.0, abs=0.5)
    assert free_soon((620.0, 623.0, 700.0, 100.0), 8.0, 180.0) == 1
    assert free_soon((624.0, 700.0, 100.0), 8.0, 180.0) == 2


@pytest.mark.parametrize(("calls", "share", "expected"), [(3, 0.3, 10), (3, 0.1, 15), (1, 0.4, 3), (2, 1.0, 2)])
def test_overcommit(calls: int, share: float, expected: int) -> None:
    """One over the share of answered calls, at most five."""
    assert overcommitted(calls, share) == expected


def test_issabel_is_one_to_one() -> None:
    """Out of the box: free agents less waiting callers less calls in flight, every five seconds."""
    one = IssabelPacer(is_overcommitted=False)
    assert one.decide(floor(0.0, ready=5, queued=1, ringing=1, answered=1)).calls == 2
    assert one.decide(floor(1.0, ready=5)).calls == 0
    assert one.looks_every_s == pytest.approx(4.0)
    assert one.decide(floor(5.0, ready=5)).calls == 5


def test_issabel_overcommits_after_ten_calls() -> None:
    """A third of thirty calls was answered: three times as many."""
    one = IssabelPacer(is_overcommitted=True)
    assert one.decide(floor(0.0, ready=5, totals=Totals())).calls == 5
    totals = Totals(dials=30, live=8, machines=2)
    assert one.decide(floor(5.0, ready=2, totals=totals)).calls == 6
    # Half an hour later only the calls since count: none were answered.
    late = Totals(dials=60, live=8, machines=2)
    assert one.decide(floor(1810.0, ready=2, totals=late)).calls == 2


# ---------------------------------------------------------------------------------------------------------- Impact


def test_candidates() -> None:
    """Six steps up to attempts per answer, none below 1."""
    assert candidates(90, 30) == pytest.approx((1.0, 1.0, 1.5, 2.0, 2.5, 3.0))


@pytest.mark.parametrize(
    ("best", "abandoned", "has_dialed", "expected"),
    [(2.0, 3, True, 2.0), (2.0, 4, True, 1.5), (1.2, 4, True, 1.0), (2.0, 0, False, 1.0)],
)
def test_the_ratio_in_force(best: float, abandoned: int, has_dialed: bool, expected: float) -> None:
    """Three quarters while the campaign is over its 3 %, never below 1, and 1 after a quiet while."""
    connects = 100 - abandoned
    ratio = dials_per_idle(best, abandoned=abandoned, connects=connects, limit=0.03, has_dialed=has_dialed)
    assert ratio == expected


def always(value: float) -> Iterator[float]:
    """The same draw for ever."""
    return cycle([value])


def test_a_rehearsal_by_hand() -> None:
    """One agent, answers after 10 s, 50 s of talk, 5 s of wrap-up: cycles of 65 s, the fourth cut off after 35 s."""
    utilisation, abandoned = rehearse([50] * 10, 1, 1.0, always(0.0))
    assert utilisation == pytest.approx((50 * 3 + 35) / 240)
    assert abandoned == 0.0


def test_a_rehearsal_abandons() -> None:
    """Two calls for one agent, both answered at once: every other one is abandoned."""
    assert rehearse([50] * 10, 1, 2.0, always(0.0))[1] == 0.5
    assert rehearse([None] * 10, 1, 2.0, always(0.0)) == (0.0, 0.0)


def test_the_best_ratio() -> None:
    """With sure answers one call per agent is best; too few agents, attempts or no answer give 1."""
    assert best_ratio([50] * 60, 6, 0.03, always(0.0)) == 1.0
    pool = [60, None, None, None] * 20
    uniforms = (u for rank in range(10_000) for u in Streams(1).purpose("impact").draw(0, rank))
    assert 1.0 < best_ratio(pool, 6, 0.5, uniforms) <= 4.0
    assert best_ratio(pool, 4, 0.5, always(0.5)) == 1.0
    assert best_ratio(pool[:49], 6, 0.5, always(0.5)) == 1.0
    assert best_ratio([None] * 60, 6, 0.5, always(0.5)) == 1.0


def test_impact_looks_each_second() -> None:
    """It starts with one call per idle agent less those on their way."""
    one = ImpactPacer(0.03, seed=1)
    assert one.decide(floor(0.0, ready=5, ringing=1, queued=1)).calls == 3
    assert one.decide(floor(0.5, ready=5)).calls == 0
    assert one.looks_every_s == pytest.approx(0.5)


# ------------------------------------------------------------------------------------------------------- open loop


def test_the_rate_is_even() -> None:
    """Calls come one by one at load / handle time / answer probability, whoever is ready."""
    learner = Learner()
    one, now, calls = ErlangPacer(0.03), 0.0, 0
    while now < 600.0:
        here = floor(now, ready=3, talking=7) if now < 300.0 else floor(now, talking=10)
        decision = one.decide(replace(here, estimates=learner.snapshot(now)))
        assert decision.calls <= 1
        calls += decision.calls
        now += one.looks_every_s
    known = learner.snapshot(0.0)
    expected = 600.0 * offered_load(10, known.mean_handle_s, 2.0, 0.03) / known.mean_handle_s / known.p_live
    assert calls == pytest.approx(expected, abs=1.5)


def test_no_rate_without_estimates() -> None:
    """Nothing estimated, nothing dialed."""
    assert ErlangPacer(0.03).decide(floor(0.0, ready=3)).calls == 0
