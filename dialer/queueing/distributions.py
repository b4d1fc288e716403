"""Exact counting: the number of successes among independent trials that differ.

Model: S = sum of Bernoulli(p_i), the Poisson-binomial. Its pmf are the coefficients of prod (1 - p_i + p_i z).
They are found by evaluating the polynomial at roots of unity and transforming back: exactly, up to rounding, from all
roots; for many trials, where only a tail is asked for, from the few roots that matter.

One rule governs this module: no normal approximation. With teams of five it costs points of occupancy, and for large
ones the transform is as fast.
"""

from functools import lru_cache
from math import acos, pi, sqrt

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Complexes = npt.NDArray[np.complex128]

EXACT_TRIALS = 150
TAIL_ERROR = 1e-7
_LOG_ERROR = 18.0  # exp(-18) = 1.5e-8: two tails of it, and the frequencies left out, stay below TAIL_ERROR
_BLOCK = 4


def poisson_binomial(p: Floats) -> Floats:
    """Give P(S = 0..n) for trials `p` of shape (n, batch), as (batch, n + 1); absolute error below 1e-14.

    The characteristic function at the roots of unity, transformed back: Hong, On computing the distribution function
    for the Poisson binomial distribution, Computational Statistics & Data Analysis 59 (2013), 41-51. The trials are
    first multiplied out in blocks of four, in real arithmetic, which cuts the complex products to a quarter.
    """
    trials = len(p)
    # A multiple of 8 that holds every count: the transform is fast, and nothing folds over.
    points = 8 * (trials // 8 + 1)
    values = _characteristic(p, _powers(points, points // 2 + 1))
    return np.asarray(np.fft.irfft(values, points, axis=-1)[:, : trials + 1], dtype=np.float64)


def poisson_binomial_tail(p: Floats, first: int, count: int) -> Floats:
    """Give P(S >= first + j) for j from 0 to `count` - 1 and trials `p` of shape (n, batch), as (batch, count).

    Exact, as `poisson_binomial`, up to `EXACT_TRIALS` trials; above, the absolute error is at most `TAIL_ERROR`. The
    characteristic function of a sum with variance V is at most exp(-V (1 - cos t)), so that its highest frequencies
    count for nothing, and by Bernstein's inequality S lies within d of its mean except with probability
    2 exp(-d^2 / (2 V + 2 d / 3)), so that a transform of 2 d points folds nothing over that counts. Some twenty
    frequencies are left, however many trials there are. Source of the method: J. Abate, W. Whitt, Numerical inversion
    of probability generating functions, Operations Research Letters 12 (1992), 245-251; Bernstein's inequality and the
    first bound (1 - x <= exp(-x), for the squares of the absolute values 1 - 2 p (1-p) (1 - cos t)): S. Boucheron,
    G. Lugosi, P. Massart, Concentration inequalities (2013), section 2.8.
    """
    trials, batch = p.shape
    tail = np.zeros((batch, count))
    sure = min(max(1 - first, 0), count)  # nothing needed: certain
    tail[:, :sure] = 1.0
    last = min(first + count - 1, trials)
    if last < max(first, 1):
        return tail
    if trials <= EXACT_TRIALS:
        points = 8 * (trials // 8 + 1)
        values = _characteristic(p, _powers(points, points // 2 + 1)).view(np.float64)
        tail[:, sure : last - first + 1] = values @ _tail_weights(points)[:, first + sure : last + 1]
    else:
        tail[:, sure : last - first + 1] = _truncated_tail(p, np.arange(first + sure, last + 1))
    return tail


def _truncated_tail(p: Floats, least: Counts) -> Floats:
    """Give P(S >= k) for each k of `least`, as (batch, k), from the frequencies that count."""
    trials = len(p)
    mean = np.add.reduce(p)
    variance = mean - np.einsum("ij,ij->j", p, p)
    wide, narrow = float(variance.max()), float(variance.min())
    reach = _LOG_ERROR / 3.0 + sqrt(_LOG_ERROR * _LOG_ERROR / 9.0 + 2.0 * _LOG_ERROR * wide)
    points = 16 * (min(int(2.0 * reach) + 2, trials) // 16 + 1)
    is_narrow = 2.0 * narrow <= _LOG_ERROR
    angle = pi if is_narrow else acos(1.0 - _LOG_ERROR / narrow)
    kept = min(int(angle * points / (2.0 * pi)) + 2, points // 2 + 1)
    pmf = np.fft.irfft(_characteristic(p, _powers(points, kept)), points, axis=-1)
    # Counts are known modulo `points`: unfold them around the mean, where all the mass is.
    low = np.maximum(np.rint(mean).astype(np.int64) - points // 2, 0)[:, None]
    rows = np.arange(p.shape[1])[:, None]
    unfolded = pmf[rows, (low + np.arange(points)) % points]
    tails = np.zeros((p.shape[1], points + 1))
    tails[:, :-1] = unfolded[:, ::-1].cumsum(axis=1)[:, ::-1]
    tails[:, 0] = 1.0
    found: Floats = tails[rows, np.minimum(np.maximum(least - low, 0), points)]
    return found


def _characteristic(p: Floats, powers: Floats) -> Complexes:
    """Give E[z^S] at the roots whose `powers` are given, for trials `p` of shape (n, batch), as (batch, roots)."""
    trials, batch = p.shape
    blocks = trials // _BLOCK + 1
    padded = np.zeros((_BLOCK * blocks, batch))
    padded[:trials] = p
    grouped = padded.reshape(_BLOCK, blocks, batch)
    pmf = np.zeros((_BLOCK + 1, blocks, batch))
    pmf[0] = 1.0 - grouped[0]
    pmf[1] = grouped[0]
    for done in range(1, _BLOCK):
        moved = pmf[: done + 1] * grouped[done]
        pmf[: done + 1] -= moved
        pmf[1 : done + 2] += moved
    values = (pmf.reshape(_BLOCK + 1, -1).T @ powers).view(np.complex128)
    return np.asarray(np.multiply.reduce(values.reshape(blocks, batch, -1), axis=0), dtype=np.complex128)


@lru_cache(maxsize=512)
def _powers(points: int, kept: int) -> Floats:
    """Give the first powers of `kept` conjugate roots of unity, real and imaginary parts interleaved."""
    roots = np.exp(-2j * np.pi * np.arange(kept) / points)
    powers: Complexes = roots[None, :] ** np.arange(_BLOCK + 1)[:, None]
    return np.ascontiguousarray(powers).view(np.float64)


@lru_cache(maxsize=64)
def _tail_weights(points: int) -> Floats:
    """Give what takes values at the first roots, real and imaginary parts interleaved, to P(S >= 0..points-1)."""
    unit = np.eye(2 * (points // 2 + 1)).view(np.complex128)
    return np.ascontiguousarray(np.fft.irfft(unit, points, axis=-1)[:, ::-1].cumsum(axis=1)[:, ::-1])
