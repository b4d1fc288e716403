"""When the store's lag is worth telling: at once when it is large, after a second when it lasts, gone slowly."""

import pytest

from dialer.daemon.lag import CALM_S, SLOW_FOR_S, SLOW_S, STALLED_S, LagMeter
from dialer.domain.lag import Lag


def test_one_hiccup_is_not_worth_a_word() -> None:
    """A commit of 0.5 s among short ones changes nothing."""
    meter = LagMeter()
    for at, lag_s in enumerate([0.01, 0.5, 0.01, 0.5, 0.01]):
        meter.heed(lag_s, float(at))
    assert meter.lag is Lag.NONE and meter.calm_at() is None


def test_a_lag_that_lasts_is_slow() -> None:
    """Nothing but slow commits for a second."""
    meter = LagMeter()
    meter.heed(SLOW_S, 100.0)
    meter.heed(SLOW_S, 100.0 + 0.9 * SLOW_FOR_S)
    assert meter.lag is Lag.NONE
    meter.heed(SLOW_S, 100.0 + SLOW_FOR_S)
    assert meter.lag is Lag.SLOW


def test_a_large_lag_counts_at_once() -> None:
    """A second is half of what people are given: the first one stops the dialing."""
    meter = LagMeter()
    meter.heed(STALLED_S, 100.0)
    assert meter.lag is Lag.STALLED


def test_it_falls_one_step_at_a_time_after_a_calm() -> None:
    """Ten seconds well below the bound for each step; what is just below it keeps the step."""
    meter = LagMeter()
    meter.heed(STALLED_S, 100.0)
    meter.heed(0.6 * STALLED_S, 105.0)
    meter.calm(105.0 + CALM_S - 0.1)
    assert meter.lag is Lag.STALLED and meter.calm_at() == pytest.approx(105.0 + CALM_S)
    meter.heed(0.0, 105.0 + CALM_S)
    meter.calm(105.0 + CALM_S)
    assert meter.lag is Lag.SLOW
    meter.calm(105.0 + 2 * CALM_S)
    assert meter.lag is Lag.NONE
