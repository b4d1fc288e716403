"""Exact counting: the number of successes among independent trials that differ.

Model: S = sum of Bernoulli(p_i), the Poisson-binomial. Its pmf are the coefficients of prod (1 - p_i + p_i z).
Two schemes give them, both exact up to rounding: `poisson_binomial_direct` multiplies the polynomial out one trial at a
time; `poisson_binomial` evaluates it at the roots of unity and transforms back.

One rule governs this module: no normal approximation. With teams of five it costs points of occupancy.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Complexes = npt.NDArray[np.complex128]

_BLOCK = 4


def poisson_binomial_direct(p: Floats) -> Floats:
    """Give P(S = 0..n) for trials `p` of shape (n, batch), as (batch, n + 1), by convolution trial by trial.

    O(n^2) per member of the batch and accurate in every coefficient, also the smallest.
    """
    trials, batch = p.shape
    pmf = np.zeros((batch, trials + 1))
    pmf[:, 0] = 1.0
    for done in range(trials):
        moved = pmf[:, : done + 1] * p[done][:, None]
        pmf[:, : done + 1] -= moved
        pmf[:, 1 : done + 2] += moved
    return pmf


def poisson_binomial(p: Floats) -> Floats:
    """Give P(S = 0..n) for trials `p` of shape (n, batch), as (batch, n + 1); absolute error below 1e-14.

    The characteristic function at the roots of unity, transformed back: Hong, On computing the distribution function
    for the Poisson binomial distribution, Computational Statistics & Data Analysis 59 (2013), 41-51. The trials are
    first multiplied out in blocks of four, in real arithmetic, which cuts the complex products to a quarter.
    """
    trials, batch = p.shape
    blocks = -(-trials // _BLOCK)
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
    # A multiple of 8 that holds every count: the transform is fast, and nothing folds over.
    points = 8 * (trials // 8 + 1)
    values = (pmf.reshape(_BLOCK + 1, -1).T @ _powers(points)).view(np.complex128)
    product = np.multiply.reduce(values.reshape(blocks, batch, -1), axis=0)
    return np.asarray(np.fft.irfft(product, points, axis=-1)[:, : trials + 1], dtype=np.float64)


def binomials(trials: int, p: Floats) -> Floats:
    """Give P(Binomial(k, p_q) = j) for k and j from 0 to `trials`, shape (trials + 1, len(p), trials + 1)."""
    table = np.zeros((trials + 1, len(p), trials + 1))
    table[0, :, 0] = 1.0
    for k in range(trials):
        moved = table[k] * p[:, None]
        table[k + 1] = table[k] - moved
        table[k + 1, :, 1:] += moved[:, :-1]
    return table


def p_surplus(p_gain: Floats, p_loss: Floats, base: int) -> float:
    """Give P(base + A - C >= 1), A and C sums of Bernoulli(p_gain) and Bernoulli(p_loss), both one-dimensional.

    C counts the losses; len(p_loss) - C is the count of the trials that did not lose, so base + A - C is one
    Poisson-binomial shifted by base - len(p_loss).
    """
    pmf = poisson_binomial(np.concatenate([p_gain, 1.0 - p_loss])[:, None])[0]
    first = 1 + len(p_loss) - base
    return 1.0 if first <= 0 else min(1.0, max(0.0, float(pmf[first:].sum())))


@lru_cache(maxsize=512)
def _powers(points: int) -> Floats:
    """Give the first powers of the conjugate roots of unity, real and imaginary parts interleaved for one product."""
    roots = np.exp(-2j * np.pi * np.arange(points // 2 + 1) / points)
    powers: Complexes = roots[None, :] ** np.arange(_BLOCK + 1)[:, None]
    return np.ascontiguousarray(powers).view(np.float64)
