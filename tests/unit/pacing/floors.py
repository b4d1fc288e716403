"""Floors and estimates that the pacing tests start from."""

from dataclasses import replace
from typing import Any

import numpy as np

from dialer.pacing.base import Floor
from dialer.queueing.estimators import Estimates
from dialer.queueing.times import RING_GRID_S, TALK_GRID_S, Times


def markov_estimates(p_live: float = 0.3, line_s: float = 15.0, handle_s: float = 180.0, **changes: Any) -> Estimates:
    """Exponential line life and handle time, no wrap-up: ages carry no information."""
    ring = 1.0 - np.exp(-RING_GRID_S / line_s)
    estimates = Estimates(
        built_at=0.0,
        observed_at=0.0,
        dials=1000,
        p_live=p_live,
        p_nodes=((p_live, 1.0),),
        p_by_group={},
        p_live_if_answered=0.5,
        p_return=1.0,
        changed_at=None,
        times=Times(
            built_at=0.0,
            live_cdf=ring,
            other_cdf=ring,
            talk_cdf=1.0 - np.exp(-TALK_GRID_S / handle_s),
            wrap_cdf=np.ones_like(TALK_GRID_S),
            mean_live_s=line_s,
            mean_other_s=line_s,
            mean_talk_s=handle_s,
            mean_wrap_s=0.0,
        ),
    )
    return replace(estimates, **changes)


MARKOV = markov_estimates()


def floor_of(**changes: Any) -> Floor:
    """Ten agents, all busy, nothing in flight, no limit in sight; `changes` override."""
    fields: dict[str, Any] = {
        "now": 0.0,
        "ready": 0,
        "talking_ages": (60.0,) * 10,
        "wrap_ages": (),
        "unanswered_ages": (),
        "answered": 0,
        "queued": 0,
        "agents": 10,
        "lines_free": 1000,
        "calls_allowed": 1000,
        "leads": 100_000,
        "threshold_s": 2.0,
        "estimates": MARKOV,
    }
    return Floor(**{**fields, **changes})
