"""The limits of every pacing mode."""

from dataclasses import replace
from math import inf, nan
from typing import Any

import numpy as np
import pytest

from dialer.pacing.base import DialDecision, ask, constrain, fault
from dialer.pacing.manual import PowerPacer
from dialer.queueing.estimators import Estimates
from tests.unit.pacing.floors import MARKOV, floor_of


def with_times(**changes: Any) -> Estimates:
    """The Markov world's estimates with other times."""
    return replace(MARKOV, times=replace(MARKOV.times, **changes))


WANTED = DialDecision(calls=7, reserve=False, limited_by="wanted", wanted=7, terms=(("psi", 0.03),))


@pytest.mark.parametrize(
    ("limits", "calls", "limited_by"),
    [
        ({}, 7, "wanted"),
        ({"lines_free": 5}, 5, "lines"),
        ({"calls_allowed": 4}, 4, "calls_per_second"),
        ({"leads": 3}, 3, "leads"),
        ({"lines_free": 5, "calls_allowed": 2, "leads": 3}, 2, "calls_per_second"),
        ({"lines_free": 3, "calls_allowed": 3, "leads": 3}, 3, "lines"),
        ({"lines_free": 0, "leads": 3}, 0, "lines"),
        ({"lines_free": -2}, 0, "lines"),
    ],
)
def test_the_tightest_limit_binds_and_is_named(limits: dict[str, int], calls: int, limited_by: str) -> None:
    """Calls are cut to the smallest limit, which is named; what was wanted and why stays readable."""
    decision = constrain(WANTED, floor_of(**limits))
    assert (decision.calls, decision.limited_by) == (calls, limited_by)
    assert (decision.wanted, decision.terms) == (WANTED.wanted, WANTED.terms)


def test_a_true_floor_is_shown_to_the_pacer() -> None:
    """Nothing is wrong with an ordinary floor, and the pacer's own answer stands."""
    floor = floor_of(ready=2, agents=12, unanswered_ages=(0.0, 3.5), p_unanswered=(0.2, 0.3), p_next=0.25)
    assert fault(floor) is None
    assert ask(PowerPacer(2.0), floor) == constrain(PowerPacer(2.0).decide(floor), floor)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ready": -1}, "a count is negative"),
        ({"queued": -1}, "a count is negative"),
        ({"ready": 1}, "1 ready and 10 busy of 10 agents"),
        ({"departing": 3}, "0 ready and 13 busy of 10 agents"),
        ({"talking_ages": (5.0, -0.1)}, "an age of talking is negative or not finite"),
        ({"wrap_ages": (nan,), "agents": 11}, "an age of wrap-up is negative or not finite"),
        ({"unanswered_ages": (3.0, inf)}, "an age of unanswered is negative or not finite"),
        ({"threshold_s": -1.0}, "the threshold is -1.0 s"),
        ({"threshold_s": nan}, "the threshold is nan s"),
        ({"unanswered_ages": (1.0, 2.0), "p_unanswered": (0.2,)}, "probabilities of the calls in flight"),
        ({"unanswered_ages": (1.0,), "p_unanswered": (1.2,)}, "probabilities of the calls in flight"),
        ({"unanswered_ages": (1.0,), "p_unanswered": (nan,)}, "probabilities of the calls in flight"),
        ({"p_next": nan}, "the answer probability of the next call is nan"),
        ({"estimates": replace(MARKOV, p_live=nan)}, "p_live is estimated as nan"),
        ({"estimates": replace(MARKOV, p_live=0.0)}, "p_live is estimated as 0"),
        ({"estimates": replace(MARKOV, p_return=1.1)}, "p_return is estimated as 1.1"),
        ({"estimates": replace(MARKOV, p_nodes=((nan, 1.0),))}, "the distribution of p_live is none"),
        ({"estimates": with_times(talk_cdf=np.full(3601, nan))}, "talk_cdf is not a distribution"),
        ({"estimates": with_times(live_cdf=np.linspace(1.0, 0.0, 241))}, "live_cdf is not a distribution"),
        ({"estimates": with_times(mean_wrap_s=-1.0)}, "mean_wrap_s is -1.0"),
    ],
)
def test_a_floor_that_contradicts_itself_is_named(changes: dict[str, Any], words: str) -> None:
    """The answer holds an agent for each call, is bound by the floor, and has the contradiction as its term."""
    floor = floor_of(**changes)
    assert words in (fault(floor) or "")
    decision = ask(PowerPacer(2.0), floor)
    assert (decision.reserve, decision.limited_by, decision.wanted) == (True, "floor", 0)
    assert decision.terms == ((fault(floor), 1.0),)
    assert 0 <= decision.calls <= max(floor.ready, 0)


def test_what_can_be_read_is_dialed_progressively() -> None:
    """An age below 0, as a clock set back leaves it, costs the pacer's answer but not the ready agents' work."""
    floor = floor_of(ready=4, agents=14, talking_ages=(-3600.0,) * 10, unanswered_ages=(5.0,), queued=1)
    assert (ask(PowerPacer(2.0), floor).calls, ask(PowerPacer(2.0), floor).reserve) == (2, True)
    assert ask(PowerPacer(2.0), replace(floor, leads=1)).runner_up == ("floor", 2)
