"""Probabilities learned from outcomes that may change at any moment: pooling, recency and change detection in one.

Model: dials are Bernoulli(p). At each dial p changes with probability `HAZARD`; since the last change, the run, it is
constant but for a slow drift. What is known is a distribution over when the run began, and for each such beginning a
beta posterior of p: the outcomes since then, the weight of each falling by 1 - 1/memory with every one that follows,
over a prior worth `FRESH` dials. That prior lies around the present mean; a group's lies around the campaign's mean, at
every moment, so that a group is shrunk to the campaign and, when it changes, begins again from it. A mixture of betas
says how uncertain p is: just after a change, very.

Source: R. P. Adams and D. J. C. MacKay, Bayesian online changepoint detection (2007), arXiv:0710.3742. Two economies: a
run begins at every `EVERY`-th dial only, and of the `RUNS` kept the two beginnings that lie closest in proportion to
their age are merged; neither could be measured (a run at every second dial, 60 kept: the same within 3 %).

One rule governs this module: an outcome counts at once, and for how long follows from what is believed of changes.
"""

from dataclasses import dataclass
from math import inf, sqrt

import numpy as np
import numpy.typing as npt

from dialer.queueing.errors import OutOfDomain

Floats = npt.NDArray[np.float64]

HAZARD = 1.0 / 2000.0
FRESH = 8.0  # pseudo-dials
EVERY = 8
RUNS = 16
GROUPS_MAX = 64
CHANGE_DIALS = 200  # a change is said to have happened when it probably lies within this many dials
_P_BEGUN = 1.0 - (1.0 - HAZARD) ** EVERY
_HIT: Floats = np.array([[1.0], [1.0]])  # of hits and trials
_MISS: Floats = np.array([[0.0], [1.0]])


@dataclass(slots=True)
class DecayedBeta:
    """A beta posterior whose observations decay by count while its prior stays."""

    prior_hits: float
    prior_misses: float
    memory: float
    hits: float = 0.0
    misses: float = 0.0

    def observe(self, is_hit: bool) -> None:
        """Add one observation; the weight of every earlier one decays by 1 - 1/memory."""
        decay = 1.0 - 1.0 / self.memory
        self.hits = self.hits * decay + is_hit
        self.misses = self.misses * decay + (not is_hit)

    @property
    def mean(self) -> float:
        """The posterior mean: hits over all, the prior's pseudo-observations included."""
        hits = self.prior_hits + self.hits
        return hits / (hits + self.prior_misses + self.misses)


class ChangingProportions:
    """The probability of a campaign and those of its groups; see the module's model.

    At most `GROUPS_MAX` groups are told apart, the first that are seen: the campaign serves for the others.
    """

    def __init__(self, *, p: float, worth: float, memory: float) -> None:
        if not (0.0 < p < 1.0 and worth >= FRESH and memory >= 1.0):
            raise OutOfDomain(
                f"answer probability: expected a prior between 0 and 1, worth at least {FRESH:g} dials, and a memory of"
                f" at least one; found {p!r}, {worth!r} and {memory!r}"
            )
        self.mean = p
        self._keep = 1.0 - 1.0 / memory
        self._runs = _Runs(p, np.zeros(RUNS), np.zeros((2, RUNS)))
        # What the first prior is worth beyond a fresh one is evidence that fades.
        self._runs.evidence[:, 0] = (worth - FRESH) * p, worth - FRESH
        self._groups: dict[str, _Runs] = {}
        self._group_weights = np.zeros((GROUPS_MAX, RUNS))
        self._group_evidence = np.zeros((GROUPS_MAX, 2, RUNS))
        self._told_at = -CHANGE_DIALS

    def observe(self, is_hit: bool, group: str = "") -> bool:
        """Add one outcome; "" is no group. Say whether it shows that the campaign's probability has changed."""
        if group:
            runs = self._group(group)
            if runs is not None:
                runs.follow(self.mean)
                runs.observe(is_hit, self._keep, self.mean)
        runs = self._runs
        runs.observe(is_hit, self._keep, self.mean)
        self.mean = runs.mean
        # A change takes dozens of dials to show: looking at every eighth misses nothing.
        if runs.count % EVERY or runs.count - self._told_at < CHANGE_DIALS:
            return False
        is_changed = self.p_changed_within(CHANGE_DIALS) > 0.5
        if is_changed:
            self._told_at = runs.count
        return is_changed

    def p_changed_within(self, dials: int) -> float:
        """Give P(the campaign's probability changed within the last `dials` dials)."""
        return float(self._runs.weights @ (self._runs.began_at >= self._runs.count - dials))

    def by_group(self) -> dict[str, float]:
        """Give the mean of each group, shrunk to the campaign's mean of now."""
        used = len(self._groups)
        if not used:
            return {}
        first, total = self._group_evidence[:used, 0], self._group_evidence[:used, 1]
        means = self._group_weights[:used] * ((FRESH * self.mean + first) / (FRESH + total))
        return dict(zip(self._groups, means.sum(axis=1).tolist(), strict=True))

    def nodes(self) -> tuple[tuple[float, float], ...]:
        """Give three (p, weight) that match the first five moments of the campaign's mixture of betas.

        Gauss quadrature from moments: G. H. Golub, J. H. Welsch, Calculation of Gauss quadrature rules, Mathematics of
        Computation 23 (1969), 221-230. The nodes lie in (0, 1), weights are positive and sum to 1, the mean is `mean`.
        """
        first, total = self._runs.prior + self._runs.evidence
        # Moments of the smaller of p and 1 - p: the differences taken of them then lose the fewest digits.
        is_turned = self.mean > 0.5
        orders = np.arange(5.0)[:, None]
        factors = ((total - first if is_turned else first) + orders) / (total + orders)
        nodes = _gauss((np.multiply.accumulate(factors, axis=0) @ self._runs.weights).tolist())
        return tuple((1.0 - p, weight) for p, weight in reversed(nodes)) if is_turned else nodes

    def _group(self, group: str) -> "_Runs | None":
        """Give a group's runs; None where there is no room for one more group."""
        runs, used = self._groups.get(group), len(self._groups)
        if runs is None and used < GROUPS_MAX:
            # The arrays of all groups are one, so that `by_group` reads them at once.
            runs = _Runs(self.mean, self._group_weights[used], self._group_evidence[used])
            self._groups[group] = runs
        return runs


