"""Counting by hand, to check the transform against."""

import itertools

import numpy as np


def poisson_binomial_direct(p: np.ndarray) -> np.ndarray:
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


def enumerated(p: np.ndarray) -> np.ndarray:
    """Give P(S = 0..n) by adding up all 2^n outcomes."""
    pmf = np.zeros(len(p) + 1)
    for outcome in itertools.product((0, 1), repeat=len(p)):
        pmf[sum(outcome)] += np.prod([x if hit else 1 - x for x, hit in zip(p, outcome, strict=True)])
    return pmf
