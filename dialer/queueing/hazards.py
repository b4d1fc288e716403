"""Durations learned as a hazard: the rate at which what has lasted for so long ends.

Model: time is cut into bins, within each the rate is constant: events over exposure. What is still underway has
exposure and no event, so that it counts from its first second: a wrap-up that takes six times as long shows in the
agents who are still in it, long before the first of them is done. Observations are weighed by the order in which they
*began*, finished or not; by the order of endings, short ones would seem recent and the exposure underway would be
counted twice. Bins hold a sixteenth of the weight each; beyond the last they grow by a seventh, and each has a fifth of
a pseudo-event at the rate of that whole tail. A prior counts as so many finished observations and never fades.

All rates are multiplied by a tempo. At each duration begun it changes with probability `HAZARD`, to a gamma around 1 of
shape `SHAPE`: how well "the last m have another tempo" explains the events since, against those that the rates foresaw,
says how probable that change is. So a change of level is followed within some dozens of durations, while the shape has
the memory of hundreds.

Sources: E. L. Kaplan and P. Meier, Nonparametric estimation from incomplete observations, JASA 53 (1958), 457-481;
O. O. Aalen, O. Borgan and H. K. Gjessing, Survival and event history analysis (2008), chapter 5 (events over exposure)
and section 6.2 (the gamma frailty); Adams and MacKay (2007), arXiv:0710.3742 (the change).

One rule governs this module: whoever is still talking has told how long talk lasts.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from dialer.queueing.errors import OutOfDomain

Floats = npt.NDArray[np.float64]

BINS = 16
HAZARD = 1.0 / 500.0
SHAPE = 6.0
UNDERWAY_MEMORY = 3.0  # the memory is at least this many times the number underway, or no long one would be in it
LONGEST_S = 3600.0
_GROWTH = 1.15
_NARROWEST_S = 0.5
_PSEUDO = 0.2
_KEPT = 4096
_BACK = np.unique(np.rint(4.0 * 1.5 ** np.arange(18))).astype(np.int64)  # a change is looked for so many durations back
_TINY = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FittedHazard:
    """A rate for each bin between `edges_s`, the last also beyond; `cumulative` is its integral up to each edge."""

    edges_s: Floats
    rates: Floats
    cumulative: Floats

    def cdf(self, times_s: Floats) -> Floats:
        """Give P(T <= t) for each of `times_s`, at most `LONGEST_S`, same shape."""
        return np.asarray(-np.expm1(-np.interp(times_s, self.edges_s, self.cumulative)), dtype=np.float64)

    @property
    def mean_s(self) -> float:
        """The mean duration: the integral of the survival function, bin by bin in closed form."""
        spent = np.maximum(np.diff(self.cumulative), _TINY)
        survival = np.exp(-self.cumulative)
        inside = survival[:-1] * np.diff(self.edges_s) * -np.expm1(-spent) / spent
        return float(inside.sum() + survival[-1] / self.rates[-1])


class DurationLearner:
    """Learns one kind of duration, talk or wrap-up; see the module's model."""

    def __init__(self, prior_s: Floats, *, worth: float, memory: float) -> None:
        """Take equally probable values `prior_s`, together worth `worth` observations."""
        self._prior_s = prior_s
        self._prior_weights = np.full(len(prior_s), worth / len(prior_s))
        self._memory = memory
        self._began_at: deque[float] = deque(maxlen=_KEPT)
        self._lengths: deque[float] = deque(maxlen=_KEPT)

    def observe(self, duration_s: float, now: float) -> None:
        """Add one that ended at `now`."""
        self._began_at.append(now - duration_s)
        self._lengths.append(duration_s)

    def fit(self, now: float, ages_s: Sequence[float]) -> FittedHazard:
        """Fit to what has ended, and to all that is underway since `ages_s`."""
        lengths, is_over = self._by_beginning(now, ages_s)
        memory = max(self._memory, UNDERWAY_MEMORY * len(ages_s))
        weights = np.concatenate([self._prior_weights, np.exp(-np.arange(len(lengths)) / memory)])
        values = np.concatenate([self._prior_s, lengths])
        ended = np.concatenate([self._prior_weights, weights[len(self._prior_s) :] * is_over])
        over = lengths[is_over > 0.0]
        edges, tail = _edges(values, ended, float(over.min() if len(over) else self._prior_s.min()))
        rates = _rates(edges, tail, values, weights, ended)
        cumulative = np.concatenate([[0.0], np.cumsum(rates * np.diff(edges))])
        back = _BACK[: np.searchsorted(_BACK, min(len(lengths), memory), side="right")]
        tempo = _tempo(is_over, np.interp(lengths, edges, cumulative), back) if len(back) else 1.0
        return FittedHazard(edges_s=edges, rates=rates * tempo, cumulative=cumulative * tempo)

    def _by_beginning(self, now: float, ages_s: Sequence[float]) -> tuple[Floats, Floats]:
        """Give the lengths so far, the one that began last first, and 1 for each that is over."""
        ages = np.asarray(ages_s, dtype=np.float64)
        if not (ages >= 0.0).all():
            raise OutOfDomain(f"ages underway: expected seconds >= 0, found {ages_s!r}; the clock ran backwards")
        count = len(self._lengths)
        began_at = np.fromiter(self._began_at, dtype=np.float64, count=count)
        lengths = np.fromiter(self._lengths, dtype=np.float64, count=count)
        order = np.argsort(-np.concatenate([began_at, now - ages]), kind="stable")
        is_over = np.concatenate([np.ones(count), np.zeros(len(ages))])
        return np.concatenate([lengths, ages])[order], is_over[order]