class _Runs:
    """The runs of one campaign or group, the oldest first: when each began, its weight, and its beta posterior.

    `prior` and `evidence` hold hits and trials, shape (2, RUNS); columns not yet in use have weight 0. The arrays
    `weights` and `evidence` belong to the caller, all zero.
    """

    __slots__ = ("began_at", "count", "evidence", "means", "prior", "used", "weights")

    def __init__(self, p: float, weights: Floats, evidence: Floats) -> None:
        self.count = 0  # dials seen
        self.used = 1
        self.weights = weights
        self.weights[0] = 1.0
        self.began_at = np.full(RUNS, -inf)  # the first began before all dials: it was no change
        self.prior = np.full((2, RUNS), FRESH)
        self.prior[0] *= p
        self.evidence = evidence
        self.means = np.full(RUNS, p)

    @property
    def mean(self) -> float:
        """Mean over the runs."""
        return float(self.weights @ self.means)

    def follow(self, p: float) -> None:
        """Move the prior's mean of all runs to `p`."""
        self.prior[0] = FRESH * p
        self._update_means()

    def observe(self, is_hit: bool, keep: float, p_fresh: float) -> None:
        """Weigh the runs by what they foretold, then add the outcome to each; a new run's prior mean is `p_fresh`."""
        if self.count and self.count % EVERY == 0:
            self._begin(p_fresh)
        self.count += 1
        self.weights *= self.means if is_hit else 1.0 - self.means
        self.weights /= np.add.reduce(self.weights)
        self.evidence *= keep
        self.evidence += _HIT if is_hit else _MISS
        self._update_means()

    def _update_means(self) -> None:
        total = self.prior + self.evidence
        np.divide(total[0], total[1], out=self.means)

    def _begin(self, p: float) -> None:
        if self.used == RUNS:
            self._merge()
        self.weights *= 1.0 - _P_BEGUN
        self.weights[self.used] = _P_BEGUN
        self.began_at[self.used] = self.count
        self.prior[0, self.used] = FRESH * p
        self.evidence[:, self.used] = 0.0
        self.means[self.used] = p
        self.used += 1

    def _merge(self) -> None:
        """Join the two runs whose ages differ least in proportion: the weight of both, the outcomes of the heavier."""
        ages = self.count - self.began_at
        older = int((ages[:-1] / ages[1:]).argmin())
        is_older_kept = self.weights[older] >= self.weights[older + 1]
        kept, dropped = (older, older + 1) if is_older_kept else (older + 1, older)
        self.weights[kept] += self.weights[dropped]
        for column in (self.weights, self.began_at, self.prior, self.evidence, self.means):
            column[..., dropped:-1] = column[..., dropped + 1 :]
        self.used -= 1


def _gauss(moments: list[float]) -> tuple[tuple[float, float], ...]:
    """Give the three nodes and weights of a distribution with the moments E[p^1..p^5], ascending."""
    m1, m2, m3, m4, m5 = moments
    spread = sqrt(m2 - m1 * m1)
    g3 = (m3 - 3 * m1 * m2 + 2 * m1**3) / spread**3
    g4 = (m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4) / spread**4
    g5 = (m5 - 5 * m1 * m4 + 10 * m1**2 * m3 - 10 * m1**3 * m2 + 4 * m1**5) / spread**5
    # The recurrence of the orthogonal polynomials of the standardised distribution, as a tridiagonal matrix.
    last = g4 - g3 * g3 - 1.0
    side = sqrt(last)
    matrix = np.array([[0.0, 1.0, 0.0], [1.0, g3, side], [0.0, side, (g5 - 2.0 * g3 * g4 + g3**3) / last]])
    roots, vectors = np.linalg.eigh(matrix)
    return tuple(
        (m1 + spread * root, first * first) for root, first in zip(roots.tolist(), vectors[0].tolist(), strict=True)
    )
