"""The best any dialer can do in a world without memory: an exact solver of the constrained Markov decision process.

World: `n` agents; a dialed line is resolved after an exponential time of mean `line_s`, with probability `p` by a live
answer, else by a failure; handle times are exponential with mean `handle_s`; a live answer that finds no agent waits an
exponential time of mean `grace_s` (0: not at all) and is then abandoned. After every event any number of lines may be
dialed, none may be cancelled. State: (x, r), x = busy agents + waiting callers, r = lines in flight.

Problem: maximise occupancy U subject to abandoned <= `cap` of live answers. With A = abandonments per agent and handle
time, the constraint is A <= cap (U + A), linear in long-run averages, so an optimal policy maximises U - price A for
some price and is a mixture in time of at most two such deterministic policies (Altman, Constrained Markov Decision
Processes, 1999, chapter 12). Each is found by policy iteration (Puterman, Markov Decision Processes, 1994, section
8.6, unichain average reward, in continuous time), exactly, by sparse LU. The price is found on the convex hull of the
(A, U) reached: the slope between the best policies on both sides of the cap, until no policy lies above it.

One rule governs this module: no approximation but the truncation of states, which moves no occupancy by 1e-5.
`python -m tests.theory.cmdp` prints `optimum.json`, the grid that the benchmarks are held against.
"""

import json
from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
import numpy.typing as npt
from scipy.sparse import csc_matrix
from scipy.sparse.linalg import splu

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

WAITING_MAX = 6  # callers; with a grace of seconds one is rare
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimum:
    """What the best policy reaches, mixed so that abandonment is exactly the cap."""

    occupancy: float
    abandonment: float  # of live answers
    wait_s: float  # idle time of an agent between two calls
    lines_by_idle: tuple[int, ...]  # lines that the policy below the cap dials up to, by idle agents from 0 to 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Policy:
    """A deterministic policy and its long-run averages."""

    lines: Counts  # [x, r] -> lines in flight after dialing
    occupancy: float
    abandoned: float  # per agent and handle time

    def excess(self, cap: float) -> float:
        """How far abandonments are above the cap, per agent and handle time."""
        return self.abandoned - cap * (self.occupancy + self.abandoned)


def solve(n: int, p: float, handle_s: float, line_s: float, grace_s: float, cap: float) -> Optimum:
    """Give the optimum for `n` agents; times in seconds, 0 < cap < 1 a share of live answers."""
    process = Process(n, p, handle_s, line_s, grace_s)
    over = under = process.best(1.0, process.progressive())
    price = 1.0
    while over.excess(cap) <= 0.0:
        under, price = over, price / 2
        over = process.best(price, over.lines)
    while under.excess(cap) > 0.0:
        over, price = under, price * 2
        under = process.best(price, under.lines)
    while True:
        price = (over.occupancy - under.occupancy) / (over.abandoned - under.abandoned)
        found = process.best(price, under.lines)
        if found.occupancy - price * found.abandoned <= over.occupancy - price * over.abandoned + _ROUNDING:
            break
        over, under = (found, under) if found.excess(cap) > 0.0 else (over, found)
    occupancy, abandoned = mixed(over, under, cap)
    return Optimum(
        occupancy=occupancy,
        abandonment=abandoned / (occupancy + abandoned),
        wait_s=handle_s * (1.0 / occupancy - 1.0),
        lines_by_idle=process.lines_by_idle(under),
    )


def mixed(over: Policy, under: Policy, cap: float) -> tuple[float, float]:
    """Give occupancy and abandonments, per agent and handle time, of two policies mixed in time to meet `cap`."""
    share = -under.excess(cap) / (over.excess(cap) - under.excess(cap))  # of time under the policy over the cap
    occupancy = share * over.occupancy + (1.0 - share) * under.occupancy
    return occupancy, share * over.abandoned + (1.0 - share) * under.abandoned


