"""Erlang B, C and A against exact arithmetic, closed forms and printed tables."""

from decimal import Decimal, getcontext
from fractions import Fraction
from math import exp, factorial, isfinite

import pytest

from dialer.queueing.erlang import (
    ErlangA,
    erlang_b,
    erlang_c,
    erlang_c_mean_wait,
    erlang_c_p_wait_over,
    offered_load,
)
from dialer.queueing.errors import OutOfDomain

TOLERANCE = 1e-9


def exact_b(agents: int, load: Fraction) -> Fraction:
    terms = [load**k / factorial(k) for k in range(agents + 1)]
    return terms[-1] / sum(terms)


def exact_c(agents: int, load: Fraction) -> Fraction:
    waiting = load**agents / factorial(agents) * agents / (agents - load)
    return waiting / (sum(load**k / factorial(k) for k in range(agents)) + waiting)


def exact_a(agents: int, load: Decimal, patience: Decimal) -> tuple[Decimal, Decimal]:
    """P(wait) and P(abandon) with handle time 1, from the balance equations in 60 digits."""
    getcontext().prec = 60
    p, total, waiting, queue, state = Decimal(1), Decimal(1), Decimal(0), Decimal(0), 0
    while state < agents or p > total * Decimal("1e-40"):
        state += 1
        p = p * load / (min(state, agents) + max(state - agents, 0) / patience)
        total += p
        if state >= agents:
            waiting += p
            queue += p * (state - agents)
    return waiting / total, queue / patience / load / total


@pytest.mark.parametrize("load", [Fraction(1, 100), Fraction(1, 2), Fraction(9, 2), Fraction(37, 2), Fraction(60)])
@pytest.mark.parametrize("agents", [1, 2, 5, 10, 20, 50])
def test_erlang_b_is_exact(agents: int, load: Fraction) -> None:
    """Erlang B agrees with rational arithmetic to a relative 1e-9."""
    assert erlang_b(agents, float(load)) == pytest.approx(float(exact_b(agents, load)), rel=TOLERANCE, abs=0)


@pytest.mark.parametrize("share", [Fraction(1, 10), Fraction(1, 2), Fraction(9, 10), Fraction(99, 100)])
@pytest.mark.parametrize("agents", [1, 2, 5, 10, 20, 50])
def test_erlang_c_is_exact(agents: int, share: Fraction) -> None:
    """Erlang C agrees with rational arithmetic to a relative 1e-9."""
    load = share * agents
    assert erlang_c(agents, float(load)) == pytest.approx(float(exact_c(agents, load)), rel=TOLERANCE, abs=0)


@pytest.mark.parametrize(
    ("agents", "load", "blocked"),
    # The usual printed table of offered traffic by blocking (for example ITU-D Teletraffic Engineering Handbook).
    [
        (1, "0.0101", 0.01),
        (2, "0.153", 0.01),
        (5, "1.36", 0.01),
        (10, "4.46", 0.01),
        (20, "12.0", 0.01),
        (50, "37.9", 0.01),
        (100, "84.1", 0.01),
        (5, "2.88", 0.10),
        (10, "7.51", 0.10),
        (20, "17.6", 0.10),
    ],
)
def test_erlang_b_meets_the_printed_tables(agents: int, load: str, blocked: float) -> None:
    """The printed load, taken half a unit of its last digit down and up, encloses the printed blocking."""
    half = 0.5 * 10.0 ** -len(load.partition(".")[2])
    assert erlang_b(agents, float(load) - half) <= blocked <= erlang_b(agents, float(load) + half)


def test_erlang_c_closed_forms() -> None:
    """One agent waits with probability rho, two with 2 rho^2 / (1 + rho); waits are exponential."""
    assert erlang_c(1, 0.7) == pytest.approx(0.7, rel=TOLERANCE)
    assert erlang_c(2, 1.2) == pytest.approx(2 * 0.36 / 1.6, rel=TOLERANCE)
    assert erlang_c_p_wait_over(1, 0.7, 180.0, 20.0) == pytest.approx(0.7 * exp(-0.3 * 20 / 180), rel=TOLERANCE)
    assert erlang_c_mean_wait(1, 0.7, 180.0) == pytest.approx(0.7 * 180 / 0.3, rel=TOLERANCE)


@pytest.mark.parametrize("patience", ["0.05", "0.5", "1", "4", "50"])
@pytest.mark.parametrize(("agents", "load"), [(1, "0.5"), (3, "4.5"), (10, "8"), (10, "10"), (40, "55"), (100, "90")])
def test_erlang_a_solves_the_balance_equations(agents: int, load: str, patience: str) -> None:
    """P(wait) and P(abandon) agree with the chain summed in 60 digits, under, at and over full load."""
    p_wait, p_abandon = exact_a(agents, Decimal(load), Decimal(patience))
    queue = ErlangA(agents=agents, load=float(load), handle_s=180.0, patience_s=180.0 * float(patience))
    assert queue.p_wait == pytest.approx(float(p_wait), rel=TOLERANCE, abs=0)
    assert queue.p_abandon == pytest.approx(float(p_abandon), rel=TOLERANCE, abs=0)
    assert queue.mean_wait_s == pytest.approx(float(p_abandon) * 180.0 * float(patience), rel=TOLERANCE)


