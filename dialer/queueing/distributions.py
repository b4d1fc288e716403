"""Exact counting: the number of successes among independent trials that differ.

Model: S = sum of Bernoulli(p_i), the Poisson-binomial. Its pmf are the coefficients of prod (1 - p_i + p_i z).
They are found exactly, up to rounding, by evaluating the polynomial at the roots of unity and transforming back.

One rule governs this module: no normal approximation. With teams of five it costs points of occupancy.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Complexes = npt.NDArray[np.complex128]

_BLOCK = 4


def poisson_binomial(p: Floats) -> Floats:
    """Give P(S = 0..n) for trials `p` of shape (n, batch), as (batch, n + 1); absolute error below 1e-14.

    The characteristic function at the roots of unity, transformed back: Hong, On computing the distribution function
    for the Poisson binomial distribution, Computational Statistics & Data Analysis 59 (2013), 41-51. The trials are
    first multiplied out in blocks of four, in real arithmetic, which cuts the complex products to a quarter.
    """
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


@lru_cache(maxsize=512)
def _powers(points: int) -> Floats:
    """Give the first powers of the conjugate roots of unity, real and imaginary parts interleaved for one product."""
    roots = np.exp(-2j * np.pi * np.arange(points // 2 + 1) / points)
    powers: Complexes = roots[None, :] ** np.arange(_BLOCK + 1)[:, None]
    return np.ascontiguousarray(powers).view(np.float64)