class Process:
    """The decision process on a finite grid: x from `x_min` to `x_max`, r from 0 to `r_max`.

    Far more idle agents than ever are cut off (the last state keeps its agents busy), and so are more lines than could
    find an agent. `w[x, r]` is the relative value just after dialing; before it, the value is the maximum over r' >= r.
    """

    def __init__(self, n: int, p: float, handle_s: float, line_s: float, grace_s: float) -> None:
        self.n = n
        idle_max = min(n, 5 + ceil(1.5 * sqrt(n)))
        self.x_min, self.x_max = n - idle_max, n + (WAITING_MAX if grace_s > 0.0 else 0)
        self.r_max = ceil(1.1 * (idle_max + n * line_s / handle_s) / p) + 10
        self.shape = (self.x_max - self.x_min + 1, self.r_max + 1)
        x = np.arange(self.x_min, self.x_max + 1)[:, None] + np.zeros(self.shape, dtype=np.int64)
        r = np.arange(self.r_max + 1)[None, :] + np.zeros(self.shape, dtype=np.int64)
        busy, waiting = np.minimum(x, n), np.maximum(x - n, 0)
        lost = waiting / grace_s if grace_s > 0.0 else 0.0 * waiting
        is_full = x == self.x_max
        row = x - self.x_min
        # (rate per second, x and r of the next state) of each kind of event
        self._events = (
            (r * p / line_s, np.where(is_full, row, row + 1), np.maximum(r - 1, 0)),
            (r * (1.0 - p) / line_s, row, np.maximum(r - 1, 0)),
            (np.where(row > 0, busy / handle_s + lost, 0.0), np.maximum(row - 1, 0), r),
        )
        self._occupied = busy / n
        self._abandons = (lost + np.where(is_full, r * p / line_s, 0.0)) * handle_s / n
        self._matrix_rows = np.arange(row.size)

    def progressive(self) -> Counts:
        """Give the policy of one line per idle agent."""
        idle = np.maximum(self.n - np.arange(self.x_min, self.x_max + 1), 0)
        return np.maximum(np.arange(self.r_max + 1)[None, :], idle[:, None])

    def lines_by_idle(self, policy: Policy) -> tuple[int, ...]:
        """Give the lines after dialing from none in flight, by idle agents from 0 to at most 5."""
        at = self.n - self.x_min
        return tuple(int(policy.lines[at - idle, 0]) for idle in range(min(at, 5) + 1))

    def averages(self, lines: Counts) -> Policy:
        """Give the long-run averages of any policy."""
        averages = self._evaluate(lines)[0]
        return Policy(lines=lines, occupancy=averages[0], abandoned=averages[1])

    def best(self, price: float, lines: Counts) -> Policy:
        """Improve `lines` until it maximises U - price A."""
        while True:
            averages, values = self._evaluate(lines)
            w = (values[:, 0] - price * values[:, 1]).reshape(self.shape)
            # The best r' >= r: a running maximum from the right, the fewest lines of those equal.
            best = np.maximum.accumulate(w[:, ::-1], axis=1)[:, ::-1]
            kept = np.take_along_axis(w, lines, axis=1) >= best - _ROUNDING
            if kept.all():
                return Policy(lines=lines, occupancy=averages[0], abandoned=averages[1])
            columns = np.broadcast_to(np.arange(self.r_max + 1), self.shape)
            reach = np.where(w >= best, columns, self.r_max + 1)
            first = np.minimum.accumulate(reach[:, ::-1], axis=1)[:, ::-1]
            lines = np.where(kept, lines, first)

    def _evaluate(self, lines: Counts) -> tuple[list[float], Floats]:
        """Give the averages (U, A) of a policy and the relative values of both, shape (states, 2).

        Per state: sum of rates x (w here - w there) + average = reward. One w is fixed at 0; its column is the average.
        """
        size, width = self._matrix_rows.size, self.shape[1]
        diagonal = np.zeros(size)
        rows, columns, entries = [], [], []
        for rate, x, r in self._events:
            there = (x * width + lines[x, r]).ravel()
            diagonal += rate.ravel()
            rows.append(self._matrix_rows)
            columns.append(there)
            entries.append(-rate.ravel())
        fixed = (self.n - self.x_min) * width
        rewards = np.stack([self._occupied.ravel(), self._abandons.ravel()], axis=1)
        average = np.ones(size)
        # Nothing ever happens with all idle and no line: worse by definition than one line, never chosen.
        rows.append(np.array([0]))
        columns.append(np.array([1]))
        entries.append(np.array([-1.0]))
        diagonal[0], average[0], rewards[0] = 1.0, 0.0, (-1.0, 0.0)
        row, column, entry = np.concatenate(rows), np.concatenate(columns), np.concatenate(entries)
        entry = np.where(column == fixed, 0.0, entry)
        diagonal[fixed] = 0.0
        row = np.concatenate([row, self._matrix_rows, self._matrix_rows])
        column = np.concatenate([column, self._matrix_rows, np.full(size, fixed)])
        entry = np.concatenate([entry, diagonal, average])
        values = splu(csc_matrix((entry, (row, column)), shape=(size, size))).solve(rewards)
        averages = values[fixed].tolist()
        values[fixed] = 0.0
        return averages, values


def grid() -> dict[str, object]:
    """Solve the Markov world of the benchmarks, by answer probability and team."""
    world = {"handle_s": 150.0, "line_s": 14.0, "grace_s": 0.0, "cap": 0.03}
    occupancy = {
        f"{p:g}": {f"{n}": round(solve(n, p, **world).occupancy, 6) for n in (1, 2, 3, 5, 10, 25, 50)}
        for p in (0.1, 0.3, 0.6)
    }
    return {**world, "occupancy": occupancy}


if __name__ == "__main__":
    print(json.dumps(grid(), indent=2))