def _edges(values: Floats, ended: Floats, shortest: float) -> tuple[Floats, int]:
    """Give the edges of the bins, the second before the `shortest` value, and the number of the tail's first bin."""
    order = np.argsort(values, kind="stable")
    values, ended = values[order], ended[order]
    reached = np.cumsum(ended) - 0.5 * ended
    levels = np.arange(1, BINS) / BINS * float(ended.sum())
    inner = np.interp(levels, reached, values)
    edges = [0.0]
    for value in (shortest, *inner.tolist()):
        # Half a width before it: where many last equally long, they end inside a bin, after some exposure to it.
        edge = value - 0.5 * _NARROWEST_S
        if edge - edges[-1] >= _NARROWEST_S and edge < LONGEST_S:
            edges.append(edge)
    tail = len(edges) - 1
    while edges[-1] < LONGEST_S:
        edges.append(min(max(edges[-1] + 1.0, edges[-1] * _GROWTH), LONGEST_S))
    return np.array(edges), tail


def _rates(edges: Floats, tail: int, values: Floats, weights: Floats, ended: Floats) -> Floats:
    """Give events over exposure in each bin."""
    widths, count = np.diff(edges), len(edges) - 1
    bins = np.minimum(np.searchsorted(edges, values, side="right") - 1, count - 1)
    events = np.bincount(bins, ended, minlength=count)
    inside = np.bincount(bins, weights, minlength=count)
    partly = np.bincount(bins, weights * np.minimum(values - edges[bins], widths[bins]), minlength=count)
    # Who ends in a later bin was exposed to the whole of this one.
    exposure = (inside[::-1].cumsum()[::-1] - inside) * widths + partly
    tail_events, tail_exposure = float(events[tail:].sum()), float(exposure[tail:].sum())
    # A prior that never fades ends in the tail too: there is always an event, and some exposure before it.
    pseudo = np.where(np.arange(count) < tail, 0.0, _PSEUDO)
    exposure += pseudo * max(tail_exposure, _TINY) / max(tail_events, _TINY)
    return np.asarray((events + pseudo) / np.maximum(exposure, _TINY), dtype=np.float64)


def _tempo(is_over: Floats, foreseen: Floats, back: npt.NDArray[np.int64]) -> float:
    """Give the posterior mean of the tempo now.

    `foreseen` are the events expected of each duration so far, the last begun first. With D events where L were
    foreseen, a tempo of gamma law (k, k) is k^k G(k+D) / (G(k) (k+L)^(k+D)) exp(L) times as likely as a tempo of 1.
    """
    events, expected = np.cumsum(is_over)[back - 1], np.cumsum(foreseen)[back - 1]
    shape = SHAPE + events
    log_odds = SHAPE * np.log(SHAPE) + gammaln(shape) - gammaln(SHAPE) - shape * np.log(SHAPE + expected) + expected
    unchanged = (1.0 - HAZARD) ** np.concatenate([[0.0], back])
    logs = np.concatenate([np.log(unchanged[:-1] - unchanged[1:]) + log_odds, np.log(unchanged[-1:])])
    chances = np.exp(logs - logs.max())
    tempos = np.concatenate([shape / (SHAPE + expected), [1.0]])
    return float(chances @ tempos / chances.sum())