def test_erlang_a_with_patience_like_service_is_an_infinite_server() -> None:
    """When patience and handle time have one mean, the number in the system is Poisson."""
    load, agents = 12.0, 10
    poisson = [exp(-load) * load**k / factorial(k) for k in range(120)]
    queue = ErlangA(agents=agents, load=load, handle_s=60.0, patience_s=60.0)
    assert queue.p_wait == pytest.approx(sum(poisson[agents:]), rel=TOLERANCE)
    assert queue.p_abandon == pytest.approx(
        sum((k - agents) * p for k, p in enumerate(poisson) if k > agents) / load, rel=TOLERANCE
    )


def test_erlang_a_tends_to_erlang_c_as_patience_grows() -> None:
    """With patience a million handle times the waits are those of M/M/c."""
    queue = ErlangA(agents=10, load=8.0, handle_s=1.0, patience_s=1e6)
    assert queue.p_wait == pytest.approx(erlang_c(10, 8.0), rel=1e-4)
    assert queue.p_wait_over(0.7) == pytest.approx(erlang_c_p_wait_over(10, 8.0, 1.0, 0.7), rel=1e-4)


def test_erlang_a_waits_integrate_to_their_mean() -> None:
    """The integral of P(wait > t) is the mean wait, and P(wait > 0) is P(wait)."""
    queue = ErlangA(agents=5, load=5.5, handle_s=180.0, patience_s=40.0)
    step = 0.05
    area = sum(queue.p_wait_over((k + 0.5) * step) for k in range(12000)) * step
    assert queue.p_wait_over(0.0) == pytest.approx(queue.p_wait, rel=TOLERANCE)
    assert area == pytest.approx(queue.mean_wait_s, rel=1e-6)


@pytest.mark.parametrize("load", [50.0, 9_000.0, 9_990.0, 10_000.0, 15_000.0, 1e6])
def test_ten_thousand_agents_do_not_overflow(load: float) -> None:
    """At 10,000 agents every figure stays finite and a probability, far below and far above full load."""
    figures = [erlang_b(10_000, load)]
    if load < 10_000:
        figures += [erlang_c(10_000, load), erlang_c_p_wait_over(10_000, load, 180.0, 2.0)]
    queue = ErlangA(agents=10_000, load=load, handle_s=180.0, patience_s=60.0)
    figures += [queue.p_wait, queue.p_abandon, queue.p_wait_over(2.0), queue.occupancy]
    assert all(isfinite(figure) and 0.0 <= figure <= 1.0 + TOLERANCE for figure in figures)
    assert queue.load * (1 - queue.p_abandon) <= 10_000 * (1 + TOLERANCE)


def test_overload_leaves_what_the_agents_cannot_serve() -> None:
    """Far over full load P(abandon) is 1 - c/a: the agents are never free."""
    queue = ErlangA(agents=10_000, load=20_000.0, handle_s=180.0, patience_s=60.0)
    assert queue.p_abandon == pytest.approx(0.5, rel=TOLERANCE)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: erlang_b(-1, 1.0),
        lambda: erlang_b(5, -0.1),
        lambda: erlang_b(5, float("nan")),
        lambda: erlang_c(5, 5.0),
        lambda: erlang_c(0, 0.0),
        lambda: ErlangA(agents=5, load=4.0, handle_s=0.0, patience_s=10.0),
        lambda: ErlangA(agents=5, load=4.0, handle_s=10.0, patience_s=float("inf")),
        lambda: ErlangA(agents=9000, load=8000.0, handle_s=1.0, patience_s=1e12).p_wait,
    ],
)
def test_numbers_outside_the_formulas_are_refused(wrong) -> None:  # type: ignore[no-untyped-def]
    """Every argument for which a formula means nothing is refused with a message that says what was found."""
    with pytest.raises(OutOfDomain, match=r"found|terms"):
        wrong()


@pytest.mark.parametrize("agents", [1, 10, 200])
@pytest.mark.parametrize("patience_s", [0.0, 2.0])
def test_the_largest_load_loses_just_the_limit(agents: int, patience_s: float) -> None:
    """At the load that is found the wanted share gives up; callers without patience are those of Erlang B."""
    load = offered_load(agents, 180.0, patience_s, 0.03)
    share = erlang_b(agents, load)
    if patience_s:
        share = ErlangA(agents=agents, load=load, handle_s=180.0, patience_s=patience_s).p_abandon
    assert share == pytest.approx(0.03, abs=1e-6)
    assert offered_load(agents, 180.0, patience_s, 0.0) == 0.0
