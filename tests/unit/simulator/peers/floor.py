"""Floors by their counts."""

from dialer.pacing.base import Floor, Totals


def floor(
    now: float = 0.0,
    *,
    ready: int = 0,
    talking: int = 0,
    wrapping: int = 0,
    ringing: int = 0,
    answered: int = 0,
    queued: int = 0,
    talking_ages: tuple[float, ...] | None = None,
    unanswered_ages: tuple[float, ...] | None = None,
    totals: Totals | None = None,
) -> Floor:
    """A floor without estimates; ages default to 5 s each, totals to the calls that are there."""
    talked = (5.0,) * talking if talking_ages is None else talking_ages
    rung = (5.0,) * ringing if unanswered_ages is None else unanswered_ages
    return Floor(
        now=now,
        ready=ready,
        talking_ages=talked,
        wrap_ages=(5.0,) * wrapping,
        unanswered_ages=rung,
        answered=answered,
        queued=queued,
        agents=ready + len(talked) + wrapping,
        lines_free=1000,
        calls_allowed=1000,
        leads=1000,
        threshold_s=2.0,
        estimates=None,
        totals=Totals(dials=len(rung) + answered + queued + len(talked)) if totals is None else totals,
    )
